# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The reviews of the impact assessment (CNIL 2022-107, art. 14.4)."

from dateutil.relativedelta import relativedelta

from trytond.i18n import gettext
from trytond.model import Index, ModelSQL, ModelView, Workflow, fields
from trytond.modules.early_access.workflow import (
    guarded, stamped, time_field, user_field)
from trytond.pool import Pool, PoolMeta
from trytond.pyson import Eval, If
from trytond.transaction import without_check_access

from .exceptions import ImpactAssessmentError
from .registers import RegisterMixin
from .today import current_date

# How long after an event what it changes is to be judged
DELAY = relativedelta(months=1)


class Review(RegisterMixin, ModelSQL, ModelView):
    """What may change the risks, and what came of it (art. 14.4).

    It opens by itself, or somebody opens it.
    """
    __name__ = 'early_access.dpia.review'

    trigger = fields.Selection([
            ('processor', "New processor"),
            ('transfer', "New transfer"),
            ('category', "New special category of data"),
            ('breach', "Incident or breach"),
            ('date', "Date of review"),
            ('other', "Other change"),
            ], "Trigger", required=True, sort=False,
        states={
            'readonly': Eval('id', -1) >= 0,
            })
    trigger_string = trigger.translated('trigger')
    resource = fields.Reference("About", [
            (None, ""),
            ('early_access.processor', "Processor"),
            ('early_access.transfer', "Transfer"),
            ('early_access.protocol', "Protocol"),
            ('early_access.audit.incident', "Incident"),
            ('early_access.dpia', "Impact Assessment"),
            ], readonly=True,
        states={
            'invisible': ~Eval('resource'),
            })
    opened_on = fields.Date("Opened On", required=True, readonly=True)
    due_date = fields.Date(
        "Due Date", required=True, states={
            'readonly': Eval('state') != 'open',
            })
    decision = fields.Selection([
            (None, ""),
            ('unchanged', "The assessment holds"),
            ('new_version', "A new version is made"),
            ], "Decision", sort=False, states={
            'readonly': Eval('state') != 'open',
            })
    reason = fields.Text(
        "Reason", states={
            'readonly': Eval('state') != 'open',
            })
    assessment = fields.Many2One(
        'early_access.dpia', "New Version", ondelete='RESTRICT',
        domain=[
            ('company', '=', Eval('company', -1)),
            ],
        states={
            'readonly': Eval('state') != 'open',
            'invisible': Eval('decision') != 'new_version',
            })
    closed_by = user_field("Closed By")
    closed_at = time_field("Closed At")
    overdue = fields.Function(fields.Boolean("Overdue"), 'get_overdue')
    state = fields.Selection([
            ('open', "Open"),
            ('closed', "Closed"),
            ], "State", required=True, readonly=True, sort=False)

    _protected = frozenset({'state', 'opened_on', 'closed_by', 'closed_at'})
    _open = {'closed': frozenset()}
    _deletable = frozenset()

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls.company.states = {
            'readonly': Eval('id', -1) >= 0,
            }
        t = cls.__table__()
        cls._sql_indexes.add(
            Index(
                t, (t.company, Index.Range()),
                (t.state, Index.Equality(cardinality='low')),
                (t.due_date, Index.Range())))
        cls._order = [('due_date', 'ASC'), ('id', 'ASC')]
        cls._transitions |= {('open', 'closed')}
        cls._buttons.update(
            close={
                'invisible': Eval('state') != 'open',
                'icon': 'tryton-ok',
                'depends': ['state'],
                })

    @staticmethod
    def default_trigger():
        return 'other'

    @classmethod
    def default_opened_on(cls):
        return current_date()

    @classmethod
    def default_due_date(cls):
        return current_date() + DELAY

    @staticmethod
    def default_state():
        return 'open'

    @classmethod
    def get_overdue(cls, reviews, name):
        date = current_date()
        return {
            r.id: r.state == 'open' and r.due_date < date for r in reviews}

    def get_rec_name(self, name):
        about = self.resource.rec_name if self.resource else None
        return ' - '.join(filter(None, [self.trigger_string, about]))

    @classmethod
    def view_attributes(cls):
        return super().view_attributes() + [
            ('/tree', 'visual',
                If(Eval('overdue', False), 'danger',
                    If(Eval('state') == 'closed', 'muted', ''))),
            ]

    @classmethod
    @without_check_access
    def open_for(cls, trigger, record, company=None):
        """Open a review about a record, unless one is open.

        :param company: the one of the record by default.
        """
        company = company or record.company
        if cls.search([
                    ('resource', '=', str(record)),
                    ('trigger', '=', trigger),
                    ('state', '=', 'open'),
                    ], limit=1):
            return
        cls.create([{
                    'company': company.id,
                    'trigger': trigger,
                    'resource': str(record),
                    }])

    @classmethod
    @guarded('open')
    @ModelView.button
    @Workflow.transition('closed')
    @stamped('closed')
    def close(cls, reviews):
        """Close the reviews.

        :raises ImpactAssessmentError: without a decision and its reason, or
            without the new version.
        """
        for review in reviews:
            if (not review.decision or not (review.reason or '').strip()
                    or review.decision == 'new_version'
                    and not review.assessment):
                raise ImpactAssessmentError(gettext(
                        'early_access_retention.msg_dpia_review_decision',
                        review=review.rec_name))


class Protocol(metaclass=PoolMeta):
    __name__ = 'early_access.protocol'

    @classmethod
    def activate(cls, protocols):
        super().activate(protocols)
        Review = Pool().get('early_access.dpia.review')
        with without_check_access():
            for protocol in cls.browse([p.id for p in protocols]):
                before = {
                    j.category
                    for other in protocol.authorization.protocols
                    if other != protocol and other.state != 'draft'
                    for j in other.justifications}
                if {j.category for j in protocol.justifications} - before:
                    Review.open_for(
                        'category', protocol,
                        company=protocol.authorization.company)
