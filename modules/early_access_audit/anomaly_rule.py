# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What is unusual in the traces of a day (CNIL 2022-107, SEC-JOU-4).

Each rule finds the users, or the addresses, of a day, and tells which events
are the evidence. It reads the counts of the day where they are enough, and
otherwise groups the events in the database: what it returns is as short as
what is unusual.
"""

import datetime as dt
import math
from collections import defaultdict
from typing import NamedTuple

from sql import Literal
from sql.aggregate import Count, Max, Min, Sum

from trytond.model import fields
from trytond.pool import Pool
from trytond.tools import grouped_slice
from trytond.transaction import Transaction, inactive_records

from .activity import ARCHIVE, READINGS, events_with_records, placeholders
from .dormancy import default_days
from .traced import paths_to_patient

in_ = fields.SQL_OPERATORS['in']

# The active days below which the past of a user tells nothing
ENOUGH = 5
# The ids of a query
CHUNK = 10_000


class Finding(NamedTuple):
    """What a rule finds.

    :param count: what was counted, which is at least the threshold.
    :param usual: the past of the user in the same unit, or None.
    :param events: the ids of the first and the last event.
    """
    user: int | None
    address: str | None
    count: int
    threshold: int
    usual: int | None
    events: tuple


class Settings:
    "The configuration, with what is usual for the roles of a user."

    def __init__(self):
        pool = Pool()
        Configuration = pool.get('early_access.audit.check.configuration')
        Profile = pool.get('early_access.audit.check.profile')
        self.configuration = Configuration(1)
        self._profiles = {p.profile: p for p in Profile.search([])}

    def __getattr__(self, name):
        return getattr(self.configuration, name)

    def _of(self, roles):
        return [
            self._profiles[r] for r in (roles or '').split(',')
            if r in self._profiles]

    def watches_nights(self, roles):
        "Return whether users with the roles do not work at night."
        profiles = self._of(roles)
        if not profiles:
            return self.watch_nights
        # On-call work for one profile is normal for who has others too
        return all(p.nights for p in profiles)


def usual(counts):
    """Return what is exceeded on one day of ten (nearest rank).

    :param counts: those of the active days of the past.
    :returns: None when there are too few of them.
    """
    counts = sorted(counts)
    if len(counts) < ENOUGH:
        return None
    return counts[math.ceil(.9 * len(counts)) - 1]


def execute(query, params=None):
    cursor = Transaction().connection.cursor()
    if params is None:
        cursor.execute(*query)
    else:
        cursor.execute(query, params)
    return cursor.fetchall()


class Rule:
    "What is unusual, found in a day."
    name = None

    def find(self, day, settings):
        "Yield the findings of a Day."
        raise NotImplementedError

    def evidence(self, day):
        "Return the domain of the events, beside the user and the day."
        return []


class CountRule(Rule):
    "A number that is counted for each user each day."
    column = None
    limit = None

    def rows(self, day):
        "Return user, roles, count, first and last event of the day."
        Activity = Pool().get('early_access.audit.activity')
        table = Activity.__table__()
        column = getattr(table, self.column)
        return execute(table.select(
                table.user_id, table.roles, column,
                table.first_event, table.last_event,
                where=(table.date == day.date) & (column > 0),
                order_by=[table.user_id, table.id]))

    def watched(self, roles, settings):
        return True

    def totals(self, day, settings):
        "Return the count and the events by user."
        totals = {}
        for user, roles, count, first, last in self.rows(day):
            if not self.watched(roles, settings):
                continue
            total, first_, last_ = totals.get(user, (0, first, last))
            totals[user] = total + count, min(first, first_), max(last, last_)
        return totals

    def threshold(self, settings):
        return getattr(settings, self.limit)

    def find(self, day, settings):
        threshold = self.threshold(settings)
        for user, (count, *events) in self.totals(day, settings).items():
            if count >= threshold:
                yield Finding(
                    user, None, count, threshold, None, tuple(events))


class Reading(CountRule):
    "More records on patients than the user ever reads, but for few days."
    name = 'reading'
    column = 'records'

    def find(self, day, settings):
        totals = {
            user: total for user, total in self.totals(day, settings).items()
            if total[0] > settings.reading_floor}
        past = self._past(day, settings, list(totals))
        for user, (count, *events) in totals.items():
            level = usual(past[user])
            threshold = max(
                settings.reading_floor,
                math.ceil((level or 0) * settings.reading_factor)) + 1
            if count >= threshold:
                yield Finding(
                    user, None, count, threshold, level, tuple(events))

    def _past(self, day, settings, users):
        "The records of each active day of the weeks before, by user."
        Activity = Pool().get('early_access.audit.activity')
        table = Activity.__table__()
        first = day.date - dt.timedelta(weeks=settings.reading_weeks)
        past = defaultdict(list)
        for sub_users in grouped_slice(users):
            for user, count in execute(table.select(
                        table.user_id, Sum(table.records),
                        where=in_(table.user_id, list(sub_users))
                        & (table.date >= first) & (table.date < day.date)
                        & (table.records > 0),
                        group_by=[table.user_id, table.date])):
                past[user].append(int(count))
        return past

    def evidence(self, day):
        return [
            ('action', 'in', list(READINGS)),
            ('model', 'in', list(paths_to_patient())),
            ]


class Night(CountRule):
    "Actions at night or in a week-end, where the profile works by day."
    name = 'night'
    column = 'nights'
    limit = 'night_limit'

    def watched(self, roles, settings):
        return settings.watches_nights(roles)

    def evidence(self, day):
        return [
            ['OR', *[
                    [('at', '>=', start), ('at', '<', end)]
                    for start, end in day.unusual]]]


class Refusal(CountRule):
    "Refused accesses to patients, such as those of other establishments."
    name = 'refusal'
    column = 'refusals'
    limit = 'refusal_limit'

    def evidence(self, day):
        return [
            ('action', '=', 'refused'),
            ('model', 'in', list(paths_to_patient())),
            ]


class Export(CountRule):
    "Data that left the platform."
    name = 'export'
    column = 'exports'
    limit = 'export_limit'

    def evidence(self, day):
        model, button = ARCHIVE
        return [
            ['OR',
                ('action', '=', 'export'),
                [
                    ('action', '=', 'button'),
                    ('model', '=', model),
                    ('target', '=', button),
                    ],
                ]]


class BreakGlass(CountRule):
    "An access that a user opened in an emergency."
    name = 'break_glass'
    column = 'break_glasses'

    def threshold(self, settings):
        return 1

    def evidence(self, day):
        return [('action', '=', 'break_glass')]


class Failure(Rule):
    "Logins that failed, of a user or from an address."
    name = 'failure'

    def find(self, day, settings):
        limit = settings.failure_limit
        mark = placeholders([1])
        # Who fails to come in is the record of the event
        for user, count, *events in execute(
                'SELECT r.record, COUNT(*), MIN(e.id), MAX(e.id) '
                f'FROM {events_with_records()} '
                f'WHERE e.at >= {mark} AND e.at < {mark} '
                "AND e.action = 'login_failed' "
                f'GROUP BY r.record HAVING COUNT(*) >= {mark} '
                'ORDER BY r.record', [day.start, day.end, limit]):
            yield Finding(user, None, count, limit, None, tuple(events))
        event = Pool().get('early_access.audit.event').__table__()
        limit = settings.failure_address_limit
        for address, count, *events in execute(event.select(
                    event.address, Count(Literal(1)), Min(event.id),
                    Max(event.id),
                    where=day.holds(event.at)
                    & (event.action == 'login_failed')
                    & (event.address != ''),
                    group_by=event.address,
                    having=Count(Literal(1)) >= limit,
                    order_by=event.address)):
            yield Finding(None, address, count, limit, None, tuple(events))

    def evidence(self, day):
        return [('action', 'in', ['login_failed', 'login_blocked'])]


class Address(Rule):
    "A user who comes from many addresses."
    name = 'address'

    def find(self, day, settings):
        event = Pool().get('early_access.audit.event').__table__()
        limit = settings.address_limit
        count = Count(event.address, distinct=True)
        for user, number, *events in execute(event.select(
                    event.user_id, count, Min(event.id), Max(event.id),
                    where=day.holds(event.at) & (event.user_id > 0),
                    group_by=event.user_id, having=count >= limit,
                    order_by=event.user_id)):
            yield Finding(user, None, number, limit, None, tuple(events))


class Dormant(Rule):
    "The first action of an account after a long silence."
    name = 'dormant'

    def find(self, day, settings):
        Activity = Pool().get('early_access.audit.activity')
        User = Pool().get('res.user')
        table = Activity.__table__()
        today = {
            user: events for user, *events in execute(table.select(
                    table.user_id, Min(table.first_event),
                    Max(table.last_event), where=table.date == day.date,
                    group_by=table.user_id, order_by=table.user_id))}
        first, = execute(table.select(Min(table.date)))[0]
        delays, last = {}, {}
        for users in grouped_slice(list(today)):
            users = list(users)
            delays.update(User.dormancy_delays(users, day.end))
            last.update(execute(table.select(
                        table.user_id, Max(table.date),
                        where=in_(table.user_id, users)
                        & (table.date < day.date),
                        group_by=table.user_id)))
        with inactive_records():
            known = {
                u.id: u.create_date.date()
                for u in User.search([('id', 'in', list(today))])
                if u.create_date}
        for user, events in today.items():
            limit = delays.get(user, default_days())
            # Who never acted is silent since the account or the trail began
            since = last.get(user) or max(
                _date(first), known.get(user, day.date))
            silence = (day.date - _date(since)).days
            if silence > limit:
                yield Finding(
                    user, None, silence, limit + 1, None,
                    tuple(events))


def _date(value):
    return dt.date.fromisoformat(value) if isinstance(value, str) else value


class Outside(Rule):
    """Patients who were never followed where the professional works.

    The rules of access refuse that: it tells of a hole in them, or of a
    professional who changed establishment.
    """
    name = 'outside'

    def find(self, day, settings):
        Event = Pool().get('early_access.audit.event')
        places = self._places()
        read = defaultdict(dict)
        for users in grouped_slice(list(places)):
            for user, model, record, first, last in self._read(
                    day, list(users)):
                read[model][user, record] = first, last
        found = defaultdict(dict)
        for model, rows in read.items():
            patients = Event.patients_of(model, {r for _, r in rows})
            followed = self._followed(set(patients.values()))
            for (user, record), events in rows.items():
                patient = patients.get(record)
                if patient and not followed[patient] & places[user]:
                    found[user].setdefault(patient, []).extend(events)
        for user, patients in sorted(found.items()):
            events = [e for ids in patients.values() for e in ids]
            yield Finding(
                user, None, len(patients), 1, None,
                (min(events), max(events)))

    def _read(self, day, users):
        mark = placeholders([1])
        models = list(paths_to_patient())
        return execute(
            'SELECT e.user_id, e.model, r.record, MIN(e.id), MAX(e.id) '
            f'FROM {events_with_records()} '
            f'WHERE e.at >= {mark} AND e.at < {mark} '
            f'AND e.user_id IN ({placeholders(users)}) '
            f'AND e.action IN ({placeholders(READINGS)}) '
            f'AND e.model IN ({placeholders(models)}) '
            'GROUP BY e.user_id, e.model, r.record',
            [day.start, day.end, *users, *READINGS, *models])

    @staticmethod
    def _places():
        "The establishments and the pharmacies by user of a hospital."
        Professional = Pool().get('early_access.professional')
        return {
            p.user.id: (
                {s.establishment.id for s in p.services}
                | {f.id for f in p.pharmacies})
            for p in Professional.search([('user', '!=', None)])}

    @staticmethod
    def _followed(patients):
        "The establishments and pharmacies of each patient, now and before."
        pool = Pool()
        assignment, patient, service = (
            pool.get(name).__table__() for name in [
                'early_access.patient.assignment', 'early_access.patient',
                'early_access.service'])
        places = defaultdict(set)
        for ids in grouped_slice(list(patients), CHUNK):
            ids = list(ids)
            for id_, *values in (
                    execute(patient.select(
                            patient.id, patient.establishment,
                            patient.pharmacy, where=in_(patient.id, ids)))
                    + execute(assignment.join(
                            service,
                            condition=assignment.service == service.id
                            ).select(
                            assignment.patient, service.establishment,
                            assignment.pharmacy,
                            where=in_(assignment.patient, ids)))):
                places[id_].update(values)
        return places

    def evidence(self, day):
        return [
            ('action', 'in', list(READINGS)),
            ('model', 'in', list(paths_to_patient())),
            ]


RULES = {
    rule.name: rule for rule in [
        Reading(), Night(), Failure(), Address(), Refusal(), Outside(),
        Export(), BreakGlass(), Dormant()]}
