# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import datetime as dt
import json
from decimal import Decimal

from dateutil.relativedelta import relativedelta

from trytond.exceptions import UserError
from trytond.model.exceptions import (
    AccessButtonError, AccessError, ValidationError)
from trytond.modules.early_access.exceptions import (
    AnswerError, AuthorizationError, DuplicatePatientWarning,
    EligibilityError, FormAccessError, FormError, FormIncompleteError,
    FourEyesError, PatientAccessError, PatientError, ResourceError,
    SealedValueError, UnusualAnswerWarning, WorkflowModificationError,
    WorkflowStateError)
from trytond.pool import Pool
from trytond.tests.test_tryton import with_transaction
from trytond.transaction import Transaction

from .tools import (
    ProgrammeTestCase, acting, answers, production, rpc)


class PatientTestCase(ProgrammeTestCase):
    "Test the patients"

    def values(self, **values):
        "Return the values of a new request of the prescriber."
        draft = self.patient('draft')
        return {
            'authorization': draft.authorization.id,
            'service': draft.service.id,
            'prescriber': draft.prescriber.id,
            'pharmacy': draft.pharmacy.id,
            'surname_letters': 'NEW',
            'first_name_letters': 'PA',
            'sex': 'female',
            'birth_month': dt.date(1980, 1, 1),
            **values,
            }

    def give_profiles(self, login, *profiles):
        pool = Pool()
        Group = pool.get('res.group')
        User = pool.get('res.user')
        user, = User.search([('login', '=', login)])
        groups = Group.search([
                ('name', 'in', [f"Early Access: {p}" for p in profiles])])
        User.write([user], {'groups': [('add', [g.id for g in groups])]})

    # Letters, dates and the other values

    @with_transaction()
    def test_letters(self):
        "Neither a full name nor something else than letters is kept"
        pool = Pool()
        Patient = pool.get('early_access.patient')
        with acting('prescriber'), production():
            for name, letters in [
                    ('surname_letters', 'DUPONT'),
                    ('surname_letters', 'DUPO'),
                    ('surname_letters', 'D U P O'),
                    ('surname_letters', 'D1P'),
                    ('surname_letters', '185'),
                    ('surname_letters', ''),
                    ('surname_letters', None),
                    ('surname_letters', ['DUP']),
                    ('first_name_letters', 'JEA'),
                    ('first_name_letters', '<>'),
                    ]:
                values = self.values(**{name: letters})
                with self.subTest(letters=letters, path='create'):
                    with self.refused(UserError) as cm:
                        rpc(Patient, 'create', [values])
                    self.assertNotIn('DUPO', cm.exception.message)
                with self.subTest(letters=letters, path='import'):
                    with self.refused(UserError) as cm:
                        rpc(Patient, 'import_data', *self.row(values))
                    self.assertNotIn('DUPO', cm.exception.message)
                with self.subTest(letters=letters, path='write'):
                    with self.refused(UserError) as cm:
                        rpc(Patient, 'write',
                            [self.patient('draft').id], {name: letters})
                    self.assertNotIn('DUPO', cm.exception.message)
            for letters, stored in [
                    ("l'h", 'LH'), ('çœ', 'COE'), (' du ', 'DU')]:
                id_, = rpc(Patient, 'create', [
                        self.values(surname_letters=letters)])
                self.assertEqual(Patient(id_).surname_letters, stored)

    def row(self, values):
        "Return the fields and the data of an import."
        pool = Pool()
        Patient = pool.get('early_access.patient')
        fields_names, row = [], []
        for name, value in values.items():
            field = Patient._fields[name]
            if field._type == 'many2one':
                value = {
                    'authorization': 'DMB',
                    'service': "Oncology",
                    'prescriber': "Prescriber",
                    }.get(name) or field.get_target()(value).rec_name
            elif isinstance(value, dict):
                value = json.dumps(value)
            fields_names.append(name)
            row.append(value)
        return fields_names, [row]

    @with_transaction()
    def test_import(self):
        "A file of requests is imported whole or not at all"
        pool = Pool()
        Patient = pool.get('early_access.patient')
        with acting('prescriber'), production():
            names, (row,) = self.row(self.values(
                    birth_month='1980-04-23',
                    weight='61.5',
                    criteria=answers(
                        self.patient('draft').criteria,
                        adult='yes', pregnant='no')))
            count = Patient.search([], count=True)
            bad = row.copy()
            bad[names.index('weight')] = '615'
            with self.refused(ValidationError):
                rpc(Patient, 'import_data', names, [row, bad])
            self.assertEqual(Patient.search([], count=True), count)
            self.assertEqual(rpc(Patient, 'import_data', names, [row]), 1)
            patient, = Patient.search([], order=[('id', 'DESC')], limit=1)
            self.assertEqual(patient.birth_month, dt.date(1980, 4, 1))
            self.assertEqual(patient.weight, Decimal('61.5'))
            self.assertEqual(
                sorted(patient.criteria.values()), ['no', 'yes'])
            self.assertEqual(patient.state, 'draft')
            self.assertEqual(patient.access_form.state, 'expected')

    @with_transaction()
    def test_bad_values(self):
        "A value that is not one of the field is refused on each path"
        pool = Pool()
        Patient = pool.get('early_access.patient')
        draft = self.patient('draft')
        tomorrow = dt.date.today() + relativedelta(months=1)
        unknown, = [n for n in draft.criteria if n.endswith('_adult')]
        with acting('prescriber'), production():
            for values in [
                    {'sex': 'other'},
                    {'sex': None},
                    {'birth_month': None},
                    {'birth_month': tomorrow},
                    {'birth_month': '32/13/1980'},
                    {'weight': Decimal('0')},
                    {'weight': Decimal('500')},
                    {'weight': Decimal('61.55')},
                    {'weight': Decimal('NaN')},
                    {'weight': 'heavy'},
                    {'height': Decimal('1000')},
                    {'criteria': {unknown: 'maybe'}},
                    {'criteria': {unknown: True}},
                    {'criteria': {'other': 'yes'}},
                    {'criteria': 'yes'},
                    {'criteria': ['yes']},
                    ]:
                with self.subTest(values=values, path='create'):
                    with self.refused(UserError):
                        rpc(Patient, 'create', [self.values(**values)])
                with self.subTest(values=values, path='write'):
                    with self.refused(UserError):
                        rpc(Patient, 'write', [draft.id], values)
                with self.subTest(values=values, path='import'):
                    with self.refused(UserError):
                        rpc(Patient, 'import_data',
                            *self.row(self.values(**values)))

    @with_transaction()
    def test_birth_date(self):
        "A full birth date is of a minor under a paediatric protocol"
        pool = Pool()
        Patient = pool.get('early_access.patient')
        Protocol = pool.get('early_access.protocol')
        today = dt.date.today()
        minor = today - relativedelta(years=17)
        adult = today - relativedelta(years=18)
        with acting('prescriber'):
            for birth in [minor, adult]:
                with self.refused(PatientError):
                    rpc(Patient, 'create', [self.values(
                                birth_month=birth, birth_date=birth)])
        protocol = self.patient('draft').protocol
        table = Protocol.__table__()
        Transaction().connection.cursor().execute(*table.update(
                [table.paediatric], [True], where=table.id == protocol.id))
        with acting('prescriber'):
            with self.refused(PatientError):
                rpc(Patient, 'create', [self.values(
                            birth_month=adult, birth_date=adult)])
            with self.refused(PatientError):
                rpc(Patient, 'create', [self.values(
                            birth_month=minor - relativedelta(months=1),
                            birth_date=minor)])
            id_, = rpc(Patient, 'create', [self.values(
                        birth_month=minor, birth_date=minor)])
            self.assertEqual(Patient(id_).birth_date, minor)
            self.assertEqual(Patient(id_).birth_month, minor.replace(day=1))

    # The request

    @with_transaction()
    def test_protected(self):
        "Only the buttons move a patient and give a code"
        pool = Pool()
        Patient = pool.get('early_access.patient')
        User = pool.get('res.user')
        draft = self.patient('draft')
        eligible = self.patient('eligible')
        user, = User.search([('login', '=', 'prescriber')])
        now = dt.datetime.now()
        for values in [
                {'state': 'eligible'},
                {'code': 'DMB-2345678'},
                {'accepted_by': user.id},
                {'accepted_at': now},
                {'signed_by': user.id},
                {'submitted_at': now},
                {'previous': eligible.id},
                {'duplicate_index': '00'},
                {'establishment': draft.pharmacy.id},
                ]:
            with acting('prescriber'):
                with self.subTest(values=values, path='create'):
                    with self.refused(AccessError):
                        rpc(Patient, 'create', [self.values(**values)])
                with self.subTest(values=values, path='write'):
                    with self.refused(AccessError):
                        rpc(Patient, 'write', [draft.id], values)
                with self.subTest(values=values, path='import'):
                    with self.refused(UserError):
                        rpc(Patient, 'import_data',
                            *self.row(self.values(**values)))
            with acting('pharmacist_in_charge'):
                with self.refused(WorkflowModificationError, AccessError):
                    rpc(Patient, 'write', [eligible.id], values)

    @with_transaction()
    def test_protected_of_related(self):
        "Nor does one write them through the patient"
        pool = Pool()
        Patient = pool.get('early_access.patient')
        patient = self.patient('treated')
        form = patient.next_form
        definition, _ = [
            f for f in patient.protocol.forms if f.kind == 'follow_up']
        with acting('prescriber'):
            for values in [
                    {'forms': [('write', [form.id], {'state': 'verified'})]},
                    {'forms': [('delete', [form.id])]},
                    {'forms': [('create', [{'definition': definition.id}])]},
                    {'assignments': [
                            ('delete', [patient.assignments[0].id])]},
                    {'assignments': [
                            ('write', [patient.assignments[0].id], {
                                    'to_date': dt.date.today()})]},
                    {'order_lines': [('create', [{}])]},
                    ]:
                with self.subTest(values=values):
                    with self.refused(UserError):
                        rpc(Patient, 'write', [patient.id], values)

    @with_transaction()
    def test_not_editable(self):
        "The request does not change once it is signed"
        pool = Pool()
        Patient = pool.get('early_access.patient')
        for state in ['signed', 'submitted', 'eligible', 'treated']:
            patient = self.patient(state)
            for values in [
                    {'weight': Decimal('50')},
                    {'surname_letters': 'OTH'},
                    {'criteria': dict(patient.criteria)},
                    {'service': patient.service.id},
                    {'authorization': patient.authorization.id},
                    ]:
                with self.subTest(state=state, values=values):
                    with acting('prescriber'):
                        with self.refused(AccessError):
                            rpc(Patient, 'write', [patient.id], values)

    @with_transaction()
    def test_copy(self):
        "A copy is a new request: a draft without code"
        pool = Pool()
        Patient = pool.get('early_access.patient')
        patient = self.patient('treated')
        with acting('prescriber'):
            copy, = Patient.browse(rpc(Patient, 'copy', [patient.id]))
            self.assertEqual(copy.state, 'draft')
            for name in [
                    'code', 'signed_by', 'submitted_by', 'accepted_by',
                    'first_administration_date', 'information_date',
                    'notice_date', 'treatment_accepted_date']:
                self.assertIsNone(getattr(copy, name), msg=name)
            self.assertEqual(len(copy.assignments), 1)
            self.assertEqual(
                [f.state for f in copy.forms], ['expected'])
        self.assertNotEqual(copy.data_key, patient.data_key)

    @with_transaction()
    def test_signatory(self):
        "Only a doctor of the service, of an admitted specialty, signs"
        pool = Pool()
        Patient = pool.get('early_access.patient')
        Professional = pool.get('early_access.professional')
        Specialty = pool.get('early_access.specialty')
        draft = self.patient('draft')
        with acting('hospital_staff'):
            with self.refused(AccessButtonError):
                Patient.sign([Patient(draft.id)])
        self.give_profiles('hospital_staff', "Prescriber")
        with acting('hospital_staff'):
            with self.refused(PatientAccessError):
                Patient.sign([Patient(draft.id)])
        self.give_profiles('haematologist', "Data Manager")
        with acting('haematologist'):
            with self.refused(AccessError):
                Patient.sign([Patient(draft.id)])
        specialty, = Specialty.create([{'code': 'SM98', 'name': "Other"}])
        doctor, = Professional.search([('user.login', '=', 'prescriber')])
        with acting('configuration'):
            Professional.write(
                [Professional(doctor.id)], {'specialty': specialty.id})
        self.admit_specialty("Test Oncology")
        with acting('prescriber'):
            with self.refused(PatientAccessError):
                Patient.sign([Patient(draft.id)])
        self.admit_specialty("Other")
        with acting('prescriber'):
            Patient.sign([Patient(draft.id)])

    def admit_specialty(self, name):
        pool = Pool()
        Link = pool.get('early_access.protocol-early_access.specialty')
        Specialty = pool.get('early_access.specialty')
        specialty, = Specialty.search([('name', '=', name)])
        Link.create([{
                    'protocol': self.patient('draft').protocol.id,
                    'specialty': specialty.id,
                    }])

    @with_transaction()
    def test_pharmacist(self):
        "Only a pharmacist of the dispensing pharmacy submits"
        pool = Pool()
        Patient = pool.get('early_access.patient')
        Pharmacies = pool.get('early_access.professional-party.party')
        signed = self.patient('signed')
        with acting('south_pharmacist'):
            with self.refused(AccessError):
                Patient.submit([Patient(signed.id)])
        # The staff of the service is no pharmacist, whatever the profile
        self.give_profiles('hospital_staff', "Hospital Pharmacist")
        with acting('hospital_staff'):
            with self.refused(PatientAccessError):
                Patient.submit([Patient(signed.id)])
        self.assertTrue(Pharmacies.search(
                [('pharmacy', '=', signed.pharmacy.id)]))
        with acting('hospital_pharmacist'):
            Patient.submit([Patient(signed.id)])
        self.assertEqual(Patient(signed.id).state, 'submitted')

    @with_transaction()
    def test_several_persons(self):
        "Who signs does not submit, who submits or signs does not accept"
        pool = Pool()
        Patient = pool.get('early_access.patient')
        Professional = pool.get('early_access.professional')
        signed = self.patient('signed')
        submitted = self.patient('submitted')
        profiles = [
            "Hospital Pharmacist", "Pharmacist in Charge", "Prescriber"]
        for login in ['prescriber', 'hospital_pharmacist']:
            self.give_profiles(login, *profiles)
        prescriber, = Professional.search(
            [('user.login', '=', 'prescriber')])
        Professional.write(
            [prescriber], {'pharmacies': [('add', [signed.pharmacy.id])]})
        with acting('prescriber'):
            with self.refused(FourEyesError) as cm:
                Patient.submit([Patient(signed.id)])
            self.assertIn(signed.rec_name, cm.exception.message)
            self.assertIn("Signed By", cm.exception.message)
            with self.refused(FourEyesError) as cm:
                Patient.accept([Patient(submitted.id)])
            self.assertIn("Signed By", cm.exception.message)
        with acting('hospital_pharmacist'):
            with self.refused(FourEyesError) as cm:
                Patient.accept([Patient(submitted.id)])
            self.assertIn("Submitted By", cm.exception.message)

    @with_transaction()
    def test_criteria(self):
        "A patient is accepted with the admitting answers only"
        pool = Pool()
        Patient = pool.get('early_access.patient')
        patient = self.patient('submitted')
        for given, text in [
                ({'pregnant': None}, "The patient is pregnant"),
                ({'pregnant': 'unknown'}, "The patient is pregnant"),
                ({'pregnant': 'yes'}, "The patient is pregnant"),
                ({'adult': 'no'}, "The patient is an adult"),
                ]:
            Patient.write([patient], {'criteria': answers(
                        patient.criteria, **{
                            'adult': 'yes', 'pregnant': 'no', **given})})
            with self.subTest(given=given), acting('pharmacist_in_charge'):
                with self.refused(EligibilityError) as cm:
                    Patient.accept([Patient(patient.id)])
                self.assertIn(patient.rec_name, cm.exception.message)
                self.assertIn(text, cm.exception.message)
                self.assertEqual(Patient(patient.id).state, 'submitted')
                self.assertIsNone(Patient(patient.id).code)

    @with_transaction()
    def test_criteria_unanswered(self):
        "A request is signed once each criterion is answered"
        pool = Pool()
        Patient = pool.get('early_access.patient')
        draft = self.patient('draft')
        with acting('prescriber'):
            rpc(Patient, 'write', [draft.id], {
                    'criteria': answers(draft.criteria, adult=None)})
            with self.refused(PatientError) as cm:
                Patient.sign([Patient(draft.id)])
            self.assertIn("The patient is an adult", cm.exception.message)

    @with_transaction()
    def test_access_form(self):
        "A patient is accepted with the access form"
        pool = Pool()
        Form = pool.get('early_access.form')
        Patient = pool.get('early_access.patient')
        patient = self.patient('submitted')
        Form.reopen([patient.access_form])
        with acting('pharmacist_in_charge'):
            with self.refused(EligibilityError):
                Patient.accept([Patient(patient.id)])

    @with_transaction()
    def test_authorization(self):
        "New patients are asked, signed and accepted only while granted"
        pool = Pool()
        Authorization = pool.get('early_access.authorization')
        Patient = pool.get('early_access.patient')
        draft = self.patient('draft')
        submitted = self.patient('submitted')
        authorization = draft.authorization
        today = dt.date.today()
        for change in [
                lambda: Authorization.write(
                    [authorization],
                    {'last_inclusion_date': today - relativedelta(days=1)}),
                lambda: Authorization.write(
                    [authorization], {
                        'last_inclusion_date': None,
                        'state': 'continuity',
                        'coverage_end_date': today,
                        }),
                ]:
            change()
            with acting('prescriber'):
                with self.refused(UserError):
                    Patient.sign([Patient(draft.id)])
            with acting('pharmacist_in_charge'):
                with self.refused(AuthorizationError):
                    Patient.accept([Patient(submitted.id)])
        with acting('prescriber'):
            with self.refused(UserError):
                rpc(Patient, 'create', [self.values()])

    @with_transaction()
    def test_documents(self):
        "Both documents are given before the acceptance, or deferred"
        pool = Pool()
        Patient = pool.get('early_access.patient')
        patient = self.patient('submitted')
        today = dt.date.today()
        names = [
            'information_version', 'information_date', 'notice_version',
            'notice_date', 'informed_person', 'treatment_accepted_date']
        for name in names:
            with acting('prescriber'):
                rpc(Patient, 'write', [patient.id], {name: None})
            with self.subTest(name=name), acting('pharmacist_in_charge'):
                with self.refused(EligibilityError):
                    Patient.accept([Patient(patient.id)])
        with acting('prescriber'):
            rpc(Patient, 'write', [patient.id], {
                    'information_due_date': today - relativedelta(days=1)})
        with acting('pharmacist_in_charge'):
            with self.refused(EligibilityError):
                Patient.accept([Patient(patient.id)])
        with acting('prescriber'):
            rpc(Patient, 'write', [patient.id], {
                    'information_due_date': today + relativedelta(days=10)})
        with acting('pharmacist_in_charge'):
            Patient.accept([Patient(patient.id)])
        self.assertEqual(Patient(patient.id).state, 'eligible')

    @with_transaction()
    def test_document_versions(self):
        "The version in force on the day given counts"
        pool = Pool()
        Patient = pool.get('early_access.patient')
        Protocol = pool.get('early_access.protocol')
        today = dt.date.today()
        patient = self.patient('eligible')
        protocol = patient.protocol
        week = relativedelta(days=7)
        with acting('regulatory_affairs'):
            new, = Protocol.copy([protocol], default={'version': '2'})
            Protocol.write([new], {
                    'decision': protocol.decision.id,
                    'effective_date': today - week,
                    'prescriber_information': 'information 2',
                    'privacy_notice': 'notice 2',
                    })
            Protocol.activate([Protocol(new.id)])
        Protocol.write([protocol], {'superseded_date': today - week})
        with acting('prescriber'):
            for name in ['information', 'notice']:
                for version, date, valid in [
                        ('1', today - 2 * week, True),
                        ('2', today - 2 * week, False),
                        ('1', today, False),
                        ('2', today, True),
                        ('2', today + week, False),
                        ('3', today, False),
                        ('1', today - relativedelta(years=1), False),
                        ]:
                    values = {
                        f'{name}_version': f'{name} {version}',
                        f'{name}_date': date,
                        }
                    with self.subTest(
                            name=name, version=version, date=date):
                        if valid:
                            rpc(Patient, 'write', [patient.id], values)
                        else:
                            with self.refused(PatientError) as cm:
                                rpc(Patient, 'write', [patient.id], values)
                            self.assertIn(
                                patient.code, cm.exception.message)

    @with_transaction()
    def test_duplicate(self):
        "A person who seems known is a warning, in one authorization"
        pool = Pool()
        Patient = pool.get('early_access.patient')
        Warning = pool.get('res.user.warning')
        eligible = self.patient('eligible')
        submitted = self.patient('submitted')
        Patient.write([submitted], {
                n: getattr(eligible, n) for n in Patient._identity})
        submitted.duplicate_index = submitted.compute_duplicate_index()
        submitted.save()
        with acting('pharmacist_in_charge') as user:
            with self.refused(DuplicatePatientWarning) as cm:
                Patient.accept([Patient(submitted.id)])
            self.assertIn(eligible.code, cm.exception.message)
            self.assertNotIn(
                eligible.surname_letters, cm.exception.message)
            with Transaction().set_context(_check_access=False):
                Warning.create([
                        {'name': cm.exception.name, 'user': user.id}])
            Patient.accept([Patient(submitted.id)])
        self.assertEqual(Patient(submitted.id).state, 'eligible')

    @with_transaction()
    def test_duplicate_index(self):
        "The same person under another authorization is not found"
        pool = Pool()
        Authorization = pool.get('early_access.authorization')
        eligible = self.patient('eligible')
        other, = Authorization.copy(
            [eligible.authorization], default={'code': 'OTH'})
        index = eligible.compute_duplicate_index()
        self.assertEqual(index, eligible.duplicate_index)
        eligible.authorization = other
        self.assertNotEqual(eligible.compute_duplicate_index(), index)

    # The treatment

    @with_transaction()
    def test_wrong_state(self):
        "A button out of its state names the patient and the state"
        pool = Pool()
        Patient = pool.get('early_access.patient')
        for login, button, state, string in [
                ('prescriber', 'discontinue', 'eligible', "Eligible"),
                ('prescriber', 'initiate', 'submitted', "Submitted"),
                ('prescriber', 'sign', 'treated', "Treated"),
                ('hospital_pharmacist', 'submit', 'draft', "Draft"),
                ('pharmacist_in_charge', 'accept', 'signed', "Signed"),
                ('pharmacist_in_charge', 'accept', 'eligible', "Eligible"),
                ('pharmacist_in_charge', 'refuse', 'treated', "Treated"),
                ('prescriber', 'cancel', 'eligible', "Eligible"),
                ('prescriber', 'resume', 'treated', "Treated"),
                ]:
            patient = self.patient(state)
            with self.subTest(button=button, state=state), acting(login):
                with self.refused(WorkflowStateError) as cm:
                    rpc(Patient, button, [patient.id])
                self.assertIn(patient.rec_name, cm.exception.message)
                self.assertIn(string, cm.exception.message)

    @with_transaction()
    def test_treatment_dates(self):
        "A treatment starts after the request and ends after its start"
        pool = Pool()
        Patient = pool.get('early_access.patient')
        today = dt.date.today()
        day = relativedelta(days=1)
        for button, state, name, reason in [
                ('initiate', 'eligible', 'first_administration_date', {}),
                ('discontinue', 'treated', 'discontinuation_date',
                    {'stop_reason': 'planned'}),
                ]:
            patient = self.patient(state)
            for date in [None, today + day, today - day]:
                with self.subTest(button=button, date=date):
                    with acting('prescriber'):
                        with self.refused(UserError) as cm:
                            rpc(Patient, 'write', [patient.id], {
                                    name: date, **reason})
                            rpc(Patient, button, [patient.id])
                        self.assertIn(patient.code, cm.exception.message)

    @with_transaction()
    def test_reasons(self):
        "What closes a request or a treatment has a coded reason"
        pool = Pool()
        Patient = pool.get('early_access.patient')
        today = dt.date.today()
        for login, button, state, values in [
                ('pharmacist_in_charge', 'refuse', 'submitted', {}),
                ('pharmacist_in_charge', 'send_back', 'submitted', {}),
                ('prescriber', 'never_start', 'eligible', {}),
                ('prescriber', 'discontinue', 'treated',
                    {'discontinuation_date': today}),
                ]:
            patient = self.patient(state)
            with self.subTest(button=button), acting(login):
                with self.refused(PatientError) as cm:
                    if values:
                        rpc(Patient, 'write', [patient.id], values)
                    rpc(Patient, button, [patient.id])
                self.assertIn(patient.rec_name, cm.exception.message)

    @with_transaction()
    def test_send_back(self):
        "The hospital does not take back what the laboratory has"
        pool = Pool()
        Patient = pool.get('early_access.patient')
        for login, state in [
                ('hospital_pharmacist', 'submitted'),
                ('pharmacist_in_charge', 'signed'),
                ]:
            patient = self.patient(state)
            with self.subTest(login=login), acting(login):
                rpc(Patient, 'write', [patient.id], {
                        'send_back_reason': 'identity'})
                with self.refused(PatientAccessError):
                    rpc(Patient, 'send_back', [patient.id])

    @with_transaction()
    def test_resumption(self):
        "The same person after a stop is no duplicate"
        pool = Pool()
        Form = pool.get('early_access.form')
        Patient = pool.get('early_access.patient')
        today = dt.date.today()
        stopped = self.patient('discontinued')
        with acting('prescriber'):
            action = rpc(Patient, 'resume', [stopped.id])
            new = Patient(action['res_id'][0])
            self.assertEqual(new.previous, stopped)
            for name in Patient._identity:
                self.assertEqual(getattr(new, name), getattr(stopped, name))
            self.assertEqual(
                [v for v in new.criteria.values()], [None, None])
            Form.write([new.access_form], {
                    'answers': answers(
                        new.access_form.answers,
                        ecog='ecog_1', diagnosis=today)})
            rpc(Patient, 'write', [new.id], {
                    'criteria': answers(
                        new.criteria, adult='yes', pregnant='no'),
                    'information_due_date': today + relativedelta(days=1),
                    })
            rpc(Patient, 'sign', [new.id])
        with acting('hospital_pharmacist'):
            rpc(Patient, 'submit', [new.id])
        with acting('pharmacist_in_charge'):
            rpc(Patient, 'accept', [new.id])
        self.assertEqual(Patient(new.id).state, 'eligible')
        self.assertNotEqual(Patient(new.id).code, stopped.code)

    @with_transaction()
    def test_delete(self):
        "Only a request that went nowhere is deleted, with its key"
        pool = Pool()
        DataKey = pool.get('early_access.data_key')
        Form = pool.get('early_access.form')
        Patient = pool.get('early_access.patient')
        for state in ['signed', 'submitted', 'eligible', 'treated',
                'refused', 'discontinued', 'never_started']:
            patient = self.patient(state)
            with self.subTest(state=state), acting('prescriber'):
                with self.refused(AccessError) as cm:
                    rpc(Patient, 'delete', [patient.id])
                self.assertIn(patient.rec_name, cm.exception.message)
        draft = self.patient('draft')
        key, forms = draft.data_key, draft.forms
        with acting('prescriber'):
            rpc(Patient, 'delete', [draft.id])
        self.assertFalse(Patient.search([('id', '=', draft.id)]))
        self.assertFalse(
            Form.search([('id', 'in', [f.id for f in forms])]))
        self.assertFalse(any(
                k.wrapped for k in DataKey.search([('id', '=', key.id)])))

    @with_transaction()
    def test_delete_with_orders(self):
        "A patient who has orders is not deleted, even by the server"
        pool = Pool()
        Order = pool.get('early_access.order')
        Patient = pool.get('early_access.patient')
        patient = self.patient('eligible')
        product, = patient.authorization.products
        with acting('hospital_pharmacist'):
            rpc(Order, 'create', [{
                        'authorization': patient.authorization.id,
                        'pharmacy': patient.pharmacy.id,
                        'delivery_address': patient.pharmacy.addresses[0].id,
                        'lines': [('create', [{
                                        'patient': patient.id,
                                        'product': product.id,
                                        'unit': product.default_uom.id,
                                        'quantity': 1,
                                        }])],
                        }])
        with self.refused(AccessError) as cm:
            Patient.delete([patient])
        self.assertIn(patient.code, cm.exception.message)

    @with_transaction()
    def test_resources(self):
        "No note, attachment or e-mail about a patient"
        pool = Pool()
        Attachment = pool.get('ir.attachment')
        Email = pool.get('ir.email')
        Note = pool.get('ir.note')
        patient = self.patient('treated')
        party = patient.pharmacy
        for resource in [patient, patient.forms[0]]:
            name = str(resource)
            with acting('hospital_pharmacist'):
                for call in [
                        lambda: rpc(Note, 'create', [
                                {'resource': name, 'message': "Note"}]),
                        lambda: rpc(Attachment, 'create', [
                                {'resource': name, 'name': "File"}]),
                        lambda: rpc(
                            Email, 'send', 'a@example.com', '', '', "Subject",
                            "Body", None, (resource.__name__, resource.id)),
                        ]:
                    with self.subTest(resource=name):
                        with self.refused(ResourceError, AccessError):
                            call()
        # Nor moved from elsewhere
        note, = Note.create([{'resource': str(party), 'message': "Note"}])
        with self.refused(ResourceError):
            Note.write([note], {'resource': str(patient)})


class FormTestCase(ProgrammeTestCase):
    "Test the forms"

    @with_transaction()
    def test_answers(self):
        "An answer is of the type of its variable, and one of the form"
        pool = Pool()
        Form = pool.get('early_access.form')
        patient = self.patient('treated')
        form = Form.search([
                ('patient', '=', patient.id), ('kind', '=', 'follow_up'),
                ])[0]
        other, = [
            v.name for v in patient.protocol.variables
            if v.code == 'grade']
        with acting('prescriber'), production():
            for values in [
                    {'response': 'better'},
                    {'response': True},
                    {'response': 1},
                    {'dose': True},
                    {'dose': 'fifty'},
                    {'dose': Decimal('Infinity')},
                    {'dose': Decimal('201')},
                    {'dose': Decimal('0')},
                    {'cycles': 1.5},
                    {'cycles': True},
                    {'cycles': -1},
                    {'cycles': ['1']},
                    ]:
                given = answers(form.answers, **values)
                with self.subTest(values=values, path='write'):
                    with self.refused(UserError):
                        rpc(Form, 'write', [form.id], {'answers': given})
            for given in [
                    {other: 'serious'},
                    {'name': 'DUPONT'},
                    {'__class__': 'Decimal', 'decimal': 'DUPONT'},
                    'DUPONT',
                    ['DUPONT'],
                    '{"',
                    ]:
                with self.subTest(given=given):
                    with self.refused(UserError) as cm:
                        rpc(Form, 'write', [form.id], {'answers': given})
                    self.assertNotIn('DUPONT', cm.exception.message)
                with self.subTest(given=given, path='import'):
                    with self.refused(UserError) as cm:
                        rpc(Form, 'import_data', ['id', 'answers'], [
                                [form.id, given
                                    if isinstance(given, str)
                                    else json.dumps(given)]])
                    self.assertNotIn('DUPONT', cm.exception.message)
            given = answers(
                form.answers, response='partial', dose=Decimal('50.5'),
                cycles=2)
            rpc(Form, 'write', [form.id], {'answers': given})
            self.assertEqual(dict(Form(form.id).answers), given)
            self.assertEqual(Form(form.id).state, 'draft')

    @with_transaction()
    def test_kinds_of_answers(self):
        "Dates and several choices too"
        pool = Pool()
        Form = pool.get('early_access.form')
        form = self.patient('draft').access_form
        with acting('prescriber'), production():
            for values in [
                    {'diagnosis': '2024-02-30'},
                    {'diagnosis': 'yesterday'},
                    {'diagnosis': dt.datetime(2024, 2, 3, 4, 5)},
                    {'diagnosis': 2024},
                    {'metastases': 'liver'},
                    {'metastases': ['liver', 'brain']},
                    {'metastases': {'liver': True}},
                    ]:
                with self.subTest(values=values):
                    with self.refused(UserError):
                        rpc(Form, 'write', [form.id], {
                                'answers': answers(form.answers, **values)})
            given = answers(
                form.answers, metastases=['liver', 'bone'],
                diagnosis=dt.date(2024, 2, 3))
            rpc(Form, 'write', [form.id], {'answers': given})
            stored = Form(form.id).answers
            self.assertEqual(
                [v for n, v in stored.items() if n.endswith('_metastases')],
                [('bone', 'liver')])

    @with_transaction()
    def test_incomplete(self):
        "A form is submitted with its required answers"
        pool = Pool()
        Form = pool.get('early_access.form')
        patient = self.patient('treated')
        form = Form.search([
                ('patient', '=', patient.id), ('kind', '=', 'follow_up'),
                ])[0]
        with acting('prescriber'):
            rpc(Form, 'write', [form.id], {
                    'answers': answers(form.answers, dose=Decimal('50'))})
            with self.refused(FormIncompleteError) as cm:
                rpc(Form, 'submit', [form.id])
            self.assertIn("Response", cm.exception.message)
            self.assertNotIn("Cycles", cm.exception.message)

    @with_transaction()
    def test_unusual(self):
        "An answer out of the usual range is confirmed"
        pool = Pool()
        Form = pool.get('early_access.form')
        Warning = pool.get('res.user.warning')
        patient = self.patient('treated')
        form = Form.search([
                ('patient', '=', patient.id), ('kind', '=', 'initiation'),
                ])[0]
        with acting('prescriber') as user:
            rpc(Form, 'write', [form.id], {
                    'visit_date': dt.date.today(),
                    'answers': answers(form.answers, dose=Decimal('199'))})
            with self.refused(UnusualAnswerWarning) as cm:
                rpc(Form, 'submit', [form.id])
            self.assertIn("Dose", cm.exception.message)
            self.assertNotIn('199', cm.exception.message)
            with Transaction().set_context(_check_access=False):
                Warning.create([
                        {'name': cm.exception.name, 'user': user.id}])
            rpc(Form, 'submit', [form.id])
        self.assertEqual(Form(form.id).state, 'submitted')

    @with_transaction()
    def test_made_by_protocol(self):
        "Only a form of an adverse event is added by hand, once and for all"
        pool = Pool()
        Form = pool.get('early_access.form')
        Protocol = pool.get('early_access.protocol')
        patient = self.patient('treated')
        protocol = patient.protocol
        definitions = {f.kind: f.id for f in protocol.forms}
        with acting('regulatory_affairs'):
            other, = Protocol.copy([protocol], default={'version': '2'})
        foreign, = [
            f.id for f in Protocol(other.id).forms
            if f.kind == 'adverse_event']
        with acting('prescriber'):
            for definition in [
                    definitions['follow_up'], definitions['access'],
                    foreign]:
                with self.refused(FormAccessError, ValidationError):
                    rpc(Form, 'create', [{
                                'patient': patient.id,
                                'definition': definition,
                                }])
            id_, = rpc(Form, 'create', [{
                        'patient': patient.id,
                        'definition': definitions['adverse_event'],
                        }])
            form = Form(id_)
            self.assertEqual(form.kind, 'adverse_event')
            with self.refused(AccessError):
                rpc(Form, 'delete', [id_])
            with self.refused(AccessError):
                rpc(Form, 'copy', [id_])
            rpc(Form, 'write', [id_], {
                    'answers': answers(form.answers, grade='grade_3')})
            with self.refused(FormIncompleteError) as cm:
                rpc(Form, 'submit', [id_])
            self.assertIn("Seriousness", cm.exception.message)
            with self.refused(FormError):
                rpc(Form, 'write', [id_], {'seriousness': ['none', 'death']})
            rpc(Form, 'write', [id_], {
                    'situation': 'adverse_effect',
                    'seriousness': ['hospitalisation', 'important']})
            rpc(Form, 'submit', [id_])
            for values in [
                    {'answers': answers(form.answers, grade='grade_1')},
                    {'seriousness': ['none']},
                    {'state': 'draft'},
                    {'submitted_at': dt.datetime(2020, 1, 1)},
                    {'patient': self.patient('eligible').id},
                    ]:
                with self.subTest(values=values):
                    with self.refused(AccessError):
                        rpc(Form, 'write', [id_], values)

    @with_transaction()
    def test_second_adverse_event(self):
        "A patient may have several adverse events"
        pool = Pool()
        Form = pool.get('early_access.form')
        patient = self.patient('treated')
        definition, = [
            f for f in patient.protocol.forms if f.kind == 'adverse_event']
        values = {'patient': patient.id, 'definition': definition.id}
        with acting('prescriber'):
            first, = rpc(Form, 'create', [values])
            second, = rpc(Form, 'create', [values])
        self.assertEqual(
            [Form(i).repetition for i in [first, second]], [1, 2])

    @with_transaction()
    def test_adverse_event_of_another(self):
        "No form is added to a patient of another service"
        pool = Pool()
        Form = pool.get('early_access.form')
        patient = self.patient('eligible', 'south_prescriber')
        definition, = [
            f for f in patient.protocol.forms if f.kind == 'adverse_event']
        with acting('prescriber'):
            with self.refused(AccessError):
                rpc(Form, 'create', [{
                            'patient': patient.id,
                            'definition': definition.id,
                            }])

    @with_transaction()
    def test_overdue(self):
        "A form is overdue after the end of its window"
        pool = Pool()
        Form = pool.get('early_access.form')
        Patient = pool.get('early_access.patient')
        today = dt.date.today()
        patient = self.patient('treated')
        form = Form.search([
                ('patient', '=', patient.id), ('kind', '=', 'follow_up'),
                ])[0]
        for date, overdue in [
                (today, False), (today - relativedelta(days=1), True)]:
            Form.write([form], {'latest_date': date})
            with self.subTest(date=date), acting('data_manager'):
                self.assertEqual(Form(form.id).overdue, overdue)
                self.assertEqual(
                    Form.search([('overdue', '=', True)]),
                    [form] if overdue else [])
                self.assertEqual(
                    Patient.search([('overdue_forms', '>', 0)]),
                    [patient] if overdue else [])
                self.assertNotIn(
                    patient if overdue else None,
                    Patient.search([('overdue_forms', '=', 0)]))
                self.assertEqual(
                    Patient(patient.id).overdue_forms, int(overdue))

    @with_transaction()
    def test_variable_names_answer_error(self):
        "A refused answer names the form and the variable"
        pool = Pool()
        Form = pool.get('early_access.form')
        patient = self.patient('treated')
        form = patient.next_form
        with acting('prescriber'):
            with self.refused(AnswerError, SealedValueError) as cm:
                rpc(Form, 'write', [form.id], {
                        'answers': answers(
                            form.answers, dose=Decimal('999'))})
            self.assertIn("Dose", cm.exception.message)
            self.assertIn(patient.code, cm.exception.message)
            self.assertNotIn('999', cm.exception.message)
