# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from sql import Null

from trytond.i18n import gettext
from trytond.model import Index, ModelSQL, ModelView, Unique, fields
from trytond.model.exceptions import AccessError
from trytond.pool import Pool
from trytond.pyson import Bool, Eval
from trytond.transaction import Transaction

from .national_number import NationalNumberMixin
from .workflow import ProgrammeWorkflow, time_field, user_field

__all__ = ['Instrument', 'InstrumentMixin']

# Those that the page of the patients speaks
LANGUAGES = [
    ('fr', "French"),
    ('en', "English"),
    ]


class Instrument(NationalNumberMixin, ModelSQL, ModelView):
    """A validated questionnaire that measures the quality of life.

    Only such questionnaires may be used, and most are under licence: the
    decision of HAS or the PUT-RD prescribes them (CNIL 2022-107, art. 7.3).
    """
    __name__ = 'early_access.instrument'

    _states = {
        'readonly': Bool(Eval('validated')),
        }

    company = fields.Many2One(
        'company.company', "Company", required=True, ondelete='RESTRICT',
        states={
            'readonly': Eval('id', -1) >= 0,
            })
    name = fields.Char("Name", required=True, states=_states)
    version = fields.Char("Version", required=True, states=_states)
    languages = fields.MultiSelection(
        LANGUAGES, "Languages", required=True, sort=False, states=_states,
        help="The languages in which the instrument was validated: the "
        "patients see no other.")
    reference = fields.Char(
        "Reference", required=True, states=_states,
        help="The decision of HAS, or the version of the PUT-RD, that "
        "prescribes the instrument.")
    licence_holder = fields.Char(
        "Licence Holder", required=True, states=_states,
        help="Who owns the rights on the questions: shown to the patients.")
    validated = fields.Boolean(
        "Validated",
        help="Tick once you have checked that the questionnaire is a "
        "validated one and that the laboratory may use it.")
    validated_by = user_field("Validated By")
    validated_at = time_field("Validated At")

    del _states

    _fixed = frozenset({
            'name', 'version', 'languages', 'reference', 'licence_holder'})

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_constraints += [
            ('version_unique', Unique(t, t.company, t.name, t.version),
                'early_access.msg_instrument_unique'),
            ]
        cls._order = [('name', 'ASC'), ('version', 'DESC'), ('id', 'ASC')]

    @classmethod
    def default_company(cls):
        return Transaction().context.get('company')

    def get_rec_name(self, name):
        return f'{self.name} {self.version}'

    @classmethod
    def search_rec_name(cls, name, clause):
        _, operator, value = clause
        bool_op = 'AND' if operator.startswith(('!', 'not')) else 'OR'
        return [bool_op,
            ('name', operator, value),
            ('version', operator, value),
            ]

    @classmethod
    def preprocess_values(cls, mode, values):
        values = super().preprocess_values(mode, values)
        # Who ticked, and when, follow from the tick itself
        for name in ['validated_by', 'validated_at']:
            values.pop(name, None)
        if 'validated' in values:
            if values['validated']:
                values.update(ProgrammeWorkflow.stamp('validated'))
            else:
                values['validated_by'] = values['validated_at'] = None
        return values

    @classmethod
    def check_modification(
            cls, mode, instruments, values=None, external=False):
        super().check_modification(
            mode, instruments, values=values, external=external)
        if mode == 'write':
            if values.keys() & cls._fixed:
                cls._check_not_validated(instruments)
            if 'validated' in values and not values['validated']:
                cls._check_not_used(instruments)
        elif mode == 'delete':
            cls._check_not_validated(instruments)

    @classmethod
    def _check_not_validated(cls, instruments):
        for instrument in instruments:
            if instrument.validated:
                raise AccessError(gettext(
                        'early_access.msg_instrument_validated',
                        instrument=instrument.rec_name))

    @classmethod
    def _check_not_used(cls, instruments):
        pool = Pool()
        Definition = pool.get('early_access.protocol.form')
        used = Definition.search([
                ('instrument', 'in', [i.id for i in instruments]),
                ('protocol.state', '!=', 'draft'),
                ], limit=1)
        if used:
            definition, = used
            raise AccessError(gettext(
                    'early_access.msg_instrument_used',
                    instrument=definition.instrument.rec_name,
                    protocol=definition.protocol.rec_name))

    @classmethod
    def copy(cls, instruments, default=None):
        default = default.copy() if default is not None else {}
        default.setdefault('validated', False)
        default.setdefault('version', lambda data: data['version'] + '+')
        return super().copy(instruments, default=default)


class InstrumentMixin:
    "What the definition of a quality of life form says of its instrument"
    __slots__ = ()

    instrument = fields.Many2One(
        'early_access.instrument', "Instrument", ondelete='RESTRICT',
        domain=[
            ('company', '=',
                Eval('_parent_protocol', {}).get('company', -1)),
            ],
        states={
            'invisible': Eval('kind') != 'quality_of_life',
            },
        depends={'protocol'},
        help="The validated questionnaire whose questions the form asks.")
    late_answers = fields.Boolean(
        "Late Answers",
        states={
            'invisible': Eval('kind') != 'quality_of_life',
            },
        help="Whether the patients may still answer after the window of the "
        "visit.")

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_indexes.add(
            Index(
                t, (t.instrument, Index.Range()),
                where=t.instrument != Null))

    def problems(self):
        """Yield what prevents the activation of the protocol, as translated
        sentences."""
        if self.kind != 'quality_of_life':
            return
        if not self.instrument:
            yield gettext(
                'early_access.msg_protocol_no_instrument',
                form=self.rec_name)
        elif not self.instrument.validated:
            yield gettext(
                'early_access.msg_protocol_instrument_not_validated',
                form=self.rec_name,
                instrument=self.instrument.rec_name)
