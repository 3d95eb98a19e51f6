# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from trytond.model import ModelSingleton, ModelSQL, ModelView, fields
from trytond.modules.company.model import (
    CompanyMultiValueMixin, CompanyValueMixin)
from trytond.pool import Pool
from trytond.pyson import Eval, Id

order_warehouse = fields.Many2One(
    'stock.location', "Order Warehouse", ondelete='RESTRICT',
    domain=[
        ('type', '=', 'warehouse'),
        ],
    help="The warehouse from which the orders are shipped.\n"
    "Leave empty for the default warehouse.")


class Configuration(
        ModelSingleton, ModelSQL, ModelView, CompanyMultiValueMixin):
    __name__ = 'early_access.configuration'

    order_sequence = fields.MultiValue(fields.Many2One(
            'ir.sequence', "Order Sequence", required=True,
            domain=[
                ('company', 'in',
                    [Eval('context', {}).get('company', -1), None]),
                ('sequence_type', '=',
                    Id('early_access', 'sequence_type_order')),
                ],
            help="Used to generate the number of the orders."))
    order_warehouse = fields.MultiValue(order_warehouse)

    @classmethod
    def multivalue_model(cls, field):
        pool = Pool()
        if field in {'order_sequence', 'order_warehouse'}:
            return pool.get('early_access.configuration.order')
        return super().multivalue_model(field)

    @classmethod
    def default_order_sequence(cls, **pattern):
        return cls.multivalue_model('order_sequence').default_order_sequence()


class ConfigurationOrder(ModelSQL, CompanyValueMixin):
    __name__ = 'early_access.configuration.order'
    order_sequence = fields.Many2One(
        'ir.sequence', "Order Sequence", required=True,
        domain=[
            ('company', 'in', [Eval('company', -1), None]),
            ('sequence_type', '=', Id('early_access', 'sequence_type_order')),
            ],
        depends={'company'})
    order_warehouse = order_warehouse

    @classmethod
    def default_order_sequence(cls):
        pool = Pool()
        ModelData = pool.get('ir.model.data')
        try:
            return ModelData.get_id('early_access', 'sequence_order')
        except KeyError:
            return None
