# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from trytond.i18n import gettext
from trytond.pool import Pool
from trytond.transaction import Transaction

from .exceptions import (
    EligibilityError, FourEyesError, PatientAccessError, PatientError)


class EligibilityMixin:
    "Who may ask, decide and start a treatment, and for which patients."
    __slots__ = ()

    @property
    def access_form(self):
        for form in self.forms:
            if form.kind == 'access' and form.state != 'not_applicable':
                return form

    def _check_other_user(self, *names):
        user = Transaction().user
        for name in names:
            other = getattr(self, name)
            if user and other and other.id == user:
                raise FourEyesError(gettext(
                        'early_access.msg_patient_four_eyes',
                        patient=self.rec_name,
                        **self.__names__(name)))

    def _check_decision_maker(self):
        pool = Pool()
        User = pool.get('res.user')
        if Transaction().user and not User.has_profile(
                'pharmacist_in_charge'):
            raise PatientAccessError(gettext(
                    'early_access.msg_patient_decision_maker',
                    patient=self.rec_name))

    def check_signatory(self):
        pool = Pool()
        User = pool.get('res.user')
        professional = User.early_access_professional()
        if (not professional or professional.profession != 'doctor'
                or self.service not in professional.services):
            raise PatientAccessError(gettext(
                    'early_access.msg_patient_signatory',
                    patient=self.rec_name,
                    service=self.service.rec_name))
        specialties = self.protocol.specialties
        if specialties and professional.specialty not in specialties:
            raise PatientAccessError(gettext(
                    'early_access.msg_patient_specialty',
                    patient=self.rec_name,
                    specialties=', '.join(s.rec_name for s in specialties)))
        types = self.protocol.establishment_types
        if types and self.establishment.establishment_type not in types:
            raise PatientAccessError(gettext(
                    'early_access.msg_patient_establishment_type',
                    patient=self.rec_name,
                    establishment=self.establishment.rec_name,
                    protocol=self.protocol.rec_name))

    def check_pharmacist(self):
        pool = Pool()
        User = pool.get('res.user')
        professional = User.early_access_professional()
        if not professional or self.pharmacy not in professional.pharmacies:
            raise PatientAccessError(gettext(
                    'early_access.msg_patient_pharmacist',
                    patient=self.rec_name,
                    pharmacy=self.pharmacy.rec_name))

    def check_request(self):
        "Raise PatientError unless identity, criteria and form are complete."
        missing = [n for n in self._identity if not getattr(self, n)]
        if missing:
            raise PatientError(gettext(
                    'early_access.msg_patient_identity',
                    patient=self.rec_name,
                    fields=', '.join(
                        self.__names__(n)['field'] for n in missing)))
        self._check_criteria_answered(PatientError)
        form = self.access_form
        if form.state in {'expected', 'draft'}:
            form.check_complete()

    def check_eligible(self):
        """Raise unless the authorization and the protocol admit the patient.

        The names of the criteria that fail are told, never the answers.
        """
        today = self._today()
        self.authorization.check_new_patient(today)
        if not self.protocol.admits_request(today):
            raise EligibilityError(gettext(
                    'early_access.msg_patient_protocol',
                    patient=self.rec_name,
                    protocol=self.protocol.rec_name,
                    state=self.protocol.state_string))
        self._check_criteria_answered(EligibilityError)
        failing = [
            c for c in self.protocol.criteria
            if self.criteria[c.name] != c.admitting_answer]
        if failing:
            raise EligibilityError(gettext(
                    'early_access.msg_patient_criteria_failing',
                    patient=self.rec_name,
                    criteria='\n'.join(f'- {c.string}' for c in failing)))
        form = self.access_form
        if not form or form.state not in {'submitted', 'verified', 'locked'}:
            raise EligibilityError(gettext(
                    'early_access.msg_patient_access_form',
                    patient=self.rec_name))
