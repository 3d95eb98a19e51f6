# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import datetime as dt
from contextlib import contextmanager
from unittest.mock import patch

from trytond.model.exceptions import AccessError
from trytond.model.modelview import AccessButtonError
from trytond.modules.early_access.exceptions import (
    LotShelfLifeError, OrderOverdueWarning)
from trytond.pool import Pool
from trytond.tests.test_tryton import with_transaction
from trytond.transaction import Transaction

from .multiply import multiply_orders
from .order_tools import create_lot, create_order
from .tools import PROFILES, ProgrammeTestCase, acting, create_patient

BUTTONS = {
    'submit': ('draft', {'hospital_pharmacist'}),
    'cancel': ('submitted', {
            'hospital_pharmacist', 'supply', 'pharmacist_in_charge',
            'delegate'}),
    'approve': ('submitted', {'supply'}),
    'refuse': (
        'submitted', {'supply', 'pharmacist_in_charge', 'delegate'}),
    'override': ('submitted', {'pharmacist_in_charge', 'delegate'}),
    'pick': ('approved', {'supply'}),
    'ship': ('picked', {'supply'}),
    'receive': ('shipped', {'hospital_pharmacist'}),
    }
# Who brings the order to each state, with which button
PATH = [
    (None, None, 'draft'),
    ('hospital_pharmacist', 'submit', 'submitted'),
    ('supply', 'approve', 'approved'),
    ('supply', 'pick', 'picked'),
    ('supply', 'ship', 'shipped'),
    ('hospital_pharmacist', 'receive', 'received'),
    ]


class _Connection:
    "A connection that counts the queries"

    def __init__(self, connection):
        self.connection = connection
        self.queries = []

    def cursor(self, *args, **kwargs):
        return _Cursor(self.connection.cursor(*args, **kwargs), self.queries)

    def __getattr__(self, name):
        return getattr(self.connection, name)


class _Cursor:

    def __init__(self, cursor, queries):
        self.cursor = cursor
        self.queries = queries

    def execute(self, query, params=()):
        self.queries.append(query)
        return self.cursor.execute(query, params)

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.cursor.close()

    def __iter__(self):
        return iter(self.cursor)

    def __getattr__(self, name):
        return getattr(self.cursor, name)


@contextmanager
def queries():
    transaction = Transaction()
    connection = transaction.connection
    transaction.connection = counting = _Connection(connection)
    try:
        yield counting.queries
    finally:
        transaction.connection = connection


class OrderTestCase(ProgrammeTestCase):
    "Test order"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        patient = create_patient()
        cls.lot = create_lot('LOT', 100, expires_in=30)
        cls.order = create_order([patient], state='draft')

    def _bring(self, state):
        "The order in the state, by the users concerned"
        Order = Pool().get('early_access.order')
        order = Order(self.order)
        reached = [s for _, _, s in PATH]
        current = order.state
        if current == 'approved' and order.shipment_state == 'picked':
            current = 'picked'
        for login, button, _ in PATH[
                reached.index(current) + 1:reached.index(state) + 1]:
            with acting(login):
                getattr(Order, button)([Order(self.order)])
        return Order(self.order)

    @with_transaction()
    def test_buttons(self):
        "Test the buttons by profile"
        pool = Pool()
        Move = pool.get('stock.move')
        Order = pool.get('early_access.order')
        # Where it is missing the transaction starts again with it
        Move.lock()
        for button, (state, profiles) in BUTTONS.items():
            order = self._bring(state)
            if button == 'override':
                order.authorization.state = 'suspended'
                order.authorization.save()
            for profile in PROFILES:
                with self.subTest(button=button, profile=profile):
                    with acting(profile), Transaction().set_context(
                            _skip_warnings=True):
                        if profile in profiles:
                            with self._savepoint():
                                getattr(Order, button)([Order(order.id)])
                        else:
                            with self.assertRaises(
                                    (AccessError, AccessButtonError)):
                                getattr(Order, button)([Order(order.id)])
            if button == 'override':
                order.authorization.state = 'granted'
                order.authorization.save()

    @contextmanager
    def _savepoint(self):
        cursor = Transaction().connection.cursor()
        cursor.execute('SAVEPOINT test')
        yield
        cursor.execute('ROLLBACK TO SAVEPOINT test')
        transaction = Transaction()
        transaction.counter += 1
        for cache in transaction.cache.values():
            cache.clear()

    @with_transaction()
    def test_late_receipt(self):
        "Test the receipt of a lot that expired on the way"
        pool = Pool()
        Date = pool.get('ir.date')
        Lot = pool.get('stock.lot')
        today = Date.today()
        self._bring('shipped')

        with patch.object(
                Date, 'today', return_value=today + dt.timedelta(days=31)):
            order = self._bring('received')

        self.assertEqual(order.state, 'received')
        shipment, = order.shipments
        self.assertEqual(shipment.state, 'done')
        self.assertEqual(
            {m.effective_date for m in shipment.outgoing_moves}, {today})
        self.assertLess(
            Lot(self.lot).expiration_date, today + dt.timedelta(days=31))

    @with_transaction()
    def test_late_shipping(self):
        "Test a lot whose shelf life became too short is not shipped"
        pool = Pool()
        Date = pool.get('ir.date')
        Order = pool.get('early_access.order')
        today = Date.today()
        order = self._bring('picked')

        with patch.object(
                Date, 'today', return_value=today + dt.timedelta(days=1)):
            for user in ['supply', None]:
                with self.subTest(user=user):
                    with self.assertRaises(LotShelfLifeError):
                        if user:
                            with acting(user):
                                Order.ship([Order(order.id)])
                        else:
                            Order.ship([order])

    @with_transaction()
    def test_direct_shipping(self):
        "Test the warehouse whose output is its storage"
        pool = Pool()
        Location = pool.get('stock.location')
        warehouse, = Location.search([('type', '=', 'warehouse')])
        warehouse.output_location = warehouse.storage_location
        warehouse.save()

        order = self._bring('received')

        shipment, = order.shipments
        self.assertEqual({m.lot.id for m in shipment.moves}, {self.lot})
        self.assertEqual(
            {m.from_location for m in shipment.moves},
            {warehouse.storage_location})

    @with_transaction()
    def test_overdue_forms(self):
        "Test overdue forms warn and do not block"
        pool = Pool()
        Date = pool.get('ir.date')
        Form = pool.get('early_access.form')
        Order = pool.get('early_access.order')
        order = Order(self.order)
        patient = order.lines[0].patient
        cursor = Transaction().connection.cursor()
        form = Form.__table__()
        cursor.execute(*form.update(
                [form.latest_date, form.state],
                [Date.today() - dt.timedelta(days=1), 'expected'],
                where=form.patient == patient.id))

        self.assertEqual(order.overdue_forms, len(patient.forms))
        with acting('hospital_pharmacist'):
            with self.assertRaises(OrderOverdueWarning) as cm:
                Order.submit([Order(order.id)])
            self.assertIn(patient.code, cm.exception.message)
            with Transaction().set_context(_skip_warnings=True):
                Order.submit([Order(order.id)])
        self.assertEqual(Order(order.id).state, 'submitted')

    @with_transaction()
    def test_desk_queries(self):
        "Test the desk makes as many queries with 10,000 orders as with 100"
        pool = Pool()
        Order = pool.get('early_access.order')
        order = self._bring('shipped')
        counts = set()
        for number, limit in [(100, 10), (100, 100), (10_000, 100)]:
            multiply_orders(
                order, number - Order.search([], count=True))
            with acting('supply'):
                view = Order.fields_view_get(view_type='tree')
                names = [
                    *view['fields'], 'pharmacy.rec_name', 'company.rec_name',
                    'authorization.rec_name', 'requested_by.rec_name',
                    '_timestamp']
                # The first time fills the caches
                for _ in range(2):
                    self._clear()
                    with queries() as executed:
                        rows = Order.search_read(
                            [('state', '!=', 'draft')], limit=limit,
                            fields_names=names)
                    self.assertEqual(len(rows), limit)
                counts.add(len(executed))
                self.assertTrue(any(r['products'] for r in rows))

        self.assertEqual(len(counts), 1, counts)

    def _clear(self):
        transaction = Transaction()
        for cache in transaction.cache.values():
            cache.clear()
