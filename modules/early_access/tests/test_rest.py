# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import json

from trytond.pool import Pool
from trytond.protocols.wrappers import Response
from trytond.tests.test_tryton import DB_NAME, Client
from trytond.transaction import Transaction
from trytond.wsgi import app

from .tools import ProgrammeTestCase


class RESTTestCase(ProgrammeTestCase):
    "Test the rules through the REST interface"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        with Transaction().start(DB_NAME, 0) as transaction:
            pool = Pool()
            Application = pool.get('res.user.application')
            User = pool.get('res.user')
            cls.keys = {}
            for login in ['prescriber', 'supply', 'south_prescriber']:
                user, = User.search([('login', '=', login)])
                application, = Application.create([{
                            'user': user.id,
                            'application': 'rest',
                            'state': 'validated',
                            }])
                cls.keys[login] = application.key
            transaction.commit()

    def setUp(self):
        super().setUp()
        self.client = Client(app, Response)

    def request(self, login, method, path, data=None):
        return self.client.open(
            f'/{DB_NAME}/rest/model/{path}', method=method,
            data=json.dumps(data or {}),
            content_type='application/json',
            headers=[('Authorization', f'bearer {self.keys[login]}')])

    def patients(self):
        with Transaction().start(DB_NAME, 0):
            Patient = Pool().get('early_access.patient')
            return {
                (p.state, p.prescriber.user.login): (
                    p.id, p.surname_letters)
                for p in Patient.search([])}

    def test_read(self):
        "What is read is what the user may read"
        id_, letters = self.patients()['eligible', 'prescriber']
        path = f'early_access.patient/{id_}?f=code&f=surname_letters'
        response = self.request('prescriber', 'GET', path)
        self.assertEqual(response.json['surname_letters'], letters)
        response = self.request('supply', 'GET', path)
        self.assertNotIn('surname_letters', response.json)
        self.assertNotIn(letters, response.get_data(as_text=True))
        self.assertEqual(
            self.request('south_prescriber', 'GET', path).status_code, 404)

    def test_write(self):
        "What is refused to a client is refused to a script"
        patients = self.patients()
        draft, _ = patients['draft', 'prescriber']
        eligible, _ = patients['eligible', 'prescriber']
        for id_, values in [
                (draft, {'state': 'eligible'}),
                (draft, {'code': 'DMB-2345678'}),
                (draft, {'surname_letters': 'DUPONT'}),
                (draft, {'birth_month': '1980-13-45'}),
                (draft, {'weight': 'heavy'}),
                (draft, {'criteria': ['yes']}),
                (draft, {'sealed': 'AAAA'}),
                (draft, {'uuid': 'aaaa'}),
                (eligible, {'weight': '50'}),
                ]:
            with self.subTest(values=values):
                response = self.request(
                    'prescriber', 'PUT', f'early_access.patient/{id_}',
                    values)
                self.assertEqual(response.status_code, 400)
                self.assertNotIn(
                    'DUPONT', response.get_data(as_text=True))
        self.assertEqual(self.patients(), patients)

    def test_buttons(self):
        "A button that the user has not, or out of its state, is refused"
        eligible, _ = self.patients()['eligible', 'prescriber']
        for login, button, statuses in [
                ('prescriber', 'accept', {400, 403}),
                ('prescriber', 'discontinue', {400, 403}),
                ('supply', 'initiate', {400, 403}),
                ('south_prescriber', 'initiate', {404}),
                ]:
            with self.subTest(login=login, button=button):
                response = self.request(
                    login, 'POST', f'early_access.patient/{eligible}/{button}')
                self.assertIn(response.status_code, statuses)
        self.assertIn(('eligible', 'prescriber'), self.patients())

    def test_on_change(self):
        "The actions of the forms tell nothing more"
        eligible, letters = self.patients()['eligible', 'prescriber']
        for action in ['on_change', 'on_change_with']:
            response = self.request(
                'supply', 'POST', f'early_access.patient/{eligible}/{action}',
                {'fieldnames': ['surname_letters', 'birth_month']})
            with self.subTest(action=action):
                self.assertNotIn(letters, response.get_data(as_text=True))

    def test_links(self):
        "The tables of links and of keys are not reached"
        for name in [
                'early_access.data_key',
                'early_access.professional-early_access.service',
                'early_access.professional-party.party',
                'early_access.authorization-product.product',
                'early_access.protocol-early_access.specialty',
                'early_access.protocol.visit-early_access.protocol.form',
                'early_access.configuration.order',
                ]:
            for method, path, data in [
                    ('POST', name, {}),
                    ('PUT', f'{name}/1', {}),
                    ('DELETE', f'{name}/1', None),
                    ]:
                with self.subTest(name=name, method=method):
                    response = self.request('prescriber', method, path, data)
                    self.assertIn(response.status_code, {400, 403, 404})
                    if response.status_code == 400:
                        self.assertIn(
                            "You are not allowed",
                            response.get_data(as_text=True))
