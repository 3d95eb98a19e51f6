# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import datetime as dt

from trytond.model.exceptions import AccessError
from trytond.pool import Pool
from trytond.tests.test_tryton import (
    TestCase, activate_module, with_transaction)
from trytond.transaction import Transaction, check_access

from .tools import PASSWORD, configured, create_user


def ended(session):
    Session = Pool().get('ir.session')
    return not Session.search([('id', '=', session.id)])


class SessionTestCase(TestCase):
    "Test the sessions"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        activate_module('early_access_audit')

    def new(self, user, begun=0, used=None):
        """Return a session of the user.

        :param begun: how long ago it began, in seconds.
        :param used: how long ago it was used, if it was.
        """
        Session = Pool().get('ir.session')
        transaction = Transaction()
        with transaction.set_user(user.id):
            key = Session.new()
        session, = Session.search([('key', '=', key)])
        now = dt.datetime.now()
        table = Session.__table__()
        transaction.connection.cursor().execute(*table.update(
                [table.create_date, table.write_date],
                [now - dt.timedelta(seconds=begun),
                    None if used is None
                    else now - dt.timedelta(seconds=used)],
                where=table.id == session.id))
        transaction.cache.clear()
        return Session(session.id)

    def check(self, user, session):
        Session = Pool().get('ir.session')
        key = session.key
        with Transaction().set_user(user.id):
            return Session.check(user.id, key)

    @with_transaction(user=0)
    def test_idle(self):
        "A session that is not used ends"
        user = create_user()
        for begun, used, lives in [
                (0, None, True), (1700, None, True), (1900, None, False),
                (10000, 1700, True), (10000, 1900, False)]:
            with self.subTest(begun=begun, used=used), configured(
                    early_access__session_idle='1800'):
                session = self.new(user, begun, used)
                self.assertEqual(bool(self.check(user, session)), lives)
                self.assertEqual(ended(session), not lives)

    @with_transaction(user=0)
    def test_max_age(self):
        "A session ends whatever its use"
        user = create_user()
        with configured(session__max_age='36000'):
            session = self.new(user, begun=35900, used=1)
            self.assertTrue(self.check(user, session))
            session = self.new(user, begun=36100, used=1)
            self.assertFalse(self.check(user, session))
            self.assertTrue(ended(session))

    @with_transaction(user=0)
    def test_reset(self):
        "A use is kept, also after a pause longer than the timeout"
        Session = Pool().get('ir.session')
        user = create_user()
        with configured(session__timeout='300'):
            session = self.new(user, begun=2000, used=1000)
            self.assertTrue(self.check(user, session))
            Session.reset(session.key)
            Transaction().cache.clear()
            session = Session(session.id)
            self.assertLess(
                dt.datetime.now() - session.write_date,
                dt.timedelta(seconds=60))

    @with_transaction(user=0)
    def test_other_key(self):
        user = create_user()
        session = self.new(user)
        other = self.new(create_user())
        self.assertFalse(self.check(user, other))
        self.assertFalse(ended(session))

    @with_transaction(user=0)
    def test_groups(self):
        "The sessions of who may do less end, not those of who may do more"
        Group = Pool().get('res.group')
        User = Pool().get('res.user')
        groups = Group.create([{'name': f'group {i}'} for i in range(2)])
        user = create_user(groups=[('add', [groups[0].id])])
        session = self.new(user)
        User.write([user], {'groups': [('add', [groups[1].id])]})
        self.assertFalse(ended(session))
        User.write([user], {'groups': [('remove', [groups[0].id])]})
        self.assertTrue(ended(session))

    @with_transaction(user=0)
    def test_roles(self):
        "A role that has ended gives nothing to the next request"
        pool = Pool()
        Group = pool.get('res.group')
        Role = pool.get('res.role')
        UserRole = pool.get('res.user.role')
        group, = Group.create([{'name': "group"}])
        role, = Role.create([{
                    'name': "role", 'groups': [('add', [group.id])]}])
        now = dt.datetime.now()
        user = create_user(roles=[('create', [{
                            'role': role.id,
                            'reason': "Test",
                            'from_date': now - dt.timedelta(days=1),
                            'to_date': now + dt.timedelta(days=1),
                            }])])
        session = self.new(user)
        self.assertTrue(self.check(user, session))
        self.assertEqual(user.groups, (group,))
        table = UserRole.__table__()
        Transaction().connection.cursor().execute(*table.update(
                [table.to_date], [now - dt.timedelta(seconds=2)],
                where=table.user == user.id))
        Transaction().cache.clear()
        pool.get('res.user').forget_roles()
        self.assertFalse(self.check(user, session))
        self.assertTrue(ended(session))
        self.assertFalse(pool.get('res.user')(user.id).groups)

    @with_transaction(user=0)
    def test_user(self):
        "The sessions end with the password and with the user"
        User = Pool().get('res.user')
        for values in [{'password': PASSWORD + '!'}, {'active': False}]:
            user = create_user()
            session, other = self.new(user), self.new(create_user())
            with self.subTest(values=values):
                User.write([user], values)
                self.assertTrue(ended(session))
                self.assertFalse(ended(other))

    @with_transaction(user=0)
    def test_clean(self):
        Session = Pool().get('ir.session')
        user = create_user()
        idle, used = self.new(user, begun=5000), self.new(user)
        Session.clean()
        self.assertTrue(ended(idle))
        self.assertFalse(ended(used))

    @with_transaction(user=0)
    def test_list(self):
        "A user sees and ends its own sessions, an administrator all"
        pool = Pool()
        Group = pool.get('res.group')
        Line = pool.get('early_access.audit.session')
        admins, = Group.search([('name', '=', "Administration")])
        user, other = create_user(), create_user()
        admin = create_user(groups=[('add', [admins.id])])
        own, foreign = self.new(user), self.new(other)
        self.assertNotIn('key', Line._fields)
        with Transaction().set_user(user.id), check_access():
            self.assertEqual(
                [line.id for line in Line.search([])], [own.id])
            line, = Line.search([])
            self.assertEqual(line.user, user)
            self.assertEqual(line.rec_name, user.rec_name)
            with self.assertRaises(AccessError):
                Line.end([Line(foreign.id)])
            self.assertFalse(ended(foreign))
            Line.end([line])
            self.assertTrue(ended(own))
        with Transaction().set_user(admin.id), check_access():
            line, = Line.search([('user', '=', other.id)])
            Line.end([line])
            self.assertTrue(ended(foreign))

    @with_transaction(user=0)
    def test_secrets(self):
        "No user reaches the models that hold secrets"
        pool = Pool()
        Group = pool.get('res.group')
        admins, = Group.search([('name', '=', "Administration")])
        admin = create_user(groups=[('add', [admins.id])])
        for name in [
                'early_access.audit.totp',
                'early_access.audit.recovery_code']:
            Model = pool.get(name)
            with self.subTest(name=name):
                self.assertEqual(Model.__rpc__, {})
                with Transaction().set_user(admin.id), check_access():
                    with self.assertRaises(AccessError):
                        Model.search([])
