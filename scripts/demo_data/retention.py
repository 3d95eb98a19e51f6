# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""How long the data of the programmes live.

The jobs of the night, which only a script in the process of the server can
run, have run once: through an address they run in the night that follows.
"""
from .authorizations import find
from .sessions import LocalSessions

# Code, the months ago of its begin, of its end, of its transmission and of
# its publication, and whether it is the last one
REPORTS = [
    ('DMB', 19, 13, 12, 10, False),
    ('DMB', 13, 7, 6, None, False),
    ('ANC', 30, 24, 23, 21, False),
    ('ANC', 24, 18, 16, 11, True),
    ('PRT', 23, 12, 11, 9, False),
    ('PRT', 12, 2, 1, None, True),
    ]
# Code or None for all, the periods and why
POLICIES = [
    (None, {
            'active_months': 12,
            'archive_years': 20,
            'refused_months': 6,
            'never_started_months': 12,
            'draft_days': 90,
            },
        "Late effects of the medicines of the class are known up to fifteen "
        "years; five more answer the questions of the authorities."),
    ('FCZ', {
            'active_months': 24,
            'archive_years': 30,
            'refused_months': 6,
            'never_started_months': 12,
            'draft_days': 90,
            },
        "Children are followed until they are adults, and their growth is "
        "compared over thirty years."),
    ]


def load(demo):
    register_reports(demo)
    set_periods(demo)
    follow_clocks(demo)
    correct(demo)
    hold(demo)


def register_reports(demo):
    "Regulatory affairs register the summary reports."
    session = demo.sessions['regulatory']
    Report = session.model('early_access.report')
    for code, begin, end, sent, published, last in REPORTS:
        report = Report(authorization=find(session, code))
        report.from_date = demo.ago(months=begin)
        report.to_date = demo.ago(months=end, days=1)
        report.data_cut_date = demo.ago(months=end)
        report.transmitted_date = demo.ago(months=sent)
        report.last = last
        report.click('transmit')
        if published:
            report.publication_date = demo.ago(months=published)
            report.publication_url = (
                'https://has.example.com/'
                f'{code.lower()}-{demo.ago(months=end).isoformat()}')
            report.click('publish')


def set_periods(demo):
    "The officer prepares the periods and the pharmacist adopts them."
    dpo, incharge = demo.sessions['dpo'], demo.sessions['incharge']
    Policy = dpo.model('early_access.retention.policy')
    for code, periods, reason in POLICIES:
        policy = Policy(from_date=demo.ago(days=3), reason=reason)
        if code:
            policy.authorization = find(dpo, code)
        for name, value in periods.items():
            setattr(policy, name, value)
        policy.save()
        adopted = incharge.own([policy])
        incharge.confirm('retention_policy', adopted)
        incharge.click(adopted, 'adopt')
    waiting = Policy(
        from_date=demo.ago(months=-1), reason="Proposed for the next year.",
        authorization=find(dpo, 'DMB'))
    for name, value in POLICIES[0][1].items():
        setattr(waiting, name, value)
    waiting.archive_years = 15
    waiting.save()


def follow_clocks(demo):
    "The jobs of the night."
    if not isinstance(demo.sessions, LocalSessions):
        return
    from trytond.pool import Pool
    from trytond.transaction import Transaction

    database = demo.sessions['admin'].config.database_name
    with Transaction().start(database, 0):
        Pool().get('early_access.retention.run').daily()


def correct(demo):
    "A publication was entered with the date of the letter."
    session = demo.sessions['regulatory']
    clock, = session.model('early_access.retention.clock').find([
            ('authorization.code', '=', 'ANC')])
    wizard = session.wizard('early_access.retention.correct_dates', [clock])
    wizard.form.publication_date = demo.ago(months=11, days=9)
    wizard.form.reason = 'error'
    wizard.execute('compare')
    wizard.execute('accept')


def hold(demo):
    "A litigation about a programme, and a hold that was lifted."
    session = demo.sessions['dpo']
    Hold = session.model('early_access.retention.hold')
    for code, ground, reference, until in [
            ('ILL', 'litigation', 'FICT-2026-014', -9),
            ('FCZ', 'inspection', 'FICT-INSP-02', -2)]:
        record = Hold(
            authorization=find(session, code), ground=ground,
            reference=reference)
        record.from_date = demo.ago(days=10)
        record.until = demo.ago(months=until)
        record.click('place')
    record.lift_reason = 'closed'
    record.click('lift')
