# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import json
import random
import unittest
from collections import Counter
from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from trytond.modules.early_access_retention.anonymous import (
    LEAST_THRESHOLD, ORDER, OTHER, OUTCOMES, SEXES, TABLES, THRESHOLD,
    Anonymous, Person, _hide, _width, anonymise)


def few(values):
    return st.none() | st.sampled_from(values)


persons = st.builds(
    Person, sex=few(SEXES), birth_year=few([1940, 1970, 1985, 2010]),
    request_year=few([2023, 2024, 2025]),
    outcome=few(['treated', 'discontinued', 'refused']),
    duration_months=few([0, 4, 30]), events=few([0, 1, 3]))
# Many who are alike, as in a programme
groups = st.lists(
    st.tuples(persons, st.integers(1, 25)), min_size=1, max_size=12).map(
    lambda groups: [p for person, n in groups for p in [person] * n])
thresholds = st.integers(LEAST_THRESHOLD, 15)
# Tables of two traits of which all the totals are large enough
squares = st.integers(2, 3).flatmap(
    lambda width: st.lists(
        st.lists(st.integers(0, 12), min_size=width, max_size=width),
        min_size=2, max_size=3)).map(
    lambda rows: {
        (f'r{i}', f'c{j}'): n
        for i, row in enumerate(rows) for j, n in enumerate(row)}).filter(
    lambda cells: min(*totals(cells, 0).values(),
        *totals(cells, 1).values()) >= LEAST_THRESHOLD)


def totals(cells, side):
    result = Counter()
    for values, count in cells.items():
        result[values[side]] += count
    return result


def ways(row_totals, column_totals, shown):
    """Yield all the tables with these totals and these cells.

    It tries them one after the other, and so owes nothing to what it checks.
    """
    if not row_totals:
        if not any(column_totals.values()):
            yield {}
        return
    (row, total), *others = row_totals.items()
    columns = list(column_totals)

    def fill(columns, left):
        if not columns:
            if not left:
                yield {}
            return
        column, *rest = columns
        known = shown.get((row, column))
        most = min(left, column_totals[column])
        for count in range(most + 1) if known is None else [known]:
            if count <= most:
                for cells in fill(rest, left - count):
                    yield {(row, column): count, **cells}
    for line in fill(columns, total):
        left = {c: n - line[row, c] for c, n in column_totals.items()}
        for cells in ways(dict(others), left, shown):
            yield {**line, **cells}


def ranges(row_totals, column_totals, shown):
    "Return the least and the most that each cell can be."
    result = {}
    for cells in ways(row_totals, column_totals, shown):
        for values, count in cells.items():
            least, most = result.get(values, (count, count))
            result[values] = min(least, count), max(most, count)
    return result


def by_traits(result):
    return {t.traits: t.cells for t in result.tables}


class AnonymousTestCase(unittest.TestCase):
    "Test what may be kept of persons whose data are destroyed"

    def test_example(self):
        "Two traits that many share are shown, with their totals"
        result = anonymise(
            [Person('female', 1980, 2024, 'treated', 8, 0)] * 30
            + [Person('male', 1980, 2024, 'treated', 8, 2)] * 25
            + [Person('female', 1950, 2025, 'discontinued', 1, 2)] * 20
            + [Person('male', 1950, 2025, 'discontinued', 1, 0)] * 15
            + [Person('male', 2015, 2025, 'refused')] * 3)
        self.assertEqual(result.persons, 93)
        tables = by_traits(result)
        self.assertEqual(
            tables['sex', ], {('female', ): 50, ('male', ): 43})
        self.assertEqual(tables['age', ], {
                ('40-59', ): 55, (OTHER, ): 38})
        self.assertEqual(tables['sex', 'age'], {
                ('female', '40-59'): 30, ('female', OTHER): 20,
                ('male', '40-59'): 25, ('male', OTHER): 18})
        # What all of a year have in common is not shown
        self.assertEqual(set(tables['outcome', 'year'].values()), {None})

    def test_too_few(self):
        "Nothing is kept of too few persons, and nothing says how many"
        self.assertEqual(
            anonymise([Person('female')] * (THRESHOLD - 1)), Anonymous())
        self.assertEqual(anonymise([]).to_json(), '[]')
        with self.assertRaises(ValueError):
            anonymise([], LEAST_THRESHOLD - 1)

    def test_same_value(self):
        "What everybody has, or all but a few, is given up"
        for others in [0, 1, THRESHOLD - 1]:
            result = anonymise(
                [Person('female', 1980, 2024, 'treated', 8, 0)] * 50
                + [Person('male', 1940, 2025, 'refused', 1, 1)] * others)
            with self.subTest(others=others):
                self.assertEqual(result.tables, ())
                self.assertEqual(result.refused_inference, 6)

    def test_unexpected(self):
        "What is no coarse trait is not known"
        result = anonymise(
            [Person('female', 1980, 2024, 'treated', 3, 0)] * 20
            + [Person('DMB-0001', 2030, '2024-05-17', 'Service', -1, -1)] * 20)
        self.assertEqual(
            {v for t in result.tables for values in t.cells for v in values},
            {'female', '40-59', '2024', 'treated', '3-5', '0', 'unknown'})

    @settings(max_examples=60, deadline=None)
    @given(squares, thresholds)
    def test_hidden(self, cells, threshold):
        "No hidden cell can be worked out, in all the tables that there may be"
        rows, columns = totals(cells, 0), totals(cells, 1)
        threshold = min(threshold, *rows.values(), *columns.values())
        hidden = _hide(cells, threshold)
        self.assertTrue(all(
                n >= threshold for v, n in cells.items() if v not in hidden))
        found = ranges(
            rows, columns,
            {v: n for v, n in cells.items() if v not in hidden})
        for values in hidden:
            least, most = found[values]
            self.assertGreaterEqual(most - least, threshold)
            # And nobody is wrong about how far
            self.assertEqual(_width(cells, hidden, values), most - least)

    @settings(max_examples=60, deadline=None)
    @given(groups, thresholds)
    def test_criteria(self, people, threshold):
        "No count is small, none tells a hidden one, none tells of everybody"
        result = anonymise(people, threshold)
        tables = by_traits(result)
        if len(people) < threshold:
            self.assertEqual(result, Anonymous())
        for traits, cells in tables.items():
            for count in cells.values():
                if count is not None:
                    self.assertGreaterEqual(count, threshold)
            if len(traits) == 1:
                self.assertGreater(len(cells), 1)
                self.assertNotIn(None, cells.values())
                self.assertEqual(sum(cells.values()), len(people))
                continue
            # All its totals are shown: nothing else is learned of it from
            # another table, as both have only these in common
            sides = [
                {v: n for (v,), n in tables[t,].items()} for t in traits]
            self.assertEqual(set(cells), set(product(*sides)))
            hidden = {v for v, n in cells.items() if n is None}
            for (a, b), count in cells.items():
                if count is not None:
                    # As many others at least share the one and not the other
                    for total in [sides[0][a], sides[1][b]]:
                        self.assertTrue(
                            total - count >= threshold
                            or not hidden & {
                                v for v in cells
                                if v[0] == a or v[1] == b})
                        self.assertLess(count, total)
        self.assertEqual(result.refused_singling_out, sum(
                n is None for c in tables.values() for n in c.values()))

    @settings(max_examples=60, deadline=None)
    @given(groups, thresholds, st.randoms(use_true_random=False))
    def test_same(self, people, threshold, chance):
        "The order of the persons changes nothing"
        first = anonymise(people, threshold)
        mixed = list(people)
        chance.shuffle(mixed)
        self.assertEqual(
            anonymise(mixed, threshold).to_json(), first.to_json())
        self.assertEqual(anonymise(iter(people), threshold), first)

    @settings(max_examples=60, deadline=None)
    @given(groups)
    def test_linkage(self, people):
        "Years and bands are all that is there, and few values are told"
        result = anonymise(people)
        for table in json.loads(result.to_json()):
            self.assertIn(tuple(table['traits']), TABLES)
            for *values, count in table['cells']:
                self.assertIsInstance(count, int | None)
                for value in values:
                    self.assertTrue(
                        value in ORDER
                        or value in {'2023', '2024', '2025'})

    def test_large(self):
        "A large programme with all the values is done at once"
        chance = random.Random(7)
        people = [
            Person(
                chance.choice(SEXES), chance.randint(1930, 2020),
                chance.randint(2021, 2035), chance.choice(OUTCOMES),
                chance.randint(0, 40), chance.randint(0, 7))
            for _ in range(1500)]
        result = anonymise(people)
        self.assertEqual(len(result.tables), len(TABLES))
        self.assertGreater(result.refused_singling_out, 5)
