# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from sql import Null

from trytond.i18n import gettext
from trytond.model import Index, ModelSQL, ModelView, Workflow, fields
from trytond.model.exceptions import AccessError
from trytond.modules.early_access.national_number import NationalNumberMixin
from trytond.modules.early_access.workflow import (
    ProgrammeWorkflow, guarded, time_field, user_field)
from trytond.pool import Pool
from trytond.pyson import Bool, Eval, If
from trytond.transaction import Transaction, without_check_access

from .exceptions import PolicyError, PolicyWarning
from .reckoning import ACTIVE_MONTHS, ARCHIVE_YEARS, Periods
from .today import current_date
from .words import difference

# The least and the most of each period; the most is what is lawful
LIMITS = {
    'active_months': (0, ACTIVE_MONTHS),
    'archive_years': (1, ARCHIVE_YEARS),
    'archive_ma_years': (1, ARCHIVE_YEARS),
    'refused_months': (1, ACTIVE_MONTHS),
    'never_started_months': (1, ACTIVE_MONTHS),
    'draft_days': (1, 365),
    # What a professional did may be contested for five years (C. civ. 2224)
    'professional_months': (1, 60),
    }


class Policy(NationalNumberMixin, ProgrammeWorkflow, ModelSQL, ModelView):
    """The periods that the laboratory sets, inside those of the article 9.

    They have no default: the most that is lawful is no period. Once adopted
    they are replaced by others, never changed.
    """
    __name__ = 'early_access.retention.policy'

    _states = {
        'readonly': Eval('state') != 'draft',
        }

    company = fields.Many2One(
        'company.company', "Company", required=True, ondelete='RESTRICT',
        states=_states)
    authorization = fields.Many2One(
        'early_access.authorization', "Authorization", ondelete='RESTRICT',
        domain=[
            ('company', '=', Eval('company', -1)),
            ],
        states=_states,
        help="Leave empty for all those that have no periods of their own.")
    from_date = fields.Date(
        "From Date", required=True, states=_states,
        help="The periods apply from this day to all the data, until others "
        "replace them.")
    active_months = fields.Integer(
        "Active Base (months)", required=True, states=_states,
        help="After HAS has published the summary of the last report; at "
        "most 24 months (art. 9.1).")
    archive_years = fields.Integer(
        "Archive (years)", required=True, states=_states,
        help="After the product has left the market or, without marketing "
        "authorization, after the expiry, the suspension or the withdrawal "
        "of the early access; at most 70 years (art. 9.2 and 9.3).")
    archive_ma_years = fields.Integer(
        "Archive during the MA (years)", states=_states,
        help="After the end of the active base. Leave empty for as long as "
        "the marketing authorization lasts (art. 9.2).")
    refused_months = fields.Integer(
        "Refused or Cancelled (months)", required=True, states=_states,
        help="How long the request of a patient who was refused, or that was "
        "cancelled, is kept.")
    never_started_months = fields.Integer(
        "Never Started (months)", required=True, states=_states,
        help="How long the data of a patient who never started is kept.")
    draft_days = fields.Integer(
        "Drafts (days)", required=True, states=_states,
        help="How long a draft that nobody touches is kept.")
    professional_months = fields.Integer(
        "Professionals (months)",
        states={
            **_states,
            'invisible': Bool(Eval('authorization')),
            },
        help="How long the data of a professional are kept after nothing "
        "needs them any more. Leave empty to erase none.")
    reason = fields.Text(
        "Reason", required=True, states=_states,
        help="Why these periods are needed and no longer ones.")
    end_form = fields.Selection([
            ('delete', "Deletion"),
            ('anonymous', "Anonymous tables"),
            ], "At the End", required=True, sort=False, states=_states,
        help="What becomes of the data at the end of the archive (art. 9).")
    end_reason = fields.Text(
        "Reason of the Tables",
        states={
            **_states,
            'invisible': Eval('end_form') != 'anonymous',
            'required': Eval('end_form') == 'anonymous',
            },
        help="Why tables of the persons are kept.")
    adopted_by = user_field("Adopted By")
    adopted_at = time_field("Adopted At")
    in_force = fields.Function(
        fields.Boolean("In Force"), 'get_in_force')
    state = fields.Selection([
            ('draft', "Draft"),
            ('adopted', "Adopted"),
            ], "State", required=True, readonly=True, sort=False)

    del _states

    _protected = frozenset({'state', 'adopted_by', 'adopted_at'})

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_indexes.update({
                Index(
                    t, (t.company, Index.Range()),
                    (t.from_date, Index.Range(order='DESC'))),
                Index(
                    t, (t.authorization, Index.Range()),
                    where=t.authorization != Null),
                })
        cls._order = [('from_date', 'DESC'), ('id', 'DESC')]
        cls._transitions |= {('draft', 'adopted')}
        cls._buttons.update(
            adopt={
                'invisible': Eval('state') != 'draft',
                'icon': 'tryton-ok',
                'depends': ['state'],
                })

    @staticmethod
    def default_company():
        return Transaction().context.get('company')

    @staticmethod
    def default_state():
        return 'draft'

    @staticmethod
    def default_end_form():
        return 'delete'

    @property
    def periods(self):
        return Periods(
            self.active_months, self.archive_years, self.archive_ma_years)

    @classmethod
    def get_in_force(cls, policies, name):
        latest = {}
        for policy in cls._adopted(
                [p.company for p in policies], current_date()):
            latest[policy.company, policy.authorization] = policy
        return {
            p.id: latest.get((p.company, p.authorization)) == p
            for p in policies}

    def get_rec_name(self, name):
        Lang = Pool().get('ir.lang')
        whose = self.authorization or self.company
        return f'{whose.rec_name} - {Lang.get().strftime(self.from_date)}'

    @classmethod
    def search_rec_name(cls, name, clause):
        return [('authorization.rec_name', *clause[1:])]

    @classmethod
    def view_attributes(cls):
        return super().view_attributes() + [
            ('/tree', 'visual',
                If((Eval('state') == 'adopted') & ~Eval('in_force', False),
                    'muted', '')),
            ]

    @classmethod
    def _adopted(cls, companies, today):
        "Return those adopted for the companies, the last one last."
        return cls.search([
                ('company', 'in', [c.id for c in companies]),
                ('state', '=', 'adopted'),
                ('from_date', '<=', today),
                ], order=[('from_date', 'ASC'), ('id', 'ASC')])

    @classmethod
    @without_check_access
    def of(cls, authorizations, today):
        "Return the policy of each authorization, or None, by its id."
        general, own = {}, {}
        for policy in cls._adopted(
                {a.company for a in authorizations}, today):
            if policy.authorization:
                own[policy.authorization.id] = policy
            else:
                general[policy.company.id] = policy
        return {
            a.id: own.get(a.id) or general.get(a.company.id)
            for a in authorizations}

    @classmethod
    @without_check_access
    def professional_period(cls, today):
        """Return the months after which professionals are erased, or None.

        They belong to no company: the longest of the periods applies, and
        none is erased while a company has set none.
        """
        Authorization = Pool().get('early_access.authorization')
        companies = {a.company for a in Authorization.search([])}
        months = {c.id: None for c in companies}
        for policy in cls._adopted(companies, today):
            if not policy.authorization:
                months[policy.company.id] = policy.professional_months
        if not months or None in months.values():
            return None
        return max(months.values())

    @classmethod
    @guarded('draft')
    @ModelView.button
    def adopt(cls, policies):
        """Put the periods in force from their date.

        What becomes of the clocks is told before it is accepted.
        """
        pool = Pool()
        Clock = pool.get('early_access.retention.clock')
        cls._adopt(policies)
        cls.write(policies, cls.stamp('adopted'))
        for policy in policies:
            policy.warn_difference()
        Clock.recompute_companies(
            {p.company for p in policies}, cause='policy')

    @classmethod
    @Workflow.transition('adopted')
    def _adopt(cls, policies):
        pass

    def warn_difference(self):
        "Tell what the policy changes of the clocks, once for each change."
        pool = Pool()
        Clock = pool.get('early_access.retention.clock')
        Warning = pool.get('res.user.warning')
        lines = []
        with without_check_access():
            for authorization, before, after in Clock.changes_of(
                    self.company):
                lines.append(authorization.rec_name)
                lines += ['  ' + t for t in difference(before, after)]
        name = Warning.format('retention_policy', [self])
        if lines and Warning.check(name):
            raise PolicyWarning(name, gettext(
                    'early_access_retention.msg_policy_difference',
                    policy=self.rec_name), '\n'.join(lines))

    @classmethod
    def validate_fields(cls, policies, field_names):
        super().validate_fields(policies, field_names)
        for policy in policies:
            for name, (least, most) in LIMITS.items():
                value = getattr(policy, name)
                if value is not None and not least <= value <= most:
                    raise PolicyError(gettext(
                            'early_access_retention.msg_policy_limit',
                            least=least, most=most,
                            **cls.__names__(name, record=policy)))
            if policy.authorization and policy.professional_months:
                raise PolicyError(gettext(
                        'early_access_retention.msg_policy_professional',
                        policy=policy.rec_name))
            if not policy.reason.strip():
                raise PolicyError(gettext(
                        'early_access_retention.msg_policy_reason',
                        policy=policy.rec_name))
            if (policy.end_form == 'anonymous'
                    and not (policy.end_reason or '').strip()):
                raise PolicyError(gettext(
                        'early_access_retention.msg_policy_end_reason',
                        policy=policy.rec_name))

    @classmethod
    def check_modification(cls, mode, policies, values=None, external=False):
        super().check_modification(
            mode, policies, values=values, external=external)
        if mode == 'delete' or (mode == 'write' and external):
            for policy in policies:
                if policy.state != 'draft':
                    raise AccessError(gettext(
                            'early_access_retention.msg_policy_adopted',
                            policy=policy.rec_name))

    @classmethod
    def copy(cls, policies, default=None):
        default = default.copy() if default is not None else {}
        default.setdefault('adopted_by')
        default.setdefault('adopted_at')
        return super().copy(policies, default=default)
