# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"What the demo and the tests share: places, databases and fingerprints."
import fcntl
import functools
import hashlib
import os
import pathlib
import shutil
import sqlite3
import sys
import time
from contextlib import closing, contextmanager
from urllib.parse import quote, urlsplit

TOP = pathlib.Path(__file__).resolve().parent.parent
VAR = TOP / 'var'
CLIENT = VAR / 'sao'
PROVIDER = VAR / 'provider'
# Not resolved, because the interpreter of .venv is a link out of it
BIN = pathlib.Path(sys.executable).parent


class Failure(Exception):
    "A reason to stop that needs no traceback."


def test_prefix():
    "Return what the names of the test databases of this tree start with."
    return f'early_access_test_{_short_hash(str(TOP).encode())}_'


def _short_hash(data):
    return hashlib.sha256(data).hexdigest()[:8]


@functools.cache
def fingerprint():
    """Return a hash of the module sources that shape a database.

    A database made under another fingerprint needs an update.
    """
    digest = hashlib.sha256()
    for path in sorted((TOP / 'modules').rglob('*')):
        if (path.suffix in {'.cfg', '.po', '.py', '.svg', '.xml'}
                and 'tests' not in path.parts):
            digest.update(str(path.relative_to(TOP)).encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


@contextmanager
def locked(path):
    "Hold a lock between processes for the duration of the block."
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, 'w') as fp:
        fcntl.flock(fp, fcntl.LOCK_EX)
        yield


class SQLite:
    "The databases in a directory."
    backend = 'sqlite'

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)

    @property
    def environ(self):
        "The environment under which trytond finds the databases."
        return {
            'TRYTOND_DATABASE_URI': 'sqlite://',
            'TRYTOND_DATABASE__URI': 'sqlite://',
            'TRYTOND_DATABASE__PATH': str(self.directory),
            }

    def _path(self, name):
        return self.directory / f'{name}.sqlite'

    def names(self):
        return {p.stem for p in self.directory.glob('*.sqlite')}

    def create(self, name):
        self._path(name).touch()

    def drop(self, name):
        for suffix in ['', '-wal', '-shm']:
            path = self._path(name)
            path.with_name(path.name + suffix).unlink(missing_ok=True)

    def rename(self, source, target):
        with self.connect(source) as connection:
            # The file alone is moved, so nothing may stay in its log
            connection.execute('PRAGMA wal_checkpoint(TRUNCATE)')
        # The log of one that was deleted would spoil it
        self.drop(target)
        os.replace(self._path(source), self._path(target))
        self.drop(source)

    def clone(self, source, target):
        with self.connect(source) as connection:
            connection.execute('PRAGMA wal_checkpoint(TRUNCATE)')
        shutil.copyfile(self._path(source), self._path(target))

    @contextmanager
    def connect(self, name):
        with closing(sqlite3.connect(self._path(name))) as connection:
            yield connection


class PostgreSQL:
    "The databases of a server."
    backend = 'postgresql'

    def __init__(self, uri):
        self.uri = urlsplit(uri)._replace(path='')

    @property
    def environ(self):
        "The environment under which trytond finds the databases."
        return {
            'TRYTOND_DATABASE_URI': self.uri.geturl(),
            'TRYTOND_DATABASE__URI': self.uri.geturl(),
            }

    def names(self):
        with self.connect() as connection:
            cursor = connection.execute('SELECT datname FROM pg_database')
            return {name for name, in cursor}

    def create(self, name, template='template0'):
        with self.connect() as connection:
            connection.execute(
                f'CREATE DATABASE "{name}" TEMPLATE "{template}"'
                + (" ENCODING 'UTF8'" if template == 'template0' else ''))

    def drop(self, name):
        with self.connect() as connection:
            connection.execute(
                f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def rename(self, source, target):
        self._wait_alone(source)
        with self.connect() as connection:
            connection.execute(
                f'ALTER DATABASE "{source}" RENAME TO "{target}"')

    def clone(self, source, target):
        self._wait_alone(source)
        self.create(target, template=source)

    def _wait_alone(self, name):
        "Wait for the backends of ended processes to leave the database"
        for _ in range(100):
            with self.connect() as connection:
                count, = connection.execute(
                    'SELECT count(*) FROM pg_stat_activity '
                    'WHERE datname = %s', [name]).fetchone()
            if not count:
                break
            time.sleep(.1)

    @contextmanager
    def connect(self, name='postgres'):
        # Only an installation with the extra "postgresql" has it
        import psycopg
        uri = self.uri._replace(path='/' + quote(name))
        try:
            connection = psycopg.connect(
                uri.geturl(), autocommit=True, connect_timeout=10)
        except psycopg.OperationalError as error:
            # The URI may hold a password
            reason = str(error).splitlines()[0]
            raise Failure(
                f"no PostgreSQL answers on {uri.hostname or 'localhost'}, "
                f"port {uri.port or 5432} ({reason})") from None
        with closing(connection):
            yield connection


def databases(uri, directory):
    """Return the databases that trytond finds at the URI.

    SQLite ones are kept in the directory.
    """
    scheme = urlsplit(uri).scheme
    if scheme == 'postgresql':
        return PostgreSQL(uri)
    elif scheme == 'sqlite':
        return SQLite(directory)
    raise Failure(
        f"To use the database '{uri}', "
        "you must give a URI that starts with postgresql:// or sqlite://.")
