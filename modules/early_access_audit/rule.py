# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from trytond.pool import PoolMeta
from trytond.transaction import Transaction

# The models whose rules name the current user
OF_USER = frozenset({
        'res.user.role',
        'early_access.audit.emergency_access',
        'early_access.audit.access_review.line',
        })


class Rule(metaclass=PoolMeta):
    __name__ = 'ir.rule'

    @classmethod
    def _get_context(cls, model_name):
        context = super()._get_context(model_name)
        if model_name in OF_USER:
            context['user_id'] = Transaction().user
        return context

    @classmethod
    def _get_cache_key(cls, model_names):
        key = super()._get_cache_key(model_names)
        if OF_USER & set(model_names):
            key = (*key, Transaction().user)
        return key
