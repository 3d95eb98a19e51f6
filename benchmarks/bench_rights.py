# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"What is held about a person, gathered and encrypted to be given."
import datetime as dt
import time
from decimal import Decimal
from statistics import median

from bench_trail import trail
from measure import result
from trail_tools import programme

FORMS = 200
EVENTS = 2_000
RUNS = 10
# The seconds that a request may take
BUDGET = 2
MODEL = 'early_access.rights.request'


def fill(patient):
    "Give the patient forms with answers, and readings in the trail."
    from trytond.modules.early_access_audit.trail import Author
    from trytond.pool import Pool
    from trytond.transaction import Transaction
    pool = Pool()
    Event = pool.get('early_access.audit.event')
    Form = pool.get('early_access.form')
    definition = next(
        d for d in patient.protocol.forms if d.kind == 'dose_change')
    name = next(
        v.name for v in definition.variables if v.code == 'dose')
    Form.create([{
                'patient': patient.id,
                'definition': definition.id,
                'visit_date': dt.date.today(),
                'answers': {name: Decimal(50)},
                } for _ in range(FORMS - len(patient.forms))])
    cursor = Transaction().connection.cursor()
    now = dt.datetime.now()
    author = Author(1, 'user', 'medical_affairs', None, None, None)
    Event.store(cursor, author, [
            (now - dt.timedelta(hours=i), 'read', patient.__name__, None,
                None, None, [patient.id]) for i in range(EVENTS)])


def request_of(patient):
    from trytond.pool import Pool
    pool = Pool()
    Lang = pool.get('ir.lang')
    Request = pool.get(MODEL)
    language, = Lang.search([('code', '=', 'en')])
    today = dt.date.today()
    request, = Request.create([{
                'company': patient.company.id,
                'kind': 'access',
                'patient': patient.id,
                'received_how': 'letter',
                'received_on': today,
                'warned_on': today,
                'identity_document': 'passport',
                'identity_checked_on': today,
                'language': language.id,
                }])
    Request.check_identity([request])
    Request.start([Request(request.id)])
    return request


def answer(database, user, patient):
    "Return the seconds of an answer, which is undone."
    from trytond.pool import Pool
    from trytond.transaction import Transaction
    with Transaction().start(database, user) as transaction:
        pool = Pool()
        Answer = pool.get(f'{MODEL}.answer', type='wizard')
        request = request_of(pool.get('early_access.patient')(patient))
        with transaction.set_context(
                active_model=MODEL, active_id=request.id,
                active_ids=[request.id]):
            session, state, _ = Answer.create()
            start = time.perf_counter()
            given = Answer.execute(session, {}, state)
            duration = time.perf_counter() - start
        assert given['view']['defaults']['file']
        transaction.rollback()
        return duration


def access(name):
    "With the document to read as LibreOffice makes it, and before"
    from trytond import config
    from trytond.pool import Pool
    from trytond.transaction import Transaction
    with trail(programme, 'early_access_retention') as database:
        with Transaction().start(database, 0) as transaction:
            pool = Pool()
            User = pool.get('res.user')
            Patient = pool.get('early_access.patient')
            user = User.search([('login', '=', 'dpo')])[0].id
            patient, = Patient.search([('state', '=', 'treated')])
            fill(patient)
            transaction.commit()
            patient = patient.id
        if not config.has_section('report'):
            config.add_section('report')
        for command, text, budget, runs in [
                ('none', "as ODT and JSON", BUDGET, RUNS),
                ('soffice', "as PDF and JSON, with LibreOffice", None, 3),
                ]:
            config.set('report', 'convert_command', (
                    command if command == 'none' else
                    f'{command} --headless '
                    '--convert-to "%(output_extension)s" '
                    '--outdir "%(directory)s" "%(input_path)s"'))
            answer(database, user, patient)
            seconds = median(
                answer(database, user, patient) for _ in range(runs))
            yield result(
                f'access to {FORMS} forms {text}', seconds, 's', budget,
                seconds <= (budget or 0), f'{EVENTS:,} readings in the trail',
                runs)


BENCHMARKS = {
    'rights_access': access,
    }
