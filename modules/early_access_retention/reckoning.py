# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""How long the data of one authorization may be kept (CNIL 2022-107, art. 9).

It is a calculation on dates alone: it knows neither the database nor the day.
A date that is not known starts nothing and is named, never guessed. What the
article sets are ceilings; the laboratory sets its own periods inside them,
with a reason, and none of them has a default.

- 9.1: the active base, at most two years after HAS has published the summary
  of the last summary report.
- 9.2: then the intermediate archive, for the duration of the marketing
  authorization of the indication, and never beyond seventy years after the
  market withdrawal of the product.
- 9.3: without marketing authorization, at most seventy years after the expiry
  of the last decision of grant or renewal; when the early access is suspended
  or withdrawn, after the date of that decision.

The archive follows the active base: it does not end before it, but for the
seventy years, which nothing exceeds. When the end of the active base is not
known, only what counts from a known date applies.
"""

import datetime as dt
import json
from dataclasses import asdict, dataclass, fields

from dateutil.relativedelta import relativedelta

# Art. 9.1
ACTIVE_MONTHS = 24
# Art. 9.2 and 9.3: a ceiling, never a default
ARCHIVE_YEARS = 70

# What a person records and may have recorded wrongly
CORRECTABLE = (
    'last_report', 'publication', 'ma_granted', 'ma_ended',
    'market_withdrawal')

# What starts the archive, by rule, with the article
RULES = {
    'not_granted': None,
    'in_force': None,
    'contradiction': None,
    'unknown': None,
    'ma': '9.2',
    'expired': '9.3 a',
    'suspended': '9.3 b',
    'withdrawn': '9.3 b',
    }


class Record:
    "Values that can be stored and compared"

    def to_json(self):
        return json.dumps({
                name: (
                    value.isoformat() if isinstance(value, dt.date)
                    else value)
                for name, value in asdict(self).items()}, sort_keys=True)

    @classmethod
    def from_json(cls, text):
        values = json.loads(text) if text else {}
        names = {f.name for f in fields(cls)}
        return cls(**{
                name: (
                    dt.date.fromisoformat(value) if isinstance(value, str)
                    else value)
                for name, value in values.items() if name in names})

    def changes(self, other):
        "Return (name, value here, value there) of what differs."
        return [
            (f.name, getattr(self, f.name), getattr(other, f.name))
            for f in fields(self)
            if getattr(self, f.name) != getattr(other, f.name)]


@dataclass(frozen=True)
class Facts(Record):
    """What is known of an authorization. A date that is None is not known.

    - granted: whether it was ever granted;
    - in_force: whether it is today;
    - last_report: whether a summary report is marked as the last one;
    - publication: when HAS published the summary of that report;
    - ma_granted, ma_ended: the marketing authorization of the indication;
    - market_withdrawal: of the product;
    - expiry: the end of the last decision of grant or renewal;
    - suspension: the date of the decision, while it is suspended;
    - withdrawal: the date of the decision.
    """
    granted: bool = False
    in_force: bool = False
    last_report: bool = False
    publication: dt.date | None = None
    ma_granted: dt.date | None = None
    ma_ended: dt.date | None = None
    market_withdrawal: dt.date | None = None
    expiry: dt.date | None = None
    suspension: dt.date | None = None
    withdrawal: dt.date | None = None


@dataclass(frozen=True)
class Periods(Record):
    """The periods of the laboratory. One that is None is not set.

    - active_months: in the active base, after the publication;
    - archive_years: after the market withdrawal, or the expiry, suspension or
      withdrawal of the early access;
    - archive_ma_years: in the archive while the marketing authorization
      lasts; it may be left out, as the authorization ends it anyway.
    """
    active_months: int | None = None
    archive_years: int | None = None
    archive_ma_years: int | None = None


@dataclass(frozen=True)
class Reckoning:
    """What follows from the facts and the periods.

    - rule: what rules the archive, a key of RULES, and its article;
    - start: the date from which the rule counts;
    - active_end, archive_end: the ends by the periods of the laboratory;
    - active_ceiling, archive_ceiling: the last days that are lawful;
    - unknown: what is not known, as codes;
    - steps: the reasoning, as (code, {name: date or number}).
    """
    rule: str
    article: str | None = None
    start: dt.date | None = None
    active_end: dt.date | None = None
    active_ceiling: dt.date | None = None
    archive_end: dt.date | None = None
    archive_ceiling: dt.date | None = None
    unknown: tuple = ()
    steps: tuple = ()

    @property
    def archive_on(self):
        "The day by which the data leave the active base, None if not known."
        return self.active_end or self.active_ceiling

    @property
    def destroy_on(self):
        "The day by which the data are destroyed, None if not known."
        return self.archive_end or self.archive_ceiling

    def due(self, today, held=False):
        """Return what is due: 'destroy', 'archive' or None.

        Nothing is due while the data are held.
        """
        if held:
            return None
        if self.destroy_on and self.destroy_on <= today:
            return 'destroy'
        if self.archive_on and self.archive_on <= today:
            return 'archive'
        return None


def reckon(facts, periods=Periods()):
    "Return the Reckoning of the Facts under the Periods of the laboratory."
    rule, start = _rule(facts)
    steps = [(f'rule_{rule}', _known(
                start=start, ma_ended=facts.ma_ended, expiry=facts.expiry))]
    if rule in {'contradiction', 'not_granted'}:
        unknown = (rule,) if rule == 'contradiction' else ()
        return Reckoning(rule, unknown=unknown, steps=tuple(steps))
    unknown = []
    active_end, active_ceiling = _active(facts, periods, steps, unknown)
    ceiling = _ceiling(facts, rule, start, active_ceiling, steps, unknown)
    end = _own_end(
        facts, periods, rule, start, active_end, steps, unknown)
    # Nothing exceeds the law
    end = _first(end, ceiling) if end else None
    active_end = _first(active_end, ceiling) if active_end else None
    active_ceiling = (
        _first(active_ceiling, ceiling) if active_ceiling else None)
    if end:
        steps.append(('end', {'date': end}))
    elif ceiling:
        steps.append(('end_ceiling', {'date': ceiling}))
    else:
        steps.append(('end_unknown', {}))
    return Reckoning(
        rule, RULES[rule], start, active_end, active_ceiling, end, ceiling,
        tuple(unknown), tuple(steps))


def request_end(closed, months):
    """Return when a request that was refused or never started is deleted.

    :param closed: the day on which it was refused or closed, or None.
    :param months: the period of the laboratory, or None.
    """
    if closed and months is not None:
        return closed + relativedelta(months=months)
    return None


def past_changes(old, new):
    """Return the names of what was recorded and is recorded otherwise.

    What follows from the decisions is no correction, and neither is what was
    not known before.
    """
    return [
        name for name, before, _ in old.changes(new)
        if name in CORRECTABLE and before]


def _rule(facts):
    "Return the rule and the date from which it counts."
    if not facts.granted:
        return 'not_granted', None
    if facts.ma_ended and (
            not facts.ma_granted or facts.ma_ended < facts.ma_granted):
        return 'contradiction', None
    if facts.withdrawal:
        return 'withdrawn', facts.withdrawal
    if facts.suspension:
        return 'suspended', facts.suspension
    if facts.ma_granted:
        return 'ma', facts.ma_granted
    if facts.in_force:
        return 'in_force', None
    if facts.expiry:
        return 'expired', facts.expiry
    return 'unknown', None


def _active(facts, periods, steps, unknown):
    "Return the end of the active base by the laboratory and by the law."
    if not facts.last_report:
        unknown.append('last_report')
    elif not facts.publication:
        unknown.append('publication')
    if unknown:
        steps.append((f'active_no_{unknown[-1]}', {}))
        return None, None
    start = facts.publication
    ceiling = start + relativedelta(months=ACTIVE_MONTHS)
    steps.append(('active_ceiling', {'start': start, 'date': ceiling}))
    if periods.active_months is None:
        unknown.append('active_months')
        steps.append(('active_no_period', {'date': ceiling}))
        return None, ceiling
    end = _first(start + relativedelta(months=periods.active_months), ceiling)
    steps.append(('active_own', {
                'start': start, 'number': periods.active_months,
                'date': end}))
    return end, ceiling


def _ceiling(facts, rule, start, active_ceiling, steps, unknown):
    "Return the last lawful day."
    ends = []
    if rule == 'ma' and not facts.ma_ended:
        steps.append(('ma_lasts', {}))
        unknown.append('ma_ended')
    elif rule == 'ma':
        if active_ceiling:
            ends.append(max(facts.ma_ended, active_ceiling))
        steps.append(('ma_ended', {'start': facts.ma_ended}))
    elif rule == 'in_force':
        unknown.append('end')
    elif rule == 'unknown':
        unknown.append('expiry')
    else:
        end = start + relativedelta(years=ARCHIVE_YEARS)
        steps.append(('decision_ceiling', {'start': start, 'date': end}))
        ends.append(end)
    if facts.market_withdrawal:
        end = facts.market_withdrawal + relativedelta(years=ARCHIVE_YEARS)
        steps.append(('market_ceiling', {
                    'start': facts.market_withdrawal, 'date': end}))
        ends.append(end)
    return min(ends, default=None)


def _own_end(facts, periods, rule, start, active_end, steps, unknown):
    """Return the end by the periods of the laboratory.

    The years count from a date that is known, whatever becomes of the active
    base; what the marketing authorization ends comes after it only.
    """
    own, ma = [], []
    years = periods.archive_years
    if years is None:
        unknown.append('archive_years')
        steps.append(('archive_no_period', {}))
    if rule == 'ma':
        if facts.ma_ended:
            ma.append(facts.ma_ended)
        if active_end and periods.archive_ma_years is not None:
            end = active_end + relativedelta(years=periods.archive_ma_years)
            steps.append(('archive_ma_own', {
                        'start': active_end,
                        'number': periods.archive_ma_years, 'date': end}))
            ma.append(end)
        start = facts.market_withdrawal
    if start and years is not None:
        end = start + relativedelta(years=years)
        steps.append(('archive_own', {
                    'start': start, 'number': years, 'date': end}))
        own.append(end)
    if not active_end:
        return min(own, default=None)
    if not own and not ma:
        return None
    end = min(own + ma)
    if active_end > end:
        steps.append(('archive_none', {'date': active_end}))
    return max(active_end, end)


def _first(*dates):
    return min(d for d in dates if d)


def _known(**dates):
    return {name: date for name, date in dates.items() if date}
