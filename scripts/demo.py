# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Make the database of the demonstration when it is missing and serve it.

The environment gives PORT and DATABASE_URI, and MFA to ask the second factor.
"""
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from urllib.parse import urlsplit

from common import BIN, TOP, VAR, Failure, databases, fingerprint, locked

CONFIG = 'config/demo.conf'
MFA = 'config/mfa.conf'
KEYRING = VAR / 'keyring'
# Only for a server on localhost, with data that somebody made up
PASSWORD = 'early-access-demo'
SERVER = 'localhost'


class Demo:

    def __init__(self, uri, port, mfa=False):
        self.databases = databases(uri, VAR)
        self.name = urlsplit(uri).path.strip('/') or 'demo'
        self.building = f'{self.name}_building'
        self.port = port
        self.environ = os.environ | self.databases.environ | {
            # SQLite takes a relative path from the root
            'TRYTOND_DATABASE__PATH': str(VAR),
            'TRYTOND_CONFIG': CONFIG,
            'TRYTOND_WEB__LISTEN': f'{SERVER}:{port}',
            # proteus gives trytond the name of the database in the URI
            'PYTHONWARNINGS': 'ignore:The path specified in the URI',
            }
        self.mfa = mfa
        # The fingerprint under which each database was made or updated
        self.stamp = VAR / f'{self.databases.backend}-{self.name}.stamp'

    def prepare(self):
        "Make the database, or update it when the modules have changed."
        if self.name in self.databases.names():
            if not self._is_ours():
                raise Failure(
                    f"The database '{self.name}' is not a demonstration of "
                    "Early Access: drop it, or name another one at the end "
                    "of DATABASE_URI.")
            if not KEYRING.exists():
                raise Failure(
                    f"To open the database '{self.name}', you must put back "
                    f"its keyring {KEYRING.relative_to(TOP)}; or drop the "
                    "database to make a new one.")
            if self._stamped() != fingerprint():
                self._update()
        else:
            self._make()

    def _is_ours(self):
        with self.databases.connect(self.name) as connection:
            try:
                cursor = connection.execute(
                    "SELECT count(*) FROM ir_module "
                    "WHERE name = 'early_access' AND state = 'activated'")
            except Exception:
                # Not even a database of Tryton
                return False
            count, = cursor.fetchone()
            return bool(count)

    def _stamped(self):
        try:
            return self.stamp.read_text()
        except FileNotFoundError:
            return None

    def _run(self, *command, **environ):
        process = subprocess.run(
            command, cwd=TOP, env=self.environ | environ,
            stdin=subprocess.DEVNULL)
        if process.returncode:
            raise Failure(
                f"'{' '.join(map(str, command))}' ended with status "
                f"{process.returncode}.")

    def _admin(self, database, *options, **environ):
        self._run(BIN / 'trytond-admin', '--config', CONFIG,
            '--database', database,
            '--update', 'early_access', 'early_access_audit',
            'early_access_retention',
            '--activate-dependencies', *options, **environ)

    def _script(self, name, **environ):
        self._run(sys.executable, TOP / 'scripts' / name,
            '--config', CONFIG, '--database', self.building, **environ)

    def _update(self):
        print(f"Updating the database '{self.name}'...", flush=True)
        self._admin(self.name)
        self.stamp.write_text(fingerprint())

    def _make(self):
        # A database gets its name once it is complete: a run that was killed
        # leaves nothing that looks like it
        print(f"Creating the database '{self.name}'...", flush=True)
        current = fingerprint()
        self._run(BIN / 'early-access-keyring', 'init', '--if-missing')
        self.databases.drop(self.building)
        self.databases.create(self.building)
        with password_file() as path:
            self._admin(self.building, '--language', 'fr',
                '--email', 'admin@example.com', TRYTONPASSFILE=path)
            self._script('finish_setup.py')
            # A PDF would cost a run of LibreOffice for each letter
            self._script(
                'load_demo.py', TRYTONPASSFILE=path,
                TRYTOND_REPORT__CONVERT_COMMAND='none')
        self.databases.rename(self.building, self.name)
        self.stamp.write_text(current)

    def serve(self):
        "Become the server."
        print("Starting the server...", flush=True)
        logins = self._logins()
        if not os.fork():
            self._announce(logins)
            os._exit(0)
        os.chdir(TOP)
        os.execve(sys.executable, [
                sys.executable, str(TOP / 'scripts' / 'serve.py'),
                '--config', CONFIG, *([MFA] if self.mfa else []),
                '--database', self.name],
            self.environ)

    def _announce(self, logins):
        "Print the address and the logins once the server answers."
        address = f'http://{SERVER}:{self.port}/'
        server = os.getppid()
        while os.getppid() == server:
            try:
                urllib.request.urlopen(address, timeout=10).close()
            except urllib.error.URLError:
                time.sleep(.2)
                continue
            print(f"\nEarly Access is ready at {address}#{self.name}",
                *self._welcome(),
                f"Log in with the password '{PASSWORD}' as:",
                *table(logins), "Stop with Ctrl-C.\n",
                sep='\n', flush=True)
            break

    def _welcome(self):
        "Return the lines that tell how users come in."
        if self.mfa:
            return [
                "It asks a code too: 'make code LOGIN=name' prints the one of "
                "a user."]
        return [
            "It asks the password alone, because its data are invented:",
            "'make demo MFA=1' asks a code too, as production does."]

    def _logins(self):
        "Return the login, profile and name of the users with a password."
        with self.databases.connect(self.name) as connection:
            cursor = connection.execute(
                'SELECT u.login, g.name, u.name FROM res_user AS u '
                'LEFT JOIN "res_user-res_group" AS ug ON ug."user" = u.id '
                'LEFT JOIN res_group AS g ON g.id = ug."group" '
                "AND g.name LIKE 'Early Access: %' "
                'WHERE u.active AND u.password_hash IS NOT NULL '
                'ORDER BY u.id, g.id')
            users = {}
            for login, group, name in cursor:
                profiles = users.setdefault((login, name), [])
                if group:
                    profiles.append(group.removeprefix('Early Access: '))
        return [
            (login, ', '.join(profiles), name)
            for (login, name), profiles in users.items()]


def table(rows):
    "Return the lines that show the rows in columns."
    widths = [max(map(len, column)) for column in zip(*rows)]
    return [
        '  '.join(['', *map(str.ljust, row, widths)]).rstrip()
        for row in rows]


@contextmanager
def password_file():
    "The password of the demonstration as trytond reads it."
    with tempfile.NamedTemporaryFile('w') as fp:
        fp.write(PASSWORD)
        fp.flush()
        yield fp.name


def check_port(port):
    "Raise a Failure when something already listens on the port."
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((SERVER, port))
        except OSError as error:
            raise Failure(
                f"To serve on port {port}, you must free it or choose "
                f"another one with PORT= ({error.strerror}).") from None


def main():
    port = int(os.environ.get('PORT') or 8000)
    demo = Demo(
        os.environ.get('DATABASE_URI') or 'sqlite://', port,
        mfa=bool(os.environ.get('MFA')))
    check_port(port)
    with locked(VAR / 'demo.lock'):
        demo.prepare()
    demo.serve()


if __name__ == '__main__':
    try:
        main()
    except Failure as failure:
        sys.exit(f"make demo: {failure}")
    except KeyboardInterrupt:
        sys.exit(130)
