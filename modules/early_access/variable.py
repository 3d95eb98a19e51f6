# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import json
import re

from trytond.i18n import gettext
from trytond.model import (
    Index, ModelSQL, ModelView, Unique, fields,
    sequence_ordered)
from trytond.model.exceptions import AccessError
from trytond.pool import Pool
from trytond.pyson import Eval, If
from trytond.tools import slugify

from .computation import COMPUTATIONS
from .exceptions import AnswerError, VariableError
from .national_number import NationalNumberMixin
from .schema import Limits, Schema, SchemaMixin
from .unit import unit_symbol

CODE = re.compile(r'^[a-z][a-z0-9_]{0,39}$')

# CNIL 2022-107 art. 7.2: only if strictly necessary for product and pathology
SPECIAL_CATEGORIES = [
    ('ethnic', "Ethnic origin"),
    ('genetic', "Genetic data"),
    ('sex_life', "Sex life"),
    ('consumption', "Tobacco, alcohol and drugs"),
    ]
CATEGORIES = [
    ('characteristics', "Characteristics of the patient"),
    ('history', "History of the disease"),
    ('use', "Conditions of use"),
    ('efficacy', "Efficacy"),
    ('quality_of_life', "Quality of life"),
    ('safety', "Adverse effects"),
    ] + SPECIAL_CATEGORIES


class Variable(
        NationalNumberMixin, sequence_ordered(), SchemaMixin, ModelSQL,
        ModelView):
    """A typed variable of a protocol.

    There is no free text (CNIL 2022-107, art. 7.3) and no two-state boolean,
    which could not be left unanswered.
    """
    __name__ = 'early_access.variable'

    protocol = fields.Many2One(
        'early_access.protocol', "Protocol", required=True,
        ondelete='CASCADE',
        states={
            'readonly': Eval('id', -1) >= 0,
            })
    code = fields.Char(
        "Code", required=True,
        help="Small letters, digits and underscores. The name of the variable "
        "in the exports.")
    section = fields.Char("Section", translate=True)
    unit = fields.Char("Unit", help="In UCUM.")
    category = fields.Selection(
        CATEGORIES, "Data Category", required=True, sort=False)
    computation = fields.Selection(
        [(None, "")] + [(n, c.string) for n, c in COMPUTATIONS.items()],
        "Computation", sort=False,
        help="The variable is not asked but computed.")
    future_dates = fields.Boolean(
        "Future Dates", states={
            'invisible': Eval('type_') != 'date',
            },
        help="Check to accept dates that are still to come.")
    minimum = fields.Numeric(
        "Minimum", states={
            'invisible': ~Eval('type_').in_(['integer', 'numeric']),
            },
        help="A smaller value is refused.")
    maximum = fields.Numeric(
        "Maximum", states={
            'invisible': ~Eval('type_').in_(['integer', 'numeric']),
            },
        help="A greater value is refused.")
    usual_minimum = fields.Numeric(
        "Usual Minimum", states={
            'invisible': ~Eval('type_').in_(['integer', 'numeric']),
            },
        help="A smaller value must be confirmed.")
    usual_maximum = fields.Numeric(
        "Usual Maximum", states={
            'invisible': ~Eval('type_').in_(['integer', 'numeric']),
            },
        help="A greater value must be confirmed.")

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls.__access__.add('protocol')
        cls.name.readonly = True
        cls.name.required = False
        cls.type_.selection = [
            t for t in cls.type_.selection
            if t[0] in {
                'integer', 'numeric', 'date', 'selection', 'multiselection'}]
        t = cls.__table__()
        cls._sql_constraints += [
            ('name_unique', Unique(t, t.name),
                'early_access.msg_variable_unique'),
            ('code_unique', Unique(t, t.protocol, t.code),
                'early_access.msg_variable_unique'),
            ]
        cls._sql_indexes.add(Index(t, (t.protocol, Index.Range())))

    @staticmethod
    def default_category():
        return 'characteristics'

    @staticmethod
    def default_selection_sorted():
        return False

    @fields.depends('code', 'string')
    def on_change_string(self):
        if not self.code and self.string:
            self.code = slugify(
                self.string.lower(), hyphenate='_')[:40].strip('_')

    @classmethod
    def get_keys(cls, variables):
        keys = super().get_keys(variables)
        for key, variable in zip(keys, variables):
            if key['sequence'] is None:
                # In the order they were entered
                key['sequence'] = variable.id
            # The client shows the keys one after the other, without headings
            key['string'] = variable.label
        return keys

    @fields.depends('computation', 'string', 'code')
    def on_change_computation(self):
        if self.computation:
            computation = COMPUTATIONS[self.computation]
            self.type_ = computation.type_
            self.unit = computation.unit
            self.digits = computation.digits
            if computation.type_ == 'selection':
                self.selection = gettext('early_access.msg_variable_sexes')
            if not self.string:
                self.string = self.computation_string
                self.on_change_string()

    computation_string = computation.translated('computation')

    @property
    def unit_symbol(self):
        "The unit as people read it."
        return unit_symbol(self.unit or '')

    @property
    def label(self):
        "What the forms show: section, question and unit."
        label = self.string
        if self.section:
            label = f'{self.section} \N{MIDDLE DOT} {label}'
        if self.unit:
            label = f'{label} ({self.unit_symbol})'
        return label

    @property
    def choices(self):
        return set(self.choice_codes)

    @property
    def choice_codes(self):
        return [
            v.split(':', 1)[0].strip()
            for v in (self.selection or '').splitlines() if v]

    def choice_label(self, code):
        return dict(json.loads(self.get_selection_json('selection_json'))).get(
            code, code)

    def check_value(self, value, where):
        """Raise AnswerError unless the value is of the type of the variable.

        :param value: the answer, None when unanswered.
        :param where: what names the record in the error.
        """
        if value is None or value == ():
            return
        if not self.schema.accepts(value):
            raise AnswerError(gettext(
                    'early_access.msg_answer_type',
                    variable=self.string,
                    type=self.type_string,
                    record=where))
        if not self.limits.hold(value):
            raise AnswerError(gettext(
                    'early_access.msg_answer_range',
                    variable=self.string,
                    minimum=self._bound(self.minimum),
                    maximum=self._bound(self.maximum),
                    unit=self.unit_symbol,
                    record=where))

    type_string = SchemaMixin.type_.translated('type_')

    @property
    def schema(self):
        return Schema(self.name, self.type_, self.digits, self.choices)

    @property
    def limits(self):
        if self.type_ in {'integer', 'numeric'}:
            return Limits(self.minimum, self.maximum)
        return Limits(None, None)

    def is_unusual(self, value):
        return (
            self.type_ in {'integer', 'numeric'}
            and value is not None
            and (self.usual_minimum is not None
                and value < self.usual_minimum
                or self.usual_maximum is not None
                and value > self.usual_maximum))

    @staticmethod
    def _bound(value):
        return '-' if value is None else f'{value:f}'

    @classmethod
    def preprocess_values(cls, mode, values):
        pool = Pool()
        Protocol = pool.get('early_access.protocol')
        values = super().preprocess_values(mode, values)
        if values.get('computation'):
            computation = COMPUTATIONS[values['computation']]
            values['type_'] = computation.type_
            values['unit'] = computation.unit
            values['digits'] = computation.digits
            if computation.type_ == 'selection':
                values.setdefault(
                    'selection', gettext('early_access.msg_variable_sexes'))
        if mode == 'create' and values.get('protocol') and values.get('code'):
            # The clients look for dictionary keys by name only: it is unique
            protocol = Protocol(values['protocol'])
            values['name'] = f"{protocol.prefix}_{values['code']}"
        return values

    @classmethod
    def validate_fields(cls, variables, field_names):
        super().validate_fields(variables, field_names)
        for variable in variables:
            if not CODE.match(variable.code):
                raise VariableError(gettext(
                        'early_access.msg_variable_code',
                        variable=variable.rec_name))
            if variable.type_ in {'selection', 'multiselection'}:
                codes = [
                    v.split(':', 1)[0].strip()
                    for v in (variable.selection or '').splitlines() if v]
                if not codes or len(codes) != len(set(codes)):
                    raise VariableError(gettext(
                            'early_access.msg_variable_selection',
                            variable=variable.rec_name))

    @classmethod
    def check_modification(cls, mode, variables, values=None, external=False):
        super().check_modification(
            mode, variables, values=values, external=external)
        if mode == 'write' and values.keys() & {'protocol', 'code', 'name'}:
            raise AccessError(gettext(
                    'early_access.msg_variable_fixed',
                    variable=variables[0].rec_name))
        for variable in variables:
            variable.protocol.check_draft(variable)

    @classmethod
    def view_attributes(cls):
        return super().view_attributes() + [
            ('/tree', 'visual',
                If(Eval('category').in_([c for c, _ in SPECIAL_CATEGORIES]),
                    'warning', '')),
            ]
