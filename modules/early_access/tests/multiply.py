# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Many copies of records, made by the database itself."

from sql import Cast, Literal, Select, Union, With
from sql.aggregate import Max
from sql.functions import CurrentTimestamp
from sql.operators import Concat

from trytond.pool import Pool
from trytond.transaction import Transaction


def multiply(record, number, **values):
    """Copy the row of a record and return the id before that of the first.

    :param values: by the name of a field, a function of the number of the
        copy, from 1, as an SQL expression that returns another one.
    """
    transaction = Transaction()
    cursor = transaction.connection.cursor()
    table = record.__table__()
    cursor.execute(*table.select(Max(table.id)))
    last, = cursor.fetchone()

    numbers = With('i', recursive=True)
    numbers.query = Union(
        Select([Cast(Literal(1), 'INTEGER')]),
        numbers.select(numbers.i + 1, where=numbers.i < number),
        all_=True)
    copy = record.__table__()
    expressions = {
        'id': numbers.i + last,
        'create_date': CurrentTimestamp(),
        }
    for name, field in record._fields.items():
        if name in values:
            expressions[name] = values[name](numbers.i)
        elif (not hasattr(field, 'get')
                and name not in {'id', 'create_date', 'write_date'}):
            expressions[name] = getattr(copy, name)
    cursor.execute(*table.insert(
            [getattr(table, n) for n in expressions],
            copy.join(numbers, condition=copy.id == record.id).select(
                *expressions.values(), with_=[numbers],
                where=numbers.i <= number)))
    transaction.database.setnextid(
        transaction.connection, record.__class__._table, last + number)
    return last


def multiply_orders(order, number):
    "Copy an order of one line, with its patient, its move and its shipment"
    pool = Pool()
    Line = pool.get('early_access.order.line')
    Shipment = pool.get('stock.shipment.out')

    def text(prefix):
        return lambda i: Concat(prefix, Cast(i, 'VARCHAR'))

    def reference(Model, last):
        return lambda i: Concat(
            f'{Model.__name__},', Cast(i + last, 'VARCHAR'))

    line, = order.lines
    patients = multiply(
        line.patient, number,
        code=text(f'C-{order.id}-{number}-'),
        uuid=text(f'uuid-{order.id}-{number}-'))
    orders = multiply(order, number)
    lines = multiply(
        line, number,
        order=lambda i: i + orders,
        patient=lambda i: i + patients)
    for shipment in order.shipments:
        shipments = multiply(shipment, number)
        multiply(
            line.moves[0], number,
            origin=reference(Line, lines),
            shipment=reference(Shipment, shipments))
    for form in line.patient.forms:
        multiply(
            form, number,
            patient=lambda i: i + patients,
            uuid=text(f'uuid-{order.id}-{form.id}-{number}-'))
    return orders
