# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import datetime as dt
import json
from collections import namedtuple
from decimal import Decimal

from trytond.cache import Cache
from trytond.model import DictSchemaMixin, ModelStorage
from trytond.transaction import inactive_records, without_check_access

__all__ = ['Limits', 'Schema', 'SchemaMixin', 'has_digits']


class Schema(namedtuple('Schema', ['name', 'type_', 'digits', 'choices'])):
    "What the check of a value of a Dict needs to know of its key"
    __slots__ = ()

    def accepts(self, value):
        "Return whether a value is of the type."
        if self.type_ == 'selection':
            return isinstance(value, str) and value in self.choices
        elif self.type_ == 'multiselection':
            return (isinstance(value, (list, tuple))
                and self.choices.issuperset(value))
        elif isinstance(value, bool):
            return self.type_ == 'boolean'
        elif self.type_ == 'integer':
            return isinstance(value, int)
        elif self.type_ == 'float':
            return (isinstance(value, (int, float))
                and has_digits(value, None, self.digits))
        elif self.type_ == 'numeric':
            return (isinstance(value, (int, Decimal))
                and has_digits(value, None, self.digits))
        elif self.type_ in {'char', 'color'}:
            return isinstance(value, str)
        elif self.type_ == 'date':
            return (isinstance(value, dt.date)
                and not isinstance(value, dt.datetime))
        return self.type_ == 'datetime' and isinstance(value, dt.datetime)


class Limits(namedtuple('Limits', ['minimum', 'maximum'])):
    "Between what a number must be, each None if there is no limit"
    __slots__ = ()

    def hold(self, value):
        return (
            (self.minimum is None or value >= self.minimum)
            and (self.maximum is None or value <= self.maximum))


class SchemaMixin(DictSchemaMixin, ModelStorage):
    "The keys of a sealed Dict, known without reading their records again"
    __slots__ = ()
    _schemas_cache = Cache('early_access.schema', context=False)

    @classmethod
    @without_check_access
    def schemas(cls, names):
        """Return the :class:`Schema` of each name that exists, by name.

        :param names: the names of the keys.
        """
        result, missing = {}, []
        for name in names:
            schema = cls._schemas_cache.get((cls.__name__, name))
            if schema:
                result[name] = schema
            else:
                missing.append(name)
        if missing:
            with inactive_records():
                records = cls.search([('name', 'in', missing)])
            for record in records:
                schema = result[record.name] = Schema(
                    record.name, record.type_, record.digits,
                    frozenset(dict(json.loads(record.selection_json))))
                cls._schemas_cache.set((cls.__name__, record.name), schema)
        return result

    @classmethod
    def on_modification(cls, mode, records, field_names=None):
        super().on_modification(mode, records, field_names=field_names)
        if mode != 'create':
            cls._schemas_cache.clear()


def has_digits(value, integer, decimal):
    "Return whether a number has at most so many digits around its point"
    number = Decimal(str(value))
    return (
        (integer is None or not number or number.adjusted() < integer)
        and (decimal is None or number.as_tuple().exponent >= -decimal))
