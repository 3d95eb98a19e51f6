# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The questionnaires that the patients answer under a pseudonym (CNIL
2022-107, SEC-ECH-5)."""

import datetime as dt
import re

import segno
from dateutil.relativedelta import relativedelta

from trytond.model.exceptions import AccessButtonError, AccessError
from trytond.modules.early_access import questionnaire_page
from trytond.modules.early_access.exceptions import (
    CorrectionError, FormAccessError, FormIncompleteError, ProtocolError,
    WorkflowStateError)
from trytond.modules.early_access.questionnaire import (
    ALPHABET, clean_token, format_token, new_token)
from trytond.modules.early_access.questionnaire_page import Refusal
from trytond.pool import Pool
from trytond.tests.test_tryton import TestCase, drop_db, with_transaction
from trytond.transaction import Transaction
from trytond.url import http_host

from .questionnaire_tools import (
    ANSWERS, create_questionnaire_programme, sheet_token)
from .tools import (
    PROFILES, ProgrammeTestCase, acting, activate_programme, create_patient,
    rpc)

MAKERS = {'prescriber', 'hospital_staff'}


class TokenTestCase(TestCase):
    "Test the pseudonyms"

    def test_new(self):
        "A pseudonym has 135 random bits and one character that checks them"
        tokens = {new_token() for _ in range(200)}
        self.assertEqual(len(tokens), 200)
        for token in tokens:
            self.assertRegex(token, f'^[{ALPHABET}]{{28}}$')
            self.assertEqual(clean_token(token), token)

    def test_typed(self):
        "What is read on the sheet is accepted as it is typed"
        token = new_token()
        self.assertEqual(len(format_token(token).split()), 7)
        for typed in [
                format_token(token), token.lower(), f' {token}\n',
                '-'.join(format_token(token).split())]:
            self.assertEqual(clean_token(typed), token)

    def test_mistyped(self):
        "A wrong or swapped character is found"
        token = new_token()
        for i, char in enumerate(token):
            other = 'A' if char != 'A' else 'B'
            self.assertIsNone(clean_token(token[:i] + other + token[i + 1:]))
        for wrong in [
                None, 3, [], {}, '', token[:-1], token + token, 'É' * 28,
                '0' * 28, 'x' * 10000]:
            self.assertIsNone(clean_token(wrong))


class QuestionnaireTestCase(ProgrammeTestCase):
    "Test the questionnaires"

    @classmethod
    def setUpClass(cls):
        TestCase.setUpClass.__func__(cls)
        drop_db()
        config = activate_programme(programme=create_questionnaire_programme)
        for login in ['prescriber', 'south_prescriber']:
            create_patient('treated', login=login, config=config)
        create_patient('eligible', config=config)

    def access(self, patient=None, login='prescriber'):
        pool = Pool()
        Access = pool.get('early_access.questionnaire.access')
        Patient = pool.get('early_access.patient')
        patient = patient or self.patient('treated')
        with acting(login):
            Patient.questionnaire_sheet([Patient(patient.id)])
        access, = Access.search([
                ('patient', '=', patient.id), ('state', '=', 'active')])
        return access

    def sheet(self, patient, login='prescriber', language='en'):
        pool = Pool()
        Sheet = pool.get('early_access.questionnaire.sheet', type='report')
        with acting(login), Transaction().set_context(language=language):
            return rpc(Sheet, 'execute', [patient.id], {})

    def as_patient(self, access):
        return questionnaire_page.as_patient(access)

    def due(self, access):
        with self.as_patient(access):
            return questionnaire_page.open_forms(access)

    # The sheet

    @with_transaction()
    def test_button(self):
        "Who may make a sheet"
        pool = Pool()
        Access = pool.get('early_access.questionnaire.access')
        Patient = pool.get('early_access.patient')
        patient = self.patient('treated')
        for profile in PROFILES:
            with self.subTest(profile), self.undone(), acting(profile):
                if profile in MAKERS:
                    Patient.questionnaire_sheet([Patient(patient.id)])
                    continue
                with self.assertRaises((AccessError, AccessButtonError)):
                    Patient.questionnaire_sheet([Patient(patient.id)])
        self.assertFalse(Access.search([]))

    @with_transaction()
    def test_other_service(self):
        "The prescriber of another service makes, prints and revokes nothing"
        pool = Pool()
        Access = pool.get('early_access.questionnaire.access')
        Patient = pool.get('early_access.patient')
        patient = self.patient('treated')
        for login in ['haematologist', 'south_prescriber']:
            with acting(login), self.refused(AccessError):
                Patient.questionnaire_sheet([Patient(patient.id)])
        access = self.access(patient)
        for login in ['haematologist', 'south_prescriber']:
            with self.subTest(login):
                with self.refused(AccessError):
                    self.sheet(patient, login=login)
                with acting(login):
                    self.assertFalse(Access.search([]))
                    with self.refused(AccessError):
                        Access.read([access.id], ['token'])
                    with self.refused(AccessError):
                        Access.revoke([Access(access.id)])

    @with_transaction()
    def test_state(self):
        "Only a patient under treatment gets a sheet"
        pool = Pool()
        Patient = pool.get('early_access.patient')
        patient = self.patient('eligible')
        with acting('prescriber'), self.refused(
                WorkflowStateError, AccessButtonError):
            Patient.questionnaire_sheet([Patient(patient.id)])
        with self.refused():
            self.sheet(patient)

    @with_transaction()
    def test_one(self):
        "There is one pseudonym for the whole follow-up"
        patient = self.patient('treated')
        access = self.access(patient)
        self.assertEqual(self.access(patient, 'hospital_staff'), access)
        self.assertEqual(access.created_by.login, 'prescriber')
        self.assertTrue(access.created_at)
        _, html, _, _ = self.sheet(patient)
        _, again, _, _ = self.sheet(patient, login='hospital_staff')
        self.assertEqual(sheet_token(html), sheet_token(again))

    @with_transaction()
    def test_revoke(self):
        "A revoked pseudonym is replaced by another one"
        pool = Pool()
        Access = pool.get('early_access.questionnaire.access')
        patient = self.patient('treated')
        access = self.access(patient)
        for profile in PROFILES.keys() - MAKERS - {'data_manager'}:
            with self.subTest(profile), acting(profile):
                with self.refused(AccessError, AccessButtonError):
                    Access.revoke([Access(access.id)])
        with acting('data_manager'):
            Access.revoke([Access(access.id)])
        access = Access(access.id)
        self.assertEqual(access.state, 'revoked')
        self.assertEqual(access.revoked_by.login, 'data_manager')
        self.assertIsNone(Access.find(Access.digests(access.token).values()))
        with self.refused():
            self.sheet(patient)
        new = self.access(patient)
        self.assertNotEqual(new.token, access.token)

    @with_transaction()
    def test_token_secret(self):
        "The pseudonym is for those who hand it over, and not in clear"
        pool = Pool()
        Access = pool.get('early_access.questionnaire.access')
        access = self.access()
        for profile in PROFILES:
            with self.subTest(profile), acting(profile):
                if profile in MAKERS:
                    row, = Access.read([access.id], ['token'])
                    self.assertEqual(clean_token(row['token']), row['token'])
                else:
                    with self.refused(AccessError):
                        Access.read([access.id], ['token'])
                with self.refused(AccessError):
                    Access.read([access.id], ['token_index'])
                with self.refused(AccessError):
                    Access.write(
                        [Access(access.id)], {'token': new_token()})
        table = Access.__table__()
        cursor = Transaction().connection.cursor()
        cursor.execute(*table.select())
        row = repr([
                bytes(v) if isinstance(v, memoryview) else v
                for v in cursor.fetchone()])
        self.assertIn(access.token_index, row)
        self.assertNotIn(access.token, row)

    @with_transaction()
    def test_sheet(self):
        "The sheet names neither the patient nor the medicine"
        patient = self.patient('treated')
        access = self.access(patient)
        for language, title in [
                ('en', "Questionnaire Sheet"), ('fr', "Questionnaire")]:
            with self.subTest(language):
                extension, html, _, name = self.sheet(
                    patient, language=language)
                self.assertEqual(extension, 'html')
                self.assertIn(title, name)
                self.assertEqual(sheet_token(html), access.token)
                # The code to scan is the one of the page, with the fragment
                address = (
                    f'{http_host()}/{Transaction().database.name}'
                    f'/early_access/questionnaire#{access.token}')
                self.assertIn(
                    re.search(' d="(M4[^"]+)"', segno.make(
                            address, micro=False, error='m').svg_inline(
                            border=4))[1], html)
                for text in [html, name]:
                    text = text.lower()
                    for secret in [
                            patient.code, patient.authorization.code,
                            'demolumab', 'carcinoma',
                            patient.surname_letters + ' ']:
                        self.assertNotIn(secret.lower(), text)

    @with_transaction()
    def test_sheet_profiles(self):
        "Who may print a sheet"
        patient = self.patient('treated')
        self.access(patient)
        for profile in PROFILES:
            with self.subTest(profile):
                if profile in MAKERS:
                    self.sheet(patient, login=profile)
                else:
                    with self.refused():
                        self.sheet(patient, login=profile)

    @with_transaction()
    def test_destroyed(self):
        "The pseudonym ends with the data of the person"
        pool = Pool()
        Access = pool.get('early_access.questionnaire.access')
        DataKey = pool.get('early_access.data_key')
        patient = self.patient('treated')
        access = self.access(patient)
        digests = list(Access.digests(access.token).values())
        self.assertEqual(Access.find(digests), access)
        DataKey.destroy([patient.data_key])
        self.assertIsNone(Access.find(digests))

    # What is due

    @with_transaction()
    def test_due(self):
        "The page shows what is due today, and nothing about the person"
        patient = self.patient('treated')
        access = self.access(patient)
        form, = self.due(access)
        self.assertEqual(form.visit.name, "Start")
        with self.as_patient(access):
            shown = questionnaire_page.describe(access, form)
        self.assertEqual(shown['instrument'], "FWI-5 1.0")
        self.assertEqual(shown['licence_holder'], "Example Institute")
        self.assertEqual(
            [q['code'] for q in shown['questions']], list(ANSWERS))
        text = repr(shown).lower()
        for secret in [
                patient.code, patient.authorization.code, 'demolumab',
                form.uuid, access.token]:
            self.assertNotIn(secret.lower(), text)

    @with_transaction()
    def test_window(self):
        "A questionnaire is open in its window, and after it if admitted"
        pool = Pool()
        Definition = pool.get('early_access.protocol.form')
        access = self.access()
        form, = self.due(access)
        for earliest, latest, late, open_ in [
                (form.earliest_date, form.earliest_date, False, True),
                (form.latest_date, form.latest_date, False, True),
                (1, 0, False, False),
                (-2, -1, False, False),
                (-2, -1, True, True),
                (None, None, False, True),
                ]:
            date = dt.date.today()
            if isinstance(earliest, dt.date):
                date = earliest
            elif earliest is not None:
                form.earliest_date = date + relativedelta(days=earliest)
                form.latest_date = date + relativedelta(days=latest)
            else:
                form.earliest_date = form.latest_date = None
            form.definition = Definition(form.definition.id)
            form.definition.late_answers = late
            with self.subTest(earliest=earliest, latest=latest, late=late):
                self.assertEqual(
                    questionnaire_page.is_open(form, date), open_)

    @with_transaction()
    def test_languages(self):
        "A translation that was not validated is not shown"
        access = self.access()
        form, = self.due(access)
        instrument = form.definition.instrument
        for languages, shown in [
                (['en'], ['en']), (['en', 'fr'], ['fr', 'en']),
                ([], ['fr'])]:
            instrument.languages = languages
            with self.as_patient(access):
                result = questionnaire_page.describe(access, form)
            self.assertEqual(result['languages'], shown)

    # The answers

    @with_transaction()
    def test_clean(self):
        "The answers get their types"
        access = self.access()
        form, = self.due(access)
        values = questionnaire_page.clean_answers(
            form.definition.questions, ANSWERS | {
                'fwi_weight': 61, 'fwi_symptoms': ['nausea', 'pain'],
                'fwi_day': '2020-02-29'})
        codes = {
            q.variable.name: q.variable.code
            for q in form.definition.questions}
        self.assertEqual(
            {codes[n]: v for n, v in values.items()},
            ANSWERS | {
                'fwi_weight': 61, 'fwi_symptoms': ['nausea', 'pain'],
                'fwi_day': dt.date(2020, 2, 29)})

    @with_transaction()
    def test_wrong(self):
        "Each wrong answer is told, with what would be right"
        access = self.access()
        form, = self.due(access)
        for code, value, error in [
                ('fwi_mood', None, 'required'),
                ('fwi_mood', '', 'required'),
                ('fwi_mood', 'unknown', 'choice'),
                ('fwi_mood', 3, 'choice'),
                ('fwi_mood', ['often'], 'choice'),
                ('fwi_mood', {'often': 1}, 'choice'),
                ('fwi_scale', None, 'required'),
                ('fwi_scale', '73', 'integer'),
                ('fwi_scale', True, 'integer'),
                ('fwi_scale', 10 ** 40, 'integer'),
                ('fwi_scale', -1, 'range'),
                ('fwi_scale', 101, 'range'),
                ('fwi_weight', 'heavy', 'numeric'),
                ('fwi_weight', False, 'numeric'),
                ('fwi_weight', 10 ** 40, 'numeric'),
                ('fwi_weight', 29, 'range'),
                ('fwi_symptoms', 'pain', 'choice'),
                ('fwi_symptoms', ['pain', 'joy'], 'choice'),
                ('fwi_symptoms', [['pain']], 'choice'),
                ('fwi_day', 20200229, 'date'),
                ('fwi_day', '2021-02-29', 'date'),
                ('fwi_day', '2020-W01-1', 'date'),
                ]:
            with self.subTest(code=code, value=value):
                with self.assertRaises(Refusal) as cm:
                    questionnaire_page.clean_answers(
                        form.definition.questions, ANSWERS | {code: value})
                self.assertEqual(cm.exception.status, 422)
                questions = cm.exception.content['questions']
                self.assertEqual(list(questions), [code])
                self.assertEqual(questions[code]['error'], error)
        with self.assertRaises(Refusal) as cm:
            questionnaire_page.clean_answers(
                form.definition.questions, ANSWERS | {'ecog': 'ecog_1'})
        self.assertEqual(cm.exception.content, {'error': 'malformed'})

    @with_transaction()
    def test_deposit_patient(self):
        "Answers are deposited for the patient of the context only"
        pool = Pool()
        Form = pool.get('early_access.form')
        access = self.access()
        form, = self.due(access)
        other = self.patient('treated', 'south_prescriber')
        with self.refused(FormAccessError):
            Form.deposit([form])
        with Transaction().set_context(questionnaire_patient=other.id):
            with self.refused(FormAccessError):
                Form.deposit([form])
            with self.assertRaises(Refusal):
                questionnaire_page.find_form(access, access.reference(form))
        with self.as_patient(access):
            self.assertEqual(
                questionnaire_page.find_form(access, access.reference(form)),
                form)
            with self.refused(FormIncompleteError):
                Form.deposit([form])

    @with_transaction()
    def test_professional(self):
        "A professional who fills in the form tells how the answers came"
        pool = Pool()
        Form = pool.get('early_access.form')
        access = self.access()
        form, = self.due(access)
        answers = questionnaire_page.clean_answers(
            form.definition.questions, ANSWERS)
        with acting('hospital_staff'):
            Form.write([Form(form.id)], {'answers': answers})
            with self.refused(FormAccessError):
                Form.write([Form(form.id)], {'collection_mode': 'online'})
        with acting('prescriber'):
            with self.refused(FormIncompleteError):
                Form.submit([Form(form.id)])
            Form.write(
                [Form(form.id)], {'collection_mode': 'paper_professional'})
            self.assertEqual(self.due(access), [])
            Form.submit([Form(form.id)])
        self.assertEqual(Form(form.id).state, 'submitted')

    @with_transaction()
    def test_reopened(self):
        "What the patient answered is not changed under the patient's name"
        pool = Pool()
        Form = pool.get('early_access.form')
        access = self.access()
        form, = self.due(access)
        answers = questionnaire_page.clean_answers(
            form.definition.questions, ANSWERS)
        with self.as_patient(access):
            Form.write([form], {
                    'answers': answers, 'collection_mode': 'online'})
            Form.deposit([form])
        form = Form(form.id)
        self.assertEqual(form.state, 'submitted')
        self.assertIsNone(form.submitted_by)
        self.assertTrue(form.submitted_at)
        with acting('prescriber'):
            with self.refused(CorrectionError):
                Form.correct([Form(form.id)])
            Form.reopen([Form(form.id)])
            self.assertEqual(self.due(access), [])
            with self.refused(FormAccessError):
                Form.write([Form(form.id)], {'answers': answers})
            Form.write([Form(form.id)], {
                    'answers': answers,
                    'collection_mode': 'entered_by_professional',
                    })

    # The instrument

    @with_transaction()
    def test_instrument(self):
        "Who ticked that an instrument is validated is kept, and fixes it"
        pool = Pool()
        Instrument = pool.get('early_access.instrument')
        values = {
            'name': "FWI-9", 'version': '2', 'languages': ['fr'],
            'reference': "DMB PUT-RD 2", 'licence_holder': "Example"}
        for profile in PROFILES:
            with self.subTest(profile), self.undone(), acting(profile):
                if profile in {'regulatory_affairs', 'data_manager'}:
                    Instrument.create([values])
                else:
                    with self.assertRaises(AccessError):
                        Instrument.create([values])
        with acting('data_manager'):
            instrument, = Instrument.create([values])
            self.assertFalse(instrument.validated_by)
        with acting('regulatory_affairs') as user:
            Instrument.write([Instrument(instrument.id)], {
                    'validated': True, 'validated_by': 1})
            instrument = Instrument(instrument.id)
            self.assertEqual(instrument.validated_by, user)
            self.assertTrue(instrument.validated_at)
            with self.refused(AccessError):
                Instrument.write([instrument], {'licence_holder': "Other"})
            with self.refused(AccessError):
                Instrument.delete([instrument])
            Instrument.write([instrument], {'validated': False})
            self.assertIsNone(Instrument(instrument.id).validated_by)
            used, = Instrument.search([('name', '=', "FWI-5")])
            with self.refused(AccessError):
                Instrument.write([used], {'validated': False})

    @with_transaction()
    def test_instrument_company(self):
        "A laboratory does not see the instruments of another one"
        pool = Pool()
        Company = pool.get('company.company')
        Instrument = pool.get('early_access.instrument')
        Party = pool.get('party.party')
        User = pool.get('res.user')
        company, = Company.search([])
        other, = Company.create([{
                    'party': Party.create([{'name': "Other laboratory"}])[0],
                    'currency': company.currency,
                    }])
        with acting('regulatory_affairs') as user:
            self.assertTrue(Instrument.search([]))
        User.write([user], {
                'companies': [
                    ('remove', [company.id]), ('add', [other.id])],
                'company': other.id,
                })
        with acting('regulatory_affairs'):
            self.assertFalse(Instrument.search([]))

    @with_transaction()
    def test_activation(self):
        "A protocol is activated with validated instruments only"
        pool = Pool()
        Instrument = pool.get('early_access.instrument')
        Protocol = pool.get('early_access.protocol')
        active, = Protocol.search([])
        with acting('regulatory_affairs'):
            protocol, = Protocol.copy([Protocol(active.id)])
            form, = [
                f for f in protocol.forms if f.kind == 'quality_of_life']
            self.assertEqual(form.instrument.name, "FWI-5")
            new, = Instrument.copy([form.instrument])
            self.assertFalse(new.validated)
            for instrument in [None, new]:
                form.instrument = instrument
                form.save()
                with self.assertRaises(ProtocolError) as cm:
                    Protocol.activate([Protocol(protocol.id)])
                self.assertRegex(
                    cm.exception.message, "(?i)instrument.*"
                    if instrument else "has no instrument")

    # The limits

    @with_transaction()
    def test_attempts(self):
        "The attempts count for some minutes"
        pool = Pool()
        Attempt = pool.get('early_access.questionnaire.attempt')
        Attempt.add('one', 'one', 'two')
        self.assertTrue(Attempt.reached('one', 2))
        self.assertFalse(Attempt.reached('two', 2))
        table = Attempt.__table__()
        Transaction().connection.cursor().execute(*table.update(
                [table.create_date],
                [dt.datetime.now() - dt.timedelta(minutes=11)],
                where=table.source == 'one'))
        self.assertFalse(Attempt.reached('one', 2))
        Attempt.clean()
        self.assertEqual(
            [a.source for a in Attempt.search([])], ['two'])

    def test_page(self):
        "The page is whole, and its policy admits what it holds only"
        for language in ['fr', 'en']:
            html, headers = questionnaire_page.page(
                questionnaire_page.HTML, language)
            self.assertIn(f'<html lang="{language}">', html)
            self.assertNotIn('{{', html)
            self.assertIsNone(re.search(r'https?://', html))
            policy = headers['Content-Security-Policy']
            self.assertIn("default-src 'none'", policy)
            self.assertNotIn('unsafe', policy)


# Not to run the tests of the base again
del ProgrammeTestCase
