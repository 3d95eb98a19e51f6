# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from trytond.i18n import gettext
from trytond.model import Index, ModelSQL, ModelView, fields
from trytond.pool import Pool
from trytond.pyson import Bool, Eval, If
from trytond.transaction import without_check_access

from .exceptions import RightsRequestError
from .rights_disclosure import exports_of
from .rights_part import OpenPartMixin
from .today import current_date


class RightsRecipient(OpenPartMixin, ModelSQL, ModelView):
    """Who had the data that are rectified or frozen, and is told (GDPR 19)."""
    __name__ = 'early_access.rights.recipient'
    _tells_of = 'person'
    _concerns_patient = True

    request = fields.Many2One(
        'early_access.rights.request', "Request", required=True,
        readonly=True, ondelete='CASCADE')
    kind = fields.Selection([
            ('hospital', "Hospital team"),
            ('pharmacovigilance', "Pharmacovigilance"),
            ('export', "Recipient of an export"),
            ], "Recipient", required=True, readonly=True, sort=False)
    professional = fields.Many2One(
        'early_access.professional', "Professional", readonly=True,
        ondelete='SET NULL')
    data_export = fields.Many2One(
        'early_access.data_export', "Export", readonly=True,
        ondelete='SET NULL')
    recipient = fields.Function(fields.Selection(
            'get_recipients', "Category"), 'get_recipient')
    informed_on = fields.Date(
        "Informed On",
        states={
            'readonly': Bool(Eval('not_informed')),
            })
    not_informed = fields.Selection([
            (None, ""),
            ('impossible', "Impossible"),
            ('disproportionate', "Disproportionate effort"),
            ], "Not Informed", sort=False,
        domain=[
            If(Bool(Eval('informed_on')),
                ('not_informed', '=', None),
                ()),
            ],
        states={
            'readonly': Bool(Eval('informed_on')),
            },
        help="Why the recipient is not told (GDPR 19).")

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_indexes.add(Index(t, (t.request, Index.Range())))
        cls._order = [('id', 'ASC')]

    @classmethod
    def get_recipients(cls):
        DataExport = Pool().get('early_access.data_export')
        return [
            (None, ""),
            *DataExport.fields_get(['recipient'])['recipient']['selection']]

    @classmethod
    def get_recipient(cls, recipients, name):
        return {
            r.id: r.data_export.recipient if r.data_export else None
            for r in recipients}

    @classmethod
    def view_attributes(cls):
        return super().view_attributes() + [
            ('/tree', 'visual',
                If(Bool(Eval('informed_on')) | Bool(Eval('not_informed')),
                    '', 'warning')),
            ]

    @property
    def is_settled(self):
        return bool(self.informed_on or self.not_informed)

    @classmethod
    @without_check_access
    def list_for(cls, requests):
        "Give the requests a line for each recipient that has none yet."
        to_create = []
        for request in requests:
            known = {r._key for r in request.recipients}
            for values in cls._had_by(request):
                key = tuple(values[n] for n in [
                        'kind', 'professional', 'data_export'])
                if key not in known:
                    known.add(key)
                    to_create.append({'request': request.id, **values})
        cls.create(to_create)

    @property
    def _key(self):
        return (
            self.kind,
            self.professional.id if self.professional else None,
            self.data_export.id if self.data_export else None)

    @classmethod
    def _had_by(cls, request):
        patient = request.dossier
        if not patient:
            return
        nothing = {'professional': None, 'data_export': None}
        for assignment in patient.assignments:
            yield {
                **nothing, 'kind': 'hospital',
                'professional': assignment.prescriber.id}
        forms = [
            f for f in patient.forms
            if f.related_person == request.related_person]
        if any(f.handed_over_at for f in forms):
            yield {**nothing, 'kind': 'pharmacovigilance'}
        for export in exports_of(forms):
            yield {
                **nothing, 'kind': 'export', 'data_export': export.id}

    @classmethod
    def validate_fields(cls, recipients, field_names):
        super().validate_fields(recipients, field_names)
        for recipient in recipients:
            if (recipient.informed_on
                    and recipient.informed_on > current_date()):
                raise RightsRequestError(gettext(
                        'early_access_retention.msg_rights_date',
                        **cls.__names__('informed_on', record=recipient)))
