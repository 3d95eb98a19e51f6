# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The branching logic of a data dictionary: [age] >= '18' and [sex] = '1'."""

from collections import namedtuple

import pyparsing as pp

__all__ = ['Comparison', 'Logic', 'LogicError', 'format_logic', 'parse_logic']

MAX_LENGTH = 2_000
MAX_DEPTH = 20

Comparison = namedtuple(
    'Comparison', ['name', 'choice', 'operator', 'value'])
Comparison.__doc__ = """The answer to a question compared with a value.

choice: the code of the choice of a checkbox, None for the other types;
operator: one of those of the conditions.
"""
Logic = namedtuple('Logic', ['mode', 'comparisons'])
Logic.__doc__ = "A flat list of comparisons, of which 'all' or 'any' hold"


class LogicError(ValueError):
    "The logic cannot be read ('syntax') or is not flat ('nested')"


def _grammar():
    name = pp.Regex(r'[A-Za-z][A-Za-z0-9_]*')
    choice = pp.Regex(r'[^()\[\]]+')
    reference = pp.Group(
        pp.Suppress('[') + name('name')
        + pp.Opt(pp.Suppress('(') + choice('choice') + pp.Suppress(')'))
        + pp.Suppress(']'))
    operator = pp.one_of('<= >= <> != = < >')
    value = (
        pp.Regex(r"'[^']*'|\"[^\"]*\"").set_parse_action(
            lambda tokens: tokens[0][1:-1])
        | pp.Regex(r'-?\d+(\.\d+)?'))
    comparison = (reference('reference') + operator('operator')
        + value('value')).set_parse_action(_comparison)
    logic = pp.Forward()
    atom = comparison | pp.Suppress('(') + logic + pp.Suppress(')')
    all_ = (atom + pp.ZeroOrMore(
            pp.Suppress(pp.CaselessKeyword('and')) + atom)
        ).set_parse_action(lambda tokens: [_join('all', tokens)])
    logic <<= (all_ + pp.ZeroOrMore(
            pp.Suppress(pp.CaselessKeyword('or')) + all_)
        ).set_parse_action(lambda tokens: [_join('any', tokens)])
    return logic


def _comparison(tokens):
    reference = tokens['reference']
    operator = tokens['operator']
    return [Comparison(
            reference['name'].lower(), reference.get('choice'),
            '!=' if operator == '<>' else operator, tokens['value'])]


def _join(mode, tokens):
    "Make one node of those that are linked, flat where it can be."
    tokens = list(tokens)
    if len(tokens) == 1:
        return tokens[0]
    nodes = []
    for token in tokens:
        if isinstance(token, Logic) and token.mode == mode:
            nodes += token.comparisons
        else:
            nodes.append(token)
    return Logic(mode, nodes)


_GRAMMAR = _grammar()


def parse_logic(text):
    """Return the Logic of a text.

    :raises LogicError: if it is anything else than comparisons that are all
        linked by "and", or all by "or".
    """
    # A hostile text must not exhaust the stack
    if len(text) > MAX_LENGTH or text.count('(') > 100 or _depth(
            text) > MAX_DEPTH:
        raise LogicError('syntax')
    try:
        logic, = _GRAMMAR.parse_string(text, parse_all=True)
    except pp.ParseBaseException:
        raise LogicError('syntax') from None
    if isinstance(logic, Comparison):
        logic = Logic('all', [logic])
    if not all(isinstance(c, Comparison) for c in logic.comparisons):
        raise LogicError('nested')
    return logic


def _depth(text):
    depth = deepest = 0
    for character in text:
        if character == '(':
            depth += 1
            deepest = max(deepest, depth)
        elif character == ')':
            depth -= 1
    return deepest


def format_logic(logic):
    "Return the text of a Logic."
    link = ' and ' if logic.mode == 'all' else ' or '
    return link.join(map(_format, logic.comparisons))


def _format(comparison):
    name, choice, operator, value = comparison
    reference = f'{name}({choice})' if choice is not None else name
    operator = '<>' if operator == '!=' else operator
    quote = '"' if "'" in value else "'"
    return f'[{reference}] {operator} {quote}{value}{quote}'
