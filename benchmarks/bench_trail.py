# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The trail itself: storing, sealing, verifying, and finding who saw a patient."
import datetime as dt
import hashlib
import pathlib
import tempfile
import time
from contextlib import ExitStack, contextmanager
from functools import partial

from harness import TestDatabases
from measure import RUNS, WARM_UP, kept, ratio
from trail_tools import programme

TABLE = 'early_access_audit_event'
# The events of one measure, and the records of each
EVENTS, RECORDS = 1_000, 20
SEALS, SEALED = 30, 10_000
SMALL, LARGE = 1_000_000, 10_000_000
# What there is about the patient, whatever the size
OF_PATIENT = 200
# How much of the throughput is kept at least
BUDGET = .5


def filling(number, records):
    "Return the statement that stores the reading of forms."
    ids = ', '.join(['(1000 + random() * 2000000)::bigint'] * records)
    return (
        f'INSERT INTO {TABLE} (at, user_id, login, action, model, '
        'field_names, record_ids) '
        "SELECT timestamp '2026-01-01' + n * interval '1 second', n % 50, "
        "'user', 'read', 'early_access.form', 'answers', "
        f'ARRAY[{ids}] FROM generate_series(1, {number}) AS n')


@contextmanager
def trail(fixtures=None, module='early_access_audit'):
    "The name of a database with the trail, whose models are loaded here."
    from trytond import backend, config
    from trytond.pool import Pool
    databases = TestDatabases()
    for key, value in databases.environ.items():
        if key.startswith('TRYTOND_EARLY_ACCESS__'):
            if not config.has_section('early_access'):
                config.add_section('early_access')
            config.set(
                'early_access', key.rpartition('__')[-1].lower(), value)
    database = databases.new(module, fixtures)
    try:
        Pool.start()
        Pool(database).init()
        yield database
        backend.Database(database).close()
    finally:
        Pool.stop(database)
        databases.drop(database)


def in_transaction(database, function):
    "Return the seconds of a transaction in which the function is called."
    from trytond.transaction import Transaction
    start = time.perf_counter()
    with Transaction().start(database, 0) as transaction:
        function(transaction.connection.cursor())
        transaction.commit()
    return time.perf_counter() - start


def storing(name):
    from trytond.modules.early_access_audit.trail import Author
    from trytond.pool import Pool
    with trail() as database:
        Event = Pool(database).get('early_access.audit.event')
        author = Author(1, 'user', 'supply', 'connection', '192.0.2.1', 'read')
        now = dt.datetime(2026, 1, 1)
        entries = [
            (now, 'read', 'early_access.form', 'answers', None, None,
                [i * RECORDS + j for j in range(RECORDS)])
            for i in range(EVENTS)]
        columns = [*Event._columns, 'record_ids']
        rows = [
            (at, *author, action, model, names, reason, target, ids)
            for at, action, model, names, reason, target, ids in entries]
        value = f"({', '.join(['%s'] * len(columns))})"
        insert = (
            f"INSERT INTO bare ({', '.join(columns)}) "
            f"VALUES {', '.join([value] * len(rows))}")
        values = [v for row in rows for v in row]
        in_transaction(database, lambda cursor: cursor.execute(
                f'CREATE TABLE bare (LIKE {TABLE} INCLUDING DEFAULTS '
                'INCLUDING IDENTITY)'))
        yield kept(
            f'storing {EVENTS:,} events of {RECORDS} records',
            partial(in_transaction, database,
                lambda cursor: Event.store(cursor, author, entries)),
            partial(in_transaction, database,
                lambda cursor: cursor.execute(insert, values)),
            budget=BUDGET, runs=RUNS // 3,
            text='one bare INSERT of the same rows')


def fill(database, number, records, patient):
    "Fill the trail with the reading of forms, and some of the patient."
    def insert(cursor):
        # An index is made faster once than kept up to date
        cursor.execute(f'DROP INDEX {TABLE}_record_ids')
        cursor.execute(filling(number, records))
        for _ in range(OF_PATIENT):
            cursor.execute(
                f'INSERT INTO {TABLE} (at, action, model, record_ids) '
                "VALUES (now(), 'read', 'early_access.patient', %s)",
                ([patient],))
        cursor.execute(
            f'CREATE INDEX {TABLE}_record_ids ON {TABLE} '
            'USING gin (record_ids)')
        cursor.execute(f'ANALYZE {TABLE}')
    in_transaction(database, insert)


def seals(name):
    "Seal and verify the same windows, beside a loop that reads and hashes"
    from trytond.modules.early_access_audit import event_row, verify
    from trytond.modules.early_access_audit.signing_key import (
        SigningKey, read_public_keys)
    from trytond.pool import Pool
    with (trail() as database,
            tempfile.TemporaryDirectory() as directory):
        path = pathlib.Path(directory, 'audit.key')
        key = SigningKey.create(str(path))
        keys = read_public_keys(f'{path}.pub')
        # The warm up seals too
        for _ in range((SEALS + WARM_UP + 2) * 11):
            # A window ends with a whole transaction
            in_transaction(database, lambda cursor: cursor.execute(
                    filling(SEALED // 10, RECORDS)))
        # Who reads a row first notes on it that it is committed
        in_transaction(database, lambda cursor: cursor.execute(
                f'SELECT COUNT(login) FROM {TABLE}'))
        Seal = Pool(database).get('early_access.audit.seal')
        windows = []

        def seal():
            def work(cursor):
                sealed = Seal.seal(key, event_row.MAXIMUM)
                windows.append((sealed.number, sealed.window))
            return in_transaction(database, work)

        def bare():
            _, window = windows[-1]

            def work(cursor):
                for _, data in event_row.events_of(window):
                    hashlib.sha256(data).digest()
            return in_transaction(database, work)

        def verified():
            number, _ = windows[-1]

            def work(cursor):
                verification = verify.Verification(keys, number, number)
                assert not list(verification.damages())
            return in_transaction(database, work)

        seal()
        yield kept(
            f'sealing {SEALED:,} events', seal, bare, budget=BUDGET,
            runs=SEALS, text='a loop that reads and hashes the same')
        yield kept(
            f'verifying {SEALED:,} events', verified, bare, budget=BUDGET,
            runs=SEALS, text='a loop that reads and hashes the same')


def find(database, patient):
    "Return the seconds in which the client lists the events of a patient."
    from trytond.pool import Pool
    from trytond.transaction import Transaction
    with Transaction().start(database, 0, readonly=True):
        Event = Pool().get('early_access.audit.event')
        start = time.perf_counter()
        events = Event.search([('patient', '=', patient)], limit=1000)
        assert len(events) >= OF_PATIENT
        return time.perf_counter() - start


def finding(name):
    "Who saw a patient, in a trail that is ten times larger"
    from trytond.pool import Pool
    from trytond.transaction import Transaction
    with ExitStack() as stack:
        functions = []
        for number in [LARGE, SMALL]:
            database = stack.enter_context(trail(programme))
            with Transaction().start(database, 0):
                Patient = Pool(database).get('early_access.patient')
                patient = Patient.search([], limit=1)[0].id
            fill(database, number, 5, patient)
            functions.append(partial(find, database, patient))
        yield ratio(
            f'who saw a patient, {LARGE:,} events', *functions, budget=1.3,
            text=f'{SMALL:,} events')


BENCHMARKS = {
    'trail': storing,
    'seals': seals,
    'who_saw': finding,
    }
