# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from sql import Literal
from sql.operators import Equal

from trytond.i18n import gettext
from trytond.model import (
    Exclude, Index, ModelSQL, ModelView, Workflow, fields)
from trytond.model.exceptions import AccessError
from trytond.pool import Pool
from trytond.pyson import Bool, Eval, If
from trytond.transaction import Transaction

from .exceptions import ReportError
from .national_number import NationalNumberMixin
from .workflow import (
    ProgrammeWorkflow, guarded, stamped, time_field, user_field)


class Report(NationalNumberMixin, ProgrammeWorkflow, ModelSQL, ModelView):
    """A summary report on a period of a programme (R.5121-70-1).

    HAS publishes its summary. The publication of that of the last report
    starts the period of the active base (CNIL 2022-107, art. 9.1).
    """
    __name__ = 'early_access.report'

    _states = {
        'readonly': Eval('state') != 'draft',
        }

    authorization = fields.Many2One(
        'early_access.authorization', "Authorization", required=True,
        ondelete='RESTRICT', states=_states)
    company = fields.Function(
        fields.Many2One('company.company', "Company"),
        'on_change_with_company', searcher='search_company')
    from_date = fields.Date(
        "From Date", required=True, states=_states,
        domain=[
            If(Eval('from_date') & Eval('to_date'),
                ('from_date', '<=', Eval('to_date', None)),
                ()),
            ])
    to_date = fields.Date(
        "To Date", required=True, states=_states,
        domain=[
            If(Eval('from_date') & Eval('to_date'),
                ('to_date', '>=', Eval('from_date', None)),
                ()),
            ])
    data_cut_date = fields.Date(
        "Data Cut",
        states={
            'readonly': Eval('state') != 'draft',
            'required': Eval('state') != 'draft',
            },
        help="The day of the data that the report tells of.")
    last = fields.Boolean(
        "Last Report",
        help="No other report follows: the publication of its summary starts "
        "the period of the active base.")
    transmitted_date = fields.Date(
        "Transmitted",
        domain=[
            If(Eval('transmitted_date') & Eval('data_cut_date'),
                ('transmitted_date', '>=', Eval('data_cut_date', None)),
                ()),
            ],
        states={
            'readonly': Eval('state') != 'draft',
            'required': Eval('state').in_(['transmitted', 'published']),
            },
        help="When the synthesis, the benefit and risk analysis and the "
        "draft summary were sent to HAS, the ministers and, before the "
        "marketing authorization, ANSM.")
    publication_date = fields.Date(
        "Summary Published by HAS",
        domain=[
            If(Eval('publication_date') & Eval('transmitted_date'),
                ('publication_date', '>=', Eval('transmitted_date', None)),
                ()),
            ],
        states={
            'readonly': Eval('state') != 'transmitted',
            'required': Eval('state') == 'published',
            'invisible': Eval('state') == 'draft',
            })
    publication_url = fields.Char(
        "Link to the Summary",
        states={
            'readonly': Eval('state') != 'transmitted',
            'required': Eval('state') == 'published',
            'invisible': Eval('state') == 'draft',
            },
        help="Its address on the site of HAS.")
    transmitted_by = user_field("Transmitted By")
    transmitted_at = time_field("Transmitted At")
    published_by = user_field("Published By")
    published_at = time_field("Published At")
    state = fields.Selection([
            ('draft', "Draft"),
            ('transmitted', "Transmitted"),
            ('published', "Published"),
            ], "State", required=True, readonly=True, sort=False)

    del _states

    _protected = frozenset({
            'state', 'transmitted_by', 'transmitted_at', 'published_by',
            'published_at'})
    # What users write, by state; the others only in draft
    _editable = {
        'last': {'draft', 'transmitted', 'published'},
        'publication_date': {'draft', 'transmitted'},
        'publication_url': {'draft', 'transmitted'},
        }

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_constraints += [
            ('last_unique',
                Exclude(t, (t.authorization, Equal),
                    where=t.last == Literal(True)),
                'early_access.msg_report_last_unique'),
            ]
        cls._sql_indexes.update({
                Index(
                    t, (t.authorization, Index.Range()),
                    (t.to_date, Index.Range(order='DESC'))),
                Index(t, (t.state, Index.Equality(cardinality='low'))),
                })
        cls._order = [('to_date', 'DESC'), ('id', 'DESC')]
        cls._transitions |= {
            ('draft', 'transmitted'),
            ('transmitted', 'draft'),
            ('transmitted', 'published'),
            }
        cls._buttons.update(
            draft={
                'invisible': Eval('state') != 'transmitted',
                'icon': 'tryton-back',
                'depends': ['state'],
                },
            transmit={
                'invisible': Eval('state') != 'draft',
                'readonly': ~(
                    Bool(Eval('data_cut_date'))
                    & Bool(Eval('transmitted_date'))),
                'icon': 'tryton-forward',
                'depends': ['state', 'data_cut_date', 'transmitted_date'],
                },
            publish={
                'invisible': Eval('state') != 'transmitted',
                'readonly': ~(
                    Bool(Eval('publication_date'))
                    & Bool(Eval('publication_url'))),
                'icon': 'tryton-ok',
                'depends': ['state', 'publication_date', 'publication_url'],
                })

    @staticmethod
    def default_last():
        return False

    @staticmethod
    def default_state():
        return 'draft'

    @fields.depends('authorization', '_parent_authorization.company')
    def on_change_with_company(self, name=None):
        return self.authorization.company if self.authorization else None

    @classmethod
    def search_company(cls, name, clause):
        return [('authorization.' + clause[0], *clause[1:])]

    def get_rec_name(self, name):
        return gettext(
            'early_access.msg_report_name',
            authorization=self.authorization.code,
            from_date=self.authorization._format_date(self.from_date),
            to_date=self.authorization._format_date(self.to_date))

    @classmethod
    def search_rec_name(cls, name, clause):
        return [('authorization.rec_name', *clause[1:])]

    @classmethod
    def view_attributes(cls):
        return super().view_attributes() + [
            ('/tree', 'visual',
                If((Eval('state') == 'transmitted') & Eval('last', False),
                    'warning', '')),
            ]

    # Transitions

    @classmethod
    @guarded('transmitted')
    @ModelView.button
    @Workflow.transition('draft')
    def draft(cls, reports):
        "Correct what was said to be transmitted."
        cls.write(reports, {
                'transmitted_by': None,
                'transmitted_at': None,
                'publication_date': None,
                'publication_url': None,
                })

    @classmethod
    @guarded('draft')
    @ModelView.button
    @Workflow.transition('transmitted')
    @stamped('transmitted')
    def transmit(cls, reports):
        "Tell that the reports were sent to the authorities."
        for report in reports:
            report.check_filled('data_cut_date', 'transmitted_date')

    @classmethod
    @guarded('transmitted')
    @ModelView.button
    @Workflow.transition('published')
    @stamped('published')
    def publish(cls, reports):
        "Tell that HAS has published the summaries, which fixes the reports."
        for report in reports:
            report.check_filled('publication_date', 'publication_url')

    def check_filled(self, *names):
        """Check that the fields are filled in.

        :raises ReportError: if one is not.
        """
        for name in names:
            if not getattr(self, name):
                raise ReportError(gettext(
                        'early_access.msg_report_missing',
                        **self.__names__(name, record=self)))

    # Storage

    @classmethod
    def validate_fields(cls, reports, field_names):
        super().validate_fields(reports, field_names)
        if field_names is None or field_names & {
                'data_cut_date', 'transmitted_date', 'publication_date'}:
            for report in reports:
                report.check_not_to_come()
        if field_names is None or field_names & {
                'last', 'to_date', 'authorization'}:
            cls.check_last(reports)

    def check_not_to_come(self):
        Date = Pool().get('ir.date')
        with Transaction().set_context(company=self.company.id):
            today = Date.today()
        for name in ['data_cut_date', 'transmitted_date', 'publication_date']:
            if (getattr(self, name) or today) > today:
                raise ReportError(gettext(
                        'early_access.msg_report_future',
                        **self.__names__(name, record=self)))

    @classmethod
    def check_last(cls, reports):
        "Raise ReportError if a report ends after the one that is the last."
        lasts = {
            r.authorization: r for r in cls.search([
                    ('authorization', 'in',
                        [r.authorization.id for r in reports]),
                    ('last', '=', True),
                    ])}
        latest = {}
        for report in cls.search([
                    ('authorization', 'in', [a.id for a in lasts]),
                    ]):
            last = lasts[report.authorization]
            if report.to_date > last.to_date:
                latest[last] = report
        for last, report in latest.items():
            raise ReportError(gettext(
                    'early_access.msg_report_not_last',
                    report=last.rec_name, other=report.rec_name))

    @classmethod
    def check_modification(cls, mode, reports, values=None, external=False):
        super().check_modification(
            mode, reports, values=values, external=external)
        for report in reports:
            if mode == 'delete' and report.state != 'draft':
                raise AccessError(gettext(
                        'early_access.msg_report_delete',
                        report=report.rec_name))
            elif mode == 'write' and external:
                for name in sorted(values.keys() - cls._protected):
                    if report.state not in cls._editable.get(
                            name, {'draft'}):
                        raise AccessError(gettext(
                                'early_access.msg_report_fixed',
                                **cls.__names__(name, record=report)))

    @classmethod
    def copy(cls, reports, default=None):
        default = default.copy() if default is not None else {}
        for name in cls._protected - {'state'} | {
                'data_cut_date', 'transmitted_date', 'publication_date',
                'publication_url'}:
            default.setdefault(name)
        default.setdefault('last', False)
        return super().copy(reports, default=default)
