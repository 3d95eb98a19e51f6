# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from trytond.model import Index, ModelSQL, ModelView, Unique, fields
from trytond.modules.early_access_audit import notice
from trytond.transaction import without_check_access

from .clock import KINDS

# Days before it comes due; the last one once it is
STEPS = (90, 30, 7, 0)
PROFILES = ('dpo', 'regulatory_affairs', 'pharmacist_in_charge')


class Announcement(ModelSQL, ModelView):
    """What comes due, told before it happens.

    The e-mail says only that work is waiting.
    """
    __name__ = 'early_access.retention.announcement'

    # The server writes it beside what users do
    _traced_changes = False

    clock = fields.Many2One(
        'early_access.retention.clock', "Clock", required=True,
        readonly=True, ondelete='CASCADE')
    company = fields.Function(
        fields.Many2One('company.company', "Company"),
        'on_change_with_company', searcher='search_company')
    kind = fields.Selection(
        KINDS, "Move", required=True, readonly=True, sort=False)
    date = fields.Date("Due", required=True, readonly=True)
    days = fields.Integer(
        "Days Before", required=True, readonly=True,
        help="At which of the steps it was announced.")
    announced_at = fields.Timestamp(
        "Announced", required=True, readonly=True)

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_constraints += [
            ('step_unique', Unique(t, t.clock, t.kind, t.date, t.days),
                'early_access_retention.msg_announcement_unique'),
            ]
        cls._sql_indexes.add(Index(t, (t.announced_at, Index.Range())))
        cls._order = [('announced_at', 'DESC'), ('id', 'DESC')]

    @classmethod
    def get_rec_name(cls, announcements, name):
        return {a.id: a.clock.rec_name for a in announcements}

    @fields.depends('clock', '_parent_clock.authorization')
    def on_change_with_company(self, name=None):
        return self.clock.company if self.clock else None

    @classmethod
    def search_company(cls, name, clause):
        return [('clock.authorization.' + clause[0], *clause[1:])]

    @staticmethod
    def step(days):
        "Return the step of so many days before, or None if it is far."
        return min((s for s in STEPS if days <= s), default=None)

    @classmethod
    @without_check_access
    def send(cls, announcements):
        "Send one e-mail to each of those who answer for the companies."
        companies = {a.company for a in announcements}
        for company in companies:
            first = next(a for a in announcements if a.company == company)
            notice.send('early_access.retention.announcement', first, [
                    u for u in notice.members(*PROFILES)
                    if company in u.companies])


class AnnouncementEmail(notice.Notice):
    "Tell that work on the life of data is waiting"
    __name__ = 'early_access.retention.announcement'
