# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import base64
import datetime as dt
import io
import json
import os
import stat
import subprocess
import sys
import tempfile
import unittest
from contextlib import redirect_stderr, redirect_stdout
from unittest.mock import patch

import trytond.config as config
from trytond.modules.early_access import keyring, keyring_command
from trytond.modules.early_access.keyring import (
    FileKeyring, KeyringError)

KEY = bytes(range(32))
KEK = bytes(range(32, 64))
ARCHIVE = keyring.ARCHIVE_SUFFIX


class KeyringTestCase(unittest.TestCase):
    "The file of the key-encryption keys"

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.path = os.path.join(directory.name, 'keyring')

    def run_command(self, *args):
        out, err = io.StringIO(), io.StringIO()

        def configured(name='keyring'):
            return self.path + {
                'keyring': '', 'archive_keyring': ARCHIVE}[name]

        with patch.object(keyring_command, 'configured', configured), \
                patch.object(keyring, 'configured', configured), \
                redirect_stdout(out), redirect_stderr(err):
            status = keyring_command.main(args)
        self.output = out.getvalue()
        return status, err.getvalue()

    def files(self):
        return sorted(os.listdir(os.path.dirname(self.path)))

    def write(self, content, mode=0o600):
        with open(self.path, 'w') as file:
            file.write(
                content if isinstance(content, str) else json.dumps(content))
        os.chmod(self.path, mode)

    def document(self, **keks):
        return {
            'version': 1,
            'active': next(iter(keks)),
            'keys': {
                name: {'key': base64.b64encode(kek).decode('ascii')}
                for name, kek in keks.items()},
            }

    def assert_refused(self, words):
        with self.assertRaises(KeyringError) as cm:
            FileKeyring(self.path).check()
        message = str(cm.exception)
        self.assertIn(words, message)
        self.assertIn(self.path, message)
        self.assertNotIn('\n', message)

    def test_init(self):
        self.assertEqual(self.run_command('init'), (0, ''))
        stat_ = os.stat(self.path)
        self.assertEqual(stat.S_IMODE(stat_.st_mode), 0o600)
        self.assertEqual(self.files(), ['keyring', 'keyring.archive'])
        FileKeyring(self.path).check()
        FileKeyring(self.path + ARCHIVE).check()
        with open(self.path) as one, open(self.path + ARCHIVE) as other:
            self.assertNotEqual(one.read(), other.read())

    def test_init_archive(self):
        "Where there was none for the archive, it alone is created"
        self.write(self.document(a=KEK))
        self.assertEqual(self.run_command('init', '--if-missing'), (0, ''))
        self.assertIn(ARCHIVE, self.output)
        self.assertEqual(self.files(), ['keyring', 'keyring.archive'])
        with open(self.path) as file:
            self.assertEqual(json.load(file), self.document(a=KEK))

    def test_init_never_overwrites(self):
        self.run_command('init')
        with open(self.path) as file:
            content = file.read()
        status, error = self.run_command('init')
        self.assertEqual(status, 1)
        self.assertEqual(error.count('\n'), 1)
        self.assertIn("already exists", error)
        with open(self.path) as file:
            self.assertEqual(file.read(), content)
        self.assertEqual(self.files(), ['keyring', 'keyring.archive'])

    def test_init_if_missing(self):
        self.assertEqual(self.run_command('init', '--if-missing'), (0, ''))
        with open(self.path) as file:
            content = file.read()
        self.assertEqual(self.run_command('init', '--if-missing'), (0, ''))
        with open(self.path) as file:
            self.assertEqual(file.read(), content)

    def test_init_if_missing_checks(self):
        self.write("garbage")
        status, error = self.run_command('init', '--if-missing')
        self.assertEqual(status, 1)
        self.assertIn("malformed", error)

    def test_init_ignores_umask(self):
        previous = os.umask(0)
        try:
            self.run_command('init')
        finally:
            os.umask(previous)
        self.assertEqual(
            stat.S_IMODE(os.stat(self.path).st_mode), 0o600)

    def test_init_missing_directory(self):
        self.path = os.path.join(self.path, 'missing')
        status, error = self.run_command('init')
        self.assertEqual(status, 1)
        self.assertEqual(error.count('\n'), 1)

    def test_missing(self):
        self.assert_refused("early-access-keyring init")

    def test_readable_by_others(self):
        for mode in [0o640, 0o604, 0o620, 0o610, 0o644]:
            with self.subTest(mode=oct(mode)):
                self.write(self.document(a=KEK), mode)
                self.assert_refused("owner alone")

    @unittest.skipUnless(os.geteuid() == 0, "only root gives a file away")
    def test_not_owned(self):
        self.write(self.document(a=KEK))
        os.chown(self.path, 12345, -1)
        self.assert_refused("must belong")

    def test_not_a_file(self):
        os.mkdir(self.path, 0o700)
        self.assert_refused("not a file")

    def test_malformed(self):
        good = self.document(a=KEK)
        for name, content in {
                'empty': '',
                'not JSON': '{',
                'list': [],
                'version': good | {'version': 2},
                'no keys': good | {'keys': {}},
                'keys not a dict': good | {'keys': [1]},
                'entry not a dict': good | {'keys': {'a': 'x'}},
                'not base64': good | {'keys': {'a': {'key': '%%%'}}},
                'not text': good | {'keys': {'a': {'key': 3}}},
                'short': self.document(a=KEK[:16]),
                'no active': good | {'active': None},
                'unknown active': good | {'active': 'b'},
                'unhashable active': good | {'active': []},
                'retired not a dict': good | {'retired': []},
                'retired entry': good | {'retired': {'b': 3}},
                'created': good | {'keys': {
                        'a': good['keys']['a'] | {'created': 'today'}}},
                'backups': good | {'retired': {
                        'b': {'backups_expired': '2024'}}},
                }.items():
            with self.subTest(name):
                self.write(content)
                self.assert_refused("malformed")

    def test_wrap(self):
        self.write(self.document(a=KEK))
        ring = FileKeyring(self.path)
        kek_id, wrapped = ring.wrap(KEY)
        self.assertEqual(kek_id, 'a')
        self.assertNotIn(KEY[:8], wrapped)
        self.assertEqual(ring.unwrap(kek_id, wrapped), KEY)

    def test_rotate(self):
        self.write(self.document(a=KEK))
        ring, other = FileKeyring(self.path), FileKeyring(self.path)
        _, wrapped = other.wrap(KEY)
        kek_id = ring.rotate()

        self.assertEqual(other.wrap(KEY)[0], kek_id)
        self.assertEqual(other.unwrap('a', wrapped), KEY)
        self.assertEqual(
            [(k.id, k.state) for k in other.keys()],
            [('a', 'replaced'), (kek_id, 'active')])
        old, new = other.keys()
        self.assertEqual(old.replaced, new.created)
        self.assertEqual(
            stat.S_IMODE(os.stat(self.path).st_mode), 0o600)
        self.assertEqual(os.listdir(os.path.dirname(self.path)), ['keyring'])

    def test_rotate_through_link(self):
        "The file is replaced, and not the link to it"
        target, link = self.path, self.path + '-link'
        self.write(self.document(a=KEK))
        os.symlink(target, link)
        FileKeyring(link).rotate()
        self.assertTrue(os.path.islink(link))
        self.assertEqual(len(FileKeyring(target).keys()), 2)

    def test_rotate_at_once(self):
        "Rotations that run at once lose no key"
        self.write(self.document(a=KEK))
        code = (
            'import sys\n'
            'from trytond.modules.early_access.keyring import FileKeyring\n'
            'sys.stdin.readline()\n'
            f'for _ in range(20): FileKeyring({self.path!r}).rotate()')
        processes = [
            subprocess.Popen(
                [sys.executable, '-W', 'ignore', '-c', code],
                stdin=subprocess.PIPE, text=True)
            for _ in range(3)]
        for process in processes:
            process.stdin.write('\n')
            process.stdin.flush()
        for process in processes:
            process.communicate()
            self.assertEqual(process.returncode, 0)
        keys = FileKeyring(self.path).keys()
        self.assertEqual(len(keys), 61)
        self.assertEqual([k.active for k in keys], [False] * 60 + [True])

    def test_rotate_killed(self):
        "What a process that was killed has left is not kept"
        self.write(self.document(a=KEK))
        directory = os.path.dirname(self.path)
        with open(os.path.join(directory, '.keyring.new'), 'w') as file:
            file.write("half a keyr")
        FileKeyring(self.path).rotate()
        self.assertEqual(os.listdir(directory), ['keyring'])

    def test_rotate_refused(self):
        "A file that the server would refuse is not changed"
        for content, mode in [('{', 0o600), (self.document(a=KEK), 0o640)]:
            self.write(content, mode)
            with open(self.path) as file:
                before = file.read()
            with self.assertRaises(KeyringError):
                FileKeyring(self.path).rotate()
            with open(self.path) as file:
                self.assertEqual(file.read(), before)

    def test_rotate_copy(self):
        self.write(self.document(a=KEK))
        copy = self.path + '-copy'
        kek_id = FileKeyring(self.path).rotate(copy=copy)
        self.assertEqual(FileKeyring(copy).wrap(KEY)[0], kek_id)
        with self.assertRaisesRegex(KeyringError, "already exists"):
            FileKeyring(self.path).rotate(copy=copy)
        self.assertEqual(FileKeyring(self.path).wrap(KEY)[0], kek_id)

    def test_rewrap(self):
        self.write(self.document(a=KEK))
        ring = FileKeyring(self.path)
        wrapped = [ring.wrap(bytes([i]) * 32) for i in range(3)]
        kek_id = ring.rotate()
        again = ring.rewrap(wrapped)
        self.assertEqual({kek for kek, _ in again}, {kek_id})
        self.assertEqual(
            [ring.unwrap(*w) for w in again],
            [bytes([i]) * 32 for i in range(3)])
        with self.assertRaisesRegex(KeyringError, "does not open"):
            ring.rewrap([*wrapped, ('a', bytes(40))])

    def test_retire(self):
        self.write(self.document(a=KEK))
        ring = FileKeyring(self.path)
        _, wrapped = ring.wrap(KEY)
        expired = dt.date(2024, 5, 1)
        with self.assertRaisesRegex(KeyringError, "is active"):
            ring.retire('a', expired)
        kek_id = ring.rotate()
        ring.retire('a', expired)

        with open(self.path) as file:
            self.assertNotIn(
                base64.b64encode(KEK).decode('ascii'), file.read())
        with self.assertRaisesRegex(KeyringError, "does not hold"):
            ring.unwrap('a', wrapped)
        with self.assertRaisesRegex(KeyringError, "does not hold"):
            ring.retire('a', expired)
        retired, active = ring.keys()
        self.assertEqual((retired.id, retired.state), ('a', 'retired'))
        self.assertEqual(retired.backups_expired, expired)
        self.assertTrue(retired.retired)
        self.assertEqual((active.id, active.state), (kek_id, 'active'))
        # The next rotation remembers it
        ring.rotate()
        self.assertEqual(
            [k.state for k in ring.keys()],
            ['retired', 'replaced', 'active'])

    def test_status(self):
        "The keys are shown, but never what they are made of"
        self.write(self.document(a=KEK))
        status, error = self.run_command('status', '--json')
        self.assertEqual((status, error), (0, ''))
        document = json.loads(self.output)
        self.assertEqual(
            [(k['id'], k['state']) for k in document['keys']],
            [('a', 'active')])
        self.assertNotIn(
            base64.b64encode(KEK).decode('ascii'), self.output)

    def test_malformed_command(self):
        "Every command says what is wrong in one line"
        self.write('{')
        for args in [
                ['status'], ['rotate', '-d', 'x'], ['rewrap', '-d', 'x'],
                ['retire', 'a', '-d', 'x', '--backups-expired',
                    '2024-01-01']]:
            with self.subTest(args):
                status, error = self.run_command(*args)
                self.assertEqual(status, 1)
                self.assertRegex(
                    error, r'\Aearly-access-keyring: .*malformed[^\n]*\n\Z')

    def test_wrap_vector(self):
        "RFC 3394, 4.6"
        self.write(self.document(a=KEY))
        data = bytes.fromhex(
            '00112233445566778899AABBCCDDEEFF000102030405060708090A0B0C0D0E0F')
        _, wrapped = FileKeyring(self.path).wrap(data)
        self.assertEqual(wrapped.hex().upper(),
            '28C9F404C4B810F4CBCCB35CFB87F8263F5786E2D80ED326'
            'CBC7F0E71A99F43BFB988B9B7A02DD21')

    def test_unwrap_unknown(self):
        self.write(self.document(a=KEK))
        ring = FileKeyring(self.path)
        _, wrapped = ring.wrap(KEY)
        with self.assertRaisesRegex(KeyringError, "does not hold"):
            ring.unwrap('b', wrapped)

    def test_unwrap_altered(self):
        self.write(self.document(a=KEK))
        ring = FileKeyring(self.path)
        _, wrapped = ring.wrap(KEY)
        for other in [b'', wrapped[:-8], wrapped[:-1] + b'\0', bytes(40)]:
            with self.assertRaisesRegex(KeyringError, "does not open"):
                ring.unwrap('a', other)

    def test_follows_file(self):
        self.write(self.document(a=KEK))
        ring = FileKeyring(self.path)
        _, wrapped = ring.wrap(KEY)
        self.write(self.document(b=KEY, a=KEK))
        self.assertEqual(ring.wrap(KEY)[0], 'b')
        self.assertEqual(ring.unwrap('a', wrapped), KEY)
        os.chmod(self.path, 0o644)
        with self.assertRaises(KeyringError):
            ring.unwrap('a', wrapped)
        os.unlink(self.path)
        with self.assertRaises(KeyringError):
            ring.unwrap('a', wrapped)

    def run_python(self, code, **environ):
        environ = {
            **{k: v for k, v in os.environ.items()
                if k not in {
                    'TRYTOND_CONFIG', 'TRYTOND_EARLY_ACCESS__KEYRING'}},
            **environ}
        return subprocess.run(
            [sys.executable, '-W', 'ignore', '-c', code], env=environ,
            capture_output=True, text=True)

    def test_process_stops(self):
        "The server stops with one line"
        self.write(self.document(a=KEK), 0o640)
        for environ in [{}, {'TRYTOND_EARLY_ACCESS__KEYRING': self.path}]:
            result = self.run_python(
                'from trytond.modules.early_access.keyring import '
                'check_or_exit\n'
                'import threading\n'
                'thread = threading.Thread(target=check_or_exit)\n'
                'thread.start(); thread.join(); print("alive")', **environ)
            self.assertEqual(result.returncode, 3)
            self.assertEqual(result.stdout, '')
            self.assertRegex(result.stderr, r'\Aearly_access: [^\n]+\n\Z')

    def test_server_stops(self):
        "The import of the module stops a server, but no other tool"
        self.write(self.document(a=KEK), 0o640)
        server = 'import trytond.application'
        tool = 'from trytond.pool import Pool; Pool.start()'
        for code, environ, status in [
                (server, {'TRYTOND_EARLY_ACCESS__KEYRING': self.path}, 3),
                (server, {}, 0),
                (tool, {'TRYTOND_EARLY_ACCESS__KEYRING': self.path}, 0),
                ]:
            with self.subTest(code=code, environ=environ):
                result = self.run_python(code, **environ)
                self.assertEqual(result.returncode, status, result.stderr)

    def test_unknown_keyring_class(self):
        for class_ in ['missing', 'no.such.Class', f'{__name__}.Missing']:
            with self.subTest(class_), self.configuration(
                    keyring='somewhere', keyring_class=class_):
                with self.assertRaisesRegex(KeyringError, "cannot be loaded"):
                    keyring.get_keyring()

    def configuration(self, **values):
        return patch.object(
            config, 'get', side_effect=lambda section, name: values[name])

    def test_keyring_class(self):
        "Another class can stand for the file"
        class_ = f'{__name__}.MemoryKeyring'
        with self.configuration(keyring='somewhere', keyring_class=class_):
            ring = keyring.get_keyring()
            out, err = io.StringIO(), io.StringIO()
            with redirect_stdout(out), redirect_stderr(err):
                self.assertEqual(keyring_command.main(['init']), 1)
            self.assertIn("not a file", err.getvalue())
        self.assertEqual(type(ring).__name__, 'MemoryKeyring')
        self.assertEqual(ring.unwrap(*ring.wrap(KEY)), KEY)


class MemoryKeyring:

    def __init__(self, location):
        self.location = location

    def wrap(self, key):
        return self.location, key[::-1]

    def unwrap(self, kek_id, wrapped):
        return wrapped[::-1]

    def check(self):
        pass
