# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""A real browser for the tests.

A test case derives from :class:`BrowserTestCase` to use the browser client as
a person would::

    def laboratory(config):
        "What the tests need in the database: called once, as admin"
        ...

    class OrderTestCase(BrowserTestCase):
        fixtures = laboratory

        def test_approve(self):
            supply = self.client('supply')
            supply.menu("Early Access", "Order Desk")
            supply.tab("Submitted")
            supply.open("EA-0001")
            supply.click("Approve")
            self.assertEqual(supply.value('state'), "Approved")
"""
import functools
import os
import shutil
import subprocess
import unittest

from client import Client
from harness import BIN, PASSWORD, VAR, ServerTestCase

BROWSERS = [
    'chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']
BROWSER_OPTIONS = [
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-gpu',
    '--disable-quic',
    '--disable-sync',
    '--no-first-run',
    '--no-sandbox',
    ]


def find_browser():
    "Return the path of Chromium, or None."
    browser = os.environ.get('CHROMIUM')
    names = [browser] if browser else BROWSERS
    return next(filter(None, map(shutil.which, names)), None)


@functools.cache
def browser_problem():
    "Return why no browser can be used, or None."
    if not find_browser():
        return "there is no Chromium"
    # The driver of Playwright is a program with libraries of its own
    process = subprocess.run(
        [BIN / 'playwright', '--version'], text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT)
    if process.returncode:
        return f"Playwright does not start: {process.stdout.strip()}"


class BrowserTestCase(ServerTestCase):
    "A test case that uses the browser client."

    @classmethod
    def setUpClass(cls):
        if problem := browser_problem():
            raise unittest.SkipTest(problem)
        super().setUpClass()
        from playwright.sync_api import sync_playwright
        playwright = cls.enterClassContext(sync_playwright())
        cls.browser = playwright.chromium.launch(
            executable_path=find_browser(), args=BROWSER_OPTIONS)
        cls.addClassCleanup(cls.browser.close)

    def setUp(self):
        super().setUp()
        self._clients = []
        self._screenshots = VAR / 'screenshots' / self.databases.backend
        for path in self._screenshots.glob(f'FAILED-{self.id()}-*'):
            path.unlink()

    def client(self, login='admin', password=PASSWORD, **options):
        """Return a client in which the user is logged in.

        Each client is a browser of its own, so several users can be at work
        in one test.  The options are those of a browser context of
        Playwright, such as locale='fr-FR'.
        """
        client = self.new_client(**options)
        client.login(login, password)
        return client

    def new_client(self, **options):
        "Return a client in which nobody is logged in."
        options = {
            'locale': 'en-US',
            'timezone_id': 'Europe/Paris',
            'viewport': {'width': 1440, 'height': 900},
            } | options
        context = self.browser.new_context(**options)
        self.addCleanup(context.close)
        client = Client(
            context.new_page(), self.server.address, self.database,
            self._screenshots)
        self._clients.append(client)
        return client

    def tearDown(self):
        failing = self._failing()
        for i, client in enumerate(self._clients, 1):
            if failing:
                client.screenshot(f'FAILED-{self.id()}-{i}')
            else:
                self.assertEqual(client.errors, [])
        super().tearDown()

    def _failing(self):
        result = self._outcome.result
        return any(
            test is self for test, _ in result.failures + result.errors)
