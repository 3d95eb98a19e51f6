# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What each user did each day, counted.

The checks and the graph read these few rows instead of millions of events. A
day is the one of the time zone of the laboratory, whatever its length is. The
rows are kept as long as the events (SEC-JOU-3).
"""

import datetime as dt
from typing import NamedTuple

from dateutil.relativedelta import relativedelta
from sql import Literal
from sql.aggregate import Count, Max, Min, Sum
from sql.conditionals import Case

from trytond import backend
from trytond.model import Index, ModelSQL, ModelView, fields
from trytond.pool import Pool
from trytond.pyson import Bool, Eval, If
from trytond.transaction import Transaction

from .event import RECORDS, TABLE
from .purge import period
from .traced import paths_to_patient

in_ = fields.SQL_OPERATORS['in']

READINGS = ('read', 'open', 'export', 'report')
CHANGES = ('create', 'write', 'delete', 'button', 'wizard')
# The day of an archive, a file of which holds the data of a programme
ARCHIVE = ('early_access.data_export', 'export')
# Who fails to come in did nothing yet
NOTHING = ('login_failed', 'login_blocked')
GRAPH_PROFILES = [
    'pharmacist_in_charge', 'delegate', 'pharmacovigilance',
    'medical_affairs', 'research', 'regulatory_affairs', 'market_access',
    'supply', 'data_manager', 'dpo', 'security_officer', 'audit',
    'configuration', 'prescriber', 'hospital_pharmacist', 'hospital_staff',
    'establishment_referent']
# A running delegate has both
DELEGATE = 'delegate,pharmacist_in_charge'
# How long after its end a day is counted, for those who store late
MARGIN = dt.timedelta(hours=1)


class Day(NamedTuple):
    """A day of the laboratory, in UTC without time zone.

    :param start: its first instant.
    :param end: the first instant of the next one.
    :param unusual: the periods outside of the working hours, each as its
        first instant and the one after it.
    """
    date: dt.date
    start: dt.datetime
    end: dt.datetime
    unusual: tuple

    @classmethod
    def of(cls, date, zone, night_start, night_end):
        """Return the day of a date.

        :param night_start: the time from which, and night_end to which, it is
            night; a night may not pass midnight.
        """
        def utc(date, time=dt.time()):
            return dt.datetime.combine(date, time, zone).astimezone(
                dt.UTC).replace(tzinfo=None)

        tomorrow = date + dt.timedelta(days=1)
        start, end = utc(date), utc(tomorrow)
        if date.isoweekday() > 5:
            unusual = [(start, end)]
        elif night_start > night_end:
            unusual = [
                (start, utc(date, night_end)), (utc(date, night_start), end)]
        else:
            unusual = [(utc(date, night_start), utc(date, night_end))]
        return cls(date, start, end, tuple(
                (a, b) for a, b in unusual if a < b))

    def holds(self, column):
        "The SQL expression of an instant that is in the day."
        return (column >= self.start) & (column < self.end)

    def is_unusual(self, column):
        "The SQL expression of an instant outside of the working hours."
        clause = Literal(False)
        for start, end in self.unusual:
            clause |= (column >= start) & (column < end)
        return clause


def events_with_records():
    "The SQL text of the events, as e, and of their records, as r."
    if backend.name == 'postgresql':
        return f'{TABLE} AS e CROSS JOIN unnest(e.record_ids) AS r(record)'
    return f'{TABLE} AS e JOIN {RECORDS} AS r ON r.event = e.id'


def placeholders(values):
    mark = '%s' if backend.name == 'postgresql' else '?'
    return ', '.join([mark] * len(values))


class Activity(ModelSQL):
    "What a user did in a day with the same roles"
    __name__ = 'early_access.audit.activity'

    date = fields.Date("Date", required=True)
    user_id = fields.Integer("User ID", required=True)
    login = fields.Char("Login", strip=False)
    roles = fields.Char("Roles")
    events = fields.Integer("Events", required=True)
    readings = fields.Integer("Readings", required=True)
    records = fields.Integer("Records of Patients", required=True)
    changes = fields.Integer("Changes", required=True)
    nights = fields.Integer("Actions at Night", required=True)
    refusals = fields.Integer("Refused Accesses", required=True)
    exports = fields.Integer("Exports", required=True)
    break_glasses = fields.Integer("Accesses in Emergency", required=True)
    first_event = fields.Integer("First Event", required=True)
    last_event = fields.Integer("Last Event", required=True)

    _counts = [
        'events', 'readings', 'changes', 'nights', 'refusals', 'exports',
        'break_glasses', 'first_event', 'last_event']

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_indexes.update({
                Index(t, (t.date, Index.Range())),
                Index(
                    t, (t.user_id, Index.Equality()),
                    (t.date, Index.Range())),
                })
        cls.__rpc__ = {}

    @classmethod
    def day(cls, date, zone=None):
        "Return the Day of a date, by the configuration."
        Configuration = Pool().get('early_access.audit.check.configuration')
        configuration = Configuration(1)
        return Day.of(
            date, Configuration.zone(zone), configuration.night_start,
            configuration.night_end)

    @classmethod
    def last_date(cls, zone=None):
        "Return the last date whose day is over."
        Configuration = Pool().get('early_access.audit.check.configuration')
        now = dt.datetime.now(dt.UTC) - MARGIN
        return now.astimezone(
            Configuration.zone(zone)).date() - dt.timedelta(days=1)

    @classmethod
    def first_date(cls, zone=None):
        "Return the date of the first event, or None."
        pool = Pool()
        Configuration = pool.get('early_access.audit.check.configuration')
        Event = pool.get('early_access.audit.event')
        event = Event.__table__()
        cursor = Transaction().connection.cursor()
        cursor.execute(*event.select(
                event.at, order_by=event.at.asc, limit=1))
        row = cursor.fetchone()
        if row:
            at = row[0]
            if isinstance(at, str):
                at = dt.datetime.fromisoformat(at)
            return at.replace(tzinfo=dt.UTC).astimezone(
                Configuration.zone(zone)).date()

    @classmethod
    def count(cls, day):
        "Count what was done in a day, again if it was."
        table = cls.__table__()
        cursor = Transaction().connection.cursor()
        cursor.execute(*table.delete(where=table.date == day.date))
        records = cls._records(day)
        cursor.execute(*cls._query(day))
        rows = cursor.fetchall()
        names = ['date', 'user_id', 'roles', 'login', *cls._counts, 'records']
        values = [
            [day.date, user, roles, login, *counts,
                records.get((user, roles), 0)]
            for user, roles, login, *counts in rows]
        if values:
            cursor.execute(*table.insert(
                    [getattr(table, n) for n in names], values))

    @classmethod
    def _query(cls, day):
        "The query of the user, the roles, the login and the counts."
        Event = Pool().get('early_access.audit.event')
        event = Event.__table__()

        def number(clause):
            return Sum(Case((clause, 1), else_=0))

        model, button = ARCHIVE
        counts = {
            'events': Count(event.id),
            'readings': number(in_(event.action, READINGS)),
            'changes': number(in_(event.action, CHANGES)),
            'nights': number(day.is_unusual(event.at)),
            'refusals': number(
                (event.action == 'refused')
                & in_(event.model, list(paths_to_patient()))),
            'exports': number(
                (event.action == 'export')
                | ((event.action == 'button') & (event.model == model)
                    & (event.target == button))),
            'break_glasses': number(event.action == 'break_glass'),
            'first_event': Min(event.id),
            'last_event': Max(event.id),
            }
        return event.select(
            event.user_id, event.roles, Max(event.login),
            *[counts[n] for n in cls._counts],
            where=day.holds(event.at) & (event.user_id > 0)
            & ~in_(event.action, NOTHING),
            group_by=[event.user_id, event.roles])

    @classmethod
    def _records(cls, day):
        "The number of the records on patients, by the user and the roles."
        cursor = Transaction().connection.cursor()
        mark = placeholders([1])
        models = list(paths_to_patient())
        cursor.execute(
            'SELECT user_id, roles, COUNT(*) FROM ('
            'SELECT DISTINCT e.user_id, e.roles, e.model, r.record '
            f'FROM {events_with_records()} '
            f'WHERE e.at >= {mark} AND e.at < {mark} AND e.user_id > 0 '
            f'AND e.action IN ({placeholders(READINGS)}) '
            f'AND e.model IN ({placeholders(models)})) AS seen '
            'GROUP BY user_id, roles',
            [day.start, day.end, *READINGS, *models])
        return {(user, roles): n for user, roles, n in cursor}

    @classmethod
    def counted(cls, start, end):
        "Return the dates from one to another that have rows."
        table = cls.__table__()
        cursor = Transaction().connection.cursor()
        cursor.execute(*table.select(
                table.date, where=(table.date >= start) & (table.date <= end),
                group_by=table.date))
        return {
            dt.date.fromisoformat(d) if isinstance(d, str) else d
            for d, in cursor}

    @classmethod
    def count_all(cls):
        """Count the days that are over, called by a cron.

        Those whose period has ended are forgotten.
        """
        transaction = Transaction()
        table = cls.__table__()
        last = cls.last_date()
        first = cls.first_date()
        oldest = last - dt.timedelta(days=period())
        transaction.connection.cursor().execute(
            *table.delete(where=table.date < oldest))
        if not first:
            return
        first = max(first, oldest)
        # The last ones again: an event may have waited before it was stored
        counted = cls.counted(first, last - dt.timedelta(days=2))
        date = first
        while date <= last:
            if date not in counted:
                with Transaction(new=True).start(
                        transaction.database.name, 0):
                    cls.count(cls.day(date))
            date += dt.timedelta(days=1)


class ActivityContext(ModelView):
    "The period of the graph"
    __name__ = 'early_access.audit.activity.context'

    from_date = fields.Date(
        "From Date",
        domain=[
            If(Eval('to_date') & Eval('from_date'),
                ('from_date', '<=', Eval('to_date', None)),
                ()),
            ])
    to_date = fields.Date(
        "To Date",
        domain=[
            If(Eval('from_date') & Eval('to_date'),
                ('to_date', '>=', Eval('from_date', None)),
                ()),
            ])

    @classmethod
    def default_from_date(cls):
        Date = Pool().get('ir.date')
        context = Transaction().context
        if 'from_date' in context:
            return context['from_date']
        return Date.today() - relativedelta(months=1)

    @classmethod
    def default_to_date(cls):
        Date = Pool().get('ir.date')
        context = Transaction().context
        if 'to_date' in context:
            return context['to_date']
        return Date.today()


class ActivityProfile(ModelSQL, ModelView):
    "What the users of a profile did in a day"
    __name__ = 'early_access.audit.activity.profile'

    date = fields.Date("Date", readonly=True)
    profile = fields.Char("Roles", readonly=True)
    profile_name = fields.Function(
        fields.Char("Profile"), 'get_profile_name')
    users = fields.Integer("Users", readonly=True)
    readings = fields.Integer("Readings", readonly=True)
    records = fields.Integer(
        "Records of Patients", readonly=True,
        help="The records on patients that were read, each once for each "
        "user.")
    changes = fields.Integer("Changes", readonly=True)
    exports = fields.Integer("Exports", readonly=True)
    refusals = fields.Integer("Refused Accesses", readonly=True)

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls._order = [('date', 'DESC'), ('profile', 'ASC'), ('id', 'ASC')]

    @classmethod
    def table_query(cls):
        Activity = Pool().get('early_access.audit.activity')
        context = Transaction().context
        table = Activity.__table__()
        profile = Case(
            (table.roles == DELEGATE, 'delegate'),
            else_=table.roles).as_('profile')
        where = Literal(True)
        if context.get('from_date'):
            where &= table.date >= context['from_date']
        if context.get('to_date'):
            where &= table.date <= context['to_date']
        return table.select(
            Min(table.id).as_('id'),
            table.date.as_('date'),
            profile,
            Count(table.user_id).as_('users'),
            *[
                Sum(getattr(table, n)).as_(n) for n in [
                    'readings', 'records', 'changes', 'exports', 'refusals']],
            where=where,
            group_by=[table.date, profile])

    @classmethod
    def get_profile_name(cls, lines, name):
        Profile = Pool().get('early_access.audit.check.profile')
        names = dict(Profile.get_profiles())
        return {
            line.id: ', '.join(
                names.get(p, p) for p in (line.profile or '').split(','))
            for line in lines}

    @classmethod
    def view_attributes(cls):
        # A curve for each profile, for none and for several
        curves = {p: Eval('profile', '') == p for p in GRAPH_PROFILES}
        curves['none'] = ~Eval('profile', '')
        curves['several'] = Bool(Eval('profile', '')) & ~Eval(
            'profile', '').in_(GRAPH_PROFILES)
        return super().view_attributes() + [
            (f'//y/field[@key="{key}"]', 'domain', domain, ['profile'])
            for key, domain in curves.items()]
