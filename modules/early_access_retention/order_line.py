# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from trytond.model import Index, fields
from trytond.pool import PoolMeta
from trytond.pyson import Eval


class OrderLine(metaclass=PoolMeta):
    __name__ = 'early_access.order.line'

    archive = fields.Many2One(
        'early_access.retention.archive', "Archived Patient", readonly=True,
        ondelete='SET NULL',
        states={
            'invisible': ~Eval('archive'),
            })

    @classmethod
    def __setup__(cls):
        super().__setup__()
        # The line outlives the patient (CNIL 2022-107, art. 2.4)
        cls.patient.required = False
        cls.patient.states = {
            **cls.patient.states,
            'required': Eval('order_state') == 'draft',
            }
        t = cls.__table__()
        cls._sql_indexes.add(Index(t, (t.archive, Index.Range())))
