# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
import datetime as dt

import trail_tools
from browser import BrowserTestCase
from harness import PASSWORD


class RoleBrowserTestCase(BrowserTestCase):
    "Test what a user sees when a role ends"
    module = 'early_access_audit'
    fixtures = trail_tools.programme

    def end_roles(self, login):
        "Make the roles of the user have ended."
        past = dt.datetime.now(dt.UTC).replace(
            tzinfo=None, microsecond=0) - dt.timedelta(minutes=1)
        with self.databases.databases.connect(self.database) as connection:
            connection.execute(
                'UPDATE res_user_role '
                f"SET to_date = '{past}' WHERE \"user\" = "
                f"(SELECT id FROM res_user WHERE login = '{login}')")
            connection.commit()
        # What is written for another user is asked again for all
        admin = trail_tools.Client(self.server, 'admin')
        role, = admin.model(
            'res.role', 'search', [('name', '=', "Supply")], 0, None, None)
        user, = admin.model('res.user', 'create', [{
                    'name': "Other", 'login': f'other-{login}'}])
        security = trail_tools.Client(self.server, 'security_officer')
        security.model('res.user.role', 'create', [{
                    'user': user, 'role': role, 'reason': "Test"}])

    def test_expired(self):
        "An open client is closed, and comes back to a menu without patients"
        client = self.client('research')
        client.menu("Early Access", "Patients")
        client.tab("All")
        self.assertTrue(client.rows())
        self.end_roles('research')
        with client.message() as message:
            client.page.locator('button#reload:visible').click()
            client._ask(PASSWORD)
            client.wait()
        self.assertIn("not allowed to access", message.text)
        client = self.client('research')
        self.assertNotIn("Early Access", client.menu_items())
        client.page.get_by_text("Roles ended on").wait_for()
        client.screenshot('role-ended')
