# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""A laboratory, hospitals and a running programme for the tests.

Everything is fictitious. Each record is made by the user whose task it is,
so that making them is already a test of the accesses. There is one user per
profile, and the login of the user is the name of the profile.

A scenario starts with :func:`activate_programme` and acts with
:func:`sign_in` or :func:`run_as`. A unit test derives from
:class:`ProgrammeTestCase` and acts with :func:`acting`.
"""

import datetime as dt
import hashlib
import itertools
import random
from contextlib import contextmanager
from decimal import Decimal
from string import ascii_uppercase

from dateutil.relativedelta import relativedelta
from stdnum import ean, luhn

from proteus import Model
from proteus.config import get_config
from trytond.exceptions import UserError
from trytond.modules.company.tests.tools import create_company, get_company
from trytond.modules.early_access.transaction import forget
from trytond.pool import Pool
from trytond.tests.test_tryton import (
    TestCase, backup_db_cache, drop_db, restore_db_cache)
from trytond.tests.tools import _get_config, activate_modules, set_user
from trytond.transaction import Transaction

__all__ = [
    'HOSPITAL', 'PATIENT_PATHS', 'PROFILES', 'ProgrammeTestCase', 'acting',
    'acting_groups', 'activate_programme', 'answer', 'answers',
    'create_authorization', 'create_laboratory', 'create_patient',
    'create_patients', 'create_programme', 'create_protocol', 'create_user',
    'delegate', 'get', 'get_user', 'give_role', 'move_patient', 'new_finess',
    'new_rpps', 'post_decision', 'production', 'request_access', 'rpc',
    'run_as', 'sign_in']

PROFILES = {
    'pharmacist_in_charge': "Pharmacist in Charge",
    'delegate': "Delegate of the Pharmacist in Charge",
    'pharmacovigilance': "Pharmacovigilance",
    'medical_affairs': "Medical Affairs",
    'research': "Research and Development",
    'regulatory_affairs': "Regulatory Affairs",
    'market_access': "Market Access",
    'supply': "Supply",
    'data_manager': "Data Manager",
    'dpo': "Data Protection Officer",
    'security_officer': "Security Officer",
    'audit': "Audit",
    'configuration': "Configuration",
    'prescriber': "Prescriber",
    'hospital_pharmacist': "Hospital Pharmacist",
    'hospital_staff': "Hospital Staff",
    'establishment_referent': "Establishment Referent",
    }
# login: profile, profession, establishment and name of the service, pharmacy
HOSPITAL = {
    'prescriber': (
        'prescriber', 'doctor', "North Hospital", "Oncology", None),
    'haematologist': (
        'prescriber', 'doctor', "North Hospital", "Haematology", None),
    'south_prescriber': (
        'prescriber', 'doctor', "South Hospital", "Oncology", None),
    'east_prescriber': (
        'prescriber', 'doctor', "East Clinic", "Oncology", None),
    'hospital_pharmacist': (
        'hospital_pharmacist', 'pharmacist', None, None, "North Pharmacy"),
    'south_pharmacist': (
        'hospital_pharmacist', 'pharmacist', None, None, "South Pharmacy"),
    'hospital_staff': (
        'hospital_staff', 'staff', "North Hospital", "Oncology", None),
    'establishment_referent': (
        'establishment_referent', 'staff', "North Hospital", "Oncology",
        None),
    }
# The North Pharmacy serves the East Clinic too
SERVICES = [
    ("North Hospital", "Oncology", "North Pharmacy"),
    ("North Hospital", "Haematology", "North Pharmacy"),
    ("East Clinic", "Oncology", "North Pharmacy"),
    ("South Hospital", "Oncology", "South Pharmacy"),
    ]
# What each user does to bring a request to a state
PATIENT_PATHS = {
    'draft': [],
    'signed': ['sign'],
    'submitted': ['sign', 'submit'],
    'eligible': ['sign', 'submit', 'accept'],
    'refused': ['sign', 'submit', 'refuse'],
    'treated': ['sign', 'submit', 'accept', 'initiate'],
    'discontinued': ['sign', 'submit', 'accept', 'initiate', 'discontinue'],
    'never_started': ['sign', 'submit', 'accept', 'never_start'],
    'cancelled': ['cancel'],
    }
_numbers = itertools.count(1)


def activate_programme(
        patients=False, programme=None, module='early_access'):
    """Return a configuration on a database with a running programme.

    :param patients: with a patient in each state too.
    :param programme: what makes the programme, create_programme by default.
    :param module: the module to activate, with its dependencies.
    """
    setups = [create_laboratory, programme or create_programme]
    if patients:
        setups.append(create_patients)
    # Each level is kept, and made of the one below
    for level in range(len(setups), 0, -1):
        if restore_db_cache(_cache_name(module, setups[:level])):
            config = _get_config()
            break
    else:
        level = 0
        config = activate_modules(module)
    for level in range(level, len(setups)):
        setups[level](config=config)
        backup_db_cache(_cache_name(module, setups[:level + 1]))
    set_user(1, config=config)
    return config


def _cache_name(module, setups):
    with open(__file__, 'rb') as file:
        version = hashlib.sha256(file.read()).hexdigest()[:8]
    return f'{module}--{version}|' + '|'.join(f.__name__ for f in setups)


# Users


def get(model, name, config=None):
    "Return the only record of the model that has the name."
    record, = Model.get(model, config=config).find([('rec_name', '=', name)])
    return record


def get_user(login, config=None):
    user, = Model.get('res.user', config=config).find([('login', '=', login)])
    return user


def sign_in(login, *records, config=None):
    """Act as the user from now on.

    :param records: what the user takes over from the user before; they are
        returned as the user reads them.
    """
    config = config or get_config()
    config.user = 1
    set_user(get_user(login, config=config), config=config)
    records = [
        Model.get(r.__class__.__name__, config=config)(r.id) for r in records]
    if records:
        return records if len(records) > 1 else records[0]


@contextmanager
def run_as(login, config=None):
    "Act as the user in the block."
    config = config or get_config()
    previous = config.user, config._context
    sign_in(login, config=config)
    try:
        yield config
    finally:
        config.user, config._context = previous


@contextmanager
def acting(login):
    """Act as the user in the transaction, with the accesses checked.

    That is how a request of a client or of a script runs.
    """
    User = Pool().get('res.user')
    with Transaction().set_user(0), Transaction().set_context(
            _check_access=False):
        user, = User.search([('login', '=', login)])
    with Transaction().set_user(user.id):
        context = User.get_preferences(context_only=True)
        with Transaction().set_context(context, _check_access=True):
            yield user


@contextmanager
def production():
    "Validate like a server in production, which skips the Function fields."
    Pool.test = False
    try:
        yield
    finally:
        Pool.test = True


def rpc(Model, method, *args):
    "Return the result of the method when the current user requests it."
    rpc = Model.__rpc__[method]
    transaction = Transaction()
    args, kwargs, context, _ = rpc.convert(
        Model, *args, dict(transaction.context))
    with transaction.reset_context(), transaction.set_context(context):
        call = rpc.decorate(getattr(Model, method))
        return rpc.result(call(*args, **kwargs))


@contextmanager
def acting_groups(login, *groups):
    "Act as a new user of the groups (their names) in the transaction."
    pool = Pool()
    Company = pool.get('company.company')
    Group = pool.get('res.group')
    User = pool.get('res.user')
    companies = Company.search([])
    User.create([{
                'name': login,
                'login': login,
                'groups': [
                    ('add', Group.search([('name', 'in', groups)]))],
                'companies': [('add', companies)],
                'company': companies[0].id,
                }])
    with acting(login) as user:
        yield user


def create_user(login, profile, company, config=None):
    User = Model.get('res.user', config=config)
    Group = Model.get('res.group', config=config)
    user = User(name=login.replace('_', ' ').title(), login=login)
    if 'roles' not in User._fields:
        group, = Group.find(
            [('name', '=', f'Early Access: {PROFILES[profile]}')])
        user.groups.append(group)
    user.companies.append(type(company)(company.id))
    user.company = company
    user.save()
    if 'roles' in User._fields:
        give_role(user, profile, config=config)
    return user


def give_role(user, profile, config=None):
    "Give the user the role of a profile, where rights come from roles."
    Role = Model.get('res.role', config=config)
    UserRole = Model.get('res.user.role', config=config)
    role, = Role.find([('name', '=', PROFILES[profile])])
    UserRole(user=user, role=role, reason="Post in the programme").save()
    user.reload()


def delegate(from_date=None, to_date=None, config=None):
    "Return a delegation, that is running by default."
    Delegation = Model.get('early_access.delegation', config=config)
    today = dt.date.today()
    delegation = Delegation(user=get_user('delegate', config=config))
    delegation.from_date = from_date or today - relativedelta(days=7)
    delegation.to_date = to_date or today + relativedelta(days=7)
    delegation.save()
    return delegation


# Identifiers


def new_rpps():
    "Return an invented RPPS, of the range of the tests (997)."
    number = f'997{next(_numbers):07}'
    return number + luhn.calc_check_digit(number)


def new_finess():
    "Return an invented FINESS, of a department that does not exist."
    number = f'99{next(_numbers):06}'
    return number + luhn.calc_check_digit(number)


def new_ucd13():
    number = f'340089{next(_numbers):06}'
    return number + ean.calc_check_digit(number)


# The laboratory and the hospitals


def create_laboratory(config=None):
    "A company, its users, the hospitals with theirs, and a product."
    create_company(config=config)
    company = get_company(config=config)
    for profile in PROFILES.keys() - {v[0] for v in HOSPITAL.values()}:
        create_user(profile, profile, company, config=config)
    for login, (profile, *_) in HOSPITAL.items():
        create_user(login, profile, company, config=config)
    with run_as('pharmacist_in_charge', config=config):
        delegate(config=config)
    create_product("Demolumab 50 mg", config=config)
    with run_as('configuration', config=config):
        _create_hospitals(config)
        _create_professionals(config)


def create_product(name, config=None):
    Template = Model.get('product.template', config=config)
    Uom = Model.get('product.uom', config=config)
    unit, = Uom.find([('name', '=', "Unit")])
    template = Template(name=name)
    template.default_uom = unit
    template.type = 'goods'
    template.medicinal = True
    template.inn = name.split()[0].lower()
    template.atc = 'L01FX99'
    template.strength = name.split(' ', 1)[1]
    template.pharmaceutical_form = 'concentrate_infusion'
    template.storage_condition = 'refrigerated'
    product, = template.products
    identifier = product.identifiers.new()
    identifier.type = 'ucd13'
    identifier.code = new_ucd13()
    template.save()
    product, = template.products
    return product


def _create_hospitals(config):
    Party = Model.get('party.party', config=config)
    Service = Model.get('early_access.service', config=config)
    Specialty = Model.get('early_access.specialty', config=config)
    parties = {}

    def party(name, kind):
        if name not in parties:
            party = Party(name=name, hospital_kind=kind)
            identifier = party.identifiers.new()
            identifier.type = 'fr_finess'
            identifier.code = new_finess()
            address, = party.addresses
            address.street = "1 rue de l'Essai"
            address.city = "Ville"
            address.postal_code = '99000'
            address.delivery = True
            party.save()
            parties[name] = party
        return parties[name]

    for establishment, name, pharmacy in SERVICES:
        Service(
            name=name,
            establishment=party(establishment, 'establishment'),
            pharmacy=party(pharmacy, 'pharmacy')).save()
    Specialty(code='SM99', name="Test Oncology").save()


def _create_professionals(config):
    Party = Model.get('party.party', config=config)
    Professional = Model.get('early_access.professional', config=config)
    Service = Model.get('early_access.service', config=config)
    Specialty = Model.get('early_access.specialty', config=config)
    specialty, = Specialty.find([('code', '=', 'SM99')])
    for login, (_, profession, establishment, service, pharmacy) in (
            HOSPITAL.items()):
        person = Party(name=login.replace('_', ' ').title())
        person.save()
        professional = Professional(party=person, profession=profession)
        professional.user = get_user(login, config=config)
        professional.identity_source = 'directory'
        if profession != 'staff':
            professional.rpps = new_rpps()
        if profession == 'doctor':
            professional.specialty = specialty
        if service:
            service, = Service.find([
                    ('name', '=', service),
                    ('establishment.name', '=', establishment),
                    ])
            professional.services.append(service)
        if pharmacy:
            pharmacy, = Party.find([('name', '=', pharmacy)])
            professional.pharmacies.append(pharmacy)
        professional.save()
        professional.click('activate')


# The programme


def create_programme(config=None):
    "An authorization that is granted and its active protocol."
    with run_as('regulatory_affairs', config=config):
        authorization = create_authorization(config=config)
        create_protocol(authorization, config=config).click('activate')


def create_authorization(
        code='DMB', name="Demolumab in test carcinoma", indication='TEST-1',
        product="Demolumab 50 mg", grant=None, config=None):
    """Return an authorization, granted for one year.

    :param grant: the date from which it is granted; two months ago by
        default.
    """
    Authorization = Model.get('early_access.authorization', config=config)
    Indication = Model.get('early_access.indication', config=config)
    Product = Model.get('product.product', config=config)
    grant = grant or dt.date.today() - relativedelta(months=2)
    indications = Indication.find([('code', '=', indication)])
    if not indications:
        indications = [Indication(code=indication, name="Test carcinoma")]
        indications[0].save()
    authorization = Authorization(
        code=code, name=name, indication=indications[0])
    product, = Product.find([('name', '=', product)])
    authorization.products.append(product)
    authorization.filed_date = grant - relativedelta(months=3)
    authorization.save()
    authorization.click('file')
    post_decision(
        authorization, 'grant', number=f'{code}-1', date=grant, config=config)
    authorization.reload()
    return authorization


def post_decision(
        authorization, kind, number, date=None, config=None, **values):
    "Return the decision of the kind, posted on the authorization."
    Decision = Model.get(
        'early_access.authorization.decision', config=config)
    decision = Decision(authorization=authorization, number=number)
    decision.decision_date = date or dt.date.today()
    decision.effective_date = date or dt.date.today()
    decision.kind = kind
    for name, value in values.items():
        setattr(decision, name, value)
    decision.click('post')
    authorization.reload()
    return decision


def create_protocol(authorization, version='1', config=None, **values):
    "Return a protocol that is complete, and a draft."
    Protocol = Model.get('early_access.protocol', config=config)
    protocol = Protocol(authorization=authorization, version=version)
    protocol.decision = next(
        d for d in authorization.decisions
        if d.state == 'posted' and d.kind == 'grant')
    protocol.effective_date = protocol.decision.effective_date
    protocol.prescriber_information = f'information {version}'
    protocol.privacy_notice = f'notice {version}'
    protocol.minimum_shelf_life = 30
    for name, value in values.items():
        setattr(protocol, name, value)
    for code, string, kind, answer in [
            ('adult', "The patient is an adult", 'inclusion', 'yes'),
            ('pregnant', "The patient is pregnant", 'exclusion', 'no'),
            ]:
        protocol.criteria.new(
            code=code, string=string, kind=kind, admitting_answer=answer)
    supply = protocol.supplies.new()
    supply.product = authorization.products[0]
    supply.maximum_quantity = 10
    supply.period = 28
    _create_variables(protocol)
    protocol.save()
    _create_forms(protocol)
    return protocol


def _create_variables(protocol):
    protocol.variables.new(
        code='ecog', string="ECOG performance status", type_='selection',
        selection="ecog_0: 0\necog_1: 1\necog_2: 2",
        category='characteristics')
    protocol.variables.new(
        code='diagnosis', string="Date of diagnosis", type_='date',
        category='history')
    protocol.variables.new(
        code='metastases', string="Metastases", type_='multiselection',
        selection="liver: Liver\nlung: Lung\nbone: Bone",
        category='history')
    protocol.variables.new(
        code='dose', string="Dose", type_='numeric', digits=1, unit='mg',
        minimum=Decimal(1), maximum=Decimal(200), usual_minimum=Decimal(40),
        usual_maximum=Decimal(60), category='use')
    protocol.variables.new(
        code='cycles', string="Cycles", type_='integer',
        minimum=Decimal(0), maximum=Decimal(50), category='use')
    protocol.variables.new(
        code='response', string="Response", type_='selection',
        selection="complete: Complete\npartial: Partial\nnone: None",
        category='efficacy')
    protocol.variables.new(
        code='grade', string="CTCAE grade", type_='selection',
        selection="grade_1: 1\ngrade_2: 2\ngrade_3: 3",
        category='safety')
    protocol.variables.new(
        code='stop_cause', string="Reason of the change", type_='selection',
        selection="toxicity: Toxicity\nweight: Weight", category='use')
    protocol.variables.new(
        code='imaging', string="Imaging of the lung", type_='selection',
        selection="normal: Normal\nlesions: Lesions", category='efficacy')
    protocol.variables.new(
        code='treatment_start', string="Start of the treatment",
        type_='date', category='history')
    for computation in ['sex', 'age', 'body_surface_area']:
        protocol.variables.new(
            code=computation, computation=computation, category='use')


def _create_forms(protocol):
    variables = {v.code: v for v in protocol.variables}
    for kind, name, questions in [
            ('access', "Access request",
                [('ecog', True), ('diagnosis', True), ('metastases', False)]),
            ('initiation', "Initiation", [('dose', True)]),
            ('follow_up', "Follow-up", [('response', True), ('dose', True),
                    ('cycles', False), ('stop_cause', True)]),
            ('follow_up', "Imaging", [('imaging', True)]),
            ('discontinuation', "Discontinuation", [('response', True)]),
            ('adverse_event', "Adverse event", [('grade', True)]),
            ('dose_change', "Dose change", [('dose', True)]),
            ]:
        form = protocol.forms.new(kind=kind, name=name)
        for code, required in questions:
            form.questions.new(variable=variables[code], required=required)
    protocol.save()
    _create_conditions(protocol, variables)
    _create_group(protocol, variables)
    follow_up, imaging = [
        f for f in protocol.forms if f.kind == 'follow_up']
    for name, offset, forms in [
            ("M1", 1, [follow_up]), ("M3", 3, [follow_up, imaging])]:
        visit = protocol.visits.new(name=name, offset=offset)
        for form in forms:
            visit.forms.append(type(form)(form.id))
    protocol.save()


def _create_conditions(protocol, variables):
    """The cause is asked without response or above 60 mg, the imaging is
    expected with metastases of the lung."""
    follow_up, imaging = [
        f for f in protocol.forms if f.kind == 'follow_up']
    question = follow_up.questions[-1]
    question.condition_mode = 'any'
    question.conditions.new(variable=variables['response'], value='none')
    question.conditions.new(
        variable=variables['dose'], operator='>', value='60')
    follow_up.save()
    imaging.conditions.new(variable=variables['metastases'], value='lung')
    imaging.save()


def _create_group(protocol, variables):
    "The treatments that go with it, named by a list of codes."
    config = protocol._config
    CodeList = Model.get('early_access.code_list', config=config)
    code_list, = CodeList.find([('name', '=', "ATC")], limit=1) or [None]
    if not code_list:
        code_list = CodeList(name="ATC", version='2026')
        code_list.company = get_company(config=config)
        for code, name in [
                ('X99AA01', "Fictitious one"), ('X99AA02', "Fictitious two")]:
            code_list.codes.new(code=code, name=name)
        code_list.save()
    parent = next(f for f in protocol.forms if f.kind == 'follow_up')
    group = protocol.forms.new(kind='group', name="Concomitant treatments")
    group.parent = type(parent)(parent.id)
    group.code_list = code_list
    group.questions.new(
        variable=variables['treatment_start'], required=True)
    protocol.save()


# The patients


def create_patients(config=None):
    """A patient in each state in the Oncology of the North Hospital, and an
    eligible one in the services of the others."""
    for state in PATIENT_PATHS:
        create_patient(state, config=config)
    for login in ['haematologist', 'east_prescriber', 'south_prescriber']:
        create_patient('eligible', login=login, config=config)


def create_patient(
        state='eligible', login='prescriber', config=None, **values):
    "Return the id of a patient brought to the state by the users concerned."
    return move_patient(
        request_access(login, config=config, **values), state, config=config)


def request_access(login='prescriber', config=None, **values):
    """Return the id of a new request, complete and ready to be signed.

    :param login: the prescriber.
    """
    today = dt.date.today()
    with run_as(login, config=config) as config:
        Authorization = Model.get(
            'early_access.authorization', config=config)
        Patient = Model.get('early_access.patient', config=config)
        patient = Patient()
        if not patient.authorization:
            patient.authorization, = Authorization.find(
                [('code', '=', 'DMB')])
        patient.surname_letters, patient.first_name_letters = _letters()
        patient.sex = 'female'
        patient.birth_month = dt.date(1970, 5, 1)
        patient.weight = Decimal('61.5')
        patient.height = Decimal('168')
        patient.information_date = patient.notice_date = today
        patient.informed_person = 'patient'
        patient.treatment_accepted_date = today
        for name, value in values.items():
            setattr(patient, name, value)
        if 'criteria' not in values:
            patient.criteria = answers(
                patient.criteria, adult='yes', pregnant='no')
        patient.save()
        form, = patient.forms
        answer(form, ecog='ecog_1', diagnosis=today - relativedelta(years=1))
        return patient.id


def _letters():
    # At random, as those of a database that is restored are not known
    letters = random.choices(ascii_uppercase, k=4)
    return 'T' + ''.join(letters[:2]), ''.join(letters[2:])


def answers(questions, **values):
    """Return the answers by the names of the questions.

    :param questions: a dictionary whose keys are the names: the value of
        the criteria of a patient or of the answers of a form.
    :param values: the answers by the codes of the questions.
    """
    result = dict(questions)
    for code, value in values.items():
        name, = [n for n in questions if n.endswith('_' + code)]
        result[name] = value
    return result


def answer(form, **values):
    "Save the answers by the codes of the questions, at a visit of today."
    form.answers = answers(form.answers, **values)
    if not form.visit_date and form.kind not in {'access', 'group'}:
        form.visit_date = dt.date.today()
    form.save()


def move_patient(patient, state, config=None):
    "Bring a request (its id) to the state, each act by the user concerned."
    for button in PATIENT_PATHS[state]:
        _act(patient, button, config=config)
    return patient


def _act(patient, button, config=None):
    login, values = {
        'sign': ('prescriber', {}),
        'cancel': ('prescriber', {}),
        'submit': ('pharmacist', {}),
        'accept': ('pharmacist_in_charge', {}),
        'refuse': ('pharmacist_in_charge', {'refusal_reason': 'indication'}),
        'initiate': (
            'prescriber', {'first_administration_date': dt.date.today()}),
        'never_start': ('prescriber', {'never_started_reason': 'patient'}),
        'discontinue': ('prescriber', {
                'discontinuation_date': dt.date.today(),
                'stop_reason': 'progression',
                }),
        }[button]
    if login == 'prescriber':
        login = _prescriber(patient, config)
    elif login == 'pharmacist':
        login = _pharmacist(patient, config)
    with run_as(login, config=config) as config:
        record = Model.get('early_access.patient', config=config)(patient)
        for name, value in values.items():
            setattr(record, name, value)
        record.click(button)


def _prescriber(patient, config):
    return _login_of(patient, 'prescriber', config)


def _pharmacist(patient, config):
    return _login_of(patient, 'pharmacy', config)


def _login_of(patient, name, config):
    with run_as('pharmacist_in_charge', config=config) as config:
        patient = Model.get('early_access.patient', config=config)(patient)
        if name == 'prescriber':
            return patient.prescriber.user.login
        Professional = Model.get('early_access.professional', config=config)
        pharmacist, = Professional.find([
                ('profession', '=', 'pharmacist'),
                ('pharmacies', '=', patient.pharmacy.id),
                ('state', '=', 'active'),
                ], limit=1)
        return pharmacist.user.login


class ProgrammeTestCase(TestCase):
    """A database with a running programme and a patient in each state.

    Its tests run in a transaction of their own that is rolled back.
    """
    module = 'early_access'

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        drop_db()
        activate_programme(patients=True, module=cls.module)

    @classmethod
    def tearDownClass(cls):
        drop_db()
        super().tearDownClass()

    @contextmanager
    def refused(self, *errors):
        """Check that the block is refused with one of the errors.

        What it has written is rolled back, like after a request.
        """
        with self.undone():
            with self.assertRaises(errors or UserError) as cm:
                yield cm

    @contextmanager
    def undone(self):
        "Roll back what the block has written."
        transaction = Transaction()
        cursor = transaction.connection.cursor()
        cursor.execute('SAVEPOINT undone')
        yield
        cursor.execute('ROLLBACK TO SAVEPOINT undone')
        forget()
        transaction.create_records.clear()
        transaction.delete_records.clear()

    def patient(self, state, login='prescriber'):
        "Return the patient in the state of the prescriber."
        pool = Pool()
        Patient = pool.get('early_access.patient')
        with Transaction().set_user(0):
            patient, = Patient.search([
                    ('state', '=', state),
                    ('prescriber.user.login', '=', login),
                    ], order=[('id', 'ASC')], limit=1)
        return patient
