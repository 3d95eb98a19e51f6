# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Opening the archive, for a reason and a time (CNIL 2022-107, SEC-ARC-1)."""

import datetime as dt

from trytond.i18n import gettext
from trytond.model import Index, ModelSQL, ModelView, Workflow, fields
from trytond.model.exceptions import AccessError
from trytond.modules.early_access.national_number import NationalNumberMixin
from trytond.modules.early_access.workflow import (
    ProgrammeWorkflow, guarded, stamped, time_field, user_field)
from trytond.pool import Pool
from trytond.pyson import Eval, If
from trytond.transaction import Transaction, without_check_access
from trytond.wizard import Button, StateTransition, StateView, Wizard

from .archive_content import lines_of
from .exceptions import ArchiveAccessError

# The longest opening: the archive is looked into now and then
HOURS = 72
GROUNDS = [
    ('rights', "Request of the person"),
    ('vigilance', "Pharmacovigilance"),
    ('recall', "Recall of a lot"),
    ('authority', "Request of an authority"),
    ('litigation', "Litigation"),
    ('insurance', "Claim on the insurance"),
    ]
OPEN = ['requested', 'approved']


def now():
    return dt.datetime.now().replace(microsecond=0)


class ArchiveAccess(
        NationalNumberMixin, ProgrammeWorkflow, ModelSQL, ModelView):
    """A request to look at what the archive holds of a patient.

    Who asks does not approve; what is approved ends by itself, and every look
    is in the trail.
    """
    __name__ = 'early_access.retention.archive.access'

    # Who may not see the data of patients does not look either
    _tells_of = 'health'

    archive = fields.Many2One(
        'early_access.retention.archive', "Archive", readonly=True,
        ondelete='SET NULL',
        help="Empty once the archive is destroyed.")
    authorization = fields.Many2One(
        'early_access.authorization', "Authorization", required=True,
        readonly=True, ondelete='RESTRICT')
    company = fields.Function(
        fields.Many2One('company.company', "Company"),
        'on_change_with_company', searcher='search_company')
    ground = fields.Selection(
        GROUNDS, "Ground", required=True, readonly=True, sort=False)
    reference = fields.Char(
        "Reference", required=True, readonly=True,
        help="Of the case, never data of a patient.")
    hours = fields.Integer("Hours", required=True, readonly=True)
    requested_by = user_field("Requested By")
    requested_at = time_field("Requested At")
    approved_by = user_field("Approved By")
    approved_at = time_field("Approved At")
    refused_by = user_field("Refused By")
    refused_at = time_field("Refused At")
    closed_by = user_field("Closed By")
    closed_at = time_field("Closed At")
    until = fields.Timestamp(
        "Until", readonly=True,
        states={
            'invisible': ~Eval('until'),
            })
    looks = fields.Integer(
        "Looks", readonly=True,
        help="How many times the data were opened.")
    over = fields.Function(fields.Boolean("Over"), 'get_over')
    can_look = fields.Function(fields.Boolean("Can Look"), 'get_can_look')
    state = fields.Selection([
            ('requested', "Requested"),
            ('approved', "Approved"),
            ('refused', "Refused"),
            ('closed', "Closed"),
            ], "State", required=True, readonly=True, sort=False)
    ground_string = ground.translated('ground')

    _protected = frozenset({
            'archive', 'authorization', 'ground', 'reference', 'hours',
            'state', 'until', 'looks', 'requested_by', 'requested_at',
            'approved_by', 'approved_at', 'refused_by', 'refused_at',
            'closed_by', 'closed_at'})

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_indexes.add(Index(
                t, (t.archive, Index.Range()),
                (t.state, Index.Equality(cardinality='low'))))
        cls._order = [('requested_at', 'DESC'), ('id', 'DESC')]
        cls._transitions |= {
            ('requested', 'approved'),
            ('requested', 'refused'),
            ('requested', 'closed'),
            ('approved', 'closed'),
            }
        requested = Eval('state') == 'requested'
        cls._buttons.update(
            approve={
                'invisible': ~requested,
                'icon': 'tryton-ok',
                'depends': ['state'],
                },
            refuse={
                'invisible': ~requested,
                'icon': 'tryton-cancel',
                'depends': ['state'],
                },
            look={
                'invisible': ~Eval('can_look', False),
                'icon': 'tryton-search',
                'depends': ['can_look'],
                },
            close={
                'invisible': ~Eval('state').in_(OPEN),
                'icon': 'tryton-clear',
                'depends': ['state'],
                },
            )

    @staticmethod
    def default_state():
        return 'requested'

    @fields.depends('authorization', '_parent_authorization.company')
    def on_change_with_company(self, name=None):
        return self.authorization.company if self.authorization else None

    @classmethod
    def search_company(cls, name, clause):
        return [('authorization.' + clause[0], *clause[1:])]

    def get_rec_name(self, name):
        return f'{self.ground_string} {self.reference}'

    @classmethod
    def search_rec_name(cls, name, clause):
        return [('reference', *clause[1:])]

    @property
    def _is_over(self):
        return bool(self.until and self.until <= now())

    @classmethod
    def get_over(cls, accesses, name):
        return {a.id: a._is_over for a in accesses}

    @classmethod
    def get_can_look(cls, accesses, name):
        user = Transaction().user
        return {a.id: a._may_look(user) for a in accesses}

    def _may_look(self, user):
        return bool(
            self.state == 'approved' and self.archive and not self._is_over
            and self.requested_by and self.requested_by.id == user)

    @classmethod
    def view_attributes(cls):
        return super().view_attributes() + [
            ('/tree', 'visual',
                If(Eval('state') == 'requested', 'warning',
                    If(Eval('over', False)
                        | Eval('state').in_(['refused', 'closed']),
                        'muted', ''))),
            ]

    @classmethod
    def open_of(cls, archives):
        "Return by id of archive an access that lasts."
        return {
            a.archive.id: a for a in cls.search([
                    ('archive', 'in', [int(a) for a in archives]),
                    ['OR',
                        ('state', '=', 'requested'),
                        [
                            ('state', '=', 'approved'),
                            ('until', '>', now()),
                            ],
                        ],
                    ])}

    # Buttons

    @classmethod
    def _check_other(cls, accesses):
        for access in accesses:
            if access.requested_by.id == Transaction().user:
                raise ArchiveAccessError(gettext(
                        'early_access_retention.msg_archive_access_same',
                        access=access.rec_name))

    @classmethod
    @guarded('requested')
    @ModelView.button
    @Workflow.transition('approved')
    @stamped('approved')
    def approve(cls, accesses):
        """Let who asked look, for the hours that were asked.

        :raises ArchiveAccessError: if it is the same person.
        """
        cls._check_other(accesses)
        for access in accesses:
            access.until = now() + dt.timedelta(hours=access.hours)
        cls.save(accesses)

    @classmethod
    @guarded('requested')
    @ModelView.button
    @Workflow.transition('refused')
    @stamped('refused')
    def refuse(cls, accesses):
        "Refuse to open the archive."
        cls._check_other(accesses)

    @classmethod
    @guarded(*OPEN)
    @ModelView.button
    @Workflow.transition('closed')
    @stamped('closed')
    def close(cls, accesses):
        "End the access before its time."

    @classmethod
    @ModelView.button_action('early_access_retention.wizard_archive_look')
    def look(cls, accesses):
        pass

    def check_look(self):
        """Check that the user may look now.

        :raises ArchiveAccessError: if not.
        """
        if not self._may_look(Transaction().user):
            raise ArchiveAccessError(gettext(
                    'early_access_retention.msg_archive_access_over',
                    access=self.rec_name))

    # Modification

    @classmethod
    def check_modification(cls, mode, accesses, values=None, external=False):
        super().check_modification(
            mode, accesses, values=values, external=external)
        if mode == 'delete' or (external and mode in {'create', 'write'}):
            raise AccessError(gettext(
                    'early_access_retention.msg_archive_access_register',
                    access=accesses[0].rec_name))

    @classmethod
    def copy(cls, accesses, default=None):
        if not accesses:
            return []
        raise AccessError(gettext(
                'early_access_retention.msg_archive_access_register',
                access=accesses[0].rec_name))


class OpenArchive(Wizard):
    "Ask to look at what the archive holds"
    __name__ = 'early_access.retention.archive.open'

    start = StateView(
        'early_access.retention.archive.open.start',
        'early_access_retention.archive_open_start_view_form', [
            Button("Cancel", 'end', 'tryton-cancel'),
            Button("Ask", 'ask', 'tryton-ok', default=True),
            ])
    ask = StateTransition()

    def default_start(self, fields):
        return {'archives': [a.id for a in self.records], 'hours': 8}

    def transition_ask(self):
        Access = Pool().get('early_access.retention.archive.access')
        if not 1 <= self.start.hours <= HOURS:
            raise ArchiveAccessError(gettext(
                    'early_access_retention.msg_archive_access_hours',
                    hours=self.start.hours, most=HOURS))
        Clock = Pool().get('early_access.retention.clock')
        archives = self.model.browse([a.id for a in self.records])
        Clock.follow([a.authorization for a in archives])
        with without_check_access():
            Access.create([{
                        'archive': a.id,
                        'authorization': a.authorization.id,
                        'ground': self.start.ground,
                        'reference': self.start.reference,
                        'hours': self.start.hours,
                        **Access.stamp('requested'),
                        } for a in archives])
        return 'end'


class OpenArchiveStart(NationalNumberMixin, ModelView):
    "Ask to look at what the archive holds"
    __name__ = 'early_access.retention.archive.open.start'

    archives = fields.Many2Many(
        'early_access.retention.archive', None, None, "Archives",
        readonly=True)
    ground = fields.Selection(GROUNDS, "Ground", required=True, sort=False)
    reference = fields.Char(
        "Reference", required=True,
        help="Of the case, never data of a patient.")
    hours = fields.Integer(
        "Hours", required=True,
        domain=[
            ('hours', '>=', 1),
            ('hours', '<=', HOURS),
            ],
        help="How long the data are to be seen, from the approval; at most "
        "72 hours.")


class LookAtArchive(Wizard):
    "Look at what the archive holds"
    __name__ = 'early_access.retention.archive.look'

    start_state = 'content'
    content = StateView(
        'early_access.retention.archive.look.content',
        'early_access_retention.archive_look_content_view_form', [
            Button("Close", 'end', 'tryton-close', default=True),
            ])

    def default_content(self, fields):
        Line = Pool().get('early_access.retention.archive.look.line')
        Access = self.model
        access = Access(self.record.id)
        # Who may not read it is refused here
        Access.read([access.id], ['state'])
        with without_check_access():
            access = Access(access.id)
            access.check_look()
            access.looks = (access.looks or 0) + 1
            access.save()
            lines = list(lines_of(access.archive))
        return {
            'code': access.archive.rec_name,
            'until': access.until,
            'lines': [{n: line[n] for n in Line.shown} for line in lines],
            }


class LookAtArchiveContent(ModelView):
    "What the archive holds of a patient"
    __name__ = 'early_access.retention.archive.look.content'

    code = fields.Char("Code", readonly=True)
    until = fields.Timestamp("Until", readonly=True)
    lines = fields.One2Many(
        'early_access.retention.archive.look.line', None, "Content",
        readonly=True)


class LookAtArchiveLine(ModelView):
    "A value that the archive holds"
    __name__ = 'early_access.retention.archive.look.line'

    # Without the id, as each is a new line for the client
    shown = ['concerned', 'section', 'record', 'label', 'text']

    concerned = fields.Char("Concerned", readonly=True)
    section = fields.Char("Section", readonly=True)
    record = fields.Char("Record", readonly=True)
    label = fields.Char("Label", readonly=True)
    text = fields.Text("Value", readonly=True)
