# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The end of the data (CNIL 2022-107, art. 9 and SEC-ARC-2)"

import datetime as dt
import json
import os
import pathlib
import tempfile

from dateutil.relativedelta import relativedelta

from trytond.model.exceptions import AccessError, AccessButtonError
from trytond.modules.early_access.keyring import FileKeyring, get_keyring
from trytond.modules.early_access.tests.tools import acting, rpc
from trytond.modules.early_access_audit.tests.tools import configured
from trytond.modules.early_access_retention import replay
from trytond.modules.early_access_retention.exceptions import (
    DestructionError)
from trytond.pool import Pool
from trytond.tests.test_tryton import with_transaction

from .retention_tools import RetentionTestCase, ago
from .tools import at


class DestructionTestCase(RetentionTestCase):
    "Test the destruction"

    def setUp(self):
        super().setUp()
        # The list and the keyring of these tests alone
        directory = self.enterContext(tempfile.TemporaryDirectory())
        self.list = os.path.join(directory, 'destroyed')
        self.enterContext(configured(
                early_access__destroyed_list=self.list,
                report__convert_command='none'))

    def prepared(self, archive=True):
        "Let all come to the end, and return the batch that is prepared."
        Destruction = Pool().get('early_access.retention.destruction')
        self.due()
        if archive:
            self.job('archive')
            self.job('archived')
        self.due('destroy')
        self.job('prepare')
        batch, = Destruction.search([])
        return batch

    def approve(self, batch, first='dpo', second='regulatory_affairs'):
        Destruction = Pool().get('early_access.retention.destruction')
        with acting(first):
            rpc(Destruction, 'approve', [batch.id])
        with acting(second):
            rpc(Destruction, 'approve_second', [batch.id])
        return Destruction(batch.id)

    def destroy(self):
        for kind in ['destroy', 'list', 'archived', 'certify', 'complete']:
            done = self.job(kind)
        return done

    def count(self, name, domain=()):
        return Pool().get(name).search(list(domain), count=True)

    # Before

    @with_transaction(user=0)
    def test_prepared(self):
        "A batch takes all that is due, once, and nothing is destroyed"
        Archive = Pool().get('early_access.retention.archive')
        batch = self.prepared()
        number = self.count('early_access.retention.archive')
        self.assertEqual(
            (batch.kind, batch.waiting, batch.destroyed),
            ('authorization', number, 0))
        self.assertEqual((batch.rule, batch.article), ('ma', '9.2'))
        self.assertIn("9.2", batch.reasoning)
        self.assertEqual(
            {i.code for i in batch.lines},
            {a.code for a in Archive.search([])})
        self.assertEqual(self.job('prepare'), (0, 0, 0))
        self.assertEqual(self.job('destroy'), (0, 0, 0))
        self.assertEqual(
            self.count('early_access.retention.archive'), number)

    @with_transaction(user=0)
    def test_two_persons(self):
        "Two persons approve, and neither is enough"
        pool = Pool()
        Destruction = pool.get('early_access.retention.destruction')
        batch = self.prepared()
        for login in ['supply', 'prescriber', 'audit', 'pharmacovigilance']:
            with self.subTest(login), self.refused(
                    AccessError, AccessButtonError):
                with acting(login):
                    rpc(Destruction, 'approve', [batch.id])
        with acting('dpo'):
            rpc(Destruction, 'approve', [batch.id])
            with self.refused(DestructionError) as cm:
                rpc(Destruction, 'approve_second', [batch.id])
        self.assertIn("Another person", cm.exception.message)
        self.assertEqual(self.job('destroy'), (0, 0, 0))
        with acting('regulatory_affairs'):
            rpc(Destruction, 'approve_second', [batch.id])
        batch = Destruction(batch.id)
        self.assertEqual(batch.state, 'approved')
        with acting('pharmacist_in_charge'):
            rpc(Destruction, 'revoke', [batch.id])
        self.assertFalse(Destruction(batch.id).first_by)
        self.assertEqual(self.job('destroy'), (0, 0, 0))
        for values in [{'state': 'approved'}, {'complete_on': ago(days=1)}]:
            with self.refused(AccessError), acting('dpo'):
                rpc(Destruction, 'write', [batch.id], values)
        with self.refused(AccessError), acting('dpo'):
            rpc(Destruction, 'delete', [batch.id])

    @with_transaction(user=0)
    def test_new_person(self):
        "Who has approved has seen everybody"
        pool = Pool()
        Destruction = pool.get('early_access.retention.destruction')
        Hold = pool.get('early_access.retention.hold')
        Archive = pool.get('early_access.retention.archive')
        self.due()
        self.job('archive')
        first = Archive.search([], limit=1)[0]
        hold = self.hold(archives=[('add', [first.id])])
        self.job('archived')
        self.due('destroy')
        number = self.count('early_access.retention.archive')
        self.assertEqual(self.job('prepare'), (number - 1, 1, 0))
        batch, = Destruction.search([])
        with acting('dpo'):
            rpc(Destruction, 'approve', [batch.id])
        Hold.write([hold], {'lift_reason': 'closed'})
        Hold.lift([hold])
        self.assertEqual(self.job('prepare'), (1, 0, 0))
        batch = Destruction(batch.id)
        self.assertEqual((batch.state, batch.waiting), ('prepared', number))

    @with_transaction(user=0)
    def test_not_due_any_more(self):
        "What is not due any more leaves the batch"
        pool = Pool()
        Authorization = pool.get('early_access.authorization')
        batch = self.prepared()
        self.assertTrue(batch.waiting)
        Authorization.write([self.authorization], {
                'ma_ended_date': None, 'market_withdrawal_date': None})
        self.assertIsNone(self.clock.destroy_on)
        self.assertEqual(self.job('prepare'), (0, 0, 0))
        self.assertEqual(
            self.count('early_access.retention.destruction'), 0)

    # Destruction

    @with_transaction(user=0)
    def test_destroy(self):
        "Nothing of the persons is left, and shipments and lots are"
        pool = Pool()
        DataKey = pool.get('early_access.data_key')
        Line = pool.get('early_access.order.line')
        Move = pool.get('stock.move')
        lines, moves = Line.search([], count=True), Move.search([], count=True)
        patients = pool.get('early_access.patient').search([])
        keys = {p.data_key.uuid for p in patients}
        codes = {p.code for p in patients if p.code}
        batch = self.approve(self.prepared())
        number = batch.waiting
        self.assertEqual(self.job('destroy'), (number, 0, 0))
        self.assertEqual(self.job('destroy'), (0, 0, 0))
        self.assertEqual(self.count('early_access.retention.archive'), 0)
        self.assertEqual(
            self.count('early_access.retention.archive.bundle'), 0)
        self.assertFalse(DataKey.search([('uuid', 'in', list(keys))]))
        self.assertEqual(Line.search([], count=True), lines)
        self.assertEqual(Move.search([], count=True), moves)
        for line in Line.search([]):
            self.assertFalse(line.patient or line.archive)
        self.assertEqual(self.job('list'), (number, 0, 0))
        self.assertEqual(set(replay.read()) & keys, keys)
        self.assertEqual(os.stat(self.list).st_mode & 0o777, 0o600)
        self.assertEqual(self.job('certify'), (1, 0, 0))
        batch = batch.__class__(batch.id)
        self.assertEqual(
            (batch.state, batch.destroyed, batch.left),
            ('destroyed', number, 0))
        self.assertEqual(batch.destroyed_on, dt.date.today())
        self.assertEqual(
            batch.counts['early_access.retention.archive'], number)
        self.assertIn("Nothing is left", batch.check)
        self.assertEqual(
            [(i.code, i.patient, i.archive) for i in batch.lines],
            [(None, None, None)] * number)
        text = json.dumps(pathlib.Path(self.list).read_text())
        for code in codes:
            self.assertNotIn(code, text)
        self.assertEqual(self.job('archived'), (1, 0, 0))
        self.assertEqual(self.clock.destroyed_on, dt.date.today())

    @with_transaction(user=0)
    def test_live(self):
        "Those who are still in the working tables are destroyed as well"
        pool = Pool()
        Patient = pool.get('early_access.patient')
        Clock = pool.get('early_access.retention.clock')
        refused = self.patient('refused')
        self.policy()
        with at(dt.date.today() + relativedelta(months=5)):
            self.assertEqual(self.job('prepare'), (0, 0, 0))
        later = dt.date.today() + relativedelta(months=6, days=1)
        with at(later):
            Clock.recompute([self.authorization])
            self.job('prepare')
            batch, = pool.get('early_access.retention.destruction').search([])
            self.assertEqual(batch.kind, 'requests')
            self.assertIn(refused.id, {i.patient.id for i in batch.lines})
            self.assertLessEqual(
                {i.patient.state for i in batch.lines},
                {'refused', 'cancelled', 'never_started'})
            ids = [i.patient.id for i in batch.lines]
            self.approve(batch)
            self.destroy()
        self.assertFalse(Patient.search([('id', 'in', ids)]))
        self.assertFalse(
            self.count('early_access.form', [('patient', 'in', ids)]))
        self.assertTrue(self.patient('treated'))
        batch = batch.__class__(batch.id)
        self.assertEqual(batch.state, 'destroyed')
        self.assertGreater(batch.counts['early_access.form'], 0)

    @with_transaction(user=0)
    def test_held(self):
        "Who is held after the approval is not destroyed"
        pool = Pool()
        Archive = pool.get('early_access.retention.archive')
        Request = pool.get('early_access.rights.request')
        batch = self.approve(self.prepared())
        number = batch.waiting
        first, second = Archive.search([], limit=2)
        self.hold(archives=[('add', [first.id])])
        Request.create([{
                    'kind': 'access', 'concerned': 'patient',
                    'archive': second.id, 'through': 'direct',
                    'received_how': 'letter',
                    'company': batch.company.id}])
        self.assertEqual(self.job('destroy'), (number - 2, 2, 0))
        self.assertEqual(
            {a.id for a in Archive.search([])}, {first.id, second.id})
        self.assertTrue(first.content())
        batch = batch.__class__(batch.id)
        self.assertEqual(batch.kept, 2)
        self.assertIn("Litigation", ' '.join(
                i.reason for i in batch.lines if i.reason))

    @with_transaction(user=0)
    def test_whole_hold(self):
        "A hold on the authorization stops all"
        batch = self.approve(self.prepared())
        number = batch.waiting
        self.hold()
        self.assertEqual(self.job('destroy'), (0, number, 0))

    @with_transaction(user=0)
    def test_left(self):
        "What still names a destroyed person is found and told"
        pool = Pool()
        Note = pool.get('ir.note')
        Archive = pool.get('early_access.retention.archive')
        batch = self.prepared()
        code = Archive.search([('code', '!=', None)], limit=1)[0].code
        note, = Note.create([{
                    'resource': str(batch.company.party),
                    'message': f"Call about {code.lower()} again"}])
        self.approve(batch)
        self.job('destroy')
        self.assertEqual(self.job('certify'), (0, 0, 1))
        batch = batch.__class__(batch.id)
        self.assertEqual((batch.state, batch.left), ('approved', 1))
        self.assertIn("ir_note.message", batch.check)
        self.assertIn("1", batch.to_do)
        self.assertNotIn(code, batch.check)
        Note.delete([note])
        self.assertEqual(self.job('certify'), (1, 0, 0))
        self.assertEqual(batch.__class__(batch.id).left, 0)

    @with_transaction(user=0)
    def test_incident(self):
        "The register of incidents stays without the codes"
        pool = Pool()
        Incident = pool.get('early_access.audit.incident')
        code = self.patient('treated').code
        incident, = Incident.create([{
                    'subject': "Lost computer",
                    'natures': ['confidentiality'],
                    'detected_at': dt.datetime.now(),
                    'aware_at': dt.datetime.now(),
                    'company': self.authorization.company.id,
                    'facts': "It was left in a train.",
                    'patients': [('create', [{'code': code}])],
                    }])
        self.approve(self.prepared())
        self.assertTrue(Incident(incident.id).patients[0].archive)
        self.destroy()
        patient, = Incident(incident.id).patients
        self.assertNotEqual(patient.code, code)
        self.assertFalse(patient.archive or patient.patient)

    @with_transaction(user=0)
    def test_anonymous(self):
        "Where it is an option the counts of the batch are kept, once"
        pool = Pool()
        Aggregate = pool.get('early_access.retention.aggregate')
        Policy = pool.get('early_access.retention.policy')
        self.policy(
            end_form='anonymous', end_reason="Fictitious.",
            authorization=self.authorization.id)
        batch = self.prepared()
        policies = Policy.of([self.authorization], dt.date.today())
        self.assertEqual(
            policies[self.authorization.id].end_form, 'anonymous')
        number = batch.waiting
        self.approve(batch)
        self.job('destroy')
        line = batch.__class__(batch.id).lines[0]
        self.assertEqual(
            line.person.request_year, dt.date.today().year)
        self.assertEqual(self.job('certify'), (1, 0, 0))
        aggregate, = Aggregate.search([])
        self.assertIn(aggregate.persons, {number, 0})
        self.assertEqual(bool(aggregate.persons), number >= 10)
        self.assertFalse(any(
                i.traits for i in batch.__class__(batch.id).lines))

    # In the backups

    @with_transaction(user=0)
    def test_complete(self):
        "It is complete once the keys are retired and the backups expired"
        directory = self.enterContext(tempfile.TemporaryDirectory())
        path = os.path.join(directory, 'keyring')
        batch = self.approve(self.prepared())
        self.destroy()
        batch = batch.__class__(batch.id)
        self.assertIn("rotate", batch.to_do)
        keyring = FileKeyring.create(path)
        old, = keyring.keys()
        with configured(early_access__keyring=path):
            batch.keks = old.id
            batch.save()
            self.assertEqual(self.job('complete'), (0, 0, 0))
            keyring.rotate()
            self.assertIn(old.id, batch.__class__(batch.id).to_do)
            self.assertEqual(self.job('complete'), (0, 0, 0))
            expiry = dt.date.today() + dt.timedelta(days=30)
            get_keyring().retire(old.id, expiry)
            self.assertEqual(self.job('complete'), (0, 0, 0))
            self.assertIn("expired", batch.__class__(batch.id).to_do)
            with at(expiry):
                self.assertEqual(self.job('complete'), (1, 0, 0))
        batch = batch.__class__(batch.id)
        self.assertEqual(
            (batch.state, batch.complete_on), ('complete', expiry))

    @with_transaction(user=0)
    def test_replay(self):
        "Who was destroyed is destroyed again, without another approval"
        Patient = Pool().get('early_access.patient')
        patient, other = self.patient('treated'), self.patient('eligible')
        uuid, id_ = patient.data_key.uuid, patient.id
        replay.add([uuid], dt.date.today())
        with open(self.list, 'a') as file:
            # What was killed while it wrote
            file.write('{"key": "')
        replay.add(['unknown'], dt.date.today())
        self.assertEqual(replay.read(), [uuid, 'unknown'])
        self.hold()
        self.assertEqual(self.job('replay'), (1, 0, 0))
        self.assertEqual(self.job('replay'), (0, 0, 0))
        self.assertFalse(Patient.search([('id', '=', id_)]))
        self.assertTrue(Patient.search([('id', '=', other.id)]))

    # The certificate

    @with_transaction(user=0)
    def test_certificate(self):
        "The certificate tells the rule, the counts, the check and the dates"
        Certificate = Pool().get(
            'early_access.retention.destruction.certificate', type='report')
        batch = self.approve(self.prepared())
        self.destroy()
        with acting('dpo'):
            text = json.dumps(Certificate.sections(
                    batch.__class__(batch.id)), default=str)
            _, content, _, _ = Certificate.execute(
                [batch.id], {'model': batch.__class__.__name__})
        self.assertGreater(len(content), 3000)
        for expected in ["9.2", "Nothing is left", "rotate"]:
            self.assertIn(expected, text)
        with self.refused(AccessError), acting('prescriber'):
            batch.__class__.read([batch.id], ['state'])
            rpc(batch.__class__, 'read', [batch.id], ['state'])
