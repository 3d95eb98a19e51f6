# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""A protocol as a data dictionary."""

import json
from collections import Counter

from trytond.i18n import gettext

from .branching import Comparison, Logic, format_logic
from .csv_file import to_csv
from .dictionary import COLUMNS, encode, format_choices, format_tags

__all__ = ['export_dictionary']

_DUE_KINDS = {'initiation', 'discontinuation'}


def export_dictionary(protocol, delimiter=','):
    "Return the bytes of the CSV file of a protocol."
    return to_csv(
        _Dictionary(protocol).rows(), COLUMNS, delimiter=delimiter)


class _Dictionary:

    def __init__(self, protocol):
        self.protocol = protocol
        self.forms = self._form_names()
        # The names of the rows, by variable and by form
        self.names = {}
        self.asked = set()
        self._name_rows()

    def _form_names(self):
        kinds = Counter(f.kind for f in self.protocol.forms)
        numbers = Counter()
        names = {}
        for form in self.protocol.forms:
            numbers[form.kind] += 1
            names[form] = form.kind
            if kinds[form.kind] > 1 or form.kind == 'group':
                names[form] += f'_{numbers[form.kind]}'
        return names

    def _name_rows(self):
        # A name is given once in a dictionary, a variable may be asked twice
        used = {v.code for v in self.protocol.variables}
        asked = self.asked
        for form in self.protocol.forms:
            for question in form.questions:
                variable = question.variable
                name, number = variable.code, 1
                while variable in asked and name in used:
                    number += 1
                    name = f'{variable.code}_{number}'
                asked.add(variable)
                used.add(name)
                self.names[form, variable] = name

    def rows(self):
        result = []
        first = next(iter(self.forms.values()), 'access')
        order = []
        for variable in self.protocol.variables:
            if variable not in self.asked:
                # Computed or not used: it stands before the first form
                result.append(self._row(variable, first))
                order.append(variable)
        for form in self.protocol.forms:
            for question in form.questions:
                variable = question.variable
                name = self.names[form, variable]
                row = self._row(variable, self.forms[form], name=name)
                self._question(row, form, question)
                result.append(row)
                if name == variable.code:
                    order.append(variable)
        if order != list(self.protocol.variables):
            sequences = {
                v.code: i for i, v in enumerate(self.protocol.variables, 1)}
            for row in result:
                if row['name'] in sequences:
                    row['tags']['SEQUENCE'] = sequences[row['name']]
        self._describe(result)
        self._write_sections(result)
        for row in result:
            row['annotation'] = format_tags(row.pop('tags'))
        return result

    def _describe(self, rows):
        "Write what the forms are on the first row of each."
        forms = {n: f for f, n in self.forms.items()}
        for row in rows:
            if form := forms.pop(row['form'], None):
                row['tags'].update(self._form_tags(form))
        for name, form in forms.items():
            rows.append({
                    'name': f'{name}_form',
                    'form': name,
                    'type': 'descriptive',
                    'label': form.name,
                    'tags': self._form_tags(form),
                    })

    def _write_sections(self, rows):
        "Write the sections where they change: a header holds for the form."
        form, section = None, ''
        for row in rows:
            if row['form'] != form:
                form, section = row['form'], ''
            wanted = row.get('section') or ''
            row['section'] = wanted if wanted != section else ''
            if wanted:
                section = wanted
            elif section:
                row['tags']['NO-SECTION'] = None

    def _row(self, variable, form, name=None):
        tags = {}
        row = {
            'name': name or variable.code,
            'form': form,
            'section': variable.section,
            'label': variable.string,
            'note': variable.help or '',
            'tags': tags,
            }
        if name is None:
            if not variable.computation:
                tags['NOT-ASKED'] = None
        elif name != variable.code:
            tags['VARIABLE'] = variable.code
        if variable.category != 'characteristics':
            tags['CATEGORY'] = variable.category
        if variable.unit and not variable.computation:
            tags['UNIT'] = variable.unit
        self._type(row, variable)
        if variable.computation:
            self._computed(row, variable)
        return row

    def _type(self, row, variable):
        tags = row['tags']
        type_ = variable.type_
        if type_ in {'integer', 'numeric'}:
            row['type'] = 'text'
            row['validation'] = 'integer'
            if type_ == 'numeric':
                digits = variable.digits
                row['validation'] = 'number'
                if digits in range(1, 5):
                    row['validation'] = f'number_{digits}dp'
                elif digits is not None:
                    tags['DIGITS'] = digits
            row['minimum'] = _number(variable.minimum)
            row['maximum'] = _number(variable.maximum)
            if variable.usual_minimum is not None:
                tags['USUAL-MIN'] = _number(variable.usual_minimum)
            if variable.usual_maximum is not None:
                tags['USUAL-MAX'] = _number(variable.usual_maximum)
        elif type_ == 'date':
            row['type'] = 'text'
            row['validation'] = 'date_ymd'
            if variable.future_dates:
                tags['FUTURE-DATES'] = None
            else:
                row['maximum'] = 'today'
        else:
            row['type'] = (
                'checkbox' if type_ == 'multiselection' else 'radio')
            row['choices'] = format_choices(
                json.loads(variable.get_selection_json('selection_json')))
        if variable.selection_sorted:
            tags['SORTED'] = None
        if variable.help_selection:
            tags['HELP-CHOICES'] = variable.help_selection

    def _computed(self, row, variable):
        tags = row['tags']
        tags['COMPUTATION'] = variable.computation
        tags.pop('DIGITS', None)
        row['type'] = 'calc'
        row['validation'] = ''
        row.pop('choices', None)
        if (variable.selection
                and variable.selection != gettext(
                    'early_access.msg_variable_sexes')):
            tags['CHOICES'] = format_choices(
                json.loads(variable.get_selection_json('selection_json')))

    def _question(self, row, form, question):
        row['required'] = 'y' if question.required else ''
        if not question.may_be_missing:
            row['tags']['NOT-MISSING'] = None
        if question.conditions:
            row['branching'] = self._logic(question, form)

    def _form_tags(self, form):
        tags = {'FORM-NAME': form.name, 'FORM-KIND': form.kind}
        if form.kind in _DUE_KINDS:
            tags['FORM-DUE-WITHIN'] = form.due_within
        if form.parent:
            tags['FORM-PARENT'] = self.forms[form.parent]
        if form.code_list:
            tags['FORM-CODE-LIST'] = form.code_list.rec_name
        if form.conditions:
            tags['FORM-CONDITIONS'] = self._logic(form)
        return tags

    def _logic(self, record, form=None):
        comparisons = []
        for condition in record.conditions:
            variable = condition.variable
            name = self.names.get((form, variable), variable.code)
            value = encode(condition.value, "'")
            operator, choice = condition.operator, None
            if variable.type_ == 'multiselection':
                choice = value
                value = '1' if operator == '=' else '0'
                operator = '='
            comparisons.append(Comparison(name, choice, operator, value))
        return format_logic(Logic(record.condition_mode, comparisons))


def _number(value):
    return '' if value is None else f'{value:f}'
