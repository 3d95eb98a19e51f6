# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Whom an incident concerns, by code, and who tells them.

The security officer sees neither the patients nor the hospital users: the
codes are enough, and the prescribers, who know the persons, inform them.
"""

import datetime as dt

from trytond.i18n import gettext
from trytond.model import Index, ModelSQL, ModelView, Unique, fields
from trytond.modules.early_access.national_number import NationalNumberMixin
from trytond.modules.early_access.workflow import user_field
from trytond.pool import Pool
from trytond.pyson import Eval
from trytond.transaction import Transaction, without_check_access

from .exceptions import IncidentAccessError, IncidentError


class IncidentPartMixin:
    "What belongs to an incident, and is fixed once that is closed"
    __slots__ = ()
    # Whether it may be taken away before
    _deletable = True

    @classmethod
    def check_modification(cls, mode, records, values=None, external=False):
        super().check_modification(
            mode, records, values=values, external=external)
        for record in records:
            with without_check_access():
                incident = cls(record.id).incident
                closed, name = incident.state == 'closed', incident.rec_name
            if closed:
                raise IncidentAccessError(gettext(
                        'early_access_audit.msg_incident_closed',
                        incident=name))
            if mode == 'delete' and not cls._deletable:
                raise IncidentAccessError(gettext(
                        'early_access_audit.msg_incident_part_delete',
                        **cls.__names__(record=record)))

    def get_rec_name(self, name):
        return self.incident.rec_name


class IncidentPatient(IncidentPartMixin, ModelSQL, ModelView):
    "A patient whom an incident concerns, named by the code only"
    __name__ = 'early_access.audit.incident.patient'

    incident = fields.Many2One(
        'early_access.audit.incident', "Incident", required=True,
        ondelete='CASCADE')
    code = fields.Char("Code", required=True)
    patient = fields.Many2One(
        'early_access.patient', "Patient", readonly=True,
        ondelete='SET NULL',
        help="Empty once the patient is deleted.")

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_constraints += [
            ('code_unique', Unique(t, t.incident, t.code),
                'early_access_audit.msg_incident_patient_unique'),
            ]
        cls._sql_indexes.add(Index(t, (t.patient, Index.Range())))
        cls._order = [('code', 'ASC'), ('id', 'ASC')]

    def get_rec_name(self, name):
        return self.code

    @classmethod
    def check_modification(cls, mode, records, values=None, external=False):
        super().check_modification(
            mode, records, values=values, external=external)
        if mode == 'write' and external and values.keys() & {
                'code', 'patient', 'incident'}:
            raise IncidentAccessError(gettext(
                    'early_access_audit.msg_incident_patient_write',
                    **cls.__names__(record=records[0])))

    @classmethod
    def preprocess_values(cls, mode, values):
        values = super().preprocess_values(mode, values)
        if mode == 'create':
            code = (values.get('code') or '').strip().upper()
            values['code'] = code
            values['patient'] = cls._find(
                values.get('incident'), code)
        return values

    @classmethod
    @without_check_access
    def _find(cls, incident, code):
        """Return the id of the patient of a code, of the same company.

        :raises IncidentError: if there is none.
        """
        pool = Pool()
        Incident = pool.get('early_access.audit.incident')
        Patient = pool.get('early_access.patient')
        patients = []
        if code and incident:
            patients = Patient.search([
                    ('code', '=', code),
                    ('company', '=', Incident(incident).company.id),
                    ], limit=1)
        if not patients:
            raise IncidentError(gettext(
                    'early_access_audit.msg_incident_patient_code',
                    code=code[:20]))
        return patients[0].id

    @classmethod
    def on_modification(cls, mode, records, field_names=None):
        super().on_modification(mode, records, field_names=field_names)
        if mode == 'create':
            cls._list_prescribers({r.incident.id for r in records})

    @classmethod
    def on_delete(cls, records):
        callback = super().on_delete(records)
        incidents = {r.incident.id for r in records}
        callback.append(lambda: cls._list_prescribers(incidents))
        return callback

    @classmethod
    @without_check_access
    def _list_prescribers(cls, incidents):
        """Give the incidents a line for each prescriber of their patients.

        Who has informed persons already keeps the line.
        """
        pool = Pool()
        Incident = pool.get('early_access.audit.incident')
        Prescriber = pool.get('early_access.audit.incident.prescriber')
        to_create, to_delete = [], []
        for incident in Incident.browse(sorted(incidents)):
            wanted = {
                p.patient.prescriber.id for p in incident.patients
                if p.patient}
            listed = {p.professional.id: p for p in incident.prescribers}
            to_create += [
                {'incident': incident.id, 'professional': p}
                for p in sorted(wanted - listed.keys())]
            to_delete += [
                line for p, line in listed.items()
                if p not in wanted and not line.informed_at]
        Prescriber.delete(to_delete)
        Prescriber.create(to_create)


class IncidentPrescriber(
        NationalNumberMixin, IncidentPartMixin, ModelSQL, ModelView):
    "A prescriber through whom patients are informed of an incident"
    __name__ = 'early_access.audit.incident.prescriber'

    incident = fields.Many2One(
        'early_access.audit.incident', "Incident", required=True,
        readonly=True, ondelete='CASCADE')
    professional = fields.Many2One(
        'early_access.professional', "Professional", required=True,
        readonly=True, ondelete='RESTRICT')
    name = fields.Function(
        fields.Char("Prescriber"), 'get_name', searcher='search_name')
    codes = fields.Function(fields.Text("Patients"), 'get_codes')
    informed_at = fields.DateTime(
        "Informed At",
        states={
            'required': Eval('channel') | False,
            },
        help="When the prescriber was asked to inform the patients.")
    channel = fields.Selection([
            (None, ""),
            ('phone', "Telephone"),
            ('letter', "Registered letter"),
            ('secure_mail', "Secure health messaging"),
            ('meeting', "Meeting"),
            ('platform', "Platform"),
            ], "Channel", sort=False,
        states={
            'required': Eval('informed_at') | False,
            })
    patients_informed_at = fields.DateTime(
        "Patients Informed At",
        states={
            'readonly': ~Eval('informed_at'),
            },
        help="When the prescriber confirmed that the patients are informed.")
    informed_by = user_field("Informed By")

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_constraints += [
            ('professional_unique', Unique(t, t.incident, t.professional),
                'early_access_audit.msg_incident_prescriber_unique'),
            ]
        cls._order = [('id', 'ASC')]

    @classmethod
    def get_name(cls, lines, name):
        return {line.id: line.professional.rec_name for line in lines}

    @classmethod
    @without_check_access
    def search_name(cls, name, clause):
        Professional = Pool().get('early_access.professional')
        professionals = Professional.search([('rec_name', *clause[1:])])
        return [('professional', 'in', [p.id for p in professionals])]

    @classmethod
    def get_codes(cls, lines, name):
        return {
            line.id: ', '.join(
                p.code for p in line.incident.patients
                if p.patient and p.patient.prescriber == line.professional)
            for line in lines}

    def get_rec_name(self, name):
        return self.name

    @classmethod
    def search_rec_name(cls, name, clause):
        return [('name', *clause[1:])]

    @classmethod
    def preprocess_values(cls, mode, values):
        values = super().preprocess_values(mode, values)
        if values.get('informed_at'):
            values['informed_by'] = Transaction().user or None
        return values

    @classmethod
    def validate_fields(cls, lines, field_names):
        super().validate_fields(lines, field_names)
        time = dt.datetime.now() + dt.timedelta(minutes=5)
        for line in lines:
            for name in ['informed_at', 'patients_informed_at']:
                value = getattr(line, name)
                if value and value > time:
                    raise IncidentError(gettext(
                            'early_access_audit.msg_incident_future',
                            **cls.__names__(name, record=line)))
