# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from browser import BrowserTestCase
from trail_tools import programme


def charter(config):
    "A programme with patients, whose charter nobody has accepted"
    from proteus import Model
    from trytond.modules.early_access.tests.tools import run_as

    programme(config)
    with run_as('security_officer', config=config):
        Charter = Model.get('early_access.audit.charter', config=config)
        Charter(
            version="1", charter="I keep to myself what I read.",
            logging_notice="What you do is kept for a year.").save()
        Charter.find([])[0].click('publish')


class CharterBrowserTestCase(BrowserTestCase):
    "Test that a user accepts the charter at the first login"
    module = 'early_access_audit'
    fixtures = charter

    def login(self, answer=None, **options):
        client = self.new_client(**options)
        client.login('prescriber', charter=answer)
        self.assertEqual(client.title(), "Patients")
        client.tab("All")
        return client

    def test_first_login(self):
        "Patients open once the charter is accepted, and it is asked once"
        refusing = self.login("Close")
        self.assertEqual(refusing.rows(), [])
        accepting = self.login("I Accept")
        self.assertTrue(accepting.rows())
        # The former client sees them too, with nothing to start again
        refusing.menu("Early Access", "Patients")
        refusing.tab("All")
        self.assertTrue(refusing.rows())
        again = self.login()
        self.assertTrue(again.rows())
        again.menu("Early Access", "My Charter")
        self.assertTrue(again.value('accepted'))
        self.assertFalse(again.has_button("I Accept"))
        again.screenshot('charter')
        again.click("Close")
