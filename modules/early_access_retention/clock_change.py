# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import datetime as dt

from trytond.model import Index, ModelSQL, ModelView, fields
from trytond.transaction import Transaction

from .reckoning import Facts, Periods
from .words import difference

REASONS = [
    ('error', "Wrong entry"),
    ('document', "Document received later"),
    ('authority', "Corrected by the authority"),
    ]


class ClockChange(ModelSQL, ModelView):
    "What a clock was, and what it became"
    __name__ = 'early_access.retention.clock.change'

    # The server writes it beside what users do
    _traced_changes = False

    clock = fields.Many2One(
        'early_access.retention.clock', "Clock", required=True,
        readonly=True, ondelete='CASCADE')
    changed_at = fields.Timestamp("Changed At", required=True, readonly=True)
    user = fields.Many2One(
        'res.user', "User", readonly=True, ondelete='RESTRICT')
    cause = fields.Selection([
            ('event', "Event"),
            ('correction', "Correction"),
            ('policy', "Periods of the laboratory"),
            ('day', "The day has come"),
            ], "Cause", required=True, readonly=True, sort=False)
    reason = fields.Selection(
        [(None, "")] + REASONS, "Reason", readonly=True, sort=False)
    facts_before = fields.Text("Facts Before", readonly=True)
    periods_before = fields.Text("Periods Before", readonly=True)
    facts_after = fields.Text("Facts After", readonly=True)
    periods_after = fields.Text("Periods After", readonly=True)
    difference = fields.Function(
        fields.Text("Difference"), 'get_difference')

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_indexes.add(Index(t, (t.clock, Index.Range())))
        cls._order = [('changed_at', 'DESC'), ('id', 'DESC')]

    @classmethod
    def get_rec_name(cls, changes, name):
        return {c.id: c.clock.rec_name for c in changes}

    @classmethod
    def get_difference(cls, changes, name):
        return {c.id: '\n'.join(difference(
                    (Facts.from_json(c.facts_before),
                        Periods.from_json(c.periods_before)),
                    (Facts.from_json(c.facts_after),
                        Periods.from_json(c.periods_after))))
            for c in changes}

    @classmethod
    def keep(cls, changes, cause):
        "Keep what changed, as (clock, before, after)."
        context = Transaction().context
        cls.create([{
                    'clock': clock.id,
                    'changed_at': dt.datetime.now().replace(microsecond=0),
                    'user': Transaction().user or None,
                    'cause': context.get('_retention_cause', cause),
                    'reason': context.get('_retention_reason'),
                    'facts_before': before[0].to_json(),
                    'periods_before': before[1].to_json(),
                    'facts_after': after[0].to_json(),
                    'periods_after': after[1].to_json(),
                    } for clock, before, after in changes])
