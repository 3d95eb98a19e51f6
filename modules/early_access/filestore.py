# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The files kept outside the database, sealed.

``[database] class`` selects :class:`SealedFileStore` instead of the store of
the server, which keeps the files in clear. A file is laid out as::

    magic (4 bytes) | format (1) | length of the header (2) | header | sealed

The header is JSON: the database of the file, the key-encryption key and the
key of the file wrapped by it, and the nonce. What is sealed is encrypted with
AES-256-GCM under the key of the file alone. The associated data are, as JSON:
the format, the database, the prefix and the identifier of the file. A file
that is moved to another name or database does not open. The key-encryption
key is not among them, so that a file is wrapped again without being opened.
"""

import argparse
import base64
import fcntl
import json
import logging
import os
import re
import sys
import tempfile
import time
import uuid
from collections import Counter, namedtuple
from contextlib import contextmanager, suppress

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

import trytond.config as config
from trytond.i18n import gettext
from trytond.transaction import Transaction

from .keyring import (
    KEY_SIZE, KeyringError, get_keyring, read_configuration)

# The server imports this file while it imports trytond.model: what needs the
# models is imported where it is used

__all__ = ['SealedFileStore', 'frozen', 'rewrap', 'seal', 'wrapped_by']

logger = logging.getLogger(__name__)

MAGIC = b'EASF'
FORMAT = 1
PREAMBLE = len(MAGIC) + 1 + 2
NONCE_SIZE = 12
TAG_SIZE = 16
# In base64 it fits in the requests that the production configuration admits
MAX_SIZE = 25 * 1024 * 1024
# A file half written is one of a process that was killed, after a day
ABANDONED = 24 * 60 * 60
# Those of the former versions of the server are a digest and a number
_identifier = re.compile(r'[0-9a-f][0-9a-f-]{3,}')

Header = namedtuple('Header', ['database', 'kek', 'wrapped', 'nonce'])


class MalformedError(Exception):
    "A file of the store is sealed but its header cannot be read"


class SealedFileStore:
    """Store files encrypted, each under a key wrapped by the keyring.

    A file has a random identifier: nothing tells whether the store holds a
    document that somebody has, and two copies of it are two files.
    """

    def get(self, id, prefix=''):
        """Return the bytes of the file.

        :raises OSError: if there is no such file.
        :raises FileSealError: if the file is not the one that was sealed
            under this name for this database, or is in clear.
        :raises SealError: if the keyring does not open it.
        """
        path, database, prefix = self._locate(id, prefix)
        with open(path, 'rb') as file:
            try:
                header = read_header(file)
            except MalformedError:
                raise _error('msg_file_altered', id) from None
            sealed = file.read() if header else None
        if not header:
            raise _error('msg_file_clear', id)
        if header.database != database:
            raise _error(
                'msg_file_database', id, database=header.database)
        try:
            return AESGCM(_unwrap(header)).decrypt(
                header.nonce, sealed, _associated_data(database, prefix, id))
        except InvalidTag:
            raise _error('msg_file_altered', id) from None

    def getmany(self, ids, prefix=''):
        return [self.get(id, prefix) for id in ids]

    def size(self, id, prefix=''):
        "Return the size in bytes of what get returns."
        path, _, _ = self._locate(id, prefix)
        with open(path, 'rb') as file:
            size = os.fstat(file.fileno()).st_size
            try:
                header = read_header(file)
            except MalformedError:
                return 0
            # A list that shows a file in clear must still open
            if header:
                size -= file.tell() + TAG_SIZE
        return max(size, 0)

    def sizemany(self, ids, prefix=''):
        return [self.size(id, prefix) for id in ids]

    def set(self, data, prefix=''):
        """Store the bytes and return the identifier of the file.

        :raises FileSizeError: if they exceed ``file_max_size``.
        :raises SealError: if the keyring cannot be used.
        """
        limit = config.getint(
            'early_access', 'file_max_size', default=MAX_SIZE)
        if len(data) > limit:
            from .exceptions import FileSizeError
            raise FileSizeError(gettext(
                    'early_access.msg_file_size',
                    size=len(data), limit=limit))
        id = str(uuid.uuid4())
        path, database, prefix = self._locate(id, prefix)
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        _seal_to(path, data, database, prefix, id)
        return id

    def setmany(self, data, prefix=''):
        return [self.set(d, prefix) for d in data]

    def delete(self, id, prefix=''):
        path, _, _ = self._locate(id, prefix)
        with suppress(FileNotFoundError), _locked(os.path.dirname(path)):
            os.remove(path)

    def delete_many(self, ids, prefix=''):
        for id in ids:
            self.delete(id, prefix)

    def _locate(self, id, prefix):
        "Return the path, the database and the prefix of a file"
        database = _database()
        if prefix is None:
            # What the queue of the files to remove gives for the default
            prefix = database
        return locate(id, prefix), database, prefix


def _database():
    database = Transaction().database
    return database.name if database else ''


def locate(id, prefix):
    """Return the path of a file.

    :raises FileNotFoundError: if no file can have this identifier, which a
        user may have written.
    """
    if not isinstance(id, str) or not _identifier.fullmatch(id):
        raise FileNotFoundError("Not an identifier of file")
    top = _top()
    path = os.path.normpath(os.path.join(top, prefix, id[:2], id[2:4], id))
    if os.path.commonpath([top, path]) != top:
        raise ValueError("Bad prefix")
    return path


def _top():
    return os.path.abspath(config.get('database', 'path'))


def _associated_data(database, prefix, id):
    return json.dumps(
        ['early_access.file', FORMAT, database, prefix, id]).encode('ascii')


def read_header(file):
    """Read the header at the start of a file.

    :returns: the Header; None if the file is in clear.
    :raises MalformedError: if it cannot be read.
    """
    preamble = file.read(PREAMBLE)
    if preamble[:len(MAGIC)] != MAGIC:
        return None
    try:
        if preamble[len(MAGIC)] != FORMAT:
            raise ValueError
        length = int.from_bytes(preamble[-2:], 'big')
        content = json.loads(file.read(length))
        nonce = base64.b64decode(content['nonce'], validate=True)
        if len(nonce) != NONCE_SIZE:
            raise ValueError
        return Header(
            str(content['database']), str(content['kek']),
            base64.b64decode(content['key'], validate=True), nonce)
    except (ValueError, LookupError, TypeError):
        raise MalformedError from None


def _write_header(file, header):
    content = json.dumps({
            'database': header.database,
            'kek': header.kek,
            'key': base64.b64encode(header.wrapped).decode('ascii'),
            'nonce': base64.b64encode(header.nonce).decode('ascii'),
            }).encode('ascii')
    file.write(MAGIC + bytes([FORMAT]) + len(content).to_bytes(2, 'big'))
    file.write(content)


def _unwrap(header):
    try:
        return get_keyring().unwrap(header.kek, header.wrapped)
    except KeyringError as e:
        raise _keyring_error(e) from None


def _seal_to(path, data, database, prefix, id):
    key, nonce = os.urandom(KEY_SIZE), os.urandom(NONCE_SIZE)
    # Whoever retires a key-encryption key waits for what is wrapped under it
    with _locked(_top(), fcntl.LOCK_SH):
        try:
            kek, wrapped = get_keyring().wrap(key)
        except KeyringError as e:
            raise _keyring_error(e) from None
        with _replacing(path) as file:
            _write_header(file, Header(database, kek, wrapped, nonce))
            file.write(AESGCM(key).encrypt(
                    nonce, data, _associated_data(database, prefix, id)))


@contextmanager
def _replacing(path):
    "A file that takes the place of the path, whole or not at all"
    directory = os.path.dirname(path)
    # Readable by its owner alone
    fd, temporary = tempfile.mkstemp(dir=directory, prefix='.')
    try:
        with open(fd, 'wb') as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    _sync(directory)


def _sync(directory):
    fd = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


@contextmanager
def _locked(directory, operation=fcntl.LOCK_EX):
    "Let nobody delete a file of the directory while it is replaced"
    fd = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(fd, operation)
        yield
    finally:
        os.close(fd)


def _error(message, id, **variables):
    from .exceptions import FileSealError
    return FileSealError(
        gettext(f'early_access.{message}', file=id, **variables))


def _keyring_error(error):
    from .exceptions import SealError

    # Where the keys are is not for the users
    logger.error("%s", error)
    return SealError(gettext('early_access.msg_keyring'))


# What a rotation of the key-encryption keys needs


def _paths():
    "The paths of the files of the store"
    for directory, _, names in os.walk(_top()):
        for name in names:
            if (_identifier.fullmatch(name)
                    and directory.endswith(
                        os.path.join(os.sep, name[:2], name[2:4]))):
                yield os.path.join(directory, name)
            elif name.startswith('.'):
                _remove_abandoned(os.path.join(directory, name))


def _remove_abandoned(path):
    parts = path.split(os.sep)[-3:-1]
    if not all(len(p) == 2 for p in parts):
        return
    with suppress(FileNotFoundError):
        if time.time() - os.stat(path).st_mtime > ABANDONED:
            os.unlink(path)


@contextmanager
def frozen():
    "Let nobody store a file during the block"
    if not os.path.isdir(_top()):
        yield
        return
    with _locked(_top()):
        yield


def _header(path):
    "Return the header of a file, None if it is in clear or no longer there"
    with suppress(FileNotFoundError), open(path, 'rb') as file:
        return read_header(file)


def wrapped_by(database=None):
    """Count the sealed files by the key-encryption key that wraps their key.

    :param database: the name of a database, None for all those of the store.
    :returns: a Counter whose keys are the identifiers of the key-encryption
        keys, and None for the files whose header cannot be read.
    """
    result = Counter()
    for path in _paths():
        try:
            header = _header(path)
        except MalformedError:
            result[None] += 1
            continue
        if header and database in {None, header.database}:
            result[header.kek] += 1
    return result


def rewrap(database=None):
    """Wrap the keys of the files by the active key-encryption key.

    Each file is replaced at once, under its lock: it can be killed and run
    again, and the server goes on. What the files hold is neither opened nor
    changed. A file that cannot be wrapped again is logged and left, and
    wrapped_by still counts it.

    :param database: the name of a database, None for all those of the store.
    :returns: how many files were wrapped again.
    :raises KeyringError: if the keyring cannot be used.
    """
    count = 0
    keyring = get_keyring()
    active, _ = keyring.wrap(os.urandom(KEY_SIZE))
    for path in _paths():
        try:
            header = _header(path)
            if (header
                    and header.kek != active
                    and database in {None, header.database}):
                count += _rewrap_file(keyring, active, path)
        except (MalformedError, KeyringError) as e:
            logger.error(
                "the file '%s' is not wrapped again: %s",
                os.path.basename(path), e or "its header cannot be read")
    return count


def _rewrap_file(keyring, active, path):
    with suppress(FileNotFoundError), _locked(os.path.dirname(path)), \
            open(path, 'rb') as source:
        header = read_header(source)
        if header.kek == active:
            return False
        kek, wrapped = keyring.wrap(
            keyring.unwrap(header.kek, header.wrapped))
        with _replacing(path) as target:
            _write_header(
                target, header._replace(kek=kek, wrapped=wrapped))
            while chunk := source.read(1024 * 1024):
                target.write(chunk)
        return True
    return False


# What was stored in clear before this store was selected


def _references(database):
    "The (prefix, identifier) of the files that a database refers to"
    from sql import Column, Null

    from trytond.model import ModelSQL, fields
    from trytond.pool import Pool

    pool = Pool(database)
    pool.init()
    with Transaction().start(database, 0, readonly=True) as transaction:
        cursor = transaction.connection.cursor()
        for _, Model in Pool().iterobject():
            if not issubclass(Model, ModelSQL) or Model._is_table_query():
                continue
            table = Model.__table__()
            for field in Model._fields.values():
                if not isinstance(field, fields.Binary) or not field.file_id:
                    continue
                prefix = field.store_prefix
                if prefix is None:
                    prefix = database
                column = Column(table, field.file_id)
                cursor.execute(*table.select(
                        column, where=column != Null, distinct=True))
                yield from ((prefix, id) for id, in cursor.fetchall())
        # Those that the server keeps for a while after their records
        queue = Pool().get('ir.filestore.queue').__table__()
        cursor.execute(*queue.select(queue.prefix, queue.file_id))
        for prefix, id in cursor.fetchall():
            yield database if prefix is None else prefix, id


def seal(database):
    """Seal the files of a database that are in clear.

    Each file is replaced at once: it can be killed and run again.

    :returns: how many files were sealed.
    :raises SealError: if the keyring cannot be used.
    """
    count = 0
    for prefix, id in _references(database):
        with suppress(FileNotFoundError):
            path = locate(id, prefix)
            with _locked(os.path.dirname(path)):
                with open(path, 'rb') as file:
                    data = file.read()
                if data[:len(MAGIC)] != MAGIC:
                    _seal_to(path, data, database, prefix, id)
                    count += 1
    return count


def clear(database):
    "Return how many files of the database are in clear."
    count = 0
    for prefix, id in _references(database):
        with suppress(FileNotFoundError), \
                open(locate(id, prefix), 'rb') as file:
            count += file.read(len(MAGIC)) != MAGIC
    return count


def main(args=None):
    "Command early-access-files"
    parser = argparse.ArgumentParser(
        prog='early-access-files',
        description="Manage the sealed files of a database.")
    parser.add_argument(
        '-c', '--config', metavar='FILE', action='append', dest='configfile',
        default=[], help="the configuration files of the server")
    parser.add_argument(
        '-d', '--database', metavar='DATABASE', required=True)
    commands = parser.add_subparsers(dest='command', required=True)
    commands.add_parser(
        'status', help="count the files by the key that opens them")
    commands.add_parser('seal', help="seal the files stored in clear")
    commands.add_parser(
        'rewrap', help="wrap the keys of the files by the active key")
    options = parser.parse_args(args)
    if options.configfile:
        read_configuration(options.configfile)
    try:
        get_keyring().check()
        if options.command == 'seal':
            print(f"{seal(options.database)} files were sealed.")
        elif options.command == 'rewrap':
            print(f"{rewrap(options.database)} files were wrapped again.")
        else:
            for kek, count in sorted(
                    wrapped_by(options.database).items(),
                    key=lambda c: str(c[0])):
                print(f"{kek or 'unreadable'}: {count}")
            print(f"in clear: {clear(options.database)}")
    except KeyringError as e:
        print(f"{parser.prog}: {e}", file=sys.stderr)
        return 1
    return 0
