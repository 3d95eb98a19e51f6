# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import datetime as dt
from collections import defaultdict

from trytond.cache import Cache
from trytond.i18n import gettext
from trytond.model import Index, ModelSQL, ModelView, Workflow, fields
from trytond.pool import Pool
from trytond.pyson import Bool, Eval, If
from trytond.transaction import Transaction, without_check_access
from trytond.wizard import Button, StateTransition, StateView, Wizard

from trytond.modules.early_access.answers import OPEN_STATES as OPEN_FORMS
from trytond.modules.early_access.workflow import (
    guarded, stamped, time_field, user_field)

from .exceptions import LimitationAccessError, LimitationError
from .freezing import is_exporting
from .rights_part import RequestActMixin
from .today import current_date

SCOPES = [
    ('identity', "Identity"),
    ('forms', "Answers of forms"),
    ('all', "Identity, criteria and all answers"),
    ]
draft = {
    'readonly': Eval('state') != 'draft',
    }


class Limitation(RequestActMixin, ModelSQL, ModelView):
    """A freeze of the data that a person contests (GDPR 18).

    While it is active the data are kept, and neither shown, changed nor
    exported. Supply by code, recall and vigilance go on.
    """
    __name__ = 'early_access.rights.limitation'
    _tells_of = 'person'

    request = fields.Many2One(
        'early_access.rights.request', "Request", required=True,
        ondelete='RESTRICT',
        domain=[
            ('concerned', 'in', ['patient', 'related_person']),
            If(Eval('state') == 'draft',
                ('state', '=', 'in_progress'),
                ()),
            ],
        states={
            'readonly': Eval('id', -1) >= 0,
            })
    scope = fields.Selection(
        SCOPES, "Frozen Data", required=True, sort=False, states=draft)
    forms = fields.Many2Many(
        'early_access.rights.limitation-early_access.form',
        'limitation', 'form', "Forms",
        domain=[
            ('related_person', '=', Eval('related_person', None)),
            If(Bool(Eval('patient')),
                ('patient', '=', Eval('patient', -1)),
                ()),
            ('parent', '=', None),
            ('state', 'not in', OPEN_FORMS),
            ],
        states={
            'readonly': (Eval('state') != 'draft') | (Eval('id', -1) < 0),
            'invisible': Eval('scope') != 'forms',
            'required': (
                (Eval('scope') == 'forms') & (Eval('state') == 'active')),
            },
        help="Their groups are frozen with them.")
    ground = fields.Selection([
            ('accuracy', "The accuracy is contested (18.1 a)"),
            ('unlawful', "The processing is unlawful (18.1 b)"),
            ('claims', "Needed by the person for legal claims (18.1 c)"),
            ], "Ground", required=True, sort=False, states=draft)
    set_by = user_field("Set By")
    set_at = time_field("Set At")
    told_on = fields.Date(
        "Person Told On",
        states={
            'readonly': Eval('state') != 'active',
            'invisible': Eval('state') == 'draft',
            },
        help="When the person was told that it is about to be lifted "
        "(GDPR 18.3).")
    told_how = fields.Selection([
            (None, ""),
            ('letter', "Letter"),
            ('email', "E-mail"),
            ('phone', "Telephone"),
            ('professional', "Through the professional"),
            ], "Told By", sort=False,
        states={
            'readonly': Eval('state') != 'active',
            'invisible': Eval('state') == 'draft',
            })
    lift_reason = fields.Selection([
            (None, ""),
            ('accurate', "The data are right"),
            ('rectified', "The data are rectified"),
            ('lawful', "The processing is lawful"),
            ('claims_ended', "The legal claims are over"),
            ('person', "The person asks to lift it"),
            ], "Reason to Lift", sort=False,
        states={
            'readonly': Eval('state') != 'active',
            'invisible': Eval('state') == 'draft',
            })
    lifted_by = user_field("Lifted By")
    lifted_at = time_field("Lifted At")
    uses = fields.One2Many(
        'early_access.rights.limitation.use', 'limitation', "Openings",
        readonly=True,
        states={
            'invisible': ~Eval('uses'),
            })
    state = fields.Selection([
            ('draft', "Draft"),
            ('active', "Active"),
            ('lifted', "Lifted"),
            ], "State", required=True, readonly=True, sort=False)
    scope_string = scope.translated('scope')

    _protected = frozenset({
            'state', 'patient', 'related_person', 'set_by', 'set_at',
            'lifted_by', 'lifted_at'})
    _lifting = frozenset({'told_on', 'told_how', 'lift_reason'})
    # What is frozen now: there are few of them at a time
    _frozen_cache = Cache('early_access.rights.limitation', context=False)

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_indexes.update({
                Index(t, (t.request, Index.Range())),
                Index(t, (t.patient, Index.Range())),
                Index(t, (t.related_person, Index.Range())),
                Index(
                    t, (t.state, Index.Equality(cardinality='low')),
                    where=t.state == 'active'),
                })
        cls._order = [('id', 'DESC')]
        cls._transitions |= {('draft', 'active'), ('active', 'lifted')}
        cls._buttons.update(
            activate={
                'invisible': Eval('state') != 'draft',
                'icon': 'tryton-ok',
                'depends': ['state'],
                },
            open={
                'invisible': Eval('state') != 'active',
                'icon': 'tryton-public',
                'depends': ['state'],
                },
            lift={
                'invisible': Eval('state') != 'active',
                'icon': 'tryton-launch',
                'depends': ['state'],
                },
            )

    @staticmethod
    def default_scope():
        return 'all'

    @staticmethod
    def default_ground():
        return 'accuracy'

    def get_rec_name(self, name):
        return f'{self.request.rec_name} - {self.scope_string}'

    @classmethod
    def view_attributes(cls):
        return super().view_attributes() + [
            ('/tree', 'visual',
                If(Eval('state') == 'lifted', 'muted',
                    If(Eval('state') == 'active', 'warning', ''))),
            ('//separator[@id="lifting"]', 'states', {
                    'invisible': Eval('state') == 'draft',
                    }),
            ]

    # Transitions

    @classmethod
    @guarded('draft')
    @ModelView.button
    @Workflow.transition('active')
    @stamped('set')
    def activate(cls, limitations):
        """Freeze the data, and list who had them.

        :raises LimitationError: if no form is named where forms are frozen.
        """
        Recipient = Pool().get('early_access.rights.recipient')
        for limitation in limitations:
            if not (limitation.patient or limitation.related_person):
                raise LimitationError(gettext(
                        'early_access_retention.msg_limitation_person',
                        limitation=limitation.rec_name))
            if limitation.scope == 'forms' and not limitation.forms:
                raise LimitationError(gettext(
                        'early_access_retention.msg_limitation_forms',
                        limitation=limitation.rec_name))
        Recipient.list_for([r.request for r in limitations])

    @classmethod
    @ModelView.button_action('early_access_retention.wizard_limitation_open')
    def open(cls, limitations):
        "Let a user read the frozen data for a while."

    @classmethod
    @guarded('active')
    @ModelView.button
    @Workflow.transition('lifted')
    @stamped('lifted')
    def lift(cls, limitations):
        """End the freeze.

        :raises LimitationError: without a reason, or if the person was not
            told before (GDPR 18.3).
        """
        today = current_date()
        for limitation in limitations:
            if not limitation.lift_reason:
                raise LimitationError(gettext(
                        'early_access_retention.msg_limitation_reason',
                        limitation=limitation.rec_name))
            if (not limitation.told_on or not limitation.told_how
                    or limitation.told_on > today
                    or limitation.told_on < limitation.set_at.date()):
                raise LimitationError(gettext(
                        'early_access_retention.msg_limitation_told',
                        limitation=limitation.rec_name))

    # What is frozen

    @classmethod
    def frozen(cls):
        """Return what is frozen now.

        :returns: a dictionary of dictionaries. 'patient' and
            'related_person' give by id the (limitation, scope) of each
            freeze, 'form' gives by id of form the ids of its limitations and
            'use' by id of user the (limitation, end) of the openings.
        """
        result = cls._frozen_cache.get('frozen')
        if result is None:
            result = cls._frozen()
            cls._frozen_cache.set('frozen', result)
        return result

    @classmethod
    @without_check_access
    def _frozen(cls):
        Form = Pool().get('early_access.form')
        result = {
            name: defaultdict(list)
            for name in ['patient', 'related_person', 'form', 'use']}
        for limitation in cls.search([('state', '=', 'active')], order=[]):
            for name in ['patient', 'related_person']:
                person = getattr(limitation, name)
                if person:
                    result[name][person.id].append(
                        (limitation.id, limitation.scope))
            if limitation.scope == 'forms':
                forms = [f.id for f in limitation.forms]
                forms += [f.id for f in Form.search(
                        [('parent', 'in', forms)], order=[])]
                for form in forms:
                    result['form'][form].append(limitation.id)
            for use in limitation.uses:
                result['use'][use.user.id].append((limitation.id, use.end))
        return {n: dict(v) for n, v in result.items()}

    @classmethod
    def closed_to_user(cls, limitations):
        """Return whether one of the limitations closes to the current user.

        It does to everybody but the rights officer, who has to verify what is
        contested, and those to whom it was opened. An export has it for
        nobody.

        :param limitations: their ids.
        """
        User = Pool().get('res.user')
        user = Transaction().user
        if not limitations or not user:
            return False
        if is_exporting():
            return True
        if User.has_profile('dpo'):
            return False
        now = dt.datetime.now()
        opened = {
            i for i, end in cls.frozen()['use'].get(user, ()) if now < end}
        return not opened.issuperset(limitations)

    @classmethod
    @without_check_access
    def count_frozen(cls, authorizations):
        """Return how many persons are frozen, to be told in the reports.

        They count as persons in the reports. The exports give their rows
        without what is frozen, and the completeness counts that an answer is
        held without telling it (legal note 44).

        :returns: by id of authorization, the number of patients by scope.
        """
        result = {a.id: dict.fromkeys(dict(SCOPES), 0) for a in authorizations}
        for limitation in cls.search([
                    ('state', '=', 'active'),
                    ('patient.authorization', 'in', list(result)),
                    ], order=[]):
            counts = result[limitation.patient.authorization.id]
            counts[limitation.scope] += 1
        return result

    @classmethod
    @without_check_access
    def notices(cls, name, records):
        """Return the text of what is frozen, by id of record.

        :param name: 'patient' or 'related_person'.
        """
        frozen = cls.frozen()[name]
        result = dict.fromkeys(r.id for r in records)
        for record in records:
            limitations = cls.browse([
                    i for i, _ in frozen.get(record.id, ())])
            if limitations:
                result[record.id] = '\n'.join(
                    line.notice for line in limitations)
        return result

    @property
    def notice(self):
        "What tells the users what happens with the data."
        return gettext(
            'early_access_retention.msg_limitation_notice',
            data=self.scope_string,
            date=self.request.format_date(self.set_at.date()))

    # Modification

    @classmethod
    def preprocess_values(cls, mode, values):
        Request = Pool().get('early_access.rights.request')
        values = super().preprocess_values(mode, values)
        if mode == 'create' and values.get('request'):
            request = Request(values['request'])
            values['patient'] = (
                request.patient.id if request.patient else None)
            values['related_person'] = (
                request.related_person.id if request.related_person else None)
        return values

    @classmethod
    def check_modification(
            cls, mode, limitations, values=None, external=False):
        super().check_modification(
            mode, limitations, values=values, external=external)
        if not external or mode == 'create':
            return
        for limitation in limitations:
            if (limitation.state == 'draft'
                    or mode == 'write' and limitation.state == 'active'
                    and not values.keys() - cls._lifting):
                continue
            raise LimitationAccessError(gettext(
                    'early_access_retention.msg_limitation_fixed',
                    limitation=limitation.rec_name))

    @classmethod
    def on_modification(cls, mode, limitations, field_names=None):
        super().on_modification(mode, limitations, field_names=field_names)
        cls._frozen_cache.clear()

    @classmethod
    def copy(cls, limitations, default=None):
        if not limitations:
            return []
        raise LimitationAccessError(gettext(
                'early_access_retention.msg_limitation_copy',
                limitation=limitations[0].rec_name))


class LimitationForm(ModelSQL):
    "Limitation - Form"
    __name__ = 'early_access.rights.limitation-early_access.form'

    limitation = fields.Many2One(
        'early_access.rights.limitation', "Limitation", required=True,
        ondelete='CASCADE')
    form = fields.Many2One(
        'early_access.form', "Form", required=True, ondelete='CASCADE')

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_indexes.update({
                Index(t, (t.limitation, Index.Range())),
                Index(t, (t.form, Index.Range())),
                })


class LimitationUse(ModelSQL, ModelView):
    """A user who reads frozen data for a while, on a ground of GDPR 18.2.

    It lets read, and never change nor export.
    """
    __name__ = 'early_access.rights.limitation.use'
    _tells_of = 'person'

    limitation = fields.Many2One(
        'early_access.rights.limitation', "Limitation", required=True,
        readonly=True, ondelete='CASCADE')
    company = fields.Function(
        fields.Many2One('company.company', "Company"), 'get_company',
        searcher='search_company')
    user = fields.Many2One(
        'res.user', "User", required=True, readonly=True,
        ondelete='RESTRICT')
    ground = fields.Selection([
            ('consent', "Consent of the person"),
            ('claims', "Legal claims"),
            ('protection', "Protection of the rights of another person"),
            ('interest', "Important public interest"),
            ], "Ground", required=True, readonly=True, sort=False)
    end = fields.Timestamp("Until", required=True, readonly=True)
    opened_by = user_field("Opened By")
    opened_at = time_field("Opened At")

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_indexes.add(Index(t, (t.limitation, Index.Range())))
        cls._order = [('id', 'DESC')]

    @classmethod
    def get_company(cls, uses, name):
        return {u.id: u.limitation.company.id for u in uses}

    @classmethod
    def search_company(cls, name, clause):
        return [('limitation.' + clause[0], *clause[1:])]

    def get_rec_name(self, name):
        return self.limitation.rec_name

    @classmethod
    def on_modification(cls, mode, uses, field_names=None):
        Limitation = Pool().get('early_access.rights.limitation')
        super().on_modification(mode, uses, field_names=field_names)
        Limitation._frozen_cache.clear()


class LimitationOpen(Wizard):
    "Open frozen data to a user for a while"
    __name__ = 'early_access.rights.limitation.open'

    start = StateView(
        'early_access.rights.limitation.open.start',
        'early_access_retention.limitation_open_start_view_form', [
            Button("Cancel", 'end', 'tryton-cancel'),
            Button("Open", 'open_', 'tryton-ok', default=True),
            ])
    open_ = StateTransition()

    def transition_open_(self):
        Use = Pool().get('early_access.rights.limitation.use')
        self.model.check_state(self.records, 'open', ['active'])
        now = dt.datetime.now()
        Use.create([{
                    'limitation': r.id,
                    'user': self.start.user.id,
                    'ground': self.start.ground,
                    'end': now + dt.timedelta(hours=self.start.hours),
                    'opened_by': Transaction().user,
                    'opened_at': now,
                    } for r in self.records])
        self.model.log(self.records, 'button', 'open')
        return 'end'


class LimitationOpenStart(ModelView):
    __name__ = 'early_access.rights.limitation.open.start'

    user = fields.Many2One('res.user', "User", required=True)
    ground = fields.Selection(
        'get_grounds', "Ground", required=True, sort=False)
    hours = fields.Integer(
        "Hours", required=True,
        domain=[
            ('hours', '>=', 1),
            ('hours', '<=', 72),
            ])

    @classmethod
    def get_grounds(cls):
        Use = Pool().get('early_access.rights.limitation.use')
        return Use.fields_get(['ground'])['ground']['selection']

    @classmethod
    def default_hours(cls):
        return 8
