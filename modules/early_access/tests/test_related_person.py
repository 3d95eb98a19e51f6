# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Partners and children affected by the medicine (art. 7.2 b, 11.5)"

from trytond.exceptions import UserError
from trytond.model.exceptions import AccessError, DomainValidationError
from trytond.modules.early_access.exceptions import (
    PatientError, SealedKeyError)
from trytond.pool import Pool
from trytond.tests.test_tryton import with_transaction

from .tools import ProgrammeTestCase, acting, answers, rpc

PERSON = {'link': 'partner', 'surname_letters': 'DUP', 'sex': 'male'}


class RelatedPersonTestCase(ProgrammeTestCase):
    "Test related person"

    def person(self, patient, login='prescriber', **values):
        RelatedPerson = Pool().get('early_access.related_person')
        with acting(login):
            id_, = rpc(RelatedPerson, 'create', [
                    {'patient': patient.id, **PERSON, **values}])
        return RelatedPerson(id_)

    def adverse_event(self, patient, **values):
        Form = Pool().get('early_access.form')
        definition, = [
            f for f in patient.protocol.forms if f.kind == 'adverse_event']
        id_, = rpc(Form, 'create', [{
                    'patient': patient.id,
                    'definition': definition.id,
                    **values}])
        return Form(id_)

    @with_transaction()
    def test_affected(self):
        "Nobody is recorded before the first administration"
        for state in ['draft', 'submitted', 'eligible', 'refused']:
            with self.subTest(state=state):
                patient = self.patient(state)
                with self.refused(PatientError, DomainValidationError):
                    self.person(patient)
        for state in ['treated', 'discontinued']:
            with self.subTest(state=state):
                patient = self.patient(state)
                first, second = [self.person(patient) for _ in range(2)]
                self.assertEqual([first.number, second.number], [1, 2])
                self.assertEqual(
                    first.rec_name, f'{patient.code} - Person 1')

    @with_transaction()
    def test_link(self):
        "What the person is to the patient must be said, and is sealed"
        RelatedPerson = Pool().get('early_access.related_person')
        patient = self.patient('treated')
        with self.refused(UserError) as cm:
            self.person(patient, link=None)
        self.assertIn("Link", cm.exception.message)
        self.assertIn('link', RelatedPerson._sealed_fields)
        with self.refused(UserError):
            self.person(patient, surname_letters='DUPONT')

    @with_transaction()
    def test_own_key(self):
        "The person outlives, and is destroyed without, the patient"
        pool = Pool()
        DataKey = pool.get('early_access.data_key')
        RelatedPerson = pool.get('early_access.related_person')
        patient = self.patient('treated')
        person = self.person(patient)
        with acting('prescriber'):
            mine = self.adverse_event(patient)
            theirs = self.adverse_event(patient, related_person=person.id)
        self.assertNotEqual(person.data_key, patient.data_key)
        self.assertEqual(mine.data_key, patient.data_key)
        self.assertEqual(theirs.data_key, person.data_key)
        self.assertIn(person.rec_name, theirs.rec_name)

        DataKey.destroy([person.data_key])

        with acting('prescriber'):
            row, = rpc(
                RelatedPerson, 'read', [person.id], ['link', 'sealed_state'])
            self.assertEqual(
                row, {
                    'id': person.id, 'link': None,
                    'sealed_state': 'destroyed'})
            rows = rpc(
                theirs.__class__, 'read', [theirs.id, mine.id],
                ['answers', 'sealed_state'])
            self.assertEqual(
                {r['id']: r['sealed_state'] for r in rows},
                {theirs.id: 'destroyed', mine.id: 'readable'})
            self.assertTrue(rpc(
                    patient.__class__, 'read', [patient.id],
                    ['surname_letters'])[0]['surname_letters'])

    @with_transaction()
    def test_form(self):
        "A form says once for all whom it concerns"
        patient = self.patient('treated')
        person = self.person(patient)
        other = self.person(self.patient('discontinued'))
        with acting('prescriber'):
            with self.refused(UserError):
                self.adverse_event(patient, related_person=other.id)
            form = self.adverse_event(patient, related_person=person.id)
            for value in [None, other.id]:
                with self.refused(SealedKeyError, UserError):
                    rpc(form.__class__, 'write', [form.id], {
                            'related_person': value})
            rpc(form.__class__, 'write', [form.id], {
                    'answers': answers(form.answers, grade='grade_2'),
                    'situation': 'adverse_effect',
                    'seriousness': ['none']})
            rpc(form.__class__, 'submit', [form.id])
            with self.refused(AccessError):
                rpc(person.__class__, 'delete', [person.id])

    @with_transaction()
    def test_delete(self):
        "A person recorded by mistake goes with the key"
        pool = Pool()
        DataKey = pool.get('early_access.data_key')
        person = self.person(self.patient('treated'))
        key = person.data_key.id
        with acting('hospital_staff'):
            with self.refused(AccessError):
                rpc(person.__class__, 'delete', [person.id])
        with acting('prescriber'):
            rpc(person.__class__, 'delete', [person.id])
        self.assertFalse(DataKey.search([('id', '=', key)]))

    @with_transaction()
    def test_access(self):
        "Who sees the person, the letters and the link"
        person = self.person(self.patient('treated'))
        RelatedPerson = person.__class__
        for login, names, refused in [
                ('prescriber', ['link', 'surname_letters'], []),
                ('hospital_staff', ['link', 'surname_letters'], []),
                ('hospital_pharmacist', ['link', 'surname_letters'], []),
                ('pharmacist_in_charge', ['link', 'surname_letters'], []),
                ('pharmacovigilance', ['link'], ['surname_letters']),
                ('data_manager', ['sex'], ['first_name_letters']),
                ('supply', [], ['id', 'link']),
                ('market_access', [], ['id']),
                ('south_prescriber', [], ['id', 'link']),
                ('haematologist', [], ['id']),
                ]:
            with acting(login):
                for name in names:
                    with self.subTest(login=login, name=name):
                        rpc(RelatedPerson, 'read', [person.id], [name])
                for name in refused:
                    with self.subTest(login=login, refused=name):
                        with self.refused(AccessError):
                            rpc(RelatedPerson, 'read', [person.id], [name])
                if login != 'prescriber' and login != 'hospital_staff':
                    with self.refused(AccessError):
                        rpc(RelatedPerson, 'write', [person.id], {
                                'link': 'offspring'})


del ProgrammeTestCase
