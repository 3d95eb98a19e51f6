# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from trytond.i18n import gettext
from trytond.model import ModelView, Workflow, fields
from trytond.pool import Pool
from trytond.pyson import Eval

from .exceptions import PatientError
from .patient_reason import NEVER_STARTED_REASONS, STOP_REASONS
from .sealed import Sealed, SealedMixin
from .workflow import guarded, stamped


class TreatmentMixin(SealedMixin):
    "The treatment of a patient, from the first administration to the stop."
    __slots__ = ()

    never_started_reason = Sealed(fields.Selection(
            NEVER_STARTED_REASONS, "Reason Never Started", sort=False,
            states={
                'invisible': ~Eval('state').in_(
                    ['eligible', 'never_started']),
                'readonly': Eval('state') != 'eligible',
                'required': Eval('state') == 'never_started',
                }))
    stop_reason = Sealed(fields.Selection(
            STOP_REASONS, "Reason to Stop", sort=False,
            states={
                'invisible': ~Eval('state').in_(['treated', 'discontinued']),
                'readonly': Eval('state') != 'treated',
                'required': Eval('state') == 'discontinued',
                }))

    first_administration_date = fields.Date(
        "First Administration",
        states={
            'invisible': ~Eval('state').in_(
                ['eligible', 'treated', 'discontinued']),
            'readonly': ~Eval('state').in_(['eligible', 'treated']),
            'required': Eval('state').in_(['treated', 'discontinued']),
            },
        help="What is not yet entered moves with it.")
    discontinuation_date = fields.Date(
        "Discontinuation",
        states={
            'invisible': ~Eval('state').in_(['treated', 'discontinued']),
            'readonly': Eval('state') != 'treated',
            'required': Eval('state') == 'discontinued',
            })

    @classmethod
    @guarded('eligible')
    @ModelView.button
    @Workflow.transition('never_started')
    @stamped('closed')
    def never_start(cls, patients):
        for patient in patients:
            if not patient.never_started_reason:
                raise PatientError(gettext(
                        'early_access.msg_patient_never_started_reason',
                        patient=patient.rec_name))
        cls._close_forms(patients)

    @classmethod
    @guarded('eligible')
    @ModelView.button
    @Workflow.transition('treated')
    def initiate(cls, patients):
        """Start the treatment at the date of the first administration and
        expect the forms of the calendar."""
        pool = Pool()
        Form = pool.get('early_access.form')
        for patient in patients:
            patient._check_treatment_date('first_administration_date')
        Form.schedule(patients)

    @classmethod
    @guarded('treated')
    @ModelView.button
    @Workflow.transition('discontinued')
    @stamped('closed')
    def discontinue(cls, patients):
        """Stop the treatment for good: what was due after the stop is no
        longer expected, the discontinuation form is."""
        pool = Pool()
        Form = pool.get('early_access.form')
        for patient in patients:
            patient._check_treatment_date('discontinuation_date')
            if not patient.stop_reason:
                raise PatientError(gettext(
                        'early_access.msg_patient_stop_reason',
                        patient=patient.rec_name))
        Form.discontinue(patients)

    @classmethod
    @guarded('discontinued')
    @ModelView.button_action('early_access.act_patient_resumption')
    def resume(cls, patients):
        "Prepare a new request for the same person, linked to the first."
        if not patients:
            return
        patient, = patients
        protocol = patient.authorization.active_protocol
        if not protocol:
            raise PatientError(gettext(
                    'early_access.msg_patient_no_protocol',
                    authorization=patient.authorization.rec_name))
        new, = cls.create([{
                    'authorization': patient.authorization.id,
                    'service': patient.service.id,
                    'prescriber': patient.prescriber.id,
                    'pharmacy': patient.pharmacy.id,
                    'previous': patient.id,
                    'birth_date': patient.birth_date,
                    **{name: getattr(patient, name)
                        for name in cls._identity},
                    }])
        return {'res_id': [new.id]}

    def _check_treatment_date(self, name):
        date = getattr(self, name)
        names = self.__names__(name)
        if not date:
            raise PatientError(gettext(
                    'early_access.msg_patient_date_missing',
                    patient=self.rec_name, **names))
        if date > self._today():
            raise PatientError(gettext(
                    'early_access.msg_patient_future_date',
                    patient=self.rec_name, **names))
        earliest = (
            self.request_date if name == 'first_administration_date'
            else self.first_administration_date)
        if date < earliest:
            raise PatientError(gettext(
                    'early_access.msg_patient_date_early',
                    patient=self.rec_name,
                    earliest=self.authorization._format_date(earliest),
                    **names))
