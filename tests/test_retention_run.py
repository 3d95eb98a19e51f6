# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The jobs of the night are killed, run twice at once, and miss nothing."
import datetime as dt
import json
import random
import subprocess
import sys
import time
import unittest

from common import TOP
from harness import TestDatabases

DRAFTS = 120
OTHERS = 3
CHUNK = 3
KILLS = 10
TIMEOUT = 300
RUN = '''
import sys
from trytond.pool import Pool
from trytond.transaction import Transaction

Pool.start()
Pool('{database}').init()
print('ready', flush=True)
sys.stdin.readline()
with Transaction().start('{database}', 0):
    Pool().get('early_access.retention.run').execute('drafts', {chunk})
'''


def programme(config):
    "Many abandoned drafts, and some that are not"
    from trytond.modules.early_access.tests.tools import (
        create_laboratory, create_patient, create_programme)
    from trytond.pool import Pool
    from trytond.transaction import Transaction

    create_laboratory(config=config)
    create_programme(config=config)
    draft = create_patient('draft', config=config)
    create_patient('treated', config=config)
    with Transaction().start(config.database_name, 0) as transaction:
        pool = Pool()
        Form = pool.get('early_access.form')
        Patient = pool.get('early_access.patient')
        Policy = pool.get('early_access.retention.policy')
        patient = Patient(draft)
        Patient.copy([patient] * (DRAFTS + OTHERS - 2))
        policy, = Policy.create([{
                    'company': patient.company.id,
                    'from_date': dt.date(2020, 1, 1),
                    'active_months': 12,
                    'archive_years': 20,
                    'refused_months': 6,
                    'never_started_months': 6,
                    'draft_days': 30,
                    'reason': "Fictitious.",
                    }])
        Policy.adopt([policy])
        cursor = transaction.connection.cursor()
        time_ = dt.datetime.now() - dt.timedelta(days=60)
        ids = [p.id for p in Patient.search(
                [('state', '=', 'draft')], order=[('id', 'ASC')])]
        for Model, name in [(Patient, 'id'), (Form, 'patient')]:
            table = Model.__table__()
            cursor.execute(*table.update(
                    [table.create_date, table.write_date], [time_, time_],
                    where=getattr(table, name).in_(ids[:DRAFTS])))
        transaction.commit()


class RetentionRunTestCase(unittest.TestCase):
    "Test that a run is neither lost nor done twice"

    def setUp(self):
        self.databases = TestDatabases()
        self.database = self.databases.new(
            'early_access_retention', programme)
        self.addCleanup(self.databases.drop, self.database)

    def start(self):
        process = subprocess.Popen(
            [sys.executable, '-W', 'ignore', '-c', RUN.format(
                    database=self.database, chunk=CHUNK)],
            cwd=TOP, env=self.databases.environ, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stdin.close)
        self.assertEqual(process.stdout.readline().strip(), 'ready')
        return process

    def go(self, process):
        process.stdin.write('\n')
        process.stdin.flush()

    def finish(self, process):
        self.assertEqual(process.wait(TIMEOUT), 0, process.stdout.read())

    def state(self):
        "Return what is left, and what the runs tell."
        script = '''
import json
from trytond.pool import Pool
from trytond.transaction import Transaction

Pool.start()
Pool('{database}').init()
with Transaction().start('{database}', 0, readonly=True):
    get = Pool().get
    count = lambda name, domain=(): get(name).search(
        list(domain), count=True)
    keys = count('early_access.data_key')
    print(json.dumps({{
        'patients': count('early_access.patient'),
        'drafts': count('early_access.patient', [('state', '=', 'draft')]),
        'keys': keys,
        'forms': count('early_access.form', [
            ('patient.state', '=', 'draft')]),
        'acted': sum(r.acted for r in get(
            'early_access.retention.run').search([])),
        'open': count('early_access.retention.run', [
            ('ended_at', '=', None)]),
        'runs': count('early_access.retention.run'),
        }}))
'''.format(database=self.database)

        output = subprocess.run(
            [sys.executable, '-W', 'ignore', '-c', script], cwd=TOP,
            env=self.databases.environ, text=True, check=True,
            capture_output=True).stdout
        return json.loads(output)

    def check_end(self, before):
        after = self.state()
        self.assertEqual(after['drafts'], OTHERS - 1)
        self.assertEqual(after['patients'], OTHERS)
        self.assertEqual(after['forms'], OTHERS - 1)
        # Each draft had a key of its own, and nobody was counted twice
        self.assertEqual(before['keys'] - after['keys'], DRAFTS)
        self.assertEqual(after['acted'], DRAFTS)
        self.assertEqual(after['open'], 0)
        return after

    def test_killed(self):
        "What a killed run leaves is done by the next one, once"
        before = self.state()
        self.assertEqual(before['drafts'], DRAFTS + OTHERS - 1)
        killed = 0
        for _ in range(KILLS):
            process = self.start()
            self.go(process)
            time.sleep(random.uniform(.02, .4))
            if process.poll() is None:
                process.kill()
                killed += 1
            process.wait(TIMEOUT)
            left = self.state()
            # Nothing is half-done
            self.assertEqual(
                before['drafts'] - left['drafts'], left['acted'])
            self.assertEqual(
                before['keys'] - left['keys'], left['acted'])
        self.assertTrue(killed)
        process = self.start()
        self.go(process)
        self.finish(process)
        self.check_end(before)

    def test_two(self):
        "Two at once share the work"
        before = self.state()
        processes = [self.start() for _ in range(2)]
        for process in processes:
            self.go(process)
        for process in processes:
            self.finish(process)
        self.check_end(before)


if __name__ == '__main__':
    unittest.main()
