# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
import base64
import datetime as dt
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
import urllib.error
import urllib.parse
import urllib.request
import xmlrpc.client
from decimal import Decimal

from dateutil.relativedelta import relativedelta

from harness import BIN, PASSWORD, TOP, Server, ServerTestCase
from marker import Marker

STORE = 'trytond.modules.early_access.filestore.SealedFileStore'
TODAY = dt.date.today()
LETTERS = 'ZQX'
# A value for each sealed field
VALUES = {
    'early_access.patient': {
        'surname_letters': LETTERS,
        'first_name_letters': 'QJ',
        'sex': 'female',
        'birth_month': dt.date(1903, 11, 1),
        'birth_date': TODAY - relativedelta(years=9, days=100),
        'weight': Decimal('317.3'),
        'height': Decimal('237'),
        'criteria': {'adult': 'yes', 'pregnant': 'no'},
        'send_back_reason': 'prescription',
        'refusal_reason': 'contraindication',
        'never_started_reason': 'expired',
        'stop_reason': 'pregnancy',
        },
    'early_access.form': {
        'answers': {
            'ecog': 'ecog_2',
            'diagnosis': dt.date(1911, 2, 3),
            'metastases': ['bone', 'lung'],
            'dose': Decimal('187.3'),
            'cycles': 41,
            'response': 'partial',
            'grade': 'grade_3',
            },
        'missing': {'treatment_start': 'not_done'},
        'confirmed': {'dose': Decimal('187.3')},
        'code': lambda walk: walk.code,
        'situation': 'transmission',
        'seriousness': ['anomaly', 'life'],
        },
    'early_access.query': {
        'variable': lambda walk: walk.dose,
        'reason': 'inconsistent',
        'answer_code': 'unavailable',
        },
    'early_access.form.correction': {
        'reason': 'source',
        'answers': {'dose': Decimal('186.7')},
        'missing': {'dose': 'not_done'},
        'old_answers': {'dose': Decimal('187.3')},
        'new_answers': {'dose': Decimal('186.7')},
        'old_missing': {'dose': 'unknown'},
        'new_missing': {'dose': 'unknown'},
        },
    'early_access.related_person': {
        'link': 'offspring',
        'surname_letters': LETTERS,
        'first_name_letters': 'QJ',
        'sex': 'female',
        'birth_month': dt.date(1903, 11, 1),
        },
    }
# Where the value of a column alone would tell it: the tables of the sealed
# models and those in which the server keeps what passes
TABLES = re.compile(
    r'early_access_(patient|form|query|related_person|data_key)'
    r'|ir_(queue|session|error|email|note|attachment|cron_log|model_log'
    r'|calendar|chat)|res_user_warning')


def programme(config):
    "A running programme, under a protocol that admits minors"
    from proteus import Model
    from trytond.modules.early_access.tests.tools import (
        create_authorization, create_laboratory, create_protocol, run_as)

    create_laboratory(config=config)
    with run_as('regulatory_affairs', config=config):
        create_protocol(
            create_authorization(config=config), paediatric=True,
            config=config).click('activate')
    User = Model.get('res.user', config=config)
    for user in User.find([('login', '!=', 'admin')]):
        user.password = PASSWORD
        user.save()


class Client:
    "A user who works as the browser client does, through JSON-RPC"

    def __init__(self, server, login):
        self.url = f'{server.address}{server.database}/'
        self.headers = {}
        user, session, _ = self.call(
            'common.db.login', login, {'password': PASSWORD}, 'en')
        session = base64.b64encode(f'{login}:{user}:{session}'.encode())
        self.headers['Authorization'] = f'Session {session.decode()}'
        self.user = user
        self.context = self.call(
            'model.res.user.get_preferences', True, {})

    def open(self, path, data=None, **headers):
        "Return the bytes of the answer, whatever its status"
        from trytond.protocols.jsonrpc import JSONEncoder
        request = urllib.request.Request(
            self.url + path,
            None if data is None
            else json.dumps(data, cls=JSONEncoder).encode(),
            {'Content-Type': 'application/json', 'Accept-Encoding': '',
                **self.headers, **headers})
        try:
            with urllib.request.urlopen(request, timeout=120) as response:
                return response.read()
        except urllib.error.HTTPError as error:
            return error.read()

    def call(self, method, *params):
        "Return the result, or raise the error of the server"
        from trytond.protocols.jsonrpc import JSONDecoder
        answer = json.loads(
            self.open(
                'rpc/', {'id': 0, 'method': method, 'params': params}),
            object_hook=JSONDecoder())
        if answer.get('error'):
            raise ServerError(answer['error'])
        return answer['result']

    def model(self, name, method, *params):
        return self.call(
            f'model.early_access.{name}.{method}', *params, self.context)


class ServerError(Exception):

    @property
    def warning(self):
        "The name of the warning, or None"
        (kind, *rest), = self.args
        return rest[0][0] if kind == 'UserWarning' else None


class Walk:
    "Plant the markers by every path of a user"

    def __init__(self, test):
        self.test = test
        self.server = test.server
        self._clients = {}
        self.refused = []
        prescriber = self.client('prescriber')
        self.authorization, = prescriber.model(
            'authorization', 'search', [], 0, 1, None)
        self.criteria = self.names('protocol.criterion')
        self.variables = self.names('variable')
        regulatory = self.client('regulatory_affairs')
        self.dose, = regulatory.model(
            'variable', 'search', [('code', '=', 'dose')], 0, 1, None)
        self.code, = regulatory.model(
            'code', 'search', [('code', '=', 'X99AA02')], 0, 1, None)

    def client(self, login):
        if login not in self._clients:
            self._clients[login] = Client(self.server, login)
        return self._clients[login]

    def names(self, model):
        rows = self.client('regulatory_affairs').model(
            model, 'search_read', [], 0, None, None, ['code', 'name'])
        return {r['code']: r['name'] for r in rows}

    def answers(self, *codes):
        answers = VALUES['early_access.form']['answers']
        return {self.variables[c]: answers[c] for c in codes}

    def identity(self, **values):
        names = [
            'surname_letters', 'first_name_letters', 'sex', 'birth_month',
            'weight', 'height']
        result = {n: VALUES['early_access.patient'][n] for n in names}
        result['criteria'] = {
            self.criteria[c]: v for c, v in
            VALUES['early_access.patient']['criteria'].items()}
        return {**result, **values}

    def request(self, **values):
        return {
            'authorization': self.authorization,
            'informed_person': 'patient',
            'information_version': 'information 1',
            'information_date': TODAY,
            'notice_version': 'notice 1',
            'notice_date': TODAY,
            'treatment_accepted_date': TODAY,
            **self.identity(**values),
            }

    def refuse(self, function, *args):
        "The server refuses, and tells the user why"
        with self.test.assertRaises((ServerError, xmlrpc.client.Error)) as cm:
            function(*args)
        self.refused.append(str(cm.exception))

    def press(self, login, model, button, id, **values):
        "Press a button, and again if there is a warning"
        client = self.client(login)
        if values:
            client.model(model, 'write', [id], values)
        try:
            client.model(model, button, [id])
        except ServerError as error:
            if not error.warning:
                raise
            self.refused.append(str(error))
            client.call(
                'model.res.user.warning.skip', error.warning, False,
                client.context)
            client.model(model, button, [id])
            return True

    def forms(self, patient, *names):
        return self.client('prescriber').model('form', 'search_read',
            [('patient', '=', patient)], 0, None, None, ['kind', *names])

    def fill(self, patient, kind, *codes, **values):
        form = next(
            f for f in self.forms(patient) if f['kind'] == kind)['id']
        self.client('prescriber').model(
            'form', 'write', [form], {
                'answers': {
                    **self.answers(*codes),
                    **{self.variables[c]: v for c, v in values.items()},
                    },
                **({'visit_date': TODAY} if kind != 'access' else {}),
                })
        return form

    def new(self, **values):
        client = self.client('prescriber')
        patient, = client.model('patient', 'create', [self.request(**values)])
        answers = {}
        if birth_date := values.get('birth_date'):
            answers['diagnosis'] = birth_date + relativedelta(years=1)
        self.fill(
            patient, 'access', 'ecog', 'diagnosis', 'metastases', **answers)
        return patient

    def submitted(self, **values):
        patient = self.new(**values)
        self.press('prescriber', 'patient', 'sign', patient)
        self.press('hospital_pharmacist', 'patient', 'submit', patient)
        return patient

    # The paths

    def by_client(self):
        values = VALUES['early_access.patient']
        client = self.client('prescriber')
        client.model('patient', 'default_get', list(values))
        client.model(
            'patient', 'on_change', self.request(), ['authorization'])
        client.model(
            'patient', 'on_change_with', self.identity(),
            ['surname_letters', 'birth_month'])
        self.sent_back = self.new()
        self.press('prescriber', 'patient', 'sign', self.sent_back)
        self.press(
            'hospital_pharmacist', 'patient', 'send_back', self.sent_back,
            send_back_reason=values['send_back_reason'])
        client.model('patient', 'copy', [self.sent_back], {})
        child = self.submitted(
            birth_date=values['birth_date'],
            birth_month=values['birth_date'].replace(day=1))
        self.press(
            'pharmacist_in_charge', 'patient', 'refuse', child,
            refusal_reason=values['refusal_reason'])
        self.eligible = self.submitted()
        self.press(
            'pharmacist_in_charge', 'patient', 'accept', self.eligible)
        self.treated = self.submitted()
        duplicate = self.press(
            'pharmacist_in_charge', 'patient', 'accept', self.treated)
        self.test.assertTrue(duplicate)

    def by_treatment(self):
        values = VALUES['early_access.patient']
        self.press(
            'prescriber', 'patient', 'initiate', self.treated,
            first_administration_date=TODAY)
        form = self.fill(self.treated, 'initiation', 'dose')
        unusual = self.press('prescriber', 'form', 'submit', form)
        self.test.assertTrue(unusual)
        self.by_query(form)
        follow_up = self.fill(
            self.treated, 'follow_up', 'response', 'dose', 'cycles')
        client = self.client('prescriber')
        group, = client.model('protocol.form', 'search',
            [('kind', '=', 'group')], 0, 1, None)
        client.model('form', 'create', [{
                    'patient': self.treated,
                    'parent': follow_up,
                    'definition': group,
                    'code': self.code,
                    'missing': {
                        self.variables[c]: v for c, v in VALUES[
                            'early_access.form']['missing'].items()},
                    }])
        definition, = client.model('protocol.form', 'search',
            [('kind', '=', 'adverse_event')], 0, 1, None)
        person, = client.model('related_person', 'create', [{
                    'patient': self.treated,
                    **VALUES['early_access.related_person'],
                    }])
        client.model('form', 'create', [{
                    'patient': self.treated,
                    'related_person': person,
                    'definition': definition,
                    'answers': self.answers('grade'),
                    'seriousness': VALUES['early_access.form']['seriousness'],
                    'situation': VALUES['early_access.form']['situation'],
                    }])
        self.press(
            'prescriber', 'patient', 'discontinue', self.treated,
            stop_reason=values['stop_reason'], discontinuation_date=TODAY)

    def by_query(self, form):
        "Question an answer, and correct it until all of it has changed"
        values = VALUES['early_access.query']
        manager = self.client('data_manager')
        query, = manager.model('query', 'create', [{
                    'form': form,
                    'variable': self.dose,
                    'reason': values['reason'],
                    }])
        self.press(
            'prescriber', 'query', 'answer', query,
            answer_code=values['answer_code'])
        dose = self.variables['dose']
        values = VALUES['early_access.form.correction']
        for answer, missing, apply in [
                (None, values['new_missing'], True),
                (values['new_answers'], {}, True),
                (values['answers'], values['missing'], False)]:
            action = self.client('prescriber').model('form', 'correct', [form])
            correction, = action['res_id']
            self.client('prescriber').model(
                'form.correction', 'write', [correction], {
                    'reason': values['reason'],
                    'answers': {dose: answer and answer['dose']},
                    'missing': {dose: missing.get('dose')},
                    })
            if apply:
                self.press(
                    'prescriber', 'form.correction', 'apply', correction)

    def by_wizard(self):
        client = self.client('pharmacist_in_charge')
        name = 'wizard.early_access.patient.transfer'
        session, *_ = client.call(f'{name}.create', client.context)
        context = {
            **client.context,
            'active_model': 'early_access.patient',
            'active_id': self.eligible,
            'active_ids': [self.eligible],
            }
        client.call(f'{name}.execute', session, {}, 'start', context)
        service, = client.model('service', 'search_read',
            [('name', '=', "Haematology")], 0, 1, None, ['pharmacy'])
        prescriber, = client.model('professional', 'search',
            [('party.name', '=', "Haematologist")], 0, 1, None)
        client.call(f'{name}.execute', session, {'start': {
                    'patients': [self.eligible],
                    'service': service['id'],
                    'prescriber': prescriber,
                    'pharmacy': service['pharmacy'],
                    }}, 'transfer', context)
        self.press(
            'haematologist', 'patient', 'never_start', self.eligible,
            never_started_reason=VALUES[
                'early_access.patient']['never_started_reason'])

    def by_import(self):
        client = self.client('prescriber')
        values = self.identity()
        values['birth_month'] = values['birth_month'].isoformat()
        values['weight'] = str(values['weight'])
        values['height'] = str(values['height'])
        values['criteria'] = json.dumps(values['criteria'])
        client.model(
            'patient', 'import_data', list(values), [list(values.values())])
        values['weight'] = f'{LETTERS} {values["weight"]}'
        self.refuse(client.model, 'patient', 'import_data', list(values),
            [list(values.values())])

    def by_rest(self):
        with self.test.script('admin') as config:
            from proteus import Model
            Application = Model.get('res.user.application', config=config)
            User = Model.get('res.user', config=config)
            user, = User.find([('login', '=', 'prescriber')])
            application = Application(
                user=user, application='rest', state='validated')
            application.save()
            key = application.key
        client = self.client('prescriber')

        def rest(path, data=None):
            return client.open(
                f'rest/model/early_access.patient{path}', data,
                Authorization=f'bearer {key}')

        answer = json.loads(rest('', self.request()))
        patient = answer['id']
        self.test.assertIn(LETTERS, rest(
                f'/{patient}?f=surname_letters&f=weight').decode())
        for values in [
                {'surname_letters': LETTERS * 2},
                {'weight': f'{LETTERS} 317.3'},
                {'birth_month': '1903-11-01 soon'},
                {'criteria': [LETTERS]}]:
            self.refused.append(
                rest('', {**self.request(), **values}).decode())
        domain = base64.urlsafe_b64encode(
            json.dumps([('surname_letters', '=', LETTERS)]).encode())
        self.refused.append(rest(f'?d={domain.decode()}').decode())

    def by_proteus(self):
        from proteus import Model
        with self.test.script('prescriber') as config:
            Patient = Model.get('early_access.patient', config=config)
            patient = Patient()
            for name, value in self.request().items():
                if name == 'authorization':
                    continue
                setattr(patient, name, value)
            patient.save()
            form, = patient.forms
            form.answers = {
                **form.answers, **self.answers('ecog', 'diagnosis')}
            form.save()
            patient.weight = Decimal('317.33')
            self.refuse(patient.save)

    def by_export(self):
        client = self.client('prescriber')
        names = list(VALUES['early_access.patient'])
        ids = client.model('patient', 'search', [], 0, None, None)
        rows = client.model('patient', 'export_data', ids, names, True)
        self.test.assertIn(LETTERS, str(rows))
        client.model('patient', 'export_data', ids, ['forms/answers'], True)
        query = urllib.parse.urlencode([('f', n) for n in names])
        content = client.open(f'data/early_access.patient?{query}').decode()
        self.test.assertIn(LETTERS, content)
        client.model('patient', 'read', ids, names + [
                'rec_name', 'sealed_state', 'sex:string'])
        for model in ['patient', 'form']:
            client.model(model, 'fields_view_get', None, 'form')

    def by_error(self):
        client = self.client('prescriber')
        form, = [
            f['id'] for f in self.forms(self.sent_back)
            if f['kind'] == 'access']
        for values in [
                {'surname_letters': LETTERS * 2},
                {'surname_letters': [LETTERS]},
                {'first_name_letters': LETTERS},
                {'sex': LETTERS},
                {'birth_month': f'{LETTERS} 1903-11-01'},
                {'birth_date': dt.date(1903, 11, 1)},
                {'weight': Decimal('317.33')},
                {'weight': f'{LETTERS} 317.3'},
                {'height': Decimal('237237')},
                {'criteria': {LETTERS: LETTERS}},
                {'criteria': {self.criteria['adult']: LETTERS}},
                {'refusal_reason': LETTERS},
                {'nothing': LETTERS},
                {'sealed': LETTERS.encode()},
                {'surname_letters': LETTERS, 'service': -1}]:
            self.refuse(
                client.model, 'patient', 'write', [self.sent_back], values)
            self.refuse(
                client.model, 'patient', 'create', [self.request(**values)])
        for answers in [
                {LETTERS: LETTERS}, LETTERS, [LETTERS],
                {self.variables['ecog']: LETTERS},
                {self.variables['diagnosis']: f'{LETTERS} 1911-02-03'},
                {self.variables['dose']: Decimal('187.3')}]:
            self.refuse(
                client.model, 'form', 'write', [form], {'answers': answers})
        domain = [('surname_letters', '=', LETTERS)]
        for domain, order in [
                (domain, None),
                ([('birth_month', '=', dt.date(1903, 11, 1))], None),
                ([('id', '>', 0)], [('weight', 'ASC')]),
                ([('forms.answers', '=', LETTERS)], None)]:
            self.refuse(
                client.model, 'patient', 'search', domain, 0, None, order)
        self.refuse(client.model, 'order', 'search',
            [('lines.patient.surname_letters', '=', LETTERS)], 0, None, None)
        self.refuse(client.model, 'patient', 'accept', [self.sent_back])
        query = urllib.parse.urlencode(
            {'d': json.dumps([('surname_letters', '=', LETTERS)])})
        self.refused.append(
            client.open(f'data/early_access.patient?{query}').decode())

    def by_resource(self):
        "What a user writes beside a patient is refused, and not kept"
        client = self.client('prescriber')
        resource = f'early_access.patient,{self.sent_back}'
        text = f'{LETTERS} 1903-11-01 317.3'
        for method, params in [
                ('ir.note.create', [[
                            {'resource': resource, 'message': text}]]),
                ('ir.attachment.create', [[{
                                'resource': resource, 'name': text,
                                'data': text.encode()}]]),
                ('ir.email.send', [
                        'doctor@example.com', '', '', text, text, None,
                        ['early_access.patient', self.sent_back], None,
                        None])]:
            self.refuse(
                client.call, f'model.{method}', *params, client.context)
        # Elsewhere it is a file of the store
        self.client('regulatory_affairs').call(
            'model.ir.attachment.create', [{
                    'resource': f'early_access.authorization,'
                    f'{self.authorization}',
                    'name': 'contract.txt',
                    'data': text.encode(),
                    }], client.context)

    def planted(self):
        "Return the sealed values that the users read, by model and field"
        result = {}
        client = self.client('pharmacist_in_charge')
        for model, values in VALUES.items():
            name = model.removeprefix('early_access.')
            rows = client.model(
                name, 'search_read', [], 0, None, None, list(values))
            result[model] = {n: [r[n] for r in rows] for n in values}
        return result


# In a process of its own, as trytond-worker would be
TASKS = """
import logging, sys
logging.basicConfig(level=logging.DEBUG)
from trytond.pool import Pool
from trytond.transaction import Transaction
from trytond.worker import run_task
Pool.start()
pool = Pool(sys.argv[1])
pool.init()
with Transaction().start(sys.argv[1], 1) as transaction:
    Patient = pool.get('early_access.patient')
    Form = pool.get('early_access.form')
    patients = Patient.search([])
    forms = Form.search([('state', '=', 'draft')])
    assert patients and forms
    Patient.__queue__.accept(patients)
    Form.__queue__.submit(forms)
    Form.__queue__.lock(forms)
    tasks = list(transaction.tasks)
for task in tasks:
    run_task(pool, task)
print(len(tasks))
"""
FIELDS = """
import json, sys
from trytond.pool import Pool
from trytond.transaction import Transaction
Pool.start()
pool = Pool(sys.argv[1])
pool.init()
print(json.dumps({
    name: list(Model._sealed_fields)
    for name, Model in pool.iterobject()
    if getattr(Model, '_sealed_fields', None)}))
"""


class MarkerTestCase(ServerTestCase):
    "Nothing that is sealed is found in clear, wherever it has passed"
    fixtures = programme
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server.stop()
        directory = tempfile.TemporaryDirectory()
        cls.addClassCleanup(directory.cleanup)
        cls.top = pathlib.Path(directory.name, 'store')
        cls.top.mkdir()
        if cls.databases.backend == 'sqlite':
            # The server finds the database beside the files
            cls.path = cls.top / f'{cls.database}.sqlite'
            shutil.copyfile(
                cls.databases.databases._path(cls.database), cls.path)
        cls.environ = cls.databases.environ | {
            'TRYTOND_DATABASE__PATH': str(cls.top),
            'TRYTOND_DATABASE__CLASS': STORE,
            'TRYTOND_LOGGING_LEVEL': '10',
            }
        cls.server = Server(cls.database, cls.environ)
        cls.addClassCleanup(lambda: cls.server.stop())
        cls.logs = {}

    def run_process(self, name, *command):
        "Run a process at the level DEBUG and keep what it logs"
        result = subprocess.run(
            command, cwd=TOP, env=self.environ, capture_output=True,
            timeout=300)
        self.assertEqual(result.returncode, 0, result.stderr.decode()[-4000:])
        self.logs[name] = result.stderr
        return result.stdout

    def places(self):
        "Return the bytes of all that is kept, by place"
        result = {
            'log of the server': self.server.log_path.read_bytes(),
            **self.logs,
            }
        for path in self.top.rglob('*'):
            if path.is_file() and '.sqlite' not in path.name:
                result[f'file {path.relative_to(self.top)}'] = (
                    path.read_bytes())
        if self.databases.backend == 'sqlite':
            for suffix in ['', '-wal', '-journal']:
                path = self.path.with_name(self.path.name + suffix)
                if path.exists():
                    # The digests of the passwords are random text
                    result[f'database{suffix}'] = re.sub(
                        rb'\$[\w$=,+/.-]{40,}', b'', path.read_bytes())
        else:
            uri = self.databases.databases.uri._replace(
                path=f'/{self.database}')
            result['pg_dump'] = subprocess.run(
                ['pg_dump', '--no-owner', uri.geturl()], check=True,
                capture_output=True).stdout
        return result

    def columns(self):
        "Yield the table, the name and each value of the columns"
        from psycopg import sql
        with self.connect() as connection:
            if self.databases.backend == 'sqlite':
                query = "SELECT name FROM sqlite_master WHERE type = 'table'"
            else:
                query = ("SELECT table_name FROM information_schema.tables "
                    "WHERE table_schema = 'public'")
            for table, in connection.execute(query).fetchall():
                if not TABLES.match(table):
                    continue
                if self.databases.backend == 'sqlite':
                    query = f'SELECT * FROM "{table}"'
                else:
                    query = sql.SQL('SELECT * FROM {}').format(
                        sql.Identifier(table))
                cursor = connection.execute(query)
                names = [d[0] for d in cursor.description]
                for row in cursor:
                    for name, value in zip(names, row):
                        yield table, name, value

    def connect(self):
        if self.databases.backend == 'sqlite':
            databases = type(self.databases.databases)(self.top)
        else:
            databases = self.databases.databases
        return databases.connect(self.database)

    def walk(self):
        walk = Walk(self)
        walk.by_client()
        walk.by_treatment()
        walk.by_wizard()
        walk.by_import()
        walk.by_rest()
        walk.by_proteus()
        walk.by_error()
        walk.by_resource()
        walk.by_export()
        tasks = self.run_process(
            'log of the tasks', BIN / 'python', '-W', 'ignore', '-c', TASKS,
            self.database)
        self.assertEqual(tasks, b'3\n')
        self.run_process(
            'log of trytond-cron', BIN / 'trytond-cron', '-d', self.database,
            '--once', '-vvv')
        return walk

    def markers(self, walk):
        "Return the markers of every sealed field, checked to be planted"
        sealed = json.loads(subprocess.run(
                [sys.executable, '-W', 'ignore', '-c', FIELDS, self.database],
                env=self.environ, check=True, capture_output=True).stdout)
        # It is random: the tests of the page look for it
        del sealed['early_access.questionnaire.access']
        # A new sealed field needs a value here
        self.assertEqual(
            {m: set(f) for m, f in sealed.items()},
            {m: set(v) for m, v in VALUES.items()})
        markers = []
        planted = walk.planted()
        for model, values in VALUES.items():
            for name, value in values.items():
                with self.subTest(model=model, field=name):
                    stored = planted[model][name]
                    if callable(value):
                        value = value(walk)
                    elif isinstance(value, dict):
                        names = (
                            walk.criteria if name == 'criteria'
                            else walk.variables)
                        value = {names[c]: v for c, v in value.items()}
                    if isinstance(value, dict):
                        stored = [
                            (k, sorted(v) if isinstance(v, (list, tuple))
                                else v)
                            for s in stored if s for k, v in s.items()]
                        for item in value.items():
                            self.assertIn(item, stored)
                    elif isinstance(value, list):
                        self.assertIn(value, [sorted(s) for s in stored])
                    else:
                        self.assertIn(value, stored)
                markers.append(Marker(name, value))
        return markers

    def test_nothing_in_clear(self):
        walk = self.walk()
        markers = self.markers(walk)

        places = self.places()
        self.assertGreater(len(places), 4)
        for place, content in places.items():
            with self.subTest(place=place):
                # There was something to search
                self.assertGreater(len(content), 100)
            for marker in markers:
                with self.subTest(place=place, field=marker.field):
                    self.assertIsNone(marker.find(content))
        self.assertIn(b'DEBUG', places['log of the server'])
        self.assertIn(
            b'early_access.patient.create(...)', places['log of the server'])
        clear = {
            str(v) for values in VALUES.values() for value in values.values()
            if not callable(value)
            for v in (value.values() if isinstance(value, dict) else [value])}
        seen = set()
        for table, name, value in self.columns():
            if isinstance(value, (str, Decimal)):
                seen.add((table, name, value))
                self.assertNotIn(
                    str(value), clear, msg=f"column {table}.{name}")
        self.assertIn(
            ('early_access_patient', 'state', 'discontinued'), seen)
        # The errors are for the users: they tell no value
        for message in walk.refused:
            for marker in markers:
                with self.subTest(message=message, field=marker.field):
                    self.assertIsNone(marker.find(message.encode()))
        self.control(walk, markers)

    def control(self, walk, markers):
        "The same search does find what is in clear"
        text = json.dumps([
                {m.field: m.value} for m in markers], default=str)
        client = walk.client('configuration')
        party, = client.call('model.party.party.search',
            [('name', '=', "North Hospital")], 0, 1, None, client.context)
        client.call('model.party.party.write',
            [party], {'name': f'North Hospital {text}'}, client.context)
        (self.top / 'clear').write_text(text)
        places = self.places()
        for place in ['log of the server', 'file clear', (
                    'pg_dump' if 'pg_dump' in places else 'database')]:
            content = places[place] + places.get('database-wal', b'')
            for marker in markers:
                with self.subTest(control=place, field=marker.field):
                    self.assertIsNotNone(marker.find(content))


class FormsOfMarkersTestCase(unittest.TestCase):
    "A marker is recognised in the forms that programs give it"

    def test_found(self):
        for value, contents in [
                (LETTERS, [
                        'ZQX', '["ZQX"]', b'{"a":"ZQX"}'.hex(),
                        *(base64.b64encode(b'x' * n + b'{"a":"ZQX"}').decode()
                            for n in range(3))]),
                (dt.date(1903, 11, 1), [
                        '1903-11-01', "datetime.date(1903, 11, 1)",
                        '19031101T00:00:00', '{"__class__": "date", '
                        '"year": 1903, "month": 11, "day": 1}',
                        b'x1903-11-01'.hex().upper()]),
                (Decimal('317.3'), [
                        "Decimal('317.3')", '"decimal": "317.3"', '\t317.3\n',
                        base64.b64encode(b'=317.3').decode()]),
                (Decimal('237'), [
                        "'field': Decimal('237')", 'field=237',
                        '"field": {"__class__": "Decimal", '
                        '"decimal": "237"}',
                        '<name>field</name>\n<value><bigdecimal>237<']),
                ('yes', [
                        "{'field': 'yes'}", '\\"field\\": \\"yes\\"',
                        '<name>field</name><value><string>yes<']),
                (['lung', 'bone'], [
                        "'field': ('lung', 'bone')", '"field": ["lung"']),
                ({'code': 'yes'}, ["'code': 'yes'"]),
                ]:
            for content in contents:
                with self.subTest(value=value, content=content):
                    self.assertTrue(
                        Marker('field', value).find(content.encode()))

    def test_not_found(self):
        for value, content in [
                (Decimal('317.3'), '1317.3'), (Decimal('317.3'), '317.30'),
                (Decimal('237'), "'other': 237"), (Decimal('237'), '237'),
                (Decimal('237'), "'field': 2375"),
                ('yes', "'other': 'yes'"),
                (dt.date(1903, 11, 1), '1903-11-02')]:
            with self.subTest(value=value, content=content):
                self.assertIsNone(
                    Marker('field', value).find(content.encode()))
