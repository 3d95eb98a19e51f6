# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Personal data sealed in one document per record.

A model that inherits :class:`SealedMixin` declares its personal data with
:class:`Sealed` fields. Their values are the members of one document, which
is encrypted under the data key of its subject and stored with the record.
"""

import csv
import datetime as dt
import uuid
from collections import defaultdict
from functools import lru_cache, wraps

from trytond.i18n import gettext
from trytond.model import ModelSQL, fields
from trytond.pool import Pool, PoolMeta
from trytond.pyson import Eval
from trytond.tools import is_instance_method
from trytond.transaction import Transaction, without_check_access

from . import redaction
from .data_key import DataKey, open_key
from .exceptions import SealedKeyError, SealedValueError, SealError
from .sealed_check import SealedCheckMixin
from .sealed_document import RAW, SealedDocumentMixin
from .sealed_field import CLEAN_ERRORS, Document, Sealed, dict_to_text
from .transaction import begin_immediate, forget_records

__all__ = [
    'DataKey', 'Document', 'ModelFieldAccess', 'Sealed', 'SealedMixin']

_REFUSED = dict.fromkeys(
    RAW, {'read': False, 'write': False, 'create': False, 'delete': False})
_BOOLEANS = {'true': True, '1': True, 'false': False, '0': False}


@lru_cache(maxsize=1024)
def _base(name):
    "Return the name of the field of a name to read"
    return name.partition('.')[0].partition(':')[0]


class SealedMixin(SealedCheckMixin, SealedDocumentMixin):
    """Keep the values of the Sealed fields in the document of the record.

    To be inherited before ModelSQL. The document is read and written with the
    record, and whoever reads or writes deals with the clear fields only.

    A subclass sets:

    ``_sealed_keys``
        the names of the stored fields that never change once the record is
        created and that give its meaning to the document. 'uuid', a random
        identifier of the row, is always one of them.
    ``_get_data_key(values)`` or ``_get_data_keys(vlist)``
        the data key of the subject, for the values of new records.
    ``_sealed_dict_names(record, name)``
        the keys that a sealed Dict may hold.
    ``_sealed_needs``
        the sealed fields that ``_after_unseal`` needs to complete another, by
        the name of the latter.
    """
    __slots__ = ()
    _sealed_needs = {}

    sealed_state = fields.Function(fields.Selection([
                ('readable', "Readable"),
                ('destroyed', "Destroyed"),
                ('unreadable', "Unreadable"),
                ], "Sealed Data", sort=False,
            states={
                'invisible': Eval('sealed_state', 'readable') == 'readable',
                },
            help="The sealed data of a person whose key is destroyed can "
            "never be read again. They are unreadable when they were altered "
            "in the database, or when their key is not in the keyring."),
        'get_sealed', getter_with_context=False)

    @classmethod
    def __setup__(cls):
        super().__setup__()
        mro = cls.__mro__
        assert mro.index(SealedMixin) < mro.index(ModelSQL), (
            f"{cls.__name__} must inherit SealedMixin before ModelSQL")

    @classmethod
    def __post_setup__(cls):
        super().__post_setup__()
        cls._sealed_fields = {
            n: f for n, f in cls._fields.items() if isinstance(f, Sealed)}
        cls._sealed_names = frozenset(cls._sealed_fields) | {'sealed_state'}
        redaction.models.add(cls.__name__)
        for name, rpc in cls.__rpc__.items():
            if rpc.instantiate == 0 and is_instance_method(cls, name):
                method = getattr(cls, name)
                # The class may be set up for several databases
                if not hasattr(method, 'readable_only'):
                    setattr(cls, name, cls._readable_only(method))

    @staticmethod
    def _readable_only(method):
        """Make a method that a client calls on an instance safe.

        The server reads without check the values that the client leaves out:
        an on_change would tell those of any record. The method is wrapped,
        and not its RPC that the REST interface leaves aside.
        """
        @wraps(method)
        def wrapper(record, *args, **kwargs):
            if Transaction().check_access:
                record._hide_sealed()
            return method(record, *args, **kwargs)
        wrapper.readable_only = True
        return wrapper

    def _hide_sealed(self):
        "Check the access to the record and empty what cannot be read"
        pool = Pool()
        FieldAccess = pool.get('ir.model.field.access')
        if self.id is None or self.id < 0:
            return
        self.__class__.read([self.id], ['id'])
        hidden = [
            n for n in self._sealed_fields
            if not FieldAccess.check(
                self.__name__, [n], 'read', raise_exception=False)
            and not hasattr(self._values, n)]
        for name in hidden:
            setattr(self, name, None)
        if hidden and self._init_values is None:
            self._init_values = self._record()
        for name in hidden:
            setattr(self._init_values, name, None)

    @classmethod
    def fields_get(cls, fields_names=None, level=0):
        definition = super().fields_get(
            fields_names=fields_names, level=level)
        if Transaction().check_access:
            for name in RAW:
                definition.pop(name, None)
        return definition

    # Hooks of the models

    @classmethod
    def _after_unseal(cls, rows, names):
        """Complete in place the sealed values of rows that are read.

        :param rows: dictionaries with at least id, `_sealed_keys` and the
            sealed fields of names.
        :param names: the names of the sealed fields that are asked.
        """

    @classmethod
    def _settle_document(cls, document, values, record=None):
        """Complete in place a document before it is sealed.

        :param document: the values by name as they are dumped.
        :param values: the other values of the record that are created or
            written.
        :param record: the record that is written, None for a new one.
        """

    # Reading

    @classmethod
    def get_sealed(cls, records, names):
        rows = cls.read([r.id for r in records], list(names))
        return {n: {r['id']: r[n] for r in rows} for n in names}

    @classmethod
    def set_sealed(cls, records, name, value):
        cls.write(records, {name: value})

    @classmethod
    def _before_read(cls, ids, fields_names):
        names = list(fields_names)
        # The access to a field is the one to its string and its relations
        bases = dict.fromkeys(map(_base, names))
        ids, _ = super()._before_read(ids, list(bases))
        if not cls._sealed_names.isdisjoint(bases):
            names = [n for n in names if _base(n) not in cls._sealed_names]
            names += cls._sealed_columns.difference(names)
        return ids, names

    @classmethod
    def read(cls, ids, fields_names):
        rows = super().read(ids, fields_names)
        wanted = [n for n in fields_names if _base(n) in cls._sealed_names]
        if rows and wanted:
            names = {_base(n) for n in wanted}
            for name in names & cls._sealed_needs.keys():
                names |= cls._sealed_needs[name]
            cls._unseal(rows, names)
            cls._after_unseal(rows, names)
            cls._add_strings(rows, wanted)
            cls._add_related(rows, wanted)
            to_delete = cls._sealed_columns.union(names, ['sealed_state'])
            to_delete -= set(fields_names)
            for row in rows:
                for name in to_delete:
                    del row[name]
        return rows

    @classmethod
    def _unseal(cls, rows, names):
        loads = [
            (n, cls._sealed_fields[n].load)
            for n in cls._sealed_fields.keys() & names]
        errors = []
        for row in rows:
            row['sealed_state'] = (
                'destroyed' if row['sealed_envelope'] is None else 'readable')
            if not loads:
                continue
            try:
                document = cls._open_document(row) or {}
            except SealError as e:
                errors.append(e)
                row['sealed_state'] = 'unreadable'
                document = {}
            for name, load in loads:
                value = document.get(name)
                row[name] = load(value) if load else value
        if errors and len(errors) == len(rows):
            # Alone it is refused, among others it is told
            raise errors[0]

    @classmethod
    def _add_strings(cls, rows, wanted):
        for name in wanted:
            name, _, suffix = name.partition(':')
            if suffix != 'string':
                continue
            field = cls._fields[name]
            by_record = (isinstance(field.selection, str)
                and is_instance_method(cls, field.selection))
            selection = None
            if not by_record:
                selection = field.get_selection(cls, name, None)
            for row in rows:
                if by_record:
                    selection = field.get_selection(
                        cls, name, cls(row['id']))
                value = row[name]
                if isinstance(value, tuple):
                    value = [
                        field.get_selection_string(selection, v)
                        for v in value]
                else:
                    value = field.get_selection_string(selection, value)
                row[f'{name}:string'] = value

    @classmethod
    def _add_related(cls, rows, wanted):
        related = defaultdict(list)
        for name in wanted:
            name, _, relation = name.partition('.')
            if relation:
                related[name].append(relation)
        for name, relations in related.items():
            Target = cls._fields[name].get_target()
            ids = {r[name] for r in rows if r[name] is not None}
            targets = {t['id']: t for t in Target.read(list(ids), relations)}
            for row in rows:
                row[f'{name}.'] = targets.get(row[name])

    # Writing

    @classmethod
    def _before_create(cls, vlist):
        vlist = super()._before_create([
                cls._typed_values(cls._expand_document(values))
                for values in vlist])
        cls._add_sealed_defaults(vlist)
        return cls._seal_values(vlist)

    @classmethod
    def _expand_document(cls, values):
        document = values.get('sealed')
        if not isinstance(document, Document):
            return values
        values = {n: v for n, v in values.items() if n not in RAW}
        for name, value in document.items():
            # What is empty needs no access, unless it replaces a default
            if value is not None or name in cls._defaults:
                values.setdefault(name, value)
        return values

    @classmethod
    def _add_sealed_defaults(cls, vlist):
        "Set the defaults that would otherwise come after the sealing"
        names = [*cls._sealed_fields, *cls._sealed_bound]
        defaults = {}
        for values in vlist:
            missing = tuple(n for n in names if n not in values)
            if not missing:
                continue
            if missing not in defaults:
                with without_check_access():
                    defaults[missing] = cls._clean_defaults(
                        cls.default_get(list(missing), with_rec_name=False))
            values.update(defaults[missing])

    @classmethod
    def _seal_values(cls, vlist):
        result = []
        for values, key in zip(vlist, cls._new_data_keys(vlist)):
            key_id, key_uuid, kek, wrapped = key
            cipher, _ = open_key(kek, wrapped)
            row_uuid = str(uuid.uuid4())
            document = cls._document_members(values)
            cls._settle_document(document, values)
            row = {
                n: cls._fields[n].sql_format(values.get(n))
                for n in cls._sealed_bound}
            result.append({
                    **values,
                    # The same for all: the server compares them to group them
                    **dict.fromkeys(cls._sealed_fields),
                    'uuid': row_uuid,
                    'data_key': key_id,
                    'sealed': cls._seal_document(
                        cipher, uuid.UUID(key_uuid).bytes, row_uuid, row,
                        document),
                    })
        return result

    @classmethod
    def _before_write(cls, *args):
        begin_immediate()
        actions = []
        for records, values in zip(args[::2], args[1::2]):
            actions += (
                records, cls._typed_values(values, *records[:1]))
        ids, names, on_write, triggers, *actions = super()._before_write(
            *actions)
        return ids, names, on_write, triggers, *cls._seal_actions(actions)

    @classmethod
    def _seal_actions(cls, actions):
        "Return one action per record whose document changes"
        actions = list(zip(actions[::2], actions[1::2]))
        fixed = RAW.union(cls._sealed_bound)
        concerned = fixed.union(cls._sealed_fields)
        ids = {
            r.id for records, values in actions for r in records
            if not concerned.isdisjoint(values)}
        rows = {}
        if ids:
            rows = cls._sealed_rows(ids)
            # The reading keeps dates that the writing changes
            forget_records(cls, ids)
        documents = {}
        result = []
        for records, values in actions:
            changed = fixed.intersection(values)
            for record in records if changed else []:
                cls._check_fixed(record, changed, values, rows[record.id])
            values = {n: v for n, v in values.items() if n not in changed}
            if cls._sealed_fields.keys().isdisjoint(values):
                result += (records, values)
                continue
            members = cls._document_members(values)
            clear = {n: v for n, v in values.items() if n not in members}
            for record in records:
                row = rows[record.id]
                if record.id not in documents:
                    documents[record.id] = cls._open_document(
                        row, destroyed=False)
                documents[record.id].update(members)
                cls._settle_document(documents[record.id], clear, record)
                cipher, key_uuid, row_uuid, _ = cls._open_envelope(row)
                result += ([record], {
                        **clear,
                        'sealed': cls._seal_document(
                            cipher, key_uuid, row_uuid, row,
                            documents[record.id]),
                        })
        return result

    @classmethod
    def _check_fixed(cls, record, names, values, row):
        for name in sorted(names):
            if (name not in cls._sealed_bound
                    or cls._fields[name].sql_format(values[name])
                    != row[name]):
                raise SealedKeyError(gettext(
                        'early_access.msg_sealed_key',
                        **cls._sealed_error(name, record)))

    @classmethod
    def _typed_values(cls, values, record=None):
        """Give the sealed values the types that the hooks of models expect.

        :raises SealedValueError: naming the record and the field.
        """
        values = values.copy()
        for name in cls._sealed_fields.keys() & values.keys():
            try:
                values[name] = cls._sealed_fields[name].clean(values[name])
            except CLEAN_ERRORS:
                # Without the value that the original exception holds
                raise SealedValueError(gettext(
                        'early_access.msg_sealed_value',
                        **cls._sealed_error(
                            name, record=record,
                            rec_name=values.get(cls._rec_name)))
                    ) from None
        return values

    @classmethod
    def _document_members(cls, values):
        "Return the sealed values as they are in the document"
        values = cls._typed_values(values)
        return {
            n: f.dump(values[n]) for n, f in cls._sealed_fields.items()
            if n in values}

    @classmethod
    def copy(cls, records, default=None):
        default = default.copy() if default else {}
        sealed = {
            n: default.pop(n) for n in cls._sealed_fields if n in default}
        ids = [r.id for r in records]
        # The server copies without checking that the user reads them
        cls.read(ids, ['id', *cls._sealed_fields])
        documents = {
            id_: cls._open_document(row, destroyed=False)
            for id_, row in cls._sealed_rows(ids).items()}

        def document(data):
            result = Document()
            for name, field in cls._sealed_fields.items():
                value = documents[data['id']].get(name)
                result[name] = field.load(value) if field.load else value
            for name, value in sealed.items():
                result[name] = value(data) if callable(value) else value
            return result

        default['sealed'] = document
        default['uuid'] = None
        default['data_key'] = None
        return super().copy(records, default=default)

    # Import and export

    @classmethod
    def export_data(cls, records, fields_names, header=False):
        data = super().export_data(records, fields_names, header=header)
        # A Dict is exported as the text that can be imported
        return [
            [dict_to_text(v) if isinstance(v, dict) else v for v in row]
            for row in data]

    @classmethod
    def import_data(cls, fields_names, data):
        data = [list(row) for row in data]
        for column, path in enumerate(fields_names):
            field = cls._sealed_target(path)
            if field is None:
                continue
            for index, row in enumerate(data):
                if column < len(row):
                    row[column] = cls._import_value(
                        field, row[column], index + 1, column + 1)
        return super().import_data(fields_names, data)

    @classmethod
    def _sealed_target(cls, path):
        "Return the sealed field at the end of a path of an import, or None"
        Model, field = cls, None
        for name in path.split('/'):
            field = Model._fields.get(_base(name)) if Model else None
            Model = (
                field.get_target() if hasattr(field, 'get_target') else None)
        if isinstance(field, Sealed) and field._type != 'many2one':
            return field

    @classmethod
    def _import_value(cls, field, value, row, column):
        # Done here because the errors of the server tell the value
        if value == '' and field._type not in {'char', 'text'}:
            return None
        try:
            if field._type == 'boolean' and isinstance(value, str):
                return str(_BOOLEANS[value.strip().lower()])
            elif field._type == 'timedelta' and isinstance(value, str):
                return dt.timedelta(seconds=float(value))
            elif field._type == 'multiselection' and isinstance(value, str):
                value, = csv.reader([value], quoting=csv.QUOTE_NONE,
                    escapechar='\\')
            elif field._type == 'float' and isinstance(value, str):
                value = float(value)
            return field.clean(value)
        except (*CLEAN_ERRORS, csv.Error):
            raise SealedValueError(gettext(
                    'early_access.msg_sealed_import',
                    field=str(field.string), row=row, column=column)
                ) from None


class ModelFieldAccess(metaclass=PoolMeta):
    __name__ = 'ir.model.field.access'

    @classmethod
    def get_access(cls, models):
        """Refuse to every user the columns behind the sealed fields.

        An old ciphertext could be put back, and a key or a row identifier
        be moved. Every path checks here: read, search, order, export, create,
        write and import.
        """
        accesses = super().get_access(models)
        sealed = redaction.models.intersection(models)
        if sealed:
            accesses = accesses.copy()
            for model in sealed:
                accesses[model] = accesses[model] | _REFUSED
        return accesses
