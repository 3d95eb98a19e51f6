# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The time in which a request is answered (GDPR 12.3).

One month from the receipt, and two more where the request is complex or there
are many. The person is told of it, and why, within the first month.
"""

import datetime as dt

from dateutil.relativedelta import relativedelta
from sql import Literal
from sql.conditionals import Case

from trytond.i18n import gettext
from trytond.model import fields
from trytond.pool import Pool
from trytond.pyson import Eval, If
from trytond.tools import grouped_slice
from trytond.transaction import without_check_access

from trytond.modules.early_access.transaction import wait_for
from trytond.modules.early_access_audit import notice

from .exceptions import RightsExtensionError
from .today import current_date

TIME = relativedelta(months=1)
EXTENDED_TIME = relativedelta(months=3)
# Between two e-mails about the same overdue request
REPEAT = dt.timedelta(days=7)
OPEN_STATES = ['received', 'identity_checked', 'in_progress']


def due_date(received, extended=False):
    """Return the last day to answer.

    It is counted from the receipt and not from the first due date: the 31st
    of December and three months is the 31st of March.
    """
    return received + (EXTENDED_TIME if extended else TIME)


class RightsClock:
    "When a request is due"
    __slots__ = ()

    due_date = fields.Date("Due", readonly=True)
    urgency = fields.Function(fields.Selection([
                ('overdue', "Overdue"),
                ('soon', "Due Soon"),
                ('running', "Running"),
                ('over', "Over"),
                ], "Clock", sort=False), 'get_urgency')
    extension_reason = fields.Selection([
            (None, ""),
            ('complex', "The request is complex"),
            ('number', "The requests are many"),
            ], "Reason to Extend", readonly=True, sort=False,
        states={
            'invisible': ~Eval('extension_reason'),
            })
    extension_told_on = fields.Date(
        "Extension Told On", readonly=True,
        states={
            'invisible': ~Eval('extension_reason'),
            },
        help="When the person was told of the extension and of its reason.")
    alerted_on = fields.Date("Last Alert", readonly=True)
    alerted = fields.Selection([
            (None, ""),
            ('soon', "Due Soon"),
            ('overdue', "Overdue"),
            ], "Alert", readonly=True, sort=False)

    @classmethod
    def default_urgency(cls):
        return 'running'

    @classmethod
    def get_urgency(cls, requests, name):
        today, notice_days = current_date(), cls._notice()
        result = {}
        for request in requests:
            if request.state not in OPEN_STATES:
                urgency = 'over'
            elif request.due_date < today:
                urgency = 'overdue'
            elif request.due_date - today <= notice_days:
                urgency = 'soon'
            else:
                urgency = 'running'
            result[request.id] = urgency
        return result

    @classmethod
    def order_urgency(cls, tables):
        "The first due first: those that are open, then the others."
        table, _ = tables[None]
        is_open = fields.SQL_OPERATORS['in'](table.state, OPEN_STATES)
        return [
            Case((is_open, Literal(0)), else_=Literal(1)), table.due_date]

    @classmethod
    @without_check_access
    def _notice(cls):
        Configuration = Pool().get('early_access.rights.configuration')
        return dt.timedelta(days=Configuration(1).alert_days)

    @classmethod
    def clock_attributes(cls):
        return [
            ('/tree', 'visual',
                If(Eval('urgency') == 'overdue', 'danger',
                    If(Eval('urgency') == 'soon', 'warning',
                        If(Eval('urgency') == 'over', 'muted', '')))),
            ]

    @classmethod
    def extend_for(cls, requests, reason, told_on):
        """Give two more months to the requests.

        :param reason: its code.
        :param told_on: the date on which the person was told.
        :raises RightsExtensionError: if it is done already or too late.
        """
        wait_for(requests)
        cls.check_state(requests, 'extend', OPEN_STATES)
        today = current_date()
        for request in requests:
            first = due_date(request.received_on)
            names = {
                'request': request.rec_name,
                'date': request.format_date(first),
                }
            if request.extension_reason:
                message = 'early_access_retention.msg_rights_extended'
            elif not reason or not told_on:
                message = 'early_access_retention.msg_rights_extension_missing'
            elif today > first or told_on > first:
                message = 'early_access_retention.msg_rights_extension_late'
            elif told_on > today or told_on < request.received_on:
                message = 'early_access_retention.msg_rights_extension_date'
            else:
                continue
            raise RightsExtensionError(gettext(message, **names))
        for request in requests:
            cls.write([request], {
                    'extension_reason': reason,
                    'extension_told_on': told_on,
                    'due_date': due_date(request.received_on, extended=True),
                    })

    @classmethod
    @without_check_access
    def alert(cls):
        """Send the e-mails about what is due, called by a cron.

        Once when it is due soon, and each week once it is overdue. It does
        nothing more when it is run twice the same day.
        """
        today, notice_days = current_date(), cls._notice()
        requests = cls.search([
                ('state', 'in', OPEN_STATES),
                ('due_date', '<=', today + notice_days),
                ['OR',
                    ('alerted_on', '=', None),
                    [
                        ('due_date', '<', today),
                        ['OR',
                            ('alerted', '=', 'soon'),
                            ('alerted_on', '<=', today - REPEAT),
                            ],
                        ],
                    ],
                ], order=[('due_date', 'ASC'), ('id', 'ASC')])
        for sub_requests in grouped_slice(requests, 100):
            sub_requests = list(sub_requests)
            # Another run finds them changed, and starts again
            wait_for(sub_requests)
            for request in sub_requests:
                cls.write([request], {
                        'alerted': (
                            'overdue' if request.due_date < today
                            else 'soon'),
                        'alerted_on': today,
                        })
                notice.send('early_access.rights.alert', request, [
                        u for u in notice.members('dpo')
                        if request.company in u.companies])


class RightsAlert(notice.Notice):
    "The text of the e-mail about a request that is due"
    __name__ = 'early_access.rights.alert'
