# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import datetime as dt
from contextlib import contextmanager

from trytond.modules.early_access_audit.tests.tools import InventedTestCase
from trytond.modules.early_access_retention.today import KEY
from trytond.pool import Pool
from trytond.transaction import Transaction

from .tools import at

TODAY = dt.date(2026, 11, 20)


class RegisterTestCase(InventedTestCase):
    "The registers of the laboratory, in a running programme"
    module = 'early_access_retention'

    @property
    def company(self):
        Company = Pool().get('company.company')
        return Company.search([], order=[('id', 'ASC')], limit=1)[0]

    @property
    def authorization(self):
        Authorization = Pool().get('early_access.authorization')
        authorization, = Authorization.search([('code', '=', 'DMB')])
        return authorization

    def country(self, code):
        Country = Pool().get('country.country')
        countries = Country.search([('code', '=', code)])
        if not countries:
            countries = Country.create([{'name': code, 'code': code}])
        return countries[0]

    def party(self, name="Fictitious Partner"):
        Party = Pool().get('party.party')
        parties = Party.search([('name', '=', name)])
        if not parties:
            parties = Party.create([{'name': name}])
        return parties[0]

    def create(self, model, **values):
        Model = Pool().get(model)
        record, = Model.create([{'company': self.company.id, **values}])
        return record

    def active(self, model, **values):
        Model = Pool().get(model)
        record = self.create(model, **values)
        Model.activate([record])
        return Model(record.id)

    def recipient_values(self, **values):
        return {
            'category': 'public_body',
            'party': self.party("Fictitious Agency").id,
            'country': self.country('FR').id,
            'basis': "Mission of the agency (CSP L. 5311-1).",
            'data_level': 'pseudonymised',
            'data_kind': 'health',
            'valid_from': TODAY - dt.timedelta(days=10),
            **values}

    def recipient(self, **values):
        return self.active(
            'early_access.recipient', **self.recipient_values(**values))

    def transfer_values(self, recipient, **values):
        adequacy, = Pool().get('early_access.adequacy').search(
            [('country_code', '=', 'CH')])
        return {
            'recipient': recipient.id,
            'country': self.country('CH').id,
            'data': ['patients'],
            'necessity': "The analysis is done there only.",
            'instrument': 'adequacy',
            'adequacy': adequacy.id,
            'valid_from': TODAY - dt.timedelta(days=5),
            'informed_on': TODAY - dt.timedelta(days=30),
            'information': 'notice 1',
            **values}

    def transfer(self, recipient, **values):
        return self.active(
            'early_access.transfer',
            **self.transfer_values(recipient, **values))

    def processor_values(self, **values):
        return {
            'party': self.party().id,
            'kind': 'operator',
            'contract': 'FICT-2026-1',
            'signed_on': TODAY - dt.timedelta(days=40),
            'valid_from': TODAY - dt.timedelta(days=30),
            **values}

    def processor(self, **values):
        return self.active(
            'early_access.processor', **self.processor_values(**values))

    @contextmanager
    def as_of(self, days):
        with at(TODAY + dt.timedelta(days=days)):
            yield


def rpc(Model, method, *args):
    """Return the result of the method when the current user requests it.

    It is on the date of the block, which no client could choose.
    """
    rpc = Model.__rpc__[method]
    transaction = Transaction()
    date = transaction.context.get(KEY)
    args, kwargs, context, _ = rpc.convert(
        Model, *args, dict(transaction.context))
    assert KEY not in context
    with transaction.reset_context(), transaction.set_context(
            context, **{KEY: date}):
        call = rpc.decorate(getattr(Model, method))
        return rpc.result(call(*args, **kwargs))
