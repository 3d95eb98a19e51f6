# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from trytond.i18n import gettext
from trytond.model import Index, ModelSQL, ModelView, Workflow, fields
from trytond.modules.early_access.national_number import NationalNumberMixin
from trytond.modules.early_access.workflow import (
    ProgrammeWorkflow, guarded, stamped, time_field, user_field)
from trytond.pool import Pool, PoolMeta
from trytond.pyson import Eval, If
from trytond.transaction import without_check_access

from . import settings
from .exceptions import PasswordFallbackAccessError, PasswordFallbackError
from .session import ending

# The authorizations that may have hospital users
STATES = ['filed', 'granted', 'suspended', 'continuity']


class PasswordFallback(
        NationalNumberMixin, ProgrammeWorkflow, ModelSQL, ModelView):
    """A gap in conformity: hospital users who come in with a password.

    They must sign in with their identity provider. Where they cannot, the
    users of some establishments come in with a password and a code, for one
    programme, until it is mended (CNIL 2022-107, SEC-AUT-2).
    """
    __name__ = 'early_access.audit.password_fallback'

    _states = {
        'readonly': Eval('id', -1) >= 0,
        }

    authorization = fields.Many2One(
        'early_access.authorization', "Authorization", required=True,
        ondelete='RESTRICT', states=_states,
        domain=[
            If(Eval('id', -1) < 0,
                ('state', 'in', STATES),
                ()),
            ])
    places = fields.Many2Many(
        'early_access.audit.password_fallback-party.party', 'fallback',
        'place', "Establishments and Pharmacies", required=True,
        states=_states,
        domain=[
            ('hospital_kind', '!=', None),
            ],
        help="Those whose users may come in with a password and a code.")
    reason = fields.Selection([
            ('no_provider', "No identity provider is connected yet"),
            ('outage', "The identity provider is out of order"),
            ('no_credential', "The professionals have no card yet"),
            ('no_number', "The professionals have no RPPS number"),
            ], "Reason", required=True, sort=False, states=_states)
    measure = fields.Char(
        "Measure", required=True, states=_states,
        help="What is done to end the gap, and until when.")
    begun_by = user_field("Begun By")
    begun_at = time_field("Begun At")
    ended_by = user_field("Ended By")
    ended_at = time_field("Ended At")
    state = fields.Selection([
            ('running', "Running"),
            ('ended', "Ended"),
            ], "State", required=True, readonly=True, sort=False)

    del _states

    _protected = frozenset({
            'state', 'begun_by', 'begun_at', 'ended_by', 'ended_at'})

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_indexes.update({
                Index(t, (t.authorization, Index.Range())),
                Index(t, (t.state, Index.Equality(cardinality='low'))),
                })
        cls._order = [('begun_at', 'DESC'), ('id', 'DESC')]
        cls._transitions.add(('running', 'ended'))
        cls._buttons.update(
            end={
                'invisible': Eval('state') != 'running',
                'depends': ['state'],
                })

    @staticmethod
    def default_state():
        return 'running'

    def get_rec_name(self, name):
        return self.authorization.rec_name

    @classmethod
    def search_rec_name(cls, name, clause):
        return [('authorization.rec_name', *clause[1:])]

    @classmethod
    @guarded('running')
    @ModelView.button
    @Workflow.transition('ended')
    @stamped('ended')
    def end(cls, fallbacks):
        "End the gap, and the sessions of who may not come in any more."

    @classmethod
    @without_check_access
    def admits(cls, user):
        """Return whether a user may come in with a password and a code.

        The users of the laboratory may. One who is linked to a professional
        must be active and of an establishment that a running fallback names.

        :param user: the id of the user.
        """
        Professional = Pool().get('early_access.professional')
        professionals = Professional.search([('user', '=', user)])
        if not professionals:
            return True
        professional, = professionals
        return professional.state == 'active' and bool(cls.search([
                    ('state', '=', 'running'),
                    ('authorization.state', 'in', STATES),
                    ('places', 'in', [p.id for p in professional.places()]),
                    ], limit=1))

    @classmethod
    @without_check_access
    def end_sessions(cls, fallbacks):
        "End the sessions of hospital users that no password opens any more."
        pool = Pool()
        Professional = pool.get('early_access.professional')
        Session = pool.get('ir.session')
        if not any('totp' in chain for chain in settings.chains()):
            return
        places = list({p.id for f in fallbacks for p in f.places})
        users = {
            p.user.id for p in Professional.search([
                    ('user', '!=', None),
                    ['OR',
                        ('services.establishment', 'in', places),
                        ('pharmacies', 'in', places),
                        ],
                    ])}
        users = [u for u in users if not cls.admits(u)]
        with ending('fallback'):
            Session.delete(Session.search([
                        ('create_uid', 'in', users),
                        ('openid_subject', '=', None),
                        ]))

    @classmethod
    def preprocess_values(cls, mode, values):
        values = super().preprocess_values(mode, values)
        if mode == 'create':
            values = {**values, **cls.stamp('begun')}
        return values

    @classmethod
    def validate_fields(cls, fallbacks, field_names):
        super().validate_fields(fallbacks, field_names)
        if field_names is None or 'authorization' in field_names:
            for fallback in fallbacks:
                if fallback.authorization.state not in STATES:
                    raise PasswordFallbackError(gettext(
                            'early_access_audit.'
                            'msg_password_fallback_ended_authorization',
                            authorization=fallback.authorization.rec_name))

    @classmethod
    def check_modification(cls, mode, fallbacks, values=None, external=False):
        super().check_modification(
            mode, fallbacks, values=values, external=external)
        if mode == 'delete' or mode == 'write' and external:
            for fallback in fallbacks:
                raise PasswordFallbackAccessError(gettext(
                        'early_access_audit.msg_password_fallback_modify',
                        fallback=fallback.rec_name))

    @classmethod
    def on_modification(cls, mode, fallbacks, field_names=None):
        super().on_modification(mode, fallbacks, field_names=field_names)
        if mode == 'write' and 'state' in field_names:
            cls.end_sessions(fallbacks)

    @classmethod
    def copy(cls, fallbacks, default=None):
        default = default.copy() if default is not None else {}
        for name in cls._protected:
            default.setdefault(name, cls._default(name))
        return super().copy(fallbacks, default=default)


class PasswordFallbackPlace(ModelSQL):
    __name__ = 'early_access.audit.password_fallback-party.party'

    fallback = fields.Many2One(
        'early_access.audit.password_fallback', "Password Fallback",
        required=True, ondelete='CASCADE')
    place = fields.Many2One(
        'party.party', "Establishment or Pharmacy", required=True,
        ondelete='RESTRICT')

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls.__access__.add('fallback')


class Authorization(metaclass=PoolMeta):
    __name__ = 'early_access.authorization'

    password_fallback = fields.Function(
        fields.Boolean(
            "Conformity Gap: Password Fallback",
            states={
                'invisible': ~Eval('password_fallback'),
                },
            help="Hospital users come in without their identity provider."),
        'get_password_fallback', searcher='search_password_fallback')
    password_fallbacks = fields.One2Many(
        'early_access.audit.password_fallback', 'authorization',
        "Password Fallbacks", readonly=True)

    @classmethod
    @without_check_access
    def get_password_fallback(cls, authorizations, name):
        Fallback = Pool().get('early_access.audit.password_fallback')
        result = {a.id: False for a in authorizations}
        for fallback in Fallback.search([
                    ('authorization', 'in', list(result)),
                    ('state', '=', 'running'),
                    ], order=[]):
            result[fallback.authorization.id] = True
        return result

    @classmethod
    def search_password_fallback(cls, name, clause):
        _, operator, value = clause
        if operator not in {'=', '!='}:
            raise NotImplementedError(operator)
        found = bool(value) == (operator == '=')
        return [('password_fallbacks', 'where' if found else 'not where',
                [('state', '=', 'running')])]

    @classmethod
    def copy(cls, authorizations, default=None):
        default = default.copy() if default is not None else {}
        default.setdefault('password_fallbacks')
        return super().copy(authorizations, default=default)
