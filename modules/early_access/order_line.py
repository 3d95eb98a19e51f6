# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import datetime as dt
from collections import defaultdict

from trytond.i18n import gettext
from trytond.model import Index, ModelSQL, ModelView, fields
from trytond.pool import Pool
from trytond.pyson import Bool, Eval, If
from trytond.transaction import Transaction

from .exceptions import OrderLineError, OrderQuantityError

# What counts against the quantity that the protocol allows a patient
ONGOING = ('submitted', 'approved', 'shipped', 'received')


class OrderLine(ModelSQL, ModelView):
    "What a pharmacy orders for a patient"
    __name__ = 'early_access.order.line'

    _states = {
        'readonly': Eval('order_state') != 'draft',
        }

    order = fields.Many2One(
        'early_access.order', "Order", required=True, ondelete='CASCADE',
        states={
            'readonly': (
                (Eval('order_state') != 'draft') & Bool(Eval('order'))),
            })
    patient = fields.Many2One(
        'early_access.patient', "Patient", required=True, ondelete='RESTRICT',
        states=_states,
        domain=[
            If(Eval('order_state') == 'draft',
                [
                    ('authorization', '=', Eval('authorization', -1)),
                    ('pharmacy', '=', Eval('pharmacy', -1)),
                    ('state', 'in', ['eligible', 'treated']),
                    ],
                []),
            ])
    product = fields.Many2One(
        'product.product', "Product", required=True, ondelete='RESTRICT',
        states=_states,
        domain=[
            If(Eval('order_state') == 'draft',
                [('id', 'in', Eval('available_products', []))],
                []),
            ])
    unit = fields.Many2One(
        'product.uom', "Unit", required=True, ondelete='RESTRICT',
        states=_states,
        domain=[
            ('category', '=', Eval('product_uom_category', -1)),
            ])
    quantity = fields.Float(
        "Quantity", digits='unit', required=True, states=_states)
    moves = fields.One2Many(
        'stock.move', 'origin', "Stock Moves", readonly=True)

    authorization = fields.Function(
        fields.Many2One('early_access.authorization', "Authorization"),
        'on_change_with_authorization')
    pharmacy = fields.Function(
        fields.Many2One('party.party', "Pharmacy"),
        'on_change_with_pharmacy')
    available_products = fields.Function(
        fields.Many2Many(
            'product.product', None, None, "Available Products"),
        'on_change_with_available_products')
    product_uom_category = fields.Function(
        fields.Many2One('product.uom.category', "Product UoM Category"),
        'on_change_with_product_uom_category')
    order_state = fields.Function(
        fields.Selection('get_order_states', "Order State"),
        'on_change_with_order_state')

    del _states

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_indexes.update({
                Index(
                    t,
                    (t.patient, Index.Range()),
                    (t.product, Index.Range())),
                Index(t, (t.order, Index.Range())),
                })
        cls._order = [('order', 'DESC'), ('id', 'ASC')]

    @classmethod
    def get_order_states(cls):
        pool = Pool()
        Order = pool.get('early_access.order')
        return Order.fields_get(['state'])['state']['selection']

    @fields.depends('order', '_parent_order.authorization')
    def on_change_with_authorization(self, name=None):
        return self.order.authorization if self.order else None

    @fields.depends('order', '_parent_order.pharmacy')
    def on_change_with_pharmacy(self, name=None):
        return self.order.pharmacy if self.order else None

    @fields.depends('order', '_parent_order.authorization')
    def on_change_with_available_products(self, name=None):
        if self.order and self.order.authorization:
            return self.order.authorization.products
        return []

    @fields.depends('product')
    def on_change_with_product_uom_category(self, name=None):
        return self.product.default_uom_category if self.product else None

    @fields.depends('order', '_parent_order.state')
    def on_change_with_order_state(self, name=None):
        return self.order.state if self.order else 'draft'

    @fields.depends(
        'product', methods=[
            'on_change_with_available_products', 'on_change_product'])
    def on_change_patient(self):
        if not self.product:
            products = self.on_change_with_available_products()
            if len(products) == 1:
                self.product, = products
                self.on_change_product()

    @fields.depends('product', 'unit')
    def on_change_product(self):
        if self.product:
            default_uom = self.product.default_uom
            if not self.unit or self.unit.category != default_uom.category:
                self.unit = default_uom

    def get_rec_name(self, name):
        # Shown as the origin of the shipment: no code of a patient
        return f'{self.product.rec_name} @ {self.order.rec_name}'

    @classmethod
    def search_rec_name(cls, name, clause):
        _, operator, value = clause
        bool_op = 'AND' if operator.startswith(('!', 'not')) else 'OR'
        return [bool_op,
            ('product.rec_name', operator, value),
            ('order.rec_name', operator, value),
            ]

    @property
    def protocol(self):
        return self.patient.protocol

    @property
    def internal_quantity(self):
        pool = Pool()
        Uom = pool.get('product.uom')
        return Uom.compute_qty(
            self.unit, self.quantity, self.product.default_uom, round=False)

    def get_move(self, shipment):
        pool = Pool()
        Move = pool.get('stock.move')
        move = Move(
            from_location=shipment.warehouse_output,
            to_location=shipment.customer.customer_location,
            product=self.product,
            unit=self.unit,
            quantity=self.quantity,
            planned_date=shipment.planned_date,
            company=shipment.company,
            origin=self)
        if move.on_change_with_unit_price_required():
            # The price is no part of the programme (CNIL 2022-107, art. 2.4)
            move.unit_price = 0
            move.currency = shipment.company.currency
        return move

    def check_definition(self):
        "Raise OrderLineError unless the line fits its order."
        order = self.order
        names = {
            'order': order.rec_name,
            'line': self.rec_name,
            }
        if self.patient.pharmacy != order.pharmacy:
            # No code: the patient is perhaps not one the user may see
            raise OrderLineError(gettext(
                    'early_access.msg_order_line_pharmacy',
                    pharmacy=order.pharmacy.rec_name, **names))
        names['patient'] = self.patient.rec_name
        if self.patient.authorization != order.authorization:
            raise OrderLineError(gettext(
                    'early_access.msg_order_line_authorization',
                    authorization=order.authorization.rec_name, **names))
        if self.product not in order.authorization.products:
            raise OrderLineError(gettext(
                    'early_access.msg_order_line_product',
                    product=self.product.rec_name,
                    authorization=order.authorization.rec_name, **names))
        if self.unit.category != self.product.default_uom_category:
            raise OrderLineError(gettext(
                    'early_access.msg_order_line_unit',
                    unit=self.unit.rec_name,
                    default_unit=self.product.default_uom.rec_name, **names))
        if not self.quantity > 0:
            raise OrderLineError(gettext(
                    'early_access.msg_order_line_quantity', **names))
        if self.unit.round(self.quantity) != self.quantity:
            raise OrderLineError(gettext(
                    'early_access.msg_order_line_digits',
                    unit=self.unit.rec_name,
                    rounding=self.unit.rounding, **names))

    def check_patient_state(self):
        if self.patient.state not in {'eligible', 'treated'}:
            raise OrderLineError(gettext(
                    'early_access.msg_order_line_patient_state',
                    order=self.order.rec_name,
                    patient=self.patient.rec_name,
                    state=self.patient.state_string))

    @classmethod
    def check_quantities(cls, orders):
        """Raise OrderQuantityError when a patient gets more than the protocol
        allows over its rolling period, all orders counted."""
        pool = Pool()
        Date = pool.get('ir.date')
        ordered = cls._ordered_quantities(orders)
        for order in orders:
            with Transaction().set_context(company=order.company.id):
                today = Date.today()
            requested = defaultdict(list)
            for line in order.lines:
                requested[line.patient, line.product].append(line)
            for (patient, product), lines in requested.items():
                names = {
                    'order': order.rec_name,
                    'patient': patient.rec_name,
                    'product': product.rec_name,
                    'protocol': lines[0].protocol.rec_name,
                    }
                supply, = [
                    s for s in lines[0].protocol.supplies
                    if s.product == product][:1] or [None]
                if not supply:
                    raise OrderQuantityError(gettext(
                            'early_access.msg_order_line_no_supply', **names))
                start = today - dt.timedelta(days=supply.period)
                others = sum(
                    quantity for id_, date, quantity
                    in ordered[patient.id, product.id]
                    if id_ != order.id and (date or today) > start)
                quantity = sum(l.internal_quantity for l in lines)
                unit = product.default_uom
                left = max(supply.maximum_quantity - others, 0)
                if unit.round(quantity - left) > 0:
                    raise OrderQuantityError(gettext(
                            'early_access.msg_order_line_maximum',
                            quantity=_format(quantity, unit),
                            ordered=_format(others, unit),
                            maximum=_format(supply.maximum_quantity, unit),
                            left=_format(left, unit),
                            period=supply.period,
                            **names))

    @classmethod
    def _ordered_quantities(cls, orders):
        """What the patients of the orders were ordered, those included.

        Returns a dictionary of (patient id, product id) to a list of order
        id, date of submission and quantity in the default unit.
        """
        patients = list({l.patient for o in orders for l in o.lines})
        quantities = defaultdict(list)
        lines = cls.search(
            [('patient', 'in', [p.id for p in patients])], order=[])
        for line in lines:
            # The database would rather read all the orders in these states
            if line.order.state not in ONGOING and line.order not in orders:
                continue
            submitted = line.order.submitted_at
            quantities[line.patient.id, line.product.id].append((
                    line.order.id,
                    submitted.date() if submitted else None,
                    line.internal_quantity))
        return quantities

    @classmethod
    def _validate(cls, lines, field_names=None):
        # Before the domains, whose messages name neither the rule nor the
        # order, and tell the code of a patient that the user may not see
        for line in lines:
            if line.order.state == 'draft':
                line.check_definition()
                line.check_patient_state()
        super()._validate(lines, field_names=field_names)

    @classmethod
    def check_modification(cls, mode, lines, values=None, external=False):
        pool = Pool()
        Order = pool.get('early_access.order')
        super().check_modification(
            mode, lines, values=values, external=external)
        if external:
            orders = {l.order for l in lines}
            if mode == 'write' and values.get('order'):
                orders.add(Order(values['order']))
            Order.check_draft(orders)

    @classmethod
    def copy(cls, lines, default=None):
        default = default.copy() if default is not None else {}
        default.setdefault('moves')
        return super().copy(lines, default=default)


def _format(quantity, unit):
    pool = Pool()
    Lang = pool.get('ir.lang')
    return Lang.get().format_number_symbol(quantity, unit, digits=unit.digits)
