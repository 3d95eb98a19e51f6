# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from sql.aggregate import Max

from trytond.i18n import gettext
from trytond.model import Index, ModelSQL, ModelView, Unique, fields
from trytond.model.exceptions import AccessError
from trytond.pyson import Eval, If
from trytond.transaction import Transaction

from .exceptions import PatientError
from .identity import PersonMixin
from .sealed import Sealed

# Before the first administration nobody is affected by the medicine
AFFECTED = ['treated', 'discontinued']


class RelatedPerson(PersonMixin, ModelSQL, ModelView):
    """A partner or a child affected by the medicine that a patient takes.

    Only then may data about them be collected (CNIL 2022-107 art. 7.2 b).
    They are a data subject of their own, under a key of their own.
    """
    __name__ = 'early_access.related_person'

    patient = fields.Many2One(
        'early_access.patient', "Patient", required=True, ondelete='RESTRICT',
        states={
            'readonly': Eval('id', -1) >= 0,
            },
        domain=[
            If(Eval('id', -1) < 0,
                ('state', 'in', AFFECTED),
                ()),
            ])
    company = fields.Function(
        fields.Many2One('company.company', "Company"),
        'on_change_with_company', searcher='search_company')
    number = fields.Integer("Number", required=True, readonly=True)
    link = Sealed(fields.Selection([
                (None, ''),
                ('partner', "Partner"),
                ('offspring', "Offspring"),
                ], "Link", required=True, sort=False,
            help="What the person is to the patient."))
    forms = fields.One2Many(
        'early_access.form', 'related_person', "Forms", readonly=True)

    _sealed_keys = ('patient', 'number')

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_constraints += [
            ('number_unique', Unique(t, t.patient, t.number),
                'early_access.msg_related_person_unique'),
            ]
        cls._sql_indexes.add(Index(t, (t.patient, Index.Range())))
        cls._order = [('patient', 'DESC'), ('number', 'ASC'), ('id', 'ASC')]

    @fields.depends('patient', '_parent_patient.company')
    def on_change_with_company(self, name=None):
        return self.patient.company if self.patient else None

    @classmethod
    def search_company(cls, name, clause):
        return [('patient.' + clause[0], *clause[1:])]

    def get_rec_name(self, name):
        return gettext(
            'early_access.msg_related_person_name',
            patient=self.patient.rec_name, number=self.number)

    @classmethod
    def search_rec_name(cls, name, clause):
        return [('patient.code', *clause[1:])]

    @classmethod
    def preprocess_values(cls, mode, values):
        values = super().preprocess_values(mode, values)
        if mode == 'create' and values.get('patient'):
            values['number'] = cls._next_number(values['patient'])
        return values

    @classmethod
    def _next_number(cls, patient):
        table = cls.__table__()
        cursor = Transaction().connection.cursor()
        cursor.execute(*table.select(
                Max(table.number), where=table.patient == int(patient)))
        last, = cursor.fetchone()
        return (last or 0) + 1

    @classmethod
    def validate_fields(cls, persons, field_names):
        super().validate_fields(persons, field_names)
        if field_names is None or 'patient' in field_names:
            for person in persons:
                if person.patient.state not in AFFECTED:
                    raise PatientError(gettext(
                            'early_access.msg_related_person_affected',
                            patient=person.patient.rec_name,
                            state=person.patient.state_string))

    @classmethod
    def check_modification(cls, mode, persons, values=None, external=False):
        super().check_modification(
            mode, persons, values=values, external=external)
        if mode == 'delete':
            for person in persons:
                if person.forms:
                    raise AccessError(gettext(
                            'early_access.msg_related_person_delete',
                            person=person.rec_name))

    @classmethod
    def copy(cls, persons, default=None):
        default = default.copy() if default is not None else {}
        default.setdefault('forms')
        return super().copy(persons, default=default)
