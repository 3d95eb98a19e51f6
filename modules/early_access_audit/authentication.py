# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import functools
import secrets

from trytond.exceptions import LoginException
from trytond.i18n import gettext
from trytond.pool import Pool, PoolMeta
from trytond.transaction import Transaction

from . import settings
from .recovery_code import clean_recovery_code
from .trail import Trail


@functools.cache
def dummy_hash():
    "Return a hash that no password matches, as slow to verify as others."
    User = Pool().get('res.user')
    return User.hash_password(secrets.token_urlsafe())


class User(metaclass=PoolMeta):
    __name__ = 'res.user'

    @classmethod
    def __post_setup__(cls):
        super().__post_setup__()
        settings.check_or_exit()

    @classmethod
    def get_login(cls, login, parameters):
        """Return the id of the user who passes all the methods of a chain.

        It replaces the one of Tryton, which counts a try only once it failed,
        puts the thread to sleep, and skips the methods that have options.
        All the factors are asked before any is verified: whoever guesses a
        password is not told that it is right.

        :raises LoginException: to ask the client a factor.
        :raises RateLimitException: after too many tries.
        """
        pool = Pool()
        Fallback = pool.get('early_access.audit.password_fallback')
        Throttle = pool.get('early_access.audit.throttle')
        chains = settings.chains()
        # What else the clients send, such as the cookie of a device
        parameters = {
            method: parameters[method] for chain in chains for method in chain
            if parameters.get(method) is not None}
        if not all(isinstance(v, str) for v in [login, *parameters.values()]):
            return
        # PostgreSQL stores no such character
        login = login.replace('\0', '')
        chain = next(
            (c for c in chains if set(c) <= parameters.keys()), chains[0])
        for method in chain:
            if method not in parameters:
                getattr(cls, f'_login_{method}')(login, {})
        # The key of a machine is not guessed, and it comes in often
        try_ = Throttle.admit_login(None if chain == ('key',) else login)
        user_id, failed = None, None
        for method in chain:
            id_ = getattr(cls, f'_login_{method}')(login, parameters)
            if not id_ or user_id not in {None, id_}:
                user_id, failed = None, method
                break
            user_id = id_
        if user_id and 'totp' in chain and not Fallback.admits(user_id):
            user_id, failed = None, 'fallback'
        if failed:
            known, _, _ = cls._get_login(login)
            ids = [known] if known else []
            trail = Trail.current()
            trail.add('login_failed', 'res.user', ids, reason=failed)
            for kind in try_.blocked:
                trail.add('login_blocked', 'res.user', ids, reason=kind)
            return
        Throttle.succeed(try_)
        # From now on it is known who acts
        with Transaction().set_user(user_id):
            Trail.current().add(
                'login', 'res.user', [user_id], reason=cls._proof(
                    chain, parameters))
        return user_id

    @staticmethod
    def _proof(chain, parameters):
        "Return how the user came in, as text."
        names = list(chain)
        if 'totp' in names and clean_recovery_code(parameters['totp']):
            names[names.index('totp')] = 'recovery'
        return '+'.join(names)

    @classmethod
    def _get_login(cls, login):
        # The password that Tryton resets is in clear in the database
        user_id, password_hash, _ = super()._get_login(login)
        return user_id, password_hash, None

    @classmethod
    def _login_password(cls, login, parameters):
        if 'password' not in parameters and settings.demonstration():
            raise LoginException(
                'password',
                gettext(
                    'early_access_audit.msg_login_demonstration', login=login),
                type='password')
        user_id = super()._login_password(login, parameters)
        if not user_id:
            # To take as long whether there is such a user or not
            known, password_hash, _ = cls._get_login(login)
            if not (known and password_hash):
                cls.check_password(parameters['password'], dummy_hash())
        return user_id

    @classmethod
    def _login_totp(cls, login, parameters):
        """Ask a code of the second factor (CNIL 2022-107, SEC-AUT-2).

        It is of an application or a token (RFC 6238), or a recovery code.
        """
        pool = Pool()
        RecoveryCode = pool.get('early_access.audit.recovery_code')
        Totp = pool.get('early_access.audit.totp')
        if 'totp' not in parameters:
            raise LoginException(
                'totp', gettext('early_access_audit.msg_login_totp'),
                type='char')
        user_id, _, _ = cls._get_login(login)
        totp = Totp.of(user_id)
        if not totp:
            return
        code = parameters['totp']
        if totp.accept(code) or RecoveryCode.accept(user_id, code):
            return user_id
