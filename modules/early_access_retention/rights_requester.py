# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from dateutil.relativedelta import relativedelta

from trytond.i18n import gettext
from trytond.model import Index, ModelSQL, ModelView, Unique, fields
from trytond.pool import Pool
from trytond.tools import grouped_slice
from trytond.transaction import without_check_access

from trytond.modules.early_access.identifiers import find_nir
from trytond.modules.early_access.exceptions import NationalNumberError
from trytond.modules.early_access.sealed import Sealed, SealedMixin

from .rights_clock import OPEN_STATES
from .rights_part import OpenPartMixin
from .today import current_date


class Requester(SealedMixin, OpenPartMixin, ModelSQL, ModelView):
    """The name and the contact of who makes a request, to be answered.

    They live apart from the patient, under a key of their own, for the rights
    officer only, and are removed some time after the request is closed.
    """
    __name__ = 'early_access.rights.requester'
    _rec_name = 'rec_name'
    _tells_of = 'person'
    _concerns_patient = True

    request = fields.Many2One(
        'early_access.rights.request', "Request", required=True,
        readonly=True, ondelete='CASCADE')
    name = Sealed(fields.Char("Name", required=True))
    address = Sealed(fields.Text("Address"))
    email = Sealed(fields.Char("E-mail"))
    phone = Sealed(fields.Char("Phone"))

    _sealed_keys = ('request',)

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_constraints += [
            ('request_unique', Unique(t, t.request),
                'early_access_retention.msg_requester_unique'),
            ]
        cls._sql_indexes.add(Index(t, (t.request, Index.Range())))

    @classmethod
    def validate_fields(cls, requesters, field_names):
        super().validate_fields(requesters, field_names)
        for requester in requesters:
            for name in ['name', 'address', 'email', 'phone']:
                if find_nir(getattr(requester, name) or ''):
                    raise NationalNumberError(gettext(
                            'early_access.msg_national_number',
                            **cls.__names__(name)))

    @classmethod
    @without_check_access
    def remove(cls):
        """Remove those of the requests that are closed, called by a cron.

        Their keys go with them.
        """
        pool = Pool()
        Configuration = pool.get('early_access.rights.configuration')
        before = current_date() - relativedelta(
            days=Configuration(1).requester_days)
        requesters = cls.search([
                ('request.state', 'not in', OPEN_STATES),
                ('request.closed_on', '<=', before),
                ], order=[('id', 'ASC')], limit=1000)
        for sub_requesters in grouped_slice(requesters, 100):
            cls.delete(list(sub_requesters))
