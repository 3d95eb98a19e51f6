# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from trytond.model import (
    DeactivableMixin, Index, ModelSQL, ModelView, Unique, fields)

from .national_number import NationalNumberMixin


class Service(
        NationalNumberMixin, DeactivableMixin, ModelSQL, ModelView):
    "A service (department) of an establishment that prescribes"
    __name__ = 'early_access.service'

    name = fields.Char("Name", required=True)
    establishment = fields.Many2One(
        'party.party', "Establishment", required=True, ondelete='RESTRICT',
        domain=[
            ('hospital_kind', '=', 'establishment'),
            ])
    pharmacy = fields.Many2One(
        'party.party', "Dispensing Pharmacy", required=True,
        ondelete='RESTRICT',
        domain=[
            ('hospital_kind', '=', 'pharmacy'),
            ],
        help="The hospital pharmacy that usually dispenses to the patients "
        "of the service. It may belong to another establishment.")

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_constraints += [
            ('name_unique', Unique(t, t.establishment, t.name),
                'early_access.msg_service_unique'),
            ]
        cls._sql_indexes.update({
                Index(t, (t.establishment, Index.Range())),
                Index(t, (t.pharmacy, Index.Range())),
                })
        cls._order.insert(0, ('establishment.name', 'ASC'))
        cls._order.insert(1, ('name', 'ASC'))

    def get_rec_name(self, name):
        return f'{self.name} - {self.establishment.rec_name}'

    @classmethod
    def search_rec_name(cls, name, clause):
        _, operator, value = clause
        bool_op = 'AND' if operator.startswith(('!', 'not')) else 'OR'
        return [bool_op,
            ('name', operator, value),
            ('establishment.rec_name', operator, value),
            ]
