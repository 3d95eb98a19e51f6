# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The page of the questionnaires over HTTP, as a patient and as an attacker.
"""
import base64
import gzip
import itertools
import json
import re
import threading
import urllib.error
import urllib.request

from harness import PASSWORD, Server, ServerTestCase
from test_marker import Client
from trytond.modules.early_access.questionnaire import (
    format_token, new_token)
from trytond.modules.early_access.tests.questionnaire_tools import (
    ANSWERS, create_questionnaire_programme, sheet_token)

LIMITS = {
    'TRYTOND_EARLY_ACCESS__QUESTIONNAIRE_MAX_ATTEMPT': '6',
    'TRYTOND_EARLY_ACCESS__QUESTIONNAIRE_MAX_FAILURE_IP_NETWORK': '4',
    }
PATIENTS = 12


def programme(config):
    "Patients under treatment whose first questionnaire is due"
    from proteus import Model
    from trytond.modules.early_access.tests.tools import (
        create_laboratory, create_patient)

    create_laboratory(config=config)
    create_questionnaire_programme(config=config)
    for _ in range(PATIENTS):
        create_patient('treated', config=config)
    User = Model.get('res.user', config=config)
    for user in User.find([('login', '!=', 'admin')]):
        user.password = PASSWORD
        user.save()


def new_sheet(client, patient, language='en'):
    "Press the button of the patient and return the sheet that is printed."
    action = client.model('patient', 'questionnaire_sheet', [patient])
    _, html, _, name = client.call(
        'report.early_access.questionnaire.sheet.execute', [patient],
        {'model': 'early_access.patient', 'id': patient, 'ids': [patient],
            'action_id': action},
        {**client.context, 'language': language})
    if isinstance(html, bytes):
        html = html.decode()
    return html, name


def encode(body):
    return json.dumps(body).encode()


class QuestionnaireServerTestCase(ServerTestCase):
    "A server at the level DEBUG, behind a proxy that gives the addresses"
    fixtures = programme

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server.stop()
        cls.environ = cls.databases.environ | {
            'TRYTOND_LOGGING_LEVEL': '10',
            'TRYTOND_WEB__NUM_PROXIES': '1',
            }
        cls.server = Server(cls.database, cls.environ)
        cls.addClassCleanup(cls.server.stop)
        cls.prescriber = Client(cls.server, 'prescriber')
        cls.patients = cls.prescriber.model(
            'patient', 'search', [('state', '=', 'treated')], 0, None, None)
        cls.addresses = (
            f'192.0.2.{i}' for i in itertools.count(1))

    def setUp(self):
        super().setUp()
        # A network of its own, not to be held for what others did
        self.address = f'2001:db8:{id(self) % 65536:x}::1'

    def patient(self):
        "Return a patient whom no other test knows."
        return self.patients.pop()

    def token(self, patient=None):
        html, _ = new_sheet(self.prescriber, patient or self.patient())
        return sheet_token(html)

    def open(self, action='', body=None, server=None, address=None,
            database=None, **headers):
        """Return the status, the headers and the content of an answer.

        :param body: sent as it is if bytes, else as JSON.
        """
        server = server or self.server
        headers = {
            'X-Forwarded-For': address or self.address,
            **{n.replace('_', '-'): v for n, v in headers.items()}}
        if body is not None and not isinstance(body, bytes):
            body = encode(body)
        if body is not None:
            headers.setdefault('Content-Type', 'application/json')
        request = urllib.request.Request(
            f'{server.address}{database or self.database}'
            f'/early_access/questionnaire{action}', body, headers)
        try:
            response = urllib.request.urlopen(request, timeout=60)
        except urllib.error.HTTPError as error:
            response = error
        with response:
            content = response.read()
            if 'json' in response.headers['Content-Type']:
                content = json.loads(content)
            return response.status, response.headers, content

    def due(self, token, **options):
        status, _, content = self.open('/due', {'token': token}, **options)
        self.assertEqual(status, 200, content)
        return content['questionnaires']

    def deposit(self, token, form, answers=ANSWERS, **options):
        status, _, content = self.open(
            '/deposit', {'token': token, 'form': form, 'answers': answers},
            **options)
        return status, content

    def form(self, patient):
        form, = self.prescriber.model(
            'form', 'search_read', [
                ('patient', '=', patient),
                ('kind', '=', 'quality_of_life'),
                ('visit.name', '=', "Start"),
                ], 0, None, None, [
                    'state', 'collection_mode', 'answers', 'submitted_by',
                    'submitted_at'])
        return form


class QuestionnairePageTestCase(QuestionnaireServerTestCase):
    "Test the page of the questionnaires"

    def test_page(self):
        "Test what the page is allowed, and where it may be kept"
        status, headers, html = self.open()
        self.assertEqual(status, 200)
        self.assertEqual(headers['Cache-Control'], 'no-store')
        self.assertEqual(headers['Referrer-Policy'], 'no-referrer')
        self.assertIsNone(headers['Set-Cookie'])
        policy = headers['Content-Security-Policy']
        self.assertIn("default-src 'none'", policy)
        self.assertIn("frame-ancestors 'none'", policy)
        self.assertNotIn('unsafe', policy)
        for accepted, language in [
                (None, 'fr'), ('en-GB,en;q=0.9,fr;q=0.5', 'en'),
                ('fr-FR', 'fr'), ('de', 'fr'), ('*', 'fr')]:
            options = {'Accept_Language': accepted} if accepted else {}
            _, _, html = self.open(**options)
            self.assertIn(f'<html lang="{language}">', html.decode())
        self.assertEqual(self.open(body={})[0], 405)
        self.assertEqual(self.open('/due')[0], 405)
        self.assertEqual(self.open(database='nothing')[0], 404)
        self.assertEqual(
            self.open('/due', {}, database='nothing')[0], 404)

    def test_deposit(self):
        "Test a questionnaire is deposited once and never read back"
        patient = self.patient()
        token = self.token(patient)
        questionnaire, = self.due(token)
        self.assertEqual(
            questionnaire['title']['fr'], "Indice fictif de bien-être")
        mood = questionnaire['questions'][0]
        self.assertEqual(mood['label'], {
                'fr': "Je me suis senti de bonne humeur",
                'en': "I felt cheerful"})
        self.assertEqual(
            mood['choices'][0], ['never', {'fr': "Jamais", 'en': "Never"}])
        row, = self.prescriber.model(
            'patient', 'read', [patient], ['code'])
        shown = json.dumps(questionnaire).lower()
        for secret in [row['code'], 'dmb', 'demolumab', token]:
            self.assertNotIn(secret.lower(), shown)
        # As it is typed
        self.assertEqual(
            len(self.due(format_token(token).lower())), 1)

        form = questionnaire['form']
        self.assertEqual(
            self.deposit(token, form), (200, {'received': True}))
        for _ in range(2):
            self.assertEqual(
                self.deposit(token, form), (409, {'error': 'received'}))
        self.assertEqual(self.due(token), [])
        form = self.form(patient)
        self.assertEqual(form['state'], 'submitted')
        self.assertEqual(form['collection_mode'], 'online')
        self.assertIsNone(form['submitted_by'])
        self.assertTrue(form['submitted_at'])
        self.assertEqual(
            {n.partition('fwi_')[2]: v for n, v in form['answers'].items()
                if v not in (None, [])},
            {n[4:]: v for n, v in ANSWERS.items() if v not in (None, [])})

    def test_wrong_answers(self):
        "Test what is wrong is told, and nothing is kept"
        patient = self.patient()
        token = self.token(patient)
        questionnaire, = self.due(token)
        status, content = self.deposit(token, questionnaire['form'], {
                **ANSWERS, 'fwi_mood': None, 'fwi_scale': 101,
                'fwi_weight': 'x'})
        self.assertEqual(status, 422)
        self.assertEqual(content, {'error': 'answers', 'questions': {
                    'fwi_mood': {'error': 'required'},
                    'fwi_scale': {
                        'error': 'range', 'minimum': 0, 'maximum': 100,
                        'digits': 0},
                    'fwi_weight': {
                        'error': 'numeric', 'minimum': 30, 'maximum': 300,
                        'digits': 1},
                    }})
        self.assertEqual(self.form(patient)['state'], 'expected')
        self.assertEqual(self.deposit(
                token, questionnaire['form'],
                {**ANSWERS, 'fwi_weight': 61.5})[0], 200)

    def test_refused(self):
        "Test nothing tells an unknown pseudonym from a revoked one"
        patient = self.patient()
        revoked = self.token(patient)
        questionnaire, = self.due(revoked)
        access, = self.prescriber.model(
            'questionnaire.access', 'search',
            [('patient', '=', patient)], 0, None, None)
        self.prescriber.model('questionnaire.access', 'revoke', [access])
        answers = set()
        for token in [
                revoked, new_token(), revoked[:-1], '', 'x' * 40000, None,
                3, [], {'token': revoked}]:
            for action, body in [
                    ('/due', {}),
                    ('/deposit', {
                            'form': questionnaire['form'],
                            'answers': ANSWERS})]:
                status, headers, content = self.open(
                    action, {'token': token, **body},
                    address=next(self.addresses))
                answers.add((
                        status, json.dumps(content),
                        headers['Content-Length']))
        self.assertEqual(answers, {(403, '{"error": "refused"}', '20')})
        # The new one has the same questionnaire to deposit
        new = self.token(patient)
        self.assertNotEqual(new, revoked)
        self.assertEqual(len(self.due(new)), 1)

    def test_other_form(self):
        "Test a pseudonym deposits for its patient only"
        first, second = self.token(), self.token()
        questionnaire, = self.due(first)
        for reference in [questionnaire['form'], '1', '']:
            self.assertEqual(
                self.deposit(second, reference), (404, {'error': 'not_due'}))
        self.assertEqual(len(self.due(first)), 1)

    def test_bodies(self):
        "Test a body that is not the one of the page is refused"
        token = self.token()
        questionnaire, = self.due(token)
        body = {
            'token': token, 'form': questionnaire['form'],
            'answers': ANSWERS}
        good = encode(body)
        large = encode(body | {'answers': {'fwi_mood': 'x' * 70000}})
        for status, sent, headers in [
                (415, good, {'Content_Type': 'text/plain'}),
                (415, good, {
                        'Content_Type': 'application/x-www-form-urlencoded'}),
                (415, gzip.compress(good), {'Content_Encoding': 'gzip'}),
                (413, large, {}),
                (400, b'', {}),
                (400, b'\xff\xfe', {}),
                (400, good[:-1], {}),
                (400, b'[' * 60000, {}),
                (400, b'[]', {}),
                (400, b'null', {}),
                (400, good.replace(b': 73', b': ' + b'NaN'), {}),
                (400, good.replace(b': 73', b': ' + b'9' * 5000), {}),
                (400, encode(body | {'form': 3}), {}),
                (400, encode(body | {'answers': []}), {}),
                (400, encode(body | {'answers': {'unknown': 1}}), {}),
                (422, good.replace(b': 73', b': ' + b'1e999999'), {}),
                (422, good.replace(b': 73', b': ' + b'{"a": 1}'), {}),
                ]:
            with self.subTest(status=status, body=sent[:40], **headers):
                result, _, content = self.open('/deposit', sent, **headers)
                self.assertEqual(result, status)
                self.assertIn(content['error'], ['malformed', 'answers'])
        self.assertEqual(len(self.due(token)), 1)

    def test_origin(self):
        "Test the page of another site is refused"
        status, _, _ = self.open(
            '/due', {'token': self.token()}, Origin='https://example.org')
        # The server answers 500 to what it refuses so early
        self.assertIn(status, {403, 500})

    def test_at_once(self):
        "Test one of several deposits at the same moment is received"
        patient = self.patient()
        token = self.token(patient)
        questionnaire, = self.due(token)
        results = []
        barrier = threading.Barrier(4)

        def deposit():
            barrier.wait()
            results.append(self.deposit(token, questionnaire['form'])[0])

        threads = [threading.Thread(target=deposit) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(results.count(200), 1, results)
        self.assertLessEqual(set(results), {200, 409, 503})

    def test_sheets_at_once(self):
        "Test two users who press the button at once print the same sheet"
        patient = self.patient()
        clients = [Client(self.server, login) for login in [
                'prescriber', 'hospital_staff']]
        tokens = []
        barrier = threading.Barrier(2)

        def press(client):
            barrier.wait()
            tokens.append(sheet_token(new_sheet(client, patient)[0]))

        threads = [
            threading.Thread(target=press, args=[c]) for c in clients]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(len(tokens), 2)
        self.assertEqual(len(set(tokens)), 1)
        accesses = self.prescriber.model(
            'questionnaire.access', 'search',
            [('patient', '=', patient)], 0, None, None)
        self.assertEqual(len(accesses), 1)

    def test_logs(self):
        "Test neither the pseudonym nor the answers reach the log"
        patient = self.patient()
        html, name = new_sheet(self.prescriber, patient, language='fr')
        self.assertEqual(name, "Feuille de questionnaire")
        self.assertIn("Vos questionnaires", html)
        token = sheet_token(html)
        questionnaire, = self.due(token)
        form = questionnaire['form']
        unknown = new_token()
        self.open('/due', {'token': unknown})
        self.open('/due', {'method': 'x', 'params': [], 'token': token})
        self.deposit(token, form, {**ANSWERS, 'fwi_weight': 'z7q1w'})
        self.open('/deposit', b'{"token": "%s", z7q1w' % token.encode())
        self.assertEqual(self.deposit(
                token, form, {**ANSWERS, 'fwi_weight': 271.8})[0], 200)
        self.deposit(token, form)
        log = self.server.log
        self.assertIn('DEBUG', log)
        self.assertIn('/early_access/questionnaire/deposit', log)
        self.assertIn('early_access.questionnaire.sheet.execute(', log)
        for secret in [
                token, token.lower(), format_token(token), unknown,
                base64.b64encode(token.encode()).decode()[:-4],
                token.encode().hex(), 'z7q1w', '271.8']:
            self.assertFalse(secret in log)
        for line in log.splitlines():
            self.assertIsNone(re.search(r'questionnaire[^ ]*[?#]\w', line))


class QuestionnaireLimitTestCase(QuestionnaireServerTestCase):
    "Test hammered pseudonyms"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.limited = [
            Server(cls.database, cls.environ | LIMITS) for _ in range(2)]
        for server in cls.limited:
            cls.addClassCleanup(server.stop)

    def test_address(self):
        "Test an address that guesses waits, in all the processes"
        token = self.token()
        for i in range(4):
            status, _, _ = self.open(
                '/due', {'token': new_token()}, server=self.limited[i % 2])
            self.assertEqual(status, 403)
        servers = [
            *self.limited, Server(self.database, self.environ | LIMITS)]
        self.addCleanup(servers[-1].stop)
        for server in servers:
            for tried in [new_token(), token]:
                status, headers, content = self.open(
                    '/due', {'token': tried}, server=server)
                self.assertEqual(status, 429)
                self.assertEqual(headers['Retry-After'], '600')
                self.assertEqual(
                    content, {'error': 'limited', 'minutes': 10})
        self.assertEqual(len(self.due(
                    token, server=self.limited[0],
                    address='198.51.100.1')), 1)

    def test_pseudonym(self):
        "Test a pseudonym that is hammered from many addresses waits"
        token = self.token()
        for i in range(6):
            self.due(
                token, server=self.limited[i % 2],
                address=next(self.addresses))
        for server in self.limited:
            status, _, _ = self.open(
                '/due', {'token': token}, server=server,
                address=next(self.addresses))
            self.assertEqual(status, 429)
        # The others do not
        self.assertEqual(
            len(self.due(self.token(), server=self.limited[0])), 1)


# Not to run the tests of the bases again
del ServerTestCase, QuestionnaireServerTestCase
