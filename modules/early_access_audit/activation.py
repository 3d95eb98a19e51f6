# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import datetime as dt
import hashlib
import hmac
import secrets

from sql import Null

import trytond.config as config
from trytond.i18n import gettext
from trytond.model import (
    Index, ModelSQL, ModelView, Unique, dualmethod, fields)
from trytond.pool import Pool, PoolMeta
from trytond.pyson import Eval
from trytond.report import Report, get_email
from trytond.res.user import _send_email
from trytond.tools import grouped_slice
from trytond.transaction import Transaction, without_check_access
from trytond.url import http_host
from trytond.wizard import Button, StateView, Wizard

from . import settings
from .exceptions import ActivationError
from .recovery_code import ALPHABET
from .totp import clean_secret
from .trail import Trail

PATH = 'early_access/activation'
# How long a link works (CNIL 2022-100)
DAY = dt.timedelta(days=1)
# How long the next link that a user asks waits
INTERVAL = dt.timedelta(minutes=15)
MAX_FAILURES = 5
# 40 bits: enough for five tries of who holds the link too
SIZE = 8
GROUP = 4
SIZE_LOGIN = 512


def digest(*secrets):
    return hashlib.sha256(':'.join(secrets).encode()).hexdigest()


def clean_code(text):
    "Return the activation code as it was made."
    return ''.join(c for c in text.upper() if c.isalnum())


class Activation(ModelSQL):
    """A link by which a user sets a password, once and within a day.

    The link of an activation comes with a code that is given by another
    channel, and sets the second factor too. The one of a reset asks a code of
    the second factor, which it never changes. Neither the link nor the code is
    stored, but their hashes.
    """
    __name__ = 'early_access.audit.activation'

    user = fields.Many2One(
        'res.user', "User", required=True, readonly=True, ondelete='CASCADE')
    kind = fields.Selection([
            ('activation', "Activation"),
            ('reset', "Reset of the Password"),
            ], "Kind", required=True, readonly=True)
    token_digest = fields.Char("Link", required=True, readonly=True)
    code_digest = fields.Char("Code", readonly=True)
    totp = fields.Many2One(
        'early_access.audit.totp', "Second Factor", readonly=True,
        ondelete='CASCADE')
    hardware = fields.Boolean("Hardware Token", readonly=True)
    expires = fields.Timestamp("Expires", required=True, readonly=True)
    used = fields.Timestamp("Used", readonly=True)
    failures = fields.Integer("Failures", required=True, readonly=True)

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls.__rpc__ = {}
        t = cls.__table__()
        cls._sql_constraints += [
            ('token_unique', Unique(t, t.token_digest),
                'early_access_audit.msg_activation_unique'),
            ]
        cls._sql_indexes.add(Index(t, (t.user, Index.Range())))

    @staticmethod
    def default_failures():
        return 0

    @classmethod
    @without_check_access
    def prepare(cls, user, secret=None):
        """Make a link to activate the account of a user.

        The links that were made before stop working.

        :param user: the record of the user.
        :param secret: that of a hardware token, as base32.
        :returns: the address of the link, and the code to give by another
            channel.
        """
        Totp = Pool().get('early_access.audit.totp')
        if secret:
            secret = clean_secret(secret)
        cls.forget(user.id)
        code = ''.join(secrets.choice(ALPHABET) for _ in range(SIZE))
        token = cls._new(
            user, 'activation', code, hardware=bool(secret),
            totp=Totp.propose(user.id, secret).id)
        Trail.current().add(
            'activation', 'res.user', [user.id], reason='invited')
        return cls.address(token), '-'.join(
            code[i:i + GROUP] for i in range(0, SIZE, GROUP))

    @classmethod
    def invite(cls, user, secret=None):
        """Send a link to activate the account of a user.

        :returns: the code, which is not in the e-mail.
        """
        address, code = cls.prepare(user, secret)
        cls._send(user, 'activation', address)
        return code

    @classmethod
    @without_check_access
    def invite_reset(cls, user):
        "Send a link to choose another password."
        cls.forget(user.id)
        token = cls._new(user, 'reset')
        cls._send(user, 'reset', cls.address(token))
        Trail.current().add(
            'activation', 'res.user', [user.id], reason='reset asked')

    @classmethod
    def _new(cls, user, kind, code=None, **values):
        token = secrets.token_urlsafe(32)
        cls.create([{
                    **values,
                    'user': user.id,
                    'kind': kind,
                    'token_digest': digest(token),
                    'code_digest': digest(token, code) if code else None,
                    'expires': dt.datetime.now() + DAY,
                    }])
        return token

    @staticmethod
    def address(token):
        host = config.get('early_access', 'activation_url') or http_host()
        database = Transaction().database.name
        return f'{host}/{database}/{PATH}#{token}'

    @staticmethod
    def _send(user, kind, address):
        if not user.email:
            raise ActivationError(gettext(
                    'early_access_audit.msg_activation_email',
                    user=user.rec_name))
        with Transaction().set_context(
                activation_kind=kind, activation_url=address):
            _send_email(None, [user], lambda user: get_email(
                    'early_access.audit.activation.email', user,
                    user.languages))

    @classmethod
    def forget(cls, user):
        "Make the links of the user, by id, stop working."
        Totp = Pool().get('early_access.audit.totp')
        cls.delete(cls.search([('user', '=', user)]))
        Totp.delete(Totp.search([
                    ('user', '=', user), ('confirmed', '!=', True)]))

    @classmethod
    def find(cls, token, counted=False):
        """Return the link that still works, or None.

        :param counted: whether the try that asks it counts already.
        """
        links = cls.search([
                ('token_digest', '=', digest(token)),
                ('used', '=', None),
                ('expires', '>', dt.datetime.now()),
                ('failures', '<=' if counted else '<', MAX_FAILURES),
                ('user.active', '=', True),
                ])
        return links[0] if links else None

    def count_failure(self):
        "Count a try as a failure until it is given back."
        table = self.__table__()
        Transaction().connection.cursor().execute(*table.update(
                [table.failures], [table.failures + 1],
                where=table.id == self.id))

    @classmethod
    def give_back(cls, token):
        "Give back a try of the link, which was no guess."
        table = cls.__table__()
        Transaction().connection.cursor().execute(*table.update(
                [table.failures], [table.failures - 1],
                where=table.token_digest == digest(token)))

    def is_code(self, token, code):
        return hmac.compare_digest(
            self.code_digest or '', digest(token, clean_code(code)))

    def use(self):
        "Return whether the link was not used yet: it is now."
        table = self.__table__()
        cursor = Transaction().connection.cursor()
        cursor.execute(*table.update(
                [table.used], [dt.datetime.now()],
                where=(table.id == self.id) & (table.used == Null)))
        return bool(cursor.rowcount)

    @classmethod
    def clean(cls):
        "Forget the links that work no more, called by a cron."
        Totp = Pool().get('early_access.audit.totp')
        links = cls.search([('expires', '<', dt.datetime.now())])
        totps = [li.totp for li in links if li.totp and not li.totp.confirmed]
        cls.delete(links)
        Totp.delete(totps)


class ResetRequest(ModelSQL):
    """A login for which a reset of the password was asked before any login.

    It is kept whether there is such a user or not, for the answer to be the
    same and as quick. A cron sends the links.
    """
    __name__ = 'early_access.audit.reset_request'

    login = fields.Char("Login", readonly=True, strip=False)

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls.__rpc__ = {}

    @classmethod
    def ask(cls, login):
        """Note a login, which may be anything.

        :raises RateLimitException: when the network asks too often.
        """
        Throttle = Pool().get('early_access.audit.throttle')
        Throttle.admit('reset')
        if isinstance(login, str):
            cls.create([{'login': login.replace('\0', '')[:SIZE_LOGIN]}])

    @classmethod
    def send(cls):
        "Send the links that were asked, called by a cron."
        pool = Pool()
        Activation = pool.get('early_access.audit.activation')
        User = pool.get('res.user')
        requests = cls.search([])
        for logins in grouped_slice({r.login for r in requests}):
            for user in User.search([
                        ('login', 'in', list(logins)),
                        ('email', 'not in', [None, '']),
                        ]):
                recent = Activation.search([
                        ('user', '=', user.id),
                        ('create_date', '>', dt.datetime.now() - INTERVAL),
                        ], limit=1)
                # Nobody stops an activation that an administrator began
                began = Activation.search([
                        ('user', '=', user.id),
                        ('kind', '=', 'activation'),
                        ('used', '=', None),
                        ('expires', '>', dt.datetime.now()),
                        ], limit=1)
                if user.may_reset_password() and not (recent or began):
                    Activation.invite_reset(user)
        cls.delete(requests)


class User(metaclass=PoolMeta):
    __name__ = 'res.user'

    second_factor = fields.Function(fields.Selection([
                ('none', "None"),
                ('invited', "Invited"),
                ('active', "Active"),
                ], "Second Factor", sort=False), 'get_second_factor')

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls._buttons.update(
            invite={
                'invisible': ~Eval('active', True) | ~Eval('email'),
                'depends': ['active', 'email'],
                },
            compromise_password={
                'invisible': (Eval('second_factor') != 'active'),
                'depends': ['second_factor'],
                })

    @classmethod
    @without_check_access
    def get_second_factor(cls, users, name):
        pool = Pool()
        Activation = pool.get('early_access.audit.activation')
        Totp = pool.get('early_access.audit.totp')
        ids = [u.id for u in users]
        result = dict.fromkeys(ids, 'none')
        for link in Activation.search([
                    ('user', 'in', ids),
                    ('kind', '=', 'activation'),
                    ('used', '=', None),
                    ('expires', '>', dt.datetime.now()),
                    ]):
            result[link.user.id] = 'invited'
        for totp in Totp.search([
                    ('user', 'in', ids), ('confirmed', '=', True)]):
            result[totp.user.id] = 'active'
        return result

    def may_reset_password(self):
        "Return whether the user has what a link to reset asks."
        return (
            self.second_factor == 'active' or settings.demonstration())

    @classmethod
    @ModelView.button_action('early_access_audit.wizard_invite')
    def invite(cls, users):
        pass

    @dualmethod
    @ModelView.button
    def reset_password(cls, users, length=8, from_=None):
        """Send the users a link, and no password.

        It never resets the second factor.
        """
        Activation = Pool().get('early_access.audit.activation')
        for user in users:
            if not user.may_reset_password():
                raise ActivationError(gettext(
                        'early_access_audit.msg_reset_not_active',
                        user=user.rec_name))
            Activation.invite_reset(user)

    @classmethod
    @ModelView.button
    def compromise_password(cls, users):
        "Take away passwords that others may know, for ever."
        pool = Pool()
        Activation = pool.get('early_access.audit.activation')
        OldPassword = pool.get('early_access.audit.old_password')
        for user in users:
            OldPassword.keep(user.id)
            Activation.invite_reset(user)
        cls.end_sessions([u.id for u in users], 'compromised')


class InviteStart(ModelView):
    __name__ = 'early_access.audit.invite.start'

    user = fields.Many2One('res.user', "User", readonly=True)
    secret = fields.Char(
        "Secret of the Token", strip=False,
        help="The secret of a hardware token (OATH, TOTP), in base32.\n"
        "Leave empty for a telephone.")


class InviteResult(ModelView):
    __name__ = 'early_access.audit.invite.result'

    user = fields.Many2One('res.user', "User", readonly=True)
    email = fields.Char("E-mail", readonly=True)
    code = fields.Char(
        "Activation Code", readonly=True,
        help="It is shown once. Give it by telephone or by hand, never in an "
        "e-mail.")


class Invite(Wizard):
    "Invite a User to Activate the Account"
    __name__ = 'early_access.audit.invite'

    start = StateView(
        'early_access.audit.invite.start',
        'early_access_audit.invite_start_view_form', [
            Button("Cancel", 'end', 'tryton-cancel'),
            Button("Send the Link", 'result', 'tryton-ok', default=True),
            ])
    result = StateView(
        'early_access.audit.invite.result',
        'early_access_audit.invite_result_view_form', [
            Button("Close", 'end', 'tryton-close', default=True),
            ])

    def default_start(self, fields):
        return {'user': self.record.id}

    def default_result(self, fields):
        Activation = Pool().get('early_access.audit.activation')
        secret = getattr(self.start, 'secret', None)
        # It does not stay in what the wizard keeps
        self.start.secret = None
        return {
            'user': self.record.id,
            'email': self.record.email,
            'code': Activation.invite(self.record, secret),
            }


class ActivationEmail(Report):
    "The e-mail that holds a link, and nothing else that is secret"
    __name__ = 'early_access.audit.activation.email'

    @classmethod
    def get_context(cls, records, header, data):
        context = super().get_context(records, header, data)
        context['url'] = Transaction().context.get('activation_url')
        context['kind'] = Transaction().context.get('activation_kind')
        return context
