# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The conditions under which a question is asked or a form is expected."""

import datetime as dt
import operator
from collections import namedtuple
from decimal import Decimal, InvalidOperation

from trytond.i18n import gettext
from trytond.model import Index, ModelSQL, ModelView, fields
from trytond.pyson import Eval

from .definition import DefinitionMixin
from .exceptions import ConditionError

OPERATORS = [
    ('=', "is"),
    ('!=', "is not"),
    ('<', "is less than"),
    ('<=', "is at most"),
    ('>', "is more than"),
    ('>=', "is at least"),
    ]
_COMPARE = {
    '=': operator.eq,
    '!=': operator.ne,
    '<': operator.lt,
    '<=': operator.le,
    '>': operator.gt,
    '>=': operator.ge,
    }
_CHOICE = {'selection', 'multiselection'}


class Comparison(
        namedtuple('Comparison', ['name', 'multiple', 'operator', 'value'])):
    """A condition, without its record.

    name: that of the variable; multiple: whether it has several values.
    """
    __slots__ = ()

    def holds(self, values):
        "Whether the values, by name of variable, fulfil the condition."
        value = values.get(self.name)
        if value is None or value == ():
            return False
        if self.multiple:
            return (self.value in value) == (self.operator == '=')
        try:
            return _COMPARE[self.operator](value, self.value)
        except TypeError:
            # A value of another type, that is about to be refused
            return False


class Requirement(namedtuple('Requirement', ['mode', 'comparisons'])):
    "Conditions of which 'all' or 'any' must hold, without their records"
    __slots__ = ()

    def holds(self, values):
        """Whether the conditions are fulfilled; True if there is none.

        :param values: the values by name of variable.
        """
        if not self.comparisons:
            return True
        quantifier = all if self.mode == 'all' else any
        return quantifier(c.holds(values) for c in self.comparisons)


class ConditionMixin(DefinitionMixin):
    """A comparison of the answer to an earlier question with a value.

    It does not hold as long as the question is not answered, whatever the
    operator. The choices of a multiple selection are looked for: it "is" each
    of them.
    """
    __slots__ = ()

    protocol = fields.Function(
        fields.Many2One('early_access.protocol', "Protocol"),
        'on_change_with_protocol')
    variable = fields.Many2One(
        'early_access.variable', "Variable", required=True,
        ondelete='RESTRICT',
        domain=[
            ('protocol', '=', Eval('protocol', -1)),
            ])
    operator = fields.Selection(
        OPERATORS, "Operator", required=True, sort=False, translate=True)
    operator_string = operator.translated('operator')
    value = fields.Char(
        "Value", required=True,
        help="The code of a choice, a number, or a date as 2026-12-31.")

    # The field that names the question or the form under the condition
    _of = None

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls.__access__.add(cls._of)
        t = cls.__table__()
        cls._sql_indexes.add(Index(t, (getattr(t, cls._of), Index.Range())))

    @staticmethod
    def default_operator():
        return '='

    @property
    def of(self):
        "The question or the form under the condition."
        return getattr(self, self._of)

    @property
    def definition_protocol(self):
        return self.of.definition_protocol

    @classmethod
    def _new_protocol(cls, values):
        if values.get(cls._of) is not None:
            Target = cls._fields[cls._of].get_target()
            return Target(values[cls._of]).definition_protocol

    @fields.depends('variable')
    def autocomplete_value(self):
        return self.variable.choice_codes if self.variable else []

    def get_rec_name(self, name):
        variable = self.variable
        value = self.value
        if variable.type_ in _CHOICE:
            value = variable.choice_label(value)
        return f'{variable.string} {self.operator_string} {value}'

    @property
    def comparable(self):
        """The value to compare the answers with.

        :raises ConditionError: if it is not of the type of the variable.
        """
        type_ = self.variable.type_
        try:
            if type_ == 'date':
                return dt.date.fromisoformat(self.value)
            elif type_ in {'integer', 'numeric'}:
                value = Decimal(self.value)
                if value.is_finite():
                    return value
            elif self.value in self.variable.choices and self.operator in {
                    '=', '!='}:
                return self.value
        except (ValueError, InvalidOperation):
            pass
        raise ConditionError(gettext(
                'early_access.msg_condition_value',
                condition=self.rec_name,
                record=self.of.rec_name,
                type=self.variable.type_string,
                choices=', '.join(self.variable.choice_codes) or '-'))

    @property
    def comparison(self):
        return Comparison(
            self.variable.name, self.variable.type_ == 'multiselection',
            self.operator, self.comparable)

    @classmethod
    def validate_fields(cls, conditions, field_names):
        super().validate_fields(conditions, field_names)
        for condition in conditions:
            condition.comparable


class ConditionalMixin:
    "What depends on conditions"
    __slots__ = ()

    condition_mode = fields.Selection([
            ('all', "All Conditions"),
            ('any', "Any Condition"),
            ], "Requires", required=True, sort=False,
        states={
            'invisible': ~Eval('conditions', []),
            })

    condition_text = fields.Function(
        fields.Char("Conditions"), 'get_condition_text')

    @staticmethod
    def default_condition_mode():
        return 'all'

    @property
    def requirement(self):
        return Requirement(
            self.condition_mode,
            tuple(c.comparison for c in self.conditions))

    def holds(self, values):
        "Whether the conditions are fulfilled by the values."
        return self.requirement.holds(values)

    def get_condition_text(self, name):
        link = gettext(f'early_access.msg_condition_{self.condition_mode}')
        return f' {link} '.join(c.rec_name for c in self.conditions)


class QuestionCondition(ConditionMixin, ModelSQL, ModelView):
    "A condition under which a question is asked"
    __name__ = 'early_access.protocol.form.question.condition'
    _of = 'question'

    question = fields.Many2One(
        'early_access.protocol.form.question', "Question", required=True,
        ondelete='CASCADE')

    @fields.depends('question', '_parent_question.protocol')
    def on_change_with_protocol(self, name=None):
        return self.question.protocol if self.question else None


class FormCondition(ConditionMixin, ModelSQL, ModelView):
    "A condition under which a form is expected"
    __name__ = 'early_access.protocol.form.condition'
    _of = 'form'

    form = fields.Many2One(
        'early_access.protocol.form', "Form", required=True,
        ondelete='CASCADE')

    @fields.depends('form', '_parent_form.protocol')
    def on_change_with_protocol(self, name=None):
        return self.form.protocol if self.form else None
