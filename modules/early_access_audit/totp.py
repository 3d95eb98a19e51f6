# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import base64
import binascii
import datetime as dt
import re

import pyotp

from trytond.i18n import gettext
from trytond.model import fields
from trytond.transaction import Transaction, without_check_access

from .exceptions import TokenSecretError
from .secret import SecretMixin

ISSUER = "Early Access"
# The steps of clock drift that are admitted each way (RFC 6238, 5.2)
DRIFT = 1
CODE = re.compile(r'[0-9]{6}')
# In bytes (RFC 4226, 4, R6)
MIN_SIZE = 16
MAX_SIZE = 128


def clean_code(text):
    "Return the code as it is computed, or None."
    code = re.sub(r'\s', '', text)
    return code if CODE.fullmatch(code) else None


def clean_secret(text):
    """Return the secret of a hardware token, as base32.

    :raises TokenSecretError: if it is none.
    """
    secret = re.sub(r'[\s-]', '', text).upper().rstrip('=')
    try:
        size = len(base64.b32decode(secret + '=' * (-len(secret) % 8)))
    except binascii.Error:
        size = 0
    if not MIN_SIZE <= size <= MAX_SIZE:
        raise TokenSecretError(
            gettext('early_access_audit.msg_token_secret'))
    return secret


class Totp(SecretMixin):
    """The second factor of a user: time-based one-time passwords (RFC 6238).

    It is of an application on a telephone or of an OATH hardware token. One
    that is not confirmed waits for the end of an activation.
    """
    __name__ = 'early_access.audit.totp'

    confirmed = fields.Boolean("Confirmed", readonly=True)
    last_step = fields.Integer(
        "Last Step", required=True, readonly=True,
        help="The time step of the last code that was accepted.")

    @staticmethod
    def default_last_step():
        return 0

    @classmethod
    def propose(cls, user, secret=None):
        """Create a factor that waits for its confirmation.

        :param user: the id of the user.
        :param secret: that of a hardware token as base32, or a new one.
        """
        return cls.keep(
            user, secret or pyotp.random_base32(), confirmed=False)

    @classmethod
    @without_check_access
    def of(cls, user):
        "Return the confirmed factor of the user, or None."
        if not user:
            return
        factors = cls.search([
                ('user', '=', user),
                ('confirmed', '=', True),
                ], limit=1)
        return factors[0] if factors else None

    @without_check_access
    def activate(self):
        "Become the one factor of the user."
        others = self.search([
                ('user', '=', self.user.id),
                ('id', '!=', self.id),
                ])
        self.delete(others)
        self.write([self], {'confirmed': True})

    def uri(self):
        "Return what the QR code says to the application."
        return pyotp.TOTP(self.secret()).provisioning_uri(
            name=self.user.login, issuer_name=ISSUER)

    def accept(self, code):
        """Return whether the code is right, and accept it once only.

        No code of the same time step or of one before it is accepted after
        it (RFC 6238, 5.2): one update of the row decides between those that
        come together.
        """
        code = clean_code(code)
        if code is None:
            return False
        steps = self.steps(code)
        if not steps:
            return False
        step = max(steps)
        table = self.__table__()
        cursor = Transaction().connection.cursor()
        cursor.execute(*table.update(
                [table.last_step], [step],
                where=(table.id == self.id) & (table.last_step < step)))
        return bool(cursor.rowcount)

    def steps(self, code):
        "Return the admitted time steps of which it is the code."
        totp = pyotp.TOTP(self.secret())
        now = totp.timecode(self._now())
        return [
            step for step in range(now - DRIFT, now + DRIFT + 1)
            if pyotp.utils.strings_equal(totp.generate_otp(step), code)]

    @staticmethod
    def _now():
        return dt.datetime.now(dt.UTC)
