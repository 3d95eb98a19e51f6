# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from trytond.i18n import gettext
from trytond.model import (
    DeactivableMixin, Index, ModelSQL, ModelView, Unique, fields)
from trytond.model.exceptions import AccessError
from trytond.pool import Pool
from trytond.pyson import Eval
from trytond.transaction import Transaction

from .national_number import NationalNumberMixin


class CodeList(
        NationalNumberMixin, DeactivableMixin, ModelSQL, ModelView):
    """A list of codes that the laboratory holds: ATC, ICD-10, ORPHA, MedDRA.

    None is shipped: most are licensed, and all have versions.
    """
    __name__ = 'early_access.code_list'

    company = fields.Many2One(
        'company.company', "Company", required=True, ondelete='RESTRICT',
        states={
            'readonly': Eval('id', -1) >= 0,
            })
    name = fields.Char("Name", required=True)
    version = fields.Char("Version", required=True)
    licence = fields.Char(
        "Licence", help="The holder of the rights and the licence.")
    codes = fields.One2Many('early_access.code', 'code_list', "Codes")

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_constraints += [
            ('version_unique', Unique(t, t.company, t.name, t.version),
                'early_access.msg_code_list_unique'),
            ]
        cls._order = [
            ('name', 'ASC'), ('version', 'DESC'), ('id', 'ASC')]
        cls._buttons.update(import_codes={})

    @classmethod
    def default_company(cls):
        return Transaction().context.get('company')

    @classmethod
    @ModelView.button_action('early_access.wizard_code_list_import')
    def import_codes(cls, code_lists):
        "Open the import of the codes."

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


class Code(NationalNumberMixin, DeactivableMixin, ModelSQL, ModelView):
    "A code of a list"
    __name__ = 'early_access.code'

    code_list = fields.Many2One(
        'early_access.code_list', "Code List", required=True,
        ondelete='CASCADE')
    code = fields.Char("Code", required=True)
    name = fields.Char("Name", required=True)

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls.__access__.add('code_list')
        t = cls.__table__()
        cls._sql_constraints += [
            ('code_unique', Unique(t, t.code_list, t.code),
                'early_access.msg_code_unique'),
            ]
        cls._sql_indexes.add(
            Index(t, (t.code_list, Index.Range()), (t.code, Index.Range())))
        cls._order = [('code', 'ASC'), ('id', 'ASC')]

    def get_rec_name(self, name):
        return f'{self.code} {self.name}'

    @classmethod
    def search_rec_name(cls, name, clause):
        _, operator, value = clause
        bool_op = 'AND' if operator.startswith(('!', 'not')) else 'OR'
        return [bool_op,
            ('code', operator, value),
            ('name', operator, value),
            ]

    @classmethod
    def check_modification(cls, mode, codes, values=None, external=False):
        pool = Pool()
        Definition = pool.get('early_access.protocol.form')
        super().check_modification(
            mode, codes, values=values, external=external)
        if mode == 'delete' or (
                mode == 'write' and values.keys() & {'code', 'code_list'}):
            lists = list({c.code_list.id for c in codes})
            # The answers are sealed: nobody can tell which codes they hold
            used = Definition.search([
                    ('code_list', 'in', lists),
                    ('protocol.state', '!=', 'draft'),
                    ], limit=1)
            if used:
                raise AccessError(gettext(
                        'early_access.msg_code_used',
                        code=codes[0].rec_name,
                        form=used[0].rec_name,
                        protocol=used[0].protocol.rec_name))
