# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import copy
import datetime as dt
import io
import json
import logging
import os
import sqlite3
import sys
import tempfile
import threading
import unittest
from contextlib import closing, contextmanager
from decimal import Decimal
from unittest.mock import patch

from sql import Column

import trytond.config as config
from trytond import backend
from trytond.exceptions import UserError
from trytond.model import fields
from trytond.model.exceptions import (
    AccessError, DigitsValidationError, DomainValidationError,
    RequiredValidationError, SelectionValidationError, SizeValidationError)
from trytond.modules.early_access import keyring, redaction
from trytond.modules.early_access.exceptions import (
    DestroyedKeyError, SealedKeyError, SealedSearchError, SealedValueError,
    SealError)
from trytond.modules.early_access.sealed_field import (
    CLEAN_ERRORS, Sealed, decode, encode)
from trytond.pool import Pool
from trytond.protocols.jsonrpc import JSONDecoder, JSONEncoder
from trytond.tests.test_tryton import DB_NAME, with_transaction
from trytond.transaction import Transaction

from .tools import ProgrammeTestCase, acting

KEY = bytes(range(32))


class RedactionTestCase(unittest.TestCase):
    "The log of the requests"

    marker = 'ZQX'

    def setUp(self):
        self.output = io.StringIO()
        handler = logging.StreamHandler(self.output)
        for name in ['trytond.protocols.dispatcher', 'trytond.wsgi']:
            logger = logging.getLogger(name)
            level = logger.level
            logger.setLevel(logging.DEBUG)
            logger.addHandler(handler)
            self.addCleanup(logger.setLevel, level)
            self.addCleanup(logger.removeHandler, handler)
        self.logger = logging.getLogger('trytond.protocols.dispatcher')

    def log(self, name, level=logging.INFO, **kwargs):
        self.logger.log(level, '%s.%s%s from %s@%s%s in %i ms',
            name, 'create', "([{'letters': 'ZQX'}])", 'admin', '127.0.0.1',
            '/db/', 3, **kwargs)
        return self.output.getvalue()

    def test_arguments(self):
        output = self.log('early_access.patient')
        self.assertNotIn('ZQX', output)
        self.assertIn('early_access.patient.create(...) from admin', output)

    def test_arguments_of_other_modules(self):
        with patch.object(redaction, 'models', {'another.model'}):
            self.assertNotIn('ZQX', self.log('another.model'))

    def test_arguments_not_sealed(self):
        self.assertIn('ZQX', self.log('party.party'))

    def test_exception(self):
        for level in [logging.DEBUG, logging.ERROR]:
            try:
                int(self.marker)
            except ValueError:
                output = self.log(
                    'early_access.patient', level, exc_info=True)
            self.assertNotIn('ZQX', output)
            self.assertIn('ValueError', output)
            self.assertIn('test_sealed.py', output)

    def test_result(self):
        self.logger.debug('Result: %r', [{'letters': 'ZQX'}])
        self.assertEqual(self.output.getvalue(), 'Result: (...)\n')

    def test_wsgi_exception(self):
        try:
            int(self.marker)
        except ValueError:
            logging.getLogger('trytond.wsgi').debug(
                "Exception when processing %s", 'request', exc_info=True)
        self.assertNotIn('ZQX', self.output.getvalue())


class SealedFieldTestCase(unittest.TestCase):
    "The values of a sealed field"

    values = [
        (fields.Boolean("Field"), [True, False], ['yes', 1, 0]),
        (fields.Integer("Field"), [0, -5, 2 ** 31 - 1],
            ['x', True, 1.5, 2 ** 31, float('nan'), float('inf'), [], {}]),
        (fields.Float("Field"), [0.0, 1.5, -1e300],
            ['x', True, float('nan'), float('inf'), []]),
        (fields.Numeric("Field"), [Decimal('61.50'), Decimal(0)],
            ['x', True, 'NaN', Decimal('Infinity'), '1e99', {}, '']),
        (fields.Char("Field"), ['ABC', '', 'é"\\\ud800\U0001f600'],
            [1, b'x', [], {}]),
        (fields.Text("Field"), ['a\nb'], [1]),
        (fields.Date("Field"), [dt.date(1970, 5, 1)],
            ['x', 'tomorrow', dt.datetime(2020, 1, 1), 3, {}]),
        (fields.DateTime("Field"), [dt.datetime(2020, 1, 2, 3, 4, 5)],
            ['x', dt.date(2020, 1, 1), 3]),
        (fields.TimeDelta("Field"),
            [dt.timedelta(days=-3, microseconds=7)], ['x', 3]),
        (fields.Selection([('a', "A")], "Field"), ['a'], [1, ['a'], {}]),
        (fields.MultiSelection([('a', "A")], "Field"), [('a', 'b'), ()],
            ['a', [1], {'a': 1}]),
        (fields.Many2One('res.user', "Field"), [3], ['x', True, [], {}]),
        (fields.Dict('ir.model', "Field"), [
                {}, {'a': None, 'b': True, 'c': 3, 'd': Decimal('1.0'),
                    'e': dt.date(2020, 1, 1), 'f': ('x', 'y'), 'g': 'z',
                    'h': dt.datetime(2020, 1, 1, 12), 'i': 1.5}],
            ['garbage', '[]', '{', 3, [], {1: 2}, {'a': {}}, {'a': [1]},
                {'a': object()}, {'a': float('nan')}, '{"a": NaN}',
                {'a': Decimal('NaN')}, {'a': Decimal('1e999999999')},
                {'a': 2 ** 63}, {'__class__': 'date'},
                '{"a": {"__class__": "date"}}', '[' * 100_000]),
        ]

    def test_round_trip(self):
        for field, values, _ in self.values:
            sealed = Sealed(field)
            for value in values:
                with self.subTest(type=field._type, value=value):
                    member = decode(encode(sealed.dump(sealed.clean(value))))
                    if sealed.load:
                        member = sealed.load(member)
                    self.assertEqual(member, value)
                    self.assertIs(type(member) is bool, type(value) is bool)

    def test_none(self):
        for field, _, _ in self.values:
            sealed = Sealed(field)
            with self.subTest(type=field._type):
                self.assertIsNone(sealed.dump(sealed.clean(None)))
                if sealed.load:
                    self.assertFalse(sealed.load(None))

    def test_refused(self):
        for field, _, values in self.values:
            sealed = Sealed(field)
            for value in values:
                with self.subTest(type=field._type, value=str(value)[:40]):
                    with self.assertRaises(CLEAN_ERRORS):
                        sealed.clean(value)

    def test_accepted(self):
        for field, value, result in [
                (fields.Date("Field"), '1970-05-01', dt.date(1970, 5, 1)),
                (fields.Numeric("Field"), '61.5', Decimal('61.5')),
                (fields.Numeric("Field"), 61.5, Decimal('61.5')),
                (fields.Integer("Field"), '3', 3),
                (fields.Char("Field"), ' ABC ', 'ABC'),
                (fields.Char("Field", strip=False), ' ABC ', ' ABC '),
                (fields.Char("Field", strip='leading'), ' ABC ', 'ABC '),
                (fields.MultiSelection([], "Field"), ['b', 'a', 'b'],
                    ['a', 'b']),
                (fields.Dict('ir.model', "Field"), '{"a": 1}', {'a': 1}),
                (fields.Dict('ir.model', "Field"), '', None),
                (fields.Dict('ir.model', "Field"),
                    '{"a": {"__class__": "Decimal", "decimal": "1.5"}}',
                    {'a': Decimal('1.5')}),
                ]:
            with self.subTest(type=field._type, value=value):
                self.assertEqual(Sealed(field).clean(value), result)

    def test_copy_keeps_class(self):
        class Special(Sealed):
            pass

        for class_ in [Sealed, Special]:
            field = class_(
                fields.Char("Field", size=3, required=True), loading='eager')
            for copied in [copy.copy(field), copy.deepcopy(field)]:
                self.assertIs(type(copied), class_)
                self.assertEqual(copied.size, 3)
                self.assertEqual(copied.loading, 'eager')
                self.assertTrue(copied.required)
                self.assertFalse(copied.readonly)
                copied.required = False
                self.assertTrue(field.required)

    def test_unsupported(self):
        for field in [
                fields.Binary("Field"),
                fields.Reference("Field"),
                fields.One2Many('res.user', None, "Field"),
                fields.Char("Field", translate=True),
                ]:
            with self.assertRaises(AssertionError):
                Sealed(field)


@contextmanager
def production():
    "As the server runs: it validates no Function field itself"
    with patch.object(Pool, 'test', False):
        yield


def call(model, method, *args, **context):
    "Call a method as the dispatcher does for a client"
    Model = Pool().get(model)
    rpc = Model.__rpc__[method]
    transaction = Transaction()
    args, kwargs, context, _ = rpc.convert(
        Model, *args, {**transaction.context, **context})
    with transaction.set_context(context):
        function = rpc.decorate(getattr(Model, method))
        return rpc.result(function(*args, **kwargs))


class SealedTestCase(ProgrammeTestCase):
    "The patients and their forms"

    marker = 'ZQX'

    def get_patient(self, state='draft'):
        Patient = Pool().get('early_access.patient')
        patient, = Patient.search([
                ('state', '=', state),
                ('service.name', '=', "Oncology"),
                ('establishment.name', '=', "North Hospital"),
                ], limit=1)
        return patient

    def get_form(self, state='draft'):
        form, = self.get_patient(state).forms
        return form

    def get_answer(self, form, code):
        name, = [n for n in form.answers if n.endswith('_' + code)]
        return name

    def values(self, patient):
        "Return the values of a new patient"
        return {
            'authorization': patient.authorization.id,
            'service': patient.service.id,
            'prescriber': patient.prescriber.id,
            'surname_letters': 'ABC',
            'first_name_letters': 'DE',
            'sex': 'female',
            'birth_month': dt.date(1970, 5, 1),
            'request_date': dt.date.today(),
            }

    def set_field_access(self, name, read=False):
        "Let nobody write the field of the patients"
        FieldAccess = Pool().get('ir.model.field.access')
        with Transaction().set_user(0):
            accesses = FieldAccess.search([
                    ('model', '=', 'early_access.patient'),
                    ('field', '=', name),
                    ])
            self.assertTrue(accesses)
            FieldAccess.write(accesses, {
                    'perm_read': read,
                    'perm_write': False,
                    })

    def execute(self, query):
        cursor = Transaction().connection.cursor()
        cursor.execute(*query)
        return cursor

    def column(self, record, name):
        table = record.__class__.__table__()
        value, = self.execute(table.select(
                Column(table, name), where=table.id == record.id)).fetchone()
        return value

    def update(self, record, **values):
        "Write behind the back of the server"
        table = record.__class__.__table__()
        self.execute(table.update(
                [Column(table, n) for n in values],
                [record._fields[n].sql_format(v) for n, v in values.items()],
                where=table.id == record.id))
        Transaction().counter += 1
        for cache in Transaction().cache.values():
            cache.clear()
        return record.__class__(record.id)

    # What is stored

    @with_transaction()
    def test_stored(self):
        "No table holds a clear value"
        pool = Pool()
        patient = self.get_patient()
        patient.surname_letters = self.marker
        patient.first_name_letters = 'QJ'
        patient.save()
        self.assertEqual(patient.surname_letters, self.marker)
        marker = self.marker.encode()
        for name, Model in pool.iterobject():
            if not hasattr(Model, '__table__') or Model._is_table_query():
                continue
            cursor = self.execute(Model.__table__().select())
            for row in cursor:
                for value in row:
                    if isinstance(value, str):
                        value = value.encode()
                    if isinstance(value, bytes):
                        self.assertNotIn(marker, value, msg=name)

    @with_transaction()
    def test_one_key_per_person(self):
        Patient = Pool().get('early_access.patient')
        patients = Patient.search([])
        self.assertEqual(
            len({p.data_key for p in patients}), len(patients))
        for patient in patients:
            for form in patient.forms:
                self.assertEqual(form.data_key, patient.data_key)

    @with_transaction()
    def test_fresh_nonce(self):
        patient = self.get_patient()
        before = self.column(patient, 'sealed')
        patient.__class__.write(
            [patient], {'weight': patient.weight})
        after = self.column(patient, 'sealed')
        self.assertEqual(before[:17], after[:17])
        self.assertNotEqual(before[17:29], after[17:29])
        self.assertNotEqual(before[29:], after[29:])

    @with_transaction()
    def test_length_says_nothing(self):
        "The ciphertext is as long for a short and for a long answer"
        form = self.get_form()
        name = self.get_answer(form, 'metastases')
        lengths = set()
        for answer in [None, ('lung',), ('bone',), ('bone', 'liver', 'lung')]:
            form.__class__.write([form], {
                    'answers': {**form.answers, name: answer}})
            lengths.add(len(self.column(form, 'sealed')))
            form = form.__class__(form.id)
        for length in lengths:
            self.assertEqual((length - 1 - 16 - 12 - 16) % 64, 0)

    @with_transaction()
    def test_associated_data(self):
        "The layout of what binds a ciphertext to its row does not change"
        Form = Pool().get('early_access.form')
        self.assertEqual(
            Form._associated_data(KEY[:16], 'an "uuid"', {
                    'patient': 3, 'related_person': None, 'definition': 4,
                    'visit': None, 'repetition': 1}),
            b'[1,"early_access.form",["uuid","patient","related_person",'
            b'"definition","visit","repetition"],'
            b'"000102030405060708090a0b0c0d0e0f",'
            b'["an \\"uuid\\"",3,null,4,null,1]]')

    # Validation

    @with_transaction()
    def test_validation(self):
        Patient = Pool().get('early_access.patient')
        patient = self.get_patient()
        base = self.values(patient)
        for name, value, error in [
                ('surname_letters', 'ABCD', SizeValidationError),
                ('surname_letters', None, RequiredValidationError),
                ('surname_letters', '', RequiredValidationError),
                ('surname_letters', 'A\tB', SealedValueError),
                ('surname_letters', 3, SealedValueError),
                ('first_name_letters', 'ABC', SizeValidationError),
                ('sex', 'other', SelectionValidationError),
                ('sex', None, RequiredValidationError),
                ('birth_month', 'soon', SealedValueError),
                ('birth_month', None, RequiredValidationError),
                ('weight', Decimal('61.55'), DigitsValidationError),
                ('weight', Decimal('1000'), DigitsValidationError),
                ('weight', Decimal('0.2'), DomainValidationError),
                ('weight', 'heavy', SealedValueError),
                ('weight', 'NaN', SealedValueError),
                ('refusal_reason', 'nothing', SelectionValidationError),
                ('criteria', 'garbage', SealedValueError),
                ('criteria', {'unknown': 'yes'}, SealedValueError),
                ]:
            for test in [True, False]:
                with self.subTest(name=name, value=value, test=test), \
                        patch.object(Pool, 'test', test):
                    for function in [
                            lambda: Patient.create([{**base, name: value}]),
                            lambda: Patient.write([patient], {name: value}),
                            ]:
                        with self.assertRaises(error) as cm:
                            function()
                        message = ''.join(map(str, cm.exception.args))
                        self.assertIn(
                            Patient.__names__(name)['field'], message)
                        if value:
                            self.assertNotIn(f'"{value}"', message)
                            self.assertNotIn(f"'{value}'", message)

    @with_transaction()
    def test_validation_answers(self):
        Form = Pool().get('early_access.form')
        form = self.get_form()
        name = self.get_answer(form, 'ecog')
        date = self.get_answer(form, 'diagnosis')
        several = self.get_answer(form, 'metastases')
        for answers in [
                {'unknown': 'yes'}, {name: 'ecog_9'}, {name: 3},
                {name: ['ecog_1']}, {date: 'ecog_1'}, {date: 3},
                {several: 'lung'}, {several: ['heart']},
                {several: [{'a': 1}]}, 'garbage', '["ecog"]', 3, [1],
                ]:
            with self.subTest(answers=answers), production():
                with self.assertRaises(UserError) as cm:
                    Form.write([form], {'answers': answers})
                self.assertNotIn(
                    'ecog_9', ''.join(map(str, cm.exception.args)))

    @with_transaction()
    def test_validation_states(self):
        "A field that is required in a state is required without being written"
        Patient = Pool().get('early_access.patient')
        patient = self.get_patient('refused')
        for values in [{'refusal_reason': None}, {'refusal_reason': ''}]:
            with production(), self.assertRaises(RequiredValidationError):
                Patient.write([patient], values)
        patient = self.get_patient('submitted')
        with production(), self.assertRaises(RequiredValidationError):
            Patient.write([patient], {'state': 'refused'})

    @with_transaction()
    def test_default(self):
        "A default does not replace a value nor is lost"
        Patient = Pool().get('early_access.patient')
        base = self.values(self.get_patient())
        del base['sex']
        with production(), Transaction().set_context(default_sex='male'):
            given, default = Patient.create([{**base, 'sex': 'female'}, base])
        self.assertEqual(given.sex, 'female')
        self.assertEqual(default.sex, 'male')

    # Writing

    @with_transaction()
    def test_save(self):
        Patient = Pool().get('early_access.patient')
        with production():
            patient = Patient(**self.values(self.get_patient()))
            patient.save()
            self.assertEqual(patient.surname_letters, 'ABC')
            patient.weight = Decimal('70.5')
            patient.height = Decimal('170')
            patient.save()
        patient = Patient(patient.id)
        self.assertEqual(patient.weight, Decimal('70.5'))
        self.assertEqual(patient.height, Decimal('170'))
        self.assertEqual(patient.surname_letters, 'ABC')
        self.assertEqual(patient.birth_month, dt.date(1970, 5, 1))

    @with_transaction()
    def test_create_several(self):
        Patient = Pool().get('early_access.patient')
        base = self.values(self.get_patient())
        patients = Patient.create([
                {**base, 'surname_letters': letters, 'weight': weight}
                for letters, weight in [
                    ('AAA', Decimal('50')), ('BBB', None),
                    ('CCC', Decimal('60'))]])
        self.assertEqual(
            [(p.surname_letters, p.weight) for p in patients],
            [('AAA', Decimal('50')), ('BBB', None), ('CCC', Decimal('60'))])

    @with_transaction()
    def test_write_same_record_twice(self):
        "No action of a call loses what another one writes"
        Patient = Pool().get('early_access.patient')
        patient, other = self.get_patient(), self.get_patient('cancelled')
        letters = patient.surname_letters
        Patient.write(
            [patient, other], {'weight': Decimal('70')},
            [patient], {'height': Decimal('170')},
            [patient], {'weight': Decimal('71')})
        patient, other = Patient.browse([patient.id, other.id])
        self.assertEqual(patient.weight, Decimal('71'))
        self.assertEqual(patient.height, Decimal('170'))
        self.assertEqual(other.weight, Decimal('70'))
        self.assertEqual(patient.surname_letters, letters)

    @with_transaction()
    def test_write_date(self):
        "The reading that precedes the writing leaves nothing out of date"
        Patient = Pool().get('early_access.patient')
        patient = self.get_patient()
        table = Patient.__table__()
        self.execute(table.update(
                [table.write_date], [dt.datetime(2000, 1, 1)]))
        Patient.write([patient], {'weight': Decimal(70)})
        self.assertGreater(
            Patient(patient.id).write_date, dt.datetime(2000, 1, 1))

    @with_transaction()
    def test_write_in_its_own_statement(self):
        "The document is in the INSERT and in the UPDATE of the record"
        Patient = Pool().get('early_access.patient')
        table = Patient.__table__()
        patient = self.get_patient()
        for function, verb in [
                (lambda: Patient.write(
                        [patient], {'weight': Decimal(70)}), 'UPDATE'),
                (lambda: Patient.create([self.values(patient)]), 'INSERT'),
                ]:
            with self.count_queries() as queries:
                function()
            name = str(table)
            written = [
                q for q in queries
                if q.startswith((f'{verb} INTO {name}', f'{verb} {name}'))]
            self.assertEqual(len(written), 1, written)
            self.assertIn('"sealed"', written[0])

    @contextmanager
    def count_queries(self):
        queries = []
        connection = Transaction().connection
        cursor_class = type(connection.cursor())

        def execute(self, query, *args, **kwargs):
            queries.append(str(query))
            return original(self, query, *args, **kwargs)

        original = cursor_class.execute
        with patch.object(cursor_class, 'execute', execute):
            yield queries

    @with_transaction()
    def test_write_access(self):
        "The access to a field is checked by its clear name"
        Patient = Pool().get('early_access.patient')
        patient = self.get_patient()
        self.set_field_access('weight', read=True)
        with acting('prescriber'):
            with self.assertRaises(AccessError):
                Patient.write([patient], {'weight': Decimal(70)})
            with self.assertRaises(AccessError):
                Patient.create([
                        {**self.values(patient), 'weight': Decimal(70)}])
            Patient.write([patient], {'height': Decimal(170)})
        logged = {
            log.target for log in Transaction().log_records
            if log.event == 'write'}
        self.assertEqual(logged, {'height'})

    @with_transaction()
    def test_read_access(self):
        Patient = Pool().get('early_access.patient')
        patient = self.get_patient()
        self.set_field_access('weight')
        self.set_field_access('sex')
        with acting('prescriber'):
            for name in ['weight', 'sex', 'sex:string']:
                with self.assertRaises(AccessError):
                    Patient.read([patient.id], ['height', name])
                with self.assertRaises(AccessError):
                    Patient.export_data([patient], [name.split(':')[0]])
            row, = Patient.read([patient.id], ['height'])
            self.assertEqual(row.keys(), {'id', 'height'})

    @with_transaction()
    def test_fixed_keys(self):
        Form = Pool().get('early_access.form')
        form, other = self.get_form(), self.get_form('signed')
        for name, value in [
                ('patient', other.patient.id), ('repetition', 2),
                ('definition', -1), ('uuid', 'x'),
                ('data_key', other.data_key.id), ('sealed', b'x')]:
            with self.subTest(name=name):
                with self.assertRaises(SealedKeyError):
                    Form.write([form], {name: value})
        Form.write([form], {'repetition': form.repetition})

    # Reading

    @with_transaction()
    def test_read(self):
        Patient = Pool().get('early_access.patient')
        patient = self.get_patient()
        row, = Patient.read([patient.id], [
                'code', 'sex', 'sex:string', 'weight', 'birth_month',
                'sealed_state', 'prescriber.rec_name'])
        self.assertEqual(row, {
                'id': patient.id,
                'code': None,
                'sex': 'female',
                'sex:string': "Female",
                'weight': Decimal('61.5'),
                'birth_month': dt.date(1970, 5, 1),
                'sealed_state': 'readable',
                'prescriber.': {
                    'id': patient.prescriber.id,
                    'rec_name': patient.prescriber.rec_name,
                    },
                })
        row, = Patient.read([patient.id], ['sex:string'])
        self.assertEqual(row, {'id': patient.id, 'sex:string': "Female"})

    @with_transaction()
    def test_read_related(self):
        Form = Pool().get('early_access.form')
        form = self.get_form()
        row, = Form.read([form.id], ['patient.surname_letters'])
        self.assertEqual(
            row['patient.']['surname_letters'], form.patient.surname_letters)

    @with_transaction()
    def test_read_in_batch(self):
        "As many queries for one patient as for all"
        Patient = Pool().get('early_access.patient')
        names = ['surname_letters', 'first_name_letters', 'sex', 'weight']

        def browse(ids):
            for patient in Patient.browse(ids):
                for name in names:
                    getattr(patient, name)

        with acting('prescriber'):
            ids = [p.id for p in Patient.search([])]
            self.assertGreater(len(ids), 5)
            for function in [lambda ids: Patient.read(ids, names), browse]:
                counts = []
                for sub_ids in [ids, ids[:1], ids]:
                    with self.count_queries() as queries:
                        function(sub_ids)
                    counts.append(len(queries))
                # The first one fills the caches
                self.assertEqual(counts[1], counts[2])
                self.assertLess(counts[2], 5)

    @with_transaction()
    def test_read_size_in_context(self):
        "The context of the client does not change what is decrypted"
        Patient = Pool().get('early_access.patient')
        patient = self.get_patient()
        letters = patient.surname_letters
        with Transaction().set_context({
                    'early_access.patient.sealed': 'size',
                    'early_access.patient.sealed_envelope': 'size'}):
            row, = Patient.read([patient.id], ['surname_letters'])
            self.assertEqual(row['surname_letters'], letters)
            Patient.write([patient], {'weight': Decimal(70)})

    @with_transaction()
    def test_raw_columns(self):
        "Nobody reads nor writes what is behind the sealed fields"
        Patient = Pool().get('early_access.patient')
        patient = self.get_patient()
        base = self.values(patient)
        with acting('prescriber'):
            self.assertTrue(
                Patient.read([patient.id], ['surname_letters']))
            for name, value in [
                    ('sealed', self.column(patient, 'sealed')),
                    ('uuid', self.column(patient, 'uuid')),
                    ('data_key', self.column(patient, 'data_key')),
                    ('sealed_envelope', 'x')]:
                for function in [
                        lambda: Patient.read([patient.id], [name]),
                        lambda: Patient.read([patient.id], [f'{name}.id']),
                        lambda: Patient.write([patient], {name: value}),
                        lambda: Patient.create([{**base, name: value}]),
                        lambda: Patient.search([(name, '=', value)]),
                        lambda: Patient.search([], order=[(name, 'ASC')]),
                        lambda: Patient.export_data([patient], [name]),
                        lambda: Patient.export_data(
                            [patient], [f'forms/{name}']),
                        ]:
                    with self.assertRaises(AccessError):
                        function()
                self.assertNotIn(name, Patient.fields_get())
            with self.assertRaises(AccessError):
                Patient.import_data(
                    ['id', 'uuid'], [[str(patient.id), 'x']])
            with self.assertRaises(AccessError):
                Patient.search([('data_key.kek', '=', 'x')])

    @with_transaction()
    def test_data_key_access(self):
        DataKey = Pool().get('early_access.data_key')
        self.assertNotIn('read', DataKey.__rpc__)
        for login in ['prescriber', 'configuration', 'security_officer']:
            with acting(login):
                with self.assertRaises(AccessError):
                    DataKey.search([])

    @with_transaction()
    def test_search(self):
        pool = Pool()
        Patient = pool.get('early_access.patient')
        Form = pool.get('early_access.form')
        for Model, name in [
                (Patient, 'surname_letters'), (Patient, 'weight'),
                (Patient, 'criteria.x'), (Form, 'answers'),
                (Form, 'patient.surname_letters')]:
            with self.assertRaises(SealedSearchError):
                Model.search([(name, '=', 'ABC')])
            with self.assertRaises(SealedSearchError):
                Model.search([('id', '>', 0), ('OR', (name, '=', 'ABC'))])
        with self.assertRaises(SealedSearchError):
            Patient.search([], order=[('surname_letters', 'ASC')])
        with self.assertRaises(SealedSearchError):
            Form.search([], order=[('answers.x', 'ASC')])
        for name in ['surname_letters', 'criteria']:
            definition = Patient.fields_get([name])[name]
            self.assertFalse(definition['searchable'])
            self.assertFalse(definition['sortable'])

    # Tampering

    def assert_altered(self, record):
        name = 'answers' if 'answers' in record._fields else 'sex'
        Model = record.__class__
        for function in [
                lambda: Model.read([record.id], [name]),
                lambda: getattr(Model(record.id), name),
                lambda: Model.write([record], {name: getattr(record, name)}),
                ]:
            with self.assertRaises(SealError) as cm:
                function()
            self.assertNotIsInstance(cm.exception, DestroyedKeyError)
            code = None
            if 'code' not in Model._sealed_fields:
                code = getattr(record, 'code', None)
            self.assertIn(
                f'"{code or f"({record.id})"}"', cm.exception.message)

    @with_transaction()
    def test_altered(self):
        form = self.get_form()
        sealed = self.column(form, 'sealed')
        for position in [0, 1, 16, 17, 28, 29, len(sealed) - 1]:
            with self.subTest(position=position):
                altered = bytearray(sealed)
                altered[position] ^= 1
                self.assert_altered(self.update(form, sealed=bytes(altered)))
        for altered in [b'', sealed[:29], sealed[:-1], sealed + b'\0']:
            self.assert_altered(self.update(form, sealed=altered))
        form = self.update(form, sealed=sealed)
        self.assertTrue(form.answers)

    @with_transaction()
    def test_future_format(self):
        "What a later version sealed is not taken for an alteration"
        form = self.get_form()
        sealed = self.column(form, 'sealed')
        form = self.update(form, sealed=b'\2' + sealed[1:])
        with self.assertRaises(SealError) as cm:
            form.__class__.read([form.id], ['answers'])
        self.assertIn("a later version", cm.exception.message)
        self.assertIn(str(form.id), cm.exception.message)

    @with_transaction()
    def test_altered_among_others(self):
        "The rest of a list is shown, and what is altered is told"
        pool = Pool()
        Patient = pool.get('early_access.patient')
        patients = Patient.search([])
        altered = self.get_patient('treated')
        altered = self.update(
            altered, sealed=self.column(altered, 'sealed')[:-1])
        self.assertGreater(len(patients), 2)

        rows = Patient.read(
            [p.id for p in patients],
            ['code', 'sex', 'criteria', 'sealed_state'])
        self.assertEqual(len(rows), len(patients))
        for row in rows:
            with self.subTest(patient=row['id']):
                if row['id'] == altered.id:
                    self.assertEqual(row['code'], altered.code)
                    self.assertEqual(row['sealed_state'], 'unreadable')
                    self.assertIsNone(row['sex'])
                    self.assertIsNone(row['criteria'])
                else:
                    self.assertEqual(row['sealed_state'], 'readable')
                    self.assertTrue(row['sex'])
        exported = Patient.export_data(patients, ['id', 'sex'])
        self.assertEqual(len(exported), len(patients))
        with production(), self.refused(SealError) as cm:
            Patient.write(patients, {'weight': Decimal(70)})
        self.assertIn(altered.code, cm.exception.message)
        self.assert_altered(altered)

    @with_transaction()
    def test_swapped(self):
        "A ciphertext does not open in another row"
        first, second = self.get_patient(), self.get_patient('signed')
        values = [
            {n: self.column(p, n) for n in ['sealed', 'data_key']}
            for p in [first, second]]
        self.assert_altered(self.update(first, **values[1]))
        self.assert_altered(
            self.update(second, sealed=values[0]['sealed']))

    @with_transaction()
    def test_swapped_between_forms(self):
        "Not even in another form of the same person"
        Form = Pool().get('early_access.form')
        patient = self.get_patient('treated')
        forms = Form.search([('patient', '=', patient.id)], limit=2)
        sealed = [self.column(f, 'sealed') for f in forms]
        for form, other in zip(forms, reversed(sealed)):
            self.assert_altered(self.update(form, sealed=other))

    @with_transaction()
    def test_keys_altered(self):
        "A ciphertext does not open when the meaning of its row changes"
        form, other = self.get_form(), self.get_form('signed')
        for name, value in [
                ('uuid', self.column(form, 'uuid')[:-1] + 'g'),
                ('uuid', ''),
                ('repetition', 2),
                ('patient', other.patient.id),
                ('data_key', other.data_key.id)]:
            with self.subTest(name=name):
                before = self.column(form, name)
                self.assert_altered(self.update(form, **{name: value}))
                form = self.update(form, **{name: before})
                self.assertTrue(form.answers)

    @with_transaction()
    def test_envelope_altered(self):
        "A value that looks like the end of the envelope does not open"
        form = self.get_form()
        uuid = self.column(form, 'uuid')
        with self.assertLogs('trytond.modules.early_access.data_key'):
            for value in [uuid + ' 00 00', uuid + ' 00']:
                with self.assertRaises(SealError):
                    self.update(form, uuid=value).answers

    @with_transaction()
    def test_retired_key_encryption_key(self):
        "Without its key-encryption key a record cannot be read"
        DataKey = Pool().get('early_access.data_key')
        patient = self.get_patient()
        self.update(DataKey(patient.data_key.id), kek='retired')
        with self.assertLogs(
                'trytond.modules.early_access.data_key') as logs:
            with self.assertRaises(SealError) as cm:
                patient.__class__(patient.id).sex
        self.assertIn('retired', logs.output[0])
        self.assertIn('keyring', cm.exception.message)
        self.assertNotIn(keyring.configured(), cm.exception.message)

    @with_transaction()
    def test_wrapped_again(self):
        "What is in the cache of the keys follows a rotation"
        DataKey = Pool().get('early_access.data_key')
        patient = self.get_patient()
        self.assertTrue(patient.sex)
        key = patient.data_key
        ring = keyring.get_keyring()
        kek, wrapped = ring.wrap(ring.unwrap(key.kek, key.wrapped))
        self.update(DataKey(key.id), kek=kek, wrapped=wrapped)
        self.assertTrue(patient.__class__(patient.id).sex)
        _, other = ring.wrap(KEY)
        self.update(DataKey(key.id), wrapped=other)
        self.assert_altered(patient)

    # Destroying

    @with_transaction()
    def test_destroyed(self):
        pool = Pool()
        DataKey = pool.get('early_access.data_key')
        Patient = pool.get('early_access.patient')
        Form = pool.get('early_access.form')
        patient, other = self.get_patient(), self.get_patient('signed')
        form, = patient.forms
        patients = Patient.browse([patient.id, other.id])
        self.assertTrue(all(p.surname_letters for p in patients))
        key = patient.data_key
        key.destroy()

        self.assertIsNone(self.column(key, 'wrapped'))
        self.assertIsNone(self.column(key, 'kek'))
        self.assertTrue(DataKey(key.id).destroyed)
        self.assertIsNone(patients[0].surname_letters)
        self.assertTrue(patients[1].surname_letters)
        rows = {r['id']: r for r in Patient.read(
                [patient.id, other.id],
                ['rec_name', 'sex', 'weight', 'criteria', 'sealed_state'])}
        self.assertEqual(rows[patient.id]['sealed_state'], 'destroyed')
        self.assertEqual(rows[other.id]['sealed_state'], 'readable')
        for name in ['sex', 'weight', 'criteria']:
            self.assertIsNone(rows[patient.id][name])
        self.assertFalse(Form(form.id).answers)
        self.assertEqual(len(Patient.export_data(
                    [patient, other], ['rec_name', 'sex', 'criteria'])), 2)
        with production():
            with self.assertRaises(DestroyedKeyError):
                Patient.write([patient], {'weight': Decimal(70)})
            with self.assertRaises(DestroyedKeyError):
                Form.write([form], {'answers': {}})
            with self.assertRaises(DestroyedKeyError):
                Patient.copy([patient])
            with self.assertRaises(DestroyedKeyError):
                Form.create([{
                            'patient': patient.id,
                            'definition': form.definition.id,
                            'repetition': 2,
                            }])
            with self.assertRaises(DestroyedKeyError):
                DataKey.blind_index(key, 'ABC')
            Patient.write([patient], {'state': 'cancelled'})

    @with_transaction()
    def test_destroy_twice(self):
        DataKey = Pool().get('early_access.data_key')
        keys = DataKey.new(3)
        self.assertEqual(len({k.uuid for k in keys}), 3)
        DataKey.destroy(keys[:1])
        destroyed = DataKey(keys[0].id).destroyed
        DataKey.destroy(keys)
        self.assertEqual(DataKey(keys[0].id).destroyed, destroyed)
        self.assertTrue(all(DataKey(k.id).destroyed for k in keys))

    @with_transaction()
    def test_delete(self):
        "The key goes with the last record that uses it"
        pool = Pool()
        DataKey = pool.get('early_access.data_key')
        Patient = pool.get('early_access.patient')
        patient, = Patient.create([self.values(self.get_patient())])
        key = patient.data_key
        Patient.delete([patient])
        self.assertFalse(DataKey.search([('id', '=', key.id)]))
        self.assertTrue(self.get_patient().sex)

    # Blind index

    @with_transaction()
    def test_blind_index(self):
        DataKey = Pool().get('early_access.data_key')
        first, second = DataKey.new(2)
        index = DataKey.blind_index(first, 'ABC', 'DE')
        self.assertRegex(index, r'\A[0-9a-f]{64}\Z')
        self.assertEqual(index, DataKey.blind_index(first, 'ABC', 'DE'))
        for key, texts in [
                (second, ['ABC', 'DE']), (first, ['ABCDE']),
                (first, ['AB', 'CDE']), (first, ['ABC', 'DE', '']),
                (first, ['DE', 'ABC'])]:
            self.assertNotEqual(index, DataKey.blind_index(key, *texts))

    @with_transaction()
    def test_blind_index_vector(self):
        "An index that is stored must be found by the next versions"
        DataKey = Pool().get('early_access.data_key')
        key = DataKey.new()
        kek, wrapped = keyring.get_keyring().wrap(KEY)
        self.update(key, kek=kek, wrapped=wrapped)
        self.assertEqual(DataKey.blind_index(key, 'DUR', 'É', 'female'),
            'e5f5531f95c2d3e7fe85f18096677cf2'
            '9fa19e2a1b1d53d158451bd7af26d850')

    # Copy, import and export

    @with_transaction()
    def test_copy(self):
        Patient = Pool().get('early_access.patient')
        patient, other = self.get_patient(), self.get_patient('signed')
        with production():
            copies = Patient.copy(
                [patient, other], default={'weight': Decimal(99)})
        for record, copied in zip([patient, other], copies):
            self.assertEqual(copied.surname_letters, record.surname_letters)
            self.assertEqual(copied.birth_month, record.birth_month)
            self.assertEqual(copied.weight, Decimal(99))
            self.assertNotEqual(copied.data_key, record.data_key)
            self.assertNotEqual(copied.uuid, record.uuid)

    @with_transaction()
    def test_copy_of_empty_fields(self):
        "To copy an empty field needs no access to it"
        Patient = Pool().get('early_access.patient')
        patient = self.get_patient()
        patient.weight = None
        patient.save()
        self.set_field_access('weight', read=True)
        with acting('prescriber'):
            copied, = Patient.copy([patient])
        self.assertEqual(copied.surname_letters, patient.surname_letters)

    @with_transaction()
    def test_copy_access(self):
        "A copy does not show what its user cannot read"
        Patient = Pool().get('early_access.patient')
        patient = self.get_patient()
        with acting('south_prescriber') as user:
            professional = user.early_access_professional()
            with self.assertRaises(AccessError):
                Patient.copy([patient], default={
                        'service': professional.services[0].id,
                        'prescriber': professional.id,
                        })

    @with_transaction()
    def test_export_import(self):
        Form = Pool().get('early_access.form')
        form = self.get_form()
        answers = form.answers
        (text,), = Form.export_data([form], ['answers'])
        self.assertIsInstance(text, str)
        name = self.get_answer(form, 'ecog')
        Form.write([form], {'answers': {**answers, name: 'ecog_2'}})
        with production():
            Form.import_data(['id', 'answers'], [[str(form.id), text]])
        self.assertEqual(Form(form.id).answers, answers)

    @with_transaction()
    def test_import_garbage(self):
        pool = Pool()
        Patient = pool.get('early_access.patient')
        Form = pool.get('early_access.form')
        for Model, record, name, value in [
                (Patient, self.get_patient(), 'weight', 'ZQX'),
                (Patient, self.get_patient(), 'birth_month', 'ZQX'),
                (Patient, self.get_patient(), 'criteria', 'ZQX'),
                (Form, self.get_form(), 'answers', '{"ZQX": 1'),
                (Form, self.get_form(), 'answers', '{"ZQX": {"ZQX": 1}}'),
                (Form, self.get_form(), 'answers', '{"ZQX": 1}'),
                ]:
            with self.subTest(name=name, value=value), production():
                with self.assertRaises(UserError) as cm:
                    Model.import_data(
                        ['id', name], [[str(record.id), value]])
                self.assertNotIn(
                    'ZQX', ''.join(map(str, cm.exception.args)))

    # Clients

    @with_transaction()
    def test_on_change_of_others(self):
        "A client cannot have the server read for it"
        patient = self.get_patient()
        for login in ['south_prescriber', 'supply']:
            for method, args in [
                    ('on_change_with', [['surname_letters']]),
                    ('on_change_with_surname_letters', []),
                    ]:
                with self.subTest(login=login, method=method), acting(login):
                    try:
                        result = call('early_access.patient', method,
                            {'id': patient.id}, *args)
                    except AccessError:
                        continue
                    self.assertNotIn(
                        patient.surname_letters, str(result))
        with acting('prescriber'):
            self.assertEqual(call('early_access.patient', 'on_change_with',
                    {'id': patient.id, 'surname_letters': 'dur'},
                    ['surname_letters']), {'surname_letters': 'DUR'})

    @with_transaction()
    def test_json(self):
        "The values go through the protocol of the clients"
        patient = self.get_patient()
        with acting('prescriber'):
            rows = call('early_access.patient', 'read', [patient.id],
                ['weight', 'birth_month', 'criteria', 'sex'])
        rows = json.loads(
            json.dumps(rows, cls=JSONEncoder), object_hook=JSONDecoder())
        self.assertEqual(rows[0]['weight'], Decimal('61.5'))
        self.assertEqual(rows[0]['birth_month'], dt.date(1970, 5, 1))


class ConcurrencyTestCase(ProgrammeTestCase):
    "Two writers of one document"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.database_name = DB_NAME
        if DB_NAME == ':memory:':
            # A database in memory has one connection only
            directory = tempfile.TemporaryDirectory()
            cls.addClassCleanup(directory.cleanup)
            path = os.path.join(directory.name, 'concurrency.sqlite')
            with Transaction().start(DB_NAME, 0, readonly=True) as transaction:
                with closing(sqlite3.connect(path)) as target:
                    transaction.connection.backup(target)
            previous = config.get('database', 'path')
            config.set('database', 'path', directory.name)
            cls.addClassCleanup(config.set, 'database', 'path', previous)
            cls.database_name = 'concurrency'
            Pool(cls.database_name).init()
            cls.addClassCleanup(Pool.stop, cls.database_name)

    def setUp(self):
        super().setUp()
        # The threads alternate inside the calls
        self.addCleanup(sys.setswitchinterval, sys.getswitchinterval())
        sys.setswitchinterval(1e-5)

    def run_together(self, *functions):
        "Run the functions at the same moment, each in a transaction"
        barrier = threading.Barrier(len(functions))
        errors = []

        def run(function):
            try:
                barrier.wait(60)
                self.run_again(function)
            except BaseException as e:
                errors.append(e)

        threads = [
            threading.Thread(target=run, args=[f]) for f in functions]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertFalse(errors)

    def run_again(self, function):
        "Run in a transaction as the dispatcher does"
        while True:
            with Transaction().start(self.database_name, 0) as transaction:
                try:
                    function(Pool().get('early_access.patient'))
                    transaction.commit()
                    return
                except backend.DatabaseOperationalError:
                    transaction.rollback()

    def test_no_lost_update(self):
        with Transaction().start(self.database_name, 0, readonly=True):
            Patient = Pool().get('early_access.patient')
            patient, = Patient.search([('state', '=', 'draft')])
        names = ['weight', 'height']
        for i in range(20):
            value = Decimal(100 + i)
            self.run_together(*(
                    lambda Patient, name=name: Patient.write(
                        [Patient(patient.id)], {name: value})
                    for name in names))
            with Transaction().start(self.database_name, 0, readonly=True):
                row, = Patient.read([patient.id], names)
            self.assertEqual(
                row, {'id': patient.id, 'weight': value, 'height': value})


del ProgrammeTestCase
