# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The intermediate archive (CNIL 2022-107, art. 9 and SEC-ARC-1)"

import datetime as dt
import json

from trytond.model import ModelSQL, fields
from trytond.model.exceptions import AccessError, AccessButtonError
from trytond.modules.early_access.keyring import get_keyring
from trytond.modules.early_access.tests.tools import acting, rpc
from trytond.modules.early_access.transaction import forget
from trytond.modules.early_access_audit.trail import Trail
from trytond.modules.early_access_retention import bundle, rights_access
from trytond.modules.early_access_retention.exceptions import (
    ArchiveAccessError, ArchiveError, PersonTableError)
from trytond.modules.early_access_retention.person_tables import (
    PersonRows, check_declared)
from trytond.pool import Pool
from trytond.tests.test_tryton import with_transaction
from trytond.transaction import Transaction, without_check_access

from .retention_tools import RetentionTestCase, ago
from .tools import at


class ArchiveTestCase(RetentionTestCase):
    "Test the archive"

    def related(self, patient):
        RelatedPerson = Pool().get('early_access.related_person')
        with acting('prescriber'):
            id_, = rpc(RelatedPerson, 'create', [{
                        'patient': patient.id,
                        'link': 'partner',
                        'surname_letters': 'DUP',
                        'sex': 'male',
                        }])
        return RelatedPerson(id_)

    @staticmethod
    def given(answers):
        return json.dumps(
            {k: v for k, v in answers.items() if v is not None},
            sort_keys=True, default=str)

    def archived(self):
        "Archive all, and return the archive of the treated patient."
        Archive = Pool().get('early_access.retention.archive')
        patient = self.patient('treated')
        code, surname = patient.code, patient.surname_letters
        self.related(patient)
        self.due()
        self.job('archive')
        with without_check_access():
            archive, = Archive.search([('code', '=', code)])
        return archive, surname

    def ask(self, archive, login='pharmacovigilance', **values):
        pool = Pool()
        Open = pool.get('early_access.retention.archive.open', type='wizard')
        Access = pool.get('early_access.retention.archive.access')
        with acting(login), Transaction().set_context(
                active_model=archive.__name__, active_id=archive.id,
                active_ids=[archive.id]):
            session_id, _, _ = Open.create()
            start = Open.execute(
                session_id, {}, 'start')['view']['defaults']
            self.assertEqual(start['archives'], [archive.id])
            Open.execute(session_id, {'start': {
                        'archives': start['archives'], 'hours': 8,
                        'ground': 'vigilance', 'reference': "FICT-1",
                        **values}}, 'ask')
        with without_check_access():
            access, = Access.search([('archive', '=', archive.id)])
        return access

    def look(self, access, login='pharmacovigilance'):
        Look = Pool().get('early_access.retention.archive.look', type='wizard')
        with acting(login), Transaction().set_context(
                active_model=access.__name__, active_id=access.id,
                active_ids=[access.id]):
            session_id, _, _ = Look.create()
            return Look.execute(
                session_id, {}, 'content')['view']['defaults']

    def approve(self, access, login='dpo'):
        Access = Pool().get('early_access.retention.archive.access')
        with acting(login):
            rpc(Access, 'approve', [access.id])

    # What is archived

    @with_transaction(user=0)
    def test_declared(self):
        "Each table that refers to a person is declared, with an index"
        pool = Pool()
        check_declared()
        Patient = pool.get('early_access.patient')
        targets = {'early_access.patient'} | {
            t.model for t in Patient.retention_tables()
            if t.outcome != 'cut'}
        for name, Model in pool.iterobject():
            if not issubclass(Model, ModelSQL) or Model._is_table_query():
                continue
            for field_name, field in Model._fields.items():
                if (isinstance(field, fields.Many2One)
                        and field.model_name in targets):
                    with self.subTest(model=name, field=field_name):
                        # Else each row that goes reads the whole table
                        self.assertIn(field_name, {
                                getattr(i.expressions[0][0], 'name', None)
                                for i in Model._sql_indexes})

    @with_transaction(user=0)
    def test_not_declared(self):
        "Nothing begins while a table is not declared"
        Patient = Pool().get('early_access.patient')
        declared = Patient.retention_tables()
        self.due()
        self.addCleanup(
            setattr, Patient, 'retention_tables', Patient.retention_tables)
        Patient.retention_tables = classmethod(lambda cls: [
                t for t in declared if t.model != 'early_access.query'])
        with self.assertRaises(PersonTableError) as cm:
            self.job('archive')
        self.assertIn("early_access.query,form", cm.exception.message)

    @with_transaction(user=0)
    def test_archive(self):
        "Nothing but a code, the authorization and the clock stays"
        pool = Pool()
        Archive = pool.get('early_access.retention.archive')
        DataKey = pool.get('early_access.data_key')
        Line = pool.get('early_access.order.line')
        Patient = pool.get('early_access.patient')
        patients = Patient.search([])
        forms = pool.get('early_access.form').search([], count=True)
        self.assertGreater(forms, len(patients))
        related = self.related(self.patient('treated'))
        keys = {p.data_key.id for p in patients} | {related.data_key.id}
        others = {k.id for k in DataKey.search([])} - keys
        codes = {p.code for p in patients}
        self.due()
        self.assertEqual(self.job('archive'), (len(patients), 0, 0))
        self.assertEqual(self.job('archive'), (0, 0, 0))
        for table in Patient.retention_tables():
            with self.subTest(table=table):
                Model = pool.get(table.model)
                if table.outcome != 'cut':
                    self.assertEqual(Model.search([], count=True), 0)
                else:
                    self.assertFalse(Model.search([
                                (table.owner, '!=', None)]))
        self.assertEqual(Patient.search([], count=True), 0)
        archives = Archive.search([])
        self.assertEqual({a.code for a in archives}, codes)
        self.assertEqual({a.authorization.code for a in archives}, {'DMB'})
        # No key of somebody else is left, and those are wrapped twice
        self.assertEqual(
            {k.id for k in DataKey.search([])}, keys | others)
        for _, _, kek, wrapped in DataKey.wrapped_keys(list(keys)):
            self.assertEqual(len(get_keyring().unwrap(kek, wrapped)), 40)
        for line in Line.search([]):
            self.assertTrue(line.archive)
        self.assertEqual(self.job('archived'), (1, 0, 0))
        clock = self.clock
        self.assertEqual(clock.archived_on, dt.date.today())
        self.assertNotEqual(clock.next_kind, 'archive')

    @with_transaction(user=0)
    def test_whole(self):
        "The bundle holds each row and each sealed value, as it was"
        Patient = Pool().get('early_access.patient')
        patient = self.patient('treated')
        self.related(patient)
        rows = PersonRows([patient.id], whole=True)
        expected = {n: len(r) for n, r in rows.rows.items()
            if n not in rows.drops}
        surname, weight = patient.surname_letters, patient.weight
        answers = [dict(f.answers or {}) for f in Patient(patient.id).forms]
        code = patient.code
        self.due()
        self.job('archive')
        Archive = Pool().get('early_access.retention.archive')
        archive, = Archive.search([('code', '=', code)])
        self.assertEqual(archive.persons, 2)
        content = archive.content()
        self.assertEqual(
            [c for c, *_ in content], ['patient', 'related_person'])
        counts = {}
        for _, tables, _ in content:
            for name, rows in tables.items():
                counts[name] = counts.get(name, 0) + len(rows)
        self.assertEqual(counts, expected)
        (_, tables, names), (_, related, _) = content
        row, = tables['early_access.patient']
        self.assertEqual(
            names['early_access.professional'][str(row['prescriber'])],
            "Prescriber")
        self.assertEqual(row['document']['surname_letters'], surname)
        self.assertEqual(float(row['document']['weight']), float(weight))
        self.assertEqual(
            {self.given(a) for a in answers},
            {self.given(r['document'].get('answers') or {})
                for r in tables['early_access.form']})
        self.assertNotIn('early_access.patient', related)
        self.assertEqual(
            related['early_access.related_person'][0]['document'][
                'surname_letters'], 'DUP')

    @with_transaction(user=0)
    def test_sealed(self):
        "Neither keyring alone, nor another key, opens a bundle"
        pool = Pool()
        Bundle = pool.get('early_access.retention.archive.bundle')
        DataKey = pool.get('early_access.data_key')
        archive, surname = self.archived()
        first, second = archive.bundles
        self.assertNotIn(surname.encode(), bytes(first.sealed))
        (_, uuid, kek, wrapped), = DataKey.wrapped_keys([first.data_key.id])
        inner = get_keyring().unwrap(kek, wrapped)
        key = bundle.unwrap(first.archive_kek, kek, wrapped)
        self.assertIn(
            surname.encode(), bundle.open_(key, uuid, first.sealed))
        self.assertNotIn(key, inner)
        altered = bytearray(first.sealed)
        altered[-1] ^= 1
        for case, sealed, other in [
                ('other person', second.sealed, uuid),
                ('other key', first.sealed, second.data_key.uuid),
                ('altered', bytes(altered), uuid),
                ('version', b'\2' + bytes(first.sealed)[1:], uuid)]:
            with self.subTest(case):
                with self.assertRaises(bundle.BundleError):
                    bundle.open_(key, other, sealed)
        Bundle.write([first], {'sealed': bytes(altered)})
        with self.assertRaises(ArchiveError) as cm:
            archive.content()
        self.assertIn(archive.code, cm.exception.message)

    @with_transaction(user=0)
    def test_read_back(self):
        "What does not read back is not removed"
        Patient = Pool().get('early_access.patient')
        before = Patient.search([], count=True)
        self.due()
        seal = bundle.seal
        self.addCleanup(setattr, bundle, 'seal', seal)
        bundle.seal = lambda key, uuid, clear: seal(key, uuid, clear[:-9])
        with self.refused(ArchiveError):
            self.job('archive')
        self.assertEqual(Patient.search([], count=True), before)

    @with_transaction(user=0)
    def test_broken(self):
        "A patient whose data do not open stays, and the others go"
        Patient = Pool().get('early_access.patient')
        table = Patient.__table__()
        patient = self.patient('treated')
        number = Patient.search([], count=True)
        self.due()
        Transaction().connection.cursor().execute(*table.update(
                [table.uuid], ['moved'], where=table.id == patient.id))
        other = self.patient('eligible')
        other.data_key.destroy()
        self.assertEqual(self.job('archive'), (number - 2, 0, 2))
        self.assertEqual(
            {p.id for p in Patient.search([])}, {patient.id, other.id})
        self.assertEqual(self.job('archived'), (0, 1, 0))

    @with_transaction(user=0)
    def test_blocked(self):
        "Neither who is held, nor frozen, nor waits for an order, moves"
        pool = Pool()
        Patient = pool.get('early_access.patient')
        treated, eligible = self.patient('treated'), self.patient('eligible')
        number = Patient.search([], count=True)
        self.due()
        hold = self.hold(patients=[('add', [treated.id])])
        Request = pool.get('early_access.rights.request')
        Request.create([{
                    'kind': 'access', 'concerned': 'patient',
                    'patient': eligible.id, 'through': 'direct',
                    'received_how': 'letter', 'company': hold.company.id,
                    }])
        self.assertEqual(self.job('archive'), (number - 2, 2, 0))
        self.assertEqual(
            {p.id for p in Patient.search([])}, {treated.id, eligible.id})
        Pool().get('early_access.retention.hold').write(
            [hold], {'lift_reason': 'closed'})
        Pool().get('early_access.retention.hold').lift([hold])
        self.assertEqual(self.job('archive'), (1, 1, 0))

    @with_transaction(user=0)
    def test_not_due(self):
        "Nobody moves before the date, nor without an announcement"
        Clock = Pool().get('early_access.retention.clock')
        self.policy()
        self.publish(ago(months=11))
        with at(ago(days=10)):
            Clock.announce([self.clock])
        self.assertEqual(self.job('archive'), (0, 0, 0))
        with at(ago(months=-1, days=-1)):
            self.assertNotEqual(self.job('archive'), (0, 0, 0))

    @with_transaction(user=0)
    def test_answer(self):
        "The answer to a request of access is made of the archive as well"
        Request = Pool().get('early_access.rights.request')
        archive, surname = self.archived()
        for concerned, number, given, secret in [
                ('patient', None, surname, 'DUP'),
                ('related_person', 1, 'DUP', surname),
                ('related_person', 2, None, 'DUP')]:
            with self.subTest(concerned=concerned, number=number):
                request, = Request.create([{
                            'kind': 'access', 'concerned': concerned,
                            'archive': archive.id, 'through': 'direct',
                            'archived_number': number,
                            'received_how': 'letter',
                            'company': archive.company.id,
                            }])
                self.assertEqual(request.person, archive)
                document = rights_access.document(request)
                texts = {
                    v['text'] for s in document['sections']
                    for r in s['records'] for v in r['values']}
                if given:
                    self.assertIn(given, texts)
                self.assertNotIn(secret, texts)
                withheld = {w['name'] for w in document['withheld']}
                self.assertIn(
                    'related_persons' if concerned == 'patient'
                    else 'patient', withheld)
                if concerned == 'related_person':
                    self.assertNotIn("DMB", json.dumps(document))

    # Who looks

    @with_transaction(user=0)
    def test_access(self):
        "Another person approves, for a time, and each look is traced"
        pool = Pool()
        Access = pool.get('early_access.retention.archive.access')
        archive, surname = self.archived()
        access = self.ask(archive)
        with self.refused(ArchiveAccessError):
            self.look(access)
        for login in ['pharmacovigilance', 'regulatory_affairs']:
            with self.subTest(login), self.refused(AccessButtonError):
                self.approve(access, login)
        self.approve(access)
        access = Access(access.id)
        self.assertEqual(access.state, 'approved')
        with self.refused(ArchiveAccessError):
            self.look(access, 'dpo')
        shown = self.look(access)
        self.assertEqual(shown['code'], archive.code)
        texts = [line['text'] for line in shown['lines']]
        self.assertIn(surname, texts)
        lines = {line['label']: line['text'] for line in shown['lines']}
        self.assertEqual(
            lines["Date of diagnosis"], ago(years=1).strftime('%m/%d/%Y'))
        self.assertEqual(Access(access.id).looks, 1)
        for line in shown['lines']:
            # The client takes what has the same id for the same line
            self.assertNotIn('id', line)
            self.assertNotIn('_', line['section'])
            self.assertTrue(line['label'] and line['text'])
        # The trail of the transaction is stored once it ends
        entries = Trail.current()._pending
        self.assertIn(
            ('open', archive.__name__), {k[:2] for k in entries})
        table = Access.__table__()
        Transaction().connection.cursor().execute(*table.update(
                [table.until], [dt.datetime.now() - dt.timedelta(minutes=1)],
                where=table.id == access.id))
        forget()
        with self.refused(ArchiveAccessError) as cm:
            self.look(Access(access.id))
        self.assertIn("FICT-1", cm.exception.message)

    @with_transaction(user=0)
    def test_access_own(self):
        "Who asks does not approve"
        archive, _ = self.archived()
        access = self.ask(archive, 'dpo')
        for name in ['approve', 'refuse']:
            with self.refused(ArchiveAccessError), acting('dpo'):
                rpc(access.__class__, name, [access.id])
        self.approve(access, 'pharmacist_in_charge')
        self.assertTrue(self.look(access, 'dpo')['lines'])
        with acting('dpo'):
            rpc(access.__class__, 'close', [access.id])
        with self.refused(ArchiveAccessError):
            self.look(access, 'dpo')

    @with_transaction(user=0)
    def test_access_refused(self):
        "The hospital sees no archive, and nobody writes the register"
        pool = Pool()
        Access = pool.get('early_access.retention.archive.access')
        Archive = pool.get('early_access.retention.archive')
        Bundle = pool.get('early_access.retention.archive.bundle')
        archive, _ = self.archived()
        for login in ['prescriber', 'hospital_pharmacist', 'supply']:
            with self.subTest(login):
                with self.refused(AccessError), acting(login):
                    rpc(Archive, 'read', [archive.id], ['code'])
                with self.refused(AccessError):
                    self.ask(archive, login)
        for login in ['dpo', 'audit', 'pharmacist_in_charge']:
            with self.subTest(login), self.refused(AccessError):
                with acting(login), Transaction().set_context(
                        _check_access=True):
                    Bundle.read([archive.bundles[0].id], ['sealed'])
        access = self.ask(archive)
        for values in [{'state': 'approved'}, {'hours': 500},
                {'until': dt.datetime(2100, 1, 1)}]:
            with self.refused(AccessError), acting('dpo'):
                rpc(Access, 'write', [access.id], values)
        with self.refused(AccessError), acting('dpo'):
            rpc(Access, 'create', [{
                        'archive': archive.id, 'hours': 8,
                        'authorization': archive.authorization.id,
                        'ground': 'rights', 'reference': "X"}])
        for hours in [0, 73]:
            with self.refused():
                self.ask(archive, 'dpo', hours=hours)
