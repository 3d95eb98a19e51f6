# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The hospitals: establishments, pharmacies, services and professionals.

A pharmacy may serve several establishments, and a service has one usual
pharmacy.
"""
import unicodedata
from types import SimpleNamespace

from stdnum import luhn

from . import laboratory

# Name and town of the pharmacies, each with the establishments it serves
PHARMACIES = [
    ("Pharmacie du CHU Fictif", "Valdémo", [
            ("CHU Fictif de Valdémo", "Valdémo")]),
    ("Pharmacie de l'Hôpital Exemple", "Montmodèle", [
            ("Hôpital Exemple de Montmodèle", "Montmodèle")]),
    ("Pharmacie commune du Pays d'Essai", "Essai-sur-Test", [
            ("Hôpital d'Essai-sur-Test", "Essai-sur-Test"),
            ("Hôpital des Enfants Fictifs", "Essai-sur-Test")]),
    ("Pharmacie du CHU Modèle", "Maquetteville", [
            ("CHU Modèle de Maquetteville", "Maquetteville")]),
    ("Pharmacie commune des Trois-Spécimens", "Spécimen-les-Bains", [
            ("Centre de Lutte Fictif", "Spécimen-les-Bains"),
            ("Clinique Témoin", "Témoinville"),
            ("Hôpital du Gabarit", "Le Gabarit")]),
    ("Pharmacie du Centre Démo", "Démoville", [
            ("Centre Démo de Cancérologie", "Démoville")]),
    ("Pharmacie de l'Hôpital Ébauche", "Ébauche", [
            ("Hôpital Ébauche", "Ébauche")]),
    ("Pharmacie de l'Hôpital Croquis", "Croquis-en-Plaine", [
            ("Hôpital Croquis", "Croquis-en-Plaine")]),
    ("Pharmacie de l'Hôpital Prototype", "Prototype", [
            ("Hôpital Prototype", "Prototype")]),
    ]

ONCOLOGY, PAEDIATRICS = "Oncologie médicale", "Pédiatrie"
SERVICES = {
    "CHU Fictif de Valdémo": [ONCOLOGY, PAEDIATRICS],
    "Hôpital Exemple de Montmodèle": [ONCOLOGY],
    "Hôpital d'Essai-sur-Test": [ONCOLOGY],
    "Hôpital des Enfants Fictifs": [PAEDIATRICS],
    "CHU Modèle de Maquetteville": [ONCOLOGY, PAEDIATRICS],
    "Centre de Lutte Fictif": [ONCOLOGY],
    "Clinique Témoin": [PAEDIATRICS],
    "Hôpital du Gabarit": [PAEDIATRICS],
    "Centre Démo de Cancérologie": [ONCOLOGY],
    "Hôpital Ébauche": [ONCOLOGY],
    "Hôpital Croquis": [PAEDIATRICS],
    "Hôpital Prototype": [PAEDIATRICS],
    }
# Code, English and French names
SPECIALTIES = {
    ONCOLOGY: ('DEMO-ONC', "Medical oncology", "Oncologie médicale"),
    PAEDIATRICS: ('DEMO-PED', "Paediatrics", "Pédiatrie"),
    None: ('DEMO-PHA', "Hospital pharmacy", "Pharmacie hospitalière"),
    }

# Surname, first name, login and the services followed; without a login the
# identity of the professional is still to check
DOCTORS = [
    ("Fictif", "Claire", 'prescriber', [
            (ONCOLOGY, "CHU Fictif de Valdémo")]),
    ("Exemple", "Émile", 'prescriber2', [
            (PAEDIATRICS, "CHU Fictif de Valdémo")]),
    ("Modèle", "Mona", 'prescriber3', [
            (ONCOLOGY, "Hôpital Exemple de Montmodèle")]),
    ("Démo", "Denis", 'prescriber4', [
            (ONCOLOGY, "Hôpital d'Essai-sur-Test")]),
    ("Témoin", "Thérèse", 'prescriber5', [
            (PAEDIATRICS, "Hôpital des Enfants Fictifs")]),
    ("Spécimen", "Serge", 'prescriber6', [
            (ONCOLOGY, "CHU Modèle de Maquetteville")]),
    ("Maquette", "Maud", 'prescriber7', [
            (PAEDIATRICS, "CHU Modèle de Maquetteville")]),
    ("Prototype", "Paul", 'prescriber8', [
            (ONCOLOGY, "Centre de Lutte Fictif")]),
    ("Gabarit", "Gaëlle", 'prescriber9', [
            (PAEDIATRICS, "Clinique Témoin"),
            (PAEDIATRICS, "Hôpital du Gabarit")]),
    ("Canevas", "Camille", 'prescriber10', [
            (ONCOLOGY, "Centre Démo de Cancérologie"),
            (ONCOLOGY, "Hôpital Ébauche")]),
    ("Croquis", "Côme", 'prescriber11', [
            (PAEDIATRICS, "Hôpital Croquis"),
            (PAEDIATRICS, "Hôpital Prototype")]),
    ("Essai", "Estelle", None, [(ONCOLOGY, "CHU Fictif de Valdémo")]),
    ("Brouillon", "Bruno", None, [(PAEDIATRICS, "Hôpital Croquis")]),
    ("Ancien", "Anatole", None, [(ONCOLOGY, "Hôpital Ébauche")]),
    ]
# The same for the pharmacists, with their pharmacies
PHARMACISTS = [
    ("Fictive", "Hélène", 'pharmacist', ["Pharmacie du CHU Fictif"]),
    ("Simulée", "Irène", 'pharmacist2', ["Pharmacie de l'Hôpital Exemple"]),
    ("Factice", "Fabrice", 'pharmacist3', [
            "Pharmacie commune du Pays d'Essai"]),
    ("Inventé", "Yves", 'pharmacist4', ["Pharmacie du CHU Modèle"]),
    ("Imaginaire", "Inès", 'pharmacist5', [
            "Pharmacie commune des Trois-Spécimens"]),
    ("Esquisse", "Élodie", 'pharmacist6', ["Pharmacie du Centre Démo"]),
    ("Ébauche", "Étienne", 'pharmacist7', ["Pharmacie de l'Hôpital Ébauche"]),
    ("Pastiche", "Pascale", 'pharmacist8', [
            "Pharmacie de l'Hôpital Croquis",
            "Pharmacie de l'Hôpital Prototype"]),
    ("Postiche", "Patrice", None, ["Pharmacie du CHU Fictif"]),
    ("Copie", "Colette", None, ["Pharmacie du CHU Modèle"]),
    ]
# The same for the staff, with their services
STAFF = [
    ("Calque", "Carole", 'staff', [(ONCOLOGY, "CHU Fictif de Valdémo")]),
    ("Décalque", "Désiré", 'staff2', [
            (PAEDIATRICS, "CHU Modèle de Maquetteville")]),
    ("Épreuve", "Ève", 'staff3', [(ONCOLOGY, "Centre de Lutte Fictif")]),
    ("Référent", "Rémi", 'referent', [
            (ONCOLOGY, "CHU Fictif de Valdémo"),
            (PAEDIATRICS, "CHU Fictif de Valdémo")]),
    ("Réplique", "Régine", None, [(PAEDIATRICS, "Hôpital Croquis")]),
    ("Doublon", "Donatien", None, [(ONCOLOGY, "Hôpital Ébauche")]),
    ]
PROFESSIONALS = DOCTORS + PHARMACISTS + STAFF
# Those who have left
INACTIVE = {"Ancien", "Copie"}

PROFILES = {
    'prescriber': 'prescriber',
    'pharmacist': 'hospital_pharmacist',
    'staff': 'hospital_staff',
    'referent': 'establishment_referent',
    }


def load(demo):
    parties = create_parties(demo)
    services = create_services(demo, parties)
    specialties = create_specialties(demo)
    persons = create_persons(demo)
    users = laboratory.create_users(demo, [
            (login, f'{first_name} {surname}', PROFILES[kind(login)],
                # Those with a number in their login work in French
                'fr' if login[-1].isdigit() else 'en')
            for surname, first_name, login, _ in PROFESSIONALS if login],
        "Letter of the establishment")
    create_professionals(
        demo, parties, services, specialties, persons, users)


def kind(login):
    return login.rstrip('0123456789')


def finess(number):
    "Return the FINESS number of a department that does not exist."
    number = f'99{number:06d}'
    return number + luhn.calc_check_digit(number)


def rpps(number):
    "Return an RPPS number in the range that is kept for tests."
    number = f'997{number:07d}'
    return number + luhn.calc_check_digit(number)


def create_parties(demo):
    "Return the pharmacies and the establishments by name."
    session = demo.sessions['admin']
    parties = {}
    for index, (name, city, establishments) in enumerate(PHARMACIES):
        parties[name] = hospital(
            session, 'pharmacy', name, city, finess(1000 + index))
        for establishment, city in establishments:
            parties[establishment] = hospital(
                session, 'establishment', establishment, city,
                finess(len(parties)))
    type(parties[name]).save(list(parties.values()))
    return parties


def hospital(session, kind, name, city, finess):
    "Return an establishment or a pharmacy, where orders can be delivered."
    party = session.model('party.party')(name=name)
    party.hospital_kind = kind
    party.identifiers.new(type='fr_finess', code=finess)
    address, = party.addresses
    laboratory.fill_address(session, address, "1 place de l'Hôpital", city)
    address.delivery = kind == 'pharmacy'
    if kind == 'pharmacy':
        party.contact_mechanisms.new(
            type='phone', value=f'+33 1 99 00 {finess[-4:-2]} {finess[-2:]}')
    return party


def create_services(demo, parties):
    "Return the services by their name and the one of their establishment."
    session = demo.sessions['config']
    vlist = {
        (name, establishment): {
            'name': name,
            'establishment': parties[establishment].id,
            'pharmacy': parties[pharmacy].id,
            }
        for pharmacy, _, establishments in PHARMACIES
        for establishment, _ in establishments
        for name in SERVICES[establishment]}
    services = session.create('early_access.service', list(vlist.values()))
    return dict(zip(vlist, services))


def create_specialties(demo):
    "Return the specialties by the name of their services."
    session = demo.sessions['config']
    specialties = session.create('early_access.specialty', [
            {'code': code, 'name': name}
            for code, name, _ in SPECIALTIES.values()])
    session.translate(
        specialties, [{'name': name} for _, _, name in SPECIALTIES.values()])
    return dict(zip(SPECIALTIES, specialties))


def create_persons(demo):
    "Return the parties of the professionals by surname."
    session = demo.sessions['config']
    parties = session.create('party.party', [{
                'name': f'{first_name} {surname}',
                'contact_mechanisms': [('create', [{
                                'type': 'email',
                                'value': mailbox(first_name, surname),
                                }])],
                } for surname, first_name, _, _ in PROFESSIONALS])
    return {p[0]: party for p, party in zip(PROFESSIONALS, parties)}


def mailbox(first_name, surname):
    "Return an address of a domain that is kept for examples."
    local = unicodedata.normalize('NFKD', f'{first_name}.{surname}'.lower())
    return local.encode('ascii', 'ignore').decode() + '@hopital.example'


def create_professionals(
        demo, parties, services, specialties, persons, users):
    """Create the professionals and activate those whose identity is checked.

    Without a user they stay pending, but for those who have left.
    """
    session = demo.sessions['config']
    vlist = []
    for number, person in enumerate(PROFESSIONALS):
        surname, _, login, places = person
        values = {
            'party': persons[surname].id,
            'profession': 'staff',
            'user': users[login].id if login else None,
            'identity_source': 'establishment' if login else None,
            }
        if person in PHARMACISTS:
            values['profession'] = 'pharmacist'
            values['specialty'] = specialties[None].id
            values['pharmacies'] = [('add', [parties[p].id for p in places])]
        else:
            values['services'] = [('add', [services[p].id for p in places])]
        if person in DOCTORS:
            values['profession'] = 'doctor'
            values['specialty'] = specialties[places[0][0]].id
        if person not in STAFF:
            values['rpps'] = rpps(number)
            values['identity_source'] = 'directory' if login else None
        vlist.append(values)
    records = session.create('early_access.professional', vlist)
    session.click([
            r for r, (_, _, login, _) in zip(records, PROFESSIONALS)
            if login], 'activate')
    session.click([
            r for r, (surname, _, _, _) in zip(records, PROFESSIONALS)
            if surname in INACTIVE], 'deactivate')


def find_places(demo):
    """Return the services with those who act there.

    They are found by their name and the one of their establishment.
    """
    session = demo.sessions['config']
    professionals = {
        row['user.']['login']: row['id'] for row in session.read(
            'early_access.professional', [('state', '=', 'active')],
            ['user.login'])}
    addresses = {
        row['party']: row['id'] for row in session.read(
            'party.address', [('delivery', '=', True)], ['party'])}
    places = {}
    for row in session.read('early_access.service', [], [
                'name', 'establishment.name', 'pharmacy', 'pharmacy.name']):
        place = row['name'], row['establishment.']['name']
        prescriber = login_at(DOCTORS, place)
        places[place] = SimpleNamespace(
            service=row['id'],
            pharmacy=row['pharmacy'],
            delivery_address=addresses[row['pharmacy']],
            prescriber=prescriber,
            professional=professionals[prescriber],
            staff=login_at(STAFF, place),
            pharmacist=login_at(PHARMACISTS, row['pharmacy.']['name']))
    return places


def login_at(people, place):
    "Return the login of who acts at the place, None if there is nobody."
    for _, _, login, places in people:
        if login and login != 'referent' and place in places:
            return login
