# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import datetime as dt

from dateutil.relativedelta import relativedelta

from trytond.i18n import gettext
from trytond.model import Index, ModelSQL, ModelView, Workflow, fields
from trytond.model.exceptions import AccessError
from trytond.modules.early_access.workflow import (
    ProgrammeWorkflow, guarded, time_field, user_field)
from trytond.modules.party.exceptions import EraseError
from trytond.pool import Pool
from trytond.pyson import Bool, Eval, If
from trytond.transaction import Transaction, without_check_access

from .exceptions import ProfessionalEndError
from .today import current_date

OPEN = ['proposed', 'approved']
EDITABLE = frozenset({'keep_reason', 'kept_until'})


class ProfessionalEnd(ProgrammeWorkflow, ModelSQL, ModelView):
    """The end of the data of a professional whom nothing needs any more.

    Two persons approve it. It stays, with the number of the professional and
    without the name, as the proof that the data were erased.
    """
    __name__ = 'early_access.retention.professional_end'

    _tells_of = 'person'

    _decided = {
        'readonly': ~Eval('state').in_(OPEN),
        'invisible': Eval('state') == 'erased',
        }

    professional = fields.Many2One(
        'early_access.professional', "Professional", required=True,
        ondelete='RESTRICT',
        states={
            'readonly': Eval('id', -1) >= 0,
            })
    unneeded_since = fields.Date("Not Needed Since", readonly=True)
    proposed_on = fields.Date("Proposed On", required=True, readonly=True)
    first_by = user_field("First Approval By")
    first_at = time_field("First Approval At")
    second_by = user_field("Second Approval By")
    second_at = time_field("Second Approval At")
    keep_reason = fields.Selection([
            (None, ""),
            ('litigation', "Litigation"),
            ('authority', "Request of an authority"),
            ('vigilance', "Pharmacovigilance"),
            ('returns', "Takes part again soon"),
            ('needed', "Is needed again"),
            ], "Reason to Keep", sort=False, states=_decided)
    kept_until = fields.Date(
        "Kept Until", states=_decided,
        help="The end is proposed again after this day.")
    erased_at = time_field("Erased At")
    state = fields.Selection([
            ('proposed', "Proposed"),
            ('approved', "Approved"),
            ('erased', "Erased"),
            ('kept', "Kept"),
            ], "State", required=True, readonly=True, sort=False)

    del _decided

    _protected = frozenset({
            'state', 'unneeded_since', 'proposed_on', 'first_by', 'first_at',
            'second_by', 'second_at', 'erased_at'})

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_indexes.add(Index(
                t, (t.professional, Index.Range()),
                (t.state, Index.Equality(cardinality='low'))))
        cls._order = [('proposed_on', 'DESC'), ('id', 'DESC')]
        cls._transitions |= {
            ('proposed', 'approved'),
            ('proposed', 'kept'),
            ('approved', 'kept'),
            ('approved', 'erased'),
            }
        cls._buttons.update(
            approve={
                'invisible': Eval('state') != 'proposed',
                'icon': 'tryton-ok',
                'depends': ['state'],
                },
            keep={
                'invisible': ~Eval('state').in_(OPEN),
                'readonly': ~Eval('keep_reason') | ~Bool(Eval('kept_until')),
                'icon': 'tryton-cancel',
                'depends': ['state', 'keep_reason', 'kept_until'],
                })

    @staticmethod
    def default_state():
        return 'proposed'

    @classmethod
    def default_proposed_on(cls):
        return current_date()

    @classmethod
    def get_rec_name(cls, ends, name):
        return {e.id: e.professional.rec_name for e in ends}

    @classmethod
    def search_rec_name(cls, name, clause):
        return [('professional.rec_name', *clause[1:])]

    @classmethod
    def view_attributes(cls):
        return super().view_attributes() + [
            ('/tree', 'visual',
                If(Eval('state').in_(['erased', 'kept']), 'muted', '')),
            ]

    @classmethod
    @without_check_access
    def pending(cls, professionals, but=()):
        """Return the ids of those whose end is proposed, put off or done.

        :param but: ends that do not count.
        """
        today = cls.default_proposed_on()
        return {
            e.professional.id for e in cls.search([
                    ('professional', 'in', [int(p) for p in professionals]),
                    ('id', 'not in', [e.id for e in but]),
                    ['OR',
                        ('state', '!=', 'kept'),
                        ('kept_until', '>=', today),
                        ],
                    ])}

    @classmethod
    def propose(cls, professionals):
        """Propose the end of those whose period is over, and return it.

        :param professionals: those whom nothing needs.
        """
        Policy = Pool().get('early_access.retention.policy')
        today = cls.default_proposed_on()
        months = Policy.professional_period(today)
        if months is None:
            return []
        pending = cls.pending(professionals)
        return cls.create([{
                    'professional': p.id,
                    'unneeded_since': p.unneeded_since,
                    'proposed_on': today,
                    } for p in professionals
                if p.id not in pending and p.unneeded_since
                and p.unneeded_since + relativedelta(months=months) <= today])

    @classmethod
    @guarded('proposed')
    @ModelView.button
    def approve(cls, ends):
        "Approve the end; once two persons have it is done in the night."
        user = Transaction().user
        for end in ends:
            if end.first_by and end.first_by.id == user:
                raise ProfessionalEndError(gettext(
                        'early_access_retention.msg_end_own',
                        end=end.rec_name))
        cls._check_needed(ends)
        second = [e for e in ends if e.first_by]
        cls.write(
            [e for e in ends if not e.first_by], cls.stamp('first'))
        cls._approve(second)
        cls.write(second, cls.stamp('second'))

    @classmethod
    @Workflow.transition('approved')
    def _approve(cls, ends):
        pass

    @classmethod
    @guarded(*OPEN)
    @ModelView.button
    @Workflow.transition('kept')
    def keep(cls, ends):
        "Keep the data until a day, for a reason."
        for end in ends:
            if not end.keep_reason or not end.kept_until:
                raise ProfessionalEndError(gettext(
                        'early_access_retention.msg_end_keep',
                        end=end.rec_name))

    @classmethod
    def keep_needed(cls, needed):
        "Put an end to what is open about those who are needed again."
        ends = cls.search([
                ('professional', 'in', list(needed)),
                ('state', 'in', OPEN),
                ])
        cls.write(ends, {'keep_reason': 'needed', 'kept_until': None})
        cls._keep(ends)
        return len(ends)

    @classmethod
    @Workflow.transition('kept')
    def _keep(cls, ends):
        pass

    @classmethod
    def erase(cls, professionals):
        """Erase those whose end is approved, by the wizard of the parties.

        :returns: how many are erased, and how many are refused by what else
            is known of the party.
        """
        pool = Pool()
        Erase = pool.get('party.erase', type='wizard')
        Party = pool.get('party.party')
        erased = failed = 0
        for end in cls.search([
                    ('professional', 'in', professionals),
                    ('state', '=', 'approved'),
                    ]):
            party = end.professional.party
            Party.write([party], {'active': False})
            session_id, _, _ = Erase.create()
            wizard = Erase(session_id)
            wizard.ask.party = Party(party.id)
            try:
                wizard.transition_erase()
                erased += 1
            except EraseError:
                # It refuses before anything is erased
                Party.write([party], {'active': True})
                failed += 1
            Erase.delete(session_id)
        return erased, failed

    @classmethod
    @without_check_access
    def approved(cls, professionals):
        "Return the ends of the professionals that two persons approved."
        return cls.search([
                ('professional', 'in', [int(p) for p in professionals]),
                ('state', '=', 'approved'),
                ])

    @classmethod
    def mark_erased(cls, ends):
        "Tell that the data are erased."
        cls._erase(ends)
        cls.write(ends, {
                'erased_at': dt.datetime.now().replace(microsecond=0)})

    @classmethod
    @Workflow.transition('erased')
    def _erase(cls, ends):
        pass

    @classmethod
    def _check_needed(cls, ends):
        Professional = Pool().get('early_access.professional')
        needed = Professional.retention_needed(
            [e.professional for e in ends])
        for end in ends:
            if why := needed.get(end.professional.id):
                raise ProfessionalEndError(gettext(
                        'early_access_retention.msg_end_needed',
                        end=end.rec_name, why=why))

    @classmethod
    def on_modification(cls, mode, ends, field_names=None):
        super().on_modification(mode, ends, field_names=field_names)
        if mode == 'create':
            cls._check_needed(ends)
            pending = cls.pending([e.professional for e in ends], but=ends)
            for end in ends:
                if end.professional.id in pending:
                    raise ProfessionalEndError(gettext(
                            'early_access_retention.msg_end_pending',
                            end=end.rec_name))

    @classmethod
    def check_modification(cls, mode, ends, values=None, external=False):
        super().check_modification(
            mode, ends, values=values, external=external)
        for end in ends:
            if mode == 'delete' or (
                    mode == 'write' and external
                    and (end.state not in OPEN
                        or values.keys() - EDITABLE)):
                raise AccessError(gettext(
                        'early_access_retention.msg_end_fixed',
                        end=end.rec_name))

    @classmethod
    def copy(cls, ends, default=None):
        for end in ends:
            raise AccessError(gettext(
                    'early_access_retention.msg_end_fixed',
                    end=end.rec_name))
        return []
