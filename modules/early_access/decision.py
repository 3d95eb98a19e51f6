# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import datetime as dt

from sql.functions import CurrentTimestamp

from trytond.i18n import gettext
from trytond.model import Index, ModelSQL, ModelView, Unique, Workflow, fields
from trytond.model.exceptions import AccessError
from trytond.pool import Pool
from trytond.pyson import Eval, If
from trytond.transaction import Transaction

from .authorization_period import (
    MAXIMUM_PERIOD, MAXIMUM_SUSPENSION, PERIOD_KINDS)
from .exceptions import DecisionError, OverlapError
from .national_number import NationalNumberMixin
from .workflow import (
    ProgrammeWorkflow, guarded, stamped, time_field, user_field)


class Decision(
        NationalNumberMixin, ProgrammeWorkflow, ModelSQL, ModelView):
    """A dated act of HAS or ANSM. Posting it moves the authorization."""
    __name__ = 'early_access.authorization.decision'
    _rec_name = 'number'

    _states = {
        'readonly': Eval('state') != 'draft',
        }

    authorization = fields.Many2One(
        'early_access.authorization', "Authorization", required=True,
        ondelete='RESTRICT', states=_states)
    company = fields.Function(
        fields.Many2One('company.company', "Company"),
        'on_change_with_company', searcher='search_company')
    kind = fields.Selection([
            ('grant', "Grant"),
            ('renewal', "Renewal"),
            ('modification', "Modification"),
            ('suspension', "Suspension"),
            ('reinstatement', "Reinstatement"),
            ('withdrawal', "Withdrawal"),
            ('refusal', "Refusal"),
            ], "Kind", required=True, sort=False, states=_states)
    number = fields.Char("Number", required=True, states=_states)
    authority = fields.Selection([
            ('has', "HAS"),
            ('ansm', "ANSM"),
            ], "Authority", required=True, sort=False, states=_states)
    decision_date = fields.Date(
        "Decision Date", required=True, states=_states)
    effective_date = fields.Date(
        "Effective Date", required=True, states=_states,
        domain=[
            If(Eval('effective_date') & Eval('decision_date'),
                ('effective_date', '>=', Eval('decision_date', None)),
                ()),
            ])
    valid_until = fields.Date(
        "Valid Until",
        states={
            'readonly': Eval('state') != 'draft',
            'required': Eval('kind').in_(['grant', 'renewal', 'suspension']),
            'invisible': ~Eval('kind').in_(
                ['grant', 'renewal', 'suspension']),
            },
        help="At most one year after the effective date of a grant or "
        "renewal, three months for a suspension.")
    motive = fields.Selection([
            (None, ''),
            ('safety', "Safety"),
            ('efficacy', "Efficacy"),
            ('holder', "Request of the holder"),
            ('alternative', "Appropriate treatment available"),
            ('criteria', "Criteria no longer met"),
            ], "Motive", sort=False,
        states={
            'readonly': Eval('state') != 'draft',
            'required': Eval('kind').in_(['withdrawal', 'suspension']),
            'invisible': ~Eval('kind').in_(['withdrawal', 'suspension']),
            })
    resupply = fields.Selection([
            (None, ''),
            ('allowed', "Allowed"),
            ('not_allowed', "Not allowed"),
            ], "Supply of Ongoing Patients", sort=False,
        states={
            'readonly': Eval('state') != 'draft',
            'invisible': Eval('kind') != 'suspension',
            },
        help="What the suspension says. When it says nothing, only the "
        "pharmacist in charge or a delegate lets an ongoing patient be "
        "supplied.")
    new_stage = fields.Selection([
            (None, ''),
            ('post_ma', "After marketing authorization"),
            ], "New Stage", sort=False,
        states={
            'readonly': Eval('state') != 'draft',
            'invisible': Eval('kind') != 'modification',
            })
    document = fields.Binary(
        "Document", filename='document_name', file_id='document_id',
        store_prefix='early_access', states=_states)
    document_name = fields.Char("Document Name")
    document_id = fields.Char("Document ID", readonly=True)
    posted_by = user_field("Posted By")
    posted_at = time_field("Posted At")
    state = fields.Selection([
            ('draft', "Draft"),
            ('posted', "Posted"),
            ], "State", required=True, readonly=True, sort=False)

    del _states

    _protected = frozenset({'state', 'posted_by', 'posted_at'})

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_constraints += [
            ('number_unique', Unique(t, t.authorization, t.number),
                'early_access.msg_decision_unique'),
            ]
        cls._sql_indexes.add(
            Index(
                t, (t.authorization, Index.Range()),
                (t.effective_date, Index.Range(order='DESC'))))
        cls._order = [('effective_date', 'DESC'), ('id', 'DESC')]
        cls._transitions |= {('draft', 'posted')}
        cls._buttons.update(
            post={
                'invisible': Eval('state') != 'draft',
                'depends': ['state'],
                })

    @staticmethod
    def default_authority():
        return 'has'

    @staticmethod
    def default_state():
        return 'draft'

    @fields.depends('authorization', '_parent_authorization.company')
    def on_change_with_company(self, name=None):
        return self.authorization.company if self.authorization else None

    @classmethod
    def search_company(cls, name, clause):
        return [('authorization.' + clause[0], *clause[1:])]

    @fields.depends('kind', 'effective_date')
    def on_change_effective_date(self):
        if self.effective_date and self.kind in PERIOD_KINDS:
            self.valid_until = (
                self.effective_date + MAXIMUM_PERIOD - dt.timedelta(days=1))
        elif self.effective_date and self.kind == 'suspension':
            self.valid_until = self.effective_date + MAXIMUM_SUSPENSION

    @fields.depends(methods=['on_change_effective_date'])
    def on_change_kind(self):
        self.on_change_effective_date()

    def get_rec_name(self, name):
        return f'{self.kind_string} {self.number}'

    kind_string = kind.translated('kind')

    @classmethod
    @guarded('draft')
    @ModelView.button
    @Workflow.transition('posted')
    @stamped('posted')
    def post(cls, decisions):
        """Check the decision against the authorization and apply it.

        Raises DecisionError when the authorization is not in a state that
        the decision can change or the dates exceed the legal periods, and
        OverlapError when another authorization is in force for a same
        product and indication.
        """
        for decision in sorted(
                decisions, key=lambda d: (d.effective_date, d.id)):
            decision.check_state_of_authorization()
            decision.check_period()
            if decision.kind in PERIOD_KINDS:
                decision.check_overlap()
            decision.apply()

    _from_states = {
        'grant': {'filed'},
        'refusal': {'filed', 'granted', 'suspended'},
        'renewal': {'granted'},
        'modification': {'granted', 'suspended'},
        'suspension': {'granted'},
        'reinstatement': {'suspended'},
        'withdrawal': {'granted', 'suspended'},
        }

    def check_state_of_authorization(self):
        authorization = self.authorization
        if authorization.state not in self._from_states[self.kind]:
            raise DecisionError(gettext(
                    'early_access.msg_decision_state',
                    decision=self.rec_name,
                    authorization=authorization.rec_name,
                    state=authorization.state_string))
        if (self.kind == 'refusal' and authorization.state != 'filed'
                and not authorization.renewal_pending):
            raise DecisionError(gettext(
                    'early_access.msg_decision_refusal_no_renewal',
                    decision=self.rec_name,
                    authorization=authorization.rec_name))
        posted = authorization.posted_decisions
        if posted and self.effective_date < posted[-1].effective_date:
            raise DecisionError(gettext(
                    'early_access.msg_decision_before_last',
                    decision=self.rec_name,
                    authorization=authorization.rec_name,
                    last=posted[-1].rec_name))

    def check_period(self):
        authorization = self.authorization
        if self.kind in PERIOD_KINDS:
            maximum = self.effective_date + MAXIMUM_PERIOD
            message = 'early_access.msg_decision_period'
        elif self.kind == 'suspension':
            maximum = self.effective_date + MAXIMUM_SUSPENSION
            message = 'early_access.msg_decision_suspension'
        else:
            return
        if (not self.valid_until
                or not self.effective_date <= self.valid_until <= maximum):
            raise DecisionError(gettext(
                    message,
                    decision=self.rec_name,
                    authorization=authorization.rec_name,
                    maximum=authorization._format_date(maximum)))
        if self.kind == 'renewal':
            limit = authorization.in_force_until + dt.timedelta(days=1)
            if self.effective_date > limit:
                raise DecisionError(gettext(
                        'early_access.msg_decision_gap',
                        decision=self.rec_name,
                        authorization=authorization.rec_name,
                        date=authorization._format_date(limit)))

    def check_overlap(self):
        pool = Pool()
        Indication = pool.get('early_access.indication')
        authorization = self.authorization
        # Two postings at once for the indication conflict on its row, so that
        # the second one starts again and sees the first
        indication = Indication.__table__()
        Transaction().connection.cursor().execute(*indication.update(
                [indication.write_date], [CurrentTimestamp()],
                where=indication.id == authorization.indication.id))
        templates = {p.template for p in authorization.products}
        others = authorization.search([
                ('id', '!=', authorization.id),
                ('indication', '=', authorization.indication),
                ('products.template', 'in', [t.id for t in templates]),
                ('decisions.state', '=', 'posted'),
                ])
        for other in others:
            for start, end in other.periods_in_force():
                if start <= self.valid_until and self.effective_date <= end:
                    raise OverlapError(gettext(
                            'early_access.msg_authorization_overlap',
                            decision=self.rec_name,
                            authorization=authorization.rec_name,
                            other=other.rec_name,
                            start=authorization._format_date(start),
                            end=authorization._format_date(end)))

    def apply(self):
        pool = Pool()
        Authorization = pool.get('early_access.authorization')
        authorization = self.authorization
        if self.kind in {'grant', 'renewal', 'reinstatement'}:
            Authorization.grant([authorization])
        elif self.kind == 'modification':
            if self.new_stage:
                authorization.stage = self.new_stage
                authorization.conversion_date = self.effective_date
                authorization.save()
        elif self.kind == 'suspension':
            Authorization.suspend([authorization])
        elif self.kind == 'refusal' and authorization.state == 'filed':
            Authorization.refuse([authorization])
        elif self.kind == 'withdrawal' and self.motive == 'safety':
            Authorization.stop([authorization])
        else:
            if not authorization.coverage_end_date:
                authorization.coverage_end_date = self.effective_date
                authorization.save()
            Authorization.continue_treatment([authorization])

    @classmethod
    def check_modification(cls, mode, decisions, values=None, external=False):
        super().check_modification(
            mode, decisions, values=values, external=external)
        if mode == 'delete' or (mode == 'write' and external):
            for decision in decisions:
                if decision.state == 'posted':
                    raise AccessError(gettext(
                            'early_access.msg_decision_posted',
                            decision=decision.rec_name,
                            authorization=decision.authorization.rec_name))

    @classmethod
    def copy(cls, decisions, default=None):
        default = default.copy() if default is not None else {}
        default.setdefault('posted_by')
        default.setdefault('posted_at')
        return super().copy(decisions, default=default)
