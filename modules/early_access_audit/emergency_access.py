# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The access that auditors and maintenance open for a while, with a reason.

Without it their groups give no data of patients (CNIL 2022-107, art. 8.2,
SEC-HAB-1, restricted privileged access).
"""

import datetime as dt
from collections import defaultdict

import trytond.config as config
from trytond.cache import Cache
from trytond.i18n import gettext
from trytond.model import Index, ModelSQL, ModelView, fields
from trytond.modules.early_access.workflow import (
    stamped, time_field, user_field)
from trytond.pool import Pool, PoolMeta
from trytond.pyson import Eval, If
from trytond.transaction import Transaction, without_check_access
from trytond.wizard import Button, StateTransition, StateView, Wizard

from . import notice
from .activity import READINGS, events_with_records, placeholders
from .exceptions import EmergencyAccessError, EmergencyAccessRightError
from .role import matching
from .traced import paths_to_patient
from .trail import Trail

LEVELS = [
    ('pseudonymised', "Pseudonymised"),
    ('identifying', "Directly Identifying"),
    ]
REASONS = [
    ('audit', "Planned Audit"),
    ('inspection', "Inspection by an Authority"),
    ('incident', "Incident or Breach"),
    ('safety', "Safety of a Patient"),
    ('repair', "Repair of the Platform"),
    ]
STATES = [
    ('open', "Open"),
    ('to_review', "To Review"),
    ('acknowledged', "Acknowledged"),
    ]
# What the trail names the one who has an open access
ROLE = 'emergency_access'
# What an open access gives, by level
GROUPS = {
    'pseudonymised': [
        ('early_access_audit', 'group_emergency_data'),
        ('early_access', 'group_health_data'),
        ],
    'identifying': [
        ('early_access_audit', 'group_emergency_data'),
        ('early_access', 'group_health_data'),
        ('early_access', 'group_identity_data'),
        ],
    }


def default_duration():
    "Return how long an access lasts, in minutes."
    return config.getint('early_access', 'emergency_access', default=60)


def maximum_duration():
    "Return how long an access may last, in minutes."
    return config.getint('early_access', 'emergency_access_max', default=480)


class EmergencyAccess(ModelSQL, ModelView):
    "An access to the data of patients that ends by itself"
    __name__ = 'early_access.audit.emergency_access'

    user = fields.Many2One(
        'res.user', "User", required=True, readonly=True, ondelete='RESTRICT')
    level = fields.Selection(
        LEVELS, "Level of Data", required=True, readonly=True, sort=False)
    level_string = level.translated('level')
    reason = fields.Selection(
        REASONS, "Reason", required=True, readonly=True, sort=False)
    reason_string = reason.translated('reason')
    justification = fields.Text(
        "Justification", required=True, readonly=True,
        help="What is done and why, without any data of a patient.")
    begun = fields.Timestamp("Begun", required=True, readonly=True)
    until = fields.Timestamp("Until", required=True, readonly=True)
    patients = fields.Function(
        fields.Text(
            "Patients Read",
            help="The codes of the patients whose data was read."),
        'get_patients')
    ended_by = user_field("Ended By")
    ended_at = time_field("Ended At")
    acknowledged_by = user_field("Acknowledged By")
    acknowledged_at = time_field("Acknowledged At")
    state = fields.Function(
        fields.Selection(STATES, "State", sort=False),
        'get_state', searcher='search_state')

    # The users, the ends and the levels of those that may be open
    _open_cache = Cache(
        'early_access.audit.emergency_access.open', context=False)

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_indexes.update({
                Index(t, (t.user, Index.Equality()), (t.until, Index.Range())),
                Index(
                    t, (t.until, Index.Range()),
                    where=t.acknowledged_at == None),  # noqa: E711
                })
        cls._order = [('begun', 'DESC'), ('id', 'DESC')]
        # Only the wizard opens one
        cls.__rpc__ = {
            n: r for n, r in cls.__rpc__.items()
            if n not in {'create', 'write', 'delete', 'copy', 'import_data'}}
        cls._buttons.update(
            end={
                'invisible': Eval('state') != 'open',
                'depends': ['state'],
                },
            acknowledge={
                'invisible': Eval('state') != 'to_review',
                'depends': ['state'],
                })

    @classmethod
    def view_attributes(cls):
        return super().view_attributes() + [
            ('/tree', 'visual',
                If(Eval('state') == 'open', 'danger',
                    If(Eval('state') == 'to_review', 'warning', ''))),
            ]

    def get_rec_name(self, name):
        return f'{self.user.rec_name} - {self.begun:%Y-%m-%d %H:%M} UTC'

    @classmethod
    def search_rec_name(cls, name, clause):
        return [('user.rec_name', *clause[1:])]

    @classmethod
    def get_state(cls, accesses, name):
        now = dt.datetime.now()
        return {
            a.id: 'open' if a.is_open(now)
            else 'acknowledged' if a.acknowledged_at else 'to_review'
            for a in accesses}

    @classmethod
    def search_state(cls, name, clause):
        now = dt.datetime.now()
        over = ['OR', ('until', '<=', now), ('ended_at', '!=', None)]
        domains = {
            'open': [('until', '>', now), ('ended_at', '=', None)],
            'to_review': [over, ('acknowledged_at', '=', None)],
            'acknowledged': [over, ('acknowledged_at', '!=', None)],
            }
        return ['OR', ('id', '=', -1), *(
                domains[s] for s in matching(domains, clause))]

    @classmethod
    @without_check_access
    def get_patients(cls, accesses, name):
        "The patients by code, as who reviews an access may not read them."
        pool = Pool()
        Event = pool.get('early_access.audit.event')
        Patient = pool.get('early_access.patient')
        cursor = Transaction().connection.cursor()
        mark = placeholders([1])
        models = list(paths_to_patient())
        result = {}
        for access in accesses:
            cursor.execute(
                'SELECT DISTINCT e.model, r.record '
                f'FROM {events_with_records()} '
                f'WHERE e.user_id = {mark} '
                f'AND e.at >= {mark} AND e.at < {mark} '
                f'AND e.roles LIKE {mark} '
                f'AND e.action IN ({placeholders(READINGS)}) '
                f'AND e.model IN ({placeholders(models)})',
                [access.user.id, access.begun, access.ended_at or access.until,
                    f'%{ROLE}%', *READINGS, *models])
            records = defaultdict(set)
            for model, record in cursor:
                records[model].add(record)
            patients = {
                patient for model, ids in records.items()
                for patient in Event.patients_of(model, ids).values()
                if patient}
            result[access.id] = ', '.join(
                sorted(p.rec_name for p in Patient.browse(list(patients))))
        return result

    def is_open(self, now):
        return self.ended_at is None and self.begun <= now < self.until

    @classmethod
    @without_check_access
    def open_(cls, level, reason, justification, minutes):
        """Open an access for the current user and tell it.

        :param level: 'pseudonymised' or 'identifying'.
        :param reason: the code of the reason.
        :param justification: what is done and why.
        :param minutes: how long it lasts.
        :raises EmergencyAccessRightError: if the user may open none.
        :raises EmergencyAccessError: if it lasts too long.
        """
        pool = Pool()
        User = pool.get('res.user')
        if not User.opens_emergency_access():
            raise EmergencyAccessRightError(
                gettext('early_access_audit.msg_emergency_access_right'))
        if not 0 < (minutes or 0) <= maximum_duration():
            raise EmergencyAccessError(gettext(
                    'early_access_audit.msg_emergency_access_duration',
                    maximum=maximum_duration()))
        now = dt.datetime.now()
        access, = cls.create([{
                    'user': Transaction().user,
                    'level': level,
                    'reason': reason,
                    'justification': justification,
                    'begun': now,
                    'until': now + dt.timedelta(minutes=minutes),
                    }])
        Trail.current().add(
            'break_glass', cls.__name__, [access.id], reason=reason,
            target=level)
        notice.send(
            'early_access.audit.emergency_access', access,
            notice.members('pharmacist_in_charge', 'delegate'))
        return access

    @classmethod
    @ModelView.button
    @stamped('ended')
    def end(cls, accesses):
        "End the accesses before their time."
        Trail.current().add(
            'break_glass', cls.__name__, [a.id for a in accesses],
            reason='ended')

    @classmethod
    @ModelView.button
    @stamped('acknowledged')
    def acknowledge(cls, accesses):
        "Sign off the accesses once they were reviewed."
        for access in accesses:
            if access.user.id == Transaction().user:
                raise EmergencyAccessError(gettext(
                        'early_access_audit.msg_emergency_access_own',
                        access=access.rec_name))

    @classmethod
    def stamp(cls, name):
        return {
            f'{name}_by': Transaction().user,
            f'{name}_at': dt.datetime.now(),
            }

    @classmethod
    def level_of(cls, user):
        "Return the level of the accesses of the user that are open, or None."
        now = dt.datetime.now()
        accesses = cls._open_cache.get(user)
        if accesses is None:
            with Transaction().set_user(0), without_check_access():
                accesses = tuple(
                    (a.begun, a.until, a.level) for a in cls.search([
                            ('user', '=', user),
                            ('until', '>', now),
                            ('ended_at', '=', None),
                            ], order=[]))
            cls._open_cache.set(user, accesses)
        levels = {
            level for begun, until, level in accesses if begun <= now < until}
        return next(
            (n for n in ['identifying', 'pseudonymised'] if n in levels),
            None)

    @classmethod
    def on_modification(cls, mode, accesses, field_names=None):
        super().on_modification(mode, accesses, field_names=field_names)
        cls._open_cache.clear()


class User(metaclass=PoolMeta):
    __name__ = 'res.user'

    @classmethod
    def get_groups(cls):
        "The groups of the current user, with those of an open access."
        pool = Pool()
        EmergencyAccess = pool.get('early_access.audit.emergency_access')
        ModelData = pool.get('ir.model.data')
        groups = super().get_groups()
        transaction = Transaction()
        if not transaction.user or '_groups' in transaction.context:
            return groups
        try:
            opener = ModelData.get_id('early_access_audit', 'group_emergency')
        except KeyError:
            # The module is being activated
            return groups
        if opener in groups and (
                level := EmergencyAccess.level_of(transaction.user)):
            groups = tuple(sorted({
                        *groups, *(ModelData.get_id(*g)
                            for g in GROUPS[level])}))
        return groups

    @classmethod
    def opens_emergency_access(cls):
        "Return whether the current user may open an access."
        ModelData = Pool().get('ir.model.data')
        return ModelData.get_id(
            'early_access_audit', 'group_emergency') in cls.get_groups()

    @classmethod
    def audit_identity(cls):
        login, roles = super().audit_identity()
        ModelData = Pool().get('ir.model.data')
        if ModelData.get_id(
                'early_access_audit', 'group_emergency_data'
                ) in cls.get_groups():
            roles = ','.join(filter(None, [roles, ROLE]))
        return login, roles


class Open(Wizard):
    "Open an Emergency Access"
    __name__ = 'early_access.audit.emergency_access.open'

    start = StateView(
        'early_access.audit.emergency_access.open.start',
        'early_access_audit.emergency_access_open_start_view_form', [
            Button("Cancel", 'end', 'tryton-cancel'),
            Button("Open", 'open_', 'tryton-ok', default=True),
            ])
    open_ = StateTransition()

    def transition_open_(self):
        pool = Pool()
        EmergencyAccess = pool.get('early_access.audit.emergency_access')
        start = self.start
        EmergencyAccess.open_(
            start.level, start.reason, start.justification, start.minutes)
        return 'end'

    def end(self):
        # What may be opened is no longer the same
        return 'reload menu'


class OpenStart(ModelView):
    __name__ = 'early_access.audit.emergency_access.open.start'

    level = fields.Selection(
        LEVELS, "Level of Data", required=True, sort=False)
    reason = fields.Selection(REASONS, "Reason", required=True, sort=False)
    justification = fields.Text(
        "Justification", required=True,
        help="What is done and why, without any data of a patient.")
    minutes = fields.Integer(
        "Duration", required=True,
        domain=[
            ('minutes', '>', 0),
            ('minutes', '<=', Eval('maximum', 0)),
            ],
        help="In minutes.")
    maximum = fields.Integer("Maximum Duration", readonly=True)

    @staticmethod
    def default_level():
        return 'pseudonymised'

    @staticmethod
    def default_minutes():
        return default_duration()

    @staticmethod
    def default_maximum():
        return maximum_duration()


class EmergencyAccessNotice(notice.Notice):
    "Tell the pharmacist in charge that an access was opened"
    __name__ = 'early_access.audit.emergency_access'
