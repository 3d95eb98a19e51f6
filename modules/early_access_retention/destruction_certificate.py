# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from trytond.modules.early_access_audit.incident_report import IncidentReport
from trytond.pool import Pool
from trytond.transaction import Transaction

# What the certificate tells, by the field that gives its title
SECTIONS = [
    ('rule', ['kind', 'rule', 'article', 'reasoning']),
    ('first_by', [
            'prepared_on', 'first_by', 'first_at', 'second_by', 'second_at']),
    ('counts', ['destroyed', 'kept', 'counts_text', 'check']),
    ('destroyed_on', ['destroyed_on', 'keks', 'complete_on', 'to_do']),
    ]


class DestructionCertificate(IncidentReport):
    "The proof that nothing is left (CNIL 2022-107, SEC-ARC-2)"
    __name__ = 'early_access.retention.destruction.certificate'

    @classmethod
    def get_context(cls, records, header, data):
        Company = Pool().get('company.company')
        context = super().get_context(records, header, data)
        context['sections'] = cls.sections
        company = Transaction().context.get('company')
        context['company'] = (
            Company(company) if company else records[0].company)
        return context

    @classmethod
    def sections(cls, record):
        "Return the title and the (label, lines) of each section."
        return [
            (cls.label(record, title), [
                    (cls.label(record, n), cls._lines(record, n))
                    for n in names])
            for title, names in SECTIONS]

    @classmethod
    def _lines(cls, record, name):
        value = getattr(record, name)
        field = record._fields[name]
        if value is None:
            return ['—']
        if field._type == 'selection':
            return [cls.choice(record, name)]
        elif field._type == 'many2one':
            return [value.rec_name]
        elif field._type == 'timestamp':
            return [cls.format_time(value, record.company)]
        elif field._type == 'date':
            return [cls.format_date(value)]
        return str(value).splitlines() or ['—']
