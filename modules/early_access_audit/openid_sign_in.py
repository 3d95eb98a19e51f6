# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import base64
import datetime as dt
import hashlib
import secrets

from trytond.model import Index, ModelSQL, Unique, fields
from trytond.transaction import Transaction, without_check_access

# How long the user has to sign in at the provider, then to choose
LIFE = {
    'provider': dt.timedelta(minutes=10),
    'choice': dt.timedelta(minutes=5),
    }


def digest(*texts):
    return hashlib.sha256('\0'.join(texts).encode()).hexdigest()


def derive(secret, state, use):
    """Return what only the browser that holds the secret lets make again.

    :returns: 43 characters, enough for a code verifier (RFC 7636).
    """
    hashed = hashlib.sha256('\0'.join([use, state, secret]).encode()).digest()
    return base64.urlsafe_b64encode(hashed).rstrip(b'=').decode()


class SignIn(ModelSQL):
    """A sign-in that is under way, in one browser.

    The browser keeps a secret in a cookie, from which the nonce and the
    verifier of the code are derived. Here are hashes only. It is deleted when
    it is used: whoever comes back with the same state finds nothing.
    """
    __name__ = 'early_access.audit.openid.sign_in'

    step = fields.Selection([
            ('provider', "At the Provider"),
            ('choice', "Choice of the Activity"),
            ], "Step", required=True, readonly=True)
    state = fields.Char("State", required=True, readonly=True)
    browser = fields.Char("Browser", required=True, readonly=True)
    expires = fields.Timestamp("Expires", required=True, readonly=True)
    next = fields.Char("Next", readonly=True)
    renew = fields.Integer("Renew", readonly=True)
    professional = fields.Many2One(
        'early_access.professional', "Professional", readonly=True,
        ondelete='CASCADE')
    places = fields.Char("Places", readonly=True)
    subject = fields.Char("Subject", readonly=True)
    provider_session = fields.Char("Session at the Provider", readonly=True)

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls.__rpc__ = {}
        t = cls.__table__()
        cls._sql_constraints += [
            ('state_unique', Unique(t, t.state),
                'early_access_audit.msg_openid_state_unique'),
            ]
        cls._sql_indexes.update({
                Index(t, (t.browser, Index.Equality())),
                Index(t, (t.expires, Index.Range())),
                })

    @classmethod
    @without_check_access
    def begin(cls, step, browser, **values):
        """Keep a sign-in.

        :param browser: the secret of the browser.
        :returns: its state, which nobody guesses.
        """
        state = secrets.token_urlsafe(32)
        cls.create([{
                    **values,
                    'step': step,
                    'state': digest(state),
                    'browser': digest(browser),
                    'expires': dt.datetime.now() + LIFE[step],
                    }])
        return state

    @classmethod
    @without_check_access
    def waiting(cls, browser):
        "Return the last choice that the browser is asked, or None."
        records = cls.search([
                ('step', '=', 'choice'),
                ('browser', '=', digest(browser)),
                ('expires', '>', dt.datetime.now()),
                ], order=[('id', 'DESC')], limit=1)
        return records[0] if records else None

    @classmethod
    @without_check_access
    def find(cls, state, browser):
        "Return what waits for the user at the provider, or None."
        records = cls.search([
                ('step', '=', 'provider'),
                ('state', '=', digest(state)),
                ('browser', '=', digest(browser)),
                ('expires', '>', dt.datetime.now()),
                ])
        return records[0] if records else None

    def take(self):
        """Return whether nobody took it before: now it is.

        Of two transactions one only deletes the row.
        """
        table = self.__table__()
        cursor = Transaction().connection.cursor()
        cursor.execute(*table.delete(where=table.id == self.id))
        return bool(cursor.rowcount)

    @property
    def place_ids(self):
        return [int(i) for i in (self.places or '').split()]

    @classmethod
    @without_check_access
    def forget(cls, domain):
        "Forget the choices of who signed out at the provider."
        cls.delete(cls.search([('step', '=', 'choice'), domain]))

    @classmethod
    def clean(cls):
        "Forget those that nobody finished, called by a cron."
        cls.delete(cls.search([('expires', '<', dt.datetime.now())]))
