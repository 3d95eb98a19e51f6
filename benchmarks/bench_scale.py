# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"What a user does often, in a small programme and in a large one."
import datetime as dt
from functools import partial

from harness import PASSWORD
from measure import RUNS, WARM_UP, Session, ratio, serving

SMALL = 1_000
LARGE = 100_000
# The forms that are late
OVERDUE = 100
# The orders to approve, each of them once
SUBMITTED = RUNS + WARM_UP
USERS = ['supply', 'data_manager', 'pharmacist_in_charge']


def small(config):
    programme(SMALL, config)


def large(config):
    programme(LARGE, config)


def programme(number, config):
    "So many patients, with their forms and an order each"
    from proteus import Model
    from trytond.modules.early_access.tests.multiply import multiply_orders
    from trytond.modules.early_access.tests.order_tools import (
        create_lot, create_order)
    from trytond.modules.early_access.tests.tools import (
        create_laboratory, create_patient, create_programme, run_as)
    from trytond.pool import Pool
    from trytond.transaction import Transaction

    create_laboratory(config=config)
    create_programme(config=config)
    patient = create_patient(config=config)
    create_lot('LOT', 10, 400, config=config)
    received = create_order([patient], config=config)
    for login, button in [
            ('supply', 'approve'), ('supply', 'pick'), ('supply', 'ship'),
            ('hospital_pharmacist', 'receive')]:
        with run_as(login, config=config) as config:
            Order = Model.get('early_access.order', config=config)
            Order(received).click(button)
    submitted = create_order([create_patient(config=config)], config=config)
    User = Model.get('res.user', config=config)
    for user in User.find([('login', 'in', USERS)]):
        user.password = PASSWORD
        user.save()

    with Transaction().start(config.database_name, 0) as transaction:
        pool = Pool()
        Form = pool.get('early_access.form')
        Order = pool.get('early_access.order')
        multiply_orders(Order(received), number - SUBMITTED)
        form = Form.__table__()
        cursor = transaction.connection.cursor()
        cursor.execute(*form.update(
                [form.state, form.latest_date],
                ['expected', dt.date.today() - dt.timedelta(days=1)],
                where=form.id.in_(form.select(
                        form.id, order_by=form.id.desc, limit=OVERDUE))))
        multiply_orders(Order(submitted), SUBMITTED - 1)
        transaction.commit()
        cursor.execute('ANALYZE')


class Programme:
    "What users do in one of the programmes, as functions that return seconds"

    def __init__(self, server):
        supply, manager, pharmacist = (Session(server, u) for u in USERS)
        self.to_approve = self._list(
            supply, 'early_access.order', [('state', '=', 'submitted')])
        self.orders = self._list(
            supply, 'early_access.order', [('state', '!=', 'draft')])
        self.overdue = self._list(
            manager, 'early_access.form', [('overdue', '=', True)])

        model = 'model.early_access.patient'
        patient, = pharmacist.call(
            model, 'search', [('state', '=', 'eligible')], 0, 1,
            [('id', 'ASC')])
        view = pharmacist.call(model, 'fields_view_get', None, 'form')
        self.patient = partial(pharmacist.time, pharmacist.request(
                model, 'read', [patient], sorted(view['fields'])))

        model = 'model.early_access.order'
        orders = iter(supply.call(
                model, 'search', [('state', '=', 'submitted')], 0, None,
                None))
        self.approve = lambda: supply.time(
            supply.request(model, 'approve', [next(orders)]))

    def _list(self, session, model, domain):
        model = f'model.{model}'
        view = session.call(model, 'fields_view_get', None, 'tree')
        body = session.request(
            model, 'search_read', domain, 0, 20, None, sorted(view['fields']))
        return partial(session.time, body)


def flat(name):
    with serving(small) as server, serving(large) as other:
        small_one, large_one = Programme(server), Programme(other)
        for action, text in [
                ('to_approve', "order desk, to approve"),
                ('orders', "order desk, all"),
                ('overdue', "list of overdue forms"),
                ('patient', "opening a patient"),
                ('approve', "approving an order"),
                ]:
            measured = getattr(large_one, action)
            baseline = getattr(small_one, action)
            yield ratio(
                f'{text}, {LARGE:,} patients', measured, baseline,
                budget=1.3, text=f'{SMALL:,} patients')
        yield ratio(
            'the same request twice (A/A)', small_one.to_approve,
            small_one.to_approve, text='order desk, to approve')


BENCHMARKS = {'scale': flat}
