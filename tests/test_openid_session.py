# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The ends of the sessions that the provider began, and doing without it."
import time

import requests

from harness import PASSWORD
from login_tools import Asked, Refused, Session, login
from openid_tools import ProviderTestCase
from trytond.modules.early_access_audit.tests.provider import (
    LOGOUT_EVENT, claims_of, new_key, unsigned)


class LogoutTestCase(ProviderTestCase):
    "Test that the provider ends sessions"

    def end(self, token):
        return requests.post(
            f'{self.base}/logout', {'logout_token': token}).status_code

    def test_logout(self):
        "The provider ends one session, or all those of a person"
        claims = self.prescriber()
        first = self.session(self.sign_in(claims, sid='first'))
        second = self.session(self.sign_in(claims, sid='second'))
        other = self.session(self.sign_in(claims_of(
                    self.rpps('south_prescriber'),
                    *self.finess("South Hospital"))))
        self.assertEqual(self.end(self.provider.logout_token(
                    sub=claims['sub'], sid='first')), 200)
        self.assertEqual(
            [s.lives() for s in [first, second, other]],
            [False, True, True])
        self.assertEqual(self.end(
                self.provider.logout_token(sub=claims['sub'])), 200)
        self.assertEqual(
            [s.lives() for s in [second, other]], [False, True])
        self.assertEqual(self.events('session_end'), ['provider'] * 2)

    def test_logout_ends_the_choice(self):
        browser, page = self.choice("North Hospital", "South Hospital")
        place, *_ = self.places(page)
        sub = f"f:directory:8{self.rpps('haematologist')}"
        self.assertEqual(
            self.end(self.provider.logout_token(sid=f'sid-{sub}')), 200)
        response = browser.post(
            f'{self.base}/choice', {'place': place}, allow_redirects=False)
        self.assertEqual(response.status_code, 403)

    def test_forged_logout(self):
        "No logout token is accepted that is not the right one"
        provider, now = self.provider, int(time.time())
        claims = self.prescriber()
        session = self.session(self.sign_in(claims))
        public = provider.key.as_pem(private=False)
        for name, changes in {
                'other key': {
                    'token': lambda c: provider.sign(c, new_key())},
                'none': {'token': unsigned},
                'public key as secret': {
                    'token': lambda c: unsigned(c, 'HS256', public)},
                'other issuer': {'iss': 'https://example.com'},
                'other audience': {'aud': 'other'},
                'expired': {'exp': now - 120},
                'old': {'iat': now - 3600, 'exp': None},
                'of the future': {'iat': now + 300},
                'no time': {'iat': None},
                'no identifier': {'jti': None},
                'no event': {'events': None},
                'other event': {'events': {'http://example.com': {}}},
                'event of no kind': {'events': {LOGOUT_EVENT: None}},
                'ID token': {'nonce': 'x'},
                'nobody': {'sub': None},
                }.items():
            with self.subTest(name):
                token = provider.logout_token(
                    **{'sub': claims['sub'], **changes})
                self.assertEqual(self.end(token), 400)
                self.assertTrue(session.lives())
                self.assertEqual(
                    self.events('login_failed')[-1], 'openid logout_token')
        self.assertEqual(self.end(''), 400)
        self.assertEqual(self.end(['x', 'y']), 400)

    def test_replayed_logout(self):
        "A logout token is good once"
        claims = self.prescriber()
        self.session(self.sign_in(claims))
        token = self.provider.logout_token(sub=claims['sub'])
        self.assertEqual(self.end(token), 200)
        session = self.session(self.sign_in(claims))
        self.assertEqual(self.end(token), 400)
        self.assertTrue(session.lives())


class FallbackTestCase(ProviderTestCase):
    "Test the password of hospital users"

    def test_password(self):
        "A password lets hospital users in only where a fallback says so"
        def refused(name):
            self.sql('DELETE FROM early_access_audit_throttle')
            with self.assertRaises(Refused) as cm:
                Session(self.server, name)
            self.assertEqual(cm.exception.status, 401)
            self.assertEqual(
                self.events('login_failed')[-1:], ['fallback'])
        self.wait_for_code()
        officer = Session(self.server, 'security_officer')
        for name in ['prescriber', 'hospital_pharmacist']:
            refused(name)
        (authorization,), = self.sql(
            'SELECT id FROM early_access_authorization')
        (place,), = self.sql(
            "SELECT id FROM party_party WHERE name = 'North Hospital'")
        fallback, = officer.model(
            'early_access.audit.password_fallback', 'create', [{
                    'authorization': authorization,
                    'places': [['add', [place]]],
                    'reason': 'no_provider',
                    'measure': "The provider is connected in a month.",
                    }])
        self.wait_for_code()
        session = Session(self.server, 'prescriber')
        self.assertTrue(session.lives())
        # The provider lets in as before
        other = self.session(self.sign_in(self.prescriber()))
        for name in ['hospital_pharmacist', 'south_prescriber']:
            refused(name)
        officer.model(
            'early_access.audit.password_fallback', 'end', [fallback])
        self.assertFalse(session.lives())
        self.assertTrue(other.lives())
        self.assertEqual(self.events('session_end'), ['fallback'])
        self.wait_for_code()
        refused('prescriber')

    def wait_for_code(self):
        "Forget that the code was used, rather than wait for the next one."
        self.sql('UPDATE early_access_audit_totp SET last_step = 0')

    def test_asked_the_same(self):
        "A hospital user is asked what a wrong password would be asked"
        for password in [PASSWORD, 'wrong']:
            with self.assertRaisesRegex(Asked, 'totp'):
                login(self.server, 'prescriber', password=password)
