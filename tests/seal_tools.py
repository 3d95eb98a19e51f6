# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"A database with a trail, and who owns it."
import pathlib
import subprocess
import sys
import tempfile
import time
import unittest

from harness import BIN, TestDatabases

EVENT = 'early_access_audit_event'
SEAL = 'early_access_audit_seal'
# The longest that a writer that ends may delay the sealing, in seconds
PATIENCE = 60
# A process that stores events in transactions of which some are rolled back
WRITER = '''
import random, sys, time
import datetime as dt
from trytond.pool import Pool
from trytond.transaction import Transaction
database, seed, number = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
random.seed(seed)
Pool.start()
with Transaction().start(database, 0, readonly=True):
    Pool(database).init()
from trytond.modules.early_access_audit.trail import Author
from trytond import backend
author = Author(seed, f'user{seed}', None, None, None, None)
stored = 0
while stored < number:
    size = random.randint(1, 5)
    try:
        with Transaction().start(database, 0) as transaction:
            Event = Pool().get('early_access.audit.event')
            for _ in range(size):
                Event.store(transaction.connection.cursor(), author, [(
                    dt.datetime.now(), 'read', 'early_access.patient', 'code',
                    None, None, [random.randint(1, 1000)])])
                time.sleep(random.random() / 200)
            if random.random() < .3:
                transaction.rollback()
                size = 0
    except backend.DatabaseOperationalError:
        continue
    stored += size
print(stored)
'''


class TrailDatabaseTestCase(unittest.TestCase):
    "A test case with a database of its own, whose owner changes anything"

    def setUp(self):
        super().setUp()
        self.databases = TestDatabases()
        self.database = self.databases.new('early_access_audit')
        self.addCleanup(self.databases.drop, self.database)
        directory = pathlib.Path(
            self.enterContext(tempfile.TemporaryDirectory()))
        self.key = directory / 'audit.key'
        self.environ = self.databases.environ | {
            'TRYTOND_EARLY_ACCESS__AUDIT_KEY': str(self.key)}
        self.command('key')

    def command(self, *arguments, status=0, **options):
        process = subprocess.run(
            [BIN / 'early-access-audit', *arguments], env=self.environ,
            text=True, capture_output=True, **options)
        self.assertEqual(
            process.returncode, status, process.stdout + process.stderr)
        return process.stdout

    def seal(self):
        "Seal all that is stored, once the writers have closed"
        deadline = time.monotonic() + PATIENCE
        while True:
            self.command('seal', '--database', self.database)
            (sealed,), = self.rows(f'SELECT SUM("count") FROM {SEAL}')
            (stored,), = self.rows(f'SELECT COUNT(*) FROM {EVENT}')
            if sealed == stored or time.monotonic() > deadline:
                break

    def verify(self, *arguments, status=0):
        return self.command(
            'verify', '--database', self.database, *arguments, status=status)

    def write(self, number, seed=1):
        subprocess.run(
            [sys.executable, '-W', 'ignore', '-c', WRITER, self.database,
                str(seed), str(number)],
            env=self.environ, check=True, capture_output=True)

    def execute(self, *statements):
        "Execute statements as the owner, without the triggers."
        with self.databases.databases.connect(self.database) as connection:
            if self.databases.backend == 'postgresql':
                connection.execute("SET session_replication_role = 'replica'")
            else:
                for name, in connection.execute(
                        "SELECT name FROM sqlite_master WHERE type='trigger'"
                        ).fetchall():
                    connection.execute(f'DROP TRIGGER {name}')
            for statement in statements:
                connection.execute(statement)
            connection.commit()

    def rows(self, query):
        with self.databases.databases.connect(self.database) as connection:
            return connection.execute(query).fetchall()
