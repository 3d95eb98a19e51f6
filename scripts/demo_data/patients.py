# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The patients, from the request for access to the end of the treatment.

The programmes ran on paper before: the hospitals transcribe their requests
with their dates. The signatures and the decisions bear the date of the day,
as nobody can put them back.

Each act is done by the person whose act it is: the prescriber, or the staff
for them, enters the request, the prescriber signs it, the hospital pharmacist
submits it, and the pharmacist in charge of the laboratory accepts it.
"""
import datetime as dt
from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from itertools import cycle, product
from types import SimpleNamespace

from . import forms, hospitals

# How many patients are in each state at the end
STATES = {
    'DMB': {
        'draft': 4, 'signed': 4, 'submitted': 6, 'refused': 5, 'eligible': 9,
        'treated': 38, 'discontinued': 10, 'never_started': 4,
        'cancelled': 3},
    'FCZ': {
        'draft': 3, 'signed': 2, 'submitted': 4, 'refused': 3, 'eligible': 5,
        'treated': 20, 'discontinued': 5, 'never_started': 2,
        'cancelled': 2},
    'EXM': {'submitted': 1, 'eligible': 1, 'treated': 6},
    'ILL': {'treated': 5, 'discontinued': 1},
    'PRT': {'treated': 4, 'discontinued': 2},
    }
# Where their patients are followed, and since how many days at most
SERVICES = {
    'DMB': (hospitals.ONCOLOGY, 540),
    'FCZ': (hospitals.PAEDIATRICS, 620),
    'EXM': (hospitals.ONCOLOGY, 270),
    'ILL': (hospitals.ONCOLOGY, 150),
    'PRT': (hospitals.PAEDIATRICS, 600),
    }

# The states of the patients to whom this happened
STARTED = {'treated', 'discontinued'}
ACCEPTED = STARTED | {'eligible', 'never_started'}
SUBMITTED = ACCEPTED | {'submitted', 'refused'}
SIGNED = SUBMITTED | {'signed'}

SURNAMES = [
    'FIC', 'EXE', 'MOD', 'DEM', 'ESS', 'TES', 'SPE', 'MAQ', 'PRO', 'GAB',
    'CRO', 'CAN', 'EBA', 'TEM', 'REP']
FIRST_NAMES = ['AA', 'BB', 'CC', 'DD', 'EE', 'FF', 'GG', 'HH', 'II', 'JJ']

REFUSALS = ['criterion', 'indication', 'alternative', 'trial', 'missing']
STOPS = [
    'progression', 'adverse_effect', 'planned', 'patient', 'death', 'lost']
NEVER_STARTED = ['progression', 'patient', 'trial', 'contraindication']


# The plan: what the persons of the hospitals know

@dataclass
class Case:
    "A patient to be, with where and by whom they are followed."
    programme: str
    state: str
    place: SimpleNamespace
    letters: tuple
    request_date: dt.date = None
    start_date: dt.date = None
    stop_date: dt.date = None
    stop_reason: str = None
    weight: int = None
    patient: object = None


def plan(demo):
    "Return the cases, in a disorder that is the same at each run."
    places = hospitals.find_places(demo)
    # All different, so that nobody seems to be a duplicate
    letters = list(product(SURNAMES, FIRST_NAMES))
    demo.random.shuffle(letters)
    cases = []
    for programme, numbers in STATES.items():
        service, _ = SERVICES[programme]
        followed = [p for (name, _), p in places.items() if name == service]
        states = [s for s, number in numbers.items() for _ in range(number)]
        demo.random.shuffle(states)
        # The first services have more patients than the last ones
        for state, place in zip(states, cycle(followed + followed[:3])):
            case = Case(programme, state, place, letters.pop())
            plan_dates(demo, case)
            cases.append(case)
    return cases


def plan_dates(demo, case):
    "Choose dates: the treatments are months old, the requests are recent."
    draw = demo.random.randint
    _, oldest = SERVICES[case.programme]
    if case.state in STARTED:
        days = draw(60 if case.state == 'discontinued' else 15, oldest)
        case.start_date = demo.ago(days=days)
        case.request_date = demo.ago(days=days + draw(7, 25))
        if case.state == 'discontinued':
            case.stop_date = demo.ago(days=draw(5, days - 30))
    elif case.state in {'draft', 'signed', 'submitted', 'eligible'}:
        case.request_date = demo.ago(days=draw(0, 25))
    else:
        case.request_date = demo.ago(days=draw(30, 150))


def by(cases, role):
    "Group the cases by the login of those who have the role at their place."
    groups = defaultdict(list)
    for case in cases:
        groups[getattr(case.place, role)].append(case)
    return groups.items()


def patients(session, cases):
    "Return the patients of the cases as the user of the session sees them."
    return session.own([c.patient for c in cases])


# The requests

def request(demo):
    "Enter the requests, then sign and submit those that went further."
    demo.cases = plan(demo)
    for login, cases in by(demo.cases, 'prescriber'):
        enter(demo, cases)
        session = demo.sessions[login]
        session.click(
            patients(session, [c for c in cases if c.state in SIGNED]),
            'sign')
        session.click(
            patients(session, [c for c in cases if c.state == 'cancelled']),
            'cancel')
    submitted = [c for c in demo.cases if c.state in SUBMITTED]
    for login, cases in by(submitted, 'pharmacist'):
        session = demo.sessions[login]
        session.click(patients(session, cases), 'submit')


def enter(demo, cases):
    "Enter the requests, every other one by the staff where there is some."
    authors = defaultdict(list)
    for index, case in enumerate(cases):
        author = case.place.prescriber
        if index % 2 and case.place.staff:
            author = case.place.staff
        authors[author].append(case)
    for author, part in authors.items():
        session = demo.sessions[author]
        records = session.create(
            'early_access.patient', [request_values(demo, c) for c in part])
        for case, record in zip(part, records):
            case.patient = record
            demo.weights[record.id] = case.weight
        forms.fill_access(
            demo, session, [c for c in part if c.state in SIGNED])


def request_values(demo, case):
    "Return the values of a request, whose date may be past."
    programme = demo.programmes[case.programme]
    return {
        'authorization': programme.authorization,
        'request_date': case.request_date,
        'service': case.place.service,
        'prescriber': case.place.professional,
        'pharmacy': case.place.pharmacy,
        **identity(demo, case),
        **information(demo, case),
        'criteria': criteria(demo, case),
        }


def identity(demo, case):
    "Return letters of no name, and a date of birth for a child only."
    draw = demo.random.randint
    service, _ = SERVICES[case.programme]
    child = service == hospitals.PAEDIATRICS
    age = draw(1, 15) if child else draw(25, 84)
    birth = case.request_date - dt.timedelta(days=365 * age + draw(20, 340))
    surname, first_name = case.letters
    case.weight = 8 + 3 * age if child else draw(48, 98)
    values = {
        'surname_letters': surname,
        'first_name_letters': first_name,
        'sex': demo.random.choice(['female', 'male']),
        'birth_month': birth.replace(day=1),
        'weight': Decimal(case.weight),
        'height': Decimal(75 + 6 * age if child else draw(150, 192)),
        }
    if demo.programmes[case.programme].paediatric:
        values['birth_date'] = birth
    return values


def information(demo, case):
    "Return the documents given, in the version in force on that day."
    if case.state == 'draft':
        return {}
    programme = demo.programmes[case.programme]
    date = min(case.request_date + dt.timedelta(days=1), demo.today)
    return {
        'information_version': programme.information,
        'information_date': date,
        'notice_version': programme.notice,
        'notice_date': date,
        'informed_person': (
            'representative' if programme.paediatric else 'patient'),
        'treatment_accepted_date': date,
        }


def criteria(demo, case):
    """Return the answers to the criteria.

    A draft is not complete. Those refused, and some that are to decide, have
    an answer that does not admit.
    """
    answers = dict(demo.programmes[case.programme].criteria)
    if case.state == 'draft':
        answers.popitem()
    elif (case.state == 'refused'
            or case.state == 'submitted' and demo.random.random() < .3):
        name = demo.random.choice(list(answers))
        answers[name] = 'no' if answers[name] == 'yes' else 'yes'
    return answers


# The decisions of the laboratory

def decide(demo):
    "Accept, refuse and send back what the hospitals submitted."
    session = demo.sessions['incharge']
    session.click(
        patients(session, [c for c in demo.cases if c.state in ACCEPTED]),
        'accept')
    refused = patients(
        session, [c for c in demo.cases if c.state == 'refused'])
    session.write(refused, [
            {'refusal_reason': reason}
            for _, reason in zip(refused, cycle(REFUSALS))])
    session.click(refused, 'refuse')
    send_back(demo)


def send_back(demo):
    "The delegate sends a request back to the prescriber to complete it."
    session = demo.sessions['delegate']
    case = next(c for c in demo.cases if c.state == 'submitted')
    patient, = patients(session, [case])
    patient.send_back_reason = 'prescription'
    patient.click('send_back')


# The treatments

def treat(demo):
    "Enter the first administrations, on their date."
    started = [c for c in demo.cases if c.state in STARTED]
    for login, cases in by(started, 'prescriber'):
        session = demo.sessions[login]
        records = patients(session, cases)
        session.write(records, [
                {'first_administration_date': c.start_date} for c in cases])
        session.click(records, 'initiate')


def close(demo):
    "Enter what ends: requests never used and treatments stopped."
    never = [c for c in demo.cases if c.state == 'never_started']
    for login, cases in by(never, 'pharmacist'):
        session = demo.sessions[login]
        records = patients(session, cases)
        session.write(records, [
                {'never_started_reason': demo.random.choice(NEVER_STARTED)}
                for _ in records])
        session.click(records, 'never_start')
    stopped = [c for c in demo.cases if c.state == 'discontinued']
    for login, cases in by(stopped, 'prescriber'):
        session = demo.sessions[login]
        records = patients(session, cases)
        for case in cases:
            case.stop_reason = demo.random.choice(STOPS)
        session.write(records, [{
                    'discontinuation_date': case.stop_date,
                    'stop_reason': case.stop_reason,
                    } for case in cases])
        session.click(records, 'discontinue')
        forms.fill_discontinuation(demo, session, cases)
    transfer(demo)
    resume(demo, stopped)


def transfer(demo):
    "Transfer a patient to the team of another one, who lives elsewhere."
    session = demo.sessions['incharge']
    treated = [
        c for c in demo.cases
        if c.programme == 'DMB' and c.state == 'treated']
    case = treated[0]
    other = next(
        c.place for c in treated if c.place.pharmacy != case.place.pharmacy)
    wizard = session.wizard(
        'early_access.patient.transfer', patients(session, [case]))
    Service = session.model('early_access.service')
    Professional = session.model('early_access.professional')
    wizard.form.service = Service(other.service)
    wizard.form.prescriber = Professional(other.professional)
    wizard.execute('transfer')


def resume(demo, stopped):
    "Prepare a new request for a patient whose treatment was stopped."
    case = next(c for c in stopped if c.programme == 'DMB')
    session = demo.sessions[case.place.prescriber]
    patient, = patients(session, [case])
    patient.click('resume')
