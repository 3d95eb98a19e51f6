# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import os
import tempfile
import time

from joserfc import jwt
from joserfc.jwk import ECKey

from trytond.modules.early_access_audit import (
    openid_provider, openid_settings, settings)
from trytond.modules.early_access_audit.openid_identity import (
    IdentityError, read_identity, values_at)
from trytond.modules.early_access_audit.openid_provider import (
    PAUSE, Provider, ProviderError)
from trytond.tests.test_tryton import TestCase

from .provider import (
    CLIENT_ID, SECRET, ForgingProvider, claims_of, new_key)
from .tools import configured

RPPS = '99701000012'
FINESS = '990000010'


class SettingsTestCase(TestCase):
    "Test the settings of the provider"

    def secret(self, content=SECRET, mode=0o600):
        "Return the path of a file that holds a secret."
        file = tempfile.NamedTemporaryFile('w')
        self.enterContext(file)
        file.write(content)
        file.flush()
        os.chmod(file.name, mode)
        return file.name

    def problem(self, **values):
        "Return what is wrong with settings that are right but for some."
        values = {
            'issuer': 'https://id.example.com',
            'client_id': CLIENT_ID,
            'client_secret_file': self.secret(),
            **values}
        with configured(**{f'openid__{k}': v for k, v in values.items()}):
            return openid_settings.problem()

    def test_right(self):
        self.assertIsNone(openid_settings.problem())
        self.assertIsNone(self.problem())
        for address in [
                'http://localhost:3000', 'http://127.0.0.1:3000',
                'http://[::1]:3000']:
            self.assertIsNone(self.problem(issuer=address))

    def test_wrong(self):
        "Each mistake is named, and the setting to mend"
        for values, text in [
                ({'issuer': 'http://id.example.com'}, "'issuer'"),
                ({'issuer': 'id.example.com'}, "'issuer'"),
                ({'issuer': 'http://localhost.example.com'}, "'issuer'"),
                ({'client_id': ''}, "'client_id'"),
                ({'client_secret_file': '/nowhere'}, "cannot be read"),
                ({'client_secret_file': self.secret(mode=0o640)},
                    "chmod 600"),
                ({'client_secret_file': self.secret('\n')}, "is empty"),
                ({'scope': 'scope_all'}, "'scope'"),
                ]:
            with self.subTest(values=values):
                self.assertIn(text, self.problem(**values))
        with configured(early_access__activation_url='http://example.com'):
            self.assertIn("'activation_url'", self.problem())

    def test_demonstration(self):
        "A demonstration without a provider starts"
        with configured(early_access__demonstration='True'):
            self.assertIsNone(settings.problem())


class IdentityTestCase(TestCase):
    "Test who the claims say that a professional is"

    def test_values(self):
        claims = {'a': [{'b': 1}, {'b': [2, 3]}, {'c': 4}, 5, None]}
        for path, values in [
                ('a.b', [1, 2, 3]), ('a.c', [4]), ('a.d', []), ('b', []),
                ('a.b.c', [])]:
            with self.subTest(path=path):
                self.assertEqual(values_at(claims, path), values)

    def test_identity(self):
        identity = read_identity(claims_of(
                RPPS, FINESS, profession='21', specialty='SM26'))
        self.assertEqual(identity.rpps, RPPS)
        self.assertEqual(identity.name, "Camille ESSAI-FICTIF")
        self.assertEqual(identity.profession, 'pharmacist')
        self.assertEqual(identity.specialties, ('SM26',))
        self.assertEqual(identity.finess, {FINESS})

    def test_professions(self):
        for code, profession in [
                ('10', 'doctor'), ('21', 'pharmacist'), ('60', 'staff'),
                ('', 'staff')]:
            identity = read_identity(claims_of(RPPS, profession=code))
            self.assertEqual(identity.profession, profession)

    def test_hostile(self):
        "Claims of any shape are read, or say who nobody is"
        for value in [None, 5, [], {}, [[]], 'x' * 100000, '\0', True]:
            with self.subTest(value=str(value)[:10]):
                read_identity(claims_of(RPPS, SubjectRefPro=value))
                with self.assertRaises(IdentityError):
                    read_identity(claims_of(RPPS, SubjectNameID=value))
                with self.assertRaises(IdentityError):
                    read_identity(claims_of(
                            RPPS, given_name=None if value == 'x' * 100000
                            else value))
        identity = read_identity(claims_of(
                RPPS, family_name=' A\n\t\u202eB ' + 'x' * 1000))
        self.assertTrue(identity.name.startswith("Camille A B xxx"))
        self.assertLess(len(identity.name), 500)

    def test_other_provider(self):
        "Another provider states the number alone, and no activity"
        with configured(
                openid__rpps_claim='ids.rpps', openid__rpps_prefix='',
                openid__activities_claim=''):
            identity = read_identity({
                    'given_name': "A", 'family_name': "B",
                    'ids': {'rpps': RPPS}})
        self.assertEqual(identity.rpps, RPPS)
        self.assertEqual(identity.activities, ())


class ProviderTestCase(TestCase):
    "Test what the server keeps of the provider, and verifies"

    def setUp(self):
        super().setUp()
        self.forger = ForgingProvider()
        self.addCleanup(self.forger.stop)
        file = self.enterContext(tempfile.NamedTemporaryFile('w'))
        file.write(SECRET)
        file.flush()
        self.enterContext(configured(
                openid__issuer=self.forger.issuer,
                openid__client_id=CLIENT_ID,
                openid__client_secret_file=file.name))
        self.provider = Provider()

    def logout(self):
        return self.provider.logout_claims(
            self.forger.logout_token(sub='somebody'))['sub']

    def pass_time(self, seconds):
        "Let the server believe that time has passed since it read."
        for published in openid_provider._published.values():
            published._read -= seconds

    def test_cache(self):
        "What the provider publishes is read once an hour"
        for _ in range(3):
            self.assertEqual(self.logout(), 'somebody')
        self.assertEqual(len(self.forger.requests), 2)
        self.pass_time(openid_provider.LIFE + 1)
        self.logout()
        self.assertEqual(len(self.forger.requests), 4)

    def test_new_key(self):
        "A key that is not known is looked for, now and then"
        self.logout()
        self.forger.key = new_key('second')
        self.forger.keys = [self.forger.key]
        for _ in range(3):
            with self.assertRaises(ProviderError):
                self.logout()
        self.assertEqual(len(self.forger.requests), 2)
        self.pass_time(PAUSE + 1)
        self.assertEqual(self.logout(), 'somebody')
        self.assertEqual(len(self.forger.requests), 3)

    def test_elliptic_key(self):
        key = ECKey.generate_key(
            'P-256', {'kid': 'curve', 'use': 'sig'}, private=True)
        self.forger.keys.append(key)
        token = self.forger.logout_token(
            sub='somebody', token=lambda claims: jwt.encode(
                {'alg': 'ES256', 'kid': 'curve'}, claims, key))
        self.assertEqual(
            self.provider.logout_claims(token)['sub'], 'somebody')

    def test_other_keys(self):
        "A secret, or a key to encrypt, verifies nothing"
        self.forger.keys[0] = new_key('first')
        for changes in [
                {'kty': 'oct', 'k': 'c2VjcmV0', 'n': None},
                {'use': 'enc'}]:
            with self.subTest(changes=changes):
                content = {
                    **self.forger.key.as_dict(private=False), **changes}
                openid_provider._published.clear()
                self.forger.keys = [
                    type('Key', (), {
                            'as_dict': lambda self, private: content})()]
                with self.assertRaises(ProviderError):
                    self.logout()

    def test_metadata(self):
        "The provider is the one that is configured, and over https"
        answer = self.forger._metadata
        for name, value in [
                ('issuer', 'https://example.com'),
                ('issuer', f'{self.forger.issuer}/'),
                ('authorization_endpoint', 'javascript:alert(1)'),
                ('token_endpoint', 'http://example.com/token'),
                ('jwks_uri', None),
                ('jwks_uri', 'file:///etc/passwd')]:
            with self.subTest(name=name, value=value):
                openid_provider._published.clear()
                self.forger._metadata = lambda *args: {
                    **answer(*args), name: value}
                with self.assertRaises(ProviderError):
                    self.provider.metadata()

    def test_no_expiry(self):
        "A logout token without expiry is good for minutes only"
        now = int(time.time())
        for age, accepted in [(0, True), (200, True), (400, False)]:
            token = self.forger.logout_token(
                sub='somebody', exp=None, iat=now - age)
            if accepted:
                self.provider.logout_claims(token)
            else:
                with self.assertRaises(ProviderError):
                    self.provider.logout_claims(token)
