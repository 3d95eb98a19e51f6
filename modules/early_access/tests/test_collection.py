# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import datetime as dt
from decimal import Decimal

from dateutil.relativedelta import relativedelta

from trytond.exceptions import UserError
from trytond.model.exceptions import AccessError
from trytond.modules.early_access.exceptions import (
    AdverseEventError, AnswerError, ConditionError, FormAccessError,
    FormError, FormIncompleteError, ProtocolError, SealedValueError)
from trytond.pool import Pool
from trytond.tests.test_tryton import with_transaction
from trytond.transaction import Transaction

from .tools import ProgrammeTestCase, acting, answers, rpc


class FormsTestCase(ProgrammeTestCase):

    def forms(self, patient, **clauses):
        Form = Pool().get('early_access.form')
        return Form.search([
                ('patient', '=', patient.id),
                *((n.replace('__', '.'), '=', v) for n, v in clauses.items())
                ])

    def form(self, state='treated', name="Follow-up"):
        return self.forms(
            self.patient(state), definition__name=name)[0]

    def write(self, form, **values):
        "Write as the prescriber, with answers by their codes"
        Form = form.__class__
        own = {
            n: values.pop(n) for n in [
                'visit_date', 'missing', 'code', 'situation', 'seriousness']
            if n in values}
        with acting('prescriber'):
            if values:
                own['answers'] = answers(
                    {v.name: (form.answers or {}).get(v.name)
                        for v in form.variables}, **values)
            rpc(Form, 'write', [form.id], own)
        return Form(form.id)

    def codes(self, form, name='answers'):
        "The codes of the questions that are shown, in order"
        codes = {v.name: v.code for v in form.variables}
        return [codes[n] for n in getattr(form, name) or {}]


class CollectionTestCase(FormsTestCase):
    "Test what the forms ask, compute and expect"

    @with_transaction()
    def test_conditional_question(self):
        "A question appears as its conditions are fulfilled"
        form = self.form()
        self.assertEqual(
            self.codes(form), ['dose', 'cycles', 'response'])
        for values, shown in [
                ({'response': 'partial', 'dose': Decimal(60)}, False),
                ({'response': 'none'}, True),
                ({'response': 'partial', 'dose': Decimal('60.5')}, True),
                ({'dose': None}, False),
                ]:
            with self.subTest(values=values):
                form = self.write(form, **values)
                self.assertEqual('stop_cause' in self.codes(form), shown)

    @with_transaction()
    def test_hidden_answer(self):
        "The answer to a question that is hidden is cleared when it is saved"
        form = self.write(
            self.form(), response='none', stop_cause='toxicity')
        self.assertIn('stop_cause', self.codes(form))
        form = self.write(form, response='partial')
        self.assertNotIn('stop_cause', self.codes(form))
        form = self.write(form, response='none')
        name, = [v.name for v in form.variables if v.code == 'stop_cause']
        self.assertIsNone(form.answers[name])

    @with_transaction()
    def test_outline(self):
        "What a form asks is kept once it is fixed, and not before"
        pool = Pool()
        Definition = pool.get('early_access.protocol.form')
        Protocol = pool.get('early_access.protocol')
        Question = pool.get('early_access.protocol.form.question')
        active = self.form().definition
        self.assertEqual(
            active.outline.names, {v.name for v in active.variables})
        self.assertIs(active.outline, Definition(active.id).outline)
        copy, = Protocol.copy([active.protocol])
        draft, = [f for f in copy.forms if f.name == active.name]
        *kept, question = draft.questions
        self.assertIn(question.variable.name, draft.outline.names)
        Question.delete([question])
        self.assertEqual(
            Definition(draft.id).outline.names,
            {q.variable.name for q in kept})

    @with_transaction()
    def test_on_change(self):
        "The client shows the questions and what is still unanswered"
        form = self.form()
        with acting('prescriber'):
            values = rpc(form.__class__, 'on_change', {
                        'id': form.id,
                        'definition': form.definition.id,
                        'patient': form.patient.id,
                        'answers': answers(form.answers, response='none'),
                        'missing': {},
                        'visit_date': dt.date.today(),
                        }, ['answers'])
        codes = {v.name: v.code for v in form.variables}
        self.assertEqual(
            {codes[n] for n in values['answers']},
            {'response', 'dose', 'cycles', 'stop_cause'})
        self.assertEqual(
            {codes[n] for n in values['missing']},
            {'dose', 'cycles', 'stop_cause'})

    @with_transaction()
    def test_on_change_of_another(self):
        "The client cannot be told what is computed for another's patient"
        form = self.form()
        with acting('south_prescriber'):
            with self.refused(AccessError):
                rpc(form.__class__, 'on_change', {
                            'definition': form.definition.id,
                            'patient': form.patient.id,
                            'answers': {},
                            'visit_date': dt.date.today(),
                            }, ['answers'])

    @with_transaction()
    def test_missing(self):
        "A reason stands for the answer, and goes when there is one"
        form = self.write(
            self.form(), response='partial', visit_date=dt.date.today())
        name, = [v.name for v in form.variables if v.code == 'dose']
        with acting('prescriber'):
            with self.refused(FormIncompleteError) as cm:
                rpc(form.__class__, 'submit', [form.id])
        self.assertIn("Dose", cm.exception.message)
        with self.refused(UserError):
            self.write(form, missing={name: 'forgotten'})
        with self.refused(SealedValueError):
            self.write(form, missing={'other': 'unknown'})
        form = self.write(form, missing={name: 'not_done'})
        self.assertEqual(form.missing[name], 'not_done')
        form = self.write(form, dose=Decimal(50))
        self.assertNotIn(name, form.missing)
        form = self.write(form, dose=None, missing={name: 'unknown'})
        with acting('prescriber'):
            rpc(form.__class__, 'submit', [form.id])
        self.assertEqual(form.__class__(form.id).state, 'submitted')

    @with_transaction()
    def test_computed(self):
        "What is computed is shown, and never asked"
        form = self.write(self.form(), visit_date=dt.date.today())
        patient = form.patient
        values = {
            v.code: form.computed.get(v.name)
            for v in form.computed_variables}
        self.assertEqual(values['sex'], patient.sex)
        self.assertEqual(
            values['age'],
            relativedelta(dt.date.today(), patient.birth_month).years)
        self.assertEqual(
            values['body_surface_area'] is None, not patient.height)
        computed = form.computed_variables[0]
        with acting('prescriber'), self.refused(SealedValueError):
            rpc(form.__class__, 'write', [form.id], {
                    'answers': {computed.name: 'female'}})

    @with_transaction()
    def test_dates(self):
        "Neither to come nor before the birth or the first administration"
        form = self.form()
        today = dt.date.today()
        start = form.patient.first_administration_date
        for date in [
                today + relativedelta(days=1), start - relativedelta(days=1)]:
            with self.subTest(date=date), self.refused(FormError):
                self.write(form, visit_date=date)
        access = self.form('draft', "Access request")
        for date in [
                today + relativedelta(days=1),
                access.patient.birth_month - relativedelta(days=1)]:
            with self.subTest(date=date), self.refused(AnswerError):
                self.write(access, diagnosis=date)

    @with_transaction()
    def test_group(self):
        "What is repeated is part of the form and follows it"
        pool = Pool()
        Form = pool.get('early_access.form')
        Code = pool.get('early_access.code')
        form = self.write(
            self.form(), response='partial', dose=Decimal(50),
            visit_date=dt.date.today())
        definition, = form.definition.groups
        code, other = Code.search([])
        with acting('prescriber'):
            for values in [
                    {'patient': form.patient.id, 'parent': None},
                    {'patient': self.patient('discontinued').id,
                        'parent': form.id},
                    ]:
                with self.refused(FormAccessError, UserError):
                    rpc(Form, 'create', [{
                                'definition': definition.id, **values}])
            ids = rpc(Form, 'create', [{
                        'definition': definition.id,
                        'patient': form.patient.id,
                        'parent': form.id,
                        'code': code.id,
                        } for _ in range(3)])
            groups = Form.browse(ids)
            self.assertEqual([g.repetition for g in groups], [1, 2, 3])
            self.assertEqual({g.code for g in groups}, {code})
            rpc(Form, 'delete', [ids[2]])
            with self.refused(FormIncompleteError) as cm:
                rpc(Form, 'submit', [form.id])
            self.assertIn(
                "Concomitant treatments 2: Start of the treatment",
                cm.exception.message)
        for group in Form.browse(ids[:2]):
            self.write(group, treatment_start=dt.date.today())
        with acting('prescriber'):
            rpc(Form, 'submit', [form.id])
            self.assertEqual(
                {g.state for g in Form.browse(ids[:2])}, {'submitted'})
            with self.refused(AccessError):
                rpc(Form, 'delete', ids[:1])
            with self.refused(AccessError):
                rpc(Form, 'write', ids[:1], {'code': other.id})
            with self.refused(FormAccessError):
                rpc(Form, 'create', [{
                            'definition': definition.id,
                            'patient': form.patient.id,
                            'parent': form.id,
                            }])
        with acting('regulatory_affairs'), self.refused(AccessError):
            rpc(Code, 'delete', [code.id])

    @with_transaction()
    def test_conditional_form(self):
        "A form is expected when earlier answers fulfil its conditions"
        Form = Pool().get('early_access.form')
        access = self.form('treated', "Access request")
        patient = access.patient
        self.assertFalse(self.forms(patient, definition__name="Imaging"))
        for metastases, state in [
                (['lung', 'bone'], 'expected'),
                (['bone'], 'not_applicable'),
                (['lung'], 'expected'),
                ]:
            with self.subTest(metastases=metastases):
                with acting('data_manager'):
                    rpc(Form, 'reopen', [access.id])
                self.write(access, metastases=metastases)
                with acting('prescriber'):
                    rpc(Form, 'submit', [access.id])
                imaging, = self.forms(patient, definition__name="Imaging")
                self.assertEqual(imaging.state, state)
                self.assertEqual(imaging.visit.name, "M3")

    @with_transaction()
    def test_moved_first_administration(self):
        "What is not entered moves with the first administration"
        patient = self.patient('treated')
        Patient = patient.__class__
        m1, m3 = self.forms(patient, definition__name="Follow-up")
        self.write(m1, response='partial', visit_date=dt.date.today())
        before = m1.due_date
        date = patient.first_administration_date - relativedelta(days=10)
        with acting('prescriber'):
            with self.refused(UserError):
                tomorrow = dt.date.today() + relativedelta(days=1)
                rpc(Patient, 'write', [patient.id], {
                        'first_administration_date': tomorrow})
        patient.request_date = date
        patient.first_administration_date = date
        patient.save()
        m1, m3 = [m1.__class__(f.id) for f in (m1, m3)]
        self.assertEqual(m3.due_date, date + relativedelta(months=3))
        self.assertEqual(m1.due_date, before)

    @with_transaction()
    def test_confirmed_once(self):
        "A confirmed answer is not questioned again until it changes"
        form = self.write(
            self.form(name="Initiation"), dose=Decimal(100),
            visit_date=dt.date.today())
        self.assertEqual(len(form.unusual_answers()), 1)
        form.confirm()
        form.save()
        self.assertFalse(form.unusual_answers())
        form = self.write(form, dose=Decimal(101))
        self.assertEqual(len(form.unusual_answers()), 1)

    @with_transaction()
    def test_two_tabs(self):
        "The second of two tabs that submit is told, and loses nothing"
        Form = Pool().get('early_access.form')
        form = self.write(
            self.form(name="Initiation"), dose=Decimal(50),
            visit_date=dt.date.today())
        with acting('prescriber'):
            rpc(Form, 'submit', [form.id])
            with self.refused(AccessError):
                rpc(Form, 'submit', [form.id])
        self.assertEqual(Form(form.id).state, 'submitted')
        self.assertEqual(list(Form(form.id).answers.values()), [Decimal(50)])


class AdverseEventTestCase(FormsTestCase):
    "Test what is handed over to pharmacovigilance"

    def event(self):
        Form = Pool().get('early_access.form')
        patient = self.patient('treated')
        definition = patient.protocol.form_definition('adverse_event')
        with acting('prescriber'):
            id_, = rpc(Form, 'create', [{
                        'patient': patient.id,
                        'definition': definition.id,
                        }])
        return Form(id_)

    @with_transaction()
    def test_deadline(self):
        "15 days after day 0, 90 only once it is known not to be serious"
        event = self.event()
        today = dt.date.today()
        self.assertEqual(event.day_zero, today)
        self.assertEqual(event.deadline, today + relativedelta(days=15))
        event = self.write(event, seriousness=['none'])
        self.assertEqual(event.deadline, today + relativedelta(days=90))
        event = self.write(event, seriousness=['death'])
        self.assertEqual(event.deadline, today + relativedelta(days=15))

    @with_transaction()
    def test_hand_over(self):
        "A draft is handed over, and the number of the case comes back"
        Form = Pool().get('early_access.form')
        event = self.write(self.event(), grade='grade_3')
        earlier = dt.date.today() - relativedelta(days=2)
        with acting('prescriber'):
            for values in [{'case_number': 'X-1'}, {'handover': None}]:
                with self.refused(AdverseEventError, AccessError):
                    rpc(Form, 'write', [event.id], values)
        with acting('pharmacovigilance'):
            with self.refused(AdverseEventError):
                rpc(Form, 'write', [event.id], {
                        'answers': answers(event.answers, grade='grade_1')})
            with self.refused(FormError):
                rpc(Form, 'write', [event.id], {
                        'day_zero': dt.date.today() + relativedelta(days=1)})
            rpc(Form, 'write', [event.id], {'day_zero': earlier})
            with self.refused(UserError):
                rpc(Form, 'acknowledge', [event.id])
            rpc(Form, 'hand_over', [event.id])
            with self.refused(UserError):
                rpc(Form, 'hand_over', [event.id])
            with self.refused(UserError):
                rpc(Form, 'acknowledge', [event.id])
            rpc(Form, 'write', [event.id], {'case_number': 'PV-2026-1'})
            rpc(Form, 'acknowledge', [event.id])
        event = Form(event.id)
        self.assertEqual(event.handover, 'acknowledged')
        self.assertEqual(event.acknowledged_by.login, 'pharmacovigilance')
        self.assertEqual(event.day_zero, earlier)

    @with_transaction()
    def test_discontinuation(self):
        "A stop for an adverse effect expects its form"
        patient = self.patient('treated')
        Patient = patient.__class__
        with acting('prescriber'):
            rpc(Patient, 'write', [patient.id], {
                    'discontinuation_date': dt.date.today(),
                    'stop_reason': 'adverse_effect',
                    })
            rpc(Patient, 'discontinue', [patient.id])
        event, = self.forms(patient, kind='adverse_event')
        self.assertEqual(event.state, 'expected')
        self.assertIsNone(event.day_zero)
        # The clock runs from the first entry, even without an answer
        event = self.write(event, seriousness=['hospitalisation'])
        self.assertEqual(event.state, 'draft')
        self.assertEqual(event.day_zero, dt.date.today())


class DefinitionTestCase(ProgrammeTestCase):
    "Test the check of a protocol as a whole"

    def draft(self):
        Protocol = Pool().get('early_access.protocol')
        active, = Protocol.search([('state', '=', 'active')])
        with acting('regulatory_affairs'):
            draft, = Protocol.copy([active], default={'version': '2'})
        draft = Protocol(draft.id)
        draft.decision = active.decision
        draft.effective_date = active.effective_date
        draft.save()
        return Protocol(draft.id)

    @with_transaction()
    def test_copy(self):
        "A new version is a whole copy, of which nothing differs"
        draft = self.draft()
        self.assertFalse(list(draft.problems()))
        lines = draft.difference.splitlines()
        self.assertFalse(
            [line for line in lines if "Conditions" in line], lines)
        follow_up, imaging = [
            f for f in draft.forms if f.kind == 'follow_up']
        group, = follow_up.groups
        for record in [
                group, imaging.conditions[0].variable,
                follow_up.questions[-1].conditions[0].variable]:
            self.assertEqual(record.protocol, draft)

    @with_transaction()
    def test_problems(self):
        "All the problems are told at once"
        pool = Pool()
        Variable = pool.get('early_access.variable')
        Question = pool.get('early_access.protocol.form.question')
        Form = pool.get('early_access.protocol.form')
        Condition = pool.get('early_access.protocol.form.question.condition')
        draft = self.draft()
        variables = {v.code: v for v in draft.variables}
        follow_up = next(f for f in draft.forms if f.kind == 'follow_up')
        questions = {q.variable.code: q for q in follow_up.questions}
        Condition.create([
                # On a later question
                {'question': questions['dose'].id,
                    'variable': variables['response'].id, 'value': 'none'},
                # Beyond the range, and contradictory
                {'question': questions['cycles'].id,
                    'variable': variables['dose'].id, 'operator': '>',
                    'value': '200'},
                {'question': questions['response'].id,
                    'variable': variables['cycles'].id, 'operator': '>',
                    'value': '10'},
                {'question': questions['response'].id,
                    'variable': variables['cycles'].id, 'operator': '<=',
                    'value': '5'},
                ])
        Variable.create([{
                    'protocol': draft.id, 'code': 'adult', 'string': "Adult",
                    'type_': 'integer', 'category': 'genetic',
                    'minimum': 3, 'maximum': 2}])
        form, = Form.create([{
                    'protocol': draft.id, 'kind': 'quality_of_life',
                    'name': "Questionnaire"}])
        with acting('regulatory_affairs'), self.refused(ProtocolError) as cm:
            rpc(draft.__class__, 'activate', [draft.id])
        message = cm.exception.message
        for text in [
                '"Dose" depends on "Response',
                'question "Cycles" is never asked',
                'question "Response" is never asked',
                'Code "adult" is used twice',
                'Variable "Adult" is asked by no form',
                'bounds of variable "Adult"',
                'Form "Questionnaire" asks no question',
                'Form "Questionnaire" is due at no visit',
                "Genetic data",
                ]:
            with self.subTest(text=text):
                self.assertIn(text, message)
        self.assertEqual(draft.__class__(draft.id).state, 'draft')
        self.assertTrue(Question.search([('form', '=', follow_up.id)]))

    @with_transaction()
    def test_condition_value(self):
        "A condition compares with what the variable may be"
        pool = Pool()
        Condition = pool.get('early_access.protocol.form.question.condition')
        draft = self.draft()
        variables = {v.code: v for v in draft.variables}
        follow_up = next(f for f in draft.forms if f.kind == 'follow_up')
        for code, operator, value in [
                ('response', '=', 'other'), ('response', '>', 'none'),
                ('dose', '=', 'many'), ('dose', '=', 'NaN'),
                ('diagnosis', '=', '31/12/2026')]:
            with self.subTest(code=code, value=value):
                with acting('regulatory_affairs'):
                    with self.refused(ConditionError):
                        rpc(Condition, 'create', [{
                                    'question': follow_up.questions[-1].id,
                                    'variable': variables[code].id,
                                    'operator': operator,
                                    'value': value,
                                    }])

    @with_transaction()
    def test_difference(self):
        "What a version changes is told in words"
        draft = self.draft()
        variables = {v.code: v for v in draft.variables}
        dose = variables['dose']
        dose.usual_maximum = Decimal(80)
        dose.save()
        draft.forms[-1].name = "Other treatments"
        draft.forms[-1].save()
        draft = draft.__class__(draft.id)
        difference = draft.difference
        self.assertIn('dose', difference)
        self.assertIn('"60"', difference)
        self.assertIn('"80"', difference)
        self.assertIn("added: Other treatments", difference)
        self.assertIn("removed: Concomitant treatments", difference)

    def activated(self, draft):
        with acting('regulatory_affairs'):
            rpc(draft.__class__, 'activate', [draft.id])
        return draft.__class__(draft.id)

    @with_transaction()
    def test_move(self):
        "Patients move to a version by an act, what they entered stays"
        pool = Pool()
        Form = pool.get('early_access.form')
        Patient = pool.get('early_access.patient')
        Visit = pool.get('early_access.protocol.visit')
        Wizard = pool.get('early_access.protocol.move', type='wizard')
        patient, other = Patient.browse([
                self.patient('treated'), self.patient('eligible')])
        m1, m3 = Form.search([
                ('patient', '=', patient.id),
                ('definition.name', '=', "Follow-up"),
                ], order=[('due_date', 'ASC')])
        with acting('prescriber'):
            rpc(Form, 'write', [m1.id], {
                    'visit_date': dt.date.today(),
                    'answers': answers(m1.answers, response='partial'),
                    })
        draft = self.draft()
        Visit.create([{
                    'protocol': draft.id, 'name': "M6", 'offset': 6,
                    'forms': [('add', [
                                f.id for f in draft.forms
                                if f.name == "Follow-up"])],
                    }])
        version = self.activated(draft)
        criteria = Patient(patient.id).criteria
        with acting('regulatory_affairs'), self.refused(UserError):
            rpc(version.__class__, 'move', [version.id])
        with acting('data_manager'):
            session, start, end = Wizard.create()
            with Transaction().set_context(
                    active_model='early_access.protocol',
                    active_id=version.id, active_ids=[version.id]):
                view = Wizard.execute(session, {}, start)['view']
                shown = view['defaults']['patients']
                self.assertIn(other.id, shown)
                self.assertNotIn(self.patient('draft').id, shown)
                Wizard.execute(session, {'start': {
                            'protocol': version.id,
                            'patients': [patient.id]}}, 'move')
        patient, other = Patient.browse([patient.id, other.id])
        self.assertEqual(patient.protocol, version)
        self.assertNotEqual(other.protocol, version)
        self.assertEqual(patient.criteria, criteria)
        change, = patient.protocol_changes
        self.assertEqual(change.moved_by.login, 'data_manager')
        self.assertEqual(
            [(f.visit.name, f.state, f.definition.protocol == version)
                for f in Form.search([
                        ('patient', '=', patient.id),
                        ('definition.name', '=', "Follow-up"),
                        ], order=[('due_date', 'ASC')])],
            [('M1', 'draft', False), ('M3', 'expected', True),
                ('M6', 'expected', True)])
        # Still the criteria of the request
        patient.weight = Decimal(70)
        patient.save()
