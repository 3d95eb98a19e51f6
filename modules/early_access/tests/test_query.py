# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import datetime as dt
from decimal import Decimal

from trytond.exceptions import UserError
from trytond.model.exceptions import AccessError
from trytond.modules.early_access.exceptions import (
    CorrectionError, FormError, FormIncompleteError, QueryError)
from trytond.pool import Pool
from trytond.tests.test_tryton import with_transaction

from .tools import ProgrammeTestCase, acting, answers, rpc


class QueryTestCase(ProgrammeTestCase):
    "Test the queries of the laboratory and the corrections of the hospital"

    def submitted(self, verified=False):
        Form = Pool().get('early_access.form')
        form, = Form.search([
                ('patient', '=', self.patient('treated').id),
                ('kind', '=', 'initiation'),
                ])
        with acting('prescriber'):
            rpc(Form, 'write', [form.id], {
                    'visit_date': dt.date.today(),
                    'answers': answers(form.answers, dose=Decimal(50)),
                    })
            rpc(Form, 'submit', [form.id])
        if verified:
            with acting('data_manager'):
                rpc(Form, 'verify', [form.id])
        return Form(form.id)

    def ask(self, form, reason='range'):
        Query = Pool().get('early_access.query')
        variable, = form.variables
        with acting('data_manager'):
            id_, = rpc(Query, 'create', [{
                        'form': form.id,
                        'variable': variable.id,
                        'reason': reason,
                        }])
        return Query(id_)

    def prepare(self, form, login='prescriber'):
        with acting(login):
            action = rpc(form.__class__, 'correct', [form.id])
        Correction = Pool().get('early_access.form.correction')
        return Correction(action['res_id'][0])

    def change(self, correction, login='prescriber', **values):
        with acting(login):
            rpc(correction.__class__, 'write', [correction.id], {
                    'reason': 'entry',
                    'answers': answers(correction.answers, **values)})
        return correction.__class__(correction.id)

    def apply(self, correction, login='prescriber'):
        with acting(login):
            rpc(correction.__class__, 'apply', [correction.id])
        return correction.__class__(correction.id)

    @with_transaction()
    def test_confirm(self):
        "A query is answered with a code, asked again and closed"
        Query = Pool().get('early_access.query')
        form = self.submitted()
        query = self.ask(form)
        self.assertEqual(query.opened_by.login, 'data_manager')
        with acting('data_manager'), self.refused(FormError):
            rpc(form.__class__, 'verify', [form.id])
        with acting('hospital_staff'):
            with self.refused(QueryError):
                rpc(Query, 'answer', [query.id])
            rpc(Query, 'write', [query.id], {'answer_code': 'confirmed'})
            rpc(Query, 'answer', [query.id])
            with self.refused(AccessError):
                rpc(Query, 'write', [query.id], {'answer_code': 'corrected'})
        with acting('data_manager'):
            rpc(Query, 'ask_again', [query.id])
        self.assertIsNone(Query(query.id).answer_code)
        with acting('prescriber'):
            rpc(Query, 'write', [query.id], {'answer_code': 'unavailable'})
            rpc(Query, 'answer', [query.id])
        with acting('data_manager'):
            rpc(Query, 'close', [query.id])
            rpc(form.__class__, 'verify', [form.id])
        self.assertEqual(Query(query.id).state, 'closed')

    @with_transaction()
    def test_refused(self):
        "What is not a question about the form, or not theirs"
        pool = Pool()
        Query = pool.get('early_access.query')
        Form = pool.get('early_access.form')
        form = self.submitted()
        query = self.ask(form)
        follow_up = Form.search([
                ('patient', '=', form.patient.id),
                ('kind', '=', 'follow_up'),
                ])[0]
        response, = [
            v for v in follow_up.variables if v.code == 'response']
        values = {
            'form': form.id, 'variable': form.variables[0].id,
            'reason': 'range'}
        with acting('data_manager'):
            for other in [
                    {'form': follow_up.id},
                    {'variable': response.id},
                    {'reason': 'other'}, {'reason': None},
                    {'state': 'closed'}]:
                with self.subTest(other=other), self.refused(UserError):
                    rpc(Query, 'create', [{**values, **other}])
            with self.refused(AccessError):
                rpc(Query, 'write', [query.id], {'reason': 'date'})
            with self.refused(AccessError):
                rpc(Query, 'delete', [query.id])
        for login in ['prescriber', 'south_prescriber', 'supply']:
            with acting(login), self.refused(UserError):
                rpc(Query, 'create', [values])
        with acting('south_prescriber'):
            self.assertFalse(rpc(Query, 'search', []))
            with self.refused(AccessError):
                rpc(Query, 'write', [query.id], {'answer_code': 'confirmed'})

    @with_transaction()
    def test_correct(self):
        "A correction changes the form and keeps what it was"
        form = self.submitted(verified=True)
        query = None
        correction = self.change(self.prepare(form), dose=Decimal(55))
        correction = self.apply(correction)
        form = form.__class__(form.id)
        name = form.variables[0].name
        self.assertEqual(form.answers, {name: Decimal(55)})
        self.assertEqual(correction.old_answers, {name: Decimal(50)})
        self.assertEqual(correction.new_answers, {name: Decimal(55)})
        self.assertIsNone(correction.answers)
        self.assertEqual(correction.reason, 'entry')
        self.assertEqual(correction.applied_by.login, 'prescriber')
        # To be verified again
        self.assertEqual(form.state, 'submitted')
        self.assertIsNone(form.verified_by)
        query = self.ask(form)
        self.apply(self.change(self.prepare(form), dose=Decimal(45)))
        query = query.__class__(query.id)
        self.assertEqual(query.state, 'answered')
        self.assertEqual(query.answer_code, 'corrected')
        with acting('prescriber'):
            for action in [
                    ('write', [correction.id], {'reason': 'source'}),
                    ('delete', [correction.id])]:
                with self.refused(AccessError):
                    rpc(correction.__class__, *action)

    @with_transaction()
    def test_correct_refused(self):
        "Without reason or change, out of range, incomplete, or locked"
        form = self.submitted(verified=True)
        correction = self.prepare(form)
        with acting('prescriber'):
            with self.refused(CorrectionError):
                rpc(correction.__class__, 'apply', [correction.id])
            rpc(correction.__class__, 'write', [correction.id], {
                    'reason': 'entry'})
            with self.refused(CorrectionError):
                rpc(correction.__class__, 'apply', [correction.id])
        for values in [{'dose': Decimal(900)}, {'dose': None}]:
            with self.subTest(values=values):
                with self.refused(UserError, FormIncompleteError):
                    self.apply(self.change(correction, **values))
        correction = self.change(
            correction.__class__(correction.id), dose=Decimal(51))
        with acting('hospital_staff'), self.refused(UserError):
            rpc(correction.__class__, 'apply', [correction.id])
        with acting('data_manager'):
            rpc(form.__class__, 'lock', [form.id])
        with self.refused(CorrectionError):
            self.apply(correction)
        with acting('data_manager'), self.refused(UserError):
            rpc(form.__class__, 'correct', [form.id])

    @with_transaction()
    def test_concurrent_corrections(self):
        "The second correction of one answer does not undo the first"
        form = self.submitted()
        one = self.change(self.prepare(form), dose=Decimal(51))
        other = self.change(
            self.prepare(form, 'hospital_pharmacist'), 'hospital_pharmacist',
            dose=Decimal(52))
        self.apply(one)
        with self.refused(CorrectionError):
            self.apply(other)
        form = form.__class__(form.id)
        self.assertEqual(list(form.answers.values()), [Decimal(51)])

    @with_transaction()
    def test_one_draft(self):
        "A correction that was begun is gone on with, unless it is outdated"
        form = self.submitted()
        one = self.prepare(form)
        self.assertEqual(self.prepare(form), one)
        other = self.prepare(form, 'hospital_staff')
        self.assertNotEqual(other, one)
        self.apply(self.change(one, dose=Decimal(51)))
        again = self.prepare(form, 'hospital_staff')
        self.assertNotEqual(again, other)
        self.assertEqual(list(again.answers.values()), [Decimal(51)])

    @with_transaction()
    def test_group(self):
        "The form is verified again when one of its groups is corrected"
        pool = Pool()
        Form = pool.get('early_access.form')
        form, _ = Form.search([
                ('patient', '=', self.patient('treated').id),
                ('definition.name', '=', "Follow-up"),
                ], order=[('due_date', 'ASC')])
        today = dt.date.today()
        group, = form.definition.groups
        variable, = group.variables
        with acting('prescriber'):
            rpc(Form, 'write', [form.id], {
                    'visit_date': today,
                    'answers': answers(
                        form.answers, response='partial', dose=Decimal(50)),
                    })
            rpc(Form, 'create', [{
                        'patient': form.patient.id,
                        'parent': form.id,
                        'definition': group.id,
                        'answers': {variable.name: today},
                        }])
            # What is next is the form, not what is part of it
            self.assertFalse(form.patient.next_form.parent)
            rpc(Form, 'submit', [form.id])
        with acting('data_manager'):
            rpc(Form, 'verify', [form.id])
        part, = Form(form.id).groups
        correction = self.prepare(part)
        with acting('prescriber'):
            rpc(correction.__class__, 'write', [correction.id], {
                    'reason': 'entry',
                    'answers': {
                        variable.name: today - dt.timedelta(days=1)}})
        self.apply(correction)
        self.assertEqual(
            [f.state for f in Form.browse([form.id, part.id])],
            ['submitted', 'submitted'])
        with acting('data_manager'):
            rpc(Form, 'verify', [form.id])
        self.assertEqual(Form(part.id).state, 'verified')

    @with_transaction()
    def test_others_forms(self):
        "A correction of another's patient is neither made nor seen"
        form = self.submitted()
        correction = self.prepare(form)
        for login in ['south_prescriber', 'haematologist']:
            with acting(login):
                with self.refused(AccessError):
                    rpc(form.__class__, 'correct', [form.id])
                self.assertFalse(rpc(correction.__class__, 'search', []))
