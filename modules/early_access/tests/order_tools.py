# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Lots and orders for the tests, on what ``tools`` makes."""

import datetime as dt

from proteus import Model

from .tools import run_as

PRODUCT = "Demolumab 50 mg"


def create_lot(number, quantity, expires_in, config=None):
    """Return a lot put in the storage of the laboratory by supply.

    :param expires_in: the days until its expiry.
    """
    today = dt.date.today()
    with run_as('supply', config=config) as config:
        Inventory = Model.get('stock.inventory', config=config)
        Location = Model.get('stock.location', config=config)
        Lot = Model.get('stock.lot', config=config)
        Product = Model.get('product.product', config=config)
        product, = Product.find([('template.name', '=', PRODUCT)])
        storage, = Location.find([('code', '=', 'STO')])
        lot = Lot(number=number, product=product)
        lot.expiration_date = today + dt.timedelta(days=expires_in)
        lot.shelf_life_expiration_date = lot.expiration_date
        lot.save()
        inventory = Inventory(location=storage)
        inventory.date = min(today, lot.expiration_date)
        line = inventory.lines.new()
        line.product = product
        line.lot = lot
        line.quantity = quantity
        inventory.click('confirm')
        return lot.id


def create_order(
        patients, quantity=1, login='hospital_pharmacist', state='submitted',
        config=None, **values):
    """Return the id of an order.

    :param patients: the ids of the patients, who have a line each.
    :param state: draft or submitted.
    """
    with run_as(login, config=config) as config:
        Authorization = Model.get('early_access.authorization', config=config)
        Order = Model.get('early_access.order', config=config)
        Patient = Model.get('early_access.patient', config=config)
        order = Order()
        patients = [Patient(p) for p in patients]
        order.authorization = Authorization(patients[0].authorization.id)
        for patient in patients:
            line = order.lines.new()
            line.patient = patient
            line.quantity = quantity
        for name, value in values.items():
            setattr(order, name, value)
        order.save()
        if state == 'submitted':
            order.click('submit')
        return order.id
