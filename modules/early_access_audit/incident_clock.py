# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The 72 hours in which the authority is notified (GDPR 33.1).

They are real hours: nights, week-ends and public holidays count, and a day on
which the clocks change has 23 or 25 of them. All times are in UTC.
"""

import datetime as dt

from sql import Literal
from sql.conditionals import Case, Coalesce

from trytond.model import fields
from trytond.pool import Pool
from trytond.pyson import Eval, If
from trytond.transaction import Transaction, without_check_access

DELAY = dt.timedelta(hours=72)
# Once it is decided whether the authority is notified, the clock has stopped
RUNNING = ('draft', 'open', 'assessed')
FAR = dt.datetime(9999, 1, 1)


def now():
    "Return the current time, in UTC and without time zone."
    return Transaction().context.get(
        '_incident_now') or dt.datetime.now(dt.UTC).replace(tzinfo=None)


class IncidentClock:
    "The clock of an incident, from when the laboratory is aware of it"
    __slots__ = ()

    aware_at = fields.DateTime(
        "Aware Since",
        states={
            'readonly': Eval('state') != 'draft',
            'required': Eval('state') != 'draft',
            },
        help="When the laboratory was reasonably certain that there is an "
        "incident: the 72 hours begin.")
    due_at = fields.Function(
        fields.DateTime("Notify Before"), 'on_change_with_due_at')
    notified_at = fields.Function(
        fields.DateTime(
            "Authority Notified",
            states={
                'invisible': ~Eval('notified_at'),
                },
            help="For the first time."),
        'get_notified_at')
    remaining = fields.Function(
        fields.TimeDelta(
            "Remaining", 'remaining',
            states={
                'invisible': ~Eval('remaining'),
                },
            help="What remains of the 72 hours; negative when they are "
            "over."),
        'get_clock')
    urgency = fields.Function(fields.Selection([
                ('late', "Late"),
                ('urgent', "Urgent"),
                ('running', "Running"),
                ('unknown', "Not aware yet"),
                ('over', "Over"),
                ('overdue', "Notified Late"),
                ], "Clock", sort=False), 'get_clock')

    @fields.depends('aware_at')
    def on_change_with_due_at(self, name=None):
        if self.aware_at:
            return self.aware_at + DELAY

    @classmethod
    def get_notified_at(cls, incidents, name):
        result = dict.fromkeys(map(int, incidents))
        for incident in incidents:
            times = [
                n.notified_at for n in incident.notifications
                if n.recipient == 'lead']
            if times:
                result[incident.id] = min(times)
        return result

    @property
    def is_late(self):
        "Whether the authority was, or can now only be, notified too late."
        return bool(
            self.aware_at
            and (self.notified_at or now()) > self.aware_at + DELAY)

    @classmethod
    def get_clock(cls, incidents, names):
        Configuration = Pool().get(
            'early_access.audit.incident.configuration')
        warning = dt.timedelta(hours=Configuration(1).first_alert)
        time = now()
        result = {n: dict.fromkeys(map(int, incidents)) for n in names}
        for incident in incidents:
            remaining = None
            if incident.state not in RUNNING:
                urgency = 'over'
                if incident.notified_at and incident.is_late:
                    urgency = 'overdue'
            elif not incident.aware_at:
                urgency = 'unknown'
            elif incident.notified_at:
                # A first notification stops the clock of the article 33
                urgency = 'overdue' if incident.is_late else 'over'
            else:
                remaining = incident.aware_at + DELAY - time
                # No second is worth to be shown
                remaining -= remaining % dt.timedelta(minutes=1)
                if remaining < dt.timedelta():
                    urgency = 'late'
                elif DELAY - remaining >= warning:
                    urgency = 'urgent'
                else:
                    urgency = 'running'
            if 'remaining' in names:
                result['remaining'][incident.id] = remaining
            if 'urgency' in names:
                result['urgency'][incident.id] = urgency
        return result

    @classmethod
    def order_urgency(cls, tables):
        """The most urgent first: those whose clock runs, then the others."""
        table, _ = tables[None]
        running = fields.SQL_OPERATORS['in'](table.state, RUNNING)
        return [
            Case((running, Literal(0)), else_=Literal(1)),
            Coalesce(table.aware_at, FAR),
            ]

    @classmethod
    def clock_attributes(cls):
        return [
            ('/tree', 'visual',
                If(Eval('urgency') == 'late', 'danger',
                    If(Eval('urgency') == 'urgent', 'warning',
                        If(Eval('state') == 'closed', 'muted', '')))),
            ('/tree/field[@name="remaining"]', 'visual',
                If(Eval('urgency') == 'late', 'danger', '')),
            ]

    @classmethod
    @without_check_access
    def alert(cls):
        """Send the e-mails about the clocks that run, called by a cron.

        They are sent when it begins, at the hours of the configuration, and
        again and again once it is over.
        """
        pool = Pool()
        Alert = pool.get('early_access.audit.alert')
        Configuration = pool.get('early_access.audit.incident.configuration')
        configuration = Configuration(1)
        time = now()
        for incident in cls.search([
                    ('state', 'in', RUNNING),
                    ('aware_at', '!=', None),
                    ('aware_at', '<=', time),
                    ]):
            if incident.notified_at:
                continue
            hours = (time - incident.aware_at) / dt.timedelta(hours=1)
            kind, step = 'incident_aware', 0
            if hours >= configuration.first_alert:
                kind = 'incident_first'
            if hours >= configuration.second_alert:
                kind = 'incident_second'
            over = hours - DELAY / dt.timedelta(hours=1)
            if over >= 0:
                kind, step = 'incident_late', int(over // configuration.repeat)
            Alert.send(
                incident, kind, ['security_officer', 'dpo'], step=step,
                company=incident.company)
