# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The protocols (PUT-RD), as regulatory affairs enter them.

A version is annexed to a decision of HAS and is fixed once it is active.
"""
from collections import defaultdict
from decimal import Decimal
from types import SimpleNamespace

from . import (
    authorizations, definitions, demolumab, dictionary, fictizyme, products,
    small)

PROTOCOLS = {
    'DMB': demolumab.PROTOCOL,
    'FCZ': fictizyme.PROTOCOL,
    'EXM': small.protocol("EXEMPLINIB 20 mg", 'DEMO-ONC'),
    'ILL': small.protocol("ILLUSTRUMAB 5 mg/mL", 'DEMO-ONC'),
    'PRT': small.protocol("PROTOTYPINE 100 mg", 'DEMO-PED'),
    }


MEDICINES = "Fictitious medicines"
EFFECTS = "Fictitious effects"
CODE_LISTS = {
    MEDICINES: [
        ('X01AA01', "Inventol"),
        ('X01AA02', "Exemplamine"),
        ('X02BB01', "Fictisone"),
        ('X03CC07', "Démocilline"),
        ],
    EFFECTS: [
        ('99000001', "Céphalée fictive"),
        ('99000002', "Éruption fictive"),
        ('99000003', "Nausée fictive"),
        ('99000004', "Neutropénie fictive"),
        ],
    }
SEXES = "female: Féminin\nmale: Masculin"
COMPUTED = [
    ('sex', "Sex", "Sexe"),
    ('age', "Age at the visit", "Âge à la visite"),
    ('body_surface_area', "Body surface area at the request",
        "Surface corporelle à la demande"),
    ('days_of_treatment', "Days since the first administration",
        "Jours depuis la première administration"),
    ]


def load(demo):
    session = demo.sessions['regulatory']
    session.create('early_access.instrument', [definitions.INSTRUMENT])
    enter_code_lists(session)
    for code, definition in PROTOCOLS.items():
        protocol = enter(session, code, definition)
        protocol.click('activate')
        if code == 'FCZ':
            # The renewal came with a version that supersedes the first
            protocol = next_version(session, protocol, '2.0', 'renewal')
            protocol.click('activate')
    # Being prepared for the next renewal
    next_version(session, find(session, 'DMB'), '2.0', None)


def enter(session, code, definition):
    "Enter the first version of the protocol of an authorization."
    Protocol = session.model('early_access.protocol')
    protocol = Protocol(
        authorization=authorizations.find(session, code), version='1.0',
        paediatric=definition.paediatric,
        minimum_shelf_life=definition.minimum_shelf_life,
        initiation_days=60,
        prescriber_information=f'{code} MED 1.0',
        privacy_notice=f'{code} RGPD 1.0')
    annex(session, protocol, 'grant')
    Specialty = session.model('early_access.specialty')
    protocol.specialties.extend(Specialty.find([
                ('code', 'in', list(definition.specialties))]))
    protocol.supplies.new(
        product=products.find(session, definition.product),
        maximum_quantity=float(definition.maximum_quantity), period=28)
    for category, text in definition.justifications:
        protocol.justifications.new(category=category, justification=text)
    protocol.save()
    enter_criteria(session, protocol, definition.criteria)
    if definition.dictionary:
        forms = dictionary.enter(session, protocol, definition.dictionary)
    else:
        variables = enter_variables(session, protocol, definition.variables)
        forms = enter_forms(session, protocol, definition.forms, variables)
        enter_computed(session, protocol)
        enter_treatments(session, protocol, forms['follow_up'])
    enter_instrument(session, forms['quality_of_life'])
    enter_visits(session, protocol, definition.visits, forms)
    return protocol


def enter_code_lists(session):
    CodeList = session.model('early_access.code_list')
    for name, codes in CODE_LISTS.items():
        code_list = CodeList(name=name, version='2026')
        for code, string in codes:
            code_list.codes.new(code=code, name=string)
        code_list.save()


def annex(session, protocol, kind):
    "Annex the protocol to the decision of a kind, whose date it takes."
    Decision = session.model('early_access.authorization.decision')
    protocol.decision, = Decision.find([
            ('authorization', '=', protocol.authorization.id),
            ('kind', '=', kind),
            ])
    protocol.effective_date = protocol.decision.effective_date


def enter_criteria(session, protocol, definitions):
    criteria = session.create('early_access.protocol.criterion', [{
                'protocol': protocol.id,
                'sequence': sequence,
                'code': definition.code,
                'kind': definition.kind,
                'admitting_answer': (
                    'no' if definition.kind == 'exclusion' else 'yes'),
                'string': definition.label[0],
                } for sequence, definition in enumerate(definitions, 1)])
    session.translate(
        criteria, [{'string': d.label[1]} for d in definitions])


def enter_variables(session, protocol, definitions):
    "Return the variables by code."
    vlist = []
    for sequence, definition in enumerate(definitions, 1):
        minimum, maximum = map(decimal, definition.hard)
        usual_minimum, usual_maximum = map(decimal, definition.usual)
        vlist.append({
                'protocol': protocol.id,
                'sequence': sequence,
                'code': definition.code,
                'type_': definition.type_,
                'category': definition.category,
                'unit': definition.unit,
                'digits': definition.digits,
                'minimum': minimum,
                'maximum': maximum,
                'usual_minimum': usual_minimum,
                'usual_maximum': usual_maximum,
                **variable_texts(definition, 0),
                })
    variables = session.create('early_access.variable', vlist)
    session.translate(
        variables, [variable_texts(d, 1) for d in definitions])
    return {d.code: v for d, v in zip(definitions, variables)}


def decimal(number):
    return None if number is None else Decimal(number)


def variable_texts(definition, language):
    "Return the texts of a variable, the choices as lines 'code: label'."
    return {
        'section': definition.section[language],
        'string': definition.label[language],
        'selection': '\n'.join(
            f'{code}: {labels[language]}'
            for code, *labels in definition.choices) or None,
        }


def enter_forms(session, protocol, definitions, variables):
    "Return the forms by kind."
    forms = session.create('early_access.protocol.form', [{
                'protocol': protocol.id,
                'sequence': sequence,
                'kind': definition.kind,
                'name': definition.name[0],
                } for sequence, definition in enumerate(definitions, 1)])
    session.translate(forms, [{'name': d.name[1]} for d in definitions])
    session.create('early_access.protocol.form.question', [{
                'form': form.id,
                'variable': variables[code.rstrip('?')].id,
                'required': not code.endswith('?'),
                }
            for form, definition in zip(forms, definitions)
            for code in definition.variables])
    return {d.kind: form for d, form in zip(definitions, forms)}


def enter_computed(session, protocol):
    "What is shown beside the answers, and never asked."
    variables = session.create('early_access.variable', [{
                'protocol': protocol.id,
                'code': computation,
                'computation': computation,
                'category': 'characteristics',
                'string': labels[0],
                } for computation, *labels in COMPUTED])
    session.translate(variables, [
            {'string': labels[1]} for _, *labels in COMPUTED])
    session.translate(variables[:1], [{'selection': SEXES}])


def enter_treatments(session, protocol, form):
    "The treatments beside the medicine, as often as there are."
    CodeList = session.model('early_access.code_list')
    code_list, = CodeList.find([('name', '=', MEDICINES)])
    groups = session.create('early_access.protocol.form', [{
                'protocol': protocol.id,
                'kind': 'group',
                'name': "Concomitant treatments",
                'parent': form.id,
                'code_list': code_list.id,
                }])
    session.translate(groups, [{'name': "Traitements associés"}])


def enter_instrument(session, form):
    form.instrument, = session.model('early_access.instrument').find([])
    form.save()


def enter_visits(session, protocol, definitions, forms):
    session.create('early_access.protocol.visit', [{
                'protocol': protocol.id,
                'sequence': sequence,
                'name': definition.name,
                'offset': definition.months,
                'offset_unit': 'months',
                'forms': [('add', [forms[k].id for k in definition.kinds])],
                } for sequence, definition in enumerate(definitions, 1)])


def next_version(session, protocol, version, decision):
    "Copy the protocol to a version that can be changed until it is active."
    copy, = protocol.duplicate(default={'version': version})
    copy.transition_days = 60
    if decision:
        annex(session, copy, decision)
    copy.save()
    return copy


def find(session, code):
    "Return the protocol in force as the user of the session sees it."
    Protocol = session.model('early_access.protocol')
    protocol, = Protocol.find([
            ('authorization.code', '=', code),
            ('state', '=', 'active'),
            ])
    return protocol


def read_programmes(demo):
    "Return what the requests need to know of the protocols in force, by code."
    session = demo.sessions['regulatory']
    programmes = {}
    for row in session.read(
            'early_access.protocol', [('state', '=', 'active')], [
                'authorization.code', 'paediatric', 'prescriber_information',
                'privacy_notice']):
        criteria = session.read(
            'early_access.protocol.criterion', [('protocol', '=', row['id'])],
            ['name', 'admitting_answer'])
        supply, = session.read(
            'early_access.protocol.supply', [('protocol', '=', row['id'])],
            ['product', 'product.default_uom'])
        forms = session.read(
            'early_access.protocol.form', [
                ('protocol', '=', row['id']),
                ('kind', 'in', ['adverse_event', 'dose_change']),
                ], ['kind'])
        programmes[row['authorization.']['code']] = SimpleNamespace(
            protocol=row['id'],
            authorization=row['authorization.']['id'],
            paediatric=row['paediatric'],
            information=row['prescriber_information'],
            notice=row['privacy_notice'],
            criteria={c['name']: c['admitting_answer'] for c in criteria},
            product=supply['product'],
            unit=supply['product.']['default_uom'],
            forms={f['kind']: f['id'] for f in forms})
    return programmes


def read_questions(demo):
    "Return the questions of the protocols in force, by id of their form."
    session = demo.sessions['regulatory']
    names = [
        'code', 'name', 'type_', 'digits', 'selection', 'minimum', 'maximum',
        'usual_minimum', 'usual_maximum']
    questions = defaultdict(list)
    for row in session.read(
            'early_access.protocol.form.question',
            [('form.protocol.state', '=', 'active')], [
                'form', 'form.protocol.authorization.code', 'required',
                *(f'variable.{n}' for n in names)]):
        programme = row['form.']['protocol.']['authorization.']['code']
        variable = row['variable.']
        questions[row['form']].append(SimpleNamespace(
                required=row['required'],
                plausible=PROTOCOLS[programme].plausible.get(
                    variable['code']),
                **variable))
    return questions


def read_groups(demo):
    "Return the id of the repeated group by id of the form it is a part of."
    return {
        row['parent']: row['id'] for row in demo.sessions['regulatory'].read(
            'early_access.protocol.form',
            [('kind', '=', 'group'), ('protocol.state', '=', 'active')],
            ['parent'])}


def read_codes(demo):
    "Return the ids of the codes to choose from, by id of the form."
    session = demo.sessions['regulatory']
    codes = defaultdict(list)
    for row in session.read('early_access.code', [], ['code_list']):
        codes[row['code_list']].append(row['id'])
    return {
        row['id']: codes[row['code_list']] for row in session.read(
            'early_access.protocol.form', [
                ('code_list', '!=', None),
                ('protocol.state', '=', 'active'),
                ], ['code_list'])}
