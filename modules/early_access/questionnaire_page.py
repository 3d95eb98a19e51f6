# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

"""The page on which the patients answer the questionnaires.

It is static and opens no session. The pseudonym travels in the fragment of
its address, which a browser keeps for itself, then in the body of the
requests. They deposit: nothing that was deposited can be read back (CNIL
2022-107, SEC-ECH-5).
"""

import datetime as dt
import hmac
import json
import pathlib
import re
from decimal import Decimal

from trytond.pool import Pool
from trytond.protocols.wrappers import (
    HTTPStatus, Response, set_max_request_size, with_pool, with_transaction)
from trytond.transaction import Transaction
from trytond.wsgi import app

from .answers import OPEN_STATES
from .instrument import LANGUAGES as LANGUAGE_NAMES
from .page import Refusal, answering, check_active, page, read_body
from .questionnaire import PATH, clean_token
from .schema import has_digits
from .transaction import begin_immediate, wait_for

LANGUAGES = [code for code, _ in LANGUAGE_NAMES]
# In bytes: a hundred questions take less than a tenth of it
MAX_SIZE = 65536
LARGEST = 10 ** 15
DATE = re.compile(r'[0-9]{4}-[0-9]{2}-[0-9]{2}')
HTML = pathlib.Path(__file__).with_name('questionnaire')
MODEL = 'early_access.questionnaire.access'


# The page


@app.route(f'/<string:database_name>/{PATH}', methods={'GET'})
@set_max_request_size(0)
@with_pool
def show(request, pool):
    check_active(pool, MODEL)
    language = request.accept_languages.best_match(LANGUAGES, default='fr')
    html, headers = page(HTML, language)
    return Response(html, headers=headers, content_type='text/html')


# The requests of the page


@app.route(f'/<string:database_name>/{PATH}/due', methods={'POST'})
@set_max_request_size(MAX_SIZE)
@with_pool
@answering(MODEL)
def due(request, pool):
    """Answer the questionnaires that the patient may fill in today.

    Neither answers nor what would name the patient or the medicine.
    """
    return list_due(request, pool, admit(request, pool, read_body(request)))


@app.route(f'/<string:database_name>/{PATH}/deposit', methods={'POST'})
@set_max_request_size(MAX_SIZE)
@with_pool
@answering(MODEL)
def deposit(request, pool):
    "Receive the answers to one questionnaire, once and for all."
    body = read_body(request)
    access = admit(request, pool, body)
    reference, answers = body.get('form'), body.get('answers')
    if not isinstance(reference, str) or not isinstance(answers, dict):
        raise Refusal(HTTPStatus.BAD_REQUEST, 'malformed')
    return receive(request, pool, access, reference, answers)


def admit(request, pool, body):
    """Return the id of the access of the pseudonym of a body.

    The attempt is counted whatever becomes of the request.

    :raises Refusal: the same one for an unknown, a revoked and a mistyped
        pseudonym.
    """
    admitted, access = count_attempt(
        request, pool, clean_token(body.get('token')))
    if not admitted:
        Attempt = pool.get('early_access.questionnaire.attempt')
        window = Attempt.window()
        raise Refusal(
            HTTPStatus.TOO_MANY_REQUESTS, 'limited',
            headers={'Retry-After': str(window)}, minutes=-(-window // 60))
    if access is None:
        raise Refusal(HTTPStatus.FORBIDDEN, 'refused')
    return access


@with_transaction()
def count_attempt(request, pool, token):
    """Count the attempt and look for the access of the pseudonym.

    :returns: whether the limits admit the attempt, and the id of the access
        or None.
    """
    Access = pool.get('early_access.questionnaire.access')
    Attempt = pool.get('early_access.questionnaire.attempt')
    begin_immediate()
    digests = Access.digests(token or '')
    _, network = Transaction().remote_address()
    # Under one key, for a count of the whole database
    network, = [*Access.digests('network', str(network)).values()][:1] or ['']
    attempts, failures = Attempt.limits()
    if Attempt.reached(network, failures):
        return False, None
    pseudonym, = [*digests.values()][:1] or ['']
    if Attempt.reached(pseudonym, attempts):
        return False, None
    access = Access.find(digests.values())
    sources = []
    if token:
        sources.append(pseudonym)
    if not access:
        sources.append(network)
    Attempt.add(*sources)
    return True, access.id if access else None


@with_transaction(readonly=True)
def list_due(request, pool, access):
    access = pool.get('early_access.questionnaire.access')(access)
    with as_patient(access):
        return {'questionnaires': [
                describe(access, form) for form in open_forms(access)]}


@with_transaction()
def receive(request, pool, access, reference, answers):
    """Deposit answers.

    :param reference: what describe() called the form.
    :param answers: by code of the questions.
    """
    Access = pool.get('early_access.questionnaire.access')
    Form = pool.get('early_access.form')
    access = Access(access)
    wait_for([access])
    if access.state != 'active':
        raise Refusal(HTTPStatus.FORBIDDEN, 'refused')
    with as_patient(access):
        form = find_form(access, reference)
        wait_for([form])
        if (form.state in {'submitted', 'verified', 'locked'}
                or form.collection_mode):
            raise Refusal(HTTPStatus.CONFLICT, 'received')
        if not is_open(form, today()):
            raise Refusal(HTTPStatus.NOT_FOUND, 'not_due')
        values = clean_answers(form.definition.questions, answers)
        Form.write([form], {
                'answers': values,
                'collection_mode': 'online',
                })
        Form.deposit([form])
    return {'received': True}


# The forms of the patient


def as_patient(access):
    "The context in which the server works for the patient."
    return Transaction().set_context(
        company=access.patient.company.id,
        questionnaire_patient=access.patient.id)


def today():
    return Pool().get('ir.date').today()


def patient_forms(*domain):
    pool = Pool()
    Form = pool.get('early_access.form')
    return Form.search([
            ('patient', '=', Transaction().context['questionnaire_patient']),
            ('kind', '=', 'quality_of_life'),
            *domain,
            ])


def open_forms(access):
    date = today()
    return [
        f for f in patient_forms(
            ('state', 'in', OPEN_STATES),
            ('collection_mode', '=', None))
        if is_open(f, date)]


def is_open(form, date):
    return (
        form.state in OPEN_STATES
        and (not form.earliest_date or form.earliest_date <= date)
        and (not form.latest_date or date <= form.latest_date
            or form.definition.late_answers))


def find_form(access, reference):
    for form in patient_forms():
        if hmac.compare_digest(
                access.reference(form).encode(), reference.encode()):
            return form
    raise Refusal(HTTPStatus.NOT_FOUND, 'not_due')


def describe(access, form):
    "Return what the page shows of a form."
    definition = form.definition
    instrument = definition.instrument
    # A translation that was not validated is not shown
    languages = [
        code for code in LANGUAGES if code in (instrument.languages or [])
        ] or LANGUAGES[:1]
    return {
        'form': access.reference(form),
        'title': translated(definition, 'name', languages),
        'due': form.due_date.isoformat() if form.due_date else None,
        'instrument': instrument.rec_name,
        'licence_holder': instrument.licence_holder,
        'languages': languages,
        'questions': [
            describe_question(q, languages) for q in definition.questions],
        }


def describe_question(question, languages):
    variable = question.variable
    result = {
        # The name of the variable starts with the code of the programme
        'code': variable.code,
        'type': variable.type_,
        'required': bool(question.required),
        'label': translated(variable, 'string', languages),
        }
    if variable.type_ in {'selection', 'multiselection'}:
        labels = {
            language: dict(json.loads(selection))
            for language, selection in translated(
                variable, 'selection_json', languages).items()}
        result['choices'] = [
            [code, {la: labels[la].get(code, code) for la in languages}]
            for code in labels[languages[0]]]
    elif variable.type_ in {'integer', 'numeric'}:
        result.update(describe_range(variable))
        result['unit'] = translated(variable, 'unit_symbol', languages)
    return result


def describe_range(variable):
    return {
        'minimum': as_number(variable.minimum),
        'maximum': as_number(variable.maximum),
        'digits': variable.digits if variable.type_ == 'numeric' else 0,
        }


def as_number(number):
    if number is None:
        return
    return int(number) if number == int(number) else float(number)


def translated(record, name, languages):
    result = {}
    for language in languages:
        with Transaction().set_context(language=language):
            result[language] = getattr(record.__class__(record.id), name)
    return result


# The answers


def clean_answers(questions, answers):
    """Return the answers by name of the variables, in their types.

    :param answers: what JSON says, by code of the variables.
    :raises Refusal: telling what is wrong with each question.
    """
    variables = {q.variable.code: q.variable for q in questions}
    if not variables.keys() >= answers.keys():
        raise Refusal(HTTPStatus.BAD_REQUEST, 'malformed')
    values, errors = {}, {}
    for question in questions:
        variable = question.variable
        try:
            value = clean_answer(variable, answers.get(variable.code))
        except ValueError as error:
            errors[variable.code] = {'error': str(error)}
            if variable.type_ in {'integer', 'numeric'}:
                errors[variable.code].update(describe_range(variable))
            continue
        if value is None and question.required:
            errors[variable.code] = {'error': 'required'}
        values[variable.name] = value
    if errors:
        raise Refusal(
            HTTPStatus.UNPROCESSABLE_ENTITY, 'answers', questions=errors)
    return values


def clean_answer(variable, value):
    """Return an answer in the type of its variable.

    :raises ValueError: with the code of the error.
    """
    if value is None or value == '' or value == []:
        return
    value = CLEANERS[variable.type_](variable, value)
    if variable.type_ in {'integer', 'numeric'} and (
            variable.minimum is not None and value < variable.minimum
            or variable.maximum is not None and value > variable.maximum):
        raise ValueError('range')
    return value


def clean_integer(variable, value):
    if (not isinstance(value, int) or isinstance(value, bool)
            or abs(value) >= LARGEST):
        raise ValueError('integer')
    return value


def clean_numeric(variable, value):
    if (not isinstance(value, (int, Decimal)) or isinstance(value, bool)
            or not abs(value) < LARGEST
            or not has_digits(Decimal(value), None, variable.digits)):
        raise ValueError('numeric')
    return Decimal(value)


def clean_date(variable, value):
    if not isinstance(value, str) or not DATE.fullmatch(value):
        raise ValueError('date')
    try:
        return dt.date.fromisoformat(value)
    except ValueError:
        raise ValueError('date') from None


def clean_selection(variable, value):
    if not isinstance(value, str) or value not in variable.choices:
        raise ValueError('choice')
    return value


def clean_multiselection(variable, value):
    if not isinstance(value, list):
        raise ValueError('choice')
    for choice in value:
        clean_selection(variable, choice)
    return sorted(set(value))


CLEANERS = {
    'integer': clean_integer,
    'numeric': clean_numeric,
    'date': clean_date,
    'selection': clean_selection,
    'multiselection': clean_multiselection,
    }
