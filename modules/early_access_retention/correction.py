# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The correction of dates of the past, of which the difference is shown first"

from dataclasses import replace

from trytond.i18n import gettext
from trytond.model import ModelView, fields
from trytond.pool import Pool
from trytond.pyson import Eval
from trytond.transaction import Transaction, without_check_access
from trytond.wizard import Button, StateTransition, StateView, Wizard

from .authorization import DATES, event
from .clock_change import REASONS
from .exceptions import CorrectionError
from .today import current_date
from .words import difference


class CorrectDates(Wizard):
    "Correct Dates"
    __name__ = 'early_access.retention.correct_dates'

    start = StateView(
        'early_access.retention.correct_dates.start',
        'early_access_retention.correct_dates_start_view_form', [
            Button("Cancel", 'end', 'tryton-cancel'),
            Button("Show the Difference", 'compare', 'tryton-forward',
                default=True),
            ])
    compare = StateTransition()
    preview = StateView(
        'early_access.retention.correct_dates.preview',
        'early_access_retention.correct_dates_preview_view_form', [
            Button("Cancel", 'end', 'tryton-cancel'),
            Button("Back", 'start', 'tryton-back'),
            Button("Accept", 'accept', 'tryton-ok'),
            ])
    accept = StateTransition()

    @property
    def authorization(self):
        return self.record.authorization

    def default_start(self, fields):
        if getattr(self.start, 'authorization', None):
            # Back from the difference
            return self.start._default_values
        authorization = self.authorization
        report = self._last_report()
        values = {name: getattr(authorization, name) for name in DATES}
        return {
            **values,
            'authorization': authorization.id,
            'report': report.id if report else None,
            'published': bool(report and report.state == 'published'),
            'publication_date': report.publication_date if report else None,
            }

    def _last_report(self):
        Report = Pool().get('early_access.report')
        with without_check_access():
            reports = Report.search([
                    ('authorization', '=', self.authorization.id),
                    ('last', '=', True),
                    ])
        return reports[0] if reports else None

    def _facts(self):
        """Return the facts as they are, and as they would be."""
        Authorization = Pool().get('early_access.authorization')
        today = current_date()
        before = Authorization.retention_facts(
            [self.authorization], today)[self.authorization.id]
        start = self.start
        report = start.report
        published = report and report.state == 'published'
        after = replace(
            before, last_report=bool(report),
            publication=(
                event(start.publication_date or report.publication_date,
                    today) if published else None),
            **{fact: event(getattr(start, name), today)
                for name, fact in DATES.items()})
        return before, after

    def transition_compare(self):
        start = self.start
        if (start.report
                and start.report.authorization != self.authorization):
            raise CorrectionError(gettext(
                    'early_access_retention.msg_correction_report',
                    authorization=self.authorization.rec_name))
        before, after = self._facts()
        if before == after:
            raise CorrectionError(gettext(
                    'early_access_retention.msg_correction_nothing',
                    authorization=self.authorization.rec_name))
        return 'preview'

    def default_preview(self, fields):
        before, after = self._facts()
        periods = self.record.stored[1]
        return {
            'before': before.to_json(),
            'difference': '\n'.join(
                difference((before, periods), (after, periods))),
            }

    def transition_accept(self):
        pool = Pool()
        Authorization = pool.get('early_access.authorization')
        Clock = pool.get('early_access.retention.clock')
        before, after = self._facts()
        if before.to_json() != self.preview.before:
            raise CorrectionError(gettext(
                    'early_access_retention.msg_correction_changed',
                    authorization=self.authorization.rec_name))
        start = self.start
        if start.market_withdrawal_date:
            Authorization.warn_market_withdrawal(
                [self.authorization], start.market_withdrawal_date)
        with Transaction().set_context(
                _retention_cause='correction',
                _retention_reason=start.reason), without_check_access():
            Authorization.write([self.authorization], {
                    name: getattr(start, name) for name in DATES})
            self._correct_report()
            Clock.recompute([self.authorization])
        return 'end'

    def _correct_report(self):
        Report = Pool().get('early_access.report')
        start = self.start
        last = self._last_report()
        if last and last != start.report:
            Report.write([last], {'last': False})
        if start.report and last != start.report:
            Report.write([start.report], {'last': True})
        if (start.report and start.report.state == 'published'
                and start.publication_date
                and start.publication_date
                != start.report.publication_date):
            Report.write([start.report], {
                    'publication_date': start.publication_date})

    def end(self):
        return 'reload'


class CorrectDatesStart(ModelView):
    __name__ = 'early_access.retention.correct_dates.start'

    authorization = fields.Many2One(
        'early_access.authorization', "Authorization", readonly=True)
    ma_granted_date = fields.Date("MA Granted")
    ma_ended_date = fields.Date("MA Ended")
    market_withdrawal_date = fields.Date("Market Withdrawal")
    report = fields.Many2One(
        'early_access.report', "Last Report",
        domain=[
            ('authorization', '=', Eval('authorization', -1)),
            ])
    published = fields.Boolean("Published", states={'invisible': True})
    publication_date = fields.Date(
        "Summary Published by HAS",
        states={
            'invisible': ~Eval('published', False),
            'required': Eval('published', False),
            })
    reason = fields.Selection(REASONS, "Reason", required=True, sort=False)

    @fields.depends('report')
    def on_change_report(self):
        self.published = bool(
            self.report and self.report.state == 'published')
        self.publication_date = (
            self.report.publication_date if self.published else None)


class CorrectDatesPreview(ModelView):
    __name__ = 'early_access.retention.correct_dates.preview'

    before = fields.Text("Before", readonly=True)
    difference = fields.Text("What Changes", readonly=True)
