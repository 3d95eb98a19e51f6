# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The collection of what the protocol prescribes."
import datetime as dt
import random
import sys
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median

from collection import (
    BATCH, PATIENTS, VISITS, dictionary, few_to_count, few_to_remind,
    few_to_schedule, many_to_count, many_to_remind, many_to_schedule)
from harness import TestDatabases
from measure import (
    RUNS, Session, launch, medians, ratio, ratio_and_noise, result, serving,
    where)
from sealed_models import PlainFullForm

SCRIPT = Path(__file__).with_name('serve.py')
JOB = Path(__file__).with_name('job.py')
BUDGET = 1.3
SHORT_RUNS = 3
FORMS = PATIENTS * VISITS
# What the client adds to the names of the fields of a view
METADATA = ['rec_name', '_timestamp', '_write', '_delete']
TEXT = 'plain Tryton'


# A form of all the questions


class Forms:
    """What a prescriber does with the forms of a model, as functions that
    return seconds.

    Those of another model are the same ones, if the seed is the same.
    """

    def __init__(self, server, model, seed):
        self._session = Session(server, 'prescriber')
        self._model = f'model.{model}'
        self._random = random.Random(seed)
        self._ids = self._call(
            'search', [('state', '=', 'draft')], 0, None, [('id', 'ASC')])
        assert len(self._ids) == FORMS
        self._answers = [
            r['answers'] for r in self._call('read', self._ids, ['answers'])]

    def _call(self, *params):
        return self._session.call(self._model, *params)

    def _names(self, type_):
        "Return what the client reads for the view of a form."
        view = self._session.call(
            'model.early_access.form', 'fields_view_get', None, type_)
        known = self._call('fields_get', None)
        names = sorted(view['fields'].keys() & known.keys())
        for name in names.copy():
            field = view['fields'][name]
            if field['type'] == 'many2one':
                names.append(f'{name}.rec_name')
            elif field['type'] in {'selection', 'multiselection'}:
                names.append(f'{name}:string')
        return names + METADATA

    def open(self):
        "A form"
        names = self._names('form')
        return lambda: self._session.time(self._session.request(
                self._model, 'read', [self._random.choice(self._ids)], names))

    def save(self):
        "The answers to all the questions"
        return lambda: self._session.time(self._session.request(
                self._model, 'write', [self._random.choice(self._ids)],
                {'answers': self._random.choice(self._answers)}))

    def list(self):
        "All the forms, with their answers"
        return partial(self._session.time, self._session.request(
                self._model, 'search_read', [('state', '=', 'draft')], 0,
                None, None, [*self._names('tree'), 'answers']))


def form(name):
    with serving(dictionary, SCRIPT) as server:
        models = ['early_access.form', *2 * [PlainFullForm.__name__]]
        # Without a budget
        for action, text in [
                ('open', "opening a form of 121 questions"),
                ('save', "saving a form of 121 questions"),
                ]:
            functions = [
                getattr(Forms(server, m, action), action)() for m in models]
            line, noise = ratio_and_noise(text, *functions, text=TEXT)
            line['profile'] = where(server, functions[0])
            yield from [line, noise]
        functions = [Forms(server, m, 'list').list() for m in models[:2]]
        yield ratio(
            f'list of {FORMS:,} forms of 121 questions', *functions,
            runs=RUNS // 10, text=TEXT)


# The forms that are expected


def schedule(name):
    with (serving(few_to_schedule) as server,
            serving(many_to_schedule) as other):
        programmes = [Scheduling(server), Scheduling(other)]
        for action, text in [
                ('initiate', "scheduling the forms of a patient"),
                ('move', "moving them with the first administration"),
                ]:
            few, many = [getattr(p, action)() for p in programmes]
            # They are interleaved
            per_batch = len(many) // len(few)
            times = [0, 0]
            for batch in few:
                times[0] += batch()
                for _ in range(per_batch):
                    times[1] += many.pop()()
            costs = [
                t / (BATCH * n) for t, n in zip(
                    times, [len(few), len(few) * per_batch])]
            value = costs[1] / costs[0]
            yield result(
                f'{text}, 10,000 patients', value, 'times', BUDGET,
                value <= BUDGET,
                f'1,000 patients, {costs[0] * 1000:.1f} ms a patient',
                len(few) * per_batch)


class Scheduling:
    "The treatments that a prescriber starts, some patients at a time"

    def __init__(self, server):
        self._session = Session(server, 'prescriber')
        ids = self._session.call(
            'model.early_access.patient', 'search',
            [('state', '=', 'eligible')], 0, None, [('id', 'ASC')])
        self._batches = [
            ids[i:i + BATCH] for i in range(0, len(ids), BATCH)]

    def _actions(self, method, *params):
        """Return functions that return the seconds of each batch.

        The first batch fills the caches.
        """
        first, *others = [
            partial(self._session.time, self._session.request(
                    'model.early_access.patient', method, ids, *params))
            for ids in self._batches]
        first()
        return others

    def initiate(self):
        return self._actions('initiate')

    def move(self):
        date = dt.date.today() - dt.timedelta(days=10)
        return self._actions('write', {'first_administration_date': date})


# The jobs of the night


def daily(name):
    with database(few_to_remind) as few, database(many_to_remind) as many:
        yield from job(
            'early_access.reminder', 'remind', 'reminders',
            (many, 1_000_000), (few, 100_000), 'forms', 3)
    with serving(few_to_remind) as server, serving(many_to_remind) as other:
        for user in ['prescriber', 'data_manager']:
            for text, method, *params in [
                    # As the tabs do
                    ('count', 'search_count', 0, 1_000),
                    ('list', 'search_read', 0, 20, None,
                        ['patient', 'definition', 'latest_date', 'overdue']),
                    ]:
                runs = RUNS // 10
                many, few = medians([
                        overdue(s, user, method, *params)
                        for s in [other, server]], runs)
                value = many / few / 10
                yield result(
                    f'{text} of overdue forms, {user}, 1,000,000 forms',
                    value, 'times', BUDGET, value <= BUDGET,
                    f'100,000 forms, per form; {few * 1000:.0f} ms, then '
                    f'{many * 1000:.0f} ms', runs)


def overdue(server, user, method, *params):
    session = Session(server, user)
    body = session.request(
        'model.early_access.form', method, [('overdue', '=', True)], *params)
    return partial(session.time, body)


def completeness(name):
    with database(few_to_count) as few, database(many_to_count) as many:
        yield from job(
            'early_access.completeness', 'compute_all', 'completeness',
            (many, 100_000), (few, 1_000), 'patients', 2)


@contextmanager
def database(fixtures):
    "The name and the environment of a new database"
    databases = TestDatabases()
    name = databases.new('early_access', fixtures)
    try:
        yield name, databases.environ
    finally:
        databases.drop(name)


def job(model, method, text, measured, baseline, what, runs):
    """Yield the cost of what a job treats, and the peak of its memory.

    :param measured: a database and how many it treats, as is baseline.
    :param runs: how many times. The baseline, which is short, runs several
        times before and after each of them.
    """
    def run(programme):
        (name, environ), _ = programme
        return launch(environ, sys.executable, JOB, name, model, method)

    outputs = [[], []]
    for _ in range(runs):
        outputs[1] += [run(baseline) for _ in range(SHORT_RUNS)]
        outputs[0].append(run(measured))
        outputs[1] += [run(baseline) for _ in range(SHORT_RUNS)]
    costs, peaks = [], []
    for (_, number), output in zip([measured, baseline], outputs):
        costs.append(median(float(o) for o, _ in output) / number)
        peaks.append(median(p for _, p in output))
    (_, number), (_, few) = measured, baseline
    for text, values, base in [
            (f'{text}, {number:,} {what}', costs,
                f'{costs[1] * 1e6:.1f} us each'),
            (f'peak memory of {text}, {number:,} {what}', peaks,
                f'{peaks[1] / 1024:.0f} MB')]:
        value = values[0] / values[1]
        yield result(
            text, value, 'times', BUDGET, value <= BUDGET,
            f'{few:,} {what}, {base}', runs)


BENCHMARKS = {
    'collection-schedule': schedule,
    'collection-daily': daily,
    'collection-completeness': completeness,
    'collection-form': form,
    }
