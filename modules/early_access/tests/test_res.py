# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import datetime as dt

from dateutil.relativedelta import relativedelta

from trytond.exceptions import UserError
from trytond.modules.early_access.exceptions import PreferencesError
from trytond.pool import Pool
from trytond.tests.test_tryton import with_transaction

from .tools import ProgrammeTestCase, acting, rpc

day = relativedelta(days=1)


class UserTestCase(ProgrammeTestCase):
    "Test the users"

    @with_transaction()
    def test_preferences(self):
        "A user changes harmless preferences only"
        pool = Pool()
        Group = pool.get('res.group')
        User = pool.get('res.user')
        group, = Group.search([('name', '=', "Administration")])
        for login in ['prescriber', 'supply', 'configuration']:
            with acting(login) as user:
                for values in [
                        {'groups': [('add', [group.id])]},
                        {'roles': [('create', [{}])]},
                        {'companies': [('remove', [1])]},
                        {'employees': [('remove', [1])]},
                        {'password': 'n3w-passw0rd-for-me'},
                        {'email': 'me@example.com'},
                        {'login': 'admin'},
                        {'name': "Admin"},
                        {'active': False},
                        {'applications': [('create', [
                                        {'application': 'rest'}])]},
                        {'warnings': [('create', [{'name': 'all'}])]},
                        {'sessions': 1},
                        {'language': None, 'groups': [('add', [group.id])]},
                        ]:
                    with self.subTest(login=login, values=values):
                        with self.refused(PreferencesError) as cm:
                            rpc(User, 'set_preferences', values)
                        self.assertNotIn('passw0rd', cm.exception.message)
                rpc(User, 'set_preferences', {'signature': "Kind regards"})
                self.assertNotIn(group, User(user.id).groups)
                self.assertEqual(User(user.id).signature, "Kind regards")

    @with_transaction()
    def test_preferences_view(self):
        "The form of the preferences lets change the harmless ones only"
        User = Pool().get('res.user')
        with acting('prescriber'):
            view = rpc(User, 'get_preferences_fields_view')
        for name, definition in view['fields'].items():
            with self.subTest(name=name):
                self.assertTrue(
                    name in User._harmless_preferences
                    or definition.get('readonly'))

    @with_transaction()
    def test_get_preferences(self):
        "Each profile gets its preferences"
        User = Pool().get('res.user')
        for login in ['prescriber', 'hospital_pharmacist', 'supply', 'dpo']:
            with self.subTest(login=login), acting(login):
                preferences = rpc(User, 'get_preferences', False)
                self.assertEqual(preferences['language'], 'en')

    @with_transaction()
    def test_configuration(self):
        "The configuration chooses the warehouse of the orders"
        pool = Pool()
        Configuration = pool.get('early_access.configuration')
        Location = pool.get('stock.location')
        warehouse, = Location.search([('type', '=', 'warehouse')])
        values = {'order_warehouse': warehouse.id}
        with acting('supply'):
            with self.refused(UserError):
                rpc(Configuration, 'write', [1], values)
        with acting('configuration'):
            rpc(Configuration, 'write', [1], values)
            self.assertEqual(
                Configuration(1).get_multivalue('order_warehouse'), warehouse)

    @with_transaction()
    def test_application_key(self):
        "A user gets no key of another user"
        pool = Pool()
        Application = pool.get('res.user.application')
        User = pool.get('res.user')
        other, = User.search([('login', '=', 'pharmacist_in_charge')])
        with acting('prescriber'):
            with self.refused(UserError):
                rpc(Application, 'create', [{
                            'user': other.id, 'application': 'rest'}])

    @with_transaction()
    def test_delegation(self):
        "A delegate acts between the dates of the delegation only"
        pool = Pool()
        Delegation = pool.get('early_access.delegation')
        Patient = pool.get('early_access.patient')
        User = pool.get('res.user')
        today = dt.date.today()
        delegation, = Delegation.search([])
        for from_date, to_date, running in [
                (today - 10 * day, today - day, False),
                (today + day, today + 10 * day, False),
                (today, today, True),
                (today - day, today + day, True),
                ]:
            with acting('pharmacist_in_charge'):
                rpc(Delegation, 'write', [delegation.id], {
                        'from_date': from_date, 'to_date': to_date})
            with self.subTest(from_date=from_date, to_date=to_date):
                with acting('delegate'):
                    self.assertEqual(
                        User.has_profile('pharmacist_in_charge'), running)
                    if running:
                        self.assertTrue(Patient.search([]))
                        continue
                    for call in [
                            lambda: Patient.search([]),
                            lambda: Patient.read(
                                [self.patient('eligible').id], ['code']),
                            lambda: Patient.accept(
                                [self.patient('submitted')]),
                            ]:
                        with self.refused(UserError):
                            call()
        with acting('delegate'):
            submitted = self.patient('submitted')
            rpc(Patient, 'accept', [submitted.id])
        self.assertEqual(Patient(submitted.id).state, 'eligible')
        self.assertEqual(Patient(submitted.id).accepted_by.login, 'delegate')

    @with_transaction()
    def test_delegation_dates(self):
        "A delegation has an end, after its start"
        pool = Pool()
        Delegation = pool.get('early_access.delegation')
        User = pool.get('res.user')
        today = dt.date.today()
        user, = User.search([('login', '=', 'delegate')])
        with acting('pharmacist_in_charge'):
            for from_date, to_date in [
                    (today, None), (None, today), (today, today - day)]:
                with self.subTest(from_date=from_date, to_date=to_date):
                    with self.refused(UserError):
                        rpc(Delegation, 'create', [{
                                    'user': user.id,
                                    'from_date': from_date,
                                    'to_date': to_date,
                                    }])

    @with_transaction()
    def test_delegation_of_others(self):
        "A delegation gives nothing to who has not the profile"
        pool = Pool()
        Delegation = pool.get('early_access.delegation')
        User = pool.get('res.user')
        today = dt.date.today()
        user, = User.search([('login', '=', 'supply')])
        with acting('pharmacist_in_charge'):
            rpc(Delegation, 'create', [{
                        'user': user.id,
                        'from_date': today,
                        'to_date': today,
                        }])
        with acting('supply'):
            self.assertFalse(User.has_profile('pharmacist_in_charge'))

    @with_transaction()
    def test_delegate_does_not_delegate(self):
        "A delegate makes no delegation"
        pool = Pool()
        Delegation = pool.get('early_access.delegation')
        User = pool.get('res.user')
        today = dt.date.today()
        user, = User.search([('login', '=', 'delegate')])
        with acting('delegate'):
            with self.refused(UserError):
                rpc(Delegation, 'create', [{
                            'user': user.id,
                            'from_date': today,
                            'to_date': today + 300 * day,
                            }])
