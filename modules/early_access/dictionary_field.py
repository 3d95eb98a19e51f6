# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""A row of a data dictionary as a variable and a question."""

import datetime as dt
import re
from decimal import Decimal

from trytond.i18n import gettext

from .computation import COMPUTATIONS
from .csv_file import Problem, excerpt
from .dictionary import COLUMNS, TAGS, parse_choices, parse_tags
from .variable import CATEGORIES, CODE

__all__ = ['Field']

_NUMBER = re.compile(r'-?\d{1,15}(\.\d{1,10})?', re.ASCII)
_INTEGER = re.compile(r'-?\d{1,15}', re.ASCII)
_NUMBER_TYPE = re.compile(r'number(?:_([1-4])dp)?')
_DATES = {'date_ymd', 'date_dmy', 'date_mdy'}
# Free text and files are excluded (CNIL 2022-107, art. 7.3)
_REFUSED = {'notes', 'file', 'sql', 'signature'}


class Field:
    """A row, judged alone.

    values: those of the variable, None if they are not sound.
    problems, notes: lists of Problem.
    """

    def __init__(self, row, cells, section):
        self.row = row
        self.cells = cells
        self.problems = []
        self.notes = []
        self.name = cells['name'].lower()
        self.form = cells['form'].lower()
        self.type = cells['type'].lower()
        self.is_yes_no = self.type in {'yesno', 'truefalse'}
        self.is_descriptive = self.type == 'descriptive'
        self.branching = ' '.join(cells['branching'].split())
        self.choices = []
        self.tags, rest = parse_tags(cells['annotation'])
        self._check_tags(rest)
        self.is_question = not (
            self.is_descriptive or self.type == 'calc'
            or 'COMPUTATION' in self.tags or 'NOT-ASKED' in self.tags)
        if not self.form:
            self._problem('form', 'form_missing')
        self.required = self._flag('required')
        self.may_be_missing = 'NOT-MISSING' not in self.tags
        self.sequence = self._integer_tag('SEQUENCE')
        self.values = None
        if self.is_descriptive:
            self._note('type', 'descriptive')
        else:
            self._read(section)

    def _problem(self, key, name, /, **values):
        self.problems.append(Problem(self.row, COLUMNS[key], gettext(
                    f'early_access.msg_dictionary_{name}', **values)))

    def _note(self, key, name, /, **values):
        self.notes.append(Problem(self.row, COLUMNS[key], gettext(
                    f'early_access.msg_dictionary_{name}', **values)))

    def _check_tags(self, rest):
        if rest:
            self._note('annotation', 'annotation_ignored')
        for name, value in self.tags.items():
            if name not in TAGS:
                self._problem(
                    'annotation', 'tag_unknown', tag=excerpt(name))
            elif TAGS[name] != (value is not None):
                self._problem('annotation', 'tag_value', tag=name)
        self.tags = {
            n: v for n, v in self.tags.items()
            if n in TAGS and TAGS[n] == (v is not None)}

    def _flag(self, key):
        value = self.cells[key].lower()
        if value not in {'', 'y', 'n'}:
            self._problem(key, 'flag')
        return value == 'y'

    # The variable

    def _read(self, section):
        # Another row holds the code of a variable that is asked again
        if not CODE.match(self.name) and 'VARIABLE' not in self.tags:
            self._problem('name', 'name')
        if self._flag('identifier'):
            # CNIL 2022-107, art. 7.2: the identity is the letters of a name
            self._problem('identifier', 'identifier')
        if 'NO-SECTION' in self.tags:
            section = ''
        values = {
            'code': self.name,
            'string': _one_line(self.cells['label']),
            'section': _one_line(section) or None,
            'category': self._category(),
            'help': self.cells['note'] or None,
            'help_selection': self.tags.get('HELP-CHOICES') or None,
            'selection_sorted': 'SORTED' in self.tags,
            'unit': self.tags.get('UNIT') or None,
            }
        if any(':' not in line for line in (
                    values['help_selection'] or '').splitlines()):
            self._problem('annotation', 'tag_value', tag='HELP-CHOICES')
        if not values['string']:
            self._problem('label', 'label')
        if self.type == 'calc' or 'COMPUTATION' in self.tags:
            values.update(self._computed())
        else:
            values.update(self._typed())
        if not self.problems:
            self.values = values

    def _category(self):
        category = self.tags.get('CATEGORY', 'characteristics')
        if category not in dict(CATEGORIES):
            self._problem(
                'annotation', 'category',
                categories=', '.join(c for c, _ in CATEGORIES))
        return category

    def _computed(self):
        computation = self.tags.get('COMPUTATION')
        if computation not in COMPUTATIONS:
            self._problem(
                'type', 'computation', computations=', '.join(COMPUTATIONS))
            return {}
        values = {'computation': computation}
        found = COMPUTATIONS[computation]
        # What the computation decides, for the conditions on it
        values['type_'] = found.type_
        if found.type_ == 'selection':
            selection = gettext('early_access.msg_variable_sexes')
            if choices := self.tags.get('CHOICES'):
                selection = self._selection(choices)
            values['selection'] = selection
            self.choices = [
                line.split(':')[0].strip()
                for line in selection.splitlines()]
        values.update(self._limits(found.type_))
        values['unit'] = found.unit
        values['digits'] = found.digits
        return values

    def _typed(self):
        type_, validation = self.type, self.cells['validation'].lower()
        if type_ in _REFUSED:
            self._problem('type', 'free_text', type=type_)
        elif type_ == 'text':
            return self._text(validation)
        elif type_ in {'radio', 'dropdown', 'checkbox'}:
            return {
                'type_': 'multiselection' if type_ == 'checkbox'
                else 'selection',
                'selection': self._selection(self.cells['choices']),
                }
        elif self.is_yes_no:
            self.choices = ['yes', 'no', 'unknown']
            return {
                'type_': 'selection',
                'selection': gettext('early_access.msg_dictionary_yes_no'),
                }
        elif type_ == 'slider':
            return {
                'type_': 'integer',
                **self._limits('integer', Decimal(0), Decimal(100)),
                }
        else:
            self._problem('type', 'type', type=excerpt(type_))
        return {}

    def _text(self, validation):
        if validation == 'integer':
            return {'type_': 'integer', **self._limits('integer')}
        elif match := _NUMBER_TYPE.fullmatch(validation):
            digits = int(match[1]) if match[1] else None
            if 'DIGITS' in self.tags:
                digits = self._integer_tag('DIGITS')
            return {
                'type_': 'numeric',
                'digits': digits,
                **self._limits('numeric'),
                }
        elif validation in _DATES:
            if self.cells['minimum']:
                self._problem('minimum', 'date_range')
            if self.cells['maximum'] not in {'', 'today'}:
                self._problem('maximum', 'date_range')
            return {
                'type_': 'date',
                'future_dates': 'FUTURE-DATES' in self.tags,
                }
        elif validation:
            self._problem(
                'validation', 'validation', validation=excerpt(validation))
        else:
            self._problem('type', 'free_text', type='text')
        return {}

    def _selection(self, text):
        try:
            choices = parse_choices(text)
        except ValueError:
            self._problem('choices', 'choices')
            return ''
        codes = [c for c, _ in choices]
        for code, label in choices:
            # A line of the selection is "code: label"
            if ':' in code or len((code + label).splitlines()) > 1:
                self._problem('choices', 'choice', choice=excerpt(code))
        if len(codes) != len(set(codes)):
            self._problem('choices', 'choice_twice', choices=excerpt(
                    ', '.join(sorted(
                            {c for c in codes if codes.count(c) > 1}))))
        self.choices = codes
        return '\n'.join(f'{c}: {label}' for c, label in choices)

    # The ranges

    def _limits(self, type_, minimum=None, maximum=None):
        if type_ not in {'integer', 'numeric'}:
            return {}
        values = {'minimum': minimum, 'maximum': maximum}
        for name in ['minimum', 'maximum']:
            if text := self.cells[name]:
                values[name] = self._number(name, text, type_)
        for name, tag in [
                ('usual_minimum', 'USUAL-MIN'),
                ('usual_maximum', 'USUAL-MAX')]:
            text = self.tags.get(tag)
            values[name] = (
                self._number('annotation', text, type_) if text else None)
        order = [
            values[n] for n in [
                'minimum', 'usual_minimum', 'usual_maximum', 'maximum']
            if values[n] is not None]
        if order != sorted(order):
            self._problem('minimum', 'range')
        return values

    def _number(self, key, text, type_):
        if self.is_value(type_, text):
            return Decimal(text)
        self._problem(key, 'number', value=excerpt(text))

    def _integer_tag(self, name):
        text = self.tags.get(name)
        if text is None:
            return None
        if text.isascii() and text.isdigit() and len(text) <= 6:
            return int(text)
        self._problem('annotation', 'tag_value', tag=name)

    @staticmethod
    def is_value(type_, text):
        "Whether the text is a number or a date of the type."
        if type_ == 'date':
            try:
                return bool(dt.date.fromisoformat(text)) and len(text) == 10
            except ValueError:
                return False
        pattern = _INTEGER if type_ == 'integer' else _NUMBER
        return bool(pattern.fullmatch(text))


def _one_line(text):
    return ' '.join(text.splitlines())
