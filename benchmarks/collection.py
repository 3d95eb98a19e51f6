# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Programmes that collect, of many patients who each have a key of their own."
import csv
import datetime as dt
import io
import math
import random
import re
import uuid
from decimal import Decimal
from pathlib import Path

from harness import PASSWORD
from sealed_models import PlainFullForm
from sql import Cast, Values
from sql.conditionals import Case
from sql.operators import Concat

from trytond.modules.early_access.data_key import open_key
from trytond.modules.early_access.tests.multiply import multiply
from trytond.pool import Pool
from trytond.tools import grouped_slice
from trytond.transaction import Transaction

CHUNK = 1_000
# The patients whom a user selects at a time
BATCH = 100
# Of a patient, and the patients of a prescriber
FORMS = 10
OF_PRESCRIBER = 100
USERS = ['data_manager', 'prescriber']
# In the programme of the dictionary
PATIENTS = 250
VISITS = 4
FORM_TAG = re.compile(r"@EARLYACCESS-FORM-[A-Z-]+=('[^']*'|\S+)")


# The programmes of many patients, copies of one who is real


def few_to_schedule(config):
    # A batch more to warm up
    to_schedule(1_000 + BATCH, config)


def many_to_schedule(config):
    to_schedule(10_000 + BATCH, config)


def few_to_count(config):
    to_count(1_000, config)


def many_to_count(config):
    to_count(100_000, config)


def few_to_remind(config):
    to_remind(100_000, config)


def many_to_remind(config):
    to_remind(1_000_000, config)


def to_schedule(number, config):
    "Eligible patients whose first administration is known"
    start = dt.date.today() - dt.timedelta(days=20)
    patient = _programme(config, 'eligible')
    with Transaction().start(config.database_name, 0) as transaction:
        patient = Pool().get('early_access.patient')(patient)
        patient.request_date = patient.first_administration_date = start
        patient.save()
        multiply_patients(patient, number - 1)
        transaction.commit()
        transaction.connection.cursor().execute('ANALYZE')


def to_count(number, config):
    "Treated patients, each with a follow-up that was submitted"
    patient = _programme(config, 'treated')
    with Transaction().start(config.database_name, 0) as transaction:
        patient = Pool().get('early_access.patient')(patient)
        form = _follow_up(patient)
        names = {v.code: v.name for v in form.variables}
        form.visit_date = dt.date.today()
        form.answers = {
            names['response']: 'none',
            names['dose']: Decimal(50),
            names['stop_cause']: 'toxicity',
            }
        form.save()
        form.__class__.submit([form])
        multiply_patients(patient, number - 1, [form])
        transaction.commit()
        transaction.connection.cursor().execute('ANALYZE')


def to_remind(number, config):
    """So many forms, of patients with ten each.

    One of the ten is overdue, one is due and two are to come. There is a
    prescriber for a hundred patients. Nothing of it is opened: the copies are
    not sealed again.
    """
    patient = _programme(config, 'treated')
    with Transaction().start(config.database_name, 0) as transaction:
        patient = Pool().get('early_access.patient')(patient)
        patients = number // FORMS
        services, prescribers = _multiply_teams(
            patient, patients // OF_PRESCRIBER)
        first = multiply(
            patient, patients,
            code=numbered('C-'), uuid=numbered('uuid-'),
            service=lambda i: (i - 1) / OF_PRESCRIBER + services + 1,
            prescriber=lambda i: (i - 1) / OF_PRESCRIBER + prescribers + 1)
        today = dt.date.today()

        def date(days):
            return lambda i: Case(
                (i % FORMS == 1, today + dt.timedelta(days=days - 30)),
                (i % FORMS == 2, today + dt.timedelta(days=days)),
                else_=today + dt.timedelta(days=days + 30))

        multiply(
            _follow_up(patient), number,
            patient=lambda i: (i - 1) / FORMS + first + 1,
            repetition=lambda i: i % FORMS + 1,
            uuid=numbered('uuid-'),
            state=lambda i: Case((i % FORMS < 4, 'expected'), else_='locked'),
            due_date=date(0), latest_date=date(14))
        transaction.commit()
        transaction.connection.cursor().execute('ANALYZE')


def _programme(config, state):
    "Return the id of the patient of a programme"
    from trytond.modules.early_access.tests.tools import (
        create_laboratory, create_patient, create_programme)

    create_laboratory(config=config)
    create_programme(config=config)
    _set_passwords(config)
    return create_patient(state, config=config)


def _set_passwords(config):
    from proteus import Model
    User = Model.get('res.user', config=config)
    for user in User.find([('login', 'in', USERS)]):
        user.password = PASSWORD
        user.save()


def _follow_up(patient):
    return next(f for f in patient.forms if f.kind == 'follow_up')


def _multiply_teams(patient, number):
    """Copy the service and the prescriber, with an e-mail, of a patient.

    Return the ids before those of the first of each. The first service is
    that of the user who signs in, too.
    """
    prescriber = patient.prescriber
    user = prescriber.user
    user.email = 'prescriber@example.com'
    user.save()
    services = multiply(patient.service, number, name=numbered('S'))
    parties = multiply(prescriber.party, number, code=numbered('P'))
    users = multiply(user, number, login=numbered('u'))
    prescribers = multiply(
        prescriber, number, rpps=numbered('R'),
        party=lambda i: i + parties, user=lambda i: i + users)
    prescriber.services += (patient.service.__class__(services + 1),)
    prescriber.save()
    return services, prescribers


def multiply_patients(patient, number, forms=None):
    """Copy a patient and forms, each patient under a key of their own.

    The database copies the rows, then each document is sealed for its row.
    """
    patients = multiply(
        patient, number, code=numbered('C-'), uuid=numbered('uuid-'))
    copies = [(patient, patients)]
    for form in patient.forms if forms is None else forms:
        copies.append((form, multiply(
                    form, number, patient=lambda i: i + patients,
                    uuid=numbered(f'uuid-{form.id}-'))))
    DataKey = Pool().get('early_access.data_key')
    for numbers in grouped_slice(range(1, number + 1), CHUNK):
        numbers = list(numbers)
        keys = DataKey.wrapped_keys(
            [k.id for k in DataKey.new(len(numbers))])
        for record, last in copies:
            _seal(record, [n + last for n in numbers], keys)


def _seal(record, ids, keys):
    "Seal the document of a record in its copies, under a key for each"
    Model = record.__class__
    document = Model._open_document(
        Model._sealed_rows([record.id])[record.id])
    rows = {
        r['id']: r for r in Model.read(
            ids, ['id', 'uuid', *Model._sealed_bound])}
    sealed = []
    for id_, (key, key_uuid, kek, wrapped) in zip(ids, keys):
        cipher, _ = open_key(kek, wrapped)
        row = rows[id_]
        sealed.append([id_, key, Model._seal_document(
                    cipher, uuid.UUID(key_uuid).bytes, row['uuid'], row,
                    document)])
    table, values = Model.__table__(), Values(sealed)
    Transaction().connection.cursor().execute(*table.update(
            [table.data_key, table.sealed], [values.column2, values.column3],
            from_=[values], where=table.id == values.column1))


def numbered(prefix):
    return lambda i: Concat(prefix, Cast(i, 'VARCHAR'))


# The form of all the questions of a data dictionary


def dictionary(config):
    "A programme with a form of 121 questions, sealed and clear."
    from trytond.modules.early_access.tests.tools import (
        create_authorization, create_laboratory, run_as)

    create_laboratory(config=config)
    with run_as('regulatory_affairs', config=config):
        _dictionary_protocol(create_authorization(config=config), config)
    _set_passwords(config)
    with Transaction().start(config.database_name, 0) as transaction:
        cls = Pool().get(PlainFullForm.__name__)
        cls.__register__('early_access')
        cls._update_sql_indexes()
        _copy_access('early_access.form', cls.__name__)
        Patient = Pool().get('early_access.patient')
        _create_full_forms(Patient.create(list(_patients())))
        transaction.commit()
        transaction.connection.cursor().execute('ANALYZE')


def _patients():
    pool = Pool()
    Professional = pool.get('early_access.professional')
    prescriber, = Professional.search([('user.login', '=', 'prescriber')])
    service, = prescriber.services
    for _ in range(PATIENTS):
        yield {
            'service': service.id,
            'prescriber': prescriber.id,
            'surname_letters': 'TES',
            'first_name_letters': 'TE',
            'sex': 'female',
            'birth_month': dt.date(1970, 5, 1),
            'weight': Decimal('61.5'),
            'height': Decimal(168),
            }


def _dictionary_protocol(authorization, config):
    from proteus import Model
    Protocol = Model.get('early_access.protocol', config=config)
    protocol = Protocol(authorization=authorization, version='1')
    protocol.decision = authorization.decisions[0]
    protocol.effective_date = protocol.decision.effective_date
    protocol.prescriber_information = protocol.privacy_notice = '1'
    protocol.criteria.new(
        code='adult', string="The patient is an adult", kind='inclusion',
        admitting_answer='yes')
    supply = protocol.supplies.new()
    supply.product = authorization.products[0]
    supply.maximum_quantity = 10
    protocol.save()
    wizard = protocol.click('import_dictionary')
    wizard.form.file = _dictionary()
    wizard.execute('report')
    wizard.execute('import_')
    protocol.reload()
    asked = protocol.forms[0].questions[0].variable
    for kind in ['access', 'initiation', 'discontinuation']:
        protocol.forms.new(kind=kind, name=kind.title()).questions.new(
            variable=type(asked)(asked.id))
    protocol.save()
    full = next(f for f in protocol.forms if f.kind == 'follow_up')
    for number in range(1, VISITS + 1):
        visit = protocol.visits.new(name=f"V{number}", offset=number)
        visit.forms.append(type(full)(full.id))
    protocol.save()
    protocol.click('activate')


def _dictionary():
    "The dictionary of the tests, with all its fields in one form"
    from trytond.modules.early_access import tests
    path = Path(tests.__file__).with_name('dictionary.csv')
    header, *rows = csv.reader(io.StringIO(path.read_text()))
    column = header.index('Form Name')
    for row in rows:
        row[column] = 'follow_up'
        # The other forms are no longer there to be described
        row[-1] = FORM_TAG.sub('', row[-1])
    file = io.StringIO()
    csv.writer(file).writerows([header, *rows])
    return file.getvalue().encode()


def _copy_access(source, target):
    "Give a model the accesses and the rules of another"
    pool = Pool()
    for name in ['ir.model.access', 'ir.rule.group']:
        Model = pool.get(name)
        Model.copy(
            Model.search([('model', '=', source)]), default={'model': target})


def _create_full_forms(patients):
    "The forms, and clear ones of the same values and order"
    pool = Pool()
    Definition = pool.get('early_access.protocol.form')
    Form = pool.get('early_access.form')
    Plain = pool.get(PlainFullForm.__name__)
    definition, = Definition.search([('kind', '=', 'follow_up')])
    picked = random.Random('fixtures')
    today = dt.date.today()
    vlist = []
    for number, visit in enumerate(definition.protocol.visits):
        due_date = today + dt.timedelta(days=28 * number)
        vlist += [{
                'patient': patient.id,
                'definition': definition.id,
                'kind': definition.kind,
                'visit': visit.id,
                'repetition': 1,
                'due_date': due_date,
                'latest_date': due_date + dt.timedelta(days=14),
                'state': 'draft',
                'visit_date': today,
                'answers': {
                    v.name: _pick(v, picked) for v in definition.variables},
                } for patient in patients]
    names = ['answers', 'missing', 'computed']
    forms = Form.read([f.id for f in Form.create(vlist)], ['id', *names])
    Plain.create([
            {**values, **{n: dict(form[n]) for n in names}}
            for values, form in zip(vlist, sorted(
                    forms, key=lambda f: f['id']))])


def _pick(variable, picked):
    if variable.type_ == 'date':
        return dt.date(2024, 1, 1) + dt.timedelta(days=picked.randrange(700))
    elif variable.type_ == 'selection':
        return picked.choice(variable.choice_codes)
    elif variable.type_ == 'multiselection':
        return picked.sample(variable.choice_codes, 2)
    value = picked.randrange(
        math.ceil(variable.minimum or 0), int(variable.maximum or 200) + 1)
    return Decimal(value) if variable.type_ == 'numeric' else value
