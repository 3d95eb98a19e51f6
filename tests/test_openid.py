# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The sign-in of hospital professionals, with a provider that may forge."
import datetime as dt
import json
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import requests
from joserfc.jwk import OctKey

from harness import ServerTestCase
from login_tools import Session
from openid_tools import DESKTOP, ProviderTestCase
from trytond.modules.early_access_audit.tests.provider import (
    CLIENT_ID, new_key, unsigned)
from trytond.modules.early_access_audit.tests.provider import (
    SECRET as CLIENT_SECRET)


class OpenIDTestCase(ProviderTestCase):
    "Test the sign-in with the provider"

    # Coming in

    def test_service(self):
        "The clients offer it"
        response = requests.post(f'{self.server.address}rpc/', json={
                'id': 0, 'method': 'common.authentication.services',
                'params': []})
        self.assertEqual(
            response.json()['result'],
            [["Pro Santé Connect", '/early_access/openid/login']])

    def test_request(self):
        "What the provider is asked"
        browser = self.browser()
        asked = self.asked(self.begin(browser))
        self.assertEqual(asked['response_type'], 'code')
        self.assertEqual(asked['client_id'], CLIENT_ID)
        self.assertEqual(asked['scope'], 'openid scope_all')
        self.assertEqual(asked['acr_values'], 'eidas1')
        self.assertEqual(asked['redirect_uri'], f'{self.base}/callback')
        self.assertEqual(asked['code_challenge_method'], 'S256')
        self.assertEqual(len(asked['code_challenge']), 43)
        self.assertEqual(len(asked['state']), 43)
        self.assertEqual(len(asked['nonce']), 43)
        other = self.asked(self.begin(browser))
        for name in ['state', 'nonce', 'code_challenge']:
            self.assertNotEqual(asked[name], other[name])

    def test_cookie(self):
        browser = self.browser()
        response = browser.get(
            f'{self.base}/login', allow_redirects=False)
        cookie = response.headers['Set-Cookie']
        self.assertIn('HttpOnly', cookie)
        self.assertIn('SameSite=Lax', cookie)
        self.assertIn(f'Path=/{self.database}/early_access/openid', cookie)
        # Neither it nor the state is in the database
        rows = json.dumps(self.sql(
                'SELECT * FROM early_access_audit_openid_sign_in'),
            default=str)
        secret, = browser.cookies.values()
        state = self.asked(response.headers['Location'])['state']
        self.assertNotIn(secret, rows)
        self.assertNotIn(state, rows)

    def test_browser_client(self):
        "The browser client has a session in its cookie, not in an address"
        next_ = f'{self.server.address}?login_service=/any'
        response = self.sign_in(self.prescriber(), next_)
        session = self.session(response)
        self.assertTrue(session.lives())
        location = urlsplit(response.headers['Location'])
        self.assertEqual(
            f'{location.scheme}://{location.netloc}{location.path}',
            self.server.address)
        query = self.asked(response.headers['Location'])
        self.assertEqual(query, {
                'login_service': '/early_access/openid/login',
                'database': self.database,
                'login': str(session.user),
                'user_id': str(session.user),
                })
        cookie = response.headers['Set-Cookie']
        for attribute in ['Secure', 'HttpOnly', 'SameSite=Strict']:
            self.assertIn(attribute, cookie)
        self.assertEqual(response.headers['Cache-Control'], 'no-store')
        self.assertEqual(self.events('login'), ['openid'])
        self.assertEqual(self.events('login_failed'), [])
        self.assertEqual(self.sql(
                f'SELECT login FROM res_user WHERE id = {session.user}'),
            [('prescriber',)])

    def test_desktop_client(self):
        "The desktop client is given the session where it listens"
        response = self.sign_in(self.prescriber(), DESKTOP)
        self.assertTrue(response.headers['Location'].startswith(DESKTOP))
        self.assertNotIn(
            'tryton_session', response.headers.get('Set-Cookie', ''))
        query = self.asked(response.headers['Location'])
        session = Session.__new__(Session)
        session.server, session.name = self.server, query['login']
        session.user, session.key = int(query['user_id']), query['session']
        self.assertTrue(session.lives())

    def test_open_redirect(self):
        "Nobody is sent to another place, with or without a session"
        for next_ in [
                'https://example.com/', '//example.com/',
                'http://localhost.example.com:8001/',
                'http://localhost:8001@example.com/',
                f'{self.server.address[:-1]}.example.com/',
                f'{self.server.address[:-1]}@example.com/',
                'https://localhost:8001/', 'http://localhost:x/',
                'javascript:alert(1)', 'http://[', '\\\\example.com']:
            with self.subTest(next=next_):
                response = self.sign_in(self.prescriber(), next_)
                location = response.headers['Location']
                self.assertTrue(
                    location.startswith(f'{self.server.address}?'), location)
                self.assertNotIn('session=', location)

    def test_renew(self):
        "A session is renewed for its user only"
        session = self.session(self.sign_in(self.prescriber()))
        self.sql('DELETE FROM ir_session')
        browser = self.browser()
        for renew, status in [(session.user, 303), (session.user + 1, 403)]:
            url = self.begin(
                browser, f'{self.server.address}?renew={renew}')
            response = self.back(
                browser, url, self.provider.authorize(
                    url, self.prescriber()))
            self.assertEqual(response.status_code, status)
        self.assertEqual(
            self.events('login_failed'), ['openid other user'])

    def test_session_rules(self):
        "The session ends when it is idle, as any other"
        session = self.session(self.sign_in(self.prescriber()))
        old = dt.datetime.now() - dt.timedelta(hours=1)
        self.sql(f"UPDATE ir_session SET create_date = '{old}'")
        self.assertFalse(session.lives())
        self.assertEqual(self.events('session_end'), ['idle'])

    def test_log(self):
        "No code, state or token is in the log of the server"
        browser = self.browser()
        url = self.begin(browser)
        state = self.asked(url)['state']
        token = self.provider.authorize(url, self.prescriber())
        self.back(browser, url, token)
        self.back(browser, url, token)
        for secret in [state, token, *self.provider.users]:
            self.assertNotIn(secret, self.server.log)

    # Refused

    def test_forged_tokens(self):
        "No ID token is accepted that is not the right one"
        provider, now = self.provider, int(time.time())
        public = provider.key.as_pem(private=False)
        cases = {
            'other key': {
                'token': lambda c: provider.sign(c, new_key())},
            'none': {'token': unsigned},
            'public key as secret': {
                'token': lambda c: unsigned(c, 'HS256', public)},
            'client secret': {
                'token': lambda c: provider.sign(
                    c, OctKey.import_key(CLIENT_SECRET), 'HS256')},
            'no token': {'token': lambda c: None},
            'garbage': {'token': lambda c: 'a.b.c'},
            'changed': {
                'token': lambda c: provider.sign(c).replace('.', '.e', 1)},
            'other issuer': {'iss': 'https://example.com'},
            'no issuer': {'iss': None},
            'issuers': {'iss': [provider.issuer, 'https://example.com']},
            'other audience': {'aud': 'other', 'azp': None},
            'no audience': {'aud': None},
            'other party': {'aud': [CLIENT_ID, 'other'], 'azp': 'other'},
            'no party': {'aud': [CLIENT_ID, 'other'], 'azp': None},
            'expired': {'exp': now - 120, 'iat': now - 300},
            'no expiry': {'exp': None},
            'of the future': {'iat': now + 300, 'exp': now + 600},
            'no time': {'iat': None},
            'other nonce': {'nonce': 'other'},
            'no nonce': {'nonce': None},
            'weak': {'acr': 'eidas0'},
            'no strength': {'acr': None},
            'other access token': {'at_hash': 'x' * 22},
            'nobody': {'sub': ''},
            }
        for name, changes in cases.items():
            with self.subTest(name):
                before = self.sessions()
                self.assertStopped(
                    self.sign_in(self.prescriber(), **changes),
                    "The sign-in has not succeeded", 'openid id_token')
                self.assertEqual(self.sessions(), before)

    def test_other_user_info(self):
        "The claims must be of who has the ID token"
        claims = self.prescriber()
        self.assertStopped(
            self.sign_in(claims, user_info={**claims, 'sub': 'other'}),
            "The sign-in has not succeeded", 'openid user_info')

    def test_replayed_state(self):
        "A state is good once"
        browser = self.browser()
        url = self.begin(browser)
        cookies = browser.cookies.copy()
        claims = self.prescriber()
        token = self.provider.authorize(url, claims)
        self.session(self.back(browser, url, token))
        browser.cookies = cookies
        token = self.provider.authorize(url, claims)
        response = self.back(browser, url, token)
        self.assertEqual(response.status_code, 403)
        self.assertEqual(self.events('login_failed'), ['openid state'])
        self.assertEqual(self.events('login'), ['openid'])
        # The provider was not even asked
        self.assertIn(token, self.provider.codes)

    def test_parallel_state(self):
        "Of many that come back with a state one at most comes in"
        browser = self.browser()
        url = self.begin(browser)
        cookies = browser.cookies.copy()
        codes = [
            self.provider.authorize(url, self.prescriber())
            for _ in range(8)]

        def back(token):
            other = self.browser()
            other.cookies = cookies.copy()
            return self.back(other, url, token).status_code
        with ThreadPoolExecutor(8) as executor:
            statuses = list(executor.map(back, codes))
        self.assertEqual(statuses.count(303), 1, statuses)

    def test_replayed_code(self):
        "A code is good once"
        browser = self.browser()
        url = self.begin(browser)
        token = self.provider.authorize(url, self.prescriber())
        self.session(self.back(browser, url, token))
        url = self.begin(browser)
        response = self.back(browser, url, token)
        self.assertEqual(response.status_code, 403)
        self.assertEqual(self.events('login_failed'), ['openid code'])

    def test_code_of_another(self):
        "The code of another sign-in does not come in: PKCE and nonce"
        attacker, victim = self.browser(), self.browser()
        stolen = self.begin(attacker)
        token = self.provider.authorize(stolen, self.prescriber())
        url = self.begin(victim)
        self.assertStopped(
            self.back(victim, url, token),
            "The sign-in has not succeeded", 'openid code')

    def test_other_browser(self):
        "The state of a browser is nothing in another"
        url = self.begin(self.browser())
        other = self.browser()
        self.begin(other)
        for browser in [self.browser(), other]:
            token = self.provider.authorize(url, self.prescriber())
            self.assertStopped(
                self.back(browser, url, token),
                "begun in another window", 'openid state')

    def test_expired_state(self):
        browser = self.browser()
        url = self.begin(browser)
        past = dt.datetime.now() - dt.timedelta(seconds=1)
        self.sql(
            'UPDATE early_access_audit_openid_sign_in '
            f"SET expires = '{past}'")
        token = self.provider.authorize(url, self.prescriber())
        self.assertStopped(
            self.back(browser, url, token), "It took too long",
            'openid state')

    def test_other_issuer(self):
        "The answer of another provider is refused before it is asked"
        browser = self.browser()
        url = self.begin(browser)
        token = self.provider.authorize(url, self.prescriber())
        self.assertStopped(
            self.back(browser, url, token, iss='https://example.com'),
            "The sign-in has not succeeded", 'openid issuer')
        self.assertIn(token, self.provider.codes)

    def test_cancelled(self):
        browser = self.browser('fr')
        url = self.begin(browser)
        self.assertStopped(
            self.back(browser, url, error='access_denied'),
            "Vous n'êtes pas identifié", 'openid denied')

    def test_malformed(self):
        "Whatever is sent is refused with a page"
        for query in [
                {}, {'state': 'x'}, {'state': ['x', 'y']},
                {'state': 'x\0', 'code': 'y'}, {'state': 'x' * 5000}]:
            with self.subTest(query=str(query)[:40]):
                browser = self.browser()
                browser.cookies.set('early_access_openid', 'x')
                response = browser.get(
                    f'{self.base}/callback', params=query,
                    allow_redirects=False)
                self.assertStopped(
                    response, "The sign-in has not succeeded",
                    'openid state')

    def test_page(self):
        "The pages run nothing, load nothing and are kept nowhere"
        response = self.browser('fr').get(f'{self.base}/callback')
        headers = response.headers
        self.assertEqual(headers['Content-Language'], 'fr')
        self.assertEqual(headers['Cache-Control'], 'no-store')
        policy = headers['Content-Security-Policy']
        self.assertIn("default-src 'none'", policy)
        self.assertIn("frame-ancestors 'none'", policy)
        self.assertNotIn('script', policy)
        self.assertNotIn('<script', response.text)
        self.assertIn("L&#x27;identification n&#x27;a pas abouti",
            response.text)

    def test_limited(self):
        "A network that tries too much waits"
        for _ in range(3):
            self.browser().get(f'{self.base}/callback')
        (tries,), = self.sql(
            "SELECT tries FROM early_access_audit_throttle "
            "WHERE kind = 'openid'")
        self.assertEqual(tries, 3)
        # What succeeds does not count
        self.session(self.sign_in(self.prescriber()))
        self.assertEqual(self.sql(
                "SELECT tries FROM early_access_audit_throttle "
                "WHERE kind = 'openid'"), [(3,)])
        until = dt.datetime.now() + dt.timedelta(minutes=10)
        self.sql(
            f"UPDATE early_access_audit_throttle SET until = '{until}' "
            "WHERE kind = 'openid'")
        for path in ['login', 'callback']:
            response = self.browser().get(
                f'{self.base}/{path}', allow_redirects=False)
            self.assertEqual(response.status_code, 429)
            self.assertIn("Too many tries", response.text)
        response = requests.post(
            f'{self.base}/logout', {'logout_token': 'x'})
        self.assertEqual(response.status_code, 429)


class UnreachableTestCase(ProviderTestCase):
    "Test the sign-in where the provider does not answer"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.provider.stop()

    def test_unreachable(self):
        response = self.browser().get(
            f'{self.base}/login', allow_redirects=False)
        self.assertStopped(
            response, "Pro Santé Connect does not answer",
            'openid provider', 503)
        self.assertEqual(requests.post(
                f'{self.base}/logout',
                {'logout_token': 'x'}).status_code, 503)


class UnconfiguredTestCase(ServerTestCase):
    "Test a server that has no provider"
    module = 'early_access_audit'

    def test_off(self):
        base = f'{self.server.address}{self.database}/early_access/openid'
        for path in ['login', 'callback', 'choice']:
            self.assertEqual(
                requests.get(f'{base}/{path}').status_code, 404)
        self.assertEqual(requests.post(f'{base}/logout').status_code, 404)
        response = requests.post(f'{self.server.address}rpc/', json={
                'id': 0, 'method': 'common.authentication.services',
                'params': []})
        self.assertEqual(response.json()['result'], [])
