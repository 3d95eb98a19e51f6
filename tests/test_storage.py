# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
import json
import os
import pathlib
import subprocess
import tempfile

from harness import BIN, KEYRING, TOP, Server, ServerTestCase

STORE = 'trytond.modules.early_access.filestore.SealedFileStore'
MARKER = b'ZQXJ marker of a document'


def documents(config):
    "Two attachments, stored in clear by the store of the server"
    from proteus import Model
    User = Model.get('res.user', config=config)
    Attachment = Model.get('ir.attachment', config=config)
    user, = User.find([('login', '=', 'admin')])
    for name in ['first', 'second']:
        Attachment(name=name, resource=user, data=MARKER).save()


class VolumeTestCase(ServerTestCase):
    "What the server says of the volumes when it starts"

    def report(self, environ):
        server = Server(self.database, self.databases.environ | environ)
        try:
            return [
                line for line in server.log.splitlines()
                if 'encryption of the volumes' in line]
        finally:
            server.stop()

    def test_declared(self):
        line, = self.report({
                'TRYTOND_EARLY_ACCESS__VOLUME_ENCRYPTION': 'LUKS\n2'})
        self.assertIn(' INFO ', line)
        self.assertIn('declared (LUKS 2)', line)

    def test_not_declared(self):
        for environ in [{}, {'TRYTOND_EARLY_ACCESS__VOLUME_ENCRYPTION': ' '}]:
            line, = self.report(environ)
            self.assertIn(' WARNING ', line)
            self.assertIn('not declared', line)
            self.assertIn('volume_encryption', line)

    def test_application(self):
        "Under another WSGI server too, and no other tool says it"
        for code, lines in [
                ('import trytond.application', 1),
                ('from trytond.pool import Pool; Pool.start()', 0),
                ('import trytond.cli.cron\n'
                    'from trytond.pool import Pool; Pool.start()', 0),
                ]:
            result = subprocess.run(
                [BIN / 'python', '-W', 'ignore', '-c', code],
                env=self.databases.environ, capture_output=True, text=True)
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertEqual(
                result.stderr.count('encryption of the volumes'), lines)


class KeyringTestCase(ServerTestCase):
    "A server that loads the models of a database without a usable keyring"

    def test_stops(self):
        with tempfile.TemporaryDirectory() as directory:
            shared = pathlib.Path(directory, 'keyring')
            shared.write_bytes(KEYRING.read_bytes())
            shared.chmod(0o640)
            for keyring in [None, '/nowhere/keyring', str(shared)]:
                for command, names in [
                        ([TOP / 'scripts' / 'serve.py',
                            '--database', self.database], ''),
                        (['-c', 'import trytond.application'],
                            self.database),
                        ]:
                    with self.subTest(keyring=keyring, command=command):
                        self.stops(keyring, command, names)

    def stops(self, keyring, command, names):
        environ = self.databases.environ | {
            'TRYTOND_DATABASE_NAMES': names,
            'TRYTOND_WEB__LISTEN': 'localhost:0',
            }
        if keyring is None:
            del environ['TRYTOND_EARLY_ACCESS__KEYRING']
        else:
            environ['TRYTOND_EARLY_ACCESS__KEYRING'] = keyring
        result = subprocess.run(
            [BIN / 'python', '-W', 'ignore', *command], env=environ,
            capture_output=True, text=True, timeout=120)
        self.assertEqual(result.returncode, 3, result.stderr)
        line, = [
            line for line in result.stderr.splitlines()
            if 'encryption of the volumes' not in line]
        self.assertTrue(line.startswith('early_access: '))


class FilesTestCase(ServerTestCase):
    "To turn on the sealed store on files that are in clear"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        directory = tempfile.TemporaryDirectory()
        cls.addClassCleanup(directory.cleanup)
        cls.keyring = os.path.join(directory.name, 'keyring')
        # SQLite finds its databases in the same place
        cls.top = pathlib.Path(directory.name, 'store')
        cls.top.mkdir()
        cls.server.stop()
        if cls.databases.backend == 'sqlite':
            path = cls.databases.databases._path(cls.database)
            os.link(path, cls.top / path.name)
        cls.environ = cls.databases.environ | {
            'TRYTOND_DATABASE__PATH': str(cls.top)}
        cls.sealed = cls.environ | {
            'TRYTOND_DATABASE__CLASS': STORE,
            'TRYTOND_EARLY_ACCESS__KEYRING': str(KEYRING),
            }

    def command(self, *args):
        return subprocess.run(
            [BIN / 'early-access-files', '-d', self.database, *args],
            env=self.sealed, capture_output=True, text=True)

    def files(self):
        return [
            p.read_bytes() for p in self.top.rglob('*')
            if p.is_file() and '.sqlite' not in p.name]

    def read(self, environ):
        from proteus import Model
        server = self.server
        self.__class__.server = Server(self.database, environ)
        try:
            with self.script() as config:
                Attachment = Model.get('ir.attachment', config=config)
                return [a.data for a in Attachment.find([])]
        finally:
            self.server.stop()
            self.__class__.server = server

    def test_turned_on(self):
        self.__class__.server = Server(self.database, self.environ)
        with self.script() as config:
            documents(config)
        self.server.stop()
        self.assertEqual(self.files(), [MARKER, MARKER])
        with self.assertRaises(Exception) as cm:
            self.read(self.sealed)
        self.assertIn('early-access-files seal', str(cm.exception))
        self.assertEqual(self.command('status').stdout, "in clear: 2\n")

        result = self.command('seal')

        self.assertEqual(result.stdout, "2 files were sealed.\n")
        with open(KEYRING) as file:
            active = json.load(file)['active']
        self.assertEqual(
            self.command('status').stdout, f"{active}: 2\nin clear: 0\n")
        self.assertEqual(
            self.command('rewrap').stdout, "0 files were wrapped again.\n")
        for content in self.files():
            self.assertNotIn(MARKER, content)
        self.assertEqual(self.read(self.sealed), [MARKER, MARKER])

    def test_configuration_file(self):
        "The option gives the kind of database too"
        with tempfile.NamedTemporaryFile('w') as fp:
            fp.write('\n'.join([
                        '[database]',
                        f"uri = {self.sealed['TRYTOND_DATABASE_URI']}",
                        f'path = {self.top}',
                        '[early_access]',
                        f'keyring = {KEYRING}',
                        '']))
            fp.flush()
            result = subprocess.run(
                [BIN / 'early-access-files', '-c', fp.name,
                    '-d', self.database, 'status'],
                env={
                    k: v for k, v in os.environ.items()
                    if not k.startswith('TRYTOND_')},
                capture_output=True, text=True)
        self.assertEqual(result.stderr, '')
        self.assertIn("in clear: ", result.stdout)

    def test_no_keyring(self):
        result = subprocess.run(
            [BIN / 'early-access-files', '-d', self.database, 'status'],
            env=self.sealed | {'TRYTOND_EARLY_ACCESS__KEYRING': self.keyring},
            capture_output=True, text=True)
        self.assertEqual(result.returncode, 1)
        self.assertRegex(result.stderr, r'\Aearly-access-files: [^\n]+\n\Z')
