# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"A script works unattended with the key of a machine account."
import datetime as dt
import subprocess
import sys
import xmlrpc.client

from harness import PASSWORD, TOP, ServerTestCase
from login_tools import STRONG, Refused, Session, login, users

EXAMPLE = TOP / 'modules/early_access_audit/doc/usage/machine.py'


class MachineTestCase(ServerTestCase):
    "Test the machine accounts over XML-RPC"
    module = 'early_access_audit'
    fixtures = users
    environ = STRONG | {
        'TRYTOND_SESSION__AUTHENTICATIONS': 'password+totp,key',
        }

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.admin = Session(cls.server, 'admin')

    def issue(self, name, **values):
        "Return the key of an account that an administrator makes."
        user, = self.admin.model('res.user', 'create', [{
                    'name': name, 'login': name}])
        wizard = 'wizard.early_access.audit.application.issue'
        session, *_ = self.admin.call(f'{wizard}.create', {})
        result = self.admin.call(f'{wizard}.execute', session, {
                'start': {
                    'name': name,
                    'application': 'script',
                    'user': user,
                    'owner': self.admin.user,
                    'to_date': dt.date.today() + dt.timedelta(days=300),
                    'networks': '127.0.0.1, ::1',
                    'scopes': "ir.lang read",
                    **values}}, 'result', {})
        self.admin.call(f'{wizard}.delete', session, {})
        view = result['view']
        return {**view['defaults'], **(view.get('values') or {})}['key']

    def url(self):
        return f'{self.server.address}{self.database}/rpc/'

    def test_example(self):
        "The example of the manual works, with nobody there"
        key = self.issue('nightly')
        process = subprocess.run(
            [sys.executable, EXAMPLE, self.url(), 'nightly'], input=key,
            text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertEqual(process.returncode, 0, process.stdout)
        self.assertIn('fr', process.stdout.split())

    def test_scope(self):
        "What is not in its scopes is refused"
        from proteus import Model, config
        key = self.issue('scoped')
        with config.set_xmlrpc_session(
                self.url(), 'scoped', parameters={'key': key}) as context:
            Lang = Model.get('ir.lang', config=context)
            lang, = Lang.find([('code', '=', 'fr')])
            with self.assertRaises(xmlrpc.client.ProtocolError) as error:
                Model.get('res.user', config=context).find([])
            self.assertEqual(error.exception.errcode, 403)
            with self.assertRaises(xmlrpc.client.ProtocolError) as error:
                lang.name = "x"
                lang.save()
            self.assertEqual(error.exception.errcode, 403)

    def assertRefused(self, *args, **parameters):
        with self.assertRaises(Refused) as refused:
            login(self.server, *args, **parameters)
        self.assertEqual(refused.exception.status, 401)

    def test_key(self):
        "A key is for its user, for its protocol and for its network"
        key = self.issue('machine')
        login(self.server, 'machine', key=key)
        self.assertRefused('machine', key=key[:-1])
        self.assertRefused('user1', key=key)
        self.assertRefused('admin', key=key)
        self.assertRefused('machine', password=PASSWORD, totp='123456')
        self.assertRefused('rest', key=self.issue('rest', application='rest'))
        self.assertRefused(
            'away', key=self.issue('away', networks='192.0.2.0/24'))

    def test_cancelled(self):
        "Its sessions end with it"
        key = self.issue('cancelled')
        _, token = login(self.server, 'cancelled', key=key)
        session = Session.__new__(Session)
        session.server, session.name, session.key = (
            self.server, 'cancelled', token)
        (session.user,) = self.admin.model(
            'res.user', 'search', [('login', '=', 'cancelled')], 0, None,
            None)
        self.assertTrue(session.lives())
        application = self.admin.model(
            'res.user.application', 'search', [('name', '=', 'cancelled')],
            0, None, None)
        self.admin.model('res.user.application', 'cancel', application)
        self.assertFalse(session.lives())
        self.assertRefused('cancelled', key=key)

    def test_rights(self):
        "Users neither make keys nor see those of others"
        self.issue('hidden')
        user = Session(self.server, 'user5')
        with self.assertRaises(RuntimeError):
            user.model('res.user.application', 'create', [{
                        'user': user.user, 'application': 'rest'}])
        with self.assertRaises(RuntimeError):
            user.call('wizard.early_access.audit.application.issue.create', {})
        self.assertEqual(user.model(
                'res.user.application', 'search', [], 0, None, None), [])
        with self.assertRaises(RuntimeError):
            user.model('res.user', 'set_preferences', {
                    'applications': [('create', [{}])]})
        with self.assertRaises(RuntimeError):
            self.admin.model('res.user.application', 'create', [{
                        'user': user.user, 'application': 'rest'}])
