# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import csv
import datetime as dt
import pathlib
import unittest
from dataclasses import replace

from dateutil.relativedelta import relativedelta
from hypothesis import given
from hypothesis import strategies as st

from trytond.modules.early_access_retention import reckoning
from trytond.modules.early_access_retention.reckoning import (
    ACTIVE_MONTHS, ARCHIVE_YEARS, CORRECTABLE, RULES, Facts, Periods,
    past_changes, reckon, request_end)

# The table that the documentation shows is the one that is tested
CASES = (
    pathlib.Path(reckoning.__file__).parent
    / 'doc' / 'usage' / 'clock_cases.csv')
DATES = [
    'publication', 'ma_granted', 'ma_ended', 'market_withdrawal', 'expiry',
    'suspension', 'withdrawal']

dates = st.dates(dt.date(2021, 7, 1), dt.date(2100, 12, 31))
some_date = st.none() | dates
today = st.dates(dt.date(2021, 7, 1), dt.date(2300, 1, 1))
all_periods = st.builds(
    Periods,
    active_months=st.none() | st.integers(0, ACTIVE_MONTHS),
    archive_years=st.none() | st.integers(1, ARCHIVE_YEARS),
    archive_ma_years=st.none() | st.integers(1, ARCHIVE_YEARS))
all_facts = st.builds(
    Facts, granted=st.sampled_from([True, True, True, False]),
    in_force=st.booleans(), last_report=st.booleans(),
    **{name: some_date for name in DATES})


def date(text):
    return dt.date.fromisoformat(text) if text else None


def number(text):
    return int(text) if text else None


def facts_of(row):
    report = row['Last report']
    return Facts(
        granted=row['Rule'] != 'not_granted',
        in_force=row['In force'] == 'yes',
        last_report=bool(report),
        publication=date(report if report != 'marked' else ''),
        ma_granted=date(row['MA granted']),
        ma_ended=date(row['MA ended']),
        market_withdrawal=date(row['Market withdrawal']),
        expiry=date(row['Expiry']),
        suspension=date(row['Suspension']),
        withdrawal=date(row['Withdrawal']))


def known(facts):
    "The dates of the facts that are not contradictory."
    return not (facts.ma_ended and (
            not facts.ma_granted or facts.ma_ended < facts.ma_granted))


class ReckoningTestCase(unittest.TestCase):
    "Test how long the data of an authorization may be kept"

    def test_cases(self):
        "The cases of the documentation"
        with CASES.open(encoding='utf-8', newline='') as file:
            rows = list(csv.DictReader(file))
        self.assertGreater(len(rows), 25)
        self.assertEqual({r['Rule'] for r in rows}, RULES.keys())
        for row in rows:
            with self.subTest(case=row['Case']):
                result = reckon(
                    facts_of(row),
                    Periods(*map(number, row['Periods'].split('/'))))
                self.assertEqual({
                        'Rule': result.rule,
                        'Article': result.article or '',
                        'Active at most': result.active_ceiling,
                        'Active until': result.active_end,
                        'Archive at most': result.archive_ceiling,
                        'Archive until': result.archive_end,
                        'Unknown': ' '.join(result.unknown),
                        }, {
                        'Rule': row['Rule'],
                        'Article': row['Article'],
                        'Active at most': date(row['Active at most']),
                        'Active until': date(row['Active until']),
                        'Archive at most': date(row['Archive at most']),
                        'Archive until': date(row['Archive until']),
                        'Unknown': row['Unknown'],
                        })

    @given(all_facts, all_periods)
    def test_lawful(self, facts, periods):
        "Nothing is kept past what the article 9 allows"
        result = reckon(facts, periods)
        if result.archive_on:
            self.assertTrue(facts.last_report)
            self.assertLessEqual(
                result.archive_on,
                facts.publication + relativedelta(years=2))
        if not facts.granted or not known(facts):
            self.assertIsNone(result.archive_on)
            self.assertIsNone(result.destroy_on)
            return
        if facts.market_withdrawal:
            self.assertLessEqual(
                result.destroy_on,
                facts.market_withdrawal + relativedelta(years=70))
        if result.article and result.article.startswith('9.3'):
            start = facts.withdrawal or facts.suspension or facts.expiry
            self.assertLessEqual(
                result.destroy_on, start + relativedelta(years=70))
        if result.rule == 'ma' and facts.ma_ended and result.active_ceiling:
            self.assertLessEqual(
                result.destroy_on,
                max(facts.ma_ended, result.active_ceiling))
        if result.archive_on and result.destroy_on:
            self.assertLessEqual(result.archive_on, result.destroy_on)

    @given(all_facts, all_periods)
    def test_own_periods(self, facts, periods):
        "Nothing is kept past the periods of the laboratory"
        result = reckon(facts, periods)
        if periods.active_months is not None and result.archive_on:
            self.assertLessEqual(
                result.archive_on,
                facts.publication
                + relativedelta(months=periods.active_months))
        start = (
            facts.market_withdrawal if result.rule == 'ma'
            else result.start)
        if start and periods.archive_years is not None:
            end = start + relativedelta(years=periods.archive_years)
            self.assertLessEqual(
                result.destroy_on, max(end, result.active_end or end))
        if (result.rule == 'ma' and result.active_end
                and periods.archive_ma_years is not None):
            self.assertLessEqual(
                result.destroy_on,
                result.active_end
                + relativedelta(years=periods.archive_ma_years))

    @given(all_facts, all_periods, st.sampled_from(DATES), dates)
    def test_monotone(self, facts, periods, name, other):
        "No end comes earlier because an event comes later"
        later = replace(facts, **{name: other})
        before = getattr(facts, name)
        if before is None or other < before:
            return
        if not known(facts) or not known(later):
            return
        first, second = reckon(facts, periods), reckon(later, periods)
        self.assertEqual(first.rule, second.rule)
        for end in [
                'active_end', 'active_ceiling', 'archive_end',
                'archive_ceiling', 'archive_on', 'destroy_on']:
            old, new = getattr(first, end), getattr(second, end)
            self.assertEqual(old is None, new is None, end)
            if old:
                self.assertLessEqual(old, new, end)

    @given(all_facts, all_periods, today)
    def test_held(self, facts, periods, day):
        "Nothing is due while the data are held, nor without a date"
        result = reckon(facts, periods)
        self.assertIsNone(result.due(day, held=True))
        if result.due(day) == 'destroy':
            self.assertLessEqual(result.destroy_on, day)
        elif result.due(day) == 'archive':
            self.assertLessEqual(result.archive_on, day)
        else:
            for end in [result.archive_on, result.destroy_on]:
                self.assertFalse(end and end <= day)

    @given(all_facts, all_periods)
    def test_unknown(self, facts, periods):
        "What has no end says what is not known"
        result = reckon(facts, periods)
        if result.rule != 'not_granted' and not (
                result.archive_on and result.destroy_on):
            self.assertTrue(result.unknown)
        self.assertTrue(result.steps)

    @given(all_facts, all_periods)
    def test_json(self, facts, periods):
        "What is stored is what was"
        self.assertEqual(Facts.from_json(facts.to_json()), facts)
        self.assertEqual(Periods.from_json(periods.to_json()), periods)

    def test_past_changes(self):
        "What was not known before is no change of the past"
        old = Facts(granted=True, expiry=dt.date(2024, 1, 31))
        new = replace(
            old, ma_granted=dt.date(2024, 5, 1),
            expiry=dt.date(2025, 1, 31))
        self.assertEqual(past_changes(old, new), [])
        self.assertEqual(past_changes(new, old), ['ma_granted'])
        self.assertEqual(
            past_changes(replace(old, last_report=True), old),
            ['last_report'])
        self.assertLessEqual(set(CORRECTABLE), {*DATES, 'last_report'})

    def test_request_end(self):
        "A request that came to nothing has a period of its own"
        closed = dt.date(2024, 8, 31)
        self.assertEqual(request_end(closed, 6), dt.date(2025, 2, 28))
        self.assertIsNone(request_end(closed, None))
        self.assertIsNone(request_end(None, 6))
