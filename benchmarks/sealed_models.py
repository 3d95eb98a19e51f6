# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Models that only the benchmarks know: the same records, sealed and clear.

The clear ones are stock Tryton: what they do not do, the sealing costs.
"""
import copy
import datetime as dt
import random
import string
from decimal import Decimal

from harness import PASSWORD

import trytond.pool
from trytond.model import ModelSQL, ModelView, Unique, fields
from trytond.modules.early_access.answers import OPEN_STATES
from trytond.modules.early_access.definition import FORM_KINDS
from trytond.modules.early_access.form import Form
from trytond.modules.early_access.sealed import Sealed, SealedMixin
from trytond.pool import Pool
from trytond.pyson import Eval, PYSONEncoder
from trytond.transaction import Transaction

USER = 'data_manager'
# Sealed and clear records, of the same values and ids
RECORDS = 5_000
# Each with some forms
PATIENTS = 250
FORMS = 4
FORM = "Treatment"
CLEAR = ['code', 'state', 'request_date', 'company', 'authorization']
SEALED = [
    'surname_letters', 'first_name_letters', 'sex', 'birth_month', 'weight',
    'height', 'answers']

# code: type, and what an answer is picked from
VARIABLES = {
    'courses': ('integer', range(51)),
    'platelets': ('integer', range(50, 500)),
    'score': ('integer', range(101)),
    'dosage': ('numeric', [Decimal(i) / 10 for i in range(10, 2000)]),
    'creatinine': ('numeric', [Decimal(i) / 10 for i in range(400, 2000)]),
    'first_symptom': ('date', [
            dt.date(2020, 1, 1) + dt.timedelta(days=i) for i in range(1800)]),
    'last_scan': ('date', [
            dt.date(2024, 1, 1) + dt.timedelta(days=i) for i in range(700)]),
    'performance': ('selection', ['ps_0', 'ps_1', 'ps_2']),
    'outcome': ('selection', ['complete', 'partial', 'none']),
    'sites': ('multiselection', ['liver', 'lung', 'bone', 'brain']),
    }


class Record(ModelSQL, ModelView):
    "What a patient has in clear"
    __slots__ = ()

    code = fields.Char("Code", required=True)
    company = fields.Many2One(
        'company.company', "Company", required=True, ondelete='RESTRICT')
    authorization = fields.Many2One(
        'early_access.authorization', "Authorization", required=True,
        ondelete='RESTRICT')
    request_date = fields.Date("Request Date", required=True)
    state = fields.Selection([
            ('draft', "Draft"),
            ('eligible', "Eligible"),
            ('treated', "Treated"),
            ], "State", required=True, sort=False)

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_constraints += [
            ('code_unique', Unique(t, t.code),
                'early_access.msg_patient_code_unique'),
            ]

    @staticmethod
    def default_state():
        return 'draft'


class PlainRecord(Record):
    __name__ = 'early_access.bench.plain'

    surname_letters = fields.Char("Surname Letters", required=True, size=3)
    first_name_letters = fields.Char(
        "First Name Letters", required=True, size=2)
    sex = fields.Selection([
            (None, ''),
            ('female', "Female"),
            ('male', "Male"),
            ], "Sex", required=True, sort=False)
    birth_month = fields.Date("Birth Month", required=True)
    weight = fields.Numeric(
        "Weight (kg)", digits=(3, 1),
        domain=['OR',
            ('weight', '=', None),
            [('weight', '>=', 0.3), ('weight', '<=', 400)],
            ])
    height = fields.Numeric(
        "Height (cm)", digits=(3, 0),
        domain=['OR',
            ('height', '=', None),
            [('height', '>=', 20), ('height', '<=', 260)],
            ])
    answers = fields.Dict('early_access.variable', "Answers")


class SealedRecord(SealedMixin, Record):
    "Each record is a person, with a key"
    __name__ = 'early_access.bench.sealed'

    surname_letters = Sealed(PlainRecord.surname_letters)
    first_name_letters = Sealed(PlainRecord.first_name_letters)
    sex = Sealed(PlainRecord.sex)
    birth_month = Sealed(PlainRecord.birth_month)
    weight = Sealed(PlainRecord.weight)
    height = Sealed(PlainRecord.height)
    answers = Sealed(PlainRecord.answers)

    _sealed_keys = ('authorization',)


class PlainForm(ModelSQL, ModelView):
    "The columns of the list of forms, and clear answers"
    __name__ = 'early_access.bench.form'

    patient = fields.Many2One(
        'early_access.patient', "Patient", required=True, ondelete='CASCADE')
    company = fields.Function(
        fields.Many2One('company.company', "Company"),
        'on_change_with_company', searcher='search_company')
    definition = fields.Many2One(
        'early_access.protocol.form', "Form", required=True,
        ondelete='RESTRICT')
    kind = fields.Selection(FORM_KINDS, "Kind", required=True, sort=False)
    visit = fields.Many2One(
        'early_access.protocol.visit', "Visit", ondelete='RESTRICT')
    repetition = fields.Integer("Repetition", required=True)
    due_date = fields.Date("Due")
    latest_date = fields.Date("Until")
    overdue = fields.Function(fields.Boolean("Overdue"), 'get_overdue')
    answers = fields.Dict('early_access.variable', "Answers")
    submitted_at = fields.Timestamp("Submitted At")
    state = fields.Selection(
        Form.state.selection, "State", required=True, sort=False)

    on_change_with_company = Form.on_change_with_company

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls._order = [('due_date', 'ASC NULLS FIRST'), ('id', 'ASC')]

    @classmethod
    def search_company(cls, name, clause):
        return [('patient.' + clause[0], *clause[1:])]

    @classmethod
    def get_overdue(cls, forms, name):
        pool = Pool()
        Date = pool.get('ir.date')
        today = Date.today()
        return {
            f.id: bool(
                f.state in OPEN_STATES and f.latest_date
                and f.latest_date < today)
            for f in forms}


def clear(name):
    "Return a field like that of a form, in a column"
    field = getattr(Form, name)
    return copy.deepcopy(getattr(field, '_field', field))


class PlainFullForm(PlainForm):
    "All that opening a form shows, clear"
    __name__ = 'early_access.bench.full_form'

    related_person = clear('related_person')
    visit_date = clear('visit_date')
    collection_mode = clear('collection_mode')
    parent = fields.Many2One('early_access.bench.full_form', "Part Of")
    groups, queries, corrections = [
        fields.One2Many('early_access.bench.full_form', 'parent', "Repeated")
        for _ in range(3)]
    has_groups = clear('has_groups')
    code_list = clear('code_list')
    code = clear('code')
    situation = clear('situation')
    seriousness = clear('seriousness')
    missing = clear('missing')
    confirmed = clear('confirmed')
    computed = clear('computed')
    day_zero = clear('day_zero')
    deadline = clear('deadline')
    handover = clear('handover')
    case_number = clear('case_number')
    handed_over_by = clear('handed_over_by')
    handed_over_at = clear('handed_over_at')
    acknowledged_by = clear('acknowledged_by')
    acknowledged_at = clear('acknowledged_at')
    earliest_date = clear('earliest_date')
    deviation = clear('deviation')
    submitted_by = clear('submitted_by')
    verified_by = clear('verified_by')
    verified_at = clear('verified_at')
    locked_by = clear('locked_by')
    locked_at = clear('locked_at')


MODELS = [PlainRecord, SealedRecord, PlainForm, PlainFullForm]


def register():
    "Have the module bring the models too, each time it is loaded"
    register_classes = trytond.pool.register_classes

    def register_with_models(with_test=False):
        register_classes(with_test=with_test)
        Pool.register(*MODELS, module='early_access', type_='model')

    trytond.pool.register_classes = register_with_models


register()


class PickedValues:
    """Values picked at random, of which each record has its own.

    :param authorization: the id of the authorization of the records.
    :param names: the names of the variables.
    """

    def __init__(self, seed, company, authorization, names):
        self._random = random.Random(seed)
        self._clear = {'company': company, 'authorization': authorization}
        self._variables = {
            c: n for n in names for c in VARIABLES if n.endswith(f'_{c}')}

    def _letters(self, number):
        return ''.join(self._random.choices(string.ascii_uppercase, k=number))

    def _date(self, first, days):
        return first + dt.timedelta(days=self._random.randrange(days))

    def clear(self):
        return {
            **self._clear,
            'code': f'{self._letters(6)}-{self._random.getrandbits(64):x}',
            'request_date': self._date(dt.date(2025, 1, 1), 400),
            **self.state(),
            }

    def state(self):
        return {
            'state': self._random.choice(['draft', 'eligible', 'treated']),
            }

    def identity(self):
        return {
            'surname_letters': self._letters(3),
            'first_name_letters': self._letters(2),
            'sex': self._random.choice(['female', 'male']),
            'birth_month': self._date(
                dt.date(1930, 1, 1), 30_000).replace(day=1),
            }

    def measures(self):
        return {
            'weight': Decimal(self._random.randrange(300, 1300)) / 10,
            'height': Decimal(self._random.randrange(140, 205)),
            'answers': self.answers(),
            }

    def answers(self):
        result = {}
        for code, (type_, choices) in VARIABLES.items():
            value = self._random.choice(choices)
            if type_ == 'multiselection':
                value = sorted(self._random.sample(choices, 2))
            result[self._variables[code]] = value
        return result

    def record(self):
        return {**self.clear(), **self.identity(), **self.measures()}


def records(config):
    "A programme with records of each model, and a user who may see them."
    from proteus import Model
    from trytond.modules.early_access.tests.tools import (
        create_authorization, create_laboratory, create_protocol, run_as)

    create_laboratory(config=config)
    with run_as('regulatory_affairs', config=config):
        protocol = create_protocol(
            create_authorization(config=config), config=config)
        _add_form(protocol)
        protocol.click('activate')
    User = Model.get('res.user', config=config)
    user, = User.find([('login', '=', USER)])
    user.password = PASSWORD
    user.save()

    with Transaction().start(config.database_name, 0) as transaction:
        for class_ in MODELS:
            cls = Pool().get(class_.__name__)
            cls.__register__('early_access')
            cls._update_sql_indexes()
            _give_access(cls)
        transaction.commit()
        _create_records()
        _create_forms()
        transaction.commit()
        transaction.connection.cursor().execute('ANALYZE')


def _add_form(protocol):
    "Add the form that asks the variables"
    for code, (type_, choices) in VARIABLES.items():
        variable = protocol.variables.new(
            code=code, string=code.replace('_', ' ').title(), type_=type_,
            category='efficacy')
        if type_ == 'numeric':
            variable.digits = 1
        elif type_.endswith('selection'):
            variable.selection = '\n'.join(
                f'{c}: {c.title()}' for c in choices)
    protocol.save()
    form = protocol.forms.new(kind='follow_up', name=FORM)
    for variable in protocol.variables:
        if variable.code in VARIABLES:
            form.questions.new(variable=variable)
    protocol.save()
    protocol.visits[0].forms.append(type(form)(protocol.forms[-1].id))
    protocol.save()


def _give_access(Model):
    "The accesses and the rule that the module gives to the users"
    pool = Pool()
    Access = pool.get('ir.model.access')
    Group = pool.get('res.group')
    RuleGroup = pool.get('ir.rule.group')
    group, = Group.search([
            ('name', '=', "Early Access: Data Manager"),
            ])
    Access.create([{
                'model': Model.__name__,
                'group': g,
                **{f'perm_{m}': bool(g)
                    for m in ['read', 'write', 'create', 'delete']},
                } for g in [None, group.id]])
    RuleGroup.create([{
                'name': "User in companies",
                'model': Model.__name__,
                'global_p': True,
                'rules': [('create', [{
                                'domain': PYSONEncoder().encode([
                                        ('company', 'in',
                                            Eval('companies', [])),
                                        ]),
                                }])],
                }])


def _picked_values():
    pool = Pool()
    Authorization = pool.get('early_access.authorization')
    Variable = pool.get('early_access.variable')
    authorization, = Authorization.search([])
    variables = Variable.search([('code', 'in', list(VARIABLES))])
    return PickedValues(
        'fixtures', authorization.company.id, authorization.id,
        [v.name for v in variables])


def _create_records():
    pool = Pool()
    picked = _picked_values()
    vlist = [picked.record() for _ in range(RECORDS)]
    for model in [PlainRecord, SealedRecord]:
        pool.get(model.__name__).create(vlist)


def _create_forms():
    "The forms, and clear ones of the same values and order"
    pool = Pool()
    Definition = pool.get('early_access.protocol.form')
    Form = pool.get('early_access.form')
    Patient = pool.get('early_access.patient')
    Plain = pool.get(PlainForm.__name__)
    Professional = pool.get('early_access.professional')
    picked = _picked_values()
    prescriber, = Professional.search([('user.login', '=', 'prescriber')])
    service, = prescriber.services
    definition, = Definition.search([('name', '=', FORM)])
    today = dt.date.today()
    patients = Patient.create([{
                'service': service.id,
                'prescriber': prescriber.id,
                'request_date': today,
                **picked.identity(),
                } for _ in range(PATIENTS)])
    vlist = []
    for number in range(FORMS):
        due_date = today + dt.timedelta(days=28 * number)
        vlist += [{
                'patient': patient.id,
                'definition': definition.id,
                'kind': definition.kind,
                'repetition': number + 1,
                'due_date': due_date,
                'latest_date': due_date + dt.timedelta(days=14),
                'state': 'submitted',
                'submitted_at': dt.datetime.now(),
                'answers': picked.answers(),
                } for patient in patients]
    Form.create(vlist)
    Plain.create(vlist)
