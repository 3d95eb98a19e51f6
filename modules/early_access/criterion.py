# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import json

from trytond.i18n import gettext
from trytond.model import (
    Index, ModelSQL, ModelView, Unique, fields,
    sequence_ordered)
from trytond.pool import Pool
from trytond.pyson import Eval
from trytond.tools import slugify

from .definition import DefinitionMixin
from .exceptions import AnswerError, ProtocolError
from .national_number import NationalNumberMixin
from .schema import SchemaMixin
from .variable import CODE


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
