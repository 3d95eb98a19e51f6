# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import datetime as dt

from dateutil.relativedelta import relativedelta
from sql.aggregate import Max

from trytond.model import fields
from trytond.pool import Pool
from trytond.pyson import Eval

# D.5121-69-3 II: a grant, then each renewal, lasts at most one year
MAXIMUM_PERIOD = relativedelta(years=1)
# R.5121-69-4 II: the renewal is filed at the latest three months before expiry
RENEWAL_NOTICE = relativedelta(months=3)
# R.5121-72-1: a suspension lasts at most three months
MAXIMUM_SUSPENSION = relativedelta(months=3)
# D.163-3 CSS: continuity of treatment lasts at least one year
MINIMUM_CONTINUITY = relativedelta(years=1)
# D.5121-69-3 I: MA application within two years of the grant (pre-MA)
MA_APPLICATION = relativedelta(years=2)
# L.5121-12 II 2: listing application within one month of the MA (post-MA)
LISTING_APPLICATION = relativedelta(months=1)

PERIOD_KINDS = ('grant', 'renewal')
FINAL_KINDS = ('withdrawal', 'refusal')


class AuthorizationPeriod:
    "When an authorization is in force and what is due, from its decisions."
    __slots__ = ()

    effective_date = fields.Function(
        fields.Date("In Force Since"), 'get_period')
    valid_until = fields.Function(
        fields.Date("Expires"), 'get_period')
    in_force_until = fields.Function(
        fields.Date(
            "In Force Until",
            help="A filed renewal keeps the authorization in force until the "
            "decision, at the latest until the end of the extended period."),
        'get_period')
    renewal_pending = fields.Function(
        fields.Boolean("Renewal Pending"), 'get_period')
    renewal_due_date = fields.Function(
        fields.Date("Renewal Due"), 'get_period')
    days_left = fields.Function(
        fields.Integer("Days Left"), 'get_period')
    urgency = fields.Function(
        fields.Selection([
                (None, ''),
                ('expired', "Expired"),
                ('overdue', "Overdue"),
                ('soon', "To prepare"),
                ('pending', "Filed"),
                ], "Renewal", sort=False), 'get_period')
    suspended_until = fields.Function(
        fields.Date(
            "Suspended Until", states={
                'invisible': Eval('state') != 'suspended',
                }), 'get_period')
    ma_application_due_date = fields.Function(
        fields.Date(
            "MA Application Due", states={
                'invisible': Eval('stage') != 'pre_ma',
                }), 'get_period')
    listing_application_due_date = fields.Function(
        fields.Date("Listing Application Due"), 'get_period')
    continuity_until = fields.Function(
        fields.Date(
            "Continuity at Least Until", states={
                'invisible': Eval('state') != 'continuity',
                }), 'get_period')

    @classmethod
    def order_valid_until(cls, tables):
        pool = Pool()
        Decision = pool.get('early_access.authorization.decision')
        authorization, _ = tables[None]
        decision = Decision.__table__()
        return [decision.select(
                Max(decision.valid_until),
                where=(decision.authorization == authorization.id)
                & (decision.state == 'posted')
                & decision.kind.in_(PERIOD_KINDS))]

    order_days_left = order_valid_until
    order_renewal_due_date = order_valid_until

    @classmethod
    def get_period(cls, authorizations, names):
        pool = Pool()
        Date = pool.get('ir.date')
        today = Date.today()
        result = {n: {} for n in names}
        for authorization in authorizations:
            period = authorization._compute_period(today)
            for name in names:
                result[name][authorization.id] = period.get(name)
        return result

    def _compute_period(self, today):
        """The dates that follow from the posted decisions.

        Returns a dictionary of the function fields; a date that is not known
        is absent, never guessed.
        """
        period = {'renewal_pending': False}
        posted = self.posted_decisions
        periods = [d for d in posted if d.kind in PERIOD_KINDS]
        if periods:
            last = periods[-1]
            period['effective_date'] = periods[0].effective_date
            period['valid_until'] = last.valid_until
            period['in_force_until'] = last.valid_until
            if (self.state in {'granted', 'suspended'}
                    and self.renewal_filed_date
                    and self.renewal_filed_date > last.effective_date
                    and self.renewal_filed_date <= last.valid_until):
                period['renewal_pending'] = True
                period['in_force_until'] = last.valid_until + MAXIMUM_PERIOD
            if self.state in {'granted', 'suspended'}:
                due = last.valid_until - RENEWAL_NOTICE
                period['renewal_due_date'] = due
                period['days_left'] = (last.valid_until - today).days
                period['urgency'] = self._urgency(period, today)
            if self.stage == 'pre_ma' and not self.ma_application_date:
                period['ma_application_due_date'] = (
                    periods[0].effective_date + MA_APPLICATION)
        if self.ma_granted_date and not self.listing_application_date:
            period['listing_application_due_date'] = (
                self.ma_granted_date + LISTING_APPLICATION)
        if self.state == 'suspended':
            suspension, = [
                d for d in posted if d.kind == 'suspension'][-1:]
            period['suspended_until'] = suspension.valid_until
        if self.state == 'continuity' and self.coverage_end_date:
            period['continuity_until'] = (
                self.coverage_end_date + MINIMUM_CONTINUITY)
        return period

    def _urgency(self, period, today):
        if today > period['in_force_until']:
            return 'expired'
        elif period['renewal_pending']:
            return 'pending'
        elif today > period['renewal_due_date']:
            return 'overdue'
        elif today > period['renewal_due_date'] - RENEWAL_NOTICE:
            return 'soon'

    @property
    def posted_decisions(self):
        return sorted(
            (d for d in self.decisions if d.state == 'posted'),
            key=lambda d: (d.effective_date, d.posted_at, d.id))

    def periods_in_force(self):
        """The (first day, last day) of each grant and renewal.

        The last one runs until a withdrawal or the end of the coverage, and
        over the pending renewal.
        """
        posted = self.posted_decisions
        periods = [
            (d.effective_date, d.valid_until) for d in posted
            if d.kind in PERIOD_KINDS]
        if not periods:
            return []
        if self.in_force_until:
            start, end = periods[-1]
            periods[-1] = (start, max(end, self.in_force_until))
        ends = [d.effective_date for d in posted if d.kind in FINAL_KINDS]
        if self.state in {'continuity', 'ended'} and self.coverage_end_date:
            ends.append(self.coverage_end_date)
        if ends:
            last = min(ends) - dt.timedelta(days=1)
            periods = [
                (start, min(end, last)) for start, end in periods
                if start <= last]
        return periods
