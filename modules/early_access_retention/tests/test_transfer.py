# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Data that leaves the Union (CNIL 2022-107, art. 12)."

import datetime as dt
import unittest

from trytond.modules.early_access_audit.tests.tools import configured
from trytond.modules.early_access_retention.exceptions import (
    CountryError, RegisterMissingError, TransferError)
from trytond.modules.early_access_retention.territory import (
    EEA, OUTERMOST, clean_code, is_inside)
from trytond.pool import Pool
from trytond.tests.test_tryton import with_transaction

from .register_tools import TODAY, RegisterTestCase
from .tools import at

DAY = dt.timedelta(days=1)


class TerritoryTestCase(unittest.TestCase):
    "Test what is inside"

    def test_inside(self):
        self.assertEqual(len(EEA), 30)
        self.assertEqual(len(OUTERMOST), 6)
        for code in ['FR', 'GR', 'IS', 'LI', 'NO', 'RE', 'MF']:
            self.assertTrue(is_inside(code), code)
        for code in ['GB', 'CH', 'US', 'NC', 'PF', 'BL', 'PM', 'AX', '', None]:
            self.assertFalse(is_inside(code), code)

    def test_configured(self):
        "The laboratory may confirm others"
        with configured(early_access__union_territories='ax BL'):
            self.assertTrue(is_inside('AX'))
            self.assertTrue(is_inside('BL'))
            self.assertFalse(is_inside('GB'))

    def test_code(self):
        for value, code in [
                ('fr', 'FR'), (' US ', 'US'), ('XX', None), ('ZZ', None),
                ('T1', None), ('A1', None), ('EU', None), ('XK', 'XK'),
                ('FRA', None), ('F', None), ('', None), (None, None),
                ('FR, US', None), ('É1', None),
                ]:
            with self.subTest(value=value):
                self.assertEqual(clean_code(value), code)


class TransferTestCase(RegisterTestCase):
    "Test the transfers"

    def outside(self, code='CH'):
        return self.recipient(country=self.country(code).id)

    @with_transaction()
    def test_inside(self):
        "There is no transfer to where data is inside"
        recipient = self.outside()
        for code in ['FR', 'NO', 'RE']:
            with self.subTest(code=code), self.refused(TransferError):
                self.create('early_access.transfer', **self.transfer_values(
                        recipient, country=self.country(code).id,
                        instrument='derogation', adequacy=None))

    @with_transaction()
    def test_missing(self):
        "Each instrument asks for its own"
        recipient = self.outside('US')
        us = {'country': self.country('US').id, 'adequacy': None}
        safeguard = {
            **us, 'instrument': 'safeguard', 'safeguard': 'clauses',
            'safeguard_reference': 'SCC module 2, FICT-1',
            'assessed_on': TODAY - 20 * DAY, 'measures': "Keys stay here."}
        derogation = {
            **us, 'instrument': 'derogation', 'derogation': 'vital',
            'justification': "A patient is treated there."}
        with at(TODAY):
            for values in [safeguard, derogation]:
                self.assertTrue(self.transfer(recipient, **values).in_force)
            for values in [
                    us,
                    {**safeguard, 'safeguard': None},
                    {**safeguard, 'safeguard_reference': None},
                    {**safeguard, 'assessed_on': None},
                    {**safeguard, 'measures': ' '},
                    {**derogation, 'derogation': None},
                    {**derogation, 'justification': None},
                    {**safeguard, 'informed_on': None},
                    {**safeguard, 'information': None},
                    # Informed once it had begun
                    {**safeguard, 'informed_on': TODAY},
                    ]:
                with self.subTest(values=values):
                    with self.refused(RegisterMissingError):
                        self.transfer(recipient, **values)

    @with_transaction()
    def test_limited(self):
        "A decision with a scope asks how the recipient is covered"
        adequacy, = Pool().get('early_access.adequacy').search(
            [('country_code', '=', 'US')])
        recipient = self.outside('US')
        values = {
            'country': self.country('US').id, 'adequacy': adequacy.id}
        with at(TODAY):
            with self.refused(RegisterMissingError):
                self.transfer(recipient, **values)
            transfer = self.transfer(
                recipient, coverage="DPF, FICT-1", coverage_to=TODAY + DAY,
                **values)
            self.assertTrue(transfer.in_force)
            self.assertEqual(transfer.status, 'ending')
        with at(TODAY + 2 * DAY):
            transfer = type(transfer)(transfer.id)
            self.assertFalse(transfer.in_force)
            self.assertEqual(transfer.status, 'expired')

    @with_transaction()
    def test_adequacy_ended(self):
        "A transfer falls with the decision that it stands on"
        Adequacy = Pool().get('early_access.adequacy')
        transfer = self.transfer(self.outside())
        self.assertTrue(transfer.is_in_force(TODAY))
        Adequacy.write([transfer.adequacy], {'valid_to': TODAY - DAY})
        self.assertFalse(type(transfer)(transfer.id).is_in_force(TODAY))
        with at(TODAY), self.refused(RegisterMissingError):
            self.transfer(self.outside())

    @with_transaction()
    def test_list(self):
        "The list is shipped with the date and the source of each decision"
        Adequacy = Pool().get('early_access.adequacy')
        decisions = {a.country_code: a for a in Adequacy.search([])}
        self.assertEqual(set(decisions), set(
                'AD AR BR CA CH FO GB GG IL IM JE JP KR NZ US UY'.split()))
        for code, decision in decisions.items():
            with self.subTest(code=code):
                self.assertEqual(
                    decision.checked_on, dt.date(2026, 1, 28))
                self.assertIn('europa.eu', decision.source)
                self.assertFalse(is_inside(code))
        self.assertEqual(decisions['GB'].valid_to, dt.date(2031, 12, 27))
        self.assertTrue(decisions['US'].limited)
        with self.refused(CountryError):
            Adequacy.copy([decisions['GB']], {'country_code': 'Z1'})

    @with_transaction()
    def test_review(self):
        "A new transfer opens a review of the impact assessment"
        Review = Pool().get('early_access.dpia.review')
        transfer = self.transfer(self.outside())
        review, = Review.search([('trigger', '=', 'transfer')])
        self.assertEqual(review.resource, transfer)
        self.assertEqual(review.state, 'open')
