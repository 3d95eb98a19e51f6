# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The key-encryption keys, which live outside the database.

A data key of the database is stored wrapped by one of them. The default
keyring is a file that its owner alone may read; another one, such as a key
management service or a hardware security module, only has to provide
:meth:`Keyring.wrap`, :meth:`Keyring.unwrap` and :meth:`Keyring.check`.
"""

import argparse
import base64
import binascii
import datetime as dt
import json
import os
import secrets
import stat
import sys
from threading import Lock
from typing import Protocol

from cryptography.hazmat.primitives import keywrap

import trytond.config as config
from trytond.tools import resolve

__all__ = ['Keyring', 'KeyringError', 'FileKeyring', 'get_keyring']

VERSION = 1
KEY_SIZE = 32


class KeyringError(Exception):
    "The keyring cannot be used: the message is one line for a human"


class Keyring(Protocol):
    "What the sealing of data asks of a keyring"

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

    def wrap(self, key):
        with self._lock:
            self._refresh()
            kek_id, kek = self._active, self._keys[self._active]
        return kek_id, keywrap.aes_key_wrap(kek, key)

    def unwrap(self, kek_id, wrapped):
        with self._lock:
            self._refresh()
            kek = self._keys.get(kek_id)
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
            self._active, self._keys = _parse(self.path, _load(self.path))
            self._stamp = stamp

    @classmethod
    def create(cls, path):
        """Create the file with one new key and return its keyring.

        :raises KeyringError: if there is already something at this path.
        """
        path = os.path.expanduser(path)
        kek_id = secrets.token_hex(8)
        _store(path, {
                'version': VERSION,
                'active': kek_id,
                'keys': {
                    kek_id: {
                        'key': base64.b64encode(
                            secrets.token_bytes(KEY_SIZE)).decode('ascii'),
                        'created': dt.datetime.now(
                            dt.timezone.utc).isoformat(timespec='seconds'),
                        },
                    },
                })
        return cls(path)


def _load(path):
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as e:
        raise KeyringError(
            f"the keyring '{path}' cannot be read: {e.strerror}; "
            "'early-access-keyring init' creates it") from None
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
    return active, keys


def _store(path, document):
    "Write a new file, whole or not at all, that its owner alone may read"
    directory = os.path.dirname(os.path.abspath(path))
    temporary = os.path.join(
        directory, f'.{os.path.basename(path)}.{secrets.token_hex(4)}')
    content = json.dumps(document, indent=4).encode('ascii') + b'\n'
    try:
        fd = os.open(
            temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC,
            0o600)
        try:
            with open(fd, 'wb') as file:
                os.fchmod(fd, 0o600)
                file.write(content)
                file.flush()
                os.fsync(fd)
            # Unlike a renaming, a link never replaces an existing file
            os.link(temporary, path)
        finally:
            os.unlink(temporary)
        directory_fd = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(directory_fd)
        finally:
            os.close(directory_fd)
    except FileExistsError:
        raise KeyringError(
            f"the keyring '{path}' already exists: it is not overwritten"
            ) from None
    except OSError as e:
        raise KeyringError(
            f"the keyring '{path}' cannot be created: {e.strerror}"
            ) from None


def configured():
    "Return the location of the keyring in the configuration, or None"
    return config.get('early_access', 'keyring') or None


_keyrings = {}


def get_keyring():
    """Return the keyring of the configuration.

    ``keyring`` of the section ``[early_access]`` is its location, and
    ``keyring_class`` the class to make of it, :class:`FileKeyring` by default.

    :raises KeyringError: if it is not configured.
    """
    location = configured()
    if location is None:
        raise KeyringError(
            "there is no keyring: set 'keyring' in the section "
            "[early_access] of the configuration")
    class_ = config.get('early_access', 'keyring_class')
    try:
        return _keyrings[class_, location]
    except KeyError:
        pass
    keyring = (resolve(class_) if class_ else FileKeyring)(location)
    return _keyrings.setdefault((class_, location), keyring)


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


def _init(options):
    path = configured()
    if path is None:
        get_keyring()
    if options.if_missing and os.path.exists(os.path.expanduser(path)):
        FileKeyring(path).check()
        return
    FileKeyring.create(path)
    print(f"The keyring '{path}' is created. Keep a copy of it in a safe "
        "place, apart from the backups of the database.")


def main(args=None):
    "Command early-access-keyring"
    parser = argparse.ArgumentParser(
        prog='early-access-keyring',
        description="Manage the keys that open the sealed data.")
    parser.add_argument(
        '-c', '--config', metavar='FILE', action='append', dest='configfile',
        default=[], help="the configuration files of the server")
    commands = parser.add_subparsers(dest='command', required=True)
    init = commands.add_parser(
        'init', help="create the keyring that the configuration names")
    init.add_argument(
        '--if-missing', action='store_true',
        help="succeed if there is already a usable keyring")
    init.set_defaults(function=_init)

    options = parser.parse_args(args)
    if options.configfile:
        config.update_etc(options.configfile)
    try:
        options.function(options)
    except KeyringError as e:
        print(f"{parser.prog}: {e}", file=sys.stderr)
        return 1
    return 0
