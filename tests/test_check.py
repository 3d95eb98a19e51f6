# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The checks of the trail and the incidents, over HTTP"
import datetime as dt
import io
import random
import subprocess
import sys
import time
import zipfile

from harness import BIN, TOP, ServerTestCase
from seal_tools import TrailDatabaseTestCase
from smtp_tools import Mailbox, message, texts
from trail_tools import Client, programme

CHECK = 'early_access.audit.check'
ANOMALY = 'early_access.audit.anomaly'
INCIDENT = 'early_access.audit.incident'
REVIEW = 'early_access.audit.access_review'
OFFICER = 'officer@example.com'
# Somebody exports patients each day, and a check of these days begins
EXPORTS = '''
import datetime as dt
Event = pool.get('early_access.audit.event')
Check = pool.get('early_access.audit.check')
cursor = transaction.connection.cursor()
for days in range(1, 51):
    time = dt.datetime.combine(
        dt.date.today() - dt.timedelta(days=days), dt.time(12))
    Event.store(cursor, Author(1, 'admin', None, None, None, None), [
        (time, 'export', 'early_access.patient', None, None, None, [days])])
Check.run(Check.create([{}]))
'''
LOOK = '''
Check = pool.get('early_access.audit.check')
Check.look(Check.search([]))
'''
SCRIPT = '''
import sys
from trytond.pool import Pool
from trytond.transaction import Transaction
Pool.start()
with Transaction().start(sys.argv[1], 0, readonly=True):
    Pool(sys.argv[1]).init()
from trytond.modules.early_access_audit.trail import Author
pool = Pool(sys.argv[1])
with Transaction().start(sys.argv[1], 0) as transaction:
    exec(sys.argv[2])
'''


def past(config):
    "A programme, and a data manager who exported patients ten days ago."
    from proteus import Model
    from trytond.modules.early_access_audit.trail import Author
    from trytond.pool import Pool
    from trytond.transaction import Transaction

    programme(config)
    User = Model.get('res.user', config=config)
    officer, = User.find([('login', '=', 'security_officer')])
    officer.email = OFFICER
    officer.save()
    user, = User.find([('login', '=', 'data_manager')])
    time = dt.datetime.combine(
        dt.date.today() - dt.timedelta(days=10), dt.time(10))
    with Transaction().start(config.database_name, 0) as transaction:
        Event = Pool().get('early_access.audit.event')
        Event.store(
            transaction.connection.cursor(),
            Author(
                user.id, 'data_manager', 'data_manager', 'c', '192.0.2.1',
                'm'),
            [(time, 'export', 'early_access.patient', None, None, None,
                    [1, 2, 3])])
        transaction.commit()


def ago(hours):
    now = dt.datetime.now(dt.UTC).replace(tzinfo=None, microsecond=0)
    return now - dt.timedelta(hours=hours)


class CheckTestCase(ServerTestCase):
    "Test what the users concerned do, and what the others may not"
    module = 'early_access_audit'
    fixtures = past

    def user(self, login):
        return Client(self.server, login)

    def assertRefused(self, call, *args):
        with self.assertRaises(RuntimeError) as cm:
            call(*args)
        self.assertEqual(str(cm.exception), 'UserError')

    def test_check(self):
        "The officer runs, clears and signs a check"
        officer = self.user('security_officer')
        check, = officer.model(CHECK, 'create', [{}])
        for login in ['audit', 'supply', 'prescriber']:
            self.assertRefused(self.user(login).model, CHECK, 'run', [check])
        # What the queue does is done before the answer, without worker
        officer.model(CHECK, 'run', [check])
        row, = officer.model(
            CHECK, 'read', [check], ['state', 'events', 'anomalies'])
        self.assertEqual((row['state'], row['events']), ('open', 1))
        anomaly, = row['anomalies']
        self.assertRefused(officer.model, CHECK, 'sign', [check])
        for login in ['audit', 'data_manager', 'pharmacist_in_charge']:
            self.assertRefused(
                self.user(login).model, ANOMALY, 'write', [anomaly],
                {'outcome': 'legitimate'})
        self.assertRefused(
            officer.model, ANOMALY, 'write', [anomaly],
            {'state': 'cleared'})
        officer.model(
            ANOMALY, 'write', [anomaly], {'outcome': 'legitimate'})
        officer.model(ANOMALY, 'clear', [anomaly])
        officer.model(CHECK, 'sign', [check])
        auditor = self.user('audit')
        row, = auditor.model(
            ANOMALY, 'read', [anomaly], ['rule', 'who', 'state'])
        self.assertEqual(
            (row['rule'], row['who'], row['state']),
            ('export', "Data Manager", 'cleared'))
        # Who looks at what users do leaves traces too
        self.assertTrue(auditor.model(
                'early_access.audit.event', 'search', [
                    ('login', '=', 'audit'), ('action', '=', 'read'),
                    ('model', '=', ANOMALY)], 0, None, None))
        for user in [officer, auditor]:
            self.assertRefused(
                user.model, CHECK, 'delete', [check])
        self.assertRefused(
            self.user('data_manager').model, ANOMALY, 'search', [], 0, None,
            None)

    def test_incident(self):
        "The officers keep the register, and print what it holds"
        officer = self.user('security_officer')
        incident, = officer.model(INCIDENT, 'create', [{
                    'subject': "Lost computer",
                    'natures': ['confidentiality'],
                    'detected_at': ago(3),
                    'aware_at': ago(2),
                    'facts': "It was left in a train.",
                    }])
        officer.model(INCIDENT, 'open', [incident])
        row, = self.user('dpo').model(
            INCIDENT, 'read', [incident], ['state', 'urgency', 'due_at'])
        self.assertEqual(
            (row['state'], row['urgency']), ('open', 'running'))
        for login in ['pharmacist_in_charge', 'audit']:
            reader = self.user(login)
            self.assertEqual(
                reader.model(INCIDENT, 'read', [incident], ['id'])[0]['id'],
                incident)
            self.assertRefused(
                reader.model, INCIDENT, 'write', [incident], {'facts': "x"})
            self.assertRefused(
                reader.model, INCIDENT, 'draft', [incident])
        for login in ['supply', 'pharmacovigilance', 'prescriber']:
            stranger = self.user(login)
            self.assertRefused(
                stranger.model, INCIDENT, 'read', [incident], ['id'])
            self.assertRefused(
                stranger.call, f'report.{INCIDENT}.file.execute',
                [incident], {'model': INCIDENT}, stranger.context)
        self.assertRefused(officer.model, INCIDENT, 'delete', [incident])
        extension, content, _, _ = officer.call(
            f'report.{INCIDENT}.file.execute', [incident],
            {'model': INCIDENT}, officer.context)
        if extension == 'odt':
            with zipfile.ZipFile(io.BytesIO(content)) as document:
                self.assertIn(
                    "It was left in a train.",
                    document.read('content.xml').decode())
        else:
            self.assertTrue(content.startswith(b'%PDF'))
        events = self.user('audit').model(
            'early_access.audit.event', 'search_read',
            [('action', '=', 'report'), ('model', '=', INCIDENT)], 0, None,
            None, ['login', 'records', 'target'])
        self.assertIn(
            ('security_officer', str(incident), f'{INCIDENT}.file'),
            [(e['login'], e['records'], e['target']) for e in events])


class AlertTestCase(ServerTestCase):
    "Test the e-mails about checks, incidents and reviews"
    module = 'early_access_audit'
    fixtures = past

    @classmethod
    def setUpClass(cls):
        cls.mailbox = cls.enterClassContext(Mailbox())
        cls.environ = cls.mailbox.environ
        super().setUpClass()
        cls.officer = Client(cls.server, 'security_officer')

    def run_crons(self, *methods):
        "Run these crons as the server does, and return the new envelopes."
        with self.databases.databases.connect(self.database) as connection:
            connection.execute(
                "UPDATE ir_cron SET next_call = '2020-01-01' WHERE method IN "
                f"({', '.join(map(repr, methods))})")
            connection.commit()
        self.mailbox.envelopes.clear()
        process = subprocess.run(
            [BIN / 'trytond-cron', '-d', self.database, '--once'], cwd=TOP,
            env=self.databases.environ | self.environ,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            stdin=subprocess.DEVNULL)
        self.assertEqual(process.returncode, 0, process.stdout)
        return [e for e in self.mailbox.envelopes if e.rcpt_tos == [OFFICER]]

    def test_alerts(self):
        "The officer is told once by e-mail of what waits, and of no detail"
        check, = self.officer.model(CHECK, 'create', [{}])
        self.officer.model(CHECK, 'run', [check])
        incident, = self.officer.model(INCIDENT, 'create', [{
                    'subject': "Stolen telephone",
                    'natures': ['confidentiality'],
                    'detected_at': ago(75),
                    'aware_at': ago(74),
                    'facts': "It was left in a train.",
                    }])
        self.officer.model(INCIDENT, 'open', [incident])
        crons = [f'{CHECK}|watch', f'{INCIDENT}|alert']
        envelopes = self.run_crons(*crons)
        again = self.run_crons(*crons)
        found = '\n'.join(t for e in envelopes for t in texts(e))
        self.assertIn("A check of the trail is ready", found)
        self.assertIn("The 72 hours to notify the authority", found)
        self.assertIn(f'/#{self.database}', found)
        for detail in ["Stolen telephone", "train", "Data Manager"]:
            self.assertNotIn(detail, found)
            for envelope in envelopes:
                self.assertNotIn(detail, message(envelope)['Subject'])
        self.assertEqual(again, [])

    def test_review(self):
        "Those who review are told when a review opens"
        self.mailbox.envelopes.clear()
        review, = self.officer.model(REVIEW, 'create', [{}])
        self.officer.model(REVIEW, 'open_', [review])
        envelope, = [
            e for e in self.mailbox.envelopes if e.rcpt_tos == [OFFICER]]
        self.assertIn("review", message(envelope)['Subject'])
        self.assertIn(f'/#{self.database}', '\n'.join(texts(envelope)))


class KilledCheckTestCase(TrailDatabaseTestCase):
    "Test that a check that is killed goes on where it was"

    def start(self, script):
        return subprocess.Popen(
            [sys.executable, '-W', 'ignore', '-c', SCRIPT, self.database,
                script], env=self.environ, stderr=subprocess.PIPE, text=True)

    def complete(self, script):
        process = self.start(script)
        _, errors = process.communicate()
        self.assertEqual(process.returncode, 0, errors)

    def progress(self):
        rows = self.rows(
            'SELECT state, counted_to FROM early_access_audit_check')
        return rows[0] if rows else None

    def test_killed(self):
        "Each day is looked at once, however often the process is killed"
        self.complete(EXPORTS)
        before = self.progress()
        self.assertEqual(before[0], 'running')
        killed = 0
        # A machine that is slow to read may see no process before its end
        for _ in range(20):
            process = self.start(LOOK)
            while self.progress() == before and process.poll() is None:
                time.sleep(.01)
            # Somewhere in one of the days that follow
            time.sleep(random.uniform(0, .05))
            process.kill()
            _, errors = process.communicate()
            self.assertIn(process.returncode, {0, -9}, errors)
            killed += process.returncode < 0
            before = self.progress()
            if before[0] != 'running' or killed == 4:
                break
        self.assertTrue(killed)
        self.complete(LOOK)
        self.assertEqual(self.progress()[0], 'open')
        rows = self.rows(
            "SELECT date, COUNT(*) FROM early_access_audit_anomaly "
            "WHERE rule = 'export' GROUP BY date")
        (first, last), = self.rows(
            'SELECT from_date, to_date FROM early_access_audit_check')
        days = {str(date): number for date, number in rows}
        self.assertEqual(
            (min(days), max(days)), (str(first), str(last)))
        # The last day may not be over for long enough
        self.assertIn(len(days), {49, 50})
        self.assertEqual(set(days.values()), {1})
