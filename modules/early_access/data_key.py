# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import datetime as dt
import json
import logging
import os
import uuid
from functools import lru_cache

from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sql import Column, Null
from sql.functions import CurrentTimestamp

import trytond.config as config
from trytond import backend
from trytond.i18n import gettext
from trytond.model import Check, ModelSQL, Unique, fields
from trytond.model.descriptors import dualmethod
from trytond.pool import Pool
from trytond.tools import grouped_slice
from trytond.transaction import Transaction, without_check_access

from .exceptions import DestroyedKeyError, SealError
from .keyring import KEY_SIZE, KeyringError, check_or_exit, get_keyring
from .transaction import begin_immediate, forget

__all__ = ['Ciphertext', 'DataKey', 'open_key']

logger = logging.getLogger(__name__)


class Ciphertext(fields.Field):
    """Bytes that are written with their record.

    Unlike a Binary field they need no statement of their own, and the
    context of the client cannot turn them into their size.
    """
    _type = 'binary'
    _sql_type = 'BLOB'
    _py_type = bytes
    file_id = None

    def __init__(self, string='', **kwargs):
        kwargs.setdefault('loading', 'lazy')
        super().__init__(string, **kwargs)

    def searchable(self, model):
        return False

    def sortable(self, model):
        return False


@lru_cache(maxsize=config.getint('early_access', 'key_cache', default=10_000))
def _unwrap(kek_id, wrapped):
    # The wrapped bytes come from the same query as what they open: a key
    # that was destroyed or wrapped again elsewhere is not found here
    key = get_keyring().unwrap(kek_id, wrapped)
    return AESGCM(key), key


@lru_cache(maxsize=1024)
def _index_key(key):
    return HKDF(
        hashes.SHA256(), KEY_SIZE, salt=None,
        info=b'early_access blind index 1').derive(key)


class DataKey(ModelSQL):
    """The key of a data subject, wrapped by a key-encryption key.

    The rows are apart from the data they open, so that a rotation wraps them
    again without writing the data. They are not exposed by RPC and no group
    has access to them.

    Destroying a key removes the wrapped bytes but keeps the row as a
    tombstone: what the key sealed still refers to it, "destroyed" can be told
    from "lost", and the certificate of destruction can name the key.
    """
    __name__ = 'early_access.data_key'

    uuid = fields.Char("UUID", required=True, readonly=True)
    kek = fields.Char("Key-Encryption Key", readonly=True)
    wrapped = Ciphertext("Wrapped Key", readonly=True)
    destroyed = fields.Timestamp("Destroyed", readonly=True)

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_constraints += [
            ('uuid_unique', Unique(t, t.uuid),
                'early_access.msg_data_key_uuid_unique'),
            ('wrapped_or_destroyed', Check(t,
                    ((t.wrapped != Null) & (t.kek != Null)
                        & (t.destroyed == Null))
                    | ((t.wrapped == Null) & (t.kek == Null)
                        & (t.destroyed != Null))),
                'early_access.msg_data_key_wrapped_or_destroyed'),
            ]

    @classmethod
    def __post_setup__(cls):
        super().__post_setup__()
        check_or_exit()

    @classmethod
    def __register__(cls, module_name):
        super().__register__(module_name)
        if backend.name == 'postgresql':
            # A rotation writes every row: room left in each page, and no
            # index on what it writes, spare it the update of the indexes
            Transaction().connection.cursor().execute(
                f'ALTER TABLE "{cls._table}" SET (fillfactor = 50)')

    @classmethod
    @without_check_access
    def new(cls, count=None):
        """Create random keys, one INSERT for all where the database can.

        :param count: how many keys; None for one.
        :returns: the list of records; the record if count is None.
        :raises SealError: if the keyring cannot be used.
        """
        cls._announce()
        rows = []
        for _ in range(1 if count is None else count):
            try:
                kek, wrapped = get_keyring().wrap(os.urandom(KEY_SIZE))
            except KeyringError as e:
                raise _seal_error(e) from None
            rows.append([str(uuid.uuid4()), kek, wrapped])
        keys = cls.browse(cls._insert(rows))
        return keys[0] if count is None else keys

    @classmethod
    def _announce(cls):
        """Tell a rotation that this transaction is about to save keys.

        It waits for those that wrap before the active key changes: a key that
        is saved after its key-encryption key is retired would be lost.
        """
        begin_immediate()
        if backend.name == 'postgresql':
            # What an INSERT takes, but before the wrapping
            Transaction().connection.cursor().execute(
                f'LOCK TABLE "{cls._table}" IN ROW EXCLUSIVE MODE')

    @classmethod
    def _insert(cls, rows):
        "Insert the keys at once: there is nothing to validate nor to log"
        transaction = Transaction()
        cursor = transaction.connection.cursor()
        table = cls.__table__()
        columns = [
            table.create_uid, table.create_date,
            table.uuid, table.kek, table.wrapped]
        ids = {}
        for sub_rows in grouped_slice(
                rows, backend.MAX_QUERY_PARAMS // len(columns)):
            sub_rows = list(sub_rows)
            cursor.execute(*table.insert(columns, [
                        [transaction.user, CurrentTimestamp(), uuid_, kek,
                            cls.wrapped.sql_format(wrapped)]
                        for uuid_, kek, wrapped in sub_rows]))
            cursor.execute(*table.select(
                    table.uuid, table.id,
                    where=fields.SQL_OPERATORS['in'](
                        table.uuid, [uuid_ for uuid_, _, _ in sub_rows])))
            ids.update(cursor.fetchall())
        return [ids[uuid_] for uuid_, _, _ in rows]

    @classmethod
    def replace(cls, rows):
        """Replace wrapped keys, after :meth:`_announce`.

        :param rows: a list of (id, kek, wrapped).
        """
        cursor = Transaction().connection.cursor()
        table = cls.__table__()
        for id_, kek, wrapped in rows:
            cursor.execute(*table.update(
                    [table.kek, table.wrapped],
                    [kek, cls.wrapped.sql_format(wrapped)],
                    where=table.id == id_))

    @dualmethod
    @without_check_access
    def destroy(cls, keys):
        """Make what the keys sealed unreadable for ever in this database.

        A backup still holds the wrapped keys: what it holds is unreadable
        once the key-encryption key has been rotated and retired.
        """
        transaction = Transaction()
        cursor = transaction.connection.cursor()
        table = cls.__table__()
        now = dt.datetime.now()
        for sub_keys in grouped_slice(keys, backend.MAX_QUERY_PARAMS):
            cursor.execute(*table.update(
                    [table.kek, table.wrapped, table.destroyed,
                        table.write_uid, table.write_date],
                    [Null, Null, now, transaction.user, CurrentTimestamp()],
                    where=fields.SQL_OPERATORS['in'](
                        table.id, [k.id for k in sub_keys])
                    & (table.destroyed == Null)))
        # Neither the values already read nor the key itself stay in memory
        forget()
        _unwrap.cache_clear()

    @classmethod
    def remove(cls, ids):
        """Delete the rows of keys, to which no record refers any more.

        :returns: how many were deleted.
        """
        ids = list(ids)
        if not ids:
            return 0
        cursor = Transaction().connection.cursor()
        table = cls.__table__()
        cursor.execute(*table.delete(
                where=fields.SQL_OPERATORS['in'](table.id, ids)))
        # Nor do they stay in memory
        _unwrap.cache_clear()
        return cursor.rowcount

    @classmethod
    @without_check_access
    def delete_unused(cls, keys):
        "Delete the keys to which no record refers any more"
        pool = Pool()
        unused = {int(k) for k in keys}
        for _, Model in pool.iterobject():
            if (not issubclass(Model, ModelSQL)
                    or Model._is_table_query()):
                continue
            for name, field in Model._fields.items():
                if (not unused
                        or not isinstance(field, fields.Many2One)
                        or field.model_name != cls.__name__):
                    continue
                cursor = Transaction().connection.cursor()
                table = Model.__table__()
                column = Column(table, name)
                cursor.execute(*table.select(
                        column, distinct=True,
                        where=fields.SQL_OPERATORS['in'](
                            column, list(unused))))
                unused.difference_update(id_ for id_, in cursor)
        cls.delete(cls.browse(unused))

    @classmethod
    def blind_index(cls, data_key, *texts):
        """Return a keyed digest by which equal texts can be found.

        :param data_key: the record of the key, which is not used itself: a
            key of its own is derived from it.
        :param texts: strings, already normalised by the caller.
        :returns: the HMAC-SHA-256 of the texts, in hexadecimal.
        :raises DestroyedKeyError: if the key is destroyed.
        """
        digests = cls.blind_indexes([data_key], *texts)
        if not digests:
            raise DestroyedKeyError(
                gettext('early_access.msg_data_key_destroyed'))
        return digests[int(data_key)]

    @classmethod
    def blind_indexes(cls, data_keys, *texts):
        """Return the digests of :meth:`blind_index` under several keys.

        :returns: the digest by id of the key, but of the destroyed ones.
        """
        clear = json.dumps(texts).encode('ascii')
        digests = {}
        for id_, _, kek, wrapped in cls.wrapped_keys(
                [int(k) for k in data_keys]):
            if wrapped is None:
                continue
            _, key = open_key(kek, wrapped)
            digest = hmac.HMAC(_index_key(key), hashes.SHA256())
            digest.update(clear)
            digests[id_] = digest.finalize().hex()
        return digests

    @classmethod
    def wrapped_keys(cls, ids):
        "Return the current (id, uuid, kek, wrapped) of the rows, not cached"
        cursor = Transaction().connection.cursor()
        table = cls.__table__()
        cursor.execute(*table.select(
                table.id, table.uuid, table.kek, table.wrapped,
                where=fields.SQL_OPERATORS['in'](table.id, ids)))
        return cursor.fetchall()


def open_key(kek_id, wrapped):
    """Return the cipher of a data key, and the key.

    :raises SealError: if the keyring does not open it.
    """
    try:
        return _unwrap(kek_id, wrapped)
    except KeyringError as e:
        raise _seal_error(e) from None


def _seal_error(error):
    # Where the keys are is not for the users
    logger.error("%s", error)
    return SealError(gettext('early_access.msg_keyring'))
