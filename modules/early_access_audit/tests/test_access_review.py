# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import datetime as dt

from dateutil.relativedelta import relativedelta

from trytond.model.exceptions import AccessButtonError, AccessError
from trytond.modules.early_access.tests.tools import acting, rpc
from trytond.modules.early_access_audit.access_review_line import NOTICE
from trytond.modules.early_access_audit.exceptions import (
    AccessReviewDecisionError, AccessReviewerError, AccessReviewStateError)
from trytond.modules.early_access_audit.trail import Trail
from trytond.pool import Pool
from trytond.tests.test_tryton import with_transaction
from trytond.transaction import Transaction

from .test_role import give
from .tools import InventedTestCase, create_user

DAY = dt.timedelta(days=1)


class AccessReviewTestCase(InventedTestCase):
    "Test the yearly review of the accesses"
    module = 'early_access_audit'

    def open(self):
        "Return a review that the security officer has opened."
        Review = Pool().get('early_access.audit.access_review')
        with acting('security_officer'):
            id_, = rpc(Review, 'create', [{}])
            rpc(Review, 'open_', [id_])
        return Review(id_)

    def line(self, review, login, **values):
        Line = Pool().get('early_access.audit.access_review.line')
        with Transaction().set_context(_check_access=False):
            line, = Line.search([
                    ('review', '=', review.id), ('user.login', '=', login),
                    *((n, '=', v) for n, v in values.items())])
        return line

    def decide(self, lines, decision, reason=None):
        Decide = Pool().get(
            'early_access.audit.access_review.decide', type='wizard')
        with Transaction().set_context(
                active_model=lines[0].__name__, active_id=lines[0].id,
                active_ids=[line.id for line in lines]):
            session, _, _ = rpc(Decide, 'create')
            rpc(Decide, 'execute', session, {
                    'start': {'decision': decision, 'reason': reason},
                    }, 'decide')

    def late(self, review, days=1):
        "Make the lines due some days ago."
        pool = Pool()
        today = pool.get('ir.date').today()
        for name in ['access_review', 'access_review.line']:
            Model = pool.get(f'early_access.audit.{name}')
            Model.write(Model.search([]), {
                    'due_date': today - relativedelta(days=days)})

    def noticed(self, line, days):
        "Make the notice of the line be given some days ago."
        today = Pool().get('ir.date').today()
        type(line).write([line], {
                'notice_date': today - relativedelta(days=days)})

    @with_transaction()
    def test_lines(self):
        "Each role and each account is a line for who reviews it"
        pool = Pool()
        Application = pool.get('res.user.application')
        Date = pool.get('ir.date')
        Line = pool.get('early_access.audit.access_review.line')
        User = pool.get('res.user')
        manager = create_user()
        alone = create_user(access_manager=manager.id)
        machine = create_user()
        Application.issue({
                'name': "Labels",
                'application': 'rest',
                'user': machine.id,
                'owner': manager.id,
                'from_date': Date.today(),
                'to_date': Date.today() + relativedelta(months=6),
                'networks': '192.0.2.0/24',
                })
        ended = create_user()
        give(ended, 'supply', from_date=dt.datetime.now() - 3 * DAY,
            to_date=dt.datetime.now() - DAY)
        inactive = create_user(active=False)
        review = self.open()
        self.assertEqual(review.total, len(review.lines))
        self.assertEqual(review.progress, 0)

        def found(login, **values):
            line = self.line(review, login, **values)
            return (
                line.kind, line.reviewer,
                sorted(e.name for e in line.establishments))

        north = ["North Hospital"]
        for login, values in {
                'prescriber': ('role', 'referent', north),
                'haematologist': ('role', 'referent', north),
                'hospital_pharmacist': (
                    'role', 'referent', ["East Clinic", "North Hospital"]),
                # There is no other referent
                'establishment_referent': ('role', 'manager', north),
                'east_prescriber': ('role', 'manager', ["East Clinic"]),
                'supply': ('role', 'manager', []),
                alone.login: ('account', 'manager', []),
                ended.login: ('account', 'manager', []),
                machine.login: ('machine', 'manager', []),
                }.items():
            with self.subTest(login=login):
                self.assertEqual(found(login), values)
        self.assertEqual(self.line(review, alone.login).manager, manager)
        line = self.line(review, machine.login)
        self.assertEqual((line.machine, line.owner), ("Labels", manager))
        self.assertFalse(Line.search([('user', '=', inactive.id)]))
        self.assertEqual(
            {line.user for line in review.lines},
            set(User.search([('id', '!=', 0)])))

    @with_transaction()
    def test_visible(self):
        "Each sees the lines to review, and no other"
        Line = Pool().get('early_access.audit.access_review.line')
        manager = create_user()
        alone = create_user(access_manager=manager.id)
        self.open()
        for login, logins in [
                ('establishment_referent', {
                        'prescriber', 'haematologist', 'hospital_staff',
                        'hospital_pharmacist'}),
                (manager.login, {alone.login}),
                ('prescriber', set()),
                ('supply', set()),
                ]:
            with self.subTest(login=login), acting(login):
                self.assertEqual(
                    {line.user.login for line in Line.search([])}, logins)
                self.assertEqual(
                    len(rpc(Line, 'search_read', [], 0, None, None, [
                                'user.rec_name', 'role.rec_name', 'state',
                                'establishments'])), len(logins))
        with acting('audit'):
            self.assertIn('supply', {
                    line.user.login for line in Line.search([])})

    @with_transaction()
    def test_refused(self):
        "Nobody decides for another, nor on oneself, by any path"
        Line = Pool().get('early_access.audit.access_review.line')
        manager = create_user()
        alone = create_user(access_manager=manager.id)
        review = self.open()
        for login, of in [
                ('establishment_referent', 'establishment_referent'),
                ('establishment_referent', 'east_prescriber'),
                ('establishment_referent', 'south_prescriber'),
                ('establishment_referent', 'supply'),
                ('security_officer', 'security_officer'),
                ('security_officer', 'prescriber'),
                (manager.login, 'supply'),
                ('supply', alone.login),
                ('audit', 'supply'),
                ('prescriber', 'haematologist'),
                ]:
            line = self.line(review, of)
            with self.subTest(login=login, of=of), acting(login):
                with self.refused(AccessError, AccessButtonError):
                    rpc(Line, 'keep', [line.id])
                with self.refused(AccessError):
                    self.decide([line], 'withdraw', 'left')
                with self.refused(AccessReviewerError):
                    Line.set_decision([line], 'keep')
                with self.refused(AccessError):
                    Line.write([line], {'decision': 'keep'})

    @with_transaction()
    def test_keep(self):
        "The lines that are kept from the list change nothing"
        Line = Pool().get('early_access.audit.access_review.line')
        review = self.open()
        lines = [
            self.line(review, login)
            for login in ['prescriber', 'haematologist']]
        with acting('establishment_referent') as referent:
            rpc(Line, 'keep', [line.id for line in lines])
        for line in Line.browse(lines):
            self.assertEqual(line.state, 'decided')
            self.assertEqual(line.decided_by, referent)
            self.assertTrue(line.user.groups)
        self.assertEqual(type(review)(review.id).decided, 2)
        with acting('establishment_referent'):
            with self.refused(AccessButtonError):
                rpc(Line, 'keep', [lines[0].id])
            with self.refused(AccessReviewStateError):
                self.decide(lines, 'withdraw', 'left')

    @with_transaction()
    def test_withdraw(self):
        "What is withdrawn ends at once, with a reason"
        pool = Pool()
        Line = pool.get('early_access.audit.access_review.line')
        User = pool.get('res.user')
        alone = create_user()
        review = self.open()
        line = self.line(review, 'haematologist')
        with acting('establishment_referent') as referent:
            with self.refused(AccessReviewDecisionError):
                self.decide([line], 'withdraw')
            self.decide([line], 'withdraw', 'left')
        line = Line(line.id)
        self.assertEqual(line.user_role.state, 'withdrawn')
        self.assertEqual(line.user_role.withdrawn_by, referent)
        self.assertEqual(line.user_role.withdrawal_reason, "Has left")
        self.assertFalse(User(line.user.id).groups)
        with acting('security_officer'):
            self.decide([self.line(review, alone.login)], 'withdraw', 'unused')
        self.assertFalse(User(alone.id).active)

    @with_transaction()
    def test_machine(self):
        "The owner does not review the machine, and a key can be withdrawn"
        pool = Pool()
        Application = pool.get('res.user.application')
        Date = pool.get('ir.date')
        with acting('security_officer') as officer:
            pass
        machine = create_user(access_manager=officer.id)
        application, _ = Application.issue({
                'name': "Labels",
                'application': 'rest',
                'user': machine.id,
                'owner': officer.id,
                'from_date': Date.today(),
                'to_date': Date.today() + relativedelta(months=6),
                'networks': '192.0.2.0/24',
                })
        line = self.line(self.open(), machine.login)
        with acting('security_officer'), self.refused(AccessReviewerError):
            self.decide([line], 'keep')
        with acting('admin'):
            self.decide([line], 'withdraw', 'unused')
        self.assertEqual(Application(application.id).state, 'cancelled')

    @with_transaction()
    def test_change(self):
        "What has to change waits for who gives roles"
        pool = Pool()
        Line = pool.get('early_access.audit.access_review.line')
        Review = pool.get('early_access.audit.access_review')
        review = self.open()
        line = self.line(review, 'prescriber')
        with acting('establishment_referent'):
            self.decide([line], 'change', 'excess')
            with self.refused(AccessButtonError):
                rpc(Line, 'apply', [line.id])
        self.assertEqual(Line.search([('state', '=', 'to_apply')]), [line])
        Line.write(
            [other for other in review.lines if other != line],
            {'decision': 'keep'})
        with acting('security_officer'):
            with self.refused(AccessReviewStateError):
                rpc(Review, 'close', [review.id])
            rpc(Line, 'apply', [line.id])
            rpc(Review, 'close', [review.id])
        self.assertEqual(Review(review.id).state, 'closed')

    @with_transaction()
    def test_states(self):
        "Lines are found by their state"
        Line = Pool().get('early_access.audit.access_review.line')
        review = self.open()
        line = self.line(review, 'supply')
        for values, state in [
                ({}, 'open'),
                ({'decision': 'change'}, 'to_apply'),
                ({'applied_at': dt.datetime.now()}, 'decided'),
                ({'decision': 'keep', 'applied_at': None}, 'decided'),
                ({'decision': None, 'suspended_at': dt.datetime.now()},
                    'suspended'),
                ({
                        'suspended_at': None,
                        'due_date': dt.date.today() - DAY,
                        }, 'overdue'),
                ]:
            if values:
                Line.write([line], values)
            with self.subTest(state=state):
                self.assertEqual(Line(line.id).state, state)
                self.assertIn(line, Line.search([('state', '=', state)]))
                self.assertNotIn(line, Line.search([('state', '!=', state)]))

    @with_transaction()
    def test_suspend(self):
        "An overdue account is told once, then suspended, then given back"
        pool = Pool()
        Line = pool.get('early_access.audit.access_review.line')
        Review = pool.get('early_access.audit.access_review')
        Session = pool.get('ir.session')
        User = pool.get('res.user')
        today = pool.get('ir.date').today()
        review = self.open()
        line = self.line(review, 'prescriber')
        user = line.user
        Review.follow()
        self.assertIsNone(Line(line.id).notice_date)
        self.late(review)
        Review.follow()
        self.assertEqual(Line(line.id).notice_date, today)
        self.assertTrue(User(user.id).active)
        with Transaction().set_user(user.id):
            Session.new()
        for days, active in [(NOTICE.days - 1, True), (NOTICE.days, False)]:
            self.noticed(line, days)
            self.assertTrue(Session.search([('create_uid', '=', user.id)]))
            Review.follow()
            with self.subTest(days=days):
                self.assertEqual(User(user.id).active, active)
        self.assertFalse(Session.search([('create_uid', '=', user.id)]))
        self.assertEqual(Line(line.id).state, 'suspended')
        self.assertIn(
            ('suspension', 'res.user', 'review', [user.id]),
            [(action, model, reason, ids)
                for _, action, model, _, reason, _, ids
                in Trail.current()._entries])
        with acting('establishment_referent'):
            rpc(Line, 'keep', [line.id])
        self.assertTrue(User(user.id).active)
        self.assertEqual(Line(line.id).notice_date, today - NOTICE)

    @with_transaction()
    def test_suspend_withdrawn(self):
        "A suspended account whose role is withdrawn is not given back"
        pool = Pool()
        Line = pool.get('early_access.audit.access_review.line')
        Review = pool.get('early_access.audit.access_review')
        User = pool.get('res.user')
        review = self.open()
        line = self.line(review, 'haematologist')
        self.late(review)
        self.noticed(line, 30)
        Review.follow()
        with acting('establishment_referent'):
            self.decide([line], 'withdraw', 'left')
        self.assertFalse(User(line.user.id).active)
        self.assertEqual(Line(line.id).state, 'decided')

    @with_transaction()
    def test_administrator(self):
        "The account by which all can be decided is never suspended"
        pool = Pool()
        Line = pool.get('early_access.audit.access_review.line')
        Review = pool.get('early_access.audit.access_review')
        review = self.open()
        self.late(review)
        Line.write(list(review.lines), {
                'notice_date': dt.date.today() - NOTICE})
        Review.follow()
        line = self.line(review, 'admin')
        self.assertTrue(line.user.active)
        self.assertEqual(line.state, 'overdue')

    @with_transaction()
    def test_yearly(self):
        "A review is prepared before a year has passed, once"
        pool = Pool()
        Review = pool.get('early_access.audit.access_review')
        today = pool.get('ir.date').today()
        review = self.open()
        Review.write([review], {'state': 'closed'})
        Review.follow()
        self.assertEqual(Review.search([]), [review])
        Review.write([review], {
                'opened_at': dt.datetime.now() - 340 * DAY})
        Review.follow()
        Review.follow()
        draft, = Review.search([('state', '=', 'draft')])
        self.assertFalse(draft.late)
        self.assertGreater(draft.due_by, today)
        self.assertEqual(draft.alerted_on, today)
        Review.write([draft], {'due_by': today - relativedelta(days=1)})
        self.assertTrue(Review(draft.id).late)

    @with_transaction()
    def test_thousands(self):
        "Thousands of accounts take no query each"
        pool = Pool()
        Review = pool.get('early_access.audit.access_review')
        User = pool.get('res.user')
        review = Review()
        review.save()

        def queries():
            Transaction().cache.clear()
            with Counting() as counting:
                list(review._line_values())
            return counting.number

        few = queries()
        User.create([{
                    'name': f'u{i}', 'login': f'u{i}'} for i in range(500)])
        self.assertLess(queries(), few + 20)


class Counting:
    "Count the cursors that are asked of the connection of the transaction."

    def __enter__(self):
        self.number = 0
        transaction = Transaction()
        self._connection, transaction.connection = transaction.connection, self
        return self

    def __exit__(self, *exception):
        Transaction().connection = self._connection

    def cursor(self, *args, **kwargs):
        self.number += 1
        return self._connection.cursor(*args, **kwargs)

    def __getattr__(self, name):
        return getattr(self._connection, name)
