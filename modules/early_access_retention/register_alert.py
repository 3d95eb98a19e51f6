# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The e-mails about what ends soon, and about the reviews that wait."

from dateutil.relativedelta import relativedelta

from trytond.pool import Pool, PoolMeta
from trytond.transaction import without_check_access

from .today import current_date


# The days before the end at which an e-mail is sent, and once it is over
STEPS = (90, 30, 7, 0)
RESOURCES = [
    ('early_access.processor', "Processor"),
    ('early_access.processor.certificate', "Certificate"),
    ('early_access.recipient', "Recipient"),
    ('early_access.transfer', "Transfer"),
    ('early_access.adequacy', "Adequacy Decision"),
    ('early_access.dpia', "Impact Assessment"),
    ('early_access.dpia.review', "Review"),
    ]
KINDS = [
    ('contract_end', "The contract of a processor ends"),
    ('certificate_end', "The certificate of a host ends"),
    ('recipient_end', "The basis of a recipient ends"),
    ('transfer_end', "A transfer ends"),
    ('adequacy_end', "An adequacy decision ends"),
    ('dpia_date', "The impact assessment is to be reviewed"),
    ('dpia_review', "A review of the impact assessment is due"),
    ]


def step_of(end, date):
    """Return the number of days of the last step that was reached, or None.

    An e-mail that a stopped server did not send is sent when it runs again.
    """
    for step in sorted(STEPS):
        if end - relativedelta(days=step) <= date:
            return step


class Alert(metaclass=PoolMeta):
    __name__ = 'early_access.audit.alert'

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls.resource.selection = cls.resource.selection + RESOURCES
        cls.kind.selection = cls.kind.selection + KINDS

    @property
    def text(self):
        if self.kind in dict(KINDS):
            return self.kind_string
        return super().text

    @classmethod
    @without_check_access
    def alert_registers(cls):
        "Send the e-mails that are due, called by a cron."
        pool = Pool()
        Assessment = pool.get('early_access.dpia')
        Review = pool.get('early_access.dpia.review')
        date = current_date()
        for assessment in Assessment.search([
                    ('state', '=', 'validated'),
                    ('review_date', '<=', date),
                    ]):
            Review.open_for('date', assessment)
        for kind, record, end, profiles, company in cls._ends(date):
            step = step_of(end, date)
            if step is not None:
                cls.send(record, kind, profiles, step=step, company=company)

    @classmethod
    def _ends(cls, date):
        "Yield the kind, the record, its end, who is told and the company."
        pool = Pool()
        soon = date + relativedelta(days=max(STEPS))
        ending = [('valid_to', '!=', None), ('valid_to', '<=', soon)]
        active = ('state', '=', 'active')
        both = ['dpo', 'security_officer']
        for kind, name, profiles in [
                ('contract_end', 'early_access.processor', both),
                ('recipient_end', 'early_access.recipient', ['dpo']),
                ('transfer_end', 'early_access.transfer', ['dpo'])]:
            for record in pool.get(name).search([active, *ending]):
                yield kind, record, record.valid_to, profiles, record.company
        Certificate = pool.get('early_access.processor.certificate')
        for certificate in Certificate.search([
                    ('processor.state', '=', 'active'), *ending]):
            if cls._is_renewed(certificate):
                continue
            yield ('certificate_end', certificate, certificate.last_day, both,
                certificate.processor.company)
        Adequacy = pool.get('early_access.adequacy')
        for adequacy in Adequacy.search(ending):
            yield 'adequacy_end', adequacy, adequacy.valid_to, ['dpo'], None
        Assessment = pool.get('early_access.dpia')
        for assessment in Assessment.search([
                    ('state', '=', 'validated'),
                    ('review_date', '<=', soon),
                    ]):
            yield ('dpia_date', assessment, assessment.review_date, ['dpo'],
                assessment.company)
        Review = pool.get('early_access.dpia.review')
        for review in Review.search([('state', '=', 'open')]):
            yield 'dpia_review', review, review.due_date, ['dpo'], (
                review.company)

    @staticmethod
    def _is_renewed(certificate):
        return any(
            c.last_day > certificate.last_day
            and set(c.activities) >= set(certificate.activities)
            for c in certificate.processor.certificates)
