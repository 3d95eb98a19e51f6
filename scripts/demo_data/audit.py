# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The checks of the trail and the register of the incidents.

The trail begins with the demonstration. So what the users would have left in
it during the weeks before is stored beside the database, which only a script
in the process of the server can do: through an address there is no check yet.
"""
import datetime as dt
from collections import defaultdict

from .sessions import LocalSessions

# What each user of the laboratory reads in a working day, at most
READERS = {
    'incharge': 12, 'vigilance': 18, 'medical': 9, 'research': 7, 'data': 30,
    'dpo': 3, 'supply': 6, 'regulatory': 4,
    }
PROFILES = {
    'incharge': 'pharmacist_in_charge', 'vigilance': 'pharmacovigilance',
    'medical': 'medical_affairs', 'research': 'research',
    'data': 'data_manager', 'dpo': 'dpo', 'supply': 'supply',
    'regulatory': 'regulatory_affairs',
    }
# The days ago of the first trace, and of the end of the first check
BEGIN, FIRST_CHECK = 75, 40
# What is unusual: the login, the days ago, the action and the model
EXPORT = ('data', 60)
MASS_READING = ('medical', 21)
REFUSALS = ('prescriber', 10)


def load(demo):
    if isinstance(demo.sessions, LocalSessions):
        store_past(demo)
        check(demo)
    register(demo)


def working_day(demo, days):
    "Return the working day so many days ago, or the one before."
    date = demo.ago(days=days)
    return date - dt.timedelta(days=max(0, date.isoweekday() - 5))


def store_past(demo):
    "Store what was read in the weeks before."
    from trytond.modules.early_access_audit.trail import Author
    from trytond.pool import Pool
    from trytond.transaction import Transaction

    patients = defaultdict(list)
    for row in demo.sessions['incharge'].read(
            'early_access.patient', [], ['prescriber.user.login']):
        login = row['prescriber.']['user.']['login']
        patients[login].append(row['id'])
    everyone = sum(patients.values(), [])
    forms = [
        row['id'] for row in demo.sessions['medical'].read(
            'early_access.form', [('state', '=', 'verified')], ['state'])]
    admin = demo.sessions['admin']
    users = {
        row['login']: row['id']
        for row in admin.read('res.user', [], ['login'])}

    def author(login):
        number = users[login] % 250
        return Author(
            users[login], login, PROFILES.get(login, 'prescriber'),
            f'demo-{login}', f'192.0.2.{number}', 'model.read')

    def at(date, hour=None):
        return dt.datetime.combine(date, dt.time(
                hour or demo.random.randint(7, 15),
                demo.random.randint(0, 59)))

    rows = []

    def add(login, date, action, ids, model='early_access.patient'):
        rows.append((author(login), (
                    at(date), action, model, None, None, None, list(ids))))

    for days in range(BEGIN, 0, -1):
        date = demo.ago(days=days)
        if date.isoweekday() > 5:
            continue
        for login in [*READERS, *patients]:
            ids = patients.get(login, everyone)
            most = min(READERS.get(login, 4), len(ids))
            number = demo.random.randint(0, most)
            add(login, date, 'login', [users[login]], 'res.user')
            for id_ in demo.random.sample(ids, number):
                add(login, date, 'read', [id_])
    login, days = EXPORT
    add(login, working_day(demo, days), 'export', everyone[:40])
    login, days = MASS_READING
    for id_ in everyone:
        add(login, working_day(demo, days), 'read', [id_])
    for id_ in forms[:300]:
        add(login, working_day(demo, days), 'read', [id_],
            'early_access.form')
    login, days = REFUSALS
    others = [i for i in everyone if i not in patients[login]]
    for id_ in others[:5]:
        add(login, working_day(demo, days), 'refused', [id_])
    with Transaction().start(admin.config.database_name, 0) as transaction:
        Event = Pool().get('early_access.audit.event')
        cursor = transaction.connection.cursor()
        for who, entry in sorted(rows, key=lambda row: row[1][0]):
            Event.store(cursor, who, [entry])
        transaction.commit()


def check(demo):
    "The officer signs a first check, and has the next one to clear."
    security = demo.sessions['security']
    Check = security.model('early_access.audit.check')
    first = Check()
    first.to_date = demo.ago(days=FIRST_CHECK)
    first.save()
    first.click('run')
    first.reload()
    for anomaly in first.anomalies:
        anomaly.outcome = 'legitimate'
        anomaly.note = "Monthly export of the programme, as agreed"
        anomaly.save()
        anomaly.click('clear')
    first.click('sign')
    following = Check()
    following.save()
    following.click('run')


def hours_ago(hours):
    now = dt.datetime.now(dt.UTC).replace(
        tzinfo=None, minute=0, second=0, microsecond=0)
    return now - dt.timedelta(hours=hours)


def register(demo):
    "An incident whose clock runs, and one that is closed."
    admin = demo.sessions['admin']
    security = demo.sessions['security']
    dpo = demo.sessions['dpo']
    Incident = security.model('early_access.audit.incident')
    processor = admin.model('party.party')(name="HÉBERGEUR-FICTIF")
    processor.save()
    Authorization = security.model('early_access.authorization')
    programme = [('code', '=', 'DMB')]

    closed = Incident(subject="Letter to a wrong hospital pharmacy")
    closed.natures = ['confidentiality']
    closed.occurred_from = hours_ago(24 * 33)
    closed.occurred_to = hours_ago(24 * 33 - 2)
    closed.detected_at = hours_ago(24 * 32)
    closed.aware_at = hours_ago(24 * 31)
    closed.authorizations.extend(Authorization.find(programme))
    closed.facts = (
        "A letter with the codes and the doses of three patients was sent to "
        "the pharmacy of another establishment, which opened it.")
    closed.person_categories = ['patient']
    closed.number_persons = 3
    closed.data_categories = ['code', 'health']
    closed.number_records = 3
    closed.effects = (
        "A hospital pharmacist, bound by secrecy, learnt three doses under "
        "codes that name nobody.")
    closed.severity = 'limited'
    closed.likelihood = 'limited'
    closed.risk = 'risk'
    closed.measures_taken = (
        "The pharmacy has destroyed the letter and confirmed it in writing.")
    closed.measures_planned = "Labels are printed by the order from now on."
    closed.save()
    closed.click('open')
    closed.click('assess')
    Notification = security.model('early_access.audit.incident.notification')
    for phase, hours, reference in [
            ('initial', 24 * 31 - 30, 'FICTIF-0001'),
            ('final', 24 * 20, 'FICTIF-0001-F')]:
        notification = Notification(incident=closed)
        notification.phase = phase
        notification.notified_at = hours_ago(hours)
        notification.reference = reference
        notification.save()
    closed.click('notify')
    closed, = dpo.own([closed])
    closed.click('close')

    running = Incident(subject="Copy of a backup out of the platform")
    running.natures = ['confidentiality']
    running.origin = 'processor'
    running.processor = security.model('party.party')(processor.id)
    running.warned_at = hours_ago(52)
    running.occurred_from = hours_ago(24 * 4)
    running.detected_at = hours_ago(56)
    running.aware_at = hours_ago(50)
    running.authorizations.extend(Authorization.find(programme))
    running.facts = (
        "The host has found that a technician copied an encrypted backup to "
        "a disk that left the data centre. The keys are not on it.")
    running.measures_taken = "The disk is locked away. The keys are rotated."
    running.save()
    running.click('open')
