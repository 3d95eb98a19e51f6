# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The key-encryption keys while the server runs."
import contextlib
import datetime as dt
import hashlib
import json
import os
import pathlib
import random
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import xmlrpc.client
from decimal import Decimal

import harness
from common import BIN, TOP
from harness import KEYRING, PASSWORD, Server, ServerTestCase, TestDatabases

TODAY = dt.date.today()
# Data keys without a patient, so that a rotation lasts long enough
KEYS = 4_000
KILLS = 8
# The longest that anything may take, in seconds
TIMEOUT = 300


def programme(config):
    "Patients of a running programme, an order and many data keys"
    from proteus import Model
    from trytond.modules.early_access.tests.order_tools import create_order
    from trytond.modules.early_access.tests.tools import (
        create_laboratory, create_patient, create_programme)
    from trytond.pool import Pool
    from trytond.transaction import Transaction

    create_laboratory(config=config)
    create_programme(config=config)
    patients = [
        create_patient(state, config=config)
        for state in ['eligible', 'eligible', 'draft']]
    create_order(patients[:1], state='submitted', config=config)
    User = Model.get('res.user', config=config)
    for user in User.find([('login', 'in', [
                    'prescriber', 'hospital_pharmacist',
                    'pharmacist_in_charge', 'data_manager'])]):
        user.password = PASSWORD
        user.save()
    with Transaction().start(config.database_name, 0) as transaction:
        DataKey = Pool().get('early_access.data_key')
        for _ in range(KEYS // 500):
            DataKey.new(500)
        transaction.commit()


def destroy(config):
    "Destroy the keys of a patient who has an order and of a draft"
    from trytond.pool import Pool
    from trytond.transaction import Transaction

    with Transaction().start(config.database_name, 0) as transaction:
        pool = Pool()
        DataKey = pool.get('early_access.data_key')
        Patient = pool.get('early_access.patient')
        first, _, last = Patient.search([], order=[('id', 'ASC')])
        DataKey.destroy([first.data_key, last.data_key])
        transaction.commit()


def new_key(config):
    "Save a data key, but do not commit before being told so"
    from trytond.pool import Pool
    from trytond.transaction import Transaction

    with Transaction().start(config.database_name, 0) as transaction:
        DataKey = Pool().get('early_access.data_key')
        print(DataKey.new().id, flush=True)
        sys.stdin.readline()
        transaction.commit()


class RotationTestCase(ServerTestCase):
    "A server with a keyring of its own"
    fixtures = programme

    @classmethod
    def setUpClass(cls):
        unittest.TestCase.setUpClass()
        directory = tempfile.TemporaryDirectory()
        cls.addClassCleanup(directory.cleanup)
        cls.directory = pathlib.Path(directory.name)
        cls.databases = TestDatabases()
        cls.database = cls.databases.new(cls.module, cls.fixtures)
        cls.addClassCleanup(cls.databases.drop, cls.database)
        cls.keyring = cls.directory / 'keyring'
        shutil.copy(KEYRING, cls.keyring)
        # SQLite finds its databases where the files are
        cls.store = pathlib.Path(
            cls.databases.environ.get('TRYTOND_DATABASE__PATH')
            or cls.directory / 'store')
        cls.store.mkdir(exist_ok=True)
        cls.addClassCleanup(
            shutil.rmtree, cls.store / cls.database, ignore_errors=True)
        cls.environ = cls.databases.environ | {
            'TRYTOND_DATABASE__CLASS': (
                'trytond.modules.early_access.filestore.SealedFileStore'),
            'TRYTOND_DATABASE__PATH': str(cls.store),
            } | cls.configure()
        cls.server = Server(cls.database, cls.environ)
        cls.addClassCleanup(cls.server.stop)

    @classmethod
    def configure(cls):
        "Return the environment that selects the keyring"
        return {'TRYTOND_EARLY_ACCESS__KEYRING': str(cls.keyring)}

    def open_keyring(self):
        from trytond.modules.early_access.keyring import FileKeyring
        return FileKeyring(str(self.keyring))

    def start(self, *args):
        return subprocess.Popen(
            [BIN / 'early-access-keyring', *map(str, args)], cwd=TOP,
            env=self.environ, text=True, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE)

    def run_command(self, verb, *args):
        "Run the verb on the database, which must succeed"
        process = self.start(verb, *args, '-d', self.database)
        out, err = process.communicate(timeout=TIMEOUT)
        self.assertEqual(process.returncode, 0, err)
        self.assertEqual(err, '')
        return out

    def refuse_command(self, *args):
        "Run the command, which must fail with one line, that is returned"
        process = self.start(*args)
        out, err = process.communicate(timeout=TIMEOUT)
        self.assertEqual(process.returncode, 1, (out, err))
        self.assertRegex(err, r'\Aearly-access-keyring: [^\n]+\n\Z')
        return err

    def status(self):
        return json.loads(self.run_command('status', '--json'))

    def assert_rotated(self):
        "Check that the active key wraps all the data keys"
        status = self.status()
        self.assertEqual(status['missing'], [])
        for key in status['keys']:
            number = key['data_keys'][self.database]
            if key['state'] == 'active':
                self.assertGreaterEqual(number, KEYS)
            else:
                self.assertEqual(number, 0, key)

    @contextlib.contextmanager
    def data_keys(self):
        from trytond.modules.early_access.rotation import DataKeys
        with contextlib.closing(DataKeys(self.database)) as data_keys:
            yield data_keys

    def digests(self):
        "Return by id a digest of each data key"
        keyring = self.open_keyring()
        with self.data_keys() as data_keys:
            # No key-encryption key has this identifier
            return {
                id_: hashlib.sha256(keyring.unwrap(kek, wrapped)).digest()
                for id_, kek, wrapped in data_keys.read('', 0, 10 * KEYS)}

    def active(self):
        return next(k.id for k in self.open_keyring().keys() if k.active)

    def process(self, function):
        "Start a function of this module on the database in a process"
        return subprocess.Popen(
            [sys.executable, harness.__file__, self.database, __name__,
                function.__name__], cwd=TOP, env=self.environ, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    @contextlib.contextmanager
    def saving_key(self):
        "A transaction that has saved a data key, until a line is written"
        process = self.process(new_key)
        try:
            self.assertTrue(process.stdout.readline())
            yield process
        finally:
            process.communicate('\n', timeout=TIMEOUT)
            self.assertEqual(process.returncode, 0)

    def wait_until(self, condition):
        deadline = time.monotonic() + TIMEOUT
        while not condition():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(.01)


class Writer:
    "A prescriber who keeps requesting accesses and changing them"

    def __init__(self, test):
        self._test = test
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.weights = {}
        self.errors = []

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()

    def _run(self):
        with self._test.script('prescriber') as config:
            patient = config.get_proxy('early_access.patient')
            context = config.context
            number = 0
            while not self._stop.is_set():
                number += 1
                weight = Decimal(20 + number % 100)
                try:
                    if number % 2:
                        id_, = patient.create(
                            [self._request(weight)], context)
                    else:
                        id_ = random.choice(list(self.weights))
                        patient.write([id_], {'weight': weight}, context)
                    self.weights[id_] = weight
                except xmlrpc.client.Error as error:
                    self.errors.append(error)

    def _request(self, weight):
        return {
            'surname_letters': 'TWR',
            'first_name_letters': 'IT',
            'sex': 'female',
            'birth_month': dt.date(1970, 5, 1),
            'weight': weight,
            'height': Decimal(168),
            'information_date': TODAY,
            'notice_date': TODAY,
            'informed_person': 'patient',
            }


class KilledTestCase(RotationTestCase):
    "A rotation that is killed at any point"

    def test_killed(self):
        "Test a rotation that is killed and resumed while users write"
        seed = int(os.environ.get('SEED') or random.randrange(2 ** 32))
        print(f"SEED={seed}")
        with self.subTest(seed=seed):
            self._test(random.Random(seed))

    def _test(self, generator):
        before = self.digests()
        with Writer(self) as writer:
            self.wait_until(lambda: writer.weights or writer.errors)
            killed = 0
            for number in range(5 * KILLS):
                # Some end before they are killed: go on until enough are
                if number >= KILLS and killed > KILLS // 2:
                    break
                killed += self._kill(generator)
            self.run_command('rewrap')
            self.wait_until(lambda: len(writer.weights) > 1 or writer.errors)
        self.assertEqual(writer.errors, [])
        self.assertGreater(killed, KILLS // 2)
        self.assert_rotated()
        after = self.digests()
        self.assertEqual({i: after[i] for i in before}, before)
        with self.script('prescriber') as config:
            rows = config.get_proxy('early_access.patient').search_read(
                [], 0, None, None, ['weight', 'sex', 'sealed_state'],
                config.context)
        self.assertTrue(all(r['sex'] for r in rows))
        self.assertEqual(
            {r['id']: r['weight'] for r in rows if r['id'] in writer.weights},
            writer.weights)
        if self.keyring.exists():
            self.assertEqual(
                stat.S_IMODE(self.keyring.stat().st_mode), 0o600)

    def _kill(self, generator):
        "Return whether the command was killed before it ended"
        active = self.active()
        verb = generator.choice(['rotate', 'rotate', 'rewrap'])
        process = self.start(verb, '-d', self.database, '--chunk', 20)
        if generator.random() < .3:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(generator.uniform(0, 2))
        else:
            share = generator.random()
            with self.data_keys() as data_keys:
                # The process may also have nothing to do
                self.wait_until(lambda: process.poll() is not None
                    or (verb == 'rewrap' or self.active() != active)
                    and self._changed(data_keys) > share)
        killed = process.poll() is None
        process.kill()
        process.communicate()
        self.open_keyring().check()
        return killed

    def _changed(self, data_keys):
        counts = data_keys.counts()
        return counts.get(self.active(), 0) / sum(counts.values())


class KilledServiceTestCase(KilledTestCase):
    "The same with a key management service"

    @classmethod
    def configure(cls):
        location = str(cls.directory / 'socket')
        module = 'trytond.modules.early_access.tests.kms'
        service = subprocess.Popen(
            [sys.executable, '-W', 'ignore', '-m', module, location,
                cls.keyring], text=True, stdout=subprocess.PIPE)
        cls.addClassCleanup(service.communicate)
        cls.addClassCleanup(service.terminate)
        assert service.stdout.readline()
        # From now on the service alone has the keys
        cls.keyring.unlink()
        return {
            'TRYTOND_EARLY_ACCESS__KEYRING': location,
            'TRYTOND_EARLY_ACCESS__KEYRING_CLASS': f'{module}.KMSKeyring',
            }

    def open_keyring(self):
        from trytond.modules.early_access.tests.kms import KMSKeyring
        return KMSKeyring(self.environ['TRYTOND_EARLY_ACCESS__KEYRING'])


class InterruptingKeyring:
    "A keyring that lets something happen while it wraps"

    def __init__(self, keyring, happen):
        self._keyring = keyring
        self._happen = happen

    def keys(self):
        return self._keyring.keys()

    def rewrap(self, keys):
        result = self._keyring.rewrap(keys)
        happen, self._happen = self._happen, lambda: None
        happen()
        return result


class DestroyedTestCase(RotationTestCase):
    "A person who is destroyed during a rotation"

    def test_destroyed(self):
        "Test who is destroyed stays so, and the lists say it"
        from trytond.modules.early_access.rotation import rewrap
        keyring = self.open_keyring()
        keyring.rotate()
        with self.data_keys() as data_keys:
            total = sum(data_keys.counts().values())
            done = rewrap(data_keys, InterruptingKeyring(
                    keyring, self._destroy), chunk=total)

            # Their wrapped bytes had been read, and wrapped again
            self.assertEqual(done, total - 2)
            self.assertEqual(data_keys.counts(), {
                    None: 2, keyring.keys()[-1].id: total - 2})
            self.assertEqual(rewrap(data_keys, keyring), 0)
        self.assertEqual(self.status()['destroyed'], {self.database: 2})
        for login in ['prescriber', 'pharmacist_in_charge', 'data_manager']:
            with self.subTest(login), self.script(login) as config:
                self._read(config)
        self._write()

    def _destroy(self):
        process = self.process(destroy)
        process.communicate(timeout=TIMEOUT)
        self.assertEqual(process.returncode, 0)

    def _read(self, config):
        "Check what the views of the client show, as the user"
        patient = config.get_proxy('early_access.patient')
        form = config.get_proxy('early_access.form')
        order = config.get_proxy('early_access.order')
        context = config.context
        ids = patient.search([], 0, None, [('id', 'ASC')], context)
        states = ['destroyed', 'readable', 'destroyed'][:len(ids)]
        self.assertGreaterEqual(len(ids), 2)
        for view in ['tree', 'form']:
            names = list(
                patient.fields_view_get(None, view, context)['fields'])
            rows = patient.search_read(
                [], 0, None, [('id', 'ASC')],
                names + ['sealed_state', 'rec_name'], context)
            self.assertEqual([r['sealed_state'] for r in rows], states)
            self.assertTrue(all(r['rec_name'] for r in rows))
            if 'weight' in names:
                self.assertIsNone(rows[0]['weight'])
            names = list(form.fields_view_get(None, view, context)['fields'])
            forms = form.search_read(
                [], 0, None, None, names + ['patient', 'sealed_state'],
                context)
            self.assertEqual(
                {r['patient'] for r in forms
                    if r['sealed_state'] == 'destroyed'},
                {i for i, s in zip(ids, states) if s == 'destroyed'})
            self.assertTrue(any(
                    r['sealed_state'] == 'readable' for r in forms))
        names = ['rec_name', 'code', 'state', 'sealed_state']
        exported = patient.export_data(ids, names, True, context)
        self.assertEqual(len(exported), len(ids) + 1)
        self.assertIn("destroyed", str(exported[1]).lower())
        self.assertTrue(order.search_read(
                [], 0, None, None, ['rec_name', 'lines'], context))

    def _write(self):
        with self.script('prescriber') as config:
            patient = config.get_proxy('early_access.patient')
            id_, = patient.search(
                [('state', '=', 'draft')], 0, None, None, config.context)
            with self.assertRaises(xmlrpc.client.Fault) as cm:
                patient.write(
                    [id_], {'weight': Decimal(70)}, config.context)
        self.assertIn("destroyed", str(cm.exception))


class OperatorTestCase(RotationTestCase):
    "What the operator is told"

    def test_saving(self):
        "Test a data key that was being saved when the key was replaced"
        with self.saving_key():
            active = self.active()
            rotation = self.start('rotate', '-d', self.database)
            self.wait_until(lambda: self.active() != active)
            self.assertIsNone(rotation.poll())
        out, err = rotation.communicate(timeout=TIMEOUT)
        self.assertEqual((rotation.returncode, err), (0, ''))
        self.assertIn("none is left", out)
        self.assert_rotated()

    def test_retire(self):
        "Test a key is retired once nothing needs it"
        old = self.active()
        retire = ['retire', old, '-d', self.database, '--backups-expired']
        today = TODAY.isoformat()
        self.assertIn("is active", self.refuse_command(*retire, today))
        with self.saving_key():
            self.open_keyring().rotate()
            process = self.start(*retire, today)
            # It waits, because the key might be the last one
            with self.assertRaises(subprocess.TimeoutExpired):
                process.wait(5)
        _, err = process.communicate(timeout=TIMEOUT)
        self.assertEqual(process.returncode, 1)
        self.assertIn(f"'{old}' still wraps", err)
        self.run_command('rewrap')

        for date, words in [
                (TODAY + dt.timedelta(days=1), "can be retired from"),
                (TODAY - dt.timedelta(days=2), "was replaced on")]:
            self.assertIn(words, self.refuse_command(*retire, date))
        backup = self.directory / 'backup'
        shutil.copy(self.keyring, backup)
        self.run_command('retire', old, '--backups-expired', today)

        content = json.loads(self.keyring.read_text())
        self.assertEqual(
            content['retired'][old].keys(),
            {'created', 'replaced', 'retired', 'backups_expired'})
        secret = json.loads(backup.read_text())['keys'][old]['key']
        for path in self.directory.iterdir():
            if path.is_file() and path != backup:
                self.assertNotIn(secret, path.read_text(), path)
        key, = [k for k in self.status()['keys'] if k['id'] == old]
        self.assertEqual(
            (key['state'], key['backups_expired']), ('retired', today))
        self.assertIn("does not hold", self.refuse_command(*retire, today))
        with self.script('prescriber') as config:
            rows = config.get_proxy('early_access.patient').search_read(
                [], 0, None, None, ['sex'], config.context)
        self.assertTrue(all(r['sex'] for r in rows))

    def test_files(self):
        "Test the files kept outside the database follow the rotation"
        from proteus import Model
        content = b'ZQXJ a document'
        with self.script() as config:
            Attachment = Model.get('ir.attachment', config=config)
            User = Model.get('res.user', config=config)
            user, = User.find([('login', '=', 'admin')])
            attachment = Attachment(
                name='document', resource=user, data=content)
            attachment.save()
        path, = [
            p for p in self.store.joinpath(self.database).rglob('*')
            if p.is_file()]
        old, before = self.active(), path.read_bytes()

        self.run_command('rotate')
        new = self.active()
        self.assertEqual(self.files(), {old: 0, new: 1})
        path.write_bytes(before)
        self.assertEqual(self.files(), {old: 1, new: 0})
        self.assertIn("still wraps 1 files", self.refuse_command(
                'retire', old, '-d', self.database,
                '--backups-expired', TODAY))
        self.run_command('rewrap')
        self.assertEqual(self.files(), {old: 0, new: 1})
        self.assertNotIn(content, path.read_bytes())
        with self.script() as config:
            Attachment = Model.get('ir.attachment', config=config)
            self.assertEqual(Attachment(attachment.id).data, content)

    def files(self):
        "How many files the last two keys wrap"
        return {
            k['id']: k['files'][self.database]
            for k in self.status()['keys'][-2:]}

    def test_missing_key(self):
        "Test the keyring of before a rotation is told from the right one"
        backup = self.directory / 'before'
        shutil.copy(self.keyring, backup)
        self.run_command('rotate')
        active = self.active()
        right = self.directory / 'right'
        os.rename(self.keyring, right)
        try:
            os.rename(backup, self.keyring)
            for verb in ['status', 'rewrap']:
                error = self.refuse_command(verb, '-d', self.database)
                self.assertIn(active, error)
                self.assertIn("does not hold", error)
        finally:
            os.rename(right, self.keyring)
        self.assertEqual(self.status()['missing'], [])

    def test_altered_key(self):
        "Test a data key that does not open does not hold back the others"
        mark = '?' if self.databases.backend == 'sqlite' else '%s'
        with self.databases.databases.connect(self.database) as connection:
            id_, wrapped = connection.execute(
                'SELECT id, wrapped FROM early_access_data_key '
                'WHERE id = (SELECT MAX(id) FROM early_access_data_key)'
                ).fetchone()

            def update(value):
                connection.execute(
                    f'UPDATE early_access_data_key SET wrapped = {mark} '
                    f'WHERE id = {mark}', [value, id_])
                connection.commit()

            active = self.active()
            update(bytes(40))
            error = self.refuse_command('rotate', '-d', self.database)
            self.assertIn("1 data keys", error)
            self.assertIn("does not open", error)
            counts = {
                k['id']: k['data_keys'][self.database] for k in json.loads(
                    self.start('status', '--json', '-d', self.database)
                    .communicate()[0])['keys']}
            self.assertEqual(counts[active], 1)
            update(wrapped)
        self.run_command('rewrap')
        self.assert_rotated()

    def test_copy(self):
        "Test the new key is in the copy before it is used"
        active = self.active()
        for path in [self.keyring, self.directory / 'missing' / 'copy']:
            self.refuse_command('rotate', '--copy', path, '-d', self.database)
            self.assertEqual(self.active(), active)
        copy = self.directory / 'copy'
        self.run_command('rotate', '--copy', copy)
        self.assertEqual(copy.read_text(), self.keyring.read_text())
        self.assertEqual(stat.S_IMODE(copy.stat().st_mode), 0o600)

    def test_configuration_file(self):
        "Test the option gives the kind of database too"
        path = self.directory / 'trytond.conf'
        path.write_text('\n'.join([
                    '[database]',
                    f"uri = {self.environ['TRYTOND_DATABASE_URI']}",
                    f'path = {self.store}',
                    '[early_access]',
                    f'keyring = {self.keyring}',
                    '']))
        result = subprocess.run(
            [BIN / 'early-access-keyring', '--config', path, 'status',
                '--json', '--database', self.database],
            env={
                k: v for k, v in os.environ.items()
                if not k.startswith('TRYTOND_')},
            text=True, capture_output=True)
        self.assertEqual(result.stderr, '')
        self.assertEqual(json.loads(result.stdout), self.status())

    def test_wrong_database(self):
        "Test nothing changes when a database is not the right one"
        active = self.active()
        bare = f'{self.database}_bare'
        self.databases.databases.create(bare)
        self.addCleanup(self.databases.drop, bare)
        for name in [bare, f'{self.database}_missing']:
            for verb, *args in [
                    ['rotate'], ['rewrap'], ['status'],
                    ['retire', 'x', '--backups-expired', '2020-01-01']]:
                with self.subTest(verb=verb, database=name):
                    self.assertIn(name, self.refuse_command(
                            verb, *args, '-d', self.database, name))
        self.assertEqual(self.active(), active)


class StartTestCase(unittest.TestCase):
    "A server whose keyring cannot be used"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        directory = tempfile.TemporaryDirectory()
        cls.addClassCleanup(directory.cleanup)
        cls.keyring = pathlib.Path(directory.name, 'keyring')
        cls.databases = TestDatabases()
        cls.database = cls.databases.new('early_access')
        cls.addClassCleanup(cls.databases.drop, cls.database)

    def _start(self, *command, **environ):
        environ = self.databases.environ | {
            'TRYTOND_EARLY_ACCESS__KEYRING': str(self.keyring),
            'TRYTOND_DATABASE_NAMES': self.database,
            'TRYTOND_WEB__LISTEN': 'localhost:0',
            } | environ
        if not environ['TRYTOND_EARLY_ACCESS__KEYRING']:
            del environ['TRYTOND_EARLY_ACCESS__KEYRING']
        return subprocess.run(
            command, cwd=TOP, env=environ, text=True, timeout=TIMEOUT,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE)

    def test_stops(self):
        "Test every kind of server stops with one line"
        servers = [
            [sys.executable, TOP / 'scripts' / 'serve.py',
                '--database', self.database],
            # What gunicorn loads
            [sys.executable, '-c', 'import trytond.application'],
            ]
        content = KEYRING.read_text()
        class_ = 'TRYTOND_EARLY_ACCESS__KEYRING_CLASS'
        for words, content, mode, environ in [
                ("cannot be read", None, None, {}),
                ("malformed", content[:-10], 0o600, {}),
                ("owner alone", content, 0o640, {}),
                ("there is no keyring", content, 0o600,
                    {'TRYTOND_EARLY_ACCESS__KEYRING': ''}),
                ("cannot be loaded", content, 0o600, {class_: 'no.such'}),
                ("does not answer", content, 0o600, {
                        class_: 'trytond.modules.early_access.tests.kms.'
                        'KMSKeyring'}),
                ]:
            self.keyring.unlink(missing_ok=True)
            if content is not None:
                self.keyring.write_text(content)
                self.keyring.chmod(mode)
            for command in servers:
                with self.subTest(words, server=command[1]):
                    result = self._start(*command, **environ)
                    self.assertEqual(result.returncode, 3, result.stderr)
                    error, = [
                        line for line in result.stderr.splitlines()
                        if 'encryption of the volumes' not in line]
                    self.assertRegex(error, r'\Aearly_access: ')
                    self.assertIn(words, error)


if __name__ == '__main__':
    unittest.main()
