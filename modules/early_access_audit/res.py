# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from trytond.pool import PoolMeta
from trytond.transaction import Transaction

from . import routes  # noqa: F401

# What groups give beside the profile
LEVELS = frozenset({'health_data', 'identity_data'})


class User(metaclass=PoolMeta):
    __name__ = 'res.user'

    @classmethod
    def audit_identity(cls):
        "Return the login of the current user and the roles in use, as text."
        user = cls(Transaction().user)
        return user.login, ','.join(sorted(cls.profiles() - LEVELS)) or None
