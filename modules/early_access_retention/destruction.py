# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The end of the data, decided by two persons (CNIL 2022-107, SEC-ARC-2).

Each night the batches take what has come to its end and give back what has
not any more. Once two persons have approved one, its persons are destroyed,
what is left is looked for, and the certificate tells what was done.
"""

import json
from collections import Counter

from sql.aggregate import Count

from trytond.i18n import gettext
from trytond.model import Index, ModelSQL, ModelView, Workflow, fields
from trytond.modules.early_access.keyring import get_keyring
from trytond.modules.early_access.transaction import wait_for
from trytond.modules.early_access.workflow import (
    ProgrammeWorkflow, guarded, time_field, user_field)
from trytond.pool import Pool
from trytond.pyson import Eval, If
from trytond.tools import grouped_slice
from trytond.transaction import Transaction, without_check_access

from .clock import RULE_NAMES
from .destruction_check import search, tell
from .exceptions import DestructionError
from .person_tables import PATIENT, in_
from .reckoning import Facts, Periods
from .request_end import ENDS
from .today import current_date
from .words import reasoning


class Destruction(ProgrammeWorkflow, ModelSQL, ModelView):
    """A batch of persons whose data have come to their end.

    It is the certificate of their destruction as well: it tells the rule, the
    counts, what was looked for, and the days on which the data were destroyed
    here and in the backups.
    """
    __name__ = 'early_access.retention.destruction'

    authorization = fields.Many2One(
        'early_access.authorization', "Authorization", required=True,
        readonly=True, ondelete='RESTRICT')
    company = fields.Function(
        fields.Many2One('company.company', "Company"),
        'on_change_with_company', searcher='search_company')
    kind = fields.Selection([
            ('authorization', "All the data of the authorization"),
            ('requests', "Requests that came to nothing"),
            ], "Concerned", required=True, readonly=True, sort=False)
    rule = fields.Selection(
        RULE_NAMES, "Rule", required=True, readonly=True, sort=False,
        help="That of the clock on the day of the preparation.")
    article = fields.Char("Article", readonly=True)
    reasoning = fields.Function(fields.Text("Reasoning"), 'get_reasoning')
    facts = fields.Text("Facts", readonly=True)
    periods = fields.Text("Periods of the Laboratory", readonly=True)
    prepared_on = fields.Date("Prepared", required=True, readonly=True)
    first_by = user_field("First Approval By")
    first_at = time_field("First Approval At")
    second_by = user_field("Second Approval By")
    second_at = time_field("Second Approval At")
    lines = fields.One2Many(
        'early_access.retention.destruction.line', 'destruction', "Persons",
        readonly=True)
    waiting = fields.Function(fields.Integer("To Destroy"), 'get_numbers')
    destroyed = fields.Function(fields.Integer("Destroyed"), 'get_numbers')
    kept = fields.Function(fields.Integer(
            "Held Back",
            help="Since the approval: what holds them must end first."),
        'get_numbers')
    counts = fields.Dict(
        None, "Rows Destroyed", readonly=True, help="By table.")
    counts_text = fields.Function(
        fields.Text("Rows Destroyed"), 'get_counts_text')
    searched = fields.Text("Searched", readonly=True)
    check = fields.Function(fields.Text("Check"), 'get_check')
    left = fields.Integer(
        "Left", readonly=True,
        help="How many places still tell of a destroyed person.")
    destroyed_on = fields.Date("Destroyed Here", readonly=True)
    keks = fields.Char(
        "Key-Encryption Keys", readonly=True, strip=False,
        help="Those that could open the keys of the persons in a backup.")
    complete_on = fields.Date(
        "Destroyed in Backups", readonly=True,
        help="Once these keys are retired and the last backup that held the "
        "keys of the persons has expired.")
    to_do = fields.Function(fields.Text(
            "To Do",
            states={
                'invisible': ~Eval('to_do'),
                }),
        'get_to_do')
    state = fields.Selection([
            ('prepared', "To Approve"),
            ('first_approved', "To Approve by Another Person"),
            ('approved', "Approved"),
            ('destroyed', "Destroyed Here"),
            ('complete', "Complete"),
            ], "State", required=True, readonly=True, sort=False)

    _protected = frozenset({
            'state', 'first_by', 'first_at', 'second_by', 'second_at',
            'counts', 'searched', 'left', 'destroyed_on', 'keks',
            'complete_on', 'rule', 'article', 'facts', 'periods',
            'prepared_on', 'kind', 'authorization'})

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_indexes.add(Index(
                t, (t.authorization, Index.Range()),
                (t.state, Index.Equality(cardinality='low'))))
        cls._order = [('prepared_on', 'DESC'), ('id', 'DESC')]
        cls._transitions |= {
            ('prepared', 'first_approved'),
            ('first_approved', 'approved'),
            ('first_approved', 'prepared'),
            ('approved', 'prepared'),
            ('approved', 'destroyed'),
            ('destroyed', 'complete'),
            }
        cls._buttons.update(
            approve={
                'invisible': Eval('state') != 'prepared',
                'icon': 'tryton-ok',
                'depends': ['state'],
                },
            approve_second={
                'invisible': Eval('state') != 'first_approved',
                'icon': 'tryton-ok',
                'depends': ['state'],
                },
            revoke={
                'invisible': ~Eval('state').in_(
                    ['first_approved', 'approved']),
                'icon': 'tryton-cancel',
                'depends': ['state'],
                },
            )

    @staticmethod
    def default_state():
        return 'prepared'

    @fields.depends('authorization', '_parent_authorization.company')
    def on_change_with_company(self, name=None):
        return self.authorization.company if self.authorization else None

    @classmethod
    def search_company(cls, name, clause):
        return [('authorization.' + clause[0], *clause[1:])]

    @classmethod
    def get_rec_name(cls, destructions, name):
        return {
            d.id: f'{d.authorization.rec_name} {d.prepared_on} ({d.id})'
            for d in destructions}

    @classmethod
    def get_numbers(cls, destructions, names):
        Line = Pool().get('early_access.retention.destruction.line')
        line = Line.__table__()
        cursor = Transaction().connection.cursor()
        ids = [d.id for d in destructions]
        numbers = {n: dict.fromkeys(ids, 0) for n in names}
        cursor.execute(*line.select(
                line.destruction, line.state, Count(line.id),
                where=in_(line.destruction, ids),
                group_by=[line.destruction, line.state]))
        for id_, state, number in cursor:
            if state in numbers:
                numbers[state][id_] = number
        return numbers

    @classmethod
    def get_counts_text(cls, destructions, name):
        Model = Pool().get('ir.model')
        return {
            d.id: '\n'.join(
                f'{Model.get_name(n)}: {c}'
                for n, c in sorted((d.counts or {}).items()))
            for d in destructions}

    @classmethod
    def get_reasoning(cls, destructions, name):
        return {
            d.id: '\n'.join(reasoning(
                    Facts.from_json(d.facts), Periods.from_json(d.periods)))
            for d in destructions}

    @classmethod
    def get_check(cls, destructions, name):
        return {
            d.id: tell(json.loads(d.searched)) if d.searched else None
            for d in destructions}

    @classmethod
    def get_to_do(cls, destructions, name):
        return {d.id: d._to_do() for d in destructions}

    def _to_do(self):
        prefix = 'early_access_retention.msg_destruction_to_do_'
        if self.left:
            return gettext(f'{prefix}left', number=self.left)
        if self.state == 'destroyed':
            keys = {k.id: k for k in get_keyring().keys()}
            ids = (self.keks or '').split()
            if any(i in keys and keys[i].active for i in ids):
                return gettext(f'{prefix}rotate')
            waiting = [
                i for i in ids if i in keys and not keys[i].retired]
            if waiting:
                return gettext(f'{prefix}retire', keys=', '.join(waiting))
            return gettext(f'{prefix}wait')
        if self.state in {'prepared', 'first_approved'}:
            return gettext(f'{prefix}approve')
        if self.state == 'approved':
            return gettext(f'{prefix}night')

    @classmethod
    def view_attributes(cls):
        return super().view_attributes() + [
            ('/tree', 'visual',
                If(Eval('left', 0) > 0, 'danger',
                    If(Eval('state').in_(['prepared', 'first_approved']),
                        'warning',
                        If(Eval('state') == 'complete', 'muted', '')))),
            ('/form//page[@id="certificate"]', 'states', {
                    'invisible': ~Eval('state').in_(
                        ['approved', 'destroyed', 'complete']),
                    }),
            ]

    # Buttons

    @classmethod
    @guarded('prepared')
    @ModelView.button
    @Workflow.transition('first_approved')
    def approve(cls, destructions):
        "Approve the destruction, which another person approves too."
        for destruction in destructions:
            destruction._check_lines()
        cls.write(destructions, cls.stamp('first'))

    @classmethod
    @guarded('first_approved')
    @ModelView.button
    @Workflow.transition('approved')
    def approve_second(cls, destructions):
        """Approve the destruction after another person.

        :raises DestructionError: if it is the same person.
        """
        for destruction in destructions:
            destruction._check_lines()
            if destruction.first_by.id == Transaction().user:
                raise DestructionError(gettext(
                        'early_access_retention.msg_destruction_same',
                        destruction=destruction.rec_name))
        cls.write(destructions, cls.stamp('second'))

    def _check_lines(self):
        if not self.waiting:
            raise DestructionError(gettext(
                    'early_access_retention.msg_destruction_empty',
                    destruction=self.rec_name))

    @classmethod
    @guarded('first_approved', 'approved')
    @ModelView.button
    @Workflow.transition('prepared')
    def revoke(cls, destructions):
        """Take the approvals back, before the night.

        :raises DestructionError: if some persons are destroyed already.
        """
        for destruction in destructions:
            if destruction.destroyed:
                raise DestructionError(gettext(
                        'early_access_retention.msg_destruction_begun',
                        destruction=destruction.rec_name))
        cls.write(destructions, {
                'first_by': None, 'first_at': None,
                'second_by': None, 'second_at': None})

    # Preparation

    @classmethod
    @without_check_access
    def retention_to_prepare(cls, after, limit):
        "Return the ids of the authorizations, of which some may be due."
        Authorization = Pool().get('early_access.authorization')
        return [a.id for a in Authorization.search([
                    ('id', '>', after),
                    ], order=[('id', 'ASC')], limit=limit)]

    @classmethod
    @without_check_access
    def retention_prepare(cls, ids):
        """Prepare the batches of authorizations, and clear those that wait.

        :returns: how many persons are added, are held back and have failed.
        """
        pool = Pool()
        Clock = pool.get('early_access.retention.clock')
        clocks = {c.authorization.id: c for c in Clock.due('destroy')}
        added = held = 0
        for id_ in ids:
            kind, due, blocked = cls._due(id_, id_ in clocks)
            added += cls._fill(id_, kind, due)
            held += blocked
        return added, held, 0

    @classmethod
    def _due(cls, authorization, whole):
        """Return the kind of the batch, (patients, archives) that are due, and
        how many are held back."""
        pool = Pool()
        Archive = pool.get('early_access.retention.archive')
        Patient = pool.get(PATIENT)
        today = current_date()
        domain = [('authorization', '=', authorization)]
        if whole:
            patients = Patient.search(domain)
            archives = Archive.search(domain)
        else:
            archives = Archive.search([
                    domain, ('request_end', '<=', today)])
            patients = []
            for group in grouped_slice(Patient.search([
                            domain, ('state', 'in', list(ENDS))])):
                ends = Patient.retention_request_ends(list(group))
                patients += [i for i, d in ends.items() if d and d <= today]
        due, held = [], 0
        for Model, records in [(Patient, patients), (Archive, archives)]:
            ids = [int(r) for r in records]
            blocked = set()
            for group in grouped_slice(ids):
                blocked |= Model.retention_blocked(
                    Model.browse(list(group))).keys()
            held += len(blocked)
            due.append([i for i in ids if i not in blocked])
        return 'authorization' if whole else 'requests', due, held

    @classmethod
    def _fill(cls, authorization, kind, due):
        "Put in the batch what is due, take out what is not, for approval."
        pool = Pool()
        Clock = pool.get('early_access.retention.clock')
        Line = pool.get('early_access.retention.destruction.line')
        waiting = Line.search([
                ('destruction.authorization', '=', authorization),
                ('state', '=', 'waiting'),
                ])
        free, known = [], {'patient': set(), 'archive': set()}
        wanted = dict(zip(['patient', 'archive'], map(set, due)))
        for line in waiting:
            name = 'archive' if line.archive else 'patient'
            person = getattr(line, name)
            if person and (
                    line.destruction.state == 'approved'
                    or person.id in wanted[name]):
                known[name].add(person.id)
            else:
                free.append(line)
        Line.delete(free)
        new = {n: sorted(wanted[n] - known[n]) for n in wanted}
        open_ = cls.search([
                ('authorization', '=', authorization),
                ('state', 'in', ['prepared', 'first_approved']),
                ])
        if any(new.values()):
            batch = next((b for b in open_ if b.kind == kind), None)
            clock, = Clock.search([('authorization', '=', authorization)])
            values = {
                'rule': clock.rule,
                'article': clock.article,
                'facts': clock.facts,
                'periods': clock.periods,
                }
            if not batch:
                batch, = cls.create([{
                            'authorization': authorization,
                            'kind': kind,
                            'prepared_on': current_date(),
                            **values,
                            }])
            elif batch.state == 'first_approved':
                # The first person has not seen all of it
                cls.revoke([batch])
            for name, ids in new.items():
                Line.add(batch, name, ids)
            cls.write([batch], values)
        cls.delete([
                b for b in open_
                if not Line.search([('destruction', '=', b.id)], limit=1)])
        return sum(map(len, new.values()))

    # Destruction

    @classmethod
    @without_check_access
    def retention_to_certify(cls, after, limit):
        "Return the ids of the batches of which no person waits any more."
        return [d.id for d in cls.search([
                    ('state', '=', 'approved'),
                    ('id', '>', after),
                    ('lines', 'not where', [('state', '=', 'waiting')]),
                    ], order=[('id', 'ASC')], limit=limit)]

    @classmethod
    @without_check_access
    def retention_certify(cls, ids):
        """Look for what is left of the persons of batches, and certify.

        :returns: how many are certified, none, and of how many some is left.
        """
        Line = Pool().get('early_access.retention.destruction.line')
        failed = []
        for batch in cls.browse(ids):
            wait_for([batch])
            lines = [i for i in batch.lines if i.state == 'destroyed']
            searched = search(lines)
            batch.searched = json.dumps(searched, sort_keys=True)
            batch.left = sum(searched['found'].values())
            if batch.left:
                failed.append(batch)
            else:
                batch._keep_anonymous(lines)
                Line.forget(lines)
                batch.state = 'destroyed'
                batch.destroyed_on = current_date()
                # Those that are retired open nothing any more
                batch.keks = ' '.join(
                    k.id for k in get_keyring().keys() if not k.retired)
            batch.save()
        return len(ids) - len(failed), 0, len(failed)

    def _keep_anonymous(self, lines):
        "Keep the anonymous form of all the batch, where it is an option."
        Aggregate = Pool().get('early_access.retention.aggregate')
        persons = [i.person for i in lines if i.traits]
        if persons:
            Aggregate.keep(self.authorization, persons, current_date())

    @classmethod
    @without_check_access
    def retention_to_complete(cls, after, limit):
        return [d.id for d in cls.search([
                    ('state', '=', 'destroyed'),
                    ('id', '>', after),
                    ], order=[('id', 'ASC')], limit=limit)]

    @classmethod
    @without_check_access
    def retention_complete(cls, ids):
        """Tell that nothing is left in the backups either (SEC-ARC-2).

        :returns: how many batches are complete, none and none.
        """
        today = current_date()
        keys = {k.id: k for k in get_keyring().keys()}
        complete = 0
        for batch in cls.browse(ids):
            retired = [keys[i] for i in batch.keks.split() if i in keys]
            if not all(k.retired for k in retired):
                continue
            date = max(
                (d for k in retired for d in [
                        k.retired.date(), k.backups_expired] if d),
                default=batch.destroyed_on)
            if date <= today:
                batch.complete_on = max(date, batch.destroyed_on)
                batch.state = 'complete'
                batch.save()
                complete += 1
        return complete, 0, 0

    @classmethod
    def add_counts(cls, batches, counts):
        "Add to the rows that are destroyed, by batch and by table."
        for batch in cls.browse(batches):
            batch.counts = dict(
                Counter(batch.counts or {}) + Counter(counts[batch.id]))
            batch.save()
