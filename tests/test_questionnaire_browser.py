# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The page of the questionnaires in a real browser, as a patient uses it."
from axe_playwright_python.sync_playwright import Axe

from browser import BrowserTestCase
from harness import VAR
from test_marker import Client
from test_questionnaire_page import new_sheet, programme
from trytond.modules.early_access.questionnaire import (
    format_token, new_token)
from trytond.modules.early_access.tests.questionnaire_tools import (
    sheet_token)

PHONE = {'width': 360, 'height': 740}
DESKTOP = {'width': 1280, 'height': 800}
LOCALES = {'fr': 'fr-FR', 'en': 'en-GB'}
TEXTS = {
    'fr': {
        'title': "Indice fictif de bien-être",
        'choice': "Souvent",
        'scale': "Votre santé aujourd'hui",
        'send': "Envoyer mes réponses",
        'problem': "Vos réponses n'ont pas été envoyées",
        'required': "Répondez à cette question.",
        'range': "Saisissez un nombre : de 0 à 100.",
        'integer': "Saisissez un nombre entier.",
        'done': "Réponses reçues",
        'enter': "Votre code",
        'continue': "Continuer",
        'refused': "Ce code n'est pas accepté.",
        'none': "Aucun questionnaire à remplir",
        },
    'en': {
        'title': "Fictional Well-being Index",
        'choice': "Often",
        'scale': "Your health today",
        'send': "Send my answers",
        'problem': "Your answers were not sent",
        'required': "Answer this question.",
        'range': "Enter a number: from 0 to 100.",
        'integer': "Enter a whole number.",
        'done': "Answers received",
        'enter': "Your code",
        'continue': "Continue",
        'refused': "This code is not accepted.",
        'none': "No questionnaire to fill in",
        },
    }


class QuestionnaireBrowserTestCase(BrowserTestCase):
    "Test the page of the questionnaires in a browser"
    fixtures = programme

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.prescriber = Client(cls.server, 'prescriber')
        cls.patients = cls.prescriber.model(
            'patient', 'search', [('state', '=', 'treated')], 0, None, None)
        cls.address = (
            f'{cls.server.address}{cls.database}/early_access/questionnaire')

    def token(self):
        html, _ = new_sheet(self.prescriber, self.patients.pop())
        return sheet_token(html)

    def page(self, token='', language='fr', viewport=PHONE):
        "Return a browser page on which the address of a sheet is open."
        context = self.browser.new_context(
            locale=LOCALES[language], viewport=viewport,
            timezone_id='Europe/Paris')
        self.addCleanup(context.close)
        page = context.new_page()
        page.set_default_timeout(30_000)
        self.messages, self.requests = [], []
        page.on('console', lambda m: self.messages.append(m.text))
        page.on('pageerror', lambda e: self.messages.append(str(e)))
        page.on('request', lambda r: self.requests.append(r.url))
        page.goto(f'{self.address}#{token}')
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
        small = page.evaluate("""() => [
            ...document.querySelectorAll('button, .entry, .choice, a')]
            .filter(e => e.checkVisibility())
            .map(e => [e.outerHTML, e.getBoundingClientRect()])
            .filter(([_, r]) => r.height < 44 || r.width < 44)
            .map(([h, _]) => h)""")
        self.assertEqual(small, [])
        directory = VAR / 'screenshots' / self.databases.backend
        directory.mkdir(parents=True, exist_ok=True)
        page.screenshot(
            path=directory / f'questionnaire-{name}.png', full_page=True)

    def answer(self, page, language, scale='73'):
        # The questions come after the page
        page.get_by_role('radiogroup').first.wait_for()
        for group in page.get_by_role('radiogroup').all():
            group.get_by_text(TEXTS[language]['choice'], exact=True).click()
        page.get_by_label(TEXTS[language]['scale']).fill(scale)

    def heading(self, page, text):
        page.get_by_role('heading', name=text, level=1).wait_for()

    def test_deposit(self):
        "Test the whole way, in both languages and on both screens"
        for language, texts in TEXTS.items():
            for size, viewport in [('phone', PHONE), ('desktop', DESKTOP)]:
                with self.subTest(language=language, size=size):
                    self.deposit(language, texts, size, viewport)

    def deposit(self, language, texts, size, viewport):
        name = f'{language}-{size}'
        token = self.token()
        page = self.page(token, language, viewport)
        self.heading(page, texts['title'])
        self.assertEqual(page.url, self.address)
        self.assertEqual(
            page.evaluate('document.documentElement.lang'), language)
        self.assertEqual(page.title(), texts['title'])
        self.check(page, f'{name}-1-empty')

        page.get_by_label(texts['scale']).fill('101')
        page.get_by_role('button', name=texts['send']).click()
        alert = page.get_by_role('alert')
        alert.get_by_text(texts['problem']).wait_for()
        self.assertEqual(
            page.evaluate('document.activeElement.className'),
            'card summary')
        scale = page.get_by_label(texts['scale'])
        self.assertEqual(scale.input_value(), '101')
        described = scale.get_attribute('aria-describedby').split()
        self.assertEqual(
            page.locator(f'#{described[-1]}').inner_text(), texts['range'])
        self.assertEqual(
            page.get_by_text(texts['required'], exact=True).count(), 5)
        self.check(page, f'{name}-2-errors')
        alert.get_by_role('link', name=texts['scale']).click()
        self.assertTrue(scale.evaluate('e => e === document.activeElement'))

        self.answer(page, language, 'x')
        page.get_by_role('button', name=texts['send']).click()
        page.get_by_text(texts['integer'], exact=True).wait_for()
        self.assertEqual(page.locator(':checked').count(), 5)
        scale.fill('73')
        page.get_by_role('button', name=texts['send']).click()
        self.heading(page, texts['done'])
        self.check(page, f'{name}-3-done')
        self.assertNotIn(texts['choice'], page.content())

        # A refused request is told by the browser
        self.assertEqual(
            [m for m in self.messages if '422' not in m], [])
        for url in self.requests:
            self.assertTrue(url.startswith(self.address), url)
            self.assertNotIn(token, url.partition('#')[0])
        self.assertEqual(page.context.cookies(), [])
        self.assertEqual(page.evaluate(
                'localStorage.length + sessionStorage.length'), 0)

        page.goto('about:blank')
        page.goto(f'{self.address}#{token}')
        self.heading(page, texts['none'])
        self.check(page, f'{name}-4-none')

    def test_code(self):
        "Test the code that is typed"
        for language, texts in TEXTS.items():
            with self.subTest(language=language):
                page = self.page(language=language)
                self.heading(page, texts['enter'])
                self.check(page, f'{language}-phone-code')
                field = page.get_by_role('textbox')
                field.fill(new_token())
                page.get_by_role('button', name=texts['continue']).click()
                page.get_by_role('alert').get_by_text(
                    texts['refused']).wait_for()
                self.assertTrue(
                    field.evaluate('e => e === document.activeElement'))
                self.check(page, f'{language}-phone-refused')
                field.fill(format_token(self.token()).lower())
                field.press('Enter')
                self.heading(page, texts['title'])

    def test_keyboard(self):
        "Test a deposit with the keyboard alone"
        page = self.page(self.token(), 'en', DESKTOP)
        self.heading(page, TEXTS['en']['title'])
        for _ in range(5):
            page.keyboard.press('Tab')
            page.keyboard.press('Space')
            page.keyboard.press('ArrowDown')
            self.assertEqual(
                page.evaluate('document.activeElement.value'), 'sometimes')
            self.assertNotEqual(
                page.evaluate("""getComputedStyle(
                    document.activeElement.closest('.choice'))
                    .outlineStyle"""), 'none')
        page.keyboard.press('Tab')
        page.keyboard.type('40')
        page.keyboard.press('Tab')
        page.keyboard.type('61,5')
        page.keyboard.press('Tab')
        page.keyboard.press('Space')
        page.keyboard.press('Enter')
        self.heading(page, TEXTS['en']['done'])
        self.assertEqual(
            page.evaluate('document.activeElement.tagName'), 'H1')

    def test_kept(self):
        "Test nothing that was entered is lost before it is received"
        page = self.page(self.token(), 'fr')
        self.heading(page, TEXTS['fr']['title'])
        self.answer(page, 'fr')
        page.get_by_role('button', name="English").click()
        self.heading(page, TEXTS['en']['title'])
        self.assertEqual(
            page.evaluate('document.documentElement.lang'), 'en')
        self.assertEqual(page.locator(':checked').count(), 5)
        self.assertEqual(
            page.get_by_label(TEXTS['en']['scale']).input_value(), '73')
        # The network fails, then comes back
        page.context.set_offline(True)
        page.get_by_role('button', name=TEXTS['en']['send']).click()
        page.get_by_role('alert').get_by_text("nothing is lost").wait_for()
        self.check(page, 'en-phone-offline')
        self.assertEqual(page.locator(':checked').count(), 5)
        page.context.set_offline(False)
        dialogs = []

        def stay(dialog):
            dialogs.append(dialog.type)
            dialog.dismiss()

        page.on('dialog', stay)
        page.close(run_before_unload=True)
        page.wait_for_timeout(500)
        self.assertEqual(dialogs, ['beforeunload'])
        page.get_by_role('button', name=TEXTS['en']['send']).click()
        self.heading(page, TEXTS['en']['done'])

    def test_received(self):
        "Test what was sent from elsewhere meanwhile is told"
        token = self.token()
        first, second = (self.page(token, 'en') for _ in range(2))
        for page, heading in [
                (first, TEXTS['en']['done']),
                (second, "Questionnaire already received")]:
            self.answer(page, 'en')
            page.get_by_role('button', name=TEXTS['en']['send']).click()
            self.heading(page, heading)
        self.check(second, 'en-phone-received')

    def test_sheet(self):
        "Test the sheet that is printed"
        for language in TEXTS:
            html, _ = new_sheet(
                self.prescriber, self.patients[0], language=language)
            page = self.page(language=language, viewport=DESKTOP)
            page.goto('about:blank')
            page.set_content(html)
            self.assertEqual(Axe().run(page).response['violations'], [])
            page.screenshot(
                path=VAR / 'screenshots' / self.databases.backend
                / f'questionnaire-{language}-sheet.png', full_page=True)


# Not to run the tests of the base again
del BrowserTestCase
