# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from trytond.modules.early_access_audit.exceptions import PasswordAccessError
from trytond.modules.early_access_audit.password import entropy
from trytond.pool import Pool
from trytond.res.user import PasswordError
from trytond.tests.test_tryton import (
    TestCase, activate_module, with_transaction)
from trytond.transaction import Transaction, check_access

from .tools import PASSWORD, configured, create_user


class PasswordTestCase(TestCase):
    "Test the rules of the passwords"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        activate_module('early_access_audit')

    def test_entropy(self):
        "What is chosen at random is worth what the CNIL counts"
        for password, bits in [
                ('vK8$qz!W3&xR', 79.5),
                ('K8vqzW3xRtB7mZ', 83.3),
                ('vK8$qz!W', 53),
                ]:
            with self.subTest(password=password):
                self.assertAlmostEqual(entropy(password), bits, delta=1)

    def test_guessable(self):
        "What attackers try first is worth little"
        for password in [
                'Password123!', 'azertyuiop', 'aaaaaaaaaaaaaaaa',
                '1234567890123456', 'Qwerty!2026', 'M0td3p@sse',
                '14/07/1989', 'abcdefghijklmnop']:
            with self.subTest(password=password):
                self.assertLess(entropy(password), 50)
        self.assertLess(
            entropy('marie.durand@example.com', [
                    'marie.durand@example.com']), 10)
        self.assertEqual(entropy(''), 0)
        self.assertGreater(entropy('x7$Q' * 5000), 10)

    def test_sentence(self):
        self.assertGreater(entropy(PASSWORD), 80)
        self.assertGreater(
            entropy('le vieux mulet broute sous la pluie'), 50)

    @with_transaction()
    def test_minimum(self):
        "50 bits are asked of users and 80 of those who administer"
        pool = Pool()
        Group = pool.get('res.group')
        User = pool.get('res.user')
        admins, = Group.search([('name', '=', "Administration")])
        user = create_user()
        admin = create_user(groups=[('add', [admins.id])])
        for password, users in [
                ('vK8$qz!W3&xR7', [user, admin]),
                ('vK8$qz!W3', [user]),
                ('vK8$q', []),
                ('{login}', []),
                ]:
            for who in [user, admin]:
                with self.subTest(password=password, admin=who is admin):
                    values = {'password': password.format(login=who.login)}
                    if who in users:
                        User.write([who], values)
                    else:
                        with self.assertRaises(PasswordError):
                            User.write([who], values)

    @with_transaction()
    def test_configured(self):
        User = Pool().get('res.user')
        user = create_user()
        with configured(password__entropy='80'):
            with self.assertRaises(PasswordError):
                User.write([user], {'password': 'vK8$qz!W3'})

    @with_transaction()
    def test_of_another(self):
        "An administrator cannot choose the password of a user"
        pool = Pool()
        User = pool.get('res.user')
        user = create_user()
        with check_access():
            with self.assertRaises(PasswordAccessError):
                User.write([user], {'password': PASSWORD + '2'})
            with self.assertRaises(PasswordAccessError):
                User.create([{
                            'name': "x", 'login': 'x', 'password': PASSWORD,
                            }])
            for name in ['password_hash', 'password_reset']:
                with self.assertRaises(PasswordAccessError):
                    User.write([user], {name: PASSWORD})
            User.write([user], {'password': 'x' * 10, 'name': "Name"})
            with configured(early_access__demonstration='True'):
                User.write([user], {'password': 'demonstration'})

    @with_transaction()
    def test_compromised(self):
        "A compromised password does not come back, another may"
        pool = Pool()
        OldPassword = pool.get('early_access.audit.old_password')
        User = pool.get('res.user')
        user = create_user(password=PASSWORD)
        self.assertFalse(OldPassword.search([]))
        User.write([user], {'password': PASSWORD + '2'})
        User.write([user], {'password': PASSWORD})
        OldPassword.keep(user.id)
        self.assertEqual(User._get_login(user.login), (user.id, None, None))
        with self.assertRaises(PasswordError):
            User.write([user], {'password': PASSWORD})
        User.write([user], {'password': PASSWORD + '2'})
        User.write([create_user()], {'password': PASSWORD})
        with Transaction().set_user(0):
            self.assertFalse(OldPassword.holds(user.id, PASSWORD + '2'))
