# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import datetime as dt
import json
import pathlib
import shutil
import subprocess
import unittest

from trytond.model.exceptions import (
    AccessButtonError, AccessError, DomainValidationError,
    SelectionValidationError)
from trytond.modules.early_access.exceptions import (
    NationalNumberError, ResourceError, WorkflowModificationError,
    WorkflowStateError)
from trytond.modules.early_access.tests.tools import PROFILES, acting
from trytond.modules.early_access_audit.tests.tools import configured
from trytond.modules.early_access_audit.trail import Author, Trail
from trytond.modules.early_access_retention import rights_clock
from trytond.modules.early_access_retention.exceptions import (
    RightsAccessError, RightsAnswerError, RightsExtensionError,
    RightsRequestError)
from trytond.modules.early_access_retention.rights_clock import due_date
from trytond.pool import Pool
from trytond.tests.test_tryton import with_transaction
from trytond.transaction import Transaction, without_check_access

from .rights_tools import DPO, RightsTestCase, unpack
from .tools import at

CATALOGUE = pathlib.Path(
    rights_clock.__file__).parent / 'locale' / 'fr.po'
# With a profile of its own, as tests beside may convert too
CONVERT = (
    'soffice -env:UserInstallation=file://%(directory)s/profile --headless '
    '--convert-to "%(output_extension)s" --outdir "%(directory)s" '
    '"%(input_path)s"')
REFUSED = ['opposition', 'erasure', 'portability']


class DueDateTestCase(unittest.TestCase):
    "Test when a request is due (GDPR 12.3)"

    def test_due_date(self):
        "A month, and two more, counted from the receipt"
        for received, due, extended in [
                ('2026-03-15', '2026-04-15', '2026-06-15'),
                ('2026-01-31', '2026-02-28', '2026-04-30'),
                ('2028-01-31', '2028-02-29', '2028-04-30'),
                ('2026-12-31', '2027-01-31', '2027-03-31'),
                ('2028-02-29', '2028-03-29', '2028-05-29'),
                ]:
            with self.subTest(received=received):
                date = dt.date.fromisoformat(received)
                self.assertEqual(str(due_date(date)), due)
                self.assertEqual(str(due_date(date, extended=True)), extended)


class RightsRequestTestCase(RightsTestCase):
    "Test the requests of persons"

    @with_transaction()
    def test_workflow(self):
        "A request is received, checked, worked on and answered"
        Request = Pool().get('early_access.rights.request')
        request = self.request()
        self.assertRegex(request.number, r'^RTS\d{5}$')
        self.assertEqual(request.state, 'received')
        self.assertEqual(
            request.due_date, due_date(dt.date.today()))
        with acting(DPO) as dpo:
            Request.check_identity([request])
            request = Request(request.id)
            Request.start([request])
        request = Request(request.id)
        self.assertEqual(request.state, 'in_progress')
        self.assertEqual(request.registered_by, dpo)
        self.assertEqual(request.identity_checked_by, dpo)
        self.assertEqual(request.started_by, dpo)

    @with_transaction()
    def test_protected(self):
        "The state, the dates and the number come from the acts"
        Request = Pool().get('early_access.rights.request')
        request = self.request()
        for name, value in [
                ('state', 'answered'),
                ('due_date', dt.date(2030, 1, 1)),
                ('number', "RTS1"),
                ('refusal_reason', 'law'),
                ]:
            with (self.subTest(name=name), acting(DPO),
                    self.refused(WorkflowModificationError)):
                Request.write([request], {name: value})
        with acting(DPO), self.refused(AccessError):
            Request.delete([request])
        with self.refused(RightsAccessError), without_check_access():
            Request.delete([request])
        with acting(DPO), self.refused(RightsAccessError):
            Request.copy([request])

    @with_transaction()
    def test_identity(self):
        "What was looked at is kept, and is fixed afterwards"
        Request = Pool().get('early_access.rights.request')
        for values in [
                {'identity_document': None},
                {'identity_checked_on': None},
                {'made_by': 'representative'},
                {'made_by': 'trusted', 'capacity_document': None},
                ]:
            request = self.request(**values)
            with (self.subTest(values=values), acting(DPO),
                    self.refused(RightsRequestError)):
                Request.check_identity([request])
        request = self.request(
            made_by='representative', capacity_document='judgment')
        with acting(DPO):
            Request.check_identity([request])
            with self.refused(RightsAccessError):
                Request.write([Request(request.id)], {
                        'identity_document': 'identity_card'})

    @with_transaction()
    def test_document_refused(self):
        "The document of identity cannot be stored beside a request"
        pool = Pool()
        request = self.request()
        for model, values in [
                ('ir.attachment', {'name': "passport.png", 'data': b'x'}),
                ('ir.note', {'message': "Zoé"}),
                ]:
            with (self.subTest(model=model), acting(DPO),
                    self.refused(ResourceError)):
                pool.get(model).create([
                        {'resource': str(request), **values}])

    @with_transaction()
    def test_warning(self):
        "Who writes to the laboratory is warned of what it tells (11.4)"
        Request = Pool().get('early_access.rights.request')
        request = self.request(warned_on=None)
        with acting(DPO):
            Request.check_identity([request])
            with self.refused(RightsRequestError):
                Request.start([Request(request.id)])
            Request.write([Request(request.id)], {
                    'warned_on': dt.date.today()})
            Request.start([Request(request.id)])
        request = self.request(warned_on=None, through='doctor')
        with acting(DPO):
            Request.check_identity([request])
            Request.start([Request(request.id)])

    @with_transaction()
    def test_future(self):
        "Nothing is received, checked or told in advance"
        tomorrow = dt.date.today() + dt.timedelta(days=1)
        for name in ['received_on', 'warned_on', 'identity_checked_on']:
            with (self.subTest(name=name),
                    self.refused(RightsRequestError)):
                self.request(**{name: tomorrow})

    @with_transaction()
    def test_domains(self):
        "Only a patient has a doctor of choice or a trusted person"
        professional = self.patient('treated').prescriber.id
        for values in [
                {'through': 'doctor'}, {'made_by': 'representative'}]:
            with (self.subTest(values=values),
                    self.refused(DomainValidationError)):
                self.request(
                    concerned='professional', professional=professional,
                    **values)
        with self.refused(SelectionValidationError):
            self.request('oblivion')

    # The clock

    @with_transaction()
    def test_extension(self):
        "Two more months are told within the first, once, with a reason"
        Request = Pool().get('early_access.rights.request')
        received = dt.date(2026, 1, 31)
        due = dt.date(2026, 2, 28)
        request = self.request(received_on=received)
        for today, reason, told_on in [
                (due + dt.timedelta(days=1), 'complex', due),
                (due, 'complex', due + dt.timedelta(days=1)),
                (due, 'complex', received - dt.timedelta(days=1)),
                (due, None, due),
                (due, 'complex', None),
                ]:
            with (self.subTest(today=today, reason=reason, told_on=told_on),
                    at(today), self.refused(RightsExtensionError)):
                Request.extend_for([request], reason, told_on)
        with at(due):
            Request.extend_for([request], 'complex', due)
            request = Request(request.id)
            self.assertEqual(request.due_date, dt.date(2026, 4, 30))
            with self.refused(RightsExtensionError):
                Request.extend_for([request], 'number', due)

    @with_transaction()
    def test_urgency(self):
        "A request is due soon, then overdue, until it is closed"
        Request = Pool().get('early_access.rights.request')
        request = self.request()
        for days, urgency in [
                (-8, 'running'), (-7, 'soon'), (0, 'soon'), (1, 'overdue')]:
            with at(request.due_date + dt.timedelta(days=days)):
                self.assertEqual(
                    Request(request.id).urgency, urgency)
        with acting(DPO):
            Request.withdraw([request])
        with at(request.due_date + dt.timedelta(days=1)):
            self.assertEqual(Request(request.id).urgency, 'over')

    @with_transaction()
    def test_alert(self):
        "The rights officers are told, once and then each week"
        pool = Pool()
        Request = pool.get('early_access.rights.request')
        request = self.request()
        sent = []
        original = rights_clock.notice.send
        self.addCleanup(setattr, rights_clock.notice, 'send', original)
        rights_clock.notice.send = lambda report, record, users: sent.append(
            (record.alerted, [u.login for u in users]))
        due = request.due_date
        for days, expected in [
                (-8, []), (-7, ['soon']), (-6, []), (0, []),
                (1, ['overdue']), (1, []), (7, []), (8, ['overdue'])]:
            with (self.subTest(days=days),
                    at(due + dt.timedelta(days=days))):
                sent.clear()
                Request.alert()
                self.assertEqual([s for s, _ in sent], expected)
                for _, logins in sent:
                    self.assertEqual(logins, ['dpo'])

    @with_transaction()
    def test_alert_text(self):
        "The e-mail tells a number and a date, and nothing of the person"
        from trytond.report import get_email
        pool = Pool()
        Lang = pool.get('ir.lang')
        request = self.request()
        Request = pool.get('early_access.rights.request')
        with at(request.due_date):
            original = rights_clock.notice.send
            self.addCleanup(setattr, rights_clock.notice, 'send', original)
            rights_clock.notice.send = lambda *args: None
            Request.alert()
        english, = Lang.search([('code', '=', 'en')])
        with Transaction().set_user(0):
            message, title = get_email(
                'early_access.rights.alert', Request(request.id), [english])
        text = f'{title} {message}'
        self.assertIn(request.number, text)
        self.assertNotIn(request.patient.code, text)
        self.assertNotIn("Zo", text)

    # The requester

    @with_transaction()
    def test_requester(self):
        "The name is sealed and the rights officer's only"
        pool = Pool()
        Requester = pool.get('early_access.rights.requester')
        request = self.request()
        requester, = request.requester
        cursor = Transaction().connection.cursor()
        table = Requester.__table__()
        cursor.execute(*table.select(table.sealed, table.data_key))
        sealed, key = cursor.fetchone()
        self.assertNotIn(b'Demandeuse', bytes(sealed))
        self.assertNotEqual(key, request.patient.data_key.id)
        with acting(DPO):
            self.assertEqual(
                Requester.read([requester.id], ['name'])[0]['name'],
                "Zoé Demandeuse")
        for login in ['audit', 'prescriber', 'pharmacist_in_charge']:
            with (self.subTest(login=login), acting(login),
                    self.refused(AccessError)):
                Requester.read([requester.id], ['name'])
        with acting(DPO), self.refused(NationalNumberError):
            Requester.write([requester], {
                    'address': "2 69 05 49 588 157 80"})

    @with_transaction()
    def test_requester_removed(self):
        "The name goes after the closure, with its key"
        pool = Pool()
        DataKey = pool.get('early_access.data_key')
        Request = pool.get('early_access.rights.request')
        Requester = pool.get('early_access.rights.requester')
        request, other = self.request(), self.request()
        key = request.requester[0].data_key.id
        with acting(DPO):
            Request.withdraw([request])
        today = dt.date.today()
        with at(today + dt.timedelta(days=89)):
            Requester.remove()
            self.assertTrue(Request(request.id).requester)
        with at(today + dt.timedelta(days=90)):
            Requester.remove()
            Requester.remove()
        self.assertFalse(Request(request.id).requester)
        self.assertTrue(Request(other.id).requester)
        self.assertFalse(DataKey.search([('id', '=', key)]))

    # Access

    @with_transaction()
    def test_access(self):
        "The profiles that see the requests, and what they do"
        Request = Pool().get('early_access.rights.request')
        request = self.request()
        readers = {'dpo', 'audit'}
        for login in PROFILES.keys() - {
                'prescriber', 'hospital_pharmacist'}:
            with self.subTest(login=login), acting(login):
                if login in readers:
                    Request.read([request.id], ['number'])
                else:
                    with self.refused(AccessError):
                        Request.read([request.id], ['number'])
                if login != DPO:
                    with self.refused(AccessButtonError, AccessError):
                        Request.withdraw([request])

    @with_transaction()
    def test_hospital(self):
        "A professional opens a request for a patient of the own service"
        Request = Pool().get('early_access.rights.request')
        mine = self.patient('treated')
        direct = self.request(patient=mine.id)
        with acting('prescriber'):
            request, = Request.create([
                    {'kind': 'access', 'patient': mine.id}])
            self.assertEqual(
                Request.search([]), [request])
            row, = Request.read(
                [request.id],
                ['through', 'identity_document', 'registered_by'])
            self.assertEqual(row['through'], 'professional')
            self.assertEqual(row['identity_document'], 'attested')
            with self.refused(AccessError):
                Request.read([direct.id], ['number'])
            with self.refused(AccessButtonError):
                Request.check_identity([request])
            with self.refused(AccessError):
                Request.write([request], {'kind': 'limitation'})
        for login in [
                'haematologist', 'south_prescriber', 'hospital_staff']:
            with self.subTest(login=login), acting(login):
                with self.refused(AccessError):
                    Request.read([request.id], ['number'])
                with self.refused(AccessError):
                    Request.create([
                            {'kind': 'access', 'patient': mine.id}])
        with acting('hospital_pharmacist'):
            Request.read([request.id], ['number'])
        for values in [
                {'through': 'direct'},
                {'concerned': 'professional', 'patient': None,
                    'through': 'direct',
                    'professional': mine.prescriber.id},
                {'requester': [('create', [{'name': "X"}])]},
                ]:
            with (self.subTest(values=values), acting('prescriber'),
                    self.refused(AccessError)):
                Request.create([
                        {'kind': 'access', 'patient': mine.id, **values}])

    # Refusal

    @with_transaction()
    def test_refused_kinds(self):
        "What the law leaves out is refused with the remedies (11.3)"
        Request = Pool().get('early_access.rights.request')
        for kind in REFUSED:
            with self.subTest(kind=kind):
                request = self.started(kind)
                with self.refused(RightsAnswerError):
                    self.close(request)
                given = self.close(request, 'refuse', reason='law')
                request = Request(request.id)
                self.assertEqual(request.state, 'refused')
                self.assertEqual(request.closed_on, dt.date.today())
                self.assertEqual(request.checksum, given['checksum'])
                self.assertTrue(given['filename'].startswith(request.number))
                self.assertNotIn('passphrase', {
                        k for k, v in given.items() if v})
                with acting(DPO), self.refused(
                        RightsAccessError, WorkflowStateError):
                    Request.withdraw([request])

    @with_transaction()
    def test_letter(self):
        "The letter gives the reason and the remedies, in the language"
        pool = Pool()
        Letter = pool.get('early_access.rights.letter', type='report')
        Request = pool.get('early_access.rights.request')
        self.load_french()
        for code, texts in [
                ('en', ["11.3", "CNIL", "court", "erasure"]),
                ('fr', ["11.3", "CNIL", "tribunal", "effacement"]),
                ]:
            with self.subTest(code=code):
                request = self.request(
                    'erasure', language=self.language(code))
                self.close(request, 'refuse', reason='law')
                request = Request(request.id)
                with Transaction().set_context(language=code):
                    text = '\n'.join(
                        Letter.paragraphs(Request(request.id)))
                for expected in texts:
                    self.assertIn(expected, text)
                self.assertNotIn(request.patient.code, text)
                self.assertEqual(
                    Letter.recipient(request)[0], "Zoé Demandeuse")

    def load_french(self):
        Translation = Pool().get('ir.translation')
        self.language('fr')
        Translation.translation_import(
            'fr', 'early_access_retention', str(CATALOGUE))

    @unittest.skipUnless(
        shutil.which('soffice') and shutil.which('pdftotext'),
        "LibreOffice and pdftotext are needed")
    @with_transaction()
    def test_pdf(self):
        "What is given is a PDF in the language of the request"
        self.load_french()
        patient = self.patient('treated')
        request = self.started(
            patient=patient.id, language=self.language('fr'))
        with configured(report__convert_command=CONVERT):
            given = self.close(request)
        files = unpack(given['file'], given['passphrase'])
        self.assertEqual(
            sorted(files), [
                f'{request.number}-letter.pdf', f'{request.number}.json',
                f'{request.number}.pdf'])
        texts = {
            n: subprocess.run(
                ['pdftotext', '-', '-'], input=content,
                capture_output=True, check=True).stdout.decode()
            for n, content in files.items() if n.endswith('.pdf')}
        text = texts[f'{request.number}.pdf']
        self.assertIn("Tout ce qui est détenu à votre sujet", text)
        self.assertIn(patient.code, text)
        letter = texts[f'{request.number}-letter.pdf']
        self.assertIn("Zoé Demandeuse", letter)
        self.assertIn("phrase de passe", " ".join(letter.split()))
        self.assertNotIn(patient.code, letter)

    @with_transaction()
    def test_refusal_reason(self):
        "A right that exists is not refused because it does not"
        request = self.started('access')
        for reason in ['law', 'unfounded', 'secrecy']:
            with (self.subTest(reason=reason),
                    self.refused(RightsAnswerError)):
                self.close(request, 'refuse', reason=reason)

    # What is held

    @with_transaction()
    def test_answer_access(self):
        "What is held is given, encrypted, and the request is closed"
        pool = Pool()
        Request = pool.get('early_access.rights.request')
        patient = self.patient('treated')
        request = self.started(patient=patient.id)
        given = self.close(request)
        files = unpack(given['file'], given['passphrase'])
        for name in [given['filename'], *files]:
            self.assertTrue(name.startswith(request.number))
            self.assertNotIn(patient.code, name)
        request = Request(request.id)
        self.assertEqual(request.state, 'answered')
        document = json.loads(files[f'{request.number}.json'])
        sections = {s['name']: s['records'] for s in document['sections']}
        identity = {
            v['name']: v['value'] for v in sections['identity'][0]['values']}
        self.assertEqual(identity['code'], patient.code)
        self.assertEqual(identity['surname_letters'], patient.surname_letters)
        self.assertEqual(identity['weight'], '61.5')
        answers = {
            v['name']: (v['label'], v['text'])
            for f in sections['forms'] for v in f['values']}
        self.assertEqual(answers['ecog'][1], "1")
        self.assertTrue(answers['diagnosis'][0])
        self.assertTrue(sections['criteria'][0]['values'])
        self.assertTrue(sections['law'])
        self.assertEqual(
            [w['name'] for w in document['withheld']], ['employees'])
        # It has no copy here
        session = pool.get('ir.session.wizard')
        self.assertFalse([
                s for s in session.search([])
                if given['passphrase'] in (s.data or '')])

    @with_transaction()
    def test_disclosures(self):
        "Who had access is told as dates and purposes, without a name"
        pool = Pool()
        Event = pool.get('early_access.audit.event')
        User = pool.get('res.user')
        patient = self.patient('treated')
        with acting('medical_affairs') as user:
            # The trail stores what is read on another connection
            author = Author(
                user.id, user.login, 'medical_affairs', None, None, None)
            entry = (
                dt.datetime.now(), 'read', patient.__name__, 'code', None,
                None, [patient.id])
            Event.store(Transaction().connection.cursor(), author, [entry])
        with acting('data_manager'):
            Export = pool.get('early_access.data_export')
            export, = Export.create([{
                        'company': patient.company.id,
                        'authorization': patient.authorization.id,
                        'scope': 'collected',
                        'reason': 'statistics',
                        'recipient': 'authority',
                        }])
        with Transaction().set_user(0):
            Export.finish([export])
        request = self.started(patient=patient.id)
        given = self.close(request)
        files = unpack(given['file'], given['passphrase'])
        document = json.loads(files[f'{request.number}.json'])
        sections = {s['name']: s['records'] for s in document['sections']}
        disclosures = [
            tuple(v['value'] for v in r['values'])
            for r in sections['disclosures']]
        today = dt.date.today().isoformat()
        self.assertIn(
            (today, "Statistics of the programme", "HAS or ANSM"),
            disclosures)
        self.assertIn(
            (today, "Consultation", "Medical Affairs"), disclosures)
        text = json.dumps(sections['disclosures'])
        # Those of the others are the names of their profiles
        names = {"Medical Affairs", "Data Manager"} | set(PROFILES.values())
        for user in User.search([]):
            if user.name not in names:
                self.assertNotIn(user.name, text)

    @with_transaction()
    def test_no_report_apart(self):
        "What is held is not printed but by answering"
        pool = Pool()
        Report = pool.get('early_access.rights.access', type='report')
        request = self.started()
        with acting(DPO), self.refused(AccessError):
            Report.execute(
                [request.id], {'model': 'early_access.rights.request'})

    @with_transaction()
    def test_related_person(self):
        "A related person gets nothing that tells of the patient (11.5)"
        pool = Pool()
        Request = pool.get('early_access.rights.request')
        RelatedPerson = pool.get('early_access.related_person')
        patient = self.patient('treated')
        with acting('prescriber'):
            person, = RelatedPerson.create([{
                        'patient': patient.id,
                        'link': 'partner',
                        'sex': 'male',
                        'surname_letters': 'ZZZ',
                        'birth_month': dt.date(1971, 2, 1),
                        }])
        request = self.started(
            concerned='related_person', related_person=person.id)
        given = self.close(request)
        files = unpack(given['file'], given['passphrase'])
        self.assertEqual(
            Request(request.id).withheld, ('patient',))
        text = files[f'{request.number}.json'].decode()
        self.assertIn('ZZZ', text)
        product = patient.authorization.products[0]
        for secret in [
                patient.code, patient.authorization.name, product.name,
                patient.service.name, patient.prescriber.rec_name]:
            self.assertNotIn(secret, text)
        # The patient does not get those of the related person either
        request = self.started(patient=patient.id)
        given = self.close(request)
        files = unpack(given['file'], given['passphrase'])
        text = files[f'{request.number}.json'].decode()
        self.assertNotIn('ZZZ', text)
        self.assertIn('related_persons', text)

    @with_transaction()
    def test_related_person_refused(self):
        "What cannot be answered without a secret is refused and told"
        Request = Pool().get('early_access.rights.request')
        RelatedPerson = Pool().get('early_access.related_person')
        with acting('prescriber'):
            person, = RelatedPerson.create([{
                        'patient': self.patient('treated').id,
                        'link': 'partner',
                        }])
        request = self.request(
            concerned='related_person', related_person=person.id)
        self.close(request, 'refuse', reason='secrecy')
        request = Request(request.id)
        self.assertEqual(request.state, 'refused')
        self.assertEqual(request.withheld, ('patient',))

    @with_transaction()
    def test_professional(self):
        "A professional gets what article 7.2 c allows to hold"
        professional = self.patient('treated').prescriber
        request = self.started(
            concerned='professional', professional=professional.id)
        given = self.close(request)
        files = unpack(given['file'], given['passphrase'])
        text = files[f'{request.number}.json'].decode()
        self.assertIn(professional.rpps, text)
        self.assertNotIn(self.patient('treated').code, text)

    # Blocking

    @with_transaction()
    def test_retention_blocked(self):
        "Nothing moves while a request is open"
        pool = Pool()
        Patient = pool.get('early_access.patient')
        Request = pool.get('early_access.rights.request')
        patient, other = self.patient('treated'), self.patient('eligible')
        patients = [patient, other]
        self.assertEqual(Patient.retention_blocked(patients), {})
        request = self.request(patient=patient.id)
        self.assertEqual(
            list(Patient.retention_blocked(patients)), [patient.id])
        with acting(DPO):
            Request.withdraw([request])
        self.assertEqual(Patient.retention_blocked(patients), {})

    @with_transaction()
    def test_traced(self):
        "Who reads a request leaves a trace"
        Request = Pool().get('early_access.rights.request')
        request = self.request()
        with acting(DPO):
            Request.read([request.id], ['number'])
            entries = [
                e for e in Trail.current()._entries
                if e[2] == 'early_access.rights.request' and e[1] == 'read']
        self.assertTrue(entries)


del RightsTestCase
