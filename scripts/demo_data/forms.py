# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The forms, answered by the hospitals.

A few of those that are due were forgotten, and are overdue.
"""
import datetime as dt
from collections import defaultdict
from decimal import Decimal
from itertools import cycle

from . import hospitals

MODEL = 'early_access.form'
FORGOTTEN = .04
# How often an answer is not known, or has to be confirmed, and a measure is
# not done
UNKNOWN = .03
UNUSUAL = .01
NOT_DONE = .015
YES_NO = ['no', 'no', 'no', 'no', 'yes']
# How often an adverse event is that of the partner of the patient
PARTNER = .3
# What the adverse events of a programme are, one after the other
SERIOUSNESS = [
    ['hospitalisation'], ['none'], ['important', 'hospitalisation'], ['none']]


# The answers

def answers(demo, row, date, given=()):
    """Return answers that a person could give to a form on a date.

    The questions under conditions are answered too: the server clears what
    the other answers do not ask.

    :param row: the values of the form.
    :param given: the answers that are known, by code.
    :returns: the answers, why some have none, and whether one of them is out
        of its usual range.
    """
    result, missing, unusual = {}, {}, False
    for question in demo.questions[row['definition']]:
        number = question.type_ in {'integer', 'numeric'}
        if question.code in given:
            answer = given[question.code]
        elif not question.required and demo.random.random() < .5:
            continue
        elif number and question.required and demo.random.random() < NOT_DONE:
            missing[question.name] = 'not_done'
            continue
        elif can_be_unusual(question) and demo.random.random() < UNUSUAL:
            answer = unusual_number(question)
            unusual = True
        elif question.type_ == 'date':
            least, most = question.plausible or (0, 28)
            answer = date - dt.timedelta(days=demo.random.randint(least, most))
        elif number:
            answer = usual_number(demo, question, row['patient'])
        else:
            answer = choice(demo, question)
        result[question.name] = answer
    return result, missing, unusual


def can_be_unusual(question):
    return (
        question.usual_maximum is not None
        and question.usual_maximum < question.maximum)


def usual_number(demo, question, patient):
    "Return a number: what is measured again has changed a little."
    low, high = question.usual_minimum, question.usual_maximum
    if low is None or high is None:
        low, high = question.minimum, question.maximum
    measure = question.code.rpartition('_')[2]
    if measure == 'weight':
        weight = demo.weights[patient]
        return as_number(question, weight * demo.random.uniform(.97, 1.03))
    level = demo.levels.setdefault((patient, measure), demo.random.random())
    level = min(max(level + demo.random.uniform(-.05, .05), 0), 1)
    return as_number(question, float(low) + level * float(high - low))


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
    missing = [c for c in codes if c in {'nd', 'nk', 'na', 'unknown'}]
    known = codes[:len(codes) - len(missing)]
    if missing and demo.random.random() < UNKNOWN:
        code = demo.random.choice(missing)
    elif question.plausible:
        code = demo.random.choice(question.plausible.split())
    elif known == ['yes', 'no']:
        code = demo.random.choice(YES_NO)
    else:
        code = known[int(len(known) * demo.random.random() ** 3)]
    if question.type_ != 'multiselection':
        return code
    elif code == 'none' or demo.random.random() < .6:
        return [code]
    other = demo.random.choice([c for c in known if c != 'none'])
    return sorted({code, other})


# The hospitals

def open_forms(session, *domain):
    "Return the values of the forms that are not submitted yet."
    return session.read(
        MODEL, [('state', 'in', ['expected', 'draft']), *domain],
        ['definition', 'patient', 'due_date', 'kind'])


def fill(demo, session, rows, dates=None, given=None):
    """Write the answers to the forms.

    :param dates: the date of the answers by id of patient, by default the
        one on which each form is due.
    :param given: the answers that are known, by code by id of patient.
    :returns: the forms, and those with an answer to confirm.
    """
    Form = session.model(MODEL)
    records = [Form(row['id']) for row in rows]
    vlist, to_confirm = [], []
    for form, row in zip(records, rows):
        date = (dates or {}).get(row['patient'], row['due_date'])
        date = min(date or demo.today, demo.today)
        values, missing, unusual = answers(
            demo, row, date, (given or {}).get(row['patient'], ()))
        vlist.append({'answers': values, 'missing': missing})
        if row['kind'] != 'access':
            vlist[-1]['visit_date'] = date
        if row['kind'] == 'quality_of_life':
            vlist[-1]['collection_mode'] = 'paper_professional'
        if unusual:
            to_confirm.append((form, row['patient']))
    session.write(records, vlist)
    add_treatments(demo, session, rows)
    return records, to_confirm


def add_treatments(demo, session, rows):
    "Add the treatments that the answers tell of, each a part of its form."
    vlist = []
    for row in session.read(
            MODEL, [('id', 'in', [r['id'] for r in rows])],
            ['definition', 'patient', 'visit_date', 'answers']):
        news = [
            v for n, v in row['answers'].items()
            if n.endswith('_fu_new_treatment')]
        if news != ['yes']:
            continue
        group = demo.groups[row['definition']]
        codes = demo.codes[group]
        for code in demo.random.sample(codes, demo.random.choice([1, 1, 2])):
            values, missing, _ = answers(
                demo, {'definition': group, 'patient': row['patient']},
                row['visit_date'])
            vlist.append({
                    'parent': row['id'],
                    'patient': row['patient'],
                    'definition': group,
                    'code': code,
                    'answers': values,
                    'missing': missing,
                    })
    if vlist:
        session.create(MODEL, vlist)


def submit(demo, session, rows, given=None):
    "Fill in the forms and submit them, the unusual answers confirmed."
    records, to_confirm = fill(demo, session, rows, given=given)
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


def fill_discontinuation(demo, session, cases):
    "Answer the forms of most of the patients who stopped the treatment."
    given = {
        c.patient.id: {
            'stop_reason': c.stop_reason,
            'last_date': c.stop_date,
            'death_date': c.stop_date,
            'last_contact': c.stop_date,
            } for c in cases}
    rows = open_forms(
        session,
        ('patient', 'in', list(given)),
        ('kind', '=', 'discontinuation'))
    submit(demo, session, [
            r for r in rows if demo.random.random() > FORGOTTEN], given)


def answer(demo):
    "Answer what is due and report what happened."
    seriousness = defaultdict(lambda: cycle(SERIOUSNESS))
    for _, _, login, _ in hospitals.DOCTORS:
        if login:
            answer_due(demo, login)
            report_event(demo, login, seriousness)
            report_dose_change(demo, login)


def answer_due(demo, login):
    "Submit the forms that are due, forget some and leave the last as draft."
    session = demo.sessions[login]
    rows = [
        r for r in open_forms(session, ('due_date', '<=', demo.today))
        if demo.random.random() > FORGOTTEN]
    rows.sort(key=lambda r: (r['due_date'], r['id']))
    submit(demo, session, rows[:-1])
    fill(demo, session, rows[-1:])


def report_event(demo, login, seriousness):
    """Report an adverse event of a patient: the hospital adds the form.

    :param seriousness: that of the next events, by code of programme.
    """
    session = demo.sessions[login]
    patients = session.read(
        'early_access.patient', [
            ('state', '=', 'treated'), ('authorization.state', '=', 'granted'),
            ], ['authorization.code'])
    for row in demo.random.sample(patients, min(1, len(patients))):
        code = row['authorization.']['code']
        definition = demo.programmes[code].forms['adverse_event']
        values = {
            'patient': row['id'],
            'definition': definition,
            'situation': 'adverse_effect',
            'seriousness': next(seriousness[code]),
            }
        if definition in demo.codes:
            values['code'] = demo.random.choice(demo.codes[definition])
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


def report_dose_change(demo, login):
    "Report the change of the dose of a patient, today."
    session = demo.sessions[login]
    patients = session.read(
        'early_access.patient', [
            ('state', '=', 'treated'), ('authorization.code', '=', 'DMB'),
            ], ['id'])
    for row in demo.random.sample(patients, min(1, len(patients))):
        form, = session.create(MODEL, [{
                    'patient': row['id'],
                    'definition': demo.programmes['DMB'].forms['dose_change'],
                    }])
        submit(demo, session, open_forms(session, ('id', '=', form.id)))
