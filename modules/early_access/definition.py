# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import json

from dateutil.relativedelta import relativedelta

from trytond.i18n import gettext
from trytond.model import (
    Index, ModelSQL, ModelView, Unique, fields,
    sequence_ordered)
from trytond.pool import Pool
from trytond.pyson import Eval
from trytond.tools import slugify

from .exceptions import AnswerError, ProtocolError
from .national_number import NationalNumberMixin
from .schema import SchemaMixin
from .variable import CODE

FORM_KINDS = [
    ('access', "Access request"),
    ('initiation', "Initiation"),
    ('follow_up', "Follow-up"),
    ('discontinuation', "Discontinuation"),
    ('quality_of_life', "Quality of life"),
    ('adverse_event', "Adverse event"),
    ]


class DefinitionMixin:
    "A part of the definition of a protocol: fixed once it is active"
    __slots__ = ()

    @property
    def definition_protocol(self):
        return self.protocol

    @classmethod
    def check_modification(cls, mode, records, values=None, external=False):
        super().check_modification(
            mode, records, values=values, external=external)
        for record in records:
            record.definition_protocol.check_draft(record)
        if mode == 'write' and records:
            if protocol := cls._new_protocol(values):
                protocol.check_draft(records[0])

    @classmethod
    def _new_protocol(cls, values):
        "The protocol to which the values move records, or None."
        pool = Pool()
        Protocol = pool.get('early_access.protocol')
        if values.get('protocol') is not None:
            return Protocol(values['protocol'])


class Criterion(
        NationalNumberMixin, DefinitionMixin, sequence_ordered(),
        SchemaMixin, ModelSQL, ModelView):
    "A coded question of eligibility, answered yes, no or unknown"
    __name__ = 'early_access.protocol.criterion'

    protocol = fields.Many2One(
        'early_access.protocol', "Protocol", required=True,
        ondelete='CASCADE',
        states={
            'readonly': Eval('id', -1) >= 0,
            })
    code = fields.Char("Code", required=True)
    kind = fields.Selection([
            ('inclusion', "Inclusion"),
            ('exclusion', "Contraindication"),
            ], "Kind", required=True, sort=False)
    admitting_answer = fields.Selection([
            ('yes', "Yes"),
            ('no', "No"),
            ], "Admitting Answer", required=True, sort=False)

    _answers = ['yes', 'no', 'unknown']

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls.__access__.add('protocol')
        cls.name.readonly = True
        cls.name.required = False
        cls.type_.selection = [
            t for t in cls.type_.selection if t[0] == 'selection']
        t = cls.__table__()
        cls._sql_constraints += [
            ('name_unique', Unique(t, t.name),
                'early_access.msg_criterion_unique'),
            ('code_unique', Unique(t, t.protocol, t.code),
                'early_access.msg_criterion_unique'),
            ]
        cls._sql_indexes.add(Index(t, (t.protocol, Index.Range())))

    @staticmethod
    def default_type_():
        return 'selection'

    @staticmethod
    def default_kind():
        return 'inclusion'

    @staticmethod
    def default_admitting_answer():
        return 'yes'

    @fields.depends('kind')
    def on_change_kind(self):
        self.admitting_answer = 'no' if self.kind == 'exclusion' else 'yes'

    @fields.depends('code', 'string')
    def on_change_string(self):
        if not self.code and self.string:
            self.code = slugify(
                self.string.lower(), hyphenate='_')[:40].strip('_')

    def get_selection_json(self, name):
        if name != 'selection_json':
            return '[]'
        return json.dumps([
                [answer, gettext(f'early_access.msg_criterion_{answer}')]
                for answer in self._answers])

    @classmethod
    def get_keys(cls, criteria):
        keys = super().get_keys(criteria)
        for key, criterion in zip(keys, criteria):
            key['selection'] = json.loads(criterion.selection_json)
            key['sort'] = False
        return keys

    def check_value(self, value, where):
        if value is not None and value not in self._answers:
            raise AnswerError(gettext(
                    'early_access.msg_criterion_answer',
                    criterion=self.string,
                    record=where))

    @classmethod
    def preprocess_values(cls, mode, values):
        pool = Pool()
        Protocol = pool.get('early_access.protocol')
        values = super().preprocess_values(mode, values)
        if mode == 'create' and values.get('protocol') and values.get('code'):
            protocol = Protocol(values['protocol'])
            values['name'] = f"{protocol.prefix}_{values['code']}"
        return values

    @classmethod
    def validate_fields(cls, criteria, field_names):
        super().validate_fields(criteria, field_names)
        for criterion in criteria:
            if not CODE.match(criterion.code):
                raise ProtocolError(gettext(
                        'early_access.msg_criterion_code',
                        criterion=criterion.rec_name))


class ProtocolForm(
        NationalNumberMixin, DefinitionMixin, sequence_ordered(), ModelSQL,
        ModelView):
    "The definition of a form of the protocol"
    __name__ = 'early_access.protocol.form'

    protocol = fields.Many2One(
        'early_access.protocol', "Protocol", required=True,
        ondelete='CASCADE',
        states={
            'readonly': Eval('id', -1) >= 0,
            })
    name = fields.Char("Name", required=True, translate=True)
    kind = fields.Selection(FORM_KINDS, "Kind", required=True, sort=False)
    kind_string = kind.translated('kind')
    due_within = fields.Integer(
        "Due Within", required=True,
        domain=[('due_within', '>=', 0)],
        states={
            'invisible': ~Eval('kind').in_(['initiation', 'discontinuation']),
            },
        help="The days after the first administration, or the "
        "discontinuation, in which the form is due.")
    questions = fields.One2Many(
        'early_access.protocol.form.question', 'form', "Questions")

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls.__access__.add('protocol')
        t = cls.__table__()
        cls._sql_indexes.add(Index(t, (t.protocol, Index.Range())))

    @staticmethod
    def default_due_within():
        return 14

    def dates(self, start):
        "The (earliest, due, latest) dates of a form that follows an event."
        due = start + relativedelta(days=self.due_within)
        return start, due, due


class Question(DefinitionMixin, sequence_ordered(), ModelSQL, ModelView):
    "A variable asked by a form"
    __name__ = 'early_access.protocol.form.question'

    form = fields.Many2One(
        'early_access.protocol.form', "Form", required=True,
        ondelete='CASCADE')
    protocol = fields.Function(
        fields.Many2One('early_access.protocol', "Protocol"),
        'on_change_with_protocol')
    variable = fields.Many2One(
        'early_access.variable', "Variable", required=True,
        ondelete='RESTRICT',
        domain=[
            ('protocol', '=', Eval('protocol', -1)),
            ])
    required = fields.Boolean("Required")

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls.__access__.add('form')
        t = cls.__table__()
        cls._sql_constraints += [
            ('variable_unique', Unique(t, t.form, t.variable),
                'early_access.msg_question_unique'),
            ]

    @staticmethod
    def default_required():
        return True

    @fields.depends('form', '_parent_form.protocol')
    def on_change_with_protocol(self, name=None):
        return self.form.protocol if self.form else None

    def get_rec_name(self, name):
        return self.variable.rec_name

    @property
    def definition_protocol(self):
        return self.form.protocol

    @classmethod
    def _new_protocol(cls, values):
        pool = Pool()
        Form = pool.get('early_access.protocol.form')
        if values.get('form') is not None:
            return Form(values['form']).protocol


class Visit(
        NationalNumberMixin, DefinitionMixin, sequence_ordered(), ModelSQL,
        ModelView):
    "A visit of the calendar, counted from the first administration"
    __name__ = 'early_access.protocol.visit'
    _rec_name = 'name'

    protocol = fields.Many2One(
        'early_access.protocol', "Protocol", required=True,
        ondelete='CASCADE',
        states={
            'readonly': Eval('id', -1) >= 0,
            })
    name = fields.Char("Name", required=True, translate=True)
    offset = fields.Integer(
        "Offset", required=True,
        domain=[('offset', '>=', 0)])
    offset_unit = fields.Selection([
            ('days', "Days"),
            ('weeks', "Weeks"),
            ('months', "Months"),
            ], "Unit", required=True, sort=False)
    window_before = fields.Integer(
        "Days Before", required=True,
        domain=[('window_before', '>=', 0)])
    window_after = fields.Integer(
        "Days After", required=True,
        domain=[('window_after', '>=', 0)])
    forms = fields.Many2Many(
        'early_access.protocol.visit-early_access.protocol.form',
        'visit', 'form', "Forms",
        domain=[
            ('protocol', '=', Eval('protocol', -1)),
            ('kind', 'not in', ['access', 'initiation', 'discontinuation']),
            ])

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls.__access__.add('protocol')

    @staticmethod
    def default_offset_unit():
        return 'months'

    @staticmethod
    def default_window_before():
        return 7

    @staticmethod
    def default_window_after():
        return 14

    def dates(self, start):
        """The (earliest, due, latest) dates of the visit.

        :param start: the date of the first administration.
        """
        due = start + relativedelta(**{self.offset_unit: self.offset})
        return (
            due - relativedelta(days=self.window_before),
            due,
            due + relativedelta(days=self.window_after))


class VisitForm(ModelSQL):
    __name__ = 'early_access.protocol.visit-early_access.protocol.form'
    visit = fields.Many2One(
        'early_access.protocol.visit', "Visit", required=True,
        ondelete='CASCADE')
    form = fields.Many2One(
        'early_access.protocol.form', "Form", required=True,
        ondelete='CASCADE')

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls.__access__.add('visit')
