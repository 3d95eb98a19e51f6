# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from dateutil.relativedelta import relativedelta

from trytond.i18n import gettext
from trytond.model import Index, ModelSQL, ModelView, Unique, Workflow, fields
from trytond.model.exceptions import AccessError
from trytond.pool import Pool
from trytond.pyson import Eval

from .definition import DefinitionMixin
from .exceptions import ProtocolError
from .national_number import NationalNumberMixin
from .party import ESTABLISHMENT_TYPES
from .protocol_check import ProtocolCheckMixin
from .protocol_difference import ProtocolDifferenceMixin
from .variable import SPECIAL_CATEGORIES
from .workflow import (
    ProgrammeWorkflow, guarded, stamped, time_field, user_field)


class Protocol(
        ProtocolCheckMixin, ProtocolDifferenceMixin, NationalNumberMixin,
        ProgrammeWorkflow, ModelSQL, ModelView):
    """A version of the PUT-RD: the protocol of therapeutic use and data
    collection annexed to the decision of HAS (R.5121-70)."""
    __name__ = 'early_access.protocol'

    _states = {
        'readonly': Eval('state') != 'draft',
        }

    authorization = fields.Many2One(
        'early_access.authorization', "Authorization", required=True,
        ondelete='RESTRICT',
        states={
            'readonly': Eval('id', -1) >= 0,
            })
    company = fields.Function(
        fields.Many2One('company.company', "Company"),
        'on_change_with_company', searcher='search_company')
    version = fields.Char(
        "Version", required=True,
        states={
            'readonly': Eval('id', -1) >= 0,
            })
    decision = fields.Many2One(
        'early_access.authorization.decision', "Decision",
        ondelete='RESTRICT',
        domain=[
            ('authorization', '=', Eval('authorization', -1)),
            ('state', '=', 'posted'),
            ],
        states={
            'readonly': Eval('state') != 'draft',
            'required': Eval('state') != 'draft',
            },
        help="The decision of HAS to which the version is annexed.")
    effective_date = fields.Date(
        "Effective Date",
        states={
            'readonly': Eval('state') != 'draft',
            'required': Eval('state') != 'draft',
            })
    transition_days = fields.Integer(
        "Transition", required=True, states=_states,
        domain=[('transition_days', '>=', 0)],
        help="The days during which the requests under way finish under the "
        "version once it is superseded.")
    paediatric = fields.Boolean(
        "Paediatric", states=_states,
        help="Only then may the full birth date of a minor be collected.")
    specialties = fields.Many2Many(
        'early_access.protocol-early_access.specialty',
        'protocol', 'specialty', "Admitted Specialties", states=_states,
        help="The specialties of the prescribers. Leave empty for any.")
    establishment_types = fields.MultiSelection(
        ESTABLISHMENT_TYPES, "Admitted Establishments", sort=False,
        states=_states,
        help="The types of the establishments that prescribe. Leave empty "
        "for any.")
    minimum_shelf_life = fields.Integer(
        "Minimum Shelf Life", required=True, states=_states,
        domain=[('minimum_shelf_life', '>=', 0)],
        help="The days that a lot must have left before its expiry when it is "
        "picked.")
    initiation_days = fields.Integer(
        "Initiation Within", states=_states,
        domain=['OR',
            ('initiation_days', '=', None),
            ('initiation_days', '>', 0),
            ],
        help="The days after the acceptance in which the treatment is "
        "expected to start.")
    prescriber_information = fields.Char(
        "Prescriber's Information", required=True, states=_states,
        help="The version of the document by which the prescriber informs "
        "the patient (L.5121-12).")
    privacy_notice = fields.Char(
        "Privacy Notice", required=True, states=_states,
        help="The version of the information on the processing of personal "
        "data (GDPR).")
    criteria = fields.One2Many(
        'early_access.protocol.criterion', 'protocol', "Criteria",
        states=_states)
    variables = fields.One2Many(
        'early_access.variable', 'protocol', "Variables", states=_states)
    forms = fields.One2Many(
        'early_access.protocol.form', 'protocol', "Forms", states=_states)
    visits = fields.One2Many(
        'early_access.protocol.visit', 'protocol', "Visits", states=_states)
    supplies = fields.One2Many(
        'early_access.protocol.supply', 'protocol', "Quantities",
        states=_states)
    patients = fields.One2Many(
        'early_access.patient', 'protocol', "Patients", readonly=True)
    justifications = fields.One2Many(
        'early_access.protocol.justification', 'protocol', "Justifications",
        states=_states,
        help="Why a special category of data is strictly necessary.")
    activated_by = user_field("Activated By")
    activated_at = time_field("Activated At")
    superseded_date = fields.Date("Superseded", readonly=True)
    state = fields.Selection([
            ('draft', "Draft"),
            ('active', "Active"),
            ('superseded', "Superseded"),
            ], "State", required=True, readonly=True, sort=False)
    state_string = state.translated('state')

    del _states

    _protected = frozenset({
            'state', 'activated_by', 'activated_at', 'superseded_date'})
    _definition = frozenset({
            'authorization', 'version', 'decision', 'effective_date',
            'paediatric', 'specialties', 'establishment_types',
            'minimum_shelf_life',
            'initiation_days', 'prescriber_information', 'privacy_notice',
            'criteria', 'variables', 'forms', 'visits', 'supplies',
            'justifications', 'transition_days'})

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls.__access__.add('authorization')
        t = cls.__table__()
        cls._sql_constraints += [
            ('version_unique', Unique(t, t.authorization, t.version),
                'early_access.msg_protocol_unique'),
            ]
        cls._sql_indexes.add(
            Index(
                t, (t.authorization, Index.Range()),
                (t.state, Index.Equality(cardinality='low'))))
        cls._order = [('authorization', 'ASC'), ('id', 'DESC')]
        cls._transitions |= {
            ('draft', 'active'),
            ('active', 'superseded'),
            }
        cls._buttons.update(
            activate={
                'invisible': Eval('state') != 'draft',
                'depends': ['state'],
                },
            move={
                'invisible': (
                    (Eval('state') != 'active') | ~Eval('previous')),
                'depends': ['state', 'previous'],
                },
            import_dictionary={
                'invisible': Eval('state') != 'draft',
                'depends': ['state'],
                })

    @staticmethod
    def default_state():
        return 'draft'

    @staticmethod
    def default_transition_days():
        return 30

    @staticmethod
    def default_minimum_shelf_life():
        return 90

    @fields.depends('authorization', '_parent_authorization.company')
    def on_change_with_company(self, name=None):
        return self.authorization.company if self.authorization else None

    @classmethod
    def search_company(cls, name, clause):
        return [('authorization.' + clause[0], *clause[1:])]

    @property
    def prefix(self):
        "What makes the names of criteria and variables unique."
        version = ''.join(
            c if c.isalnum() else '_' for c in self.version.lower())
        return f'{self.authorization.code.lower()}_{version}'

    def get_rec_name(self, name):
        return f'{self.authorization.code} PUT-RD {self.version}'

    @classmethod
    def search_rec_name(cls, name, clause):
        _, operator, value = clause
        bool_op = 'AND' if operator.startswith(('!', 'not')) else 'OR'
        return [bool_op,
            ('version', operator, value),
            ('authorization.rec_name', operator, value),
            ]

    @property
    def computed_variables(self):
        return [v for v in self.variables if v.computation]

    @property
    def has_form_conditions(self):
        "Whether some of the forms are expected under conditions."
        return any(f.conditions for f in self.forms)

    def form_definition(self, kind):
        "The first form of the kind or None."
        for form in self.forms:
            if form.kind == kind:
                return form

    def in_force(self, date, transition=0):
        """Whether the version is in force on the date.

        :param transition: the days that it lasts after it is superseded.
        """
        if (self.state not in {'active', 'superseded'}
                or date < self.effective_date):
            return False
        return (
            self.superseded_date is None
            or date <= self.superseded_date + relativedelta(days=transition))

    def admits_request(self, date):
        "Whether a request may still be accepted under the version."
        return self.in_force(date, transition=self.transition_days)

    @classmethod
    @guarded('draft')
    @ModelView.button
    @Workflow.transition('active')
    @stamped('activated')
    def activate(cls, protocols):
        """Check the protocol as a whole and put it in force.

        Raises ProtocolError with all the problems at once.
        """
        pool = Pool()
        Date = pool.get('ir.date')
        Form = pool.get('early_access.protocol.form')
        today = Date.today()
        for protocol in protocols:
            problems = list(protocol.problems())
            if problems:
                raise ProtocolError(gettext(
                        'early_access.msg_protocol_problems',
                        protocol=protocol.rec_name,
                        problems='\n'.join(f'- {p}' for p in problems)))
        previous = cls.search([
                ('authorization', 'in', [
                        p.authorization.id for p in protocols]),
                ('state', '=', 'active'),
                ])
        effective = {p.authorization: p.effective_date for p in protocols}
        for protocol in previous:
            # In force until the new version is
            protocol.superseded_date = max(
                today,
                effective[protocol.authorization] - relativedelta(days=1))
        cls.save(previous)
        cls.supersede(previous)
        Form.forget_outlines()

    @classmethod
    @guarded('active')
    @ModelView.button_action('early_access.wizard_protocol_move')
    def move(cls, protocols):
        "Choose the patients who move to the version."

    @classmethod
    @guarded('draft')
    @ModelView.button_action('early_access.wizard_dictionary_import')
    def import_dictionary(cls, protocols):
        "Open the import of a data dictionary."

    @classmethod
    @Workflow.transition('superseded')
    def supersede(cls, protocols):
        "A newer version is activated."

    def check_draft(self, record):
        if self.state != 'draft':
            raise AccessError(gettext(
                    'early_access.msg_protocol_fixed',
                    record=record.rec_name,
                    protocol=self.rec_name,
                    state=self.state_string))

    @classmethod
    def check_modification(cls, mode, protocols, values=None, external=False):
        super().check_modification(
            mode, protocols, values=values, external=external)
        if mode == 'delete' or (
                mode == 'write' and values.keys() & cls._definition):
            for protocol in protocols:
                protocol.check_draft(protocol)
        if mode == 'write' and values.keys() & {'version', 'authorization'}:
            raise AccessError(gettext(
                    'early_access.msg_protocol_version_fixed',
                    protocol=protocols[0].rec_name))

    @classmethod
    def copy(cls, protocols, default=None):
        default = default.copy() if default is not None else {}
        default.setdefault('activated_by')
        default.setdefault('activated_at')
        default.setdefault('superseded_date')
        default.setdefault('decision')
        default.setdefault('effective_date')
        default.setdefault('version', lambda data: data['version'] + '+')
        # What refers to variables and forms of the version is made after them
        for name in ['forms', 'visits', 'variables', 'criteria', 'patients']:
            default[name] = None
        copies = super().copy(protocols, default=default)
        for protocol, new in zip(protocols, copies):
            protocol._copy_definition(new)
        return copies

    def _copy_definition(self, new):
        pool = Pool()
        Criterion = pool.get('early_access.protocol.criterion')
        Variable = pool.get('early_access.variable')
        Form = pool.get('early_access.protocol.form')
        Question = pool.get('early_access.protocol.form.question')
        QuestionCondition = pool.get(
            'early_access.protocol.form.question.condition')
        FormCondition = pool.get('early_access.protocol.form.condition')
        Visit = pool.get('early_access.protocol.visit')
        Criterion.copy(self.criteria, default={'protocol': new.id})
        variables = dict(zip(
                self.variables,
                Variable.copy(self.variables, default={'protocol': new.id})))
        forms = {}
        # A group needs the form of which it is a part
        for part in [
                [f for f in self.forms if not f.parent],
                [f for f in self.forms if f.parent]]:
            forms.update(zip(part, Form.copy(part, default={
                            'protocol': new.id,
                            'parent': lambda data: (
                                forms[Form(data['parent'])].id
                                if data['parent'] else None),
                            'questions': None,
                            'groups': None,
                            'conditions': None,
                            })))
        questions = [q for f in self.forms for q in f.questions]
        questions = dict(zip(
                questions, Question.copy(questions, default={
                        'form': lambda data: forms[Form(data['form'])].id,
                        'variable': lambda data: variables[
                            Variable(data['variable'])].id,
                        'conditions': None,
                        })))
        for Condition, name, copies in [
                (QuestionCondition, 'question', questions),
                (FormCondition, 'form', forms)]:
            Condition.copy(
                [c for r in copies for c in r.conditions], default={
                    name: lambda data, name=name, copies=copies: copies[
                        pool.get(Condition._fields[name].model_name)(
                            data[name])].id,
                    'variable': lambda data: variables[
                        Variable(data['variable'])].id,
                    })
        Visit.copy(self.visits, default={
                'protocol': new.id,
                'forms': lambda data: [
                    forms[Form(f)].id for f in data['forms']],
                })


class ProtocolSpecialty(ModelSQL):
    __name__ = 'early_access.protocol-early_access.specialty'
    protocol = fields.Many2One(
        'early_access.protocol', "Protocol", required=True,
        ondelete='CASCADE')
    specialty = fields.Many2One(
        'early_access.specialty', "Specialty", required=True,
        ondelete='RESTRICT')

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls.__access__.add('protocol')


class Supply(DefinitionMixin, ModelSQL, ModelView):
    "The greatest quantity of a product for a patient over a period"
    __name__ = 'early_access.protocol.supply'

    protocol = fields.Many2One(
        'early_access.protocol', "Protocol", required=True,
        ondelete='CASCADE')
    product = fields.Many2One(
        'product.product', "Product", required=True, ondelete='RESTRICT',
        domain=[
            ('template.medicinal', '=', True),
            ])
    unit = fields.Function(
        fields.Many2One('product.uom', "Unit"), 'on_change_with_unit')
    maximum_quantity = fields.Float(
        "Maximum Quantity", digits='unit', required=True,
        domain=[('maximum_quantity', '>', 0)])
    period = fields.Integer(
        "Period", required=True,
        domain=[('period', '>', 0)],
        help="In days.")

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls.__access__.add('protocol')
        t = cls.__table__()
        cls._sql_constraints += [
            ('product_unique', Unique(t, t.protocol, t.product),
                'early_access.msg_supply_unique'),
            ]

    @staticmethod
    def default_period():
        return 28

    @fields.depends('product')
    def on_change_with_unit(self, name=None):
        return self.product.default_uom if self.product else None

    def get_rec_name(self, name):
        return self.product.rec_name


class Justification(
        NationalNumberMixin, DefinitionMixin, ModelSQL, ModelView):
    """Why a special category of data is strictly necessary with regard to the
    product and the pathology (CNIL 2022-107, art. 7.2)."""
    __name__ = 'early_access.protocol.justification'

    protocol = fields.Many2One(
        'early_access.protocol', "Protocol", required=True,
        ondelete='CASCADE')
    category = fields.Selection(
        SPECIAL_CATEGORIES, "Category", required=True, sort=False)
    category_string = category.translated('category')
    justification = fields.Text("Justification", required=True)

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls.__access__.add('protocol')
        t = cls.__table__()
        cls._sql_constraints += [
            ('category_unique', Unique(t, t.protocol, t.category),
                'early_access.msg_justification_unique'),
            ]

    def get_rec_name(self, name):
        return self.category_string
