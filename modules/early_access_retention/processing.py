# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The records of processing activities (GDPR 30.1 and 30.2).

They are made of what the registers and the programmes hold at that moment, and
kept as they are when they are issued.
"""

from trytond.i18n import gettext
from trytond.model import Index, ModelSQL, ModelView, Unique, fields
from trytond.modules.early_access.national_number import NationalNumberMixin
from trytond.modules.early_access_audit.incident_report import IncidentReport
from trytond.pool import Pool
from trytond.pyson import Bool, Eval, If
from trytond.transaction import Transaction, without_check_access

from .exceptions import RegisterFixedError
from .processing_content import Content


class Processing(NationalNumberMixin, ModelSQL, ModelView):
    """A processing activity of the company, as controller or as processor.

    Only who is who is entered: the rest is read where it lives.
    """
    __name__ = 'early_access.processing'

    _states = {
        'readonly': Bool(Eval('versions', [])),
        }

    company = fields.Many2One(
        'company.company', "Company", required=True, ondelete='RESTRICT',
        states={
            'readonly': Eval('id', -1) >= 0,
            })
    kind = fields.Selection([
            ('controller', "Record of the controller (30.1)"),
            ('processor', "Record of the processor (30.2)"),
            ], "Kind", required=True, sort=False, states=_states)
    name = fields.Char("Name", required=True, translate=True)
    controller = fields.Many2One(
        'party.party', "Controller", ondelete='RESTRICT',
        states={
            'invisible': Eval('kind') != 'processor',
            'required': Eval('kind') == 'processor',
            **_states,
            },
        context={
            'company': Eval('company', -1),
            },
        depends={'company'},
        help="The laboratory for which the company processes the data.")
    joint_controller = fields.Many2One(
        'party.party', "Joint Controller", ondelete='RESTRICT',
        states={
            'invisible': Eval('kind') != 'controller',
            },
        context={
            'company': Eval('company', -1),
            },
        depends={'company'})
    authorizations = fields.Many2Many(
        'early_access.processing-early_access.authorization', 'processing',
        'authorization', "Authorizations",
        domain=[
            ('company', '=', Eval('company', -1)),
            ],
        help="Leave empty for all those of the company.")
    gaps = fields.Function(fields.Text("Missing"), 'get_gaps')
    gaps_count = fields.Function(fields.Integer("Missing"), 'get_gaps')
    versions = fields.One2Many(
        'early_access.processing.version', 'processing', "Issued Versions",
        readonly=True)

    del _states

    # What the versions are numbered and compared by
    _issued = frozenset({'company', 'kind', 'controller'})

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_constraints += [
            ('controller_unique', Unique(t, t.company, t.kind, t.controller),
                'early_access_retention.msg_processing_unique'),
            ]
        cls._sql_indexes.add(Index(t, (t.company, Index.Range())))
        cls._order = [('kind', 'ASC'), ('name', 'ASC'), ('id', 'ASC')]
        cls._buttons.update(
            issue={
                'icon': 'tryton-ok',
                })

    @staticmethod
    def default_company():
        return Transaction().context.get('company')

    @staticmethod
    def default_kind():
        return 'controller'

    @classmethod
    def default_name(cls):
        return gettext('early_access_retention.msg_record_name')

    @classmethod
    def view_attributes(cls):
        return super().view_attributes() + [
            ('/tree/field[@name="gaps_count"]', 'visual',
                If(Eval('gaps_count', 0) > 0, 'danger', '')),
            ]

    @classmethod
    def get_gaps(cls, records, names):
        gaps = {r.id: r.content().gaps() for r in records}
        return {n: {
                i: len(g) if n == 'gaps_count' else '\n'.join(g)
                for i, g in gaps.items()} for n in names}

    @without_check_access
    def content(self):
        "Return the Content of the record, as things are now."
        return Content(self.__class__(self.id))

    @classmethod
    def retention_periods(cls, authorization):
        """Return how long the data of an authorization are kept, as lines.

        They are those of its clock, and none while the laboratory has not
        adopted periods.
        """
        Clock = Pool().get('early_access.retention.clock')
        return [
            line for clock in Clock.search([
                    ('authorization', '=', authorization.id),
                    ('policy', '!=', None),
                    ])
            for line in clock.reasoning.splitlines()]

    @classmethod
    @ModelView.button
    def issue(cls, records):
        "Keep what the records say now as versions that nobody changes."
        Version = Pool().get('early_access.processing.version')
        for record in records:
            Version.issue(record)

    @classmethod
    def check_modification(cls, mode, records, values=None, external=False):
        super().check_modification(
            mode, records, values=values, external=external)
        if mode == 'create' or (
                mode == 'write' and not values.keys() & cls._issued):
            return
        with without_check_access():
            for record in cls.browse([r.id for r in records]):
                if record.versions:
                    raise RegisterFixedError(gettext(
                            'early_access_retention.msg_processing_issued',
                            record=record.rec_name))

    @classmethod
    def copy(cls, records, default=None):
        default = default.copy() if default is not None else {}
        default.setdefault('versions')
        return super().copy(records, default=default)


class ProcessingAuthorization(ModelSQL):
    "Processing - Authorization"
    __name__ = 'early_access.processing-early_access.authorization'

    processing = fields.Many2One(
        'early_access.processing', "Processing", required=True,
        ondelete='CASCADE')
    authorization = fields.Many2One(
        'early_access.authorization', "Authorization", required=True,
        ondelete='CASCADE')


class ProcessingReport(IncidentReport):
    "The record on paper, in the language of the user"
    __name__ = 'early_access.processing.report'

    @classmethod
    def get_context(cls, records, header, data):
        pool = Pool()
        Company = pool.get('company.company')
        context = super().get_context(records, header, data)
        context['contents'] = {r.id: r.content() for r in records}
        context['version'] = data.get('version')
        context['missing'] = gettext('early_access_retention.msg_missing')
        company = Transaction().context.get('company')
        context['company'] = Company(company) if company else (
            records[0].company)
        return context
