# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The authorizations in all their states, as regulatory affairs keep them.

They follow the decisions of HAS that are posted on them.
"""
from . import products

# Code of the indication, its English and French names
INDICATIONS = {
    'DEMO:1': ("Advanced fictitious carcinoma, second line",
        "Carcinome fictif avancé, deuxième ligne"),
    'DEMO:2': ("Advanced fictitious carcinoma, first line",
        "Carcinome fictif avancé, première ligne"),
    'DEMO:3': ("Imaginary enzyme deficiency of the child",
        "Déficit enzymatique imaginaire de l'enfant"),
    'DEMO:4': ("Imaginary enzyme deficiency of the adult",
        "Déficit enzymatique imaginaire de l'adulte"),
    'DEMO:5': ("Sample sarcoma", "Sarcome échantillon"),
    'DEMO:6': ("Textbook lymphoma", "Lymphome d'école"),
    'DEMO:7': ("Model myopathy of the child", "Myopathie modèle de l'enfant"),
    'DEMO:8': ("Forgotten ataxia", "Ataxie oubliée"),
    }

# Code, English and French names, medicine, indication, stage, and how many
# months ago it was filed and the decisions took effect
AUTHORIZATIONS = [
    ('DMB', "DEMOLUMAB in second line", "DEMOLUMAB en deuxième ligne",
        "DEMOLUMAB 50 mg", 'DEMO:1', 'pre_ma', 23, [
            ('grant', 19), ('renewal', 7)]),
    ('FCZ', "FICTIZYME of the child", "FICTIZYME de l'enfant",
        "FICTIZYME 10 mg/mL", 'DEMO:3', 'post_ma', 25, [
            ('grant', 22), ('renewal', 10)]),
    ('EXM', "EXEMPLINIB", "EXEMPLINIB",
        "EXEMPLINIB 20 mg", 'DEMO:5', 'pre_ma', 13, [('grant', 10)]),
    ('ILL', "ILLUSTRUMAB", "ILLUSTRUMAB",
        "ILLUSTRUMAB 5 mg/mL", 'DEMO:6', 'pre_ma', 9, [('grant', 6)]),
    ('PRT', "PROTOTYPINE of the child", "PROTOTYPINE de l'enfant",
        "PROTOTYPINE 100 mg", 'DEMO:7', 'post_ma', 26, [
            ('grant', 23), ('renewal', 11)]),
    ('ANC', "ANCIENNOL", "ANCIENNOL",
        "ANCIENNOL 2 mg", 'DEMO:8', 'post_ma', 33, [('grant', 30)]),
    ('DMB1', "DEMOLUMAB in first line", "DEMOLUMAB en première ligne",
        "DEMOLUMAB 50 mg", 'DEMO:2', 'pre_ma', 1, []),
    ('FCZA', "FICTIZYME of the adult", "FICTIZYME de l'adulte",
        "FICTIZYME 10 mg/mL", 'DEMO:4', 'post_ma', 9, [('refusal', 6)]),
    ('EXM1', "EXEMPLINIB in first line", "EXEMPLINIB en première ligne",
        "EXEMPLINIB 20 mg", 'DEMO:2', 'pre_ma', None, []),
    ]


def grant(demo):
    "Enter the authorizations with what was decided until now."
    session = demo.sessions['regulatory']
    indications = create_indications(session)
    records = []
    for (code, name, _, medicine, indication, stage, filed, decisions
            ) in AUTHORIZATIONS:
        record = session.model('early_access.authorization')(
            code=code, name=name, stage=stage,
            indication=indications[indication])
        record.products.append(products.find(session, medicine))
        if stage == 'post_ma':
            record.ma_granted_date = demo.ago(months=filed)
            record.listing_application_date = demo.ago(months=filed - 1)
        if filed:
            record.filed_date = demo.ago(months=filed)
            record.acknowledged_date = demo.ago(months=filed, days=-10)
            record.click('file')
        else:
            record.save()
        for number, (kind, months) in enumerate(decisions, 1):
            decide(
                session, record, kind, f'DEMO-{code}-{number}',
                demo.ago(months=months))
        records.append(record)
    session.translate(records, [{'name': a[2]} for a in AUTHORIZATIONS])
    file_renewal(demo)


def create_indications(session):
    "Return the indications by code."
    indications = session.create('early_access.indication', [
            {'code': code, 'name': name}
            for code, (name, _) in INDICATIONS.items()])
    session.translate(
        indications, [{'name': name} for _, name in INDICATIONS.values()])
    return dict(zip(INDICATIONS, indications))


def decide(session, authorization, kind, number, date, **values):
    """Post a decision, which moves the authorization.

    A grant or a renewal lasts by default the year that is allowed.
    """
    Decision = session.model('early_access.authorization.decision')
    decision = Decision(
        authorization=authorization, kind=kind, number=number,
        decision_date=date, effective_date=date, **values)
    decision.click('post')
    authorization.reload()
    return decision


def find(session, code):
    "Return the authorization as the user of the session sees it."
    Authorization = session.model('early_access.authorization')
    authorization, = Authorization.find([('code', '=', code)])
    return authorization


def file_renewal(demo):
    "File the renewal of FICTIZYME in time; nobody did it for EXEMPLINIB."
    authorization = find(demo.sessions['regulatory'], 'FCZ')
    authorization.renewal_filed_date = demo.ago(days=45)
    authorization.save()


def follow(demo):
    "Enter what happened once patients were under treatment."
    session = demo.sessions['regulatory']
    suspend(demo, session)
    end_coverage(session, 'PRT', demo.ago(days=20))
    ended = end_coverage(session, 'ANC', demo.ago(months=18))
    ended.click('end')
    register_safety(demo, session)


def suspend(demo, session):
    "Suspend ILLUSTRUMAB by a decision silent on those under treatment."
    decide(
        session, find(session, 'ILL'), 'suspension', 'DEMO-ILL-2',
        demo.ago(days=25), authority='ansm', motive='safety')


def end_coverage(session, code, date):
    "Start the continuity of treatment, the medicine being listed."
    authorization = find(session, code)
    authorization.listing_date = date
    authorization.coverage_end_date = date
    authorization.click('end_coverage')
    return authorization


def register_safety(demo, session):
    "Register the new information, sent without delay or still to send."
    Information = session.model('early_access.safety_information')
    sent = Information(
        authorization=find(session, 'ILL'), nature='safety',
        reference='DEMO-PV-001', learned_on=demo.ago(days=40))
    sent.sent_on = demo.ago(days=39)
    sent.sent_to = ['has', 'health', 'social_security', 'ansm']
    to_send = Information(
        authorization=find(session, 'DMB'), nature='study',
        reference='DEMO-PV-002', learned_on=demo.ago(days=1))
    Information.save([sent, to_send])
