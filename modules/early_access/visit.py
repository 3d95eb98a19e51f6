# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from dateutil.relativedelta import relativedelta

from trytond.model import ModelSQL, ModelView, fields, sequence_ordered
from trytond.pyson import Eval

from .definition import DefinitionMixin
from .national_number import NationalNumberMixin


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
            ('kind', 'in', ['follow_up', 'quality_of_life']),
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
