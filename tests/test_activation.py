# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Users set their password and second factor by a link and a code."
import itertools
import re
import subprocess
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pyotp

from harness import BIN, PASSWORD, TOP, ServerTestCase
from login_tools import (
    RECOVERY_CODE, SECRET, STRONG, Refused, Session, call, code, login, post,
    users)
from smtp_tools import Mailbox, message

NEW_PASSWORD = 'mulet-Orage7-vitrail=fougue'
_numbers = itertools.count()


class ActivationTestCase(ServerTestCase):
    "Test the links and their page"
    module = 'early_access_audit'
    fixtures = users

    @classmethod
    def setUpClass(cls):
        cls.mailbox = cls.enterClassContext(Mailbox())
        cls.environ = STRONG | cls.mailbox.environ | {
            'TRYTOND_EARLY_ACCESS__ACTIVATION_MAX_ATTEMPT': '100000',
            'TRYTOND_SESSION__MAX_ATTEMPT': '100000',
            }
        super().setUpClass()
        cls.admin = Session(cls.server, 'admin')

    def sql(self, query):
        with self.databases.databases.connect(self.database) as connection:
            cursor = connection.execute(query)
            rows = cursor.fetchall() if cursor.description else None
            connection.commit()
            return rows

    def new_user(self, **values):
        "Return the login and the id of a user that an administrator made."
        name = f'marie{next(_numbers)}'
        user, = self.admin.model('res.user', 'create', [{
                    'name': "Marie", 'login': name,
                    'email': f'{name}@example.com', **values}])
        return name, user

    def invite(self, user, secret=None):
        "Return the token of the e-mail and the code that is shown."
        wizard = 'wizard.early_access.audit.invite'
        context = {
            'active_model': 'res.user', 'active_id': user,
            'active_ids': [user]}
        session, *_ = self.admin.call(f'{wizard}.create', {})
        try:
            self.admin.call(f'{wizard}.execute', session, {}, 'start', context)
            result = self.admin.call(
                f'{wizard}.execute', session, {'start': {'secret': secret}},
                'result', context)
            view = result['view']
            code = {**view['defaults'], **(view.get('values') or {})}['code']
        finally:
            self.admin.call(f'{wizard}.delete', session, {})
        return self.token(), code

    def last_message(self):
        return message(self.mailbox.envelopes[-1])

    def token(self):
        text = self.last_message().get_body(['html']).get_content()
        token, = set(re.findall(r'activation#([\w-]{43})"', text))
        return token

    def post(self, action, **body):
        return post(
            f'{self.server.address}{self.database}/early_access/activation/'
            f'{action}', body)

    def assertRefused(self, status, action, **body):
        with self.assertRaises(Refused) as refused:
            self.post(action, **body)
        self.assertEqual(refused.exception.status, status)

    def events(self, user, action='activation'):
        query = (
            "SELECT reason FROM early_access_audit_event e "
            f"WHERE action = '{action}' AND ")
        if self.databases.backend == 'sqlite':
            query += (
                "id IN (SELECT event FROM early_access_audit_event_record "
                f"WHERE record = {user}) ")
        else:
            query += f"record_ids @> ARRAY[{user}::bigint] "
        return [r for r, in self.sql(query + "ORDER BY id")]

    def activate(self, token, code, **values):
        account = self.post('begin', token=token, code=code)
        totp = pyotp.TOTP(account['secret']).now()
        return account['secret'], self.post('finish', **{
                'token': token, 'code': code, 'password': NEW_PASSWORD,
                'totp': totp, **values})

    def test_activation(self):
        "The link and the code let the user in, once"
        name, user = self.new_user()
        token, code = self.invite(user)
        self.assertEqual(self.post('open', token=token), {
                'kind': 'activation'})
        account = self.post('begin', token=token, code=code.lower())
        self.assertEqual(account['login'], name)
        self.assertEqual(account['factor'], 'new')
        self.assertTrue(account['image'].startswith('data:image/svg+xml'))
        secret, result = self.activate(token, code)
        self.assertEqual(len(set(result['recovery_codes'])), 10)
        for action in ['open', 'begin', 'finish']:
            self.assertRefused(403, action, token=token, code=code)
        totp = pyotp.TOTP(secret)
        login(self.server, name, password=NEW_PASSWORD,
            totp=totp.at(time.time() + 30))
        login(self.server, name, password=NEW_PASSWORD,
            totp=result['recovery_codes'][3])
        self.assertEqual(self.events(user), ['invited', 'activation'])

    def test_code_again(self):
        "The code of the activation does not let in afterwards"
        name, user = self.new_user()
        token, code = self.invite(user)
        account = self.post('begin', token=token, code=code)
        totp = pyotp.TOTP(account['secret']).now()
        self.post(
            'finish', token=token, code=code, password=NEW_PASSWORD,
            totp=totp)
        with self.assertRaises(Refused):
            login(self.server, name, password=NEW_PASSWORD, totp=totp)

    def test_mail(self):
        "The e-mail holds the link, in the fragment, and nothing else"
        name, user = self.new_user()
        token, code = self.invite(user)
        invitation = self.last_message()
        self.assertEqual(invitation['To'], f'{name}@example.com')
        text = invitation.get_body(['html']).get_content()
        self.assertNotIn(code, text)
        self.assertNotIn(name, text.replace(token, ''))
        self.assertIn(
            f'/{self.database}/early_access/activation#{token}', text)
        stored = repr(self.sql("SELECT * FROM early_access_audit_activation"))
        for secret in [token, code, code.replace('-', '')]:
            self.assertNotIn(secret, stored)
            self.assertNotIn(secret, self.server.log)

    def test_wrong_code(self):
        "Five wrong codes end the link, also at once"
        _, user = self.new_user()
        token, code = self.invite(user)

        def try_(i):
            try:
                self.post('begin', token=token, code=f'AAAA-AA{i:02}')
            except Refused as refused:
                return refused.status
        with ThreadPoolExecutor(20) as executor:
            statuses = list(executor.map(try_, range(20)))
        self.assertEqual(set(statuses), {403})
        (failures,), = self.sql(
            "SELECT failures FROM early_access_audit_activation "
            f'WHERE "user" = {user}')
        self.assertEqual(failures, 5)
        self.assertRefused(403, 'begin', token=token, code=code)

    def test_refused(self):
        "Wrong, malformed and expired links open nothing"
        _, user = self.new_user()
        token, code = self.invite(user)
        for wrong in ['', 'x', token[:-1], token + 'A', 'é' * 43]:
            self.assertRefused(403, 'open', token=wrong)
        for wrong in [None, 5, [token], {}, 'x' * 2000, 'a\0b']:
            self.assertRefused(400, 'open', token=wrong)
        self.assertRefused(403, 'begin', token=token, code='')
        self.assertRefused(403, 'finish', token=token, code='',
            password=NEW_PASSWORD, totp='123456')
        self.sql(
            "UPDATE early_access_audit_activation "
            "SET expires = create_date")
        self.assertRefused(403, 'open', token=token)
        self.assertRefused(403, 'begin', token=token, code=code)

    def test_new_link(self):
        "A new link ends the one before"
        _, user = self.new_user()
        token, code = self.invite(user)
        other, other_code = self.invite(user)
        self.assertRefused(403, 'open', token=token)
        self.assertRefused(403, 'begin', token=other, code=code)
        self.activate(other, other_code)

    def test_parallel(self):
        "A link that is used many times at once is used once"
        _, user = self.new_user()
        token, code = self.invite(user)
        account = self.post('begin', token=token, code=code)
        totp = pyotp.TOTP(account['secret']).now()

        def try_(i):
            try:
                return self.post(
                    'finish', token=token, code=code, totp=totp,
                    password=NEW_PASSWORD + str(i))
            except Refused:
                return
        with ThreadPoolExecutor(5) as executor:
            results = [r for r in executor.map(try_, range(5)) if r]
        self.assertEqual(len(results), 1)
        self.assertEqual(self.events(user), ['invited', 'activation'])

    def test_password(self):
        "The rules of the passwords are told, and cost no try"
        _, user = self.new_user()
        token, code = self.invite(user)
        for _ in range(8):
            self.assertRefused(422, 'finish', token=token, code=code,
                password='Password123!', totp='123456')
        self.activate(token, code)

    def test_wrong_totp(self):
        "An activation is confirmed with a code of its second factor"
        name, user = self.new_user()
        token, code = self.invite(user)
        for _ in range(8):
            self.assertRefused(422, 'finish', token=token, code=code,
                password=NEW_PASSWORD, totp='123456')
        self.assertEqual(self.sql(
                "SELECT password_hash FROM res_user "
                f"WHERE login = '{name}'"), [(None,)])
        self.activate(token, code)

    def test_hardware_token(self):
        "The administrator types the secret of a token"
        name, user = self.new_user()
        token, activation_code = self.invite(user, secret=SECRET.lower())
        account = self.post('begin', token=token, code=activation_code)
        self.assertEqual(account, {'login': name, 'factor': 'hardware'})
        self.post('finish', token=token, code=activation_code,
            password=NEW_PASSWORD, totp=code())
        login(self.server, name, password=NEW_PASSWORD, totp=code(1))
        self.assertNotIn(SECRET, repr(self.sql(
                    "SELECT data FROM ir_session_wizard")))

    def test_second_activation(self):
        "A new activation replaces the second factor, at its end only"
        name, user = self.new_user()
        first, _ = self.activate(*self.invite(user))
        link = self.invite(user)
        totp = pyotp.TOTP(first)
        login(self.server, name, password=NEW_PASSWORD,
            totp=totp.at(time.time() + 30))
        _, result = self.activate(*link, password=NEW_PASSWORD + '2')
        self.sql("UPDATE early_access_audit_totp SET last_step = 0")
        with self.assertRaises(Refused):
            login(self.server, name, password=NEW_PASSWORD + '2',
                totp=totp.now())
        login(self.server, name, password=NEW_PASSWORD + '2',
            totp=result['recovery_codes'][0])

    def cron(self):
        "Let the server send the links that were asked."
        self.sql(
            "UPDATE ir_cron SET next_call = CASE WHEN method = "
            "'early_access.audit.reset_request|send' THEN create_date END")
        subprocess.run(
            [BIN / 'trytond-cron', '-d', self.database, '--once'], cwd=TOP,
            check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=self.databases.environ | self.environ)

    def test_reset(self):
        "A user asks another password, and keeps the second factor"
        before = len(self.mailbox.envelopes)
        for name in ['user1', 'nobody', 'root', '', 'x' * 5000]:
            call(self.server, 'common.db.reset_password', name)
        self.assertEqual(len(self.mailbox.envelopes), before)
        self.cron()
        self.assertEqual(
            [e.rcpt_tos for e in self.mailbox.envelopes[before:]],
            [['user1@example.com']])
        token = self.token()
        self.assertEqual(self.post('open', token=token), {'kind': 'reset'})
        self.assertEqual(self.post('begin', token=token), {
                'login': 'user1', 'factor': 'ask'})
        # The e-mail alone is not enough
        self.assertRefused(422, 'finish', token=token, totp='000000',
            password=NEW_PASSWORD)
        result = self.post(
            'finish', token=token, password=NEW_PASSWORD, totp=code())
        self.assertNotIn('recovery_codes', result)
        with self.assertRaises(Refused):
            login(self.server, 'user1', password=PASSWORD, totp=code(1))
        login(self.server, 'user1', password=NEW_PASSWORD, totp=code(1))
        login(
            self.server, 'user1', password=NEW_PASSWORD, totp=RECOVERY_CODE)
        # The user is told, who may not be the one who did it
        told, = self.mailbox.envelopes[before + 1:]
        self.assertEqual(told.rcpt_tos, ['user1@example.com'])
        self.assertIn(b'password was changed', told.content)
        self.assertNotIn(NEW_PASSWORD.encode(), told.content)
        # Another one is not sent at once
        call(self.server, 'common.db.reset_password', 'user1')
        self.cron()
        self.assertEqual(len(self.mailbox.envelopes), before + 2)

    def test_reset_guess(self):
        "A stolen link gets five tries of the second factor"
        user = self.admin.model(
            'res.user', 'search', [('login', '=', 'user2')], 0, None, None)
        self.admin.model('res.user', 'reset_password', user)
        token = self.token()
        for i in range(5):
            self.assertRefused(422, 'finish', token=token, totp=f'00000{i}',
                password=NEW_PASSWORD)
        self.assertRefused(403, 'finish', token=token, totp=code(),
            password=NEW_PASSWORD)

    def test_reset_not_active(self):
        "A reset is no activation"
        name, user = self.new_user()
        with self.assertRaisesRegex(RuntimeError, 'UserError'):
            self.admin.model('res.user', 'reset_password', [user])
        before = len(self.mailbox.envelopes)
        call(self.server, 'common.db.reset_password', name)
        self.cron()
        self.assertEqual(len(self.mailbox.envelopes), before)

    def test_compromised(self):
        "A compromised password is taken away with the sessions"
        session = Session(self.server, 'user3')
        self.admin.model('res.user', 'compromise_password', [session.user])
        self.assertFalse(session.lives())
        with self.assertRaises(Refused):
            Session(self.server, 'user3', totp=RECOVERY_CODE)
        token = self.token()
        self.assertRefused(422, 'finish', token=token, totp=code(1),
            password=PASSWORD)
        self.post('finish', token=token, totp=code(1), password=NEW_PASSWORD)
        self.assertEqual(
            self.events(session.user, 'session_end'), ['compromised'])

    def test_command(self):
        "The first administrator is invited from the server"
        name, _ = self.new_user(email=None)

        def run(login):
            return subprocess.run(
                [BIN / 'early-access-activate', '-d', self.database, login],
                text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.PIPE, cwd=TOP,
                env=self.databases.environ | self.environ)
        process = run(name)
        self.assertEqual(process.returncode, 0, process.stderr)
        token, code = re.search(
            r'activation#([\w-]{43})\nActivation code: ([\w-]+)\n',
            process.stdout).groups()
        self.activate(token, code)
        self.assertNotEqual(run('nobody').returncode, 0)

    def test_rights(self):
        "Only administrators send links, and nobody chooses a password"
        user = Session(self.server, 'user4')
        for method in ['invite', 'reset_password', 'compromise_password']:
            with self.assertRaisesRegex(RuntimeError, 'UserError'):
                user.model('res.user', method, [user.user])
        with self.assertRaisesRegex(RuntimeError, 'UserError'):
            self.admin.model('res.user', 'write', [user.user], {
                    'password': NEW_PASSWORD})
        for values in [
                {'password': NEW_PASSWORD}, {'email': 'x@example.com'}]:
            with self.assertRaisesRegex(RuntimeError, 'UserError'):
                user.model('res.user', 'set_preferences', values)
        with self.assertRaisesRegex(RuntimeError, 'UserError'):
            user.call('wizard.early_access.audit.invite.create', {})

    def test_page(self):
        "The page sets no cookie and loads nothing"
        url = (
            f'{self.server.address}{self.database}/early_access/activation')
        for language in ['fr', 'en']:
            request = urllib.request.Request(
                url, headers={'Accept-Language': language})
            with urllib.request.urlopen(request) as response:
                headers, html = response.headers, response.read().decode()
            self.assertNotIn('Set-Cookie', headers)
            self.assertEqual(headers['Cache-Control'], 'no-store')
            self.assertEqual(headers['Referrer-Policy'], 'no-referrer')
            self.assertIn(
                "default-src 'none'", headers['Content-Security-Policy'])
            self.assertIn(f'<html lang="{language}">', html)
            self.assertNotRegex(html, r'(src|href)="(http|/)')
