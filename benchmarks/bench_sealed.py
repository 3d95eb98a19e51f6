# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Sealed records beside those of a plain Tryton model.

Both have the same values, accesses and rule. Each request goes to the one and
to the other, with records and values that are picked anew for each pair.
"""
import random
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from measure import (
    RUNS, Session, kept, ratio, ratio_and_noise, serving, where)
from sealed_models import (
    CLEAR, FORMS, PATIENTS, SEALED, USER, PickedValues, PlainForm,
    PlainRecord, SealedRecord, records)

SCRIPT = Path(__file__).with_name('serve.py')
MODELS = [SealedRecord.__name__, PlainRecord.__name__]
FORMS_OF = ['early_access.form', PlainForm.__name__]
TEXT = 'plain Tryton'
# All that is stored: what is computed, such as rec_name, costs more than it
NAMES = [*CLEAR, *SEALED, '_timestamp']
CLIENTS = 8


class Requests:
    """The requests of a user on one of the models.

    Those on another model are the same ones, if the seed is the same.
    """

    def __init__(self, session, model, seed):
        self._session = session
        self._model = f'model.{model}'
        self._random = random.Random(seed)
        self._ids = session.call(
            self._model, 'search', [], 0, None, [('id', 'ASC')])
        record, = session.call(self._model, 'read', self._ids[:1], NAMES)
        self._values = PickedValues(
            seed, record['company'], record['authorization'],
            record['answers'])

    def _request(self, *params):
        return self._session.request(self._model, *params)

    def read(self, number):
        return self._request(
            'read', self._random.sample(self._ids, number), NAMES)

    def write(self):
        "Change the state, the measures and the answers of a record."
        return self._request(
            'write', self._random.sample(self._ids, 1),
            {**self._values.state(), **self._values.measures()})

    def create(self, number):
        return self._request(
            'create', [self._values.record() for _ in range(number)])

    def time(self, name, *args):
        "Return the seconds that a new request takes."
        return self._session.time(getattr(self, name)(*args))


class Clients:
    "Users who work at the same time on one of the models."

    def __init__(self, server, model, executor):
        self._sessions = [Session(server, USER) for _ in range(CLIENTS)]
        self._requests = [
            Requests(session, model, number)
            for number, session in enumerate(self._sessions)]
        self._executor = executor

    def time(self):
        """Return the seconds until the last one has its answers.

        Each lists some records, opens one and writes one.
        """
        bodies = [[r.read(20), r.read(1), r.write()] for r in self._requests]
        start = time.perf_counter()
        answers = list(self._executor.map(
                lambda session, bodies: [session.send(b) for b in bodies],
                self._sessions, bodies))
        duration = time.perf_counter() - start
        for session, answers in zip(self._sessions, answers):
            for answer in answers:
                session.check(answer)
        return duration


def _list(session, model):
    "Return a function that lists the forms received, with their answers."
    view = session.call(
        f'model.{FORMS_OF[0]}', 'fields_view_get', None, 'tree')
    names = [*sorted(view['fields']), 'answers']
    params = [
        f'model.{model}', 'search_read', [('state', '=', 'submitted')], 0,
        None, None, names]
    assert len(session.call(*params)) == FORMS * PATIENTS
    return partial(session.time, session.request(*params))


def _records(session, profile):
    for text, budget, name, *args in [
            ('read 1', 1.05, 'read', 1),
            ('read 100', 1.1, 'read', 100),
            ('read 1,000', 1.2, 'read', 1_000),
            ('write 1', 1.2, 'write'),
            ('create 100', 1.6, 'create', 100),
            ]:
        functions = [
            partial(Requests(session, m, text).time, name, *args)
            for m in MODELS]
        options = {'budget': budget, 'text': TEXT, 'profile': profile}
        if text in {'read 1', 'read 1,000'}:
            again = Requests(session, MODELS[1], text)
            yield from ratio_and_noise(
                f'{text}, sealed', *functions,
                partial(again.time, name, *args), **options)
        else:
            yield ratio(f'{text}, sealed', *functions, **options)


def sealed(name):
    with (serving(records, SCRIPT) as server,
            ThreadPoolExecutor(CLIENTS) as executor):
        profile = partial(where, server)
        session = Session(server, USER)
        yield from _records(session, profile)
        yield kept(
            f'{CLIENTS} parallel clients, sealed',
            *(Clients(server, m, executor).time for m in MODELS),
            budget=.9, text=TEXT, profile=profile)
        # Without a budget
        yield ratio(
            f'list of {FORMS * PATIENTS:,} forms with answers',
            *(_list(session, m) for m in FORMS_OF), runs=RUNS // 3,
            text='the same, clear')


BENCHMARKS = {'sealed': sealed}
