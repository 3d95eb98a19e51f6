# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import base64
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
from trytond.modules.early_access.keyring import FileKeyring, KeyringError

KEY = bytes(range(32))
KEK = bytes(range(32, 64))


class KeyringTestCase(unittest.TestCase):
    "The file of the key-encryption keys"

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.path = os.path.join(directory.name, 'keyring')

    def run_command(self, *args):
        out, err = io.StringIO(), io.StringIO()
        with patch.object(
                    keyring_command, 'configured', return_value=self.path), \
                redirect_stdout(out), redirect_stderr(err):
            status = keyring_command.main(args)
        return status, err.getvalue()

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
        self.assertEqual(os.listdir(os.path.dirname(self.path)), ['keyring'])
        FileKeyring(self.path).check()

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
        self.assertEqual(os.listdir(os.path.dirname(self.path)), ['keyring'])

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

    def test_keyring_class(self):
        "Another class can stand for the file"
        with patch.object(config, 'get', side_effect=lambda s, o: {
                    'keyring': 'somewhere',
                    'keyring_class': (
                        'trytond.modules.early_access.tests.test_keyring.'
                        'MemoryKeyring'),
                    }[o]):
            ring = keyring.get_keyring()
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
