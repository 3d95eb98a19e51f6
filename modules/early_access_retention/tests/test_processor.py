# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Those who process for the laboratory (CNIL 2022-107, art. 4; GDPR 28)."

import datetime as dt

from trytond.model.exceptions import AccessError
from trytond.modules.early_access.tests.tools import PROFILES, acting
from trytond.modules.early_access_audit.tests.tools import create_user
from trytond.modules.early_access_retention.exceptions import (
    EmployerError, RegisterFixedError, RegisterMissingError)
from trytond.modules.early_access_retention.processor import (
    ACTIVITIES, CLAUSES)
from trytond.modules.early_access_retention.register_alert import step_of
from trytond.pool import Pool
from trytond.tests.test_tryton import with_transaction
from trytond.transaction import Transaction

from .register_tools import TODAY, RegisterTestCase, rpc
from .tools import at

DAY = dt.timedelta(days=1)
ALL = [a for a, _ in ACTIVITIES]


class ProcessorTestCase(RegisterTestCase):
    "Test the processors"

    def certificate(self, processor, **values):
        Certificate = Pool().get('early_access.processor.certificate')
        certificate, = Certificate.create([{
                    'processor': processor.id,
                    'number': 'FICT-HDS-1',
                    'body': "Fictitious Body",
                    'activities': ALL,
                    'valid_from': TODAY - 300 * DAY,
                    'valid_to': TODAY + 300 * DAY,
                    **values}])
        return certificate

    def complete(self, processor):
        Clause = Pool().get('early_access.processor.clause')
        Clause.write(
            list(processor.clauses), {'answer': 'present', 'reference': '1'})
        return type(processor)(processor.id)

    @with_transaction()
    def test_gaps(self):
        "The gaps are the clauses that are not there"
        processor = self.create(
            'early_access.processor', **self.processor_values())
        self.assertEqual(len(processor.clauses), len(CLAUSES))
        self.assertEqual(processor.gaps_count, len(CLAUSES))
        processor = self.complete(processor)
        self.assertEqual((processor.gaps_count, processor.gaps), (0, ''))
        Clause = Pool().get('early_access.processor.clause')
        Clause.write([processor.clauses[-1]], {'answer': 'missing'})
        processor = type(processor)(processor.id)
        self.assertEqual(processor.gaps_count, 1)
        self.assertIn("breaches", processor.gaps)
        Clause.delete([processor.clauses[0]])
        self.assertEqual(type(processor)(processor.id).gaps_count, 2)

    @with_transaction()
    def test_fixed(self):
        "The clauses of a contract in force are fixed"
        Clause = Pool().get('early_access.processor.clause')
        processor = self.processor()
        with acting('dpo'), self.refused(RegisterFixedError):
            rpc(Clause, 'write', [processor.clauses[0].id], {
                    'answer': 'present', 'reference': '1'})
        with self.refused(RegisterMissingError):
            self.processor(signed_on=None)
        with self.refused(RegisterMissingError):
            self.processor(parent=processor.id)
        self.processor(parent=processor.id, authorized_on=TODAY)

    @with_transaction()
    def test_host(self):
        "A host needs certificates of its activities"
        processor = self.complete(self.create(
                'early_access.processor', **self.processor_values(
                    hosts_health_data=True,
                    hds_activities=['site', 'backup'])))
        with at(TODAY):
            self.assertEqual(processor.gaps_count, 2)
            self.certificate(processor, activities=['site'])
            processor = type(processor)(processor.id)
            self.assertEqual(processor.gaps_count, 1)
            self.assertIn("6.", processor.gaps)
            self.certificate(processor)
            self.assertEqual(type(processor)(processor.id).gaps_count, 0)
        with at(TODAY + 301 * DAY):
            self.assertEqual(type(processor)(processor.id).gaps_count, 2)
        with self.refused(RegisterMissingError):
            self.processor(hosts_health_data=True)

    @with_transaction()
    def test_first_version(self):
        "A certificate of 2018 ends on 16 May 2026, whatever it says"
        processor = self.create(
            'early_access.processor', **self.processor_values())
        for valid_to, last in [
                (dt.date(2027, 3, 1), dt.date(2026, 5, 16)),
                (dt.date(2026, 12, 31), dt.date(2026, 5, 16)),
                (dt.date(2026, 5, 16), dt.date(2026, 5, 16)),
                (dt.date(2026, 2, 1), dt.date(2026, 2, 1)),
                ]:
            with self.subTest(valid_to=valid_to):
                certificate = self.certificate(
                    processor, version='1', valid_to=valid_to,
                    valid_from=dt.date(2024, 1, 1))
                self.assertEqual(certificate.last_day, last)
        self.assertEqual(certificate.status_at(TODAY), 'expired')

    @with_transaction()
    def test_establishments(self):
        "Those who collect without a contract are listed"
        Line = Pool().get('early_access.processor.establishment')
        party, = Pool().get('party.party').search(
            [('name', '=', "North Hospital")])
        with acting('dpo'), at(TODAY):
            lines = {
                line.establishment.name: line for line in Line.search([])}
            self.assertEqual(
                {n: line.contract_state for n, line in lines.items()},
                dict.fromkeys([
                        "North Hospital", "South Hospital", "East Clinic",
                        "North Pharmacy", "South Pharmacy"], 'missing'))
            missing = [('contract_state', 'in', ['missing', 'expired'])]
            self.assertEqual(Line.search(missing, count=True), 5)
            processor = self.create(
                'early_access.processor', **self.processor_values(
                    kind='establishment', party=party.id,
                    valid_to=TODAY + DAY))

        def state(days=0):
            with self.as_of(days), acting('dpo'):
                return Line(party.id).contract_state
        self.assertEqual(state(), 'draft')
        type(processor).activate([processor])
        self.assertEqual(state(), 'gaps')
        self.assertEqual(state(2), 'expired')
        with acting('dpo'), at(TODAY):
            self.assertEqual(Line.search(missing, count=True), 4)
            self.assertEqual(
                Line.search([('contract_state', '=', 'gaps')]),
                [Line(party.id)])

    @with_transaction()
    def test_employer(self):
        "The roles of the users of a processor end with its contract"
        pool = Pool()
        Role = pool.get('res.role')
        Session = pool.get('ir.session')
        User = pool.get('res.user')
        UserRole = pool.get('res.user.role')
        processor = self.processor(valid_to=TODAY + DAY)
        user, other = create_user(employer=processor.id), create_user()
        role, = Role.search([('name', '=', "Supply")])
        values = {'role': role.id, 'reason': "Post"}
        with at(TODAY):
            for u in [user, other]:
                UserRole.create([{'user': u.id, **values}])
                with Transaction().set_user(u.id):
                    Session.new()
            User.suspend_employees()
            self.assertTrue(User(user.id).groups)
        with at(TODAY + 2 * DAY):
            User.suspend_employees()
            User.suspend_employees()
            self.assertFalse(User(user.id).groups)
            self.assertTrue(User(other.id).groups)
            self.assertFalse(Session.search([('create_uid', '=', user.id)]))
            self.assertTrue(Session.search([('create_uid', '=', other.id)]))
            line, = UserRole.search([('user', '=', user.id)])
            self.assertEqual(line.state, 'withdrawn')
            self.assertIn("contract", line.withdrawal_reason)
            with self.refused(EmployerError):
                UserRole.create([{'user': user.id, **values}])

    @with_transaction()
    def test_end(self):
        "To end a contract suspends its users at once"
        pool = Pool()
        Role = pool.get('res.role')
        User = pool.get('res.user')
        UserRole = pool.get('res.user.role')
        processor = self.processor()
        user = create_user(employer=processor.id)
        role, = Role.search([('name', '=', "Supply")])
        with at(TODAY):
            UserRole.create([{
                        'user': user.id, 'role': role.id, 'reason': "Post"}])
            with acting('dpo'):
                rpc(type(processor), 'end', [processor.id])
        self.assertFalse(User(user.id).groups)

    @with_transaction()
    def test_access(self):
        "The other profiles change nothing"
        Processor = Pool().get('early_access.processor')
        values = {'company': self.company.id, **self.processor_values()}
        for profile in PROFILES.keys() - {'dpo'}:
            with self.subTest(profile=profile), acting(profile):
                with self.refused(AccessError):
                    rpc(Processor, 'create', [values])
        for profile in [
                'prescriber', 'hospital_pharmacist', 'hospital_staff',
                'establishment_referent', 'supply', 'configuration']:
            with self.subTest(profile=profile), acting(profile):
                for name in [
                        'recipient', 'transfer', 'processor', 'adequacy',
                        'reuse', 'formality', 'dpia', 'dpia.review',
                        'processing', 'place_mismatch',
                        'processor.establishment']:
                    with self.refused(AccessError):
                        Model = Pool().get(f'early_access.{name}')
                        rpc(Model, 'search_read', [], 0, None, None, ['id'])


class AlertTestCase(RegisterTestCase):
    "Test the e-mails about what ends"

    @with_transaction()
    def test_step(self):
        for days, step in [
                (91, None), (90, 90), (31, 90), (30, 30), (8, 30), (7, 7),
                (1, 7), (0, 0), (-20, 0)]:
            with self.subTest(days=days):
                self.assertEqual(step_of(TODAY + days * DAY, TODAY), step)

    @with_transaction(user=0)
    def test_alert(self):
        "Each step is told once, and what is renewed is not"
        pool = Pool()
        Alert = pool.get('early_access.audit.alert')
        Certificate = pool.get('early_access.processor.certificate')
        User = pool.get('res.user')
        dpo, = User.search([('login', '=', 'dpo')])
        User.write([dpo], {'email': 'dpo@example.org'})
        processor = self.processor(
            hosts_health_data=True, hds_activities=['site'],
            valid_to=TODAY + 200 * DAY)
        values = {
            'processor': processor.id, 'body': "Fictitious Body",
            'activities': ['site'], 'valid_from': TODAY - DAY}
        Certificate.create([
                {**values, 'number': 'A', 'valid_to': TODAY + 60 * DAY}])

        def alerts(days=0):
            with at(TODAY + days * DAY):
                Alert.alert_registers()
            return [
                (a.kind, a.step) for a in Alert.search(
                    [('kind', '=', 'certificate_end')], order=[('id', 'ASC')])]
        one = [('certificate_end', 90)]
        self.assertEqual(alerts(), one)
        self.assertEqual(alerts(1), one)
        two = one + [('certificate_end', 30)]
        self.assertEqual(alerts(35), two)
        self.assertTrue(Alert.search([])[0].text)
        Certificate.create([
                {**values, 'number': 'B', 'valid_to': TODAY + 400 * DAY}])
        self.assertEqual(alerts(59), two)
