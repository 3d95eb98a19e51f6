# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import datetime as dt
import unittest
from decimal import Decimal

from trytond.modules.early_access.computation import COMPUTATIONS, Facts

NOTHING = Facts(None, None, None, None, None, None)


class ComputationTestCase(unittest.TestCase):
    "Test the computed values on known vectors"

    def check(self, name, vectors):
        for facts, expected in vectors:
            with self.subTest(name=name, facts=facts):
                self.assertEqual(
                    COMPUTATIONS[name](NOTHING._replace(**facts)), expected)

    def test_body_surface_area(self):
        "By the formula of Mosteller"
        self.check('body_surface_area', [
                ({'height': Decimal(170), 'weight': Decimal(70)},
                    Decimal('1.82')),
                ({'height': Decimal(180), 'weight': Decimal(80)},
                    Decimal('2.00')),
                # A newborn
                ({'height': Decimal(50), 'weight': Decimal('3.5')},
                    Decimal('0.22')),
                ({'height': Decimal(160), 'weight': Decimal(100)},
                    Decimal('2.11')),
                ({'height': Decimal(170)}, None),
                ({'weight': Decimal(70)}, None),
                ])

    def test_age(self):
        "In completed years, a leap day included"
        self.check('age', [
                ({'birth': dt.date(2000, 2, 29), 'date': dt.date(2026, 2, 28)},
                    26),
                ({'birth': dt.date(2000, 3, 1), 'date': dt.date(2026, 2, 28)},
                    25),
                ({'birth': dt.date(2000, 3, 1), 'date': dt.date(2026, 3, 1)},
                    26),
                ({'birth': dt.date(2026, 3, 1), 'date': dt.date(2026, 3, 1)},
                    0),
                ({'birth': dt.date(2026, 3, 2), 'date': dt.date(2026, 3, 1)},
                    None),
                ({'birth': dt.date(2000, 3, 1)}, None),
                ])

    def test_days_of_treatment(self):
        "The first administration is day 0"
        start = dt.date(2024, 2, 28)
        self.check('days_of_treatment', [
                ({'start': start, 'date': start}, 0),
                ({'start': start, 'date': dt.date(2024, 3, 1)}, 2),
                ({'start': start, 'date': dt.date(2024, 2, 27)}, -1),
                ({'date': start}, None),
                ])

    def test_sources(self):
        "Each says where it comes from, and its version"
        for name, computation in COMPUTATIONS.items():
            with self.subTest(name=name):
                self.assertTrue(computation.source)
                self.assertTrue(computation.version)
                self.assertIsNone(computation(NOTHING))
