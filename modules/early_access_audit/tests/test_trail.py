# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from contextlib import nullcontext

from trytond import backend
from trytond.modules.early_access.tests.tools import acting, rpc
from trytond.modules.early_access_audit import trail
from trytond.modules.early_access_audit.trail import Trail, domain_names
from trytond.pool import Pool
from trytond.tests.test_tryton import with_transaction
from trytond.transaction import Transaction

from .tools import InventedTestCase


class TrailTestCase(InventedTestCase):
    "Test what the trail of a transaction keeps until it is stored"

    def events(self):
        "What is not stored yet, settled."
        current = Trail.current()
        current._settle()
        return {
            (action, model): (sorted(ids), names)
            for (action, model, names, *_), (_, ids)
            in current._pending.items()}

    @with_transaction()
    def test_search_and_read(self):
        "What is found and read is told once"
        Patient = Pool().get('early_access.patient')
        with acting('prescriber'):
            ids = rpc(Patient, 'search', [])
            self.assertIn(
                ('search', 'early_access.patient'), self.events())
            rpc(Patient, 'read', ids, ['code', 'sex'])
        events = self.events()
        self.assertNotIn(('search', 'early_access.patient'), events)
        self.assertEqual(
            events['read', 'early_access.patient'],
            (sorted(ids), 'code,sex'))
        # Sealed values were opened for it, which is the same
        self.assertNotIn(('open', 'early_access.patient'), events)

    @with_transaction()
    def test_open(self):
        "What the server opens by itself is told"
        Patient = Pool().get('early_access.patient')
        patient = self.patient('treated')
        Patient.read([patient.id], ['code'])
        self.assertNotIn(('open', 'early_access.patient'), self.events())
        Patient.read([patient.id], ['sex'])
        self.assertEqual(
            self.events()['open', 'early_access.patient'],
            ([patient.id], 'sex'))

    @with_transaction()
    def test_aborted(self):
        "What was changed is forgotten with it, and not what was read"
        Patient = Pool().get('early_access.patient')
        patient = self.patient('treated')
        current = Trail.current()
        with acting('prescriber'):
            rpc(Patient, 'read', [patient.id], ['sex'])
            current.add('write', 'early_access.patient', [patient.id])
        current.tpc_abort(Transaction())
        events = self.events()
        self.assertIn(('read', 'early_access.patient'), events)
        self.assertNotIn(('write', 'early_access.patient'), events)

    @with_transaction()
    def test_many(self):
        "Many records are stored before the end, in chunks"
        Event = Pool().get('early_access.audit.event')
        before = Event.search([], limit=1)[0].id
        limit, trail.LIMIT = trail.LIMIT, 2500
        try:
            for i in range(5):
                Trail.current().opened(
                    'early_access.form',
                    range(i * 1000, (i + 1) * 1000), ['answers'])
        finally:
            trail.LIMIT = limit
        other = nullcontext()
        if backend.name == 'postgresql':
            # What another connection has stored
            other = Transaction().new_transaction()
        with other:
            events = Event.search([('id', '>', before)])
            records = Event.record_ids(events).values()
        self.assertEqual(
            sorted(r for ids in records for r in ids), list(range(3000)))
        self.assertLessEqual(max(map(len, records)), 1000)
        self.assertEqual(
            self.events()['open', 'early_access.form'][0],
            list(range(3000, 5000)))

    def test_domain_names(self):
        for domain, names in [
                ([], set()),
                ([('code', '=', 'X')], {'code'}),
                (['OR', ('code', '=', 'X'), [('state', '=', 'draft')]],
                    {'code', 'state'}),
                ([['AND', ['sex', '=', 'female']], ('a.b', 'in', [1])],
                    {'sex', 'a.b'}),
                ]:
            self.assertEqual(domain_names(domain), names)
