# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"To whom data goes, and whom it is refused (CNIL 2022-107, art. 5 and 8)."

import datetime as dt
import unittest

from trytond.exceptions import UserError
from trytond.model.exceptions import AccessError
from trytond.modules.early_access.exceptions import NationalNumberError
from trytond.modules.early_access.tests.tools import PROFILES, acting
from trytond.modules.early_access_retention.exceptions import (
    DisclosureError, RegisterFixedError, RegisterMissingError, ReuseError)
from trytond.modules.early_access_retention.validity import status_of
from trytond.pool import Pool
from trytond.tests.test_tryton import with_transaction
from trytond.transaction import Transaction

from .register_tools import TODAY, RegisterTestCase, rpc
from .tools import at

DAY = dt.timedelta(days=1)


class StatusTestCase(unittest.TestCase):
    "Test what is in force at a date"

    def test_status(self):
        "Both dates are in, and what has no end does not end"
        for state, valid_from, valid_to, status in [
                ('draft', TODAY, None, 'draft'),
                ('ended', TODAY - DAY, TODAY, 'ended'),
                ('active', TODAY, None, 'valid'),
                ('active', TODAY + DAY, None, 'to_come'),
                ('active', TODAY, TODAY, 'ending'),
                ('active', TODAY - 9 * DAY, TODAY - DAY, 'expired'),
                ('active', TODAY, TODAY + 90 * DAY, 'ending'),
                ('active', TODAY, TODAY + 91 * DAY, 'valid'),
                ]:
            with self.subTest(state=state, valid_to=valid_to):
                self.assertEqual(
                    status_of(state, valid_from, valid_to, TODAY), status)


class RecipientTestCase(RegisterTestCase):
    "Test the recipients"

    def export(self, login='data_manager', **values):
        "Return the record of the export that the user has run."
        pool = Pool()
        DataExport = pool.get('early_access.data_export')
        Wizard = pool.get('early_access.data_export.export', type='wizard')
        with acting(login):
            export, = DataExport.create([{
                        'company': self.company.id,
                        'authorization': self.authorization.id,
                        'scope': 'collected',
                        'reason': 'summary_report',
                        'recipient': 'authority',
                        **values}])
            with Transaction().set_context(
                    active_model=export.__name__, active_id=export.id,
                    active_ids=[export.id]):
                session, _, _ = rpc(Wizard, 'create')
                result = rpc(Wizard, 'execute', session, {}, 'write')
        self.assertTrue(result['view']['defaults']['file'])
        return DataExport(export.id)

    def reuse(self, **values):
        return self.active('early_access.reuse', **{
                'name': "Fictitious study",
                'kind': 'research',
                'formality': 'methodology',
                'formality_number': 'FICT-MR-1',
                'formality_date': TODAY - 60 * DAY,
                'information': 'individual',
                'information_date': TODAY - 50 * DAY,
                'valid_from': TODAY - 40 * DAY,
                **values})

    @with_transaction()
    def test_disclosure(self):
        "An export goes to a recipient whose basis is in force that day"
        recipient = self.recipient(valid_to=TODAY + DAY)
        with at(TODAY):
            export = self.export(disclosed_to=recipient.id)
        self.assertEqual(export.state, 'done')
        self.assertEqual(export.disclosed_to, recipient)
        with at(TODAY + 2 * DAY), self.refused(DisclosureError):
            self.export(disclosed_to=recipient.id)
        with at(TODAY - 11 * DAY), self.refused(DisclosureError):
            self.export(disclosed_to=recipient.id)

    @with_transaction()
    def test_nobody(self):
        "An export that names nobody is refused, and says what to do"
        with self.refused(DisclosureError) as cm:
            self.export()
        self.assertIn("you must name the recipient", cm.exception.message)

    @with_transaction()
    def test_refused(self):
        "Nobody gets more than the basis tells"
        Recipient = Pool().get('early_access.recipient')
        with at(TODAY):
            for values in [
                    {'data_level': 'aggregated'},
                    {'data_kind': 'other'},
                    {'country': self.country('US').id},
                    ]:
                with self.subTest(values=values):
                    recipient = self.recipient(**values)
                    with self.refused(DisclosureError):
                        self.export(disclosed_to=recipient.id)
            ended = self.recipient()
            Recipient.end([ended])
            with self.refused(UserError):
                self.export(disclosed_to=ended.id)
            group = self.recipient(category='group')
            with self.refused(UserError):
                self.export(disclosed_to=group.id)
            self.export(disclosed_to=group.id, recipient='group')

    @with_transaction()
    def test_outermost(self):
        "The outermost regions and the EEA are inside"
        with at(TODAY):
            for code in ['RE', 'GP', 'MQ', 'GF', 'YT', 'MF', 'NO', 'DE']:
                with self.subTest(code=code):
                    recipient = self.recipient(
                        country=self.country(code).id)
                    self.assertFalse(recipient.outside)
                    self.export(disclosed_to=recipient.id)

    @with_transaction()
    def test_transfer(self):
        "Outside the Union a transfer in force is needed that day"
        recipient = self.recipient(country=self.country('CH').id)
        with at(TODAY):
            self.assertTrue(recipient.outside)
            with self.refused(DisclosureError):
                self.export(disclosed_to=recipient.id)
            self.transfer(recipient, valid_to=TODAY + DAY)
            self.export(disclosed_to=recipient.id)
        with at(TODAY + 2 * DAY), self.refused(DisclosureError):
            self.export(disclosed_to=recipient.id)

    @with_transaction()
    def test_processor(self):
        "A processor gets data while its contract is in force"
        processor = self.processor(valid_to=TODAY + DAY)
        recipient = self.recipient(
            category='processor', party=processor.party.id,
            processor=processor.id)
        with at(TODAY):
            self.export(disclosed_to=recipient.id, recipient='processor')
        with at(TODAY + 2 * DAY), self.refused(DisclosureError):
            self.export(disclosed_to=recipient.id, recipient='processor')

    @with_transaction()
    def test_reuse(self):
        "Research needs its formality and the information of the persons"
        recipient = self.recipient()
        with at(TODAY):
            for kind in ['research', 'evaluation', 'warehouse']:
                with self.subTest(kind=kind):
                    with self.refused(ReuseError):
                        self.export(disclosed_to=recipient.id, reason=kind)
            study = self.reuse(valid_to=TODAY)
            self.export(
                disclosed_to=recipient.id, reason='research', reuse=study.id)
            with self.refused(UserError):
                self.export(
                    disclosed_to=recipient.id, reason='evaluation',
                    reuse=study.id)
        with at(TODAY + DAY), self.refused(ReuseError):
            self.export(
                disclosed_to=recipient.id, reason='research', reuse=study.id)

    @with_transaction()
    def test_reuse_missing(self):
        "Consent replaces the formality of a warehouse only"
        for values in [
                {'formality_number': None},
                {'formality_date': None},
                {'formality_number': '  '},
                {'information': None},
                {'information_date': None},
                {'information': 'portal'},
                {'formality_number': None, 'express_consent': True},
                {'kind': 'warehouse', 'express_consent': True,
                    'information': None},
                {'kind': 'warehouse', 'formality_number': None},
                ]:
            with self.subTest(values=values):
                with self.refused(RegisterMissingError):
                    self.reuse(**values)
        self.reuse(
            kind='warehouse', formality=None, formality_number=None,
            formality_date=None, express_consent=True)
        self.reuse(information='portal', portal='https://example.org')

    @with_transaction()
    def test_fixed(self):
        "What is in force ends, and is neither changed nor deleted"
        Recipient = Pool().get('early_access.recipient')
        recipient = self.recipient()
        with acting('dpo'), at(TODAY):
            for values in [
                    {'basis': "Other"}, {'data_level': 'identifying'},
                    {'valid_from': TODAY}, {'state': 'draft'},
                    {'activated_by': 1}]:
                with self.subTest(values=values), self.refused(AccessError):
                    rpc(Recipient, 'write', [recipient.id], values)
            with self.refused(RegisterFixedError):
                rpc(Recipient, 'delete', [recipient.id])
            rpc(Recipient, 'write', [recipient.id], {
                    'valid_to': TODAY + DAY})
            rpc(Recipient, 'end', [recipient.id])
            recipient = Recipient(recipient.id)
            self.assertEqual(recipient.valid_to, TODAY)
            self.assertEqual(recipient.status, 'ended')
            self.assertEqual(recipient.ended_by.login, 'dpo')
            with self.refused(RegisterFixedError):
                rpc(Recipient, 'write', [recipient.id], {'valid_to': None})
            copy, = Recipient.copy([recipient])
            self.assertEqual(
                (copy.state, copy.activated_by, copy.ended_by),
                ('draft', None, None))

    @with_transaction()
    def test_access(self):
        "The data protection officer keeps the register"
        Recipient = Pool().get('early_access.recipient')
        values = {'company': self.company.id, **self.recipient_values()}
        for profile in ['dpo', *(PROFILES.keys() - {'dpo'})]:
            with self.subTest(profile=profile), acting(profile):
                if profile == 'dpo':
                    id_, = rpc(Recipient, 'create', [values])
                    rpc(Recipient, 'activate', [id_])
                else:
                    with self.refused(AccessError):
                        rpc(Recipient, 'create', [values])
                    with self.refused(UserError):
                        rpc(Recipient, 'activate', [id_])

    @with_transaction()
    def test_national_number(self):
        with self.refused(NationalNumberError):
            self.recipient(basis="For 1 84 12 76 451 089 46")

    @with_transaction()
    def test_incident(self):
        "What is printed of an incident names whom it is for"
        pool = Pool()
        Incident = pool.get('early_access.audit.incident')
        authority = self.recipient(
            category='supervisory', data_level='aggregated')
        service = self.recipient(
            category='laboratory', party=self.company.party.id)
        now = dt.datetime.now().replace(microsecond=0)
        incident = self.create(
            'early_access.audit.incident', subject="Lost computer",
            natures=['confidentiality'], detected_at=now, aware_at=now,
            facts="A computer was left in a train.")
        for name, others in [('authority', [service]), ('file', [])]:
            Report = pool.get(
                f'early_access.audit.incident.{name}', type='report')

            def run():
                return Report.execute([incident.id], {
                        'action_id': None, 'model': incident.__name__})
            with self.subTest(report=name), acting('dpo'), at(TODAY):
                with self.refused(DisclosureError):
                    run()
                for other in others:
                    Incident.write([incident], {'disclosed_to': other.id})
                    with self.refused(DisclosureError):
                        run()
                Incident.write([incident], {'disclosed_to': authority.id})
                self.assertTrue(run()[1])
                Incident.write([incident], {'disclosed_to': None})
