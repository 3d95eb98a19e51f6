# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import datetime as dt
import json
from decimal import Decimal

from trytond.i18n import gettext
from trytond.model import ModelStorage, fields
from trytond.model.exceptions import (
    DigitsValidationError, DomainValidationError, RequiredValidationError,
    SelectionValidationError, SizeValidationError, TimeFormatValidationError)
from trytond.model.modelstorage import EvalEnvironment
from trytond.pool import Pool
from trytond.pyson import PYSON, PYSONDecoder, PYSONEncoder
from trytond.tools import is_instance_method
from trytond.tools.domain_inversion import eval_domain
from trytond.transaction import Transaction, inactive_records

from .exceptions import SealedValueError

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
        if to_check:
            with inactive_records():
                readable = [
                    r for r in records if r.sealed_state == 'readable']
                for name, field in to_check.items():
                    cls._check_sealed_field(readable, name, field)
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
    def _check_sealed_field(cls, records, name, field):
        checks = [
            check for applies, check in [
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
                ] if applies]
        for record in records:
            value = getattr(record, name)
            for check in checks:
                check(record, name, field, value)
        if field._type == 'dict' and records:
            cls._check_sealed_keys(records, name)

    @classmethod
    def _check_sealed_required(cls, record, name, field, value):
        if value is not None and (
                value
                or not isinstance(value, (bool, list, tuple, str, dict))):
            return
        if field.required or _evaluate(
                record, field.states.get('required', False)):
            cls._refuse(
                RequiredValidationError, 'msg_sealed_required', name, record)

    @classmethod
    def _check_sealed_selection(cls, record, name, field, value):
        selection = field.selection
        if isinstance(selection, str):
            method = getattr(cls, selection)
            if is_instance_method(cls, selection):
                selection = method(record)
            else:
                selection = method()
        # None and '' are equivalent
        choices = {k or None for k, _ in selection}
        if field._type == 'selection':
            value = [value]
        if not choices.issuperset(v or None for v in value):
            cls._refuse(
                SelectionValidationError, 'msg_sealed_selection', name,
                record)

    @classmethod
    def _check_sealed_size(cls, record, name, field, value):
        size = _evaluate(record, field.size)
        if size is not None and 0 <= size < len(value or ''):
            cls._refuse(
                SizeValidationError, 'msg_sealed_size', name, record,
                size=size)

    @classmethod
    def _check_sealed_characters(cls, record, name, field, value):
        if value and not set(field.forbidden_chars).isdisjoint(value):
            cls._refuse(
                SealedValueError, 'msg_sealed_characters', name, record)

    @classmethod
    def _check_sealed_digits(cls, record, name, field, value):
        digits = _evaluate(record, field.digits)
        if isinstance(digits, str):
            other = getattr(record, digits)
            digits = other.get_digits() if other else None
        if value is None or not digits:
            return
        if not has_digits(value, *digits):
            cls._refuse(
                DigitsValidationError, 'msg_sealed_digits', name, record,
                integer='-' if digits[0] is None else digits[0],
                decimal='-' if digits[1] is None else digits[1])

    @classmethod
    def _check_sealed_format(cls, record, name, field, value):
        if value is None:
            return
        format_ = _evaluate(record, field.format)
        if value.time() != dt.datetime.strptime(
                value.strftime(format_), format_).time():
            cls._refuse(
                TimeFormatValidationError, 'msg_sealed_format', name, record)

    @classmethod
    def _check_sealed_domain(cls, record, name, field, value):
        if value is None:
            return
        domain = _evaluate(record, field.domain)
        if field._type == 'many2one':
            valid = field.get_target().search(
                [('id', '=', int(value)), domain], order=[])
        else:
            valid = eval_domain(domain, EvalEnvironment(record, cls))
        if not valid:
            cls._refuse(
                DomainValidationError, 'msg_sealed_domain', name, record)

    @classmethod
    def _check_sealed_keys(cls, records, name):
        # The keys of the document: reading may add some and hide others
        rows = cls._sealed_rows([r.id for r in records])
        keys = {
            r: (cls._open_document(rows[r.id]).get(name) or {}).keys()
            for r in records}
        schemas = {
            r: cls._sealed_dict_schema(r, name) for r in records if keys[r]}
        if free := [r for r, schema in schemas.items() if schema is None]:
            pool = Pool()
            Schema = pool.get(cls._fields[name].schema_model)
            names = set().union(*(keys[r] for r in free))
            known = {
                s.name: s
                for s in Schema.search([('name', 'in', list(names))])}
            schemas.update(dict.fromkeys(free, known))
        for record, schema in schemas.items():
            if not schema.keys() >= keys[record]:
                # The key comes from outside: it is not repeated
                cls._refuse(
                    SealedValueError, 'msg_sealed_dict_key', name, record)
            cls._check_sealed_dict(record, name, schema)

    @classmethod
    def _sealed_dict_schema(cls, record, name):
        """Return the keys that the sealed Dict of a record may hold.

        :returns: the records of the schema model by name; None for all those
            that exist.
        """

    @classmethod
    def _check_sealed_dict(cls, record, name, schemas):
        """Check the values of a sealed Dict against their schemas.

        :param schemas: the schemas by name, all the keys being known.
        :raises SealedValueError: naming the record, the field and the key.
        """
        for key, value in getattr(record, name).items():
            if value is not None and not is_of_schema(value, schemas[key]):
                cls._refuse(
                    SealedValueError, 'msg_sealed_dict_value', name, record,
                    key=schemas[key].string)

    @classmethod
    def _refuse(cls, error, message, name, record, **variables):
        raise error(gettext(
                f'early_access.{message}',
                **cls._sealed_error(name, record), **variables))


def _evaluate(record, source):
    if not _is_pyson(source):
        return source
    environment = EvalEnvironment(record, record.__class__)
    environment['context'] = Transaction().context
    environment['active_model'] = record.__class__.__name__
    environment['active_id'] = record.id
    return PYSONDecoder(environment).decode(PYSONEncoder().encode(source))


def _is_pyson(source):
    if isinstance(source, PYSON):
        return True
    elif isinstance(source, dict):
        source = source.values()
    elif not isinstance(source, (list, tuple)):
        return False
    return any(map(_is_pyson, source))


def has_digits(value, integer, decimal):
    "Return whether a number has at most so many digits around its point"
    number = Decimal(str(value))
    return (
        (integer is None or not number or number.adjusted() < integer)
        and (decimal is None or number.as_tuple().exponent >= -decimal))


def is_of_schema(value, schema):
    "Return whether a value is of the type of a record of DictSchemaMixin"
    type_ = schema.type_
    if type_ == 'boolean':
        return isinstance(value, bool)
    elif type_ == 'integer':
        return isinstance(value, int) and not isinstance(value, bool)
    elif type_ == 'float':
        return (isinstance(value, (int, float))
            and not isinstance(value, bool)
            and has_digits(value, None, schema.digits))
    elif type_ == 'numeric':
        return (isinstance(value, (int, Decimal))
            and not isinstance(value, bool)
            and has_digits(value, None, schema.digits))
    elif type_ in {'char', 'color'}:
        return isinstance(value, str)
    elif type_ == 'date':
        return (isinstance(value, dt.date)
            and not isinstance(value, dt.datetime))
    elif type_ == 'datetime':
        return isinstance(value, dt.datetime)
    choices = dict(json.loads(schema.selection_json))
    if type_ == 'selection':
        return isinstance(value, str) and value in choices
    elif type_ == 'multiselection':
        return (isinstance(value, (list, tuple))
            and choices.keys() >= set(value))
    return False
