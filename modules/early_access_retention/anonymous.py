# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What is kept of persons whose data are destroyed (CNIL 2022-107, art. 9).

It is a calculation on a few coarse traits: it knows neither the database nor
the day. Frequency tables are anonymous when they resist the three criteria of
the opinion 05/2014 of the working party 29, whatever else is published:

- singling out: a count below the threshold is not shown. In a table of two
  traits it is hidden, and so are others, until each hidden count could be
  what it is or differ, by the threshold at least, given all that is shown;
- linkage: nothing is finer than a year or a band, and a value that few
  persons have is counted with others, as *other*, in all the tables;
- inference: a trait of which fewer than two groups remain is given up, as it
  would tell the value of everybody.

All the groups of a trait are shown and have as many persons as the threshold
at least. So the totals of the tables of two traits are always known, each
table can be judged by itself, and a table that is all hidden is safe: between
two groups, what a count can be ranges over the smallest of the two and of
what is outside them.

Only what anybody could count in the tables is told of what was refused. How
many of the hidden counts are small would help to find them.
"""

import json
from collections import Counter, deque
from itertools import product
from typing import NamedTuple

THRESHOLD = 10
# No laboratory sets less
LEAST_THRESHOLD = 5

UNKNOWN = 'unknown'
OTHER = 'other'
SEXES = ('female', 'male')
OUTCOMES = (
    'signed', 'submitted', 'eligible', 'refused', 'treated', 'discontinued',
    'never_started', 'cancelled')
AGES = {0: '0-19', 20: '20-39', 40: '40-59', 60: '60-79', 80: '80+'}
MONTHS = {0: '0-2', 3: '3-5', 6: '6-11', 12: '12-23', 24: '24+'}
EVENTS = {0: '0', 1: '1', 2: '2-4', 5: '5+'}
# The years come before
ORDER = (
    *SEXES, *OUTCOMES, *AGES.values(), *MONTHS.values(), *EVENTS.values(),
    UNKNOWN, OTHER)

TABLES = (
    ('sex',), ('age',), ('year',), ('outcome',), ('duration',), ('events',),
    ('sex', 'age'), ('outcome', 'year'), ('duration', 'outcome'))


class Person(NamedTuple):
    """What is taken of a person. What is None is not known.

    - sex: one of SEXES;
    - birth_year, request_year: years;
    - outcome: the state at the end, one of OUTCOMES;
    - duration_months: from the first administration to the stop;
    - events: how many forms of adverse events there were.
    """
    sex: str | None = None
    birth_year: int | None = None
    request_year: int | None = None
    outcome: str | None = None
    duration_months: int | None = None
    events: int | None = None


class Table(NamedTuple):
    """A frequency table.

    - traits: the names of one or two traits;
    - cells: the count by the values of the traits; None if it is hidden.
    """
    traits: tuple
    cells: dict


class Anonymous(NamedTuple):
    """What may be kept.

    - persons: how many are counted in each table, none if they were too few;
    - tables: the Tables;
    - refused_singling_out: the counts that are hidden;
    - refused_linkage: the traits with values that are counted together;
    - refused_inference: the traits that are given up.
    """
    persons: int = 0
    tables: tuple = ()
    refused_singling_out: int = 0
    refused_linkage: int = 0
    refused_inference: int = 0

    def to_json(self):
        "Return the tables as a text, which is the same for the same tables."
        return json.dumps([{
                    'traits': table.traits,
                    'cells': [
                        [*values, count]
                        for values, count in table.cells.items()],
                    } for table in self.tables], separators=(',', ':'))


def anonymise(persons, threshold=THRESHOLD):
    """Return what may be kept of the persons, as Anonymous.

    Nothing is kept of fewer persons than the threshold. What was kept of other
    persons does not matter, as nobody is in two of them.

    :raises ValueError: when the threshold is too low.
    """
    if threshold < LEAST_THRESHOLD:
        raise ValueError(f"the threshold {threshold} is too low")
    rows = [_traits(p) for p in persons]
    if len(rows) < threshold:
        return Anonymous()
    groups = {
        trait: _groups(Counter(r[trait] for r in rows), threshold)
        for trait, in (t for t in TABLES if len(t) == 1)}
    tables = []
    for traits in TABLES:
        if all(groups[t] for t in traits):
            counts = Counter(
                tuple(groups[t].get(r[t], OTHER) for t in traits)
                for r in rows)
            values = [_order(groups[t].values()) for t in traits]
            tables.append(Table(traits, _cells(counts, values, threshold)))
    return Anonymous(
        len(rows), tuple(tables),
        sum(c is None for t in tables for c in t.cells.values()),
        sum(OTHER in g.values() for g in groups.values() if g),
        sum(not g for g in groups.values()))


def _traits(person):
    "Return the value of each trait, as texts that are coarse enough."
    age = year = None
    if isinstance(person.request_year, int):
        year = str(person.request_year)
        if person.birth_year is not None:
            age = person.request_year - person.birth_year
    return {
        'sex': person.sex if person.sex in SEXES else UNKNOWN,
        'age': _band(age, AGES),
        'year': year or UNKNOWN,
        'outcome': person.outcome if person.outcome in OUTCOMES else UNKNOWN,
        'duration': _band(person.duration_months, MONTHS),
        'events': _band(person.events, EVENTS),
        }


def _band(value, bands):
    if value is None or value < 0:
        return UNKNOWN
    return bands[max(low for low in bands if low <= value)]


def _order(values):
    "Return the values once, in the order in which they are shown."
    return sorted(set(values), key=lambda v: (
            ORDER.index(v) + 1 if v in ORDER else 0, v))


def _groups(counts, threshold):
    """Return the group in which each value is counted.

    None is returned when there would be fewer than two groups.
    """
    own = _order(v for v, n in counts.items() if n >= threshold)
    rest = counts.total() - sum(counts[v] for v in own)
    while own and 0 < rest < threshold:
        least = min(own, key=counts.get)
        own.remove(least)
        rest += counts[least]
    groups = {v: v if v in own else OTHER for v in counts}
    return groups if len(set(groups.values())) > 1 else None


def _cells(counts, values, threshold):
    "Return the cells of a table, with those that are not shown hidden."
    cells = {v: counts[v] for v in product(*values)}
    if len(values) == 1:
        return cells
    hidden = _hide(cells, threshold)
    return {v: None if v in hidden else n for v, n in cells.items()}


def _hide(cells, threshold):
    "Return which cells of a table of two traits are hidden."
    hidden = {v for v, n in cells.items() if n < threshold}
    while exposed := next((
                v for v in cells
                if v in hidden and _width(cells, hidden, v) < threshold),
            None):
        hidden.add(min(
                (v for v in cells if v not in hidden),
                key=lambda v: (
                    all(a != b for a, b in zip(v, exposed)), cells[v])))
    return hidden


def _width(cells, hidden, cell):
    """Return how far apart the least and the most are that a hidden cell can
    be, given what is shown and the totals.

    What one hidden cell has more, others of its row and its column have less:
    the most that can be moved around is a flow through the other hidden cells.
    """
    total = sum(cells.values())
    row, column = (0, cell[0]), (1, cell[1])

    def moved(source, sink, limit):
        capacity = {}
        for a, b in hidden - {cell}:
            capacity[(0, a), (1, b)] = total
            capacity[(1, b), (0, a)] = cells[a, b]
        return _flow(capacity, source, sink, limit)
    return (
        moved(column, row, total) + moved(row, column, cells[cell]))


def _flow(capacity, source, sink, limit):
    "Return the largest flow between two nodes, at most the limit."
    flow = 0
    while flow < limit and (path := _path(capacity, source, sink)):
        step = min(limit - flow, *(capacity[edge] for edge in path))
        for a, b in path:
            capacity[a, b] -= step
            capacity[b, a] += step
        flow += step
    return flow


def _path(capacity, source, sink):
    "Return the edges of a shortest way that has room, None without any."
    before, queue = {source: None}, deque([source])
    while queue:
        node = queue.popleft()
        if node == sink:
            path = []
            while before[node]:
                path.append((before[node], node))
                node = before[node]
            return path
        for (a, b), room in capacity.items():
            if a == node and room and b not in before:
                before[b] = node
                queue.append(b)
    return None
