# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import json

from trytond.exceptions import UserError
from trytond.model.exceptions import AccessError
from trytond.modules.early_access.tests.tools import acting
from trytond.modules.early_access_retention.anonymous import (
    Person, anonymise)
from trytond.modules.early_access_retention.exceptions import PolicyError
from trytond.pool import Pool
from trytond.tests.test_tryton import with_transaction
from trytond.transaction import Transaction

from .register_tools import TODAY, RegisterTestCase, rpc

MODEL = 'early_access.retention.aggregate'
READERS = ['dpo', 'regulatory_affairs', 'pharmacist_in_charge', 'audit']
PERSONS = (
    [Person('female', 1980, 2024, 'treated', 8, 0)] * 20
    + [Person('male', 1980, 2024, 'discontinued', 1, 2)] * 15
    + [Person('male', 1950, 2025, 'treated', 8, 0)] * 12
    + [Person('female', 1950, 2025, 'refused')] * 3)


class AggregateTestCase(RegisterTestCase):
    "Test the anonymous form of what is destroyed"

    def keep(self, persons=PERSONS):
        return Pool().get(MODEL).keep(self.authorization, persons, TODAY)

    def policy(self, **values):
        return self.create(
            'early_access.retention.policy',
            **{
                'from_date': TODAY, 'active_months': 12, 'archive_years': 20,
                'refused_months': 6, 'never_started_months': 6,
                'draft_days': 30, 'reason': "The fictitious protocol.",
                **values})

    @with_transaction(user=0)
    def test_keep(self):
        "What is kept is what was calculated"
        aggregate = self.keep()
        anonymous = anonymise(PERSONS)
        self.assertEqual(aggregate.tables, anonymous.to_json())
        self.assertEqual(
            (aggregate.authorization, aggregate.kept_on, aggregate.threshold,
                aggregate.persons),
            (self.authorization, TODAY, 10, 50))
        self.assertEqual([
                [l.table, l.row, l.column, l.count]
                for l in aggregate.lines], [
                ['_'.join(table['traits']), *values, *[None] * (
                        2 - len(values)), count]
                for table in json.loads(aggregate.tables)
                for *values, count in table['cells']])
        self.assertEqual(aggregate.refused_singling_out, sum(
                l.count is None for l in aggregate.lines))
        self.assertGreater(aggregate.refused_singling_out, 0)
        self.assertIn('10', aggregate.method)

    @with_transaction(user=0)
    def test_batches(self):
        "Each batch is kept apart, and one that is too small says nothing"
        first, second = self.keep(), self.keep()
        self.assertEqual(first.tables, second.tables)
        small = self.keep(PERSONS[:9])
        self.assertEqual(
            (small.persons, small.tables, small.lines), (0, '[]', ()))
        self.assertIn("Nothing is kept", small.method)
        self.assertEqual(
            small.method, self.keep([]).method)

    @with_transaction(user=0)
    def test_read(self):
        "Who answers for the programme reads the tables and exports them"
        Aggregate = Pool().get(MODEL)
        aggregate = self.keep()
        for profile in READERS:
            with self.subTest(profile=profile), acting(profile):
                rows = rpc(
                    Aggregate, 'export_data', [aggregate.id], [
                        'authorization/rec_name', 'lines/table',
                        'lines/row_name', 'lines/column_name',
                        'lines/shown'])
                shown = [row[2:] for row in rows]
                self.assertIn(["Female", '', '23'], shown)
                self.assertIn(["Others", '', '18'], shown)
                self.assertIn(["Treated", '2024', "hidden"], shown)
        for profile in ['supply', 'prescriber', 'market_access']:
            with self.subTest(profile=profile), acting(profile):
                with self.refused(AccessError):
                    rpc(Aggregate, 'search', [])

    @with_transaction(user=0)
    def test_fixed(self):
        "Nobody changes nor deletes what is kept, and nobody makes it up"
        pool = Pool()
        aggregate = self.keep()
        line = aggregate.lines[0]
        for record, values in [
                (aggregate, {'persons': 51}), (line, {'count': 99})]:
            Model = pool.get(record.__name__)
            for profile in READERS:
                for method, args in [
                        ('write', [[record.id], values]),
                        ('delete', [[record.id]]),
                        ('copy', [[record.id]]),
                        ('create', [[{**values, 'authorization': 1}]])]:
                    with self.subTest(
                            profile=profile, method=method), acting(profile):
                        with self.refused(UserError):
                            rpc(Model, method, *args)
            for method, args in [
                    ('write', [[record], values]),
                    ('delete', [[record]]),
                    ('copy', [[record]])]:
                with self.subTest(method=method), self.refused(AccessError):
                    getattr(Model, method)(*args)

    @with_transaction(user=0)
    def test_company(self):
        "A user of another company does not read them"
        pool = Pool()
        aggregate = self.keep()
        user, = pool.get('res.user').search([('login', '=', 'dpo')])
        pool.get('res.user').write([user], {
                'companies': [('remove', [self.company.id])],
                'company': None,
                })
        with acting('dpo'):
            for record in [aggregate, aggregate.lines[0]]:
                Model = pool.get(record.__name__)
                self.assertFalse(Model.search([]))
                with self.refused(AccessError):
                    Model.read([record.id], ['id'])

    @with_transaction(user=0)
    def test_policy(self):
        "Data are deleted unless the laboratory has a reason for tables"
        Policy = Pool().get('early_access.retention.policy')
        with acting('dpo'):
            policy = self.policy()
            self.assertEqual(policy.end_form, 'delete')
            for reason in [None, ' ']:
                with self.refused(UserError):
                    self.policy(end_form='anonymous', end_reason=reason)
            with self.refused(PolicyError):
                rpc(Policy, 'write', [policy.id], {
                        'end_form': 'anonymous', 'end_reason': '\n'})
            rpc(Policy, 'write', [policy.id], {
                    'end_form': 'anonymous',
                    'end_reason': "To compare with other medicines."})
        with acting('pharmacist_in_charge'), \
                Transaction().set_context(_skip_warnings=True):
            Policy.adopt([Policy(policy.id)])
        with acting('dpo'), self.refused(AccessError):
            rpc(Policy, 'write', [policy.id], {'end_form': 'delete'})
