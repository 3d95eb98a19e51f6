# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What a data dictionary makes of a draft protocol."""

from collections import Counter, namedtuple

from trytond.i18n import gettext
from trytond.pool import Pool
from trytond.tools import slugify

from .branching import LogicError, parse_logic
from .csv_file import Problem, Table, excerpt
from .definition import FORM_KINDS
from .dictionary import COLUMNS, FORM_TAGS, decode, max_rows
from .dictionary_field import Field
from .exceptions import DictionaryError

__all__ = ['DictionaryImport']

_KINDS = [k for k, _ in FORM_KINDS]
# What REDCap knows of a field and a protocol does not
_IGNORED = ['alignment', 'number', 'matrix', 'ranking']
_Condition = namedtuple('_Condition', ['variable', 'operator', 'value'])


class _Form:
    "A form of the protocol, there already or to create"

    def __init__(self, name):
        self.name = name
        self.record = None
        self.values = {}
        self.parent = None
        self.mode = 'all'
        self.conditions = []
        self.questions = []
        # The row that speaks of it first
        self.row = None

    @property
    def label(self):
        return self.record.name if self.record else self.values['name']


class _Question:
    def __init__(self, field, code):
        self.field = field
        self.code = code
        self.mode = 'all'
        self.conditions = []


class DictionaryImport:
    """The dry run of an import, and the import.

    problems: what prevents the import, as a list of Problem.
    condition_problems: the conditions that cannot be converted.
    notes: what is left aside, as a list of Problem.
    """

    def __init__(self, protocol, data):
        """
        :param protocol: the protocol, a draft.
        :param data: the bytes of the file.
        :raises CSVFileError: if the file as a whole is refused.
        """
        self.protocol = protocol
        self.table = Table(data, COLUMNS, max_rows())
        self.problems = self.table.problems
        self.condition_problems = []
        self.notes = []
        # By name in the dictionary
        self.fields = {}
        self.forms = {}
        # By code of the variable, what is to create
        self.variables = {}
        self.existing = {v.code: v for v in protocol.variables}
        self._records = self._known_forms()
        self._read_fields()
        self._read_forms()
        self._read_variables()
        self._read_conditions()
        self.problems.sort(key=lambda p: p.row)
        if not self.problems and not self.variables:
            self._problem(1, None, 'empty')

    def _problem(self, row, key, name, /, problems=None, **values):
        problems = self.problems if problems is None else problems
        problems.append(Problem(row, COLUMNS.get(key), gettext(
                    f'early_access.msg_dictionary_{name}', **values)))

    # The fields

    def _read_fields(self):
        section, form = '', None
        first = {}
        for number, row in self.table.rows:
            if row['form'] != form:
                form, section = row['form'], ''
            section = row['section'] or section
            field = Field(number, row, section)
            self.problems += field.problems
            self.notes += field.notes
            name = field.name
            if name in first:
                self._problem(number, 'name', 'name_twice', row=first[name])
                continue
            first[name] = number
            self.fields[name] = field
            ignored = [COLUMNS[k] for k in _IGNORED if row[k]]
            if ignored:
                self._problem(
                    number, None, 'columns_ignored', problems=self.notes,
                    columns=', '.join(ignored))

    # The forms

    def _known_forms(self):
        "The forms of the protocol by the names that mean them."
        kinds = Counter(f.kind for f in self.protocol.forms)
        records = {f.kind: f for f in self.protocol.forms
            if kinds[f.kind] == 1 and f.kind != 'group'}
        for form in self.protocol.forms:
            records[_slug(form.name)] = form
        return records

    def _read_forms(self):
        for field in self.fields.values():
            described = FORM_TAGS.keys() & field.tags.keys()
            if not field.is_question and not described:
                continue
            form = self.forms.get(field.form)
            if form is None:
                form = self.forms[field.form] = _Form(field.form)
                form.row = field.row
                self._identify(form, field.tags)
            elif described:
                self._problem(
                    field.row, 'annotation', 'form_twice', row=form.row)
        for form in self.forms.values():
            self._read_parent(form)

    def _identify(self, form, tags):
        name = tags.get('FORM-NAME')
        form.record = self._records.get(_slug(name or form.name))
        if form.record:
            if any(f.record == form.record for f in self.forms.values()
                    if f is not form):
                self._problem(
                    form.row, 'form', 'form_same', form=form.record.name)
            if FORM_TAGS.keys() & tags.keys() - {'FORM-NAME'}:
                self._problem(
                    form.row, 'annotation', 'form_kept', problems=self.notes,
                    form=form.record.name)
            return
        kind = tags.get('FORM-KIND')
        if kind is None:
            kind = _kind_of(form.name)
        if kind not in _KINDS:
            self._problem(
                form.row, 'form', 'form_kind', form=excerpt(form.name),
                kinds=', '.join(_KINDS))
            kind = None
        form.values = {
            'name': name or _kind_string(kind),
            'kind': kind,
            }
        if name is None and kind and form.name != kind:
            form.values['name'] = form.name.replace('_', ' ').capitalize()
        if due := tags.get('FORM-DUE-WITHIN'):
            if due.isascii() and due.isdigit() and len(due) <= 4:
                form.values['due_within'] = int(due)
            else:
                self._problem(
                    form.row, 'annotation', 'tag_value',
                    tag='FORM-DUE-WITHIN')
        if name := tags.get('FORM-CODE-LIST'):
            self._read_code_list(form, name)

    def _read_code_list(self, form, name):
        pool = Pool()
        CodeList = pool.get('early_access.code_list')
        code_lists = [
            c for c in CodeList.search([
                    ('company', '=', self.protocol.company.id),
                    ])
            if c.rec_name == name]
        if len(code_lists) == 1:
            form.values['code_list'] = code_lists[0].id
        else:
            self._problem(
                form.row, 'annotation', 'code_list', code_list=excerpt(name))

    def _read_parent(self, form):
        if form.record or not form.values['kind']:
            return
        tags = self._form_tags(form)
        name = tags.get('FORM-PARENT')
        if (form.values['kind'] == 'group') != (name is not None):
            self._problem(form.row, 'annotation', 'form_parent')
        elif name is not None:
            form.parent = self.forms.get(name)
            if form.parent is None and (record := self._records.get(name)):
                form.parent = _Form(name)
                form.parent.record = record
            if form.parent is None or form.parent is form or (
                    form.parent.record.kind if form.parent.record
                    else form.parent.values['kind']) == 'group':
                self._problem(form.row, 'annotation', 'form_parent')

    def _form_tags(self, form):
        return next(
            f.tags for f in self.fields.values() if f.row == form.row)

    # The variables and the questions

    def _read_variables(self):
        for field in self.fields.values():
            if field.is_descriptive:
                continue
            code = field.tags.get('VARIABLE', field.name)
            if code == field.name:
                if code in self.existing:
                    self._problem(
                        field.row, 'name', 'variable_exists',
                        protocol=self.protocol.rec_name)
                    continue
                elif field.values is not None:
                    self.variables[code] = field
            elif not self._is_same(field, code):
                continue
            if field.is_question and (form := self.forms.get(field.form)):
                if any(q.code == code for q in form.questions):
                    self._problem(field.row, 'form', 'question_twice')
                elif (form.record and code in self.existing
                        and self.existing[code] in form.record.variables):
                    self._problem(field.row, 'form', 'question_twice')
                else:
                    form.questions.append(_Question(field, code))

    def _is_same(self, field, code):
        "Whether the row asks again what an earlier row defines."
        first = self.fields.get(code)
        if first is None or first is field or first.is_descriptive:
            self._problem(field.row, 'annotation', 'variable_unknown')
        elif field.values is not None and first.values is not None and any(
                field.values.get(n) != first.values.get(n)
                for n in field.values.keys() | first.values.keys()
                if n not in {'code', 'sequence'}):
            self._problem(
                field.row, 'annotation', 'variable_differs', row=first.row)
        else:
            return True
        return False

    # The conditions

    def _read_conditions(self):
        for form in self.forms.values():
            earlier = set()
            if form.record:
                earlier = {v.code for v in form.record.variables}
            for question in form.questions:
                field = question.field
                if text := field.branching:
                    question.mode, question.conditions = self._convert(
                        text, field.row, 'branching', earlier)
                earlier.add(question.code)
            text = self._form_tags(form).get('FORM-CONDITIONS')
            if text and not form.record:
                if form.values['kind'] in {'follow_up', 'quality_of_life'}:
                    form.mode, form.conditions = self._convert(
                        text, form.row, 'annotation', None)
                else:
                    self._problem(
                        form.row, 'annotation', 'form_conditions')

    def _convert(self, text, row, key, earlier):
        """Return the mode and the conditions of a logic.

        :param earlier: the codes of the variables asked before in the form,
            None if any is.
        """
        def refused(name, **values):
            self._problem(
                row, key, name, problems=self.condition_problems,
                logic=excerpt(text), **values)

        try:
            logic = parse_logic(text)
        except LogicError as error:
            refused(f'logic_{error}')
            return 'all', []
        conditions = []
        for comparison in logic.comparisons:
            condition, problem = self._condition(comparison, earlier)
            if problem:
                refused(problem, variable=excerpt(comparison.name))
            elif condition:
                conditions.append(condition)
        return logic.mode, conditions

    def _condition(self, comparison, earlier):
        "Return the condition, and the name of the message if it has none."
        name, choice, operator, value = comparison
        value = decode(value)
        field = self.fields.get(name)
        code = field.tags.get('VARIABLE', name) if field else name
        if source := self.variables.get(code):
            values, yes_no = source.values, source.is_yes_no
            choices = source.choices
            type_ = values['type_']
            computed = 'computation' in values
        elif record := self.existing.get(code):
            choices, yes_no = record.choice_codes, False
            type_, computed = record.type_, record.computation
        elif code in self.fields and not self.fields[code].is_descriptive:
            # What is wrong with it is told already
            return None, None
        else:
            return None, 'logic_unknown'
        if earlier is not None and code not in earlier and not computed:
            return None, 'logic_order'
        if type_ == 'multiselection':
            if choice is None or value not in {'0', '1'} or operator not in {
                    '=', '!='}:
                return None, 'logic_checkbox'
            choice = decode(choice)
            if (value == '1') != (operator == '='):
                operator = '!='
            else:
                operator = '='
            value = choice
        elif choice is not None:
            return None, 'logic_no_checkbox'
        elif yes_no:
            value = {'1': 'yes', '0': 'no'}.get(value, value)
        if type_ in {'selection', 'multiselection'}:
            if value not in choices:
                return None, 'logic_choice'
            if operator not in {'=', '!='}:
                return None, 'logic_operator'
        elif not Field.is_value(type_, value):
            return None, 'logic_value'
        return _Condition(code, operator, value), None

    # The report

    def report(self):
        "The translated text that tells what would be done."
        questions = [q for f in self.forms.values() for q in f.questions]
        lines = [gettext(
                'early_access.msg_dictionary_report',
                protocol=self.protocol.rec_name,
                variables=len(self.variables),
                questions=len(questions),
                conditions=sum(len(q.conditions) for q in questions)
                + sum(len(f.conditions) for f in self.forms.values()))]
        for form in self.forms.values():
            lines.append('- ' + gettext(
                    'early_access.msg_dictionary_report_old' if form.record
                    else 'early_access.msg_dictionary_report_new',
                    form=form.label, questions=len(form.questions),
                    kind=_kind_string(
                        form.record.kind if form.record
                        else form.values['kind'])))
        for name, problems in [
                ('problems', self.problems),
                ('conditions', self.condition_problems),
                ('notes', self.notes)]:
            if problems:
                lines += ['', gettext(
                        f'early_access.msg_dictionary_report_{name}',
                        number=len(problems))]
                lines += [f'- {p}' for p in problems]
        return '\n'.join(lines)

    # The import

    def check(self, without_conditions=False):
        "Raise DictionaryError if something prevents the import."
        problems = self.problems[:]
        if not without_conditions:
            problems += self.condition_problems
        if problems:
            raise DictionaryError(gettext(
                    'early_access.msg_dictionary_problems',
                    protocol=self.protocol.rec_name,
                    problems='\n'.join(f'- {p}' for p in problems)))

    def apply(self, without_conditions=False):
        """Create what the dictionary defines.

        :param without_conditions: whether the conditions that cannot be
            converted are left out.
        """
        self.check(without_conditions=without_conditions)
        pool = Pool()
        Form = pool.get('early_access.protocol.form')
        Variable = pool.get('early_access.variable')
        base = _last(self.protocol.variables)
        fields = sorted(
            self.variables.values(), key=lambda f: f.sequence or 0)
        variables = Variable.create([{
                    **f.values,
                    'protocol': self.protocol.id,
                    'sequence': base + i,
                    } for i, f in enumerate(fields, 1)])
        ids = {v.code: v.id for v in variables}
        ids.update((c, v.id) for c, v in self.existing.items())
        base = _last(self.protocol.forms)
        to_create = [f for f in self.forms.values() if not f.record]
        created = Form.create([{
                    **f.values,
                    'protocol': self.protocol.id,
                    'sequence': base + i,
                    } for i, f in enumerate(to_create, 1)
                if not f.parent])
        for form, record in zip(
                [f for f in to_create if not f.parent], created):
            form.record = record
        groups = [f for f in to_create if f.parent]
        created = Form.create([{
                    **f.values,
                    'protocol': self.protocol.id,
                    'parent': f.parent.record.id,
                    'sequence': base + to_create.index(f) + 1,
                    } for f in groups])
        for form, record in zip(groups, created):
            form.record = record
        actions = []
        for form in self.forms.values():
            actions += [form.record], self._form_values(form, ids)
        if actions:
            Form.write(*actions)

    def _form_values(self, form, ids):
        values = {'questions': [('create', [{
                            'variable': ids[q.code],
                            'required': q.field.required,
                            'may_be_missing': q.field.may_be_missing,
                            **_conditions(q, ids),
                            } for q in form.questions])]}
        return values | _conditions(form, ids)


def _conditions(record, ids):
    if not record.conditions:
        return {}
    return {
        'condition_mode': record.mode,
        'conditions': [('create', [{
                        'variable': ids[c.variable],
                        'operator': c.operator,
                        'value': c.value,
                        } for c in record.conditions])],
        }


def _kind_string(kind):
    pool = Pool()
    Form = pool.get('early_access.protocol.form')
    return Form(kind=kind).kind_string or '-'


def _last(records):
    return max((r.sequence or 0 for r in records), default=0)


def _slug(name):
    return slugify(name.lower(), hyphenate='_')


def _kind_of(name):
    "The kind that the name of a form is or starts with."
    name = _slug(name)
    for kind, _ in FORM_KINDS:
        # A group is a part of another form, that no name tells
        if kind != 'group' and (name == kind or name.startswith(f'{kind}_')):
            return kind
