# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The charter that the users accept, and their trainings."

VERSION = "2026-1"
CHARTER = """\
I open the data of a patient only when my work in the programme needs it.

I keep to myself what I read: I tell it to nobody who has no right to it, and \
I do not copy it out of the programme but by its own exports.

My password and my codes are mine alone. I close my session when I leave my \
place, and I tell the security officer at once of what looks like an incident.

Who does not keep this charter may lose the access and be punished (article \
226-13 of the Penal Code)."""
CHARTER_FR = """\
Je n'ouvre les données d'un patient que si mon travail dans le programme \
l'exige.

Je garde le secret sur ce que je lis : je ne le dis à personne qui n'y a pas \
droit, et je ne le copie hors du programme que par ses propres exports.

Mon mot de passe et mes codes ne sont qu'à moi. Je ferme ma session quand je \
quitte mon poste, et je signale aussitôt au responsable de la sécurité ce qui \
ressemble à un incident.

Le non-respect de cette charte expose au retrait des accès et à des sanctions \
(article 226-13 du code pénal)."""
NOTICE = """\
The software keeps what you read, search, export, change and are refused, \
with the time and the address, and never what you read in it.

It serves to protect the patients and to find out what happened after an \
incident (CNIL 2022-107, SEC-JOU), not to measure your work. It is kept for a \
year at most and read by the auditors and the security officer only, whose \
reading is kept as well."""
NOTICE_FR = """\
Le logiciel conserve ce que vous consultez, cherchez, exportez, modifiez et \
ce qui vous est refusé, avec l'heure et l'adresse, et jamais le contenu de ce \
que vous avez lu.

Ces traces servent à protéger les patients et à comprendre ce qui s'est passé \
après un incident (CNIL 2022-107, SEC-JOU), non à mesurer votre travail. \
Elles sont conservées un an au plus et lues par les seuls auditeurs et le \
responsable de la sécurité, dont la lecture est conservée aussi."""
# Who has not accepted yet, to see how it is asked
NEW = 'research'
# Whose training must be renewed soon
LATE = 'market'


def load(demo):
    publish(demo)
    train(demo)
    accept(demo)


def publish(demo):
    security = demo.sessions['security']
    charter, = security.create('early_access.audit.charter', [{
                'version': VERSION,
                'charter': CHARTER,
                'logging_notice': NOTICE,
                }])
    security.translate([charter], [{
                'charter': CHARTER_FR,
                'logging_notice': NOTICE_FR,
                }])
    security.click([charter], 'publish')


def train(demo):
    "Record the trainings, that of the security officer by another person."
    for login, own in [('security', False), ('dpo', True)]:
        session = demo.sessions[login]
        session.create('early_access.audit.training', [{
                    'user': user['id'],
                    'date': demo.ago(
                        months=11 if user['login'] == LATE else 2),
                    } for user in users(demo)
                if (user['login'] == 'security') == own])


def accept(demo):
    for user in users(demo):
        if user['login'] != NEW:
            demo.sessions[user['login']].wizard(
                'early_access.audit.charter.accept').execute('accept')


def users(demo):
    return demo.sessions['security'].read(
        'res.user', [('login', '!=', 'admin')], ['login'])
