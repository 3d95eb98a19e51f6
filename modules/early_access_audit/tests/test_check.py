# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import datetime as dt
import itertools
from zoneinfo import ZoneInfo

from trytond.exceptions import UserError
from trytond.model.exceptions import AccessError, AccessButtonError
from trytond.modules.early_access.tests.tools import PROFILES, acting, rpc
from trytond.modules.early_access_audit.activity import Day
from trytond.modules.early_access_audit.anomaly_rule import (
    RULES, Settings, usual)
from trytond.modules.early_access_audit.exceptions import (
    AnomalyError, CheckAccessError, CheckError)
from trytond.modules.early_access_audit.trail import Author
from trytond.pool import Pool
from trytond.tests.test_tryton import with_transaction
from trytond.transaction import Transaction

from .tools import InventedTestCase

PARIS = 'Europe/Paris'
# A Tuesday
DATE = dt.date(2024, 3, 12)
OFFICER, AUDIT = 'security_officer', 'audit'


def at(hour, minute=0, date=DATE):
    "Return a time of Paris in UTC."
    return dt.datetime.combine(
        date, dt.time(hour, minute), ZoneInfo(PARIS)).astimezone(
        dt.UTC).replace(tzinfo=None)


def days_ago(number):
    return DATE - dt.timedelta(days=number)


class CheckTestCase(InventedTestCase):
    "Test the checks of the trail"
    module = 'early_access_audit'

    def setUp(self):
        super().setUp()
        self.ids = itertools.count(1)

    def user(self, login):
        User = Pool().get('res.user')
        user, = User.search([('login', '=', login)])
        return user

    def store(
            self, action='read', time=None, login='medical_affairs',
            model='early_access.patient', ids=None, number=1, roles=None,
            address='192.0.2.1', target=None, user=True):
        """Store events of a user.

        :param number: of them, each on another record.
        :param ids: the ids of the records of each, rather.
        """
        Event = Pool().get('early_access.audit.event')
        author = Author(
            self.user(login).id if user else 0, login,
            login if roles is None else roles or None, 'c', address, 'm')
        Event.store(Transaction().connection.cursor(), author, [
                (time or at(10), action, model, None, None, target,
                    [next(self.ids)] if ids is None else ids)
                for _ in range(number)])

    def find(self, rule, date=DATE):
        "Return the findings of a rule on a day."
        Activity = Pool().get('early_access.audit.activity')
        day = Activity.day(date, PARIS)
        Activity.count(day)
        return list(RULES[rule].find(day, Settings()))

    def count(self, *dates):
        Activity = Pool().get('early_access.audit.activity')
        for date in dates:
            Activity.count(Activity.day(date, PARIS))

    def configure(self, **values):
        Configuration = Pool().get('early_access.audit.check.configuration')
        configuration = Configuration(1)
        for name, value in values.items():
            setattr(configuration, name, value)
        configuration.save()

    # The days

    def test_day(self):
        "A day is the one of the laboratory, whatever its length"
        for date, start, end in [
                (dt.date(2024, 3, 12), '11T23:00', '12T23:00'),
                (dt.date(2024, 3, 31), '30T23:00', '31T22:00'),
                (dt.date(2024, 10, 27), '26T22:00', '27T23:00'),
                ]:
            day = Day.of(date, ZoneInfo(PARIS), dt.time(21), dt.time(6))
            self.assertEqual(
                (day.start, day.end), tuple(
                    dt.datetime.fromisoformat(f'{date:%Y-%m}-{v}')
                    for v in (start, end)))

    def test_unusual(self):
        "The nights, and the whole of the week-ends"
        zone = ZoneInfo(PARIS)
        day = Day.of(DATE, zone, dt.time(21), dt.time(6))
        self.assertEqual(day.unusual, (
                (at(0), at(6)), (at(21), day.end)))
        day = Day.of(DATE, zone, dt.time(1), dt.time(5))
        self.assertEqual(day.unusual, ((at(1), at(5)),))
        saturday = Day.of(dt.date(2024, 3, 16), zone, dt.time(21), dt.time(6))
        self.assertEqual(
            saturday.unusual, ((saturday.start, saturday.end),))

    @with_transaction()
    def test_activity(self):
        "What is counted in a day, and only that"
        pool = Pool()
        Activity = pool.get('early_access.audit.activity')
        self.store('read', at(0), ids=[1, 2])
        self.store('read', at(23, 59), ids=[2, 3])
        self.store('export', ids=[3])
        self.store('read', model='res.user', ids=[7])
        self.store('write', ids=[2])
        self.store('refused', ids=[9])
        self.store('login_failed', model='res.user', ids=[9])
        self.store('read', at(23, 59, days_ago(1)), number=5)
        self.store('read', at(0, 0, days_ago(-1)), number=5)
        for _ in range(2):
            self.count(DATE)
        row, = Activity.search([('date', '=', DATE)])
        self.assertEqual(
            [getattr(row, n) for n in [
                    'events', 'readings', 'records', 'changes', 'exports',
                    'refusals', 'nights', 'login', 'roles']],
            [6, 4, 3, 1, 1, 1, 2, 'medical_affairs', 'medical_affairs'])

    # The rules

    def test_usual(self):
        "What is exceeded on one day of ten"
        for counts, level in [
                ([], None), ([1, 1, 1, 1], None), ([1] * 5, 1),
                (range(1, 11), 9), ([10] * 9 + [500], 10),
                ([10] * 8 + [500] * 2, 500)]:
            with self.subTest(counts=counts):
                self.assertEqual(usual(counts), level)

    @with_transaction()
    def test_reading(self):
        "Mass reading is against the own past, above a floor"
        self.configure(reading_floor=20, reading_factor=2., reading_weeks=2)
        past = [days_ago(i) for i in range(1, 8)]
        for login, each in [('medical_affairs', 15), ('research', 5)]:
            for date in past:
                self.store(
                    time=at(10, 0, date), login=login, number=each)
        # Beyond the weeks of the past
        self.store(time=at(10, 0, days_ago(15)), login='research', number=90)
        self.count(*past, days_ago(15))
        for login, number, threshold, level in [
                ('medical_affairs', 30, None, None),
                ('medical_affairs', 31, 31, 15),
                ('research', 20, None, None),
                ('research', 21, 21, 5),
                ('data_manager', 20, None, None),
                ('data_manager', 21, 21, None),
                ]:
            with self.subTest(login=login, number=number), self.undone():
                self.store(login=login, number=number)
                self.assertEqual(
                    [
                        (f.user, f.count, f.threshold, f.usual)
                        for f in self.find('reading')],
                    [(self.user(login).id, number, threshold, level)]
                    if threshold else [])

    @with_transaction()
    def test_same_records(self):
        "To read the same patients again is no mass reading"
        self.configure(reading_floor=20)
        for _ in range(30):
            self.store(ids=[1, 2, 3])
        self.store(model='product.product', number=30)
        self.assertEqual(self.find('reading'), [])

    @with_transaction()
    def test_rules(self):
        "Each rule fires from its threshold on, and not before"
        self.configure(
            night_limit=5, failure_limit=4, failure_address_limit=6,
            address_limit=3, refusal_limit=2, export_limit=2)
        user = self.user('medical_affairs').id
        saturday = dt.date(2024, 3, 16)

        def addresses(number, login='medical_affairs'):
            for i in range(number):
                self.store(address=f'192.0.2.{i}', login=login)

        def failures(number, address='192.0.2.1', ids=(user,)):
            self.store(
                'login_failed', model='res.user', ids=list(ids), user=False,
                login=None, roles='', number=number, address=address)

        def archive(number):
            self.store(
                'button', model='early_access.data_export', target='export',
                number=number)

        cases = [
            # rule, what is stored, count or None, date
            ('night', lambda: self.store(time=at(5, 59), number=4), None),
            ('night', lambda: self.store(time=at(5, 59), number=5), 5),
            ('night', lambda: self.store(time=at(6), number=9), None),
            ('night', lambda: self.store(time=at(21), number=5), 5),
            ('night', lambda: self.store(time=at(20, 59), number=9), None),
            ('night', lambda: self.store(
                    time=at(12, 0, saturday), number=5), 5, saturday),
            # On-call work is normal
            ('night', lambda: self.store(
                    time=at(3), number=9, roles='pharmacovigilance'), None),
            ('night', lambda: self.store(
                    time=at(3), number=9,
                    roles='medical_affairs,pharmacovigilance'), None),
            # An administrator has no profile
            ('night', lambda: self.store(
                    time=at(3), number=5, roles=''), 5),
            ('failure', lambda: failures(3), None),
            ('failure', lambda: failures(4), 4),
            ('failure', lambda: failures(5, ids=()), None),
            ('failure', lambda: failures(6, ids=()), 6),
            ('address', lambda: addresses(2), None),
            ('address', lambda: addresses(3), 3),
            ('refusal', lambda: self.store('refused'), None),
            ('refusal', lambda: self.store('refused', number=2), 2),
            ('refusal', lambda: self.store(
                    'refused', model='res.user', number=9), None),
            ('export', lambda: self.store('export'), None),
            ('export', lambda: self.store('export', number=2), 2),
            ('export', lambda: archive(1), None),
            ('export', lambda: archive(2), 2),
            ('export', lambda: self.store(
                    'button', model='early_access.form', target='submit',
                    number=9), None),
            ('break_glass', lambda: self.store(), None),
            ('break_glass', lambda: self.store('break_glass'), 1),
            ]
        for i, (rule, store, count, *date) in enumerate(cases):
            with self.subTest(case=i, rule=rule), self.undone():
                store()
                found = self.find(rule, *date)
                self.assertEqual(
                    [f.count for f in found], [count] if count else [])
                if found:
                    finding, = found
                    self.assertGreaterEqual(finding.count, finding.threshold)
                    if finding.address:
                        self.assertEqual(finding.address, '192.0.2.1')
                    else:
                        self.assertEqual(finding.user, user)

    @with_transaction()
    def test_dormant(self):
        "The silence before the first action, by role held on the day"
        pool = Pool()
        User = pool.get('res.user')
        UserRole = pool.get('res.user.role')
        role, = {r.role for r in self.user('prescriber').roles}
        role.dormancy_days = 200
        role.save()
        user_role = UserRole.__table__()
        Transaction().connection.cursor().execute(*user_role.update(
                [user_role.from_date], [at(0, 0, days_ago(1))]))
        self.store(time=at(10, 0, days_ago(300)), login='supply')
        self.count(days_ago(300))
        user = User.__table__()
        Transaction().connection.cursor().execute(*user.update(
                [user.create_date], [at(10, 0, days_ago(1000))]))
        Transaction().cache.clear()
        for login, silence, fires in [
                ('medical_affairs', 90, False),
                ('medical_affairs', 91, True),
                ('prescriber', 200, False),
                ('prescriber', 201, True)]:
            date = days_ago(silence)
            with self.subTest(login=login, silence=silence), self.undone():
                self.store(time=at(10, 0, date), login=login)
                self.count(date)
                self.store(login=login)
                self.assertEqual(
                    [(f.user, f.count) for f in self.find('dormant')],
                    [(self.user(login).id, silence)] if fires else [])
        with self.undone():
            # Known for long, and never seen
            self.store()
            finding, = self.find('dormant')
            self.assertEqual(finding.count, 300)
        # A new account
        Transaction().connection.cursor().execute(*user.update(
                [user.create_date], [at(10, 0, days_ago(3))]))
        Transaction().cache.clear()
        self.store()
        self.assertEqual(self.find('dormant'), [])

    @with_transaction()
    def test_outside(self):
        "The patients that are followed elsewhere, whatever is read of them"
        own, other = self.patient('treated'), self.patient(
            'eligible', 'south_prescriber')
        prescriber = self.user('prescriber').id
        for login, model, ids, count in [
                ('prescriber', 'early_access.patient', [own.id], None),
                ('prescriber', 'early_access.patient', [other.id], 1),
                ('prescriber', 'early_access.form',
                    [f.id for f in other.forms], 1),
                ('prescriber', 'early_access.form',
                    [f.id for f in own.forms], None),
                ('prescriber', 'early_access.patient', [999_999], None),
                # The laboratory follows all
                ('medical_affairs', 'early_access.patient', [other.id],
                    None),
                ]:
            with self.subTest(login=login, model=model), self.undone():
                self.store(login=login, model=model, ids=ids)
                self.assertEqual(
                    [(f.user, f.count) for f in self.find('outside')
                        ] if count else self.find('outside'),
                    [(prescriber, count)] if count else [])

    @with_transaction()
    def test_evidence(self):
        "The events of an anomaly, and no others"
        pool = Pool()
        Anomaly = pool.get('early_access.audit.anomaly')
        Event = pool.get('early_access.audit.event')
        self.configure(
            night_limit=2, failure_limit=2, failure_address_limit=99,
            address_limit=2, refusal_limit=2, reading_floor=1)
        user = self.user('medical_affairs').id
        night = at(3)
        check = self.check()
        for rule, stored, other in [
                ('night', dict(time=night), dict()),
                ('refusal', dict(action='refused'), dict()),
                ('export', dict(action='export'), dict()),
                ('reading', dict(), dict(action='write')),
                ('failure', dict(
                        action='login_failed', model='res.user', ids=[user],
                        user=False), dict(
                        action='login_failed', model='res.user', ids=[1],
                        user=False)),
                ('break_glass', dict(action='break_glass'), dict()),
                ]:
            with self.subTest(rule=rule), self.undone():
                last = Event.search([], limit=1)
                last = last[0].id if last else 0
                self.store(number=2, **stored)
                self.store(**other)
                self.store(
                    **{**stored, 'time': at(3, 0, days_ago(7))})
                finding, = self.find(rule)
                anomaly, = Anomaly.create([
                        Anomaly.values_of(check, DATE, rule, finding)])
                with acting(OFFICER):
                    events = Event.search(
                        [('id', '>', last), Anomaly(anomaly.id).evidence])
                self.assertEqual(len(events), 2)
                self.assertEqual(
                    {(e.action, e.at.date()) for e in events},
                    {(stored.get('action', 'read'), DATE)})

    # The checks

    def check(self, **values):
        "Return a check of the days of the events, as the cron creates it."
        self.store(time=at(10, 0, days_ago(60)))
        Check = Pool().get('early_access.audit.check')
        check, = Check.create([{}])
        table = Check.__table__()
        Transaction().connection.cursor().execute(*table.update(
                [table.from_date, table.to_date, table.due_date,
                    table.timezone, table.state],
                [days_ago(2), DATE, DATE, PARIS,
                    values.get('state', 'running')],
                where=table.id == check.id))
        Transaction().cache.clear()
        return Check(check.id)

    def opened(self, login=None):
        "Return a check with an export of the user."
        Check = Pool().get('early_access.audit.check')
        self.store('export', login=login or 'medical_affairs')
        check = self.check()
        while Check._look_next(check):
            check = Check(check.id)
        return Check(check.id)

    @with_transaction()
    def test_look(self):
        "A check goes on where it stopped, and finds each anomaly once"
        Check = Pool().get('early_access.audit.check')
        self.store('export', time=at(10, 0, days_ago(2)))
        self.store('export', login='research')
        check = self.check()
        for dates in [days_ago(3), days_ago(2), days_ago(1)]:
            self.assertTrue(Check._look_next(check))
            self.assertEqual(check.counted_to, dates)
        check = Check(check.id)
        while Check._look_next(check):
            pass
        self.assertEqual(check.state, 'open')
        self.assertEqual(
            {(a.date, a.rule, a.user.login) for a in check.anomalies},
            {
                (days_ago(2), 'export', 'medical_affairs'),
                (DATE, 'export', 'research')})
        self.assertEqual(len(check.anomalies), 2)
        self.assertEqual((check.events, check.users), (2, 2))
        self.assertLess(check.first_event, check.last_event)

    @with_transaction()
    def test_sign(self):
        "A check is signed once all is cleared, and then stays as it is"
        pool = Pool()
        Anomaly = pool.get('early_access.audit.anomaly')
        Check = pool.get('early_access.audit.check')
        check = self.opened()
        anomaly, = check.anomalies
        with acting(OFFICER):
            check, anomaly = Check(check.id), Anomaly(anomaly.id)
            with self.assertRaisesRegex(CheckError, "1 are left"):
                Check.sign([check])
            with self.assertRaisesRegex(AnomalyError, "outcome"):
                Anomaly.clear([anomaly])
            anomaly.outcome = 'incident'
            anomaly.save()
            with self.assertRaisesRegex(AnomalyError, "link it"):
                Anomaly.clear([anomaly])
            anomaly.outcome = 'legitimate'
            anomaly.note = "Seen with the manager"
            anomaly.save()
            Anomaly.clear([anomaly])
            self.assertEqual(anomaly.cleared_by.login, OFFICER)
            with self.assertRaises(CheckAccessError):
                Anomaly.write([anomaly], {'outcome': 'training'})
            Check.sign([check])
            self.assertEqual(
                (check.state, check.signed_by.login), ('signed', OFFICER))
            for call in [
                    lambda: Check.write([check], {'to_date': days_ago(1)}),
                    lambda: Check.delete([check]),
                    lambda: Anomaly.write([anomaly], {'note': "Else"}),
                    lambda: Anomaly.reopen([anomaly]),
                    ]:
                with self.assertRaises(AccessError):
                    call()

    @with_transaction()
    def test_own(self):
        "Nobody clears or signs what is about themselves"
        pool = Pool()
        Anomaly = pool.get('early_access.audit.anomaly')
        Check = pool.get('early_access.audit.check')
        check = self.opened(OFFICER)
        anomaly, = check.anomalies
        with acting(OFFICER):
            anomaly = Anomaly(anomaly.id)
            anomaly.outcome = 'legitimate'
            anomaly.save()
            with self.assertRaisesRegex(AnomalyError, "it is yours"):
                Anomaly.clear([anomaly])
        Anomaly.clear([Anomaly(anomaly.id)])
        with acting(OFFICER):
            with self.assertRaisesRegex(CheckError, "is yours"):
                Check.sign([Check(check.id)])

    @with_transaction()
    def test_incident(self):
        "An anomaly opens an incident once, and is cleared with it"
        pool = Pool()
        Anomaly = pool.get('early_access.audit.anomaly')
        anomaly, = self.opened().anomalies
        with acting(OFFICER):
            anomaly = Anomaly(anomaly.id)
            for _ in range(2):
                Anomaly.open_incident([anomaly])
            self.assertEqual(anomaly.outcome, 'incident')
            self.assertEqual(anomaly.incident.state, 'draft')
            self.assertIn("Export", anomaly.incident.subject)
            self.assertEqual(anomaly.incident.anomalies, (anomaly,))
            Anomaly.clear([anomaly])

    @with_transaction()
    def test_periods(self):
        "The periods follow one another, without gap"
        Check = Pool().get('early_access.audit.check')
        self.store(time=at(10, 0, days_ago(4)))
        first, = Check.create([{}])
        self.assertEqual(first.from_date, days_ago(4))
        self.assertEqual(first.due_date, dt.date(2024, 5, 8))
        self.assertTrue(first.late)
        with self.assertRaisesRegex(AccessError, "first sign"):
            Check.create([{}])
        table = Check.__table__()
        Transaction().connection.cursor().execute(*table.update(
                [table.state, table.to_date], ['signed', DATE],
                where=table.id == first.id))
        Transaction().cache.clear()
        second, = Check.create([{'from_date': dt.date(2024, 6, 1)}])
        self.assertEqual(second.from_date, days_ago(-1))
        for date in [DATE, dt.date.today()]:
            with self.assertRaisesRegex(CheckError, "end the period"):
                Check.write([second], {'to_date': date})

    @with_transaction()
    def test_watch(self):
        "The cron prepares a check before it is due, and tells once a week"
        pool = Pool()
        Alert = pool.get('early_access.audit.alert')
        Check = pool.get('early_access.audit.check')
        User = pool.get('res.user')
        User.write([self.user(OFFICER)], {'email': 'officer@example.com'})
        today = dt.date.today()
        self.store(time=at(10, 0, today - dt.timedelta(days=40)))
        Check.watch()
        self.assertEqual(Check.search([]), [])
        self.store(time=at(10, 0, today - dt.timedelta(days=58)))
        Check.watch()
        check, = Check.search([])
        self.assertEqual(check.state, 'running')
        self.assertTrue(Transaction().tasks)
        Check.write([check], {'state': 'open'})
        for _ in range(2):
            Check.watch()
        alert, = Alert.search([])
        self.assertEqual(
            (alert.kind, alert.user.login), ('check_ready', OFFICER))
        for days, steps in [(1, [0]), (6, [0]), (8, [0, 1])]:
            Check.write([check], {
                    'due_date': today - dt.timedelta(days=days)})
            Check.watch()
            alerts = Alert.search([('kind', '=', 'check_late')])
            self.assertEqual(sorted(a.step for a in alerts), steps)

    @with_transaction()
    def test_graph(self):
        "The accesses by day and profile, in a period"
        Graph = Pool().get('early_access.audit.activity.profile')
        for login, roles, date in [
                ('medical_affairs', None, DATE),
                ('research', 'medical_affairs', DATE),
                ('delegate', 'delegate,pharmacist_in_charge', DATE),
                ('supply', 'dpo,supply', DATE),
                ('supply', '', days_ago(1)),
                ('supply', None, days_ago(9)),
                ]:
            self.store(time=at(10, 0, date), login=login, roles=roles)
        self.count(DATE, days_ago(1), days_ago(9))
        with acting(AUDIT), Transaction().set_context(
                from_date=days_ago(1), to_date=DATE):
            self.assertEqual(
                [
                    (r.date, r.profile, r.profile_name, r.users, r.readings)
                    for r in Graph.search(
                        [], order=[('date', 'ASC'), ('profile', 'ASC')])],
                [
                    (days_ago(1), None, '', 1, 1),
                    (DATE, 'delegate',
                        "Delegate of the Pharmacist in Charge", 1, 1),
                    (DATE, 'dpo,supply', "Data Protection Officer, Supply",
                        1, 1),
                    (DATE, 'medical_affairs', "Medical Affairs", 2, 2),
                    ])

    # The accesses

    @with_transaction()
    def test_access(self):
        "The security officer checks, the audit reads, the others nothing"
        pool = Pool()
        self.opened()
        rights = {
            'early_access.audit.check': {OFFICER: 'rwcd', AUDIT: 'r'},
            'early_access.audit.anomaly': {OFFICER: 'rw', AUDIT: 'r'},
            'early_access.audit.check.configuration': {
                OFFICER: 'rw', AUDIT: 'r'},
            'early_access.audit.check.profile': {
                OFFICER: 'rwcd', AUDIT: 'r'},
            'early_access.audit.activity.profile': {
                OFFICER: 'r', AUDIT: 'r'},
            'early_access.audit.alert': {
                OFFICER: 'r', AUDIT: 'r', 'dpo': 'r'},
            }
        ModelAccess = pool.get('ir.model.access')
        for profile in PROFILES:
            with acting(profile):
                accesses = ModelAccess.get_access(
                    list(rights) + ['early_access.audit.activity'])
                for model, expected in rights.items():
                    with self.subTest(profile=profile, model=model):
                        self.assertEqual(
                            ''.join(
                                n[0] for n in [
                                    'read', 'write', 'create', 'delete']
                                if accesses[model][n]),
                            expected.get(profile, ''))
                self.assertFalse(any(
                        accesses['early_access.audit.activity'].values()))

    @with_transaction()
    def test_buttons(self):
        "Who presses the buttons, and who opens the evidence"
        pool = Pool()
        Anomaly = pool.get('early_access.audit.anomaly')
        Check = pool.get('early_access.audit.check')
        Wizard = pool.get('early_access.audit.anomaly.events', type='wizard')
        anomaly, = self.opened().anomalies
        for profile in PROFILES:
            for Model, button, profiles in [
                    (Check, 'run', {OFFICER}), (Check, 'sign', {OFFICER}),
                    (Anomaly, 'clear', {OFFICER}),
                    (Anomaly, 'reopen', {OFFICER}),
                    (Anomaly, 'open_incident', {OFFICER}),
                    (Anomaly, 'show_events', {OFFICER, AUDIT})]:
                with self.subTest(profile=profile, button=button):
                    with acting(profile):
                        if profile in profiles:
                            getattr(Model, button)([])
                        else:
                            with self.assertRaises(
                                    (AccessError, AccessButtonError)):
                                getattr(Model, button)([])
            with acting(profile), Transaction().set_context(
                    active_model=Anomaly.__name__, active_id=anomaly.id,
                    active_ids=[anomaly.id]):
                if profile in {OFFICER, AUDIT}:
                    session, _, _ = rpc(Wizard, 'create')
                    result = rpc(Wizard, 'execute', session, {}, 'start')
                    action, _ = result['actions'][0]
                    self.assertIn('export', action['pyson_domain'])
                else:
                    with self.assertRaises(UserError):
                        rpc(Wizard, 'create')

    @with_transaction()
    def test_protected(self):
        "The figures and the states are not written by a client"
        pool = Pool()
        Anomaly = pool.get('early_access.audit.anomaly')
        Check = pool.get('early_access.audit.check')
        check = self.opened()
        anomaly, = check.anomalies
        with acting(OFFICER):
            for Model, record, values in [
                    (Check, check, {'state': 'signed'}),
                    (Check, check, {'events': 3}),
                    (Check, check, {'to_date': days_ago(1)}),
                    (Check, check, {'anomalies': [
                                ('delete', [anomaly.id])]}),
                    (Anomaly, anomaly, {'state': 'cleared'}),
                    (Anomaly, anomaly, {'count': 1}),
                    (Anomaly, anomaly, {'user': 1}),
                    ]:
                with self.subTest(values=values), self.undone():
                    with self.assertRaises(UserError):
                        Model.write([Model(record.id)], values)
