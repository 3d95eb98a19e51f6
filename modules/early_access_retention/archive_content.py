# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What the archive holds, as people read it.

The labels are those of today; a value of which the field is gone keeps the
name that it had.
"""

import datetime as dt

from trytond.i18n import gettext
from trytond.pool import Pool
from trytond.transaction import without_check_access

from .person_tables import HISTORY, PATIENT

RELATED_PERSON = 'early_access.related_person'
# What tells nothing to who reads
TECHNICAL = frozenset({
        'id', 'uuid', 'create_uid', 'create_date', 'write_uid', 'write_date',
        'duplicate_index', 'document'})
# The answers, by the field that holds the questions
ANSWERS = {
    ('early_access.patient', 'criteria'): (
        'request_protocol', 'early_access.protocol', 'criteria'),
    ('early_access.form', 'answers'): (
        'definition', 'early_access.protocol.form', 'variables'),
    }


def lines_of(archive):
    """Yield what an archive holds, as dictionaries of texts: concerned,
    section, record, label and text; with whose it is, the number of a related
    person, the name of the model and of the field, the id of the row and the
    value as it is stored.

    The trail is told that it is opened.
    """
    with without_check_access():
        for whose, tables, names in archive.content():
            reader = Reader(tables, names)
            number = next((
                    r['number'] for r in tables.get(RELATED_PERSON, [])),
                None)
            concerned = gettext(
                f'early_access_retention.msg_concerned_{whose}')
            for name in reader.names():
                for line in reader.lines(name, tables[name]):
                    yield {
                        'whose': whose,
                        'number': number,
                        'concerned': concerned,
                        **line,
                        }


class Reader:
    "Reads the rows of the archive, by the labels of the pool."

    def __init__(self, tables, names):
        self.tables = tables
        self._definitions = {}
        self._names = {
            (model, int(id_)): name for model, ids in names.items()
            for id_, name in ids.items()}
        self._questions = {}
        self._lang = Pool().get('ir.lang').get()

    def names(self):
        "The names of the tables, as they are declared."
        Patient = Pool().get(PATIENT)
        order = [PATIENT, *(t.model for t in Patient.retention_tables())]
        return sorted(
            (n for n in self.tables if n not in HISTORY),
            key=lambda n: (
                order.index(n) if n in order else len(order), n))

    def lines(self, name, rows):
        Model = Pool().get('ir.model')
        section = Model.get_name(name)
        for row in rows:
            record = self._record(name, row)
            # What tells of the person comes first
            values = {
                **(row.get('document') or {}),
                **{n: v for n, v in row.items() if n not in TECHNICAL}}
            for field, value in values.items():
                for label, text in self._values(name, row, field, value):
                    yield {
                        'model': name,
                        'id': row['id'],
                        'field': field,
                        'value': value,
                        'section': section,
                        'record': record,
                        'label': label,
                        'text': text,
                        }

    def _record(self, name, row):
        "What tells a row from the others of its table."
        if name == 'early_access.form' and row.get('definition'):
            definition = self._name(
                'early_access.protocol.form', row['definition'])
            date = row.get('visit_date') or (
                row.get('document') or {}).get('visit_date')
            return ' '.join(filter(None, [definition, self._date(date)]))
        return row.get('code') or row.get('number') or f"({row['id']})"

    def _values(self, name, row, field, value):
        "Yield the label and the text of a value, or of each answer of it."
        if value in (None, '', [], {}):
            return
        if isinstance(value, dict):
            questions = self._keys(name, row, field)
            for key, answer in value.items():
                label, choices, kind = questions.get(key, (key, {}, None))
                if answer not in (None, []):
                    yield label, self._text(answer, choices, kind)
            return
        definition = self._definition(name, field)
        label = definition.get('string') or field
        if definition.get('type') == 'many2one':
            yield label, self._name(definition['relation'], value)
            return
        selection = definition.get('selection')
        choices = dict(selection) if isinstance(selection, list) else {}
        yield label, self._text(value, choices, definition.get('type'))

    def _text(self, value, choices=(), kind=None):
        if isinstance(value, list):
            return ', '.join(self._text(v, choices) for v in value)
        if choices and value in choices:
            return choices[value]
        if isinstance(value, bool):
            return gettext(
                f"early_access_retention.msg_{'yes' if value else 'no'}")
        if kind in {'date', 'timestamp', 'datetime'}:
            return self._date(value)
        return str(value)

    def _date(self, value):
        try:
            moment = dt.datetime.fromisoformat(value)
        except (TypeError, ValueError):
            return value or ''
        if len(value) <= len('2000-01-01'):
            return self._lang.strftime(moment.date())
        return self._lang.strftime(
            moment, f'{self._lang.date} %H:%M:%S')

    def _definition(self, name, field):
        if name not in self._definitions:
            try:
                Model = Pool().get(name)
                self._definitions[name] = Model.fields_get(
                    [n for n in Model._fields])
            except KeyError:
                self._definitions[name] = {}
        return self._definitions[name].get(field, {})

    def _name(self, model, id_):
        "The name of a record, as it was when the row was archived."
        key = model, id_
        if key not in self._names:
            for row in self.tables.get(model, ()):
                if row['id'] == id_:
                    self._names[key] = self._record(model, row)
                    break
        return self._names.get(key, f'({id_})')

    def _keys(self, name, row, field):
        "Return the label and the choices of the questions, by key."
        link, model, questions = ANSWERS.get(
            (name, field), (None, None, None))
        if not link or not row.get(link):
            return {}
        key = model, row[link]
        if key not in self._questions:
            found = Pool().get(model).search([('id', '=', row[link])])
            variables = getattr(found[0], questions) if found else []
            self._questions[key] = {}
            for variable in variables:
                definition, = variable.__class__.get_keys([variable])
                self._questions[key][variable.name] = (
                    definition['string'],
                    dict(definition.get('selection') or []),
                    definition.get('type'))
        return self._questions[key]
