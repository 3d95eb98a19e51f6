# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import math
import string

from zxcvbn import zxcvbn

import trytond.config as config
from trytond.i18n import gettext
from trytond.model import ModelSQL, fields
from trytond.pool import Pool, PoolMeta
from trytond.res.user import PasswordError
from trytond.transaction import Transaction, without_check_access

from . import notice, settings
from .exceptions import PasswordAccessError

# What the calculator of the CNIL counts as other characters
OTHERS = 37
# The longest that is analysed: what follows only adds to it
ANALYSED = 72
# What the client sends back for a password that it did not change
UNCHANGED = 'x' * 10
PASSWORDS = ['password', 'password_hash', 'password_reset']


def entropy(password, known=()):
    """Return how hard the password is to guess, in bits (CNIL 2022-100).

    The words, names, dates, sequences and keyboard walks that an attacker
    tries first count for their rank. What is left counts as chosen at random
    among the kinds of characters of the password, as in the recommendation.

    :param known: texts about the user, which are worth nothing.
    """
    password = password[:ANALYSED]
    if not password:
        return 0
    alphabet = math.log2(sum(
            size for characters, size in [
                (string.ascii_lowercase, 26),
                (string.ascii_uppercase, 26),
                (string.digits, 10)]
            if set(characters) & set(password))
        + (OTHERS if set(password) - set(
                string.ascii_letters + string.digits) else 0))
    analysis = zxcvbn(password, user_inputs=[k for k in known if k])
    return sum(
        len(match['token']) * alphabet if match['pattern'] == 'bruteforce'
        else math.log2(match['guesses'])
        for match in analysis['sequence'])


class User(metaclass=PoolMeta):
    __name__ = 'res.user'

    @classmethod
    def __setup__(cls):
        super().__setup__()
        if not settings.demonstration():
            cls.password.states['invisible'] = True

    @classmethod
    def _before_create(cls, vlist):
        cls._check_password(*vlist)
        return super()._before_create(vlist)

    @classmethod
    def _before_write(cls, *args):
        cls._check_password(*args[1::2])
        return super()._before_write(*args)

    @staticmethod
    def _check_password(*vlist):
        "Nobody chooses the password of another (CNIL 2022-107, SEC-AUT-4)."
        if not Transaction().check_access:
            return
        for values in vlist:
            chosen = {n for n in PASSWORDS if values.get(n)}
            if values.get('password') == UNCHANGED or settings.demonstration():
                chosen.discard('password')
            if chosen:
                raise PasswordAccessError(
                    gettext('early_access_audit.msg_password_set'))

    @classmethod
    def set_password(cls, users, name, value):
        """Set the password, and tell the users that theirs was replaced.

        Who did not ask for it learns that another did (CNIL 2022-100).
        """
        replaced = []
        if value != UNCHANGED and not settings.demonstration():
            replaced = [
                u for u in users
                # The hash is not read from the record
                if cls._get_login(u.login)[1]]
        super().set_password(users, name, value)
        for user in replaced:
            notice.send('early_access.audit.password_changed', user, [user])

    @classmethod
    def validate_password(cls, password, users):
        """Refuse a password that is too easy to guess.

        50 bits are enough beside a second factor and limited tries; 80 are
        asked of those who administer (CNIL 2022-100).
        """
        pool = Pool()
        OldPassword = pool.get('early_access.audit.old_password')
        super().validate_password(password, users)
        if settings.demonstration():
            return
        for user in users:
            bits = entropy(password, [
                    getattr(user, n, None) for n in ['name', 'login', 'email']
                    ])
            minimum = cls._password_entropy(user)
            # 12 characters of all kinds are 79.55 bits, which count as 80
            if bits < minimum - .5:
                raise PasswordError(gettext(
                        'early_access_audit.msg_password_entropy',
                        bits=int(bits), minimum=minimum))
            if user.id and OldPassword.holds(user.id, password):
                raise PasswordError(
                    gettext('early_access_audit.msg_password_compromised'))

    @classmethod
    def _password_entropy(cls, user):
        pool = Pool()
        ModelData = pool.get('ir.model.data')
        privileged = {
            ModelData.get_id(*name.split('.')) for name in [
                'res.group_admin', 'early_access.group_configuration',
                'early_access.group_security_officer']}
        groups = {g.id for g in getattr(user, 'groups', None) or []}
        if groups & privileged:
            return config.getint(
                'password', 'entropy_administrator', default=80)
        return config.getint('password', 'entropy', default=50)


class OldPassword(ModelSQL):
    """A password that was compromised, which its user must not choose again.

    Only its hash is stored, and no other password is kept.
    """
    __name__ = 'early_access.audit.old_password'

    user = fields.Many2One(
        'res.user', "User", required=True, readonly=True, ondelete='CASCADE')
    password_hash = fields.Char(
        "Password Hash", required=True, readonly=True, strip=False)

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls.__rpc__ = {}

    @classmethod
    @without_check_access
    def keep(cls, user):
        "Keep the password of the user, by id, and take it away."
        User = Pool().get('res.user')
        table = User.__table__()
        cursor = Transaction().connection.cursor()
        cursor.execute(*table.select(
                table.password_hash, where=table.id == user))
        password_hash, = cursor.fetchone()
        if password_hash:
            cls.create([{'user': user, 'password_hash': password_hash}])
        User.write([User(user)], {'password_hash': None})

    @classmethod
    @without_check_access
    def holds(cls, user, password):
        "Return whether it is an old password of the user, by id."
        User = Pool().get('res.user')
        return any(
            User.check_password(password, o.password_hash)[0]
            for o in cls.search([('user', '=', user)]))


class PasswordNotice(notice.Notice):
    "The e-mail that tells a user of a new password"
    __name__ = 'early_access.audit.password_changed'
