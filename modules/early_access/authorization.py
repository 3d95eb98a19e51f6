# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from decimal import Decimal

from sql.aggregate import Count

from trytond.i18n import gettext
from trytond.model import (
    Index, ModelSQL, ModelView, Unique, Workflow, fields)
from trytond.model.exceptions import AccessError
from trytond.pool import Pool
from trytond.pyson import Bool, Eval, If
from trytond.transaction import Transaction

from .authorization_period import AuthorizationPeriod
from .exceptions import AuthorizationError, SupplyError
from .national_number import NationalNumberMixin
from .workflow import (
    ProgrammeWorkflow, guarded, stamped, time_field, user_field)


class Authorization(
        AuthorizationPeriod, NationalNumberMixin, ProgrammeWorkflow, ModelSQL,
        ModelView):
    """An early access authorization of a product in an indication.

    Its state follows the decisions posted on it.
    """
    __name__ = 'early_access.authorization'

    _states = {
        'readonly': Eval('state') != 'draft',
        }

    name = fields.Char("Name", required=True, translate=True)
    code = fields.Char(
        "Code", required=True, size=6, states=_states,
        help="Two to six capital letters or digits: the prefix of the codes "
        "of the patients.")
    company = fields.Many2One(
        'company.company', "Company", required=True, ondelete='RESTRICT',
        states=_states)
    products = fields.Many2Many(
        'early_access.authorization-product.product',
        'authorization', 'product', "Products", required=True,
        domain=[
            ('template.medicinal', '=', True),
            ],
        states={
            'readonly': ~Eval('state').in_(['draft', 'filed']),
            },
        context={
            'company': Eval('company', -1),
            },
        depends={'company'})
    indication = fields.Many2One(
        'early_access.indication', "Indication", required=True,
        ondelete='RESTRICT', states=_states)
    stage = fields.Selection([
            ('pre_ma', "Before marketing authorization"),
            ('post_ma', "After marketing authorization"),
            ], "Stage", required=True, sort=False, states=_states)
    filed_date = fields.Date(
        "Filed", states={
            'readonly': Eval('state') != 'draft',
            'required': Eval('state') != 'draft',
            })
    acknowledged_date = fields.Date("File Acknowledged")
    questions_date = fields.Date(
        "HAS Questions",
        help="The date of the last questions of HAS: they suspend the time "
        "limit of its decision.")
    conversion_date = fields.Date(
        "Converted to Post-MA",
        states={
            'invisible': Eval('stage') != 'post_ma',
            })
    last_inclusion_date = fields.Date(
        "Last Inclusion",
        help="No new patient is accepted after this date.")
    ma_application_date = fields.Date(
        "MA Application",
        help="When the marketing authorization was applied for.")
    ma_granted_date = fields.Date("MA Granted")
    ma_ended_date = fields.Date("MA Ended")
    listing_application_date = fields.Date("Listing Application")
    listing_date = fields.Date("Listing")
    coverage_end_date = fields.Date(
        "End of Coverage", states={
            'required': Eval('state') == 'continuity',
            },
        help="The continuity of treatment starts at this date.")
    market_withdrawal_date = fields.Date("Market Withdrawal")
    renewal_filed_date = fields.Date(
        "Renewal Filed",
        states={
            'readonly': ~Eval('state').in_(['granted', 'suspended']),
            })

    decisions = fields.One2Many(
        'early_access.authorization.decision', 'authorization', "Decisions")
    protocols = fields.One2Many(
        'early_access.protocol', 'authorization', "Protocols", readonly=True)
    safety_transmissions = fields.One2Many(
        'early_access.safety_information', 'authorization',
        "Safety and Efficacy Information",
        help="The new information sent without delay to the authorities.")

    active_patients = fields.Function(
        fields.Integer("Patients under Treatment"), 'get_active_patients')

    index_key = fields.Many2One(
        'early_access.data_key', "Index Key", readonly=True,
        ondelete='RESTRICT',
        help="The key of the digests by which duplicates are found.")
    ended_by = user_field("Ended By")
    ended_at = time_field("Ended At")
    missing_limit = fields.Numeric(
        "Missing Limit", digits=(1, 4), required=True,
        domain=[
            ('missing_limit', '>=', 0),
            ('missing_limit', '<=', 1),
            ],
        help="HAS expects that at most 10% of the data are missing.")
    missing_rate = fields.Function(
        fields.Numeric("Missing Rate", digits=(1, 4)), 'get_missing_rate')
    state = fields.Selection([
            ('draft', "Draft"),
            ('filed', "Filed"),
            ('granted', "Granted"),
            ('suspended', "Suspended"),
            ('continuity', "Continuity of Treatment"),
            ('ended', "Ended"),
            ('refused', "Refused"),
            ], "State", required=True, readonly=True, sort=False)
    state_string = state.translated('state')

    del _states

    _protected = frozenset({
            'state', 'index_key', 'ended_by', 'ended_at'})

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_constraints += [
            ('code_unique', Unique(t, t.code),
                'early_access.msg_authorization_code_unique'),
            ]
        cls._sql_indexes.update({
                Index(
                    t,
                    (t.company, Index.Range()),
                    (t.state, Index.Equality(cardinality='low'))),
                Index(t, (t.indication, Index.Range())),
                })
        cls._order = [('code', 'ASC'), ('id', 'ASC')]
        cls._transitions |= {
            ('draft', 'filed'),
            ('filed', 'draft'),
            ('filed', 'granted'),
            ('filed', 'refused'),
            ('granted', 'granted'),
            ('granted', 'suspended'),
            ('granted', 'continuity'),
            ('granted', 'ended'),
            ('suspended', 'granted'),
            ('suspended', 'continuity'),
            ('suspended', 'ended'),
            ('continuity', 'ended'),
            }
        cls._buttons.update(
            draft={
                'invisible': Eval('state') != 'filed',
                'icon': 'tryton-back',
                'depends': ['state'],
                },
            file={
                'invisible': Eval('state') != 'draft',
                'readonly': ~Bool(Eval('filed_date')),
                'depends': ['state', 'filed_date'],
                },
            file_renewal={
                'invisible': (
                    (Eval('state') != 'granted')
                    | Eval('renewal_pending', False)),
                'depends': ['state', 'renewal_pending'],
                },
            end_coverage={
                'invisible': ~Eval('state').in_(['granted', 'suspended']),
                'readonly': ~Bool(Eval('coverage_end_date')),
                'depends': ['state', 'coverage_end_date'],
                },
            end={
                'invisible': Eval('state') != 'continuity',
                'depends': ['state'],
                })

    @staticmethod
    def default_company():
        return Transaction().context.get('company')

    @staticmethod
    def default_stage():
        return 'pre_ma'

    @staticmethod
    def default_missing_limit():
        return Decimal('0.1')

    @staticmethod
    def default_state():
        return 'draft'

    @classmethod
    def get_missing_rate(cls, authorizations, name):
        pool = Pool()
        Completeness = pool.get('early_access.completeness')
        return Completeness.missing_rates(authorizations)

    @classmethod
    def get_active_patients(cls, authorizations, name):
        pool = Pool()
        Patient = pool.get('early_access.patient')
        patient = Patient.__table__()
        cursor = Transaction().connection.cursor()
        result = {a.id: 0 for a in authorizations}
        in_ = fields.SQL_OPERATORS['in']
        cursor.execute(*patient.select(
                patient.authorization, Count(patient.id),
                where=in_(patient.authorization, list(result))
                & (patient.state == 'treated'),
                group_by=patient.authorization))
        result.update(cursor)
        return result

    @property
    def active_protocol(self):
        """The version of the protocol for the new requests, or None.

        The one in force, or else the one that is to be.
        """
        pool = Pool()
        Date = pool.get('ir.date')
        with Transaction().set_context(company=self.company.id):
            today = Date.today()
        active = [p for p in self.protocols if p.state == 'active']
        in_force = [p for p in self.protocols if p.in_force(today)]
        return max(
            in_force or active, key=lambda p: p.effective_date, default=None)

    def admits_new_patients(self, date):
        "New patients are accepted only while granted and in force."
        return (
            self.state == 'granted'
            and self.in_force_until is not None
            and self.effective_date <= date <= self.in_force_until
            and (not self.last_inclusion_date
                or date <= self.last_inclusion_date))

    def check_new_patient(self, date):
        if not self.admits_new_patients(date):
            raise AuthorizationError(gettext(
                    'early_access.msg_authorization_no_new_patient',
                    authorization=self.rec_name,
                    state=self.state_string,
                    valid_until=self._format_date(self.in_force_until),
                    last_inclusion=self._format_date(
                        self.last_inclusion_date)))

    @property
    def resupply_allowed(self):
        "Whether the suspension in force lets ongoing patients be supplied."
        suspension = [
            d for d in self.posted_decisions if d.kind == 'suspension']
        return bool(suspension and suspension[-1].resupply == 'allowed')

    def check_supply(self, date, ongoing, override=False):
        """Raise SupplyError unless a patient may be supplied at the date.

        :param ongoing: the patient has a first administration.
        :param override: the pharmacist in charge or a delegate decided, by
            name, to supply during a suspension that does not say so.
        """
        if self.state == 'granted' and self.in_force_until and (
                self.effective_date <= date <= self.in_force_until):
            return
        if self.state in {'granted', 'continuity'} and ongoing:
            # Expired but not closed: continuity is due to ongoing patients
            return
        if self.state == 'suspended' and ongoing and (
                self.resupply_allowed or override):
            return
        if self.state == 'suspended' and ongoing:
            message = 'early_access.msg_supply_suspended'
        elif self.state in {'granted', 'continuity', 'suspended'}:
            message = 'early_access.msg_supply_ongoing_only'
        else:
            message = 'early_access.msg_supply_refused'
        raise SupplyError(gettext(
                message,
                authorization=self.rec_name,
                state=self.state_string,
                date=self._format_date(date)))

    def _format_date(self, date):
        pool = Pool()
        Lang = pool.get('ir.lang')
        return Lang.get().strftime(date) if date else '-'

    def get_rec_name(self, name):
        return f'[{self.code}] {self.name}'

    @classmethod
    def search_rec_name(cls, name, clause):
        _, operator, value = clause
        bool_op = 'AND' if operator.startswith(('!', 'not')) else 'OR'
        return [bool_op,
            ('code', operator, value),
            ('name', operator, value),
            ('indication.name', operator, value),
            ]

    @classmethod
    def view_attributes(cls):
        return super().view_attributes() + [
            ('/tree', 'visual',
                If(Eval('urgency').in_(['expired', 'overdue']), 'danger',
                    If((Eval('urgency') == 'soon')
                        | (Eval('missing_rate', 0)
                            > Eval('missing_limit', 1)), 'warning',
                        If(Eval('urgency') == 'pending', 'success', '')))),
            ]

    @classmethod
    @guarded('filed')
    @ModelView.button
    @Workflow.transition('draft')
    def draft(cls, authorizations):
        for authorization in authorizations:
            if authorization.posted_decisions:
                raise AuthorizationError(gettext(
                        'early_access.msg_authorization_draft_decided',
                        authorization=authorization.rec_name))

    @classmethod
    @guarded('draft')
    @ModelView.button
    @Workflow.transition('filed')
    def file(cls, authorizations):
        for authorization in authorizations:
            if not authorization.filed_date:
                raise AuthorizationError(gettext(
                        'early_access.msg_authorization_filed_date',
                        authorization=authorization.rec_name))

    @classmethod
    @guarded('granted')
    @ModelView.button
    def file_renewal(cls, authorizations):
        "Record today as the date the renewal was filed, if none is given."
        pool = Pool()
        Date = pool.get('ir.date')
        today = Date.today()
        for authorization in authorizations:
            if authorization.renewal_pending:
                continue
            if today > authorization.valid_until:
                raise AuthorizationError(gettext(
                        'early_access.msg_authorization_renewal_expired',
                        authorization=authorization.rec_name,
                        date=authorization._format_date(
                            authorization.valid_until)))
            authorization.renewal_filed_date = today
        cls.save(authorizations)

    @classmethod
    @guarded('granted', 'suspended')
    @ModelView.button
    @Workflow.transition('continuity')
    def end_coverage(cls, authorizations):
        "Start the continuity of treatment (D.163-3 CSS)."
        for authorization in authorizations:
            if not authorization.coverage_end_date:
                raise AuthorizationError(gettext(
                        'early_access.msg_authorization_coverage_end',
                        authorization=authorization.rec_name))

    @classmethod
    @guarded('continuity')
    @ModelView.button
    @Workflow.transition('ended')
    @stamped('ended')
    def end(cls, authorizations):
        pool = Pool()
        Date = pool.get('ir.date')
        today = Date.today()
        for authorization in authorizations:
            if today < authorization.continuity_until:
                raise AuthorizationError(gettext(
                        'early_access.msg_authorization_continuity',
                        authorization=authorization.rec_name,
                        date=authorization._format_date(
                            authorization.continuity_until)))

    @classmethod
    @Workflow.transition('granted')
    def grant(cls, authorizations):
        "In force: set by the posting of a decision."

    @classmethod
    @Workflow.transition('suspended')
    def suspend(cls, authorizations):
        "Suspended: set by the posting of a decision."

    @classmethod
    @Workflow.transition('refused')
    def refuse(cls, authorizations):
        "Refused: set by the posting of a decision."

    @classmethod
    @Workflow.transition('continuity')
    def continue_treatment(cls, authorizations):
        "No longer in force: set by the posting of a decision."

    @classmethod
    @Workflow.transition('ended')
    def stop(cls, authorizations):
        "Withdrawn for safety, without continuity: set by a decision."

    @classmethod
    def validate_fields(cls, authorizations, field_names):
        super().validate_fields(authorizations, field_names)
        if field_names is None or 'code' in field_names:
            for authorization in authorizations:
                code = authorization.code
                if not (2 <= len(code) <= 6 and code.isascii()
                        and code.isalnum() and code == code.upper()):
                    raise AuthorizationError(gettext(
                            'early_access.msg_authorization_code',
                            authorization=authorization.rec_name))

    @classmethod
    def preprocess_values(cls, mode, values):
        pool = Pool()
        DataKey = pool.get('early_access.data_key')
        values = super().preprocess_values(mode, values)
        if values.get('code'):
            values['code'] = values['code'].strip().upper()
        if mode == 'create':
            values['index_key'] = DataKey.new().id
        return values

    @classmethod
    def check_modification(
            cls, mode, authorizations, values=None, external=False):
        super().check_modification(
            mode, authorizations, values=values, external=external)
        if mode == 'delete':
            for authorization in authorizations:
                if authorization.state != 'draft':
                    raise AccessError(gettext(
                            'early_access.msg_authorization_delete',
                            authorization=authorization.rec_name))
        elif mode == 'write' and external:
            for authorization in authorizations:
                authorization.check_fixed(values.keys())

    def check_fixed(self, names):
        "Raise AccessError if one of the names can no longer be changed."
        fixed = set()
        if self.state != 'draft':
            fixed |= {'code', 'company', 'indication', 'stage', 'filed_date'}
        if self.state not in {'draft', 'filed'}:
            # What is granted, for the overlaps too, is what was decided
            fixed.add('products')
        if fixed := fixed.intersection(names):
            raise AccessError(gettext(
                    'early_access.msg_authorization_fixed',
                    **self.__names__(min(fixed), self)))

    @classmethod
    def copy(cls, authorizations, default=None):
        default = default.copy() if default is not None else {}
        for name in ['decisions', 'protocols', 'safety_transmissions',
                'filed_date', 'acknowledged_date', 'renewal_filed_date',
                'ended_by', 'ended_at', 'coverage_end_date', 'index_key']:
            default.setdefault(name)
        default.setdefault(
            'code', lambda data: (data['code'][:5] + '2'))
        return super().copy(authorizations, default=default)


class AuthorizationProduct(ModelSQL):
    __name__ = 'early_access.authorization-product.product'
    authorization = fields.Many2One(
        'early_access.authorization', "Authorization", required=True,
        ondelete='CASCADE')
    product = fields.Many2One(
        'product.product', "Product", required=True, ondelete='RESTRICT')

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls.__access__.add('authorization')
