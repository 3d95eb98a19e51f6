# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from trytond.i18n import gettext
from trytond.model import fields
from trytond.pool import Pool
from trytond.pyson import Eval
from trytond.tools.immutabledict import ImmutableDict
from trytond.transaction import without_check_access

from .computation import COMPUTATIONS, Facts
from .definition import VISIT_KINDS
from .exceptions import AnswerError, FormError
from .outline import EMPTY
from .sealed import Sealed, SealedMixin

OPEN_STATES = ['expected', 'draft']


class AnswersMixin(SealedMixin):
    """The answers of a form to the questions that apply.

    The answers hold a key for each question that applies now, unanswered ones
    as None, such that the clients show the whole form. The answer to a
    question that is hidden is cleared when the form is saved.
    """
    __slots__ = ()

    _open = {
        'readonly': ~Eval('state').in_(OPEN_STATES),
        }

    visit_date = fields.Date(
        "Visit Date",
        states={
            **_open,
            'invisible': Eval('kind').in_(['access', 'group']),
            },
        help="When the answers were collected.")
    answers = Sealed(fields.Dict(
            'early_access.variable', "Answers", states=_open))
    missing = Sealed(fields.Dict(
            'early_access.variable.missing', "Unanswered",
            states={
                **_open,
                'invisible': ~Eval('missing'),
                },
            help="The questions still without an answer. Give the reason "
            "where there will be none."))
    confirmed = Sealed(fields.Dict(
            'early_access.variable', "Confirmed",
            states={
                'readonly': True,
                'invisible': ~Eval('confirmed'),
                },
            help="The answers out of the usual range that were confirmed."))
    computed = fields.Function(fields.Dict(
            'early_access.variable', "Computed",
            states={
                'invisible': ~Eval('computed'),
                }),
        'get_computed')

    del _open

    # What is completed from other members of the document
    _sealed_needs = {'missing': {'answers'}}

    # The client

    @fields.depends(
        'definition', 'kind', 'patient', 'related_person', 'visit_date',
        'parent', '_parent_parent.kind', '_parent_parent.patient',
        '_parent_parent.visit_date', 'answers', 'missing')
    def on_change_answers(self):
        if not self.definition:
            return
        computed = {}
        if not self.related_person:
            computed = self._computed_values()
        answers = self.answers or {}
        asked = self.definition.outline.asked({**answers, **computed})
        self.answers = {q.name: answers.get(q.name) for q in asked}
        self.missing = _missing(asked, self.answers, self.missing or {})
        self.computed = computed

    @fields.depends(methods=['on_change_answers'])
    def on_change_visit_date(self):
        self.on_change_answers()

    def _computed_values(self):
        variables = self.definition.outline.computed if self.patient else ()
        if not variables:
            return {}
        # Read as the user, who may have named another patient
        facts = self._facts([self.patient.id])
        if self.parent and self.parent.patient != self.patient:
            return {}
        return compute(
            variables,
            facts[self.patient.id]._replace(date=self.observed_date))

    # Reading

    @classmethod
    def _after_unseal(cls, rows, names):
        super()._after_unseal(rows, names)
        if names.isdisjoint({'answers', 'missing'}):
            return
        pool = Pool()
        Definition = pool.get('early_access.protocol.form')
        outlines = {
            d.id: d.outline for d in Definition.browse(
                list({r['definition'] for r in rows}))}
        with without_check_access():
            computed = cls._compute([
                    r['id'] for r in rows
                    if outlines[r['definition']].is_conditional])
        for row in rows:
            if row['sealed_state'] != 'readable':
                continue
            answers = row['answers'] or {}
            asked = outlines[row['definition']].asked(
                {**answers, **computed.get(row['id'], {})})
            row['answers'] = ImmutableDict(
                (q.name, answers.get(q.name)) for q in asked)
            if 'missing' in names:
                row['missing'] = ImmutableDict(_missing(
                        asked, answers, row['missing'] or {}))

    @classmethod
    def get_computed(cls, forms, name):
        # The access to the form is that to what is computed for it
        with without_check_access():
            return cls._compute([f.id for f in forms])

    @classmethod
    def _compute(cls, ids):
        "Return the computed values by name of variable, by id of form."
        result = dict.fromkeys(ids)
        forms = [
            f for f in cls.browse(ids)
            if f.definition.outline.computed and not f.related_person]
        facts = cls._facts(list({f.patient.id for f in forms}))
        for form in forms:
            result[form.id] = compute(
                form.definition.outline.computed,
                facts[form.patient.id]._replace(date=form.observed_date))
        return {i: v or {} for i, v in result.items()}

    @classmethod
    def _facts(cls, patients):
        "Return the Facts of each patient by id, without the date."
        pool = Pool()
        Patient = pool.get('early_access.patient')
        names = [
            'sex', 'birth_date', 'birth_month', 'weight', 'height',
            'first_administration_date']
        return {
            r['id']: Facts(
                sex=r['sex'], birth=r['birth_date'] or r['birth_month'],
                weight=r['weight'], height=r['height'],
                start=r['first_administration_date'], date=None)
            for r in Patient.read(patients, ['id', *names])}

    @property
    def variables(self):
        return self.definition.variables

    @property
    def computed_variables(self):
        return self.definition.computed_variables

    @property
    def person(self):
        "The person whom the answers are about."
        return self.related_person or self.patient

    @property
    def observed_date(self):
        "The date for which the values are computed."
        if self.kind == 'access':
            return self.patient.request_date
        elif self.parent:
            return self.parent.observed_date
        return self.visit_date

    @property
    def asked(self):
        "The questions that apply, in order."
        names = (self.answers or {}).keys()
        return [
            q for q in self.definition.questions if q.variable.name in names]

    # Completeness

    def incomplete(self):
        """Yield what is missing, as translated lines.

        A question is answered by its answer, or by a reason where it may be
        missing.
        """
        if self.kind in VISIT_KINDS and not self.visit_date:
            yield self.__names__('visit_date')['field']
        answers, missing = self.answers or {}, self.missing or {}
        for question in self.asked:
            name = question.variable.name
            if (question.required and answers.get(name) in EMPTY
                    and not missing.get(name)):
                yield question.variable.label

    def unusual_answers(self):
        "Return the variables out of their usual range, if not confirmed yet."
        answers, confirmed = self.answers or {}, self.confirmed or {}
        return [
            v for v in self.variables
            if v.is_unusual(answers.get(v.name))
            and confirmed.get(v.name) != answers[v.name]]

    def confirm(self):
        "Remember the answers out of their usual range as confirmed."
        answers = self.answers or {}
        self.confirmed = {
            v.name: answers[v.name] for v in self.variables
            if v.is_unusual(answers.get(v.name))}

    # Storage

    @classmethod
    def _settle_document(cls, document, values, record=None):
        """Clear the answers to the questions that are hidden, and the reasons
        of those that are answered."""
        super()._settle_document(document, values, record=record)
        if not document.get('answers') and not document.get('missing'):
            return
        pool = Pool()
        Definition = pool.get('early_access.protocol.form')
        definition = Definition(
            record.definition.id if record else values['definition'])
        load = cls._sealed_fields['answers'].load
        answers = load(document.get('answers')) or {}
        outline = definition.outline
        known = answers
        if outline.is_conditional:
            known = {
                **answers, **cls._values_to_settle(outline, values, record)}
        hidden = outline.names - {q.name for q in outline.asked(known)}
        for member in ['answers', 'missing', 'confirmed']:
            document[member] = {
                n: v for n, v in (document.get(member) or {}).items()
                if n not in hidden and v is not None}
        for name in document['answers'].keys() & document['missing'].keys():
            del document['missing'][name]

    @classmethod
    def _values_to_settle(cls, outline, values, record):
        related = record.related_person if record else (
            values.get('related_person'))
        if related or not outline.computed:
            return {}
        patient = record.patient.id if record else values['patient']
        date = values.get('visit_date')
        if record and 'visit_date' not in values:
            date = record.observed_date
        with without_check_access():
            facts = cls._facts([patient])
        return compute(outline.computed, facts[patient]._replace(date=date))

    @classmethod
    def _sealed_dict_names(cls, form, name):
        outline = form.definition.outline
        if name == 'missing':
            return {q.name for q in outline.questions if q.takes_reason}
        return outline.names

    @classmethod
    def _check_sealed_dict(cls, form, name, schemas):
        if name != 'answers':
            super()._check_sealed_dict(form, name, schemas)
            return
        pool = Pool()
        Variable = pool.get('early_access.variable')
        questions = {q.name: q for q in form.definition.outline.questions}
        answers = form.answers
        for name, value in answers.items():
            if not questions[name].accepts(value):
                variable = Variable(questions[name].variable)
                variable.check_value(value, form.rec_name)
        form._check_dates([
                (questions[n], v) for n, v in answers.items()
                if questions[n].schema.type_ == 'date' and v is not None])

    def _check_dates(self, dates):
        "Check a list of (question, date)."
        if not dates:
            return
        pool = Pool()
        Variable = pool.get('early_access.variable')
        today = self.patient._today()
        birth = self.person.earliest_birth
        for question, date in dates:
            if date > today and not question.future_dates:
                message = 'early_access.msg_answer_future'
            elif birth and date < birth:
                message = 'early_access.msg_answer_before_birth'
            else:
                continue
            raise AnswerError(gettext(
                    message, variable=Variable(question.variable).string,
                    record=self.rec_name))

    @classmethod
    def validate_fields(cls, forms, field_names):
        super().validate_fields(forms, field_names)
        if field_names is None or 'visit_date' in field_names:
            for form in forms:
                if form.visit_date:
                    form._check_visit_date()

    def _check_visit_date(self):
        patient = self.patient
        if self.kind in VISIT_KINDS:
            earliest = patient.first_administration_date
        else:
            earliest = self.person.earliest_birth
        if self.visit_date > patient._today():
            message = 'early_access.msg_form_visit_future'
        elif earliest and self.visit_date < earliest:
            message = 'early_access.msg_form_visit_early'
        else:
            return
        # The earliest date is not told: it may be that of the birth
        raise FormError(gettext(message, form=self.rec_name))


def _missing(asked, answers, missing):
    "The reasons of the questions that have no answer and may have none."
    return {
        q.name: missing.get(q.name) for q in asked
        if answers.get(q.name) in EMPTY and q.takes_reason}


def compute(variables, facts):
    "Return the values of the computed variables that are known, by name."
    values = {
        v.name: COMPUTATIONS[v.computation](facts) for v in variables}
    return {n: v for n, v in values.items() if v is not None}
