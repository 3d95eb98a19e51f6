# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
import datetime as dt

from dateutil.relativedelta import relativedelta

from browser import BrowserTestCase
from harness import PASSWORD

TODAY = dt.date.today()


def programme(config):
    "A running programme with its hospitals, and lots in stock."
    from proteus import Model
    from trytond.modules.early_access.tests.order_tools import create_lot
    from trytond.modules.early_access.tests.tools import (
        create_authorization, create_laboratory, create_programme, run_as)

    create_laboratory(config=config)
    create_programme(config=config)
    with run_as('regulatory_affairs', config=config):
        create_authorization(
            code='OLD', name="Demolumab in test leukaemia",
            indication='TEST-2',
            grant=TODAY - relativedelta(months=10), config=config)
    create_lot('LOT-LATE', 50, 400, config=config)
    create_lot('LOT-SOON', 50, 120, config=config)
    create_lot('LOT-TOO-SHORT', 50, 5, config=config)
    User = Model.get('res.user', config=config)
    for user in User.find([('login', '!=', 'admin')]):
        user.password = PASSWORD
        user.save()


class CorePathTestCase(BrowserTestCase):
    "From a request to a shipped order, each act by the user concerned"
    fixtures = programme

    def test_core_path(self):
        "Test a patient from the request to the reception of an order"
        self._request()
        self._submit()
        code = self._accept()
        number = self._order(code)
        self._supply(number, code)
        self._receive(number)
        self._initiate(code)
        self._recall(code)

    def _request(self):
        prescriber = self.client('prescriber')
        self.assertEqual(
            prescriber.menu_items("Early Access"),
            ["Patients", "Orders", "Forms", "Queries", "Completeness"])
        self.assertEqual(prescriber.menu_items(), ["Early Access"])
        # The client opens on the work of the user
        self.assertEqual(prescriber.title(), "Patients")
        prescriber.screenshot('prescriber_home')
        prescriber.new()
        self.assertEqual(
            prescriber.value('authorization'),
            "[DMB] Demolumab in test carcinoma")
        prescriber.fill('surname_letters', "Dùr")
        prescriber.fill('first_name_letters', "je")
        prescriber.fill('sex', "Female")
        prescriber.fill('birth_month', dt.date(1980, 5, 12))
        prescriber.fill('weight', '61.5')
        prescriber.fill('height', '168')
        prescriber.fill('information_date', TODAY)
        prescriber.fill('notice_date', TODAY)
        prescriber.fill('informed_person', "Patient")
        prescriber.fill('treatment_accepted_date', TODAY)
        prescriber.fill("The patient is an adult", "Yes")
        prescriber.screenshot('request')
        prescriber.save()
        self.assertEqual(prescriber.value('surname_letters'), "DUR")
        self.assertEqual(prescriber.value('first_name_letters'), "JE")

        with prescriber.message() as message:
            prescriber.click("Sign")
        self.assertIn("The patient is pregnant", message.text)

        prescriber.fill("The patient is pregnant", "No")
        prescriber.save()
        with prescriber.message() as message:
            prescriber.click("Sign")
        self.assertIn("ECOG performance status", message.text)

        prescriber.show_page("Follow-up")
        prescriber.open("Access request", field='forms')
        prescriber.fill("ECOG performance status", "1")
        prescriber.fill("Date of diagnosis", TODAY - relativedelta(years=1))
        prescriber.screenshot('access_form')
        prescriber.click("Apply changes")
        prescriber.save()
        prescriber.click("Sign")
        self.assertEqual(prescriber.value('state'), "Signed")
        prescriber.screenshot('request_signed')

    def _submit(self):
        pharmacist = self.client('hospital_pharmacist')
        pharmacist.menu("Early Access", "Patients")
        self.assertEqual(pharmacist.tabs()["To Submit"], '1')
        pharmacist.tab("To Submit")
        pharmacist.open("Request")
        pharmacist.click("Submit")
        self.assertEqual(pharmacist.value('state'), "Submitted")

    def _accept(self):
        in_charge = self.client('pharmacist_in_charge')
        in_charge.menu("Early Access", "Patients")
        in_charge.tab("To Decide")
        in_charge.open("Request")
        in_charge.screenshot('request_to_decide')
        in_charge.click("Accept")
        self.assertEqual(in_charge.value('state'), "Eligible")
        code = in_charge.value('code')
        self.assertRegex(code, '^DMB-')
        return code

    def _order(self, code):
        pharmacist = self.client('hospital_pharmacist')
        pharmacist.menu("Early Access", "Orders")
        pharmacist.new()
        pharmacist.fill('authorization', "[DMB] Demolumab in test carcinoma")
        pharmacist.fill('needed_by', TODAY + relativedelta(days=2))
        pharmacist.add('lines')
        pharmacist.fill('patient', code)
        pharmacist.fill('quantity', '4')
        pharmacist.save()
        pharmacist.screenshot('order_draft')
        pharmacist.click("Submit")
        self.assertEqual(pharmacist.value('state'), "Submitted")
        return pharmacist.value('number')

    def _supply(self, number, code):
        supply = self.client('supply')
        self.assertEqual(supply.title(), "Order Desk")
        supply.tab("To Approve")
        supply.screenshot('order_desk')
        supply.open(number)
        supply.screenshot('order_to_approve')
        supply.click("Approve")
        supply.click("Pick")
        supply.click("Ship")
        self.assertEqual(supply.value('state'), "Shipped")
        self.assertFalse(supply.has_button("Receive"))
        supply.screenshot('order_shipped')

        supply.menu("Early Access", "Patients")
        supply.tab("Eligible")
        supply.open(code)
        supply.screenshot('patient_supply')
        for name in ['surname_letters', 'sex', 'birth_month', 'criteria']:
            with self.subTest(field=name):
                self.assertFalse(supply.shows(name))

    def _receive(self, number):
        pharmacist = self.client('hospital_pharmacist')
        pharmacist.menu("Early Access", "Orders")
        pharmacist.tab("To Receive")
        pharmacist.open(number)
        with pharmacist.message("OK"):
            pharmacist.click("Receive")
        self.assertEqual(pharmacist.value('state'), "Received")

    def _initiate(self, code):
        prescriber = self.client('prescriber')
        prescriber.menu("Early Access", "Patients")
        prescriber.tab("Eligible")
        prescriber.open(code)
        prescriber.show_page("Follow-up")
        prescriber.fill('first_administration_date', TODAY)
        prescriber.save()
        prescriber.click("Initiate")
        self.assertEqual(prescriber.value('state'), "Treated")
        prescriber.screenshot('patient_treated')

    def _recall(self, code):
        supply = self.client('supply')
        supply.menu("Early Access", "Recall")
        supply.fill('lot', 'LOT-SOON')
        supply.screenshot('recall_lot')
        supply.click("Recall")
        rows = supply.rows()
        supply.screenshot('recall')
        self.assertEqual([r["Patient"] for r in rows], [code])

    def test_renewals(self):
        "Test that regulatory affairs see what must be renewed"
        regulatory = self.client('regulatory_affairs')
        regulatory.menu("Early Access", "Authorizations")
        regulatory.screenshot('authorizations')
        rows = regulatory.rows()
        self.assertEqual(rows[0]["Code"], "OLD")
        self.assertEqual(rows[0]["Renewal"], "Overdue")
        regulatory.open("OLD")
        regulatory.screenshot('authorization')
        regulatory.click("File Renewal")
        self.assertEqual(regulatory.value('urgency'), "Filed")

    def test_french(self):
        "Test the order desk in French"
        from proteus import Model
        with self.script('admin') as config:
            User = Model.get('res.user', config=config)
            Lang = Model.get('ir.lang', config=config)
            user, = User.find([('login', '=', 'supply')])
            user.language, = Lang.find([('code', '=', 'fr')])
            user.save()
        supply = self.client('supply', locale='fr-FR')
        self.assertEqual(supply.menu_items()[0], "Accès précoce")
        supply.screenshot('order_desk_fr')
