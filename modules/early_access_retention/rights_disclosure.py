# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""To whom the data of a person went, when and why.

They are dates and purposes, and never the names of employees: the trail gives
the profile of who acted, the registers give the recipients.
"""

import datetime as dt
from collections import namedtuple

from sql import Null
from sql.functions import DateTrunc

from trytond.i18n import gettext
from trytond.pool import Pool
from trytond.transaction import Transaction, without_check_access

# What the actions of the trail are to the person
PURPOSES = {
    'read': 'consultation',
    'open': 'consultation',
    'search': 'consultation',
    'export': 'export',
    'report': 'document',
    'create': 'entry',
    'write': 'entry',
    'button': 'entry',
    'wizard': 'entry',
    'delete': 'entry',
    'break_glass': 'emergency',
    }

Disclosure = namedtuple('Disclosure', ['date', 'purpose', 'recipient'])
Disclosure.__doc__ = "A date, and two texts in the language of the context."


@without_check_access
def disclosures(patient):
    "Return the disclosures of the data of a patient, in order."
    return sorted({
            *_traced([('patient', '=', patient.id)]),
            *_registered(patient), *_handed_over(patient)})


@without_check_access
def disclosures_of(archive):
    "Return the disclosures of an archive, in order: those of the trail."
    return sorted({
            *_traced([
                    ('model', '=', archive.__name__),
                    ('records', '=', str(archive.id))])})


def _traced(domain):
    Event = Pool().get('early_access.audit.event')
    table = Event.__table__()
    events = Event.search(domain, order=[], query=True)
    cursor = Transaction().connection.cursor()
    # Each once, however often it was read that day
    cursor.execute(*table.select(
            DateTrunc('day', table.at), table.action, table.roles,
            where=table.id.in_(events) & (table.user_id != Null),
            distinct=True))
    profiles = _profiles()
    for date, action, roles in cursor.fetchall():
        if action not in PURPOSES:
            continue
        # SQLite gives a text
        date = dt.date.fromisoformat(str(date)[:10])
        yield Disclosure(
            date,
            gettext('early_access_retention.msg_disclosure_'
                + PURPOSES[action]),
            ', '.join(
                profiles[r] for r in (roles or '').split(',')
                if r in profiles)
            or gettext('early_access_retention.msg_disclosure_laboratory'))


def _profiles():
    "Return the names of the profiles by the name that the trail gives."
    pool = Pool()
    Group = pool.get('res.group')
    ModelData = pool.get('ir.model.data')
    ids = {
        d.db_id: d.fs_id.removeprefix('group_') for d in ModelData.search([
                ('module', '=', 'early_access'),
                ('model', '=', 'res.group'),
                ])}
    return {
        ids[g.id]: g.name.split(': ', 1)[-1].split(' : ', 1)[-1]
        for g in Group.browse(list(ids))}


def exports_of(forms):
    """Return the exports that held forms, from the register.

    An export holds what was submitted before it, within its scope.
    """
    DataExport = Pool().get('early_access.data_export')
    forms = [f for f in forms if f.submitted_at]
    if not forms:
        return []
    authorization = forms[0].patient.authorization
    first = min(f.submitted_at for f in forms)
    events = [
        f for f in forms if 'adverse_event' in {
            f.kind, f.parent.kind if f.parent else None}]
    result = []
    for export in DataExport.search([
                ('authorization', '=', authorization.id),
                ('state', '=', 'done'),
                ('exported_at', '>=', first),
                ], order=[('id', 'ASC')]):
        held = events if export.scope == 'adverse_event' else forms
        if any(
                f.submitted_at <= export.exported_at and (
                    not export.protocol
                    or f.definition.protocol == export.protocol)
                for f in held):
            result.append(export)
    return result


def _registered(patient):
    DataExport = Pool().get('early_access.data_export')
    names = DataExport.fields_get(['recipient', 'reason'])
    recipients = dict(names['recipient']['selection'])
    reasons = dict(names['reason']['selection'])
    forms = [f for f in patient.forms if not f.related_person]
    for export in exports_of(forms):
        yield Disclosure(
            export.exported_at.date(), reasons[export.reason],
            recipients[export.recipient])


def _handed_over(patient):
    for form in patient.forms:
        if form.handed_over_at and not form.related_person:
            yield Disclosure(
                form.handed_over_at.date(),
                gettext('early_access_retention.msg_disclosure_vigilance'),
                gettext('early_access_retention.msg_disclosure_to_vigilance'))
