# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The sign-in of hospital professionals in a browser, with a real provider."
import json
import re
import socket
import subprocess
import time
import urllib.request

from axe_playwright_python.sync_playwright import Axe

from browser import BrowserTestCase
from common import PROVIDER, TOP
from fetch_client import npm_command
from harness import VAR, WORK
from login_tools import code
from openid_tools import hospitals, settings
from trytond.modules.early_access_audit.tests.provider import (
    CLIENT_ID, SECRET, claims_of)

PHONE = {'width': 360, 'height': 740}
BUTTON = "Pro Santé Connect"
# Numbers of the range of the tests, that no professional has
UNKNOWN = ['99701000012', '99701000020']


class Provider:
    """The provider oidc-provider on loopback.

    Its address is known from the beginning, and that of the server once it
    has started.
    """

    def __init__(self):
        with socket.socket() as sock:
            sock.bind(('localhost', 0))
            _, self.port = sock.getsockname()
        self.issuer = f'http://localhost:{self.port}'

    def start(self, base, accounts):
        """Serve.

        :param base: the address of the routes of the server.
        :param accounts: the claims of the users, by their login.
        """
        self.log_path = WORK / 'logs' / f'provider-{self.port}.log'
        with open(self.log_path, 'w') as log:
            self._process = subprocess.Popen(
                [*npm_command('node'), str(
                        TOP / 'tests' / 'provider' / 'provider.mjs')],
                stdin=subprocess.PIPE, stdout=log, stderr=log, text=True)
        self._process.stdin.write(json.dumps({
                    'modules': str(PROVIDER / 'node_modules'),
                    'issuer': self.issuer,
                    'port': self.port,
                    'client': {
                        'client_id': CLIENT_ID,
                        'client_secret': SECRET,
                        'grant_types': ['authorization_code'],
                        'response_types': ['code'],
                        'redirect_uris': [f'{base}/callback'],
                        'backchannel_logout_uri': f'{base}/logout',
                        'backchannel_logout_session_required': True,
                        },
                    'accounts': accounts,
                    }))
        self._process.stdin.close()
        deadline = time.monotonic() + 60
        while 'ready' not in self.log_path.read_text():
            if (self._process.poll() is not None
                    or time.monotonic() > deadline):
                raise RuntimeError(self.log_path.read_text())
            time.sleep(.1)

    def stop(self):
        self._process.terminate()
        self._process.wait(20)


class OpenIDBrowserTestCase(BrowserTestCase):
    "Test the sign-in in a browser"
    module = 'early_access_audit'
    fixtures = hospitals

    @classmethod
    def setUpClass(cls):
        cls.provider = Provider()
        cls.environ = settings(cls.provider.issuer)
        super().setUpClass()
        cls.base = f'{cls.server.address}{cls.database}/early_access/openid'
        rpps = dict(cls.sql(
                'SELECT u.login, p.rpps FROM early_access_professional AS p '
                'JOIN res_user AS u ON u.id = p."user"'))
        finess = dict(cls.sql(
                'SELECT p.name, i.code FROM party_identifier AS i '
                'JOIN party_party AS p ON p.id = i.party '
                "WHERE i.type = 'fr_finess'"))
        north, south = finess["North Hospital"], finess["South Hospital"]
        accounts = {
            'prescriber': claims_of(rpps['prescriber'], north),
            'haematologist': claims_of(rpps['haematologist'], north, south),
            'elsewhere': claims_of(
                rpps['south_prescriber'], finess["East Clinic"]),
            'unknown': claims_of(UNKNOWN[0], north),
            'stranger': claims_of(UNKNOWN[1], north, profession='21'),
            }
        for account in accounts.values():
            del account['sub']
        cls.provider.start(cls.base, accounts)
        cls.addClassCleanup(cls.provider.stop)

    def setUp(self):
        super().setUp()
        (self.seen,), = self.sql(
            'SELECT COALESCE(MAX(id), 0) FROM early_access_audit_event')

    @classmethod
    def sql(cls, query):
        with cls.databases.databases.connect(cls.database) as connection:
            return connection.execute(query).fetchall()

    def events(self, action):
        "Return the reasons of the events since the test began."
        return [reason for reason, in self.sql(
                'SELECT reason FROM early_access_audit_event '
                f"WHERE action = '{action}' AND id > {self.seen} "
                'ORDER BY id')]

    def dialog(self, client):
        "Return the dialog in which the client asks to log in."
        client.page.goto(f'{self.server.address}#{self.database}')
        dialog = client.page.locator('.login-dialog')
        database = dialog.locator('#database:visible')
        database.wait_for()
        if database.evaluate('e => e.tagName') == 'SELECT':
            database.select_option(self.database)
        return dialog

    def press(self, client, dialog):
        "Return the window that the button of the provider opens."
        with client.page.expect_popup() as popup:
            dialog.get_by_role('button', name=BUTTON).click()
        return popup.value

    def open(self, account, **options):
        "Return a client and the window in which the account signs in."
        client = self.new_client(**options)
        window = self.press(client, self.dialog(client))
        window.get_by_label("Identifiant").fill(account)
        window.get_by_role('button', name="S'identifier").click()
        return client, window

    def wait_for_client(self, client):
        client.page.locator('#menu tbody tr').first.wait_for()
        client.wait()

    def check(self, page, name):
        "Check the page for everybody, and keep how it looks."
        path = VAR / 'screenshots' / self.databases.backend
        path.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=path / f'{name}.png', full_page=True)
        violations = Axe().run(page).response['violations']
        self.assertEqual(
            [(v['id'], [n['html'] for n in v['nodes']]) for v in violations],
            [])
        self.assertLessEqual(
            page.evaluate('document.documentElement.scrollWidth'),
            page.evaluate('window.innerWidth'))

    def test_sign_in(self):
        "From the login page to the client, and out again"
        client, window = self.open('prescriber')
        self.wait_for_client(client)
        self.assertTrue(window.is_closed())
        self.assertEqual(self.events('login'), ['openid'])
        self.assertIn("Prescriber", client.page.locator('body').inner_text())
        # Neither the session nor the login is in the storage of the page
        stored = client.page.evaluate('JSON.stringify(localStorage)')
        self.assertNotIn('prescriber', stored)
        keys = [k for k, in self.sql('SELECT key FROM ir_session')]
        self.assertFalse([k for k in keys if k in stored])
        # It lives across a reload
        client.page.reload()
        self.wait_for_client(client)
        client.screenshot('openid-client')
        client.logout()
        self.assertEqual(self.events('logout'), [None])

    def test_choice(self):
        "Of two establishments one is chosen, with the keyboard"
        client, window = self.open(
            'haematologist', locale='fr-FR', viewport=PHONE)
        window.get_by_role('heading', name="Où exercez-vous").wait_for()
        self.check(window, 'openid-choice-fr')
        # Nothing goes without a choice
        window.get_by_role('button', name="Continuer").click()
        self.assertIn('/choice', window.url)
        window.get_by_label(re.compile("South Hospital")).focus()
        window.keyboard.press('Space')
        window.keyboard.press('Enter')
        client.page.locator('.login-dialog').wait_for(state='detached')
        places = self.sql(
            'SELECT p.name FROM ir_session AS s '
            'JOIN party_party AS p ON p.id = s.place '
            'JOIN res_user AS u ON u.id = s.create_uid '
            "WHERE u.login = 'haematologist'")
        self.assertEqual(places, [("South Hospital",)])

    def test_pending(self):
        "Who is not known is told what happens next"
        for account, locale, title in [
                ('unknown', 'fr-FR', "Votre demande est enregistrée"),
                ('stranger', 'en-GB', "Your request is registered")]:
            with self.subTest(locale):
                client, window = self.open(account, locale=locale)
                window.get_by_role('heading', name=title).wait_for()
                self.check(window, f'openid-pending-{locale[:2]}')
                window.close()
                # The client offers to log in again
                client.page.locator(
                    '.login-dialog #login:not([disabled])').wait_for()
        self.assertEqual(self.sql(
                'SELECT state, profession, "user" '
                'FROM early_access_professional '
                f"WHERE rpps IN ('{UNKNOWN[0]}', '{UNKNOWN[1]}') "
                'ORDER BY rpps'),
            [('pending', 'doctor', None), ('pending', 'pharmacist', None)])

    def test_no_activity(self):
        _, window = self.open('elsewhere')
        window.get_by_role(
            'heading', name="No establishment of yours").wait_for()
        self.check(window, 'openid-no-activity-en')

    def test_cancelled(self):
        "A user who closes the window may try again"
        client = self.new_client()
        dialog = self.dialog(client)
        window = self.press(client, dialog)
        window.get_by_label("Identifiant").wait_for()
        window.close()
        dialog.locator('#login:not([disabled])').wait_for()
        self.press(client, dialog)

    def test_provider_logout(self):
        "Who signs out at the provider is out here"
        client, _ = self.open('prescriber')
        self.wait_for_client(client)
        window = client.page.context.new_page()
        window.goto(f'{self.provider.issuer}/session/end')
        window.locator('button[name=logout]').first.click()
        window.wait_for_load_state()
        deadline = time.monotonic() + 30
        while (time.monotonic() < deadline
                and 'provider' not in self.events('session_end')):
            time.sleep(.1)
        self.assertIn('provider', self.events('session_end'))
        self.assertEqual(self.sql(
                'SELECT s.id FROM ir_session AS s '
                'JOIN res_user AS u ON u.id = s.create_uid '
                "WHERE u.login = 'prescriber'"), [])

    def test_fallback(self):
        "The security officer lets users in with a password, and no longer"
        officer = self.new_client()
        officer.login('security_officer', code=code())
        officer.menu("Early Access", "Users and Roles", "Password Fallbacks")
        officer.new()
        officer.fill('authorization', "DMB")
        officer.fill('reason', "No identity provider is connected yet")
        officer.fill('measure', "The provider is connected next month.")
        entry = officer.scope.locator(
            '.form-many2many input[type=text]:visible').first
        entry.fill("North Hospital")
        officer.page.locator('li.completion:visible').get_by_text(
            "North Hospital").first.click()
        officer.wait()
        officer.save()
        self.assertEqual(officer.value('state'), "Running")
        officer.screenshot('openid-fallback')
        prescriber = self.new_client()
        prescriber.login('prescriber', code=code())
        self.assertEqual(self.events('login'), ['password+totp'] * 2)
        prescriber.menu("Early Access", "Sessions")
        prescriber.screenshot('openid-sessions')
        officer.menu("Early Access", "Authorizations")
        officer.tab("Conformity Gaps")
        officer.open("DMB")
        self.assertTrue(officer.shows('password_fallback'))
        officer.screenshot('openid-gap')
        officer.menu("Early Access", "Users and Roles", "Password Fallbacks")
        officer.open("DMB")
        with officer.message("OK"):
            officer.click("End")
        self.assertEqual(officer.value('state'), "Ended")
        self.assertEqual(self.events('session_end'), ['fallback'])

    def test_well_known(self):
        "It is the real provider that answers"
        with urllib.request.urlopen(
                f'{self.provider.issuer}/.well-known/openid-configuration'
                ) as response:
            metadata = json.load(response)
        self.assertTrue(
            metadata['authorization_response_iss_parameter_supported'])
        self.assertTrue(metadata['backchannel_logout_supported'])
