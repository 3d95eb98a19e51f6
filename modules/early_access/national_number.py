# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from trytond.i18n import gettext
from trytond.model import fields

from .exceptions import NationalNumberError
from .identifiers import find_nir


class NationalNumberMixin:
    """Refuse the national number of a person in every text of the model.

    CNIL 2022-107 art. 7.2 excludes NIR and INS. What the user typed is not
    repeated in the error.
    """
    __slots__ = ()

    @classmethod
    def validate_fields(cls, records, field_names):
        super().validate_fields(records, field_names)
        for name, field in cls._fields.items():
            if (field._type not in {'char', 'text'}
                    or isinstance(field, fields.Function)
                    or field_names is not None and name not in field_names):
                continue
            for record in records:
                if find_nir(getattr(record, name) or ''):
                    raise NationalNumberError(gettext(
                            'early_access.msg_national_number',
                            **cls.__names__(name)))
