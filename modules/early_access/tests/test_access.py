# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What each profile may see and do (CNIL 2022-107, art. 8; SEC-HAB-1).

The accesses are tried as each of the users, with the checks of a request.
"""

import datetime as dt

from trytond.exceptions import UserError
from trytond.model import (
    ModelSingleton, ModelSQL, ModelStorage, ModelView)
from trytond.model.exceptions import AccessError, AccessButtonError
from trytond.pool import Pool, isregisteredby
from trytond.tests.test_tryton import with_transaction
from trytond.transaction import Transaction

from .tools import (
    HOSPITAL, PROFILES, ProgrammeTestCase, acting, acting_groups, rpc)

HOSPITAL_PROFILES = {
    'prescriber', 'hospital_pharmacist', 'hospital_staff',
    'establishment_referent'}
LABORATORY_PROFILES = PROFILES.keys() - HOSPITAL_PROFILES
# Who needs the pseudonymised health data, and the letters of the name
HEALTH = {
    'pharmacist_in_charge', 'delegate', 'pharmacovigilance',
    'medical_affairs', 'research', 'regulatory_affairs', 'data_manager',
    'dpo', 'audit', 'prescriber', 'hospital_pharmacist', 'hospital_staff'}
IDENTITY = {
    'pharmacist_in_charge', 'delegate', 'dpo', 'audit', 'prescriber',
    'hospital_pharmacist', 'hospital_staff'}
ORDERS = {
    'pharmacist_in_charge', 'delegate', 'pharmacovigilance', 'supply',
    'data_manager', 'audit', 'prescriber', 'hospital_staff'}
EXPORTERS = {
    'pharmacist_in_charge', 'delegate', 'pharmacovigilance', 'research',
    'data_manager'}
EVERYONE = set(PROFILES)


def rights(readers=(), **others):
    return {**dict.fromkeys(readers, 'r'), **others}


# Read, write, create, delete
ACCESS = {
    'early_access.patient': rights(
        HEALTH | {'market_access', 'supply'},
        pharmacist_in_charge='rw', delegate='rw', prescriber='rwcd',
        hospital_staff='rwc', hospital_pharmacist='rw'),
    'early_access.patient.assignment': rights(
        HEALTH | {'market_access', 'supply'}),
    'early_access.related_person': rights(
        HEALTH, prescriber='rwcd', hospital_staff='rwc'),
    'early_access.form': rights(
        HEALTH, prescriber='rwcd', hospital_staff='rwcd',
        hospital_pharmacist='rw', pharmacovigilance='rw'),
    'early_access.questionnaire.access': rights({
            'pharmacist_in_charge', 'delegate', 'data_manager', 'dpo',
            'audit', 'prescriber', 'hospital_staff'}),
    'early_access.instrument': rights(
        EVERYONE - {'configuration'}, regulatory_affairs='rwcd',
        data_manager='rwcd'),
    'early_access.order': rights(ORDERS, hospital_pharmacist='rwcd'),
    'early_access.order.line': rights(ORDERS, hospital_pharmacist='rwcd'),
    'early_access.recall': rights({
            'supply', 'pharmacist_in_charge', 'delegate',
            'pharmacovigilance', 'audit'}),
    'early_access.indication': rights(EVERYONE, regulatory_affairs='rwcd'),
    'early_access.authorization': rights(
        EVERYONE - {'configuration'}, regulatory_affairs='rwcd'),
    'early_access.authorization.decision': rights({
            'pharmacist_in_charge', 'delegate', 'medical_affairs',
            'market_access', 'audit'},
        regulatory_affairs='rwcd'),
    'early_access.safety_information': rights({
            'pharmacist_in_charge', 'delegate', 'pharmacovigilance',
            'audit'},
        regulatory_affairs='rwcd'),
    'early_access.report': rights({
            'pharmacist_in_charge', 'delegate', 'pharmacovigilance',
            'medical_affairs', 'dpo', 'audit'},
        regulatory_affairs='rwcd'),
    'early_access.delegation': rights(
        {'configuration', 'audit'}, pharmacist_in_charge='rwcd'),
    'early_access.service': rights(EVERYONE, configuration='rwc'),
    'early_access.specialty': rights(EVERYONE, configuration='rwcd'),
    'early_access.professional': rights(
        EVERYONE - {
            'medical_affairs', 'research', 'market_access',
            'security_officer'},
        configuration='rwcd'),
    'early_access.data_export': rights(
        {'dpo', 'audit'}, **dict.fromkeys(EXPORTERS, 'rwc')),
    'early_access.configuration': rights({'supply'}, configuration='rw'),
    }
# The definition of the protocol is public: its parts follow it
PROTOCOL = rights(
    EVERYONE - {'configuration'},
    regulatory_affairs='rwcd')
ACCESS.update(dict.fromkeys([
            'early_access.protocol', 'early_access.protocol.criterion',
            'early_access.protocol.form',
            'early_access.protocol.form.condition',
            'early_access.protocol.form.question',
            'early_access.protocol.form.question.condition',
            'early_access.protocol.justification',
            'early_access.protocol.supply', 'early_access.protocol.visit',
            'early_access.variable',
            ], PROTOCOL))
ACCESS['early_access.query'] = rights(
    HEALTH, **dict.fromkeys([
            'pharmacist_in_charge', 'delegate', 'data_manager',
            'pharmacovigilance'], 'rwc'),
    **dict.fromkeys(
        ['prescriber', 'hospital_pharmacist', 'hospital_staff'], 'rw'))
ACCESS['early_access.form.correction'] = rights(
    HEALTH, **dict.fromkeys(
        ['prescriber', 'hospital_pharmacist', 'hospital_staff'], 'rwd'))
ACCESS['early_access.patient.protocol_change'] = rights(HEALTH)
AGGREGATED = {
    'pharmacist_in_charge', 'delegate', 'medical_affairs', 'research',
    'regulatory_affairs', 'market_access', 'data_manager', 'dpo', 'audit'}
ACCESS.update(dict.fromkeys([
            'early_access.completeness',
            'early_access.completeness.establishment',
            'early_access.completeness.form',
            ], rights(AGGREGATED)))
ACCESS['early_access.completeness.patient'] = rights(HEALTH)
ACCESS['early_access.reminder'] = rights(
    {
        'pharmacist_in_charge', 'delegate', 'data_manager', 'dpo', 'audit'})
CODES = rights(HEALTH, regulatory_affairs='rwcd', data_manager='rwcd')
ACCESS.update(dict.fromkeys(
        ['early_access.code_list', 'early_access.code'], CODES))
DECISION_MAKERS = {'pharmacist_in_charge', 'delegate'}
VERIFIERS = DECISION_MAKERS | {'data_manager'}
CLINICIANS = {'prescriber', 'hospital_pharmacist', 'hospital_staff'}
BUTTONS = {
    'early_access.patient': {
        'sign': {'prescriber'},
        'submit': {'hospital_pharmacist'},
        'send_back': DECISION_MAKERS | {'hospital_pharmacist'},
        'accept': DECISION_MAKERS,
        'refuse': DECISION_MAKERS,
        'initiate': {'prescriber', 'hospital_pharmacist', 'hospital_staff'},
        'never_start': {'prescriber', 'hospital_pharmacist'},
        'discontinue': {
            'prescriber', 'hospital_pharmacist', 'hospital_staff'},
        'cancel': {'prescriber', 'hospital_pharmacist', 'hospital_staff'},
        'resume': {'prescriber'},
        'transfer': DECISION_MAKERS,
        'questionnaire_sheet': {'prescriber', 'hospital_staff'},
        },
    'early_access.questionnaire.access': {
        'revoke': {'prescriber', 'hospital_staff', 'data_manager'},
        },
    'early_access.form': {
        'submit': {'prescriber', 'hospital_pharmacist'},
        'reopen': VERIFIERS | {'prescriber'},
        'verify': VERIFIERS,
        'lock': VERIFIERS,
        'correct': CLINICIANS,
        'hand_over': {'pharmacovigilance'},
        'acknowledge': {'pharmacovigilance'},
        },
    'early_access.query': {
        'answer': CLINICIANS,
        'ask_again': VERIFIERS | {'pharmacovigilance'},
        'close': VERIFIERS | {'pharmacovigilance'},
        },
    'early_access.form.correction': {
        'apply': {'prescriber', 'hospital_pharmacist'},
        },
    'early_access.order': {
        'submit': {'hospital_pharmacist'},
        'cancel': DECISION_MAKERS | {'hospital_pharmacist', 'supply'},
        'override': DECISION_MAKERS,
        'refuse': DECISION_MAKERS | {'supply'},
        'approve': {'supply'},
        'pick': {'supply'},
        'ship': {'supply'},
        'receive': {'hospital_pharmacist'},
        },
    'early_access.authorization': dict.fromkeys(
        ['draft', 'file', 'file_renewal', 'end_coverage', 'end'],
        {'regulatory_affairs'}),
    'early_access.authorization.decision': {'post': {'regulatory_affairs'}},
    'early_access.report': dict.fromkeys(
        ['draft', 'transmit', 'publish'], {'regulatory_affairs'}),
    'early_access.protocol': {
        'activate': {'regulatory_affairs'},
        'import_dictionary': {'regulatory_affairs'},
        'move': VERIFIERS,
        },
    'early_access.code_list': {
        'import_codes': {'regulatory_affairs', 'data_manager'},
        },
    'early_access.data_export': {'export': EXPORTERS},
    'early_access.professional': dict.fromkeys(
        ['activate', 'deactivate'], {'configuration'}),
    }


def profile_of(login):
    return HOSPITAL[login][0] if login in HOSPITAL else login


class AccessTestCase(ProgrammeTestCase):
    "Test the accesses"

    def models(self):
        for name, Model in Pool().iterobject():
            # The others are not exposed to the clients
            if (isregisteredby(Model, 'early_access')
                    and name.startswith('early_access.')
                    and issubclass(Model, ModelStorage)
                    and issubclass(Model, ModelView)):
                yield name, Model

    def allowed(self, call, *args):
        try:
            call(*args)
        except (AccessError, AccessButtonError, NotImplementedError):
            return False
        return True

    @with_transaction()
    def test_model_access(self):
        "What each profile may read, write, create and delete"
        models = dict(self.models())
        self.assertEqual(models.keys(), ACCESS.keys())
        for profile in PROFILES:
            with acting(profile):
                for name, Model in models.items():
                    tried = [
                        ('r', Model.search, [('id', '=', -1)]),
                        ('w', Model.write, [], {}),
                        ]
                    if not issubclass(Model, ModelSingleton):
                        tried += [
                            ('c', Model.create, []),
                            ('d', Model.delete, []),
                            ]
                    found = ''.join(
                        letter for letter, call, *args in tried
                        if self.allowed(call, *args))
                    with self.subTest(profile=profile, model=name):
                        self.assertEqual(
                            found, ACCESS[name].get(profile, ''))

    @with_transaction()
    def test_no_profile(self):
        "A user of the server without a profile sees nothing of the module"
        with acting_groups('stranger'):
            for name, Model in self.models():
                with self.subTest(model=name):
                    with self.assertRaises(AccessError):
                        Model.search([])

    @with_transaction()
    def test_links(self):
        "The tables behind are closed too: REST reaches all of them"
        pool = Pool()
        ModelAccess = pool.get('ir.model.access')
        links = {
            name for name, Model in pool.iterobject()
            if name.startswith('early_access.')
            and issubclass(Model, ModelSQL)} - ACCESS.keys()
        self.assertIn('early_access.data_key', links)
        for profile in PROFILES:
            writers = {
                'configuration': {
                    'early_access.configuration.order',
                    'early_access.professional-early_access.service',
                    'early_access.professional-party.party',
                    },
                'regulatory_affairs': {
                    'early_access.authorization-product.product',
                    'early_access.protocol-early_access.specialty',
                    'early_access.protocol.visit-early_access.protocol.form',
                    },
                }.get(profile, set())
            with acting(profile):
                accesses = ModelAccess.get_access(list(links))
            for right in ['write', 'create']:
                with self.subTest(profile=profile, right=right):
                    self.assertEqual(
                        {m for m, a in accesses.items() if a[right]},
                        writers)

    @with_transaction()
    def test_buttons(self):
        "Which buttons each profile may press"
        buttons = {
            name: set(Model._buttons) for name, Model in self.models()
            if Model._buttons}
        self.assertEqual(
            buttons, {m: set(b) for m, b in BUTTONS.items()})
        pool = Pool()
        for profile in PROFILES:
            with acting(profile):
                for name, profiles_of in BUTTONS.items():
                    Model = pool.get(name)
                    for button, profiles in profiles_of.items():
                        with self.subTest(
                                profile=profile, model=name, button=button):
                            self.assertEqual(
                                self.allowed(self.press, Model, button),
                                profile in profiles)

    @with_transaction()
    def test_wizards(self):
        "A wizard that is run without its button is refused too"
        pool = Pool()
        Order = pool.get('early_access.order')
        Service = pool.get('early_access.service')
        Professional = pool.get('early_access.professional')
        south, = Service.search(
            [('establishment.name', '=', "South Hospital")])
        doctor, = Professional.search(
            [('user.login', '=', 'south_prescriber')])
        patient = self.patient('treated')
        order = Order(
            authorization=patient.authorization, pharmacy=patient.pharmacy,
            company=patient.company, state='submitted',
            delivery_address=patient.pharmacy.addresses[0])
        order.save()
        transfer = {
            'service': south.id,
            'prescriber': doctor.id,
            'pharmacy': south.pharmacy.id,
            }
        for name, record, state, start, profiles in [
                ('patient.transfer', patient, 'transfer', transfer,
                    DECISION_MAKERS),
                ('order.override', order, 'override',
                    {'reason': 'authority'}, DECISION_MAKERS),
                ('order.refuse', order, 'refuse', {'reason': 'shortage'},
                    DECISION_MAKERS | {'supply'}),
                ]:
            for profile in PROFILES.keys() - profiles:
                with self.subTest(wizard=name, profile=profile):
                    with acting(profile), self.refused():
                        self.run_wizard(name, record, state, start)
            for profile in profiles:
                with self.subTest(wizard=name, profile=profile):
                    with self.undone(), acting(profile):
                        self.run_wizard(name, record, state, start)

    def run_wizard(self, name, record, state, start):
        Wizard = Pool().get(f'early_access.{name}', type='wizard')
        with Transaction().set_context(
                active_model=record.__name__, active_id=record.id,
                active_ids=[record.id]):
            session, _, _ = rpc(Wizard, 'create')
            rpc(Wizard, 'execute', session, {'start': start}, state)

    def press(self, Model, button):
        try:
            getattr(Model, button)([])
        except ValueError:
            # The button is for one record: the access is checked before
            pass

    @with_transaction()
    def test_fields(self):
        "Who sees the identity and the health data of a patient"
        pool = Pool()
        Patient = pool.get('early_access.patient')
        identity = ['surname_letters', 'first_name_letters', 'birth_date']
        health = [
            'sex', 'birth_month', 'weight', 'height', 'criteria',
            'send_back_reason', 'refusal_reason', 'never_started_reason',
            'stop_reason']
        self.assertEqual(
            set(identity + health),
            Patient._sealed_names - {'sealed_state'})
        patient = self.patient('eligible')
        for profile in PROFILES:
            if 'r' not in ACCESS['early_access.patient'].get(profile, ''):
                continue
            with acting(profile):
                for names, profiles in [
                        (identity, IDENTITY), (health, HEALTH),
                        (['duplicate_index', 'uuid', 'data_key', 'sealed'],
                            set())]:
                    for name in names:
                        with self.subTest(profile=profile, field=name):
                            self.assertEqual(
                                self.allowed(
                                    Patient.read, [patient.id], [name]),
                                profile in profiles)

    @with_transaction()
    def test_supply_paths(self):
        "Supply reaches neither identity nor health data by any path"
        pool = Pool()
        Form = pool.get('early_access.form')
        Patient = pool.get('early_access.patient')
        Assignment = pool.get('early_access.patient.assignment')
        patient = self.patient('treated')
        assignment = patient.assignments[0]
        form = patient.forms[0]
        with acting('supply'):
            self.assertTrue(Patient.read([patient.id], ['code'])[0]['code'])
            for call in [
                    lambda: Patient.read([patient.id], ['sex:string']),
                    lambda: Patient.search_read(
                        [('id', '=', patient.id)],
                        fields_names=['criteria']),
                    lambda: Patient.export_data(
                        [Patient(patient.id)], ['birth_month']),
                    lambda: Patient.export_data(
                        [Patient(patient.id)], ['forms/answers']),
                    lambda: Assignment.read(
                        [assignment.id], ['patient.surname_letters']),
                    lambda: Assignment.export_data(
                        [Assignment(assignment.id)],
                        ['patient/surname_letters']),
                    lambda: Patient.search([('sex', '=', 'female')]),
                    lambda: Patient.search([], order=[('weight', 'ASC')]),
                    lambda: Patient.search(
                        [('forms.state', '=', 'submitted')]),
                    lambda: Form.read([form.id], ['answers']),
                    lambda: Form.search([]),
                    ]:
                with self.subTest(call=call.__code__.co_firstlineno):
                    with self.assertRaises(UserError):
                        call()

    @with_transaction()
    def test_on_change(self):
        "The form of a client does not disclose what is not sent to it"
        pool = Pool()
        Patient = pool.get('early_access.patient')
        names = ['surname_letters', 'first_name_letters', 'birth_month']
        patient = self.patient('eligible')
        for login in ['supply', 'south_prescriber', 'configuration']:
            for method in ['on_change', 'on_change_with']:
                with self.subTest(login=login, method=method):
                    with acting(login):
                        try:
                            result = rpc(
                                Patient, method, {'id': patient.id}, names)
                        except UserError:
                            continue
                    self.assertFalse(any(result.get(n) for n in names))

    @with_transaction()
    def test_refusal_tells_nothing(self):
        "A button does not tell the code and the state of another's patient"
        pool = Pool()
        Patient = pool.get('early_access.patient')
        patient = self.patient('eligible')
        for login, button in [
                ('south_prescriber', 'sign'),
                ('haematologist', 'initiate'),
                ('south_pharmacist', 'submit'),
                ('configuration', 'accept')]:
            with acting(login):
                with self.refused(AccessError) as cm:
                    getattr(Patient, button)([Patient(patient.id)])
                self.assertNotIn(patient.code, cm.exception.message)
                self.assertNotIn("Eligible", cm.exception.message)

    @with_transaction()
    def test_patients_seen(self):
        "The hospital users see the patients of their service or pharmacy"
        pool = Pool()
        Patient = pool.get('early_access.patient')
        Form = pool.get('early_access.form')
        Assignment = pool.get('early_access.patient.assignment')
        everyone = Patient.search([])
        for login, services in [
                ('prescriber', {('North Hospital', 'Oncology')}),
                ('hospital_staff', {('North Hospital', 'Oncology')}),
                ('haematologist', {('North Hospital', 'Haematology')}),
                ('south_prescriber', {('South Hospital', 'Oncology')}),
                ('hospital_pharmacist', {
                        ('North Hospital', 'Oncology'),
                        ('North Hospital', 'Haematology'),
                        ('East Clinic', 'Oncology')}),
                ('south_pharmacist', {('South Hospital', 'Oncology')}),
                ]:
            with self.subTest(login=login):
                expected = {
                    p for p in everyone
                    if (p.establishment.name, p.service.name) in services}
                self.assertTrue(expected)
                with acting(login):
                    self.assertEqual(set(Patient.search([])), expected)
                    self.assertEqual(
                        {f.patient for f in Form.search([])}, expected)
                    self.assertEqual(
                        {a.patient for a in Assignment.search([])}, expected)
                    for patient in set(everyone) - expected:
                        for call in [
                                lambda: Patient.read([patient.id], ['code']),
                                lambda: Patient.export_data(
                                    [Patient(patient.id)], ['code']),
                                lambda: Form.read(
                                    [patient.forms[0].id], ['state']),
                                ]:
                            with self.assertRaises(AccessError):
                                call()

    @with_transaction()
    def test_services_written(self):
        "A prescriber neither creates nor moves a patient elsewhere"
        pool = Pool()
        Patient = pool.get('early_access.patient')
        Service = pool.get('early_access.service')
        south, = Service.search(
            [('establishment.name', '=', "South Hospital")])
        draft = self.patient('draft')
        other = self.patient('eligible', 'south_prescriber')
        values = {
            'authorization': draft.authorization.id,
            'surname_letters': 'ZZZ',
            'first_name_letters': 'ZZ',
            'sex': 'male',
            'birth_month': dt.date(1980, 1, 1),
            'service': south.id,
            'prescriber': other.prescriber.id,
            'pharmacy': south.pharmacy.id,
            }
        with acting('prescriber'):
            with self.refused(AccessError):
                Patient.create([values])
            with self.refused(AccessError):
                Patient.write([Patient(draft.id)], {
                        'service': south.id,
                        'prescriber': other.prescriber.id,
                        'pharmacy': south.pharmacy.id,
                        })

    @with_transaction()
    def test_inactive_professional(self):
        "A user of a hospital without active professional sees no patient"
        pool = Pool()
        Patient = pool.get('early_access.patient')
        Professional = pool.get('early_access.professional')
        for login in ['prescriber', 'hospital_pharmacist', 'hospital_staff']:
            with acting(login):
                self.assertTrue(Patient.search([]))
            professionals = Professional.search([('user.login', '=', login)])
            Professional.deactivate(professionals)
            with acting(login):
                self.assertEqual(Patient.search([]), [])

    @with_transaction()
    def test_professional_of_laboratory(self):
        "A profile of the laboratory does not lift the scope of a hospital"
        pool = Pool()
        Group = pool.get('res.group')
        Patient = pool.get('early_access.patient')
        User = pool.get('res.user')
        user, = User.search([('login', '=', 'prescriber')])
        group, = Group.search(
            [('name', '=', "Early Access: Medical Affairs")])
        User.write([user], {'groups': [('add', [group.id])]})
        with acting('prescriber'):
            self.assertEqual(
                {p.service.rec_name for p in Patient.search([])},
                {"Oncology - North Hospital"})

    @with_transaction()
    def test_companies(self):
        "A laboratory does not see the programmes of another one"
        pool = Pool()
        Company = pool.get('company.company')
        Party = pool.get('party.party')
        Patient = pool.get('early_access.patient')
        User = pool.get('res.user')
        company, = Company.search([])
        other = Company(
            party=Party.create([{'name': "Other laboratory"}])[0],
            currency=company.currency)
        other.save()
        models = [
            Pool().get(m) for m in [
                'early_access.patient', 'early_access.form',
                'early_access.patient.assignment',
                'early_access.authorization',
                'early_access.authorization.decision',
                'early_access.protocol', 'early_access.protocol.criterion',
                'early_access.variable']]
        with acting('regulatory_affairs'):
            for Model in models:
                self.assertTrue(Model.search([]), msg=Model.__name__)
        user, = User.search([('login', '=', 'regulatory_affairs')])
        User.write([user], {
                'companies': [
                    ('remove', [company.id]), ('add', [other.id])],
                'company': other.id,
                })
        with acting('regulatory_affairs'):
            for Model in models:
                with self.subTest(model=Model.__name__):
                    self.assertEqual(Model.search([]), [])
        self.assertTrue(Patient.search([]))

    @with_transaction()
    def test_hospital_directory(self):
        "A hospital user changes no record that others rely on"
        pool = Pool()
        Contact = pool.get('party.contact_mechanism')
        Professional = pool.get('early_access.professional')
        colleague = Professional.search([])[0]
        Contact.create([{
                    'party': colleague.party.id,
                    'type': 'phone',
                    'value': '+33199000000',
                    }])
        for login in HOSPITAL:
            with acting(login):
                for name in [
                        'party.party', 'party.address', 'party.identifier',
                        'party.contact_mechanism', 'product.template',
                        'product.product', 'stock.location', 'stock.lot',
                        'stock.move', 'stock.shipment.out', 'res.user',
                        'res.group', 'ir.rule', 'ir.model.access',
                        'company.company']:
                    Model = pool.get(name)
                    with Transaction().set_context(_check_access=False):
                        records = Model.search([], limit=1)
                    for call, *args in [
                            (Model.write, records, {}),
                            (Model.delete, records),
                            ]:
                        with self.subTest(
                                login=login, model=name, call=call.__name__):
                            with self.refused():
                                call(*args)

    @with_transaction()
    def test_hospital_persons(self):
        "A hospital user sees no person that is no colleague"
        pool = Pool()
        Party = pool.get('party.party')
        Professional = pool.get('early_access.professional')
        with acting('south_prescriber'):
            self.assertLessEqual(
                {p.hospital_kind for p in Party.search([])},
                {'establishment', 'pharmacy'})
            self.assertEqual(
                {p.rec_name for p in Professional.search([])},
                {"South Prescriber"})
        with acting('south_pharmacist'):
            self.assertEqual(
                {p.rec_name for p in Professional.search([])},
                {"South Prescriber", "South Pharmacist"})
