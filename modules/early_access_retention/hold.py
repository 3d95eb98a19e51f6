# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from trytond.i18n import gettext
from trytond.model import Index, ModelSQL, ModelView, Workflow, fields
from trytond.model.exceptions import AccessError
from trytond.modules.early_access.national_number import NationalNumberMixin
from trytond.modules.early_access.workflow import (
    ProgrammeWorkflow, guarded, stamped, time_field, user_field)
from trytond.pool import Pool, PoolMeta
from trytond.pyson import Eval, If
from trytond.transaction import without_check_access

from .exceptions import HoldError
from .today import current_date


class Hold(NationalNumberMixin, ProgrammeWorkflow, ModelSQL, ModelView):
    """What must not be moved nor destroyed, on what ground and until when.

    It ends by itself; the law does not let data be kept without an end.
    """
    __name__ = 'early_access.retention.hold'

    _tells_of = 'person'

    _states = {
        'readonly': Eval('state') != 'draft',
        }

    authorization = fields.Many2One(
        'early_access.authorization', "Authorization", required=True,
        ondelete='RESTRICT', states=_states)
    company = fields.Function(
        fields.Many2One('company.company', "Company"),
        'on_change_with_company', searcher='search_company')
    patients = fields.Many2Many(
        'early_access.retention.hold-early_access.patient',
        'hold', 'patient', "Patients",
        domain=[
            ('authorization', '=', Eval('authorization', -1)),
            ],
        states=_states,
        help="Leave empty for all the data of the authorization.")
    archives = fields.Many2Many(
        'early_access.retention.hold-early_access.retention.archive',
        'hold', 'archive', "Archived Patients",
        domain=[
            ('authorization', '=', Eval('authorization', -1)),
            ],
        states=_states)
    ground = fields.Selection([
            ('litigation', "Litigation"),
            ('authority', "Request of an authority"),
            ('inspection', "Inspection"),
            ('vigilance', "Pharmacovigilance"),
            ('insurance', "Claim on the insurance"),
            ], "Ground", required=True, sort=False, states=_states)
    reference = fields.Char(
        "Reference", required=True, states=_states,
        help="Of the case, never data of a patient.")
    from_date = fields.Date("From Date", required=True, states=_states)
    until = fields.Date(
        "Until", required=True,
        domain=[
            If(Eval('until') & Eval('from_date'),
                ('until', '>=', Eval('from_date', None)),
                ()),
            ],
        states={
            'readonly': Eval('state') == 'lifted',
            },
        help="The last day of the hold. It may be put off while it lasts.")
    lift_reason = fields.Selection([
            (None, ""),
            ('closed', "The case is closed"),
            ('limitation', "The claim is time-barred"),
            ('error', "Placed by error"),
            ], "Reason to Lift", sort=False,
        states={
            'readonly': Eval('state') != 'placed',
            'invisible': Eval('state') == 'draft',
            })
    placed_by = user_field("Placed By")
    placed_at = time_field("Placed At")
    lifted_by = user_field("Lifted By")
    lifted_at = time_field("Lifted At")
    over = fields.Function(fields.Boolean("Over"), 'get_over')
    state = fields.Selection([
            ('draft', "Draft"),
            ('placed', "Placed"),
            ('lifted', "Lifted"),
            ], "State", required=True, readonly=True, sort=False)
    ground_string = ground.translated('ground')

    del _states

    _protected = frozenset({
            'state', 'placed_by', 'placed_at', 'lifted_by', 'lifted_at'})

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_indexes.add(Index(
                t, (t.authorization, Index.Range()),
                (t.state, Index.Equality(cardinality='low'))))
        cls._order = [('until', 'ASC'), ('id', 'ASC')]
        cls._transitions |= {
            ('draft', 'placed'),
            ('placed', 'lifted'),
            }
        cls._buttons.update(
            place={
                'invisible': Eval('state') != 'draft',
                'icon': 'tryton-ok',
                'depends': ['state'],
                },
            lift={
                'invisible': Eval('state') != 'placed',
                'readonly': ~Eval('lift_reason'),
                'icon': 'tryton-cancel',
                'depends': ['state', 'lift_reason'],
                })

    @staticmethod
    def default_state():
        return 'draft'

    @classmethod
    def default_from_date(cls):
        return current_date()

    @fields.depends('authorization', '_parent_authorization.company')
    def on_change_with_company(self, name=None):
        return self.authorization.company if self.authorization else None

    @classmethod
    def search_company(cls, name, clause):
        return [('authorization.' + clause[0], *clause[1:])]

    @classmethod
    def get_over(cls, holds, name):
        today = current_date()
        return {h.id: h.state != 'draft' and h.until < today for h in holds}

    def get_rec_name(self, name):
        return f'{self.ground_string} {self.reference}'

    @classmethod
    def search_rec_name(cls, name, clause):
        return [('reference', *clause[1:])]

    @classmethod
    def view_attributes(cls):
        return super().view_attributes() + [
            ('/tree', 'visual',
                If((Eval('state') == 'lifted') | Eval('over', False),
                    'muted', '')),
            ]

    @property
    def is_whole(self):
        "Whether it covers all the data of the authorization."
        return not self.patients and not self.archives

    @classmethod
    @without_check_access
    def active(cls, authorizations):
        "Return the holds on the authorizations that last today."
        today = current_date()
        return cls.search([
                ('authorization', 'in', [int(a) for a in authorizations]),
                ('state', '=', 'placed'),
                ('from_date', '<=', today),
                ('until', '>=', today),
                ])

    @classmethod
    @guarded('draft')
    @ModelView.button
    @Workflow.transition('placed')
    @stamped('placed')
    def place(cls, holds):
        "Stop what would move."
        Clock = Pool().get('early_access.retention.clock')
        Clock.follow([h.authorization for h in holds])

    @classmethod
    @guarded('placed')
    @ModelView.button
    @Workflow.transition('lifted')
    @stamped('lifted')
    def lift(cls, holds):
        "Let what is due move again, before the end of the hold."
        for hold in holds:
            if not hold.lift_reason:
                raise HoldError(gettext(
                        'early_access_retention.msg_hold_lift_reason',
                        hold=hold.rec_name))

    @classmethod
    def check_modification(cls, mode, holds, values=None, external=False):
        super().check_modification(
            mode, holds, values=values, external=external)
        for hold in holds:
            if mode == 'delete' and hold.state != 'draft':
                raise AccessError(gettext(
                        'early_access_retention.msg_hold_delete',
                        hold=hold.rec_name))
            if mode != 'write' or not external or hold.state == 'draft':
                continue
            editable = (
                {'until', 'lift_reason'} if hold.state == 'placed' else set())
            for name in sorted(values.keys() - editable - cls._protected):
                raise AccessError(gettext(
                        'early_access_retention.msg_hold_fixed',
                        **cls.__names__(name, record=hold)))
            if 'until' in values and (
                    not values['until'] or values['until'] < hold.until):
                raise AccessError(gettext(
                        'early_access_retention.msg_hold_until',
                        hold=hold.rec_name))

    @classmethod
    def copy(cls, holds, default=None):
        default = default.copy() if default is not None else {}
        for name in cls._protected - {'state'} | {'lift_reason'}:
            default.setdefault(name)
        return super().copy(holds, default=default)


class HoldPatient(ModelSQL):
    "Hold - Patient"
    __name__ = 'early_access.retention.hold-early_access.patient'

    _tells_of = 'person'
    _path_to_patient = 'patient'

    hold = fields.Many2One(
        'early_access.retention.hold', "Hold", required=True,
        ondelete='CASCADE')
    patient = fields.Many2One(
        'early_access.patient', "Patient", required=True, ondelete='CASCADE')

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_indexes.add(Index(t, (t.patient, Index.Range())))
        cls.__access__.add('hold')


class HoldArchive(ModelSQL):
    "Hold - Archive"
    __name__ = 'early_access.retention.hold-early_access.retention.archive'

    _tells_of = 'person'

    hold = fields.Many2One(
        'early_access.retention.hold', "Hold", required=True,
        ondelete='CASCADE')
    archive = fields.Many2One(
        'early_access.retention.archive', "Archive", required=True,
        ondelete='CASCADE')

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_indexes.add(Index(t, (t.archive, Index.Range())))
        cls.__access__.add('hold')


class Patient(metaclass=PoolMeta):
    __name__ = 'early_access.patient'

    @classmethod
    @without_check_access
    def retention_blocked(cls, patients):
        """Return why the data of patients must be neither moved nor
        destroyed, by the id of those of whom it must not.

        To be extended with what else blocks. It is asked again in the
        transaction that moves them.
        """
        Hold = Pool().get('early_access.retention.hold')
        patients = cls.browse(patients)
        by_patient, by_authorization = {}, {}
        for hold in Hold.active({p.authorization for p in patients}):
            if hold.is_whole:
                by_authorization[hold.authorization.id] = hold
            by_patient.update(
                dict.fromkeys((p.id for p in hold.patients), hold))
        result = {}
        for patient in patients:
            hold = by_authorization.get(
                patient.authorization.id) or by_patient.get(patient.id)
            if hold:
                result[patient.id] = gettext(
                    'early_access_retention.msg_blocked_hold',
                    hold=hold.rec_name,
                    until=patient.authorization._format_date(hold.until))
        return result
