# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import datetime as dt

from trytond.model.exceptions import AccessButtonError, AccessError
from trytond.modules.early_access.tests.tools import PROFILES, acting, rpc
from trytond.modules.early_access_audit.exceptions import (
    EmergencyAccessError, EmergencyAccessRightError)
from trytond.modules.early_access_audit.trail import Trail
from trytond.pool import Pool
from trytond.tests.test_tryton import with_transaction
from trytond.transaction import Transaction

from .tools import InventedTestCase, configured


class EmergencyAccessTestCase(InventedTestCase):
    "Test the accesses that auditors and maintenance open"
    module = 'early_access_audit'

    def open(self, level='pseudonymised', reason='audit', minutes=60):
        "Open an access as the client does, and return it."
        pool = Pool()
        EmergencyAccess = pool.get('early_access.audit.emergency_access')
        Open = pool.get(
            'early_access.audit.emergency_access.open', type='wizard')
        session, _, _ = rpc(Open, 'create')
        rpc(Open, 'execute', session, {'start': {
                    'level': level,
                    'reason': reason,
                    'justification': "Yearly audit",
                    'minutes': minutes,
                    'maximum': 480,
                    }}, 'open_')
        with Transaction().set_context(_check_access=False):
            access, = EmergencyAccess.search([], limit=1)
        return access

    def move(self, access, **times):
        "Move the times as if time had passed."
        EmergencyAccess = Pool().get('early_access.audit.emergency_access')
        table = EmergencyAccess.__table__()
        Transaction().connection.cursor().execute(*table.update(
                [getattr(table, n) for n in times], list(times.values()),
                where=table.id == access.id))
        Transaction().cache.clear()

    def reads(self, name='sex'):
        Patient = Pool().get('early_access.patient')
        try:
            return bool(rpc(
                    Patient, 'read', [self.patient('treated').id], [name]))
        except AccessError:
            return False

    @with_transaction()
    def test_nothing(self):
        "An auditor reads no data of patients without an open access"
        pool = Pool()
        with acting('audit'):
            for name in [
                    'early_access.patient', 'early_access.form',
                    'early_access.query', 'early_access.order.line',
                    'early_access.related_person', 'early_access.recall',
                    'early_access.completeness.patient',
                    'early_access.patient.assignment']:
                with self.subTest(name=name), self.refused(AccessError):
                    rpc(pool.get(name), 'search', [])
            rpc(pool.get('early_access.audit.event'), 'search', [])
            rpc(pool.get('early_access.completeness'), 'search', [])

    @with_transaction()
    def test_levels(self):
        "An access opens what its level says, until its end"
        with acting('audit'):
            self.assertFalse(self.reads())
            access = self.open()
            self.assertTrue(self.reads('sex'))
            self.assertFalse(self.reads('surname_letters'))
            other = self.open('identifying')
            self.assertTrue(self.reads('surname_letters'))
        now = dt.datetime.now()
        # What was cached while it was open gives nothing more
        for a in [access, other]:
            cached = tuple(
                (now - dt.timedelta(hours=2), now, level)
                for level in ['pseudonymised', 'identifying'])
            type(a)._open_cache.set(access.user.id, cached)
        with acting('audit'):
            self.assertFalse(self.reads())

    @with_transaction()
    def test_trail(self):
        "Opening is told with its reason, and the reading with the access"
        Event = Pool().get('early_access.audit.event')
        with acting('audit') as user:
            access = self.open(reason='inspection')
            with Transaction().set_user(user.id):
                _, roles = type(user).audit_identity()
        self.assertEqual(roles, 'audit,emergency_access')
        entries = [
            (model, reason, target, ids)
            for _, action, model, _, reason, target, ids
            in Trail.current()._entries if action == 'break_glass']
        self.assertEqual(entries, [
                (access.__name__, 'inspection', 'pseudonymised',
                    [access.id])])
        self.assertIn('break_glass', dict(Event.action.selection))

    @with_transaction()
    def test_end(self):
        "The user ends an access, and the groups go at once"
        EmergencyAccess = Pool().get('early_access.audit.emergency_access')
        with acting('audit'):
            access = self.open()
            self.assertTrue(self.reads())
            rpc(EmergencyAccess, 'end', [access.id])
            self.assertFalse(self.reads())
            self.assertEqual(EmergencyAccess(access.id).state, 'to_review')
            with self.refused(AccessButtonError):
                rpc(EmergencyAccess, 'end', [access.id])

    @with_transaction()
    def test_refused(self):
        "The other profiles open none, and none lasts too long"
        EmergencyAccess = Pool().get('early_access.audit.emergency_access')
        for profile in PROFILES.keys() - {'audit'}:
            with self.subTest(profile=profile), acting(profile):
                with self.refused(AccessError, EmergencyAccessRightError):
                    self.open()
        with acting('audit') as user, configured(
                early_access__emergency_access_max='30'):
            for minutes in [31, 0, -5]:
                with self.subTest(minutes=minutes):
                    with self.refused(EmergencyAccessError):
                        EmergencyAccess.open_(
                            'identifying', 'audit', "Audit", minutes)
            # Nor is one made beside the wizard, as REST would
            with self.refused(AccessError):
                EmergencyAccess.create([{
                            'user': user.id, 'level': 'identifying',
                            'reason': 'audit', 'justification': "Audit",
                            'begun': dt.datetime.now(),
                            'until': dt.datetime.now()
                            + dt.timedelta(days=1),
                            }])

    @with_transaction()
    def test_role_ended(self):
        "An access is closed with the role that let open it"
        pool = Pool()
        UserRole = pool.get('res.user.role')
        with acting('audit') as user:
            self.open()
            self.assertTrue(self.reads())
        UserRole.end(UserRole.search([('user', '=', user.id)]), "Left")
        with acting('audit'):
            self.assertFalse(self.reads())

    @with_transaction()
    def test_review(self):
        "The pharmacist in charge signs off what has ended"
        EmergencyAccess = Pool().get('early_access.audit.emergency_access')
        with acting('audit'):
            access = self.open()
        with acting('pharmacist_in_charge'):
            self.assertEqual(
                EmergencyAccess.search([('state', '=', 'open')]), [access])
            with self.refused(AccessButtonError):
                rpc(EmergencyAccess, 'acknowledge', [access.id])
        now = dt.datetime.now()
        self.move(access, begun=now - dt.timedelta(hours=2), until=now)
        for profile in ['audit', 'security_officer', 'prescriber', 'supply']:
            with self.subTest(profile=profile), acting(profile):
                with self.refused(AccessError, AccessButtonError):
                    rpc(EmergencyAccess, 'acknowledge', [access.id])
        with acting('pharmacist_in_charge') as user:
            self.assertEqual(
                EmergencyAccess.search([('state', '=', 'to_review')]),
                [access])
            rpc(EmergencyAccess, 'acknowledge', [access.id])
            access = EmergencyAccess(access.id)
            self.assertEqual(access.state, 'acknowledged')
            self.assertEqual(access.acknowledged_by, user)

    @with_transaction()
    def test_own_review(self):
        "Nobody signs off an own access"
        pool = Pool()
        EmergencyAccess = pool.get('early_access.audit.emergency_access')
        Role = pool.get('res.role')
        with acting('pharmacist_in_charge') as user:
            pass
        role, = Role.search([('name', '=', "Maintenance")])
        pool.get('res.user.role').create([{
                    'user': user.id, 'role': role.id, 'reason': "Both"}])
        with acting('pharmacist_in_charge'):
            access = self.open()
            rpc(EmergencyAccess, 'end', [access.id])
            with self.refused(EmergencyAccessError):
                rpc(EmergencyAccess, 'acknowledge', [access.id])
