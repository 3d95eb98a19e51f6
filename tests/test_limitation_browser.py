# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
import datetime as dt

from browser import BrowserTestCase
from trail_tools import programme


class LimitationBrowserTestCase(BrowserTestCase):
    "Freeze the data of a patient, and see what the users see of it"
    module = 'early_access_retention'
    fixtures = programme

    def test_limitation(self):
        "The prescriber is told and sees nothing, the rights officer does"
        prescriber = self.client('prescriber')
        code = self._ask(prescriber)
        dpo = self.client('dpo')
        self._start(dpo, code)
        self._freeze(dpo)
        self._see(prescriber, code)
        self._verify(dpo, code)
        self._lift(dpo)
        prescriber.tool('reload')
        self.assertTrue(prescriber.value('surname_letters'))
        self.assertFalse(prescriber.shows('limitation_notice'))

    def _ask(self, prescriber):
        prescriber.menu("Early Access", "Patients")
        prescriber.tab("Treated")
        code = prescriber.rows()[0]["Patient"]
        prescriber.menu(
            "Early Access", "Rights of Persons", "Requests")
        prescriber.new()
        prescriber.fill("Right", "Limitation")
        prescriber.fill('patient', code)
        prescriber.screenshot('rights_request_prescriber')
        prescriber.save()
        self.assertEqual(prescriber.value('state'), "Received")
        self.assertFalse(prescriber.has_button("Check Identity"))
        return code

    def _start(self, dpo, code):
        dpo.menu("Early Access", "Rights of Persons", "Requests")
        dpo.screenshot('rights_requests')
        dpo.open(code)
        dpo.fill('identity_checked_on', dt.date.today())
        dpo.save()
        dpo.click("Check Identity")
        dpo.click("Start")
        dpo.screenshot('rights_request')
        self.assertEqual(dpo.value('state'), "In Progress")

    def _freeze(self, dpo):
        dpo.show_page("What is Done")
        dpo.add('limitations')
        dpo.fill("Frozen Data", "Identity, criteria and all answers")
        dpo.screenshot('rights_limitation_draft')
        dpo.click("Add")
        dpo.save()
        dpo.menu("Early Access", "Rights of Persons", "Limitations")
        dpo.tab("Draft")
        dpo.open("RTS00001")
        with dpo.message("OK"):
            dpo.click("Freeze")
        dpo.screenshot('rights_limitation')
        self.assertEqual(dpo.value('state'), "Active")

    def _see(self, prescriber, code):
        prescriber.menu("Early Access", "Patients")
        prescriber.tab("Treated")
        prescriber.open(code)
        prescriber.screenshot('limitation_prescriber')
        self.assertIn(
            "vigilance go on", prescriber.value('limitation_notice'))
        self.assertFalse(prescriber.value('surname_letters'))
        self.assertEqual(prescriber.value('sealed_state'), "Frozen")

    def _verify(self, dpo, code):
        dpo.menu("Early Access", "Patients")
        dpo.tab("Treated")
        dpo.open(code)
        dpo.screenshot('limitation_dpo')
        self.assertIn("vigilance go on", dpo.value('limitation_notice'))
        self.assertTrue(dpo.value('surname_letters'))

    def _lift(self, dpo):
        dpo.menu("Early Access", "Rights of Persons", "Limitations")
        dpo.open("RTS00001")
        dpo.fill('told_on', dt.date.today())
        dpo.fill('told_how', "Through the professional")
        dpo.fill('lift_reason', "The data are right")
        dpo.save()
        with dpo.message("OK"):
            dpo.click("Lift")
        self.assertEqual(dpo.value('state'), "Lifted")
