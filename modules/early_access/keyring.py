# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The key-encryption keys, which live outside the database.

A data key of the database is stored wrapped by one of them. The default
keyring is a file that its owner alone may read; another one, such as a key
management service or a hardware security module, only has to provide the
methods of :class:`Keyring`.
"""

import base64
import binascii
import datetime as dt
import fcntl
import importlib
import json
import os
import secrets
import stat
import sys
from contextlib import contextmanager, suppress
from threading import Lock
from typing import NamedTuple, Protocol

from cryptography.hazmat.primitives import keywrap

import trytond.config as config
from trytond import backend
from trytond.tools import resolve

__all__ = [
    'Keyring', 'KeyringError', 'KeyEncryptionKey', 'FileKeyring',
    'get_keyring']

VERSION = 1
KEY_SIZE = 32
ARCHIVE_SUFFIX = '.archive'


class KeyringError(Exception):
    "The keyring cannot be used: the message is one line for a human"


class KeyEncryptionKey(NamedTuple):
    """What is known of a key-encryption key.

    It is active, then replaced by another one and only unwraps, then retired:
    nobody has it any more, and it is remembered for the certificates of
    destruction. What it wrapped is unreadable in every backup from the later
    of retired and backups_expired (SEC-ARC-2).
    """
    id: str
    active: bool = False
    created: dt.datetime | None = None
    replaced: dt.datetime | None = None
    retired: dt.datetime | None = None
    backups_expired: dt.date | None = None

    @property
    def state(self):
        if self.active:
            return 'active'
        return 'retired' if self.retired else 'replaced'


class Keyring(Protocol):
    """What is asked of a keyring.

    The servers wrap, unwrap and check; the command early-access-keyring asks
    for the rest. Every method raises :class:`KeyringError` when the keyring
    cannot be used.
    """

    def wrap(self, key: bytes) -> tuple[str, bytes]:
        """Wrap a data key under the active key-encryption key.

        :returns: the identifier of the key-encryption key and the wrapped key.
        """

    def unwrap(self, kek_id: str, wrapped: bytes) -> bytes:
        """Return the data key.

        :raises KeyringError: if the key-encryption key is not in the keyring
            or did not wrap these bytes.
        """

    def check(self) -> None:
        ":raises KeyringError: if the keyring cannot be used"

    def keys(self) -> list[KeyEncryptionKey]:
        "Return the keys, the retired ones first, the oldest first"

    def rotate(self) -> str:
        """Add a key and make it the active one, at once for every process.

        :returns: its identifier.
        """

    def rewrap(self, keys: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
        """Wrap data keys again, under the active key-encryption key.

        They need not leave a device that opens them.

        :param keys: what :meth:`wrap` returned for each of them.
        :raises KeyringError: if one of them cannot be unwrapped.
        """

    def retire(self, kek_id: str, backups_expired: dt.date) -> None:
        """Forget a key for ever, but remember that it was there.

        The caller makes sure that no data key is left under it.

        :param backups_expired: when the last backup that holds data keys
            under it expired.
        :raises KeyringError: if the key is active or not in the keyring.
        """


class FileKeyring:
    """Key-encryption keys in a JSON file: several keys by id, one is active.

    The file is read again when it has changed, so that every process follows
    a rotation. AES key wrap (RFC 3394) authenticates what it unwraps.
    """

    def __init__(self, path):
        self.path = os.path.expanduser(path)
        self._lock = Lock()
        self._stamp = None
        self._active = None
        self._keys = {}
        self._infos = []

    def wrap(self, key):
        with self._lock:
            self._refresh()
            kek_id, kek = self._active, self._keys[self._active]
        return kek_id, keywrap.aes_key_wrap(kek, key)

    def unwrap(self, kek_id, wrapped):
        with self._lock:
            self._refresh()
            keys = self._keys
        return self._unwrap(keys, kek_id, wrapped)

    def rewrap(self, keys):
        with self._lock:
            self._refresh()
            active, keks = self._active, self._keys
        return [
            (active, keywrap.aes_key_wrap(
                    keks[active], self._unwrap(keks, kek_id, wrapped)))
            for kek_id, wrapped in keys]

    def _unwrap(self, keys, kek_id, wrapped):
        kek = keys.get(kek_id)
        if kek is None:
            raise KeyringError(
                f"the keyring '{self.path}' does not hold the key-encryption "
                f"key '{kek_id}'")
        try:
            return keywrap.aes_key_unwrap(kek, wrapped)
        except (keywrap.InvalidUnwrap, ValueError):
            raise KeyringError(
                f"the key-encryption key '{kek_id}' of the keyring "
                f"'{self.path}' does not open this data key") from None

    def check(self):
        with self._lock:
            self._refresh()

    def keys(self):
        with self._lock:
            self._refresh()
            return list(self._infos)

    def rotate(self, copy=None):
        """Add a key and make it the active one.

        :param copy: where to write first a copy of the new keyring, so that
            no data key is ever wrapped by a key that is in one place only.
        """
        with self._changing() as document:
            kek_id, entry = _new_key()
            document['keys'][document['active']]['replaced'] = entry['created']
            document['keys'][kek_id] = entry
            document['active'] = kek_id
            if copy is not None:
                _store(os.path.expanduser(copy), document)
        return kek_id

    def retire(self, kek_id, backups_expired):
        with self._changing() as document:
            if kek_id == document['active']:
                raise KeyringError(
                    f"the key-encryption key '{kek_id}' is active: "
                    "'early-access-keyring rotate' replaces it")
            try:
                entry = document['keys'].pop(kek_id)
            except KeyError:
                raise KeyringError(
                    f"the keyring '{self.path}' does not hold the "
                    f"key-encryption key '{kek_id}'") from None
            del entry['key']
            document.setdefault('retired', {})[kek_id] = {
                **entry,
                'retired': _now(),
                'backups_expired': backups_expired.isoformat(),
                }

    @contextmanager
    def _changing(self):
        "Store what the block makes of the document, one process at a time"
        path = os.path.realpath(self.path)
        with _locked(path):
            content = _load(path)
            _parse(path, content)
            document = json.loads(content)
            yield document
            _replace(path, document)

    def _refresh(self):
        try:
            stat_ = os.stat(self.path)
        except OSError as e:
            self._stamp = None
            raise KeyringError(
                f"the keyring '{self.path}' cannot be read: {e.strerror}; "
                "'early-access-keyring init' creates it") from None
        stamp = (stat_.st_dev, stat_.st_ino, stat_.st_size,
            stat_.st_mtime_ns, stat_.st_ctime_ns)
        if stamp != self._stamp:
            self._active, self._keys, self._infos = _parse(
                self.path, _load(self.path))
            self._stamp = stamp

    @classmethod
    def create(cls, path):
        """Create the file with one new key and return its keyring.

        :raises KeyringError: if there is already something at this path.
        """
        path = os.path.expanduser(path)
        kek_id, entry = _new_key()
        _store(path, {
                'version': VERSION,
                'active': kek_id,
                'keys': {kek_id: entry},
                })
        return cls(path)


def _now():
    return dt.datetime.now(dt.timezone.utc).isoformat(timespec='seconds')


def _new_key():
    "Return the identifier of a new key, and its entry in the file"
    return secrets.token_hex(8), {
        'key': base64.b64encode(secrets.token_bytes(KEY_SIZE)).decode('ascii'),
        'created': _now(),
        }


def _open(path):
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as e:
        raise KeyringError(
            f"the keyring '{path}' cannot be read: {e.strerror}; "
            "'early-access-keyring init' creates it") from None


@contextmanager
def _locked(path):
    """Hold the lock of the file during the block.

    The file that is locked may have been replaced while the lock was awaited.
    """
    while True:
        fd = _open(path)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            if _is_at(fd, path):
                yield
                return
        finally:
            os.close(fd)


def _is_at(fd, path):
    try:
        return os.path.samestat(os.fstat(fd), os.stat(path))
    except FileNotFoundError:
        return False


def _load(path):
    fd = _open(path)
    try:
        stat_ = os.fstat(fd)
        if not stat.S_ISREG(stat_.st_mode):
            raise KeyringError(f"the keyring '{path}' is not a file")
        if stat_.st_uid != os.geteuid():
            raise KeyringError(
                f"the keyring '{path}' must belong to the user that runs the "
                f"server (uid {os.geteuid()}, not {stat_.st_uid})")
        if stat_.st_mode & 0o077:
            raise KeyringError(
                f"the keyring '{path}' must be readable by its owner alone: "
                f"chmod 600 (its mode is {stat.S_IMODE(stat_.st_mode):o})")
        with open(fd, 'rb', closefd=False) as file:
            return file.read()
    finally:
        os.close(fd)


def _parse(path, content):
    def refuse(reason):
        raise KeyringError(
            f"the keyring '{path}' is malformed: {reason}") from None

    try:
        document = json.loads(content)
    except ValueError:
        refuse("not JSON")
    if not isinstance(document, dict) or document.get('version') != VERSION:
        refuse(f"not of version {VERSION}")
    entries = document.get('keys')
    if not isinstance(entries, dict) or not entries:
        refuse("no keys")
    keys = {}
    for kek_id, entry in entries.items():
        try:
            key = base64.b64decode(entry['key'], validate=True)
        except (KeyError, TypeError, ValueError, binascii.Error):
            refuse(f"key '{kek_id}' is not base64")
        if len(key) != KEY_SIZE:
            refuse(f"key '{kek_id}' is not of {KEY_SIZE} bytes")
        keys[kek_id] = key
    active = document.get('active')
    if not isinstance(active, str) or active not in keys:
        refuse("the active key is missing")
    retired = document.get('retired', {})
    if not isinstance(retired, dict):
        refuse("the retired keys are not an object")
    infos = []
    for kek_id, entry in [*retired.items(), *entries.items()]:
        try:
            infos.append(_parse_info(kek_id, entry, kek_id == active))
        except (AttributeError, TypeError, ValueError):
            refuse(f"the dates of the key '{kek_id}'")
    return active, keys, infos


def _parse_info(kek_id, entry, active):
    dates = {
        name: dt.datetime.fromisoformat(entry[name])
        for name in ['created', 'replaced', 'retired'] if name in entry}
    if 'backups_expired' in entry:
        dates['backups_expired'] = dt.date.fromisoformat(
            entry['backups_expired'])
    return KeyEncryptionKey(kek_id, active, **dates)


def _store(path, document):
    "Write a new file, whole or not at all, that its owner alone may read"
    directory, name = os.path.split(os.path.abspath(path))
    temporary = os.path.join(directory, f'.{name}.{secrets.token_hex(4)}')
    try:
        try:
            _write(temporary, document)
            # Unlike a renaming, a link never replaces an existing file
            os.link(temporary, path)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(temporary)
        _sync(directory)
    except FileExistsError:
        raise KeyringError(
            f"the keyring '{path}' already exists: it is not overwritten"
            ) from None
    except OSError as e:
        raise KeyringError(
            f"the keyring '{path}' cannot be created: {e.strerror}"
            ) from None


def _replace(path, document):
    "Write the file anew, whole or not at all, its lock being held"
    directory, name = os.path.split(path)
    # One name, so that what a killed process left is overwritten by the next
    temporary = os.path.join(directory, f'.{name}.new')
    try:
        with suppress(FileNotFoundError):
            os.unlink(temporary)
        try:
            _write(temporary, document)
            os.replace(temporary, path)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(temporary)
        _sync(directory)
    except OSError as e:
        raise KeyringError(
            f"the keyring '{path}' cannot be written: {e.strerror}"
            ) from None


def _write(path, document):
    content = json.dumps(document, indent=4).encode('ascii') + b'\n'
    fd = os.open(
        path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(fd, 'wb') as file:
        os.fchmod(fd, 0o600)
        file.write(content)
        file.flush()
        os.fsync(fd)


def _sync(directory):
    fd = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def read_configuration(paths):
    "Read the configuration files that are given to a command."
    config.update_etc(paths)
    # The import of this package has chosen one before
    importlib.reload(backend)


def configured(name='keyring'):
    """Return the location of a keyring in the configuration, or None.

    :param name: 'keyring', or 'archive_keyring' that is beside the former
        unless the configuration tells another place.
    """
    location = config.get('early_access', name) or None
    if location is None and name == 'archive_keyring':
        location = configured()
        if location is not None:
            location += ARCHIVE_SUFFIX
    return location


_keyrings = {}


def get_keyring(name='keyring'):
    """Return a keyring of the configuration.

    ``keyring`` of the section ``[early_access]`` is its location, and
    ``keyring_class`` the class to make of it, :class:`FileKeyring` by default.
    ``archive_keyring`` is the one of the intermediate archive: what it wraps
    is opened only by who has both.

    :raises KeyringError: if it is not configured, or its class not found.
    """
    location = configured(name)
    if location is None:
        raise KeyringError(
            "there is no keyring: set 'keyring' in the section "
            "[early_access] of the configuration")
    class_ = config.get('early_access', 'keyring_class')
    try:
        return _keyrings[class_, location]
    except KeyError:
        pass
    keyring = keyring_class()(location)
    return _keyrings.setdefault((class_, location), keyring)


def keyring_class():
    """Return the class of the configuration, the file by default.

    :raises KeyringError: if it cannot be loaded.
    """
    class_ = config.get('early_access', 'keyring_class')
    if not class_:
        return FileKeyring
    try:
        return resolve(class_)
    except (AttributeError, ImportError, ValueError) as e:
        raise KeyringError(
            f"the 'keyring_class' of the configuration, '{class_}', cannot "
            f"be loaded: {e}") from None


def check_or_exit():
    """Stop the process with one line when the keyring cannot be used.

    Models are set up in threads, where an exception would leave the server
    running without them. 3 is the status on which gunicorn gives up instead
    of starting a worker again.
    """
    try:
        get_keyring().check()
    except KeyringError as e:
        print(f"early_access: {e}", file=sys.stderr, flush=True)
        os._exit(3)


def check_server():
    """Stop the server at start when the configured keyring cannot be used.

    Only the server checks as soon as the module is imported: the import
    happens for every database and every tool, which may have nothing to do
    with sealed data nor run as the owner of the keyring.
    """
    if 'trytond.application' in sys.modules and configured():
        check_or_exit()
