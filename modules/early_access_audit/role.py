# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"What a role opens, by level and kind of data (CNIL 2022-107, SEC-HAB-1)."

import datetime as dt
import operator

from trytond.i18n import gettext
from trytond.model import fields
from trytond.pool import Pool, PoolMeta
from trytond.transaction import Transaction, without_check_access

from .exceptions import OwnRoleError

DATA_LEVELS = [
    (None, ""),
    ('aggregated', "Aggregated"),
    ('pseudonymised', "Pseudonymised"),
    ('identifying', "Directly Identifying"),
    ]
DATA_KINDS = [
    ('health', "Health"),
    ('other', "Other"),
    ]
OPERATORS = {
    '=': operator.eq,
    '!=': operator.ne,
    'in': lambda value, values: value in values,
    'not in': lambda value, values: value not in values,
    }


def matching(values, clause):
    "Return those of the values that match a clause of a selection."
    _, operator_, operand = clause
    return [v for v in values if OPERATORS[operator_](v, operand)]


class Role(metaclass=PoolMeta):
    __name__ = 'res.role'

    data_level = fields.Function(
        fields.Selection(
            DATA_LEVELS, "Level of Data", sort=False,
            help="The most that the role lets see of the persons."),
        'get_levels', searcher='search_levels')
    data_kind = fields.Function(
        fields.Selection(DATA_KINDS, "Kind of Data", sort=False),
        'get_levels', searcher='search_levels')

    @classmethod
    @without_check_access
    def get_levels(cls, roles, names):
        """Return the levels of the roles (SEC-HAB-1).

        They are those of the groups of the role and of their parents: who
        reads the identity of the patients, who reads the patients, who reads
        what is counted on them.
        """
        pool = Pool()
        Access = pool.get('ir.model.access')
        Group = pool.get('res.group')
        ModelData = pool.get('ir.model.data')
        RoleGroup = pool.get('res.role-res.group')
        cursor = Transaction().connection.cursor()
        role_group = RoleGroup.__table__()
        parents = Group.group_parent_all_cte()
        cursor.execute(*role_group.join(
                parents, condition=role_group.group == parents.id).select(
                role_group.role, parents.parent,
                where=fields.SQL_OPERATORS['in'](
                    role_group.role, [r.id for r in roles]),
                with_=parents))
        groups = {r.id: set() for r in roles}
        for role, group in cursor:
            groups[role].add(group)

        def readers(model):
            return {
                a.group.id for a in Access.search([
                        ('model', '=', model),
                        ('perm_read', '=', True),
                        ('group', '!=', None),
                        ])}

        levels = [
            ('identifying', {
                    ModelData.get_id('early_access', 'group_identity_data')}),
            ('pseudonymised', readers('early_access.patient')),
            ('aggregated', readers('early_access.completeness')),
            ]
        health = ModelData.get_id('early_access', 'group_health_data')
        result = {
            'data_level': {
                i: next((n for n, g in levels if g & own), None)
                for i, own in groups.items()},
            'data_kind': {
                i: 'health' if health in own else 'other'
                for i, own in groups.items()},
            }
        return {n: result[n] for n in names}

    @classmethod
    @without_check_access
    def search_levels(cls, name, clause):
        # There are as many roles as profiles
        values = cls.get_levels(cls.search([], order=[]), [name])[name]
        found = set(matching(set(values.values()), clause))
        return [('id', 'in', [i for i, v in values.items() if v in found])]

    @classmethod
    def on_modification(cls, mode, roles, field_names=None):
        User = Pool().get('res.user')
        super().on_modification(mode, roles, field_names=field_names)
        User.forget_roles()


class RoleGroup(metaclass=PoolMeta):
    __name__ = 'res.role-res.group'

    @classmethod
    def check_modification(cls, mode, records, values=None, external=False):
        UserRole = Pool().get('res.user.role')
        super().check_modification(
            mode, records, values=values, external=external)
        if external:
            own = UserRole.search([
                    ('user', '=', Transaction().user),
                    ('role', 'in', [r.role.id for r in records]),
                    ('to_date', '>', dt.datetime.now()),
                    ], limit=1)
            if own:
                raise OwnRoleError(gettext(
                        'early_access_audit.msg_role_own_groups',
                        role=own[0].role.rec_name))

    @classmethod
    def on_modification(cls, mode, records, field_names=None):
        User = Pool().get('res.user')
        super().on_modification(mode, records, field_names=field_names)
        User.forget_roles()
