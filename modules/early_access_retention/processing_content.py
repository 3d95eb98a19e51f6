# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"What a record of processing activities says, read where it lives."

import trytond.config as config
from trytond.i18n import gettext
from trytond.modules.early_access.variable import (
    CATEGORIES, SPECIAL_CATEGORIES)
from trytond.modules.early_access_audit import purge, settings
from trytond.modules.early_access_audit.incident_report import IncidentReport
from trytond.modules.early_access_audit.session import idle_time
from trytond.pool import Pool
from trytond.transaction import Transaction

from .territory import is_inside
from .today import current_date

FORMAT, VERSION = 'early-access-processing', 1


def text(name, **values):
    return gettext(f'early_access_retention.msg_record_{name}', **values)


def selection(record, name):
    "Return the label of what is selected."
    definition = record.__class__.fields_get([name])[name]
    labels = dict(definition['selection'])
    value = getattr(record, name)
    values = value if isinstance(value, (list, tuple)) else [value]
    return ', '.join(labels[v] for v in values if v)


class Content:
    """The sections of a record.

    Each is a title and its rows: a label and its lines of text. A row without
    a line is missing, and is said to be.
    """

    def __init__(self, processing):
        pool = Pool()
        Formality = pool.get('early_access.formality')
        self.processing = processing
        self.company = processing.company
        self.date = current_date()
        self.formalities = Formality.in_force(self.company, self.date)
        self.authorizations = list(processing.authorizations) or (
            pool.get('early_access.authorization').search([
                    ('company', '=', self.company.id),
                    ('state', 'not in', ['draft', 'refused']),
                    ]))
        self._named = {
            name: (text(f'section_{name}'), list(rows))
            for name, rows in self._sections()}
        self.sections = list(self._named.values())

    def gaps(self):
        "Return what is missing, as texts."
        return [
            text('gap', section=title, row=label)
            for title, rows in self.sections
            for label, lines in rows if not lines]

    def statement(self):
        """Return what the record says, to be kept as JSON.

        The sections have a name that is the same in all languages.
        """
        heading = text('section_heading'), [(
                self.processing.__names__('name')['field'],
                [self.processing.name])]
        return {
            'format': FORMAT,
            'version': VERSION,
            'kind': self.processing.kind,
            'language': Transaction().language,
            'sections': [{
                    'name': name,
                    'title': title,
                    'rows': [
                        {'label': label, 'lines': lines}
                        for label, lines in rows],
                    }
                for name, (title, rows) in {
                    'heading': heading, **self._named}.items()],
            }

    def _sections(self):
        yield 'parties', self.parties()
        yield 'purposes', self.purposes()
        if self.processing.kind == 'controller':
            yield 'persons', self.persons()
        yield 'recipients', self.recipients()
        yield 'transfers', self.transfers()
        if self.processing.kind == 'controller':
            yield 'periods', self.periods()
        yield 'security', self.security()
        if self.processing.kind == 'controller':
            yield 'formalities', self.other_formalities()

    def parties(self):
        own = self._party(self.company.party)
        if self.processing.kind == 'processor':
            yield text('processor'), own
            yield text('controller'), self._party(self.processing.controller)
        else:
            yield text('controller'), own
            joint = self.processing.joint_controller
            yield text('joint_controller'), (
                self._party(joint) if joint else [text('none')])
        representatives = [
            line for f in self.formalities.get('representative', [])
            for line in [*self._party(f.party), f.number]]
        if not representatives and self._is_established():
            representatives = [text('not_needed')]
        yield text('representative'), representatives
        yield text('dpo'), IncidentReport._officers()

    def _is_established(self):
        "Whether an address of the company is known to be in the Union."
        return any(
            a.country and is_inside(a.country.code)
            for a in self.company.party.addresses)

    @staticmethod
    def _party(party):
        lines = [party.rec_name]
        for address in party.addresses[:1]:
            if address.full_address.strip():
                lines.append(' - '.join(address.full_address.splitlines()))
        return lines

    def purposes(self):
        yield text('purposes'), [
            text('purpose_follow'), text('purpose_contacts'),
            text('purpose_evaluation')]
        yield text('legal_basis'), [text('basis_law'), text('basis_health')]
        yield text('programmes'), [
            f'{a.code} - {a.name} ({selection(a, "state")})'
            for a in self.authorizations]
        Reuse = Pool().get('early_access.reuse')
        reuses = Reuse.search([
                ('company', '=', self.company.id),
                *Reuse.valid_domain(self.date)])
        yield text('reuses'), [
            ' - '.join(filter(None, [
                        r.name, selection(r, 'kind'), r.formality_number]))
            for r in reuses] or [text('none')]

    def persons(self):
        protocols = [
            p for a in self.authorizations for p in a.protocols
            if p.state == 'active']
        special = dict(SPECIAL_CATEGORIES)
        names, justified = {}, []
        for protocol in protocols:
            for variable in protocol.variables:
                if variable.category not in special:
                    names[variable.category] = selection(
                        variable, 'category')
            for justification in protocol.justifications:
                justified.append(text(
                        'justification',
                        category=justification.category_string,
                        programme=protocol.authorization.code,
                        reason=justification.justification))
        yield text('patients'), [
            text('patient_identity'),
            *(names[c] for c, _ in CATEGORIES if c in names),
            ] if protocols else []
        yield text('special'), justified or [text('none')]
        yield text('related'), [text('related_data')]
        yield text('professionals'), [text('professional_data')]

    def recipients(self):
        Recipient = Pool().get('early_access.recipient')
        recipients = Recipient.of_company(self.company, self.date)
        for category in ['laboratory', 'processor', 'group', 'public_body']:
            found = [r for r in recipients if r.category == category]
            if self.processing.kind == 'processor' and category != (
                    'processor'):
                continue
            label = dict(Recipient.fields_get(['category'])['category'][
                    'selection'])[category]
            yield label, [self._recipient(r) for r in found] or (
                [text('none')] if category == 'group' else [])

    @staticmethod
    def _recipient(recipient):
        lines = [
            recipient.party.rec_name, recipient.service,
            recipient.country.name, selection(recipient, 'data_level')]
        return ' - '.join(filter(None, lines))

    def transfers(self):
        pool = Pool()
        Transfer = pool.get('early_access.transfer')
        Recipient = pool.get('early_access.recipient')
        transfers = Transfer.of_company(self.company, self.date)
        lines = []
        for transfer in transfers:
            means = {
                'adequacy': transfer.adequacy and transfer.adequacy.rec_name,
                'safeguard': selection(transfer, 'safeguard'),
                'derogation': selection(transfer, 'derogation'),
                }[transfer.instrument]
            lines.append(text(
                    'transfer', recipient=transfer.recipient.party.rec_name,
                    country=transfer.country.name,
                    instrument=selection(transfer, 'instrument'),
                    means=means, data=selection(transfer, 'data')))
        yield text('transfers'), lines or [text('none')]
        covered = {t.recipient for t in transfers}
        uncovered = [
            r for r in Recipient.of_company(self.company, self.date)
            if r.outside and r not in covered]
        for recipient in uncovered:
            yield text(
                'transfer_missing', recipient=recipient.party.rec_name,
                country=recipient.country.name), []

    def periods(self):
        Processing = self.processing.__class__
        for authorization in self.authorizations:
            yield authorization.code, Processing.retention_periods(
                authorization)
        yield text('trail'), [text('trail_days', days=purge.period())]

    def security(self):
        pool = Pool()
        Charter = pool.get('early_access.audit.charter')
        Check = pool.get('early_access.audit.check')
        Review = pool.get('early_access.audit.access_review')
        Processor = pool.get('early_access.processor')
        chains = settings.chains()
        yield text('authentication'), [
            text('authentication_strong', chains=', '.join(
                    '+'.join(c) for c in chains))
            ] if all(c in settings.STRONG for c in chains) else []
        yield text('encryption'), [text('encryption_sealed')]
        yield text('sessions'), [
            text('session_idle', minutes=int(
                    idle_time().total_seconds() // 60))]
        key = config.get('early_access', 'audit_key')
        yield text('trail_sealed'), [text('trail_signed')] if key else []
        charter = Charter.in_force()
        yield text('charter'), [charter.rec_name] if charter else []
        for name, Model, state in [
                ('check', Check, 'signed'), ('review', Review, 'closed')]:
            last = Model.search(
                [('state', '=', state)], order=[('id', 'DESC')], limit=1)
            yield text(name), [r.rec_name for r in last]
        hosts = Processor.search([
                ('company', '=', self.company.id),
                ('hosts_health_data', '=', True),
                *Processor.valid_domain(self.date)])
        for host in hosts:
            yield text('host', host=host.party.rec_name), [
                c.number for c in host.certificates
                if c.status_at(self.date) in {'valid', 'ending'}]
        if not hosts:
            yield text('hosts'), [text('none')]
        yield text('security_policy'), [
            f.number for f in self.formalities.get('security_policy', [])]

    def other_formalities(self):
        Assessment = Pool().get('early_access.dpia')
        yield text('declaration'), [
            f'{f.number} ({f.valid_from})'
            for f in self.formalities.get('declaration', [])]
        yield text('dpia'), [
            a.rec_name for a in Assessment.search([
                    ('company', '=', self.company.id),
                    ('state', '=', 'validated'),
                    ])]
