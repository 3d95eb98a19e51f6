# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from dateutil.relativedelta import relativedelta

from trytond.cache import Cache
from trytond.model import (
    Index, ModelSQL, ModelView, Unique, fields, sequence_ordered)
from trytond.pool import Pool
from trytond.pyson import Eval
from trytond.transaction import without_check_access

from .condition import ConditionalMixin
from .definition import FORM_KINDS, DefinitionMixin
from .instrument import InstrumentMixin
from .national_number import NationalNumberMixin
from .outline import Computed, Outline, OutlineQuestion


class ProtocolForm(
        InstrumentMixin, ConditionalMixin, NationalNumberMixin,
        DefinitionMixin, sequence_ordered(), ModelSQL, ModelView):
    "The definition of a form of the protocol"
    __name__ = 'early_access.protocol.form'

    protocol = fields.Many2One(
        'early_access.protocol', "Protocol", required=True,
        ondelete='CASCADE',
        states={
            'readonly': Eval('id', -1) >= 0,
            })
    name = fields.Char("Name", required=True, translate=True)
    kind = fields.Selection(FORM_KINDS, "Kind", required=True, sort=False)
    kind_string = kind.translated('kind')
    due_within = fields.Integer(
        "Due Within", required=True,
        domain=[('due_within', '>=', 0)],
        states={
            'invisible': ~Eval('kind').in_(['initiation', 'discontinuation']),
            },
        help="The days after the first administration, or the "
        "discontinuation, in which the form is due.")
    parent = fields.Many2One(
        'early_access.protocol.form', "Repeated In", ondelete='CASCADE',
        domain=[
            ('protocol', '=', Eval('protocol', -1)),
            ('kind', '!=', 'group'),
            ],
        states={
            'invisible': Eval('kind') != 'group',
            'required': Eval('kind') == 'group',
            },
        help="The form of which the group is a part, as often as needed.")
    code_list = fields.Many2One(
        'early_access.code_list', "Code List", ondelete='RESTRICT',
        domain=[
            ('company', '=', Eval('company', -1)),
            ],
        states={
            'invisible': ~Eval('kind').in_(['group', 'adverse_event']),
            },
        help="The list that names what each repetition is about: a medicine "
        "(ATC), a disease, an adverse effect (MedDRA).")
    company = fields.Function(
        fields.Many2One('company.company', "Company"),
        'on_change_with_company')
    questions = fields.One2Many(
        'early_access.protocol.form.question', 'form', "Questions",
        order=[
            ('variable.sequence', 'ASC NULLS FIRST'),
            ('variable.id', 'ASC'),
            ],
        help="They are asked in the order of the variables.")
    groups = fields.One2Many(
        'early_access.protocol.form', 'parent', "Repeated Groups",
        readonly=True)
    conditions = fields.One2Many(
        'early_access.protocol.form.condition', 'form', "Expected If",
        states={
            'invisible': ~Eval('kind').in_(['follow_up', 'quality_of_life']),
            },
        help="The form is expected only if the answers to earlier forms "
        "fulfil these conditions.")

    _outlines = Cache('early_access.protocol.form.outline', context=False)

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls.__access__.add('protocol')
        t = cls.__table__()
        cls._sql_indexes.add(Index(t, (t.protocol, Index.Range())))

    @staticmethod
    def default_due_within():
        return 14

    @fields.depends('protocol', '_parent_protocol.company')
    def on_change_with_company(self, name=None):
        return self.protocol.company if self.protocol else None

    @property
    def variables(self):
        return [q.variable for q in self.questions]

    @property
    def computed_variables(self):
        return self.protocol.computed_variables

    @property
    def is_conditional(self):
        "Whether some of its questions depend on conditions."
        return any(q.conditions for q in self.questions)

    @property
    def outline(self):
        "The Outline, kept once the protocol is active: it is fixed then."
        outline = self._outlines.get(self.id)
        if outline is None:
            with without_check_access():
                form = self.__class__(self.id)
                outline = Outline(
                    [q.outline for q in form.questions],
                    [Computed(v.name, v.computation)
                        for v in form.computed_variables])
                if form.protocol.state != 'draft':
                    self._outlines.set(self.id, outline)
        return outline

    @classmethod
    def forget_outlines(cls):
        "Keep none of this transaction, which may be rolled back."
        cls._outlines.clear()

    def dates(self, start):
        "The (earliest, due, latest) dates of a form that follows an event."
        due = start + relativedelta(days=self.due_within)
        return start, due, due


class Question(
        ConditionalMixin, DefinitionMixin, ModelSQL, ModelView):
    """A variable asked by a form.

    The clients show the answers in the order of the variables: it is the
    order of the questions too.
    """
    __name__ = 'early_access.protocol.form.question'

    form = fields.Many2One(
        'early_access.protocol.form', "Form", required=True,
        ondelete='CASCADE')
    protocol = fields.Function(
        fields.Many2One('early_access.protocol', "Protocol"),
        'on_change_with_protocol')
    variable = fields.Many2One(
        'early_access.variable', "Variable", required=True,
        ondelete='RESTRICT',
        domain=[
            ('protocol', '=', Eval('protocol', -1)),
            ('computation', '=', None),
            ])
    required = fields.Boolean("Required")
    may_be_missing = fields.Boolean(
        "May Be Missing",
        states={
            'invisible': ~Eval('required', False),
            },
        help="A coded reason, such as not done, may be given in place of the "
        "answer.")
    conditions = fields.One2Many(
        'early_access.protocol.form.question.condition', 'question',
        "Asked If",
        help="The question is asked only if the answers above it, or computed "
        "values, fulfil these conditions.")

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls.__access__.add('form')
        t = cls.__table__()
        cls._sql_constraints += [
            ('variable_unique', Unique(t, t.form, t.variable),
                'early_access.msg_question_unique'),
            ]
        cls._sql_indexes.add(Index(t, (t.form, Index.Range())))

    @staticmethod
    def default_required():
        return True

    @staticmethod
    def default_may_be_missing():
        return True

    @fields.depends('form', '_parent_form.protocol')
    def on_change_with_protocol(self, name=None):
        return self.form.protocol if self.form else None

    def get_rec_name(self, name):
        return self.variable.rec_name

    @property
    def outline(self):
        variable = self.variable
        return OutlineQuestion(
            variable.name, variable.id, variable.schema, variable.limits,
            variable.future_dates, self.required, self.may_be_missing,
            self.requirement)

    @property
    def definition_protocol(self):
        return self.form.protocol

    @classmethod
    def _new_protocol(cls, values):
        pool = Pool()
        Form = pool.get('early_access.protocol.form')
        if values.get('form') is not None:
            return Form(values['form']).protocol
