# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Rights come from roles, and end with them, whatever a client goes through."
import datetime as dt
import json
import time
import urllib.error
import urllib.request

from harness import PASSWORD, ServerTestCase
from smtp_tools import Mailbox, texts
from trail_tools import Client

PHARMACIST = 'pharmacist@example.com'


def programme(config):
    "A programme with patients, and two doctors of one service."
    from proteus import Model
    from trytond.modules.early_access.tests.tools import (
        create_laboratory, create_patient, create_programme, run_as)

    create_laboratory(config=config)
    create_programme(config=config)
    create_patient('treated', config=config)
    create_patient('draft', config=config)
    User = Model.get('res.user', config=config)
    for user in User.find([('login', '!=', 'admin')]):
        user.password = PASSWORD
        if user.login == 'pharmacist_in_charge':
            user.email = PHARMACIST
        user.save()
    with run_as('configuration', config=config):
        Professional = Model.get('early_access.professional', config=config)
        leaver, successor = (
            Professional.find([('user.login', '=', login)])[0]
            for login in ['prescriber', 'haematologist'])
        successor.services.append(
            type(leaver.services[0])(leaver.services[0].id))
        successor.save()


class RoleTestCase(ServerTestCase):
    "Test the rights of users and machines over HTTP"
    module = 'early_access_audit'
    fixtures = programme

    @classmethod
    def setUpClass(cls):
        cls.mailbox = cls.enterClassContext(Mailbox())
        cls.environ = cls.mailbox.environ
        super().setUpClass()
        cls.admin = Client(cls.server, 'admin')
        cls.security = Client(cls.server, 'security_officer')

    def sql(self, query, *params):
        with self.databases.databases.connect(self.database) as connection:
            connection.execute(query, params)
            connection.commit()

    def lives(self, client):
        try:
            client.model('res.user', 'get_preferences', True)
        except urllib.error.HTTPError as error:
            self.assertEqual(error.code, 401)
            return False
        return True

    def refused(self, client, *call):
        with self.assertRaises(RuntimeError) as error:
            client.model(*call)
        return str(error.exception)

    def find(self, model, *domain):
        ids = self.admin.model(model, 'search', list(domain), 0, None, None)
        self.assertTrue(ids)
        return ids[0]

    def new_user(self, login, role, seconds=None):
        "Create a user with a role, that ends within seconds."
        user, = self.admin.model('res.user', 'create', [{
                    'name': login, 'login': login}])
        self.sql(
            'UPDATE res_user SET password_hash = (SELECT password_hash '
            f"FROM res_user WHERE login = 'supply') WHERE id = {user}")
        values = {
            'user': user,
            'role': self.find('res.role', ('name', '=', role)),
            'reason': "Test",
            }
        if seconds:
            now = dt.datetime.now(dt.UTC).replace(
                tzinfo=None, microsecond=0)
            values['from_date'] = now
            values['to_date'] = now + dt.timedelta(seconds=seconds)
        self.security.model('res.user.role', 'create', [values])
        return user

    def execute(self, client, wizard, state, data, **context):
        "Execute a state of a wizard and return its answer."
        context = {**client.context, **context}
        name = f'wizard.{wizard}'
        session, *_ = client.call(f'{name}.create', context)
        return client.call(f'{name}.execute', session, data, state, context)

    def issue(self, user, scopes):
        "Return the key of a machine for the REST API."
        answer = self.execute(
            self.admin, 'early_access.audit.application.issue', 'result', {
                'start': {
                    'name': f'key of {user}',
                    'application': 'rest',
                    'user': user,
                    'owner': self.find(
                        'res.user', ('login', '=', 'configuration')),
                    'to_date': dt.date.today() + dt.timedelta(days=30),
                    'networks': '127.0.0.1, ::1',
                    'levels': True,
                    'scopes': scopes,
                    }})
        view = answer['view']
        return {**view['defaults'], **(view.get('values') or {})}['key']

    def rest(self, key, path, method='GET', data=None):
        "Return the status of a request to the REST API."
        request = urllib.request.Request(
            f'{self.server.address}{self.database}/rest/model/{path}',
            json.dumps(data).encode() if data else None,
            {'Authorization': f'bearer {key}',
                'Content-Type': 'application/json'}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return response.status
        except urllib.error.HTTPError as error:
            return error.code

    def test_role_ends(self):
        "A role that ends in an open session takes all away at that moment"
        self.new_user('short', "Research and Development", seconds=5)
        client = Client(self.server, 'short')
        patient, = client.model(
            'early_access.patient', 'search', [('state', '=', 'treated')], 0,
            1, None)
        client.model('early_access.patient', 'read', [patient], ['sex'])
        time.sleep(6)
        self.assertFalse(self.lives(client))
        client = Client(self.server, 'short')
        self.assertEqual(
            self.refused(
                client, 'early_access.patient', 'read', [patient], ['code']),
            'UserError')

    def test_key_ends(self):
        "The key of a machine opens no more than the roles of its user"
        user = self.new_user('labels', "Research and Development", seconds=8)
        key = self.issue(user, "early_access.patient read")
        self.assertEqual(self.rest(key, 'early_access.patient'), 200)
        time.sleep(9)
        self.assertIn(self.rest(key, 'early_access.patient'), {400, 401, 403})

    def test_groups(self):
        "Nobody changes the groups of a user directly"
        user = self.new_user('plain', "Market Access")
        group = self.find('res.group', ('name', '=', "Early Access: Supply"))
        for call in [
                ('res.user', 'write', [user], {
                        'groups': [('add', [group])]}),
                ('res.group', 'write', [group], {'users': [('add', [user])]}),
                ('res.user', 'create', [{
                            'name': "x", 'login': 'x',
                            'groups': [('add', [group])]}]),
                ]:
            with self.subTest(call=call):
                self.assertEqual(
                    self.refused(self.admin, *call), 'UserError')
        with self.script('admin'):
            from proteus import Model
            User = Model.get('res.user')
            Group = Model.get('res.group')
            record = User(user)
            record.groups.append(Group(group))
            with self.assertRaisesRegex(Exception, 'Early Access: Supply'):
                record.save()
        administrator = self.new_user('robot', "Administrator")
        key = self.issue(
            administrator, "res.user read write\n"
            "res.user-res.group read create\n"
            "res.user.role read create")
        self.assertEqual(self.rest(key, f'res.user/{user}'), 200)
        self.assertEqual(self.rest(
                key, f'res.user/{user}', 'PUT',
                {'groups': [['add', [group]]]}), 400)
        self.assertEqual(self.rest(
                key, 'res.user-res.group', 'POST',
                {'user': user, 'group': group}), 400)
        self.assertEqual(self.rest(
                key, 'res.user.role', 'POST', {
                    'user': administrator,
                    'role': self.find('res.role', ('name', '=', "Supply")),
                    'reason': "Own"}), 400)
        row, = self.admin.model('res.user', 'read', [user], ['groups'])
        self.assertNotIn(group, row['groups'])

    def test_emergency_access(self):
        "An access opens what it says, is told, and ends in the same session"
        auditor = Client(self.server, 'audit')
        patient = self.find_patient()
        read = 'early_access.patient', 'read', [patient], ['sex']
        self.assertEqual(self.refused(auditor, *read), 'UserError')
        self.mailbox.envelopes.clear()
        self.execute(
            auditor, 'early_access.audit.emergency_access.open', 'open_', {
                'start': {
                    'level': 'pseudonymised',
                    'reason': 'inspection',
                    'justification': "Nothing about a patient",
                    'minutes': 60,
                    'maximum': 480,
                    }})
        until = dt.datetime.now(dt.UTC).replace(tzinfo=None) + dt.timedelta(
            seconds=5)
        # As if an hour had almost passed, before anything knows of it
        self.sql(
            'UPDATE early_access_audit_emergency_access '
            f"SET until = '{until}'")
        row, = auditor.model(*read)
        self.assertEqual(row['sex'], 'female')
        time.sleep(6)
        self.assertEqual(self.refused(auditor, *read), 'UserError')
        self.assertTrue(self.lives(auditor))
        envelope, = self.mailbox.envelopes
        self.assertEqual(envelope.rcpt_tos, [PHARMACIST])
        text = ''.join(texts(envelope))
        self.assertIn("Inspection by an Authority", text)
        self.assertNotIn("Nothing about a patient", text)
        events = auditor.model(
            'early_access.audit.event', 'search_read',
            [('login', '=', 'audit'), ('model', 'in', [
                        'early_access.patient',
                        'early_access.audit.emergency_access'])],
            0, None, [('id', 'ASC')], ['action', 'roles', 'reason'])
        found = [(e['action'], e['roles'], e['reason']) for e in events]
        roles = 'audit,emergency_access'
        self.assertIn(('break_glass', roles, 'inspection'), found)
        self.assertIn(('read', roles, None), found)
        # Who signs the access off sees whose data was read
        pharmacist = Client(self.server, 'pharmacist_in_charge')
        code = self.patient_code(pharmacist, patient)
        for client in [pharmacist, self.security]:
            access, = client.model(
                'early_access.audit.emergency_access', 'search_read', [], 0,
                None, None, ['patients'])
            self.assertEqual(access['patients'], code)

    def patient_code(self, client, patient):
        row, = client.model(
            'early_access.patient', 'read', [patient], ['code'])
        return row['code']

    def find_patient(self):
        pharmacist = Client(self.server, 'pharmacist_in_charge')
        patient, = pharmacist.model(
            'early_access.patient', 'search', [('state', '=', 'treated')], 0,
            1, None)
        return patient

    def test_leaver(self):
        "The open session of a leaver ends at once, and the patients stay"
        patient = self.find_patient()
        leaver = Client(self.server, 'prescriber')
        self.assertTrue(self.lives(leaver))
        user = self.find('res.user', ('login', '=', 'prescriber'))
        context = {
            'active_model': 'res.user', 'active_id': user,
            'active_ids': [user]}
        start = {'user': user, 'reason': 'left'}
        answer = self.execute(
            self.security, 'early_access.audit.leaver', 'preview',
            {'start': start}, **context)
        preview = answer['view']['defaults']
        handover, = preview['handovers']
        self.assertEqual(handover['patients'], 2)
        self.assertGreaterEqual(preview['sessions'], 1)
        successor = self.find('res.user', ('login', '=', 'haematologist'))
        self.assertEqual(handover['candidates'], [successor])
        self.execute(
            self.security, 'early_access.audit.leaver', 'withdraw', {
                'start': start,
                'preview': {
                    'user': user,
                    'handovers': [{
                            'service': handover['service'],
                            'successor': successor}],
                    }}, **context)
        self.assertFalse(self.lives(leaver))
        with self.assertRaises((RuntimeError, urllib.error.HTTPError)):
            Client(self.server, 'prescriber')
        haematologist = Client(self.server, 'haematologist')
        row, = haematologist.model(
            'early_access.patient', 'read', [patient],
            ['prescriber.rec_name'])
        self.assertEqual(row['prescriber.']['rec_name'], "Haematologist")
        events = Client(self.server, 'audit').model(
            'early_access.audit.event', 'search_read',
            [('action', '=', 'leaver')], 0, None, None,
            ['login', 'records', 'reason'])
        self.assertEqual(
            [(e['login'], e['records'], e['reason']) for e in events],
            [('security_officer', str(user), 'left')])
