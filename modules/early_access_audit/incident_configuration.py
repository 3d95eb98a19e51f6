# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from trytond.model import ModelSingleton, ModelSQL, ModelView, fields
from trytond.pool import Pool
from trytond.pyson import Id


class IncidentConfiguration(ModelSingleton, ModelSQL, ModelView):
    "How the incidents are numbered, and when they alert"
    __name__ = 'early_access.audit.incident.configuration'

    sequence = fields.Many2One(
        'ir.sequence', "Incident Sequence", required=True,
        ondelete='RESTRICT',
        domain=[
            ('sequence_type', '=',
                Id('early_access_audit', 'sequence_type_incident')),
            ])
    first_alert = fields.Integer(
        "First Alert", required=True,
        domain=[
            ('first_alert', '>=', 1),
            ('first_alert', '<', 72),
            ],
        help="Hours after the laboratory became aware. The first e-mail is "
        "sent at once.")
    second_alert = fields.Integer(
        "Second Alert", required=True,
        domain=[
            ('second_alert', '>=', 1),
            ('second_alert', '<', 72),
            ],
        help="Hours after the laboratory became aware.")
    repeat = fields.Integer(
        "Repetition", required=True,
        domain=[
            ('repeat', '>=', 1),
            ],
        help="Hours between two e-mails once the 72 hours are over.")
    authority = fields.Char(
        "Lead Authority", required=True,
        help="The data protection authority of the main establishment of the "
        "laboratory in the Union; CNIL if there is none (GDPR 55 and 56).")

    @classmethod
    def default_sequence(cls):
        ModelData = Pool().get('ir.model.data')
        try:
            return ModelData.get_id(
                'early_access_audit', 'sequence_incident')
        except KeyError:
            return None

    @classmethod
    def default_first_alert(cls):
        return 48

    @classmethod
    def default_second_alert(cls):
        return 66

    @classmethod
    def default_repeat(cls):
        return 24

    @classmethod
    def default_authority(cls):
        return 'CNIL'
