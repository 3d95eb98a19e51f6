# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from trytond.i18n import gettext
from trytond.model import Index, ModelSQL, ModelView, fields
from trytond.modules.early_access.national_number import NationalNumberMixin
from trytond.modules.early_access.workflow import user_field
from trytond.transaction import Transaction

from .exceptions import IncidentAccessError, IncidentError
from .incident_clock import now
from .incident_persons import IncidentPartMixin


class IncidentNotification(
        NationalNumberMixin, IncidentPartMixin, ModelSQL, ModelView):
    """What was sent to an authority about an incident, and when.

    It can be done in phases (GDPR 33.4). What was sent is neither changed nor
    deleted.
    """
    __name__ = 'early_access.audit.incident.notification'
    _deletable = False

    incident = fields.Many2One(
        'early_access.audit.incident', "Incident", required=True,
        ondelete='CASCADE')
    recipient = fields.Selection([
            ('lead', "Lead authority"),
            ('authority', "Other data protection authority"),
            ('ansm', "ANSM"),
            ('has', "HAS"),
            ('ans', "Agency of digital health"),
            ('other', "Other"),
            ], "Recipient", required=True, sort=False)
    phase = fields.Selection([
            ('initial', "Initial"),
            ('complementary', "Complementary"),
            ('final', "Final"),
            ], "Phase", required=True, sort=False,
        help="One that holds everything is final too.")
    notified_at = fields.DateTime("Notified At", required=True)
    reference = fields.Char(
        "Reference", required=True,
        help="The number that the authority gave.")
    notified_by = user_field("Notified By")
    phase_string = phase.translated('phase')
    recipient_string = recipient.translated('recipient')

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_indexes.add(Index(t, (t.incident, Index.Range())))
        cls._order = [('notified_at', 'ASC'), ('id', 'ASC')]

    @staticmethod
    def default_recipient():
        return 'lead'

    @staticmethod
    def default_phase():
        return 'initial'

    def get_rec_name(self, name):
        return f'{self.recipient_string} - {self.phase_string}'

    @classmethod
    def preprocess_values(cls, mode, values):
        values = super().preprocess_values(mode, values)
        if mode == 'create':
            values['notified_by'] = Transaction().user or None
        return values

    @classmethod
    def check_modification(cls, mode, records, values=None, external=False):
        super().check_modification(
            mode, records, values=values, external=external)
        if mode == 'write':
            raise IncidentAccessError(gettext(
                    'early_access_audit.msg_incident_notification_write',
                    **cls.__names__(record=records[0])))

    @classmethod
    def validate_fields(cls, records, field_names):
        super().validate_fields(records, field_names)
        for record in records:
            aware = record.incident.aware_at
            if not aware or not aware <= record.notified_at <= now():
                raise IncidentError(gettext(
                        'early_access_audit.msg_incident_notification_time',
                        incident=record.incident.rec_name))


class IncidentReopening(IncidentPartMixin, ModelSQL, ModelView):
    "Why a closed incident was opened again"
    __name__ = 'early_access.audit.incident.reopening'
    _deletable = False

    incident = fields.Many2One(
        'early_access.audit.incident', "Incident", required=True,
        readonly=True, ondelete='CASCADE')
    reason = fields.Text("Reason", required=True, readonly=True)
    reopened_by = user_field("Reopened By")
    reopened_at = fields.DateTime("Reopened At", readonly=True)

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls._order = [('id', 'ASC')]
