# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import base64
import datetime as dt
import json

from trytond.modules.early_access_audit.application import (
    parse_networks, parse_scopes)
from trytond.modules.early_access_audit.exceptions import (
    ApplicationAccessError, ApplicationError)
from trytond.pool import Pool
from trytond.protocols.wrappers import Response
from trytond.tests.test_tryton import (
    DB_NAME, Client, TestCase, activate_module, with_transaction)
from trytond.transaction import Transaction, check_access
from trytond.wsgi import app

from .tools import create_user


class ApplicationTestCase(TestCase):
    "Test the accounts of machines over REST"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        activate_module('early_access_audit')

    def setUp(self):
        super().setUp()
        self.client = Client(app, Response)

    def issue(self, **values):
        "Return the id of an account, and its key."
        with Transaction().start(DB_NAME, 0):
            pool = Pool()
            Application = pool.get('res.user.application')
            ModelData = pool.get('ir.model.data')
            groups = values.pop('groups', ['early_access.group_supply'])
            user = create_user(password=None, groups=[('add', [
                            ModelData.get_id(*g.split('.'))
                            for g in groups])])
            today = dt.date.today()
            application, key = Application.issue({
                    'name': "Machine",
                    'application': 'rest',
                    'user': user.id,
                    'owner': create_user().id,
                    'from_date': today,
                    'to_date': today + dt.timedelta(days=30),
                    'networks': '127.0.0.0/8, ::1',
                    'scopes': [('create', parse_scopes(
                                'res.group read\nir.lang read call'))],
                    **values})
            return application.id, key

    def change(self, application, **values):
        with Transaction().start(DB_NAME, 0):
            Application = Pool().get('res.user.application')
            Application.write([Application(application)], values)

    def status(
            self, key, path='model/res.group', method='GET', context=None,
            address='127.0.0.1', data=None):
        headers = [('Authorization', f'bearer {key}')]
        if context is not None:
            text = json.dumps(context).encode()
            headers.append((
                    'X-Tryton-Context',
                    base64.urlsafe_b64encode(text).decode()))
        return self.client.open(
            f'/{DB_NAME}/rest/{path}', method=method, headers=headers,
            data=json.dumps(data or {}), content_type='application/json',
            environ_base={'REMOTE_ADDR': address}).status_code

    def test_key(self):
        "The key is stored as a hash, which is no key"
        application, key = self.issue()
        self.assertEqual(self.status(key), 200)
        with Transaction().start(DB_NAME, 0):
            Application = Pool().get('res.user.application')
            record = Application(application)
            self.assertNotEqual(record.key, key)
            self.assertNotIn(record.key, record.rec_name)
            stored = record.key
        self.assertEqual(self.status(stored), 401)
        self.assertEqual(self.status(''), 401)

    def test_dates(self):
        application, key = self.issue()
        today = dt.date.today()
        day = dt.timedelta(days=1)
        self.change(application, from_date=today - day, to_date=today - day)
        self.assertEqual(self.status(key), 401)
        self.change(application, from_date=today + day, to_date=today + day)
        self.assertEqual(self.status(key), 401)
        self.change(application, from_date=today, to_date=today)
        self.assertEqual(self.status(key), 200)

    def test_networks(self):
        application, key = self.issue(networks='192.0.2.0/24')
        self.assertEqual(self.status(key), 401)
        self.assertEqual(self.status(key, address='192.0.2.7'), 200)
        self.assertEqual(self.status(key, address='192.0.3.7'), 401)

    def test_scope(self):
        "Other models and other verbs are refused"
        _, key = self.issue()
        self.assertEqual(self.status(key), 200)
        self.assertEqual(
            self.status(key, method='POST', data={'name': "x"}), 403)
        for path in [
                'model/res.user', 'model/early_access.patient',
                'model/early_access.audit.totp']:
            with self.subTest(path=path):
                self.assertEqual(self.status(key, path), 403)
        for method in ['PUT', 'DELETE']:
            self.assertEqual(
                self.status(key, 'model/res.group/1', method), 403)
        self.assertEqual(
            self.status(
                key, 'model/res.user/set_preferences', 'POST',
                data={'values': {'password': 'x'}}), 403)

    def test_context(self):
        "The context gives neither groups nor an address"
        _, key = self.issue()
        self.assertEqual(self.status(key, context={'language': 'fr'}), 200)
        for context in [
                {'_groups': [1]},
                {'_request': {'remote_addr': '127.0.0.1'}},
                {'_skip_warnings': True},
                {'_check_access': False}]:
            with self.subTest(context=context):
                self.assertEqual(self.status(key, context=context), 400)
                self.assertEqual(self.status(
                        key, context=context, address='192.0.2.7'), 401)

    def test_persons(self):
        "It ends with its user and with its owner, or when cancelled"
        for name in ['user', 'owner']:
            application, key = self.issue()
            with Transaction().start(DB_NAME, 0):
                pool = Pool()
                Application = pool.get('res.user.application')
                User = pool.get('res.user')
                User.write(
                    [getattr(Application(application), name)],
                    {'active': False})
            self.assertEqual(self.status(key), 401)
        application, key = self.issue()
        with Transaction().start(DB_NAME, 0):
            Application = Pool().get('res.user.application')
            Application.cancel([Application(application)])
        self.assertEqual(self.status(key), 401)

    def test_levels(self):
        "No data of patients by default"
        for group in ['health_data', 'identity_data', 'prescriber']:
            groups = [f'early_access.group_{group}']
            with self.subTest(group=group):
                _, key = self.issue(groups=groups)
                self.assertEqual(self.status(key), 401)
                _, key = self.issue(groups=groups, levels=True)
                self.assertEqual(self.status(key), 200)

    def test_limits(self):
        today = dt.date.today()
        for values in [
                {'to_date': today + dt.timedelta(days=367)},
                {'networks': 'anywhere'},
                {'networks': ' , '}]:
            with self.subTest(values=values), self.assertRaises(
                    ApplicationError):
                self.issue(**values)
        self.assertEqual(len(parse_networks('127.0.0.1, ::1 10.0.0.0/8')), 3)

    @with_transaction()
    def test_scopes(self):
        self.assertEqual(parse_scopes("ir.lang: read, write\n\n"), [
                {'model': 'ir.lang', 'verb': 'read'},
                {'model': 'ir.lang', 'verb': 'write'}])
        for text in ['ir.lang', 'ir.lang drop', 'no.model read']:
            with self.subTest(text=text), self.assertRaises(
                    ApplicationError):
                parse_scopes(text)

    @with_transaction()
    def test_created_by_wizard(self):
        "Nobody makes a key for itself, not even an administrator"
        Application = Pool().get('res.user.application')
        with check_access(), self.assertRaises(ApplicationAccessError):
            Application.create([{'user': 1, 'application': 'rest'}])

    def test_request_without_login(self):
        "Nobody asks a key without a login"
        with Transaction().start(DB_NAME, 0):
            Application = Pool().get('res.user.application')
            before = Application.search([], count=True)
        for login in ['admin', 'nobody']:
            response = self.client.open(
                f'/{DB_NAME}/user/application/', method='POST',
                data=json.dumps({'user': login, 'application': 'rest'}),
                content_type='application/json')
            self.assertEqual(response.status_code, 400)
        with Transaction().start(DB_NAME, 0):
            Application = Pool().get('res.user.application')
            self.assertEqual(Application.search([], count=True), before)
