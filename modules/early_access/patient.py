# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from sql import Null

from trytond.i18n import gettext
from trytond.model import (
    Index, ModelSQL, ModelView, Unique, Workflow, fields)
from trytond.model.exceptions import AccessError
from trytond.pool import Pool
from trytond.pyson import Bool, Eval, If
from trytond.transaction import Transaction

from .criteria import CriteriaMixin
from .eligibility import EligibilityMixin
from .exceptions import PatientAccessError, PatientError
from .identifiers import new_patient_code
from .identity import IdentityMixin
from .information import InformationMixin
from .patient_desk import PatientDesk
from .patient_reason import REFUSAL_REASONS, SEND_BACK_REASONS
from .questionnaire import QuestionnaireMixin
from .sealed import Sealed
from .transaction import wait_for
from .treatment import TreatmentMixin
from .workflow import (
    ProgrammeWorkflow, guarded, stamped, time_field, user_field)


def editable(*states):
    return {'readonly': ~Eval('state').in_(list(states))}


class Patient(
        IdentityMixin, CriteriaMixin, InformationMixin, EligibilityMixin,
        TreatmentMixin, QuestionnaireMixin, PatientDesk, ProgrammeWorkflow,
        ModelSQL, ModelView):
    """A person under one authorization, from the request to the end.

    The identity is limited to what CNIL 2022-107 art. 7.2 a allows and is
    sealed, like the health data. The code is meaningless and given when the
    request is accepted.
    """
    __name__ = 'early_access.patient'
    _rec_name = 'code'

    code = fields.Char("Code", readonly=True)
    company = fields.Many2One(
        'company.company', "Company", required=True, readonly=True,
        ondelete='RESTRICT')
    authorization = fields.Many2One(
        'early_access.authorization', "Authorization", required=True,
        ondelete='RESTRICT',
        domain=[
            If(Eval('state') == 'draft',
                [
                    ('state', '=', 'granted'),
                    ('protocols.state', '=', 'active'),
                    ],
                []),
            ],
        states={
            'readonly': Eval('id', -1) >= 0,
            })
    protocol = fields.Many2One(
        'early_access.protocol', "Protocol", required=True, readonly=True,
        ondelete='RESTRICT',
        domain=[
            ('authorization', '=', Eval('authorization', -1)),
            ])
    request_protocol = fields.Many2One(
        'early_access.protocol', "Protocol of the Request", required=True,
        readonly=True, ondelete='RESTRICT',
        states={
            'invisible': Eval('request_protocol') == Eval('protocol'),
            },
        help="The version under which the request is made and decided, "
        "whatever version the follow-up moves to.")
    protocol_changes = fields.One2Many(
        'early_access.patient.protocol_change', 'patient',
        "Changes of Protocol", readonly=True,
        states={
            'invisible': ~Eval('protocol_changes'),
            })
    previous = fields.Many2One(
        'early_access.patient', "Previous Request", readonly=True,
        ondelete='RESTRICT',
        states={
            'invisible': ~Eval('previous'),
            },
        help="The request of the same person before the treatment was "
        "stopped.")
    request_date = fields.Date(
        "Request Date", required=True, states=editable('draft'),
        help="Earlier than today for a request made on paper.")
    service = fields.Many2One(
        'early_access.service', "Service", required=True,
        ondelete='RESTRICT', states=editable('draft'))
    establishment = fields.Many2One(
        'party.party', "Establishment", required=True, readonly=True,
        ondelete='RESTRICT',
        context={
            'company': Eval('company', -1),
            },
        depends={'company'})
    prescriber = fields.Many2One(
        'early_access.professional', "Prescriber", required=True,
        ondelete='RESTRICT',
        domain=[
            ('profession', '=', 'doctor'),
            If(Eval('state') == 'draft',
                ('services', '=', Eval('service', -1)),
                ()),
            ],
        states=editable('draft'))
    pharmacy = fields.Many2One(
        'party.party', "Pharmacy", required=True, ondelete='RESTRICT',
        domain=[
            ('hospital_kind', '=', 'pharmacy'),
            ],
        context={
            'company': Eval('company', -1),
            },
        depends={'company'},
        states=editable('draft'))

    send_back_reason = Sealed(fields.Selection(
            SEND_BACK_REASONS, "Reason to Send Back", sort=False,
            states={
                'invisible': ~(
                    Eval('state').in_(['signed', 'submitted'])
                    | ((Eval('state') == 'draft')
                        & Bool(Eval('send_back_reason')))),
                'readonly': Eval('state') == 'draft',
                }))
    refusal_reason = Sealed(fields.Selection(
            REFUSAL_REASONS, "Reason to Refuse", sort=False,
            states={
                'invisible': ~Eval('state').in_(['submitted', 'refused']),
                'readonly': Eval('state') != 'submitted',
                'required': Eval('state') == 'refused',
                }))
    signed_by = user_field("Signed By")
    signed_at = time_field("Signed At")
    submitted_by = user_field("Submitted By")
    submitted_at = time_field("Submitted At")
    accepted_by = user_field("Accepted By")
    accepted_at = time_field("Accepted At")
    refused_by = user_field("Refused By")
    refused_at = time_field("Refused At")
    closed_by = user_field("Closed By")
    closed_at = time_field("Closed At")
    duplicate_index = fields.Char(
        "Duplicate Index", readonly=True, loading='lazy')

    forms = fields.One2Many(
        'early_access.form', 'patient', "Forms", readonly=True)
    assignments = fields.One2Many(
        'early_access.patient.assignment', 'patient', "Hospital Teams",
        readonly=True)
    related_persons = fields.One2Many(
        'early_access.related_person', 'patient', "Related Persons",
        states={
            'invisible': ~Eval('state').in_(['treated', 'discontinued']),
            })
    order_lines = fields.One2Many(
        'early_access.order.line', 'patient', "Orders", readonly=True)
    paediatric = fields.Function(
        fields.Boolean("Paediatric"), 'on_change_with_paediatric')
    state = fields.Selection([
            ('draft', "Draft"),
            ('signed', "Signed"),
            ('submitted', "Submitted"),
            ('eligible', "Eligible"),
            ('refused', "Refused"),
            ('treated', "Treated"),
            ('discontinued', "Discontinued"),
            ('never_started', "Never started"),
            ('cancelled', "Cancelled"),
            ], "State", required=True, readonly=True, sort=False)
    state_string = state.translated('state')

    _sealed_keys = ('authorization',)
    _protected = frozenset({
            'state', 'code', 'company', 'protocol', 'request_protocol',
            'previous',
            'establishment', 'duplicate_index', 'signed_by', 'signed_at',
            'submitted_by', 'submitted_at',
            'accepted_by', 'accepted_at', 'refused_by', 'refused_at',
            'closed_by', 'closed_at'})
    _request_fields = frozenset({
            'authorization', 'request_date', 'service', 'prescriber',
            'pharmacy', 'surname_letters', 'first_name_letters', 'sex',
            'birth_month', 'birth_date', 'weight', 'height', 'criteria'})
    _document_fields = frozenset({
            'information_version', 'information_date', 'notice_version',
            'notice_date', 'informed_person', 'information_due_date',
            'treatment_accepted_date'})
    # The states in which the users write the fields
    _editable = {
        **dict.fromkeys(_request_fields, {'draft'}),
        **dict.fromkeys(_document_fields, {
                'draft', 'signed', 'submitted', 'eligible', 'treated'}),
        'send_back_reason': {'signed', 'submitted'},
        'refusal_reason': {'submitted'},
        'never_started_reason': {'eligible'},
        'stop_reason': {'treated'},
        'first_administration_date': {'eligible', 'treated'},
        'discontinuation_date': {'treated'},
        }

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_constraints += [
            ('code_unique', Unique(t, t.code),
                'early_access.msg_patient_code_unique'),
            ]
        cls._sql_indexes.update({
                Index(
                    t,
                    (t.company, Index.Range()),
                    (t.state, Index.Equality(cardinality='low')),
                    (t.id, Index.Range(order='DESC'))),
                Index(
                    t,
                    (t.authorization, Index.Range()),
                    (t.duplicate_index, Index.Equality(cardinality='high')),
                    where=t.duplicate_index != Null),
                Index(t, (t.authorization, Index.Range()), (
                        t.state, Index.Equality(cardinality='low'))),
                Index(
                    t, (t.previous, Index.Range()),
                    where=t.previous != Null),
                Index(t, (t.service, Index.Range())),
                Index(t, (t.pharmacy, Index.Range())),
                })
        cls._order = [('id', 'DESC')]
        cls._transitions |= {
            ('draft', 'signed'),
            ('draft', 'cancelled'),
            ('signed', 'draft'),
            ('signed', 'submitted'),
            ('signed', 'cancelled'),
            ('submitted', 'draft'),
            ('submitted', 'eligible'),
            ('submitted', 'refused'),
            ('submitted', 'cancelled'),
            ('eligible', 'treated'),
            ('eligible', 'never_started'),
            ('treated', 'discontinued'),
            }
        cls._buttons.update(
            cancel={
                'invisible': ~Eval('state').in_(
                    ['draft', 'signed', 'submitted']),
                'depends': ['state'],
                },
            send_back={
                'invisible': ~Eval('state').in_(['signed', 'submitted']),
                'icon': 'tryton-back',
                'depends': ['state'],
                },
            sign={
                'invisible': Eval('state') != 'draft',
                'depends': ['state'],
                },
            submit={
                'invisible': Eval('state') != 'signed',
                'depends': ['state'],
                },
            refuse={
                'invisible': Eval('state') != 'submitted',
                'depends': ['state'],
                },
            accept={
                'invisible': Eval('state') != 'submitted',
                'depends': ['state'],
                },
            never_start={
                'invisible': Eval('state') != 'eligible',
                'depends': ['state'],
                },
            initiate={
                'invisible': Eval('state') != 'eligible',
                'depends': ['state'],
                },
            discontinue={
                'invisible': Eval('state') != 'treated',
                'depends': ['state'],
                },
            resume={
                'invisible': Eval('state') != 'discontinued',
                'depends': ['state'],
                },
            transfer={
                'invisible': ~Eval('state').in_(
                    ['submitted', 'eligible', 'treated']),
                'depends': ['state'],
                })

    @classmethod
    def default_company(cls):
        return Transaction().context.get('company')

    @classmethod
    def default_request_date(cls):
        pool = Pool()
        Date = pool.get('ir.date')
        return Date.today()

    @classmethod
    def default_authorization(cls):
        pool = Pool()
        Authorization = pool.get('early_access.authorization')
        authorizations = Authorization.search([
                ('state', '=', 'granted'),
                ('protocols.state', '=', 'active'),
                ], limit=2)
        if len(authorizations) == 1:
            return authorizations[0].id

    @classmethod
    def default_prescriber(cls):
        pool = Pool()
        User = pool.get('res.user')
        professional = User.early_access_professional()
        if professional and professional.profession == 'doctor':
            return professional.id

    @classmethod
    def default_service(cls):
        pool = Pool()
        User = pool.get('res.user')
        professional = User.early_access_professional()
        if professional and len(professional.services) == 1:
            return professional.services[0].id

    @classmethod
    def default_pharmacy(cls):
        pool = Pool()
        Service = pool.get('early_access.service')
        service = cls.default_service()
        if service:
            return Service(service).pharmacy.id

    @staticmethod
    def default_state():
        return 'draft'

    @fields.depends('protocol', '_parent_protocol.paediatric')
    def on_change_with_paediatric(self, name=None):
        return bool(self.protocol and self.protocol.paediatric)

    @fields.depends('authorization', 'protocol', 'criteria')
    def on_change_authorization(self):
        self.protocol = (
            self.authorization.active_protocol if self.authorization
            else None)
        self.request_protocol = self.protocol
        self.paediatric = self.on_change_with_paediatric()
        if self.protocol:
            answers = self.criteria or {}
            self.criteria = {
                c.name: answers.get(c.name) for c in self.protocol.criteria}
        else:
            self.criteria = None

    @fields.depends('service', 'pharmacy')
    def on_change_service(self):
        if self.service:
            self.pharmacy = self.service.pharmacy

    def get_rec_name(self, name):
        return self.code or gettext(
            'early_access.msg_patient_request', number=self.id)

    @classmethod
    def search_rec_name(cls, name, clause):
        return [('code', *clause[1:])]

    @classmethod
    def view_attributes(cls):
        return super().view_attributes() + [
            ('/tree', 'visual',
                If((Eval('overdue_forms', 0) > 0)
                    | Eval('initiation_late', False), 'warning',
                    If(Eval('state').in_(
                            ['refused', 'never_started', 'cancelled']),
                        'muted', ''))),
            ]

    # Transitions

    @classmethod
    @guarded('draft', 'signed', 'submitted')
    @ModelView.button
    @Workflow.transition('cancelled')
    @stamped('closed')
    def cancel(cls, patients):
        cls._close_forms(patients)

    @classmethod
    @guarded('signed', 'submitted')
    @ModelView.button
    @Workflow.transition('draft')
    def send_back(cls, patients):
        pool = Pool()
        Form = pool.get('early_access.form')
        User = pool.get('res.user')
        for patient in patients:
            if not patient.send_back_reason:
                raise PatientError(gettext(
                        'early_access.msg_patient_send_back_reason',
                        patient=patient.rec_name))
            profiles = (
                {'hospital_pharmacist'} if patient.state == 'signed'
                else {'pharmacist_in_charge'})
            if Transaction().user and not User.has_profile(*profiles):
                raise PatientAccessError(gettext(
                        'early_access.msg_patient_send_back_user',
                        patient=patient.rec_name,
                        state=patient.state_string))
        cls.write(patients, {
                'signed_by': None,
                'signed_at': None,
                'submitted_by': None,
                'submitted_at': None,
                })
        Form.reopen([
                p.access_form for p in patients
                if p.access_form.state == 'submitted'])
        cls._renew_protocol(patients)

    @classmethod
    def _renew_protocol(cls, patients):
        """Put the requests whose version is no longer admitted under the one
        in force: the criteria and the access form are answered again."""
        pool = Pool()
        Form = pool.get('early_access.form')
        today = cls._today()
        patients = [
            p for p in patients
            if not p.protocol.admits_request(today)
            and p.authorization.active_protocol]
        cls._close_forms(patients)
        for patient in patients:
            patient.protocol = patient.authorization.active_protocol
            patient.request_protocol = patient.protocol
            patient.criteria = None
        cls.save(patients)
        Form.expect_access(patients)

    @classmethod
    @guarded('draft')
    @ModelView.button
    @Workflow.transition('signed')
    @stamped('signed')
    def sign(cls, patients):
        """Sign the request as the prescriber.

        Raises PatientError when the request is not complete, and
        PatientAccessError when the user is not a doctor of the service.
        """
        pool = Pool()
        Form = pool.get('early_access.form')
        for patient in patients:
            patient.check_signatory()
            patient.check_request()
            patient.authorization.check_new_patient(patient._today())
            patient.duplicate_index = patient.compute_duplicate_index()
            patient.send_back_reason = None
        cls.save(patients)
        Form.submit([
                p.access_form for p in patients
                if p.access_form.state in {'expected', 'draft'}])

    @classmethod
    @guarded('signed')
    @ModelView.button
    @Workflow.transition('submitted')
    @stamped('submitted')
    def submit(cls, patients):
        for patient in patients:
            patient.check_pharmacist()
            patient._check_other_user('signed_by')
            patient.authorization.check_new_patient(patient._today())

    @classmethod
    @guarded('submitted')
    @ModelView.button
    @Workflow.transition('refused')
    @stamped('refused')
    def refuse(cls, patients):
        for patient in patients:
            patient._check_decision_maker()
            if not patient.refusal_reason:
                raise PatientError(gettext(
                        'early_access.msg_patient_refusal_reason',
                        patient=patient.rec_name))
        cls._close_forms(patients)

    @classmethod
    @guarded('submitted')
    @ModelView.button
    @Workflow.transition('eligible')
    @stamped('accepted')
    def accept(cls, patients):
        """Give the favourable notice and the code of the patient.

        Raises FourEyesError when the user signed or submitted the request,
        EligibilityError when the protocol does not admit the patient, and
        DuplicatePatientWarning when the person seems to be already known
        under the authorization.
        """
        for patient in patients:
            patient._check_decision_maker()
            patient._check_other_user('signed_by', 'submitted_by')
            patient.check_eligible()
            patient.check_documents()
        cls.warn_duplicates(patients)
        for patient in patients:
            patient.code = cls._new_code(patient.authorization)
        cls.save(patients)

    @classmethod
    @ModelView.button_action('early_access.wizard_patient_transfer')
    def transfer(cls, patients):
        "Open the transfer to another hospital team."

    @classmethod
    def check_transfer(cls, patients, service, prescriber):
        "Raise unless the patients may change of hospital team now."
        wait_for(patients)
        cls.check_state(
            patients, 'transfer', ['submitted', 'eligible', 'treated'])
        for patient in patients:
            patient._check_decision_maker()
            if (prescriber.profession != 'doctor'
                    or prescriber.state != 'active'
                    or service not in prescriber.services):
                raise PatientError(gettext(
                        'early_access.msg_patient_transfer_prescriber',
                        patient=patient.rec_name,
                        prescriber=prescriber.rec_name,
                        service=service.rec_name))

    # Checks

    @classmethod
    def _new_code(cls, authorization):
        while True:
            code = new_patient_code(authorization.code)
            if not cls.search([('code', '=', code)], limit=1):
                return code

    @classmethod
    def _close_forms(cls, patients):
        pool = Pool()
        Form = pool.get('early_access.form')
        Form.not_applicable([
                f for p in patients for f in p.forms
                if f.state in {'expected', 'draft'}])

    # Storage

    @classmethod
    def preprocess_values(cls, mode, values):
        pool = Pool()
        Authorization = pool.get('early_access.authorization')
        Service = pool.get('early_access.service')
        values = super().preprocess_values(mode, values)
        if mode == 'create':
            # The server sets the defaults later
            for name in ['authorization', 'service']:
                if name not in values:
                    values[name] = getattr(cls, f'default_{name}')()
        if mode == 'create' and values.get('authorization'):
            authorization = Authorization(values['authorization'])
            values['company'] = authorization.company.id
            protocol = authorization.active_protocol
            if not protocol:
                raise PatientError(gettext(
                        'early_access.msg_patient_no_protocol',
                        authorization=authorization.rec_name))
            values['protocol'] = protocol.id
            values['request_protocol'] = protocol.id
        if values.get('service'):
            service = Service(values['service'])
            values['establishment'] = service.establishment.id
            if mode == 'create' and not values.get('pharmacy'):
                values['pharmacy'] = service.pharmacy.id
        return values

    @classmethod
    def validate_fields(cls, patients, field_names):
        super().validate_fields(patients, field_names)
        if field_names and 'first_administration_date' in field_names:
            for patient in patients:
                if patient.state == 'treated':
                    patient._check_treatment_date('first_administration_date')
        if field_names is None or 'request_date' in field_names:
            today = cls._today()
            for patient in patients:
                if patient.request_date > today:
                    raise PatientError(gettext(
                            'early_access.msg_patient_future_date',
                            patient=patient.rec_name,
                            **cls.__names__('request_date')))
                start = patient.authorization.effective_date
                if start and patient.request_date < start:
                    raise PatientError(gettext(
                            'early_access.msg_patient_date_early',
                            patient=patient.rec_name,
                            earliest=patient.authorization._format_date(start),
                            **cls.__names__('request_date')))

    @classmethod
    def check_modification(cls, mode, patients, values=None, external=False):
        super().check_modification(
            mode, patients, values=values, external=external)
        if mode == 'write' and external:
            for patient in patients:
                for name in sorted(values.keys() & cls._editable.keys()):
                    if patient.state not in cls._editable[name]:
                        raise AccessError(gettext(
                                'early_access.msg_patient_not_editable',
                                patient=patient.rec_name,
                                state=patient.state_string,
                                **cls.__names__(name)))
        elif mode == 'delete':
            for patient in patients:
                if patient.order_lines:
                    raise AccessError(gettext(
                            'early_access.msg_patient_delete_orders',
                            patient=patient.rec_name))
                if patient.state not in {'draft', 'cancelled'}:
                    raise AccessError(gettext(
                            'early_access.msg_patient_delete',
                            patient=patient.rec_name,
                            state=patient.state_string))
        elif mode == 'create' and external:
            for patient in patients:
                if patient.authorization.state != 'granted':
                    patient.authorization.check_new_patient(cls._today())

    @classmethod
    def on_modification(cls, mode, patients, field_names=None):
        pool = Pool()
        Assignment = pool.get('early_access.patient.assignment')
        Form = pool.get('early_access.form')
        super().on_modification(mode, patients, field_names=field_names)
        if mode == 'create':
            Assignment.open(patients)
            Form.expect_access(patients)
        elif mode == 'write':
            if field_names & {'service', 'prescriber', 'pharmacy'}:
                Assignment.open(patients)
            if 'first_administration_date' in field_names:
                Form.move_schedule(
                    [p for p in patients if p.state == 'treated'])

    @classmethod
    def copy(cls, patients, default=None):
        default = default.copy() if default is not None else {}
        # The others come from the authorization and the service
        for name in cls._protected - {'state'}:
            default.setdefault(name)
        # The criteria may be those of another version of the protocol
        default.setdefault('criteria')
        for name in cls._editable.keys() - cls._request_fields:
            default.setdefault(name)
        for name in [
                'forms', 'assignments', 'related_persons', 'order_lines',
                'protocol_changes']:
            default.setdefault(name)
        default.setdefault('request_date', cls._today())
        return super().copy(patients, default=default)
