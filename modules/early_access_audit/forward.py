# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The copy of the trail on a central log (CNIL 2022-107, SEC-JOU-3).

Each seal follows its events, as lines of JSON, in the order of the chain. A
line is::

    {"type": "event", "database": ..., "seal": ..., "id": ..., "at": ..., ...}
    {"type": "seal", "database": ..., "number": ..., "statement": ...,
     "key": ..., "signature": ...}

What is forwarded is noted once the other side has it, thus what is cut is sent
again: who reads the lines knows an event by its id and a seal by its number.
"""

import datetime as dt
import fcntl
import ipaddress
import json
import os
import socket
import ssl
from contextlib import contextmanager
from urllib.parse import unquote, urlsplit

import trytond.config as config
from trytond.pool import Pool
from trytond.transaction import Transaction

from .anchor import Anchor
from .event_row import COLUMNS, events_of
from .signing_key import configured_path

NAMES = [*COLUMNS, 'record_ids']
# Facility 13, log audit, and severity 5, notice (RFC 5424, 6.2.1)
PRIORITY = 13 * 8 + 5
APPLICATION = 'early-access'
PORT = 6514
# In seconds
TIMEOUT = 30


class ForwardError(Exception):
    "The trail cannot be forwarded: the message is one line for a human."


def forwarded_path():
    "Return the file that keeps the last seal that was forwarded."
    return f'{os.path.expanduser(configured_path())}.forwarded'


def forwarded(database):
    """Return the number of the last seal that the central log has.

    :returns: None where nothing is to be forwarded.
    """
    if not config.get('early_access', 'audit_forward'):
        return
    last = Anchor.read(forwarded_path(), database)
    return last.number if last else 0


def forward_all(database):
    """Forward the seals that were not yet, with their events.

    :returns: the number of the seals, 0 where another one does it now.
    :raises ForwardError: when the other side has not got them.
    """
    target = configured_target()
    if target is None:
        return 0
    path, number = forwarded_path(), 0
    with alone(f'{path}.lock') as is_alone:
        while is_alone:
            with Transaction(new=True).start(database, 0, readonly=True):
                seal = _next(forwarded(database))
                if not seal:
                    break
                lines = list(lines_of(seal))
                anchor = Anchor(seal.number, seal.hash)
            try:
                target.send(lines)
            except OSError as e:
                raise ForwardError(
                    f"{target} has not got the seal {anchor.number}: "
                    f"{e.strerror or e}") from None
            anchor.write(path, database)
            number += 1
    return number


@contextmanager
def alone(path):
    "Give whether no other process is in the block."
    with open(path, 'w') as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def _next(number):
    Seal = Pool().get('early_access.audit.seal')
    seals = Seal.search(
        [('number', '>', number)], order=[('number', 'ASC')], limit=1)
    return seals[0] if seals else None


def lines_of(seal):
    "Yield the time, the type and the JSON of the events and of their seal."
    database = Transaction().database.name
    if seal.kind == 'events':
        for _, data in events_of(seal.window):
            event = dict(zip(NAMES, json.loads(data)))
            yield event['at'], 'event', json.dumps({
                    'type': 'event', 'database': database,
                    'seal': seal.number, **event})
    statement = seal.content
    at = dt.datetime.fromisoformat(statement['at']).replace(tzinfo=None)
    yield at.isoformat(timespec='microseconds'), 'seal', json.dumps({
            'type': 'seal', 'database': database, 'number': seal.number,
            'statement': statement, 'key': seal.key,
            'signature': seal.signature})


def configured_target():
    """Return where the configuration forwards the trail, or None.

    :raises ForwardError: when it cannot be used.
    """
    url = config.get('early_access', 'audit_forward')
    if not url:
        return
    parts = urlsplit(url)
    if parts.scheme == 'file' and parts.path:
        return File(unquote(parts.path))
    if parts.scheme == 'syslog+tls' and parts.hostname:
        return Syslog(parts.hostname, parts.port or PORT, tls=True)
    if parts.scheme == 'syslog+tcp' and parts.hostname:
        if not is_loopback(parts.hostname):
            raise ForwardError(
                "'audit_forward' must be syslog+tls, but to this machine")
        return Syslog(parts.hostname, parts.port or PORT, tls=False)
    raise ForwardError(
        "'audit_forward' must be file:///<path> or syslog+tls://<host>:<port>")


def is_loopback(host):
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == 'localhost'


class File:
    "A file to which lines are added, which its owner alone reads."

    def __init__(self, path):
        self.path = path

    def __str__(self):
        return f"'{self.path}'"

    def send(self, lines):
        fd = os.open(
            self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        with open(fd, 'r+') as file:
            if size := file.seek(0, os.SEEK_END):
                # What a killed process has cut is no line
                if os.pread(fd, 1, size - 1) != b'\n':
                    file.write('\n')
            file.writelines(f'{line}\n' for _, _, line in lines)
            file.flush()
            os.fsync(fd)


class Syslog:
    """A server of syslog (RFC 5424) over TLS (RFC 5425) or TCP (RFC 6587).

    The connection is closed after each seal: the other side has read all of
    it once it closes as well.
    """

    def __init__(self, host, port, tls):
        self.host = host
        self.port = port
        self.tls = tls
        self._name = socket.getfqdn()

    def __str__(self):
        return f"{self.host}:{self.port}"

    def send(self, lines):
        with self._connect() as connection:
            for line in lines:
                message = self._message(*line)
                connection.sendall(b'%d %s' % (len(message), message))
            self._finish(connection)

    def _connect(self):
        connection = socket.create_connection(
            (self.host, self.port), timeout=TIMEOUT)
        if not self.tls:
            return connection
        context = ssl.create_default_context(
            cafile=config.get('early_access', 'audit_forward_ca'))
        certificate = config.get('early_access', 'audit_forward_certificate')
        if certificate:
            context.load_cert_chain(certificate)
        return context.wrap_socket(connection, server_hostname=self.host)

    def _message(self, at, type_, line):
        return (
            f'<{PRIORITY}>1 {at}Z {self._name} {APPLICATION} - {type_} - '
            f'{line}').encode()

    def _finish(self, connection):
        if self.tls:
            try:
                connection = connection.unwrap()
            except ssl.SSLEOFError:
                # It has closed without saying so
                return
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(4096):
            # What it says is not of the protocol
            continue
