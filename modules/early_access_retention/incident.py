# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The incidents that are told to an authority, and what they change."

from trytond.model import Index, fields
from trytond.pool import Pool, PoolMeta
from trytond.pyson import Eval
from trytond.transaction import without_check_access

AUTHORITIES = {'supervisory', 'public_body'}


class Incident(metaclass=PoolMeta):
    __name__ = 'early_access.audit.incident'

    disclosed_to = fields.Many2One(
        'early_access.recipient', "Printed For", ondelete='RESTRICT',
        domain=[
            ('company', '=', Eval('company', -1)),
            ('state', '=', 'active'),
            ],
        states={
            'readonly': Eval('state') == 'closed',
            },
        help="Who gets what is printed of the incident: the basis must be in "
        "force on that day.")

    @classmethod
    def open(cls, incidents):
        super().open(incidents)
        Review = Pool().get('early_access.dpia.review')
        for incident in incidents:
            Review.open_for('breach', incident)

    @without_check_access
    def check_disclosure(self, categories):
        Recipient = Pool().get('early_access.recipient')
        if not self.disclosed_to:
            Recipient.refuse_without(self)
        self.disclosed_to.check_disclosure(self, 'aggregated', categories)


class IncidentPatient(metaclass=PoolMeta):
    __name__ = 'early_access.audit.incident.patient'

    archive = fields.Many2One(
        'early_access.retention.archive', "Archived Patient", readonly=True,
        ondelete='SET NULL',
        states={
            'invisible': ~Eval('archive'),
            })

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_indexes.add(Index(t, (t.archive, Index.Range())))


class IncidentAuthorityReport(metaclass=PoolMeta):
    __name__ = 'early_access.audit.incident.authority'

    @classmethod
    def get_context(cls, records, header, data):
        for record in records:
            record.check_disclosure(AUTHORITIES)
        return super().get_context(records, header, data)


class IncidentFileReport(metaclass=PoolMeta):
    __name__ = 'early_access.audit.incident.file'

    @classmethod
    def get_context(cls, records, header, data):
        for record in records:
            record.check_disclosure({*AUTHORITIES, 'laboratory'})
        return super().get_context(records, header, data)
