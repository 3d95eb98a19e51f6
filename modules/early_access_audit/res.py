# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from trytond.cache import Cache
from trytond.pool import PoolMeta
from trytond.transaction import Transaction

from . import routes  # noqa: F401

# What groups give beside the profile
LEVELS = frozenset({'health_data', 'identity_data'})


class User(metaclass=PoolMeta):
    __name__ = 'res.user'

    _audit_login_cache = Cache('res_user.audit_login', context=False)

    @classmethod
    def audit_identity(cls):
        "Return the login of the current user and the roles in use, as text."
        user = Transaction().user
        login = cls._audit_login_cache.get(user)
        if login is None:
            login = cls._audit_login_cache.set(user, cls(user).login)
        return login, ','.join(sorted(cls.profiles() - LEVELS)) or None

    @classmethod
    def on_modification(cls, mode, users, field_names=None):
        super().on_modification(mode, users, field_names=field_names)
        if field_names is None or 'login' in field_names:
            cls._audit_login_cache.clear()
