# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import datetime as dt

from dateutil.relativedelta import relativedelta

from trytond.model.exceptions import AccessError
from trytond.modules.early_access.tests.tools import acting, rpc
from trytond.pool import Pool
from trytond.tests.test_tryton import with_transaction
from trytond.transaction import Transaction

from .test_role import give, role_of
from .tools import InventedTestCase, create_user

DAY = dt.timedelta(days=1)


class DormancyTestCase(InventedTestCase):
    "Test the accounts that nobody uses"
    module = 'early_access_audit'

    def used(self, user, days):
        "Make the user have come in for the last time some days ago."
        LastUse = Pool().get('early_access.audit.last_use')
        LastUse.create([{
                    'user': user.id,
                    'at': dt.datetime.now() - days * DAY}])

    def created(self, user, days):
        "Make the user have been created some days ago."
        table = user.__table__()
        Transaction().connection.cursor().execute(*table.update(
                [table.create_date], [dt.datetime.now() - days * DAY],
                where=table.id == user.id))

    def flagged(self, user):
        User = Pool().get('res.user')
        User.flag_dormant()
        return User(user.id).dormant_since

    @with_transaction()
    def test_default_delays(self):
        "The delay of a hospital lets six months pass between two visits"
        for profile, days in [
                ('prescriber', 210), ('hospital_staff', 210), ('supply', 90),
                ('audit', 90)]:
            with self.subTest(profile=profile):
                self.assertEqual(role_of(profile).dormancy_days, days)

    @with_transaction()
    def test_login(self):
        "A login is kept, and shown to who manages the accounts only"
        pool = Pool()
        Session = pool.get('ir.session')
        User = pool.get('res.user')
        user = create_user()
        self.assertIsNone(user.last_login)
        for _ in range(2):
            with Transaction().set_user(user.id):
                Session.new()
        at = User(user.id).last_login
        self.assertLess(dt.datetime.now() - at, dt.timedelta(minutes=1))
        with acting('security_officer'):
            row, = rpc(User, 'read', [user.id], ['last_login'])
            self.assertEqual(row['last_login'], at)
        for login in ['supply', 'pharmacist_in_charge']:
            for name in ['last_login', 'dormant_since', 'access_manager']:
                with self.subTest(login=login, name=name):
                    with acting(login) as other, self.refused(AccessError):
                        rpc(User, 'read', [other.id], [name])
        # To a user of a hospital the others have a name only
        with acting('prescriber'):
            row, = rpc(User, 'read', [user.id], ['last_login'])
            self.assertIsNone(row['last_login'])

    @with_transaction()
    def test_flag(self):
        "An account is flagged after the delay of its roles, until it is used"
        today = Pool().get('ir.date').today()
        for profiles, days, dormant in [
                ([], 89, False), ([], 91, True),
                (['supply'], 89, False), (['supply'], 91, True),
                (['prescriber'], 91, False), (['prescriber'], 209, False),
                (['prescriber'], 211, True),
                (['prescriber', 'supply'], 209, False),
                ]:
            with self.subTest(profiles=profiles, days=days):
                user = create_user()
                for profile in profiles:
                    give(user, profile)
                self.used(user, 400)
                self.used(user, days)
                self.assertEqual(
                    self.flagged(user), today if dormant else None)
                if dormant:
                    self.used(user, 0)
                    self.assertIsNone(self.flagged(user))

    @with_transaction()
    def test_flag_kept(self):
        "The date is the one when the account was found"
        User = Pool().get('res.user')
        user = create_user()
        self.used(user, 200)
        date = self.flagged(user) - relativedelta(days=5)
        User.write([user], {'dormant_since': date})
        self.assertEqual(self.flagged(user), date)
        self.assertIn(user, User.search([('dormant_since', '!=', None)]))

    @with_transaction()
    def test_never(self):
        "Who never came in counts from when the account was created"
        user = create_user()
        self.created(user, 89)
        self.assertIsNone(self.flagged(user))
        self.created(user, 91)
        self.assertTrue(self.flagged(user))

    @with_transaction()
    def test_machine(self):
        "A machine never logs in"
        pool = Pool()
        Application = pool.get('res.user.application')
        today = pool.get('ir.date').today()
        machine = create_user()
        self.created(machine, 300)
        Application.issue({
                'name': "Labels", 'application': 'rest', 'user': machine.id,
                'owner': create_user().id, 'from_date': today,
                'to_date': today, 'networks': '192.0.2.0/24',
                })
        self.assertIsNone(self.flagged(machine))

    @with_transaction()
    def test_fold(self):
        "The last time of each user is kept, and the others are not"
        LastUse = Pool().get('early_access.audit.last_use')
        users = [create_user(), create_user()]
        for user in users:
            for days in [30, 10, 20]:
                self.used(user, days)
        last = [u.last_login for u in users]
        LastUse.fold()
        rows = LastUse.search([('user', 'in', [u.id for u in users])])
        self.assertEqual(sorted(r.at for r in rows), sorted(last))
