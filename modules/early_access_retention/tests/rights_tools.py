# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import datetime as dt
import io

import pyzipper

from trytond.modules.early_access.tests.tools import acting
from trytond.modules.early_access_audit.tests.tools import (
    InventedTestCase, configured)
from trytond.pool import Pool
from trytond.transaction import Transaction

DPO = 'dpo'


def unpack(content, passphrase):
    "Return the files of an encrypted archive by their names."
    with pyzipper.AESZipFile(io.BytesIO(content)) as archive:
        archive.setpassword(passphrase.encode())
        return {n: archive.read(n) for n in archive.namelist()}


class RightsTestCase(InventedTestCase):
    "A running programme whose persons exercise their rights."
    module = 'early_access_retention'

    @classmethod
    def setUpClass(cls):
        # Where what is tested is not the PDF, it is not made
        cls.enterClassContext(configured(report__convert_command='none'))
        super().setUpClass()

    def request(self, kind='access', **values):
        "Return a request of a patient, as the rights officer registers it."
        Request = Pool().get('early_access.rights.request')
        values.setdefault('concerned', 'patient')
        if values['concerned'] == 'patient':
            values.setdefault('patient', self.patient('treated').id)
        with acting(DPO):
            request, = Request.create([{
                        'kind': kind,
                        'through': 'direct',
                        'received_how': 'letter',
                        'warned_on': dt.date.today(),
                        'identity_document': 'passport',
                        'identity_checked_on': dt.date.today(),
                        'language': self.language('en'),
                        'requester': [('create', [{
                                        'name': "Zoé Demandeuse",
                                        'address': "1 rue Fictive\n99000 X",
                                        }])],
                        **values,
                        }])
        return Request(request.id)

    def recipient(self, company):
        "Return the laboratory as a recipient of exports."
        pool = Pool()
        Country = pool.get('country.country')
        Recipient = pool.get('early_access.recipient')
        country, = Country.create([{'name': "France", 'code': 'FR'}])
        recipient, = Recipient.create([{
                    'company': company.id,
                    'category': 'laboratory',
                    'party': company.party.id,
                    'country': country.id,
                    'basis': "Summary reports.",
                    'data_level': 'pseudonymised',
                    'data_kind': 'health',
                    'valid_from': dt.date.today(),
                    }])
        Recipient.activate([recipient])
        return recipient

    def started(self, kind='access', **values):
        "Return a request in progress."
        Request = Pool().get('early_access.rights.request')
        request = self.request(kind, **values)
        with acting(DPO):
            Request.check_identity([request])
            Request.start([Request(request.id)])
        return Request(request.id)

    def language(self, code):
        Lang = Pool().get('ir.lang')
        language, = Lang.search([('code', '=', code)])
        if not language.translatable:
            Lang.write([language], {'translatable': True})
        return language.id

    def close(self, request, button='answer', **values):
        "Close the request with the wizard, and return what is given."
        Wizard = Pool().get(
            f'early_access.rights.request.{button}', type='wizard')
        with acting(DPO), Transaction().set_context(
                active_model='early_access.rights.request',
                active_id=request.id, active_ids=[request.id],
                # As the server executes a wizard
                _check_access=False):
            session, start, _ = Wizard.create()
            data = {}
            if button == 'refuse':
                data = {'start': values}
                start = 'produce'
            result = Wizard.execute(session, data, start)
            Wizard.delete(session)
        return result['view']['defaults']

    def limited(self, scope='all', request=None, forms=(), **values):
        "Return an active limitation."
        Limitation = Pool().get('early_access.rights.limitation')
        request = request or self.started('limitation', **values)
        with acting(DPO):
            limitation, = Limitation.create([{
                        'request': request.id,
                        'scope': scope,
                        'ground': 'accuracy',
                        'forms': [('add', [f.id for f in forms])],
                        }])
            Limitation.activate([limitation])
        return Limitation(limitation.id)

    def lift(self, limitation):
        Limitation = Pool().get('early_access.rights.limitation')
        with acting(DPO):
            Limitation.write([Limitation(limitation.id)], {
                    'told_on': dt.date.today(),
                    'told_how': 'letter',
                    'lift_reason': 'accurate',
                    })
            Limitation.lift([Limitation(limitation.id)])

    def settle(self, request):
        "Tell all the recipients."
        Recipient = Pool().get('early_access.rights.recipient')
        with acting(DPO):
            Recipient.write(
                Recipient.search([('request', '=', request.id)]),
                {'informed_on': dt.date.today()})
