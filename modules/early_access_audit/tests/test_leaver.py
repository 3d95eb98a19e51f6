# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import datetime as dt

from dateutil.relativedelta import relativedelta

from trytond.model.exceptions import AccessError
from trytond.modules.early_access.tests.tools import PROFILES, acting, rpc
from trytond.modules.early_access_audit.exceptions import (
    LeaverAccessError, LeaverError)
from trytond.modules.early_access_audit.trail import Trail
from trytond.pool import Pool
from trytond.tests.test_tryton import with_transaction
from trytond.transaction import Transaction

from .tools import InventedTestCase, create_user

FOLLOWED = {
    'draft', 'signed', 'submitted', 'eligible', 'treated', 'discontinued'}


class LeaverTestCase(InventedTestCase):
    "Test who leaves"
    module = 'early_access_audit'

    def get(self, name, **values):
        Model = Pool().get(name)
        with Transaction().set_user(0), Transaction().set_context(
                _check_access=False):
            record, = Model.search([(n, '=', v) for n, v in values.items()])
        return Model(record.id)

    def user(self, login):
        return self.get('res.user', login=login)

    def professional(self, login):
        return self.get(
            'early_access.professional', user=self.user(login).id)

    def preview(self, user, reason='left'):
        "Return the session of the wizard and what it shows."
        Leaver = Pool().get('early_access.audit.leaver', type='wizard')
        with Transaction().set_context(
                active_model='res.user', active_id=user.id,
                active_ids=[user.id]):
            session, _, _ = rpc(Leaver, 'create')
            answer = rpc(Leaver, 'execute', session, {}, 'start')
            self.assertEqual(answer['view']['defaults']['user'], user.id)
            start = {'user': user.id, 'reason': reason}
            answer = rpc(
                Leaver, 'execute', session, {'start': start}, 'preview')
        return (session, start), answer['view']['defaults']

    def withdraw(self, user, successors=(), **values):
        Leaver = Pool().get('early_access.audit.leaver', type='wizard')
        (session, start), preview = self.preview(user)
        handovers = [
            {'service': h['service'],
                'successor': dict(successors).get(h['service'])}
            for h in preview['handovers']]
        with Transaction().set_context(
                active_model='res.user', active_id=user.id,
                active_ids=[user.id]):
            rpc(Leaver, 'execute', session, {
                    'start': start,
                    'preview': {
                        'user': user.id,
                        'handovers': handovers,
                        **values,
                        },
                    }, 'withdraw')

    def successor(self):
        "Return the haematologist once in the service of the prescriber too."
        Professional = Pool().get('early_access.professional')
        professional = self.professional('haematologist')
        service, = self.professional('prescriber').services
        Professional.write([professional], {
                'services': [('add', [service.id])]})
        return service, professional

    @with_transaction()
    def test_preview(self):
        "What is handed over is counted, and no patient is told"
        Form = Pool().get('early_access.form')
        Patient = Pool().get('early_access.patient')
        User = Pool().get('res.user')
        user = self.user('prescriber')
        patients = Patient.search([
                ('prescriber.user', '=', user.id),
                ('state', 'in', list(FOLLOWED))])
        forms = Form.search([
                ('patient', 'in', [p.id for p in patients]),
                ('state', 'in', ['expected', 'draft'])], count=True)
        with acting('security_officer'):
            _, preview = self.preview(user)
        handover, = preview['handovers']
        self.assertEqual(handover['candidates'], [])
        service, successor = self.successor()
        with acting('security_officer'):
            _, preview = self.preview(user)
            handover, = preview['handovers']
            # The client shows them
            row, = rpc(User, 'read', handover['candidates'], ['rec_name'])
        self.assertEqual(row['id'], successor.user.id)
        self.assertEqual(handover['service'], service.id)
        self.assertEqual(handover['patients'], len(patients))
        self.assertEqual(len({p.state for p in patients}), len(FOLLOWED))
        self.assertGreaterEqual(forms, 1)
        self.assertEqual(handover['queries'], 0)
        self.assertEqual(preview['roles'], 1)
        self.assertNotIn(patients[0].code, str(preview))

    @with_transaction()
    def test_withdraw(self):
        "The patients go to the successor and all the rights end"
        pool = Pool()
        Application = pool.get('res.user.application')
        Patient = pool.get('early_access.patient')
        Review = pool.get('early_access.audit.access_review')
        Session = pool.get('ir.session')
        User = pool.get('res.user')
        UserRole = pool.get('res.user.role')
        today = pool.get('ir.date').today()
        user = self.user('prescriber')
        left = self.professional('prescriber')
        service, successor = self.successor()
        refused = self.patient('refused')
        moved = Patient.search([
                ('prescriber', '=', left.id),
                ('state', 'in', list(FOLLOWED))])
        key, _ = Application.issue({
                'name': "Script", 'application': 'script', 'user': user.id,
                'owner': 1, 'from_date': today,
                'to_date': today + relativedelta(months=1),
                'networks': '192.0.2.0/24',
                })
        with Transaction().set_user(user.id):
            Session.new()
        review = Review()
        review.save()
        Review.open_([review])
        with acting('security_officer') as officer:
            self.withdraw(user, {service.id: successor.user.id})
        for patient in Patient.browse(moved):
            self.assertEqual(patient.prescriber, successor)
            self.assertEqual(patient.assignments[0].prescriber, successor)
        self.assertEqual(Patient(refused.id).prescriber, left)
        self.assertFalse(Patient.search([
                    ('prescriber', '=', left.id),
                    ('state', 'in', list(FOLLOWED))]))
        role, = UserRole.search([('user', '=', user.id)])
        self.assertEqual(role.state, 'withdrawn')
        self.assertEqual(role.withdrawn_by, officer)
        self.assertEqual(role.withdrawal_reason, "Has left")
        user = User(user.id)
        self.assertFalse(user.active)
        self.assertFalse(user.groups)
        self.assertFalse(Session.search([('create_uid', '=', user.id)]))
        self.assertEqual(Application(key.id).state, 'cancelled')
        self.assertEqual(
            self.get('early_access.professional', id=left.id).state,
            'inactive')
        self.assertEqual(
            [(reason, ids) for _, action, _, _, reason, _, ids
                in Trail.current()._entries if action == 'leaver'],
            [('left', [user.id])])
        self.assertEqual(
            {(line.kind, line.state, line.decision)
                for line in Review(review.id).lines if line.user == user}, {
                ('role', 'decided', 'withdraw'),
                ('machine', 'decided', 'withdraw')})
        # The successor reads them, and has the work
        with acting('haematologist'):
            rpc(Patient, 'read', [p.id for p in moved], ['sex'])

    @with_transaction()
    def test_successor(self):
        "Only an active doctor of the service takes the patients over"
        pool = Pool()
        Professional = pool.get('early_access.professional')
        User = pool.get('res.user')
        user = self.user('prescriber')
        service, successor = self.successor()
        south = self.professional('south_prescriber')
        staff = self.professional('hospital_staff')
        with acting('security_officer'):
            for other in [
                    None, south.user.id, staff.user.id, user.id,
                    self.user('supply').id]:
                with self.subTest(other=other):
                    with self.refused(LeaverError):
                        self.withdraw(user, {service.id: other})
        with self.undone():
            User.write([successor.user], {'active': False})
            with acting('security_officer'), self.refused(LeaverError):
                self.withdraw(user, {service.id: successor.user.id})
        with self.undone():
            Professional.deactivate([successor])
            with acting('security_officer'), self.refused(LeaverError):
                self.withdraw(user, {service.id: successor.user.id})
        self.assertTrue(User(user.id).active)

    @with_transaction()
    def test_refused(self):
        "Only who manages the accesses withdraws, and another user"
        user = self.user('supply')
        for profile in PROFILES.keys() - {'security_officer'}:
            with self.subTest(profile=profile), acting(profile):
                with self.refused(AccessError, LeaverAccessError):
                    self.withdraw(user)
        with acting('security_officer') as officer:
            for other in [officer, self.user('admin')]:
                with self.subTest(other=other.login):
                    with self.refused(LeaverError):
                        self.withdraw(other)

    @with_transaction()
    def test_machines(self):
        "The machines that the leaver answers for go to another, or stop"
        pool = Pool()
        Application = pool.get('res.user.application')
        today = pool.get('ir.date').today()
        for new_owner in [self.user('configuration'), None]:
            owner = create_user()
            application, _ = Application.issue({
                    'name': "Labels", 'application': 'rest',
                    'user': create_user().id, 'owner': owner.id,
                    'from_date': today,
                    'to_date': today + dt.timedelta(days=1),
                    'networks': '192.0.2.0/24',
                    })
            with self.subTest(new_owner=bool(new_owner)):
                with acting('admin'):
                    _, preview = self.preview(owner)
                    self.assertEqual(preview['machines'], 1)
                    self.withdraw(
                        owner, new_owner=new_owner.id if new_owner else None)
                application = Application(application.id)
                self.assertEqual(
                    application.state,
                    'validated' if new_owner else 'cancelled')
                self.assertEqual(application.owner, new_owner or owner)
