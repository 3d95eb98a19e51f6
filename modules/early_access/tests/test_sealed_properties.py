# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"What is sealed is what is read, whatever the type and the value."

import datetime as dt
import os
import uuid

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trytond.model import fields
from trytond.modules.early_access.data_key import open_key
from trytond.modules.early_access.keyring import KEY_SIZE, get_keyring
from trytond.modules.early_access.sealed_field import Sealed
from trytond.pool import Pool
from trytond.tests.test_tryton import (
    TestCase, activate_module, drop_db, with_transaction)

# Surrogates are no text: no client can send them
LIMITS = -2**31, 2**31 - 1
texts = st.text(st.characters(exclude_categories=['Cs']), max_size=80)
decimals = st.decimals(
    min_value=-10**20, max_value=10**20, allow_nan=False,
    allow_infinity=False).filter(lambda d: abs(d.adjusted()) <= 30)
floats = st.floats(allow_nan=False, allow_infinity=False)
dates = st.dates()
datetimes = st.datetimes().map(lambda d: d.replace(fold=0))
choices = st.lists(texts, max_size=5)
members = st.dictionaries(
    texts.filter(lambda k: k != '__class__'),
    st.none() | st.booleans() | texts | dates | datetimes | decimals | floats
    | st.integers(*LIMITS) | choices.map(tuple),
    max_size=8)

FIELDS = {
    'boolean': (fields.Boolean("Boolean"), st.booleans()),
    'integer': (fields.Integer("Integer"), st.integers(*LIMITS)),
    'float': (fields.Float("Float"), floats),
    'numeric': (fields.Numeric("Numeric"), decimals),
    'char': (fields.Char("Char", strip=False), texts),
    'text': (fields.Text("Text", strip=False), texts),
    'date': (fields.Date("Date"), dates),
    'datetime': (fields.DateTime("Date Time"), datetimes),
    'timedelta': (
        fields.TimeDelta("Time Delta"),
        st.timedeltas(dt.timedelta(-10**6), dt.timedelta(10**6))),
    'selection': (fields.Selection([], "Selection"), texts),
    'multiselection': (
        fields.MultiSelection([], "Multi Selection"),
        choices.map(lambda v: tuple(sorted(set(v))))),
    'dict': (fields.Dict('early_access.variable', "Dict"), members),
    'many2one': (
        fields.Many2One('early_access.patient', "Many2One"),
        st.integers(1, 2**31 - 1)),
    }


def as_read(name, value):
    "The value as the server returns it: nothing chosen is an empty tuple."
    if name == 'multiselection' and value is None:
        return ()
    if name == 'dict' and value is not None:
        return {
            k: tuple(sorted(set(v))) if isinstance(v, tuple) else v
            for k, v in value.items()}
    return value


class SealedPropertyTestCase(TestCase):
    "Test the round trip of sealed values"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        drop_db()
        activate_module('early_access')

    @classmethod
    def tearDownClass(cls):
        drop_db()
        super().tearDownClass()

    @with_transaction()
    def test_round_trip(self):
        "Every type, with the empty values and None, in one document"
        Form = Pool().get('early_access.form')
        sealed_fields = {n: Sealed(f) for n, (f, _) in FIELDS.items()}
        self.assertEqual(
            {f._type for f in sealed_fields.values()}, Sealed._types)
        kek, wrapped = get_keyring().wrap(os.urandom(KEY_SIZE))
        cipher, _ = open_key(kek, wrapped)

        @settings(
            max_examples=300, deadline=None,
            suppress_health_check=[HealthCheck.too_slow])
        @given(st.fixed_dictionaries({
                    n: st.none() | s for n, (_, s) in FIELDS.items()}))
        def check(values):
            row_uuid, key_uuid = str(uuid.uuid4()), uuid.uuid4().bytes
            keys = dict.fromkeys(Form._sealed_bound, 1)
            document = {
                n: f.dump(f.clean(values[n]))
                for n, f in sealed_fields.items()}
            sealed = Form._seal_document(
                cipher, key_uuid, row_uuid, keys, document)
            opened = Form._open_document({
                    **keys,
                    'id': 1,
                    'sealed_envelope':
                    f'{row_uuid} {sealed.hex()} {wrapped.hex()} {kek}',
                    })
            for name, field in sealed_fields.items():
                value = opened.get(name)
                value = field.load(value) if field.load else value
                expected = as_read(name, values[name])
                assert value == expected, (name, value, expected)
                assert repr(value) == repr(expected) or isinstance(
                    value, dict), name
                if isinstance(value, dict):
                    assert {k: repr(v) for k, v in value.items()} == {
                        k: repr(v) for k, v in expected.items()}

        check()

    @with_transaction()
    def test_blind_index(self):
        "The same texts have the same digest, others another one"
        DataKey = Pool().get('early_access.data_key')
        key = DataKey.new()

        @settings(max_examples=100, deadline=None)
        @given(*[st.lists(texts, max_size=4) for _ in range(2)])
        def check(values, others):
            assert (
                (DataKey.blind_index(key, *values)
                    == DataKey.blind_index(key, *others))
                == (values == others))
            assert (DataKey.blind_index(key, *values)
                != DataKey.blind_index(key, *values, ''))

        check()
