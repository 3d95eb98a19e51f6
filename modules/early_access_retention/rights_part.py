# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"What belongs to the request of a person about their data."

from trytond.i18n import gettext
from trytond.model import fields
from trytond.modules.early_access.workflow import ProgrammeWorkflow
from trytond.pyson import Eval

from .exceptions import RightsAccessError
from .rights_clock import OPEN_STATES


class RequestPartMixin:
    "A part of a request, of the company that answers it."
    __slots__ = ()

    company = fields.Function(
        fields.Many2One('company.company', "Company"), 'get_company',
        searcher='search_company')

    @classmethod
    def get_company(cls, parts, name):
        return {p.id: p.request.company.id for p in parts}

    @classmethod
    def search_company(cls, name, clause):
        return [('request.' + clause[0], *clause[1:])]

    def get_rec_name(self, name):
        return self.request.rec_name

    @classmethod
    def search_rec_name(cls, name, clause):
        return [('request.' + clause[0], *clause[1:])]


class OpenPartMixin(RequestPartMixin):
    "A part of a request that is fixed once the request is closed."
    __slots__ = ()

    @classmethod
    def check_modification(cls, mode, parts, values=None, external=False):
        super().check_modification(
            mode, parts, values=values, external=external)
        for part in parts if external else ():
            if part.request.state not in OPEN_STATES:
                raise RightsAccessError(gettext(
                        'early_access_retention.msg_rights_closed',
                        request=part.request.rec_name))


class RequestActMixin(RequestPartMixin, ProgrammeWorkflow):
    "What a request does with the data of its person."
    __slots__ = ()
    _path_to_patient = 'patient'
    _concerns_patient = True

    patient = fields.Many2One(
        'early_access.patient', "Patient", readonly=True, ondelete='CASCADE',
        states={
            'invisible': ~Eval('patient'),
            })
    related_person = fields.Many2One(
        'early_access.related_person', "Related Person", readonly=True,
        ondelete='CASCADE',
        states={
            'invisible': ~Eval('related_person'),
            })

    @staticmethod
    def default_state():
        return 'draft'

    @fields.depends('request', '_parent_request.patient',
        '_parent_request.related_person')
    def on_change_request(self):
        if self.request:
            self.patient = self.request.patient
            self.related_person = self.request.related_person
