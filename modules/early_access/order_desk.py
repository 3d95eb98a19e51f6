# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from collections import defaultdict

from sql import Cast, Literal
from sql.aggregate import Count, Min, Sum
from sql.functions import Extract
from sql.operators import Concat

from trytond.model import fields
from trytond.pool import Pool
from trytond.pyson import Eval
from trytond.transaction import Transaction, check_access

in_ = fields.SQL_OPERATORS['in']

OPEN = ('draft', 'submitted', 'approved', 'shipped')
WAITING = ('submitted', 'approved')


class OrderDesk:
    """What the desk shows of the orders.

    It is read for a page of orders at a time: the number of queries does not
    depend on the number of orders.
    """
    __slots__ = ()

    products = fields.Function(fields.Char("Products"), 'get_summary')
    quantity = fields.Function(
        fields.Float("Quantity"), 'get_summary')
    line_count = fields.Function(
        fields.Integer("Number of Lines"), 'get_summary')
    days_waiting = fields.Function(
        fields.Integer(
            "Days Waiting",
            help="The days since the order was submitted."), 'get_delays')
    late = fields.Function(fields.Boolean("Late"), 'get_delays')
    overdue_forms = fields.Function(
        fields.Integer(
            "Overdue Forms",
            help="The forms that the patients of the order are late with."),
        'get_overdue_forms')
    shipments = fields.Function(
        fields.Many2Many('stock.shipment.out', None, None, "Shipments"),
        'get_shipments', searcher='search_shipments')
    shipment_state = fields.Function(
        fields.Selection(
            'get_shipment_states', "Shipment State", sort=False,
            states={
                'invisible': ~Eval('shipment_state'),
                }),
        'get_shipments', searcher='search_shipment_state')

    @classmethod
    def order_days_waiting(cls, tables):
        table, _ = tables[None]
        return [Literal(0) - Extract('EPOCH', table.submitted_at)]

    @classmethod
    def _lines_query(cls, orders):
        """The SQL table of the lines of the orders that the user may see.

        Getters do not check the access: a prescriber would otherwise be shown
        what is ordered for the patients of other services.
        """
        pool = Pool()
        Line = pool.get('early_access.order.line')
        Rule = pool.get('ir.rule')
        User = pool.get('res.user')
        line = Line.__table__()
        where = in_(line.order, map(int, orders))
        if User.hospital_scope() is not None:
            with check_access():
                where &= line.id.in_(Rule.query_get(Line.__name__))
        return line, where

    @classmethod
    def get_summary(cls, orders, names):
        pool = Pool()
        Lang = pool.get('ir.lang')
        Product = pool.get('product.product')
        Uom = pool.get('product.uom')
        cursor = Transaction().connection.cursor()
        lang = Lang.get()
        items = defaultdict(list)
        counts = defaultdict(int)
        line, where = cls._lines_query(orders)
        cursor.execute(*line.select(
                line.order, line.product, line.unit, Sum(line.quantity),
                Count(line.id),
                where=where,
                group_by=[line.order, line.product, line.unit],
                order_by=[line.order, Min(line.id)]))
        for order, product, unit, quantity, count in cursor:
            items[order].append((product, unit, quantity))
            counts[order] += count
        products = Product.browse(list(
                {p for values in items.values() for p, _, _ in values}))
        products = {p.id: p.name for p in products}
        units = Uom.browse(list(
                {u for values in items.values() for _, u, _ in values}))
        units = {u.id: u for u in units}
        summary = {n: {} for n in names}
        for order in orders:
            texts, total = [], 0
            for product, unit, quantity in items[order.id]:
                unit = units[unit]
                quantity = unit.round(quantity)
                total += quantity
                number = lang.format_number(quantity, unit.digits)
                texts.append(f'{products[product]} × {number}')
            values = {
                'products': ', '.join(texts),
                'quantity': total,
                'line_count': counts[order.id],
                }
            for name in names:
                summary[name][order.id] = values[name]
        return summary

    @classmethod
    def get_delays(cls, orders, names):
        pool = Pool()
        Date = pool.get('ir.date')
        today = Date.today()
        delays = {n: {} for n in names}
        for order in orders:
            waiting, late = None, False
            if order.state in WAITING and order.submitted_at:
                waiting = (today - order.submitted_at.date()).days
            if order.state in OPEN and order.needed_by:
                late = order.needed_by < today
            values = {'days_waiting': waiting, 'late': late}
            for name in names:
                delays[name][order.id] = values[name]
        return delays

    @classmethod
    def get_overdue_forms(cls, orders, name):
        pool = Pool()
        Form = pool.get('early_access.form')
        Patient = pool.get('early_access.patient')
        cursor = Transaction().connection.cursor()
        patients = defaultdict(set)
        line, where = cls._lines_query(orders)
        cursor.execute(*line.select(line.order, line.patient, where=where))
        for order, patient in cursor:
            patients[order].add(patient)
        overdue = Form.overdue_count(
            Patient.browse(list(set().union(*patients.values()))))
        return {
            o.id: sum(overdue.get(p, 0) for p in patients[o.id])
            for o in orders}

    @classmethod
    def get_shipment_states(cls):
        pool = Pool()
        Shipment = pool.get('stock.shipment.out')
        definition = Shipment.fields_get(['state'])['state']
        return [(None, "")] + definition['selection']

    @classmethod
    def _shipment_tables(cls):
        "The SQL tables line, move and shipment, and how they are joined"
        pool = Pool()
        Line = pool.get('early_access.order.line')
        Move = pool.get('stock.move')
        Shipment = pool.get('stock.shipment.out')
        line = Line.__table__()
        move = Move.__table__()
        shipment = Shipment.__table__()
        sql_type = Move.origin.sql_type().base
        of_line = move.origin == Concat(
            Line.__name__ + ',', Cast(line.id, sql_type))
        of_shipment = move.shipment == Concat(
            Shipment.__name__ + ',', Cast(shipment.id, sql_type))
        return line, move, shipment, of_line, of_shipment

    @classmethod
    def get_shipments(cls, orders, names):
        pool = Pool()
        Move = pool.get('stock.move')
        cursor = Transaction().connection.cursor()
        progress = [s for s, _ in cls.get_shipment_states()]
        shipments = defaultdict(dict)
        line, move, shipment, of_line, _ = cls._shipment_tables()
        cursor.execute(*line
            .join(move, condition=of_line)
            .join(shipment,
                condition=shipment.id == Move.shipment.sql_id(
                    move.shipment, Move))
            .select(
                line.order, shipment.id, shipment.state,
                where=in_(line.order, map(int, orders)),
                group_by=[line.order, shipment.id, shipment.state]))
        for order, id_, state in cursor:
            shipments[order][id_] = state
        result = {n: {} for n in names}
        for order in orders:
            # The least advanced tells what is left to do
            states = sorted(shipments[order.id].values(), key=progress.index)
            values = {
                'shipments': sorted(shipments[order.id]),
                'shipment_state': states[0] if states else None,
                }
            for name in names:
                result[name][order.id] = values[name]
        return result

    @classmethod
    def search_shipments(cls, name, clause):
        _, operator, operand, *extra = clause
        nested = clause[0][len(name):]
        if not nested:
            nested = '.rec_name' if isinstance(operand, str) else '.id'
        return [
            ('lines.moves.shipment' + nested,
                operator, operand, 'stock.shipment.out', *extra),
            ]

    @classmethod
    def search_shipment_state(cls, name, clause):
        pool = Pool()
        Shipment = pool.get('stock.shipment.out')
        _, operator, value = clause
        Operator = fields.SQL_OPERATORS[operator]
        line, move, shipment, of_line, of_shipment = cls._shipment_tables()
        field = Shipment.state
        query = (shipment
            .join(move, condition=of_shipment)
            .join(line, condition=of_line)
            .select(
                line.order,
                where=Operator(
                    field.sql_column({None: (shipment, {})}, Shipment),
                    field._domain_value(operator, value))))
        return [('id', 'in', query)]
