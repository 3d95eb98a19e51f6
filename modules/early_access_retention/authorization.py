# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"What the other modules hold that the clocks depend on"

from dataclasses import replace

from trytond.i18n import gettext
from trytond.model import fields
from trytond.modules.early_access.authorization_period import PERIOD_KINDS
from trytond.pool import Pool, PoolMeta
from trytond.transaction import Transaction, without_check_access

from .exceptions import ClockDateError
from .reckoning import Facts, past_changes
from .today import current_date
from .words import difference

# The fields of the authorization that are facts
DATES = {
    'ma_granted_date': 'ma_granted',
    'ma_ended_date': 'ma_ended',
    'market_withdrawal_date': 'market_withdrawal',
    }


def event(date, today):
    "A date to come is a plan, no event."
    return date if date and date <= today else None


class Authorization(metaclass=PoolMeta):
    __name__ = 'early_access.authorization'

    retention_clocks = fields.One2Many(
        'early_access.retention.clock', 'authorization', "Clock",
        readonly=True, size=1)

    @classmethod
    @without_check_access
    def retention_facts(cls, authorizations, today):
        "Return the Facts of each authorization by its id."
        Report = Pool().get('early_access.report')
        authorizations = cls.browse(authorizations)
        reports = {
            r.authorization.id: r for r in Report.search([
                    ('authorization', 'in', [a.id for a in authorizations]),
                    ('last', '=', True),
                    ])}
        return {
            a.id: a._retention_facts(reports.get(a.id), today)
            for a in authorizations}

    def _retention_facts(self, report, today):
        decisions = self.posted_decisions
        periods = [d for d in decisions if d.kind in PERIOD_KINDS]
        suspension = withdrawal = None
        for decision in decisions:
            date = event(decision.decision_date, today)
            if decision.kind == 'withdrawal':
                withdrawal = date
            elif decision.kind == 'suspension' and self.state == 'suspended':
                suspension = date
        published = report and report.state == 'published'
        return Facts(
            granted=bool(periods),
            in_force=bool(
                self.state == 'granted' and self.in_force_until
                and today <= self.in_force_until),
            last_report=bool(report),
            publication=(
                event(report.publication_date, today) if published else None),
            expiry=periods[-1].valid_until if periods else None,
            suspension=suspension, withdrawal=withdrawal,
            **{fact: event(getattr(self, name), today)
                for name, fact in DATES.items()})

    @classmethod
    def check_modification(
            cls, mode, authorizations, values=None, external=False):
        super().check_modification(
            mode, authorizations, values=values, external=external)
        if mode == 'write' and external and values.keys() & DATES.keys():
            cls._check_past(authorizations, values)

    @classmethod
    def _check_past(cls, authorizations, values):
        """Refuse to change a date that has passed beside the wizard.

        The wizard shows what it changes, asks for a reason and keeps both,
        which a warning that a script skips would not.
        """
        today = current_date()
        dates = {
            fact: event(values[name], today)
            for name, fact in DATES.items() if name in values}
        for id_, facts in cls.retention_facts(
                authorizations, today).items():
            check_past(cls(id_), facts, replace(facts, **dates))

    @classmethod
    def on_modification(cls, mode, authorizations, field_names=None):
        Clock = Pool().get('early_access.retention.clock')
        super().on_modification(
            mode, authorizations, field_names=field_names)
        if Transaction().context.get('_retention_posting'):
            return
        if mode == 'create' or (
                mode == 'write'
                and field_names & {'state', 'renewal_filed_date', *DATES}):
            Clock.recompute(authorizations)

    @classmethod
    def copy(cls, authorizations, default=None):
        default = default.copy() if default is not None else {}
        default.setdefault('retention_clocks')
        return super().copy(authorizations, default=default)


class Decision(metaclass=PoolMeta):
    __name__ = 'early_access.authorization.decision'

    @classmethod
    def post(cls, decisions):
        Clock = Pool().get('early_access.retention.clock')
        # Half-way the authorization has moved and the decision has not
        with Transaction().set_context(_retention_posting=True):
            super().post(decisions)
        Clock.recompute(list({d.authorization for d in decisions}))


class Report(metaclass=PoolMeta):
    __name__ = 'early_access.report'

    @classmethod
    def check_modification(cls, mode, reports, values=None, external=False):
        super().check_modification(
            mode, reports, values=values, external=external)
        if mode == 'write' and external and values.get('last') is False:
            for report in reports:
                if report.last and report.state == 'published':
                    report._check_last_stays()

    def _check_last_stays(self):
        Authorization = Pool().get('early_access.authorization')
        facts = Authorization.retention_facts(
            [self.authorization], current_date())[self.authorization.id]
        check_past(
            self.authorization, facts,
            replace(facts, last_report=False, publication=None))

    @classmethod
    def on_modification(cls, mode, reports, field_names=None):
        Clock = Pool().get('early_access.retention.clock')
        super().on_modification(mode, reports, field_names=field_names)
        if mode == 'create' or (
                mode == 'write'
                and field_names & {'last', 'state', 'publication_date'}):
            Clock.recompute(list({r.authorization for r in reports}))

    @classmethod
    def on_delete(cls, reports):
        Clock = Pool().get('early_access.retention.clock')
        callbacks = super().on_delete(reports)
        authorizations = list({r.authorization for r in reports})
        callbacks.append(lambda: Clock.recompute(authorizations))
        return callbacks


def check_past(authorization, before, after):
    """Check that no fact that was known is recorded otherwise.

    :raises ClockDateError: telling what it would change.
    """
    if past_changes(before, after):
        Clock = Pool().get('early_access.retention.clock')
        with without_check_access():
            periods = [
                c.stored[1] for c in Clock.search([
                        ('authorization', '=', authorization.id),
                        ])]
        if not periods:
            return
        raise ClockDateError(
            gettext(
                'early_access_retention.msg_clock_past_date',
                authorization=authorization.rec_name),
            '\n'.join(difference(
                    (before, *periods), (after, *periods))))
