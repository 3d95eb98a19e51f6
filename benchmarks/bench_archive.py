# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The intermediate archive and the destruction, of patients with 20 forms each."
import contextlib
import datetime as dt
import subprocess
import sys
import tempfile
import time
from decimal import Decimal
from pathlib import Path
from statistics import quantiles

from collection import multiply_patients
from harness import PASSWORD, TestDatabases
from measure import Session, launch, result, serving

JOB = Path(__file__).with_name('archive_job.py')
FORMS = 20
# The least persons that a core archives in a second
RATE = 1_000
# The most that the peak of the memory may grow
MEMORY = 1.1
# What reads beside a run may take
BESIDE = 1.5
READS = 400
READER = 'pharmacist_in_charge'


def patients(number, config):
    "Treated patients, each with 20 forms, whose active period is over"
    from archive_tools import let_archive
    from trytond.modules.early_access.tests.tools import (
        create_laboratory, create_patient, create_programme)
    from trytond.pool import Pool
    from trytond.transaction import Transaction

    create_laboratory(config=config)
    create_programme(config=config)
    _set_password(config)
    patient = create_patient('treated', config=config)
    with Transaction().start(config.database_name, 0) as transaction:
        pool = Pool()
        Form = pool.get('early_access.form')
        patient = pool.get('early_access.patient')(patient)
        definition = next(
            d for d in patient.protocol.forms if d.kind == 'dose_change')
        name = next(
            v.name for v in definition.variables if v.code == 'dose')
        Form.create([{
                    'patient': patient.id,
                    'definition': definition.id,
                    'visit_date': dt.date.today(),
                    'answers': {name: Decimal(50)},
                    } for _ in range(FORMS - len(patient.forms))])
        patient = patient.__class__(patient.id)
        multiply_patients(patient, number - 1)
        let_archive(patient.authorization)
        transaction.commit()
        transaction.connection.cursor().execute('ANALYZE')


def _set_password(config):
    from proteus import Model
    User = Model.get('res.user', config=config)
    user, = User.find([('login', '=', READER)])
    user.password = PASSWORD
    user.save()


def thousand(config):
    patients(1_000, config)


def ten_thousand(config):
    patients(10_000, config)


def hundred_thousand(config):
    patients(100_000, config)


def archive(name):
    yield from measured(
        (1_000, thousand), (10_000, ten_thousand))


def archive_large(name):
    yield from measured(
        (10_000, ten_thousand), (100_000, hundred_thousand))


def measured(small, large):
    """Persons a second, archived then destroyed, beside what exports the same
    rows, and the memory of the few and of the many."""
    databases = TestDatabases()
    peaks = {}
    for number, fixtures in [small, large]:
        database = databases.new('early_access_retention', fixtures)
        with contextlib.ExitStack() as stack:
            stack.callback(databases.drop, database)
            listed = stack.enter_context(tempfile.NamedTemporaryFile())
            environ = databases.environ | {
                'TRYTOND_EARLY_ACCESS__DESTROYED_LIST': listed.name}

            def run(*jobs):
                output, peak = launch(
                    environ, sys.executable, JOB, database, *jobs)
                return [float(s) for s in output.split()], peak

            (export,), _ = run('export')
            (seconds,), peak = run('archive')
            rate = number / seconds
            yield result(
                f"archive {number:,} patients", rate, '/s', RATE,
                rate >= RATE, f'{FORMS} forms each', 1)
            yield result(
                f"archive {number:,} patients, over an export of the same "
                "rows, each", (seconds / number) / export, 'times', 1,
                seconds / number <= export,
                f'export_data, {export * 1000:.1f} ms each', 1)
            peaks.setdefault('archive', []).append(peak)
            _, _ = run('let_destroy', 'archived', 'prepare', 'approve')
            (seconds,), peak = run('destroy')
            peaks.setdefault('destroy', []).append(peak)
            yield result(
                f"destroy {number:,} patients of the archive",
                number / seconds, '/s', RATE, number / seconds >= RATE,
                None, 1)
    for job, (few, many) in peaks.items():
        yield result(
            f"memory to {job} {large[0]:,} patients", many / few, 'times',
            MEMORY, many <= few * MEMORY,
            f'{small[0]:,}, {few / 1024:.0f} MB', 1)


def beside(name):
    "How long it takes to read a patient while others are archived"
    with serving(
            ten_thousand, module='early_access_retention') as server:
        session = Session(server, READER)
        ids = session.call(
            'model.early_access.patient', 'search', [], 0, 500,
            [('id', 'DESC')])
        bodies = [
            session.request(
                'model.early_access.patient', 'read', [i],
                ['code', 'state', 'surname_letters', 'weight'])
            for i in ids[:READS]]
        for body in bodies[:50]:
            session.time(body)
        idle = _percentile([session.time(b) for b in bodies])
        databases = TestDatabases()
        process = subprocess.Popen(
            [sys.executable, JOB, server.database, 'archive'],
            env=databases.environ, stdout=subprocess.DEVNULL)
        try:
            # The models are loaded before anything is archived
            _wait_for_archive(databases, server.database)
            busy = _percentile([session.time(b) for b in bodies])
            assert process.poll() is None, "the run is over too soon"
        finally:
            process.kill()
            process.wait()
    yield result(
        "read a patient while others are archived, p95", busy / idle,
        'times', BESIDE, busy <= idle * BESIDE,
        f'idle, {idle * 1000:.1f} ms', READS)


def _wait_for_archive(databases, database):
    while True:
        with databases.databases.connect(database) as connection:
            (number,), = connection.execute(
                'SELECT COUNT(*) FROM early_access_retention_archive'
                ).fetchall()
        if number:
            return
        time.sleep(.1)


def _percentile(times):
    return quantiles(times, n=20)[-1]


BENCHMARKS = {
    'retention_archive': archive,
    'archive_many': archive_large,
    'archive_beside': beside,
    }
