# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import datetime as dt
from collections import defaultdict

from sql import Window
from sql.aggregate import Count, Max
from sql.functions import RowNumber

from trytond.i18n import gettext
from trytond.model import (
    Index, ModelSQL, ModelView, Unique, Workflow, fields)
from trytond.model.exceptions import AccessError
from trytond.pool import Pool
from trytond.pyson import Eval, If
from trytond.tools.immutabledict import ImmutableDict
from trytond.transaction import Transaction, without_check_access

from .exceptions import (
    FormAccessError, FormError, FormIncompleteError, UnusualAnswerWarning)
from .definition import FORM_KINDS
from .sealed import Sealed, SealedMixin
from .workflow import (
    ProgrammeWorkflow, guarded, stamped, time_field, user_field)

OPEN_STATES = ['expected', 'draft']
# ICH E2A
SERIOUSNESS = [
    ('none', "Not serious"),
    ('death', "Death"),
    ('life', "Life-threatening"),
    ('hospitalisation', "Hospitalisation or its prolongation"),
    ('disability', "Disability or incapacity"),
    ('anomaly', "Congenital anomaly"),
    ('important', "Medically important"),
    ]


class Form(SealedMixin, ProgrammeWorkflow, ModelSQL, ModelView):
    """A form that the protocol prescribes for a patient, with its answers."""
    __name__ = 'early_access.form'

    _created = {
        'readonly': Eval('id', -1) >= 0,
        }

    patient = fields.Many2One(
        'early_access.patient', "Patient", required=True, ondelete='CASCADE',
        states=_created)
    company = fields.Function(
        fields.Many2One('company.company', "Company"),
        'on_change_with_company', searcher='search_company')
    definition = fields.Many2One(
        'early_access.protocol.form', "Form", required=True,
        ondelete='RESTRICT',
        domain=[
            If(Eval('id', -1) < 0,
                [
                    ('kind', '=', 'adverse_event'),
                    ('protocol.patients', '=', Eval('patient', -1)),
                    ],
                []),
            ],
        states=_created,
        help="The protocol makes the forms, but for the adverse events.")
    kind = fields.Selection(
        FORM_KINDS, "Kind", required=True, readonly=True, sort=False)
    related_person = fields.Many2One(
        'early_access.related_person', "Related Person", ondelete='RESTRICT',
        domain=[
            ('patient', '=', Eval('patient', -1)),
            ],
        states={
            'readonly': Eval('id', -1) >= 0,
            'invisible': Eval('kind') != 'adverse_event',
            },
        help="The person whom the event concerns, if not the patient.")
    visit = fields.Many2One(
        'early_access.protocol.visit', "Visit", readonly=True,
        ondelete='RESTRICT')
    repetition = fields.Integer("Repetition", required=True, readonly=True)
    earliest_date = fields.Date("From", readonly=True)
    due_date = fields.Date("Due", readonly=True)
    latest_date = fields.Date("Until", readonly=True)
    overdue = fields.Function(
        fields.Boolean("Overdue"), 'get_overdue', searcher='search_overdue')
    answers = Sealed(fields.Dict(
            'early_access.variable', "Answers",
            states={
                'readonly': ~Eval('state').in_(OPEN_STATES),
                }))
    seriousness = Sealed(fields.MultiSelection(
            SERIOUSNESS, "Seriousness", sort=False,
            states={
                'readonly': ~Eval('state').in_(OPEN_STATES),
                'invisible': Eval('kind') != 'adverse_event',
                },
            help="Why the event is serious, or that it is not."))
    submitted_by = user_field("Submitted By")
    submitted_at = time_field("Submitted At")
    verified_by = user_field("Verified By")
    verified_at = time_field("Verified At")
    locked_by = user_field("Locked By")
    locked_at = time_field("Locked At")
    state = fields.Selection([
            ('expected', "Expected"),
            ('draft', "Draft"),
            ('submitted', "Submitted"),
            ('verified', "Verified"),
            ('locked', "Locked"),
            ('not_applicable', "Not Applicable"),
            ], "State", required=True, readonly=True, sort=False)
    state_string = state.translated('state')

    del _created

    _sealed_keys = (
        'patient', 'related_person', 'definition', 'visit', 'repetition')
    _protected = frozenset({
            'state', 'kind', 'visit', 'repetition', 'earliest_date',
            'due_date', 'latest_date', 'submitted_by', 'submitted_at',
            'verified_by', 'verified_at', 'locked_by', 'locked_at'})

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_constraints += [
            ('form_unique', Unique(
                    t, t.patient, t.definition, t.visit, t.repetition),
                'early_access.msg_form_unique'),
            ]
        cls._sql_indexes.update({
                Index(
                    t, (t.patient, Index.Range()),
                    (t.state, Index.Equality(cardinality='low'))),
                Index(
                    t, (t.latest_date, Index.Range()),
                    where=t.state.in_(OPEN_STATES)),
                })
        cls._order = [('due_date', 'ASC NULLS FIRST'), ('id', 'ASC')]
        cls._transitions |= {
            ('expected', 'draft'),
            ('expected', 'submitted'),
            ('draft', 'submitted'),
            ('submitted', 'draft'),
            ('submitted', 'verified'),
            ('verified', 'locked'),
            ('expected', 'not_applicable'),
            ('draft', 'not_applicable'),
            }
        cls._buttons.update(
            reopen={
                'invisible': Eval('state') != 'submitted',
                'icon': 'tryton-back',
                'depends': ['state'],
                },
            submit={
                'invisible': ~Eval('state').in_(OPEN_STATES),
                'depends': ['state'],
                },
            verify={
                'invisible': Eval('state') != 'submitted',
                'depends': ['state'],
                },
            lock={
                'invisible': Eval('state') != 'verified',
                'depends': ['state'],
                })

    @staticmethod
    def default_state():
        return 'expected'

    @staticmethod
    def default_repetition():
        return 1

    @fields.depends('patient', '_parent_patient.company')
    def on_change_with_company(self, name=None):
        return self.patient.company if self.patient else None

    @classmethod
    def search_company(cls, name, clause):
        return [('patient.' + clause[0], *clause[1:])]

    @fields.depends('definition')
    def on_change_definition(self):
        if self.definition:
            self.kind = self.definition.kind
            self.answers = {v.name: None for v in self.variables}

    @classmethod
    def get_overdue(cls, forms, name):
        pool = Pool()
        Date = pool.get('ir.date')
        today = Date.today()
        return {
            f.id: bool(
                f.state in OPEN_STATES and f.latest_date
                and f.latest_date < today)
            for f in forms}

    @classmethod
    def search_overdue(cls, name, clause):
        _, operator, value = clause
        overdue = cls.overdue_domain()
        if (operator == '=') == bool(value):
            return overdue
        return ['NOT', overdue]

    @classmethod
    def overdue_domain(cls):
        pool = Pool()
        Date = pool.get('ir.date')
        return [
            ('state', 'in', OPEN_STATES),
            ('latest_date', '<', Date.today()),
            ]

    @classmethod
    def overdue_count(cls, patients):
        "The number of overdue forms by id of patient, where there are some."
        if not patients:
            return {}
        cursor = Transaction().connection.cursor()
        cursor.execute(*cls.overdue_query(patients))
        return dict(cursor.fetchall())

    @classmethod
    def overdue_query(cls, patients=None):
        "The SQL query of the patient and the number of overdue forms."
        pool = Pool()
        Date = pool.get('ir.date')
        table = cls.__table__()
        where = (
            table.state.in_(OPEN_STATES)
            & (table.latest_date < Date.today()))
        if patients is not None:
            where &= fields.SQL_OPERATORS['in'](
                table.patient, [p.id for p in patients])
        return table.select(
            table.patient, Count(table.id).as_('overdue'),
            where=where, group_by=table.patient)

    @classmethod
    def next_due(cls, patients):
        "The (id, due date) of the next open form by id of patient."
        table = cls.__table__()
        cursor = Transaction().connection.cursor()
        in_ = fields.SQL_OPERATORS['in']
        result = {}
        if not patients:
            return result
        window = Window(
            [table.patient],
            order_by=[table.due_date.asc.nulls_first, table.id.asc])
        ranked = table.select(
            table.patient, table.id, table.due_date,
            RowNumber(window=window).as_('rank'),
            where=in_(table.patient, [p.id for p in patients])
            & table.state.in_(OPEN_STATES))
        cursor.execute(*ranked.select(
                ranked.patient, ranked.id, ranked.due_date,
                where=ranked.rank == 1))
        for patient, id_, due_date in cursor:
            if isinstance(due_date, str):
                # SQLite does not know the type of a sub-query's column
                due_date = dt.date.fromisoformat(due_date)
            result[patient] = (id_, due_date)
        return result

    def get_rec_name(self, name):
        label = self.definition.name
        if self.visit:
            label = f'{label} {self.visit.name}'
        person = self.related_person or self.patient
        return f'{label} - {person.rec_name}'

    @classmethod
    def search_rec_name(cls, name, clause):
        _, operator, value = clause
        bool_op = 'AND' if operator.startswith(('!', 'not')) else 'OR'
        return [bool_op,
            ('definition.name', operator, value),
            ('visit.name', operator, value),
            ('patient.code', operator, value),
            ]

    @classmethod
    def view_attributes(cls):
        return super().view_attributes() + [
            ('/tree', 'visual',
                If(Eval('overdue', False), 'danger',
                    If(Eval('state') == 'not_applicable', 'muted', ''))),
            ]

    # Expected forms

    @classmethod
    def _expected(cls, patient, definition, visit=None, dates=None):
        earliest, due, latest = dates or (None, None, None)
        return {
            'patient': patient.id,
            'definition': definition.id,
            'visit': visit.id if visit else None,
            'earliest_date': earliest,
            'due_date': due,
            'latest_date': latest,
            }

    @classmethod
    def expect_access(cls, patients):
        "The access form of each new request."
        to_create = []
        for patient in patients:
            definition = patient.protocol.form_definition('access')
            to_create.append(cls._expected(patient, definition))
        cls.create(to_create)

    @classmethod
    def schedule(cls, patients):
        "The initiation form and those of the calendar of visits."
        to_create = []
        for patient in patients:
            protocol = patient.protocol
            start = patient.first_administration_date
            definition = protocol.form_definition('initiation')
            to_create.append(cls._expected(
                    patient, definition,
                    dates=definition.dates(start)))
            for visit in protocol.visits:
                dates = visit.dates(start)
                for form in visit.forms:
                    to_create.append(
                        cls._expected(patient, form, visit, dates))
        cls.create(to_create)

    @classmethod
    def discontinue(cls, patients):
        """Expect the discontinuation form, and no longer what was due after
        the treatment was stopped."""
        to_create, to_close = [], []
        for patient in patients:
            stop = patient.discontinuation_date
            for form in patient.forms:
                if (form.state in OPEN_STATES
                        and form.earliest_date
                        and form.earliest_date > stop):
                    to_close.append(form)
            definition = patient.protocol.form_definition('discontinuation')
            to_create.append(cls._expected(
                    patient, definition, dates=definition.dates(stop)))
        cls.not_applicable(to_close)
        cls.create(to_create)

    # Transitions

    @classmethod
    @Workflow.transition('draft')
    def start(cls, forms):
        "The first answers are entered."

    @classmethod
    @guarded('submitted')
    @ModelView.button
    @Workflow.transition('draft')
    def reopen(cls, forms):
        cls.write(forms, {
                'submitted_by': None,
                'submitted_at': None,
                })

    @classmethod
    @guarded(*OPEN_STATES)
    @ModelView.button
    @Workflow.transition('submitted')
    @stamped('submitted')
    def submit(cls, forms):
        """Send the answers to the laboratory.

        Raises FormIncompleteError naming the questions without an answer and
        UnusualAnswerWarning naming those out of the usual range.
        """
        pool = Pool()
        Warning = pool.get('res.user.warning')
        for form in forms:
            form.check_complete()
            unusual = form.unusual_answers()
            if unusual:
                name = Warning.format('unusual_answers', [form])
                if Warning.check(name):
                    raise UnusualAnswerWarning(name, gettext(
                            'early_access.msg_form_unusual',
                            form=form.rec_name,
                            variables='\n'.join(
                                f'- {v.string}' for v in unusual)))

    @classmethod
    @guarded('submitted')
    @ModelView.button
    @Workflow.transition('verified')
    @stamped('verified')
    def verify(cls, forms):
        for form in forms:
            form.check_complete()

    @classmethod
    @guarded('verified')
    @ModelView.button
    @Workflow.transition('locked')
    @stamped('locked')
    def lock(cls, forms):
        "Close the form for good."

    @classmethod
    @Workflow.transition('not_applicable')
    def not_applicable(cls, forms):
        "Nothing is expected any more."

    # Answers

    @property
    def variables(self):
        return [q.variable for q in self.definition.questions]

    def check_complete(self):
        answers = self.answers or {}
        missing = [
            q.variable for q in self.definition.questions
            if q.required and answers.get(q.variable.name) in (None, ())]
        if missing:
            raise FormIncompleteError(gettext(
                    'early_access.msg_form_incomplete',
                    form=self.rec_name,
                    variables='\n'.join(f'- {v.string}' for v in missing)))
        if self.kind == 'adverse_event' and not self.seriousness:
            raise FormIncompleteError(gettext(
                    'early_access.msg_form_seriousness_missing',
                    form=self.rec_name, **self.__names__('seriousness')))

    def unusual_answers(self):
        answers = self.answers or {}
        return [
            v for v in self.variables if v.is_unusual(answers.get(v.name))]

    @classmethod
    def _get_data_keys(cls, vlist):
        pool = Pool()
        Patient = pool.get('early_access.patient')
        RelatedPerson = pool.get('early_access.related_person')
        patients = Patient.browse([v.get('patient') for v in vlist])
        related = [
            RelatedPerson(p) if p else None
            for p in (v.get('related_person') for v in vlist)]
        return [(r or p).data_key for p, r in zip(patients, related)]

    @classmethod
    def _sealed_dict_names(cls, form, name):
        return {v.name for v in form.variables}

    @classmethod
    def _check_sealed_dict(cls, form, name, schemas):
        variables = {v.name: v for v in form.variables}
        for key, value in form.answers.items():
            variables[key].check_value(value, form.rec_name)

    @classmethod
    def _after_unseal(cls, rows, names):
        super()._after_unseal(rows, names)
        if 'answers' not in names:
            return
        pool = Pool()
        Question = pool.get('early_access.protocol.form.question')
        with without_check_access():
            questions = Question.search([
                    ('form', 'in', list({r['definition'] for r in rows})),
                    ])
        variables = defaultdict(list)
        for question in questions:
            variables[question.form.id].append(question.variable.name)
        for row in rows:
            if row['sealed_state'] == 'readable':
                answers = row['answers'] or {}
                row['answers'] = ImmutableDict(
                    (n, answers.get(n)) for n in variables[row['definition']])

    @classmethod
    def preprocess_values(cls, mode, values):
        pool = Pool()
        Definition = pool.get('early_access.protocol.form')
        values = super().preprocess_values(mode, values)
        if mode == 'create' and values.get('definition'):
            values['kind'] = Definition(values['definition']).kind
            if values['kind'] == 'adverse_event' and values.get('patient'):
                values['repetition'] = cls._next_repetition(values)
        return values

    @classmethod
    def _next_repetition(cls, values):
        table = cls.__table__()
        cursor = Transaction().connection.cursor()
        cursor.execute(*table.select(
                Max(table.repetition),
                where=(table.patient == values['patient'])
                & (table.definition == values['definition'])))
        last, = cursor.fetchone()
        return (last or 0) + 1

    @classmethod
    def validate_fields(cls, forms, field_names):
        super().validate_fields(forms, field_names)
        if field_names is None or 'seriousness' in field_names:
            for form in forms:
                seriousness = form.seriousness or ()
                if 'none' in seriousness and len(seriousness) > 1:
                    raise FormError(gettext(
                            'early_access.msg_form_seriousness',
                            form=form.rec_name,
                            **cls.__names__('seriousness')))

    @classmethod
    def check_modification(cls, mode, forms, values=None, external=False):
        super().check_modification(
            mode, forms, values=values, external=external)
        if not external:
            return
        for form in forms:
            if mode == 'create' and (
                    form.kind != 'adverse_event'
                    or form.definition.protocol != form.patient.protocol):
                raise FormAccessError(gettext(
                        'early_access.msg_form_create',
                        form=form.rec_name))
            elif mode == 'write' and form.state not in OPEN_STATES:
                raise AccessError(gettext(
                        'early_access.msg_form_not_editable',
                        form=form.rec_name,
                        state=form.state_string))
            elif mode == 'delete':
                raise AccessError(gettext(
                        'early_access.msg_form_delete',
                        form=form.rec_name))

    @classmethod
    def on_modification(cls, mode, forms, field_names=None):
        super().on_modification(mode, forms, field_names=field_names)
        if mode == 'write' and 'answers' in field_names:
            expected = [f for f in forms if f.state == 'expected']
            if expected:
                cls.start(expected)

    @classmethod
    def copy(cls, forms, default=None):
        default = default.copy() if default is not None else {}
        for name in ['submitted', 'verified', 'locked']:
            default.setdefault(f'{name}_by')
            default.setdefault(f'{name}_at')
        return super().copy(forms, default=default)
