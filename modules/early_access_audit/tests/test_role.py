# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import datetime as dt

from dateutil.relativedelta import relativedelta

from trytond.model.exceptions import AccessError, RequiredValidationError
from trytond.modules.early_access.tests.tools import PROFILES, acting, rpc
from trytond.modules.early_access_audit.exceptions import (
    GroupAccessError, OwnRoleError, RoleAccessError, RoleHistoryError,
    RolePeriodError)
from trytond.pool import Pool
from trytond.tests.test_tryton import with_transaction
from trytond.transaction import Transaction

from .tools import InventedTestCase, create_user

HOUR = dt.timedelta(hours=1)
DAY = dt.timedelta(days=1)
YEAR = relativedelta(years=1)


def role_of(profile):
    Role = Pool().get('res.role')
    with Transaction().set_context(_check_access=False):
        role, = Role.search([('name', '=', PROFILES[profile])])
    return role


def give(user, profile, **values):
    UserRole = Pool().get('res.user.role')
    line, = UserRole.create([{
                'user': user.id,
                'role': role_of(profile).id,
                'reason': "Post",
                **values,
                }])
    return line


def move(line, **dates):
    "Move the dates of a role as if time had passed."
    pool = Pool()
    User = pool.get('res.user')
    table = pool.get('res.user.role').__table__()
    Transaction().connection.cursor().execute(*table.update(
            [getattr(table, n) for n in dates], list(dates.values()),
            where=table.id == line.id))
    Transaction().cache.clear()
    User.forget_roles()


class RoleTestCase(InventedTestCase):
    "Test the roles"
    module = 'early_access_audit'

    def user(self, login):
        User = Pool().get('res.user')
        with Transaction().set_context(_check_access=False):
            user, = User.search([('login', '=', login)])
        return user

    @with_transaction()
    def test_default_roles(self):
        "There is a role by profile, that gives its group"
        Role = Pool().get('res.role')
        for profile, name in PROFILES.items():
            role, = Role.search([('name', '=', name)])
            with self.subTest(profile=profile):
                self.assertEqual(
                    [g.name for g in role.groups], [f'Early Access: {name}'])
                self.assertEqual(
                    [g.name for g in self.user(profile).groups],
                    [f'Early Access: {name}'])

    @with_transaction()
    def test_levels(self):
        "The levels of a role are those of its groups and their parents"
        pool = Pool()
        Role = pool.get('res.role')
        UserRole = pool.get('res.user.role')
        levels = {
            'prescriber': ('identifying', 'health'),
            'pharmacist_in_charge': ('identifying', 'health'),
            'research': ('pseudonymised', 'health'),
            'supply': ('pseudonymised', 'other'),
            'establishment_referent': (None, 'other'),
            'security_officer': (None, 'other'),
            }
        for profile, (level, kind) in levels.items():
            role = role_of(profile)
            line = UserRole.search([
                    ('user', '=', self.user(profile).id)])[0]
            with self.subTest(profile=profile):
                for record in [role, line]:
                    self.assertEqual(record.data_level, level)
                    self.assertEqual(record.data_kind, kind)
                self.assertIn(role, Role.search([
                            ('data_level', '=', level),
                            ('data_kind', '=', kind)]))
                self.assertNotIn(role, Role.search([
                            ('data_level', '!=', level)]))
                self.assertIn(line, UserRole.search([
                            ('data_level', 'in', [level])]))

    @with_transaction()
    def test_year(self):
        "A role ends within a year, and says why it was given"
        user = create_user()
        now = dt.datetime.now().replace(microsecond=0)
        line = give(user, 'supply', from_date=now, to_date=now + YEAR)
        self.assertEqual(line.state, 'running')
        with self.refused(RolePeriodError):
            give(user, 'supply', from_date=now,
                to_date=now + YEAR + dt.timedelta(seconds=1))
        for name in ['from_date', 'to_date', 'reason']:
            with self.subTest(name=name):
                with self.refused(RequiredValidationError):
                    give(user, 'supply', **{name: None})

    @with_transaction()
    def test_grant(self):
        "Who gives a role is kept, whatever the client sends"
        UserRole = Pool().get('res.user.role')
        user = create_user()
        for login in ['security_officer', 'admin']:
            granter = self.user(login)
            with self.subTest(login=login), acting(login):
                id_, = rpc(UserRole, 'create', [{
                            'user': user.id,
                            'role': role_of('supply').id,
                            'reason': "Post",
                            'granter': user.id,
                            'withdrawn_by': user.id,
                            }])
            line = UserRole(id_)
            self.assertEqual(line.granter, granter)
            self.assertTrue(line.granted_at)
            self.assertIsNone(line.withdrawn_by)

    @with_transaction()
    def test_grant_refused(self):
        "The other profiles give no role, and nobody gives one to oneself"
        UserRole = Pool().get('res.user.role')
        user, role = create_user(), role_of('supply')
        for profile in PROFILES.keys() - {'security_officer'}:
            with self.subTest(profile=profile), acting(profile):
                with self.refused(AccessError):
                    rpc(UserRole, 'create', [{
                                'user': user.id, 'role': role.id,
                                'reason': "Post"}])
        with acting('security_officer') as user:
            with self.refused(OwnRoleError):
                rpc(UserRole, 'create', [{
                            'user': user.id, 'role': role.id,
                            'reason': "Post"}])

    @with_transaction()
    def test_own_groups(self):
        "Nobody widens a role that is one's own"
        pool = Pool()
        Role = pool.get('res.role')
        ModelData = pool.get('ir.model.data')
        administrator = Role(ModelData.get_id(
                'early_access_audit', 'role_administrator'))
        identity = ModelData.get_id('early_access', 'group_identity_data')
        user = create_user()
        pool.get('res.user.role').create([{
                    'user': user.id, 'role': administrator.id,
                    'reason': "Post"}])
        with acting(user.login):
            with self.refused(OwnRoleError):
                rpc(Role, 'write', [administrator.id], {
                        'groups': [('add', [identity])]})
            rpc(Role, 'write', [role_of('supply').id], {
                    'groups': [('add', [identity])]})

    @with_transaction()
    def test_history(self):
        "What was given is not changed, and says how it ended"
        pool = Pool()
        User = pool.get('res.user')
        UserRole = pool.get('res.user.role')
        user = create_user()
        line = give(user, 'supply')
        for login in ['admin', 'security_officer']:
            with self.subTest(login=login), acting(login):
                with self.refused(AccessError):
                    rpc(UserRole, 'write', [line.id], {'reason': "Other"})
                with self.refused(AccessError):
                    rpc(UserRole, 'delete', [line.id])
        with acting('admin'):
            with self.refused(AccessError):
                rpc(User, 'write', [user.id], {
                        'roles': [('delete', [line.id])]})
        with Transaction().set_context(_check_access=True):
            with self.refused(RoleHistoryError):
                UserRole.check_modification(
                    'write', [line], {'reason': "Other"}, external=True)

    def withdraw(self, login, line):
        Wizard = Pool().get('early_access.audit.role.withdraw', type='wizard')
        with acting(login), Transaction().set_context(
                active_model='res.user.role', active_id=line.id,
                active_ids=[line.id]):
            session, _, _ = rpc(Wizard, 'create')
            rpc(Wizard, 'execute', session, {
                    'start': {'reason': "Left"}}, 'withdraw')

    @with_transaction()
    def test_withdraw(self):
        "A role that is withdrawn ends now, and says who did it and why"
        user = create_user()
        line = give(user, 'supply')
        end = line.to_date
        for profile in ['prescriber', 'supply', 'audit']:
            with self.subTest(profile=profile):
                with self.refused(AccessError, RoleAccessError):
                    self.withdraw(profile, line)
        self.assertTrue(user.groups)
        self.withdraw('security_officer', line)
        line = type(line)(line.id)
        self.assertEqual(line.state, 'withdrawn')
        self.assertEqual(line.withdrawn_by, self.user('security_officer'))
        self.assertEqual(line.withdrawal_reason, "Left")
        self.assertEqual(line.planned_to_date, end)
        self.assertLessEqual(line.to_date, dt.datetime.now())
        self.assertFalse(type(user)(user.id).groups)

    @with_transaction()
    def test_withdraw_planned(self):
        "A role that has not begun never does once it is withdrawn"
        UserRole = Pool().get('res.user.role')
        now = dt.datetime.now()
        line = give(
            create_user(), 'supply', from_date=now + HOUR,
            to_date=now + 2 * HOUR)
        UserRole.end([line], "Mistake")
        self.assertFalse(line.valid(line.from_date))

    @with_transaction()
    def test_states(self):
        "Roles are found by their state, what ends soon first"
        UserRole = Pool().get('res.user.role')
        now = dt.datetime.now()
        day = dt.timedelta(days=1)
        user = create_user()
        periods = {
            'running': (now - day, now + 40 * day),
            'ended': (now - 2 * day, now - day),
            'planned': (now + day, now + 2 * day),
            'ending': (now - day, now + 20 * day),
            }
        lines = {}
        for state, (from_date, to_date) in periods.items():
            lines[state] = give(
                user, 'supply', from_date=from_date, to_date=to_date)
        lines['withdrawn'] = give(user, 'supply')
        UserRole.end([lines['withdrawn']], "Test")
        own = ('user', '=', user.id)
        for state, line in lines.items():
            with self.subTest(state=state):
                self.assertEqual(UserRole(line.id).state, state)
                self.assertEqual(
                    UserRole.search([own, ('state', '=', state)]), [line])
                self.assertNotIn(line, UserRole.search(
                        [own, ('state', '!=', state)]))
        self.assertEqual(
            UserRole.search([own, ('state', 'in', ['running', 'ending'])]),
            [lines['ending'], lines['running']])

    @with_transaction()
    def test_groups(self):
        "No client gives groups to a user by any path"
        pool = Pool()
        Group = pool.get('res.group')
        Link = pool.get('res.user-res.group')
        User = pool.get('res.user')
        group, = Group.search([('name', '=', "Early Access: Supply")])
        user = self.user('research')
        for Model, method, *args in [
                (User, 'write', [user.id], {'groups': [('add', [group.id])]}),
                (User, 'write', [user.id], {
                        'groups': [('remove', [g.id for g in user.groups])]}),
                (User, 'create', [{
                            'name': "New", 'login': 'new',
                            'groups': [('add', [group.id])]}]),
                (User, 'import_data', ['login', 'groups'], [
                        ['new', group.name]]),
                (Group, 'write', [group.id], {'users': [('add', [user.id])]}),
                ]:
            with self.subTest(model=Model.__name__, method=method, args=args):
                with acting('admin'), self.refused(GroupAccessError) as cm:
                    rpc(Model, method, *args)
                self.assertIn('"Early Access: ', cm.exception.message)
        with acting('admin'), self.refused(GroupAccessError):
            # As REST does
            Link.create([{'user': user.id, 'group': group.id}])
        with acting('admin'), self.refused(GroupAccessError):
            Link.delete(Link.search([('user', '=', user.id)]))
        with acting('admin'):
            id_, = rpc(User, 'copy', [user.id])
            rpc(User, 'write', [user.id], {'email': 'user@example.com'})
        self.assertFalse(User(id_).groups + User(id_).roles)
        self.assertTrue(User(user.id).groups)

    @with_transaction()
    def test_gap(self):
        "Who has rights that no role gives is listed"
        pool = Pool()
        Group = pool.get('res.group')
        User = pool.get('res.user')
        group, = Group.search([('name', '=', "Early Access: Supply")])
        user = create_user(groups=[('add', [group.id])])
        other = create_user()
        give(other, 'supply')
        found = User.search([('groups_without_role', '=', True)])
        self.assertEqual(found, [user])
        self.assertTrue(user.groups_without_role)
        self.assertFalse(other.groups_without_role)
        self.assertNotIn(
            user, User.search([('groups_without_role', '=', False)]))

    @with_transaction()
    def test_expiry(self):
        "A role that ends gives nothing from that second, before any writing"
        pool = Pool()
        Group = pool.get('res.group')
        Patient = pool.get('early_access.patient')
        User = pool.get('res.user')
        UserRole = pool.get('res.user.role')
        user = self.user('research')
        line, = UserRole.search([('user', '=', user.id)])
        patient = self.patient('treated')
        group, = Group.search([('name', '=', "Early Access: Health Data")])
        with acting('research'):
            self.assertIn(group.id, User.get_groups())
            self.assertTrue(rpc(Patient, 'read', [patient.id], ['sex']))
        now = dt.datetime.now()
        move(line, from_date=now - HOUR,
            to_date=now - dt.timedelta(seconds=1))
        # The groups are still written, as for the key of a machine
        self.assertTrue(User(user.id).groups)
        with acting('research'):
            self.assertEqual(User.get_groups(), ())
            with self.refused(AccessError):
                rpc(Patient, 'read', [patient.id], ['code'])
        User.follow_all_roles()
        self.assertFalse(User(user.id).groups)

    @with_transaction()
    def test_expiry_of_one(self):
        "What another role gives stays"
        pool = Pool()
        User = pool.get('res.user')
        user = create_user()
        now = dt.datetime.now()
        line = give(user, 'pharmacovigilance')
        give(user, 'research')
        # PostgreSQL rounds to the nearest second
        move(line, from_date=now - HOUR,
            to_date=now - dt.timedelta(seconds=1))
        with acting(user.login):
            self.assertEqual(
                User.profiles(), {'research', 'health_data'})

    @with_transaction()
    def test_notice(self):
        "The client tells who loses a role soon, and who has none any more"
        user = create_user()
        self.assertIsNone(user.role_notice())
        now = dt.datetime.now()
        line = give(user, 'research')
        for begin, end, text in [
                (-HOUR, 31 * DAY, None),
                (-HOUR, 29 * DAY, "Role ends on"),
                (-2 * HOUR, -HOUR, "Roles ended on"),
                ]:
            with self.subTest(end=end):
                move(line, from_date=now + begin, to_date=now + end)
                notice = user.role_notice()
                if text is None:
                    self.assertIsNone(notice)
                else:
                    self.assertIn(text, notice)
                    with acting(user.login) as current:
                        self.assertIn(text, current.status_bar)
        # It was given again
        give(user, 'research')
        self.assertIsNone(user.role_notice())

    @with_transaction()
    def test_begin(self):
        "A role that begins is given by the cron too"
        User = Pool().get('res.user')
        user = create_user()
        now = dt.datetime.now()
        line = give(
            user, 'supply', from_date=now + HOUR, to_date=now + 2 * HOUR)
        self.assertFalse(User(user.id).groups)
        move(line, from_date=now - HOUR)
        User.follow_all_roles()
        self.assertTrue(User(user.id).groups)

    @with_transaction()
    def test_read(self):
        "A user sees the own roles, who manages or audits them all"
        UserRole = Pool().get('res.user.role')
        for login, all_ in [
                ('prescriber', False), ('pharmacist_in_charge', False),
                ('security_officer', True), ('audit', True),
                ('admin', True)]:
            with self.subTest(login=login), acting(login) as user:
                lines = UserRole.search([])
                found = {line.user.id for line in lines}
                if login != 'admin':
                    self.assertIn(user.id, found)
                self.assertEqual(len(found) > 1, all_)
