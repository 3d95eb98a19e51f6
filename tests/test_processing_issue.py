# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Two users issue the records of processing at the same moment."
import json
import subprocess
import sys
import unittest

from common import TOP
from harness import TestDatabases

TIMEOUT = 300
# As the dispatcher does, a request that another one overtook starts again
ISSUE = '''
import sys
from trytond import backend
from trytond.exceptions import UserError
from trytond.pool import Pool
from trytond.transaction import Transaction, TransactionError

Pool.start()
Pool('{database}').init()
print('ready', flush=True)
for line in sys.stdin:
    while True:
        try:
            with Transaction().start('{database}', 0):
                Processing = Pool().get('early_access.processing')
                record = Processing(int(line))
                Processing.issue([record])
            print('issued', flush=True)
        except UserError as error:
            print(error.message, flush=True)
        except (backend.DatabaseOperationalError, TransactionError):
            continue
        break
'''
STATE = '''
import json
from trytond.pool import Pool
from trytond.transaction import Transaction

Pool.start()
Pool('{database}').init()
with Transaction().start('{database}', 0, readonly=True):
    print(json.dumps([
        (v.processing.id, v.number) for v in Pool().get(
            'early_access.processing.version').search(
                [('kind', '=', '{kind}')], order=[('number', 'ASC')])]))
'''


def records(config):
    "The record of a controller, and those of two laboratories."
    from proteus import Model
    from trytond.modules.early_access.tests.tools import (
        create_laboratory, run_as)

    create_laboratory(config=config)
    Company = Model.get('company.company', config=config)
    Party = Model.get('party.party', config=config)
    Processing = Model.get('early_access.processing', config=config)
    company, = Company.find([])
    laboratories = [Party(name="Fictitious"), Party(name="Invented")]
    Party.save(laboratories)
    with run_as('dpo', config=config):
        for laboratory in [None, *laboratories]:
            record = Processing(company=company)
            if laboratory:
                record.kind = 'processor'
                record.controller = Party(laboratory.id)
            record.save()


class ProcessingIssueTestCase(unittest.TestCase):
    "Test that no version is lost, nor made twice"

    def setUp(self):
        self.databases = TestDatabases()
        # What is tested is not the PDF
        self.environ = self.databases.environ | {
            'TRYTOND_REPORT__CONVERT_COMMAND': 'none'}
        self.database = self.databases.new('early_access_retention', records)
        self.addCleanup(self.databases.drop, self.database)

    def python(self, script, **values):
        return [
            sys.executable, '-W', 'ignore', '-c',
            script.format(database=self.database, **values)]

    def start(self):
        process = subprocess.Popen(
            self.python(ISSUE), cwd=TOP, env=self.environ, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.addCleanup(process.wait, TIMEOUT)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stdin.close)
        self.assertEqual(process.stdout.readline().strip(), 'ready')
        return process

    def press(self, *ids):
        "Return what is answered to the users who issue at the same moment."
        processes = [self.start() for _ in ids]
        for process, id_ in zip(processes, ids):
            process.stdin.write(f'{id_}\n')
            process.stdin.flush()
        return [p.stdout.readline().strip() for p in processes]

    def state(self, kind):
        output = subprocess.run(
            self.python(STATE, kind=kind), cwd=TOP, env=self.environ,
            text=True, check=True,
            capture_output=True, timeout=TIMEOUT).stdout
        return json.loads(output)

    def test_same(self):
        "One issues the record, the other is told that nothing has changed"
        answers = self.press(1, 1)
        self.assertIn('issued', answers)
        self.assertTrue(
            any("since the version 1 of" in a for a in answers), answers)
        self.assertEqual(self.state('controller'), [[1, 1]])

    def test_kind(self):
        "Two records of the same kind have different numbers"
        self.assertEqual(self.press(2, 3), ['issued', 'issued'])
        versions = self.state('processor')
        self.assertEqual([n for _, n in versions], [1, 2])
        self.assertEqual({i for i, _ in versions}, {2, 3})


if __name__ == '__main__':
    unittest.main()
