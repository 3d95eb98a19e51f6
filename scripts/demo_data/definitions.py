# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What a protocol is made of, and what most protocols share.

The texts are pairs: English, French.
"""
from typing import NamedTuple


class Protocol(NamedTuple):
    "A version of the PUT-RD."
    product: str
    paediatric: bool
    minimum_shelf_life: int
    # The greatest quantity for a patient in four weeks
    maximum_quantity: int
    specialties: tuple
    criteria: tuple
    visits: tuple
    # Either these, or the name of the data dictionary that defines them
    variables: tuple = ()
    forms: tuple = ()
    dictionary: str = None
    # Why a special category of data is strictly necessary
    justifications: tuple = ()
    # The answers of the demonstration by code of the variable, where any
    # other would be odd: codes of choices, those repeated are more frequent,
    # or how many days ago the date is, at least and at most
    plausible: dict = {}


class Criterion(NamedTuple):
    "A question of eligibility: those of exclusion must be answered no."
    code: str
    label: tuple
    kind: str = 'inclusion'


class Variable(NamedTuple):
    "A question of the forms; the ranges are (smallest, greatest)."
    code: str
    section: tuple
    label: tuple
    type_: str
    category: str
    unit: str = None
    hard: tuple = (None, None)
    usual: tuple = (None, None)
    digits: int = None
    choices: tuple = ()


class Form(NamedTuple):
    "A form and the codes of its variables; '?' follows an optional one."
    kind: str
    name: tuple
    variables: tuple


class Visit(NamedTuple):
    "A visit some months after the first administration, with its forms."
    name: str
    months: int
    kinds: tuple = ('follow_up',)


# Answers

NOT_DONE = ('nd', "Not done", "Non fait")
UNKNOWN = ('nk', "Unknown", "Inconnu")
NOT_APPLICABLE = ('na', "Not applicable", "Sans objet")
MISSING = (NOT_DONE, UNKNOWN, NOT_APPLICABLE)
YES_NO = (('no', "No", "Non"), ('yes', "Yes", "Oui"), UNKNOWN)

# Sections

REQUEST = ("Request", "Demande")
DISEASE = ("Disease", "Maladie")
STATUS = ("Status", "État")
HISTORY = ("History", "Antécédents")
TREATMENT = ("Treatment", "Traitement")
EFFICACY = ("Efficacy", "Efficacité")
SAFETY = ("Safety", "Tolérance")
STOP = ("Discontinuation", "Arrêt")
EVENT = ("Adverse event", "Événement indésirable")
QUALITY = ("Quality of life", "Qualité de vie")

# Variables

ACCESS = (
    Variable('request_type', REQUEST, ("Request type", "Type de demande"),
        'selection', 'characteristics', choices=(
            ('first', "First request", "Première demande"),
            ('resumption', "Resumption", "Reprise"),
            ('transfer', "Transfer", "Transfert"))),
    Variable('previous_access', REQUEST, (
            "Already treated with the product",
            "Déjà traité par le produit"),
        'selection', 'history', choices=(
            ('none', "No", "Non"),
            ('trial', "In a trial", "Dans un essai"),
            ('compassionate', "Compassionate access", "Accès compassionnel"),
            ('early', "Other early access", "Autre accès précoce"),
            UNKNOWN)),
    Variable('diagnosis_date', DISEASE, (
            "Date of diagnosis", "Date du diagnostic"), 'date', 'history'),
    Variable('comorbidities', HISTORY, ("Comorbidities", "Comorbidités"),
        'multiselection', 'history', choices=(
            ('none', "None", "Aucune"),
            ('cardiac', "Cardiac", "Cardiaque"),
            ('renal', "Renal", "Rénale"),
            ('hepatic', "Hepatic", "Hépatique"),
            ('pulmonary', "Pulmonary", "Pulmonaire"),
            UNKNOWN)),
    Variable('planned_date', TREATMENT, (
            "Planned start", "Début prévu"), 'date', 'use'),
    )
INITIATION = (
    Variable('start_dose', TREATMENT, ("First dose", "Première dose"),
        'numeric', 'use', unit='mg', hard=(1, 2000), usual=(20, 600),
        digits=1),
    Variable('route', TREATMENT, ("Route", "Voie"),
        'selection', 'use', choices=(
            ('iv', "Intravenous", "Intraveineuse"),
            ('sc', "Subcutaneous", "Sous-cutanée"),
            ('oral', "Oral", "Orale"),
            UNKNOWN)),
    Variable('changed', STATUS, (
            "Changes since the request", "Changements depuis la demande"),
        'selection', 'characteristics', choices=YES_NO),
    )
FOLLOW_UP = (
    Variable('visit_done', STATUS, ("Visit", "Visite"),
        'selection', 'characteristics', choices=(
            ('site', "On site", "Sur place"),
            ('remote', "Remote", "À distance"),
            NOT_DONE)),
    Variable('continuing', TREATMENT, (
            "Treatment continuing", "Traitement poursuivi"),
        'selection', 'use', choices=(
            ('yes', "Yes", "Oui"), ('no', "No", "Non"), UNKNOWN)),
    Variable('dose_changed', TREATMENT, (
            "Dose changed", "Dose modifiée"),
        'selection', 'use', choices=(
            ('no', "No", "Non"),
            ('toxicity', "For toxicity", "Pour toxicité"),
            ('weight', "For weight", "Pour le poids"),
            ('efficacy', "For efficacy", "Pour l'efficacité"),
            UNKNOWN)),
    Variable('adherence', TREATMENT, ("Adherence", "Observance"),
        'integer', 'use', unit='%', hard=(0, 100), usual=(60, 100)),
    Variable('hospitalised', SAFETY, (
            "Hospitalised since the last visit",
            "Hospitalisé depuis la dernière visite"),
        'selection', 'safety', choices=YES_NO),
    Variable('adverse_event', SAFETY, (
            "Adverse effect since the last visit",
            "Effet indésirable depuis la dernière visite"),
        'selection', 'safety', choices=YES_NO),
    )
DISCONTINUATION = (
    Variable('last_date', STOP, (
            "Last administration", "Dernière administration"),
        'date', 'use'),
    Variable('doses', STOP, (
            "Administrations received", "Administrations reçues"),
        'integer', 'use', hard=(1, 400), usual=(1, 60)),
    Variable('stop_status', STOP, (
            "Status at the end", "État à l'arrêt"),
        'selection', 'efficacy', choices=(
            ('better', "Better", "Amélioré"),
            ('stable', "Stable", "Stable"),
            ('worse', "Worse", "Aggravé"),
            ('dead', "Dead", "Décédé"),
            UNKNOWN)),
    )
ADVERSE_EVENT = (
    Variable('event_kind', EVENT, ("Report", "Déclaration"),
        'selection', 'safety', choices=(
            ('effect', "Adverse effect", "Effet indésirable"),
            ('error', "Medication error", "Erreur médicamenteuse"),
            ('misuse', "Misuse", "Mésusage"),
            ('overdose', "Overdose", "Surdosage"),
            ('pregnancy', "Exposure during pregnancy",
                "Exposition pendant la grossesse"),
            ('inefficacy', "Lack of efficacy", "Manque d'efficacité"))),
    Variable('event_code', EVENT, (
            "Code of the term", "Code du terme"),
        'integer', 'safety', hard=(99999000, 99999999)),
    Variable('event_date', EVENT, ("Onset", "Début"), 'date', 'safety'),
    Variable('event_grade', EVENT, ("Grade", "Grade"),
        'selection', 'safety', choices=(
            ('1', "1 - Mild", "1 - Léger"),
            ('2', "2 - Moderate", "2 - Modéré"),
            ('3', "3 - Severe", "3 - Sévère"),
            ('4', "4 - Life-threatening", "4 - Menaçant la vie"),
            ('5', "5 - Fatal", "5 - Fatal"))),
    Variable('event_outcome', EVENT, ("Outcome", "Évolution"),
        'selection', 'safety', choices=(
            ('recovered', "Recovered", "Guéri"),
            ('recovering', "Recovering", "En cours de guérison"),
            ('ongoing', "Not recovered", "Non guéri"),
            ('sequelae', "With sequelae", "Avec séquelles"),
            ('fatal', "Fatal", "Fatal"),
            UNKNOWN)),
    Variable('event_action', EVENT, ("Action taken", "Mesure prise"),
        'selection', 'safety', choices=(
            ('none', "None", "Aucune"),
            ('reduced', "Dose reduced", "Dose réduite"),
            ('interrupted', "Interrupted", "Interruption"),
            ('stopped', "Stopped", "Arrêt"),
            NOT_APPLICABLE)),
    )
# An instrument of our own: the real ones are under licence
INSTRUMENT = {
    'name': "Fictional Well-being Index (FWI-5)",
    'version': '1.0',
    'languages': ['en', 'fr'],
    'reference': "DEMO-QoL, PUT-RD 1.0",
    'licence_holder': "Example Institute (fictitious)",
    'validated': True,
    }
FREQUENCY = (
    ('1', "Never", "Jamais"),
    ('2', "Sometimes", "Parfois"),
    ('3', "Often", "Souvent"),
    ('4', "Most of the time", "La plupart du temps"),
    ('5', "All the time", "Tout le temps"),
    )
QUALITY_OF_LIFE = (
    *(Variable(code, QUALITY, label, 'selection', 'quality_of_life',
        choices=FREQUENCY)
        for code, label in [
            ('fwi_enjoyed', (
                    "This week I enjoyed what I did",
                    "Cette semaine, j'ai pris plaisir à ce que je faisais")),
            ('fwi_calm', (
                    "This week I was at ease",
                    "Cette semaine, j'ai été serein")),
            ('fwi_energy', (
                    "This week I had the energy I needed",
                    "Cette semaine, j'ai eu l'énergie qu'il me fallait")),
            ('fwi_sleep', (
                    "This week my nights were good",
                    "Cette semaine, mes nuits ont été bonnes")),
            ('fwi_others', (
                    "This week I liked being with others",
                    "Cette semaine, j'ai aimé être avec les autres")),
            ]),
    Variable('health_today', QUALITY, (
            "My health today, from 0 (worst) to 100 (best)",
            "Ma santé ce jour, de 0 (la pire) à 100 (la meilleure)"),
        'integer', 'quality_of_life', hard=(0, 100)),
    )


def weight(smallest, greatest):
    "Return the question of the weight, with its usual range."
    return Variable('weight', STATUS, ("Weight", "Poids"),
        'numeric', 'characteristics', unit='kg', hard=(1, 300),
        usual=(smallest, greatest), digits=1)


def codes(*variables):
    return tuple(v.code for v in variables)


def forms(access=(), initiation=(), follow_up=(), stop=()):
    """Return the forms of a protocol.

    :param access: the codes of what its forms ask beside what they share.
    """
    return (
        Form('access', (
                "Request for access", "Demande d'accès au traitement"),
            codes(*ACCESS) + access),
        Form('initiation', ("Initiation", "Initiation"),
            codes(*INITIATION) + initiation),
        Form('follow_up', ("Follow-up", "Suivi"),
            codes(*FOLLOW_UP) + follow_up),
        Form('quality_of_life', (
                "Quality of life (FWI-5)", "Qualité de vie (FWI-5)"),
            codes(*QUALITY_OF_LIFE)),
        Form('discontinuation', (
                "Definitive discontinuation", "Arrêt définitif"),
            codes(*DISCONTINUATION) + stop),
        Form('adverse_event', (
                "Adverse event", "Événement indésirable"),
            codes(*ADVERSE_EVENT)),
        )


SHARED = (
    ACCESS + INITIATION + FOLLOW_UP + DISCONTINUATION + ADVERSE_EVENT
    + QUALITY_OF_LIFE)
