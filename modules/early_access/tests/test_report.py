# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import datetime as dt

from dateutil.relativedelta import relativedelta

from trytond.model.exceptions import (
    AccessError, DomainValidationError, SQLConstraintError)
from trytond.modules.early_access.exceptions import (
    NationalNumberError, ReportError, WorkflowModificationError,
    WorkflowStateError)
from trytond.pool import Pool
from trytond.tests.test_tryton import with_transaction

from .tools import ProgrammeTestCase, acting

URL = 'https://www.example.com/summary'


def ago(**delta):
    return dt.date.today() - relativedelta(**delta)


class ReportTestCase(ProgrammeTestCase):
    "Test the register of the summary reports"
    module = 'early_access'

    def create(self, **values):
        pool = Pool()
        Authorization = pool.get('early_access.authorization')
        Report = pool.get('early_access.report')
        authorization, = Authorization.search([('code', '=', 'DMB')])
        report, = Report.create([{
                    'authorization': authorization.id,
                    'from_date': ago(months=8),
                    'to_date': ago(months=2),
                    'data_cut_date': ago(months=2),
                    'transmitted_date': ago(months=1),
                    **values,
                    }])
        return report

    def published(self, **values):
        Report = Pool().get('early_access.report')
        report = self.create(**values)
        Report.transmit([report])
        Report.write([Report(report.id)], {
                'publication_date': ago(days=3),
                'publication_url': URL,
                })
        Report.publish([Report(report.id)])
        return Report(report.id)

    @with_transaction()
    def test_publish(self):
        "Regulatory affairs follow a report to its publication"
        with acting('regulatory_affairs') as user:
            report = self.published(last=True)
            self.assertEqual(report.state, 'published')
            self.assertEqual(report.published_by, user)
            self.assertTrue(report.published_at)
            self.assertIn('DMB', report.rec_name)

    @with_transaction(user=0)
    def test_missing(self):
        "What is transmitted and published has its dates"
        Report = Pool().get('early_access.report')
        report = self.create(transmitted_date=None)
        with self.refused(ReportError) as cm:
            Report.transmit([report])
        self.assertIn("Transmitted", str(cm.exception))
        report = self.create()
        with self.refused(WorkflowStateError):
            Report.publish([report])
        Report.transmit([report])
        with self.refused(ReportError):
            Report.publish([Report(report.id)])

    @with_transaction(user=0)
    def test_dates(self):
        "The dates follow one another and are not to come"
        with self.refused(ReportError):
            self.create(transmitted_date=ago(days=-2))
        with self.refused(DomainValidationError):
            self.create(transmitted_date=ago(months=3))
        with self.refused(DomainValidationError):
            self.create(to_date=ago(months=9))
        with self.refused(NationalNumberError):
            self.create(publication_url='x 2 55 08 14 168 025 38')

    @with_transaction(user=0)
    def test_last(self):
        "One report is the last one, and none ends after it"
        Report = Pool().get('early_access.report')
        last = self.create(last=True)
        with self.refused(SQLConstraintError):
            self.create(last=True)
        with self.refused(ReportError):
            self.create(to_date=ago(months=1), data_cut_date=ago(months=1))
        self.create(to_date=ago(months=5))
        Report.write([last], {'last': False})
        self.create(to_date=ago(months=1), data_cut_date=ago(months=1))
        with self.refused(ReportError):
            Report.write([last], {'last': True})

    @with_transaction()
    def test_fixed(self):
        "What was published is not changed nor deleted"
        Report = Pool().get('early_access.report')
        with acting('regulatory_affairs'):
            report = self.published()
            for name, value in [
                    ('publication_date', ago(days=1)),
                    ('publication_url', URL + '/2'),
                    ('to_date', ago(months=3)),
                    ]:
                with self.subTest(name=name), self.refused(AccessError):
                    Report.write([report], {name: value})
            with self.refused(WorkflowModificationError):
                Report.write([report], {'state': 'draft'})
            with self.refused(WorkflowStateError):
                Report.draft([report])
            with self.refused(AccessError):
                Report.delete([report])
            # One learns afterwards that no other follows
            Report.write([report], {'last': True})
            Report.delete([self.create(to_date=ago(months=5))])
        with acting('medical_affairs'):
            self.assertTrue(Report(report.id).last)
            with self.refused(AccessError):
                Report.write([Report(report.id)], {'last': False})
        with acting('prescriber'), self.refused(AccessError):
            Report.read([report.id], ['last'])

    @with_transaction(user=0)
    def test_draft(self):
        "What was said to be transmitted is corrected"
        Report = Pool().get('early_access.report')
        report = self.create()
        Report.transmit([report])
        Report.draft([Report(report.id)])
        report = Report(report.id)
        self.assertEqual(report.state, 'draft')
        self.assertFalse(report.transmitted_at)
        copy, = Report.copy([self.published(to_date=ago(months=3))])
        self.assertEqual(copy.state, 'draft')
        self.assertFalse(copy.publication_date)
