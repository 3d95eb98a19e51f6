# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What a simpler way to seal the data would get wrong.

The server validates no Function field in production, so the tests run as in
production.
"""
import datetime as dt
import inspect
import io
import json
import logging
import os
import tempfile
import unittest
from collections import defaultdict
from decimal import Decimal
from unittest.mock import patch

from sql import Column

from trytond import backend
from trytond.model import ChatMixin
from trytond.model.exceptions import AccessError
from trytond.model.modelstorage import EvalEnvironment
from trytond.modules.early_access import data_key, keyring, redaction
from trytond.modules.early_access.exceptions import (
    SealedSearchError, SealError)
from trytond.modules.early_access.ir import PATIENT_MODELS
from trytond.modules.early_access.transaction import forget
from trytond.pool import Pool
from trytond.protocols.wrappers import Request
from trytond.pyson import PYSONDecoder, PYSONEncoder
from trytond.tests.test_tryton import DB_NAME, with_transaction
from trytond.tools.domain_inversion import eval_domain
from trytond.transaction import Transaction

from .tools import ProgrammeTestCase, acting, production, rpc


class TrapTestCase(ProgrammeTestCase):

    def setUp(self):
        super().setUp()
        context = production()
        context.__enter__()
        self.addCleanup(context.__exit__, None, None, None)

    def update_key(self, key, **values):
        "Write a data key as another process does"
        table = key.__table__()
        Transaction().connection.cursor().execute(*table.update(
                [Column(table, n) for n in values],
                [key._fields[n].sql_format(v) for n, v in values.items()],
                where=table.id == key.id))
        forget()

    @with_transaction()
    def test_hooks(self):
        "The hooks of the models know the fields by their names"
        Patient = Pool().get('early_access.patient')
        patient = self.patient('draft')
        calls = defaultdict(list)

        def keep(name, original):
            parameters = inspect.signature(original)

            def hook(*args, **kwargs):
                arguments = parameters.bind(*args, **kwargs).arguments
                # The names of the parameters of records differ
                names = [
                    'records' if n in {'patients', 'records'} else n
                    for n in arguments]
                calls[name].append(dict(zip(names, arguments.values())))
                return original(*args, **kwargs)
            return hook

        with patch.multiple(Patient, **{
                    n: keep(n, getattr(Patient, n)) for n in [
                        'check_modification', 'validate_fields',
                        'on_modification']}):
            with acting('prescriber'):
                Patient.write([patient], {'weight': Decimal(70)})
        self.assertEqual(calls['check_modification'][0], {
                'mode': 'write',
                'records': [patient],
                'values': {'weight': Decimal(70)},
                'external': True,
                })
        self.assertIn('weight', calls['validate_fields'][0]['field_names'])
        for call in calls['on_modification']:
            self.assertIn('weight', call['field_names'])

    @with_transaction()
    def test_every_field_by_every_operator(self):
        "No sealed field is searched or sorted, and the error says why"
        pool = Pool()
        for name in redaction.models:
            try:
                Model = pool.get(name)
            except KeyError:
                continue
            for field in Model._sealed_fields:
                for clause in [
                        (field, '=', None), (field, '!=', 'A'),
                        (field, 'ilike', 'A%'), (field, 'in', ['A']),
                        (field, '>', '1')]:
                    with self.subTest(model=name, clause=clause):
                        with self.assertRaises(SealedSearchError) as cm:
                            Model.search([clause])
                        self.assertIn("sealed", cm.exception.message)
                with self.subTest(model=name, order=field):
                    with self.assertRaises(SealedSearchError):
                        Model.search([], order=[(field, 'DESC')])

    @with_transaction()
    def test_empty_field_is_valid_for_the_client(self):
        "The client checks the domain of a field that is left empty"
        Patient = Pool().get('early_access.patient')
        patient = Patient()
        for name in Patient._sealed_fields:
            setattr(patient, name, None)
        patient.id = None
        checked = 0
        for name, field in Patient._sealed_fields.items():
            if not field.domain:
                continue
            domain = PYSONDecoder({}).decode(
                PYSONEncoder().encode(field.domain))
            with self.subTest(field=name):
                self.assertTrue(eval_domain(
                        domain, EvalEnvironment(patient, Patient)))
            checked += 1
        self.assertGreater(checked, 1)

    @with_transaction()
    def test_backup_of_destroyed_key(self):
        "A backup is open until its key-encryption key is gone"
        pool = Pool()
        DataKey = pool.get('early_access.data_key')
        Patient = pool.get('early_access.patient')
        patient = self.patient('draft')
        key = DataKey(patient.data_key.id)
        backup = {'kek': key.kek, 'wrapped': key.wrapped, 'destroyed': None}
        letters = patient.surname_letters
        DataKey.destroy([key])
        self.assertIsNone(Patient(patient.id).surname_letters)
        self.update_key(key, **backup)
        self.assertEqual(Patient(patient.id).surname_letters, letters)

        data_key._unwrap.cache_clear()
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, 'keyring')
            ring = keyring.FileKeyring.create(path)
            with patch.object(data_key, 'get_keyring', return_value=ring), \
                    self.assertLogs(data_key.__name__), \
                    self.assertRaises(SealError):
                Patient(patient.id).surname_letters

    @with_transaction()
    def test_destroyed_elsewhere(self):
        "A key that another process destroys is not used from the cache"
        pool = Pool()
        DataKey = pool.get('early_access.data_key')
        Patient = pool.get('early_access.patient')
        patient = self.patient('draft')
        self.assertTrue(patient.surname_letters)
        self.update_key(
            DataKey(patient.data_key.id), kek=None, wrapped=None,
            destroyed=dt.datetime.now())
        patient = Patient(patient.id)
        self.assertIsNone(patient.surname_letters)
        self.assertEqual(patient.sealed_state, 'destroyed')

    @with_transaction()
    def test_same_id_of_another_database(self):
        "The cache of the keys does not mix the databases of a process"
        pool = Pool()
        DataKey = pool.get('early_access.data_key')
        Patient = pool.get('early_access.patient')
        patient = self.patient('draft')
        self.assertTrue(patient.surname_letters)
        key = DataKey(patient.data_key.id)
        kek, wrapped = key.kek, key.wrapped
        # As the row of the same id in the other database
        other = dict(zip(
                ['kek', 'wrapped'], keyring.get_keyring().wrap(bytes(32))))
        self.update_key(key, **other)
        with self.assertRaises(SealError):
            Patient(patient.id).surname_letters
        self.update_key(key, kek=kek, wrapped=wrapped)
        self.assertTrue(Patient(patient.id).surname_letters)

    @unittest.skipUnless(
        backend.name == 'postgresql', "SQLite has one writer at a time")
    def test_rotation_beside_a_user(self):
        "To wrap a key again does not fail who writes its person"
        weight = Decimal(72)
        with Transaction().start(DB_NAME, 0) as transaction:
            pool = Pool()
            DataKey = pool.get('early_access.data_key')
            Patient = pool.get('early_access.patient')
            patient = self.patient('draft')
            before = patient.weight
            key = DataKey(patient.data_key.id)
            self.assertTrue(key.wrapped)
            with transaction.new_transaction() as rotation:
                self.update_key(key, kek=key.kek, wrapped=key.wrapped)
                rotation.commit()
            for value in [weight, before]:
                Patient.write([patient], {'weight': value})
            transaction.commit()

    @with_transaction()
    def test_import_replays_nothing(self):
        "An old ciphertext is not put back by an import or a nested write"
        pool = Pool()
        Patient = pool.get('early_access.patient')
        patient = self.patient('draft')
        table = Patient.__table__()
        cursor = Transaction().connection.cursor()
        cursor.execute(*table.select(
                table.sealed, where=table.id == patient.id))
        sealed, = cursor.fetchone()
        with acting('prescriber'):
            for call in [
                    lambda: rpc(Patient, 'import_data',
                        ['id', 'sealed'], [[str(patient.id), 'AAAA']]),
                    lambda: rpc(Patient, 'write',
                        [patient.id], {'sealed': bytes(sealed)}),
                    lambda: rpc(Patient, 'write', [patient.id], {
                            'forms': [('write', [patient.forms[0].id], {
                                        'sealed': bytes(sealed)})]}),
                    ]:
                with self.refused(AccessError):
                    call()
            # A copy makes its own
            copy, = rpc(Patient, 'copy', [patient.id], {
                    'sealed': bytes(sealed)})
        cursor.execute(*table.select(table.sealed, where=table.id == copy))
        self.assertNotEqual(bytes(cursor.fetchone()[0]), bytes(sealed))
        self.assertEqual(
            Patient(copy).surname_letters, patient.surname_letters)

    @with_transaction()
    def test_no_chat(self):
        "No discussion beside a patient"
        pool = Pool()
        for name in PATIENT_MODELS:
            self.assertFalse(issubclass(pool.get(name), ChatMixin), name)

    @with_transaction()
    def test_wizard_session_of_another(self):
        "Who executes the session of another user has no right of theirs"
        pool = Pool()
        Session = pool.get('ir.session.wizard')
        Transfer = pool.get('early_access.patient.transfer', type='wizard')
        patient = self.patient('eligible')
        action = {
            'active_model': 'early_access.patient',
            'active_id': patient.id,
            'active_ids': [patient.id],
            }
        with acting('pharmacist_in_charge'):
            with Transaction().set_context(action):
                session, _, _ = rpc(Transfer, 'create')
                rpc(Transfer, 'execute', session, {}, 'start')
        data = {
            'start': {
                'patients': [patient.id],
                'service': patient.service.id,
                'prescriber': patient.prescriber.id,
                'pharmacy': patient.pharmacy.id,
                },
            }
        for login in ['south_prescriber', 'supply', 'prescriber']:
            with self.subTest(login=login), self.refused():
                with acting(login), Transaction().set_context(action):
                    rpc(Transfer, 'execute', session, data, 'transfer')
        with acting('pharmacist_in_charge'):
            with Transaction().set_context(action):
                rpc(Transfer, 'execute', session, data, 'transfer')
        kept = Session(session).data
        self.assertEqual(
            json.loads(kept)['start']['patients'], [patient.id])
        self.assertNotIn(patient.surname_letters, kept)


class LogTestCase(unittest.TestCase):
    "What the log of the requests does not tell"

    marker = 'ZQX'

    def log(self, name, message, *args):
        output = io.StringIO()
        handler = logging.StreamHandler(output)
        logger = logging.getLogger(name)
        level = logger.level
        logger.setLevel(logging.DEBUG)
        logger.addHandler(handler)
        try:
            logger.info(message, *args)
        finally:
            logger.setLevel(level)
            logger.removeHandler(handler)
        return output.getvalue()

    def test_resources(self):
        "The notes and the files may have been meant for a patient"
        for name in ['ir.note', 'ir.attachment', 'ir.email']:
            output = self.log(
                'trytond.protocols.dispatcher', '%s.%s%s from %s@%s%s in %i '
                'ms', name, 'create', f"([{{'message': '{self.marker}'}}])",
                'admin', '127.0.0.1', '/db/', 3)
            self.assertNotIn(self.marker, output)
            self.assertIn(f'{name}.create(...) from admin', output)

    def test_address(self):
        "An address may hold what its user searches"
        request = Request({
                'REQUEST_METHOD': 'GET', 'PATH_INFO': '/db/data/a.model',
                'QUERY_STRING': f'd=[["a","=","{self.marker}"]]&f=a',
                'SERVER_NAME': 'localhost', 'SERVER_PORT': '8000',
                'wsgi.url_scheme': 'http', 'REMOTE_ADDR': '127.0.0.1',
                })
        self.assertIn(self.marker, str(request))
        output = self.log('trytond.wsgi', '%s in %i ms', request, 3)
        self.assertNotIn(self.marker, output)
        self.assertIn("/db/data/a.model?(...)' [GET]", output)
        self.assertIn('in 3 ms', output)


del ProgrammeTestCase
