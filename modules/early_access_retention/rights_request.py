# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from trytond.i18n import gettext
from trytond.model import Index, ModelSQL, ModelView, Workflow, fields
from trytond.pool import Pool
from trytond.pyson import Bool, Eval, If
from trytond.transaction import Transaction, without_check_access

from trytond.modules.early_access.workflow import (
    ProgrammeWorkflow, guarded, stamped, time_field, user_field)

from .exceptions import RightsAccessError, RightsRequestError
from .rights_clock import OPEN_STATES, RightsClock, due_date
from .today import current_date

# CNIL 2022-107 art. 11.3: the rights that a legal obligation leaves out
REFUSED_KINDS = ['opposition', 'erasure', 'portability']
KINDS = [
    ('access', "Access"),
    ('rectification', "Rectification"),
    ('limitation', "Limitation"),
    ('opposition', "Opposition"),
    ('erasure', "Erasure"),
    ('portability', "Portability"),
    ]
REFUSAL_REASONS = [
    (None, ""),
    ('law', "The right does not exist here (art. 11.3)"),
    ('secrecy', "It would reveal the data of the patient (art. 11.5)"),
    ('identity', "The identity is not proved (GDPR 12.6)"),
    ('unfounded', "The data are right as they are"),
    ('nothing', "Nothing is held about the person"),
    ('excessive', "Manifestly unfounded or excessive (GDPR 12.5)"),
    ]
received = {
    'readonly': Eval('state') != 'received',
    }
OF_PATIENT = Eval('concerned') == 'patient'
OF_ARCHIVED = (Eval('concerned') == 'related_person') & Bool(Eval('archive'))


class RightsRequest(RightsClock, ProgrammeWorkflow, ModelSQL, ModelView):
    """What a person asks about their data, until it is answered.

    It tells neither the name nor the words of the person: who is concerned is
    a link to what is held, and the rest is coded (CNIL 2022-107, art. 11).
    """
    __name__ = 'early_access.rights.request'
    _rec_name = 'number'
    _tells_of = 'person'
    _path_to_patient = 'patient'
    _concerns_patient = True

    number = fields.Char("Number", readonly=True)
    company = fields.Many2One(
        'company.company', "Company", required=True, ondelete='RESTRICT',
        states={
            'readonly': Eval('id', -1) >= 0,
            })
    kind = fields.Selection(
        KINDS, "Right", required=True, sort=False, states=received)
    concerned = fields.Selection([
            ('patient', "Patient"),
            ('related_person', "Related person"),
            ('professional', "Professional"),
            ], "Concerned", required=True, sort=False, states=received)
    patient = fields.Many2One(
        'early_access.patient', "Patient", ondelete='SET NULL',
        domain=[
            ('company', '=', Eval('company', -1)),
            ],
        states={
            'readonly': (Eval('state') != 'received') | ~OF_PATIENT,
            'invisible': ~OF_PATIENT,
            'required': (
                OF_PATIENT & (Eval('state') == 'received')
                & ~Eval('archive')),
            })
    archive = fields.Many2One(
        'early_access.retention.archive', "Archived Patient",
        ondelete='SET NULL',
        domain=[
            ('company', '=', Eval('company', -1)),
            ],
        states={
            'readonly': (
                (Eval('state') != 'received') | Bool(Eval('patient'))),
            'invisible': (
                (Eval('concerned') == 'professional')
                | (~Eval('archive') & (Eval('state') != 'received'))),
            },
        help="When the data of the patient are in the intermediate archive.")
    archived_number = fields.Integer(
        "Number of the Person",
        states={
            'readonly': Eval('state') != 'received',
            'required': OF_ARCHIVED & (Eval('state') == 'received'),
            'invisible': ~OF_ARCHIVED,
            },
        help="Of the related person, among those of the patient.")
    related_person = fields.Many2One(
        'early_access.related_person', "Related Person", ondelete='SET NULL',
        domain=[
            ('company', '=', Eval('company', -1)),
            ],
        states={
            'readonly': Eval('state') != 'received',
            'invisible': Eval('concerned') != 'related_person',
            'required': (
                (Eval('concerned') == 'related_person')
                & (Eval('state') == 'received') & ~Eval('archive')),
            })
    professional = fields.Many2One(
        'early_access.professional', "Professional", ondelete='SET NULL',
        states={
            'readonly': Eval('state') != 'received',
            'invisible': Eval('concerned') != 'professional',
            'required': (
                (Eval('concerned') == 'professional')
                & (Eval('state') == 'received')),
            })
    made_by = fields.Selection([
            ('person', "The person"),
            ('representative', "Legal representative"),
            ('trusted', "Trusted person"),
            ], "Made By", required=True, sort=False,
        domain=[
            If(Eval('concerned') == 'professional',
                ('made_by', '=', 'person'),
                If(Eval('concerned') == 'related_person',
                    ('made_by', '!=', 'trusted'),
                    ())),
            ],
        states=received,
        help="The trusted person whom a patient has designated may accompany "
        "the patient (L.1111-6).")
    through = fields.Selection([
            ('professional', "Professional of the care"),
            ('doctor', "Doctor chosen by the patient"),
            ('direct', "Directly"),
            ], "Through", required=True, sort=False,
        domain=[
            If(Eval('concerned') == 'patient', (),
                ('through', '=', 'direct')),
            ],
        states=received)
    warned_on = fields.Date(
        "Confidentiality Warning",
        states={
            'readonly': ~Eval('state').in_(OPEN_STATES),
            'invisible': ~OF_PATIENT | (Eval('through') != 'direct'),
            },
        help="When the patient was warned that writing to the laboratory "
        "directly tells it the name (art. 11.4).")
    received_on = fields.Date("Received On", required=True, states=received)
    received_how = fields.Selection([
            ('letter', "Letter"),
            ('email', "E-mail"),
            ('phone', "Telephone"),
            ('meeting', "Meeting"),
            ('platform', "Platform"),
            ], "Channel", required=True, sort=False, states=received)
    registered_by = user_field("Registered By")
    registered_at = time_field("Registered At")
    language = fields.Many2One(
        'ir.lang', "Language", required=True, ondelete='RESTRICT',
        domain=[
            ('translatable', '=', True),
            ],
        states={
            'readonly': ~Eval('state').in_(OPEN_STATES),
            },
        help="In which it is answered.")
    requester = fields.One2Many(
        'early_access.rights.requester', 'request', "Name and Contact",
        size=1,
        states={
            'readonly': ~Eval('state').in_(OPEN_STATES),
            })
    identity_document = fields.Selection([
            (None, ""),
            ('identity_card', "Identity card"),
            ('passport', "Passport"),
            ('residence_permit', "Residence permit"),
            ('driving_licence', "Driving licence"),
            ('attested', "Attested by the professional"),
            ('account', "Signed in to the platform"),
            ], "Identity Seen On", sort=False, states=received,
        help="What was looked at. The document itself is not kept.")
    capacity_document = fields.Selection([
            (None, ""),
            ('family_book', "Family record book"),
            ('judgment', "Judgment"),
            ('mandate', "Mandate"),
            ('designation', "Designation of the trusted person"),
            ], "Capacity Seen On", sort=False,
        states={
            'readonly': Eval('state') != 'received',
            'invisible': Eval('made_by') == 'person',
            },
        help="What proves that the person may act for the other.")
    identity_checked_on = fields.Date(
        "Identity Checked On", states=received)
    identity_checked_by = user_field("Identity Checked By")
    identity_checked_at = time_field("Identity Checked At")
    rectifications = fields.One2Many(
        'early_access.rights.rectification', 'request', "Rectifications",
        states={
            'invisible': Eval('kind') != 'rectification',
            'readonly': Eval('state') != 'in_progress',
            })
    limitations = fields.One2Many(
        'early_access.rights.limitation', 'request', "Limitations",
        states={
            'invisible': (
                (Eval('kind') != 'limitation') & ~Eval('limitations')),
            'readonly': Eval('state') != 'in_progress',
            })
    recipients = fields.One2Many(
        'early_access.rights.recipient', 'request', "Recipients to Inform",
        states={
            'invisible': ~Eval('kind').in_(['limitation', 'rectification']),
            'readonly': Eval('state') != 'in_progress',
            })
    refusal_reason = fields.Selection(
        REFUSAL_REASONS, "Reason of the Refusal", readonly=True, sort=False,
        states={
            'invisible': Eval('state') != 'refused',
            })
    withheld = fields.MultiSelection([
            ('related_persons', "Data of related persons"),
            ('patient', "Data of the patient"),
            ('employees', "Names of employees"),
            ], "Withheld", readonly=True, sort=False,
        states={
            'invisible': ~Eval('withheld'),
            },
        help="What was not given, of which the person was told.")
    checksum = fields.Char(
        "SHA-256", readonly=True,
        states={
            'invisible': ~Eval('checksum'),
            },
        help="Of the file of the answer, which is given once and kept "
        "nowhere.")
    started_by = user_field("Started By")
    started_at = time_field("Started At")
    closed_by = user_field("Closed By")
    closed_at = time_field("Closed At")
    closed_on = fields.Date("Closed On", readonly=True)
    state = fields.Selection([
            ('received', "Received"),
            ('identity_checked', "Identity Checked"),
            ('in_progress', "In Progress"),
            ('answered', "Answered"),
            ('refused', "Refused"),
            ('withdrawn', "Withdrawn"),
            ], "State", required=True, readonly=True, sort=False)
    kind_string = kind.translated('kind')
    state_string = state.translated('state')

    _protected = frozenset({
            'state', 'number', 'due_date', 'extension_reason',
            'extension_told_on', 'alerted', 'alerted_on', 'registered_by',
            'registered_at', 'identity_checked_by', 'identity_checked_at',
            'refusal_reason', 'withheld', 'checksum', 'started_by',
            'started_at', 'closed_by', 'closed_at', 'closed_on'})
    # What the rights officer still writes once the identity is checked
    _open_fields = frozenset({
            'warned_on', 'language', 'requester', 'rectifications',
            'limitations', 'recipients'})

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_indexes.update({
                Index(
                    t, (t.state, Index.Equality(cardinality='low')),
                    (t.due_date, Index.Range())),
                Index(t, (t.company, Index.Range()), (t.id, Index.Range())),
                Index(t, (t.patient, Index.Range())),
                Index(t, (t.related_person, Index.Range())),
                Index(t, (t.archive, Index.Range())),
                Index(t, (t.closed_on, Index.Range())),
                })
        cls._order = [('urgency', 'ASC'), ('id', 'ASC')]
        cls._transitions |= {
            ('received', 'identity_checked'),
            ('identity_checked', 'in_progress'),
            ('in_progress', 'answered'),
            *((s, 'refused') for s in OPEN_STATES),
            *((s, 'withdrawn') for s in OPEN_STATES),
            }
        closed = ~Eval('state').in_(OPEN_STATES)
        refused = Eval('kind').in_(REFUSED_KINDS)
        cls._buttons.update(
            check_identity={
                'invisible': Eval('state') != 'received',
                'icon': 'tryton-ok',
                'depends': ['state'],
                },
            start={
                'invisible': Eval('state') != 'identity_checked',
                'icon': 'tryton-forward',
                'depends': ['state'],
                },
            extend={
                'invisible': closed | Bool(Eval('extension_reason')),
                'depends': ['state', 'extension_reason'],
                },
            answer={
                'invisible': (Eval('state') != 'in_progress') | refused,
                'icon': 'tryton-email',
                'depends': ['state', 'kind'],
                },
            refuse={
                'invisible': closed,
                'icon': 'tryton-cancel',
                'depends': ['state'],
                },
            withdraw={
                'invisible': closed,
                'icon': 'tryton-clear',
                'depends': ['state'],
                },
            )

    @staticmethod
    def default_company():
        return Transaction().context.get('company')

    @staticmethod
    def default_concerned():
        return 'patient'

    @staticmethod
    def default_made_by():
        return 'person'

    @classmethod
    def _of_hospital(cls):
        User = Pool().get('res.user')
        return User.hospital_scope() is not None

    @classmethod
    def default_through(cls):
        return 'professional' if cls._of_hospital() else 'direct'

    @classmethod
    def default_received_how(cls):
        return 'meeting' if cls._of_hospital() else 'letter'

    @classmethod
    def default_identity_document(cls):
        return 'attested' if cls._of_hospital() else None

    @classmethod
    def default_received_on(cls):
        return current_date()

    @classmethod
    def default_language(cls):
        pool = Pool()
        Lang = pool.get('ir.lang')
        languages = Lang.search([
                ('translatable', '=', True),
                ('code', '=', 'fr'),
                ]) or [Lang.get()]
        return languages[0].id

    @staticmethod
    def default_state():
        return 'received'

    @fields.depends('concerned', 'through', 'made_by')
    def on_change_concerned(self):
        if self.concerned != 'patient':
            self.patient = None
            self.through = 'direct'
        if self.concerned != 'related_person':
            self.related_person = None
        if self.concerned != 'professional':
            self.professional = None
        else:
            self.made_by = 'person'

    @property
    def person(self):
        """The record of the person concerned, the archive where they are, or
        None once they are destroyed."""
        return getattr(self, self.concerned) or self.archive

    @property
    def dossier(self):
        "The patient to whom the person concerned belongs, or None."
        if self.related_person:
            return self.related_person.patient
        return self.patient

    def format_date(self, date):
        Lang = Pool().get('ir.lang')
        return Lang.get().strftime(date) if date else ''

    @classmethod
    def view_attributes(cls):
        return super().view_attributes() + cls.clock_attributes() + [
            ('//page[@id="act"]', 'states', {
                    'invisible': ~Eval('kind').in_(
                        ['limitation', 'rectification']),
                    }),
            ]

    # Buttons

    @classmethod
    @guarded('received')
    @ModelView.button
    @Workflow.transition('identity_checked')
    @stamped('identity_checked')
    def check_identity(cls, requests):
        "Tell that the person is the one they say they are."
        for request in requests:
            names = ['identity_document', 'identity_checked_on']
            if request.made_by != 'person':
                names.append('capacity_document')
            request.check_filled(*names)

    @classmethod
    @guarded('identity_checked')
    @ModelView.button
    @Workflow.transition('in_progress')
    @stamped('started')
    def start(cls, requests):
        "Begin to do what is asked."
        for request in requests:
            request.check_warned()

    @classmethod
    @ModelView.button_action('early_access_retention.wizard_rights_extend')
    def extend(cls, requests):
        pass

    @classmethod
    @ModelView.button_action('early_access_retention.wizard_rights_answer')
    def answer(cls, requests):
        pass

    @classmethod
    @ModelView.button_action('early_access_retention.wizard_rights_refuse')
    def refuse(cls, requests):
        pass

    @classmethod
    @guarded(*OPEN_STATES)
    @ModelView.button
    @Workflow.transition('withdrawn')
    def withdraw(cls, requests):
        "The person does not want an answer any more."
        cls.write(requests, cls._closing())

    @classmethod
    @guarded('in_progress')
    @Workflow.transition('answered')
    def set_answered(cls, requests):
        cls.write(requests, cls._closing())

    @classmethod
    @guarded(*OPEN_STATES)
    @Workflow.transition('refused')
    def set_refused(cls, requests):
        cls.write(requests, cls._closing())

    @classmethod
    def _closing(cls):
        return {**cls.stamp('closed'), 'closed_on': current_date()}

    # What is missing

    def check_filled(self, *names):
        """Check that the fields are filled in.

        :raises RightsRequestError: naming all those that are not.
        """
        missing = [
            self.__names__(n)['field'] for n in names if not getattr(self, n)]
        if missing:
            raise RightsRequestError(gettext(
                    'early_access_retention.msg_rights_missing',
                    request=self.rec_name,
                    fields=', '.join(f'"{m}"' for m in missing)))

    def check_warned(self):
        "Check that a patient who writes directly is warned (art. 11.4)."
        if self.concerned == 'patient' and self.through == 'direct':
            self.check_filled('warned_on')

    # Modification

    @classmethod
    def preprocess_values(cls, mode, values):
        pool = Pool()
        Configuration = pool.get('early_access.rights.configuration')
        values = super().preprocess_values(mode, values)
        if mode == 'create':
            if not values.get('number'):
                values['number'] = Configuration(1).sequence.get()
            values.update(cls.stamp('registered'))
            values.setdefault('received_on', current_date())
        if values.get('received_on'):
            values['due_date'] = due_date(values['received_on'])
        return values

    @classmethod
    def validate_fields(cls, requests, field_names):
        super().validate_fields(requests, field_names)
        today = current_date()
        for request in requests:
            for name in ['received_on', 'warned_on', 'identity_checked_on']:
                value = getattr(request, name)
                if ((field_names is None or name in field_names)
                        and value and value > today):
                    raise RightsRequestError(gettext(
                            'early_access_retention.msg_rights_date',
                            **cls.__names__(name, record=request)))

    @classmethod
    def check_modification(cls, mode, requests, values=None, external=False):
        super().check_modification(
            mode, requests, values=values, external=external)
        if mode == 'create':
            cls._stop_what_moves(requests)
        for request in requests:
            if mode == 'delete':
                raise RightsAccessError(gettext(
                        'early_access_retention.msg_rights_delete',
                        request=request.rec_name))
            if not external:
                continue
            if mode == 'create' and cls._of_hospital():
                request.check_of_hospital()
            if mode == 'write':
                request.check_writable(values)

    @classmethod
    @without_check_access
    def _stop_what_moves(cls, requests):
        Clock = Pool().get('early_access.retention.clock')
        persons = filter(None, [
                r.dossier or r.archive for r in cls.browse(requests)])
        Clock.follow([p.authorization for p in persons])

    def check_writable(self, values):
        if self.state not in OPEN_STATES:
            raise RightsAccessError(gettext(
                    'early_access_retention.msg_rights_closed',
                    request=self.rec_name))
        if self.state == 'received':
            return
        for name in sorted(values.keys() - self._open_fields):
            raise RightsAccessError(gettext(
                    'early_access_retention.msg_rights_fixed',
                    **self.__names__(name, record=self)))

    def check_of_hospital(self):
        "A professional opens a request for a patient of the service only."
        if (self.concerned != 'patient' or self.through != 'professional'
                or self.requester):
            raise RightsAccessError(gettext(
                    'early_access_retention.msg_rights_hospital',
                    request=self.rec_name))

    @classmethod
    def copy(cls, requests, default=None):
        if not requests:
            return []
        raise RightsAccessError(gettext(
                'early_access_retention.msg_rights_copy',
                request=requests[0].rec_name))

    # What must not move

    @classmethod
    def open_of(cls, patients):
        "Return an open request by id of patient, where there is one."
        result = {}
        ids = [p.id for p in patients]
        for request in cls.search([
                    ('state', 'in', OPEN_STATES),
                    ['OR',
                        ('patient', 'in', ids),
                        ('related_person.patient', 'in', ids),
                        ],
                    ], order=[('id', 'ASC')]):
            result.setdefault(request.dossier.id, request)
        return result

    @classmethod
    def open_of_archives(cls, archives):
        "Return an open request by id of archive, where there is one."
        return {
            r.archive.id: r for r in cls.search([
                    ('state', 'in', OPEN_STATES),
                    ('archive', 'in', [a.id for a in archives]),
                    ])}
