# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import datetime as dt
from decimal import Decimal
from unittest.mock import patch

from trytond.modules.early_access.sealed_document import SealedDocumentMixin
from trytond.pool import Pool
from trytond.tests.test_tryton import with_transaction

from .tools import ProgrammeTestCase, acting


class SealedCheckTestCase(ProgrammeTestCase):
    "The check of the sealed values"

    @with_transaction()
    def test_schemas(self):
        "A value is of the type of its variable only"
        Variable = Pool().get('early_access.variable')
        values = [
            3, True, 1.5, Decimal('1.5'), Decimal('1.25'), '', 'liver',
            ['liver'], ('liver', 'lung'), ['none of them'],
            dt.date(2026, 1, 1), dt.datetime(2026, 1, 1)]
        expected = {
            'integer': [3],
            'numeric': [3, Decimal('1.5')],
            'date': [dt.date(2026, 1, 1)],
            'selection': [],
            'multiselection': [['liver'], ('liver', 'lung')],
            }
        variables = Variable.search([('computation', '=', None)])
        self.assertEqual({v.type_ for v in variables}, expected.keys())
        for variable in variables:
            with self.subTest(variable=variable.name):
                self.assertEqual(
                    [v for v in values if variable.schema.accepts(v)],
                    expected[variable.type_])
                if variable.type_ == 'selection':
                    for choice in variable.choices:
                        self.assertTrue(variable.schema.accepts(choice))

    @with_transaction()
    def test_opened_once(self):
        "A record that is written is opened to change it and to check it"
        patient = self.patient('draft')
        values = {'weight': Decimal('62.5'), 'criteria': patient.criteria}
        opened = []
        original = SealedDocumentMixin._open_document.__func__

        def open_document(cls, row, **kwargs):
            opened.append(row['id'])
            return original(cls, row, **kwargs)

        with patch.object(
                SealedDocumentMixin, '_open_document',
                classmethod(open_document)), acting('prescriber'):
            patient.__class__.write([patient], values)
        self.assertEqual(opened, [patient.id] * 2)

    @with_transaction()
    def test_kept_values(self):
        "What follows the check reads the values that are written"
        Patient = Pool().get('early_access.patient')
        patient = self.patient('draft')
        seen = []
        original = Patient.on_modification.__func__

        def on_modification(cls, mode, records, field_names=None):
            seen.extend((r.weight, r.sealed_state) for r in records)
            return original(cls, mode, records, field_names=field_names)

        with patch.object(
                Patient, 'on_modification', classmethod(on_modification)), \
                acting('prescriber'):
            for weight in [Decimal('62.5'), None]:
                Patient.write([patient], {'weight': weight})
        self.assertEqual(
            seen, [(Decimal('62.5'), 'readable'), (None, 'readable')])
        self.assertIsNone(Patient(patient.id).weight)
