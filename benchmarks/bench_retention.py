# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"How long the data live: the clocks of many programmes."
import datetime as dt
import sys
from pathlib import Path
from statistics import median

from harness import TestDatabases
from measure import launch, result

JOB = Path(__file__).with_name('job.py')
FEW, MANY = 5, 50
RUNS = 5
BUDGET = 1.3
# The job of the night waits for nobody, but must not last
SECONDS = 5
DECISIONS = 4


def few(config):
    programmes(FEW, config)


def many(config):
    programmes(MANY, config)


def programmes(number, config):
    "Programmes that were renewed, with their last report published"
    from dateutil.relativedelta import relativedelta

    from trytond.modules.early_access.tests.tools import (
        create_laboratory, create_programme)
    from trytond.pool import Pool
    from trytond.transaction import Transaction

    create_laboratory(config=config)
    create_programme(config=config)
    with Transaction().start(config.database_name, 0) as transaction:
        pool = Pool()
        Authorization = pool.get('early_access.authorization')
        Clock = pool.get('early_access.retention.clock')
        Indication = pool.get('early_access.indication')
        Policy = pool.get('early_access.retention.policy')
        Report = pool.get('early_access.report')
        first, = Authorization.search([])
        today = dt.date.today()
        indications = Indication.create([
                {'code': f'B-{i}', 'name': f"Fictitious {i}"}
                for i in range(number - 1)])
        authorizations = Authorization.create([{
                    'name': f"Fictitious {i}",
                    'code': f'B{i:03}',
                    'company': first.company.id,
                    'indication': indication.id,
                    'products': [('add', [p.id for p in first.products])],
                    'filed_date': today - relativedelta(years=DECISIONS + 1),
                    } for i, indication in enumerate(indications)])
        Authorization.file(authorizations)
        for authorization in authorizations:
            decide(authorization, today - relativedelta(years=DECISIONS))
        day = today - relativedelta(days=30)
        Report.create([{
                    'authorization': a.id,
                    'from_date': day - relativedelta(years=1),
                    'to_date': day,
                    'data_cut_date': day,
                    'transmitted_date': day,
                    'publication_date': day,
                    'publication_url': 'https://www.example.com/',
                    'last': True,
                    'state': 'published',
                    } for a in Authorization.search([])])
        policy, = Policy.create([{
                    'company': first.company.id,
                    'from_date': dt.date(2020, 1, 1),
                    'active_months': 12,
                    'archive_years': 20,
                    'refused_months': 6,
                    'never_started_months': 6,
                    'draft_days': 30,
                    'reason': "Fictitious.",
                    }])
        with transaction.set_context(_skip_warnings=True):
            Policy.adopt([policy])
        # All are to be calculated and written again
        clock = Clock.__table__()
        cursor = transaction.connection.cursor()
        cursor.execute(*clock.update([clock.periods], ['{}']))
        cursor.execute(*clock.select(clock.id))
        assert len(cursor.fetchall()) == number
        transaction.commit()


def decide(authorization, date):
    from dateutil.relativedelta import relativedelta

    from trytond.pool import Pool
    Decision = Pool().get('early_access.authorization.decision')
    for i in range(DECISIONS):
        begin = date + relativedelta(years=i)
        decision, = Decision.create([{
                    'authorization': authorization.id,
                    'kind': 'renewal' if i else 'grant',
                    'number': f'{authorization.code}-{i}',
                    'decision_date': begin,
                    'effective_date': begin,
                    'valid_until': begin + relativedelta(years=1, days=-1),
                    }])
        Decision.post([decision])


def clocks(name):
    "Recomputing all the clocks, each of which changes"
    databases = TestDatabases()
    names = []
    try:
        names = [
            databases.new('early_access_retention', f) for f in [few, many]]
        times = [[], []]
        for _ in range(RUNS):
            for name, durations in zip(names, times):
                output, _ = launch(
                    databases.environ, sys.executable, JOB, name,
                    'early_access.retention.clock', 'recompute_all')
                durations.append(float(output))
    finally:
        for name in names:
            databases.drop(name)
    small, large = map(median, times)
    each = (large / MANY) / (small / FEW)
    yield result(
        f"recompute the clocks of {MANY} programmes", large, 's', SECONDS,
        large <= SECONDS, None, RUNS)
    yield result(
        f"recompute the clocks, {MANY} programmes, each", each, 'times',
        BUDGET, each <= BUDGET,
        f'{FEW} programmes, {small / FEW * 1000:.1f} ms each', RUNS)


BENCHMARKS = {
    'retention-clocks': clocks,
    }
