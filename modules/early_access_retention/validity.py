# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"What holds between two dates, from when somebody activates it."

from dateutil.relativedelta import relativedelta

from trytond.i18n import gettext
from trytond.model import Index, ModelView, Workflow, fields
from trytond.modules.early_access.workflow import (
    guarded, stamped, time_field, user_field)
from trytond.pyson import Eval, If

from .exceptions import RegisterMissingError
from .registers import RegisterMixin, draft_only
from .today import current_date

# How long before its end it is shown as ending
SOON = relativedelta(days=90)
STATUSES = [
    ('draft', "Draft"),
    ('to_come', "To Come"),
    ('valid', "In Force"),
    ('ending', "Ending Soon"),
    ('expired', "Expired"),
    ('ended', "Ended"),
    ]


def status_of(state, valid_from, valid_to, date):
    """Return the status at a date, pure.

    Both dates are included, and a missing end is no end.
    """
    if state != 'active':
        return state
    if valid_from > date:
        return 'to_come'
    if valid_to and valid_to < date:
        return 'expired'
    if valid_to and valid_to <= date + SOON:
        return 'ending'
    return 'valid'


class ValidityMixin(RegisterMixin):
    """A record of a register, in force from a date to another.

    Once it is active only its end changes: another is made instead, so that
    what was in force at a date can be told later.
    """
    __slots__ = ()

    valid_from = fields.Date(
        "Valid From", required=True, states=draft_only)
    valid_to = fields.Date(
        "Valid To",
        states={
            'readonly': Eval('state') == 'ended',
            },
        domain=[
            If(Eval('valid_to') & Eval('valid_from'),
                ('valid_to', '>=', Eval('valid_from', None)),
                ()),
            ],
        help="The last day. Leave empty when no end is agreed.")
    activated_by = user_field("Activated By")
    activated_at = time_field("Activated At")
    ended_by = user_field("Ended By")
    ended_at = time_field("Ended At")
    state = fields.Selection([
            ('draft', "Draft"),
            ('active', "Active"),
            ('ended', "Ended"),
            ], "State", required=True, readonly=True, sort=False)
    status = fields.Function(
        fields.Selection(STATUSES, "Status", sort=False), 'get_status')

    _protected = frozenset({
            'state', 'activated_by', 'activated_at', 'ended_by', 'ended_at'})
    _open = {
        'active': frozenset({'valid_to'}),
        'ended': frozenset(),
        }

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_indexes.add(
            Index(
                t, (t.company, Index.Range()),
                (t.state, Index.Equality(cardinality='low')),
                (t.valid_to, Index.Range())))
        cls._transitions |= {
            ('draft', 'active'),
            ('active', 'ended'),
            }
        cls._buttons.update(
            activate={
                'invisible': Eval('state') != 'draft',
                'icon': 'tryton-ok',
                'depends': ['state'],
                },
            end={
                'invisible': Eval('state') != 'active',
                'icon': 'tryton-cancel',
                'depends': ['state'],
                })

    @classmethod
    def default_valid_from(cls):
        return current_date()

    @classmethod
    def default_status(cls):
        return 'draft'

    @classmethod
    def get_status(cls, records, name):
        date = current_date()
        return {
            r.id: status_of(r.state, r.valid_from, r.valid_to, date)
            for r in records}

    @classmethod
    def valid_domain(cls, date):
        "The domain of those that are in force at a date."
        return [
            ('state', '=', 'active'),
            ('valid_from', '<=', date),
            ['OR', ('valid_to', '=', None), ('valid_to', '>=', date)],
            ]

    def is_valid(self, date):
        return status_of(
            self.state, self.valid_from, self.valid_to, date) in {
                'valid', 'ending'}

    @classmethod
    def view_attributes(cls):
        return super().view_attributes() + [
            ('/tree', 'visual',
                If(Eval('status') == 'expired', 'danger',
                    If(Eval('status') == 'ending', 'warning',
                        If(Eval('status') == 'ended', 'muted', '')))),
            ]

    def missing(self):
        "Return what it lacks to be in force, as texts."
        return []

    def check_missing(self):
        """Check that nothing is missing.

        :raises RegisterMissingError: naming all that is.
        """
        if missing := self.missing():
            raise RegisterMissingError(gettext(
                    'early_access_retention.msg_register_missing',
                    record=self.rec_name,
                    missing='\n'.join(f'- {m}' for m in missing)))

    def empty_fields(self, *names):
        "Return the labels of the fields that are empty."
        def is_empty(value):
            return (
                value in {None, ()}
                or isinstance(value, str) and not value.strip())
        return [
            self.__names__(n)['field'] for n in names
            if is_empty(getattr(self, n))]

    @classmethod
    @guarded('draft')
    @ModelView.button
    @Workflow.transition('active')
    @stamped('activated')
    def activate(cls, records):
        "Put in force, from then on it is fixed."
        for record in records:
            record.check_missing()

    @classmethod
    @guarded('active')
    @ModelView.button
    @Workflow.transition('ended')
    @stamped('ended')
    def end(cls, records):
        "End now what was in force."
        date = current_date()
        cls.write([
                r for r in records
                if r.valid_from <= date
                and (not r.valid_to or r.valid_to > date)],
            {'valid_to': date})
