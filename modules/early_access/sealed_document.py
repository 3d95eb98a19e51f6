# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import datetime as dt
import os
from json.encoder import encode_basestring_ascii

from cryptography.exceptions import InvalidTag
from sql import Expression, Null

from trytond import backend
from trytond.i18n import gettext
from trytond.model import Check, Index, ModelStorage, Unique, fields
from trytond.pool import Pool
from trytond.transaction import Transaction, without_check_access

from .data_key import Ciphertext, open_key
from .exceptions import DestroyedKeyError, SealError
from .sealed_field import decode, encode

__all__ = ['RAW', 'SealedDocumentMixin']

FORMAT = b'\1'
NONCE_SIZE = 12
KEY = slice(1, 1 + 16)
NONCE = slice(KEY.stop, KEY.stop + NONCE_SIZE)
CIPHERTEXT = slice(NONCE.stop, None)
# The length of the ciphertext must not tell "yes" from "no"
PADDING = 64

# The columns behind the sealed fields
RAW = frozenset({'uuid', 'data_key', 'sealed', 'sealed_envelope'})


def _scalar(value):
    "Return the value of a key in JSON"
    if value is None:
        return 'null'
    elif isinstance(value, int):
        return str(value)
    elif isinstance(value, dt.date):
        value = value.isoformat()
    return encode_basestring_ascii(value)


class OpeningColumn(Expression):
    """The document with what opens it: row, wrapped key, kek.

    It is null if the key is destroyed. It is one column because the server
    spends more on a column of a row than on its decryption, and written as
    text because making it of parts would take longer than reading it.
    """
    __slots__ = ('table', 'key')

    def __init__(self, table, key):
        self.table = table
        self.key = key

    def __str__(self):
        table = self.table
        hexadecimal = "HEX({})" if backend.name == 'sqlite' else (
            "ENCODE({}, 'hex')")
        sealed = hexadecimal.format(table.sealed)
        wrapped = hexadecimal.format('wrapped')
        return (
            f"({table.uuid} || ' ' || {sealed} || ' ' || ("
            f"SELECT {wrapped} || ' ' || kek FROM {self.key} AS k "
            f"WHERE k.id = {table.data_key}))")

    @property
    def params(self):
        return ()


class Envelope(fields.Function):
    "A column, without the context of a getter that there is not"

    def __init__(self, string):
        super().__init__(fields.Char(string))

    def __copy__(self):
        return self.__class__(self._field.string)

    def __deepcopy__(self, memo):
        return self.__copy__()

    def get(self, ids, Model, name, values=None):
        return {n: {r['id']: r[n] for r in values} for n in name}


class RowIdentifier(fields.Field):
    "A text that, unlike a Char, is not read again to be validated"
    _type = 'char'
    _sql_type = 'VARCHAR'
    _py_type = str


class SealedDocumentMixin(ModelStorage):
    """Encrypt one document per record, bound to its row.

    It is encrypted with AES-256-GCM under the data key of the subject and
    laid out as::

        format (1 byte) | UUID of the data key (16) | nonce (12) | ciphertext

    The clear text is JSON, followed by spaces. The associated data are, as
    JSON: the format, the name of the model, the names of the keys, the UUID
    of the data key and the values of the keys. A ciphertext that is moved to
    another row, model or person, or whose row has its keys changed, does not
    open.
    """
    __slots__ = ()
    _sealed_keys = ()

    uuid = RowIdentifier("UUID", readonly=True, loading='lazy')
    data_key = fields.Many2One(
        'early_access.data_key', "Data Key", readonly=True,
        ondelete='RESTRICT', loading='lazy')
    sealed = Ciphertext("Sealed Document", readonly=True)
    sealed_envelope = Envelope("Sealed Envelope")

    @classmethod
    def __setup__(cls):
        super().__setup__()
        assert not cls._history, (
            f"{cls.__name__} cannot keep a history of sealed data")
        t = cls.__table__()
        cls._sql_constraints += [
            ('uuid_unique', Unique(t, t.uuid),
                'early_access.msg_sealed_uuid_unique'),
            # Unlike required fields they need not be read to be validated
            ('sealed_required', Check(t,
                    (t.uuid != Null) & (t.data_key != Null)
                    & (t.sealed != Null)),
                'early_access.msg_sealed_missing'),
            ]
        cls._sql_indexes.add(Index(t, (t.data_key, Index.Equality())))

    @classmethod
    def __post_setup__(cls):
        super().__post_setup__()
        cls._sealed_bound = tuple(
            n for n in cls._sealed_keys if n != 'uuid')
        for name in cls._sealed_bound:
            field = cls._fields[name]
            assert (not isinstance(field, fields.Function)
                and field._type in {
                    'integer', 'char', 'selection', 'date', 'many2one',
                    'reference'}), (
                f"{cls.__name__}.{name} cannot be a key of sealed data")
        cls._sealed_columns = frozenset(
            {'sealed_envelope', *cls._sealed_bound})
        cls._sealed_prefix = encode(
            [FORMAT[0], cls.__name__, ['uuid', *cls._sealed_bound]])[1:-1]

    @classmethod
    def column_sealed_envelope(cls, tables):
        table, _ = tables[None]
        return OpeningColumn(table, cls.data_key.get_target().__table__())

    @classmethod
    def _get_data_key(cls, values):
        """Return the data key of the subject of a new record.

        :param values: the values of the record to create.
        :returns: the record of early_access.data_key, or None to create one:
            the record is then a subject of its own.
        """

    @classmethod
    def _get_data_keys(cls, vlist):
        "Return :meth:`_get_data_key` for each of the values"
        return [cls._get_data_key(values) for values in vlist]

    @classmethod
    @without_check_access
    def _new_data_keys(cls, vlist):
        "Return the (id, uuid, kek, wrapped) of the key of each new record"
        pool = Pool()
        DataKey = pool.get('early_access.data_key')
        keys = [
            values.get('data_key') or key
            for values, key in zip(vlist, cls._get_data_keys(vlist))]
        new = iter(DataKey.new(keys.count(None)))
        keys = [int(next(new) if k is None else k) for k in keys]
        rows = {k[0]: k for k in DataKey.wrapped_keys(list(set(keys)))}
        for _, _, _, wrapped in rows.values():
            if wrapped is None:
                raise DestroyedKeyError(gettext(
                        'early_access.msg_sealed_create_destroyed',
                        **cls._sealed_error()))
        return [rows[k] for k in keys]

    @classmethod
    def on_delete(cls, records):
        pool = Pool()
        DataKey = pool.get('early_access.data_key')
        callbacks = super().on_delete(records)
        keys = {r.data_key for r in records}
        callbacks.append(lambda: DataKey.delete_unused(keys))
        return callbacks

    @classmethod
    @without_check_access
    def _sealed_rows(cls, ids):
        "Return by id the rows with the columns that open the documents"
        return {
            r['id']: r for r in cls.read(
                list(ids), ['id', *cls._sealed_columns])}

    @classmethod
    def _open_envelope(cls, row):
        "Return the cipher, UUID of the key, UUID of the row and ciphertext"
        row_uuid, sealed, wrapped, kek = row['sealed_envelope'].split(' ', 3)
        sealed = bytes.fromhex(sealed)
        cipher, _ = open_key(kek, bytes.fromhex(wrapped))
        return cipher, sealed[KEY], row_uuid, sealed

    @classmethod
    def _associated_data(cls, key_uuid, row_uuid, row):
        keys = ','.join([
                encode_basestring_ascii(row_uuid),
                *(_scalar(row[n]) for n in cls._sealed_bound)])
        return f'[{cls._sealed_prefix},"{key_uuid.hex()}",[{keys}]]'.encode()

    @classmethod
    def _seal_document(cls, cipher, key_uuid, row_uuid, row, document):
        clear = encode({
                n: v for n, v in document.items() if v is not None}).encode()
        clear += b' ' * (-len(clear) % PADDING)
        nonce = os.urandom(NONCE_SIZE)
        return b''.join([
                FORMAT, key_uuid, nonce, cipher.encrypt(
                    nonce, clear,
                    cls._associated_data(key_uuid, row_uuid, row))])

    @classmethod
    def _open_document(cls, row, destroyed=True):
        """Return the clear document of a row of _sealed_rows.

        :param destroyed: return None if the data key is destroyed, else raise.
        :raises DestroyedKeyError: naming the record.
        :raises SealError: naming the record, if the document is not the one
            that was sealed for this row.
        """
        if row['sealed_envelope'] is None:
            if destroyed:
                return
            raise DestroyedKeyError(gettext(
                    'early_access.msg_sealed_destroyed',
                    **cls._sealed_error(record=row['id'])))
        try:
            cipher, _, row_uuid, sealed = cls._open_envelope(row)
        except ValueError:
            raise cls._not_authentic(row['id']) from None
        return cls._decrypt(cipher, row_uuid, sealed, row)

    @classmethod
    def _decrypt(cls, cipher, row_uuid, sealed, row):
        """Return the clear document of a row.

        :param cipher: that of the data key.
        :param row: the values by name of `id` and `_sealed_keys`.
        :raises SealError: naming the record.
        """
        try:
            if sealed[:1] > FORMAT:
                raise SealError(gettext(
                        'early_access.msg_sealed_version',
                        **cls._sealed_error(record=row['id'])))
            elif sealed[:1] != FORMAT:
                raise InvalidTag
            return decode(cipher.decrypt(
                    sealed[NONCE], sealed[CIPHERTEXT],
                    cls._associated_data(
                        sealed[KEY], row_uuid, row)).decode())
        except (InvalidTag, ValueError):
            raise cls._not_authentic(row['id']) from None

    @classmethod
    def _not_authentic(cls, record):
        return SealError(gettext(
                'early_access.msg_sealed_authentication',
                **cls._sealed_error(record=record)))

    @classmethod
    def _sealed_error(cls, name=None, record=None, rec_name=None):
        """Return what an error may tell: names, and never a value.

        :param name: the name of a field.
        :param record: the record, or its id.
        :param rec_name: what names a record that has no id yet.
        """
        pool = Pool()
        Model = pool.get('ir.model')
        ModelField = pool.get('ir.model.field')
        names = {'model': Model.get_name(cls.__name__)}
        if name:
            names['field'] = ModelField.get_name(cls.__name__, name)
        field = cls._fields.get(cls._rec_name)
        if field is None or isinstance(field, fields.Function):
            # A computed name may need the document that cannot be read
            rec_name = None
        elif record is not None:
            cursor = Transaction().connection.cursor()
            table = cls.__table__()
            cursor.execute(*table.select(
                    field.sql_column({None: (table, None)}, cls),
                    where=table.id == int(record)))
            rec_name, = cursor.fetchone() or (None,)
        if not rec_name and record is not None:
            rec_name = f'({int(record)})'
        elif not rec_name:
            rec_name = gettext('early_access.msg_sealed_new_record')
        names['record'] = rec_name
        return names
