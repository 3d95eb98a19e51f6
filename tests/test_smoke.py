# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
from browser import BrowserTestCase
from harness import PASSWORD, ServerTestCase


def configurators(config):
    "Make users that configure the module, in English and in French."
    from proteus import Model
    Group = Model.get('res.group')
    Lang = Model.get('ir.lang')
    User = Model.get('res.user')
    group, = Group.find([('name', '=', "Early Access: Configuration")])
    for login, code in [('english', 'en'), ('french', 'fr')]:
        user = User(name=login.title(), login=login, password=PASSWORD)
        user.language, = Lang.find([('code', '=', code)])
        user.groups.append(Group(group.id))
        user.save()


class SmokeTestCase(BrowserTestCase):
    "Test that the client starts"
    fixtures = configurators

    def test_english(self):
        "Test the login and the menu"
        client = self.client('english')
        self.assertIn("Early Access", client.menu_items())
        self.assertIn("Configuration", client.menu_items("Early Access"))
        client.screenshot('smoke')

    def test_french(self):
        "Test the login and the menu in French"
        client = self.client('french', locale='fr-FR')
        self.assertEqual(client.gettext("New"), "Nouveau")
        self.assertIn("Tiers", client.menu_items())

    def test_logout(self):
        "Test that another user can log in after the first one"
        client = self.client('english')
        client.logout()
        client.login('admin')
        self.assertIn("Administration", client.menu_items())


class ScriptTestCase(ServerTestCase):
    "Test that a script reaches the server"
    fixtures = configurators

    def test_script(self):
        "Test proteus as a user"
        from proteus import Model
        with self.script('english'):
            User = Model.get('res.user')
            self.assertEqual(
                User.get_preferences(True, {})['language'], 'en')
