# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from trytond.cache import Cache
from trytond.i18n import gettext
from trytond.model import Index, ModelSQL, ModelView, fields
from trytond.pool import Pool, PoolMeta
from trytond.pyson import Eval, If
from trytond.transaction import Transaction, without_check_access

from .exceptions import PreferencesError

HOSPITAL_PROFILES = (
    'prescriber', 'hospital_pharmacist', 'hospital_staff',
    'establishment_referent')
# The work places that open at login, unless the user chose others
HOME_ACTIONS = {
    'supply': ['act_order_desk'],
    'prescriber': ['act_patient_form'],
    'hospital_staff': ['act_patient_form'],
    'hospital_pharmacist': ['act_patient_form', 'act_order_form'],
    'pharmacist_in_charge': ['act_patient_desk'],
    'delegate': ['act_patient_desk'],
    'regulatory_affairs': ['act_authorization_form'],
    'market_access': ['act_authorization_form'],
    'pharmacovigilance': ['act_form_form'],
    'medical_affairs': ['act_form_form'],
    'data_manager': ['act_form_form'],
    'configuration': ['act_professional_form'],
    }


class User(metaclass=PoolMeta):
    __name__ = 'res.user'

    _harmless_preferences = frozenset({
            'language', 'language_direction', 'signature', 'menu',
            'pyson_menu', 'actions', 'status_bar', 'avatar', 'notifications',
            'company', 'company_filter', 'employee'})
    _hospital_scope_cache = Cache('res_user.hospital_scope', context=False)
    _profile_cache = Cache('res_user.early_access_profiles', context=False)
    _delegate_groups_cache = Cache('res_user.delegate_groups', context=False)

    @classmethod
    def get_groups(cls):
        """The groups of the current user.

        A delegate or interim of the pharmacist in charge has the rights of
        the profile between the dates of a delegation only (CNIL 2022-107,
        art. 8.2).
        """
        pool = Pool()
        Date = pool.get('ir.date')
        Delegation = pool.get('early_access.delegation')
        ModelData = pool.get('ir.model.data')
        groups = super().get_groups()
        try:
            delegate = ModelData.get_id('early_access', 'group_delegate')
        except KeyError:
            # The module is being activated
            return groups
        if delegate not in groups:
            return groups
        user = Transaction().user
        # To read the time zone of the company asks for the groups again
        with Transaction().set_user(0):
            key = (user, Date.today(), groups)
            result = cls._delegate_groups_cache.get(key)
            if result is None:
                result = groups
                if not Delegation.running(user):
                    result = cls._groups_without(user, delegate)
                cls._delegate_groups_cache.set(key, result)
        return result

    @classmethod
    @without_check_access
    def _groups_without(cls, user, excluded):
        "The groups of the user, with their parents, without one of them."
        groups = set()
        for group in cls(user).groups:
            while group and group.id != excluded and group.active:
                groups.add(group.id)
                group = group.parent
        return tuple(sorted(groups))

    @classmethod
    def profiles(cls):
        """The names of the profiles of the current user.

        A running delegate has the one of the pharmacist in charge too.
        """
        pool = Pool()
        ModelData = pool.get('ir.model.data')
        groups = set(cls.get_groups())
        by_group = cls._profile_cache.get('profiles')
        if by_group is None:
            with without_check_access():
                by_group = {
                    d.db_id: d.fs_id[len('group_'):]
                    for d in ModelData.search([
                            ('module', '=', 'early_access'),
                            ('model', '=', 'res.group'),
                            ])}
            cls._profile_cache.set('profiles', by_group)
        profiles = {by_group[g] for g in groups if g in by_group}
        if 'delegate' in profiles:
            profiles.add('pharmacist_in_charge')
        return profiles

    @classmethod
    def has_profile(cls, *names):
        return bool(cls.profiles().intersection(names))

    @classmethod
    def early_access_professional(cls):
        "The active professional of the current user or None."
        pool = Pool()
        Professional = pool.get('early_access.professional')
        with without_check_access():
            professionals = Professional.search([
                    ('user', '=', Transaction().user),
                    ('state', '=', 'active'),
                    ], limit=1)
        return professionals[0] if professionals else None

    @classmethod
    def hospital_scope(cls):
        """What the current user may see of the hospitals.

        Returns None for a user of the laboratory, otherwise the ids of the
        services, of the pharmacies and of the establishments of the
        professional. A hospital user without an active professional has an
        empty scope: nothing is seen.
        """
        pool = Pool()
        ModelData = pool.get('ir.model.data')
        Professional = pool.get('early_access.professional')
        user = Transaction().user
        if not user:
            return None
        groups = cls.get_groups()
        key = (user, groups)
        scope = cls._hospital_scope_cache.get(key, -1)
        if scope != -1:
            return scope
        with without_check_access():
            hospital = {
                ModelData.get_id('early_access', f'group_{name}')
                for name in HOSPITAL_PROFILES}
            professionals = Professional.search([('user', '=', user)])
            if not professionals and not hospital.intersection(groups):
                scope = None
            else:
                active = [p for p in professionals if p.state == 'active']
                scope = (
                    tuple(s.id for p in active for s in p.services),
                    tuple(f.id for p in active for f in p.pharmacies),
                    tuple({
                            s.establishment.id
                            for p in active for s in p.services}))
        cls._hospital_scope_cache.set(key, scope)
        return scope

    @classmethod
    def _get_preferences(cls, user, context_only=False):
        preferences = super()._get_preferences(
            user, context_only=context_only)
        if not context_only and not preferences.get('actions'):
            preferences['actions'] = cls._home_actions()
        return preferences

    @classmethod
    def _home_actions(cls):
        pool = Pool()
        Action = pool.get('ir.action')
        ModelData = pool.get('ir.model.data')
        profiles = cls.profiles()
        actions = dict.fromkeys(
            action for profile, actions in HOME_ACTIONS.items()
            if profile in profiles for action in actions)
        return [
            Action.get_action_id(ModelData.get_id('early_access', action))
            for action in actions]

    @classmethod
    def set_preferences(cls, values):
        refused = sorted(values.keys() - cls._harmless_preferences)
        if refused:
            raise PreferencesError(gettext(
                    'early_access.msg_preferences_refused',
                    fields=', '.join(refused)))
        super().set_preferences(values)

    @classmethod
    def get_preferences_fields_view(cls):
        view = super().get_preferences_fields_view()
        for name, definition in view['fields'].items():
            if name not in cls._harmless_preferences:
                definition['readonly'] = True
        return view

    @classmethod
    def on_modification(cls, mode, users, field_names=None):
        super().on_modification(mode, users, field_names=field_names)
        cls._hospital_scope_cache.clear()
        cls._delegate_groups_cache.clear()


class Rule(metaclass=PoolMeta):
    __name__ = 'ir.rule'

    @classmethod
    def _get_context(cls, model_name):
        pool = Pool()
        User = pool.get('res.user')
        context = super()._get_context(model_name)
        scope = User.hospital_scope()
        services, pharmacies, establishments = scope or ((), (), ())
        context['early_access_hospital'] = scope is not None
        context['early_access_services'] = list(services)
        context['early_access_pharmacies'] = list(pharmacies)
        context['early_access_establishments'] = list(establishments)
        return context

    @classmethod
    def _get_cache_key(cls, model_names):
        pool = Pool()
        User = pool.get('res.user')
        key = super()._get_cache_key(model_names)
        return (*key, User.hospital_scope())


class Delegation(ModelSQL, ModelView):
    "A delegation or interim of the pharmacist in charge, between two dates"
    __name__ = 'early_access.delegation'

    company = fields.Many2One(
        'company.company', "Company", required=True, ondelete='CASCADE')
    user = fields.Many2One(
        'res.user', "User", required=True, ondelete='CASCADE')
    kind = fields.Selection([
            ('delegate', "Delegate"),
            ('interim', "Interim"),
            ], "Kind", required=True, sort=False)
    from_date = fields.Date(
        "From Date", required=True,
        domain=[
            If(Eval('from_date') & Eval('to_date'),
                ('from_date', '<=', Eval('to_date', None)),
                ()),
            ])
    to_date = fields.Date(
        "To Date", required=True,
        domain=[
            If(Eval('from_date') & Eval('to_date'),
                ('to_date', '>=', Eval('from_date', None)),
                ()),
            ])

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_indexes.add(
            Index(t, (t.user, Index.Equality()), (t.to_date, Index.Range())))
        cls._order.insert(0, ('to_date', 'DESC'))

    @staticmethod
    def default_company():
        return Transaction().context.get('company')

    @staticmethod
    def default_kind():
        return 'delegate'

    @classmethod
    @without_check_access
    def running(cls, user):
        pool = Pool()
        Date = pool.get('ir.date')
        today = Date.today()
        return bool(cls.search([
                    ('user', '=', user),
                    ('from_date', '<=', today),
                    ('to_date', '>=', today),
                    ], limit=1))

    def get_rec_name(self, name):
        return self.user.rec_name

    @classmethod
    def on_modification(cls, mode, delegations, field_names=None):
        pool = Pool()
        User = pool.get('res.user')
        super().on_modification(mode, delegations, field_names=field_names)
        User._delegate_groups_cache.clear()
