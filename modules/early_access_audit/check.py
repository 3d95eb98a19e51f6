# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import datetime as dt
import time

from dateutil.relativedelta import relativedelta
from sql.aggregate import Count, Max, Min, Sum

from trytond import backend
from trytond.i18n import gettext
from trytond.model import Index, ModelSQL, ModelView, Workflow, fields
from trytond.modules.early_access.transaction import wait_for
from trytond.modules.early_access.workflow import (
    ProgrammeWorkflow, guarded, time_field, user_field)
from trytond.pool import Pool
from trytond.pyson import Eval, If
from trytond.transaction import Transaction, without_check_access

from .anomaly_rule import RULES, Settings
from .exceptions import CheckAccessError, CheckError

RETRIES = 5


class Check(ProgrammeWorkflow, ModelSQL, ModelView):
    """A check of the traces of a period (CNIL 2022-107, SEC-JOU-4).

    The period follows the one of the check before, so that no trace is left
    out. Its days are looked at one after the other, each in a transaction of
    its own: what a killed server leaves is gone on with.
    """
    __name__ = 'early_access.audit.check'

    from_date = fields.Date("From Date", required=True, readonly=True)
    to_date = fields.Date(
        "To Date", required=True,
        states={
            'readonly': Eval('state') != 'draft',
            },
        help="Included. At most yesterday.")
    due_date = fields.Date(
        "Due Date", required=True, readonly=True,
        help="Until when the check must be signed.")
    late = fields.Function(fields.Boolean("Late"), 'get_late')
    timezone = fields.Char("Timezone", required=True, readonly=True)
    counted_to = fields.Date(
        "Looked At Until", readonly=True,
        states={
            'invisible': Eval('state') != 'running',
            })
    events = fields.Integer(
        "Events", readonly=True,
        help="What users did in the period.")
    users = fields.Integer("Active Users", readonly=True)
    first_event = fields.Integer(
        "First Event", readonly=True,
        help="The number of the first event in the trail, which stays when "
        "the events are purged.")
    last_event = fields.Integer("Last Event", readonly=True)
    anomalies = fields.One2Many(
        'early_access.audit.anomaly', 'check', "Anomalies",
        states={
            'readonly': Eval('state') != 'open',
            })
    number_anomalies = fields.Function(
        fields.Integer("Anomalies"), 'get_numbers')
    number_open = fields.Function(
        fields.Integer("To Clear"), 'get_numbers')
    run_by = user_field("Run By")
    run_at = time_field("Run At")
    signed_by = user_field("Signed By")
    signed_at = time_field("Signed At")
    state = fields.Selection([
            ('draft', "Draft"),
            ('running', "Running"),
            ('open', "To Clear"),
            ('signed', "Signed"),
            ], "State", required=True, readonly=True, sort=False)

    _protected = frozenset({
            'state', 'from_date', 'due_date', 'timezone', 'counted_to',
            'events', 'users', 'first_event', 'last_event', 'run_by',
            'run_at', 'signed_by', 'signed_at'})

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_indexes.add(Index(t, (t.to_date, Index.Range())))
        cls._order = [('to_date', 'DESC'), ('id', 'DESC')]
        cls._transitions |= {
            ('draft', 'running'),
            ('running', 'running'),
            ('running', 'open'),
            ('open', 'signed'),
            }
        cls._buttons.update(
            run={
                'invisible': ~Eval('state').in_(['draft', 'running']),
                'icon': 'tryton-launch',
                'depends': ['state'],
                },
            sign={
                'invisible': Eval('state') != 'open',
                'icon': 'tryton-ok',
                'depends': ['state'],
                },
            )

    @staticmethod
    def default_state():
        return 'draft'

    @classmethod
    def default_from_date(cls):
        return cls._period()[0]

    @classmethod
    def default_to_date(cls):
        return cls._period()[1]

    @classmethod
    def default_due_date(cls):
        return cls._due_date(cls._period()[0])

    @classmethod
    def default_timezone(cls):
        Configuration = Pool().get('early_access.audit.check.configuration')
        return Configuration.zone_name()

    @classmethod
    @without_check_access
    def _period(cls):
        "Return the first and the last date of the next check."
        Activity = Pool().get('early_access.audit.activity')
        last = Activity.last_date()
        checks = cls.search([], limit=1)
        if checks:
            first = checks[0].to_date + dt.timedelta(days=1)
        else:
            first = Activity.first_date() or last
        return first, last

    @classmethod
    def _due_date(cls, from_date):
        Configuration = Pool().get('early_access.audit.check.configuration')
        return from_date + relativedelta(months=Configuration(1).months)

    @classmethod
    def get_late(cls, checks, name):
        today = Pool().get('ir.date').today()
        return {
            c.id: c.state != 'signed' and c.due_date < today for c in checks}

    @classmethod
    def get_numbers(cls, checks, names):
        Anomaly = Pool().get('early_access.audit.anomaly')
        table = Anomaly.__table__()
        cursor = Transaction().connection.cursor()
        numbers = {n: dict.fromkeys(map(int, checks), 0) for n in names}
        cursor.execute(*table.select(
                table.check, table.state, Count(table.id),
                where=fields.SQL_OPERATORS['in'](
                    table.check, list(map(int, checks))),
                group_by=[table.check, table.state]))
        for check, state, number in cursor:
            if 'number_anomalies' in names:
                numbers['number_anomalies'][check] += number
            if 'number_open' in names and state == 'open':
                numbers['number_open'][check] += number
        return numbers

    def get_rec_name(self, name):
        return f'{self.from_date} - {self.to_date}'

    @classmethod
    def view_attributes(cls):
        return super().view_attributes() + [
            ('/tree', 'visual',
                If(Eval('late', False), 'danger',
                    If(Eval('state') == 'open', 'warning', ''))),
            ('/form//label[@id="late"]', 'states', {
                    'invisible': ~Eval('late'),
                    }, ['late']),
            ('/form//label[@id="running"]', 'states', {
                    'invisible': Eval('state') != 'running',
                    }, ['state']),
            ]

    def day(self, date):
        "Return the Day of a date of the period."
        Activity = Pool().get('early_access.audit.activity')
        return Activity.day(date, self.timezone)

    # Buttons

    @classmethod
    @guarded('draft', 'running')
    @ModelView.button
    @Workflow.transition('running')
    def run(cls, checks):
        "Look for anomalies; or go on, where a former run was interrupted."
        cls.write(checks, cls.stamp('run'))
        cls.__queue__.look(checks)

    @classmethod
    @guarded('open')
    @ModelView.button
    @Workflow.transition('signed')
    def sign(cls, checks):
        """Sign the checks off, which fixes them and their anomalies.

        :raises CheckError: if an anomaly is not cleared, or is one of the
            user who signs.
        """
        user = Transaction().user
        for check in checks:
            if check.number_open:
                raise CheckError(gettext(
                        'early_access_audit.msg_check_open',
                        check=check.rec_name, number=check.number_open))
            if any(a.user and a.user.id == user for a in check.anomalies):
                raise CheckError(gettext(
                        'early_access_audit.msg_check_own',
                        check=check.rec_name))
        cls.write(checks, cls.stamp('signed'))

    # Looking for anomalies

    @classmethod
    def look(cls, checks):
        """Look for anomalies until the end of the periods, from the queue.

        Each day is committed alone.
        """
        database = Transaction().database.name
        for check in checks:
            failures = 0
            while True:
                try:
                    with Transaction(new=True).start(database, 0):
                        if not cls._look_next(cls(check.id)):
                            break
                except backend.DatabaseOperationalError:
                    # Another process does the same, or writes on it
                    failures += 1
                    if failures > RETRIES:
                        raise
                    time.sleep(.05 * failures)
                else:
                    failures = 0

    @classmethod
    def _look_next(cls, check):
        """Look at one more day of the check.

        The weeks before are counted first where they were not yet: they are
        the past of the users.

        :returns: False when there is none.
        """
        Activity = Pool().get('early_access.audit.activity')
        wait_for([check])
        if check.state != 'running':
            return False
        if check.counted_to is None:
            settings = Settings()
            first = check.from_date - dt.timedelta(
                weeks=settings.reading_weeks)
            first = max(
                first, Activity.first_date(check.timezone) or first)
            past = check.from_date - dt.timedelta(days=1)
            counted = Activity.counted(first, past)
            while first <= past:
                if first not in counted:
                    Activity.count(check.day(first))
                first += dt.timedelta(days=1)
            check.counted_to = past
        elif check.counted_to < check.to_date:
            date = check.counted_to + dt.timedelta(days=1)
            check.look_at(date)
            check.counted_to = date
        else:
            check._finish()
        check.save()
        return True

    def look_at(self, date):
        "Count a day and create its anomalies."
        pool = Pool()
        Activity = pool.get('early_access.audit.activity')
        Anomaly = pool.get('early_access.audit.anomaly')
        day = self.day(date)
        Activity.count(day)
        settings = Settings()
        Anomaly.create([
                Anomaly.values_of(self, date, name, finding)
                for name, rule in RULES.items()
                for finding in rule.find(day, settings)])

    def _finish(self):
        "Keep the figures of the period, whose events will be purged."
        Activity = Pool().get('early_access.audit.activity')
        table = Activity.__table__()
        cursor = Transaction().connection.cursor()
        cursor.execute(*table.select(
                Sum(table.events), Count(table.user_id, distinct=True),
                Min(table.first_event), Max(table.last_event),
                where=(table.date >= self.from_date)
                & (table.date <= self.to_date)))
        events, users, self.first_event, self.last_event = cursor.fetchone()
        self.events = int(events or 0)
        self.users = users
        self.state = 'open'

    # Alerts

    @classmethod
    @without_check_access
    def watch(cls):
        """Prepare the next check and alert about it, called by a cron.

        A check is prepared and run some days before it is due. Each step is
        told once, and each week again while the check is late. One that was
        interrupted goes on.
        """
        pool = Pool()
        Activity = pool.get('early_access.audit.activity')
        Alert = pool.get('early_access.audit.alert')
        Configuration = pool.get('early_access.audit.check.configuration')
        Date = pool.get('ir.date')
        today = Date.today()
        notice = dt.timedelta(days=Configuration(1).notice_days)
        checks = cls.search([('state', '!=', 'signed')])
        if not checks and Activity.first_date():
            first, last = cls._period()
            if cls._due_date(first) - notice <= today and first <= last:
                checks = cls.create([{}])
        for check in checks:
            if check.state == 'draft' and check.due_date - notice <= today:
                cls.run([check])
            elif check.state == 'running':
                cls.__queue__.look([check])
            if check.due_date < today:
                Alert.send(
                    check, 'check_late', ['security_officer'],
                    step=(today - check.due_date).days // 7)
            elif check.state == 'open':
                Alert.send(check, 'check_ready', ['security_officer'])

    # Modification

    @classmethod
    def preprocess_values(cls, mode, values):
        values = super().preprocess_values(mode, values)
        if mode == 'create':
            with without_check_access():
                others = cls.search([('state', '!=', 'signed')], limit=1)
            if others:
                raise CheckAccessError(gettext(
                        'early_access_audit.msg_check_one',
                        check=others[0].rec_name))
            first, _ = cls._period()
            values['from_date'] = first
            values['due_date'] = cls._due_date(first)
            values['timezone'] = cls.default_timezone()
        return values

    @classmethod
    def validate_fields(cls, checks, field_names):
        Activity = Pool().get('early_access.audit.activity')
        super().validate_fields(checks, field_names)
        if field_names and not field_names & {'from_date', 'to_date'}:
            return
        for check in checks:
            last = Activity.last_date(check.timezone)
            if not check.from_date <= check.to_date <= last:
                raise CheckError(gettext(
                        'early_access_audit.msg_check_period',
                        check=check.rec_name,
                        first=check.from_date, last=last))

    @classmethod
    def check_modification(cls, mode, checks, values=None, external=False):
        super().check_modification(
            mode, checks, values=values, external=external)
        if mode == 'create':
            if len(checks) > 1:
                raise CheckAccessError(gettext(
                        'early_access_audit.msg_check_one',
                        check=checks[0].rec_name))
            return
        for check in checks:
            if check.state == 'signed':
                raise CheckAccessError(gettext(
                        'early_access_audit.msg_check_signed',
                        check=check.rec_name))
            if check.state != 'draft' and external and (
                    mode == 'delete' or 'to_date' in values):
                raise CheckAccessError(gettext(
                        'early_access_audit.msg_check_run',
                        check=check.rec_name))
