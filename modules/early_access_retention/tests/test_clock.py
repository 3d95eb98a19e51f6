# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import datetime as dt

from dateutil.relativedelta import relativedelta

from sql import Column

from trytond.model import ModelSQL, fields
from trytond.model.exceptions import AccessError, AccessButtonError
from trytond.modules.early_access.tests.tools import acting, rpc
from trytond.modules.early_access_retention.exceptions import (
    ClockDateError, CorrectionError, HoldError, MarketWithdrawalWarning,
    PolicyError, PolicyWarning)
from trytond.modules.early_access_retention.today import current_date
from trytond.pool import Pool
from trytond.report import get_email
from trytond.tests.test_tryton import with_transaction
from trytond.transaction import Transaction, without_check_access

from .retention_tools import RetentionTestCase, ago
from .tools import at


class ClockTestCase(RetentionTestCase):
    "Test the clocks of the authorizations"

    def wizard(self, **values):
        "Return the wizard of the correction, with what is entered."
        CorrectDates = Pool().get(
            'early_access.retention.correct_dates', type='wizard')
        session_id, _, _ = CorrectDates.create()
        clock = self.clock
        context = {
            'active_model': clock.__name__, 'active_id': clock.id,
            'active_ids': [clock.id]}
        with Transaction().set_context(**context):
            view = CorrectDates.execute(session_id, {}, 'start')['view']
            start = {
                k: v for k, v in view['defaults'].items()
                if not k.endswith('.')}
        self.assertEqual(start['authorization'], self.authorization.id)
        start = {**start, 'reason': 'error', **values}

        def execute(state, preview=None):
            data = {'start': start}
            if preview:
                data['preview'] = preview
            with Transaction().set_context(**context):
                return CorrectDates.execute(session_id, data, state)
        return execute

    # The clock

    @with_transaction(user=0)
    def test_in_force(self):
        "An authorization has a clock, which says what is not known"
        clock = self.clock
        self.assertEqual(clock.rule, 'in_force')
        self.assertEqual(clock.urgency, 'unknown')
        self.assertEqual(
            set(clock.unknown), {
                'last_report', 'end', 'archive_years'})
        self.assertIn("9.1", clock.reasoning)
        self.assertIsNone(clock.next_date)

    @with_transaction(user=0)
    def test_events(self):
        "Each event sets the clock and is kept"
        self.policy()
        report = self.publish(ago(months=1))
        clock = self.clock
        self.assertEqual(
            clock.archive_on, ago(months=1) + relativedelta(months=12))
        self.assertEqual(
            clock.active_ceiling, ago(months=1) + relativedelta(years=2))
        self.assertEqual(clock.next_kind, 'archive')
        self.assertIsNone(clock.destroy_on)
        Authorization = Pool().get('early_access.authorization')
        Authorization.write([self.authorization], {
                'ma_granted_date': ago(days=10)})
        clock = self.clock
        self.assertEqual((clock.rule, clock.article), ('ma', '9.2'))
        self.assertIn('ma_ended', clock.unknown)
        Authorization.write([self.authorization], {
                'market_withdrawal_date': ago(days=2)})
        clock = self.clock
        self.assertEqual(
            clock.destroy_on, ago(days=2) + relativedelta(years=20))
        self.assertEqual(
            clock.archive_ceiling, ago(days=2) + relativedelta(years=70))
        self.assertEqual(
            [c.cause for c in clock.changes][:5],
            ['event', 'event', 'event', 'event', 'policy'])
        self.assertIn("MA granted", clock.changes[1].difference)
        self.assertEqual(report.authorization, self.authorization)

    @with_transaction(user=0)
    def test_expired(self):
        "The day on which it expires is a change too"
        Clock = Pool().get('early_access.retention.clock')
        self.policy()
        expiry = self.authorization.valid_until
        Clock.recompute([self.authorization])
        with at(expiry):
            self.assertEqual(self.clock.rule, 'in_force')
        with at(expiry + dt.timedelta(days=1)):
            Clock.recompute([self.authorization], cause='day')
            clock = self.clock
        self.assertEqual((clock.rule, clock.start_date), ('expired', expiry))
        self.assertEqual(
            clock.destroy_on, expiry + relativedelta(years=20))
        self.assertEqual(clock.changes[0].cause, 'day')

    @with_transaction(user=0)
    def test_suspension(self):
        "A suspension counts while it lasts"
        pool = Pool()
        Decision = pool.get('early_access.authorization.decision')

        def post(kind, number, **values):
            decision, = Decision.create([{
                        'authorization': self.authorization.id,
                        'kind': kind,
                        'number': number,
                        'decision_date': ago(days=8),
                        'effective_date': ago(days=6),
                        **values,
                        }])
            Decision.post([decision])
        self.policy()
        post('suspension', 'S', valid_until=ago(days=-20), motive='safety')
        clock = self.clock
        self.assertEqual(clock.rule, 'suspended')
        # The date of the decision, not of its effect
        self.assertEqual(clock.start_date, ago(days=8))
        # What it is half-way is not kept
        self.assertEqual(len(clock.changes), 3)
        post('reinstatement', 'R')
        self.assertEqual(self.clock.rule, 'in_force')
        post('withdrawal', 'W', motive='holder')
        clock = self.clock
        self.assertEqual(clock.rule, 'withdrawn')
        self.assertEqual(
            clock.archive_ceiling, ago(days=8) + relativedelta(years=70))

    @with_transaction(user=0)
    def test_words(self):
        "The reasoning is told in the language of the user"
        self.publish(ago(months=1))
        with Transaction().set_context(language='en'):
            english = self.clock.reasoning
        self.assertIn("HAS published the summary", english)
        self.assertIn(ago(months=1).strftime('%m/%d/%Y'), english)
        self.assertNotIn("%(", english)
        self.assertNotIn("msg_", english)

    # The past

    @with_transaction()
    def test_past_refused(self):
        "A date of the past is not changed beside the wizard"
        Authorization = Pool().get('early_access.authorization')
        with without_check_access():
            self.policy()
        with acting('regulatory_affairs'):
            authorization = self.authorization
            Authorization.write([authorization], {
                    'ma_granted_date': ago(days=10)})
            for value in [ago(days=11), ago(days=-3), None]:
                with self.subTest(value=value):
                    with self.refused(ClockDateError) as cm:
                        Authorization.write(
                            [authorization], {'ma_granted_date': value})
                    self.assertIn("MA granted", cm.exception.description)
            self.assertIn("Rule", cm.exception.description)
            # The form sends all its values
            Authorization.write([authorization], {
                    'ma_granted_date': ago(days=10),
                    'ma_ended_date': ago(days=-30)})
            # A date to come is a plan
            Authorization.write([authorization], {
                    'ma_ended_date': ago(days=-40)})
        self.assertIn('ma_ended', self.clock.unknown)

    @with_transaction()
    def test_last_refused(self):
        "The last report of which the summary is published stays the last"
        Report = Pool().get('early_access.report')
        with acting('regulatory_affairs'):
            report = self.publish(ago(months=1))
            with self.refused(ClockDateError):
                Report.write([report], {'last': False})
            # Before the publication nothing counts
            report, = Report.copy([report])
            Report.write([report], {'last': False})

    @with_transaction()
    def test_correct(self):
        "The wizard shows the difference, and keeps who and why"
        Authorization = Pool().get('early_access.authorization')
        with without_check_access():
            self.policy()
        with acting('regulatory_affairs') as user:
            self.publish(ago(months=13))
            Authorization.write([self.authorization], {
                    'ma_granted_date': ago(days=10)})
            execute = self.wizard(
                ma_granted_date=ago(months=2),
                publication_date=ago(months=3), reason='document')
            view = execute('compare')['view']
            self.assertEqual(view['state'], 'preview')
            preview = view['defaults']
            text = preview['difference']
            self.assertIn("MA granted", text)
            self.assertIn("To archive", text)
            back = execute('start', preview)['view']['defaults']
            self.assertEqual(back['ma_granted_date'], ago(months=2))
            # Nothing was written
            self.assertEqual(
                self.authorization.ma_granted_date, ago(days=10))
            execute('accept', preview)
            self.assertEqual(
                self.authorization.ma_granted_date, ago(months=2))
            clock = self.clock
        self.assertEqual(
            clock.archive_on, ago(months=3) + relativedelta(months=12))
        correction = [c for c in clock.changes if c.cause == 'correction']
        self.assertTrue(correction)
        for change in correction:
            self.assertEqual(change.reason, 'document')
            self.assertEqual(change.user, user)

    @with_transaction()
    def test_correct_changed(self):
        "What was shown is what is accepted"
        Authorization = Pool().get('early_access.authorization')
        with acting('regulatory_affairs'):
            Authorization.write([self.authorization], {
                    'ma_granted_date': ago(days=10)})
            execute = self.wizard(ma_granted_date=ago(months=2))
            preview = execute('compare')['view']['defaults']
            Authorization.write([self.authorization], {
                    'market_withdrawal_date': ago(days=1)})
            with self.refused(CorrectionError):
                execute('accept', preview)
            with self.refused(CorrectionError):
                self.wizard()('compare')
        with acting('dpo'), self.refused(AccessError, AccessButtonError):
            self.wizard(ma_granted_date=ago(months=2))('compare')

    # The withdrawal from the market

    def indication(self, code, product="Demolumab 50 mg"):
        "Return an authorization of a product in another indication."
        pool = Pool()
        Authorization = pool.get('early_access.authorization')
        Decision = pool.get('early_access.authorization.decision')
        Indication = pool.get('early_access.indication')
        Product = pool.get('product.product')
        with without_check_access():
            product, = Product.search([('name', '=', product)])
            indication, = Indication.create([{'code': code, 'name': code}])
            authorization, = Authorization.create([{
                        'name': f"Demolumab in {code}",
                        'code': code,
                        'company': self.authorization.company.id,
                        'indication': indication.id,
                        'products': [('add', [product.id])],
                        'filed_date': ago(months=4),
                        }])
            Authorization.file([authorization])
            decision, = Decision.create([{
                        'authorization': authorization.id,
                        'kind': 'grant',
                        'number': f'{code}-1',
                        'decision_date': ago(months=1),
                        'effective_date': ago(months=1),
                        'valid_until': ago(months=-6),
                        }])
            Decision.post([decision])
        # A request that comes later finds it recorded
        Transaction().create_records.clear()
        return Authorization(authorization.id)

    @with_transaction()
    def test_market_withdrawal(self):
        "A withdrawal recorded for one indication names the others"
        Authorization = Pool().get('early_access.authorization')
        other = self.indication('FICT2')
        with acting('regulatory_affairs'):
            authorization = self.authorization
            values = {'market_withdrawal_date': ago(days=1)}
            with self.refused(MarketWithdrawalWarning) as cm:
                Authorization.write([authorization], values)
            self.assertIn("Demolumab in FICT2", cm.exception.message)
            self.assertIn("Demolumab in test", cm.exception.message)
            # Recorded for all of them it is whole
            Authorization.write(
                [authorization, Authorization(other.id)], values)

    @with_transaction()
    def test_market_withdrawal_accepted(self):
        "The warning refuses nothing"
        Authorization = Pool().get('early_access.authorization')
        Warning = Pool().get('res.user.warning')
        self.indication('FICT2')
        with acting('regulatory_affairs'):
            authorization = self.authorization
            values = {'market_withdrawal_date': ago(days=1)}
            with self.refused(MarketWithdrawalWarning) as cm:
                Authorization.write([authorization], values)
            rpc(Warning, 'skip', cm.exception.name, {})
            Authorization.write([authorization], values)
            # What the form sends again has not changed
            Authorization.write([authorization], values)
        self.assertEqual(
            self.authorization.market_withdrawal_date, ago(days=1))

    @with_transaction()
    def test_market_withdrawal_other(self):
        "Who is not concerned is not named"
        Authorization = Pool().get('early_access.authorization')
        withdrawn = self.indication('FICT2')
        ended = self.indication('FICT3')
        with without_check_access():
            Authorization.write([withdrawn], {
                    'market_withdrawal_date': ago(days=2)})
            Authorization.stop([ended])
        with acting('regulatory_affairs'):
            Authorization.write([self.authorization], {
                    'market_withdrawal_date': ago(days=1)})
        self.assertTrue(self.authorization.market_withdrawal_date)

    @with_transaction()
    def test_market_withdrawal_correct(self):
        "The wizard that corrects the dates warns too"
        self.indication('FICT2')
        with acting('regulatory_affairs'):
            execute = self.wizard(market_withdrawal_date=ago(days=3))
            preview = execute('compare')['view']['defaults']
            with self.refused(MarketWithdrawalWarning):
                execute('accept', preview)
            with Transaction().set_context(_skip_warnings=True):
                execute('accept', preview)
        self.assertEqual(
            self.authorization.market_withdrawal_date, ago(days=3))

    # The periods

    @with_transaction(user=0)
    def test_policy_limits(self):
        "The periods are inside the law, and have a reason"
        for values in [
                {'active_months': 25}, {'archive_years': 71},
                {'archive_ma_years': 71}, {'active_months': -1},
                {'archive_years': 0}, {'reason': " "}, {'draft_days': 0}]:
            with self.subTest(**values), self.refused(PolicyError):
                self.policy(adopt=False, **values)
        Policy = Pool().get('early_access.retention.policy')
        defaults = Policy.default_get(list(Policy._fields))
        self.assertFalse(
            defaults.keys() & {'active_months', 'archive_years'})

    @with_transaction()
    def test_policy_adopted(self):
        "Periods are adopted by who answers for them, and then replaced"
        Policy = Pool().get('early_access.retention.policy')
        with acting('regulatory_affairs'):
            self.publish(ago(months=1))
        with acting('dpo'):
            policy = self.policy(adopt=False)
            with self.refused(AccessButtonError):
                rpc(Policy, 'adopt', [policy.id], {})
        with acting('pharmacist_in_charge') as user:
            policy = Policy(policy.id)
            with self.refused(PolicyWarning) as cm:
                Policy.adopt([policy])
            self.assertIn("To archive", cm.exception.description)
            self.adopt(policy)
            policy = Policy(policy.id)
            self.assertEqual(policy.adopted_by, user)
            self.assertTrue(policy.in_force)
        with acting('dpo'):
            with self.refused(AccessError):
                Policy.write([Policy(policy.id)], {'active_months': 6})
            with self.refused(AccessError):
                Policy.delete([Policy(policy.id)])
            own = self.policy(
                adopt=False, authorization=self.authorization.id,
                active_months=3)
        with acting('pharmacist_in_charge'):
            self.adopt(Policy(own.id))
        self.assertEqual(self.clock.policy, own)
        self.assertEqual(
            self.clock.archive_on, ago(months=1) + relativedelta(months=3))

    @with_transaction(user=0)
    def test_policy_future(self):
        "Periods apply from their date"
        Clock = Pool().get('early_access.retention.clock')
        self.policy(from_date=ago(days=-5))
        self.assertIsNone(self.clock.policy)
        with at(ago(days=-5)):
            Clock.recompute([self.authorization], cause='day')
            self.assertTrue(self.clock.policy)

    # What is due

    def announced(self, date):
        Clock = Pool().get('early_access.retention.clock')
        with at(date):
            return Clock.announce([self.clock])

    @with_transaction(user=0)
    def test_announce(self):
        "What comes due is announced at 90, 30 and 7 days, once each"
        self.policy()
        self.publish(ago(months=1))
        due = self.clock.archive_on
        for days, step in [
                (91, None), (90, 90), (89, None), (31, None), (30, 30),
                (29, None), (6, 7), (1, None), (0, 0), (-3, None)]:
            with self.subTest(days=days):
                announcements = self.announced(
                    due - dt.timedelta(days=days))
                self.assertEqual(
                    [a.days for a in announcements],
                    [step] if step is not None else [])
                self.assertTrue(all(a.date == due for a in announcements))

    @with_transaction(user=0)
    def test_email(self):
        "The e-mail says only that work is waiting"
        self.policy()
        self.publish(ago(months=1))
        announcement, = self.announced(self.clock.archive_on)
        message, title = get_email(
            'early_access.retention.announcement', announcement,
            Pool().get('ir.lang').search([('code', '=', 'en')]))
        text = title + message.as_string()
        for name in ['DMB', "Demolumab", str(announcement.date)]:
            self.assertNotIn(name.lower(), text.lower())
        self.assertIn("Work is waiting", message.as_string())

    @with_transaction(user=0)
    def test_due(self):
        "Nothing moves unannounced, nor while it is held"
        Clock = Pool().get('early_access.retention.clock')
        self.policy()
        self.publish(ago(months=1))
        clock, due = self.clock, self.clock.archive_on
        with at(due):
            self.assertEqual(Clock.due('archive'), [])
        self.announced(due - dt.timedelta(days=7))
        self.assertEqual(
            Clock.due('archive', due - dt.timedelta(days=1)), [])
        self.assertEqual(Clock.due('archive', due), [clock])
        self.assertEqual(Clock.due('destroy', due), [])
        with at(due):
            hold = self.hold(from_date=due, until=due)
            self.assertEqual(Clock.due('archive'), [])
            self.assertEqual(Clock(clock.id).urgency, 'held')
        with at(due + dt.timedelta(days=1)):
            self.assertTrue(hold.over or hold.until < current_date())
            self.assertEqual(Clock.due('archive'), [clock])
            Clock.mark([clock], 'archived')
            self.assertEqual(Clock.due('archive'), [])
            self.assertEqual(
                Clock(clock.id).archived_on, due + dt.timedelta(days=1))
            # It has expired in the meantime
            self.assertEqual(Clock(clock.id).next_kind, 'destroy')

    @with_transaction(user=0)
    def test_due_ceiling(self):
        "Past what is lawful a day of notice is enough"
        Clock = Pool().get('early_access.retention.clock')
        self.publish(ago(years=2, days=1))
        clock = self.clock
        self.assertEqual(clock.urgency, 'late')
        today = dt.date.today()
        self.announced(today)
        self.assertEqual(Clock.due('archive', today), [])
        self.assertEqual(
            Clock.due('archive', today + dt.timedelta(days=1)), [clock])

    # The holds

    @with_transaction()
    def test_hold(self):
        "A hold has a ground and an end, and is lifted with a reason"
        pool = Pool()
        Hold = pool.get('early_access.retention.hold')
        Patient = pool.get('early_access.patient')
        patients = [self.patient('treated'), self.patient('eligible')]
        with acting('dpo') as user:
            hold = self.hold(patients=[('add', [patients[0].id])])
            self.assertEqual(hold.placed_by, user)
            blocked = Patient.retention_blocked(patients)
            self.assertEqual(list(blocked), [patients[0].id])
            self.assertIn("FICT-2026-1", blocked[patients[0].id])
            self.assertFalse(self.clock.held)
            with self.refused(AccessError):
                Hold.write([hold], {'ground': 'inspection'})
            with self.refused(AccessError):
                Hold.write([hold], {'until': ago(days=-50)})
            with self.refused(AccessError):
                Hold.delete([hold])
            Hold.write([hold], {'until': ago(days=-150)})
            with self.refused(HoldError, AccessButtonError):
                Hold.lift([hold])
            Hold.write([hold], {'lift_reason': 'closed'})
            Hold.lift([Hold(hold.id)])
            self.assertEqual(Patient.retention_blocked(patients), {})
            self.hold()
            self.assertEqual(
                len(Patient.retention_blocked(patients)), 2)
            self.assertTrue(self.clock.held)
        with acting('audit'):
            self.assertTrue(Hold.search([]))
            with self.refused(AccessError):
                self.hold(place=False)
        with acting('regulatory_affairs'):
            hold = self.hold(place=False)
            with self.refused(AccessButtonError):
                rpc(Hold, 'place', [hold.id], {})

    # What came to nothing

    @with_transaction(user=0)
    def test_request_ends(self):
        "Who was refused or never started has a shorter period"
        Patient = Pool().get('early_access.patient')
        patients = [self.patient(s) for s in [
                'refused', 'never_started', 'cancelled', 'treated']]
        self.assertEqual(
            list(Patient.retention_request_ends(patients).values()),
            [None] * 3)
        self.policy(refused_months=3, never_started_months=9)
        ends = Patient.retention_request_ends(patients)
        today = dt.date.today()
        self.assertEqual(ends, {
                p.id: d for p, d in zip(patients, [
                        today + relativedelta(months=3),
                        today + relativedelta(months=9),
                        today + relativedelta(months=3)])})

    # The drafts

    def age(self, patient, days):
        "Let the request and its forms be untouched for so many days."
        pool = Pool()
        cursor = Transaction().connection.cursor()
        time = dt.datetime.now() - dt.timedelta(days=days)
        for name, column in [
                ('early_access.patient', 'id'),
                ('early_access.form', 'patient')]:
            table = pool.get(name).__table__()
            cursor.execute(*table.update(
                    [table.create_date, table.write_date], [time, time],
                    where=getattr(table, column) == patient.id))

    @with_transaction(user=0)
    def test_drafts(self):
        "An abandoned draft leaves nothing behind"
        pool = Pool()
        DataKey = pool.get('early_access.data_key')
        Patient = pool.get('early_access.patient')
        Run = pool.get('early_access.retention.run')
        patient = self.patient('draft')
        key, forms = patient.data_key, len(patient.forms)
        self.assertTrue(forms)
        self.age(patient, 40)
        self.assertEqual(Patient.retention_drafts(0, 10), [])
        self.policy()
        self.assertEqual(
            Patient.retention_drafts(0, 10), [patient.id])
        # Its form was touched
        self.age(patient, 20)
        self.assertEqual(Patient.retention_drafts(0, 10), [])
        self.age(patient, 40)
        hold = self.hold(patients=[('add', [patient.id])])
        run, _ = Run.begin('drafts')
        self.assertTrue(Run.step(run, 5))
        self.assertEqual((Run(run).acted, Run(run).blocked), (0, 1))
        Hold = pool.get('early_access.retention.hold')
        Hold.write([hold], {'lift_reason': 'error'})
        Hold.lift([Hold(hold.id)])
        self.assertFalse(Run.step(run, 5))
        run, _ = Run.begin('drafts')
        others = Patient.search([('id', '!=', patient.id)], count=True)
        self.assertTrue(Run.step(run, 5))
        self.assertEqual((Run(run).acted, Run(run).failed), (1, 0))
        self.assertEqual(Patient.search([], count=True), others)
        self.assertFalse(DataKey.search([('id', '=', key.id)]))
        self.assertEqual(list(self.traces(patient.id)), [])

    def traces(self, id_):
        "Yield where the database still refers to the patient."
        pool = Pool()
        cursor = Transaction().connection.cursor()
        for name, Model in pool.iterobject():
            if (not issubclass(Model, ModelSQL)
                    or Model._is_table_query()):
                continue
            table = Model.__table__()
            for field_name, field in Model._fields.items():
                if (isinstance(field, fields.Many2One)
                        and field.model_name == 'early_access.patient'):
                    cursor.execute(*table.select(
                            table.id,
                            where=Column(table, field_name) == id_))
                    if cursor.fetchall():
                        yield name, field_name
                elif isinstance(field, fields.Reference):
                    cursor.execute(*table.select(
                            table.id,
                            where=Column(table, field_name)
                            == f'early_access.patient,{id_}'))
                    if cursor.fetchall():
                        yield name, field_name

    # The runs

    @with_transaction(user=0)
    def test_runs(self):
        "A run goes on where it was left, and another one joins it"
        pool = Pool()
        Run = pool.get('early_access.retention.run')
        Authorization = pool.get('early_access.authorization')
        for code in ['TSTA', 'TSTB']:
            Authorization.copy(
                [self.authorization], default={'code': code})
        run, today = Run.begin('recompute')
        self.assertTrue(today)
        self.assertEqual(Run.begin('recompute'), (run, True))
        total = Authorization.search([], count=True)
        for number in range(total):
            self.assertTrue(Run.step(run, 1))
            self.assertEqual(Run(run).seen, number + 1)
        self.assertFalse(Run.step(run, 1))
        self.assertTrue(Run(run).ended_at)
        self.assertFalse(Run.step(run, 1))
        self.assertEqual(Run(run).chunks, total)
        other, _ = Run.begin('recompute')
        self.assertNotEqual(other, run)
        self.assertEqual(Run(other).number, 2)

    @with_transaction()
    def test_delete(self):
        "A draft of an authorization is deleted with its clock"
        pool = Pool()
        Authorization = pool.get('early_access.authorization')
        Clock = pool.get('early_access.retention.clock')
        with acting('regulatory_affairs'):
            copy, = Authorization.copy(
                [self.authorization], default={'code': 'TSTC'})
            self.assertEqual(len(copy.retention_clocks), 1)
            Authorization.delete([copy])
            self.assertFalse(Clock.search([
                        ('authorization.code', '=', 'TSTC')]))

    @with_transaction()
    def test_access(self):
        "Who follows the life of data, and who does not"
        pool = Pool()
        clock = self.clock
        with without_check_access():
            self.policy()
        for name in ['clock', 'policy', 'hold', 'run', 'announcement']:
            Model = pool.get(f'early_access.retention.{name}')
            for login in [
                    'dpo', 'audit', 'regulatory_affairs',
                    'pharmacist_in_charge']:
                with acting(login):
                    Model.search([])
            for login in ['prescriber', 'supply', 'data_manager']:
                with acting(login), self.refused(AccessError):
                    Model.search([])
        Clock = pool.get('early_access.retention.clock')
        for login in ['dpo', 'regulatory_affairs', 'pharmacist_in_charge']:
            with acting(login):
                with self.refused(AccessError):
                    Clock.write([clock], {'destroy_on': ago(days=1)})
                with self.refused(AccessError):
                    Clock.delete([clock])
