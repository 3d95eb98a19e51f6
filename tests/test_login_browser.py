# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The activation and the login in a real browser."
import itertools
import time

import pyotp
from axe_playwright_python.sync_playwright import Axe

from browser import BrowserTestCase
from harness import PASSWORD, VAR
from login_tools import STRONG, Refused, code, login, users

NEW_PASSWORD = 'mulet-Orage7-vitrail=fougue'
PHONE = {'width': 360, 'height': 740}
DESKTOP = {'width': 1280, 'height': 800}
LOCALES = {'fr': 'fr-FR', 'en': 'en-GB'}
TEXTS = {
    'fr': {
        'title': "Activer votre compte",
        'code': "Code d'activation",
        'next': "Continuer",
        'wrong': "Ce code d'activation n'est pas le bon.",
        'password': "Mot de passe",
        'again': "Mot de passe, une seconde fois",
        'differ': "Les deux mots de passe sont différents.",
        'totp': "Code à 6 chiffres",
        'refused': "Ce code n'est pas accepté.",
        'save': "Enregistrer",
        'done': "Votre compte est actif",
        'stopped': "Rien n'est enregistré",
        },
    'en': {
        'title': "Activate your account",
        'code': "Activation code",
        'next': "Continue",
        'wrong': "This activation code is not the right one.",
        'password': "Password",
        'again': "Password, a second time",
        'differ': "The two passwords are different.",
        'totp': "6-digit code",
        'refused': "This code is not accepted.",
        'save': "Save",
        'done': "Your account is active",
        'stopped': "Nothing is saved",
        },
    }


def links(config):
    "Users with two factors, and users with a link whose secrets are known."
    from trytond.modules.early_access_audit import activation
    from trytond.pool import Pool
    from trytond.transaction import Transaction
    users(config)
    with Transaction().start(config.database_name, 0):
        pool = Pool()
        Activation = pool.get('early_access.audit.activation')
        Totp = pool.get('early_access.audit.totp')
        User = pool.get('res.user')
        for i in range(4):
            user, = User.create([{
                        'name': f'New {i}', 'login': f'new{i}',
                        'email': f'new{i}@example.com'}])
            token = f'token{i}'
            expires = activation.dt.datetime.now() + activation.DAY
            Activation.create([{
                        'user': user.id,
                        'kind': 'activation',
                        'token_digest': activation.digest(token),
                        'code_digest': activation.digest(token, 'ABCDEFGH'),
                        'totp': Totp.propose(user.id).id,
                        'expires': expires,
                        }])


class LoginBrowserTestCase(BrowserTestCase):
    "Test the activation and the login in a browser"
    module = 'early_access_audit'
    fixtures = links
    environ = STRONG | {'TRYTOND_SESSION__MAX_ATTEMPT': '2'}
    _numbers = itertools.count()

    def page(self, token, language='en', viewport=PHONE):
        context = self.browser.new_context(
            locale=LOCALES[language], viewport=viewport)
        self.addCleanup(context.close)
        page = context.new_page()
        page.set_default_timeout(30_000)
        self.messages, self.requests = [], []
        page.on('console', lambda m: self.messages.append(m.text))
        page.on('pageerror', lambda e: self.messages.append(str(e)))
        page.on('request', lambda r: self.requests.append(r.url))
        page.goto(
            f'{self.server.address}{self.database}/early_access/activation'
            f'#{token}')
        return page

    def check(self, page, name):
        "Check that anybody can use what the page shows, and picture it."
        results = Axe().run(page)
        violations = [
            (v['id'], v['impact'], [n['html'] for n in v['nodes']])
            for v in results.response['violations']
            if v['impact'] in {'serious', 'critical'}]
        self.assertEqual(violations, [])
        self.assertLessEqual(
            page.evaluate('document.documentElement.scrollWidth'),
            page.viewport_size['width'])
        directory = VAR / 'screenshots' / self.databases.backend
        directory.mkdir(parents=True, exist_ok=True)
        page.screenshot(
            path=directory / f'activation-{name}.png', full_page=True)

    def heading(self, page, text):
        page.get_by_role('heading', name=text, level=1).wait_for()

    def test_activation(self):
        "The whole way, in both languages and on both screens"
        for language, viewport in [('fr', PHONE), ('en', DESKTOP)]:
            with self.subTest(language=language):
                self.activate(language, viewport)

    def activate(self, language, viewport):
        number = next(self._numbers)
        texts, name = TEXTS[language], f'new{number}'
        page = self.page(f'token{number}', language, viewport)
        self.heading(page, texts['title'])
        # The link does not stay in the address
        self.assertNotIn('#', page.url)
        self.assertEqual(
            page.evaluate('document.documentElement.lang'), language)
        self.check(page, f'{language}-1-code')
        page.get_by_label(texts['code']).fill('WRONG')
        page.keyboard.press('Enter')
        page.get_by_role('alert').get_by_text(texts['wrong']).wait_for()
        page.get_by_label(texts['code']).fill('abcd-efgh')
        page.keyboard.press('Enter')

        page.locator('#secret').wait_for()
        image = page.locator('img')
        self.assertGreater(image.evaluate('e => e.naturalWidth'), 100)
        self.check(page, f'{language}-2-factor')
        secret = page.locator('#secret').inner_text().replace(' ', '')
        totp = pyotp.TOTP(secret)
        password = page.get_by_label(texts['password'], exact=True)
        password.fill(NEW_PASSWORD)
        page.get_by_label(texts['again']).fill('another')
        page.get_by_role('button', name=texts['save']).click()
        page.get_by_role('alert').get_by_text(texts['differ']).wait_for()
        for weak in ['Password123!', NEW_PASSWORD]:
            password.fill(weak)
            page.get_by_label(texts['again']).fill(weak)
            page.get_by_label(texts['totp']).fill('000000')
            page.get_by_role('button', name=texts['save']).click()
            field = 'password' if weak != NEW_PASSWORD else 'totp'
            page.locator(f'#{field}-error').wait_for()
            self.check(page, f'{language}-3-{field}')
        self.assertIn(
            texts['refused'], page.locator('#totp-error').inner_text())
        page.get_by_label(texts['totp']).fill(totp.now())
        page.keyboard.press('Enter')

        self.heading(page, texts['done'])
        self.check(page, f'{language}-4-done')
        codes = page.locator('#codes code').all_inner_texts()
        self.assertEqual(len(set(codes)), 10)
        self.assertEqual(page.context.cookies(), [])
        self.assertEqual(page.evaluate('localStorage.length'), 0)
        address = f'{self.server.address}{self.database}/'
        self.assertEqual([
                u for u in self.requests
                if not u.startswith((address, 'data:'))], [])
        self.assertEqual([m for m in self.messages if '4' not in m], [])
        page = self.page(f'token{number}', language)
        self.heading(page, texts['stopped'])
        login(
            self.server, name, password=NEW_PASSWORD,
            totp=totp.at(time.time() + 30))
        login(self.server, name, password=NEW_PASSWORD, totp=codes[0])

    def test_login(self):
        "The client asks the code after the password"
        client = self.new_client()
        client.login('admin', code=code())
        client.screenshot('login-code')
        client.logout()

    def test_blocked(self):
        "The client says that there were too many tries"
        for _ in range(2):
            with self.assertRaises(Refused):
                login(
                    self.server, 'user20', password='wrong', totp='123456')
        client = self.new_client()
        client.start_login('user20')
        client._ask(PASSWORD)
        client._ask(code())
        client.page.get_by_text("Too many requests").wait_for()
        client.screenshot('login-blocked')
