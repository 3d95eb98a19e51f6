# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What a form asks, known without reading its definition again.

It would otherwise be read for each form that is opened, saved or counted.
"""
from collections import namedtuple

__all__ = ['Computed', 'Outline', 'OutlineQuestion']

EMPTY = (None, ())

Computed = namedtuple('Computed', ['name', 'computation'])
Computed.__doc__ = "A variable that is computed and not asked"


class OutlineQuestion(
        namedtuple('OutlineQuestion', [
                'name', 'variable', 'schema', 'limits', 'future_dates',
                'required', 'may_be_missing', 'requirement'])):
    """A question of a form.

    name: that of the variable; variable: its id; limits: its Limits;
    requirement: the Requirement under which it is asked.
    """
    __slots__ = ()

    @property
    def takes_reason(self):
        "Whether a reason may stand for the answer."
        return self.may_be_missing or not self.required

    def accepts(self, value):
        "Whether the value is an answer, or none."
        return value in EMPTY or (
            self.schema.accepts(value) and self.limits.hold(value))


class Outline:
    """The questions of a form.

    questions: the OutlineQuestion in order; names: theirs; computed: the
    Computed variables of the protocol; is_conditional: whether some of the
    questions depend on conditions.
    """
    __slots__ = ('questions', 'names', 'computed', 'is_conditional')

    def __init__(self, questions, computed):
        self.questions = tuple(questions)
        self.names = frozenset(q.name for q in self.questions)
        self.computed = tuple(computed)
        self.is_conditional = any(
            q.requirement.comparisons for q in self.questions)

    def asked(self, values):
        """Return the questions that apply, in order.

        A question that is hidden has no answer for those that follow.

        :param values: the answers and the computed values by name of
            variable.
        """
        if not self.is_conditional:
            return self.questions
        known = {n: v for n, v in values.items() if n not in self.names}
        result = []
        for question in self.questions:
            if question.requirement.holds(known):
                known[question.name] = values.get(question.name)
                result.append(question)
        return result
