# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The forms: answered by the hospitals, verified by the data manager.

A few of those that are due were forgotten, and are overdue.
"""
import datetime as dt
from decimal import Decimal

from . import hospitals

MODEL = 'early_access.form'
FORGOTTEN = .04
# How often an answer is not known, or has to be confirmed
UNKNOWN = .03
UNUSUAL = .01
# How often an adverse event is that of the partner of the patient
PARTNER = .3
SERIOUSNESS = [
    ['none'], ['none'], ['none'], ['hospitalisation'],
    ['important', 'hospitalisation']]


# The answers

def answers(demo, definition, date):
    """Return answers that a person could give to a form on a date.

    :param definition: the id of the form in the protocol.
    :returns: the answers, and whether one of them is out of its usual range.
    """
    result, unusual = {}, False
    for question in demo.questions[definition]:
        if not question.required and demo.random.random() < .5:
            continue
        if can_be_unusual(question) and demo.random.random() < UNUSUAL:
            answer = unusual_number(question)
            unusual = True
        elif question.type_ == 'date':
            answer = date - dt.timedelta(days=demo.random.randint(0, 28))
        elif question.type_ in {'integer', 'numeric'}:
            answer = usual_number(demo, question)
        else:
            answer = choice(demo, question)
        result[question.name] = answer
    return result, unusual


def can_be_unusual(question):
    return (
        question.usual_maximum is not None
        and question.usual_maximum < question.maximum)


def usual_number(demo, question):
    low, high = question.usual_minimum, question.usual_maximum
    if low is None or high is None:
        low, high = question.minimum, question.maximum
    return as_number(
        question, float(low) + demo.random.random() * float(high - low))


def unusual_number(question):
    "Return a number that is accepted, but has to be confirmed."
    return as_number(
        question, float(question.usual_maximum + question.maximum) / 2)


def as_number(question, number):
    if question.type_ == 'integer':
        return round(number)
    return Decimal(f'{number:.{question.digits}f}')


def choice(demo, question):
    "Return a choice: the first ones are the most frequent."
    codes = [line.split(':')[0] for line in question.selection.splitlines()]
    missing = [c for c in codes if c in {'nd', 'nk', 'na'}]
    known = codes[:len(codes) - len(missing)]
    if missing and demo.random.random() < UNKNOWN:
        code = demo.random.choice(missing)
    else:
        code = known[int(len(known) * demo.random.random() ** 3)]
    return [code] if question.type_ == 'multiselection' else code


# The hospitals

def open_forms(session, *domain):
    "Return the values of the forms that are not submitted yet."
    return session.read(
        MODEL, [('state', 'in', ['expected', 'draft']), *domain],
        ['definition', 'patient', 'due_date', 'kind'])


def fill(demo, session, rows, dates=None):
    """Write the answers to the forms.

    :param dates: the date of the answers by id of patient, by default the
        one on which each form is due.
    :returns: the forms, and those with an answer to confirm.
    """
    Form = session.model(MODEL)
    records = [Form(row['id']) for row in rows]
    vlist, to_confirm = [], []
    for form, row in zip(records, rows):
        date = (dates or {}).get(row['patient'], row['due_date'])
        date = min(date or demo.today, demo.today)
        values, unusual = answers(demo, row['definition'], date)
        vlist.append({'answers': values})
        if row['kind'] != 'access':
            vlist[-1]['visit_date'] = date
        if row['kind'] == 'quality_of_life':
            vlist[-1]['collection_mode'] = 'paper_professional'
        if unusual:
            to_confirm.append((form, row['patient']))
    session.write(records, vlist)
    return records, to_confirm


def submit(demo, session, rows):
    "Fill in the forms and submit them, the unusual answers confirmed."
    records, to_confirm = fill(demo, session, rows)
    for form, _ in to_confirm:
        session.confirm('unusual_answers', [form])
    session.click(records, 'submit')


def fill_access(demo, session, cases):
    """Answer the access forms, which the signature of the request submits.

    The prescriber who signs confirms the unusual answers.
    """
    dates = {c.patient.id: c.request_date for c in cases}
    prescribers = {c.patient.id: c.place.prescriber for c in cases}
    rows = open_forms(
        session, ('patient', 'in', list(dates)), ('kind', '=', 'access'))
    _, to_confirm = fill(demo, session, rows, dates)
    for form, patient in to_confirm:
        demo.sessions[prescribers[patient]].confirm('unusual_answers', [form])


def fill_discontinuation(demo, session, patients):
    "Answer the forms of most of the patients who stopped the treatment."
    rows = open_forms(
        session,
        ('patient', 'in', [p.id for p in patients]),
        ('kind', '=', 'discontinuation'))
    submit(demo, session, [
            r for r in rows if demo.random.random() > FORGOTTEN])


def answer(demo):
    "Answer what is due, then verify most of what was answered."
    for _, _, login, _ in hospitals.DOCTORS:
        if login:
            answer_due(demo, login)
            report_events(demo, login)
    verify(demo)


def answer_due(demo, login):
    "Submit the forms that are due, forget some and leave the last as draft."
    session = demo.sessions[login]
    rows = [
        r for r in open_forms(session, ('due_date', '<=', demo.today))
        if demo.random.random() > FORGOTTEN]
    rows.sort(key=lambda r: (r['due_date'], r['id']))
    submit(demo, session, rows[:-1])
    fill(demo, session, rows[-1:])


def report_events(demo, login):
    "Report an adverse event of a patient: the hospital adds the form."
    session = demo.sessions[login]
    patients = session.read(
        'early_access.patient', [
            ('state', '=', 'treated'), ('authorization.state', '=', 'granted'),
            ], ['authorization.code'])
    for row in demo.random.sample(patients, min(1, len(patients))):
        code = row['authorization.']['code']
        programme = demo.programmes[code]
        values = {
            'patient': row['id'],
            'definition': programme.event_form,
            'situation': 'adverse_effect',
            'seriousness': demo.random.choice(SERIOUSNESS),
            }
        if code == 'DMB' and demo.random.random() < PARTNER:
            person, = session.create('early_access.related_person', [{
                        'patient': row['id'],
                        'link': 'partner',
                        'surname_letters': 'EXE',
                        'first_name_letters': 'PA',
                        'sex': demo.random.choice(['female', 'male']),
                        }])
            values['related_person'] = person.id
        form, = session.create(MODEL, [values])
        submit(demo, session, open_forms(session, ('id', '=', form.id)))


# The laboratory

def verify(demo):
    "The data manager verifies what was submitted, and locks the old forms."
    session = demo.sessions['data']
    Form = session.model(MODEL)
    submitted = Form.find([
            ('state', '=', 'submitted'),
            ('patient.state', 'in', ['eligible', 'treated']),
            ])
    session.click(
        [f for f in submitted if demo.random.random() < .7], 'verify')
    session.click(Form.find([
                ('state', '=', 'verified'),
                ('due_date', '<', demo.ago(months=9))]), 'lock')
