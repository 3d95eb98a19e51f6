# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""A programme whose patients answer a quality of life questionnaire.

The instrument is fictitious: the real ones are under licence.
"""

import re
from decimal import Decimal

from proteus import Model

from .tools import create_authorization, create_protocol, run_as

__all__ = [
    'ANSWERS', 'add_questionnaire', 'create_instrument',
    'create_questionnaire_programme', 'sheet_token']

ITEMS = [
    ('fwi_mood', "I felt cheerful", "Je me suis senti de bonne humeur"),
    ('fwi_calm', "I felt calm", "Je me suis senti calme"),
    ('fwi_energy', "I felt active", "Je me suis senti actif"),
    ('fwi_rest', "I woke up rested", "Je me suis réveillé reposé"),
    ('fwi_interest', "My days were interesting",
        "Mes journées ont été intéressantes"),
    ]
CHOICES = [
    ('never', "Never", "Jamais"),
    ('sometimes', "Sometimes", "Parfois"),
    ('often', "Often", "Souvent"),
    ('always', "Always", "Toujours"),
    ]
SCALE = ("Your health today", "Votre santé aujourd'hui")
NAME = ("Fictional Well-being Index", "Indice fictif de bien-être")
# A whole set of answers, as the page sends them
ANSWERS = {
    'fwi_mood': 'often',
    'fwi_calm': 'sometimes',
    'fwi_energy': 'never',
    'fwi_rest': 'always',
    'fwi_interest': 'often',
    'fwi_scale': 73,
    'fwi_weight': None,
    'fwi_symptoms': [],
    'fwi_day': None,
    }


def create_questionnaire_programme(config=None):
    "An authorization that is granted and its protocol, with a questionnaire."
    with run_as('regulatory_affairs', config=config):
        protocol = create_protocol(
            create_authorization(config=config), config=config)
        instrument = create_instrument(config=config)
        add_questionnaire(protocol, instrument, config=config)
        protocol.click('activate')


def create_instrument(config=None, **values):
    "Return an instrument, validated by default."
    Instrument = Model.get('early_access.instrument', config=config)
    instrument = Instrument(name="FWI-5", version='1.0')
    instrument.languages = ['en', 'fr']
    instrument.reference = "DMB PUT-RD 1"
    instrument.licence_holder = "Example Institute"
    instrument.validated = True
    for name, value in values.items():
        setattr(instrument, name, value)
    instrument.save()
    return instrument


def add_questionnaire(protocol, instrument, config=None, **values):
    """Add to a draft protocol a questionnaire that is due from the first
    administration, then each month."""
    def variable(code, string, type_, **values):
        protocol.variables.new(
            code=code, string=string, type_=type_,
            category='quality_of_life', **values)

    for code, english, _ in ITEMS:
        variable(code, english, 'selection', selection='\n'.join(
                f'{c}: {e}' for c, e, _ in CHOICES))
    variable('fwi_scale', SCALE[0], 'integer',
        minimum=Decimal(0), maximum=Decimal(100))
    variable('fwi_weight', "Weight", 'numeric', digits=1, unit='kg',
        minimum=Decimal(30), maximum=Decimal(300))
    variable('fwi_symptoms', "Symptoms", 'multiselection',
        selection="pain: Pain\nnausea: Nausea")
    variable('fwi_day', "Since when", 'date')
    protocol.save()
    variables = {
        v.code: v for v in protocol.variables if v.code.startswith('fwi_')}
    form = protocol.forms.new(kind='quality_of_life', name=NAME[0])
    form.instrument = instrument
    for name, value in values.items():
        setattr(form, name, value)
    optional = {'fwi_weight', 'fwi_symptoms', 'fwi_day'}
    for code in ANSWERS:
        form.questions.new(
            variable=variables[code], required=code not in optional)
    protocol.save()
    form = next(f for f in protocol.forms if f.kind == 'quality_of_life')
    for name, offset in [("Start", 0), ("Q1", 1)]:
        visit = protocol.visits.new(name=name, offset=offset)
        visit.forms.append(type(form)(form.id))
    protocol.save()
    translate(protocol, config)


def translate(protocol, config=None):
    "Translate the questionnaire into French, where the database has it."
    french = {
        **{english: text for _, english, text in ITEMS},
        SCALE[0]: SCALE[1],
        "Weight": "Poids",
        "Symptoms": "Symptômes",
        "Since when": "Depuis quand",
        }
    Variable = Model.get('early_access.variable', config=config)
    Form = Model.get('early_access.protocol.form', config=config)
    context = config.context if config else Variable._config.context
    if context.get('language') == 'fr':
        return
    with_french = {**context, 'language': 'fr'}
    for variable in Variable.find([
                ('protocol', '=', protocol.id),
                ('category', '=', 'quality_of_life')]):
        values = {'string': french[variable.string]}
        if variable.code == 'fwi_symptoms':
            values['selection'] = "pain: Douleur\nnausea: Nausées"
        elif variable.type_ == 'selection':
            values['selection'] = '\n'.join(
                f'{c}: {f}' for c, _, f in CHOICES)
        Variable._proxy.write([variable.id], values, with_french)
    form, = Form.find([
            ('protocol', '=', protocol.id), ('kind', '=', 'quality_of_life')])
    Form._proxy.write([form.id], {'name': NAME[1]}, with_french)


def sheet_token(html):
    "Return the pseudonym that a sheet shows."
    groups = re.search(r'<p class="token"[^>]*>([0-9A-Z ]+)</p>', html)[1]
    return groups.replace(' ', '')
