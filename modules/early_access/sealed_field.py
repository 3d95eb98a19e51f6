# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import datetime as dt
import json
import math
from decimal import Decimal

from trytond.i18n import gettext
from trytond.model import fields
from trytond.protocols.jsonrpc import JSONDecoder, JSONEncoder
from trytond.tools.immutabledict import ImmutableDict

from .exceptions import SealedSearchError

__all__ = [
    'CLEAN_ERRORS', 'Document', 'Sealed', 'decode', 'dict_to_text', 'encode']

# Canonical
encode = json.JSONEncoder(
    separators=(',', ':'), sort_keys=True, allow_nan=False).encode
_raw_decode = json.JSONDecoder().raw_decode

_to_json = JSONEncoder().default
_from_json = JSONDecoder()
_parse = json.JSONDecoder(object_hook=_from_json).decode


def decode(text):
    "Return the document of a clear text, which spaces may follow"
    return _raw_decode(text)[0]


# What a value of another type raises; RecursionError is for nested JSON
CLEAN_ERRORS = (
    TypeError, ValueError, ArithmeticError, LookupError, RecursionError)


class Document(dict):
    "The clear members of a sealed document"
    __slots__ = ()


class Sealed(fields.Function):
    """A field whose value is a member of the sealed document of its record.

    It can be read and written as any other field, but neither searched nor
    sorted: the database only knows the ciphertext. It knows no foreign key
    either: the target of a sealed Many2One must not be deleted.
    """

    _types = {
        'boolean', 'integer', 'float', 'numeric', 'char', 'text', 'date',
        'datetime', 'timedelta', 'selection', 'multiselection', 'dict',
        'many2one'}

    def __init__(self, field, loading='lazy'):
        assert field._type in self._types, f"{field._type} cannot be sealed"
        assert not getattr(field, 'translate', False)
        super().__init__(
            field, 'get_sealed', setter='set_sealed',
            getter_with_context=False, loading=loading)

    def __copy__(self):
        copy = self.__class__.__new__(self.__class__)
        Sealed.__init__(copy, self._field, loading=self.loading)
        return copy

    def __deepcopy__(self, memo):
        # The underlying field is copied by Function.__init__
        return self.__copy__()

    def set(self, Model, name, ids, value, *args):
        "The value is already in the document of the INSERT or of the UPDATE"
        if name not in Model._sealed_fields:
            raise TypeError(f"{Model} does not seal {name}")

    def convert_domain(self, domain, tables, Model):
        raise SealedSearchError(gettext(
                'early_access.msg_sealed_search',
                **Model.__names__(self.name)))

    def convert_order(self, name, tables, Model):
        raise SealedSearchError(gettext(
                'early_access.msg_sealed_order',
                **Model.__names__(self.name)))

    def searchable(self, model):
        return False

    def sortable(self, model):
        return False

    def clean(self, value):
        """Return the value in the form it has in the document.

        :raises CLEAN_ERRORS: if it is not a value of the type of the field.
        """
        if value is None:
            return None
        return getattr(self, f'_clean_{self._type}')(value)

    def _clean_boolean(self, value):
        if not isinstance(value, bool):
            raise TypeError
        return value

    def _clean_integer(self, value):
        if isinstance(value, str):
            value = int(value)
        if isinstance(value, bool) or value != int(value):
            raise TypeError
        value = int(value)
        if not -2 ** 31 <= value < 2 ** 31:
            raise ValueError
        return value

    def _clean_float(self, value):
        if isinstance(value, bool):
            raise TypeError
        value = float(value)
        if not math.isfinite(value):
            raise ValueError
        return value

    def _clean_numeric(self, value):
        if isinstance(value, bool):
            raise TypeError
        if isinstance(value, float):
            value = str(value)
        return _clean_decimal(Decimal(value))

    def _clean_char(self, value):
        if not isinstance(value, str):
            raise TypeError
        strip = getattr(self._field, 'strip', False)
        if strip == 'leading':
            return value.lstrip()
        elif strip == 'trailing':
            return value.rstrip()
        return value.strip() if strip else value

    _clean_text = _clean_char

    def _clean_date(self, value):
        if isinstance(value, str):
            value = dt.date.fromisoformat(value)
        if isinstance(value, dt.datetime) or not isinstance(value, dt.date):
            raise TypeError
        return value

    def _clean_datetime(self, value):
        if isinstance(value, str):
            value = dt.datetime.fromisoformat(value)
        if not isinstance(value, dt.datetime):
            raise TypeError
        return value.replace(tzinfo=None)

    def _clean_timedelta(self, value):
        if not isinstance(value, dt.timedelta):
            raise TypeError
        return value

    def _clean_selection(self, value):
        if not isinstance(value, str):
            raise TypeError
        return value

    def _clean_multiselection(self, value):
        if (not isinstance(value, (list, tuple, set))
                or not all(isinstance(v, str) for v in value)):
            raise TypeError
        return sorted(set(value))

    def _clean_many2one(self, value):
        if isinstance(value, bool):
            raise TypeError
        return int(value)

    def _clean_dict(self, value):
        # An import can only bring text: it is the JSON that an export gives
        if isinstance(value, str):
            if not value.strip():
                return None
            value = _parse(value.strip())
        if not isinstance(value, dict):
            raise TypeError
        result = {}
        for key, member in value.items():
            if not isinstance(key, str) or key == '__class__':
                raise TypeError
            result[key] = self._clean_member(member)
        return result

    def _clean_member(self, value):
        if isinstance(value, (list, tuple)):
            return self._clean_multiselection(value)
        elif isinstance(value, float):
            return self._clean_float(value)
        elif isinstance(value, Decimal):
            return _clean_decimal(value)
        elif isinstance(value, int):
            if not -2 ** 63 <= value < 2 ** 63:
                raise ValueError
        elif not (value is None or isinstance(value, (str, dt.date))):
            raise TypeError
        return value

    # The forms of the types that JSON does not know

    def dump(self, value):
        "Return a clean value as it is in the document"
        if value is None:
            return None
        elif self._type in {'date', 'datetime'}:
            return value.isoformat()
        elif self._type == 'numeric':
            return str(value)
        elif self._type == 'timedelta':
            return value // dt.timedelta.resolution
        elif self._type == 'dict':
            return {
                k: v if isinstance(v, _JSON) else _to_json(v)
                for k, v in value.items()}
        return value

    @property
    def load(self):
        """The function that returns the value of what is in the document.

        None if it is the same.
        """
        return _LOAD.get(self._type)


_JSON = (type(None), bool, int, float, str, list)


def _clean_decimal(value):
    # An exponent makes a few characters into gigabytes
    if not value.is_finite() or abs(value.adjusted()) > 30:
        raise ValueError
    return value


def _load_date(value):
    return dt.date.fromisoformat(value) if value else None


def _load_datetime(value):
    return dt.datetime.fromisoformat(value) if value else None


def _load_numeric(value):
    return Decimal(value) if value is not None else None


def _load_timedelta(value):
    return dt.timedelta(microseconds=value) if value is not None else None


def _load_multiselection(value):
    return tuple(value or ())


def _load_dict(value):
    if value is None:
        return None
    result = {}
    for key, member in value.items():
        if isinstance(member, dict):
            member = _from_json(member)
        elif isinstance(member, list):
            member = tuple(member)
        result[key] = member
    return ImmutableDict(result)


_LOAD = {
    'date': _load_date,
    'datetime': _load_datetime,
    'numeric': _load_numeric,
    'timedelta': _load_timedelta,
    'multiselection': _load_multiselection,
    'dict': _load_dict,
    }


def dict_to_text(value):
    "Return the value of a Dict in the JSON that an import takes"
    return encode({
            k: v if isinstance(v, _JSON + (tuple,)) else _to_json(v)
            for k, v in value.items()})
