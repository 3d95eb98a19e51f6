# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Hospitals, their professionals and a provider that may forge."
import html
import os
import re
from urllib.parse import parse_qs, urlsplit

import requests

from harness import PASSWORD, WORK, ServerTestCase
from login_tools import SECRET, STRONG, Session
from trytond.modules.early_access_audit.tests.provider import (
    CLIENT_ID, ForgingProvider, claims_of)
from trytond.modules.early_access_audit.tests.provider import (
    SECRET as CLIENT_SECRET)

DESKTOP = 'http://localhost:8001/'


def hospitals(config):
    """Create hospitals and their users, who have two factors.

    The haematologist works in two establishments.
    """
    from proteus import Model
    from trytond.modules.early_access.tests import tools
    from trytond.pool import Pool
    from trytond.transaction import Transaction
    tools.create_laboratory(config=config)
    tools.create_programme(config=config)
    with tools.run_as('configuration', config=config):
        Professional = Model.get('early_access.professional', config=config)
        Service = Model.get('early_access.service', config=config)
        professional, = Professional.find(
            [('user.login', '=', 'haematologist')])
        service, = Service.find(
            [('establishment.name', '=', "South Hospital")])
        professional.services.append(service)
        professional.save()
    with Transaction().start(config.database_name, 0):
        pool = Pool()
        Acceptance = pool.get('early_access.audit.charter.acceptance')
        Charter = pool.get('early_access.audit.charter')
        Totp = pool.get('early_access.audit.totp')
        User = pool.get('res.user')
        users = User.search([('login', '!=', 'root')])
        User.write(users, {'password_hash': User.hash_password(PASSWORD)})
        charter, = Charter.create([{
                    'version': "1",
                    'charter': "I keep to myself what I read.",
                    'logging_notice': "What you do is kept for a year.",
                    }])
        Charter.publish([charter])
        for user in users:
            Totp.propose(user.id, SECRET).activate()
            Acceptance.accept(user.id, charter)


def secret_file():
    "Return the path of the file of the secret at the provider."
    path = WORK / f'openid-secret-{os.getpid()}'
    path.touch(mode=0o600)
    path.write_text(CLIENT_SECRET + '\n')
    return path


def settings(issuer):
    "Return what a server has in its environment to use the provider."
    return {
        **STRONG,
        'TRYTOND_OPENID__ISSUER': issuer,
        'TRYTOND_OPENID__CLIENT_ID': CLIENT_ID,
        'TRYTOND_OPENID__CLIENT_SECRET_FILE': str(secret_file()),
        'TRYTOND_OPENID__CONTACT': "01 99 00 00 00",
        }


class ProviderTestCase(ServerTestCase):
    "A test case with a provider that may forge"
    module = 'early_access_audit'
    fixtures = hospitals

    @classmethod
    def setUpClass(cls):
        cls.provider = ForgingProvider()
        cls.addClassCleanup(cls.provider.stop)
        cls.environ = settings(cls.provider.issuer)
        super().setUpClass()
        cls.base = f'{cls.server.address}{cls.database}/early_access/openid'

    def setUp(self):
        super().setUp()
        self.sql('DELETE FROM early_access_audit_throttle')
        self.seen = self.sql(
            'SELECT COALESCE(MAX(id), 0) FROM early_access_audit_event')[0][0]

    def sql(self, query):
        with self.databases.databases.connect(self.database) as connection:
            cursor = connection.execute(query)
            rows = cursor.fetchall() if cursor.description else None
            if self.databases.backend == 'sqlite':
                connection.commit()
            return rows

    def events(self, action):
        "Return the reasons of the events since the test began."
        return [reason for reason, in self.sql(
                'SELECT reason FROM early_access_audit_event '
                f"WHERE action = '{action}' AND id > {self.seen} "
                'ORDER BY id')]

    def rpps(self, name):
        (number,), = self.sql(
            'SELECT p.rpps FROM early_access_professional AS p '
            'JOIN res_user AS u ON u.id = p."user" '
            f"WHERE u.login = '{name}'")
        return number

    def finess(self, *names):
        numbers = dict(self.sql(
                'SELECT p.name, i.code FROM party_identifier AS i '
                'JOIN party_party AS p ON p.id = i.party '
                "WHERE i.type = 'fr_finess'"))
        return [numbers[n] for n in names]

    def prescriber(self, **changes):
        return claims_of(
            self.rpps('prescriber'), *self.finess("North Hospital"),
            **changes)

    def sessions(self):
        return self.sql('SELECT COUNT(*) FROM ir_session')[0][0]

    def browser(self, language='en'):
        browser = requests.Session()
        browser.trust_env = False
        browser.headers['Accept-Language'] = language
        return browser

    def begin(self, browser, next_=None, **query):
        "Return the address of the provider to which the browser is sent."
        if next_:
            query['next'] = next_
        response = browser.get(
            f'{self.base}/login', params=query, allow_redirects=False)
        self.assertEqual(response.status_code, 302)
        return response.headers['Location']

    def back(self, browser, url, code=None, **query):
        "Return the answer to the browser that the provider sends back."
        query.setdefault('state', self.asked(url)['state'])
        if code:
            query['code'] = code
        return browser.get(
            f'{self.base}/callback', params=query, allow_redirects=False)

    def asked(self, url):
        return {k: v[0] for k, v in parse_qs(urlsplit(url).query).items()}

    def sign_in(self, claims, next_=None, browser=None, **changes):
        "Return the answer to the browser of who signs in."
        browser = browser or self.browser()
        url = self.begin(browser, next_)
        return self.back(
            browser, url, self.provider.authorize(url, claims, **changes))

    def session(self, response):
        "Return what a client would send with the session of the answer."
        self.assertEqual(response.status_code, 303)
        key = re.search(
            r'tryton_session="?[^";]*:(\d+):(\w+)',
            response.headers['Set-Cookie'].replace('\\054', ','))
        session = Session.__new__(Session)
        session.server, session.name = self.server, 'any'
        session.user, session.key = int(key[1]), key[2]
        return session

    def haematologist(self, *names):
        return claims_of(self.rpps('haematologist'), *self.finess(*names))

    def choice(self, *names):
        "Return the browser that is asked to choose, and the page."
        browser = self.browser()
        response = self.sign_in(
            self.haematologist(*names), browser=browser)
        self.assertEqual(response.status_code, 303)
        self.assertEqual(
            response.headers['Location'],
            f'/{self.database}/early_access/openid/choice')
        self.assertEqual(self.events('login'), [])
        return browser, browser.get(f'{self.base}/choice')

    def places(self, page):
        return dict(re.findall(
                r'value="(\d+)" required>\s*<span>([^<]*)<br>', page.text))

    def assertStopped(self, response, text, reason, status=403):
        page = html.unescape(response.text.partition('<main')[2])
        self.assertEqual(response.status_code, status, page)
        self.assertIn(text, page)
        self.assertNotIn('tryton_session', str(response.headers))
        self.assertEqual(self.events('login_failed')[-1:], [reason])
        self.assertEqual(self.events('login'), [])
