# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import datetime as dt

from trytond.i18n import gettext
from trytond.model import Index, ModelSQL, ModelView, fields
from trytond.modules.early_access.transaction import wait_for
from trytond.modules.early_access.workflow import time_field, user_field
from trytond.pool import Pool
from trytond.pyson import Eval, If
from trytond.tools import grouped_slice
from trytond.transaction import Transaction, without_check_access
from trytond.wizard import Button, StateTransition, StateView, Wizard

from . import notice
from .exceptions import (
    AccessReviewDecisionError, AccessReviewerError, AccessReviewStateError)
from .role import matching
from .trail import Trail

# How long before it is suspended an account is told so (SEC-HAB-2)
NOTICE = dt.timedelta(days=30)
KINDS = [
    ('role', "Role"),
    ('account', "Account without Role"),
    ('machine', "Machine Account"),
    ]
DECISIONS = [
    ('keep', "Keep"),
    ('change', "Change"),
    ('withdraw', "Withdraw"),
    ]
REASONS = [
    (None, ""),
    ('left', "Has left"),
    ('post', "Has another post"),
    ('excess', "More than is needed"),
    ('unused', "Not used"),
    ('mistake', "Given by mistake"),
    ]
STATES = [
    ('open', "To Decide"),
    ('overdue', "Overdue"),
    ('suspended', "Suspended"),
    ('to_apply', "To Apply"),
    ('decided', "Decided"),
    ]


class AccessReviewLine(ModelSQL, ModelView):
    """A role or an account that somebody keeps, changes or withdraws.

    What is reviewed is repeated, as it was and for who may not read it.
    """
    __name__ = 'early_access.audit.access_review.line'

    review = fields.Many2One(
        'early_access.audit.access_review', "Review", required=True,
        readonly=True, ondelete='CASCADE')
    kind = fields.Selection(
        KINDS, "Kind", required=True, readonly=True, sort=False)
    user = fields.Many2One(
        'res.user', "User", required=True, readonly=True, ondelete='RESTRICT')
    role = fields.Many2One(
        'res.role', "Role", readonly=True, ondelete='RESTRICT')
    user_role = fields.Many2One(
        'res.user.role', "Role of the User", readonly=True,
        ondelete='SET NULL')
    to_date = fields.Date("To Date", readonly=True)
    application = fields.Many2One(
        'res.user.application', "Application", readonly=True,
        ondelete='SET NULL')
    machine = fields.Char("Machine Account", readonly=True)
    owner = fields.Many2One(
        'res.user', "Owner", readonly=True, ondelete='RESTRICT',
        help="The person who answers for what the machine does.")
    establishments = fields.Many2Many(
        'early_access.audit.access_review.line-party.party',
        'line', 'establishment', "Establishments", readonly=True)
    reviewer = fields.Selection([
            ('referent', "Referent of the Establishment"),
            ('manager', "Manager"),
            ], "Reviewer", required=True, readonly=True, sort=False)
    manager = fields.Many2One(
        'res.user', "Manager", readonly=True, ondelete='RESTRICT')
    due_date = fields.Date("Due Date", required=True, readonly=True)
    decision = fields.Selection(
        [(None, "")] + DECISIONS, "Decision", readonly=True, sort=False)
    reason = fields.Selection(REASONS, "Reason", readonly=True, sort=False)
    decided_by = user_field("Decided By")
    decided_at = time_field("Decided At")
    applied_by = user_field("Applied By")
    applied_at = time_field("Applied At")
    notice_date = fields.Date(
        "Notice Date", readonly=True,
        help="When the user was told that the account will be suspended.")
    suspended_at = time_field("Suspended At")
    state = fields.Function(
        fields.Selection(STATES, "State", sort=False),
        'get_state', searcher='search_state')

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_indexes.update({
                Index(t, (t.review, Index.Range()), (t.id, Index.Range())),
                Index(t, (t.user, Index.Range())),
                Index(
                    t, (t.due_date, Index.Range()), (t.id, Index.Range()),
                    where=t.decision == None),  # noqa: E711
                })
        cls._order = [('due_date', 'ASC'), ('id', 'ASC')]
        # They are those of the review, and only its buttons change them
        cls.__rpc__ = {
            n: r for n, r in cls.__rpc__.items()
            if n not in {'create', 'write', 'delete', 'copy', 'import_data'}}
        undecided = Eval('state').in_(['open', 'overdue', 'suspended'])
        cls._buttons.update(
            keep={
                'invisible': ~undecided,
                'depends': ['state'],
                },
            decide={
                'invisible': ~undecided,
                'icon': 'tryton-forward',
                'depends': ['state'],
                },
            apply={
                'invisible': Eval('state') != 'to_apply',
                'depends': ['state'],
                })

    @classmethod
    def view_attributes(cls):
        return super().view_attributes() + [
            ('/tree', 'visual',
                If(Eval('state') == 'suspended', 'danger',
                    If(Eval('state').in_(['overdue', 'to_apply']), 'warning',
                        If(Eval('state') == 'decided', 'muted', '')))),
            ]

    def get_rec_name(self, name):
        what = self.role.rec_name if self.role else self.machine
        return ' - '.join(filter(None, [self.user.rec_name, what]))

    @classmethod
    def search_rec_name(cls, name, clause):
        bool_op = 'AND' if clause[1].startswith(('!', 'not ')) else 'OR'
        return [bool_op,
            ('user.rec_name', *clause[1:]),
            ('role.rec_name', *clause[1:]),
            ('machine', *clause[1:]),
            ]

    @classmethod
    def get_state(cls, lines, name):
        today = Pool().get('ir.date').today()
        return {line.id: line._state(today) for line in lines}

    def _state(self, today):
        if self.decision == 'change' and not self.applied_at:
            return 'to_apply'
        if self.decision:
            return 'decided'
        if self.suspended_at:
            return 'suspended'
        return 'overdue' if self.due_date < today else 'open'

    @classmethod
    def search_state(cls, name, clause):
        today = Pool().get('ir.date').today()
        undecided = ('decision', '=', None)
        kept = ('suspended_at', '=', None)
        domains = {
            'to_apply': [
                ('decision', '=', 'change'), ('applied_at', '=', None)],
            'decided': ['OR',
                ('decision', 'in', ['keep', 'withdraw']),
                [('decision', '=', 'change'), ('applied_at', '!=', None)],
                ],
            'suspended': [undecided, ('suspended_at', '!=', None)],
            'overdue': [undecided, kept, ('due_date', '<', today)],
            'open': [undecided, kept, ('due_date', '>=', today)],
            }
        return ['OR', ('id', '=', -1), *(
                domains[s] for s in matching(domains, clause))]

    # Deciding

    @classmethod
    @ModelView.button
    def keep(cls, lines):
        "Keep what the users have."
        cls.set_decision(lines, 'keep')

    @classmethod
    @ModelView.button_action('early_access_audit.wizard_access_review_decide')
    def decide(cls, lines):
        "Decide with a reason."

    @classmethod
    @ModelView.button
    def apply(cls, lines):
        "Tell that the roles were changed as it was decided."
        cls.write(lines, {
                'applied_by': Transaction().user,
                'applied_at': dt.datetime.now(),
                })

    @classmethod
    @without_check_access
    def set_decision(cls, lines, decision, reason=None):
        """Decide on the lines as the current user.

        What is withdrawn ends at once; what has to change waits for an
        administrator or the security officer.

        :param decision: 'keep', 'change' or 'withdraw'.
        :param reason: a code, which is needed unless it is kept.
        :raises AccessReviewerError: if the user is not who reviews a line.
        :raises AccessReviewDecisionError: without reason.
        :raises AccessReviewStateError: if a line is decided already.
        """
        wait_for(lines)
        if decision != 'keep' and not reason:
            raise AccessReviewDecisionError(
                gettext('early_access_audit.msg_access_review_reason'))
        cls.check_reviewer(lines)
        for line in lines:
            if line.decision or line.review.state != 'open':
                raise AccessReviewStateError(gettext(
                        'early_access_audit.msg_access_review_decided',
                        line=line.rec_name))
        suspended = [line for line in lines if line.suspended_at]
        cls.write(list(lines), {
                'decision': decision,
                'reason': None if decision == 'keep' else reason,
                'decided_by': Transaction().user,
                'decided_at': dt.datetime.now(),
                })
        if decision == 'withdraw':
            cls._withdraw(lines)
        cls._resume({line.user for line in suspended})

    @classmethod
    def check_reviewer(cls, lines):
        """Check that the current user reviews the lines.

        Those of a hospital are for a referent of its establishments, the
        others for the manager of the user, an administrator or the security
        officer, and never for the user.
        """
        User = Pool().get('res.user')
        current = Transaction().user
        manages = User.manages_access()
        establishments = set()
        if User.has_profile('establishment_referent'):
            _, _, ids = User.hospital_scope() or ((), (), ())
            establishments.update(ids)
        for line in lines:
            if line.reviewer == 'referent':
                allowed = establishments.intersection(
                    e.id for e in line.establishments)
            else:
                allowed = manages or (
                    line.manager and line.manager.id == current)
            if not allowed or current in {
                    line.user.id, line.owner.id if line.owner else None}:
                raise AccessReviewerError(gettext(
                        'early_access_audit.msg_access_review_reviewer',
                        line=line.rec_name))

    @classmethod
    def _withdraw(cls, lines):
        pool = Pool()
        Application = pool.get('res.user.application')
        User = pool.get('res.user')
        UserRole = pool.get('res.user.role')
        for reason in {line.reason for line in lines}:
            UserRole.end([
                    line.user_role for line in lines
                    if line.user_role and line.reason == reason],
                dict(REASONS)[reason])
        applications = [
            line.application for line in lines if line.application]
        if applications:
            Application.write(applications, {'state': 'cancelled'})
        users = [line.user for line in lines if line.kind == 'account']
        if users:
            User.write(users, {'active': False})

    # Suspending

    @classmethod
    def give_notice(cls, lines, today):
        """Tell the users of overdue lines, once, when they are suspended.

        :param lines: those that were not told.
        """
        by_user = {}
        for line in lines:
            by_user.setdefault(line.user, line)
        for sub_lines in grouped_slice(lines):
            cls.write(list(sub_lines), {'notice_date': today})
        for user, line in by_user.items():
            # Somebody must answer for a machine
            notice.send(cls.__name__, line, [line.owner or user])

    @property
    def suspension_date(self):
        return self.notice_date + NOTICE

    @classmethod
    def suspend(cls, lines):
        "Suspend the accounts of the lines: their sessions end."
        pool = Pool()
        ModelData = pool.get('ir.model.data')
        User = pool.get('res.user')
        # Somebody must be able to decide the lines
        admin = ModelData.get_id('res', 'user_admin')
        lines = [line for line in lines if line.user.id != admin]
        for sub_lines in map(list, grouped_slice(lines)):
            cls.write(sub_lines, {'suspended_at': dt.datetime.now()})
            users = list({line.user for line in sub_lines})
            User.write([u for u in users if u.active], {'active': False})
            Trail.current().add(
                'suspension', 'res.user', [u.id for u in users],
                reason='review')

    @classmethod
    def _resume(cls, users):
        "Give their accounts back to those for whom all is decided."
        pool = Pool()
        User = pool.get('res.user')
        UserRole = pool.get('res.user.role')
        waiting = {
            line.user for line in cls.search([
                    ('user', 'in', [u.id for u in users]),
                    ('decision', '=', None),
                    ('suspended_at', '!=', None),
                    ])}
        now = dt.datetime.now()
        with_role = {
            r.user for r in UserRole.search([
                    ('user', 'in', [u.id for u in users]),
                    ('to_date', '>', now),
                    ])}
        kept = {
            line.user for line in cls.search([
                    ('user', 'in', [u.id for u in users]),
                    ('kind', '!=', 'role'),
                    ('decision', 'in', ['keep', 'change']),
                    ('suspended_at', '!=', None),
                    ])}
        to_resume = [
            u for u in users if u not in waiting and u in with_role | kept]
        if to_resume:
            User.write(to_resume, {'active': True})
            Trail.current().add(
                'suspension', 'res.user', [u.id for u in to_resume],
                reason='ended')


class AccessReviewLineEstablishment(ModelSQL):
    "Access Review Line - Establishment"
    __name__ = 'early_access.audit.access_review.line-party.party'

    line = fields.Many2One(
        'early_access.audit.access_review.line', "Line", required=True,
        ondelete='CASCADE')
    establishment = fields.Many2One(
        'party.party', "Establishment", required=True, ondelete='CASCADE')


class Decide(Wizard):
    "Decide on Accesses"
    __name__ = 'early_access.audit.access_review.decide'

    start = StateView(
        'early_access.audit.access_review.decide.start',
        'early_access_audit.access_review_decide_start_view_form', [
            Button("Cancel", 'end', 'tryton-cancel'),
            Button("Decide", 'decide', 'tryton-ok', default=True),
            ])
    decide = StateTransition()

    def transition_decide(self):
        self.model.set_decision(
            self.records, self.start.decision,
            getattr(self.start, 'reason', None))
        return 'end'


class DecideStart(ModelView):
    __name__ = 'early_access.audit.access_review.decide.start'

    decision = fields.Selection(
        DECISIONS, "Decision", required=True, sort=False)
    reason = fields.Selection(
        REASONS, "Reason", sort=False,
        states={
            'required': Eval('decision') != 'keep',
            'invisible': Eval('decision') == 'keep',
            })


class AccessReviewLineNotice(notice.Notice):
    "Tell a user that the account will be suspended"
    __name__ = 'early_access.audit.access_review.line'
