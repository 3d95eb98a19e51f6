# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Nobody comes in without two factors, nor guesses them."
import base64
import datetime as dt
import itertools
import math
import random
import secrets
import subprocess
import sys
import time
import urllib.error
import urllib.request
import xmlrpc.client
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from harness import PASSWORD, Server, ServerTestCase
from login_tools import (
    RECOVERY_CODE, STRONG, USERS, Asked, Refused, Session, code, login, users)

_logins = itertools.count()


class LoginTestCase(ServerTestCase):
    "A server that asks two factors"
    module = 'early_access_audit'
    fixtures = users
    environ = STRONG

    def new_user(self):
        "Return the login of a user whose code was not used."
        return f'user{next(_logins)}'

    def sql(self, query, *params):
        "Return the rows of a query on the database."
        with self.databases.databases.connect(self.database) as connection:
            cursor = connection.execute(query, params)
            rows = cursor.fetchall() if cursor.description else None
            connection.commit()
            return rows

    def events(self, action, login=None):
        "Return the reasons of the events on the user."
        query = (
            "SELECT e.reason FROM early_access_audit_event e "
            f"WHERE e.action = '{action}' ")
        if login:
            user_id = self.user_id(login)
            if self.databases.backend == 'sqlite':
                query += (
                    "AND e.id IN (SELECT event FROM "
                    "early_access_audit_event_record "
                    f"WHERE record = {user_id})")
            else:
                query += f"AND e.record_ids @> ARRAY[{user_id}::bigint]"
        return [reason for reason, in self.sql(f'{query} ORDER BY e.id')]

    def user_id(self, login):
        (id_,), = self.sql(
            f"SELECT id FROM res_user WHERE login = '{login}'")
        return id_

    def forget_tries(self):
        self.sql("DELETE FROM early_access_audit_throttle")

    def setUp(self):
        super().setUp()
        self.forget_tries()


class FactorsTestCase(LoginTestCase):
    "Test that the two factors are asked, and both verified"

    def assertRefused(self, *args, status=401, **parameters):
        with self.assertRaises(Refused) as refused:
            login(self.server, *args, **parameters)
        self.assertEqual(refused.exception.status, status)

    def test_asked(self):
        "The client is asked a password and a code, whoever the user is"
        for name in [self.new_user(), 'nobody']:
            with self.subTest(name=name):
                with self.assertRaisesRegex(Asked, 'password'):
                    login(self.server, name)
                for password in [PASSWORD, 'wrong']:
                    with self.assertRaisesRegex(Asked, 'totp'):
                        login(self.server, name, password=password)
                self.assertRefused(name, password='wrong', totp='123456')

    def test_login(self):
        name = self.new_user()
        session = Session(self.server, name)
        self.assertTrue(session.lives())
        self.assertEqual(self.events('login', name), ['password+totp'])
        self.assertEqual(self.sql(
                "SELECT login FROM early_access_audit_event "
                f"WHERE action = 'login' AND user_id = {session.user}"),
            [(name,)])
        session.call('common.db.logout')
        self.assertFalse(session.lives())
        self.assertEqual(self.events('logout', name), [None])

    def test_codes(self):
        "A code that is guessed, early, late or replayed does not come in"
        name = self.new_user()
        for wrong in ['000000', code(-2), code(2), code(10)]:
            self.assertRefused(name, password=PASSWORD, totp=wrong)
            self.forget_tries()
        totp = code()
        login(self.server, name, password=PASSWORD, totp=totp)
        self.assertRefused(name, password=PASSWORD, totp=totp)
        self.assertRefused(name, password=PASSWORD, totp=code(-1))
        self.assertEqual(
            self.events('login_failed', name), ['totp'] * 6)

    def test_recovery_code(self):
        name = self.new_user()
        login(self.server, name, password=PASSWORD, totp=RECOVERY_CODE)
        self.assertRefused(name, password=PASSWORD, totp=RECOVERY_CODE)
        self.assertEqual(self.events('login', name), ['password+recovery'])

    def test_parallel_code(self):
        "A code that comes many times at once comes in once"
        totp = code()
        name = self.new_user()

        def try_(_):
            try:
                login(self.server, name, password=PASSWORD, totp=totp)
                return True
            except Refused:
                return False
        with ThreadPoolExecutor(20) as executor:
            results = list(executor.map(try_, range(20)))
        self.assertLessEqual(sum(results), 1)
        self.assertEqual(len(self.events('login', name)), sum(results))

    def test_parallel_guesses(self):
        "As many connections as one likes get no more tries"
        for name in [self.new_user(), 'nobody']:
            with self.subTest(name=name):
                self.forget_tries()
                before = len(self.events('login_failed'))

                def try_(i):
                    try:
                        login(
                            self.server, name, password=f'guess{i}',
                            totp='123456')
                    except Refused as refused:
                        return refused.status
                with ThreadPoolExecutor(40) as executor:
                    statuses = Counter(executor.map(try_, range(40)))
                self.assertEqual(statuses.keys(), {401, 429})
                self.assertLessEqual(statuses[401], 5)
                self.assertEqual(
                    len(self.events('login_failed')) - before,
                    statuses[401])

    def block(self, name):
        for _ in range(5):
            self.sql(
                "UPDATE early_access_audit_throttle SET until = NULL")
            self.assertRefused(name, password='wrong', totp='123456')

    def test_blocked(self):
        "A block outlives the server, and ends"
        name = self.new_user()
        self.block(name)
        self.assertEqual(
            self.events('login_blocked', name), ['login_network'])
        server = Server(
            self.database, self.databases.environ | self.environ)
        self.addCleanup(server.stop)
        for server in [self.server, server]:
            with self.assertRaises(Refused) as refused:
                login(server, name, password=PASSWORD, totp=code())
            self.assertEqual(refused.exception.status, 429)
        (left,), = self.sql(
            "SELECT until FROM early_access_audit_throttle "
            "WHERE kind = 'login_network'")
        if isinstance(left, str):
            left = dt.datetime.fromisoformat(left)
        left -= dt.datetime.now(dt.UTC).replace(tzinfo=None)
        self.assertLess(left, dt.timedelta(minutes=15))
        self.sql(
            "UPDATE early_access_audit_throttle SET until = since")
        login(server, name, password=PASSWORD, totp=code())

    def test_known_network(self):
        "Strangers do not lock out who comes from a known network"
        name = self.new_user()
        login(self.server, name, password=PASSWORD, totp=code(-1))
        # Others have used all the tries of the login
        self.sql(
            "UPDATE early_access_audit_throttle SET tries = 25, "
            "until = '2100-01-01 00:00:00' WHERE kind = 'login'")
        login(self.server, name, password=PASSWORD, totp=code())
        self.sql(
            "UPDATE early_access_audit_throttle SET tries = 25, "
            "succeeded = NULL, "
            "until = CASE WHEN kind = 'login' THEN '2100-01-01 00:00:00'"
            + ("" if self.databases.backend == 'sqlite' else '::timestamp')
            + " END")
        self.assertRefused(
            name, password=PASSWORD, totp=code(1), status=429)

    def test_unblocked(self):
        "An administrator ends a block"
        name = self.new_user()
        self.block(name)
        admin = Session(self.server, 'admin', totp=RECOVERY_CODE)
        ids = admin.model(
            'early_access.audit.throttle', 'search',
            [('login', '=', name), ('blocked', '=', True)], 0, None, None)
        admin.model('early_access.audit.throttle', 'unblock', ids)
        login(self.server, name, password=PASSWORD, totp=code())

    def test_protocols(self):
        "Neither basic authentication nor XML-RPC goes round"
        name = self.new_user()
        url = f'{self.server.address}{self.database}/rpc/'
        token = base64.b64encode(f'{name}:{PASSWORD}'.encode()).decode()
        request = urllib.request.Request(
            url, b'{"method": "model.res.user.search", "params": []}', {
                'Content-Type': 'application/json',
                'Authorization': f'Basic {token}'})
        with self.assertRaises(urllib.error.HTTPError):
            urllib.request.urlopen(request)
        server = xmlrpc.client.ServerProxy(url, allow_none=True)
        with self.assertRaises(xmlrpc.client.Fault) as fault:
            server.common.db.login(name, {'password': PASSWORD})
        self.assertIn('totp', fault.exception.faultString)
        from proteus import Model, config
        with config.set_xmlrpc_session(
                url, name, PASSWORD, parameters={'totp': code()}) as context:
            User = Model.get('res.user', config=context)
            user, = User.find([('login', '=', name)])

    def test_device_cookie(self):
        "A device is no factor"
        name = self.new_user()
        session = Session(self.server, name)
        cookie = session.model('res.user.device', 'renew', None)
        with self.assertRaisesRegex(Asked, 'totp'):
            login(
                self.server, name, password=PASSWORD, device_cookie=cookie)

    def test_log(self):
        "No proof is in the log nor in the trail"
        name, guess = self.new_user(), secrets.token_hex()
        self.assertRefused(name, password=guess, totp='739461')
        totp = code()
        _, key = login(self.server, name, password=PASSWORD, totp=totp)
        texts = [self.server.log, repr(self.sql(
                    "SELECT * FROM early_access_audit_event"))]
        for text in texts:
            for secret in [guess, '739461', PASSWORD, key, f"'{totp}'"]:
                self.assertNotIn(secret, text)


class SessionsTestCase(LoginTestCase):
    "Test the sessions over HTTP"

    def age(self, session, seconds):
        at = dt.datetime.now(dt.UTC).replace(tzinfo=None) - dt.timedelta(
            seconds=seconds)
        self.sql(
            f"UPDATE ir_session SET create_date = '{at}', write_date = NULL "
            f"WHERE \"key\" = '{session.key}'")

    def test_idle(self):
        name = self.new_user()
        session = Session(self.server, name)
        self.age(session, 1700)
        self.assertTrue(session.lives())
        # That request was a use
        (used,), = self.sql(
            f"SELECT write_date FROM ir_session "
            f"WHERE \"key\" = '{session.key}'")
        self.assertTrue(used)
        self.age(session, 1900)
        self.assertFalse(session.lives())
        self.assertEqual(self.events('session_end', name), ['idle'])

    def test_cold(self):
        "A process that has not loaded the models checks as well"
        name = self.new_user()
        session = Session(self.server, name)
        script = (
            "import sys; from trytond.pool import Pool; Pool.start(); "
            "from trytond import security; "
            "context = {'_request': {'remote_addr': sys.argv[4]}}; "
            "print(security.check(sys.argv[1], int(sys.argv[2]), "
            "sys.argv[3], context=context))")
        (address,), = self.sql(
            f"SELECT ip_address FROM ir_session "
            f"WHERE \"key\" = '{session.key}'")

        def check():
            process = subprocess.run(
                [sys.executable, '-c', script, self.database,
                    str(session.user), session.key, address], text=True,
                check=True, stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=self.databases.environ | self.environ)
            return process.stdout.strip()
        self.assertEqual(check(), str(session.user))
        self.age(session, 1900)
        self.assertEqual(check(), 'None')

    def test_list(self):
        "A user ends another session of its own"
        name = self.new_user()
        first = Session(self.server, name)
        second = Session(self.server, name, totp=RECOVERY_CODE)
        stranger = Session(self.server, self.new_user())
        rows = second.model(
            'early_access.audit.session', 'search_read', [], 0, None,
            [('id', 'ASC')], ['user', 'address', 'begun', 'last_use'])
        self.assertEqual([r['user'] for r in rows], [first.user] * 2)
        for session in [first, second, stranger]:
            self.assertNotIn(session.key, repr(rows))
        second.model('early_access.audit.session', 'end', [rows[0]['id']])
        self.assertFalse(first.lives())
        self.assertTrue(second.lives())
        self.assertTrue(stranger.lives())
        self.assertEqual(self.events('session_end', name), ['button'])


class TimingTestCase(LoginTestCase):
    "Test that the answers do not tell which logins exist"
    TRIES = 200
    environ = STRONG | {
        'TRYTOND_EARLY_ACCESS__LOGIN_MAX_ATTEMPT': '100000',
        'TRYTOND_SESSION__MAX_ATTEMPT': '100000',
        'TRYTOND_SESSION__MAX_ATTEMPT_IP_NETWORK': '100000',
        }

    def test_timing(self):
        names = []
        for _ in range(self.TRIES // USERS):
            names += random.sample([
                    f'{name}{i}' for i in range(USERS)
                    for name in ['user', 'nobody']], 2 * USERS)
        times = {True: [], False: []}
        statuses = set()
        for i, name in enumerate(names):
            if not i % (2 * USERS):
                self.forget_tries()
            started = time.perf_counter()
            try:
                login(
                    self.server, name, password='wrong-guess',
                    totp='123456')
            except Refused as refused:
                statuses.add(refused.status)
            times[name.startswith('user')].append(
                time.perf_counter() - started)
        self.assertEqual(statuses, {401})
        self.assertEqual(len(times[True]), self.TRIES)
        self.assertGreater(mann_whitney(times[True], times[False]), .01)


def mann_whitney(x, y):
    """Return the probability that two samples differ so much by chance.

    The two-sided test of Mann and Whitney, by its normal approximation.
    """
    ranked = sorted([(v, 0) for v in x] + [(v, 1) for v in y])
    ranks = sum(r for r, (_, sample) in enumerate(ranked, 1) if not sample)
    n, m = len(x), len(y)
    u = ranks - n * (n + 1) / 2
    z = (u - n * m / 2) / math.sqrt(n * m * (n + m + 1) / 12)
    return math.erfc(abs(z) / math.sqrt(2))


class StartTestCase(ServerTestCase):
    "Test that a server does not start with less than two factors"
    module = 'early_access_audit'

    def test_weak(self):
        for authentications in [
                'password', 'password+totp?device_cookie',
                'password+totp?ip_address', 'password+totp,password']:
            environ = self.databases.environ | STRONG | {
                'TRYTOND_SESSION__AUTHENTICATIONS': authentications}
            with self.subTest(authentications=authentications):
                with self.assertRaises(RuntimeError) as error:
                    Server(self.database, environ)
                self.assertIn(
                    'is not a strong authentication', str(error.exception))
