# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import datetime as dt
from collections import defaultdict

from trytond.i18n import gettext
from trytond.model import ModelView, Workflow
from trytond.model.exceptions import AccessError
from trytond.pool import Pool, PoolMeta
from trytond.transaction import Transaction

from .exceptions import (
    LotMissingError, LotShelfLifeError, OrderReceptionError,
    OrderShipmentError, ShipmentQuantityError, StockMissingError)


class Lot(metaclass=PoolMeta):
    __name__ = 'stock.lot'

    @property
    def expiry(self):
        return self.expiration_date or self.shelf_life_expiration_date

    @property
    def expiry_key(self):
        "To sort the lots by what expires first"
        return (
            self.expiry or dt.date.max,
            self.shelf_life_expiration_date or dt.date.max,
            self.id)

    def supply_obstacle(self, date, minimum):
        """Why the lot must not be supplied at the date, or None.

        :param minimum: the days it must have left before its expiry.
        """
        pool = Pool()
        Lang = pool.get('ir.lang')
        lang = Lang.get()
        if not self.active:
            return gettext('early_access.msg_lot_inactive')
        dates = [
            d for d in (self.expiration_date, self.shelf_life_expiration_date)
            if d]
        if not dates:
            return gettext('early_access.msg_lot_no_expiry')
        if min(dates) < date:
            return gettext(
                'early_access.msg_lot_expired',
                date=lang.strftime(min(dates)))
        left = (self.expiry - date).days
        if left < minimum:
            return gettext(
                'early_access.msg_lot_shelf_life_left',
                date=lang.strftime(self.expiry),
                days=left,
                minimum=minimum)


class Move(metaclass=PoolMeta):
    __name__ = 'stock.move'

    # What ties a move to its order
    _programme_fields = frozenset({'origin', 'shipment', 'product'})

    @classmethod
    def _get_origin(cls):
        return super()._get_origin() + ['early_access.order.line']

    @property
    def programme_line(self):
        "The line of the early access order that the move serves, or None."
        pool = Pool()
        Line = pool.get('early_access.order.line')
        origin = self.origin
        if isinstance(origin, self.__class__) and origin.id >= 0:
            origin = origin.origin
        if isinstance(origin, Line):
            return origin

    @classmethod
    def assign_try(
            cls, moves, with_childs=True, grouping=('product',), pblc=None):
        if 'lot' in grouping:
            return super().assign_try(
                moves, with_childs=with_childs, grouping=grouping, pblc=pblc)
        # A lot is chosen for what an order supplies
        programme, others = [], []
        for move in moves:
            (programme if move.programme_line else others).append(move)
        success = super().assign_try(
            programme, with_childs=with_childs, grouping=grouping + ('lot',))
        success &= super().assign_try(
            others, with_childs=with_childs, grouping=grouping, pblc=pblc)
        return success

    def sort_quantities(self, quantities, locations, grouping):
        """First expired first out, for what an order supplies.

        The lots which expired, or have less days left than the protocol
        demands, are left out.
        """
        pool = Pool()
        Lot = pool.get('stock.lot')
        quantities = super().sort_quantities(quantities, locations, grouping)
        line = self.programme_line
        if not line or 'lot' not in grouping:
            return quantities
        index = grouping.index('lot') + 1
        lots = Lot.browse(list({k[index] for k, _ in quantities if k[index]}))
        today = self._supply_date
        minimum = line.protocol.minimum_shelf_life
        allowed = {
            l.id: l.expiry_key for l in lots
            if not l.supply_obstacle(today, minimum)}
        # The sort is stable: same lot, the order of the locations
        return sorted(
            (q for q in quantities if q[0][index] in allowed),
            key=lambda q: allowed[q[0][index]])

    @property
    def _default_pick_location(self):
        if not self.programme_line:
            return super()._default_pick_location

    @property
    def _supply_date(self):
        pool = Pool()
        Date = pool.get('ir.date')
        with Transaction().set_context(company=self.company.id):
            return Date.today()

    @classmethod
    def check_supply_lots(cls, moves):
        """Raise LotMissingError or LotShelfLifeError.

        Whoever chose the lots, and whoever processes them.
        """
        for move in moves:
            line = move.programme_line
            if not line or not move.quantity or move.state == 'cancelled':
                continue
            names = {
                'shipment': move.shipment.rec_name if move.shipment else '',
                'product': move.product.rec_name,
                'order': line.order.rec_name,
                }
            if not move.lot:
                raise LotMissingError(gettext(
                        'early_access.msg_lot_missing', **names))
            obstacle = move.lot.supply_obstacle(
                move._supply_date, line.protocol.minimum_shelf_life)
            if obstacle:
                raise LotShelfLifeError(gettext(
                        'early_access.msg_lot_shelf_life',
                        lot=move.lot.rec_name,
                        obstacle=obstacle,
                        **names))

    @classmethod
    def check_modification(cls, mode, moves, values=None, external=False):
        super().check_modification(
            mode, moves, values=values, external=external)
        if external and (
                mode == 'delete' or (
                    mode == 'write'
                    and values.keys() & cls._programme_fields)):
            for move in moves:
                if line := move.programme_line:
                    raise AccessError(gettext(
                            'early_access.msg_move_order_line',
                            move=move.rec_name,
                            order=line.order.rec_name))


class ShipmentOut(metaclass=PoolMeta):
    __name__ = 'stock.shipment.out'

    @property
    def programme_orders(self):
        "The early access orders that the shipment serves"
        orders = []
        for move in self.moves:
            line = move.programme_line
            if line and line.order not in orders:
                orders.append(line.order)
        return orders

    @classmethod
    def check_assigned(cls, shipments):
        """Raise StockMissingError unless all the lots were found.

        It says what is missing and which lots were left out, and why.
        """
        missing = defaultdict(float)
        lines = {}
        waiting = [s for s in shipments if s.state == 'waiting']
        for shipment in waiting:
            for move in shipment.assign_moves:
                if move.state == 'draft' and move.programme_line:
                    missing[move.product] += move.internal_quantity
                    lines.setdefault(move.product, []).append(move)
        if not waiting:
            return
        pool = Pool()
        Lang = pool.get('ir.lang')
        lang = Lang.get()
        orders = {o.rec_name for s in waiting for o in s.programme_orders}
        raise StockMissingError(gettext(
                'early_access.msg_stock_missing',
                orders=', '.join(sorted(orders)),
                missing='\n'.join(
                    '- {}: {}'.format(p.rec_name, lang.format_number_symbol(
                            q, p.default_uom, digits=p.default_uom.digits))
                    for p, q in missing.items()),
                lots='\n'.join(
                    text for moves in lines.values()
                    for text in cls._lots_left_out(moves)) or '-'))

    @classmethod
    def _lots_left_out(cls, moves):
        pool = Pool()
        Lot = pool.get('stock.lot')
        Product = pool.get('product.product')
        product = moves[0].product
        date = moves[0]._supply_date
        minimum = max(
            m.programme_line.protocol.minimum_shelf_life for m in moves)
        with Transaction().set_context(
                stock_date_end=date, stock_assign=True,
                company=moves[0].company.id):
            quantities = Product.products_by_location(
                list({m.from_location.id for m in moves}), with_childs=True,
                grouping=('product', 'lot'), grouping_filter=([product.id],))
        lots = Lot.browse([
                lot for (_, _, lot), quantity in quantities.items()
                if lot and quantity >= product.default_uom.rounding])
        for lot in sorted(lots, key=lambda l: l.expiry_key):
            if obstacle := lot.supply_obstacle(date, minimum):
                yield f'- {lot.rec_name}: {obstacle}'

    @classmethod
    @ModelView.button
    @Workflow.transition('picked')
    def pick(cls, shipments):
        pool = Pool()
        Move = pool.get('stock.move')
        Move.check_supply_lots(
            [m for s in shipments for m in s.assign_moves])
        super().pick(shipments)

    @classmethod
    @ModelView.button
    @Workflow.transition('packed')
    def pack(cls, shipments):
        pool = Pool()
        Move = pool.get('stock.move')
        Move.check_supply_lots(
            [m for s in shipments for m in s.outgoing_moves])
        super().pack(shipments)

    @classmethod
    @ModelView.button
    @Workflow.transition('shipped')
    def ship(cls, shipments):
        pool = Pool()
        Date = pool.get('ir.date')
        Move = pool.get('stock.move')
        Order = pool.get('early_access.order')
        Move.check_supply_lots(
            [m for s in shipments for m in s.outgoing_moves])
        orders = []
        for shipment in shipments:
            for order in shipment.programme_orders:
                shipment.check_order(order)
                orders.append(order)
        super().ship(shipments)
        for shipment in shipments:
            if shipment.programme_orders:
                # The expiry is not checked again with the day of the receipt
                with Transaction().set_context(company=shipment.company.id):
                    shipment.effective_date = Date.today()
        cls.save(shipments)
        Order.set_shipped(Order.browse(orders))

    def check_order(self, order):
        "Raise an error unless the shipment is what was ordered and approved."
        pool = Pool()
        Lang = pool.get('ir.lang')
        Uom = pool.get('product.uom')
        lang = Lang.get()
        names = {'shipment': self.rec_name, 'order': order.rec_name}
        if order.state != 'approved':
            raise OrderShipmentError(gettext(
                    'early_access.msg_shipment_order_state',
                    state=order.state_string, **names))
        if (self.customer != order.pharmacy
                or self.delivery_address != order.delivery_address):
            raise OrderShipmentError(gettext(
                    'early_access.msg_shipment_delivery',
                    pharmacy=order.pharmacy.rec_name,
                    address=order.delivery_address.rec_name, **names))
        order.check_supply()
        shipped = defaultdict(float)
        for move in self.outgoing_moves:
            if move.state == 'cancelled':
                continue
            line = move.programme_line
            if not line or move.product != line.product:
                raise ShipmentQuantityError(gettext(
                        'early_access.msg_shipment_not_ordered',
                        move=move.rec_name, **names))
            shipped[line] += Uom.compute_qty(
                move.unit, move.quantity, line.unit, round=False)
        for line in order.lines:
            if line.unit.round(shipped[line]) != line.quantity:
                raise ShipmentQuantityError(gettext(
                        'early_access.msg_shipment_quantity',
                        product=line.product.rec_name,
                        ordered=lang.format_number_symbol(
                            line.quantity, line.unit, digits=line.unit.digits),
                        shipped=lang.format_number_symbol(
                            shipped[line], line.unit, digits=line.unit.digits),
                        **names))

    @classmethod
    @ModelView.button
    @Workflow.transition('done')
    def do(cls, shipments):
        for shipment in shipments:
            for order in shipment.programme_orders:
                if order.state != 'received':
                    raise OrderReceptionError(gettext(
                            'early_access.msg_shipment_reception',
                            shipment=shipment.rec_name,
                            order=order.rec_name,
                            pharmacy=order.pharmacy.rec_name))
        super().do(shipments)

    @classmethod
    @ModelView.button
    @Workflow.transition('cancelled')
    def cancel(cls, shipments):
        cls.check_orders_cancelled(shipments)
        super().cancel(shipments)

    @classmethod
    def check_orders_cancelled(cls, shipments):
        for shipment in shipments:
            for order in shipment.programme_orders:
                if order.state != 'cancelled':
                    raise OrderShipmentError(gettext(
                            'early_access.msg_shipment_cancel',
                            shipment=shipment.rec_name,
                            order=order.rec_name,
                            state=order.state_string))

    @classmethod
    def check_modification(cls, mode, shipments, values=None, external=False):
        super().check_modification(
            mode, shipments, values=values, external=external)
        if mode == 'delete':
            cls.check_orders_cancelled(shipments)
