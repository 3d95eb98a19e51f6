# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import datetime as dt

from trytond.i18n import gettext
from trytond.model import ModelStorage, fields
from trytond.model.exceptions import (
    DigitsValidationError, DomainValidationError, RequiredValidationError,
    SelectionValidationError, SizeValidationError, TimeFormatValidationError)
from trytond.model.modelstorage import EvalEnvironment
from trytond.pool import Pool
from trytond.pyson import PYSON, PYSONDecoder, PYSONEncoder
from trytond.tools import is_instance_method
from trytond.tools.domain_inversion import eval_domain, parse
from trytond.transaction import Transaction, inactive_records

from .exceptions import SealedValueError
from .schema import has_digits

__all__ = ['SealedCheckMixin']


class SealedCheckMixin(ModelStorage):
    """Validate the Sealed fields as the server validates the stored ones.

    In production the server validates no Function field, and its errors tell
    the value.
    """
    __slots__ = ()

    @classmethod
    def _validate(cls, records, field_names=None):
        to_check = cls._sealed_to_check(field_names)
        if to_check and records:
            with inactive_records():
                cls._check_sealed(records, to_check)
        super()._validate(records, field_names=field_names)

    @classmethod
    def _sealed_to_check(cls, field_names):
        "Return the sealed fields that a change of field_names concerns"
        if field_names is None:
            return cls._sealed_fields
        # The other Function fields may change without being written
        changed = set(field_names).union(
            n for n, f in cls._fields.items()
            if isinstance(f, fields.Function) and n not in cls._sealed_names)
        return {
            n: f for n, f in cls._sealed_fields.items()
            if n in changed or not changed.isdisjoint(f.validation_depends)}

    @classmethod
    def _check_sealed(cls, records, to_check):
        "Check what is in the database, which is read and opened once"
        rows = cls._sealed_rows([r.id for r in records])
        names = cls._sealed_fields.keys()
        cls._unseal(rows.values(), names)
        # The keys of the document: the hook may add some and hide others
        keys = {
            n: {i: (r[n] or {}).keys() for i, r in rows.items()}
            for n, f in to_check.items() if f._type == 'dict'}
        cls._after_unseal(list(rows.values()), names)
        cls._keep_unsealed(records, rows)
        records = [
            r for r in records if rows[r.id]['sealed_state'] == 'readable']
        for name, field in to_check.items():
            cls._check_sealed_field(
                [(r, rows[r.id][name]) for r in records], name, field)
            if name in keys:
                cls._check_sealed_keys(
                    {r: keys[name][r.id] for r in records}, name)

    @classmethod
    def _keep_unsealed(cls, records, rows):
        "Spare what reads the records next from opening them again"
        names = [
            n for n, f in cls._sealed_fields.items() if f._type != 'many2one']
        names.append('sealed_state')
        for record in records:
            record._local_cache.refresh()
            values = record._local_cache[record.id]
            for name in names:
                values[name] = rows[record.id][name]

    @classmethod
    def _check_sealed_field(cls, values, name, field):
        """Check the values of a field.

        :param values: a list of (record, value).
        """
        for applies, check in [
                (field.required or field.states.get('required'),
                    cls._check_sealed_required),
                (field._type in {'selection', 'multiselection'},
                    cls._check_sealed_selection),
                (getattr(field, 'size', None) is not None,
                    cls._check_sealed_size),
                (getattr(field, 'forbidden_chars', None),
                    cls._check_sealed_characters),
                (getattr(field, 'digits', None), cls._check_sealed_digits),
                (field._type == 'datetime', cls._check_sealed_format),
                (field.domain or field._type == 'many2one',
                    cls._check_sealed_domain),
                ]:
            if applies:
                check(values, name, field)

    @classmethod
    def _check_sealed_required(cls, values, name, field):
        required = _evaluator(
            field.required or field.states.get('required', False))
        for record, value in values:
            if (not value
                    and (value is None
                        or isinstance(value, (bool, list, tuple, str, dict)))
                    and required(record)):
                cls._refuse(
                    RequiredValidationError, 'msg_sealed_required', name,
                    record)

    @classmethod
    def _check_sealed_selection(cls, values, name, field):
        selection = field.selection
        by_record = None
        if isinstance(selection, str):
            method = getattr(cls, selection)
            if is_instance_method(cls, selection):
                by_record = method
            else:
                selection = method()
        if not by_record:
            # None and '' are equivalent
            choices = {k or None for k, _ in selection}
        for record, value in values:
            if by_record:
                choices = {k or None for k, _ in by_record(record)}
            if field._type == 'selection':
                value = [value]
            if not choices.issuperset(v or None for v in value):
                cls._refuse(
                    SelectionValidationError, 'msg_sealed_selection', name,
                    record)

    @classmethod
    def _check_sealed_size(cls, values, name, field):
        get_size = _evaluator(field.size)
        for record, value in values:
            size = get_size(record)
            if size is not None and 0 <= size < len(value or ''):
                cls._refuse(
                    SizeValidationError, 'msg_sealed_size', name, record,
                    size=size)

    @classmethod
    def _check_sealed_characters(cls, values, name, field):
        forbidden = set(field.forbidden_chars)
        for record, value in values:
            if value and not forbidden.isdisjoint(value):
                cls._refuse(
                    SealedValueError, 'msg_sealed_characters', name, record)

    @classmethod
    def _check_sealed_digits(cls, values, name, field):
        get_digits = _evaluator(field.digits)
        for record, value in values:
            digits = get_digits(record)
            if isinstance(digits, str):
                other = getattr(record, digits)
                digits = other.get_digits() if other else None
            if value is None or not digits:
                continue
            if not has_digits(value, *digits):
                cls._refuse(
                    DigitsValidationError, 'msg_sealed_digits', name, record,
                    integer='-' if digits[0] is None else digits[0],
                    decimal='-' if digits[1] is None else digits[1])

    @classmethod
    def _check_sealed_format(cls, values, name, field):
        get_format = _evaluator(field.format)
        for record, value in values:
            if value is None:
                continue
            format_ = get_format(record)
            if value.time() != dt.datetime.strptime(
                    value.strftime(format_), format_).time():
                cls._refuse(
                    TimeFormatValidationError, 'msg_sealed_format', name,
                    record)

    @classmethod
    def _check_sealed_domain(cls, values, name, field):
        get_domain = _evaluator(field.domain)
        alone = (not _is_pyson(field.domain)
            and parse([field.domain]).variables == {name})
        for record, value in values:
            if value is None:
                continue
            domain = get_domain(record)
            if field._type == 'many2one':
                valid = field.get_target().search(
                    [('id', '=', int(value)), domain], order=[])
            else:
                valid = eval_domain(domain,
                    {name: value} if alone else EvalEnvironment(record, cls))
            if not valid:
                cls._refuse(
                    DomainValidationError, 'msg_sealed_domain', name, record)

    @classmethod
    def _check_sealed_keys(cls, keys, name):
        """Check the keys and the values of a sealed Dict.

        :param keys: the keys of the documents by record.
        """
        pool = Pool()
        Schema = pool.get(cls._fields[name].schema_model)
        keys = {r: k for r, k in keys.items() if k}
        for record in keys:
            names = cls._sealed_dict_names(record, name)
            if names is not None and not names >= keys[record]:
                cls._refuse_key(name, record)
        # Looked for once known: the server logs the names that it looks for
        schemas = Schema.schemas(set().union(*keys.values()))
        for record in keys:
            if not schemas.keys() >= keys[record]:
                cls._refuse_key(name, record)
            cls._check_sealed_dict(record, name, schemas)

    @classmethod
    def _refuse_key(cls, name, record):
        # The key comes from outside: it is not repeated
        cls._refuse(SealedValueError, 'msg_sealed_dict_key', name, record)

    @classmethod
    def _sealed_dict_names(cls, record, name):
        "Return the keys that a sealed Dict may hold, None for any that exists"

    @classmethod
    def _check_sealed_dict(cls, record, name, schemas):
        """Check the values of a sealed Dict against their schemas.

        :param schemas: the Schema by name of all the keys.
        :raises SealedValueError: naming the record, the field and the key.
        """
        for key, value in getattr(record, name).items():
            if value is not None and not schemas[key].accepts(value):
                pool = Pool()
                Schema = pool.get(cls._fields[name].schema_model)
                schema, = Schema.search([('name', '=', key)])
                cls._refuse(
                    SealedValueError, 'msg_sealed_dict_value', name, record,
                    key=schema.string)

    @classmethod
    def _refuse(cls, error, message, name, record, **variables):
        raise error(gettext(
                f'early_access.{message}',
                **cls._sealed_error(name, record), **variables))


def _evaluator(source):
    "Return a function of a record that returns the value of what may be PYSON"
    if not _is_pyson(source):
        return lambda record: source
    encoded = PYSONEncoder().encode(source)

    def evaluate(record):
        environment = EvalEnvironment(record, record.__class__)
        environment['context'] = Transaction().context
        environment['active_model'] = record.__class__.__name__
        environment['active_id'] = record.id
        return PYSONDecoder(environment).decode(encoded)
    return evaluate


def _is_pyson(source):
    if isinstance(source, PYSON):
        return True
    elif isinstance(source, dict):
        source = source.values()
    elif not isinstance(source, (list, tuple)):
        return False
    return any(map(_is_pyson, source))
