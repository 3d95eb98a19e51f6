# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Everything that is held about a person, as it is given to them (GDPR 15).

What is given is named field by field: a new field is given once it is named
here, and nothing is by accident. The document is what JSON can hold::

    {"format": "early-access-rights", "version": 1, "request": ...,
     "produced_on": ..., "language": ..., "controller": {...},
     "sections": [{"name": ..., "title": ..., "records": [
         {"title": ..., "values": [
             {"name": ..., "label": ..., "value": ..., "text": ...}]}]}],
     "withheld": [{"name": ..., "text": ...}]}

where "value" is as a program reads it and "text" as the person does.
"""

import datetime as dt
import json
from decimal import Decimal

from trytond.i18n import gettext
from trytond.pool import Pool
from trytond.transaction import Transaction, without_check_access

from .archive_content import lines_of
from .rights_disclosure import disclosures, disclosures_of
from .today import current_date

FORMAT, VERSION = 'early-access-rights', 1

IDENTITY = [
    'surname_letters', 'first_name_letters', 'sex', 'birth_month']
PATIENT = [
    'code', *IDENTITY, 'birth_date', 'weight', 'height', 'state']
PROGRAMME = [
    'authorization', 'request_date', 'service', 'establishment', 'prescriber',
    'pharmacy', 'refusal_reason', 'send_back_reason', 'never_started_reason',
    'first_administration_date', 'discontinuation_date', 'stop_reason']
INFORMATION = [
    'information_version', 'information_date', 'notice_version',
    'notice_date', 'informed_person', 'treatment_accepted_date']
FORM = ['kind', 'visit', 'visit_date', 'state', 'situation', 'seriousness']
ORDER = ['number', 'pharmacy', 'state']
PROFESSIONAL = [
    'party', 'profession', 'rpps', 'specialty', 'state', 'identity_source',
    'user']
CORRECTION = ['reason', 'applied_at']
# The same, of what is in the archive, by the name of the model
ARCHIVED = {
    'early_access.patient': {
        *PATIENT, *PROGRAMME, *INFORMATION, 'criteria'},
    'early_access.form': {*FORM, 'definition', 'answers', 'missing'},
    'early_access.form.correction': {
        *CORRECTION, 'old_answers', 'new_answers'},
    'early_access.patient.assignment': {
        'service', 'prescriber', 'pharmacy', 'from_date', 'to_date'},
    'early_access.related_person': {*IDENTITY, 'link'},
    }


@without_check_access
def document(request):
    """Return what is held about the person whom a request concerns.

    It is in the language of the request, and the sealed data that are read
    are in the trail.
    """
    with Transaction().set_context(language=request.language.code):
        request = request.__class__(request.id)
        return Access(request).document()


def withheld(request):
    "Return the codes of what is not given to the person concerned."
    codes = []
    if request.concerned == 'patient':
        codes.append('employees')
        if (request.archive and request.archive.persons > 1
                or request.patient and request.patient.related_persons):
            codes.append('related_persons')
    elif request.concerned == 'related_person':
        codes.append('patient')
    return codes


def to_json(document):
    "Return the bytes of a document."
    return json.dumps(document, ensure_ascii=False, indent=1).encode()


def plain(value):
    "Return a value of a field as JSON has it."
    if isinstance(value, dt.datetime):
        return value.isoformat(timespec='seconds')
    elif isinstance(value, dt.date):
        return value.isoformat()
    elif isinstance(value, Decimal):
        return str(value)
    elif isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    elif hasattr(value, 'rec_name'):
        return value.rec_name
    return value


class Access:
    "What is held about a person, read in the language of the context"

    def __init__(self, request):
        self.request = request
        self._definitions = {}
        self._keys = {}
        self._lang = Pool().get('ir.lang').get()

    def document(self):
        request = self.request
        if request.archive:
            sections = self._archived(request.archive)
        else:
            sections = getattr(self, f'_{request.concerned}')(request.person)
        return {
            'format': FORMAT,
            'version': VERSION,
            'request': request.number,
            'received_on': request.received_on.isoformat(),
            'produced_on': current_date().isoformat(),
            'language': request.language.code,
            'controller': self._controller(),
            'sections': [s for s in sections if s['records']],
            'withheld': [{
                    'name': code,
                    'text': gettext(
                        f'early_access_retention.msg_withheld_{code}'),
                    } for code in withheld(request)],
            }

    def _controller(self):
        pool = Pool()
        Company = pool.get('company.company')
        ModelData = pool.get('ir.model.data')
        User = pool.get('res.user')
        company = Company(self.request.company.id)
        address = company.party.address_get()
        return {
            'name': company.party.name,
            'address': address.full_address if address else None,
            'data_protection_officers': [
                u.name for u in User.search([
                        ('groups', '=', ModelData.get_id(
                                'early_access', 'group_dpo')),
                        ('companies', '=', company.id),
                        ])],
            }

    # The persons

    def _patient(self, patient):
        forms = sorted(
            (f for f in patient.forms if not f.related_person),
            key=lambda f: (f.visit_date or dt.date.min, f.id))
        yield self._section('identity', [
                self._record(None, self._values(patient, PATIENT))])
        yield self._section('programme', [
                self._record(None, self._values(patient, PROGRAMME))])
        yield self._section('criteria', [self._record(
                    None, self._answers(
                        patient, 'criteria',
                        patient.request_protocol.criteria))])
        yield self._section('information', [
                self._record(None, self._values(patient, INFORMATION))])
        yield self._section(
            'forms', [r for f in forms for r in [self._form(f)] if r])
        yield self._section('corrections', [
                self._correction(c) for f in forms for c in f.corrections
                if c.state == 'applied'])
        yield self._section('orders', [
                self._order(line) for line in patient.order_lines])
        yield self._section('teams', [
                self._record(None, self._values(a, [
                            'service', 'prescriber', 'pharmacy', 'from_date',
                            'to_date'])) for a in patient.assignments])
        yield self._section('questionnaires', [
                self._record(None, self._values(a, [
                            'created_at', 'revoked_at', 'state']))
                for a in patient.questionnaire_accesses])
        yield from self._rights([('patient', '=', patient.id)])
        yield self._section('disclosures', [
                self._disclosure(d) for d in disclosures(patient)])
        yield self._law()

    def _related_person(self, person):
        """Only what is about the person.

        The patient, the medicine, the team and the dates of the treatment
        are covered by medical secrecy (art. 11.5).
        """
        forms = [f for f in person.forms]
        yield self._section('identity', [
                self._record(None, self._values(person, [*IDENTITY, 'link']))])
        yield self._section('forms', [
                r for f in forms
                for r in [self._form(f, secret=True)] if r])
        yield from self._rights([('related_person', '=', person.id)])
        yield self._law()

    def _professional(self, professional):
        party = professional.party
        yield self._section('identity', [self._record(
                    None, self._values(professional, PROFESSIONAL))])
        yield self._section('services', [
                self._record(s.rec_name, []) for s in [
                    *professional.services, *professional.pharmacies]])
        yield self._section('contacts', [
                self._record(None, self._values(m, ['type', 'value']))
                for m in party.contact_mechanisms])
        yield from self._rights([('professional', '=', professional.id)])
        yield self._law()

    def _archived(self, archive):
        """What the archive holds of the person concerned.

        A related person gets nothing of the patient, nor of another related
        person (art. 11.5).
        """
        request = self.request
        sections = {}
        for line in lines_of(archive):
            if (line['whose'] != request.concerned
                    or line['number'] != request.archived_number
                    or line['field'] not in ARCHIVED.get(line['model'], ())):
                continue
            records = sections.setdefault(line['section'], {})
            records.setdefault((line['id'], line['record']), []).append(
                self._value(
                    line['field'], line['label'], line['value'],
                    line['text']))
        for title, records in sections.items():
            yield {
                'name': 'archive',
                'title': title,
                'records': [
                    self._record(record, values)
                    for (_, record), values in records.items()],
                }
        yield from self._rights([('archive', '=', archive.id)])
        if request.concerned == 'patient':
            yield self._section('disclosures', [
                    self._disclosure(d)
                    for d in disclosures_of(archive)])
        yield self._law()

    # The sections

    def _form(self, form, secret=False):
        names = [n for n in FORM if not (secret and n == 'visit')]
        values = self._values(form, names)
        answers = self._answers(form, 'answers', form.variables)
        answers += self._missing(form)
        if form.code:
            answers.append(self._value(
                    'code', form.code_list.rec_name, form.code.code,
                    form.code.rec_name))
        if not answers and form.state in {'expected', 'not_applicable'}:
            # Nothing is held yet
            return
        if not secret:
            computed = {v.name: v for v in form.computed_variables}
            answers += [
                self._value(
                    computed[n].code, computed[n].label, plain(v),
                    self._text(v))
                for n, v in (form.computed or {}).items() if n in computed]
        # The name that the protocol gives to a form may tell the medicine
        return self._record(
            None if secret else form.definition.name, values + answers)

    def _correction(self, correction):
        values = self._values(correction, CORRECTION)
        variables = {v.name: v for v in correction.form.variables}
        for name, label in [
                ('old_answers', 'before'), ('new_answers', 'after')]:
            text = gettext(f'early_access_retention.msg_access_{label}')
            for value in self._answers(
                    correction, name, variables.values()):
                value['label'] = f"{value['label']} - {text}"
                value['name'] = f"{value['name']}.{label}"
                values.append(value)
        return self._record(correction.form.definition.name, values)

    def _order(self, line):
        values = self._values(line.order, ORDER)
        values += self._values(line, ['product', 'quantity', 'unit'])
        values += [
            self._value(
                'shipment', gettext(
                    'early_access_retention.msg_access_shipment'),
                s.number, s.number)
            for s in {m.shipment for m in line.moves if m.shipment}
            if getattr(s, 'number', None)]
        return self._record(None, values)

    def _rights(self, domain):
        pool = Pool()
        Request = pool.get('early_access.rights.request')
        Limitation = pool.get('early_access.rights.limitation')
        yield self._section('requests', [
                self._record(r.number, self._values(r, [
                            'kind', 'received_on', 'due_date', 'state',
                            'closed_on']))
                for r in Request.search(domain)])
        yield self._section('limitations', [
                self._record(None, self._values(r, [
                            'scope', 'ground', 'set_at', 'told_on',
                            'lifted_at']))
                for r in Limitation.search([
                        ('request', 'where', domain),
                        ('state', '!=', 'draft'),
                        ])])

    def _disclosure(self, disclosure):
        date = disclosure.date
        return self._record(None, [
                self._value(
                    'date', gettext('early_access_retention.msg_access_date'),
                    date.isoformat(), self._text(date)),
                self._value(
                    'purpose',
                    gettext('early_access_retention.msg_access_purpose'),
                    disclosure.purpose, disclosure.purpose),
                self._value(
                    'recipient',
                    gettext('early_access_retention.msg_access_recipient'),
                    disclosure.recipient, disclosure.recipient),
                ])

    def _law(self):
        "What the person is told with the data (GDPR 15.1)."
        values = []
        for name in [
                'purpose', 'basis', 'retention', 'rights', 'complaint']:
            text = gettext(f'early_access_retention.msg_law_{name}')
            values.append(self._value(
                    name, gettext(
                        f'early_access_retention.msg_law_{name}_label'),
                    text, text))
        return self._section('law', [self._record(None, values)])

    # The values

    def _section(self, name, records):
        return {
            'name': name,
            'title': gettext(f'early_access_retention.msg_section_{name}'),
            'records': [r for r in records if r['values'] or r['title']],
            }

    @staticmethod
    def _record(title, values):
        return {'title': title, 'values': values}

    @staticmethod
    def _value(name, label, value, text):
        return {'name': name, 'label': label, 'value': value, 'text': text}

    def _definition(self, Model, names):
        missing = [
            n for n in names if (Model.__name__, n) not in self._definitions]
        if missing:
            for name, field in Model.fields_get(missing).items():
                self._definitions[Model.__name__, name] = field
        return [self._definitions[Model.__name__, n] for n in names]

    def _values(self, record, names):
        "Return the values of the fields that are not empty."
        result = []
        for name, field in zip(
                names, self._definition(record.__class__, names)):
            value = getattr(record, name)
            if value is None or value == () or value == '':
                continue
            selection = field.get('selection')
            if isinstance(selection, list):
                labels = dict(selection)
                values = value if isinstance(value, tuple) else [value]
                text = ', '.join(labels.get(v) or v for v in values)
            elif name == 'birth_month':
                text = value.strftime('%m/%Y')
            else:
                text = self._text(value)
            result.append(self._value(
                    name, field['string'], plain(value), text))
        return result

    def _text(self, value):
        if isinstance(value, dt.date):
            return self._lang.strftime(value)
        elif isinstance(value, (list, tuple)):
            return ', '.join(map(self._text, value))
        elif isinstance(value, Decimal):
            return f'{value:f}'
        return str(plain(value))

    def _schema(self, variable):
        "Return the code, the label and the choices of a question."
        key = variable.__name__, variable.id
        if key not in self._keys:
            definition, = variable.__class__.get_keys([variable])
            self._keys[key] = (
                variable.code, definition['string'],
                dict(definition.get('selection') or []))
        return self._keys[key]

    def _answers(self, record, name, variables):
        answers = getattr(record, name) or {}
        result = []
        for variable in variables:
            value = answers.get(variable.name)
            if value is None or value == ():
                continue
            code, label, choices = self._schema(variable)
            if choices:
                values = value if isinstance(value, tuple) else [value]
                text = ', '.join(choices.get(v, v) for v in values)
            else:
                text = self._text(value)
            result.append(self._value(code, label, plain(value), text))
        return result

    def _missing(self, form):
        "Return the reasons that are given in the place of an answer."
        reasons = {n: r for n, r in (form.missing or {}).items() if r}
        result = []
        for variable in form.variables:
            if variable.name in reasons:
                code, label, _ = self._schema(variable)
                reason = reasons[variable.name]
                result.append(self._value(
                        f'{code}.missing', label, reason,
                        gettext(f'early_access.msg_missing_{reason}')))
        return result
