# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Whether the data of patients are open to a user.

They are once the charter in force is accepted, and while the training of the
user is not too old. Orders, recalls and adverse events never wait for a
training.
"""

import datetime as dt

from trytond.cache import Cache
from trytond.i18n import gettext
from trytond.pool import Pool, PoolMeta
from trytond.transaction import Transaction, without_check_access

from . import settings, training
from .res import LEVELS
from .traced import tells_of_health


def today():
    # The date of the company asks for the groups of the user
    return dt.datetime.now(dt.UTC).date()


class User(metaclass=PoolMeta):
    __name__ = 'res.user'

    _closed_cache = Cache('res_user.closed', context=False)

    @classmethod
    def patient_data_closed(cls):
        """Return why the data of patients are closed to the current user.

        :returns: 'charter', 'training' or None when they are open. That of a
            machine account is the one of the persons who answer for it.
        """
        user = Transaction().user
        if not user:
            return
        key = (user, today())
        reason = cls._closed_cache.get(key, -1)
        if reason == -1:
            with Transaction().set_user(0), without_check_access():
                reasons = [p._closed() for p in cls._persons(user)]
            reason = next(filter(None, reasons), None)
            cls._closed_cache.set(key, reason)
        return reason

    @classmethod
    def _persons(cls, user):
        "Return who answers for what a user does."
        Application = Pool().get('res.user.application')
        owners = {
            a.owner for a in Application.search([
                    ('user', '=', user),
                    ('state', '=', 'validated'),
                    ])}
        return list(owners) or [cls(user)]

    def _closed(self):
        Charter = Pool().get('early_access.audit.charter')
        if not self.charter_accepted:
            # Data that somebody made up need no charter
            if Charter.in_force() or not settings.demonstration():
                return 'charter'
        if today() > self._trained_until() + training.grace():
            return 'training'

    def _trained_until(self):
        return self.training_until or self.create_date.date()

    @classmethod
    def _get_preferences(cls, user, context_only=False):
        preferences = super()._get_preferences(
            user, context_only=context_only)
        if not context_only and cls._charter_asked():
            # The client opens the next one when the wizard is closed
            preferences['actions'] = [
                cls._charter_action(), *(preferences.get('actions') or ())]
        return preferences

    @classmethod
    def _charter_asked(cls):
        "Whether the current user is to read the charter, or that none is."
        Charter = Pool().get('early_access.audit.charter')
        if cls.patient_data_closed() != 'charter':
            return False
        with without_check_access():
            return bool(Charter.in_force() or cls.profiles() & LEVELS)

    @classmethod
    def _charter_action(cls):
        pool = Pool()
        Action = pool.get('ir.action')
        ModelData = pool.get('ir.model.data')
        return Action.get_action_id(
            ModelData.get_id('early_access_audit', 'wizard_charter'))

    def get_status_bar(self, name):
        return ' - '.join(filter(None, [
                    super().get_status_bar(name), self.status_notice()]))

    def status_notice(self):
        "Return the most urgent of what the user must do, or None."
        return self.training_notice()

    @without_check_access
    def training_notice(self):
        "Return what tells that the user must be trained, or None."
        Lang = Pool().get('ir.lang')
        until = self._trained_until()
        if today() < until - training.notice():
            return
        closing = until + training.grace()
        if today() > closing:
            return gettext('early_access_audit.msg_training_closed')
        return gettext(
            'early_access_audit.msg_training_notice',
            date=Lang.get().strftime(closing))


class Rule(metaclass=PoolMeta):
    __name__ = 'ir.rule'

    @classmethod
    def _get_context(cls, model_name):
        User = Pool().get('res.user')
        context = super()._get_context(model_name)
        context['early_access_closed'] = User.patient_data_closed() or ''
        return context

    @classmethod
    def _get_cache_key(cls, model_names):
        User = Pool().get('res.user')
        return (
            *super()._get_cache_key(model_names), User.patient_data_closed())


class ModelFieldAccess(metaclass=PoolMeta):
    __name__ = 'ir.model.field.access'

    @classmethod
    def get_access(cls, models):
        User = Pool().get('res.user')
        access = super().get_access(models)
        health = [m for m in models if tells_of_health(m)]
        if health and User.patient_data_closed():
            # As for who has no profile
            with Transaction().set_context(_groups=()):
                access = {**access, **super().get_access(health)}
        return access
