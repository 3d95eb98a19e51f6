# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What users do over HTTP is found in the trail.

The requests are those of the clients: JSON-RPC with the session of a login,
XML-RPC by proteus, REST with the key of an application.
"""
import base64
import datetime as dt
import json
import pathlib
import subprocess
import tempfile
import urllib.error
import urllib.request
from decimal import Decimal

from harness import BIN, PASSWORD, Server, ServerTestCase

from trytond.protocols.jsonrpc import JSONDecoder, JSONEncoder


def programme(config):
    "A programme with patients, whose users have a password"
    from proteus import Model
    from trytond.modules.early_access.tests.tools import (
        create_laboratory, create_patient, create_programme)

    create_laboratory(config=config)
    create_programme(config=config)
    create_patient('treated', config=config)
    create_patient('eligible', login='south_prescriber', config=config)
    User = Model.get('res.user', config=config)
    for user in User.find([('login', '!=', 'admin')]):
        user.password = PASSWORD
        user.save()


class Client:
    "The JSON-RPC of a user, as the browser client sends it."

    def __init__(self, server, login, password=PASSWORD):
        self._url = f'{server.address}{server.database}/rpc/'
        self._headers = {'Content-Type': 'application/json'}
        user, key, _ = self.call(
            'common.db.login', login, {'password': password})
        token = base64.b64encode(f'{login}:{user}:{key}'.encode()).decode()
        self._headers['Authorization'] = f'Session {token}'
        self.context = {}
        self.context = self.model('res.user', 'get_preferences', True)

    def call(self, method, *params):
        body = json.dumps({
                'id': 1, 'method': method, 'params': params,
                }, cls=JSONEncoder).encode()
        request = urllib.request.Request(self._url, body, self._headers)
        with urllib.request.urlopen(request, timeout=60) as response:
            answer = json.load(response, object_hook=JSONDecoder())
        if answer.get('error'):
            raise RuntimeError(answer['error'][0])
        return answer['result']

    def model(self, name, method, *params):
        return self.call(f'model.{name}.{method}', *params, self.context)


class TrailTestCase(ServerTestCase):
    "Test that each path leaves its events"
    module = 'early_access_audit'
    fixtures = programme

    def setUp(self):
        super().setUp()
        self.last = self.last_event()

    def events(self, **values):
        "Return the events since the test began, as dictionaries."
        rows = self.auditor().model(
            'early_access.audit.event', 'search_read',
            [('id', '>', self.last), ('login', '!=', 'audit')], 0, None,
            [('id', 'ASC')], [
                'login', 'action', 'model', 'records', 'field_names',
                'target', 'reason', 'roles', 'method', 'address',
                'connection_id', 'at'])
        return [
            r for r in rows if all(r[n] == v for n, v in values.items())]

    def auditor(self):
        return Client(self.server, 'audit')

    def last_event(self):
        rows = self.auditor().model(
            'early_access.audit.event', 'search', [], 0, 1,
            [('id', 'DESC')])
        return rows[0] if rows else 0

    def event(self, **values):
        events = self.events(**values)
        self.assertEqual(len(events), 1, msg=(values, self.events()))
        return events[0]

    def patient(self, user):
        patient, = user.model(
            'early_access.patient', 'search', [('state', '=', 'treated')], 0,
            1, None)
        return patient

    def test_read(self):
        "A reading names the records and the fields, and no value"
        prescriber = Client(self.server, 'prescriber')
        patient = self.patient(prescriber)
        row, = prescriber.model(
            'early_access.patient', 'read', [patient],
            ['code', 'surname_letters', 'service.name'])
        event = self.event(login='prescriber', action='read')
        self.assertEqual(event['model'], 'early_access.patient')
        self.assertEqual(event['records'], str(patient))
        self.assertEqual(
            event['field_names'], 'code,service.name,surname_letters')
        self.assertEqual(event['roles'], 'prescriber')
        self.assertEqual(
            event['method'], 'model.early_access.patient.read')
        self.assertIn(event['address'], {'127.0.0.1', '::1'})
        self.assertRegex(event['connection_id'], '^[0-9a-f]{16}$')
        self.assertLess(
            abs(event['at'] - dt.datetime.now(dt.UTC).replace(tzinfo=None)),
            dt.timedelta(minutes=1))
        self.assertNotIn(row['surname_letters'], json.dumps(
                self.events(), default=str))

    def test_search(self):
        "A search tells what was found, and what was read of it once"
        prescriber = Client(self.server, 'prescriber')
        patient = self.patient(prescriber)
        event = self.event(login='prescriber', action='search')
        self.assertEqual(event['records'], str(patient))
        self.assertEqual(event['field_names'], 'state')
        prescriber.model(
            'early_access.patient', 'search_read',
            [('state', '=', 'treated')], 0, None, None, ['code'])
        event = self.event(login='prescriber', action='read')
        self.assertEqual(event['records'], str(patient))
        prescriber.model(
            'early_access.patient', 'search_count', [('code', '=', 'X')])
        event = self.event(login='prescriber', action='count')
        self.assertEqual(event['field_names'], 'code')

    def test_export(self):
        prescriber = Client(self.server, 'prescriber')
        patient = self.patient(prescriber)
        prescriber.model(
            'early_access.patient', 'export_data', [patient],
            ['code', 'forms/answers'])
        event = self.event(login='prescriber', action='export')
        self.assertEqual(event['records'], str(patient))
        self.assertEqual(event['field_names'], 'code,forms/answers')
        # The answers of the forms were opened for it
        event = self.event(action='open', model='early_access.form')
        self.assertIn('answers', event['field_names'].split(','))
        self.assertEqual(event['login'], 'prescriber')

    def test_change(self):
        "A change and its button are stored with it"
        prescriber = Client(self.server, 'prescriber')
        form, = prescriber.model(
            'early_access.form', 'search', [('kind', '=', 'initiation')], 0,
            None, None)
        row, = prescriber.model(
            'early_access.form', 'read', [form], ['answers'])
        dose, = row['answers']
        prescriber.model('early_access.form', 'write', [form], {
                'visit_date': dt.date.today(),
                'answers': {dose: Decimal(50)},
                })
        events = self.events(
            login='prescriber', action='write', model='early_access.form')
        self.assertEqual({e['records'] for e in events}, {str(form)})
        self.assertIn(
            'answers,visit_date', {e['field_names'] for e in events})
        prescriber.model('early_access.form', 'submit', [form])
        event = self.event(login='prescriber', action='button')
        self.assertEqual(
            (event['target'], event['records']), ('submit', str(form)))

    def test_refused(self):
        "What is refused leaves an event although nothing is kept"
        for login, method, params, reason in [
                ('supply', 'read', [[1], ['surname_letters']],
                    'AccessError'),
                ('prescriber', 'write', [[1], {'state': 'eligible'}],
                    'WorkflowModificationError'),
                ('south_prescriber', 'read', [[1], ['code']],
                    'AccessError'),
                ('supply', 'accept', [[1]], 'WorkflowStateError'),
                ('supply', 'no_such_method', [[1]], 'HTTP 403'),
                ]:
            with self.subTest(login=login, method=method):
                self.last = self.last_event()
                user = Client(self.server, login)
                with self.assertRaises(
                        (RuntimeError, urllib.error.HTTPError)):
                    user.model('early_access.patient', method, *params)
                event = self.event(login=login, action='refused')
                self.assertEqual(event['reason'], reason)
                self.assertEqual(event['records'], '1')
                self.assertEqual(event['model'], 'early_access.patient')
                self.assertFalse(self.events(login=login, action='write'))

    def test_of_patient(self):
        "All that concerns a patient is found at once"
        prescriber = Client(self.server, 'prescriber')
        patient = self.patient(prescriber)
        forms = prescriber.model(
            'early_access.form', 'search', [('patient', '=', patient)], 0,
            1, None)
        prescriber.model('early_access.form', 'read', forms, ['state'])
        auditor = self.auditor()
        found = auditor.model(
            'early_access.audit.event', 'search_read',
            [('patient', '=', patient), ('id', '>', self.last)], 0, None,
            [('id', 'ASC')], ['model', 'login'])
        self.assertEqual(
            {(r['model'], r['login']) for r in found}, {
                ('early_access.patient', 'prescriber'),
                ('early_access.form', 'prescriber')})
        # To look into the trail leaves a trace
        found = auditor.model(
            'early_access.audit.event', 'search',
            [('id', '>', self.last), ('login', '=', 'audit'),
                ('model', '=', 'early_access.audit.event')], 0, None, None)
        self.assertTrue(found)

    def test_not_changed(self):
        "Nobody changes the trail through the server"
        auditor = self.auditor()
        for method, params in [
                ('write', [[self.last], {'login': 'nobody'}]),
                ('delete', [[self.last]]),
                ('create', [[{'action': 'read'}]]),
                ]:
            with self.assertRaises((RuntimeError, urllib.error.HTTPError)):
                auditor.model('early_access.audit.event', method, *params)
        prescriber = Client(self.server, 'prescriber')
        with self.assertRaises(RuntimeError):
            prescriber.model(
                'early_access.audit.event', 'search', [], 0, None, None)

    def test_database(self):
        "The database itself refuses to change the events"
        table = 'early_access_audit_event'
        with self.databases.databases.connect(self.database) as connection:
            statements = [
                f'UPDATE {table} SET login = NULL', f'DELETE FROM {table}']
            if self.databases.backend == 'postgresql':
                statements.append(f'TRUNCATE {table}')
            for statement in statements:
                with self.subTest(statement), self.assertRaises(Exception):
                    connection.execute(statement)


class FailureTestCase(ServerTestCase):
    "Test what is delivered while the trail cannot be stored"
    module = 'early_access_audit'
    fixtures = programme

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.spool = pathlib.Path(
            cls.enterClassContext(tempfile.TemporaryDirectory()))
        cls.server.stop()
        cls.server = Server(cls.database, cls.databases.environ | {
                'TRYTOND_EARLY_ACCESS__AUDIT_SPOOL': str(cls.spool)})
        cls.addClassCleanup(cls.server.stop)

    def rename(self, old, new):
        with self.databases.databases.connect(self.database) as connection:
            connection.execute(f'ALTER TABLE {old} RENAME TO {new}')
            connection.commit()

    def test_failure(self):
        "No trace, no data; but the supply goes on, and its trace waits"
        prescriber = Client(self.server, 'prescriber')
        supply = Client(self.server, 'supply')
        manager = Client(self.server, 'data_manager')
        patient, = prescriber.model(
            'early_access.patient', 'search', [('state', '=', 'treated')], 0,
            1, None)
        form, = manager.model(
            'early_access.form', 'search', [('kind', '=', 'access'),
                ('patient', '=', patient)], 0, 1, None)
        table = 'early_access_audit_event'
        self.rename(table, 'away')
        try:
            for session, method, *params in [
                    (prescriber, 'early_access.patient.read', [patient],
                        ['code']),
                    (manager, 'early_access.form.verify', [form]),
                    ]:
                with self.assertRaises(
                        (RuntimeError, urllib.error.HTTPError)):
                    session.call(f'model.{method}', *params, session.context)
            orders = supply.model(
                'early_access.order', 'search_read', [], 0, None, None,
                ['state'])
            self.assertEqual(orders, [])
        finally:
            self.rename('away', table)
        row, = manager.model(
            'early_access.form', 'read', [form], ['state'])
        self.assertEqual(row['state'], 'submitted')
        path, = self.spool.iterdir()
        self.assertIn('early_access.order', path.read_text())
        self.assertNotIn('early_access.patient', path.read_text())
        key = self.spool / 'audit.key'
        environ = self.databases.environ | {
            'TRYTOND_EARLY_ACCESS__AUDIT_KEY': str(key),
            'TRYTOND_EARLY_ACCESS__AUDIT_SPOOL': str(self.spool),
            }
        for command in [['key'], ['seal', '--database', self.database]]:
            subprocess.run(
                [BIN / 'early-access-audit', *command], env=environ,
                check=True, capture_output=True)
        self.assertEqual(path.read_text(), '')
        auditor = Client(self.server, 'audit')
        found = auditor.model(
            'early_access.audit.event', 'search_read',
            [('login', '=', 'supply'), ('model', '=', 'early_access.order')],
            0, None, None, ['action'])
        self.assertEqual([r['action'] for r in found], ['search'])
