# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from trytond.exceptions import UserError
from trytond.model.exceptions import (
    AccessError, DomainValidationError, RequiredValidationError)
from trytond.modules.early_access.exceptions import (
    NationalNumberError, ProfessionalError, WorkflowModificationError)
from trytond.modules.early_access.tests.tools import PROFILES, acting, rpc
from trytond.modules.early_access_audit.openid_identity import (
    Activity, Identity)
from trytond.pool import Pool
from trytond.tests.test_tryton import with_transaction
from trytond.transaction import Transaction

from .tools import InventedTestCase

MODEL = 'early_access.audit.password_fallback'
READERS = {
    'pharmacist_in_charge', 'delegate', 'regulatory_affairs', 'dpo', 'audit',
    'security_officer'}


class PasswordFallbackTestCase(InventedTestCase):
    "Test the password fallback"
    module = 'early_access_audit'

    def values(self, *places, **values):
        pool = Pool()
        Authorization = pool.get('early_access.authorization')
        Party = pool.get('party.party')
        with Transaction().set_user(0), Transaction().set_context(
                _check_access=False):
            authorization, = Authorization.search([('code', '=', 'DMB')])
            places = Party.search(
                [('name', 'in', places or ["North Hospital"])])
        return {
            'authorization': authorization.id,
            'places': [('add', [p.id for p in places])],
            'reason': 'no_provider',
            'measure': "The provider is connected next month.",
            **values}

    def create(self, *places, **values):
        Fallback = Pool().get(MODEL)
        with acting('security_officer'):
            id_, = rpc(Fallback, 'create', [self.values(*places, **values)])
        return Fallback(id_)

    def admits(self, login):
        pool = Pool()
        Fallback = pool.get(MODEL)
        User = pool.get('res.user')
        user, = User.search([('login', '=', login)])
        return Fallback.admits(user.id)

    @with_transaction()
    def test_admits(self):
        "It lets in the users of the establishments that it names"
        users = [
            'prescriber', 'haematologist', 'hospital_staff',
            'hospital_pharmacist', 'south_prescriber']
        for login in users:
            self.assertFalse(self.admits(login))
        # The users of the laboratory are not concerned
        for login in ['supply', 'security_officer', 'admin']:
            self.assertTrue(self.admits(login))
        fallback = self.create("North Hospital")
        self.assertEqual(
            [self.admits(u) for u in users],
            [True, True, True, False, False])
        other = self.create("North Pharmacy")
        self.assertTrue(self.admits('hospital_pharmacist'))
        with acting('security_officer'):
            rpc(Pool().get(MODEL), 'end', [fallback.id, other.id])
        for login in users:
            self.assertFalse(self.admits(login))

    @with_transaction()
    def test_inactive(self):
        "An inactive professional does not come in by it"
        Professional = Pool().get('early_access.professional')
        self.create("North Hospital")
        professional, = Professional.search(
            [('user.login', '=', 'prescriber')])
        Professional.deactivate([professional])
        self.assertFalse(self.admits('prescriber'))

    @with_transaction()
    def test_ended_authorization(self):
        "It ends with the authorization, and does not begin after it"
        Authorization = Pool().get('early_access.authorization')
        self.create("North Hospital")
        authorization, = Authorization.search([('code', '=', 'DMB')])
        table = Authorization.__table__()
        Transaction().connection.cursor().execute(*table.update(
                [table.state], ['ended'], where=table.id == authorization.id))
        Transaction().cache.clear()
        self.assertFalse(self.admits('prescriber'))
        with self.assertRaises(UserError):
            self.create("North Hospital")

    @with_transaction()
    def test_gap(self):
        "The authorization shows it as a gap, with who and when"
        Authorization = Pool().get('early_access.authorization')
        domain = [('password_fallback', '=', True)]
        with acting('regulatory_affairs'):
            authorization, = Authorization.search([])
            self.assertFalse(authorization.password_fallback)
            self.assertFalse(Authorization.search(domain))
        fallback = self.create()
        with acting('regulatory_affairs'):
            authorization = Authorization(authorization.id)
            self.assertTrue(authorization.password_fallback)
            self.assertEqual(Authorization.search(domain), [authorization])
            self.assertFalse(Authorization.search(
                    [('password_fallback', '=', False)]))
            seen, = authorization.password_fallbacks
            self.assertEqual(seen.begun_by.login, 'security_officer')
            self.assertTrue(seen.begun_at)
        with acting('security_officer'):
            rpc(Pool().get(MODEL), 'end', [fallback.id])
        fallback = Pool().get(MODEL)(fallback.id)
        self.assertEqual(fallback.state, 'ended')
        self.assertEqual(fallback.ended_by.login, 'security_officer')
        with acting('regulatory_affairs'):
            self.assertFalse(Authorization.search(domain))

    @with_transaction()
    def test_access(self):
        "The security officer alone begins and ends it"
        Fallback = Pool().get(MODEL)
        fallback = self.create()
        for profile in PROFILES:
            with self.subTest(profile=profile), acting(profile):
                if profile in READERS:
                    self.assertEqual(
                        rpc(Fallback, 'search', []), [fallback.id])
                else:
                    with self.assertRaises(AccessError):
                        rpc(Fallback, 'search', [])
                if profile != 'security_officer':
                    with self.assertRaises(UserError):
                        rpc(Fallback, 'create', [self.values()])
                    with self.assertRaises(UserError):
                        rpc(Fallback, 'end', [fallback.id])
                for method, *args in [
                        ('write', [fallback.id], {'reason': 'outage'}),
                        ('delete', [fallback.id])]:
                    with self.assertRaises(AccessError):
                        rpc(Fallback, method, *args)
        self.assertEqual(Fallback(fallback.id).state, 'running')

    @with_transaction()
    def test_wrong(self):
        "What is missing or not allowed is refused"
        for values, error in [
                ({'measure': None}, RequiredValidationError),
                ({'places': []}, RequiredValidationError),
                ({'measure': "2 69 05 49 588 157 80"}, NationalNumberError),
                ({'state': 'ended'}, WorkflowModificationError),
                ({'begun_by': 1}, WorkflowModificationError),
                ]:
            with self.subTest(values=values), self.refused(error):
                self.create(**values)
        with self.assertRaises(DomainValidationError):
            self.create("Prescriber")
        # Nor is it changed, even by the server
        with self.assertRaises(AccessError):
            Pool().get(MODEL).delete([self.create()])


class ProfessionalTestCase(InventedTestCase):
    "Test the professionals who are recognised by their RPPS"
    module = 'early_access_audit'

    def identity(self, rpps='99701000012', **values):
        return Identity(**{
                'rpps': rpps,
                'name': "Camille ESSAI-FICTIF",
                'profession': 'doctor',
                'specialties': (),
                'activities': (Activity(('990000010',), "HOPITAL FICTIF"),),
                **values})

    def recognise(self, identity):
        Professional = Pool().get('early_access.professional')
        with Transaction().set_user(0):
            Transaction()._locked_tables.add(Professional._table)
            return Professional.recognise(identity)

    @with_transaction()
    def test_known(self):
        Professional = Pool().get('early_access.professional')
        professional, = Professional.search(
            [('user.login', '=', 'prescriber')])
        count = Professional.search([], count=True)
        self.assertEqual(
            self.recognise(self.identity(professional.rpps)), professional)
        self.assertEqual(Professional.search([], count=True), count)
        self.assertIsNone(professional.stated_at)

    @with_transaction()
    def test_admission(self):
        "Who is pending is completed, then admitted as any other"
        pool = Pool()
        Professional = pool.get('early_access.professional')
        Service = pool.get('early_access.service')
        Specialty = pool.get('early_access.specialty')
        User = pool.get('res.user')
        professional = self.recognise(self.identity())
        self.assertEqual(professional.state, 'pending')
        self.assertIsNone(professional.user)
        self.assertIsNone(professional.specialty)
        self.assertTrue(professional.stated_at)
        self.assertEqual(
            professional.stated_activities, "990000010 HOPITAL FICTIF")
        user, = User.create([{'name': "Camille", 'login': 'camille'}])
        service, = Service.search(
            [('establishment.name', '=', "South Hospital")])
        specialty, = Specialty.search([])
        with acting('configuration'):
            for name in ['stated_at', 'stated_activities']:
                with self.assertRaises(WorkflowModificationError):
                    rpc(Professional, 'write', [professional.id],
                        {name: None})
            rpc(Professional, 'write', [professional.id], {
                    'user': user.id,
                    'identity_source': 'directory',
                    'services': [('add', [service.id])],
                    })
            with self.assertRaises(ProfessionalError):
                rpc(Professional, 'activate', [professional.id])
            rpc(Professional, 'write', [professional.id], {
                    'specialty': specialty.id})
            rpc(Professional, 'activate', [professional.id])
        professional = Professional(professional.id)
        self.assertEqual(professional.state, 'active')
        self.assertEqual(
            [p.name for p in professional.places()], ["South Hospital"])

    @with_transaction()
    def test_specialty(self):
        "The specialty that is stated is kept where it is known"
        professional = self.recognise(
            self.identity(specialties=('XX', 'SM99')))
        self.assertEqual(professional.specialty.code, 'SM99')
        # One who is entered by hand must have one
        Party = Pool().get('party.party')
        Professional = Pool().get('early_access.professional')
        party, = Party.create([{'name': "By Hand"}])
        with self.assertRaises(RequiredValidationError):
            Professional.create([{
                        'party': party.id,
                        'profession': 'doctor',
                        'rpps': '99701000020',
                        }])

    @with_transaction()
    def test_again(self):
        "A second sign-in tells the last activities, and makes no duplicate"
        first = self.recognise(self.identity())
        second = self.recognise(self.identity(
                name="Other Name", activities=()))
        self.assertEqual(first, second)
        self.assertIsNone(second.stated_activities)
        self.assertEqual(second.party.name, "Camille ESSAI-FICTIF")
