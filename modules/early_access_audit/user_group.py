# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The rights of a user, which come from the roles that run (SEC-HAB-1)."

import datetime as dt

from trytond.cache import Cache
from trytond.i18n import gettext
from trytond.model import fields
from trytond.pool import Pool, PoolMeta
from trytond.tools import grouped_slice
from trytond.transaction import Transaction, without_check_access

from .exceptions import GroupAccessError
from .user_role import SOON

# How far back the cron looks for what began or ended
LOOK_BACK = dt.timedelta(days=1)


class User(metaclass=PoolMeta):
    __name__ = 'res.user'

    groups_without_role = fields.Function(
        fields.Boolean(
            "Groups without a Role",
            help="Whether the user has rights that no role gives."),
        'get_groups_without_role', searcher='search_groups_without_role')

    _role_groups_cache = Cache('res_user.role_groups', context=False)
    _running_groups_cache = Cache('res_user.running_groups', context=False)

    @classmethod
    def get_groups(cls):
        """The groups of the current user, without those of ended roles.

        It is so at the very second when a role ends, whatever the user comes
        through, and before anything is written.
        """
        groups = super().get_groups()
        transaction = Transaction()
        user = transaction.user
        if not user or '_groups' in transaction.context:
            return groups
        given, running = cls._given_and_running(user)
        if ended := given - running:
            key = user, groups, tuple(sorted(ended))
            result = cls._running_groups_cache.get(key)
            if result is None:
                left = cls._groups_but(user, ended)
                result = tuple(g for g in groups if g in left)
                cls._running_groups_cache.set(key, result)
            groups = result
        return groups

    @classmethod
    @without_check_access
    def follow_roles(cls, user):
        """Give and take the groups of the roles that began or ended.

        It is asked at each request, so it reads only what is cached while
        there is nothing to do.

        :param user: the id of the user.
        """
        given, running = cls._given_and_running(user)
        with Transaction().set_user(user):
            groups = set(super().get_groups())
        if running - groups or (given - running) & groups:
            with Transaction().set_user(0):
                cls.sync_roles([cls(user)])

    @classmethod
    def _given_and_running(cls, user):
        "Return the groups of all the roles of the user, and of the running."
        now = dt.datetime.now()
        given, running = set(), set()
        for from_date, to_date, ids in cls._role_groups(user):
            given.update(ids)
            if from_date <= now < to_date:
                running.update(ids)
        return given, running

    @classmethod
    def _role_groups(cls, user):
        "Return the from date, the to date and the groups of each role."
        UserRole = Pool().get('res.user.role')
        result = cls._role_groups_cache.get(user)
        if result is None:
            with Transaction().set_user(0), without_check_access():
                result = tuple(
                    (*r._period, tuple(g.id for g in r.role.groups))
                    for r in UserRole.search([('user', '=', user)]))
            cls._role_groups_cache.set(user, result)
        return result

    def status_notice(self):
        return self.role_notice() or super().status_notice()

    def role_notice(self):
        "Return what tells that the roles of the user end or ended, or None."
        Lang = Pool().get('ir.lang')
        now = dt.datetime.now()
        ends = {}
        for _, to_date, groups in self._role_groups(self.id):
            ends[groups] = max(to_date, ends.get(groups, to_date))
        if ends and max(ends.values()) <= now:
            return gettext(
                'early_access_audit.msg_role_none',
                date=Lang.get().strftime(max(ends.values()).date()))
        if soon := [d for d in ends.values() if now < d <= now + SOON]:
            return gettext(
                'early_access_audit.msg_role_soon',
                date=Lang.get().strftime(min(soon).date()))

    @classmethod
    def _groups_but(cls, user, excluded):
        "Return the groups of the user and their parents, without some."
        groups = set()
        with Transaction().set_user(0), without_check_access():
            for group in cls(user).groups:
                if group.id in excluded:
                    continue
                while group and group.id not in groups and group.active:
                    groups.add(group.id)
                    group = group.parent
        return groups

    @classmethod
    def forget_roles(cls):
        cls._role_groups_cache.clear()
        cls._running_groups_cache.clear()

    @classmethod
    def manages_access(cls):
        "Return whether the current user gives and withdraws roles."
        ModelData = Pool().get('ir.model.data')
        return (
            ModelData.get_id('res', 'group_admin') in cls.get_groups()
            or cls.has_profile('security_officer'))

    @classmethod
    def get_groups_without_role(cls, users, name):
        found = {u.id for u in cls.search([
                    ('id', 'in', [u.id for u in users]),
                    (name, '=', True),
                    ])}
        return {u.id: u.id in found for u in users}

    @classmethod
    def search_groups_without_role(cls, name, clause):
        pool = Pool()
        ModelData = pool.get('ir.model.data')
        RoleGroup = pool.get('res.role-res.group')
        UserGroup = pool.get('res.user-res.group')
        UserRole = pool.get('res.user.role')
        data, role_group, user_group, user_role = (
            M.__table__() for M in [
                ModelData, RoleGroup, UserGroup, UserRole])
        now = dt.datetime.now()
        given = user_role.join(
            role_group,
            condition=user_role.role == role_group.role).select(
            user_role.user,
            where=(user_role.user == user_group.user)
            & (role_group.group == user_group.group)
            & (user_role.from_date <= now) & (user_role.to_date > now))
        query = user_group.join(
            data, condition=data.db_id == user_group.group).select(
            user_group.user,
            where=(data.model == 'res.group')
            & (data.module.in_(['early_access', 'early_access_audit']))
            & ~user_group.user.in_(given))
        _, operator_, value = clause
        positive = (operator_ == '=') == bool(value)
        return [('id', 'in' if positive else 'not in', query)]

    @classmethod
    @without_check_access
    def sync_roles(cls, users=None, date=None, clear=False):
        super().sync_roles(users=users, date=date, clear=clear)

    @classmethod
    def follow_all_roles(cls):
        """Give and take the groups of the roles that began or ended.

        It is called by a cron for who sends no request, as the keys of the
        machines do.
        """
        UserRole = Pool().get('res.user.role')
        now = dt.datetime.now()
        since = now - LOOK_BACK
        lines = UserRole.search(['OR',
                [('to_date', '>', since), ('to_date', '<=', now)],
                [('from_date', '>', since), ('from_date', '<=', now)],
                ], order=[])
        for users in grouped_slice(list({line.user for line in lines})):
            cls.sync_roles(list(users))

    @classmethod
    def on_modification(cls, mode, users, field_names=None):
        super().on_modification(mode, users, field_names=field_names)
        cls._running_groups_cache.clear()

    @classmethod
    def copy(cls, users, default=None):
        # The rights of a user are those that somebody decided to give
        default = {} if default is None else default.copy()
        default.setdefault('groups')
        default.setdefault('roles')
        return super().copy(users, default=default)


class UserGroup(metaclass=PoolMeta):
    __name__ = 'res.user-res.group'

    @classmethod
    def check_modification(cls, mode, records, values=None, external=False):
        "Groups come from roles, whatever a client goes through."
        super().check_modification(
            mode, records, values=values, external=external)
        if external:
            record = records[0]
            raise GroupAccessError(gettext(
                    'early_access_audit.msg_user_groups',
                    user=record.user.rec_name, group=record.group.rec_name))

    @classmethod
    def on_modification(cls, mode, records, field_names=None):
        User = Pool().get('res.user')
        super().on_modification(mode, records, field_names=field_names)
        User._running_groups_cache.clear()
