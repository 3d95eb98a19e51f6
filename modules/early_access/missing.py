# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import json

from sql import Cast, Literal, Null

from trytond.i18n import gettext
from trytond.model import ModelSQL, fields
from trytond.pool import Pool

from .schema import SchemaMixin

MISSING = ['not_done', 'unknown', 'not_applicable']


class MissingReason(SchemaMixin, ModelSQL):
    """Why a variable has no value, for each variable.

    It is a schema of its own because an answer has the type of its variable,
    in which there is no place for a code.
    """
    __name__ = 'early_access.variable.missing'

    # What the query does not give
    help = domain = selection = help_selection = None
    sequence = fields.Function(fields.Integer("Sequence"), 'get_variable')

    @classmethod
    def __setup__(cls):
        super().__setup__()
        # The first definition of a field is the one that is copied
        cls.string = fields.Function(
            fields.Char("Question"), 'get_variable')
        cls._rec_name = 'name'
        cls._order = [('id', 'ASC')]

    @classmethod
    def table_query(cls):
        pool = Pool()
        Variable = pool.get('early_access.variable')
        table = Variable.__table__()
        return table.select(
            table.id, table.create_uid, table.create_date, table.write_uid,
            table.write_date, table.name,
            Literal('selection').as_('type_'),
            Cast(Null, Variable.digits.sql_type().base).as_('digits'),
            Literal(False).as_('selection_sorted'))

    @classmethod
    def get_variable(cls, reasons, names):
        pool = Pool()
        Variable = pool.get('early_access.variable')
        variables = Variable.browse([r.id for r in reasons])
        values = {
            'string': {v.id: v.label for v in variables},
            'sequence': {v.id: v.sequence or v.id for v in variables},
            }
        return {n: values[n] for n in names}

    def get_selection_json(self, name):
        if name != 'selection_json':
            return '[]'
        return json.dumps([
                [code, gettext(f'early_access.msg_missing_{code}')]
                for code in MISSING])
