# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from dateutil.relativedelta import relativedelta

from trytond.i18n import gettext
from trytond.model import fields
from trytond.pool import Pool
from trytond.pyson import Eval

from .exceptions import DuplicatePatientWarning, PatientError
from .identifiers import normalize_letters
from .sealed import Sealed, SealedMixin

MAJORITY = relativedelta(years=18)
LETTERS = {
    'surname_letters': 3,
    'first_name_letters': 2,
    }


class PersonMixin(SealedMixin):
    """What tells a person apart: neither name, NIR nor INS (CNIL 2022-107
    art. 7.2)."""
    __slots__ = ()

    surname_letters = Sealed(fields.Char(
            "Surname Letters", size=3,
            help="The first three letters of the surname."))
    first_name_letters = Sealed(fields.Char(
            "First Name Letters", size=2,
            help="The first two letters of the first name."))
    sex = Sealed(fields.Selection([
                (None, ''),
                ('female', "Female"),
                ('male', "Male"),
                ], "Sex", sort=False))
    birth_month = Sealed(fields.Date(
            "Birth Month",
            help="Any day of the month: only the month and the year are "
            "kept."))

    _identity = (
        'surname_letters', 'first_name_letters', 'sex', 'birth_month')

    @property
    def earliest_birth(self):
        "The date of birth, or the first day of the month."
        return getattr(self, 'birth_date', None) or self.birth_month

    @fields.depends('birth_month')
    def on_change_with_birth_month(self):
        if self.birth_month:
            return self.birth_month.replace(day=1)

    @fields.depends('surname_letters')
    def on_change_with_surname_letters(self):
        return self._clean_letters(self.surname_letters, 3)

    @fields.depends('first_name_letters')
    def on_change_with_first_name_letters(self):
        return self._clean_letters(self.first_name_letters, 2)

    @staticmethod
    def _clean_letters(letters, size):
        try:
            return normalize_letters(letters, size) if letters else letters
        except ValueError:
            return letters

    @classmethod
    def _today(cls):
        pool = Pool()
        Date = pool.get('ir.date')
        return Date.today()

    @classmethod
    def preprocess_values(cls, mode, values):
        values = super().preprocess_values(mode, values)
        for name, size in LETTERS.items():
            if isinstance(values.get(name), str):
                values[name] = cls._clean_letters(values[name], size)
        if values.get('birth_month'):
            values['birth_month'] = values['birth_month'].replace(day=1)
        return values

    @classmethod
    def validate_fields(cls, persons, field_names):
        super().validate_fields(persons, field_names)
        names = set(cls._fields) if field_names is None else set(field_names)
        for person in persons:
            if names & LETTERS.keys():
                person.check_letters()
            if names & {'birth_date', 'birth_month', 'request_date'}:
                person.check_birth()

    def check_letters(self):
        for name, size in LETTERS.items():
            letters = getattr(self, name)
            try:
                valid = not letters or (
                    normalize_letters(letters, size) == letters)
            except ValueError:
                valid = False
            if not valid:
                raise PatientError(gettext(
                        'early_access.msg_patient_letters',
                        patient=self.rec_name, size=size,
                        **self.__names__(name)))

    def check_birth(self):
        if self.birth_month and self.birth_month > self._today():
            raise PatientError(gettext(
                    'early_access.msg_patient_future_date',
                    patient=self.rec_name, **self.__names__('birth_month')))


class IdentityMixin(PersonMixin):
    """The identity of a patient, sealed and limited to what CNIL 2022-107
    art. 7.2 a allows, and by which duplicates are found."""
    __slots__ = ()

    _states = {
        'readonly': Eval('state') != 'draft',
        }

    birth_date = Sealed(fields.Date(
            "Birth Date",
            states={
                'readonly': Eval('state') != 'draft',
                'invisible': ~Eval('paediatric', False),
                },
            help="Only for a minor under a paediatric protocol."))
    weight = Sealed(fields.Numeric(
            "Weight (kg)", digits=(3, 1),
            domain=['OR',
                ('weight', '=', None),
                [('weight', '>=', 0.3), ('weight', '<=', 400)],
                ],
            states=_states))
    height = Sealed(fields.Numeric(
            "Height (cm)", digits=(3, 0),
            domain=['OR',
                ('height', '=', None),
                [('height', '>=', 20), ('height', '<=', 260)],
                ],
            states=_states))

    del _states

    @classmethod
    def __setup__(cls):
        super().__setup__()
        for name in cls._identity:
            field = getattr(cls, name)
            field.required = True
            field.states = {
                'readonly': Eval('state') != 'draft',
                }

    def check_birth(self):
        super().check_birth()
        if not self.birth_date:
            return
        if not (self.protocol.paediatric
                and self.birth_date + MAJORITY > self.request_date):
            raise PatientError(gettext(
                    'early_access.msg_patient_birth_date',
                    patient=self.rec_name,
                    protocol=self.protocol.rec_name))
        if (self.birth_month
                and self.birth_date.replace(day=1) != self.birth_month):
            raise PatientError(gettext(
                    'early_access.msg_patient_birth_mismatch',
                    patient=self.rec_name))

    def compute_duplicate_index(self):
        "A keyed digest of letters, sex and birth month, per authorization."
        pool = Pool()
        DataKey = pool.get('early_access.data_key')
        return DataKey.blind_index(
            self.authorization.index_key,
            self.surname_letters, self.first_name_letters, self.sex,
            self.birth_month.isoformat())

    @classmethod
    def warn_duplicates(cls, patients):
        pool = Pool()
        Warning = pool.get('res.user.warning')
        for patient in patients:
            known = set()
            previous = patient
            while previous:
                known.add(previous.id)
                previous = previous.previous
            duplicates = cls.search([
                    ('authorization', '=', patient.authorization.id),
                    ('duplicate_index', '=', patient.duplicate_index),
                    ('id', 'not in', list(known)),
                    ('state', 'not in', ['draft', 'cancelled']),
                    ])
            if not duplicates:
                continue
            name = Warning.format('duplicate_patient', [patient])
            if Warning.check(name):
                raise DuplicatePatientWarning(name, gettext(
                        'early_access.msg_patient_duplicate',
                        patient=patient.rec_name,
                        duplicates=', '.join(
                            f'{d.rec_name} ({d.state_string})'
                            for d in duplicates)))
