# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The protocol of DEMOLUMAB 50 mg, against an advanced fictitious carcinoma."
from .definitions import (
    DISEASE, ECOG, EFFICACY, HISTORY, MISSING, NOT_DONE, SHARED, STATUS,
    TREATMENT, UNKNOWN, Criterion, Protocol, Variable, Visit, forms, weight)

CRITERIA = (
    Criterion('adult', (
            "Eighteen years or more", "Dix-huit ans ou plus")),
    Criterion('carcinoma', (
            "Fictitious carcinoma confirmed by histology",
            "Carcinome fictif confirmé par l'histologie")),
    Criterion('progression', (
            "Progression after at least one line",
            "Progression après au moins une ligne")),
    Criterion('ecog_2', (
            "ECOG between 0 and 2", "ECOG entre 0 et 2")),
    Criterion('no_alternative', (
            "No appropriate treatment available",
            "Pas de traitement approprié disponible")),
    Criterion('trial', (
            "Can be included in a running trial",
            "Peut être inclus dans un essai en cours"), 'exclusion'),
    Criterion('pregnancy', (
            "Pregnancy or breast-feeding",
            "Grossesse ou allaitement"), 'exclusion'),
    Criterion('hepatic', (
            "Severe hepatic impairment",
            "Insuffisance hépatique sévère"), 'exclusion'),
    )

VARIABLES = (
    weight(42, 120),
    Variable('stage', DISEASE, ("Stage", "Stade"),
        'selection', 'history', choices=(
            ('iv', "IV", "IV"), ('iiib', "III B", "III B"),
            ('iiia', "III A", "III A"), UNKNOWN)),
    Variable('biomarker', DISEASE, (
            "Biomarker DEMO-1", "Biomarqueur DEMO-1"),
        'selection', 'history', choices=(
            ('positive', "Positive", "Positif"),
            ('negative', "Negative", "Négatif"),
            NOT_DONE, UNKNOWN)),
    Variable('ecog', STATUS, ("ECOG", "ECOG"),
        'selection', 'characteristics', choices=ECOG),
    Variable('creatinine', STATUS, ("Creatinine", "Créatinine"),
        'integer', 'characteristics', unit='umol/L', hard=(10, 1500),
        usual=(45, 120)),
    Variable('lines', HISTORY, (
            "Previous lines", "Lignes antérieures"),
        'integer', 'history', hard=(1, 15), usual=(1, 6)),
    Variable('tobacco', HISTORY, ("Tobacco", "Tabac"),
        'selection', 'consumption', choices=(
            ('never', "Never", "Jamais"),
            ('former', "Former smoker", "Ancien fumeur"),
            ('smoker', "Smoker", "Fumeur"),
            UNKNOWN)),
    Variable('planned_dose', TREATMENT, (
            "Planned dose", "Dose prévue"),
        'numeric', 'use', unit='mg/kg', hard=('0.5', 20),
        usual=(2, 8), digits=1),
    Variable('response', EFFICACY, ("Response", "Réponse"),
        'selection', 'efficacy', choices=(
            ('sd', "Stable disease", "Maladie stable"),
            ('pr', "Partial response", "Réponse partielle"),
            ('cr', "Complete response", "Réponse complète"),
            ('pd', "Progression", "Progression"),
            ('ne', "Not evaluable", "Non évaluable"),
            *MISSING)),
    Variable('response_date', EFFICACY, (
            "Date of the evaluation", "Date de l'évaluation"),
        'date', 'efficacy'),
    )

PROTOCOL = Protocol(
    product="DEMOLUMAB 50 mg",
    paediatric=False,
    minimum_shelf_life=60,
    maximum_quantity=24,
    specialties=('DEMO-ONC',),
    criteria=CRITERIA,
    variables=SHARED + VARIABLES,
    forms=forms(
        access=('stage', 'biomarker', 'ecog', 'creatinine', 'lines',
            'tobacco', 'planned_dose'),
        initiation=('weight', 'ecog', 'creatinine?'),
        follow_up=(
            'weight', 'ecog', 'response', 'response_date?', 'creatinine?'),
        stop=('response',)),
    visits=(
        Visit('M1', 1),
        Visit('M2', 2),
        Visit('M3', 3, ('follow_up', 'quality_of_life')),
        Visit('M6', 6),
        Visit('M9', 9),
        Visit('M12', 12, ('follow_up', 'quality_of_life')),
        ),
    justifications=(
        ('consumption', "The clearance of demolumab is halved in smokers "
            "(fictitious study DEMO-001)."),
        ),
    conditions=(
        ('follow_up', 'response_date', 'response', ('pr', 'cr', 'pd')),
        ))
