# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""A real server and a real database for the tests.

A test case derives from :class:`ServerTestCase` to speak to a server over
HTTP, or from :class:`browser.BrowserTestCase` to use the browser client.

The database is the one that TRYTOND_DATABASE_URI names: SQLite by default.
"""
import fcntl
import hashlib
import importlib
import inspect
import itertools
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.request
from contextlib import contextmanager, suppress

sys.path.insert(
    0, str(pathlib.Path(__file__).resolve().parent.parent / 'scripts'))

from common import (  # noqa: E402
    BIN, CLIENT, TOP, VAR, databases, fingerprint, locked, test_prefix)

PASSWORD = 'early-access-test'
POSTGRESQL_URI = 'postgresql://postgres@127.0.0.1:5432/'
WORK = VAR / 'test'
KEYRING = WORK / 'keyring'
# Where the module tests keep databases
CACHE = WORK / 'cache'
_counter = itertools.count(1)


def clean(databases, templates=False):
    """Drop the databases of this process and of those that have ended.

    With templates drop also what is kept for the next runs.
    """
    prefix = test_prefix()
    for place in databases:
        for name in place.names():
            if not name.startswith(prefix):
                continue
            process, _, number = name.removeprefix(prefix).partition('_')
            if number.isdigit():
                if (int(process) == os.getpid()
                        or not pathlib.Path('/proc', process).exists()):
                    place.drop(name)
            elif templates:
                place.drop(name)
    if templates:
        shutil.rmtree(CACHE, ignore_errors=True)


@contextmanager
def running(databases, keep):
    """Clean before and after a run, sparing the runs beside it.

    The templates are worth keeping while one test is worked on only.
    """
    with locked(WORK / 'locks' / 'keyring'):
        subprocess.run(
            [BIN / 'early-access-keyring', 'init', '--if-missing'],
            check=True, stdout=subprocess.DEVNULL,
            env=os.environ | {'TRYTOND_EARLY_ACCESS__KEYRING': str(KEYRING)})
    with open(WORK / 'running.lock', 'w') as fp:
        fcntl.flock(fp, fcntl.LOCK_SH)
        clean(databases)
        CACHE.mkdir(exist_ok=True)
        try:
            yield
        finally:
            with suppress(BlockingIOError):
                if not keep:
                    fcntl.flock(fp, fcntl.LOCK_EX | fcntl.LOCK_NB)
                clean(databases, templates=not keep)


class TestDatabases:
    """The databases of the tests, made of templates.

    A template is made once for the modules and the fixtures as they are and
    kept for the next runs.
    """

    def __init__(self):
        self.databases = databases(
            os.environ.get('TRYTOND_DATABASE_URI', 'sqlite://'),
            WORK / 'databases')
        self.backend = self.databases.backend
        self.environ = os.environ | self.databases.environ | {
            'TRYTOND_CACHE__CLEAN_TIMEOUT': '0',
            # As tryton.conf has it
            'TRYTOND_DATABASE__RETRY': '20',
            # The password alone, of any strength
            'TRYTOND_EARLY_ACCESS__DEMONSTRATION': 'True',
            'TRYTOND_EARLY_ACCESS__KEYRING': str(KEYRING),
            'TRYTOND_WEB__ROOT': str(CLIENT),
            'PYTHONPATH': os.pathsep.join(
                [str(TOP / d) for d in ['tests', 'scripts', 'benchmarks']]),
            # proteus gives trytond the name of the database in the URI
            'PYTHONWARNINGS': 'ignore:The path specified in the URI',
            }
        # The configuration is the environment only
        self.environ.pop('TRYTOND_CONFIG', None)

    def new(self, module, fixtures=None):
        "Return the name of a new database, ready for a server."
        name = f'{test_prefix()}{os.getpid()}_{next(_counter)}'
        template = self.template(module, fixtures)
        self.databases.clone(template, name)
        return name

    def drop(self, name):
        self.databases.drop(name)

    def template(self, module, fixtures=None):
        key = [module, fingerprint()]
        if fixtures:
            path = pathlib.Path(inspect.getsourcefile(fixtures))
            key += [path.name, fixtures.__qualname__, path.read_text()]
        key = hashlib.sha256(repr(key).encode()).hexdigest()[:12]
        name = f'{test_prefix()}{key}'
        with locked(WORK / 'locks' / name):
            if name not in self.databases.names():
                building = f'{name}_building'
                self.databases.drop(building)
                if fixtures:
                    self.databases.clone(self.template(module), building)
                    self._run(sys.executable, __file__, building,
                        fixtures.__module__, fixtures.__qualname__)
                else:
                    self.databases.create(building)
                    self._activate(building, module)
                self.databases.rename(building, name)
        return name

    def _activate(self, name, module):
        with tempfile.NamedTemporaryFile('w') as fp:
            fp.write(PASSWORD)
            fp.flush()
            self._run(BIN / 'trytond-admin', '--database', name,
                '--update', module, '--activate-dependencies',
                '--language', 'fr', '--email', 'admin@example.com',
                TRYTONPASSFILE=fp.name)
        self._run(
            sys.executable, TOP / 'scripts' / 'finish_setup.py',
            '--database', name)

    def _run(self, *command, **environ):
        process = subprocess.run(
            command, cwd=TOP, env=self.environ | environ, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT)
        if process.returncode:
            raise RuntimeError(f"{command} failed:\n{process.stdout}")


class Server:
    """A trytond server on a free port, in a process of its own.

    :param script: the path of what runs trytond.
    """

    def __init__(
            self, database, environ, script=TOP / 'scripts' / 'serve.py'):
        self.database = database
        with socket.socket() as sock:
            sock.bind(('localhost', 0))
            _, port = sock.getsockname()
        # Chromium keeps the secure cookie of the session for localhost only
        self.address = f'http://localhost:{port}/'
        self.log_path = WORK / 'logs' / f'{database}.log'
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.log_path, 'w') as log:
            self._process = subprocess.Popen(
                [sys.executable, script, '--database', database], cwd=TOP,
                env=environ | {'TRYTOND_WEB__LISTEN': f'localhost:{port}'},
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            self._wait()
        except BaseException:
            self.stop()
            raise

    def _wait(self, timeout=120):
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            try:
                urllib.request.urlopen(self.address, timeout=10).close()
            except urllib.error.HTTPError:
                return
            except OSError:
                time.sleep(.1)
            else:
                return
        raise RuntimeError(f"The server did not start:\n{self.log}")

    @property
    def log(self):
        return self.log_path.read_text()

    def stop(self):
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class ServerTestCase(unittest.TestCase):
    """A test case with a server and a database of its own.

    `module` is the module to activate, with its dependencies and in English
    and French.  `fixtures` is a function at the top of a module of tests/ or
    scripts/ that takes a proteus configuration connected as admin and makes
    the records that the tests need.  `environ` is what the server has in its
    environment beside what all have.
    """
    module = 'early_access'
    fixtures = None
    environ = {}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.databases = TestDatabases()
        cls.database = cls.databases.new(cls.module, cls.fixtures)
        cls.addClassCleanup(cls.databases.drop, cls.database)
        cls.server = Server(
            cls.database, cls.databases.environ | cls.environ)
        cls.addClassCleanup(cls.server.stop)

    @contextmanager
    def script(self, login='admin', password=PASSWORD):
        """Connect proteus to the server as the user.

        For the duration of the block the models of proteus act as this user,
        through XML-RPC, as any script does.
        """
        from proteus import config
        url = f'{self.server.address}{self.database}/rpc/'
        with config.set_xmlrpc_session(
                url, login, password) as configuration:
            yield configuration


def _main(database, module, function):
    from proteus import config
    function = getattr(importlib.import_module(module), function)
    function(config.set_trytond(database))


if __name__ == '__main__':
    _main(*sys.argv[1:])
