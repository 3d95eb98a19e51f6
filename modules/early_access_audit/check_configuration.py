# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import datetime as dt

from trytond.model import (
    ModelSingleton, ModelSQL, ModelView, Unique, fields)
from trytond.modules.company.company import TIMEZONES
from trytond.pool import Pool
from trytond.tools import timezone as tz
from trytond.transaction import without_check_access

from .res import LEVELS

# The most that may be between two checks (SEC-JOU-4)
MONTHS = 2


def at_least(name, minimum, string, help=''):
    return fields.Integer(
        string, required=True, domain=[(name, '>=', minimum)], help=help)


class CheckConfiguration(ModelSingleton, ModelSQL, ModelView):
    """When the traces are checked, and what is unusual in them.

    All the thresholds are those of one user on one day.
    """
    __name__ = 'early_access.audit.check.configuration'

    months = fields.Integer(
        "Months between Checks", required=True,
        domain=[
            ('months', '>=', 1),
            ('months', '<=', MONTHS),
            ],
        help="Two at most (CNIL 2022-107, SEC-JOU-4).")
    notice_days = fields.Integer(
        "Days of Notice", required=True,
        domain=[
            ('notice_days', '>=', 0),
            ('notice_days', '<=', 28),
            ],
        help="How long before it is due a check is prepared.")
    timezone = fields.Selection(
        [(None, '')] + TIMEZONES, "Timezone", translate=False,
        help="In which the days and the nights are counted.\n"
        "Leave empty for the one of the company.")
    reading_weeks = at_least(
        'reading_weeks', 1, "Weeks of the Past",
        "The weeks before a day with which it is compared.")
    reading_factor = fields.Float(
        "Factor", required=True,
        domain=[
            ('reading_factor', '>=', 1),
            ],
        help="How many times more than usual is mass reading. Usual is what "
        "the user exceeds on one active day of ten.")
    reading_floor = at_least(
        'reading_floor', 1, "Records Read",
        "The records on patients that anybody may read in a day.")
    night_start = fields.Time("Night From", required=True)
    night_end = fields.Time("Night To", required=True)
    night_limit = at_least(
        'night_limit', 1, "Actions at Night",
        "The actions at night or in a week-end that are an anomaly, for the "
        "profiles that do not work then.")
    failure_limit = at_least(
        'failure_limit', 1, "Failed Logins of a User")
    failure_address_limit = at_least(
        'failure_address_limit', 1, "Failed Logins from an Address")
    address_limit = at_least('address_limit', 2, "Addresses of a User")
    refusal_limit = at_least(
        'refusal_limit', 1, "Refused Accesses to Patients")
    export_limit = at_least('export_limit', 1, "Exports")
    watch_nights = fields.Boolean(
        "Watch the Nights",
        help="Of the users without a profile below.")

    @classmethod
    def default_months(cls):
        return MONTHS

    @classmethod
    def default_notice_days(cls):
        return 7

    @classmethod
    def default_reading_weeks(cls):
        return 8

    @classmethod
    def default_reading_factor(cls):
        return 2.

    @classmethod
    def default_reading_floor(cls):
        return 200

    @classmethod
    def default_night_start(cls):
        return dt.time(21)

    @classmethod
    def default_night_end(cls):
        return dt.time(6)

    @classmethod
    def default_night_limit(cls):
        return 10

    @classmethod
    def default_failure_limit(cls):
        return 10

    @classmethod
    def default_failure_address_limit(cls):
        return 50

    @classmethod
    def default_address_limit(cls):
        return 4

    @classmethod
    def default_refusal_limit(cls):
        return 3

    @classmethod
    def default_export_limit(cls):
        return 1

    @classmethod
    def default_watch_nights(cls):
        return True

    @classmethod
    def zone_name(cls):
        "Return the name of the time zone in which the days are counted."
        Company = Pool().get('company.company')
        name = cls(1).timezone
        if not name:
            with without_check_access():
                companies = Company.search(
                    [('timezone', '!=', None)],
                    order=[('id', 'ASC')], limit=1)
            name = companies[0].timezone if companies else 'UTC'
        return name

    @classmethod
    def zone(cls, name=None):
        return tz.get_tzinfo(name or cls.zone_name())


class CheckProfile(ModelSQL, ModelView):
    """What is usual for the users of a profile.

    On-call work is normal for some, and a hospital may visit its patients
    every six months only.
    """
    __name__ = 'early_access.audit.check.profile'

    profile = fields.Selection(
        'get_profiles', "Profile", required=True, sort=True)
    nights = fields.Boolean(
        "Watch the Nights",
        help="Whether actions at night and in week-ends are an anomaly.")

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_constraints += [
            ('profile_unique', Unique(t, t.profile),
                'early_access_audit.msg_check_profile_unique'),
            ]
        cls._order = [('profile', 'ASC'), ('id', 'ASC')]

    @classmethod
    @without_check_access
    def get_profiles(cls):
        "The code and the name of the profiles."
        pool = Pool()
        Group = pool.get('res.group')
        ModelData = pool.get('ir.model.data')
        data = {
            d.db_id: d.fs_id.removeprefix('group_')
            for d in ModelData.search([
                    ('module', '=', 'early_access'),
                    ('model', '=', 'res.group'),
                    ])}
        return sorted(
            (data[g.id], g.name.split(':')[-1].strip())
            for g in Group.browse(list(data)) if data[g.id] not in LEVELS)

    def get_rec_name(self, name):
        return dict(self.get_profiles()).get(self.profile, self.profile)
