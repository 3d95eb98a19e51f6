# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The seals prove that the trail is as it was stored.

Who changes it here owns the database: the triggers are disabled.
"""
import json
import os
import pathlib
import random
import signal
import subprocess
import threading
import time

from harness import BIN
from seal_tools import EVENT, SEAL, TrailDatabaseTestCase


class SealTestCase(TrailDatabaseTestCase):
    "Test the seals as the owner of the database and as a third party"

    def test_whole(self):
        "What was not touched is found as it was"
        self.verify()
        for _ in range(3):
            self.write(20)
            self.seal()
        self.assertIn(
            '3 seals and', self.verify())
        # Nothing new is not sealed
        self.seal()
        self.assertEqual(len(self.rows(f'SELECT id FROM {SEAL}')), 3)
        self.verify('--first', '2', '--last', '2')
        # The public keys are all that it takes
        public = self.key.with_name('public')
        os.rename(f'{self.key}.pub', public)
        self.verify('--public-keys', str(public))
        self.verify(status=2)

    def test_damage(self):
        "Each way to alter the trail is named, with the seal"
        for _ in range(4):
            self.write(10)
            self.seal()
        position = (
            'x::text::bigint' if self.databases.backend == 'postgresql'
            else 'id')
        ids = [i for i, in self.rows(
                f'SELECT id FROM {EVENT} WHERE {position} >= ('
                f'SELECT start FROM {SEAL} WHERE number = 2) '
                f'AND {position} < ('
                f'SELECT "end" FROM {SEAL} WHERE number = 2) ORDER BY id')]
        columns = ', '.join(
            c for c in ['at', 'user_id', 'login', 'action', 'model']
            + (['x'] if 'x' in position else []))
        template = self.database
        for kind, number, *statements in [
                ('changed', 2, f"UPDATE {EVENT} SET login = 'nobody' "
                    f'WHERE id = {ids[3]}'),
                ('missing', 2, f'DELETE FROM {EVENT} WHERE id = {ids[-1]}'),
                ('added', 2, f'INSERT INTO {EVENT} ({columns}) '
                    f'SELECT {columns} FROM {EVENT} WHERE id = {ids[0]}')
                if 'x' in position else
                ('changed', 2, f"UPDATE {EVENT} SET action = 'open' "
                    f'WHERE id = {ids[0]}'),
                # Two events take the place of one another
                ('changed', 2,
                    f'UPDATE {EVENT} SET id = 9999 WHERE id = {ids[0]}',
                    f'UPDATE {EVENT} SET id = {ids[0]} WHERE id = {ids[1]}',
                    f'UPDATE {EVENT} SET id = {ids[1]} WHERE id = 9999'),
                ('gap', 2, f'DELETE FROM {SEAL} WHERE number = 2'),
                ('tail', 4, f'DELETE FROM {SEAL} WHERE number = 4',
                    f'DELETE FROM {EVENT} WHERE id > {ids[-1]} + 15'),
                ('signature', 3, f'UPDATE {SEAL} SET statement = '
                    "REPLACE(statement, '\"number\":3', '\"number\": 3') "
                    'WHERE number = 3'),
                ('row', 3, f'UPDATE {SEAL} SET "end" = "end" - 1 '
                    'WHERE number = 3'),
                ]:
            with self.subTest(kind, statements=statements):
                self.database = f'{template}_x'
                self.databases.databases.clone(template, self.database)
                anchor = pathlib.Path(f'{self.key}.anchor')
                content = json.loads(anchor.read_text())
                content[self.database] = content[template]
                anchor.write_text(json.dumps(content))
                try:
                    self.execute(*statements)
                    self.assertIn(
                        f'Seal {number}: {kind}:', self.verify(status=1))
                finally:
                    self.databases.drop(self.database)
                    self.database = template
        self.verify()

    def test_replaced(self):
        "Who has another key cannot seal in the place of the first"
        self.write(10)
        self.seal()
        self.execute(f'DELETE FROM {SEAL}')
        public = f'{self.key}.pub'
        content = pathlib.Path(public).read_bytes()
        os.unlink(self.key)
        self.command('key')
        self.seal()
        pathlib.Path(public).write_bytes(content)
        self.assertIn('Seal 1: signature', self.verify(status=1))

    def test_key_replaced(self):
        "The seals of a former key are still verified"
        self.write(5)
        self.seal()
        self.command('key')
        self.write(5)
        self.seal()
        self.assertEqual(
            len(set(self.rows(f'SELECT "key" FROM {SEAL}'))), 2)
        self.verify()

    def test_purge(self):
        "The events go after their period, and the rest is still verified"
        for _ in range(3):
            self.write(10)
            self.seal()
        (sealed,), = self.rows(
            f'SELECT SUM("count") FROM {SEAL} WHERE number <= 2')
        (stored,), = self.rows(f'SELECT COUNT(*) FROM {EVENT}')
        purge = ['purge', '--database', self.database]
        self.assertIn('0 events', self.command(*purge))
        # They were sealed more than a year ago
        self.execute(
            f"UPDATE {SEAL} SET at = '2020-01-01 00:00:00' WHERE number < 3")
        for days in ['179', '366']:
            self.environ['TRYTOND_EARLY_ACCESS__AUDIT_DAYS'] = days
            self.command(*purge, status=2)
        self.environ['TRYTOND_EARLY_ACCESS__AUDIT_DAYS'] = '180'
        self.assertIn(f'{sealed} events', self.command(*purge))
        (left,), = self.rows(f'SELECT COUNT(*) FROM {EVENT}')
        self.assertEqual(left, stored - sealed)
        self.assertIn('0 events', self.command(*purge))
        self.assertEqual(
            self.rows(f"SELECT number FROM {SEAL} WHERE kind = 'purge'"),
            [(4,)])
        self.write(5)
        self.seal()
        self.assertNotIn('missing', self.verify('--all', status=1))
        self.verify('--first', '3')

    def test_restored(self):
        "A server that has not reached the numbers of another goes on"
        self.write(10)
        self.seal()
        self.write(10)
        if self.databases.backend == 'postgresql':
            # What was not sealed comes from a server that was further
            (last,), = self.rows(f'SELECT MAX("end") FROM {SEAL}')
            self.execute(
                f"UPDATE {EVENT} SET x = (x::text::bigint + 1000000000)"
                f"::text::xid8 WHERE x >= '{last}'::xid8")
        for _ in range(2):
            self.write(10)
            self.seal()
        self.verify()
        if self.databases.backend == 'postgresql':
            self.assertEqual(
                self.rows(f'SELECT DISTINCT epoch FROM {EVENT} ORDER BY 1'),
                [(0,), (1,)])

    def test_cron(self):
        "The server seals by itself"
        self.write(10)
        for _ in range(2):
            subprocess.run(
                [BIN / 'trytond-cron', '-d', self.database, '--once'],
                env=self.environ, check=True, capture_output=True)
        ((errors,),) = self.rows('SELECT COUNT(*) FROM ir_error')
        self.assertEqual(errors, 0)
        ((seals,),) = self.rows(f'SELECT COUNT(*) FROM {SEAL}')
        self.assertTrue(seals)
        self.verify()

    def test_prove(self):
        "A third party checks that an event is sealed, without the database"
        self.write(30)
        self.seal()
        (event,), = self.rows(
            f"SELECT MAX(id) FROM {EVENT} WHERE login = 'user1'")
        proof = json.loads(self.command(
                'prove', '--database', self.database, str(event)))
        environ, self.environ = self.environ, os.environ

        def check(proof, status=0):
            self.command(
                'check-proof', '--public-keys', f'{self.key}.pub', '-',
                input=json.dumps(proof), status=status)

        check(proof)
        for change in [
                {'event': proof['event'].replace('read', 'open')},
                {'index': proof['index'] + 1},
                {'path': proof['path'][1:]},
                {'statement': proof['statement'] | {'count': 29}},
                {'signature': '00' * 64},
                {'key': 'unknown'}]:
            check(proof | change, status=1)
        check({}, status=1)
        self.environ = environ
        self.command(
            'prove', '--database', self.database, '999999', status=2)

    def test_writers(self):
        """Events stored while others seal, some of whom are killed, are all
        sealed once"""
        if self.databases.backend == 'postgresql':
            writers, number = 16, 60
        else:
            writers, number = 2, 40
        threads = [
            threading.Thread(target=self.write, args=[number, seed])
            for seed in range(writers)]
        for thread in threads:
            thread.start()
        killed = 0
        while any(t.is_alive() for t in threads):
            sealer = subprocess.Popen(
                [BIN / 'early-access-audit', 'seal', '--database',
                    self.database, '--every', '.05'],
                env=self.environ, stderr=subprocess.DEVNULL)
            time.sleep(random.uniform(4, 8))
            sealer.send_signal(signal.SIGKILL)
            sealer.wait()
            killed += 1
        for thread in threads:
            thread.join()
        self.seal()
        self.verify()
        (sealed,), = self.rows(f"SELECT SUM(count) FROM {SEAL}")
        (stored,), = self.rows(f'SELECT COUNT(*) FROM {EVENT}')
        self.assertEqual(sealed, stored)
        self.assertGreaterEqual(stored, writers * number)
        self.assertTrue(killed)
