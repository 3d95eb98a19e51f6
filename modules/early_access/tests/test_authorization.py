# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import datetime as dt
from unittest.mock import patch

from dateutil.relativedelta import relativedelta

from trytond.exceptions import UserError
from trytond.model.exceptions import AccessError, SQLConstraintError
from trytond.modules.early_access.exceptions import (
    AuthorizationError, DecisionError, OverlapError, SupplyError,
    WorkflowModificationError, WorkflowStateError)
from trytond.pool import Pool
from trytond.tests.test_tryton import with_transaction

from .tools import ProgrammeTestCase, acting, rpc

year = relativedelta(years=1)
month = relativedelta(months=1)
day = relativedelta(days=1)


class AuthorizationTestCase(ProgrammeTestCase):
    "Test the authorizations and their decisions"

    def authorization(self):
        pool = Pool()
        Authorization = pool.get('early_access.authorization')
        authorization, = Authorization.search([('code', '=', 'DMB')])
        return authorization

    def filed(self, code, indication=None, products=None):
        "Return another authorization, filed by regulatory affairs."
        pool = Pool()
        Authorization = pool.get('early_access.authorization')
        Indication = pool.get('early_access.indication')
        first = self.authorization()
        with acting('regulatory_affairs'):
            if indication:
                indication, = rpc(Indication, 'create', [
                        {'code': indication, 'name': indication}])
            id_, = rpc(Authorization, 'create', [{
                        'code': code,
                        'name': code,
                        'indication': indication or first.indication.id,
                        'products': [('add', [
                                    p.id for p in products
                                    or first.products])],
                        'filed_date': dt.date(2020, 1, 1),
                        }])
            rpc(Authorization, 'file', [id_])
        return Authorization(id_)

    def post(self, authorization, kind, date, until=None, **values):
        "Post a decision as regulatory affairs."
        pool = Pool()
        Decision = pool.get('early_access.authorization.decision')
        with acting('regulatory_affairs'):
            id_, = rpc(Decision, 'create', [{
                        'authorization': authorization.id,
                        'kind': kind,
                        'number': f'{kind} {len(authorization.decisions)}',
                        'decision_date': date,
                        'effective_date': date,
                        'valid_until': until,
                        **values,
                        }])
            rpc(Decision, 'post', [id_])
        return Decision(id_)

    @with_transaction()
    def test_periods(self):
        "A grant and a renewal last at most one year, a suspension 3 months"
        today = dt.date.today()
        start = today - month
        authorization = self.filed('PER', 'TEST-P')
        for until in [start + year + day, start - day, None]:
            with self.subTest(kind='grant', until=until):
                with self.refused(UserError) as cm:
                    self.post(authorization, 'grant', start, until)
                if until:
                    self.assertIn('PER', cm.exception.message)
        self.post(authorization, 'grant', start, start + year)
        end = start + year
        for date, until in [
                (today, today + year + day), (end + 2 * day, end + month)]:
            with self.subTest(kind='renewal', until=until):
                with self.refused(DecisionError):
                    self.post(authorization, 'renewal', date, until)
        self.post(authorization, 'renewal', today, today + year)
        for until in [today + 3 * month + day, today - day]:
            with self.subTest(kind='suspension', until=until):
                with self.refused(DecisionError):
                    self.post(
                        authorization, 'suspension', today, until,
                        motive='safety')
        self.post(
            authorization, 'suspension', today, today + 3 * month,
            motive='safety')
        self.assertEqual(authorization.state, 'suspended')

    @with_transaction()
    def test_states_of_decisions(self):
        "A decision moves the authorization from the right state only"
        today = dt.date.today()
        authorization = self.filed('STA', 'TEST-S')
        for kind in ['renewal', 'suspension', 'reinstatement', 'withdrawal',
                'modification']:
            with self.subTest(kind=kind, state='filed'):
                with self.refused(DecisionError) as cm:
                    self.post(
                        authorization, kind, today, today + month,
                        motive='safety')
                self.assertIn('STA', cm.exception.message)
        self.post(authorization, 'grant', today, today + year)
        for kind in ['grant', 'reinstatement', 'refusal']:
            with self.subTest(kind=kind, state='granted'):
                with self.refused(DecisionError):
                    self.post(authorization, kind, today, today + month)

    @with_transaction()
    def test_overlap(self):
        "No two authorizations in force for one product and indication"
        pool = Pool()
        Product = pool.get('product.product')
        Template = pool.get('product.template')
        first = self.authorization()
        start, end = first.effective_date, first.in_force_until
        for date, until in [
                (end, end + month), (start - month, start),
                (start + month, end - month),
                (start - month, start - month + year)]:
            with self.subTest(date=date, until=until):
                with self.refused(OverlapError) as cm:
                    self.post(self.filed('OVE'), 'grant', date, until)
                self.assertIn('OVE', cm.exception.message)
                self.assertIn('DMB', cm.exception.message)
        # Another presentation is the same product
        presentation, = Product.create(
            [{'template': first.products[0].template.id}])
        with self.refused(OverlapError):
            self.post(
                self.filed('PRE', products=[presentation]), 'grant', start,
                end)
        template, = Template.copy([first.products[0].template])
        for code, authorization in [
                ('after', self.filed('AFT')),
                ('indication', self.filed('IND', 'TEST-I')),
                ('product', self.filed('PRO', products=template.products)),
                ]:
            date = end + day if code == 'after' else start
            with self.subTest(code=code):
                self.post(authorization, 'grant', date, date + month)
                self.assertEqual(authorization.state, 'granted')

    @with_transaction()
    def test_overlap_of_pending_renewal(self):
        "A pending renewal extends what must not be overlapped"
        pool = Pool()
        Authorization = pool.get('early_access.authorization')
        first = self.authorization()
        end = first.valid_until
        with acting('regulatory_affairs'):
            rpc(Authorization, 'file_renewal', [first.id])
        with self.refused(OverlapError):
            self.post(self.filed('PEN'), 'grant', end + month, end + year)

    @with_transaction()
    def test_renewal_overlap(self):
        "Nor may a renewal run over another authorization"
        first = self.authorization()
        end = first.valid_until
        self.post(self.filed('NEX'), 'grant', end + day, end + month)
        with self.refused(OverlapError):
            self.post(first, 'renewal', end, end + month)

    @with_transaction()
    def test_renewal_refused(self):
        "A renewal that is refused starts the continuity of treatment"
        pool = Pool()
        Authorization = pool.get('early_access.authorization')
        authorization = self.authorization()
        today = dt.date.today()
        with acting('regulatory_affairs'):
            rpc(Authorization, 'file_renewal', [authorization.id])
        self.assertEqual(authorization.urgency, 'pending')
        self.post(authorization, 'refusal', today)
        self.assertEqual(authorization.state, 'continuity')
        self.assertEqual(authorization.coverage_end_date, today)
        self.assertEqual(authorization.continuity_until, today + year)

    @with_transaction()
    def test_urgency(self):
        "The renewal is due three months before the end"
        pool = Pool()
        Decision = pool.get('early_access.authorization.decision')
        authorization = self.authorization()
        decision, = authorization.decisions
        today = dt.date.today()
        for valid_until, urgency in [
                (today + 7 * month, None),
                (today + 5 * month, 'soon'),
                (today + 2 * month, 'overdue'),
                (today - day, 'expired'),
                ]:
            with self.subTest(urgency=urgency):
                # As if time had passed
                Decision.write([decision], {'valid_until': valid_until})
                self.assertEqual(authorization.urgency, urgency)
                self.assertEqual(
                    authorization.renewal_due_date, valid_until - 3 * month)
                self.assertEqual(
                    authorization.days_left, (valid_until - today).days)
                self.assertEqual(
                    authorization.admits_new_patients(today),
                    valid_until >= today)
        with acting('regulatory_affairs'):
            with self.refused(AuthorizationError):
                rpc(type(authorization), 'file_renewal', [authorization.id])

    @with_transaction()
    def test_due_applications(self):
        "MA application in 2 years of the grant, listing in 1 month of MA"
        authorization = self.authorization()
        granted = authorization.effective_date
        self.assertEqual(
            authorization.ma_application_due_date, granted + 2 * year)
        self.assertIsNone(authorization.listing_application_due_date)
        authorization.ma_application_date = granted + month
        authorization.ma_granted_date = granted + 2 * month
        authorization.save()
        self.assertIsNone(authorization.ma_application_due_date)
        self.assertEqual(
            authorization.listing_application_due_date,
            granted + 3 * month)

    @with_transaction()
    def test_supply(self):
        "Who may be supplied in each state (legal notes 2 to 4)"
        authorization = self.authorization()
        today = dt.date.today()
        end = authorization.in_force_until

        def check(date, ongoing, allowed, **options):
            with self.subTest(
                    state=authorization.state, date=date, ongoing=ongoing,
                    **options):
                if allowed:
                    authorization.check_supply(date, ongoing, **options)
                else:
                    with self.assertRaises(SupplyError) as cm:
                        authorization.check_supply(date, ongoing, **options)
                    self.assertIn('DMB', cm.exception.message)

        check(today, False, True)
        check(today, True, True)
        check(end + day, False, False)
        check(end + day, True, True)
        suspension = self.post(
            authorization, 'suspension', today, today + month,
            motive='efficacy')
        check(today, False, False)
        check(today, True, False)
        check(today, False, False, override=True)
        check(today, True, True, override=True)
        # A suspension never reopens by itself
        check(today + 2 * month, False, False)
        suspension.resupply = 'allowed'
        suspension.save()
        check(today, True, True)
        check(today, False, False)
        self.post(authorization, 'reinstatement', today)
        check(today, False, True)
        self.post(authorization, 'withdrawal', today, motive='alternative')
        self.assertEqual(authorization.state, 'continuity')
        check(today, False, False)
        check(today, True, True)

    @with_transaction()
    def test_supply_after_safety_withdrawal(self):
        "No continuity after a withdrawal for safety"
        authorization = self.authorization()
        today = dt.date.today()
        self.post(authorization, 'withdrawal', today, motive='safety')
        for ongoing in [False, True]:
            with self.assertRaises(SupplyError):
                authorization.check_supply(today, ongoing)

    @with_transaction()
    def test_motive(self):
        "A withdrawal and a suspension carry their motive"
        authorization = self.authorization()
        today = dt.date.today()
        for kind in ['withdrawal', 'suspension']:
            with self.subTest(kind=kind):
                with self.refused(UserError):
                    self.post(authorization, kind, today, today + month)

    @with_transaction()
    def test_conversion(self):
        "A modification converts the authorization to post-MA"
        authorization = self.authorization()
        today = dt.date.today()
        self.post(authorization, 'modification', today, new_stage='post_ma')
        self.assertEqual(authorization.stage, 'post_ma')
        self.assertEqual(authorization.conversion_date, today)
        self.assertEqual(authorization.state, 'granted')

    @with_transaction()
    def test_posted_twice(self):
        "A decision is posted once"
        pool = Pool()
        Decision = pool.get('early_access.authorization.decision')
        decision, = self.authorization().decisions
        with acting('regulatory_affairs'):
            with self.refused(WorkflowStateError):
                rpc(Decision, 'post', [decision.id])

    @with_transaction()
    def test_protected(self):
        "The states move by the buttons only, on every path"
        pool = Pool()
        Authorization = pool.get('early_access.authorization')
        Decision = pool.get('early_access.authorization.decision')
        Professional = pool.get('early_access.professional')
        Protocol = pool.get('early_access.protocol')
        first = self.authorization()
        filed = self.filed('PRT', 'TEST-T')
        today = dt.date.today()
        decision = {
            'authorization': filed.id,
            'kind': 'grant',
            'number': '1',
            'decision_date': today,
            'effective_date': today,
            'valid_until': today + month,
            }
        protocol, = first.protocols
        professional = Professional.search([], limit=1)[0]
        for login, Model, id_, values in [
                ('regulatory_affairs', Authorization, filed.id,
                    {'state': 'granted'}),
                ('regulatory_affairs', Authorization, filed.id,
                    {'index_key': first.index_key.id}),
                ('regulatory_affairs', Protocol, protocol.id,
                    {'state': 'draft'}),
                ('regulatory_affairs', Protocol, protocol.id,
                    {'superseded_date': today}),
                ('configuration', Professional, professional.id,
                    {'state': 'pending'}),
                ('configuration', Professional, professional.id,
                    {'identity_checked_by': 1}),
                ]:
            with self.subTest(model=Model.__name__, values=values):
                with acting(login):
                    with self.refused(WorkflowModificationError):
                        rpc(Model, 'write', [id_], values)
                    with self.refused(UserError):
                        rpc(Model, 'import_data', ['id', *values], [
                                [id_, *map(str, values.values())]])
        with acting('regulatory_affairs'):
            with self.refused(WorkflowModificationError):
                rpc(Decision, 'create', [{**decision, 'state': 'posted'}])
            with self.refused(WorkflowModificationError):
                rpc(Authorization, 'write', [filed.id], {
                        'decisions': [('create', [
                                    {**decision, 'state': 'posted'}])],
                        })
            with self.refused(WorkflowModificationError):
                rpc(Decision, 'import_data', [
                        'authorization', 'kind', 'number', 'decision_date',
                        'effective_date', 'valid_until', 'state',
                        ], [[
                            'PRT', 'grant', '1', today, today, today + month,
                            'posted',
                            ]])

    @with_transaction()
    def test_posted_document(self):
        "A posted decision does not change through its authorization either"
        pool = Pool()
        Authorization = pool.get('early_access.authorization')
        authorization = self.authorization()
        decision, = authorization.decisions
        for command in [
                ('write', [decision.id], {'valid_until': dt.date(2099, 1, 1)}),
                ('delete', [decision.id]),
                ('remove', [decision.id]),
                ]:
            with self.subTest(command=command[0]):
                with acting('regulatory_affairs'):
                    with self.refused(AccessError):
                        rpc(Authorization, 'write', [authorization.id], {
                                'decisions': [command]})

    @with_transaction()
    def test_code(self):
        "The code of an authorization begins those of its patients"
        pool = Pool()
        Authorization = pool.get('early_access.authorization')
        filed = self.filed('COD', 'TEST-C')
        with acting('regulatory_affairs'):
            rpc(Authorization, 'draft', [filed.id])
            for code in ['D', 'DEMOLUM', 'D-1', 'D É', 'DÉ', 'D 1']:
                with self.subTest(code=code):
                    with self.refused(UserError):
                        rpc(Authorization, 'write', [filed.id], {
                                'code': code})
            rpc(Authorization, 'write', [filed.id], {'code': 'ab2'})
            self.assertEqual(Authorization(filed.id).code, 'AB2')


class ProtocolTestCase(ProgrammeTestCase):
    "Test the protocols"

    @with_transaction()
    def test_variables(self):
        "A variable is coded, and its choices too"
        pool = Pool()
        Protocol = pool.get('early_access.protocol')
        Variable = pool.get('early_access.variable')
        active, = Protocol.search([])
        with acting('regulatory_affairs'):
            draft, = Protocol.copy([active], default={'version': '2'})
            values = {
                'protocol': draft.id,
                'code': 'extra',
                'string': "Extra",
                'type_': 'selection',
                'selection': "a: A\nb: B",
                'category': 'history',
                }
            for bad in [
                    {'code': '1a'},
                    {'code': 'A'},
                    {'code': 'a-b'},
                    {'code': 'a' * 41},
                    {'selection': ""},
                    {'selection': None},
                    {'selection': "a: A\na: B"},
                    {'type_': 'char'},
                    {'type_': 'boolean'},
                    {'category': 'other'},
                    {'protocol': active.id},
                    ]:
                with self.subTest(bad=bad):
                    with self.refused(UserError):
                        rpc(Variable, 'create', [{**values, **bad}])
            id_, = rpc(Variable, 'create', [values])
            self.assertEqual(Variable(id_).name, 'dmb_2_extra')
            for name, value in [('code', 'other'), ('name', 'other')]:
                with self.refused(AccessError):
                    rpc(Variable, 'write', [id_], {name: value})

    @with_transaction()
    def test_variable_unique(self):
        "The name of a variable is unique, and comes from its code"
        pool = Pool()
        Protocol = pool.get('early_access.protocol')
        Variable = pool.get('early_access.variable')
        protocol, = Protocol.search([])
        with acting('regulatory_affairs'):
            draft, = Protocol.copy([protocol], default={'version': '2'})
            values = {
                'protocol': draft.id,
                'string': "Extra",
                'type_': 'date',
                'category': 'history',
                }
            id_, = rpc(Variable, 'create', [
                    {**values, 'code': 'extra', 'name': 'dmb_1_ecog'}])
            self.assertEqual(Variable(id_).name, 'dmb_2_extra')
            with self.assertRaises(SQLConstraintError):
                rpc(Variable, 'create', [{**values, 'code': 'ecog'}])

    @with_transaction()
    def test_visits(self):
        "A visit and a form of another version do not mix"
        pool = Pool()
        Protocol = pool.get('early_access.protocol')
        Question = pool.get('early_access.protocol.form.question')
        Visit = pool.get('early_access.protocol.visit')
        active, = Protocol.search([])
        form, _ = [f for f in active.forms if f.kind == 'follow_up']
        with acting('regulatory_affairs'):
            draft, = Protocol.copy([active], default={'version': '2'})
            with self.refused(UserError):
                rpc(Visit, 'create', [{
                            'protocol': draft.id,
                            'name': "M6",
                            'offset': 6,
                            'forms': [('add', [form.id])],
                            }])
            with self.refused(UserError):
                rpc(Question, 'create', [{
                            'form': draft.forms[1].id,
                            'variable': active.variables[-1].id,
                            }])
            visit, = rpc(Visit, 'create', [{
                        'protocol': draft.id,
                        'name': "M6",
                        'offset': 6,
                        }])
            # Nor is a part moved to a version that is fixed
            for record, values in [
                    (Visit(visit), {'protocol': active.id}),
                    (draft.criteria[0], {'protocol': active.id}),
                    (draft.supplies[0], {'protocol': active.id}),
                    (draft.forms[0], {'protocol': active.id}),
                    (draft.forms[0].questions[0], {'form': form.id}),
                    ]:
                with self.subTest(record=record):
                    with self.refused(AccessError):
                        rpc(type(record), 'write', [record.id], values)

    @with_transaction()
    def test_transition(self):
        "A request is accepted under a superseded version for some days"
        pool = Pool()
        Patient = pool.get('early_access.patient')
        Protocol = pool.get('early_access.protocol')
        today = dt.date.today()
        protocol, = Protocol.search([])
        Protocol.supersede([protocol])
        submitted = self.patient('submitted')
        for days, accepted in [(31, False), (30, True)]:
            Protocol.write([protocol], {
                    'superseded_date': today - relativedelta(days=days)})
            with self.subTest(days=days), acting('pharmacist_in_charge'):
                if accepted:
                    rpc(Patient, 'accept', [submitted.id])
                else:
                    with self.refused(UserError):
                        rpc(Patient, 'accept', [submitted.id])

    @with_transaction()
    def test_future_version(self):
        "The version before is in force until the new one takes effect"
        pool = Pool()
        Protocol = pool.get('early_access.protocol')
        today = dt.date.today()
        protocol, = Protocol.search([])
        days = {n: relativedelta(days=n) for n in [1, 9, 10, 40]}
        with acting('regulatory_affairs'):
            new, = Protocol.copy([protocol], default={'version': '2'})
            Protocol.write([new], {
                    'decision': protocol.decision.id,
                    'effective_date': today + days[10],
                    'prescriber_information': 'information 2',
                    'privacy_notice': 'notice 2',
                    })
            Protocol.activate([Protocol(new.id)])
        old, new = Protocol.browse([protocol.id, new.id])

        self.assertEqual(old.state, 'superseded')
        self.assertEqual(old.superseded_date, today + days[9])
        self.assertEqual(old.authorization.active_protocol, old)
        for days, force, request in [
                (days[1], [old], [old]),
                (days[9], [old], [old]),
                (days[10], [new], [old, new]),
                (days[40], [new], [new]),
                ]:
            date = today + days
            with self.subTest(days=days):
                self.assertEqual(
                    [p for p in [old, new] if p.in_force(date)], force)
                self.assertEqual(
                    [p for p in [old, new] if p.admits_request(date)],
                    request)
        with patch.object(
                pool.get('ir.date'), 'today',
                return_value=today + relativedelta(days=10)):
            self.assertEqual(old.authorization.active_protocol, new)
