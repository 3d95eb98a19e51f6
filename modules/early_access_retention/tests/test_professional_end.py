# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import datetime as dt
from contextlib import contextmanager

from dateutil.relativedelta import relativedelta
from stdnum import luhn

from trytond import backend
from trytond.exceptions import UserError
from trytond.model.exceptions import AccessError
from trytond.modules.early_access.tests.tools import acting, acting_groups
from trytond.modules.early_access_retention.exceptions import (
    PolicyError, ProfessionalEndError)
from trytond.modules.party.exceptions import EraseError
from trytond.pool import Pool
from trytond.tests.test_tryton import with_transaction
from trytond.transaction import Transaction

from .register_tools import RegisterTestCase, rpc
from .tools import at

MODEL = 'early_access.retention.professional_end'
NAME = "Planted Quxwort"
LOGIN = 'planted-login'
EMAIL = 'planted_dr@example.com'
CODE = 'PLANTED77'
RPPS = '9979999999' + luhn.calc_check_digit('9979999999')


def ago(**delta):
    return dt.date.today() - relativedelta(**delta)


class ProfessionalEndTestCase(RegisterTestCase):
    "Test the end of the data of the professionals"

    # What the tests are made of

    def professional(self, **values):
        pool = Pool()
        Professional = pool.get('early_access.professional')
        Party = pool.get('party.party')
        Specialty = pool.get('early_access.specialty')
        User = pool.get('res.user')
        specialty, = Specialty.search([], limit=1)
        party, = Party.create([{
                    'name': NAME,
                    'contact_mechanisms': [('create', [
                                {'type': 'email', 'value': EMAIL},
                                {'type': 'phone', 'value': '+33199000199'},
                                ])],
                    'addresses': [('create', [{
                                    'street_unstructured': NAME,
                                    'city': 'Ville',
                                    }])],
                    'identifiers': [('create', [{
                                    'type': None,
                                    'code': CODE,
                                    }])],
                    }])
        user, = User.create([{
                    'name': NAME, 'login': LOGIN, 'email': EMAIL,
                    'signature': NAME, 'active': False,
                    }])
        professional, = Professional.create([{
                    'party': party.id,
                    'profession': 'doctor',
                    'specialty': specialty.id,
                    'rpps': RPPS,
                    'user': user.id,
                    'identity_source': 'directory',
                    **values,
                    }])
        Professional.deactivate([professional])
        return Professional(professional.id)

    def policy(self, months=6, **values):
        Policy = Pool().get('early_access.retention.policy')
        policy = self.create('early_access.retention.policy', **{
                'from_date': ago(years=2), 'active_months': 12,
                'archive_years': 20, 'refused_months': 6,
                'never_started_months': 6, 'draft_days': 30,
                'professional_months': months,
                'reason': "The fictitious protocol.", **values})
        with Transaction().set_context(_skip_warnings=True):
            Policy.adopt([policy])
        return policy

    def night(self, professional, date=None):
        "Do the job of a night, for one of them."
        Professional = Pool().get('early_access.professional')
        with Transaction().set_user(0), at(date or dt.date.today()):
            ids = Professional.retention_professionals(
                professional.id - 1, 1)
            return Professional.retention_end(ids) if ids else None

    def ends(self, professional):
        End = Pool().get(MODEL)
        return End.search([('professional', '=', professional.id)])

    def proposed(self):
        "Return the end that a night proposes, after the period."
        professional = self.professional()
        self.policy()
        self.assertEqual(
            self.night(professional, ago(months=6)), (0, 0, 0))
        self.assertEqual(self.night(professional), (1, 0, 0))
        end, = self.ends(professional)
        return end

    def approve(self, end):
        End = Pool().get(MODEL)
        for profile in ['dpo', 'pharmacist_in_charge']:
            with acting(profile):
                rpc(End, 'approve', [end.id])
        return End(end.id)

    @contextmanager
    def wizard(self, party):
        pool = Pool()
        Erase = pool.get('party.erase', type='wizard')
        Party = pool.get('party.party')
        Party.write([party], {'active': False})
        session_id, _, _ = Erase.create()
        wizard = Erase(session_id)
        wizard.ask.party = Party(party.id)
        yield wizard
        Erase.delete(session_id)

    def needed(self, professional):
        Professional = Pool().get('early_access.professional')
        return Professional.retention_needed([professional]).get(
            professional.id, '')

    def update(self, model, record, **values):
        table = Pool().get(model).__table__()
        cursor = Transaction().connection.cursor()
        cursor.execute(*table.update(
                [getattr(table, n) for n in values], list(values.values()),
                where=table.id == record.id))

    # Who is needed

    @with_transaction(user=0)
    def test_not_needed(self):
        "Who left and to whom nothing refers is not needed"
        self.assertEqual(self.needed(self.professional()), '')

    @with_transaction(user=0)
    def test_needed(self):
        "Who takes part, or is named where it still matters, is needed"
        pool = Pool()
        Delegation = pool.get('early_access.delegation')
        Order = pool.get('early_access.order')
        Professional = pool.get('early_access.professional')
        User = pool.get('res.user')
        professional = self.professional()
        user = professional.user
        prescriber, = Professional.search([
                ('user.login', '=', 'prescriber')])
        self.assertIn("is active", self.needed(prescriber))

        User.write([user], {'active': True})
        self.assertIn("account", self.needed(professional))
        User.write([user], {'active': False})
        self.assertEqual(self.needed(professional), '')

        delegation, = Delegation.create([{
                    'company': self.company.id, 'user': user.id,
                    'kind': 'interim', 'from_date': ago(days=9),
                    'to_date': ago(days=-1),
                    }])
        self.assertIn("delegation", self.needed(professional))
        with at(ago(days=-2)):
            self.assertEqual(self.needed(professional), '')
        Delegation.delete([delegation])

        patient = self.patient('treated')
        self.update(
            'early_access.patient', patient, prescriber=professional.id)
        self.assertIn("patients", self.needed(professional))
        self.update(
            'early_access.patient', patient,
            prescriber=patient.prescriber.id)
        self.assertEqual(self.needed(professional), '')

        order, = Order.search([], limit=1) or [None]
        if not order:
            order = self.order()
        self.update(
            'early_access.order', order, requested_by=professional.id,
            create_date=dt.datetime.now())
        self.assertIn("order", self.needed(professional))
        with at(ago(years=-6)):
            self.assertEqual(self.needed(professional), '')

    def order(self):
        Order = Pool().get('early_access.order')
        patient = self.patient('treated')
        order, = Order.create([{
                    'company': self.company.id,
                    'authorization': self.authorization.id,
                    'pharmacy': patient.pharmacy.id,
                    }])
        return order

    @with_transaction(user=0)
    def test_needed_request(self):
        "Who has an open request, or is to be told of one, is needed"
        Request = Pool().get('early_access.rights.request')
        professional = self.professional()
        lang, = Pool().get('ir.lang').search([('code', '=', 'en')])
        with acting('dpo'):
            request, = Request.create([{
                        'kind': 'access', 'concerned': 'professional',
                        'professional': professional.id,
                        'through': 'direct', 'received_how': 'letter',
                        'identity_document': 'passport',
                        'identity_checked_on': dt.date.today(),
                        'language': lang.id,
                        }])
        self.assertIn("request", self.needed(professional))

    # The nights

    @with_transaction(user=0)
    def test_no_period(self):
        "Nobody is proposed while a laboratory has set no period"
        professional = self.professional()
        self.assertIsNone(self.night(professional))
        self.policy(months=None)
        self.assertIsNone(self.night(professional))
        self.assertFalse(self.ends(professional))
        with self.refused(PolicyError):
            self.policy(authorization=self.authorization.id)
        with self.refused(PolicyError):
            self.policy(months=61)

    @with_transaction(user=0)
    def test_period(self):
        "The period counts from the night in which nothing needs them"
        pool = Pool()
        User = pool.get('res.user')
        professional = self.professional()
        self.policy()
        self.assertEqual(self.night(professional, ago(months=8)), (0, 0, 0))
        User.write([professional.user], {'active': True})
        self.assertEqual(self.night(professional, ago(months=7)), (0, 0, 0))
        User.write([professional.user], {'active': False})
        self.assertEqual(self.night(professional, ago(months=3)), (0, 0, 0))
        self.assertEqual(self.night(professional), (0, 0, 0))
        later = ago(months=-3)
        self.assertEqual(self.night(professional, later), (1, 0, 0))
        self.assertEqual(self.night(professional, later), (0, 0, 0))
        end, = self.ends(professional)
        self.assertEqual(
            (end.state, end.unneeded_since, end.proposed_on),
            ('proposed', ago(months=3), later))

    @with_transaction(user=0)
    def test_needed_again(self):
        "Who is needed again is neither approved nor erased"
        pool = Pool()
        End = pool.get(MODEL)
        User = pool.get('res.user')
        end = self.approve(self.proposed())
        professional = end.professional
        User.write([professional.user], {'active': True})
        self.assertEqual(self.night(professional), (0, 1, 0))
        end = End(end.id)
        self.assertEqual((end.state, end.keep_reason), ('kept', 'needed'))
        self.assertEqual(professional.party.name, NAME)

    @with_transaction(user=0)
    def test_keep(self):
        "Who is kept for a reason is proposed again after a day"
        End = Pool().get(MODEL)
        end = self.proposed()
        with acting('dpo'):
            with self.refused(UserError):
                rpc(End, 'keep', [end.id])
            rpc(End, 'write', [end.id], {
                    'keep_reason': 'litigation', 'kept_until': ago(days=-9)})
            rpc(End, 'keep', [end.id])
            with self.refused(AccessError):
                rpc(End, 'write', [end.id], {'kept_until': ago(days=-99)})
        self.assertEqual(self.night(end.professional), (0, 0, 0))
        self.assertEqual(
            self.night(end.professional, ago(days=-10)), (1, 0, 0))

    # Who decides

    @with_transaction(user=0)
    def test_two_persons(self):
        "Two persons approve"
        End = Pool().get(MODEL)
        end = self.proposed()
        with acting('dpo'):
            rpc(End, 'approve', [end.id])
            self.assertEqual(End(end.id).state, 'proposed')
            with self.refused(ProfessionalEndError):
                rpc(End, 'approve', [end.id])
        self.assertEqual(self.night(end.professional), (0, 0, 0))
        with acting('pharmacist_in_charge') as user:
            rpc(End, 'approve', [end.id])
            end = End(end.id)
            self.assertEqual((end.state, end.second_by), ('approved', user))

    @with_transaction(user=0)
    def test_access(self):
        "Only who answers for the data decides, and nobody takes it back"
        End = Pool().get(MODEL)
        end = self.proposed()
        for profile in ['regulatory_affairs', 'audit']:
            with acting(profile):
                self.assertTrue(rpc(End, 'search', []))
        for profile in [
                'regulatory_affairs', 'audit', 'supply', 'prescriber',
                'configuration']:
            for method, args in [
                    ('approve', [[end.id]]),
                    ('keep', [[end.id]]),
                    ('write', [[end.id], {'keep_reason': 'returns'}]),
                    ('create', [[{'professional': end.professional.id}]]),
                    ('delete', [[end.id]])]:
                with self.subTest(
                        profile=profile, method=method), acting(profile):
                    with self.refused(UserError):
                        rpc(End, method, *args)
        for method, args in [
                ('write', [[end.id], {'state': 'approved'}]),
                ('write', [[end.id], {'first_by': 1}]),
                ('copy', [[end.id]]),
                ('delete', [[end.id]]),
                ('create', [[{'professional': end.professional.id}]])]:
            with self.subTest(method=method, args=args), acting('dpo'):
                with self.refused(UserError):
                    rpc(End, method, *args)

    @with_transaction(user=0)
    def test_by_hand(self):
        "The rights officer proposes by hand who is not needed"
        pool = Pool()
        End = pool.get(MODEL)
        Professional = pool.get('early_access.professional')
        professional = self.professional()
        prescriber, = Professional.search([
                ('user.login', '=', 'prescriber')])
        with acting('dpo'):
            with self.refused(ProfessionalEndError):
                rpc(End, 'create', [{'professional': prescriber.id}])
            rpc(End, 'create', [{'professional': professional.id}])
            with self.refused(ProfessionalEndError):
                rpc(End, 'create', [{'professional': professional.id}])

    # The erasure

    @with_transaction(user=0)
    def test_wizard(self):
        "The wizard of the parties erases only whom two persons approved"
        pool = Pool()
        Professional = pool.get('early_access.professional')
        prescriber, = Professional.search([
                ('user.login', '=', 'prescriber')])
        with self.wizard(prescriber.party) as wizard:
            with self.refused(EraseError) as cm:
                wizard.transition_erase()
        self.assertIn("the professional is active", str(cm.exception))
        end = self.proposed()
        with self.wizard(end.professional.party) as wizard:
            with self.refused(EraseError) as cm:
                wizard.transition_erase()
            self.assertIn("two persons", str(cm.exception))
        self.approve(end)
        with acting_groups('eraser', "Party Administration"):
            with self.wizard(end.professional.party) as wizard:
                wizard.transition_erase()
        end, = self.ends(end.professional)
        self.assertEqual(end.state, 'erased')

    def plant(self, professional):
        "Leave traces of a professional where the server leaves them."
        pool = Pool()
        user = professional.user
        for model, values in [
                ('ir.email', {
                        'recipients': f'{NAME} <{EMAIL}>',
                        'subject': NAME, 'body': f"Dear {NAME}",
                        'resource': f'early_access.professional,'
                        f'{professional.id}',
                        'addresses': [('create', [{'address': EMAIL}])],
                        }),
                ('ir.note', {
                        'resource': str(professional.party),
                        'message': NAME}),
                ('ir.attachment', {
                        'resource': str(professional), 'name': NAME}),
                ('res.user.login.attempt', {'login': LOGIN}),
                ('res.user.device', {'login': LOGIN, 'cookie': 'x'}),
                ('early_access.audit.reset_request', {'login': LOGIN}),
                ('early_access.audit.throttle', {
                        'kind': 'login', 'login': LOGIN, 'source': LOGIN,
                        'tries': 1, 'version': 1}),
                ]:
            pool.get(model).create([values])
        self.update(
            'early_access.professional', professional,
            stated_activities=f"{RPPS} {NAME}")
        # The trail keeps who acted, until its own period has ended
        Event = pool.get('early_access.audit.event')
        Event.store(Transaction().connection.cursor(), (
                user.id, LOGIN, None, None, None, None),
            [(dt.datetime.now(), 'login', None, None, None, None, [])])

    def columns(self):
        "Yield all the tables and columns of the database that hold texts."
        cursor = Transaction().connection.cursor()
        if backend.name == 'postgresql':
            cursor.execute(
                'SELECT table_name, column_name '
                'FROM information_schema.columns '
                'WHERE table_schema = current_schema() '
                "AND data_type NOT IN ('integer', 'bigint', 'boolean', "
                "'date', 'timestamp without time zone', 'numeric', "
                "'double precision', 'interval')")
            yield from cursor.fetchall()
            return
        cursor.execute(
            "SELECT m.name, c.name FROM sqlite_master AS m, "
            "pragma_table_info(m.name) AS c WHERE m.type = 'table' "
            "AND c.type NOT IN ('INTEGER', 'BOOLEAN', 'DATE', 'TIMESTAMP')")
        yield from cursor.fetchall()

    def found(self, *texts):
        "Return the columns in which one of the texts is."
        cursor = Transaction().connection.cursor()
        found = set()
        for table, column in self.columns():
            for text in texts:
                cursor.execute(
                    f'SELECT COUNT(*) FROM "{table}" WHERE '
                    + f'LOWER(CAST("{column}" AS TEXT)) LIKE '
                    + ('%s' if backend.name == 'postgresql' else '?'),
                    (f'%{text.lower()}%',))
                if cursor.fetchone()[0]:
                    found.add((table, column))
        return found

    @with_transaction(user=0)
    def test_erased(self):
        "Nothing is left of the name, the number, the address and the login"
        pool = Pool()
        Professional = pool.get('early_access.professional')
        end = self.approve(self.proposed())
        professional = end.professional
        texts = [
            NAME, RPPS, EMAIL, LOGIN, '99000199',
            CODE]
        self.plant(professional)
        before = self.found(*texts)
        self.assertGreater(len(before), 15)
        self.assertEqual(self.night(professional), (1, 0, 0))
        self.assertEqual(
            self.found(*texts), {('early_access_audit_event', 'login')})
        end, = self.ends(professional)
        professional = Professional(professional.id)
        self.assertEqual(end.state, 'erased')
        self.assertTrue(end.erased_at)
        # What refers to the professional finds the number of a party
        self.assertEqual(
            professional.rec_name, f'[{professional.party.code}]')
        self.assertFalse(professional.user.active)
        self.assertEqual(
            professional.user.login, f'erased-{professional.user.id}')
        # Nobody is erased twice
        self.assertNotIn(professional.id, (
                Professional.retention_professionals(0, 1000)))
