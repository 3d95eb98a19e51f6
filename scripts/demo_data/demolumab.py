# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The protocol of DEMOLUMAB 50 mg, against an advanced fictitious carcinoma.

Its variables and forms are in demolumab.csv.
"""
from .definitions import Criterion, Protocol, Visit

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

PLAUSIBLE = {
    # The course of the disease
    'diagnosis_date': (1200, 1500),
    'surgery_date': (1100, 1190),
    'line1_start': (1000, 1090),
    'line1_end': (750, 900),
    'line2_start': (650, 740),
    'line2_end': (400, 550),
    'line3_start': (300, 390),
    'line3_end': (40, 200),
    'previous_start': (40, 200),
    'planned_start': (-14, -3),
    # Who is admitted
    'previous_access': "none none none none trial compassionate",
    'mutation': "none none none somatic",
    'ecog': "0 1 1 2",
    'childbearing': "yes no",
    'pregnancy_test': "negative",
    'contraception': "yes",
    'comorbidities': "none none cardiac renal hepatic pulmonary diabetes",
    'child_pugh': "a a b",
    'tobacco': "never former smoker",
    'surgery': "yes no",
    'radiotherapy': "yes no",
    'line1_response': "cr pr sd pd",
    'line2_response': "pr sd pd",
    'line3_response': "sd pd",
    # The treatment
    'ini_ecog': "0 1 1 2",
    'ini_premedication': "yes yes yes no",
    'ini_reaction_grade': "1 1 2",
    'fu_done': "site site site site site site site remote not_done",
    'fu_ecog': "0 1 1 2",
    'fu_continuing': "yes",
    'fu_assessed': "yes yes no",
    'fu_lab': "yes yes yes yes no",
    'fu_event': "no no yes",
    'fu_event_grade': "1 1 2 3",
    'fu_pregnancy': "no",
    'fu_new_treatment': "no no yes",
    'con_start': (0, 20),
    'con_ongoing': "yes yes no",
    'con_end': (0, 0),
    'stop_ecog': "1 2 3",
    'dc_reason': "toxicity toxicity weight",
    'ae_start': (10, 28),
    'ae_grade': "1 2 2 3",
    'ae_outcome': "recovered recovering ongoing",
    'ae_end': (0, 9),
    'ae_causes': "product product disease other",
    }

PROTOCOL = Protocol(
    product="DEMOLUMAB 50 mg",
    paediatric=False,
    minimum_shelf_life=60,
    maximum_quantity=24,
    specialties=('DEMO-ONC',),
    criteria=CRITERIA,
    dictionary='demolumab',
    visits=(
        Visit('M1', 1),
        Visit('M2', 2),
        Visit('M3', 3, ('follow_up', 'quality_of_life')),
        Visit('M6', 6, ('follow_up', 'quality_of_life')),
        Visit('M9', 9),
        Visit('M12', 12, ('follow_up', 'quality_of_life')),
        ),
    justifications=(
        ('genetic', "The response to demolumab depends on the gene DEMO2 "
            "(fictitious study DEMO-003)."),
        ('sex_life', "Demolumab is toxic to the embryo of the animal "
            "(fictitious study DEMO-004): an effective contraception is a "
            "condition of use."),
        ('consumption', "The clearance of demolumab is halved in smokers "
            "(fictitious study DEMO-001)."),
        ),
    plausible=PLAUSIBLE)
