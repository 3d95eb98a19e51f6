# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
import threading
import xmlrpc.client

from harness import PASSWORD, ServerTestCase

ORDERS = 5


def orders(config):
    "Orders to approve, and lots for them"
    from proteus import Model
    from trytond.modules.early_access.tests.order_tools import (
        create_lot, create_order)
    from trytond.modules.early_access.tests.tools import (
        create_laboratory, create_patient, create_programme)

    create_laboratory(config=config)
    create_programme(config=config)
    patient = create_patient(config=config)
    for _ in range(ORDERS):
        create_order([patient], config=config)
    patient = create_patient(config=config)
    for _ in range(2):
        # The protocol allows 10: one of them or the other
        create_order([patient], quantity=6, state='draft', config=config)
    create_lot('LOT', ORDERS, 400, config=config)
    User = Model.get('res.user', config=config)
    for login in ['supply', 'hospital_pharmacist']:
        user, = User.find([('login', '=', login)])
        user.password = PASSWORD
        user.save()


class OrderConcurrencyTestCase(ServerTestCase):
    "Two users at the same moment"
    fixtures = orders

    def _press(self, button, *ids, login='supply'):
        "The errors of users who press each button at the same moment"
        errors = []
        barrier = threading.Barrier(len(ids))

        def press(id_):
            with self.script(login) as config:
                order = config.get_proxy('early_access.order')
                barrier.wait()
                try:
                    getattr(order, button)([id_], config.context)
                except xmlrpc.client.Error as fault:
                    errors.append(fault)

        threads = [threading.Thread(target=press, args=[i]) for i in ids]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return errors

    def test_double_press(self):
        "Test one succeeds, the other is told, and there is one shipment"
        from proteus import Model
        with self.script('supply') as config:
            Order = Model.get('early_access.order', config=config)
            ids = [
                o.id for o in Order.find([('state', '=', 'submitted')])]
        self.assertEqual(len(ids), ORDERS)
        for id_ in ids:
            for button, state, shipment_state, message in [
                    ('approve', 'approved', 'waiting',
                        'its state must be "Submitted" but it is "Approved"'),
                    ('pick', 'approved', 'picked',
                        'a shipment which is not yet picked'),
                    ('ship', 'shipped', 'shipped',
                        'its state must be "Approved" but it is "Shipped"'),
                    ]:
                with self.subTest(order=id_, button=button):
                    errors = self._press(button, id_, id_)

                    self.assertEqual(len(errors), 1, errors)
                    self.assertIn(message, str(errors))
                    with self.script('supply') as config:
                        Order = Model.get('early_access.order', config=config)
                        order = Order(id_)
                        self.assertEqual(order.state, state)
                        self.assertEqual(
                            order.shipment_state, shipment_state)
                        shipment, = order.shipments
                        self.assertEqual(sum(
                                m.quantity
                                for m in shipment.outgoing_moves), 1)
        with self.script('supply') as config:
            Shipment = Model.get('stock.shipment.out', config=config)
            self.assertEqual(len(Shipment.find([])), ORDERS)

    def test_excess(self):
        "Test two orders do not exceed together what each respects"
        from proteus import Model
        with self.script('hospital_pharmacist') as config:
            Order = Model.get('early_access.order', config=config)
            ids = [o.id for o in Order.find([('state', '=', 'draft')])]

        errors = self._press('submit', *ids, login='hospital_pharmacist')

        self.assertEqual(len(errors), 1, errors)
        self.assertIn('allows 10', str(errors))
        with self.script('hospital_pharmacist') as config:
            Order = Model.get('early_access.order', config=config)
            self.assertEqual(
                sorted(Order(i).state for i in ids), ['draft', 'submitted'])
