# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from sql.operators import Equal

from trytond.i18n import gettext
from trytond.model import (
    Exclude, Index, ModelSQL, ModelView, Unique, Workflow, fields)
from trytond.modules.early_access.workflow import (
    ProgrammeWorkflow, guarded, stamped, time_field, user_field)
from trytond.pool import Pool, PoolMeta
from trytond.pyson import Eval
from trytond.tools import grouped_slice
from trytond.transaction import Transaction, without_check_access
from trytond.wizard import Button, StateTransition, StateView, Wizard

from .exceptions import CharterAccessError, CharterError


class Charter(ProgrammeWorkflow, ModelSQL, ModelView):
    """A version of what users accept before they open data of patients.

    It holds the charter of confidentiality (CNIL 2022-107, SEC-SEN-2) and the
    notice that what users do is kept in the trail (SEC-JOU-2).
    """
    __name__ = 'early_access.audit.charter'
    _rec_name = 'version'

    _states = {
        'readonly': Eval('state') != 'draft',
        }
    version = fields.Char("Version", required=True, states=_states)
    charter = fields.Text(
        "Charter of Confidentiality", required=True, translate=True,
        states=_states)
    logging_notice = fields.Text(
        "Notice on the Trail", required=True, translate=True, states=_states,
        help="What of the work of the users is kept, for how long, why, and "
        "who reads it.")
    acceptances = fields.One2Many(
        'early_access.audit.charter.acceptance', 'charter', "Acceptances",
        readonly=True)
    published_by = user_field("Published By")
    published_at = time_field("Published At")
    state = fields.Selection([
            ('draft', "Draft"),
            ('published', "Published"),
            ('superseded', "Superseded"),
            ], "State", required=True, readonly=True, sort=False)

    del _states

    _protected = frozenset({'state', 'published_by', 'published_at'})

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_constraints += [
            ('version_unique', Unique(t, t.version),
                'early_access_audit.msg_charter_version_unique'),
            ('published_unique',
                Exclude(
                    t, (t.state, Equal), where=(t.state == 'published')),
                'early_access_audit.msg_charter_published_unique'),
            ]
        cls._order = [('published_at', 'DESC NULLS FIRST'), ('id', 'DESC')]
        cls._transitions |= {
            ('draft', 'published'),
            ('published', 'superseded'),
            }
        cls._buttons.update(
            publish={
                'invisible': Eval('state') != 'draft',
                'depends': ['state'],
                },
            )

    @staticmethod
    def default_state():
        return 'draft'

    @classmethod
    def in_force(cls):
        "Return the version that is to be accepted now, or None."
        charters = cls.search([('state', '=', 'published')], limit=1)
        return charters[0] if charters else None

    @classmethod
    @guarded('draft')
    @ModelView.button
    def publish(cls, charters):
        "Ask all the users to accept a version in place of the former one."
        if len(charters) > 1:
            raise CharterError(gettext(
                    'early_access_audit.msg_charter_publish_one'))
        cls.supersede(cls.search([('state', '=', 'published')]))
        cls._publish(charters)

    @classmethod
    @Workflow.transition('published')
    @stamped('published')
    def _publish(cls, charters):
        "Put a version in force."

    @classmethod
    @Workflow.transition('superseded')
    def supersede(cls, charters):
        "A newer version is published."

    @classmethod
    def check_modification(cls, mode, charters, values=None, external=False):
        super().check_modification(
            mode, charters, values=values, external=external)
        fixed = {'version', 'charter', 'logging_notice'}
        if mode == 'delete' or (mode == 'write' and values.keys() & fixed):
            for charter in charters:
                if charter.state != 'draft':
                    raise CharterAccessError(gettext(
                            'early_access_audit.msg_charter_fixed',
                            charter=charter.rec_name))

    @classmethod
    def on_modification(cls, mode, charters, field_names=None):
        User = Pool().get('res.user')
        super().on_modification(mode, charters, field_names=field_names)
        User._closed_cache.clear()

    @classmethod
    def copy(cls, charters, default=None):
        default = default.copy() if default is not None else {}
        default.setdefault('version', lambda data: data['version'] + '+')
        default.setdefault('acceptances')
        default.setdefault('published_by')
        default.setdefault('published_at')
        return super().copy(charters, default=default)


class Acceptance(ModelSQL, ModelView):
    "What version of the charter a user has accepted, and when"
    __name__ = 'early_access.audit.charter.acceptance'

    user = fields.Many2One(
        'res.user', "User", required=True, readonly=True, ondelete='RESTRICT')
    charter = fields.Many2One(
        'early_access.audit.charter', "Charter", required=True, readonly=True,
        ondelete='RESTRICT')
    accepted_at = fields.Function(
        fields.Timestamp("Accepted At"), 'get_accepted_at')

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_constraints += [
            ('user_unique', Unique(t, t.user, t.charter),
                'early_access_audit.msg_charter_accepted'),
            ]
        cls._sql_indexes.add(Index(t, (t.charter, Index.Equality())))

    def get_rec_name(self, name):
        return f'{self.charter.rec_name}, {self.user.rec_name}'

    def get_accepted_at(self, name):
        return self.create_date

    @classmethod
    @without_check_access
    def accept(cls, user, charter):
        """Keep that a user accepts a version, once.

        :param user: the id of the user.
        :param charter: the version.
        """
        known = [('user', '=', user), ('charter', '=', charter.id)]
        if not cls.search(known, limit=1):
            cls.create([{'user': user, 'charter': charter.id}])

    @classmethod
    def check_modification(
            cls, mode, acceptances, values=None, external=False):
        super().check_modification(
            mode, acceptances, values=values, external=external)
        if mode in {'write', 'delete'}:
            raise CharterAccessError(gettext(
                    'early_access_audit.msg_charter_acceptance_fixed',
                    acceptance=acceptances[0].rec_name))

    @classmethod
    def on_modification(cls, mode, acceptances, field_names=None):
        User = Pool().get('res.user')
        super().on_modification(mode, acceptances, field_names=field_names)
        User._closed_cache.clear()


class User(metaclass=PoolMeta):
    __name__ = 'res.user'

    charter_accepted = fields.Function(
        fields.Boolean(
            "Charter Accepted",
            help="Whether the user has accepted the charter in force."),
        'get_charter_accepted', searcher='search_charter_accepted')

    @classmethod
    @without_check_access
    def get_charter_accepted(cls, users, name):
        pool = Pool()
        Acceptance = pool.get('early_access.audit.charter.acceptance')
        Charter = pool.get('early_access.audit.charter')
        charter = Charter.in_force()
        accepted = set()
        if charter:
            for sub_users in grouped_slice(users):
                accepted.update(a.user.id for a in Acceptance.search([
                            ('charter', '=', charter.id),
                            ('user', 'in', [u.id for u in sub_users]),
                            ]))
        return {u.id: u.id in accepted for u in users}

    @classmethod
    def search_charter_accepted(cls, name, clause):
        pool = Pool()
        Acceptance = pool.get('early_access.audit.charter.acceptance')
        Charter = pool.get('early_access.audit.charter')
        _, operator, value = clause
        acceptance = Acceptance.__table__()
        charter = Charter.__table__()
        query = (acceptance
            .join(charter, condition=acceptance.charter == charter.id)
            .select(acceptance.user, where=charter.state == 'published'))
        accepted = (operator == '=') == bool(value)
        return [('id', 'in' if accepted else 'not in', query)]


class Accept(Wizard):
    "Read and Accept the Charter"
    __name__ = 'early_access.audit.charter.accept'

    start_state = 'choose'
    choose = StateTransition()
    missing = StateView(
        'early_access.audit.charter.accept.text',
        'early_access_audit.charter_accept_missing_view_form', [
            Button("Close", 'end', 'tryton-close', default=True),
            ])
    text = StateView(
        'early_access.audit.charter.accept.text',
        'early_access_audit.charter_accept_text_view_form', [
            Button("Close", 'end', 'tryton-close'),
            Button("I Accept", 'accept', 'tryton-ok', default=True, states={
                    'invisible': Eval('accepted', False),
                    }),
            ])
    accept = StateTransition()

    def transition_choose(self):
        Charter = Pool().get('early_access.audit.charter')
        return 'text' if Charter.in_force() else 'missing'

    def default_text(self, fields):
        pool = Pool()
        Charter = pool.get('early_access.audit.charter')
        User = pool.get('res.user')
        charter = Charter.in_force()
        user = User(Transaction().user)
        return {
            'charter': charter.id,
            'text': charter.charter,
            'logging_notice': charter.logging_notice,
            'accepted': user.charter_accepted,
            'training_until': user.training_until,
            }

    def transition_accept(self):
        """Accept the version that was read.

        :raises CharterError: if another one was published meanwhile.
        """
        pool = Pool()
        Acceptance = pool.get('early_access.audit.charter.acceptance')
        charter = self.text.charter
        if charter.state != 'published':
            raise CharterError(gettext(
                    'early_access_audit.msg_charter_superseded',
                    charter=charter.rec_name))
        Acceptance.accept(Transaction().user, charter)
        return 'end'


class AcceptText(ModelView):
    __name__ = 'early_access.audit.charter.accept.text'

    charter = fields.Many2One(
        'early_access.audit.charter', "Version", readonly=True)
    text = fields.Text("Charter of Confidentiality", readonly=True)
    logging_notice = fields.Text("Notice on the Trail", readonly=True)
    accepted = fields.Boolean("Accepted", readonly=True)
    training_until = fields.Date(
        "Training Until", readonly=True,
        states={
            'invisible': ~Eval('training_until'),
            })
