# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Whatever way data take out of the server, it is in the trail."
import datetime as dt
import json
import subprocess
import tempfile
import urllib.parse
import urllib.request

from harness import BIN
from test_questionnaire_page import encode, programme
from trail_tools import Client, TracedTestCase

from trytond.modules.early_access.tests.questionnaire_tools import (
    ANSWERS, sheet_token)

PATIENT = 'early_access.patient'
SHEET = 'early_access.questionnaire.sheet'


def paths(config):
    programme(config)


class TrailPathTestCase(TracedTestCase):
    "Test that each way leaves its event, as the client does it"
    fixtures = paths

    @classmethod
    def setUpClass(cls):
        directory = cls.enterClassContext(tempfile.TemporaryDirectory())
        cls.environ = {
            'TRYTOND_EARLY_ACCESS__AUDIT_KEY': f'{directory}/audit.key'}
        super().setUpClass()
        cls.prescriber = Client(cls.server, 'prescriber')
        cls.patients = cls.prescriber.model(
            PATIENT, 'search', [('state', '=', 'treated')], 0, None, None)

    def open(self, path, body=None, headers=()):
        request = urllib.request.Request(
            f'{self.server.address}{self.database}/{path}', body,
            {**dict(headers), **({'Content-Type': 'application/json'}
                    if body else {})})
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.read()

    def wizard(self, user, name, state, values, context=()):
        context = {**user.context, **dict(context)}
        session, start, _ = user.call(f'wizard.{name}.create', context)
        user.call(f'wizard.{name}.execute', session, {}, start, context)
        return user.call(
            f'wizard.{name}.execute', session, {start: values}, state,
            context)

    def of(self, action, model=PATIENT, login='prescriber'):
        "The only event of an action."
        return self.event(action=action, model=model, login=login)

    def assertRecords(self, event, ids):
        self.assertEqual(
            sorted(map(int, event['records'].split(','))), sorted(ids))

    def test_search_read(self):
        self.prescriber.model(
            PATIENT, 'search_read', [('state', '=', 'treated')], 0, 3, None,
            ['code', 'sex'])
        event = self.of('read')
        self.assertEqual(len(event['records'].split(',')), 3)
        self.assertEqual(
            set(event['field_names'].split(',')) - {'id'}, {'code', 'sex'})

    def test_dotted(self):
        "What is read through another record is read"
        form, = self.prescriber.model(
            'early_access.form', 'search',
            [('patient', '=', self.patients[0])], 0, 1, None)
        self.prescriber.model(
            'early_access.form', 'read', [form],
            ['state', 'patient.surname_letters'])
        event = self.of('read')
        self.assertRecords(event, self.patients[:1])
        self.assertIn('surname_letters', event['field_names'])
        self.assertRecords(self.of('read', 'early_access.form'), [form])

    def test_autocomplete(self):
        code = self.prescriber.model(
            PATIENT, 'read', self.patients[:1], ['code'])[0]['code']
        self.last = self.last_event()
        found = self.prescriber.model(
            PATIENT, 'autocomplete', code, [], 10, None)
        self.assertTrue(found)
        self.assertRecords(self.of('read'), self.patients[:1])

    def test_csv(self):
        "The route of the export of the client"
        query = urllib.parse.urlencode([
                ('d', json.dumps([['state', '=', 'treated']])), ('s', 2),
                ('f', 'code'), ('f', 'forms/state')])
        content = self.open(
            f'data/{PATIENT}?{query}', headers=self.prescriber._headers)
        self.assertIn(b'code', content.lower())
        event = self.of('export')
        self.assertEqual(len(event['records'].split(',')), 2)
        self.assertEqual(event['method'], 'GET /<database_name>/data/<model>')
        forms = self.prescriber.model(
            'early_access.form', 'search', [
                ('patient', 'in', list(map(
                            int, event['records'].split(','))))],
            0, None, None)
        self.assertRecords(self.of('export', 'early_access.form'), forms)

    def test_report_and_page(self):
        "The sheet of a patient, and what the patient does with it"
        patient = self.patients[0]
        action = self.prescriber.model(
            PATIENT, 'questionnaire_sheet', [patient])
        _, html, *_ = self.prescriber.call(
            f'report.{SHEET}.execute', [patient],
            {'model': PATIENT, 'id': patient, 'ids': [patient],
                'action_id': action}, self.prescriber.context)
        event = self.of('report')
        self.assertRecords(event, [patient])
        self.assertEqual(event['target'], SHEET)
        self.last = self.last_event()
        token = sheet_token(
            html.decode() if isinstance(html, bytes) else html)
        due = json.loads(self.open(
                'early_access/questionnaire/due', encode({'token': token})))
        questionnaire, = due['questionnaires']
        self.open('early_access/questionnaire/deposit', encode({
                    'token': token, 'form': questionnaire['form'],
                    'answers': ANSWERS}))
        # Nobody is logged in
        events = self.events(
            login=None, model='early_access.form', action='write')
        self.assertEqual(
            {e['method'] for e in events}, {
                'POST /<string:database_name>'
                '/early_access/questionnaire/deposit'})
        self.assertIn('answers', ','.join(e['field_names'] for e in events))
        self.assertNotIn(token, json.dumps(self.events(), default=str))

    def test_wizard(self):
        "A wizard names the records on which it is launched"
        name = 'early_access.patient.transfer'
        context = {
            'active_model': PATIENT, 'active_id': self.patients[0],
            'active_ids': self.patients[:1]}
        pharmacist = Client(self.server, 'pharmacist_in_charge')
        full = {**pharmacist.context, **context}
        session, start, _ = pharmacist.call(f'wizard.{name}.create', full)
        pharmacist.call(f'wizard.{name}.execute', session, {}, start, full)
        event = self.event(action='wizard', target=f'{name}:{start}')
        self.assertRecords(event, self.patients[:1])

    def test_import(self):
        "A row that is imported is a creation, a refused one is a refusal"
        data = Client(self.server, 'configuration')
        data.model(
            'early_access.specialty', 'import_data', ['name', 'code'],
            [["Test of the trail", 'TT99']])
        event = self.event(action='create', login='configuration')
        self.assertEqual(event['model'], 'early_access.specialty')
        with self.assertRaises(RuntimeError):
            self.prescriber.model(
                'early_access.specialty', 'import_data', ['name', 'code'],
                [["Another", 'TT98']])
        self.assertTrue(self.events(action='refused', login='prescriber'))

    def test_rest(self):
        "REST is traced under the user of the machine account"
        admin = Client(self.server, 'admin')
        user, = admin.model(
            'res.user', 'search', [('login', '=', 'data_manager')], 0, 1,
            None)
        owner, = admin.model(
            'res.user', 'search', [('login', '=', 'admin')], 0, 1, None)
        result = self.wizard(
            admin, 'early_access.audit.application.issue', 'result', {
                'name': 'reader', 'application': 'rest', 'user': user,
                'owner': owner, 'networks': '127.0.0.1, ::1',
                'to_date': dt.date.today() + dt.timedelta(days=30),
                'levels': True, 'scopes': f"{PATIENT} read"})
        view = result['view']
        key = {**view['defaults'], **(view.get('values') or {})}['key']
        self.last = self.last_event()
        rest = {'Authorization': f'bearer {key}'}
        patient = self.patients[0]
        content = json.loads(self.open(
                f'rest/model/{PATIENT}/{patient}?f=code&f=sex',
                headers=rest))
        self.assertEqual(content['id'], patient)
        event = self.of('read', login='data_manager')
        self.assertRecords(event, [patient])
        self.assertTrue(event['method'].startswith('GET /'))
        self.assertNotIn(str(patient), event['method'])
        with self.assertRaises(urllib.error.HTTPError):
            self.open(
                f'rest/model/early_access.order/{patient}', headers=rest)
        # The key is good, and for nothing else
        self.assertTrue(self.events(action='refused', reason='HTTP 403'))

    def test_verify(self):
        "The seals are verified from the client, by who may"
        environ = self.databases.environ | self.environ
        command = [BIN / 'early-access-audit']
        subprocess.run(
            [*command, 'key', '--if-missing'], env=environ, check=True,
            capture_output=True)
        subprocess.run(
            [*command, 'seal', '--database', self.database], env=environ,
            check=True, capture_output=True)
        name = 'early_access.audit.verify'

        def verify():
            view = self.wizard(
                self.auditor(), name, 'result',
                {'first': 1, 'last': 1})['view']
            return {**view['defaults'], **(view.get('values') or {})}

        result = verify()
        self.assertTrue(result['sound'], result)
        self.assertGreater(result['events'], 0)
        with self.databases.databases.connect(self.database) as connection:
            if self.databases.backend == 'postgresql':
                connection.execute(
                    "SET session_replication_role = 'replica'")
            else:
                for trigger, in connection.execute(
                        "SELECT name FROM sqlite_master "
                        "WHERE type = 'trigger'").fetchall():
                    connection.execute(f'DROP TRIGGER {trigger}')
            connection.execute(
                "UPDATE early_access_audit_event SET login = 'nobody' "
                "WHERE id = (SELECT MIN(id) FROM early_access_audit_event)")
            connection.commit()
        result = verify()
        self.assertFalse(result['sound'])
        self.assertIn("changed", result['damages'])
        with self.assertRaises(RuntimeError):
            self.prescriber.call(
                f'wizard.{name}.create', self.prescriber.context)
