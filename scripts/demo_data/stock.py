# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The stock of the laboratory, received from its factory.

The lots expire at different dates: one has expired, another one is too near
its expiry to be supplied.
"""
import datetime as dt
from decimal import Decimal

from . import laboratory, products

FACTORY = "Usine Fictive de DEMOLAB"

# Medicine, number of the lot, in how many days it expires and quantity
LOTS = [
    ("DEMOLUMAB 50 mg", 'DMB-A01', -20, 40),
    ("DEMOLUMAB 50 mg", 'DMB-A02', 35, 60),
    ("DEMOLUMAB 50 mg", 'DMB-B01', 80, 150),
    ("DEMOLUMAB 50 mg", 'DMB-B02', 170, 250),
    ("DEMOLUMAB 50 mg", 'DMB-C01', 420, 300),
    ("FICTIZYME 10 mg/mL", 'FCZ-A01', 50, 80),
    ("FICTIZYME 10 mg/mL", 'FCZ-B01', 110, 120),
    ("FICTIZYME 10 mg/mL", 'FCZ-B02', 240, 300),
    ("FICTIZYME 10 mg/mL", 'FCZ-C01', 500, 200),
    ("EXEMPLINIB 20 mg", 'EXM-A01', 300, 200),
    ("ILLUSTRUMAB 5 mg/mL", 'ILL-A01', 260, 120),
    ("PROTOTYPINE 100 mg", 'PRT-A01', 130, 120),
    ]


def load(demo):
    "Receive each medicine in a delivery of three months ago."
    factory = create_factory(demo)
    session = demo.sessions['supply']
    Shipment = session.model('stock.shipment.in')
    shipments = []
    for name in sorted({lot[0] for lot in LOTS}):
        shipment = Shipment(supplier=session.own([factory])[0])
        shipment.reference = f'BL {name}'
        shipment.effective_date = demo.ago(months=3)
        shipment.planned_date = shipment.effective_date
        for medicine, number, days, quantity in LOTS:
            if medicine == name:
                add_lot(demo, session, shipment, name, number, days, quantity)
        shipments.append(shipment)
    session.click(shipments, 'receive')
    session.click(shipments, 'do')


def create_factory(demo):
    session = demo.sessions['admin']
    factory = session.model('party.party')(name=FACTORY)
    address, = factory.addresses
    laboratory.fill_address(session, address, "2 rue de l'Usine", "Démoville")
    factory.save()
    return factory


def add_lot(demo, session, shipment, name, number, days, quantity):
    "Add to the delivery a lot that expires in some days."
    product = products.find(session, name)
    expiration = demo.today + dt.timedelta(days=days)
    lot = session.model('stock.lot')(product=product, number=number)
    lot.expiration_date = expiration
    lot.shelf_life_expiration_date = expiration
    lot.save()
    shipment.incoming_moves.new(
        from_location=shipment.supplier_location,
        to_location=shipment.warehouse_input,
        product=product, lot=lot, quantity=float(quantity),
        # The prices are no part of the programmes
        unit_price=Decimal(0), currency=shipment.company.currency)
