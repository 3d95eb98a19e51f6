# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What leaves the programme in an export, and what never does."""

import csv
import datetime as dt
import hashlib
import io
import json
import os
import unittest
from contextlib import contextmanager
from decimal import Decimal
from unittest.mock import patch

import pyzipper

from trytond.model.exceptions import AccessError
from trytond.modules.early_access import (
    data_archive, data_export, data_rows)
from trytond.modules.early_access.data_archive import (
    Archive, new_passphrase, safe_cell)
from trytond.modules.early_access.exceptions import (
    DataExportAccessError, DataExportError)
from trytond.modules.early_access.transaction import forget
from trytond.exceptions import UserError
from trytond.pool import Pool
from trytond.tests.test_tryton import with_transaction
from trytond.transaction import Transaction

from .test_access import EXPORTERS
from .tools import PROFILES, ProgrammeTestCase, acting, rpc


def read_archive(content, passphrase):
    "Return the text of the members by name."
    with pyzipper.AESZipFile(io.BytesIO(content)) as archive:
        archive.setpassword(passphrase.encode())
        return {n: archive.read(n).decode() for n in archive.namelist()}


def read_rows(text, delimiter=';'):
    return list(csv.DictReader(io.StringIO(text), delimiter=delimiter))


class ArchiveTestCase(unittest.TestCase):
    "Test the archive"

    def test_safe_cell(self):
        "A text is no formula, and a number stays a number"
        for value, cell in [
                ('=1+1', "'=1+1"), ('+1', "'+1"), ('-1', "'-1"),
                ('@SUM(A1)', "'@SUM(A1)"), ('\t=1', "'\t=1"),
                ('\r=1', "'\r=1"), ('\n=1', "'\n=1"), (' =1', "' =1"),
                ('＝1', "'＝1"), ('a=1', 'a=1'), ('', ''), (None, ''),
                (-1, '-1'), (Decimal('-1.50'), '-1.50'),
                (Decimal('1E+3'), '1000'), (dt.date(2026, 1, 2), '2026-01-02'),
                (('-a', 'b'), "'-a|b"), (('liver', 'lung'), 'liver|lung'),
                ]:
            with self.subTest(value):
                self.assertEqual(safe_cell(value), cell)

    def archive(self, **options):
        passphrase = new_passphrase()
        with Archive(passphrase, 10 ** 6, **options) as archive:
            archive.add(
                'a/b.csv', ['x', 'y'], iter([['=1', 2], ['Zoé', None]]))
            content, checksum = archive.close()
        self.assertEqual(hashlib.sha256(content).hexdigest(), checksum)
        return content, passphrase

    def test_content(self):
        for options, text in [
                ({}, "x;y\r\n'=1;2\r\nZoé;\r\n"),
                ({'delimiter': ','}, "x,y\r\n'=1,2\r\nZoé,\r\n"),
                ({'bom': True}, "\ufeffx;y\r\n'=1;2\r\nZoé;\r\n"),
                ]:
            with self.subTest(options=options):
                content, passphrase = self.archive(**options)
                self.assertEqual(
                    read_archive(content, passphrase), {'a/b.csv': text})

    def test_encrypted(self):
        "Every member is encrypted with AES-256, under its passphrase only"
        content, passphrase = self.archive()
        other, other_passphrase = self.archive()
        self.assertNotEqual(passphrase, other_passphrase)
        self.assertNotIn('Zoé'.encode(), content)
        with pyzipper.AESZipFile(io.BytesIO(content)) as archive:
            for info in archive.infolist():
                self.assertEqual(info.wz_aes_strength, 3)
        for wrong in [other_passphrase, '', passphrase[:-1]]:
            with self.assertRaises(RuntimeError):
                read_archive(content, wrong)

    def test_altered(self):
        "An archive that was altered cannot be read"
        content, passphrase = self.archive()
        with pyzipper.AESZipFile(io.BytesIO(content)) as archive:
            info, = archive.infolist()
            end = archive.start_dir
        for position in range(end - info.compress_size, end):
            altered = bytearray(content)
            altered[position] ^= 1
            with self.subTest(position=position):
                with self.assertRaises((RuntimeError, pyzipper.BadZipFile)):
                    read_archive(bytes(altered), passphrase)

    def test_passphrase(self):
        self.assertRegex(new_passphrase(), r'^([a-z2-9]{4}-){7}[a-z2-9]{4}$')
        self.assertGreater(len(data_archive._ALPHABET) ** 32, 2 ** 159)

    def test_size(self):
        "The size is bounded while the archive is written"
        read = []

        def rows():
            for i in range(100_000):
                read.append(i)
                yield [os.urandom(100).hex()]

        with self.assertRaises(DataExportError):
            with Archive(new_passphrase(), 10_000) as archive:
                archive.add('a.csv', ['x'], rows())
        self.assertLess(len(read), 10_000)

    def test_disk(self):
        "What is on the disk is encrypted and has no name"
        files = []
        temporary = data_archive.tempfile.TemporaryFile

        def keep():
            files.append(temporary())
            return files[-1]

        def rows():
            for _ in range(1000):
                yield ['marker' + os.urandom(100).hex()]
            files[0].flush()
            target = os.readlink(f'/proc/self/fd/{files[0].fileno()}')
            self.assertIn('(deleted)', target)
            written = os.pread(files[0].fileno(), 10 ** 6, 0)
            self.assertGreater(len(written), 10_000)
            self.assertNotIn(b'marker', written)

        if not os.path.exists('/proc/self/fd'):
            self.skipTest("no /proc")
        with patch.object(data_archive.tempfile, 'TemporaryFile', keep):
            with Archive(new_passphrase(), 10 ** 6) as archive:
                archive.add('a.csv', ['x'], rows())
                archive.close()


class DataExportTestCase(ProgrammeTestCase):
    "Test the export of the data"

    def values(self, scope='collected', **values):
        pool = Pool()
        Authorization = pool.get('early_access.authorization')
        authorization, = Authorization.search([('code', '=', 'DMB')])
        return {
            'company': authorization.company.id,
            'authorization': authorization.id,
            'scope': scope,
            'reason': 'summary_report',
            'recipient': 'authority',
            **values}

    def create(self, **values):
        DataExport = Pool().get('early_access.data_export')
        export, = DataExport.create([self.values(**values)])
        return export

    def run_export(self, export):
        "Return what the client shows."
        Wizard = Pool().get('early_access.data_export.export', type='wizard')
        with Transaction().set_context(
                active_model=export.__name__, active_id=export.id,
                active_ids=[export.id]):
            session, _, _ = rpc(Wizard, 'create')
            result = rpc(Wizard, 'execute', session, {}, 'write')
        self.session = session
        return result['view']['defaults']

    def exported(self, login='data_manager', **values):
        "Return the members of the archive of a new export, and the record."
        with acting(login):
            export = self.create(**values)
            result = self.run_export(export)
        export = export.__class__(export.id)
        self.assertEqual(
            hashlib.sha256(result['file']).hexdigest(), export.checksum)
        return read_archive(result['file'], result['passphrase']), export

    def forms(self, kind='access'):
        Form = Pool().get('early_access.form')
        return Form.search([
                ('kind', '=', kind),
                ('state', 'in', ['submitted', 'verified', 'locked']),
                ], order=[('id', 'ASC')])

    @contextmanager
    def draft_protocol(self):
        "Change the definition of the protocol as if it were a draft."
        Protocol = Pool().get('early_access.protocol')
        protocol, = Protocol.search([('authorization.code', '=', 'DMB')])
        table = Protocol.__table__()
        cursor = Transaction().connection.cursor()

        def set_state(state):
            cursor.execute(*table.update(
                    [table.state], [state], where=table.id == protocol.id))
            forget()
            Transaction().cache.clear()
        set_state('draft')
        yield Protocol(protocol.id)
        set_state('active')

    @with_transaction()
    def test_content(self):
        "The archive holds the answers, and what they mean"
        forms = self.forms()
        self.assertTrue(forms)
        members, export = self.exported()
        rows = read_rows(members['1/01_access_request.csv'])
        self.assertEqual(len(rows), len(forms))
        for row, form in zip(rows, forms):
            answers = {
                v.code: form.answers[v.name] for v in form.variables}
            self.assertEqual(row['patient'], form.patient.code or '')
            self.assertEqual(
                row['establishment'], form.patient.establishment.finess)
            self.assertEqual(row['protocol'], '1')
            self.assertEqual(row['sealed_data'], 'readable')
            self.assertEqual(row['person'], 'patient')
            self.assertEqual(row['ecog'], answers['ecog'])
            self.assertEqual(
                row['diagnosis'], answers['diagnosis'].isoformat())
            self.assertEqual(row['metastases'], '')
        self.assertEqual(list(rows[0]), [
                'patient', 'person', 'establishment', 'protocol', 'form',
                'visit', 'visit_date', 'due_date', 'repetition', 'part_of',
                'state', 'sealed_data', 'ecog', 'ecog__missing', 'diagnosis',
                'diagnosis__missing', 'metastases', 'metastases__missing',
                'sex', 'age', 'body_surface_area'])
        self.assertEqual(export.state, 'done')
        self.assertEqual(export.exported_by.login, 'data_manager')
        self.assertEqual(
            export.rows_count, sum(
                len(read_rows(t)) for n, t in members.items()
                if n != 'codebook.csv'))
        self.assertEqual(
            export.patients_count, len({f.patient for f in forms}))
        self.assertEqual(export.unreadable_count, 0)

    @with_transaction()
    def test_nothing_else(self):
        "Neither the letters of the name nor what was not asked for"
        Patient = Pool().get('early_access.patient')
        members, _ = self.exported()
        self.assertEqual(set(members), {
                'codebook.csv', '1/01_access_request.csv',
                '1/02_initiation.csv', '1/03_follow_up.csv',
                '1/04_imaging.csv', '1/05_discontinuation.csv',
                '1/06_adverse_event.csv', '1/07_dose_change.csv',
                '1/08_concomitant_treatments.csv'})
        cells = {
            c for n, t in members.items() if n != 'codebook.csv'
            for r in csv.reader(io.StringIO(t), delimiter=';') for c in r}
        for patient in Patient.search([]):
            self.assertNotIn(patient.surname_letters, cells)
            self.assertNotIn(patient.first_name_letters, cells)
        self.assertNotIn('1970-05-01', cells)
        self.assertNotIn('61.5', cells)

    @with_transaction()
    def test_codebook(self):
        members, _ = self.exported()
        rows = {
            (r['file'], r['variable']): r
            for r in read_rows(members['codebook.csv'])}
        dose = rows['1/02_initiation.csv', 'dose']
        self.assertEqual(dose['label'], "Dose")
        self.assertEqual(dose['unit'], 'mg')
        self.assertEqual(dose['minimum'], '1')
        self.assertEqual(dose['usual_maximum'], '60')
        self.assertEqual(dose['category'], 'use')
        self.assertEqual(
            rows['1/01_access_request.csv', 'ecog']['choices'],
            "ecog_0: 0\necog_1: 1\necog_2: 2")
        self.assertIn(('1/06_adverse_event.csv', 'seriousness'), rows)

    @with_transaction()
    def test_computed(self):
        "A computed value is there if the protocol declares it"
        Variable = Pool().get('early_access.variable')
        with self.draft_protocol() as protocol:
            Variable.create([{
                        'protocol': protocol.id,
                        'code': code,
                        'string': code,
                        'computation': code,
                        'category': 'characteristics',
                        } for code in ['weight']])
        members, _ = self.exported()
        for row in read_rows(members['1/01_access_request.csv']):
            self.assertEqual(row['weight'], '61.5')
            self.assertEqual(row['sex'], 'female')
            self.assertEqual(row['body_surface_area'], '1.69')
        rows = {
            r['variable']: r for r in read_rows(members['codebook.csv'])}
        self.assertIn("Mosteller", rows['body_surface_area']['source'])
        self.assertEqual(rows['body_surface_area']['version'], '1')

    @with_transaction()
    def test_formula(self):
        "A code that a spreadsheet would run is neutralised"
        Form = Pool().get('early_access.form')
        Variable = Pool().get('early_access.variable')
        form = self.forms()[0]
        variable, = Variable.search([
                ('code', '=', 'ecog'),
                ('protocol', '=', form.definition.protocol.id)])
        with self.draft_protocol():
            Variable.write([Variable(variable.id)], {
                    'selection': f"{variable.selection}\n=1+1: Formula",
                    'string': "@ECOG"})
        Form.write([form], {
                'answers': {**form.answers, variable.name: '=1+1'}})
        members, _ = self.exported()
        rows = read_rows(members['1/01_access_request.csv'])
        self.assertEqual(rows[0]['ecog'], "'=1+1")
        rows = {
            r['variable']: r for r in read_rows(members['codebook.csv'])}
        self.assertEqual(rows['ecog']['label'], "'@ECOG")

    @with_transaction()
    def test_missing(self):
        "The reasons of what is missing are in a column of their own"
        Form = Pool().get('early_access.form')
        form = self.forms()[0]
        names = {v.code: v.name for v in form.variables}
        answers = {**form.answers, names['ecog']: None}
        Form.write([form], {
                'answers': answers, 'missing': {names['ecog']: 'not_done'}})
        members, _ = self.exported()
        row = read_rows(members['1/01_access_request.csv'])[0]
        self.assertEqual(
            (row['ecog'], row['ecog__missing']), ('', 'not_done'))

    @with_transaction()
    def test_batches(self):
        "The rows are the same whatever the batches"
        members, _ = self.exported()
        with patch.object(data_rows, 'BATCH', 2):
            again, _ = self.exported()
        self.assertEqual(members, again)

    @with_transaction()
    def test_unreadable(self):
        "The rows of a person whose data cannot be read say so"
        Patient = Pool().get('early_access.patient')
        Key = Pool().get('early_access.data_key')
        forms = self.forms()
        destroyed = forms[0].patient
        Key.destroy([Patient(destroyed.id).data_key])
        table = forms[1].__table__()
        cursor = Transaction().connection.cursor()
        cursor.execute(*table.update(
                [table.sealed], [b'\x01' * 80],
                where=table.id == forms[1].id))
        forget()
        Transaction().cache.clear()
        for batch in [data_rows.BATCH, 1]:
            with self.subTest(batch=batch):
                with patch.object(data_rows, 'BATCH', batch):
                    members, export = self.exported()
                rows = read_rows(members['1/01_access_request.csv'])
                self.assertEqual(len(rows), len(forms))
                self.assertEqual(
                    [r['sealed_data'] for r in rows[:3]],
                    ['destroyed', 'unreadable', 'readable'])
                self.assertEqual(rows[0]['ecog'], '')
                self.assertEqual(rows[1]['ecog'], '')
                self.assertGreaterEqual(export.unreadable_count, 2)

    @with_transaction()
    def test_access(self):
        "Each profile exports what its task asks for"
        for profile in PROFILES:
            for scope, profiles in [
                    ('collected', EXPORTERS - {'pharmacovigilance'}),
                    ('adverse_event', EXPORTERS - {'research'})]:
                with self.subTest(profile=profile, scope=scope):
                    if profile in profiles:
                        members, _ = self.exported(profile, scope=scope)
                        if scope == 'adverse_event':
                            self.assertEqual(set(members), {
                                    'codebook.csv',
                                    '1/06_adverse_event.csv'})
                    else:
                        with acting(profile), self.refused(AccessError):
                            self.create(scope=scope)

    @with_transaction()
    def test_scope_changed(self):
        with acting('pharmacovigilance'):
            export = self.create(scope='adverse_event')
            with self.refused(DataExportAccessError):
                export.__class__.write([export], {'scope': 'collected'})

    @with_transaction()
    def test_other_user(self):
        "Nobody takes the export that another asked for"
        with acting('pharmacist_in_charge'):
            export = self.create()
        with acting('data_manager'), self.refused(DataExportAccessError):
            self.run_export(export)
        with acting('audit'), self.refused(UserError):
            self.run_export(export)

    @with_transaction()
    def test_record_stays(self):
        "An export is recorded for good, and given once"
        DataExport = Pool().get('early_access.data_export')
        _, export = self.exported()
        with acting('data_manager'):
            export = DataExport(export.id)
            with self.refused(AccessError):
                self.run_export(export)
            with self.refused(AccessError):
                DataExport.write([export], {'reason': 'statistics'})
            for name, value in [
                    ('checksum', '0'), ('rows_count', 0),
                    ('requested_by', 1), ('state', 'draft')]:
                with self.refused(AccessError):
                    DataExport.write([export], {name: value})
            with self.refused(AccessError):
                DataExport.create([self.values(state='done')])
            with self.refused(AccessError):
                DataExport.delete([export])
            copy, = DataExport.copy([export])
            self.assertEqual(
                (copy.state, copy.checksum, copy.rows_count),
                ('draft', None, None))
        with self.refused(AccessError):
            DataExport.delete([DataExport(export.id)])

    @with_transaction()
    def test_session(self):
        "Neither the archive nor its passphrase is kept"
        Session = Pool().get('ir.session.wizard')
        with acting('data_manager'):
            result = self.run_export(self.create())
        data = Session(self.session).data
        self.assertFalse([
                v for state in json.loads(data).values()
                for v in state.values() if v])
        self.assertNotIn(result['passphrase'], data)
        self.assertRegex(result['filename'], r'^export-\d+\.zip$')

    @with_transaction()
    def test_bounded(self):
        "An archive that would not fit in memory is refused"
        with acting('data_manager'):
            export = self.create()
            with patch.object(data_export, 'config') as config:
                config.getint.return_value = 0
                with self.refused(DataExportError):
                    self.run_export(export)
        self.assertEqual(export.__class__(export.id).state, 'draft')

    @with_transaction()
    def test_without_record(self):
        Wizard = Pool().get('early_access.data_export.export', type='wizard')
        with acting('data_manager'), self.refused(DataExportError):
            session, _, _ = rpc(Wizard, 'create')
            rpc(Wizard, 'execute', session, {}, 'write')
