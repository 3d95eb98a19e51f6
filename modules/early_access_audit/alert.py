# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import datetime as dt
import logging

from trytond.model import Index, ModelSQL, ModelView, Unique, fields
from trytond.transaction import without_check_access

from . import notice

logger = logging.getLogger(__name__)


class Alert(ModelSQL, ModelView):
    """An e-mail to a user about a check or an incident that waits.

    It names the check or the incident and tells nothing of it. Each step is
    told once to each user.
    """
    __name__ = 'early_access.audit.alert'

    resource = fields.Reference("About", [
            ('early_access.audit.check', "Check"),
            ('early_access.audit.incident', "Incident"),
            ], required=True, readonly=True)
    kind = fields.Selection([
            ('check_ready', "The check is to be cleared and signed"),
            ('check_late', "The check is late"),
            ('incident_aware', "The 72 hours have begun"),
            ('incident_first', "The 72 hours are running"),
            ('incident_second', "The 72 hours are about to end"),
            ('incident_late', "The 72 hours are over"),
            ], "Alert", required=True, readonly=True, sort=False)
    step = fields.Integer(
        "Repetition", required=True, readonly=True,
        help="How many times it was repeated before.")
    user = fields.Many2One(
        'res.user', "User", required=True, readonly=True, ondelete='CASCADE')
    sent_at = fields.Timestamp("Sent", required=True, readonly=True)
    kind_string = kind.translated('kind')

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_constraints += [
            ('step_unique', Unique(t, t.resource, t.kind, t.step, t.user),
                'early_access_audit.msg_alert_unique'),
            ]
        cls._sql_indexes.add(Index(
                t, (t.resource, Index.Equality()),
                (t.kind, Index.Equality(cardinality='low'))))
        cls._order = [('sent_at', 'DESC'), ('id', 'DESC')]

    @property
    def text(self):
        "What the e-mail tells of a kind that its template does not know."

    def get_rec_name(self, name):
        return f'{self.kind_string} - {self.resource.rec_name}'

    @classmethod
    @without_check_access
    def send(cls, resource, kind, profiles, step=0, company=None):
        """Send an e-mail to the users of the profiles who had it not.

        :param resource: the check or the incident.
        :param step: the number of the repetition.
        :param company: only to the users of this company.
        """
        known = {a.user.id for a in cls.search([
                    ('resource', '=', str(resource)),
                    ('kind', '=', kind),
                    ('step', '=', step),
                    ])}
        users = cls._users(profiles, company)
        if not users:
            logger.warning(
                "nobody has an e-mail address to be alerted about %s",
                resource)
        users = [u for u in users if u.id not in known]
        alerts = cls.create([{
                    'resource': str(resource),
                    'kind': kind,
                    'step': step,
                    'user': u.id,
                    'sent_at': dt.datetime.now(),
                    } for u in users])
        for alert in alerts:
            notice.send('early_access.audit.alert', alert, [alert.user])

    @classmethod
    def _users(cls, profiles, company):
        "Return the users of the profiles who have an e-mail address."
        return [
            u for u in notice.members(*profiles)
            if u.email and (not company or company in u.companies)]


class AlertEmail(notice.Notice):
    "The text of the e-mail"
    __name__ = 'early_access.audit.alert'
