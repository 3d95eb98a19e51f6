# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from trytond.model import ModelSQL, ModelView, fields
from trytond.pyson import Bool, Eval, If

from .national_number import NationalNumberMixin


class SafetyInformation(NationalNumberMixin, ModelSQL, ModelView):
    """New safety or efficacy information (R.5121-71-1).

    It is sent without delay to the authorities.
    """
    __name__ = 'early_access.safety_information'

    authorization = fields.Many2One(
        'early_access.authorization', "Authorization", required=True,
        ondelete='RESTRICT')
    nature = fields.Selection([
            ('safety', "Safety"),
            ('efficacy', "Efficacy"),
            ('foreign', "Prohibition or restriction abroad"),
            ('study', "Study result"),
            ], "Nature", required=True, sort=False)
    reference = fields.Char(
        "Reference", required=True,
        help="The reference of the document, never data of a patient.")
    learned_on = fields.Date("Learned On", required=True)
    sent_on = fields.Date(
        "Sent On",
        domain=[
            If(Eval('sent_on') & Eval('learned_on'),
                ('sent_on', '>=', Eval('learned_on', None)),
                ()),
            ])
    sent_to = fields.MultiSelection([
            ('has', "HAS"),
            ('health', "Minister of health"),
            ('social_security', "Minister of social security"),
            ('ansm', "ANSM"),
            ], "Sent To", sort=False,
        states={
            'required': Bool(Eval('sent_on')),
            })

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls._order = [('learned_on', 'DESC'), ('id', 'DESC')]

    @classmethod
    def view_attributes(cls):
        return super().view_attributes() + [
            ('/tree', 'visual', If(~Eval('sent_on'), 'warning', '')),
            ]
