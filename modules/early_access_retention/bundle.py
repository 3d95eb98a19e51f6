# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What is kept of a person in the intermediate archive, as one sealed text.

The clear text is JSON, compressed by zlib (RFC 1950)::

    {"format": "early-access-archive", "version": 1,
     "tables": {model: [{column: value, ..., "document": {...}}]},
     "names": {model: {id: name}}}

where the columns that are empty are left out, "document" holds what was
sealed in the row, and "names" tells the names of the records to which the
rows refer, as they were: a bundle needs no other table to be read. It is
encrypted by AES-256-GCM under the key of the person, and laid out as::

    format (1 byte) | nonce (12) | ciphertext

The associated data are, as JSON, the format and the UUID of the key. The key
itself is wrapped by the archive key, and what that gives by the
key-encryption key of the database: to open a bundle takes both keyrings, and
a rotation of the latter reaches it like the others.
"""

import datetime as dt
import json
import os
import zlib
from decimal import Decimal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from trytond.modules.early_access.keyring import get_keyring

FORMAT = b'\1'
NONCE = slice(1, 13)
CIPHERTEXT = slice(13, None)
# More would cost the time of a few persons for a few bytes
LEVEL = 3


class BundleError(Exception):
    "A bundle is not the one that was sealed under this key."


def _plain(value):
    if isinstance(value, (dt.date, dt.datetime)):
        return value.isoformat()
    elif isinstance(value, Decimal):
        return str(value)
    raise TypeError(type(value).__name__)


_encode = json.JSONEncoder(
    separators=(',', ':'), sort_keys=True, allow_nan=False,
    default=_plain).encode


def pack(tables, names):
    """Return the clear text of a bundle.

    :param tables: the rows, which are lists by name of model.
    :param names: the names of other records, by name of model and id.
    """
    return _encode({
            'format': 'early-access-archive',
            'version': 1,
            'tables': tables,
            'names': names,
            }).encode()


def unpack(clear):
    """Return the rows and the names of a clear text.

    :raises BundleError: if it is of a later version.
    """
    content = json.loads(clear)
    if content['version'] != 1:
        raise BundleError
    return content['tables'], content['names']


def _associated_data(key_uuid):
    return _encode(
        [FORMAT[0], 'early_access.retention.bundle', key_uuid]).encode()


def seal(key, key_uuid, clear):
    "Return the sealed bundle of a clear text."
    nonce = os.urandom(NONCE.stop - NONCE.start)
    return b''.join([
            FORMAT, nonce, AESGCM(key).encrypt(
                nonce, zlib.compress(clear, LEVEL),
                _associated_data(key_uuid))])


def open_(key, key_uuid, sealed):
    """Return the clear text of a sealed bundle.

    :raises BundleError: if it is altered or of another person.
    """
    sealed = bytes(sealed)
    try:
        if sealed[:1] != FORMAT:
            raise BundleError
        return zlib.decompress(AESGCM(key).decrypt(
                sealed[NONCE], sealed[CIPHERTEXT],
                _associated_data(key_uuid)))
    except (InvalidTag, zlib.error, ValueError):
        raise BundleError from None


def wrap(key):
    """Wrap the key of a person by the archive key, then as the others.

    :returns: the identifier of the archive key, that of the key-encryption
        key and the wrapped key.
    :raises KeyringError: if a keyring cannot be used.
    """
    archive_kek, inner = get_keyring('archive_keyring').wrap(key)
    return archive_kek, *get_keyring().wrap(inner)


def unwrap(archive_kek, kek, wrapped):
    """Return the key of a person.

    :raises KeyringError: if one of the keyrings does not open it.
    """
    return get_keyring('archive_keyring').unwrap(
        archive_kek, get_keyring().unwrap(kek, bytes(wrapped)))
