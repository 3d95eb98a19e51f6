# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The roles of a user: until when, why and by whose decision.

CNIL 2022-107, art. 8.2, SEC-HAB-1 and SEC-HAB-2.
"""

import datetime as dt

from dateutil.relativedelta import relativedelta

from trytond.i18n import gettext
from trytond.model import Index, ModelView, fields
from trytond.modules.early_access.workflow import time_field, user_field
from trytond.pool import Pool, PoolMeta
from trytond.pyson import Eval, If
from trytond.transaction import Transaction, without_check_access
from trytond.wizard import Button, StateTransition, StateView, Wizard

from .exceptions import (
    OwnRoleError, RoleAccessError, RoleHistoryError, RolePeriodError)
from .role import DATA_KINDS, DATA_LEVELS, matching

YEAR = relativedelta(years=1)
# Later than any of the client can show
END = dt.datetime(9000, 1, 1)
# How long before its end a role is shown as ending
SOON = dt.timedelta(days=30)
STATES = [
    ('planned', "To Come"),
    ('running', "Running"),
    ('ending', "Ending Soon"),
    ('ended', "Ended"),
    ('withdrawn', "Withdrawn"),
    ]


class UserRole(metaclass=PoolMeta):
    """A role that a user has between two dates, at most a year.

    It is never changed: to prolong it is to give it again, and to end it
    before its end keeps who did it and why.
    """
    __name__ = 'res.user.role'

    _given = {
        'readonly': Eval('id', -1) >= 0,
        }
    _withdrawal = {
        'invisible': ~Eval('withdrawn_at'),
        }

    reason = fields.Text(
        "Reason", required=True, states=_given,
        help="Why the user needs the role.")
    granter = user_field("Granted By")
    granted_at = time_field("Granted At")
    withdrawn_by = user_field("Withdrawn By")
    withdrawn_at = time_field("Withdrawn At")
    withdrawal_reason = fields.Text(
        "Reason of the Withdrawal", readonly=True, states=_withdrawal)
    planned_to_date = fields.DateTime(
        "Planned To Date", readonly=True, states=_withdrawal)
    data_level = fields.Function(
        fields.Selection(DATA_LEVELS, "Level of Data", sort=False),
        'get_level', searcher='search_level')
    data_kind = fields.Function(
        fields.Selection(DATA_KINDS, "Kind of Data", sort=False),
        'get_level', searcher='search_level')
    state = fields.Function(
        fields.Selection(STATES, "State", sort=False),
        'get_state', searcher='search_state')

    @classmethod
    def __setup__(cls):
        super().__setup__()
        for name in ['user', 'role', 'from_date', 'to_date']:
            field = getattr(cls, name)
            field.required = True
            field.states = {**(field.states or {}), **cls._given}
        for name in ['withdrawn_by', 'withdrawn_at']:
            getattr(cls, name).states = cls._withdrawal
        t = cls.__table__()
        cls._sql_indexes.update({
                Index(t, (t.user, Index.Range()), (t.to_date, Index.Range())),
                Index(t, (t.to_date, Index.Range())),
                })
        cls._order = [('to_date', 'ASC'), ('id', 'ASC')]
        cls._buttons.update(
            withdraw={
                'invisible': ~Eval('state').in_(
                    ['planned', 'running', 'ending']),
                'icon': 'tryton-cancel',
                'depends': ['state'],
                })

    @staticmethod
    def default_from_date():
        return dt.datetime.now().replace(microsecond=0)

    @classmethod
    def default_to_date(cls):
        return cls.default_from_date() + YEAR

    @classmethod
    def get_level(cls, lines, name):
        return {line.id: getattr(line.role, name) for line in lines}

    @classmethod
    def search_level(cls, name, clause):
        return [(f'role.{name}', *clause[1:])]

    @classmethod
    def get_state(cls, lines, name):
        now = dt.datetime.now()
        return {line.id: line._state(now) for line in lines}

    def _state(self, now):
        if self.withdrawn_at:
            return 'withdrawn'
        from_date, to_date = self._period
        if now < from_date:
            return 'planned'
        if to_date <= now:
            return 'ended'
        return 'ending' if to_date <= now + SOON else 'running'

    @property
    def _period(self):
        # Those that were given before this module have no dates
        return self.from_date or dt.datetime.min, self.to_date or END

    @classmethod
    def search_state(cls, name, clause):
        now = dt.datetime.now()
        begun = ('from_date', '<=', now)
        kept = ('withdrawn_at', '=', None)
        domains = {
            'withdrawn': [('withdrawn_at', '!=', None)],
            'planned': [kept, ('from_date', '>', now)],
            'ended': [kept, begun, ('to_date', '<=', now)],
            'ending': [
                kept, begun, ('to_date', '>', now),
                ('to_date', '<=', now + SOON)],
            'running': [kept, begun, ('to_date', '>', now + SOON)],
            }
        found = matching(domains, clause)
        return ['OR', ('id', '=', -1), *(domains[s] for s in found)]

    def valid(self, date):
        # Tryton lets it last until the second after its end
        from_date, to_date = self._period
        return from_date <= date < to_date

    def get_rec_name(self, name):
        return f'{self.user.rec_name} - {self.role.rec_name}'

    @classmethod
    def search_rec_name(cls, name, clause):
        bool_op = 'AND' if clause[1].startswith(('!', 'not ')) else 'OR'
        return [bool_op,
            ('user.rec_name', *clause[1:]),
            ('role.rec_name', *clause[1:]),
            ]

    @classmethod
    def view_attributes(cls):
        return super().view_attributes() + [
            ('/tree', 'visual',
                If(Eval('state') == 'ending', 'warning',
                    If(Eval('state').in_(['ended', 'withdrawn']),
                        'muted', ''))),
            ]

    @classmethod
    @ModelView.button_action('early_access_audit.wizard_role_withdraw')
    def withdraw(cls, lines):
        "End the roles now."

    @classmethod
    @without_check_access
    def end(cls, lines, reason):
        """End now those that have not ended.

        :param reason: why, as text.
        """
        now = dt.datetime.now()
        to_write = []
        for line in lines:
            if line.withdrawn_at or line.to_date <= now:
                continue
            to_write += [[line], {
                    'to_date': max(now, line.from_date),
                    'planned_to_date': line.to_date,
                    'withdrawn_by': Transaction().user or None,
                    'withdrawn_at': now,
                    'withdrawal_reason': reason,
                    }]
        if to_write:
            cls.write(*to_write)

    @classmethod
    def preprocess_values(cls, mode, values):
        values = super().preprocess_values(mode, values)
        if mode == 'create':
            values = {
                k: v for k, v in values.items()
                if k not in {
                    'withdrawn_by', 'withdrawn_at', 'withdrawal_reason',
                    'planned_to_date'}}
            values['granter'] = Transaction().user or None
            values['granted_at'] = dt.datetime.now()
        return values

    @classmethod
    def validate_fields(cls, lines, field_names):
        super().validate_fields(lines, field_names)
        if field_names and not {'from_date', 'to_date'} & set(field_names):
            return
        for line in lines:
            if line.to_date > line.from_date + YEAR:
                raise RolePeriodError(gettext(
                        'early_access_audit.msg_role_year',
                        role=line.rec_name))

    @classmethod
    def check_modification(cls, mode, lines, values=None, external=False):
        super().check_modification(
            mode, lines, values=values, external=external)
        if mode == 'create':
            for line in lines:
                if line.user.id == Transaction().user:
                    raise OwnRoleError(gettext(
                            'early_access_audit.msg_role_own',
                            role=line.role.rec_name))
        elif external:
            raise RoleHistoryError(gettext(
                    'early_access_audit.msg_role_history',
                    role=lines[0].rec_name))

    @classmethod
    def on_modification(cls, mode, lines, field_names=None):
        User = Pool().get('res.user')
        super().on_modification(mode, lines, field_names=field_names)
        User.forget_roles()
        if mode in {'create', 'write'}:
            User.sync_roles(User.browse({line.user.id for line in lines}))

    @classmethod
    def on_delete(cls, lines):
        User = Pool().get('res.user')
        callback = super().on_delete(lines)
        users = {line.user.id for line in lines}
        callback.append(
            lambda: User.sync_roles(User.browse(users), clear=True))
        return callback


class Withdraw(Wizard):
    "Withdraw Roles"
    __name__ = 'early_access.audit.role.withdraw'

    start = StateView(
        'early_access.audit.role.withdraw.start',
        'early_access_audit.role_withdraw_start_view_form', [
            Button("Keep", 'end', 'tryton-cancel'),
            Button("Withdraw", 'withdraw', 'tryton-ok', default=True),
            ])
    withdraw = StateTransition()

    def transition_withdraw(self):
        User = Pool().get('res.user')
        # A wizard can be run without its button
        if not User.manages_access():
            raise RoleAccessError(
                gettext('early_access_audit.msg_role_withdraw_access'))
        self.model.end(self.records, self.start.reason)
        return 'end'


class WithdrawStart(ModelView):
    __name__ = 'early_access.audit.role.withdraw.start'

    reason = fields.Text("Reason", required=True)
