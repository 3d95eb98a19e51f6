# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from dateutil.relativedelta import relativedelta
from sql.aggregate import Count
from sql.conditionals import Case

from trytond.model import Index, ModelSQL, ModelView, Unique, fields
from trytond.pool import Pool
from trytond.report import Report
from trytond.tools import grouped_slice
from trytond.transaction import Transaction, without_check_access
from trytond.url import http_host

from .answers import OPEN_STATES

# The days between two reminders of a professional
INTERVAL = 7


class Reminder(ModelSQL, ModelView):
    """An e-mail to a professional for whom work is waiting.

    It holds counts only: neither it nor the e-mail tells of a patient or a
    medicine (SEC-ECH-2). The e-mail is sent by the notification on its
    creation.
    """
    __name__ = 'early_access.reminder'

    company = fields.Many2One(
        'company.company', "Company", required=True, readonly=True,
        ondelete='CASCADE')
    professional = fields.Many2One(
        'early_access.professional', "Professional", required=True,
        readonly=True, ondelete='CASCADE')
    user = fields.Many2One(
        'res.user', "User", required=True, readonly=True, ondelete='CASCADE')
    date = fields.Date("Date", required=True, readonly=True)
    due_forms = fields.Integer("Forms Due", readonly=True)
    overdue_forms = fields.Integer("Forms Overdue", readonly=True)
    open_queries = fields.Integer("Open Queries", readonly=True)

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_constraints += [
            ('date_unique', Unique(t, t.company, t.professional, t.date),
                'early_access.msg_reminder_unique'),
            ]
        cls._sql_indexes.add(Index(
                t, (t.professional, Index.Range()), (t.date, Index.Range())))
        cls._order = [('date', 'DESC'), ('id', 'DESC')]

    def get_rec_name(self, name):
        return self.professional.rec_name

    @classmethod
    def search_rec_name(cls, name, clause):
        return [('professional.rec_name', *clause[1:])]

    @classmethod
    @without_check_access
    def remind(cls):
        """Remind the prescribers who were not lately, called by a cron.

        It does nothing more when it is run twice the same day.
        """
        pool = Pool()
        Date = pool.get('ir.date')
        Professional = pool.get('early_access.professional')
        today = Date.today()
        recent = {
            (r.company.id, r.professional.id) for r in cls.search([
                    ('date', '>', today - relativedelta(days=INTERVAL)),
                    ])}
        to_create = []
        waiting = {
            k: v for k, v in cls._waiting(today).items() if k not in recent}
        professionals = {
            p.id: p for p in Professional.search([
                    ('id', 'in', [p for _, p in waiting]),
                    ('state', '=', 'active'),
                    ('user.active', '=', True),
                    ('user.email', '!=', None),
                    ])}
        for (company, professional), counts in sorted(waiting.items()):
            if professional in professionals:
                to_create.append({
                        'company': company,
                        'professional': professional,
                        'user': professionals[professional].user.id,
                        'date': today,
                        **counts,
                        })
        for values in grouped_slice(to_create, 100):
            cls.create(list(values))

    @classmethod
    def _waiting(cls, today):
        "The counts by (company, prescriber) for whom something is waiting."
        pool = Pool()
        Form = pool.get('early_access.form')
        Patient = pool.get('early_access.patient')
        Query = pool.get('early_access.query')
        form, patient, query = (
            M.__table__() for M in [Form, Patient, Query])
        cursor = Transaction().connection.cursor()
        result = {}

        def count(name, key, number):
            if number:
                result.setdefault(key, dict.fromkeys(
                        ['due_forms', 'overdue_forms', 'open_queries'], 0)
                    )[name] = int(number)

        overdue = Case((form.latest_date < today, 1))
        cursor.execute(*form.join(
                patient, condition=form.patient == patient.id).select(
                patient.company, patient.prescriber, Count(form.id),
                Count(overdue),
                where=form.state.in_(OPEN_STATES)
                & (form.due_date <= today),
                group_by=[patient.company, patient.prescriber]))
        for company, prescriber, due, late in cursor.fetchall():
            count('overdue_forms', (company, prescriber), late)
            count('due_forms', (company, prescriber), due - late)
        cursor.execute(*query.join(
                form, condition=query.form == form.id).join(
                patient, condition=form.patient == patient.id).select(
                patient.company, patient.prescriber, Count(query.id),
                where=query.state == 'open',
                group_by=[patient.company, patient.prescriber]))
        for company, prescriber, number in cursor.fetchall():
            count('open_queries', (company, prescriber), number)
        return result


class ReminderEmail(Report):
    "The text of the e-mail"
    __name__ = 'early_access.reminder'

    @classmethod
    def get_context(cls, records, header, data):
        context = super().get_context(records, header, data)
        context['url'] = f'{http_host()}/#{Transaction().database.name}'
        return context
