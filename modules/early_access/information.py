# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from trytond.i18n import gettext
from trytond.model import fields
from trytond.pyson import Eval

from .exceptions import EligibilityError, PatientError


class InformationMixin:
    """The two documents given to a patient, each in a version and on a date.

    They are the information of the prescriber (L.5121-12) and the note on the
    processing of personal data (GDPR 13).
    """
    __slots__ = ()

    _states = {
        'readonly': ~Eval('state').in_(
            ['draft', 'signed', 'submitted', 'eligible', 'treated']),
        }

    information_version = fields.Char(
        "Prescriber's Information", states=_states,
        help="The version given of the document by which the prescriber "
        "informs the patient (L.5121-12).")
    information_date = fields.Date(
        "Given On", states=_states)
    notice_version = fields.Char(
        "Privacy Notice", states=_states,
        help="The version given of the information on the processing of "
        "personal data (GDPR).")
    notice_date = fields.Date(
        "Given On", states=_states)
    informed_person = fields.Selection([
            (None, ''),
            ('patient', "Patient"),
            ('representative', "Legal representative"),
            ('trusted', "Trusted person"),
            ], "Given To", sort=False, states=_states)
    information_due_date = fields.Date(
        "Information Deferred Until", states=_states,
        help="When the patient cannot be informed yet.")
    treatment_accepted_date = fields.Date(
        "Treatment Accepted On", states=_states)

    del _states

    @fields.depends(
        'information_date', 'information_version', 'protocol',
        '_parent_protocol.prescriber_information')
    def on_change_information_date(self):
        if (self.information_date and not self.information_version
                and self.protocol):
            self.information_version = self.protocol.prescriber_information

    @fields.depends(
        'notice_date', 'notice_version', 'protocol',
        '_parent_protocol.privacy_notice')
    def on_change_notice_date(self):
        if self.notice_date and not self.notice_version and self.protocol:
            self.notice_version = self.protocol.privacy_notice

    @classmethod
    def validate_fields(cls, patients, field_names):
        super().validate_fields(patients, field_names)
        names = set(cls._fields) if field_names is None else set(field_names)
        for patient in patients:
            patient.check_document_versions(names)

    def check_documents(self):
        """Raise EligibilityError unless the patient is informed.

        Both documents must have been given, in the version in force on the
        day given, and the treatment accepted, or the information be deferred
        to a date that is not past.
        """
        if (self.information_due_date
                and self.information_due_date >= self._today()):
            return
        missing = [
            name for name in [
                'information_version', 'information_date', 'notice_version',
                'notice_date', 'informed_person', 'treatment_accepted_date']
            if not getattr(self, name)]
        if missing:
            raise EligibilityError(gettext(
                    'early_access.msg_patient_documents',
                    patient=self.rec_name,
                    fields=', '.join(dict.fromkeys(
                            self.__names__(n)['field'] for n in missing))))

    @classmethod
    def _documents_in_force(cls, authorization, name, date):
        "The versions of the document: two on the day that one replaces it."
        return [
            getattr(p, name) for p in authorization.protocols
            if p.in_force(date) and getattr(p, name)]

    def check_document_versions(self, names):
        """Only the version in force on the day given counts.

        :param names: the names of the fields that change: what was right when
            it was entered does not prevent to enter the rest.
        """
        today = self._today()
        for version_name, date_name, protocol_name in [
                ('information_version', 'information_date',
                    'prescriber_information'),
                ('notice_version', 'notice_date', 'privacy_notice'),
                ]:
            version = getattr(self, version_name)
            date = getattr(self, date_name)
            if not date or names.isdisjoint({version_name, date_name}):
                continue
            if date > today:
                raise PatientError(gettext(
                        'early_access.msg_patient_future_date',
                        patient=self.rec_name, **self.__names__(date_name)))
            in_force = self._documents_in_force(
                self.authorization, protocol_name, date)
            if version and version not in in_force:
                raise PatientError(gettext(
                        'early_access.msg_patient_document_version',
                        patient=self.rec_name,
                        version=version,
                        in_force=', '.join(in_force) or '-',
                        **self.__names__(version_name)))
