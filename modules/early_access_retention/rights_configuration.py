# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from trytond.model import ModelSingleton, ModelSQL, ModelView, fields
from trytond.pool import Pool
from trytond.pyson import Id


class RightsConfiguration(ModelSingleton, ModelSQL, ModelView):
    "How the requests are numbered, when they alert and what stays of them"
    __name__ = 'early_access.rights.configuration'

    sequence = fields.Many2One(
        'ir.sequence', "Request Sequence", required=True,
        ondelete='RESTRICT',
        domain=[
            ('sequence_type', '=',
                Id('early_access_retention', 'sequence_type_rights_request')),
            ])
    alert_days = fields.Integer(
        "Alert", required=True,
        domain=[
            ('alert_days', '>=', 1),
            ('alert_days', '<=', 21),
            ],
        help="Days before a request is due. Once it is overdue the e-mail is "
        "sent again each week.")
    requester_days = fields.Integer(
        "Name and Contact", required=True,
        domain=[
            ('requester_days', '>=', 0),
            ('requester_days', '<=', 365),
            ],
        help="Days after a request is closed, at which the name and the "
        "contact of who made it are removed.")

    @classmethod
    def default_sequence(cls):
        ModelData = Pool().get('ir.model.data')
        try:
            return ModelData.get_id(
                'early_access_retention', 'sequence_rights_request')
        except KeyError:
            return None

    @classmethod
    def default_alert_days(cls):
        return 7

    @classmethod
    def default_requester_days(cls):
        return 90
