# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"From where users connect (CNIL 2022-107, art. 12.4)."

from contextlib import contextmanager

from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.test import EnvironBuilder

from trytond import backend
from trytond.exceptions import UserError
from trytond.modules.early_access.tests.tools import acting
from trytond.modules.early_access_audit import request as requests
from trytond.modules.early_access_audit.tests.tools import (
    PASSWORD, configured, create_user)
from trytond.modules.early_access_retention.exceptions import (
    PlaceError, WorkCountryError)
from trytond.modules.early_access_retention.place import actual_country
from trytond.pool import Pool
from trytond.protocols.wrappers import Request
from trytond.tests.test_tryton import with_transaction
from trytond.transaction import Transaction

from .register_tools import TODAY, RegisterTestCase, rpc
from .tools import at


@contextmanager
def coming_from(code, peer='127.0.0.1', proxies='1'):
    "A request that a front server passes on, from a country."
    environ = EnvironBuilder(headers={
            'X-Country': code, 'X-Forwarded-For': '203.0.113.7'},
        environ_base={'REMOTE_ADDR': peer}).get_environ()
    # What the server does with each request behind a front server
    if int(proxies):
        ProxyFix(lambda environ, start: [], x_for=1)(environ, None)
    token = requests.current.set(Request(environ))
    try:
        with configured(
                early_access__place_header='X-Country',
                web__num_proxies=proxies):
            yield
    finally:
        requests.current.reset(token)


class PlaceTestCase(RegisterTestCase):
    "Test the places of the users"

    def user(self, code=None, **values):
        return create_user(
            work_country=code and self.country(code).id,
            companies=[('add', [self.company.id])], **values)

    def admits(self, user, code):
        User = Pool().get('res.user')
        with coming_from(code), at(TODAY):
            return User.admits_place(user.id)

    def mismatches(self, user):
        Mismatch = Pool().get('early_access.place_mismatch')
        return Mismatch.search([('user', '=', user.id)])

    def viewing(self, code='US', **values):
        recipient = self.recipient(
            category='group', country=self.country(code).id)
        return self.transfer(
            recipient, country=self.country(code).id, viewing=True,
            instrument='safeguard', adequacy=None, safeguard='clauses',
            safeguard_reference='FICT-1', assessed_on=TODAY, measures="None.",
            **values)

    @with_transaction()
    def test_header(self):
        "The header is believed behind the front server only"
        for code, options, found in [
                ('US', {}, 'US'),
                ('us', {}, 'US'),
                ('XX', {}, None),
                ('US', {'peer': '198.51.100.1'}, None),
                ('US', {'proxies': '0'}, None),
                ]:
            with self.subTest(code=code, options=options):
                with coming_from(code, **options):
                    self.assertEqual(actual_country(), found)
        with coming_from('US'), configured(
                early_access__place_header=''):
            self.assertIsNone(actual_country())
        with coming_from('US', peer='192.0.2.1'), configured(
                early_access__place_proxies='192.0.2.1'):
            self.assertEqual(actual_country(), 'US')
        self.assertIsNone(actual_country())

    @with_transaction(user=0)
    def test_inside(self):
        "Who moves inside the Union transfers nothing"
        user = self.user('FR')
        for code in ['FR', 'DE', 'NO', 'RE', 'XX', '']:
            with self.subTest(code=code):
                self.assertTrue(self.admits(user, code))
        self.assertFalse(self.mismatches(user))

    @with_transaction(user=0)
    def test_flagged(self):
        "A place outside is flagged first, once, and refused when confirmed"
        Mismatch = Pool().get('early_access.place_mismatch')
        for code in ['FR', None]:
            user = self.user(code)
            for _ in range(2):
                self.assertTrue(self.admits(user, 'US'))
            mismatch, = self.mismatches(user)
            self.assertEqual(
                (mismatch.reason, mismatch.actual_code, mismatch.state),
                ('place', 'US', 'flagged'))
            with acting('security_officer'):
                rpc(Mismatch, 'confirm', [mismatch.id])
            self.assertFalse(self.admits(user, 'US'))
            self.assertTrue(self.admits(user, 'FR'))
            # Elsewhere it is flagged apart
            self.assertTrue(self.admits(user, 'BR'))
            self.assertEqual(len(self.mismatches(user)), 2)

    @with_transaction(user=0)
    def test_session(self):
        "The sessions end, and nobody comes in again from there"
        pool = Pool()
        Mismatch = pool.get('early_access.place_mismatch')
        Session = pool.get('ir.session')
        User = pool.get('res.user')
        user = self.user('FR')

        def login(code):
            with coming_from(code):
                return User.get_login(user.login, {'password': PASSWORD})

        def begin():
            with Transaction().set_user(user.id):
                return Session.new()

        def check(key, code):
            with Transaction().set_user(user.id), coming_from(code):
                return Session.check(user.id, key)
        with configured(session__authentications='password'):
            key = begin()
            self.assertTrue(check(key, 'FR'))
            self.assertTrue(check(key, 'US'))
            if backend.name == 'postgresql':
                # The tries of a login are counted on another connection,
                # which SQLite makes wait for what the test has written
                self.assertEqual(login('US'), user.id)
            mismatch, = self.mismatches(user)
            with acting('security_officer'):
                rpc(Mismatch, 'confirm', [mismatch.id])
            self.assertFalse(check(key, 'FR'))
            key = begin()
            self.assertTrue(check(key, 'FR'))
            self.assertFalse(check(key, 'US'))
            # It has ended
            self.assertFalse(check(key, 'FR'))
            if backend.name == 'postgresql':
                self.assertIsNone(login('US'))
                self.assertEqual(login('FR'), user.id)

    @with_transaction(user=0)
    def test_declared(self):
        "To work from outside needs a transfer by remote viewing in force"
        User = Pool().get('res.user')
        with at(TODAY):
            with self.refused(WorkCountryError):
                self.user('US')
            self.transfer(self.recipient(country=self.country('CH').id))
            with self.refused(WorkCountryError):
                # That one sends, and nobody looks from there
                self.user('CH')
            transfer = self.viewing()
            user = self.user('US')
        self.assertTrue(self.admits(user, 'US'))
        self.assertFalse(self.mismatches(user))
        with at(TODAY):
            type(transfer).end([type(transfer)(transfer.id)])
        User._work_place_cache.clear()
        self.assertTrue(self.admits(user, 'US'))
        mismatch, = self.mismatches(user)
        self.assertEqual(mismatch.reason, 'transfer')

    @with_transaction(user=0)
    def test_explained(self):
        "What is explained is admitted, until it is reopened"
        Mismatch = Pool().get('early_access.place_mismatch')
        user = self.user('FR')
        self.admits(user, 'US')
        mismatch, = self.mismatches(user)
        with acting('security_officer'):
            with self.refused(PlaceError):
                rpc(Mismatch, 'explain', [mismatch.id])
            rpc(Mismatch, 'write', [mismatch.id], {
                    'explanation': "Exit of the network of the group"})
            rpc(Mismatch, 'explain', [mismatch.id])
            with self.refused(PlaceError):
                rpc(Mismatch, 'write', [mismatch.id], {'explanation': "No"})
        self.assertTrue(self.admits(user, 'US'))
        with acting('security_officer'):
            rpc(Mismatch, 'reopen', [mismatch.id])
            rpc(Mismatch, 'confirm', [mismatch.id])
        self.assertFalse(self.admits(user, 'US'))

    @with_transaction(user=0)
    def test_access(self):
        "The security officer decides, and not on oneself"
        Mismatch = Pool().get('early_access.place_mismatch')
        User = Pool().get('res.user')
        officer, = User.search([('login', '=', 'security_officer')])
        self.admits(officer, 'US')
        mismatch, = self.mismatches(officer)
        with acting('security_officer'), self.refused(PlaceError):
            rpc(Mismatch, 'confirm', [mismatch.id])
        for profile in ['dpo', 'audit', 'supply', 'prescriber']:
            with self.subTest(profile=profile), acting(profile):
                with self.refused(UserError):
                    rpc(Mismatch, 'confirm', [mismatch.id])
                with self.refused(UserError):
                    rpc(Mismatch, 'write', [mismatch.id], {
                            'state': 'explained'})
        for method, args in [
                ('create', [[{'user': officer.id}]]),
                ('delete', [[mismatch.id]])]:
            with self.subTest(method=method), acting('security_officer'):
                with self.refused(UserError):
                    rpc(Mismatch, method, *args)
