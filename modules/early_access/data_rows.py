# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The rows of an export of data, form by form and batch by batch."""

from trytond.pool import Pool
from trytond.tools import slugify
from trytond.transaction import without_check_access

from .adverse_event import SERIOUSNESS, SITUATIONS
from .computation import COMPUTATIONS
from .exceptions import SealError

__all__ = ['CODEBOOK', 'DataRows', 'codebook', 'member_name']

BATCH = 500
_CLEAR = [
    'patient', 'related_person', 'visit', 'visit_date', 'due_date',
    'repetition', 'parent', 'state', 'day_zero', 'case_number']
_SEALED = [
    'sealed_state', 'answers', 'missing', 'code', 'situation', 'seriousness']
CODEBOOK = [
    'file', 'variable', 'label', 'section', 'type', 'unit', 'choices',
    'minimum', 'maximum', 'usual_minimum', 'usual_maximum', 'category',
    'required', 'conditions', 'computation', 'source', 'version']


def member_name(definition):
    "The name of the file of a form: unique, and of the protocol only."
    protocol = definition.protocol
    number = protocol.forms.index(definition) + 1
    return '{}/{:02}_{}.csv'.format(
        slugify(protocol.version.lower()) or protocol.id, number,
        slugify(definition.name.lower(), hyphenate='_') or definition.kind)


class DataRows:
    """The header and the rows of a form.

    patients: the ids of the patients whose rows were given, which grows with
    their number but holds nothing else.
    unreadable: the number of rows whose sealed data cannot be read.
    """

    def __init__(self, definition, domain, patients):
        """
        :param domain: the domain of the forms to export.
        """
        self.definition = definition
        self.domain = domain
        self.patients = patients
        self.unreadable = 0
        self.is_event = definition.kind == 'adverse_event'
        self.variables = definition.variables
        self.computed = definition.computed_variables
        self._missing = {
            q.variable for q in definition.questions
            if q.may_be_missing or not q.required}

    @property
    def header(self):
        header = [
            'patient', 'person', 'establishment', 'protocol', 'form', 'visit',
            'visit_date', 'due_date', 'repetition', 'part_of', 'state',
            'sealed_data']
        if self.definition.code_list:
            header += ['code', 'code_name']
        if self.is_event:
            header += ['situation', 'seriousness', 'day_zero', 'case_number']
        for variable in self.variables:
            header.append(variable.code)
            if variable in self._missing:
                header.append(f'{variable.code}__missing')
        return header + [v.code for v in self.computed]

    def __iter__(self):
        pool = Pool()
        Form = pool.get('early_access.form')
        last = -1
        while True:
            # The forms are found again after each batch: none is kept
            forms = Form.search([
                    self.domain,
                    ('id', '>', last),
                    ], order=[('id', 'ASC')], limit=BATCH)
            if not forms:
                return
            last = forms[-1].id
            yield from self._batch([f.id for f in forms])

    def _batch(self, ids):
        pool = Pool()
        Code = pool.get('early_access.code')
        Form = pool.get('early_access.form')
        Patient = pool.get('early_access.patient')
        Visit = pool.get('early_access.protocol.visit')
        rows = Form.read(ids, ['id', *_CLEAR])
        sealed = self._read(ids, _SEALED)
        computed = self._read(ids, ['computed']) if self.computed else {}
        self.patients.update(r['patient'] for r in rows)
        with without_check_access():
            patients = {
                p['id']: p for p in Patient.read(
                    list({r['patient'] for r in rows}),
                    ['id', 'code', 'establishment.finess'])}
            parents = {
                r['id']: r['repetition'] for r in Form.read(
                    list({r['parent'] for r in rows if r['parent']}),
                    ['id', 'repetition'])}
            codes = {
                c.id: c for c in Code.browse(list({
                            s['code'] for s in sealed.values()
                            if s.get('code')}))}
            visits = {
                v.id: v.name for v in Visit.browse(
                    list({r['visit'] for r in rows if r['visit']}))}
        for row in sorted(rows, key=lambda r: r['id']):
            document = sealed[row['id']]
            state = document.get('sealed_state', 'unreadable')
            if state != 'readable':
                self.unreadable += 1
            patient = patients[row['patient']]
            result = [
                patient['code'],
                'related_person' if row['related_person'] else 'patient',
                patient['establishment.']['finess'],
                self.definition.protocol.version,
                self.definition.name,
                visits.get(row['visit']),
                row['visit_date'], row['due_date'], row['repetition'],
                parents.get(row['parent']), row['state'], state]
            if self.definition.code_list:
                code = codes.get(document.get('code'))
                result += [code.code, code.name] if code else [None, None]
            if self.is_event:
                result += [
                    document.get('situation'), document.get('seriousness'),
                    row['day_zero'], row['case_number']]
            result += self._answers(document)
            values = computed.get(row['id'], {}).get('computed') or {}
            yield result + [values.get(v.name) for v in self.computed]

    def _answers(self, document):
        answers = document.get('answers') or {}
        missing = document.get('missing') or {}
        for variable in self.variables:
            yield answers.get(variable.name)
            if variable in self._missing:
                yield missing.get(variable.name)

    def _read(self, ids, names):
        """Return the sealed values by id, without those that cannot be read.

        Reading is refused when none of the records can be read.
        """
        pool = Pool()
        Form = pool.get('early_access.form')
        try:
            return {r['id']: r for r in Form.read(ids, ['id', *names])}
        except SealError:
            if len(ids) == 1:
                return {ids[0]: {}}
            middle = len(ids) // 2
            return {
                **self._read(ids[:middle], names),
                **self._read(ids[middle:], names)}


def codebook(definitions):
    "Yield the rows of what the columns of the files mean."
    for definition in definitions:
        file = member_name(definition)
        if definition.kind == 'adverse_event':
            for code, label, choices in [
                    ('situation', "Situation", SITUATIONS),
                    ('seriousness', "Seriousness", SERIOUSNESS)]:
                yield [
                    file, code, label, None,
                    'multiselection' if code == 'seriousness'
                    else 'selection', None,
                    '\n'.join(f'{c}: {s}' for c, s in choices if c),
                    *[None] * 10]
        questions = [(q.variable, q) for q in definition.questions]
        questions += [(v, None) for v in definition.computed_variables]
        for variable, question in questions:
            computation = COMPUTATIONS.get(variable.computation)
            yield [
                file, variable.code, variable.string, variable.section,
                variable.type_, variable.unit,
                (variable.selection or None
                    if variable.type_ in {'selection', 'multiselection'}
                    else None),
                variable.minimum, variable.maximum, variable.usual_minimum,
                variable.usual_maximum, variable.category,
                ('yes' if question.required else 'no') if question else None,
                question.condition_text if question else None,
                variable.computation,
                computation.source if computation else None,
                computation.version if computation else None]
