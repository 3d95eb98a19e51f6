# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from sql import Null, Union

from trytond.model import ModelSQL, ModelView, fields
from trytond.pool import Pool
from trytond.pyson import Eval, PYSONEncoder
from trytond.wizard import Button, StateAction, StateView, Wizard


class Recall(ModelSQL, ModelView):
    """From a lot to the orders, the pharmacies and the codes of the patients.

    It holds what was shipped, but also what is assigned, picked or packed:
    the trace of the lots has only what is done.
    """
    __name__ = 'early_access.recall'

    lot = fields.Many2One('stock.lot', "Lot")
    product = fields.Many2One(
        'product.product', "Product",
        context={
            'company': Eval('company', -1),
            },
        depends={'company'})
    company = fields.Many2One('company.company', "Company")
    pharmacy = fields.Many2One(
        'party.party', "Pharmacy",
        context={
            'company': Eval('company', -1),
            },
        depends={'company'})
    pharmacy_phone = fields.Function(
        fields.Char("Phone"), 'get_pharmacy_contact')
    pharmacy_email = fields.Function(
        fields.Char("E-mail"), 'get_pharmacy_contact')
    order = fields.Many2One('early_access.order', "Order")
    order_line = fields.Many2One('early_access.order.line', "Order Line")
    patient = fields.Many2One('early_access.patient', "Patient")
    quantity = fields.Float("Quantity", digits='unit')
    unit = fields.Many2One('product.uom', "Unit")
    shipment = fields.Char("Shipment")
    shipment_state = fields.Selection(
        'get_shipment_states', "Shipment State", sort=False)
    shipped_at = fields.Timestamp("Shipped At")
    received_at = fields.Timestamp("Received At")

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls._order = [
            ('lot', 'ASC'),
            ('pharmacy', 'ASC'),
            ('order', 'ASC'),
            ('id', 'ASC'),
            ]

    @classmethod
    def table_query(cls):
        return Union(
            cls._outgoing_query(), cls._inventory_query(), all_=True)

    @classmethod
    def _outgoing_query(cls):
        "What goes out with a lot"
        pool = Pool()
        Move = pool.get('stock.move')
        move = Move.__table__()
        return cls._query(move, move, move)

    @classmethod
    def _inventory_query(cls):
        "What is assigned in the storage, before the lot goes out"
        pool = Pool()
        Move = pool.get('stock.move')
        move = Move.__table__()
        outgoing = Move.__table__()
        query = cls._query(
            move.join(outgoing,
                condition=move.origin.like(Move.__name__ + ',%')
                & (outgoing.id == Move.origin.sql_id(move.origin, Move))),
            move, outgoing)
        query.where &= outgoing.lot == Null
        query.where &= outgoing.state != 'cancelled'
        return query

    @classmethod
    def _query(cls, from_item, move, outgoing):
        """The moves of a lot with the order that they serve.

        :param move: the table of the move that has the lot.
        :param outgoing: the table of the move whose origin is the line.
        """
        pool = Pool()
        Line = pool.get('early_access.order.line')
        Move = pool.get('stock.move')
        Order = pool.get('early_access.order')
        Shipment = pool.get('stock.shipment.out')
        line = Line.__table__()
        order = Order.__table__()
        shipment = Shipment.__table__()
        return (from_item
            .join(line,
                condition=outgoing.origin.like(Line.__name__ + ',%')
                & (line.id == Move.origin.sql_id(outgoing.origin, Move)))
            .join(order, condition=line.order == order.id)
            .join(shipment, 'LEFT',
                condition=move.shipment.like(Shipment.__name__ + ',%')
                & (shipment.id == Move.shipment.sql_id(move.shipment, Move)))
            .select(
                move.id.as_('id'),
                move.lot.as_('lot'),
                move.product.as_('product'),
                move.company.as_('company'),
                move.quantity.as_('quantity'),
                move.unit.as_('unit'),
                order.pharmacy.as_('pharmacy'),
                order.id.as_('order'),
                order.shipped_at.as_('shipped_at'),
                order.received_at.as_('received_at'),
                line.id.as_('order_line'),
                line.patient.as_('patient'),
                shipment.number.as_('shipment'),
                shipment.state.as_('shipment_state'),
                where=(move.lot != Null)
                & (move.state != 'cancelled')
                & (move.quantity > 0)))

    @classmethod
    def get_shipment_states(cls):
        pool = Pool()
        Order = pool.get('early_access.order')
        return Order.get_shipment_states()

    @classmethod
    def get_pharmacy_contact(cls, recalls, names):
        contacts = {n: {} for n in names}
        for recall in recalls:
            for name in names:
                contacts[name][recall.id] = getattr(
                    recall.pharmacy, name[len('pharmacy_'):])
        return contacts

    def get_rec_name(self, name):
        return f'{self.lot.rec_name} @ {self.order.rec_name}'


class RecallLot(Wizard):
    __name__ = 'early_access.recall.lot'
    start = StateView(
        'early_access.recall.lot.start',
        'early_access.recall_lot_start_view_form', [
            Button("Cancel", 'end', 'tryton-cancel'),
            Button("Recall", 'open_', 'tryton-ok', default=True),
            ])
    open_ = StateAction('early_access.act_recall_form')

    def do_open_(self, action):
        lot = self.start.lot
        action['pyson_domain'] = PYSONEncoder().encode([
                ('lot', '=', lot.id),
                ])
        action['name'] += f' ({lot.rec_name})'
        return action, {}


class RecallLotStart(ModelView):
    __name__ = 'early_access.recall.lot.start'
    lot = fields.Many2One(
        'stock.lot', "Lot", required=True,
        domain=[
            ('product.template.medicinal', '=', True),
            ])
