# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The orders of the pharmacies, from the draft to the reception.

The hospital pharmacist orders and receives; the supply of the laboratory
approves, picks and ships.
"""
from collections import defaultdict
from dataclasses import dataclass
from itertools import cycle

from .patients import STARTED, by
from .sessions import batches

MODEL = 'early_access.order'

# How many orders are in each state at the end.  A picked one is approved, and
# a withdrawn one was cancelled once it was submitted.
STATES = {
    'DMB': {
        'draft': 9, 'submitted': 28, 'approved': 19, 'picked': 13,
        'shipped': 23, 'received': 80, 'refused': 9, 'cancelled': 5,
        'withdrawn': 4},
    'FCZ': {
        'draft': 5, 'submitted': 14, 'approved': 9, 'picked': 6,
        'shipped': 11, 'received': 35, 'refused': 5, 'cancelled': 3,
        'withdrawn': 2},
    'EXM': {'submitted': 1, 'shipped': 1, 'received': 6},
    'ILL': {'submitted': 3, 'approved': 1},
    'PRT': {'submitted': 1, 'approved': 1, 'received': 6},
    }
# How many units are ordered for a patient
QUANTITIES = {
    'DMB': [1, 2, 2, 3],
    'FCZ': [1, 2, 3],
    'EXM': [10, 20],
    'ILL': [4],
    'PRT': [10],
    }

# The states of the orders to which this happened
SHIPPED = {'shipped', 'received'}
PICKED = SHIPPED | {'picked'}
APPROVED = PICKED | {'approved'}
SUBMITTED = APPROVED | {'submitted', 'refused', 'withdrawn'}
CANCELLED = {'cancelled', 'withdrawn'}

REFUSALS = ['quantity', 'duplicate', 'delivery', 'eligibility']


# The plan

@dataclass
class Order:
    "An order to be, for some patients of a pharmacy."
    programme: str
    state: str
    cases: list
    record: object = None

    @property
    def place(self):
        return self.cases[0].place


def plan(demo):
    "Return the orders, in a disorder that is the same at each run."
    orders = []
    for programme, numbers in STATES.items():
        states = [s for s, number in numbers.items() for _ in range(number)]
        # The orders of those who stop later are received before
        ongoing = group(demo, programme, {'eligible', 'treated'})
        every = group(demo, programme, STARTED | {'eligible'})
        for state in states:
            queues = next(every if state == 'received' else ongoing)
            count = demo.random.choice([1, 1, 1, 2, 2, 3])
            cases = {id(c): c for c in (next(queues) for _ in range(count))}
            orders.append(Order(programme, state, list(cases.values())))
    demo.random.shuffle(orders)
    return orders


def group(demo, programme, states):
    """Return an iterator on the pharmacies, which never ends.

    Each of them is an iterator on its patients, which never ends either, so
    that all the patients are ordered as much.
    """
    pharmacies = defaultdict(list)
    for case in demo.cases:
        if case.programme == programme and case.state in states:
            pharmacies[case.place.pharmacy].append(case)
    queues = {p: cycle(cases) for p, cases in pharmacies.items()}
    turns = [queues[p] for p, cases in pharmacies.items() for _ in cases]
    demo.random.shuffle(turns)
    return cycle(turns)


def of(orders, states, session):
    "Return the records of the orders that went through one of the states."
    return session.own([o.record for o in orders if o.state in states])


# The hospital pharmacists

def enter(demo):
    "Enter the orders and submit most of them."
    demo.orders = plan(demo)
    for login, orders in by(demo.orders, 'pharmacist'):
        session = demo.sessions[login]
        records = session.create(
            MODEL, [order_values(demo, o) for o in orders])
        for order, record in zip(orders, records):
            order.record = record
        submit(session, orders)


def submit(session, orders):
    "Submit orders, what the pharmacist is warned of being confirmed."
    suspended = {o.record for o in orders if o.programme == 'ILL'}
    for batch in batches(of(orders, SUBMITTED, session)):
        if records := [r for r in batch if r in suspended]:
            session.confirm('early_access_order_suspended', records)
        confirm_overdue(session, batch)
        session.click(batch, 'submit')


def receive(demo):
    "Receive what was shipped, and cancel what is no longer needed."
    for login, orders in by(demo.orders, 'pharmacist'):
        session = demo.sessions[login]
        session.click(of(orders, {'received'}, session), 'receive')
        session.click(of(orders, CANCELLED, session), 'cancel')


def order_values(demo, order):
    "Return the values of an order; some are urgent, or late already."
    programme = demo.programmes[order.programme]
    needed_in = demo.random.randint(-4, 21)
    if order.state in SHIPPED:
        needed_in = demo.random.randint(0, 21)
    return {
        'authorization': programme.authorization,
        'pharmacy': order.place.pharmacy,
        'delivery_address': order.place.delivery_address,
        'reference': f'CDE-{demo.random.randint(10000, 99999)}',
        'urgent': demo.random.random() < .12,
        'needed_by': demo.ago(days=-needed_in),
        'lines': [('create', [{
                            'patient': case.patient.id,
                            'product': programme.product,
                            'unit': programme.unit,
                            'quantity': float(demo.random.choice(
                                    QUANTITIES[order.programme])),
                            } for case in order.cases])],
        }


def confirm_overdue(session, orders):
    "Confirm the orders of patients with overdue forms: care goes on."
    rows = session.read(
        MODEL, [('id', 'in', [o.id for o in orders])], ['overdue_forms'])
    if any(r['overdue_forms'] for r in rows):
        session.confirm('early_access_order_overdue', orders)


# The laboratory

def supply(demo):
    "Refuse or approve, pick and ship the orders."
    override(demo)
    session = demo.sessions['supply']
    refused = of(demo.orders, {'refused'}, session)
    for record, reason in zip(refused, cycle(REFUSALS)):
        wizard = record.click('refuse')
        wizard.form.reason = reason
        wizard.execute('refuse')
    for batch in batches(of(demo.orders, APPROVED, session)):
        confirm_overdue(session, batch)
        session.click(batch, 'approve')
    for batch in batches(of(demo.orders, PICKED, session)):
        session.click(batch, 'pick')
    for batch in batches(of(demo.orders, SHIPPED, session)):
        session.click(batch, 'ship')


def override(demo):
    """Let an order be supplied although its authorization is suspended.

    The pharmacist in charge decides it by name, with a reason.
    """
    session = demo.sessions['incharge']
    suspended = [o for o in demo.orders if o.programme == 'ILL']
    wizard = session.click(of(suspended, APPROVED, session), 'override')
    wizard.form.reason = 'interruption'
    wizard.execute('override')
