# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The record of an incident, on paper.

It is in the language of the user. Without LibreOffice on the server it is a
document to open with it, instead of a PDF.
"""

import shlex
import shutil

import trytond.config as config
from trytond.pool import Pool
from trytond.report import Report
from trytond.transaction import Transaction

from .incident_clock import DELAY, now


def can_convert():
    "Return whether the program that makes a PDF is there."
    command = config.get('report', 'convert_command', default='soffice')
    return bool(shutil.which(shlex.split(command)[0]))


class IncidentReport(Report):

    @classmethod
    def convert(cls, report, data, **options):
        if not can_convert():
            # Tryton would try, fail, and log the failure
            return report.template_extension, data
        return super().convert(report, data, **options)

    @classmethod
    def get_context(cls, records, header, data):
        pool = Pool()
        Company = pool.get('company.company')
        User = pool.get('res.user')
        context = super().get_context(records, header, data)
        context['printed_at'] = now()
        context['printed_by'] = User(Transaction().user).name
        context['delay'] = DELAY
        context['dpo'] = cls._officers()
        context['format_time'] = cls.format_time
        context['label'] = cls.label
        context['choice'] = cls.choice
        context['steps'] = cls.steps
        context['lines'] = lambda text: (text or '—').splitlines()
        context['companies'] = {
            r.id: Company(r.company.id) for r in records}
        return context

    @classmethod
    def _officers(cls):
        "The names and the e-mail addresses of the data protection officers."
        pool = Pool()
        ModelData = pool.get('ir.model.data')
        User = pool.get('res.user')
        group = ModelData.get_id('early_access', 'group_dpo')
        return [
            ' - '.join(filter(None, [u.name, u.email]))
            for u in User.search([('groups', '=', group)])]

    @classmethod
    def format_time(cls, value, company):
        """Return a time in UTC as people of the company read it, or a dash.

        The zone is told, as a day may have an hour twice.
        """
        if not value:
            return '—'
        zone = company.timezone or 'UTC'
        text = cls.format_datetime(value, timezone=zone)
        return f'{text} ({zone})'

    @staticmethod
    def label(record, name):
        "Return the label of a field."
        return record.__class__.__names__(name)['field']

    @classmethod
    def steps(cls, record):
        "Return the label, the time and the user of each step that was done."
        return [
            (cls.label(record, f'{name}_at'), getattr(record, f'{name}_at'),
                getattr(record, f'{name}_by').name)
            for name in ['opened', 'assessed', 'decided', 'closed']
            if getattr(record, f'{name}_at')]

    @staticmethod
    def choice(record, name):
        "Return the labels of what is selected, or a dash."
        definition = record.__class__.fields_get([name])[name]
        selection = dict(definition['selection'])
        value = getattr(record, name)
        values = value if isinstance(value, (list, tuple)) else [value]
        return ', '.join(selection[v] for v in values if v) or '—'


class IncidentAuthorityReport(IncidentReport):
    "What the authority asks (GDPR 33.3)"
    __name__ = 'early_access.audit.incident.authority'


class IncidentFileReport(IncidentReport):
    "The whole of an incident, for the internal file (GDPR 33.5)"
    __name__ = 'early_access.audit.incident.file'
