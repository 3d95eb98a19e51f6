# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import datetime as dt

from dateutil.relativedelta import relativedelta

from trytond.model.exceptions import AccessError
from trytond.modules.early_access import completeness
from trytond.pool import Pool
from trytond.tests.test_tryton import with_transaction
from trytond.transaction import Transaction

from .tools import ProgrammeTestCase, acting, answers, rpc


class CompletenessTestCase(ProgrammeTestCase):
    "Test the counts of what is missing, and who is reminded of it"

    def rates(self, **clauses):
        pool = Pool()
        Completeness = pool.get('early_access.completeness')
        Authorization = pool.get('early_access.authorization')
        authorization, = Authorization.search([])
        Completeness.compute(authorization)
        return {
            (c.form.name, c.variable.code): (
                c.asked, c.answered, c.justified)
            for c in Completeness.search([
                    ('establishment.name', '=', "North Hospital")])}

    def submit(self, form, **values):
        missing = values.pop('missing', {})
        with acting('prescriber'):
            rpc(form.__class__, 'write', [form.id], {
                    'visit_date': dt.date.today(),
                    'answers': answers(
                        {v.name: None for v in form.variables}, **values),
                    'missing': {
                        v.name: missing[v.code] for v in form.variables
                        if v.code in missing},
                    })
            rpc(form.__class__, 'submit', [form.id])

    def forms(self, name):
        Form = Pool().get('early_access.form')
        return Form.search([
                ('patient', '=', self.patient('treated').id),
                ('definition.name', '=', name),
                ], order=[('due_date', 'ASC')])

    @with_transaction()
    def test_counts(self):
        "What is received counts, a reason apart, and what is overdue"
        before = self.rates()
        self.assertFalse([n for n, _ in before if n == "Follow-up"])
        one, other = self.forms("Follow-up")
        self.submit(
            one, response='none', stop_cause='weight',
            missing={'dose': 'not_done'})
        other.latest_date = dt.date.today() - relativedelta(days=1)
        other.save()
        after = self.rates()
        self.assertEqual(
            {k: v for k, v in after.items() if k[0] == "Follow-up"}, {
                ("Follow-up", 'response'): (2, 1, 0),
                ("Follow-up", 'dose'): (2, 0, 1),
                # Nobody knows whether it would be asked
                ("Follow-up", 'stop_cause'): (1, 1, 0),
                })

    @with_transaction()
    def test_patients(self):
        "The counts of a patient are those of its forms, the worst one first"
        pool = Pool()
        Patients = pool.get('early_access.completeness.patient')
        other = self.forms("Follow-up")[1]
        other.latest_date = dt.date.today() - relativedelta(days=1)
        other.save()
        self.rates()
        counts = Patients.search([])
        self.assertEqual(
            sum(c.asked for c in counts),
            sum(c.asked for c in pool.get(
                    'early_access.completeness').search([])))
        rates = [c.missing_rate for c in counts]
        self.assertEqual(rates, sorted(rates, reverse=True))
        self.assertEqual(counts[0].patient, other.patient)
        self.assertEqual(
            counts[0].establishment, other.patient.establishment)

    @with_transaction()
    def test_hospital(self):
        "A hospital user finds the patients of the own services"
        pool = Pool()
        Patients = pool.get('early_access.completeness.patient')
        patient = self.patient('treated')
        self.rates()
        for login, seen in [
                ('prescriber', True), ('hospital_pharmacist', True),
                ('data_manager', True), ('south_prescriber', False)]:
            with self.subTest(login), acting(login):
                found = rpc(Patients, 'search', [
                        ('patient', '=', patient.id)])
                self.assertEqual(bool(found), seen)
        with acting('market_access'), self.refused(AccessError):
            rpc(Patients, 'search', [])

    @with_transaction()
    def test_chunks(self):
        "The size of the chunks changes nothing"
        expected = self.rates()
        size, completeness.CHUNK = completeness.CHUNK, 1
        try:
            self.assertEqual(self.rates(), expected)
        finally:
            completeness.CHUNK = size

    @with_transaction()
    def test_levels(self):
        "The sums by establishment and form, and that of the programme"
        pool = Pool()
        one, other = self.forms("Follow-up")
        other.latest_date = dt.date.today() - relativedelta(days=1)
        other.save()
        self.rates()
        with acting('market_access'):
            for name in ['', '.establishment', '.form']:
                Model = pool.get(f'early_access.completeness{name}')
                records = Model.search([])
                self.assertEqual(
                    (sum(r.asked for r in records),
                        sum(r.missing for r in records)),
                    (sum(r.asked for r in pool.get(
                                'early_access.completeness').search([])), 2))
            authorization, = pool.get('early_access.authorization').search([])
            self.assertGreater(authorization.missing_rate, 0)

    @with_transaction()
    def test_reminders(self):
        "A prescriber is reminded of counts, once a week"
        pool = Pool()
        Form = pool.get('early_access.form')
        Reminder = pool.get('early_access.reminder')
        User = pool.get('res.user')
        Reminder.remind()
        self.assertFalse(Reminder.search([]))
        today = dt.date.today()
        overdue, due = self.forms("Follow-up")
        overdue.due_date = overdue.latest_date = (
            today - relativedelta(days=3))
        due.due_date = today
        Form.save([overdue, due])
        Reminder.remind()
        # Without an e-mail there is nobody to remind
        self.assertFalse(Reminder.search([]))
        User.write(
            User.search([('login', '=', 'prescriber')]),
            {'email': 'prescriber@example.com'})
        for _ in range(2):
            Reminder.remind()
        reminder, = Reminder.search([])
        self.assertEqual(reminder.user.login, 'prescriber')
        self.assertEqual(
            (reminder.overdue_forms, reminder.due_forms,
                reminder.open_queries), (1, 1, 0))
        reminder.date = today - relativedelta(days=7)
        reminder.save()
        Reminder.remind()
        self.assertEqual(Reminder.search([], count=True), 2)

    @with_transaction()
    def test_reminder_text(self):
        "The e-mail tells neither of a patient nor of a medicine"
        pool = Pool()
        Reminder = pool.get('early_access.reminder')
        Email = pool.get('early_access.reminder', type='report')
        User = pool.get('res.user')
        user, = User.search([('login', '=', 'prescriber')])
        patient = self.patient('treated')
        reminder, = Reminder.create([{
                    'company': patient.company.id,
                    'professional': patient.prescriber.id,
                    'user': user.id,
                    'date': dt.date.today(),
                    'overdue_forms': 3,
                    }])
        with Transaction().set_user(0):
            _, content, _, title = Email.execute([reminder.id], {})
        self.assertIn("Overdue forms: 3", content)
        for text in [
                patient.code, patient.authorization.code,
                patient.authorization.products[0].name, "Queries"]:
            self.assertNotIn(text, content + title)
