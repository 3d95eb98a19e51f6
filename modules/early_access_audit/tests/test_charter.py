# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import datetime as dt

from dateutil.relativedelta import relativedelta

from trytond.exceptions import UserError
from trytond.model.exceptions import AccessError
from trytond.modules.early_access.tests.tools import acting, rpc
from trytond.modules.early_access_audit.exceptions import (
    CharterAccessError, CharterError, TrainingAccessError, TrainingError)
from trytond.modules.early_access_audit.patient_data import today
from trytond.pool import Pool
from trytond.tests.test_tryton import with_transaction

from .tools import InventedTestCase, configured


def publish(version='1'):
    "Publish a version of the charter."
    Charter = Pool().get('early_access.audit.charter')
    charter, = Charter.create([{
                'version': version,
                'charter': "I keep to myself what I read.",
                'logging_notice': "What you do is kept for a year.",
                }])
    Charter.publish([charter])
    return charter


def accept():
    "Accept the charter in force as the current user, as the client does."
    Accept = Pool().get('early_access.audit.charter.accept', type='wizard')
    session_id, start, _ = Accept.create()
    view = Accept.execute(session_id, {}, start)['view']
    values = {
        name: view['defaults'][name] for name in ['charter', 'accepted']}
    return Accept.execute(session_id, {'text': values}, 'accept')


class CharterTestCase(InventedTestCase):
    "Test that data of patients open to who accepted and was trained only"

    def user(self, login):
        User = Pool().get('res.user')
        user, = User.search([('login', '=', login)])
        return user

    def train(self, login, **ago):
        "Record a training of the user, given so long ago."
        Training = Pool().get('early_access.audit.training')
        training, = Training.create([{
                    'user': self.user(login).id,
                    'date': today() - relativedelta(**ago),
                    }])
        return training

    def assertClosed(self, model, ids, names):
        Model = Pool().get(model)
        with self.refused(AccessError):
            rpc(Model, 'read', ids, names)
        self.assertFalse(set(rpc(Model, 'search', [])).intersection(ids))

    @with_transaction()
    def test_accept(self):
        "Nothing of a patient opens before the version in force is accepted"
        pool = Pool()
        Form = pool.get('early_access.form')
        Patient = pool.get('early_access.patient')
        User = pool.get('res.user')
        patient = self.patient('treated')
        form, = Form.search([('patient', '=', patient.id)], limit=1)
        with acting('prescriber'):
            rpc(Patient, 'read', [patient.id], ['code', 'sex'])
        publish()
        for login in [
                'prescriber', 'pharmacist_in_charge', 'data_manager']:
            with self.subTest(login=login), acting(login):
                self.assertClosed(
                    'early_access.patient', [patient.id], ['code'])
                self.assertClosed(
                    'early_access.patient', [patient.id], ['sex'])
                self.assertClosed('early_access.form', [form.id], ['state'])
        with acting('prescriber'):
            actions = rpc(User, 'get_preferences', False)['actions']
            accept()
            rpc(Patient, 'read', [patient.id], ['code', 'sex'])
            rpc(Form, 'read', [form.id], ['state'])
            # The charter came before the home of the user
            self.assertEqual(
                rpc(User, 'get_preferences', False)['actions'], actions[1:])
        # The acceptance of one is not the one of another
        with acting('pharmacist_in_charge'):
            self.assertClosed('early_access.patient', [patient.id], ['code'])
        self.assertTrue(self.user('prescriber').charter_accepted)
        self.assertEqual(
            User.search([('charter_accepted', '=', True)]),
            [self.user('prescriber')])
        self.assertIn(
            self.user('pharmacist_in_charge'),
            User.search([('charter_accepted', '=', False)]))

    @with_transaction()
    def test_new_version(self):
        "Another version is accepted again, with one click"
        Patient = Pool().get('early_access.patient')
        patient = self.patient('treated')
        first = publish()
        with acting('prescriber'):
            accept()
        second = publish('2')
        self.assertEqual(
            (first.state, second.state), ('superseded', 'published'))
        with acting('prescriber'):
            self.assertClosed('early_access.patient', [patient.id], ['code'])
            accept()
            rpc(Patient, 'read', [patient.id], ['code'])
            # Once more changes nothing
            accept()
        self.assertEqual(len(second.acceptances), 1)

    @with_transaction()
    def test_replaced(self):
        "The version that was read is the one that is accepted"
        Accept = Pool().get(
            'early_access.audit.charter.accept', type='wizard')
        first = publish()
        with acting('prescriber'):
            session_id, start, _ = Accept.create()
            Accept.execute(session_id, {}, start)
        publish('2')
        with acting('prescriber'), self.refused(CharterError):
            Accept.execute(
                session_id, {'text': {'charter': first.id}}, 'accept')

    @with_transaction()
    def test_no_charter(self):
        "Without a charter real data stay closed, and the user is told"
        Accept = Pool().get(
            'early_access.audit.charter.accept', type='wizard')
        patient = self.patient('treated')
        with configured(early_access__demonstration='False'):
            Pool().get('res.user')._closed_cache.clear()
            with acting('prescriber'):
                self.assertClosed(
                    'early_access.patient', [patient.id], ['code'])
                session_id, start, _ = Accept.create()
                view = Accept.execute(session_id, {}, start)['view']
                self.assertEqual(view['state'], 'missing')
        Pool().get('res.user')._closed_cache.clear()

    @with_transaction()
    def test_fixed(self):
        "What was accepted is never changed"
        pool = Pool()
        Acceptance = pool.get('early_access.audit.charter.acceptance')
        Charter = pool.get('early_access.audit.charter')
        charter = publish()
        with acting('prescriber'):
            accept()
        acceptance, = charter.acceptances
        for change in [
                lambda: Charter.write([charter], {'charter': "Anything."}),
                lambda: Charter.delete([charter]),
                lambda: Acceptance.delete([acceptance]),
                lambda: Acceptance.write([acceptance], {'user': 1}),
                ]:
            with self.refused(CharterAccessError):
                change()
        copy, = Charter.copy([charter])
        self.assertEqual(
            (copy.state, copy.version, copy.acceptances), ('draft', '1+', ()))

    @with_transaction()
    def test_access(self):
        "Who writes the charter is who may, and nobody accepts for another"
        pool = Pool()
        Acceptance = pool.get('early_access.audit.charter.acceptance')
        Charter = pool.get('early_access.audit.charter')
        Training = pool.get('early_access.audit.training')
        values = {'version': '9', 'charter': "C", 'logging_notice': "N"}
        draft, = Charter.create([values])
        user = self.user('supply').id
        for login in ['prescriber', 'supply', 'pharmacist_in_charge', 'audit']:
            with self.subTest(login=login), acting(login):
                for method, *args in [
                        ('create', [{**values, 'version': '10'}]),
                        ('write', [draft.id], {'charter': "D"}),
                        ('publish', [draft.id]),
                        ('read', [draft.id], ['charter']),
                        ]:
                    with self.refused(AccessError, UserError):
                        rpc(Charter, method, *args)
                with self.refused(AccessError):
                    rpc(Acceptance, 'create', [
                            {'user': user, 'charter': draft.id}])
                with self.refused(AccessError):
                    rpc(Training, 'create', [{'user': user}])
                if login != 'audit':
                    with self.refused(AccessError):
                        rpc(Training, 'search', [])

    @with_transaction()
    def test_training(self):
        "A lapsed training warns, then closes, and never what is urgent"
        pool = Pool()
        Form = pool.get('early_access.form')
        Order = pool.get('early_access.order')
        Patient = pool.get('early_access.patient')
        User = pool.get('res.user')
        patient = self.patient('treated')
        event, = Form.search([
                ('patient', '=', patient.id),
                ('kind', '=', 'adverse_event')], limit=1) or [None]
        form, = Form.search([
                ('patient', '=', patient.id),
                ('kind', '!=', 'adverse_event'),
                ('parent', '=', None)], limit=1)
        user = self.user('prescriber')

        def bar():
            with acting('prescriber'):
                return rpc(User, 'get_preferences', False)['status_bar']

        training = self.train('prescriber')
        self.assertNotIn("Training", bar())
        for ago, warned, closed in [
                ({'days': 365 - 31}, False, False),
                ({'days': 365 - 30}, True, False),
                ({'days': 365 + 30}, True, False),
                ({'days': 365 + 31}, True, True),
                ]:
            Pool().get('early_access.audit.training').delete([training])
            training = self.train('prescriber', **ago)
            with self.subTest(**ago):
                self.assertEqual("Training" in bar(), warned)
                with acting('prescriber'):
                    self.assertEqual(
                        User.patient_data_closed(),
                        'training' if closed else None)
                    # Only the level of the order desk stays
                    rpc(Patient, 'read', [patient.id], ['code', 'state'])
                    rpc(Order, 'search', [])
                    if event:
                        rpc(Form, 'read', [event.id], ['answers'])
                    if closed:
                        self.assertClosed(
                            'early_access.form', [form.id], ['answers'])
                        with self.refused(AccessError):
                            rpc(Patient, 'read', [patient.id], ['sex'])
                    else:
                        rpc(Form, 'read', [form.id], ['answers'])
                        rpc(Patient, 'read', [patient.id], ['sex'])
        self.assertEqual(
            user.training_until, training.date + relativedelta(days=365))
        self.assertEqual(
            User.search([('training_until', '<', dt.date.max)]), [user])
        self.assertNotIn(user, User.search([('training_until', '=', None)]))

    @with_transaction()
    def test_never_trained(self):
        "Who was never trained has the time of grace of a new account"
        pool = Pool()
        User = pool.get('res.user')
        user = self.user('prescriber')
        with acting('prescriber'):
            self.assertIsNone(User.patient_data_closed())
        with configured(early_access__training_grace='-1'):
            User._closed_cache.clear()
            with acting('prescriber'):
                self.assertEqual(User.patient_data_closed(), 'training')
        User._closed_cache.clear()
        self.assertIsNone(user.training_until)

    @with_transaction()
    def test_training_rules(self):
        Training = Pool().get('early_access.audit.training')
        training = self.train('prescriber', days=2)
        with self.refused(TrainingAccessError):
            Training.write([training], {'date': today()})
        with self.refused(TrainingError):
            Training.create([{
                        'user': self.user('prescriber').id,
                        'date': today() + relativedelta(days=2),
                        }])
