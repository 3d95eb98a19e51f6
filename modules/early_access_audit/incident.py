# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import datetime as dt

from trytond.i18n import gettext
from trytond.model import Index, ModelSQL, ModelView, Workflow, fields
from trytond.modules.early_access.national_number import NationalNumberMixin
from trytond.modules.early_access.workflow import (
    ProgrammeWorkflow, guarded, time_field, user_field)
from trytond.pool import Pool
from trytond.pyson import Bool, Eval
from trytond.transaction import Transaction
from trytond.wizard import Button, StateTransition, StateView, Wizard

from .exceptions import IncidentAccessError, IncidentError
from .incident_clock import IncidentClock, now
from .incident_risk import IncidentRisk

editable = {
    'readonly': Eval('state') == 'closed',
    }
describing = {
    'readonly': ~Eval('state').in_(['draft', 'open']),
    }


class Incident(
        IncidentClock, IncidentRisk, NationalNumberMixin, ProgrammeWorkflow,
        ModelSQL, ModelView):
    """An incident that concerns the data, whatever came of it.

    Every one is registered: its facts, its effects and what was done about it
    (GDPR 33.5, CNIL 2022-107, SEC-VIO).
    """
    __name__ = 'early_access.audit.incident'
    _rec_name = 'number'

    number = fields.Char("Number", readonly=True)
    company = fields.Many2One(
        'company.company', "Company", required=True, ondelete='RESTRICT',
        states={
            'readonly': Eval('id', -1) >= 0,
            })
    authorizations = fields.Many2Many(
        'early_access.audit.incident-early_access.authorization',
        'incident', 'authorization', "Authorizations",
        domain=[
            ('company', '=', Eval('company', -1)),
            ],
        states=editable,
        help="The programmes whose data is concerned.")
    subject = fields.Char(
        "Subject", required=True, states=describing,
        help="Without anything about a patient.")
    natures = fields.MultiSelection([
            ('confidentiality', "Confidentiality"),
            ('integrity', "Integrity"),
            ('availability', "Availability"),
            ], "Nature", sort=False, states=describing,
        help="What was lost of the data (GDPR 4.12).")
    origin = fields.Selection([
            ('own', "The laboratory"),
            ('processor', "A processor"),
            ], "Origin", required=True, sort=False, states=describing)
    processor = fields.Many2One(
        'party.party', "Processor", ondelete='RESTRICT',
        context={
            'company': Eval('company', -1),
            },
        depends={'company'},
        states={
            'readonly': describing['readonly'],
            'invisible': Eval('origin') != 'processor',
            'required': Eval('origin') == 'processor',
            })
    warned_at = fields.DateTime(
        "Warned At",
        states={
            'readonly': describing['readonly'],
            'invisible': Eval('origin') != 'processor',
            'required': (
                (Eval('origin') == 'processor')
                & (Eval('state') != 'draft')),
            },
        help="When the processor warned the laboratory (GDPR 33.2).")
    occurred_from = fields.DateTime("Occurred From", states=describing)
    occurred_to = fields.DateTime(
        "Occurred To", states=describing,
        help="Leave empty while it goes on, or is not known.")
    detected_at = fields.DateTime(
        "Detected At", required=True, states=describing)
    facts = fields.Text("Facts", states=editable)
    effects = fields.Text(
        "Effects", states=editable,
        help="The likely consequences for the persons.")
    measures_taken = fields.Text("Measures Taken", states=editable)
    measures_planned = fields.Text("Measures Planned", states=editable)
    authority = fields.Char(
        "Lead Authority", required=True, states=editable)
    notifications = fields.One2Many(
        'early_access.audit.incident.notification', 'incident',
        "Notifications",
        states={
            'readonly': Eval('state').in_(['draft', 'closed']),
            })
    late_reason = fields.Text(
        "Reason of the Lateness",
        states={
            'readonly': Eval('state') == 'closed',
            'invisible': ~Eval('urgency').in_(['late', 'overdue']),
            },
        help="Why the authority is notified after 72 hours (GDPR 33.1).")
    patients = fields.One2Many(
        'early_access.audit.incident.patient', 'incident', "Patients",
        states=editable)
    prescribers = fields.One2Many(
        'early_access.audit.incident.prescriber', 'incident',
        "Prescribers", states=editable,
        help="Through whom the patients are informed.")
    persons_exception = fields.Selection([
            (None, ""),
            ('encrypted', "The data is unintelligible to others (34.3 a)"),
            ('mitigated', "The high risk has gone (34.3 b)"),
            ('public', "Public communication (34.3 c)"),
            ], "Persons not Notified", sort=False,
        states={
            'readonly': Eval('state') == 'closed',
            'invisible': Eval('risk') != 'high',
            },
        help="The exception of the article 34.3 of the GDPR.")
    persons_reason = fields.Text(
        "Reason of the Exception",
        states={
            'readonly': Eval('state') == 'closed',
            'invisible': ~Eval('persons_exception'),
            'required': Bool(Eval('persons_exception')),
            })
    others_informed_at = fields.DateTime(
        "Other Persons Informed At",
        states={
            'readonly': Eval('state') == 'closed',
            'invisible': Eval('risk') != 'high',
            },
        help="Those who are no patient in the list.")
    anomalies = fields.One2Many(
        'early_access.audit.anomaly', 'incident', "Anomalies", readonly=True,
        states={
            'invisible': ~Eval('anomalies'),
            })
    reopenings = fields.One2Many(
        'early_access.audit.incident.reopening', 'incident', "Reopenings",
        readonly=True,
        states={
            'invisible': ~Eval('reopenings'),
            })
    opened_by = user_field("Opened By")
    opened_at = time_field("Opened At")
    assessed_by = user_field("Assessed By")
    assessed_at = time_field("Assessed At")
    decided_by = user_field("Decided By")
    decided_at = time_field("Decided At")
    closed_by = user_field("Closed By")
    closed_at = time_field("Closed At")
    state = fields.Selection([
            ('draft', "Draft"),
            ('open', "Open"),
            ('assessed', "Assessed"),
            ('notified', "Notified"),
            ('not_notifiable', "Not Notifiable"),
            ('closed', "Closed"),
            ], "State", required=True, readonly=True, sort=False)

    _protected = frozenset({
            'state', 'number', 'opened_by', 'opened_at', 'assessed_by',
            'assessed_at', 'decided_by', 'decided_at', 'closed_by',
            'closed_at'})
    # What users may still change, by state, beside what is never fixed
    _described = frozenset({
            'aware_at', 'subject', 'natures', 'origin', 'processor',
            'warned_at', 'occurred_from', 'occurred_to', 'detected_at',
            'person_categories', 'number_persons', 'data_categories',
            'number_records', 'severity', 'likelihood', 'risk',
            'risk_reason'})

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_indexes.update({
                Index(
                    t, (t.company, Index.Range()),
                    (t.state, Index.Equality(cardinality='low'))),
                Index(
                    t, (t.state, Index.Equality(cardinality='low')),
                    (t.aware_at, Index.Range())),
                })
        cls._order = [('urgency', 'ASC'), ('id', 'DESC')]
        cls._transitions |= {
            ('draft', 'open'),
            ('open', 'draft'),
            ('open', 'assessed'),
            ('assessed', 'open'),
            ('assessed', 'notified'),
            ('assessed', 'not_notifiable'),
            ('notified', 'closed'),
            ('not_notifiable', 'closed'),
            ('closed', 'open'),
            }
        cls._buttons.update(
            draft={
                'invisible': Eval('state') != 'open',
                'icon': 'tryton-back',
                'depends': ['state'],
                },
            open={
                'invisible': ~Eval('state').in_(['draft', 'assessed']),
                'icon': 'tryton-forward',
                'depends': ['state'],
                },
            assess={
                'invisible': Eval('state') != 'open',
                'icon': 'tryton-forward',
                'depends': ['state'],
                },
            notify={
                'invisible': Eval('state') != 'assessed',
                'icon': 'tryton-ok',
                'depends': ['state'],
                },
            dismiss={
                'invisible': Eval('state') != 'assessed',
                'icon': 'tryton-cancel',
                'depends': ['state'],
                },
            close={
                'invisible': ~Eval('state').in_(
                    ['notified', 'not_notifiable']),
                'icon': 'tryton-archive',
                'depends': ['state'],
                },
            reopen={
                'invisible': Eval('state') != 'closed',
                'icon': 'tryton-back',
                'depends': ['state'],
                },
            )

    @staticmethod
    def default_company():
        return Transaction().context.get('company')

    @staticmethod
    def default_origin():
        return 'own'

    @staticmethod
    def default_state():
        return 'draft'

    @classmethod
    def default_authority(cls):
        Configuration = Pool().get(
            'early_access.audit.incident.configuration')
        return Configuration(1).authority

    @classmethod
    def default_detected_at(cls):
        return now().replace(microsecond=0)

    @classmethod
    def default_urgency(cls):
        return 'unknown'

    @classmethod
    def search_rec_name(cls, name, clause):
        _, operator, value = clause
        bool_op = 'AND' if operator.startswith(('!', 'not')) else 'OR'
        return [bool_op,
            ('number', operator, value),
            ('subject', operator, value),
            ]

    @classmethod
    def view_attributes(cls):
        return super().view_attributes() + cls.clock_attributes() + [
            ('//page[@id="persons"]', 'states', {
                    'invisible': ~Eval('risk').in_(['risk', 'high']),
                    }, ['risk']),
            ]

    @classmethod
    def values_of(cls, anomaly):
        "Return the values of the incident that an anomaly opens."
        return {
            'subject': gettext(
                'early_access_audit.msg_incident_of_anomaly',
                anomaly=anomaly.rule_string, date=anomaly.date),
            'natures': ['confidentiality'],
            'occurred_from': anomaly.check.day(anomaly.date).start,
            'detected_at': now().replace(microsecond=0),
            }

    # Buttons

    @classmethod
    @guarded('open')
    @ModelView.button
    @Workflow.transition('draft')
    def draft(cls, incidents):
        "Correct the time since which the laboratory is aware."
        for incident in incidents:
            if incident.notifications:
                raise IncidentError(gettext(
                        'early_access_audit.msg_incident_draft',
                        incident=incident.rec_name))

    @classmethod
    @guarded('draft', 'assessed')
    @ModelView.button
    @Workflow.transition('open')
    def open(cls, incidents):
        "Start to work on the incidents, or assess them again."
        for incident in incidents:
            incident.check_filled(
                'natures', 'facts', 'detected_at', 'aware_at', 'authority')
            incident.check_times()
            if incident.origin == 'processor':
                incident.check_filled('processor', 'warned_at')
        cls.write(incidents, cls.stamp('opened'))

    @classmethod
    @guarded('open')
    @ModelView.button
    @Workflow.transition('assessed')
    def assess(cls, incidents):
        "Tell what the persons risk."
        for incident in incidents:
            incident.check_filled(
                'person_categories', 'number_persons', 'data_categories',
                'number_records', 'severity', 'likelihood', 'risk',
                'effects')
            if (incident.risk == 'none'
                    or incident.risk != incident.proposed_risk):
                incident.check_filled('risk_reason')
        cls.write(incidents, cls.stamp('assessed'))

    @classmethod
    @guarded('assessed')
    @ModelView.button
    @Workflow.transition('notified')
    def notify(cls, incidents):
        """Tell that the lead authority is notified.

        :raises IncidentError: if it is not, or late without a reason.
        """
        for incident in incidents:
            if not incident.notified_at:
                raise IncidentError(gettext(
                        'early_access_audit.msg_incident_notify',
                        incident=incident.rec_name,
                        authority=incident.authority))
            if incident.is_late:
                incident.check_filled('late_reason')
        cls.write(incidents, cls.stamp('decided'))

    @classmethod
    @guarded('assessed')
    @ModelView.button
    @Workflow.transition('not_notifiable')
    def dismiss(cls, incidents):
        """Tell that no authority is to be notified, as there is no risk.

        :raises IncidentError: if there is one.
        """
        for incident in incidents:
            if incident.risk != 'none':
                raise IncidentError(gettext(
                        'early_access_audit.msg_incident_dismiss',
                        incident=incident.rec_name))
            incident.check_filled('risk_reason')
        cls.write(incidents, cls.stamp('decided'))

    @classmethod
    @guarded('notified', 'not_notifiable')
    @ModelView.button
    @Workflow.transition('closed')
    def close(cls, incidents):
        """Close the incidents, which fixes them.

        :raises IncidentError: if something is missing.
        """
        for incident in incidents:
            incident.check_filled('facts', 'effects', 'measures_taken')
            if incident.state == 'notified':
                if not any(
                        n.recipient == 'lead' and n.phase == 'final'
                        for n in incident.notifications):
                    raise IncidentError(gettext(
                            'early_access_audit.msg_incident_final',
                            incident=incident.rec_name,
                            authority=incident.authority))
                if incident.is_late:
                    incident.check_filled('late_reason')
            if incident.risk == 'high':
                incident.check_persons()
        cls.write(incidents, cls.stamp('closed'))

    @classmethod
    @ModelView.button_action('early_access_audit.wizard_incident_reopen')
    def reopen(cls, incidents):
        pass

    @classmethod
    @guarded('closed')
    @Workflow.transition('open')
    def _reopen(cls, incidents):
        pass

    @classmethod
    def reopen_for(cls, incidents, reason):
        "Open closed incidents again and keep the reason."
        Reopening = Pool().get('early_access.audit.incident.reopening')
        cls._reopen(incidents)
        Reopening.create([{
                    'incident': i.id,
                    'reason': reason,
                    'reopened_by': Transaction().user,
                    'reopened_at': now(),
                    } for i in incidents])

    # What is missing

    def check_filled(self, *names):
        """Check that the fields are filled in.

        :raises IncidentError: naming all those that are not.
        """
        missing = [
            self.__names__(n)['field'] for n in names
            if getattr(self, n) in {None, '', ()}
            or isinstance(getattr(self, n), str)
            and not getattr(self, n).strip()]
        if missing:
            raise IncidentError(gettext(
                    'early_access_audit.msg_incident_missing',
                    incident=self.rec_name,
                    fields=', '.join(f'"{m}"' for m in missing)))

    def check_times(self):
        "Check that the times follow one another and are not to come."
        for first, second in [
                ('occurred_from', 'occurred_to'),
                ('occurred_from', 'detected_at'),
                ('detected_at', 'aware_at'),
                ('warned_at', 'aware_at'),
                ]:
            begin, end = getattr(self, first), getattr(self, second)
            if begin and end and begin > end:
                raise IncidentError(gettext(
                        'early_access_audit.msg_incident_order',
                        incident=self.rec_name,
                        first=self.__names__(first)['field'],
                        second=self.__names__(second)['field']))
        for name in ['occurred_to', 'detected_at', 'warned_at', 'aware_at']:
            value = getattr(self, name)
            if value and value > now() + dt.timedelta(minutes=5):
                raise IncidentError(gettext(
                        'early_access_audit.msg_incident_future',
                        **self.__names__(name, record=self)))

    def check_persons(self):
        "Check that the persons at a high risk are told, or need not be."
        if self.persons_exception:
            self.check_filled('persons_reason')
            return
        waiting = [p.name for p in self.prescribers if not p.informed_at]
        if waiting:
            raise IncidentError(gettext(
                    'early_access_audit.msg_incident_prescribers',
                    incident=self.rec_name, prescribers=', '.join(waiting)))
        if 'patient' in (self.person_categories or ()) and not self.patients:
            raise IncidentError(gettext(
                    'early_access_audit.msg_incident_patients',
                    incident=self.rec_name))
        if set(self.person_categories or ()) - {'patient'}:
            self.check_filled('others_informed_at')

    # Modification

    @classmethod
    def preprocess_values(cls, mode, values):
        pool = Pool()
        Configuration = pool.get('early_access.audit.incident.configuration')
        values = super().preprocess_values(mode, values)
        if mode == 'create' and not values.get('number'):
            values['number'] = Configuration(1).sequence.get()
        return values

    @classmethod
    def check_modification(cls, mode, incidents, values=None, external=False):
        super().check_modification(
            mode, incidents, values=values, external=external)
        for incident in incidents:
            if mode == 'delete':
                raise IncidentAccessError(gettext(
                        'early_access_audit.msg_incident_delete',
                        incident=incident.rec_name))
            if mode != 'write' or not external:
                continue
            if incident.state == 'closed':
                raise IncidentAccessError(gettext(
                        'early_access_audit.msg_incident_closed',
                        incident=incident.rec_name))
            fixed = set()
            if incident.state != 'draft':
                fixed |= {'aware_at', 'company'}
            if incident.state not in {'draft', 'open'}:
                fixed |= cls._described
            for name in sorted(values.keys() & fixed):
                raise IncidentAccessError(gettext(
                        'early_access_audit.msg_incident_fixed',
                        **cls.__names__(name, record=incident)))

    @classmethod
    def copy(cls, incidents, default=None):
        if not incidents:
            return []
        raise IncidentAccessError(gettext(
                'early_access_audit.msg_incident_copy',
                incident=incidents[0].rec_name))


class IncidentAuthorization(ModelSQL):
    "Incident - Authorization"
    __name__ = 'early_access.audit.incident-early_access.authorization'

    incident = fields.Many2One(
        'early_access.audit.incident', "Incident", required=True,
        ondelete='CASCADE')
    authorization = fields.Many2One(
        'early_access.authorization', "Authorization", required=True,
        ondelete='RESTRICT')


class IncidentReopen(Wizard):
    "Open a closed incident again"
    __name__ = 'early_access.audit.incident.reopen'

    start = StateView(
        'early_access.audit.incident.reopen.start',
        'early_access_audit.incident_reopen_start_view_form', [
            Button("Cancel", 'end', 'tryton-cancel'),
            Button("Reopen", 'reopen', 'tryton-ok', default=True),
            ])
    reopen = StateTransition()

    def transition_reopen(self):
        self.model.reopen_for(list(self.records), self.start.reason)
        self.model.log(self.records, 'button', 'reopen')
        return 'end'


class IncidentReopenStart(ModelView):
    __name__ = 'early_access.audit.incident.reopen.start'

    reason = fields.Text("Reason", required=True)
