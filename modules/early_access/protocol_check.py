# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from collections import Counter
from itertools import combinations

from trytond.i18n import gettext

from .definition import FORM_KINDS
from .variable import SPECIAL_CATEGORIES

# What is once in each protocol
SINGLE_KINDS = ['access', 'initiation', 'discontinuation']
_CHOICE = {'selection', 'multiselection'}


class ProtocolCheckMixin:
    "What prevents the activation of a protocol, checked as a whole"
    __slots__ = ()

    def problems(self):
        "Yield what prevents the activation, as translated sentences."
        yield from self._missing_parts()
        yield from self._form_problems()
        yield from self._code_problems()
        yield from self._range_problems()
        yield from self._condition_problems()
        yield from self._category_problems()

    def _missing_parts(self):
        if not self.decision:
            yield gettext('early_access.msg_protocol_no_decision')
        if not self.effective_date:
            yield gettext('early_access.msg_protocol_no_effective_date')
        if not self.criteria:
            yield gettext('early_access.msg_protocol_no_criterion')
        products = {s.product for s in self.supplies}
        for product in self.authorization.products:
            if product not in products:
                yield gettext(
                    'early_access.msg_protocol_no_quantity',
                    product=product.rec_name)

    def _form_problems(self):
        kinds = Counter(f.kind for f in self.forms)
        for kind in SINGLE_KINDS:
            if kinds[kind] != 1:
                yield gettext(
                    'early_access.msg_protocol_form_kind',
                    kind=dict(FORM_KINDS)[kind])
        visited = {f for v in self.visits for f in v.forms}
        for form in self.forms:
            if not form.questions and not form.code_list:
                yield gettext(
                    'early_access.msg_protocol_form_empty',
                    form=form.rec_name)
            yield from form.problems()
            if form.kind == 'quality_of_life' and form.is_conditional:
                yield gettext(
                    'early_access.msg_protocol_instrument_condition',
                    form=form.rec_name)
            if (form.kind in {'follow_up', 'quality_of_life'}
                    and form not in visited):
                yield gettext(
                    'early_access.msg_protocol_form_no_visit',
                    form=form.rec_name)
        for visit in self.visits:
            if not visit.forms:
                yield gettext(
                    'early_access.msg_protocol_visit_empty',
                    visit=visit.rec_name)

    def _code_problems(self):
        codes = Counter(v.code for v in self.variables)
        codes.update(c.code for c in self.criteria)
        for code, count in codes.items():
            if count > 1:
                yield gettext(
                    'early_access.msg_protocol_code_twice', code=code)
        asked = {q.variable for f in self.forms for q in f.questions}
        for variable in self.variables:
            if variable not in asked and not variable.computation:
                yield gettext(
                    'early_access.msg_protocol_variable_unasked',
                    variable=variable.rec_name)

    def _range_problems(self):
        for variable in self.variables:
            bounds = [
                variable.minimum, variable.usual_minimum,
                variable.usual_maximum, variable.maximum]
            bounds = [b for b in bounds if b is not None]
            if bounds != sorted(bounds):
                yield gettext(
                    'early_access.msg_protocol_range',
                    variable=variable.rec_name)

    def _condition_problems(self):
        computed = set(self.computed_variables)
        for form in self.forms:
            earlier = set(computed)
            for question in form.questions:
                for condition in question.conditions:
                    if condition.variable not in earlier:
                        yield gettext(
                            'early_access.msg_protocol_condition_later',
                            question=question.rec_name, form=form.rec_name,
                            condition=condition.rec_name)
                if not is_reachable(question):
                    yield gettext(
                        'early_access.msg_protocol_question_unreachable',
                        question=question.rec_name, form=form.rec_name,
                        conditions=question.condition_text)
                earlier.add(question.variable)
            if not is_reachable(form):
                yield gettext(
                    'early_access.msg_protocol_form_unreachable',
                    form=form.rec_name, conditions=form.condition_text)
            yield from self._form_condition_problems(form, computed)

    def _form_condition_problems(self, form, computed):
        # A form on whose answers it depends comes before it
        earlier = computed | {
            q.variable for f in self.forms for q in f.questions
            if f != form and f.kind in {'access', 'initiation', 'follow_up'}}
        for condition in form.conditions:
            if condition.variable not in earlier:
                yield gettext(
                    'early_access.msg_protocol_form_condition',
                    form=form.rec_name, condition=condition.rec_name)

    def _category_problems(self):
        justified = {j.category for j in self.justifications}
        for category, label in SPECIAL_CATEGORIES:
            codes = [
                v.code for v in self.variables if v.category == category]
            if codes and category not in justified:
                yield gettext(
                    'early_access.msg_protocol_not_justified',
                    category=label, variables=', '.join(codes))


def is_reachable(conditional):
    "Whether some answers fulfil the conditions of a question or a form."
    conditions = conditional.conditions
    possible = [c for c in conditions if _is_possible(c)]
    if not conditions:
        return True
    elif conditional.condition_mode == 'any':
        return bool(possible)
    return len(possible) == len(conditions) and not any(
        _exclude(one, other) for one, other in combinations(conditions, 2))


def _is_possible(condition):
    "Whether a value in the range of the variable fulfils the condition."
    variable = condition.variable
    if variable.type_ in _CHOICE:
        return (
            condition.operator == '=' or variable.type_ == 'multiselection'
            or len(variable.choices) > 1)
    elif variable.type_ == 'date':
        return True
    value, operator = condition.comparable, condition.operator
    low, high = variable.minimum, variable.maximum
    if low is not None and (
            operator in {'=', '<='} and value < low
            or operator == '<' and value <= low):
        return False
    return high is None or not (
        operator in {'=', '>='} and value > high
        or operator == '>' and value >= high)


def _exclude(one, other):
    "Whether two conditions on one variable can never hold together."
    if one.variable != other.variable:
        return False
    if one.variable.type_ == 'multiselection':
        return (
            one.value == other.value and one.operator != other.operator)
    elif one.variable.type_ == 'selection':
        choices = one.variable.choices
        return not (_choices(one, choices) & _choices(other, choices))
    (low, low_open), (high, high_open) = _interval([one, other])
    if low is None or high is None:
        return False
    if low == high:
        differ = {one.operator, other.operator} == {'=', '!='}
        return low_open or high_open or (
            differ and one.comparable == other.comparable)
    return low > high


def _choices(condition, choices):
    if condition.operator == '=':
        return {condition.value}
    return choices - {condition.value}


def _interval(conditions):
    "The greatest lower and the least upper bound, and whether each is open."
    low = high = (None, False)
    for condition in conditions:
        value, operator = condition.comparable, condition.operator
        if operator in {'=', '>', '>='}:
            if low[0] is None or value >= low[0]:
                low = value, operator == '>' or (
                    value == low[0] and low[1])
        if operator in {'=', '<', '<='}:
            if high[0] is None or value <= high[0]:
                high = value, operator == '<' or (
                    value == high[0] and high[1])
    return low, high
