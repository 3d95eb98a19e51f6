# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"A programme whose data come to the end of each period, in a transaction."
import datetime as dt

from dateutil.relativedelta import relativedelta

from trytond.pool import Pool
from trytond.transaction import Transaction


def ago(**delta):
    return dt.date.today() - relativedelta(**delta)


def let_archive(authorization):
    "Let the active period of the authorization be over, as was announced."
    pool = Pool()
    Policy = pool.get('early_access.retention.policy')
    Report = pool.get('early_access.report')
    with Transaction().set_context(_skip_warnings=True):
        policy, = Policy.create([{
                    'company': authorization.company.id,
                    'from_date': dt.date(2020, 1, 1),
                    'active_months': 12,
                    'archive_years': 20,
                    'refused_months': 6,
                    'never_started_months': 6,
                    'draft_days': 30,
                    'reason': "Fictitious.",
                    }])
        Policy.adopt([policy])
    date = ago(months=13)
    report, = Report.create([{
                'authorization': authorization.id,
                'from_date': ago(years=9),
                'to_date': date,
                'data_cut_date': date,
                'transmitted_date': date,
                'last': True,
                }])
    Report.transmit([report])
    Report.write([Report(report.id)], {
            'publication_date': date,
            'publication_url': 'https://www.example.com/summary',
            })
    Report.publish([Report(report.id)])
    _announce()


def let_destroy():
    "Let the archive be over, as was announced."
    Authorization = Pool().get('early_access.authorization')
    with Transaction().set_context(_skip_warnings=True):
        Authorization.write(Authorization.search([]), {
                'ma_granted_date': ago(years=22),
                'ma_ended_date': ago(years=21, days=1),
                'market_withdrawal_date': ago(years=21)})
    _announce()


def _announce():
    from trytond.modules.early_access_retention.tests.tools import at
    pool = Pool()
    Authorization = pool.get('early_access.authorization')
    Clock = pool.get('early_access.retention.clock')
    Clock.recompute(Authorization.search([]))
    with at(ago(days=10)):
        Clock.announce(Clock.search([]))


def approve():
    "Approve what is prepared, as two persons do."
    pool = Pool()
    Destruction = pool.get('early_access.retention.destruction')
    User = pool.get('res.user')
    for login, button in [
            ('dpo', 'approve'), ('regulatory_affairs', 'approve_second')]:
        user, = User.search([('login', '=', login)])
        with Transaction().set_user(user.id):
            getattr(Destruction, button)(Destruction.search([]))
