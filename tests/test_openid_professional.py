# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Who is recognised at the sign-in with the provider, and where they work."
from concurrent.futures import ThreadPoolExecutor

from openid_tools import ProviderTestCase
from trytond.modules.early_access_audit.tests.provider import (
    FAMILY_NAME, claims_of)


class ProfessionalTestCase(ProviderTestCase):
    "Test whom the provider lets in"

    def professionals(self, rpps):
        return self.sql(
            'SELECT p.id, p.state, p."user", a.name, p.stated_activities, '
            'p.profession FROM early_access_professional AS p '
            'JOIN party_party AS a ON a.id = p.party '
            f"WHERE p.rpps = '{rpps}'")

    def test_unknown(self):
        "Who is not known is kept as pending, once, without any right"
        finess, = self.finess("North Hospital")
        claims = claims_of('99701000012', finess)
        (users,), = self.sql('SELECT COUNT(*) FROM res_user')
        for _ in range(2):
            response = self.sign_in(claims)
            self.assertStopped(
                response, "Your request is registered", 'openid pending')
            self.assertIn("01 99 00 00 00", response.text)
        (_, state, user, name, activities, profession), = self.professionals(
            '99701000012')
        self.assertEqual((state, user, profession), (
                'pending', None, 'doctor'))
        self.assertEqual(name, f"Camille {FAMILY_NAME}")
        self.assertEqual(activities, f"{finess} HOPITAL FICTIF")
        self.assertEqual(
            self.sql('SELECT COUNT(*) FROM res_user'), [(users,)])
        # Other names and activities are of the same person
        response = self.sign_in(
            claims_of('99701000012', *self.finess("South Hospital"),
                given_name="Dominique"))
        self.assertEqual(response.status_code, 403)
        self.assertEqual(len(self.professionals('99701000012')), 1)

    def test_unknown_in_parallel(self):
        "Many sign-ins of one who is not known make one professional"
        claims = claims_of('99701000020', profession='21')
        browsers = [self.browser() for _ in range(8)]
        begun = []
        for browser in browsers:
            url = self.begin(browser)
            begun.append(
                (browser, url, self.provider.authorize(url, claims)))
        with ThreadPoolExecutor(8) as executor:
            statuses = [r.status_code for r in executor.map(
                    lambda args: self.back(*args), begun)]
        self.assertEqual(statuses, [403] * 8)
        self.assertEqual(len(self.professionals('99701000020')), 1)
        self.assertEqual(
            self.events('login_failed'), ['openid pending'] * 8)

    def test_name_is_nothing(self):
        "The name and the e-mail address of another let nobody in"
        response = self.sign_in(claims_of(
                '99701000038', *self.finess("North Hospital"),
                given_name='Prescriber', family_name='Prescriber',
                email='prescriber@example.com', name='prescriber',
                preferred_username=f"8{self.rpps('prescriber')}"))
        self.assertStopped(
            response, "Your request is registered", 'openid pending')

    def test_no_number(self):
        "Who has no RPPS does not come in, and is not kept"
        rpps = self.rpps('prescriber')
        for name, changes in {
                'absent': {'SubjectNameID': None},
                'of another kind': {'SubjectNameID': f'0{rpps}'},
                'without prefix': {'SubjectNameID': rpps},
                'two': {'SubjectNameID': [f'8{rpps}', '899701000012']},
                'wrong': {'SubjectNameID': '899701000013'},
                'no text': {'SubjectNameID': 8},
                'no name': {'family_name': ''},
                }.items():
            with self.subTest(name):
                response = self.sign_in(self.prescriber(**changes))
                self.assertEqual(response.status_code, 403)
                self.assertIn("Your number is missing", response.text)
        self.assertEqual(
            set(self.events('login_failed')), {'openid rpps', 'openid name'})

    def test_inactive(self):
        "Neither a closed account nor an inactive professional comes in"
        rpps = self.rpps('east_prescriber')
        claims = claims_of(rpps, *self.finess("East Clinic"))
        for table, column, off, on in [
                ('res_user', 'active', 'false', 'true'),
                ('early_access_professional', 'state',
                    "'inactive'", "'active'"),
                ]:
            key = (
                "login = 'east_prescriber'" if table == 'res_user'
                else f"rpps = '{rpps}'")
            query = f'UPDATE {table} SET {column} = %s WHERE {key}'
            self.sql(query % off)
            try:
                self.assertStopped(
                    self.sign_in(claims), "Your account is not active",
                    'openid inactive')
            finally:
                self.sql(query % on)
        self.session(self.sign_in(claims))

    # In which establishment

    def test_no_activity(self):
        "Who works nowhere that is known does not come in"
        rpps = self.rpps('prescriber')
        for finess in [[], self.finess("South Hospital")]:
            self.assertStopped(
                self.sign_in(claims_of(rpps, *finess)),
                "No establishment of yours takes part", 'openid activity')

    def services(self, session):
        records = session.model(
            'early_access.service', 'search_read', [], 0, None, None,
            ['establishment.rec_name'])
        return {r['establishment.']['rec_name'] for r in records}

    def test_one_activity(self):
        "One activity is chosen without a question, and limits the session"
        for name in ["North Hospital", "South Hospital"]:
            session = self.session(
                self.sign_in(self.haematologist(name, "East Clinic")))
            self.assertEqual(self.services(session), {name})

    def test_choice(self):
        "Of several activities the user chooses one"
        for name in ["North Hospital", "South Hospital"]:
            browser, page = self.choice(
                "North Hospital", "South Hospital", "East Clinic")
            self.assertEqual(page.status_code, 200)
            places = self.places(page)
            self.assertEqual(
                set(places.values()), {"North Hospital", "South Hospital"})
            place, = (p for p, n in places.items() if n == name)
            response = browser.post(
                f'{self.base}/choice', {'place': place},
                allow_redirects=False)
            session = self.session(response)
            self.assertEqual(self.services(session), {name})
            # Once
            response = browser.post(
                f'{self.base}/choice', {'place': place},
                allow_redirects=False)
            self.assertEqual(response.status_code, 403)
            self.seen += 10 ** 6
            self.setUp()

    def test_choice_of_another_place(self):
        "Nobody chooses what the page does not offer, nor from elsewhere"
        browser, page = self.choice("North Hospital", "South Hospital")
        place, *_ = self.places(page)
        (other,), = self.sql(
            "SELECT id FROM party_party WHERE name = 'East Clinic'")
        for wrong in [str(other), '', 'x', '1 or 1']:
            self.assertStopped(
                browser.post(
                    f'{self.base}/choice', {'place': wrong},
                    allow_redirects=False),
                "The sign-in has not succeeded", 'openid place')
        response = self.browser().post(
            f'{self.base}/choice', {'place': place}, allow_redirects=False)
        self.assertStopped(
            response, "The sign-in has not succeeded", 'openid state')
        response = browser.post(
            f'{self.base}/choice', {'place': place}, allow_redirects=False,
            headers={'Origin': 'https://example.com'})
        self.assertGreaterEqual(response.status_code, 400)
        self.assertEqual(self.events('login'), [])
