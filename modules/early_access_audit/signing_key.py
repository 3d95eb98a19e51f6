# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The key that signs the seals, which lives outside the database.

The private key is in a file of its own that its owner alone may read, and the
public ones, also of the keys that were replaced, are beside it in a file that
anybody may have: it is all that a third party needs to verify.
"""

import hashlib
import os
import stat

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey, Ed25519PublicKey)
from cryptography.hazmat.primitives.serialization import (
    Encoding, NoEncryption, PrivateFormat, PublicFormat, load_pem_private_key,
    load_pem_public_key)

import trytond.config as config

END = b'-----END PUBLIC KEY-----\n'


class SigningKeyError(Exception):
    "The key cannot be used: the message is one line for a human."


def key_id(public):
    "Return what names a public key: the start of the hash of its bytes."
    raw = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
    return hashlib.sha256(raw).hexdigest()[:16]


class SigningKey:
    "An Ed25519 key (RFC 8032) in a PEM file."

    def __init__(self, path):
        self.path = os.path.expanduser(path)
        try:
            with open(self.path, 'rb') as file:
                mode = os.fstat(file.fileno()).st_mode
                content = file.read()
        except OSError as e:
            raise SigningKeyError(
                f"the key of the seals '{self.path}' cannot be read: "
                f"{e.strerror}; 'early-access-audit key' creates it"
                ) from None
        if mode & 0o077:
            raise SigningKeyError(
                f"the key of the seals '{self.path}' must be readable by its "
                f"owner alone: chmod 600 (its mode is "
                f"{stat.S_IMODE(mode):o})")
        try:
            self._private = load_pem_private_key(content, None)
        except (TypeError, ValueError):
            self._private = None
        if not isinstance(self._private, Ed25519PrivateKey):
            raise SigningKeyError(
                f"the file '{self.path}' does not hold an Ed25519 key")
        self.id = key_id(self._private.public_key())

    def sign(self, data):
        return self._private.sign(data)

    @property
    def public_path(self):
        return f'{self.path}.pub'

    @classmethod
    def create(cls, path):
        """Create a key, or replace the one that there is, and return it.

        The one that is replaced is kept beside it, under its identifier.
        """
        path = os.path.expanduser(path)
        if os.path.exists(path):
            old = cls(path)
            os.rename(path, f'{path}.{old.id}')
        private = Ed25519PrivateKey.generate()
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(fd, 'wb') as file:
            file.write(private.private_bytes(
                    Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        key = cls(path)
        with open(key.public_path, 'ab') as file:
            file.write(private.public_key().public_bytes(
                    Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
        return key


def read_public_keys(path):
    "Return the public keys of a file by identifier."
    path = os.path.expanduser(path)
    try:
        with open(path, 'rb') as file:
            content = file.read()
    except OSError as e:
        raise SigningKeyError(
            f"the public keys '{path}' cannot be read: {e.strerror}"
            ) from None
    keys = {}
    for part in content.split(END)[:-1]:
        try:
            key = load_pem_public_key(part + END)
        except ValueError:
            key = None
        if not isinstance(key, Ed25519PublicKey):
            raise SigningKeyError(
                f"the file '{path}' holds something else than Ed25519 keys")
        keys[key_id(key)] = key
    return keys


def is_signed(keys, id_, signature, data):
    "Return whether the key of the identifier, which is known, signed."
    try:
        keys[id_].verify(signature, data)
    except (KeyError, InvalidSignature):
        return False
    return True


def configured_path():
    "Return where the key is, or raise SigningKeyError."
    path = config.get('early_access', 'audit_key', default='')
    if not path:
        raise SigningKeyError(
            "there is no key of the seals: set 'audit_key' in the section "
            "[early_access] of the configuration")
    return path
