# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Who gets the data, who processes them, and what they risk.

All the parties, numbers and contracts are fictitious.
"""
from . import laboratory

COUNTRIES = [
    ("France", 'FR', 'FRA'), ("Germany", 'DE', 'DEU'),
    ("Switzerland", 'CH', 'CHE'), ("United States", 'US', 'USA'),
    ("Réunion", 'RE', 'REU'), ("India", 'IN', 'IND'),
    ]
PARTIES = [
    "Agence Fictive du Médicament", "Autorité Fictive des Données",
    "DEMOLAB Suisse Fictive", "Hébergeur Exemple", "CRO Fictive Démo",
    "Sauvegarde Modèle",
    ]
ACTIVITIES = [
    'site', 'hardware', 'virtual', 'platform', 'operation', 'backup']
# The party, the kind, the clauses that are missing, the days to its end
PROCESSORS = [
    ("Hébergeur Exemple", 'host', [], 500),
    ("CRO Fictive Démo", 'operator', ['split'], 40),
    ("Sauvegarde Modèle", 'host', ['audit', 'rights'], None),
    ("CHU Fictif de Valdémo", 'establishment', [], None),
    ("CHU Modèle de Maquetteville", 'establishment', ['split', 'return'],
        None),
    ("Hôpital Croquis", 'establishment', [], -15),
    ]
# The party, the category, the service, the country, the level, the basis
RECIPIENTS = [
    ("Agence Fictive du Médicament", 'public_body', "Accès précoce", 'FR',
        'pseudonymised', "Mission fixée par les textes (CSP L. 5311-1)"),
    ("Autorité Fictive des Données", 'supervisory', None, 'FR',
        'aggregated', "Notification des violations (RGPD 33)"),
    (laboratory.NAME, 'laboratory', "Statistiques", 'FR', 'pseudonymised',
        "Rapports de synthèse (CSP R. 5121-70-1)"),
    ("CRO Fictive Démo", 'processor', "Gestion des données", 'FR',
        'pseudonymised', "Contrat de sous-traitance"),
    ("DEMOLAB Suisse Fictive", 'group', "Affaires médicales", 'CH',
        'pseudonymised', "Accord du groupe FICT-2024-7"),
    ("Hébergeur Exemple", 'processor', "Assistance", 'US', 'pseudonymised',
        "Contrat de sous-traitance"),
    ]
FORMALITIES = [
    ('declaration', 'FICT-2230001', None),
    ('security_policy', 'PSSI-FICT v3', None),
    ('dpo_opinion', 'AVIS-FICT-12', 'favourable'),
    ]
# The requirement and what is done
MEASURES = [
    ('SEC-AUT-2', "Mot de passe et code à usage unique"),
    ('SEC-CRY-1', "Données scellées sous une clé par personne"),
    ('SEC-JOU-1', "Lectures et écritures tracées et scellées"),
    ('SEC-HAB-3', "Revue annuelle des habilitations"),
    ]


def load(demo):
    dpo = demo.sessions['dpo']
    countries = create_countries(demo)
    parties = create_parties(demo)
    processors = create_processors(demo, dpo, parties)
    recipients = create_recipients(
        demo, dpo, parties, processors, countries)
    transfer(demo, dpo, recipients, countries)
    reuse(demo, dpo)
    describe(demo, dpo)
    assess(demo, dpo)
    employ(demo, processors, countries)


def create_countries(demo):
    admin = demo.sessions['admin']
    Country = admin.model('country.country')
    known = {c.code: c for c in Country.find([])}
    for name, code, code3 in COUNTRIES:
        if code not in known:
            known[code] = Country(name=name, code=code, code3=code3)
            known[code].save()
    return {code: country.id for code, country in known.items()}


def create_parties(demo):
    admin = demo.sessions['admin']
    admin.create('party.party', [{'name': name} for name in PARTIES])
    return {
        p.name: p.id for p in admin.model('party.party').find([
                ('name', 'in', [
                        *PARTIES, laboratory.NAME,
                        *(name for name, *_ in PROCESSORS)])])}


def activated(session, model, values, button='activate'):
    "Return the record of the values, put in force."
    record, = session.create(model, [values])
    record.click(button)
    return record


def create_processors(demo, dpo, parties):
    result = {}
    for number, (name, kind, missing, days) in enumerate(PROCESSORS, 1):
        Processor = dpo.model('early_access.processor')
        processor = Processor(
            kind=kind, contract=f'FICT-ST-{number:03}',
            signed_on=demo.ago(days=400), valid_from=demo.ago(days=390))
        processor.party = dpo.model('party.party')(parties[name])
        if days is not None:
            processor.valid_to = demo.ago(days=-days)
        for clause in processor.clauses:
            if clause.clause not in missing:
                clause.answer = 'present'
                clause.reference = "Article fictif"
        if kind == 'host':
            processor.hosts_health_data = True
            processor.hds_activities = (
                ['backup'] if name.startswith("Sauvegarde") else ACTIVITIES)
            certificate = processor.certificates.new()
            certificate.number = f'HDS-FICT-{number:03}'
            certificate.body = "Organisme Fictif"
            certificate.version = '2'
            certificate.activities = processor.hds_activities
            certificate.valid_from = demo.ago(days=360)
            certificate.valid_to = demo.ago(
                days=-25 if name.startswith("Sauvegarde") else -700)
        processor.save()
        processor.click('activate')
        result[name] = processor.id
    return result


def create_recipients(demo, dpo, parties, processors, countries):
    result = {}
    for name, category, service, country, level, basis in RECIPIENTS:
        result[name, category] = activated(dpo, 'early_access.recipient', {
                'party': parties[name],
                'category': category,
                'service': service,
                'country': countries[country],
                'processor': (
                    processors[name] if category == 'processor' else None),
                'data_level': level,
                'data_kind': 'health',
                'basis': basis,
                'valid_from': demo.ago(days=380),
                }).id
    return result


def transfer(demo, dpo, recipients, countries):
    "One is in force, one is to complete, and India has none."
    adequacy, = dpo.model('early_access.adequacy').find([
            ('country_code', '=', 'CH')])
    values = {
        'data': ['patients', 'professionals'],
        'necessity': "Avis médical rendu dans ce pays.",
        'valid_from': demo.ago(days=370),
        'informed_on': demo.ago(days=375),
        'information': "Note d'information fictive 1",
        }
    activated(dpo, 'early_access.transfer', {
            **values,
            'recipient': recipients["DEMOLAB Suisse Fictive", 'group'],
            'country': countries['CH'],
            'viewing': True,
            'instrument': 'adequacy',
            'adequacy': adequacy.id,
            })
    dpo.create('early_access.transfer', [{
                **values,
                'recipient': recipients["Hébergeur Exemple", 'processor'],
                'country': countries['US'],
                'instrument': 'safeguard',
                'safeguard': 'clauses',
                }])


def reuse(demo, dpo):
    activated(dpo, 'early_access.reuse', {
            'name': "Étude fictive en vie réelle",
            'kind': 'research',
            'formality': 'methodology',
            'formality_number': 'MR-FICT-004',
            'formality_date': demo.ago(days=90),
            'information': 'portal',
            'information_date': demo.ago(days=80),
            'portal': 'https://example.org/transparence',
            'valid_from': demo.ago(days=60),
            })


def describe(demo, dpo):
    "The formalities and the records of the processing."
    for kind, number, outcome in FORMALITIES:
        activated(dpo, 'early_access.formality', {
                'kind': kind,
                'number': number,
                'outcome': outcome,
                'valid_from': demo.ago(days=350),
                })
    records = dpo.create('early_access.processing', [{'kind': 'controller'}])
    dpo.translate(records, [{'name': "Programmes d'accès précoce"}])


def assess(demo, dpo):
    "An impact assessment to complete, and a review that is closed."
    risk = {
        'sources': "Vol d'un poste, ou habilitation excessive",
        'impacts': "Révélation de la maladie",
        'severity': 'significant',
        'likelihood': 'limited',
        'residual_severity': 'significant',
        'residual_likelihood': 'negligible',
        }
    dpo.create('early_access.dpia', [{
                'version': '1',
                'date': demo.ago(days=20),
                'review_date': demo.ago(days=-345),
                'context': "Programmes fictifs de DEMOLAB.",
                'proportionality': "Rien au-delà des protocoles.",
                'risks': [('create', [
                            {**risk, 'event': event} for event in [
                                'access', 'modification',
                                'disappearance']])],
                'measures': [('create', [{
                                'requirement': requirement,
                                'description': description,
                                'in_place': True,
                                } for requirement, description in MEASURES])],
                }])
    review, *_ = dpo.model('early_access.dpia.review').find(
        [('trigger', '=', 'processor')])
    review.decision = 'unchanged'
    review.reason = "Mêmes mesures, mêmes risques."
    review.save()
    review.click('close')


def employ(demo, processors, countries):
    "The data manager works for the CRO, and medical affairs in Switzerland."
    admin = demo.sessions['admin']
    User = admin.model('res.user')
    for login, values in [
            ('data', {
                    'employer': processors["CRO Fictive Démo"],
                    'work_country': countries['FR']}),
            ('dpo', {'work_country': countries['FR']}),
            ('medical', {'work_country': countries['CH']})]:
        user, = User.find([('login', '=', login)])
        admin.write([user], [values])
