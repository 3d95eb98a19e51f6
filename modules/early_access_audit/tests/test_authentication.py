# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import base64
import datetime as dt
from unittest.mock import patch

import pyotp
from cryptography.exceptions import InvalidTag

from trytond.exceptions import LoginException, RateLimitException
from trytond.modules.early_access_audit import settings
from trytond.modules.early_access_audit.exceptions import TokenSecretError
from trytond.modules.early_access_audit.throttle import DAY, Rule
from trytond.modules.early_access_audit.totp import clean_secret
from trytond.pool import Pool
from trytond.tests.test_tryton import (
    DB_NAME, TestCase, activate_module, with_transaction)
from trytond.transaction import Transaction

from .tools import PASSWORD, configured, create_user

# RFC 6238, appendix B
RFC_SECRET = base64.b32encode(b'12345678901234567890').decode()
RFC_CODES = [
    (59, '287082'),
    (1111111109, '081804'),
    (1111111111, '050471'),
    (1234567890, '005924'),
    (2000000000, '279037'),
    (20000000000, '353130'),
    ]
NOW = 1_800_000_000


def at(seconds):
    "Let the server see a time."
    Totp = Pool(DB_NAME).get('early_access.audit.totp')
    now = dt.datetime.fromtimestamp(seconds, dt.UTC)
    return patch.object(Totp, '_now', staticmethod(lambda: now))


def create_totp(user, secret=None):
    Totp = Pool().get('early_access.audit.totp')
    totp = Totp.propose(user.id, secret)
    totp.activate()
    return totp


class SecondFactorTestCase(TestCase):
    "Test the second factor"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        activate_module('early_access_audit')

    @with_transaction()
    def test_vectors(self):
        "The codes are those of RFC 6238"
        totp = create_totp(create_user(), RFC_SECRET)
        for seconds, code in RFC_CODES:
            with self.subTest(seconds=seconds), at(seconds):
                self.assertTrue(totp.accept(code))

    @with_transaction()
    def test_once(self):
        "A code is accepted once, and none of before it afterwards"
        totp = create_totp(create_user(), RFC_SECRET)
        codes = pyotp.TOTP(RFC_SECRET)
        with at(NOW):
            self.assertTrue(totp.accept(codes.at(NOW)))
            self.assertFalse(totp.accept(codes.at(NOW)))
            self.assertFalse(totp.accept(codes.at(NOW - 30)))
            self.assertTrue(totp.accept(codes.at(NOW + 30)))
        with at(NOW + 30):
            self.assertFalse(totp.accept(codes.at(NOW + 30)))

    @with_transaction()
    def test_drift(self):
        "The clock of the telephone may be one step away, and no more"
        codes = pyotp.TOTP(RFC_SECRET)
        for drift, accepted in [
                (-60, False), (-30, True), (0, True), (30, True),
                (60, False), (3600, False)]:
            totp = create_totp(create_user(), RFC_SECRET)
            with self.subTest(drift=drift), at(NOW):
                self.assertEqual(
                    totp.accept(codes.at(NOW + drift)), accepted)

    @with_transaction()
    def test_malformed(self):
        totp = create_totp(create_user(), RFC_SECRET)
        code = pyotp.TOTP(RFC_SECRET).at(NOW)
        with at(NOW):
            for text in [
                    '', ' ', code[:5], code + '0', '١٢٣٤٥٦', 'abcdef',
                    f'-{code[1:]}', code + '\0']:
                with self.subTest(text=text):
                    self.assertFalse(totp.accept(text))
            self.assertTrue(totp.accept(f' {code[:3]} {code[3:]}\n'))

    @with_transaction()
    def test_hardware_token(self):
        "The secret of a token is typed as it is printed"
        self.assertEqual(
            clean_secret('gezd gnbv gy3t qojq-gezdgnbvgy3tqojq'), RFC_SECRET)
        for secret in ['', 'GEZDGNBV', 'not base32 at all!', '0' * 32]:
            with self.subTest(secret=secret), self.assertRaises(
                    TokenSecretError):
                clean_secret(secret)

    @with_transaction()
    def test_sealed(self):
        "The secret is not in clear, and opens for its user only"
        Totp = Pool().get('early_access.audit.totp')
        user, other = create_user(), create_user()
        totp = create_totp(user, RFC_SECRET)
        self.assertNotIn(RFC_SECRET.encode(), totp.sealed)
        self.assertEqual(totp.secret(), RFC_SECRET)
        table = Totp.__table__()
        Transaction().connection.cursor().execute(*table.update(
                [table.user], [other.id], where=table.id == totp.id))
        Transaction().cache.clear()
        with self.assertRaises(InvalidTag):
            Totp(totp.id).secret()

    @with_transaction()
    def test_replaced(self):
        "There is one factor, and its key goes with it"
        pool = Pool()
        DataKey = pool.get('early_access.data_key')
        Totp = pool.get('early_access.audit.totp')
        user = create_user()
        first = create_totp(user)
        key = first.data_key.id
        proposed = Totp.propose(user.id)
        self.assertEqual(Totp.of(user.id), first)
        proposed.activate()
        self.assertEqual(Totp.of(user.id), proposed)
        self.assertFalse(Totp.search([('id', '=', first.id)]))
        self.assertFalse(DataKey.search([('id', '=', key)]))

    @with_transaction()
    def test_recovery_codes(self):
        "Each of ten codes comes in once, for its user"
        RecoveryCode = Pool().get('early_access.audit.recovery_code')
        user, other = create_user(), create_user()
        codes = RecoveryCode.renew(user.id)
        self.assertEqual(len(set(codes)), 10)
        stored = RecoveryCode.search([('user', '=', user.id)])
        self.assertFalse(set(codes) & {c.digest for c in stored})
        for code in codes:
            self.assertFalse(RecoveryCode.accept(other.id, code))
            self.assertTrue(RecoveryCode.accept(user.id, code.lower()))
            self.assertFalse(RecoveryCode.accept(user.id, code))
        used = RecoveryCode.renew(user.id)
        self.assertFalse(RecoveryCode.accept(user.id, codes[0]))
        self.assertTrue(RecoveryCode.accept(user.id, used[0]))


class LoginTestCase(TestCase):
    """Test the login, in transactions of its own as on a server.

    What they count is committed whatever becomes of the login.
    """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        activate_module('early_access_audit')

    def setUp(self):
        super().setUp()
        self.enterContext(configured(
                session__authentications='password+totp'))
        self.enterContext(at(NOW))
        with self.transaction():
            Throttle = Pool().get('early_access.audit.throttle')
            Throttle.delete(Throttle.search([]))
        self.code = pyotp.TOTP(RFC_SECRET).at(NOW)

    def transaction(self):
        return Transaction().start(DB_NAME, 0)

    def new_user(self, totp=True):
        "Return the login and the id of a new user."
        with self.transaction():
            user = create_user()
            if totp:
                create_totp(user, RFC_SECRET)
            return user.login, user.id

    def login(self, login, **parameters):
        with self.transaction():
            return Pool().get('res.user').get_login(login, parameters)

    def assertAsked(self, name, login, **parameters):
        with self.assertRaises(LoginException) as asked:
            self.login(login, **parameters)
        self.assertEqual(asked.exception.name, name)

    def test_chain(self):
        "Both factors are asked, and both must be right"
        login, user = self.new_user()
        self.assertAsked('password', login)
        self.assertAsked('totp', login, password=PASSWORD)
        # Nothing tells that the password is wrong
        self.assertAsked('totp', login, password='wrong')
        self.assertAsked('totp', 'nobody', password='wrong')
        self.assertIsNone(self.login(login, password='no', totp=self.code))
        self.assertIsNone(
            self.login(login, password=PASSWORD, totp='000000'))
        self.assertEqual(
            self.login(login, password=PASSWORD, totp=self.code), user)
        self.assertIsNone(
            self.login(login, password=PASSWORD, totp=self.code))

    def test_no_factor(self):
        "A user without a second factor does not come in"
        login, _ = self.new_user(totp=False)
        self.assertIsNone(
            self.login(login, password=PASSWORD, totp='123456'))

    def test_recovery_code(self):
        login, user = self.new_user()
        with self.transaction():
            RecoveryCode = Pool().get('early_access.audit.recovery_code')
            code, *_ = RecoveryCode.renew(user)
        self.assertEqual(
            self.login(login, password=PASSWORD, totp=code), user)
        self.assertIsNone(self.login(login, password=PASSWORD, totp=code))

    def test_options(self):
        "No option skips the second factor"
        for authentications in [
                'password+totp?ip_address', 'password+totp?device_cookie',
                'password', 'totp', 'password+totp,password',
                'password+sms', '']:
            with self.subTest(authentications=authentications), configured(
                    session__authentications=authentications):
                self.assertTrue(settings.problem())
                with configured(early_access__demonstration='True'):
                    self.assertIsNone(settings.problem())
        self.assertIsNone(settings.problem())

    def test_malformed(self):
        login, _ = self.new_user()
        for login, parameters in [
                (None, {'password': PASSWORD, 'totp': '123456'}),
                (5, {'password': PASSWORD, 'totp': '123456'}),
                (login, {'password': 5}),
                (login, {'password': ['x'], 'totp': '123456'})]:
            with self.subTest(parameters=parameters):
                self.assertIsNone(self.login(login, **parameters))
        self.assertAsked(
            'totp', login, password=PASSWORD, totp=None, device_cookie=None)
        self.assertIsNone(self.login('a\0b', password='x', totp='123456'))

    def test_reset_password_of_tryton(self):
        "The password that Tryton resets does not let in"
        login, user = self.new_user()
        with self.transaction():
            User = Pool().get('res.user')
            User.write([User(user)], {
                    'password_reset': 'abcdefgh',
                    'password_reset_expire': dt.datetime.now() + DAY,
                    })
        self.assertIsNone(
            self.login(login, password='abcdefgh', totp=self.code))

    def test_blocked(self):
        "After five failures nothing comes in, until the block ends"
        login, user = self.new_user()
        for _ in range(5):
            self.wait()
            self.assertIsNone(self.login(login, password='x', totp='123456'))
        with self.assertRaises(RateLimitException):
            self.login(login, password=PASSWORD, totp=self.code)
        with self.transaction():
            Throttle = Pool().get('early_access.audit.throttle')
            throttle, = Throttle.search([
                    ('login', '=', login), ('blocked', '=', True)])
            left = throttle.until - dt.datetime.now()
            self.assertLess(abs(left.total_seconds() - 900), 60)
            Throttle.unblock([throttle])
        self.assertEqual(
            self.login(login, password=PASSWORD, totp=self.code), user)

    def wait(self):
        "Let the delay between two tries pass."
        with self.transaction():
            Throttle = Pool().get('early_access.audit.throttle')
            Throttle.write(Throttle.search([]), {'until': None})

    def test_same_for_unknown(self):
        "A login that does not exist is blocked as another one"
        def answers(login):
            for _ in range(8):
                try:
                    yield self.login(login, password='x', totp='1')
                except RateLimitException:
                    yield 'limited'
        login, _ = self.new_user()
        expected = [None] * 3 + ['limited'] * 5
        self.assertEqual(list(answers(login)), expected)
        self.assertEqual(list(answers('nobody')), expected)

    def test_clean(self):
        "What no longer counts is forgotten, but the known networks"
        now = dt.datetime.now()
        with self.transaction():
            Throttle = Pool().get('early_access.audit.throttle')
            values = {'kind': 'login', 'tries': 1, 'version': 0}
            Throttle.create([{**values, 'source': source, **times}
                    for source, times in {
                        'new': {'since': now},
                        'old': {'since': now - 2 * DAY},
                        'blocked': {
                            'since': now - 2 * DAY, 'until': now + DAY},
                        'known': {
                            'since': now - 2 * DAY,
                            'succeeded': now - 30 * DAY},
                        'forgotten': {
                            'since': now - 200 * DAY,
                            'succeeded': now - 100 * DAY},
                        }.items()])
        with self.transaction():
            Throttle = Pool().get('early_access.audit.throttle')
            Throttle.clean()
        with self.transaction():
            Throttle = Pool().get('early_access.audit.throttle')
            self.assertEqual(
                {t.source for t in Throttle.search([])},
                {'new', 'blocked', 'known'})

    def test_rule(self):
        "The delay grows, then the block, and never past a day"
        now = dt.datetime(2026, 1, 1)
        rule = Rule(5, DAY, 900)
        seconds = [
            (rule.until(n, now, now) - now).total_seconds()
            for n in range(1, 10)]
        self.assertEqual(
            seconds, [0, 0, 2, 4, 900, 1800, 3600, 7200, 14400])
        self.assertEqual(rule.until(1000, now, now) - now, DAY)
        # CNIL 2022-100: no more than 25 tries in 24 hours
        tries, passed = 0, dt.timedelta()
        while passed < DAY:
            tries += 1
            passed += rule.until(tries, now, now) - now
        self.assertLessEqual(tries, 25)

    def test_rule_window(self):
        now = dt.datetime(2026, 1, 1)
        rule = Rule(300, DAY)
        self.assertEqual(rule.until(299, now, now), now)
        self.assertEqual(rule.until(300, now, now), now + DAY)
