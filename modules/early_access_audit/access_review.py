# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The yearly review of who may do what (CNIL 2022-107, SEC-HAB-2)."

import datetime as dt
from collections import defaultdict

from dateutil.relativedelta import relativedelta
from sql.aggregate import Count
from sql.conditionals import Case

import trytond.config as config
from trytond.i18n import gettext
from trytond.model import Index, ModelSQL, ModelView, Workflow, fields
from trytond.modules.early_access.workflow import (
    ProgrammeWorkflow, guarded, stamped, time_field, user_field)
from trytond.pool import Pool, PoolMeta
from trytond.pyson import Eval, If
from trytond.tools import grouped_slice
from trytond.transaction import Transaction, without_check_access

from . import notice
from .access_review_line import NOTICE
from .exceptions import AccessReviewStateError

YEAR = relativedelta(years=1)
# How long before a review is due it is prepared
AHEAD = relativedelta(days=30)
# How long between two alerts on the same review
INTERVAL = dt.timedelta(days=7)
# The lines that are made at once
CHUNK = 1000


def review_days():
    "Return how long the reviewers have, in days."
    return config.getint('early_access', 'access_review_days', default=60)


class AccessReview(ProgrammeWorkflow, ModelSQL, ModelView):
    "A campaign in which every role and account is kept or not"
    __name__ = 'early_access.audit.access_review'

    due_by = fields.Date(
        "To Open By", required=True, readonly=True,
        help="A year after the review before.")
    due_date = fields.Date(
        "Due Date", required=True,
        states={
            'readonly': Eval('state') != 'draft',
            },
        help="When all the lines must be decided.")
    lines = fields.One2Many(
        'early_access.audit.access_review.line', 'review', "Lines",
        readonly=True)
    total = fields.Function(fields.Integer("Lines"), 'get_counts')
    decided = fields.Function(fields.Integer("Decided"), 'get_counts')
    progress = fields.Function(
        fields.Float("Progress", digits=(1, 4)), 'get_counts')
    opened_by = user_field("Opened By")
    opened_at = time_field("Opened At")
    closed_by = user_field("Closed By")
    closed_at = time_field("Closed At")
    alerted_on = fields.Date("Last Alert", readonly=True)
    state = fields.Selection([
            ('draft', "Draft"),
            ('open', "Open"),
            ('closed', "Closed"),
            ], "State", required=True, readonly=True, sort=False)
    late = fields.Function(fields.Boolean("Late"), 'get_late')

    _protected = frozenset({
            'state', 'due_by', 'opened_by', 'opened_at', 'closed_by',
            'closed_at', 'alerted_on'})

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_indexes.add(
            Index(t, (t.state, Index.Equality(cardinality='low'))))
        cls._order = [('due_by', 'DESC'), ('id', 'DESC')]
        cls._transitions |= {('draft', 'open'), ('open', 'closed')}
        cls._buttons.update(
            open_={
                'invisible': Eval('state') != 'draft',
                'depends': ['state'],
                },
            close={
                'invisible': Eval('state') != 'open',
                'depends': ['state'],
                })

    @classmethod
    def view_attributes(cls):
        return super().view_attributes() + [
            ('/tree', 'visual', If(Eval('late', False), 'danger', '')),
            ]

    @staticmethod
    def default_state():
        return 'draft'

    @classmethod
    def default_due_by(cls):
        return cls.next_date()

    @classmethod
    def default_due_date(cls):
        Date = Pool().get('ir.date')
        return Date.today() + relativedelta(days=review_days())

    @classmethod
    @without_check_access
    def next_date(cls):
        "Return the date by which the next review must be opened."
        pool = Pool()
        Date = pool.get('ir.date')
        UserRole = pool.get('res.user.role')
        last = cls.search(
            [('opened_at', '!=', None)], order=[('opened_at', 'DESC')],
            limit=1)
        if last:
            return last[0].opened_at.date() + YEAR
        first = UserRole.search([], order=[('from_date', 'ASC')], limit=1)
        begin = first[0].from_date.date() if first else Date.today()
        return begin + YEAR

    def get_rec_name(self, name):
        date = self.opened_at.date() if self.opened_at else self.due_by
        return date.isoformat()

    @classmethod
    def get_counts(cls, reviews, names):
        Line = Pool().get('early_access.audit.access_review.line')
        line = Line.__table__()
        cursor = Transaction().connection.cursor()
        cursor.execute(*line.select(
                line.review, Count(line.id), Count(line.decision),
                where=fields.SQL_OPERATORS['in'](
                    line.review, [r.id for r in reviews]),
                group_by=line.review))
        result = {n: {r.id: 0 for r in reviews} for n in names}
        for id_, total, decided in cursor:
            values = {
                'total': total,
                'decided': decided,
                'progress': round(decided / total, 4),
                }
            for name in names:
                result[name][id_] = values[name]
        return result

    @classmethod
    def get_late(cls, reviews, name):
        today = Pool().get('ir.date').today()
        return {
            r.id: r.state == 'draft' and r.due_by < today
            or r.state == 'open' and r.due_date < today
            for r in reviews}

    @classmethod
    @guarded('draft')
    @ModelView.button
    @Workflow.transition('open')
    @stamped('opened')
    def open_(cls, reviews):
        "Make the lines, and tell those who review them."
        for review in reviews:
            review._make_lines()
            notice.send(cls.__name__, review, review.reviewers())

    @classmethod
    @guarded('open')
    @ModelView.button
    @Workflow.transition('closed')
    @stamped('closed')
    def close(cls, reviews):
        "Close the reviews, once all is decided and done."
        Line = Pool().get('early_access.audit.access_review.line')
        for review in reviews:
            left = Line.search([
                    ('review', '=', review.id),
                    ('state', '!=', 'decided'),
                    ], count=True)
            if left:
                raise AccessReviewStateError(gettext(
                        'early_access_audit.msg_access_review_close',
                        review=review.rec_name, number=left))

    # The lines

    def _make_lines(self):
        Line = Pool().get('early_access.audit.access_review.line')
        for values in grouped_slice(list(self._line_values()), CHUNK):
            Line.create(list(values))

    def _line_values(self):
        "Yield the values of a line per role and per account without role."
        pool = Pool()
        Application = pool.get('res.user.application')
        User = pool.get('res.user')
        UserRole = pool.get('res.user.role')
        Date = pool.get('ir.date')
        establishments = self._establishments()
        referents = self._referents(establishments)
        users = User.search([('id', '!=', 0)])

        def values(user, **values):
            own = establishments.get(user.id, set())
            others = set().union(*(referents[e] for e in own)) - {user.id}
            return {
                'review': self.id,
                'user': user.id,
                'due_date': self.due_date,
                'reviewer': 'referent' if others else 'manager',
                'manager': (
                    user.access_manager.id if user.access_manager else None),
                'establishments': [('add', sorted(own))] if own else None,
                **values,
                }

        found = set()
        for line in UserRole.search([
                    ('user.active', '=', True),
                    ('to_date', '>', dt.datetime.now()),
                    ], order=[('user', 'ASC'), ('id', 'ASC')]):
            found.add(line.user.id)
            yield values(
                line.user, kind='role', role=line.role.id, user_role=line.id,
                to_date=line.to_date.date())
        for application in Application.search([
                    ('state', '=', 'validated'),
                    ('to_date', '>=', Date.today()),
                    ('user.active', '=', True),
                    ]):
            found.add(application.user.id)
            yield values(
                application.user, kind='machine', application=application.id,
                machine=application.name, owner=application.owner.id,
                to_date=application.to_date)
        for user in users:
            if user.id not in found:
                yield values(user, kind='account')

    def _establishments(self):
        """Return the ids of the establishments by user of a hospital.

        Those of a pharmacist are those that the pharmacies serve.
        """
        pool = Pool()
        Professional = pool.get('early_access.professional')
        Service = pool.get('early_access.service')
        served = defaultdict(set)
        for service in Service.search([], order=[]):
            served[service.pharmacy.id].add(service.establishment.id)
        result = defaultdict(set)
        for professional in Professional.search(
                [('user', '!=', None)], order=[]):
            own = result[professional.user.id]
            own.update(s.establishment.id for s in professional.services)
            for pharmacy in professional.pharmacies:
                own.update(served[pharmacy.id])
        return result

    def _referents(self, establishments):
        "Return the ids of the referents by establishment."
        result = defaultdict(set)
        for user in notice.members('establishment_referent'):
            for establishment in establishments.get(user.id, ()):
                result[establishment].add(user.id)
        return result

    @without_check_access
    def reviewers(self):
        "Return the users who have lines to decide."
        pool = Pool()
        Line = pool.get('early_access.audit.access_review.line')
        User = pool.get('res.user')
        line = Line.__table__()
        link = pool.get(
            'early_access.audit.access_review.line-party.party').__table__()
        cursor = Transaction().connection.cursor()
        undecided = (line.review == self.id) & (line.decision == None)  # noqa: E711,E501
        cursor.execute(*line.select(
                line.manager, Count(Case((line.reviewer == 'manager', 1))),
                where=undecided, group_by=line.manager))
        users, manages = set(), False
        for manager, number in cursor:
            if number:
                users.add(manager)
                manages |= manager is None
        cursor.execute(*line.join(link, condition=link.line == line.id).select(
                link.establishment,
                where=undecided & (line.reviewer == 'referent'),
                group_by=link.establishment))
        waiting = {e for e, in cursor}
        for establishment, referents in self._referents(
                self._establishments()).items():
            if establishment in waiting:
                users |= referents
        users = set(User.browse([u for u in users if u]))
        if manages:
            users |= set(managers())
        return sorted(users, key=lambda u: u.id)

    # Alerts

    @classmethod
    @without_check_access
    def follow(cls):
        """Prepare the yearly review, alert, and suspend, called by a cron.

        The users of overdue lines are told once, and suspended after the
        notice.
        """
        pool = Pool()
        Date = pool.get('ir.date')
        Line = pool.get('early_access.audit.access_review.line')
        today = Date.today()
        if not cls.search([('state', 'in', ['draft', 'open'])], limit=1) and (
                cls.next_date() <= today + AHEAD):
            cls.create([{}])
        for review in cls.search([('state', 'in', ['draft', 'open'])]):
            review._alert(today)
        overdue = [
            ('review.state', '=', 'open'),
            ('decision', '=', None),
            ('due_date', '<', today),
            ]
        Line.give_notice(
            Line.search([*overdue, ('notice_date', '=', None)]), today)
        Line.suspend(Line.search([
                    *overdue,
                    ('notice_date', '<=', today - NOTICE),
                    ('suspended_at', '=', None),
                    ]))

    def _alert(self, today):
        "Send an e-mail on what is due, a week apart."
        if self.alerted_on and self.alerted_on > today - INTERVAL:
            return
        if self.state == 'draft':
            if self.due_by > today + AHEAD:
                return
            users = managers()
        elif self.due_date < today:
            users = self.reviewers()
        else:
            return
        notice.send(self.__name__, self, users)
        self.alerted_on = today
        self.save()


def managers():
    "Return the administrators and the security officers."
    pool = Pool()
    ModelData = pool.get('ir.model.data')
    User = pool.get('res.user')
    with without_check_access():
        return User.search([
                ('groups', 'in', [
                        ModelData.get_id('res', 'group_admin'),
                        ModelData.get_id(
                            'early_access', 'group_security_officer'),
                        ])])


class User(metaclass=PoolMeta):
    __name__ = 'res.user'

    access_manager = fields.Many2One(
        'res.user', "Manager", ondelete='RESTRICT', loading='lazy',
        domain=[
            ('id', '!=', Eval('id', -1)),
            ],
        help="Who reviews each year what the user may do.\n"
        "Leave empty for the security officer and the administrators.")


class AccessReviewNotice(notice.Notice):
    "Tell who opens a review or reviews accesses that it is time to"
    __name__ = 'early_access.audit.access_review'
