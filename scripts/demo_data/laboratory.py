# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The laboratory: its company and one user for each of its profiles."

import datetime as dt

from dateutil.relativedelta import relativedelta

NAME = "DEMOLAB"

# Login, name and profile (the group of the module without "group_")
USERS = [
    ('incharge', "Paule Responsable-Fictive", 'pharmacist_in_charge'),
    ('delegate', "Didier Délégué-Fictif", 'delegate'),
    ('supply', "Sonia Stock-Fictif", 'supply'),
    ('regulatory', "Régis Affaires-Fictives", 'regulatory_affairs'),
    ('vigilance', "Violette Vigie-Fictive", 'pharmacovigilance'),
    ('medical', "Médéric Médical-Fictif", 'medical_affairs'),
    ('research', "Renée Recherche-Fictive", 'research'),
    ('market', "Marcel Marché-Fictif", 'market_access'),
    ('data', "Dalila Donnée-Fictive", 'data_manager'),
    ('dpo', "Daphné Protection-Fictive", 'dpo'),
    ('security', "Sacha Sûreté-Fictif", 'security_officer'),
    ('audit', "Aude Auditrice-Fictive", 'audit'),
    ('config', "Colin Paramétrage-Fictif", 'configuration'),
    ]


def exists(demo):
    "Return whether the database holds the company already."
    Company = demo.sessions['admin'].model('company.company')
    return bool(Company.find([('party.name', '=', NAME)], limit=1))


def load(demo):
    create_company(demo)
    create_users(
        demo, [(*user, 'en') for user in USERS], "Post in the laboratory")
    delegate(demo)


def create_company(demo):
    "Create the company with the assistant of the module company."
    admin = demo.sessions['admin']
    party = admin.model('party.party')(name=NAME)
    address, = party.addresses
    fill_address(admin, address, "1 rue du Laboratoire", "Démoville")
    party.save()

    assistant = admin.wizard('company.company.config')
    assistant.execute('company')
    assistant.form.party = party
    assistant.form.currency = euro(admin)
    assistant.form.timezone = 'Europe/Paris'
    assistant.execute('add')
    admin.reload()


def euro(session):
    "Return the currency, created if it is missing."
    Currency = session.model('currency.currency')
    currencies = Currency.find([('code', '=', 'EUR')])
    if not currencies:
        currencies = [Currency(name="Euro", symbol='€', code='EUR')]
        currencies[0].save()
    return currencies[0]


def fill_address(session, address, street, city):
    "Fill in an address in a department that does not exist."
    Country = session.model('country.country')
    countries = Country.find([('code', '=', 'FR')])
    if not countries:
        countries = [Country(name="France", code='FR', code3='FRA')]
        countries[0].save()
    address.street_unstructured = street
    address.postal_code = '99000'
    address.city = city
    address.country = countries[0]


def create_users(demo, users, reason):
    """Create users of the laboratory or of the hospitals.

    :param users: the login, name, profile and language of each.
    :param reason: why they have the role of their profile.
    :returns: the users by login.
    """
    admin = demo.sessions['admin']
    company, = admin.model('company.company').find([
            ('party.name', '=', NAME)])
    languages = {
        lang.code: lang.id for lang in admin.model('ir.lang').find([
                ('translatable', '=', True)])}
    records = admin.create('res.user', [{
                'login': login,
                'name': name,
                'password': demo.password,
                'companies': [('add', [company.id])],
                'company': company.id,
                'language': languages[language],
                } for login, name, _, language in users])
    by_login = {user[0]: record for user, record in zip(users, records)}
    admin.create('res.user.role', [
            role_values(demo, by_login[login], profile, number, reason)
            for number, (login, _, profile, _) in enumerate(users)])
    return by_login


def role_values(demo, user, profile, number, reason):
    """Return the values of the role of a profile, given for a year.

    The roles began one after the other, and the one of the referent of the
    establishments has to be given again soon.
    """
    admin = demo.sessions['admin']
    begin = demo.ago(months=6, days=number % 60)
    end = begin + relativedelta(years=1)
    if profile == 'establishment_referent':
        end = demo.ago(days=-20)
    return {
        'user': user.id,
        'role': admin.data(
            'res.role', 'early_access_audit', f'role_{profile}').id,
        'from_date': dt.datetime.combine(begin, dt.time()),
        'to_date': dt.datetime.combine(end, dt.time()),
        'reason': reason,
        }


def delegate(demo):
    """Let the delegate act for the pharmacist in charge during three months.

    Outside of the dates the profile alone gives no right to decide.
    """
    incharge = demo.sessions['incharge']
    User = incharge.model('res.user')
    user, = User.find([('login', '=', 'delegate')])
    incharge.model('early_access.delegation')(
        user=user,
        from_date=demo.ago(months=1),
        to_date=demo.ago(months=-2)).save()


def review_accesses(demo):
    """Open the yearly review of the accesses, and decide a part of it.

    The referent keeps the first role and asks to change the second one.
    """
    security = demo.sessions['security']
    review = security.model('early_access.audit.access_review')(
        due_date=demo.ago(days=-30))
    review.save()
    review.click('open_')
    referent = demo.sessions['referent']
    lines = referent.model('early_access.audit.access_review.line').find([])
    referent.click(lines[:1], 'keep')
    decide = referent.wizard(
        'early_access.audit.access_review.decide', lines[1:2])
    decide.form.decision = 'change'
    decide.form.reason = 'post'
    decide.execute('decide')
