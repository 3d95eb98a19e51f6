# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from trytond.modules.early_access.unit import unit_symbol
from trytond.tests.test_tryton import (
    TestCase, activate_module, with_transaction)


class UnitTestCase(TestCase):
    "Test how the units of UCUM are shown"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        activate_module('early_access')

    @with_transaction()
    def test_symbols(self):
        for code, symbol in [
                ('', ''), ('mg', 'mg'), ('%', '%'), ('g/dL', 'g/dL'),
                ('10*9/L', '10⁹/L'), ('10*-3', '10⁻³'),
                ('umol/L', 'µmol/L'), ('ug/kg', 'µg/kg'), ('U/L', 'U/L'),
                ('m2', 'm²'), ('mg/m2', 'mg/m²'), ('mL/min', 'mL/min'),
                ('Cel', '°C'), ('mm[Hg]', 'mmHg'), ('a', 'years'),
                ('d', 'days'), ('/d', '/days'), ('k[iU]/L', 'k[iU]/L'),
                ('[iU]/L', 'IU/L'), ('{score}', '{score}'),
                ('10*3/uL', '10³/µL'), ('mg{total}', 'mg'),
                ('what ever', 'what ever')]:
            with self.subTest(code):
                self.assertEqual(unit_symbol(code), symbol)
