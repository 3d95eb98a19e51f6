# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What users do over HTTP is found in the trail.

The requests are those of the clients: JSON-RPC with the session of a login,
XML-RPC by proteus, REST with the key of an application.
"""
import datetime as dt
import json
import pathlib
import subprocess
import tempfile
import urllib.error
import urllib.request
from decimal import Decimal

from harness import BIN, Server, ServerTestCase
from trail_tools import Client, TracedTestCase, programme


class TrailTestCase(TracedTestCase):
    "Test that each path leaves its events"

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
        event = self.event(
            login='prescriber', action='export', model='early_access.patient')
        self.assertEqual(event['records'], str(patient))
        self.assertEqual(event['field_names'], 'code,forms/answers')
        # The forms of the patient were exported with it
        event = self.event(
            login='prescriber', action='export', model='early_access.form')
        self.assertEqual(event['field_names'], 'answers')
        self.assertFalse(self.events(action='open'))

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

    def test_hostile(self):
        "What a client sends in the place of a name is not kept"
        prescriber = Client(self.server, 'prescriber')
        secret = 'ZQX secret \x00'
        for method, params in [
                ('model.early_access.patient.read', [[2 ** 70], ['code']]),
                (f'model.{secret}.read', [[1], ['code']]),
                ('model.early_access.patient.read', [secret, ['code']]),
                (f'model.early_access.patient.{secret}', [[1]]),
                ]:
            with self.subTest(method=method, params=params):
                self.last = self.last_event()
                with self.assertRaises(
                        (RuntimeError, urllib.error.HTTPError)):
                    prescriber.call(method, *params, prescriber.context)
                event, = [
                    e for e in self.events(login='prescriber')
                    if e['action'] in {'refused', 'failed'}]
                self.assertNotIn('ZQX', json.dumps(event, default=str))

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
            [('id', 'ASC')], ['model', 'login', 'patient_codes'])
        self.assertEqual(
            {(r['model'], r['login']) for r in found}, {
                ('early_access.patient', 'prescriber'),
                ('early_access.form', 'prescriber')})
        # By code too, for who reads the trail and may not read the patients
        row, = prescriber.model(
            'early_access.patient', 'read', [patient], ['code'])
        self.assertEqual({r['patient_codes'] for r in found}, {row['code']})
        for clause, is_found in [
                (('patient_codes', 'ilike', f"%{row['code']}%"), True),
                (('patient', 'in', [patient]), True),
                (('patient', '!=', patient), False),
                (('patient_codes', '=', "Nobody"), False),
                ]:
            with self.subTest(clause=clause):
                ids = auditor.model(
                    'early_access.audit.event', 'search',
                    [clause, ('id', '>', self.last)], 0, None, None)
                self.assertEqual(
                    {r['id'] for r in found} <= set(ids), is_found)
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
