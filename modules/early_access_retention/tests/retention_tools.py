# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import datetime as dt

from dateutil.relativedelta import relativedelta

from trytond.modules.early_access_audit.tests.tools import InventedTestCase
from trytond.pool import Pool
from trytond.transaction import Transaction, without_check_access

from .tools import at

URL = 'https://www.example.com/summary'


def ago(**delta):
    return dt.date.today() - relativedelta(**delta)


class RetentionTestCase(InventedTestCase):
    "A running programme of which the data come to their end"
    module = 'early_access_retention'

    @property
    def authorization(self):
        Authorization = Pool().get('early_access.authorization')
        with without_check_access():
            authorization, = Authorization.search([('code', '=', 'DMB')])
        return authorization

    @property
    def clock(self):
        Clock = Pool().get('early_access.retention.clock')
        with without_check_access():
            Clock.recompute([self.authorization])
            clock, = Clock.search([
                    ('authorization', '=', self.authorization.id)])
        return clock

    def publish(self, date, last=True):
        Report = Pool().get('early_access.report')
        report, = Report.create([{
                    'authorization': self.authorization.id,
                    'from_date': ago(years=9),
                    'to_date': min(date, ago(days=20)),
                    'data_cut_date': min(date, ago(days=20)),
                    'transmitted_date': date,
                    'last': last,
                    }])
        Report.transmit([report])
        Report.write([Report(report.id)], {
                'publication_date': date,
                'publication_url': URL,
                })
        Report.publish([Report(report.id)])
        return Report(report.id)

    def policy(self, authorization=None, adopt=True, **values):
        Policy = Pool().get('early_access.retention.policy')
        policy, = Policy.create([{
                    'company': self.authorization.company.id,
                    'authorization': authorization,
                    'from_date': ago(years=1),
                    'active_months': 12,
                    'archive_years': 20,
                    'refused_months': 6,
                    'never_started_months': 6,
                    'draft_days': 30,
                    'reason': "The fictitious protocol asks for it.",
                    **values,
                    }])
        if adopt:
            self.adopt(policy)
        return Policy(policy.id)

    def adopt(self, policy):
        pool = Pool()
        Policy = pool.get('early_access.retention.policy')
        with Transaction().set_context(_skip_warnings=True):
            Policy.adopt([policy])

    def hold(self, place=True, **values):
        Hold = Pool().get('early_access.retention.hold')
        hold, = Hold.create([{
                    'authorization': self.authorization.id,
                    'ground': 'litigation',
                    'reference': "FICT-2026-1",
                    'from_date': ago(days=1),
                    'until': ago(days=-100),
                    **values,
                    }])
        if place:
            Hold.place([hold])
        return Hold(hold.id)

    def end(self):
        "Let the authorization end without marketing authorization."
        Authorization = Pool().get('early_access.authorization')
        Authorization.write([self.authorization], {
                'coverage_end_date': ago(days=1)})
        Authorization.end_coverage([self.authorization])

    def due(self, kind='archive'):
        "Let all the data of the authorization come to the end of a period."
        pool = Pool()
        Authorization = pool.get('early_access.authorization')
        Clock = pool.get('early_access.retention.clock')
        with without_check_access():
            if kind == 'archive':
                self.policy()
                self.publish(ago(months=13))
            else:
                Authorization.write([self.authorization], {
                        'ma_granted_date': ago(years=22),
                        'ma_ended_date': ago(years=21, days=1),
                        'market_withdrawal_date': ago(years=21)})
            with at(ago(days=10)):
                Clock.announce([self.clock])
            assert self.clock in Clock.due(kind), self.clock.next_kind

    def job(self, kind):
        "Do a job of the night here, and return what it did."
        Run = Pool().get('early_access.retention.run')
        candidates, work = Run.jobs()[kind]
        after, done = 0, [0, 0, 0]
        while ids := candidates(after, 100):
            done = [a + b for a, b in zip(done, work(ids))]
            after = ids[-1]
        return tuple(done)
