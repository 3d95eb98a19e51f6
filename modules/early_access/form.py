# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import datetime as dt
from collections import Counter
from functools import wraps

from sql import Null
from sql.aggregate import Max

from trytond.i18n import gettext
from trytond.model import (
    Index, ModelSQL, ModelView, Unique, Workflow, fields)
from trytond.model.exceptions import AccessError
from trytond.pool import Pool
from trytond.pyson import Bool, Date, Eval, If
from trytond.transaction import Transaction

from .adverse_event import AdverseEventMixin
from .answers import OPEN_STATES, AnswersMixin
from .collection_mode import CollectionModeMixin
from .definition import FORM_KINDS, REPEATED_KINDS
from .exceptions import (
    FormAccessError, FormError, FormIncompleteError, UnusualAnswerWarning)
from .schedule import ScheduleMixin
from .sealed import Sealed
from .workflow import (
    ProgrammeWorkflow, guarded, stamped, time_field, user_field)


def with_groups(func):
    "Do to the repeated groups what is done to the forms they are part of."
    @wraps(func)
    def wrapper(cls, forms):
        groups = [g for f in forms for g in f.groups]
        return func(cls, cls.browse([*forms, *groups]))
    return wrapper


class Form(
        CollectionModeMixin, AdverseEventMixin, AnswersMixin, ScheduleMixin,
        ProgrammeWorkflow, ModelSQL, ModelView):
    """A form that the protocol prescribes for a patient, with its answers.

    What is repeated, such as a concomitant treatment, is a form too, that is
    part of another.
    """
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
                    ('kind', 'in', REPEATED_KINDS),
                    ('protocol.patients', '=', Eval('patient', -1)),
                    If(Bool(Eval('_parent_parent', {}).get('definition')),
                        ('parent', '=', Eval(
                                '_parent_parent', {}).get('definition', -1)),
                        ('kind', '!=', 'group')),
                    ],
                []),
            ],
        states=_created,
        help="The protocol makes the forms, but for the events and the "
        "repeated groups.")
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
    parent = fields.Many2One(
        'early_access.form', "Part Of", readonly=True, ondelete='CASCADE',
        states={
            'invisible': ~Eval('parent'),
            })
    groups = fields.One2Many(
        'early_access.form', 'parent', "Repeated",
        domain=[
            ('definition.parent', '=', Eval('definition', -1)),
            ('patient', '=', Eval('patient', -1)),
            ],
        states={
            'invisible': ~Bool(Eval('has_groups')),
            'readonly': ~Eval('state').in_(OPEN_STATES),
            },
        help="What is to be told as often as there is: treatments, events.")
    has_groups = fields.Function(
        fields.Boolean("Has Groups"), 'on_change_with_has_groups')
    code_list = fields.Function(
        fields.Many2One('early_access.code_list', "Code List"),
        'on_change_with_code_list')
    code = Sealed(fields.Many2One(
            'early_access.code', "Code",
            domain=[
                ('code_list', '=', Eval('code_list', -1)),
                ],
            states={
                'readonly': ~Eval('state').in_(OPEN_STATES),
                'invisible': ~Eval('code_list'),
                },
            help="What it is about, in the code list."))
    queries = fields.One2Many(
        'early_access.query', 'form', "Queries",
        states={
            'invisible': Eval('state').in_(OPEN_STATES),
            })
    corrections = fields.One2Many(
        'early_access.form.correction', 'form', "Corrections", readonly=True,
        states={
            'invisible': Eval('state').in_(OPEN_STATES),
            })
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

    # What makes an expected form a draft
    _entered = frozenset({
            'answers', 'missing', 'visit_date', 'code', 'situation',
            'seriousness'})

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
                Index(t, (t.parent, Index.Range())),
                Index(
                    t, (t.related_person, Index.Range()),
                    where=t.related_person != Null),
                Index(
                    t, (t.day_zero, Index.Range()),
                    where=t.handover != Null),
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
            ('not_applicable', 'expected'),
            ('verified', 'submitted'),
            }
        # A group goes with the form of which it is a part
        part = Bool(Eval('parent'))
        cls._buttons.update(
            reopen={
                'invisible': (Eval('state') != 'submitted') | part,
                'icon': 'tryton-back',
                'depends': ['state', 'parent'],
                },
            correct={
                'invisible': ~Eval('state').in_(['submitted', 'verified']),
                'depends': ['state'],
                },
            submit={
                'invisible': ~Eval('state').in_(OPEN_STATES) | part,
                'depends': ['state', 'parent'],
                },
            verify={
                'invisible': (Eval('state') != 'submitted') | part,
                'depends': ['state', 'parent'],
                },
            lock={
                'invisible': (Eval('state') != 'verified') | part,
                'depends': ['state', 'parent'],
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

    @fields.depends('definition', methods=['on_change_answers'])
    def on_change_definition(self):
        if self.definition:
            self.kind = self.definition.kind
            self.code_list = self.definition.code_list
            self.answers = None
            self.on_change_answers()

    @fields.depends('parent', '_parent_parent.patient')
    def on_change_parent(self):
        if self.parent:
            self.patient = self.parent.patient

    @fields.depends('definition')
    def on_change_with_has_groups(self, name=None):
        return bool(self.definition and self.definition.groups)

    @fields.depends('definition')
    def on_change_with_code_list(self, name=None):
        return self.definition.code_list if self.definition else None

    def get_rec_name(self, name):
        label = self.definition.name
        if self.visit:
            label = f'{label} {self.visit.name}'
        return f'{label} - {self.person.rec_name}'

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
            ('/tree[field/@name="deadline"]', 'visual',
                If((Eval('handover') != 'pending') | ~Eval('deadline'), '',
                    If(Eval('deadline', dt.date.max) < Date(), 'danger',
                        'warning'))),
            ('//page[@id="computed"]', 'states', {
                    'invisible': ~Eval('computed') & ~Eval('confirmed'),
                    }),
            ('//page[@id="pharmacovigilance"] | //group[@id="event"]',
                'states', {
                    'invisible': Eval('kind') != 'adverse_event',
                    }),
            ]

    # Transitions

    @classmethod
    @Workflow.transition('draft')
    def start(cls, forms):
        "The first answers are entered."
        cls.receive_event(forms)

    @classmethod
    @guarded('submitted')
    @ModelView.button
    @with_groups
    @Workflow.transition('draft')
    def reopen(cls, forms):
        cls.write(forms, {
                'submitted_by': None,
                'submitted_at': None,
                })

    @classmethod
    @guarded(*OPEN_STATES)
    @ModelView.button
    @with_groups
    @Workflow.transition('submitted')
    @stamped('submitted')
    def submit(cls, forms):
        """Send the answers to the laboratory.

        Raises FormIncompleteError naming the questions without an answer and
        UnusualAnswerWarning naming those out of the usual range.
        """
        pool = Pool()
        Warning = pool.get('res.user.warning')
        cls.check_all_complete(forms)
        for form in forms:
            unusual = form.unusual_answers()
            if unusual:
                name = Warning.format('unusual_answers', [form])
                if Warning.check(name):
                    raise UnusualAnswerWarning(name, gettext(
                            'early_access.msg_form_unusual',
                            form=form.rec_name,
                            variables='\n'.join(
                                f'- {v.string}' for v in unusual)))
                form.confirm()
        cls.save(forms)

    @classmethod
    @guarded('submitted')
    @ModelView.button
    @with_groups
    @Workflow.transition('verified')
    @stamped('verified')
    def verify(cls, forms):
        cls.check_all_complete(forms)
        for form in forms:
            if any(q.state != 'closed' for q in form.queries):
                raise FormError(gettext(
                        'early_access.msg_form_queries', form=form.rec_name))

    @classmethod
    @with_groups
    @Workflow.transition('submitted')
    def verify_again(cls, forms):
        "A verified form was corrected."
        cls.write(forms, {'verified_by': None, 'verified_at': None})

    @classmethod
    @guarded('submitted', 'verified')
    @ModelView.button_action('early_access.act_correction_form')
    def correct(cls, forms):
        "Prepare the correction of a form that was submitted."
        pool = Pool()
        Correction = pool.get('early_access.form.correction')
        if forms:
            form, = forms
            return {'res_id': [Correction.prepare(form).id]}

    @classmethod
    @guarded('verified')
    @ModelView.button
    @with_groups
    @Workflow.transition('locked')
    @stamped('locked')
    def lock(cls, forms):
        "Close the form for good."

    @classmethod
    @with_groups
    @Workflow.transition('not_applicable')
    def not_applicable(cls, forms):
        "Nothing is expected any more."

    @classmethod
    @Workflow.transition('expected')
    def expect(cls, forms):
        "The conditions of the form are fulfilled again."

    @classmethod
    def check_all_complete(cls, forms):
        "Raise FormIncompleteError naming all that is missing in the forms."
        lines = []
        for form in forms:
            prefix = f'{form.group_name}: ' if form.parent else ''
            lines += [f'- {prefix}{line}' for line in form.incomplete()]
        if lines:
            raise FormIncompleteError(gettext(
                    'early_access.msg_form_incomplete',
                    form=forms[0].rec_name,
                    variables='\n'.join(lines)))

    def check_complete(self):
        "Raise FormIncompleteError naming what is missing, in the groups too."
        self.check_all_complete([self, *self.groups])

    @property
    def group_name(self):
        return f'{self.definition.name} {self.repetition}'

    # Storage

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
    def preprocess_values(cls, mode, values):
        pool = Pool()
        Definition = pool.get('early_access.protocol.form')
        if mode == 'create' and values.get('definition'):
            values = {
                **values, 'kind': Definition(values['definition']).kind}
        return super().preprocess_values(mode, values)

    @classmethod
    def _seal_values(cls, vlist):
        cls._set_repetition(vlist)
        return super()._seal_values(vlist)

    @classmethod
    def _set_repetition(cls, vlist):
        "Number what is repeated, after what is there already."
        table = cls.__table__()
        cursor = Transaction().connection.cursor()
        numbers = Counter()
        for values in vlist:
            if values['kind'] not in REPEATED_KINDS:
                continue
            key = values['patient'], values['definition']
            if key not in numbers:
                cursor.execute(*table.select(
                        Max(table.repetition),
                        where=(table.patient == values['patient'])
                        & (table.definition == values['definition'])))
                numbers[key], = cursor.fetchone()
                numbers[key] = numbers[key] or 0
            numbers[key] += 1
            values['repetition'] = numbers[key]

    @classmethod
    def check_modification(cls, mode, forms, values=None, external=False):
        super().check_modification(
            mode, forms, values=values, external=external)
        if not external:
            return
        for form in forms:
            if mode == 'create':
                form._check_creation()
            elif (mode == 'write' and form.state not in OPEN_STATES
                    and not cls._is_vigilance()):
                raise AccessError(gettext(
                        'early_access.msg_form_not_editable',
                        form=form.rec_name,
                        state=form.state_string))
            elif mode == 'delete' and not (
                    form.parent and form.parent.state in OPEN_STATES):
                raise AccessError(gettext(
                        'early_access.msg_form_delete',
                        form=form.rec_name))

    def _check_creation(self):
        "Raise FormAccessError unless users may add the form."
        parent = self.parent
        if self.kind == 'group':
            valid = (
                parent and parent.state in OPEN_STATES
                and parent.patient == self.patient
                and parent.definition == self.definition.parent)
        else:
            valid = (
                self.kind in REPEATED_KINDS and not parent
                and self.definition.protocol == self.patient.protocol)
        if not valid:
            raise FormAccessError(gettext(
                    'early_access.msg_form_create',
                    form=self.rec_name))

    @classmethod
    def on_modification(cls, mode, forms, field_names=None):
        pool = Pool()
        Patient = pool.get('early_access.patient')
        super().on_modification(mode, forms, field_names=field_names)
        if mode == 'write' and field_names & cls._entered:
            expected = [f for f in forms if f.state == 'expected']
            if expected:
                cls.start(expected)
        elif mode == 'write' and 'state' in field_names:
            # What the conditions of other forms depend on may have changed
            cls.update_schedule(Patient.browse(list({
                            f.patient.id for f in forms
                            if f.state == 'submitted'})))

    @classmethod
    def copy(cls, forms, default=None):
        default = default.copy() if default is not None else {}
        for name in [
                'submitted', 'verified', 'locked', 'handed_over',
                'acknowledged']:
            default.setdefault(f'{name}_by')
            default.setdefault(f'{name}_at')
        for name in [
                'handover', 'case_number', 'day_zero', 'queries',
                'corrections']:
            default.setdefault(name)
        return super().copy(forms, default=default)
