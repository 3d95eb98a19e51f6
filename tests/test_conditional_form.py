# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
import datetime as dt

from browser import BrowserTestCase
from harness import PASSWORD


def treated_patient(config):
    "A programme with a treated patient."
    from proteus import Model
    from trytond.modules.early_access.tests.tools import (
        create_laboratory, create_patient, create_programme)

    create_laboratory(config=config)
    create_programme(config=config)
    create_patient('treated', config=config)
    User = Model.get('res.user', config=config)
    for user in User.find([('login', '!=', 'admin')]):
        user.password = PASSWORD
        user.save()


class ConditionalFormTestCase(BrowserTestCase):
    "A form whose questions depend on the answers, in the browser client"
    fixtures = treated_patient

    def test_form(self):
        "The questions come and go, what is missing is told, then corrected"
        prescriber = self.client('prescriber')
        self._fill(prescriber)
        self._submit(prescriber)
        self._ask()
        self._correct(prescriber)

    def _fill(self, prescriber):
        prescriber.menu("Early Access", "Forms")
        prescriber.tab("To Fill In")
        prescriber.open("Follow-up", "M1")
        cause = "Reason of the change"
        self.assertFalse(prescriber.shows(cause))
        prescriber.fill("Response", "None")
        self.assertTrue(prescriber.shows(cause))
        prescriber.screenshot('conditional_form')
        prescriber.fill(cause, "Toxicity")
        prescriber.fill("Response", "Partial")
        self.assertFalse(prescriber.shows(cause))
        prescriber.fill('visit_date', dt.date.today())
        prescriber.save()

    def _submit(self, prescriber):
        with prescriber.message() as message:
            prescriber.click("Submit")
        self.assertIn("Dose (mg)", message.text)
        self.assertNotIn("Reason of the change", message.text)
        prescriber.show_page("Unanswered")
        prescriber.fill("Dose (mg)", "Not done")
        prescriber.screenshot('unanswered')
        prescriber.save()
        prescriber.click("Submit")
        self.assertEqual(prescriber.value('state'), "Submitted")

    def _ask(self):
        manager = self.client('data_manager')
        manager.menu("Early Access", "Queries")
        manager.new()
        manager.fill('form', "Follow-up")
        manager.fill('variable', "Dose")
        manager.fill('reason', "No answer")
        manager.screenshot('query')
        manager.save()
        self.assertEqual(manager.value('state'), "Open")

    def _correct(self, prescriber):
        prescriber.menu("Early Access", "Queries")
        self.assertEqual(prescriber.tabs()["Open"], '1')
        prescriber.menu("Early Access", "Forms")
        prescriber.tab("To Verify")
        prescriber.open("Follow-up", "M1")
        prescriber.click("Correct")
        prescriber.fill('reason', "Result received later")
        prescriber.fill("Dose (mg)", '52')
        prescriber.screenshot('correction')
        prescriber.save()
        prescriber.click("Apply")
        self.assertEqual(prescriber.value('state'), "Applied")
        prescriber.screenshot('correction_applied')
        prescriber.menu("Early Access", "Queries")
        prescriber.tab("Answered")
        self.assertEqual(len(prescriber.rows()), 1)
