# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import datetime as dt

from trytond.i18n import gettext
from trytond.model import Index, ModelSQL, ModelView, Unique, fields
from trytond.model.exceptions import AccessError
from trytond.modules.early_access.transaction import (
    follow_one_another, wait_for)
from trytond.pool import Pool
from trytond.pyson import Eval, If
from trytond.transaction import without_check_access

from .reckoning import Facts, Periods, reckon
from .today import current_date
from .words import RESULTS, reasoning

RULE_NAMES = [
    ('not_granted', "Never granted"),
    ('in_force', "In force"),
    ('ma', "Marketing authorization"),
    ('expired', "Expired without MA"),
    ('suspended', "Suspended"),
    ('withdrawn', "Withdrawn"),
    ('unknown', "Not known"),
    ('contradiction', "Contradictory dates"),
    ]
UNKNOWN = [
    ('last_report', "Last report"),
    ('publication', "Publication by HAS"),
    ('end', "End of the early access"),
    ('expiry', "Expiry"),
    ('ma_ended', "End of the MA"),
    ('active_months', "Period of the active base"),
    ('archive_years', "Period of the archive"),
    ('contradiction', "Which date is right"),
    ]
KINDS = [
    (None, ""),
    ('archive', "Archive"),
    ('destroy', "Destruction"),
    ]
# How long before it happens a move is announced at the latest
NOTICE = dt.timedelta(days=7)
URGENCIES = [
    ('late', "Late"),
    ('week', "Within 7 days"),
    ('month', "Within 30 days"),
    ('quarter', "Within 90 days"),
    ('later', "Later"),
    ('held', "Held"),
    ('unknown', "Not started"),
    ('over', "Over"),
    ('none', "Nothing to keep"),
    ]


class Clock(ModelSQL, ModelView):
    """How long the data of an authorization are kept, and why.

    It is calculated anew whenever what it depends on changes, and each day.
    What it was and what it became is kept.
    """
    __name__ = 'early_access.retention.clock'

    # The server writes it beside what users do
    _traced_changes = False

    authorization = fields.Many2One(
        'early_access.authorization', "Authorization", required=True,
        readonly=True, ondelete='CASCADE')
    company = fields.Function(
        fields.Many2One('company.company', "Company"),
        'on_change_with_company', searcher='search_company')
    rule = fields.Selection(
        RULE_NAMES, "Rule", required=True, readonly=True, sort=False)
    article = fields.Char(
        "Article", readonly=True, help="Of the deliberation 2022-107.")
    start_date = fields.Date(
        "Rule Applies Since", readonly=True,
        help="The date of the event from which the article counts.")
    active_end = fields.Date(
        "Active Until", readonly=True,
        help="By the period of the laboratory.")
    active_ceiling = fields.Date(
        "Active at Most Until", readonly=True, help="By the law.")
    archive_end = fields.Date(
        "Archived Until", readonly=True,
        help="By the period of the laboratory.")
    archive_ceiling = fields.Date(
        "Archived at Most Until", readonly=True, help="By the law.")
    archive_on = fields.Date(
        "To Archive", readonly=True,
        help="The day by which the data leave the active base.")
    destroy_on = fields.Date(
        "To Destroy", readonly=True,
        help="The day by which the data are destroyed.")
    unknown = fields.MultiSelection(
        UNKNOWN, "Not Known", readonly=True, sort=False,
        help="What is not known starts nothing and is never guessed.")
    unknown_names = fields.Function(
        fields.Char("Not Known"), 'get_unknown_names')
    next_kind = fields.Selection(KINDS, "Next Move", readonly=True, sort=False)
    next_date = fields.Date("Next Date", readonly=True)
    archived_on = fields.Date(
        "Archived", readonly=True,
        states={
            'invisible': ~Eval('archived_on'),
            })
    destroyed_on = fields.Date(
        "Destroyed", readonly=True,
        states={
            'invisible': ~Eval('destroyed_on'),
            })
    urgency = fields.Function(
        fields.Selection(URGENCIES, "Clock", sort=False), 'get_urgency')
    held = fields.Function(fields.Boolean("Held"), 'get_held')
    reasoning = fields.Function(fields.Text("Reasoning"), 'get_reasoning')
    policy = fields.Many2One(
        'early_access.retention.policy', "Periods", readonly=True,
        ondelete='RESTRICT')
    facts = fields.Text("Facts", readonly=True)
    periods = fields.Text("Periods of the Laboratory", readonly=True)
    computed_at = fields.Timestamp("Calculated", readonly=True)
    changes = fields.One2Many(
        'early_access.retention.clock.change', 'clock', "Changes",
        readonly=True)
    holds = fields.Function(fields.Many2Many(
            'early_access.retention.hold', None, None, "Holds",
            states={
                'invisible': ~Eval('holds'),
                }),
        'get_holds')
    announcements = fields.One2Many(
        'early_access.retention.announcement', 'clock', "Announcements",
        readonly=True)

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_constraints += [
            ('authorization_unique', Unique(t, t.authorization),
                'early_access_retention.msg_clock_unique'),
            ]
        cls._sql_indexes.update({
                Index(t, (t.next_date, Index.Range())),
                Index(t, (t.archive_on, Index.Range())),
                Index(t, (t.destroy_on, Index.Range())),
                })
        cls._order = [('next_date', 'ASC NULLS LAST'), ('id', 'ASC')]
        cls._buttons.update(
            correct={
                'icon': 'tryton-forward',
                })

    @classmethod
    def get_rec_name(cls, clocks, name):
        return {c.id: c.authorization.rec_name for c in clocks}

    @classmethod
    def search_rec_name(cls, name, clause):
        return [('authorization.rec_name', *clause[1:])]

    @fields.depends('authorization', '_parent_authorization.company')
    def on_change_with_company(self, name=None):
        return self.authorization.company if self.authorization else None

    @classmethod
    def search_company(cls, name, clause):
        return [('authorization.' + clause[0], *clause[1:])]

    # Getters

    @classmethod
    def get_held(cls, clocks, name):
        held = cls.held_by(clocks)
        return {c.id: c.id in held for c in clocks}

    @classmethod
    @without_check_access
    def held_by(cls, clocks):
        "Return the holds on all the data of the clocks, by id of the clock."
        Hold = Pool().get('early_access.retention.hold')
        holds = {}
        for hold in Hold.active([c.authorization for c in clocks]):
            if hold.is_whole:
                holds.setdefault(hold.authorization.id, []).append(hold)
        return {
            c.id: holds[c.authorization.id] for c in clocks
            if c.authorization.id in holds}

    @classmethod
    def get_holds(cls, clocks, name):
        Hold = Pool().get('early_access.retention.hold')
        holds = {c.authorization.id: [] for c in clocks}
        for hold in Hold.search([
                    ('authorization', 'in', list(holds)),
                    ('state', '=', 'placed'),
                    ]):
            holds[hold.authorization.id].append(hold.id)
        return {c.id: holds[c.authorization.id] for c in clocks}

    @classmethod
    def get_unknown_names(cls, clocks, name):
        result = {}
        for clock in clocks:
            names = dict(cls.unknown.get_selection(cls, 'unknown', clock))
            result[clock.id] = ', '.join(
                names[n] for n in clock.unknown or ())
        return result

    @classmethod
    def get_urgency(cls, clocks, name):
        today = current_date()
        held = cls.held_by(clocks)
        return {
            c.id: 'held' if c.id in held and c.next_date
            else c._urgency(today)
            for c in clocks}

    def _urgency(self, today):
        if self.destroyed_on:
            return 'over'
        if self.rule == 'not_granted':
            return 'none'
        if not self.next_date:
            return 'unknown'
        days = (self.next_date - today).days
        for name, most in [
                ('late', 0), ('week', 7), ('month', 30), ('quarter', 90)]:
            if days <= most:
                return name
        return 'later'

    @classmethod
    def get_reasoning(cls, clocks, name):
        return {c.id: '\n'.join(reasoning(*c.stored)) for c in clocks}

    @property
    def stored(self):
        "The facts and the periods from which it was calculated."
        return Facts.from_json(self.facts), Periods.from_json(self.periods)

    @classmethod
    def view_attributes(cls):
        return super().view_attributes() + [
            ('/tree', 'visual',
                If(Eval('urgency') == 'late', 'danger',
                    If(Eval('urgency').in_(['week', 'month']), 'warning',
                        If(Eval('urgency').in_(['unknown', 'over', 'none']),
                            'muted', '')))),
            ]

    @classmethod
    @without_check_access
    def follow(cls, authorizations):
        """Make what moves data and what holds them run one after the other.

        To be called by both before they look at what the other does.
        """
        follow_one_another(cls.search([
                    ('authorization', 'in', [
                            a.id for a in set(authorizations)]),
                    ], order=[('id', 'ASC')]))

    # What is due

    @classmethod
    @without_check_access
    def due(cls, kind, today=None):
        """Return the clocks of which the data are to be moved.

        What is held is not, nor what was not announced a week before; past
        what is lawful a day is enough. The data of a person may be held all
        the same: see retention_blocked of the patient.

        :param kind: 'archive' or 'destroy'.
        """
        today = today or current_date()
        clocks = cls.search([
                ('next_kind', '=', kind),
                ('next_date', '<=', today),
                ])
        held = cls.held_by(clocks)
        return [
            c for c in clocks if c.id not in held and c._announced(today)]

    def _announced(self, today):
        first = min((
                a.announced_at.date() for a in self.announcements
                if a.kind == self.next_kind and a.date == self.next_date),
            default=None)
        if not first:
            return False
        ceiling = (
            self.active_ceiling if self.next_kind == 'archive'
            else self.archive_ceiling)
        return first <= today - NOTICE or (
            first < today and bool(ceiling) and ceiling <= today)

    @classmethod
    @without_check_access
    def mark(cls, clocks, name):
        """Tell that all the data are moved, as of today.

        :param name: 'archived' or 'destroyed'.
        """
        cls.write(clocks, {f'{name}_on': current_date()})
        clocks = cls.browse(clocks)
        for clock in clocks:
            clock._set_next()
        cls.save(clocks)

    def _set_next(self):
        kind, date = None, None
        if not self.destroyed_on:
            if self.destroy_on:
                kind, date = 'destroy', self.destroy_on
            if (not self.archived_on and self.archive_on
                    and (not date or self.archive_on < date)):
                kind, date = 'archive', self.archive_on
        if (self.next_kind, self.next_date) != (kind, date):
            self.next_kind, self.next_date = kind, date

    # Calculation

    @classmethod
    @without_check_access
    def recompute(cls, authorizations, cause='event'):
        """Calculate the clocks anew, and keep what changes.

        :param cause: why, one of the causes of a change.
        """
        pool = Pool()
        Change = pool.get('early_access.retention.clock.change')
        if not authorizations:
            return []
        today = current_date()
        clocks = {
            c.authorization.id: c for c in cls.search([
                    ('authorization', 'in', [a.id for a in authorizations]),
                    ])}
        changed, changes = [], []
        for authorization, facts, policy in cls._inputs(
                authorizations, today):
            clock = clocks.get(authorization.id) or cls(
                authorization=authorization)
            periods = policy.periods if policy else Periods()
            before = clock.stored if clock.id else None
            if before == (facts, periods) and clock.policy == policy:
                continue
            clock._set(facts, periods, policy)
            changed.append(clock)
            if before and before != (facts, periods):
                changes.append((clock, before, (facts, periods)))
        cls.save(changed)
        Change.keep(changes, cause)
        return changed

    @classmethod
    def recompute_all(cls):
        "Calculate all the clocks anew, such as after an activation."
        Authorization = Pool().get('early_access.authorization')
        with without_check_access():
            cls.recompute(Authorization.search([]), cause='day')

    @classmethod
    @without_check_access
    def recompute_companies(cls, companies, cause):
        "Calculate the clocks of all the authorizations of the companies."
        Authorization = Pool().get('early_access.authorization')
        cls.recompute(Authorization.search([
                    ('company', 'in', [c.id for c in companies]),
                    ]), cause=cause)

    @classmethod
    def changes_of(cls, company):
        """Return what a calculation would change, as (authorization, before,
        after), with the facts and the periods before and after."""
        Authorization = Pool().get('early_access.authorization')
        authorizations = Authorization.search([('company', '=', company.id)])
        clocks = {
            c.authorization.id: c for c in cls.search([
                    ('authorization', 'in', [a.id for a in authorizations]),
                    ])}
        result = []
        for authorization, facts, policy in cls._inputs(
                authorizations, current_date()):
            periods = policy.periods if policy else Periods()
            clock = clocks.get(authorization.id)
            if not clock:
                continue
            old, new = reckon(*clock.stored), reckon(facts, periods)
            if any(getattr(old, n) != getattr(new, n) for n in RESULTS):
                result.append(
                    (authorization, clock.stored, (facts, periods)))
        return result

    @classmethod
    def _inputs(cls, authorizations, today):
        Authorization = Pool().get('early_access.authorization')
        Policy = Pool().get('early_access.retention.policy')
        facts = Authorization.retention_facts(authorizations, today)
        policies = Policy.of(authorizations, today)
        return [
            (a, facts[a.id], policies[a.id]) for a in authorizations]

    def _set(self, facts, periods, policy):
        result = reckon(facts, periods)
        self.facts, self.periods = facts.to_json(), periods.to_json()
        self.policy = policy
        self.rule, self.article = result.rule, result.article
        self.start_date = result.start
        for name in [
                'active_end', 'active_ceiling', 'archive_end',
                'archive_ceiling', 'archive_on', 'destroy_on']:
            setattr(self, name, getattr(result, name))
        self.unknown = list(result.unknown)
        self.computed_at = dt.datetime.now()
        if not self.id:
            self.archived_on = self.destroyed_on = None
            self.next_kind = self.next_date = None
        self._set_next()

    # Announcements

    @classmethod
    @without_check_access
    def announce(cls, clocks):
        """Announce what comes due to those who answer for it.

        :returns: the announcements made; none is made twice.
        """
        pool = Pool()
        Announcement = pool.get('early_access.retention.announcement')
        today = current_date()
        wait_for(clocks)
        values = []
        for clock in clocks:
            if not clock.next_date:
                continue
            days = Announcement.step((clock.next_date - today).days)
            known = {
                a.days for a in clock.announcements
                if a.kind == clock.next_kind and a.date == clock.next_date}
            if days is not None and days not in known:
                values.append({
                        'clock': clock.id,
                        'kind': clock.next_kind,
                        'date': clock.next_date,
                        'days': days,
                        'announced_at': dt.datetime.combine(
                            today, dt.datetime.now().time()
                            .replace(microsecond=0)),
                        })
        announcements = Announcement.create(values)
        Announcement.send(announcements)
        return announcements

    # Jobs of the night

    @classmethod
    @without_check_access
    def retention_authorizations(cls, after, limit):
        Authorization = Pool().get('early_access.authorization')
        return [a.id for a in Authorization.search(
                [('id', '>', after)], limit=limit, order=[('id', 'ASC')])]

    @classmethod
    def retention_recompute(cls, ids):
        Authorization = Pool().get('early_access.authorization')
        changed = cls.recompute(Authorization.browse(ids), cause='day')
        return len(changed), 0, 0

    @classmethod
    @without_check_access
    def retention_to_announce(cls, after, limit):
        last = current_date() + dt.timedelta(days=90)
        return [c.id for c in cls.search([
                    ('id', '>', after),
                    ('next_date', '<=', last),
                    ], limit=limit, order=[('id', 'ASC')])]

    @classmethod
    def retention_announce(cls, ids):
        clocks = cls.browse(ids)
        return len(cls.announce(clocks)), len(cls.held_by(clocks)), 0

    # Modification

    @classmethod
    @ModelView.button_action(
        'early_access_retention.wizard_correct_dates')
    def correct(cls, clocks):
        pass

    @classmethod
    def copy(cls, clocks, default=None):
        if not clocks:
            return []
        raise AccessError(gettext(
                'early_access_retention.msg_clock_copy',
                clock=clocks[0].rec_name))

    # What is over

    @classmethod
    @without_check_access
    def retention_to_close(cls, after, limit):
        "Return the ids of the clocks of which the data may all be moved."
        return sorted(
            c.id for kind in ['archive', 'destroy'] for c in cls.due(kind)
            if c.id > after)[:limit]

    @classmethod
    @without_check_access
    def retention_close(cls, ids):
        """Mark the clocks of which nothing is left to move.

        :returns: how many are marked, of how many some is left, and none.
        """
        pool = Pool()
        Archive = pool.get('early_access.retention.archive')
        Patient = pool.get('early_access.patient')
        closed = 0
        for clock in cls.browse(ids):
            domain = [('authorization', '=', clock.authorization.id)]
            if Patient.search(domain, limit=1):
                continue
            if clock.next_kind == 'archive':
                cls.mark([clock], 'archived')
            elif Archive.search(domain, limit=1):
                continue
            else:
                cls.mark([clock], 'destroyed')
            closed += 1
        return closed, len(ids) - closed, 0
