# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import datetime as dt
from decimal import Decimal

from trytond.exceptions import UserError
from trytond.model.exceptions import AccessButtonError, AccessError
from trytond.modules.early_access.tests.tools import acting
from trytond.modules.early_access_retention.exceptions import (
    FrozenDataError, LimitationAccessError, LimitationError,
    RectificationError, RightsAccessError, RightsAnswerError)
from trytond.pool import Pool
from trytond.tests.test_tryton import with_transaction
from trytond.transaction import Transaction, without_check_access

from .rights_tools import DPO, RightsTestCase

IDENTITY = ['surname_letters', 'sex', 'birth_month', 'weight']


class LimitationTestCase(RightsTestCase):
    "Test the freeze of what a person contests"

    def read(self, login, record, *names):
        with acting(login):
            row, = record.__class__.read([record.id], list(names))
        return {n: row[n] for n in names}

    def form(self, patient):
        "The access form of the patient, which is submitted."
        with without_check_access():
            form, = [f for f in patient.forms if f.kind == 'access']
        return form

    @with_transaction()
    def test_identity(self):
        "The identity is read by nobody but the rights officer"
        patient = self.patient('treated')
        before = self.read('prescriber', patient, *IDENTITY)
        self.assertTrue(all(before.values()))
        limitation = self.limited('identity', patient=patient.id)
        for login in [
                'prescriber', 'hospital_pharmacist',
                'pharmacist_in_charge']:
            with self.subTest(login=login):
                row = self.read(login, patient, 'sealed_state', *IDENTITY)
                self.assertEqual(row.pop('sealed_state'), 'frozen')
                self.assertFalse(any(row.values()))
        self.assertEqual(self.read(DPO, patient, *IDENTITY), before)
        # What is not contested is as ever
        row = self.read('prescriber', patient, 'code', 'state', 'criteria')
        self.assertTrue(all(row.values()))
        answers = self.read('prescriber', self.form(patient), 'answers')
        self.assertTrue(any(answers['answers'].values()))
        self.lift(limitation)
        self.assertEqual(self.read('prescriber', patient, *IDENTITY), before)

    @with_transaction()
    def test_paths(self):
        "Neither a path, a search nor a context of the client opens it"
        pool = Pool()
        Form = pool.get('early_access.form')
        Patient = pool.get('early_access.patient')
        patient = self.patient('treated')
        letters = patient.surname_letters
        form = self.form(patient)
        self.limited('all', patient=patient.id)
        with acting('prescriber'), Transaction().set_context(
                early_access_rectifying=True, early_access_exporting=False):
            rows = Form.read([form.id], [
                    'answers', 'patient.surname_letters', 'patient.criteria'])
            rows += Patient.search_read(
                [('id', '=', patient.id)],
                fields_names=['surname_letters', 'sex:string', 'forms'])
            rows += Patient.read(
                [patient.id], ['surname_letters', 'forms.answers'])
        self.assertNotIn(letters, str(rows))
        self.assertNotIn('ecog_', str(rows))
        with acting('prescriber'), self.refused(UserError):
            Patient.search([('surname_letters', '=', letters)])

    @with_transaction()
    def test_computed(self):
        "What is computed of the identity is frozen with it"
        patient = self.patient('treated')
        form = self.form(patient)
        self.assertTrue(
            self.read('prescriber', form, 'computed')['computed'])
        self.limited('identity', patient=patient.id)
        self.assertFalse(
            self.read('prescriber', form, 'computed')['computed'])
        self.assertTrue(self.read(DPO, form, 'computed')['computed'])

    @with_transaction()
    def test_forms(self):
        "The answers of the forms that are named are frozen, and no others"
        patient = self.patient('discontinued')
        form = self.form(patient)
        before = self.read('prescriber', form, 'answers')
        limitation = self.limited(
            'forms', patient=patient.id, forms=[form])
        for login in ['prescriber', 'data_manager', 'medical_affairs']:
            with self.subTest(login=login):
                row = self.read(login, form, 'answers', 'sealed_state')
                self.assertIsNone(row['answers'])
                self.assertEqual(row['sealed_state'], 'frozen')
        self.assertEqual(self.read(DPO, form, 'answers'), before)
        self.assertTrue(all(
                self.read('prescriber', patient, *IDENTITY).values()))
        other = self.form(self.patient('treated'))
        self.assertTrue(any(
                self.read('prescriber', other, 'answers')[
                    'answers'].values()))
        self.lift(limitation)
        self.assertEqual(self.read('prescriber', form, 'answers'), before)

    @with_transaction()
    def test_no_form(self):
        "To freeze forms is to name them"
        request = self.started('limitation')
        with self.refused(LimitationError):
            self.limited('forms', request=request)

    @with_transaction()
    def test_all(self):
        "All that was received is frozen, and what comes is still collected"
        Form = Pool().get('early_access.form')
        patient = self.patient('treated')
        self.limited('all', patient=patient.id)
        self.assertIsNone(self.read(
                'prescriber', self.form(patient), 'answers')['answers'])
        row = self.read('prescriber', patient, 'criteria', *IDENTITY)
        self.assertFalse(any(row.values()))
        with without_check_access():
            form, = [f for f in patient.forms if f.kind == 'initiation']
        self.assertEqual(form.state, 'expected')
        with acting('prescriber'):
            row, = Form.read([form.id], ['answers'])
            name, = row['answers']
            Form.write([form], {
                    'answers': {name: Decimal(50)},
                    'visit_date': dt.date.today(),
                    })
            row, = Form.read([form.id], ['answers'])
            self.assertEqual(row['answers'], {name: Decimal(50)})
            Form.submit([Form(form.id)])
            row, = Form.read([form.id], ['answers'])
            self.assertIsNone(row['answers'])

    @with_transaction()
    def test_not_changed(self):
        "What is frozen is not changed, whoever asks, nor lost"
        pool = Pool()
        Form = pool.get('early_access.form')
        Patient = pool.get('early_access.patient')
        patient = self.patient('treated')
        form = self.form(patient)
        with without_check_access():
            answers = dict(form.answers)
        limitation = self.limited('all', patient=patient.id)
        with self.refused(FrozenDataError), without_check_access():
            Patient.write([patient], {'surname_letters': 'XYZ'})
        with self.refused(FrozenDataError), without_check_access():
            Form.write([form], {'answers': {}})
        for button in ['reopen', 'verify', 'correct']:
            login = (
                'data_manager' if button == 'verify' else 'prescriber')
            with (self.subTest(button=button), acting(login),
                    self.refused(UserError)):
                getattr(Form, button)([Form(form.id)])
        with acting('prescriber'), self.refused(FrozenDataError):
            Form.correct([Form(form.id)])
        self.lift(limitation)
        with without_check_access():
            self.assertEqual(dict(Form(form.id).answers), answers)

    @with_transaction()
    def test_conditions_survive(self):
        "The answers that depend on what is frozen stay when a form is saved"
        Form = Pool().get('early_access.form')
        patient = self.patient('treated')
        limitation = self.limited('identity', patient=patient.id)
        with without_check_access():
            form, = [f for f in patient.forms if f.kind == 'initiation']
        with acting('prescriber'):
            row, = Form.read([form.id], ['answers'])
            name, = row['answers']
            Form.write([form], {'answers': {name: Decimal(50)}})
        self.lift(limitation)
        self.assertEqual(
            self.read('prescriber', form, 'answers')['answers'],
            {name: Decimal(50)})

    @with_transaction()
    def test_not_exported(self):
        "What is frozen is in no export, not even of the rights officer"
        pool = Pool()
        DataExport = pool.get('early_access.data_export')
        Form = pool.get('early_access.form')
        Patient = pool.get('early_access.patient')
        patient = self.patient('treated')
        other = self.patient('eligible')
        form = self.form(patient)
        letters = patient.surname_letters
        self.limited('all', patient=patient.id)
        for login in ['pharmacist_in_charge', DPO]:
            with self.subTest(login=login), acting(login):
                rows = Patient.export_data(
                    [Patient(patient.id), Patient(other.id)],
                    ['code', 'surname_letters'])
                self.assertEqual(rows[0][0], patient.code)
                self.assertFalse(rows[0][1])
                self.assertTrue(rows[1][1])
                self.assertNotIn(letters, str(Form.export_data(
                            [Form(form.id)],
                            ['patient/surname_letters', 'answers'])))
        recipient = self.recipient(patient.company)
        with acting('data_manager'):
            export, = DataExport.create([{
                        'company': patient.company.id,
                        'authorization': patient.authorization.id,
                        'scope': 'collected',
                        'reason': 'statistics',
                        'recipient': 'laboratory',
                        'disclosed_to': recipient.id,
                        }])
            _, counts = export.write_archive('x')
            # It is counted as a row without its data
            self.assertEqual(counts['unreadable_count'], 1)

    @with_transaction()
    def test_on_change(self):
        "An on_change does not tell what is frozen"
        Patient = Pool().get('early_access.patient')
        patient = self.patient('treated')
        self.limited('identity', patient=patient.id)
        with acting('prescriber'):
            record = Patient(patient.id)
            self.assertFalse(record.on_change_with_surname_letters())
            record = Patient(patient.id)
            self.assertFalse(record.on_change_with_birth_month())

    @with_transaction()
    def test_resume(self):
        "A new request does not copy the identity that is frozen"
        Patient = Pool().get('early_access.patient')
        patient = self.patient('discontinued')
        self.limited('identity', patient=patient.id)
        with acting('prescriber'), self.refused(FrozenDataError):
            Patient.resume([Patient(patient.id)])
        with acting('prescriber'), self.refused(FrozenDataError):
            Patient.copy([Patient(patient.id)])

    @with_transaction()
    def test_treatment_goes_on(self):
        "The patient is treated and stopped as ever"
        Patient = Pool().get('early_access.patient')
        patient = self.patient('eligible')
        self.limited('all', patient=patient.id)
        with acting('prescriber'):
            Patient.write([Patient(patient.id)], {
                    'first_administration_date': dt.date.today()})
            Patient.initiate([Patient(patient.id)])
            Patient.write([Patient(patient.id)], {
                    'discontinuation_date': dt.date.today(),
                    'stop_reason': 'progression',
                    })
            Patient.discontinue([Patient(patient.id)])
        self.assertEqual(Patient(patient.id).state, 'discontinued')

    @with_transaction()
    def test_order_and_recall(self):
        "Supply by code and the recall of lots go on"
        pool = Pool()
        Order = pool.get('early_access.order')
        Unit = pool.get('product.uom')
        patient = self.patient('treated')
        self.limited('all', patient=patient.id)
        unit, = Unit.search([('name', '=', "Unit")])
        with acting('hospital_pharmacist'):
            order, = Order.create([{
                        'authorization': patient.authorization.id,
                        'pharmacy': patient.pharmacy.id,
                        'delivery_address': (
                            patient.pharmacy.addresses[0].id),
                        'lines': [('create', [{
                                        'patient': patient.id,
                                        'product': (
                                            patient.authorization
                                            .products[0].id),
                                        'unit': unit.id,
                                        'quantity': 1,
                                        }])],
                        }])
            Order.submit([order])
        self.assertEqual(Order(order.id).state, 'submitted')
        with acting('supply'):
            line, = Order(order.id).lines
            self.assertEqual(line.patient.code, patient.code)

    @with_transaction()
    def test_vigilance_goes_on(self):
        "An adverse event is told, read and handed over under a freeze"
        pool = Pool()
        Form = pool.get('early_access.form')
        patient = self.patient('treated')
        self.limited('all', patient=patient.id)
        definition, = [
            f for f in patient.protocol.forms if f.kind == 'adverse_event']
        with acting('prescriber'):
            form, = Form.create([{
                        'patient': patient.id, 'definition': definition.id}])
            row, = Form.read([form.id], ['answers'])
            name, = row['answers']
            Form.write([Form(form.id)], {
                    'visit_date': dt.date.today(),
                    'answers': {name: 'grade_3'},
                    'situation': 'adverse_effect',
                    'seriousness': ['hospitalisation'],
                    })
            Form.submit([Form(form.id)])
        with acting('pharmacovigilance'):
            row, = Form.read([form.id], ['answers', 'seriousness'])
            self.assertEqual(row['answers'], {name: 'grade_3'})
            Form.hand_over([Form(form.id)])
        self.assertEqual(Form(form.id).handover, 'handed_over')
        row = self.read('medical_affairs', form, 'answers', 'seriousness')
        self.assertFalse(any(row.values()))

    @with_transaction()
    def test_notice(self):
        "The users are told what happens"
        patient = self.patient('treated')
        form = self.form(patient)
        for record in [patient, form]:
            self.assertIsNone(self.read(
                    'prescriber', record, 'limitation_notice')[
                    'limitation_notice'])
        limitation = self.limited('all', patient=patient.id)
        for record in [patient, form]:
            for login in ['prescriber', DPO]:
                text = self.read(login, record, 'limitation_notice')[
                    'limitation_notice']
                self.assertIn("vigilance go on", text)
        self.lift(limitation)
        self.assertIsNone(self.read(
                'prescriber', patient, 'limitation_notice')[
                'limitation_notice'])

    @with_transaction()
    def test_lift(self):
        "It is lifted with a reason, once the person is told"
        Limitation = Pool().get('early_access.rights.limitation')
        limitation = self.limited()
        today = dt.date.today()
        day = dt.timedelta(days=1)
        for values in [
                {},
                {'lift_reason': 'accurate'},
                {'told_on': today, 'told_how': 'letter'},
                {'lift_reason': 'accurate', 'told_on': today},
                {'lift_reason': 'accurate', 'told_how': 'phone',
                    'told_on': today + day},
                {'lift_reason': 'accurate', 'told_how': 'phone',
                    'told_on': today - day},
                ]:
            with (self.subTest(values=values), acting(DPO),
                    self.refused(LimitationError)):
                Limitation.write([limitation], values)
                Limitation.lift([Limitation(limitation.id)])
        self.lift(limitation)
        limitation = Limitation(limitation.id)
        self.assertEqual(limitation.state, 'lifted')
        for values in [{'scope': 'identity'}, {'told_on': today}]:
            with acting(DPO), self.refused(LimitationAccessError):
                Limitation.write([limitation], values)
        with acting(DPO), self.refused(LimitationAccessError):
            Limitation.delete([limitation])

    @with_transaction()
    def test_active_fixed(self):
        "An active limitation is not made narrower"
        Limitation = Pool().get('early_access.rights.limitation')
        limitation = self.limited()
        for values in [{'scope': 'identity'}, {'ground': 'claims'}]:
            with acting(DPO), self.refused(LimitationAccessError):
                Limitation.write([limitation], values)
        with acting(DPO), self.refused(LimitationAccessError):
            Limitation.delete([limitation])

    @with_transaction()
    def test_access(self):
        "Only the rights officer freezes, opens and lifts"
        Limitation = Pool().get('early_access.rights.limitation')
        limitation = self.limited()
        for login in ['prescriber', 'pharmacist_in_charge', 'audit']:
            with self.subTest(login=login), acting(login):
                for button in ['lift', 'open']:
                    with self.refused(AccessError, AccessButtonError):
                        getattr(Limitation, button)([limitation])
                with self.refused(AccessError):
                    Limitation.create([{
                                'request': limitation.request.id}])

    @with_transaction()
    def test_use(self):
        "Frozen data are opened to a user, for a time and on a ground"
        pool = Pool()
        Use = pool.get('early_access.rights.limitation.use')
        User = pool.get('res.user')
        patient = self.patient('treated')
        limitation = self.limited('identity', patient=patient.id)
        user, = User.search([('login', '=', 'pharmacist_in_charge')])
        now = dt.datetime.now()
        use, = Use.create([{
                    'limitation': limitation.id,
                    'user': user.id,
                    'ground': 'claims',
                    'end': now + dt.timedelta(hours=1),
                    }])
        for login, opened in [
                ('pharmacist_in_charge', True), ('prescriber', False)]:
            row = self.read(login, patient, *IDENTITY)
            self.assertEqual(any(row.values()), opened)
        with acting('pharmacist_in_charge'):
            rows = patient.__class__.export_data(
                [patient.__class__(patient.id)], ['surname_letters'])
        self.assertFalse(rows[0][0])
        with self.refused(FrozenDataError), without_check_access():
            patient.__class__.write([patient], {'surname_letters': 'XYZ'})
        Use.write([use], {'end': now - dt.timedelta(minutes=1)})
        row = self.read('pharmacist_in_charge', patient, *IDENTITY)
        self.assertFalse(any(row.values()))

    @with_transaction()
    def test_related_person(self):
        "A related person is frozen apart from the patient (note 24)"
        pool = Pool()
        Patient = pool.get('early_access.patient')
        RelatedPerson = pool.get('early_access.related_person')
        patient = self.patient('treated')
        with acting('prescriber'):
            person, = RelatedPerson.create([{
                        'patient': patient.id,
                        'link': 'partner',
                        'surname_letters': 'ABC',
                        }])
        self.limited(
            'all', concerned='related_person', related_person=person.id)
        row = self.read('prescriber', person, 'link', 'surname_letters')
        self.assertFalse(any(row.values()))
        row = self.read('prescriber', patient, *IDENTITY)
        self.assertTrue(all(row.values()))
        self.assertIn(patient.id, Patient.retention_blocked([patient]))

    @with_transaction()
    def test_count(self):
        "The reports can tell how many persons are frozen"
        Limitation = Pool().get('early_access.rights.limitation')
        patient = self.patient('treated')
        authorization = patient.authorization
        self.limited('identity', patient=patient.id)
        self.assertEqual(
            Limitation.count_frozen([authorization]),
            {authorization.id: {'identity': 1, 'forms': 0, 'all': 0}})

    @with_transaction()
    def test_blocked(self):
        "Nothing moves under a limitation, even when its request is closed"
        Patient = Pool().get('early_access.patient')
        patient = self.patient('treated')
        limitation = self.limited(patient=patient.id)
        self.settle(limitation.request)
        self.close(limitation.request)
        self.assertIn(
            limitation.request.number,
            Patient.retention_blocked([patient])[patient.id])
        self.lift(limitation)
        self.assertEqual(Patient.retention_blocked([patient]), {})

    # The answer

    @with_transaction()
    def test_answer(self):
        "It is answered once frozen, and once the recipients are told"
        Request = Pool().get('early_access.rights.request')
        request = self.started('limitation')
        with self.refused(RightsAnswerError):
            self.close(request)
        self.limited(request=request)
        with self.refused(RightsAnswerError):
            self.close(Request(request.id))
        self.settle(request)
        self.close(Request(request.id))
        self.assertEqual(Request(request.id).state, 'answered')


class RectificationTestCase(RightsTestCase):
    "Test what is made right"

    def rectification(self, request=None, **values):
        Rectification = Pool().get('early_access.rights.rectification')
        request = request or self.started('rectification')
        with acting(DPO):
            rectification, = Rectification.create([{
                        'request': request.id,
                        'reason': 'inaccurate',
                        **values,
                        }])
        return rectification

    def apply(self, rectification):
        Rectification = Pool().get('early_access.rights.rectification')
        with acting(DPO):
            Rectification.apply([Rectification(rectification.id)])
        return Rectification(rectification.id)

    @with_transaction()
    def test_identity(self):
        "A field is made right, and the old value is kept sealed"
        pool = Pool()
        Patient = pool.get('early_access.patient')
        Request = pool.get('early_access.rights.request')
        patient = self.patient('treated')
        for field, kind, value in [
                ('surname_letters', 'letters', 'QZX'),
                ('sex', 'sex', 'male'),
                ('birth_month', 'date', dt.date(1971, 3, 1)),
                ('weight', 'number', Decimal('70.5')),
                ]:
            with self.subTest(field=field):
                with without_check_access():
                    old = getattr(Patient(patient.id), field)
                    index = Patient(patient.id).duplicate_index
                request = self.started(
                    'rectification', patient=patient.id)
                rectification = self.apply(self.rectification(
                        request, field=field, **{f'new_{kind}': value}))
                self.assertEqual(rectification.state, 'applied')
                self.assertEqual(
                    getattr(rectification, f'old_{kind}'), old)
                self.assertEqual(
                    getattr(Patient(patient.id), field), value)
                self.assertEqual(
                    index != Patient(patient.id).duplicate_index,
                    field != 'weight')
                self.assertEqual(
                    rectification.data_key, patient.data_key)
                with self.refused(RightsAnswerError):
                    self.close(Request(request.id))
                self.settle(request)
                self.close(Request(request.id))
        cursor = Transaction().connection.cursor()
        table = rectification.__class__.__table__()
        cursor.execute(*table.select(table.sealed))
        for sealed, in cursor.fetchall():
            self.assertNotIn(b'QZX', bytes(sealed))

    @with_transaction()
    def test_frozen(self):
        "What is frozen is rectified by the rights officer"
        Patient = Pool().get('early_access.patient')
        patient = self.patient('treated')
        self.limited('identity', patient=patient.id)
        request = self.started('rectification', patient=patient.id)
        self.apply(self.rectification(
                request, field='surname_letters', new_letters='QZX'))
        self.assertEqual(Patient(patient.id).surname_letters, 'QZX')

    @with_transaction()
    def test_refused(self):
        "A rectification needs a reason, a field and another value"
        patient = self.patient('treated')
        for values in [
                {'field': 'sex', 'new_sex': 'male', 'reason': None},
                {'new_sex': 'male'},
                {'field': 'sex'},
                {'field': 'sex', 'new_sex': patient.sex},
                {'subject': 'answers'},
                {'field': 'weight', 'new_number': Decimal(900)},
                ]:
            with self.subTest(values=values), self.refused(
                    RectificationError, UserError):
                self.apply(self.rectification(**values))

    @with_transaction()
    def test_fixed(self):
        "An act that is done stays as it is"
        Rectification = Pool().get('early_access.rights.rectification')
        rectification = self.apply(self.rectification(
                field='sex', new_sex='male'))
        with acting(DPO):
            with self.refused(RightsAccessError):
                Rectification.write([rectification], {'new_sex': 'female'})
            with self.refused(RightsAccessError):
                Rectification.delete([rectification])
        for login in ['prescriber', 'pharmacist_in_charge']:
            with acting(login), self.refused(AccessError):
                Rectification.read([rectification.id], ['old_sex'])

    @with_transaction()
    def test_answers(self):
        "The correction of the hospital is the act"
        pool = Pool()
        Correction = pool.get('early_access.form.correction')
        patient = self.patient('treated')
        with without_check_access():
            form, = [f for f in patient.forms if f.kind == 'access']
        request = self.started('rectification', patient=patient.id)
        with acting('prescriber'):
            form.__class__.correct([form.__class__(form.id)])
            correction, = Correction.search([('form', '=', form.id)])
            row, = Correction.read([correction.id], ['answers'])
            name, = [n for n in row['answers'] if n.endswith('_ecog')]
            Correction.write([correction], {
                    'answers': {**row['answers'], name: 'ecog_0'},
                    'reason': 'source',
                    })
        with self.refused(RectificationError):
            self.apply(self.rectification(
                    request, subject='answers', form=form.id))
        with acting('prescriber'):
            Correction.apply([Correction(correction.id)])
        rectification = self.apply(self.rectification(
                request, subject='answers', form=form.id,
                correction=correction.id))
        self.assertEqual(rectification.state, 'applied')

    @with_transaction()
    def test_recipients(self):
        "Those who had the data are listed once, and told"
        Recipient = Pool().get('early_access.rights.recipient')
        Request = Pool().get('early_access.rights.request')
        request = self.started('rectification')
        self.apply(self.rectification(request, field='sex', new_sex='male'))
        self.apply(self.rectification(
                request, field='surname_letters', new_letters='QZX'))
        recipient, = Request(request.id).recipients
        self.assertEqual(recipient.kind, 'hospital')
        with acting(DPO):
            Recipient.write(
                [recipient], {'not_informed': 'disproportionate'})
        self.close(Request(request.id))


del RightsTestCase
