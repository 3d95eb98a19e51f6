# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The rotation of the keys, and the cost of sealing over that of AES-GCM."
import os
import pathlib
import shutil
import tempfile
import time
import uuid
from contextlib import closing, contextmanager
from functools import partial
from statistics import median

from harness import BIN, KEYRING, TestDatabases
from measure import launch, ratio

SMALL = 10_000
LARGE = 100_000
ROTATIONS = 5
# How many documents are sealed in one measure
DOCUMENTS = 200
ANSWERS = 40


def small(config):
    persons(SMALL, config)


def large(config):
    persons(LARGE, config)


def persons(number, config):
    "The data keys of so many persons"
    from trytond.pool import Pool
    from trytond.transaction import Transaction

    for _ in range(number // 1_000):
        with Transaction().start(config.database_name, 0) as transaction:
            Pool().get('early_access.data_key').new(1_000)
            transaction.commit()
    with Transaction().start(config.database_name, 0) as transaction:
        transaction.connection.cursor().execute('ANALYZE')


@contextmanager
def rotating(fixtures):
    "A database, and the environment with a keyring of its own"
    databases = TestDatabases()
    database = databases.new('early_access', fixtures)
    with tempfile.TemporaryDirectory() as directory:
        keyring = pathlib.Path(directory, 'keyring')
        shutil.copy(KEYRING, keyring)
        files = pathlib.Path(directory, 'files')
        try:
            yield database, databases.environ | {
                'TRYTOND_DATABASE__PATH': str(files),
                'TRYTOND_EARLY_ACCESS__KEYRING': str(keyring),
                }
        finally:
            databases.drop(database)


def rotation(name):
    with rotating(small) as small_one, rotating(large) as large_one:
        yield throughput(*large_one)
        yield memory(large_one, small_one)


def throughput(database, environ, budget=30_000):
    "The data keys that are wrapped again in a second"
    from trytond.modules.early_access.keyring import FileKeyring
    from trytond.modules.early_access.rotation import DataKeys, rewrap

    keyring = FileKeyring(environ['TRYTOND_EARLY_ACCESS__KEYRING'])
    rates = []
    with closing(DataKeys(database)) as data_keys:
        for _ in range(ROTATIONS):
            keyring.rotate()
            start = time.perf_counter()
            number = rewrap(data_keys, keyring)
            rates.append(number / (time.perf_counter() - start))
            assert number == LARGE
    value = median(rates)
    return {
        'name': f'rotation, {LARGE:,} data keys',
        'value': round(value),
        'unit': 'keys/s',
        'budget': budget,
        'met': value >= budget,
        'baseline': f'at least; {min(rates):,.0f} to {max(rates):,.0f}',
        'runs': ROTATIONS,
        }


def memory(measured, baseline, budget=1.2):
    "The peak of the memory of the command, in a large programme"
    peaks = [
        median(peak(*one) for _ in range(ROTATIONS))
        for one in [measured, baseline]]
    value = peaks[0] / peaks[1]
    return {
        'name': f'peak memory of a rotation, {LARGE:,} persons',
        'value': round(value, 3),
        'unit': 'times',
        'budget': budget,
        'met': value <= budget,
        'baseline': f'{SMALL:,} persons, {peaks[1] / 1024:.0f} MB',
        'runs': ROTATIONS,
        }


def peak(database, environ):
    _, memory = launch(
        environ, BIN / 'early-access-keyring', 'rotate', '-d', database)
    return memory


def sealing(name):
    "The documents of forms, sealed as the server does and by AES-GCM alone"
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from trytond import backend, config
    from trytond.modules.early_access.sealed_document import (
        NONCE_SIZE, PADDING)
    from trytond.modules.early_access.sealed_field import encode
    from trytond.pool import Pool

    databases = TestDatabases()
    database = databases.new('early_access')
    config.add_section('early_access')
    config.set('early_access', 'keyring', str(KEYRING))
    try:
        Pool.start()
        Pool(database).init()
        Form = Pool(database).get('early_access.form')
        backend.Database(database).close()
    finally:
        databases.drop(database)
    document = {'answers': {
            f'v{i}_variable': [
                'yes', 12, '2026-05-01', '61.5', ['liver', 'lung'], None
                ][i % 6] for i in range(ANSWERS)}}
    row = dict.fromkeys(Form._sealed_bound, 1)
    key, row_uuid = uuid.uuid4().bytes, str(uuid.uuid4())
    cipher = AESGCM(os.urandom(32))
    clear = encode(document).encode()
    clear += b' ' * (-len(clear) % PADDING)
    data = Form._associated_data(key, row_uuid, row)

    def repeat(function):
        start = time.perf_counter()
        for _ in range(DOCUMENTS):
            function()
        return time.perf_counter() - start

    bare = partial(
        repeat, lambda: cipher.encrypt(os.urandom(NONCE_SIZE), clear, data))
    seal = partial(repeat, lambda: Form._seal_document(
            cipher, key, row_uuid, row, document))
    text = f'{DOCUMENTS} times AES-GCM of {len(clear)} bytes'
    yield ratio('sealing a form', seal, bare, text=text)
    for name, part in [
            ('JSON', lambda: encode(document).encode()),
            ('associated data',
                lambda: Form._associated_data(key, row_uuid, row)),
            ]:
        yield ratio(
            f'sealing a form, of which its {name}', partial(repeat, part),
            bare, text=text)
    yield ratio('AES-GCM twice (A/A)', bare, bare, text=text)
    size = DOCUMENTS * len(clear) / 1e6
    rates = [size / median(f() for _ in range(100)) for f in [seal, bare]]
    yield {
        'name': 'sealing forms, throughput',
        'value': round(rates[0], 1),
        'unit': 'MB/s',
        'budget': None,
        'met': None,
        'baseline': f'AES-GCM alone, {rates[1]:.0f} MB/s',
        'runs': 100,
        }


BENCHMARKS = {'rotation': rotation, 'sealing': sealing}
