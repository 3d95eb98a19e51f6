# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Archiving and destroying are killed, and old backups are restored."""
import datetime as dt
import json
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

from common import TOP
from harness import BIN, KEYRING, TestDatabases

DRAFTS = 70
CHUNK = 2
KILLS = 25
TIMEOUT = 600
LETTERS = 'ZQX'
RUN = '''
import sys
from trytond.pool import Pool
from trytond.transaction import Transaction

database, chunk, *kinds = sys.argv[1:]
Pool.start()
Pool(database).init()
print('ready', flush=True)
sys.stdin.readline()
with Transaction().start(database, 0):
    Run = Pool().get('early_access.retention.run')
    for kind in kinds:
        Run.execute(kind, int(chunk))
'''
ACT = '''
import sys
import archive_tools
from trytond.pool import Pool
from trytond.transaction import Transaction

database, name = sys.argv[1:]
Pool.start()
Pool(database).init()
with Transaction().start(database, 0):
    getattr(archive_tools, name)()
'''
# A hold is placed once the destruction has begun to look
HOLD_BESIDE = '''
import datetime as dt, sys
from trytond import backend
from trytond.pool import Pool
from trytond.transaction import Transaction

database, = sys.argv[1:]
Pool.start()
Pool(database).init()
with Transaction().start(database, 0) as transaction:
    Line = Pool().get('early_access.retention.destruction.line')
    ids = Line.retention_to_destroy(0, 10)
    with transaction.new_transaction():
        Authorization = Pool().get('early_access.authorization')
        Hold = Pool().get('early_access.retention.hold')
        authorization, = Authorization.search([])
        hold, = Hold.create([{
                    'authorization': authorization.id,
                    'ground': 'litigation',
                    'reference': "FICT-1",
                    'from_date': dt.date.today(),
                    'until': dt.date.today() + dt.timedelta(days=9),
                    }])
        Hold.place([hold])
    try:
        print(Line.retention_destroy(ids)[0])
    except backend.DatabaseOperationalError:
        transaction.rollback()
        print('again')
'''
READ = '''
import json, sys
from trytond.exceptions import UserError
from trytond.pool import Pool
from trytond.transaction import Transaction

database, = sys.argv[1:]
Pool.start()
Pool(database).init()
with Transaction().start(database, 0, readonly=True):
    read = []
    for patient in Pool().get('early_access.patient').search([]):
        try:
            read.append(patient.surname_letters)
        except UserError:
            pass
    for archive in Pool().get('early_access.retention.archive').search([]):
        try:
            for _, tables, _ in archive.content():
                read += [
                    row['document']['surname_letters']
                    for row in tables['early_access.patient']]
        except UserError:
            pass
    print(json.dumps(read))
'''


def programme(config):
    "Patients whose active period is over"
    from archive_tools import let_archive
    from trytond.modules.early_access.tests.tools import (
        create_laboratory, create_patient, create_programme)
    from trytond.pool import Pool
    from trytond.transaction import Transaction

    create_laboratory(config=config)
    create_programme(config=config)
    create_patient(
        'treated', config=config, surname_letters=LETTERS,
        first_name_letters='QJ')
    draft = create_patient('draft', config=config)
    with Transaction().start(config.database_name, 0) as transaction:
        Patient = Pool().get('early_access.patient')
        patient = Patient(draft)
        Patient.copy([patient] * (DRAFTS - 1))
        let_archive(patient.authorization)
        transaction.commit()


class KilledArchiveTestCase(unittest.TestCase):
    "Test that nobody is lost, nobody done twice, and nothing left behind"

    def setUp(self):
        self.databases = TestDatabases()
        directory = pathlib.Path(
            self.enterContext(tempfile.TemporaryDirectory()))
        # A keyring of its own, to be rotated
        self.keyring = directory / 'keyring'
        for suffix in ['', '.archive']:
            shutil.copy(f'{KEYRING}{suffix}', f'{self.keyring}{suffix}')
        self.list = pathlib.Path(f'{self.keyring}.destroyed')
        self.environ = self.databases.environ | {
            'TRYTOND_EARLY_ACCESS__KEYRING': str(self.keyring),
            }
        self.database = self.databases.new(
            'early_access_retention', programme)
        self.addCleanup(self.databases.drop, self.database)

    def python(self, script, *arguments):
        process = subprocess.run(
            [sys.executable, '-W', 'ignore', '-c', script, *arguments],
            cwd=TOP, env=self.environ, text=True, capture_output=True)
        self.assertEqual(process.returncode, 0, process.stderr)
        return process.stdout

    def start(self, *kinds):
        process = subprocess.Popen(
            [sys.executable, '-W', 'ignore', '-c', RUN, self.database,
                str(CHUNK), *kinds],
            cwd=TOP, env=self.environ, text=True, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stdin.close)
        self.assertEqual(process.stdout.readline().strip(), 'ready')
        return process

    def go(self, process):
        process.stdin.write('\n')
        process.stdin.flush()

    def run_job(self, *kinds):
        process = self.start(*kinds)
        self.go(process)
        self.assertEqual(process.wait(TIMEOUT), 0, process.stdout.read())

    def rows(self, query, database=None):
        with self.databases.databases.connect(
                database or self.database) as connection:
            return connection.execute(query).fetchall()

    def number(self, query):
        (number,), = self.rows(query)
        return number

    def state(self):
        "Return by key of person where the person is."
        places = {}
        for place, query in [
                ('live', 'SELECT k.uuid FROM early_access_patient AS p '
                    'JOIN early_access_data_key AS k ON k.id = p.data_key'),
                ('archive', 'SELECT k.uuid '
                    'FROM early_access_retention_archive_bundle AS b '
                    'JOIN early_access_data_key AS k ON k.id = b.data_key '
                    "WHERE b.concerned = 'patient'")]:
            for uuid, in self.rows(query):
                self.assertNotIn(uuid, places)
                places[uuid] = place
        return places

    def kill(self, *kinds):
        "Kill the jobs again and again, and yield after each time."
        killed = 0
        for _ in range(KILLS):
            process = self.start(*kinds)
            self.go(process)
            time.sleep(random.uniform(.01, .35))
            if process.poll() is None:
                process.kill()
                killed += 1
            process.wait(TIMEOUT)
            yield
            if len(set(self.state().values()) or {None}) == 1:
                if killed > 5:
                    break
        self.assertGreater(killed, 2)

    def test_killed(self):
        "What is killed at any point is done by the next run, once"
        before = self.state()
        self.assertEqual(len(before), DRAFTS + 1)
        for _ in self.kill('archive'):
            state = self.state()
            self.assertEqual(state.keys(), before.keys())
            # A person is whole, here or there
            self.assertEqual(
                self.number(
                    'SELECT COUNT(*) FROM early_access_form AS f '
                    'LEFT JOIN early_access_patient AS p '
                    'ON p.id = f.patient WHERE p.id IS NULL'), 0)
        self.run_job('archive', 'archived')
        self.assertEqual(set(self.state().values()), {'archive'})
        self.assertEqual(self.state().keys(), before.keys())
        self.assertEqual(
            self.number('SELECT COUNT(*) FROM early_access_form'), 0)
        self.assertEqual(
            self.number(
                'SELECT SUM(acted) FROM early_access_retention_run '
                "WHERE kind = 'archive'"), len(before))
        read = json.loads(self.python(READ, self.database))
        self.assertEqual(len(read), len(before))
        self.assertIn(LETTERS, read)

        self.python(ACT, self.database, 'let_destroy')
        self.run_job('prepare')
        self.python(ACT, self.database, 'approve')
        for _ in self.kill('destroy', 'list'):
            destroyed = self.number(
                'SELECT COUNT(*) '
                'FROM early_access_retention_destruction_line '
                "WHERE state = 'destroyed'")
            self.assertEqual(len(self.state()) + destroyed, len(before))
        self.run_job('destroy', 'list', 'archived', 'certify')
        self.assertEqual(self.state(), {})
        self.assertEqual(self.listed(), set(before))
        self.assertEqual(
            self.rows('SELECT state, "left" '
                'FROM early_access_retention_destruction'),
            [('destroyed', 0)])
        self.assertEqual(
            self.number(
                'SELECT SUM(acted) FROM early_access_retention_run '
                "WHERE kind = 'destroy'"), len(before))

    def listed(self):
        return {
            json.loads(line)['key']
            for line in self.list.read_text().splitlines()}

    def backup(self):
        name = f'{self.database}_{random.randrange(10 ** 6)}'
        self.databases.databases.clone(self.database, name)
        self.addCleanup(self.databases.drop, name)
        return name

    def keyring_command(self, *arguments):
        process = subprocess.run(
            [BIN / 'early-access-keyring', *arguments], cwd=TOP,
            env=self.environ, text=True, capture_output=True)
        self.assertEqual(
            process.returncode, 0, process.stdout + process.stderr)
        return process.stdout

    def test_backups(self):
        "Nobody is read any more, neither here nor in an old backup"
        code = self.rows(
            'SELECT code FROM early_access_patient '
            'WHERE code IS NOT NULL')[0][0]
        live = self.backup()
        self.run_job('archive', 'archived')
        archived = self.backup()
        self.python(ACT, self.database, 'let_destroy')
        self.run_job('prepare')
        self.python(ACT, self.database, 'approve')
        self.run_job('destroy', 'list', 'archived', 'certify')
        sealed = self.sealed(live)
        self.assertIn(sealed[0], self.dump(live))
        dump = self.dump(self.database)
        for marker in [code.lower(), *sealed, *self.uuids(live)]:
            self.assertNotIn(marker, dump)

        # With the keyring as it is, the next night destroys again
        for name in [live, archived]:
            self.assertIn(LETTERS, json.loads(self.python(READ, name)))
            restored = self.backup_of(name)
            self.database, database = restored, self.database
            self.run_job('replay')
            self.database = database
            self.assertEqual(json.loads(self.python(READ, restored)), [])

        # Once the key is rotated and retired nothing opens them
        kek, = [
            k['id'] for k in json.loads(self.keyring_command(
                    'status', '--json', '-d', self.database))['keys']
            if k['state'] == 'active']
        self.keyring_command('rotate', '-d', self.database)
        self.keyring_command(
            'retire', kek, '-d', self.database,
            '--backups-expired', dt.date.today().isoformat())
        for name in [live, archived]:
            self.assertEqual(json.loads(self.python(READ, name)), [])
        self.run_job('complete')
        self.assertEqual(
            self.rows('SELECT state '
                'FROM early_access_retention_destruction'),
            [('complete',)])

    def backup_of(self, name):
        copy = f'{name}_{random.randrange(10 ** 6)}'
        self.databases.databases.clone(name, copy)
        self.addCleanup(self.databases.drop, copy)
        return copy

    def dump(self, database):
        "Return all that the database holds, as text in small letters."
        if self.databases.backend == 'sqlite':
            with self.databases.databases.connect(database) as connection:
                return '\n'.join(connection.iterdump()).lower()
        uri = self.databases.databases.uri._replace(path=f'/{database}')
        return subprocess.run(
            ['pg_dump', '--no-owner', uri.geturl()], check=True, text=True,
            capture_output=True).stdout.lower()

    def uuids(self, database):
        "Return what identified the rows of the patients."
        return [uuid for uuid, in self.rows(
                'SELECT uuid FROM early_access_patient', database)]

    def sealed(self, database):
        "Return the first bytes of what was sealed, in hexadecimal."
        return [
            bytes(sealed).hex()[:64]
            for sealed, in self.rows(
                'SELECT sealed FROM early_access_patient', database)]

    def test_hold_beside(self):
        "Nobody is destroyed under a hold, even of the last moment"
        before = self.state()
        self.run_job('archive', 'archived')
        self.python(ACT, self.database, 'let_destroy')
        self.run_job('prepare')
        self.python(ACT, self.database, 'approve')
        expected = (
            'again' if self.databases.backend == 'postgresql' else '0')
        self.assertEqual(
            self.python(HOLD_BESIDE, self.database).strip(), expected)
        self.run_job('destroy', 'list')
        self.assertEqual(self.state(), dict.fromkeys(before, 'archive'))

    def test_two(self):
        "Two at once share the work"
        before = self.state()
        processes = [self.start('archive') for _ in range(2)]
        for process in processes:
            self.go(process)
        for process in processes:
            self.assertEqual(
                process.wait(TIMEOUT), 0, process.stdout.read())
        self.assertEqual(self.state(), dict.fromkeys(before, 'archive'))


if __name__ == '__main__':
    unittest.main()
