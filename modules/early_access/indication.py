# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from trytond.model import ModelSQL, ModelView, Unique, fields

from .national_number import NationalNumberMixin


class Indication(NationalNumberMixin, ModelSQL, ModelView):
    "A therapeutic indication: there is one authorization per indication"
    __name__ = 'early_access.indication'

    name = fields.Char("Name", required=True, translate=True)
    code = fields.Char(
        "Code", required=True,
        help="A code of the laboratory or of a nomenclature "
        "(ORPHA, ICD-10).")

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_constraints += [
            ('code_unique', Unique(t, t.code),
                'early_access.msg_indication_unique'),
            ]
        cls._order.insert(0, ('name', 'ASC'))
