# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The forms, as the laboratory reviews them with the hospitals."
from .forms import MODEL

# The answers that the data manager doubts and why, and how far each went
QUERIES = [
    ('fu_response_date', 'date', 'open'),
    ('fu_weight', 'range', 'answered'),
    ('fu_ecog', 'inconsistent', 'closed'),
    ]
# The days since day 0 of the serious events that are still to hand over
WAITING = [12, 3]


def load(demo):
    verify(demo)
    ask(demo)
    correct(demo)
    hand_over(demo)


def verify(demo):
    "The data manager verifies what was submitted, and locks the old forms."
    session = demo.sessions['data']
    Form = session.model(MODEL)
    submitted = Form.find([
            ('state', '=', 'submitted'),
            ('parent', '=', None),
            ('patient.state', 'in', ['eligible', 'treated']),
            ])
    session.click(
        [f for f in submitted if demo.random.random() < .7], 'verify')
    session.click(Form.find([
                ('state', '=', 'verified'),
                ('parent', '=', None),
                ('due_date', '<', demo.ago(months=9))]), 'lock')


def find_answers(session, state, names):
    """Return forms in a state with the given answers, one for each of them.

    :param names: the codes of the variables.
    :returns: the form, the name of the variable, and the prescriber.
    """
    rows = session.read(MODEL, [
            ('state', '=', state),
            ('kind', '=', 'follow_up'),
            ('patient.authorization.code', '=', 'DMB'),
            ], ['answers', 'patient.prescriber.user.login'])
    for code in names:
        row, name = next(
            (row, name) for row in rows
            for name, answer in row['answers'].items()
            if name.endswith(f'_{code}') and answer is not None)
        rows.remove(row)
        prescriber = row['patient.']['prescriber.']['user.']['login']
        yield session.model(MODEL)(row['id']), name, prescriber


def ask(demo):
    "The data manager doubts answers, which the prescribers confirm."
    session = demo.sessions['data']
    Query = session.model('early_access.query')
    Variable = session.model('early_access.variable')
    found = find_answers(session, 'submitted', [code for code, *_ in QUERIES])
    for (_, reason, state), (form, name, prescriber) in zip(QUERIES, found):
        query = Query(form=form, reason=reason)
        query.variable, = Variable.find([('name', '=', name)])
        query.save()
        if state != 'open':
            answer, = demo.sessions[prescriber].own([query])
            answer.answer_code = 'confirmed'
            answer.click('answer')
        if state == 'closed':
            query.click('close')


def correct(demo):
    "A prescriber corrects a form, which is to be verified again."
    (form, name, prescriber), = find_answers(
        demo.sessions['data'], 'verified', ['fu_weight'])
    form, = demo.sessions[prescriber].own([form])
    correction, = form.click('correct')
    correction.answers = {
        **correction.answers, name: correction.answers[name] - 1}
    correction.reason = 'source'
    correction.click('apply')


def hand_over(demo):
    "Pharmacovigilance has the events, but for those that just came."
    session = demo.sessions['vigilance']
    events = session.model(MODEL).find([('handover', '=', 'pending')])
    serious = [e for e in events if e.seriousness != ('none',)]
    for event, days in zip(serious, WAITING):
        event.day_zero = demo.ago(days=days)
        event.save()
    waiting = serious[:len(WAITING)]
    session.click([e for e in events if e not in waiting], 'hand_over')
    event = serious[len(WAITING)]
    event.case_number = 'DEMO-PV-0001'
    event.click('acknowledge')


def count(demo):
    "Count what is missing, as it is done every night."
    demo.sessions['data'].wizard('early_access.completeness.compute')
