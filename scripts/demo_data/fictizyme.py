# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The paediatric protocol of FICTIZYME 10 mg/mL, an enzyme replacement."
from .definitions import (
    DISEASE, EFFICACY, MISSING, NOT_DONE, SHARED, STATUS, TREATMENT, UNKNOWN,
    Criterion, Protocol, Variable, Visit, forms, weight)

CRITERIA = (
    Criterion('child', (
            "Less than eighteen years", "Moins de dix-huit ans")),
    Criterion('deficiency', (
            "Enzyme deficiency confirmed by its activity",
            "Déficit enzymatique confirmé par l'activité")),
    Criterion('symptoms', (
            "Symptoms of the disease", "Symptômes de la maladie")),
    Criterion('weight_5', (
            "Weight of at least 5 kg", "Poids d'au moins 5 kg")),
    Criterion('no_alternative', (
            "No appropriate treatment available",
            "Pas de traitement approprié disponible")),
    Criterion('hypersensitivity', (
            "Hypersensitivity to the enzyme",
            "Hypersensibilité à l'enzyme"), 'exclusion'),
    Criterion('trial', (
            "Can be included in a running trial",
            "Peut être inclus dans un essai en cours"), 'exclusion'),
    )

VARIABLES = (
    weight(5, 70),
    Variable('genotype', DISEASE, ("Genotype", "Génotype"),
        'selection', 'genetic', choices=(
            ('null', "Two null variants", "Deux variants nuls"),
            ('mixed', "One null variant", "Un variant nul"),
            ('missense', "Two missense variants", "Deux variants faux-sens"),
            NOT_DONE, UNKNOWN)),
    Variable('activity', DISEASE, (
            "Enzyme activity", "Activité enzymatique"),
        'numeric', 'history', unit='nmol/h/mg', hard=(0, 100),
        usual=(0, 15), digits=2),
    Variable('walk', EFFICACY, (
            "Walk of six minutes", "Marche de six minutes"),
        'integer', 'efficacy', unit='m', hard=(0, 900), usual=(50, 650)),
    Variable('antibodies', STATUS, (
            "Antibodies", "Anticorps"),
        'selection', 'safety', choices=(
            ('negative', "Negative", "Négatifs"),
            ('positive', "Positive", "Positifs"),
            *MISSING)),
    Variable('rhythm', TREATMENT, ("Rhythm", "Rythme"),
        'selection', 'use', choices=(
            ('2w', "Every two weeks", "Toutes les deux semaines"),
            ('1w', "Every week", "Toutes les semaines"),
            UNKNOWN)),
    )

PROTOCOL = Protocol(
    product="FICTIZYME 10 mg/mL",
    paediatric=True,
    minimum_shelf_life=90,
    maximum_quantity=40,
    specialties=('DEMO-PED',),
    criteria=CRITERIA,
    variables=SHARED + VARIABLES,
    forms=forms(
        access=('genotype', 'activity', 'walk?'),
        initiation=('weight', 'rhythm', 'antibodies'),
        follow_up=('weight', 'rhythm', 'walk?', 'antibodies'),
        stop=('antibodies',)),
    visits=(
        Visit('M1', 1),
        Visit('M3', 3),
        Visit('M6', 6, ('follow_up', 'quality_of_life')),
        Visit('M9', 9),
        Visit('M12', 12, ('follow_up', 'quality_of_life')),
        ),
    justifications=(
        ('genetic', "The response to fictizyme alfa depends on the genotype "
            "(fictitious study DEMO-002)."),
        ))
