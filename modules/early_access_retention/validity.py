# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"What holds between two dates, from when somebody activates it."

from dateutil.relativedelta import relativedelta

from trytond.i18n import gettext
from trytond.model import Index, ModelView, Workflow, fields
from trytond.modules.early_access.national_number import NationalNumberMixin
from trytond.modules.early_access.workflow import (
    ProgrammeWorkflow, guarded, stamped, time_field, user_field)
from trytond.pool import Pool
from trytond.pyson import Eval, If
from trytond.transaction import Transaction

from .exceptions import RegisterFixedError, RegisterMissingError

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
draft_only = {
    'readonly': Eval('state') != 'draft',
    }


def today():
    "Return the date of the laboratory."
    # A client sets no key of the context that begins so
    return Transaction().context.get('_today') or Pool().get('ir.date').today()


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


class ValidityMixin(NationalNumberMixin, ProgrammeWorkflow):
    """A record of a register, in force from a date to another.

    Once it is active only its end changes: another is made instead, so that
    what was in force at a date can be told later.
    """
    __slots__ = ()

    company = fields.Many2One(
        'company.company', "Company", required=True, ondelete='RESTRICT',
        states=draft_only)
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
    # What users may still change in each state
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

    @staticmethod
    def default_company():
        return Transaction().context.get('company')

    @classmethod
    def default_valid_from(cls):
        return today()

    @staticmethod
    def default_state():
        return 'draft'

    @classmethod
    def default_status(cls):
        return 'draft'

    @classmethod
    def get_status(cls, records, name):
        date = today()
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
        date = today()
        cls.write([
                r for r in records
                if r.valid_from <= date
                and (not r.valid_to or r.valid_to > date)],
            {'valid_to': date})

    @classmethod
    def check_modification(cls, mode, records, values=None, external=False):
        super().check_modification(
            mode, records, values=values, external=external)
        for record in records:
            if mode == 'delete' and record.state != 'draft':
                raise RegisterFixedError(gettext(
                        'early_access_retention.msg_register_delete',
                        record=record.rec_name))
            if (mode == 'write' and external
                    and values.keys() - cls._open.get(record.state, values)):
                raise RegisterFixedError(gettext(
                        'early_access_retention.msg_register_fixed',
                        record=record.rec_name))

    @classmethod
    def copy(cls, records, default=None):
        default = default.copy() if default is not None else {}
        for name in cls._protected - {'state'}:
            default.setdefault(name)
        default.setdefault('state', 'draft')
        return super().copy(records, default=default)


class PartMixin(NationalNumberMixin):
    """What belongs to a record of a register, and is fixed with it.

    ``_whole`` is the name of the field of that record.
    """
    __slots__ = ()
    _whole = None

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls.__access__.add(cls._whole)

    @classmethod
    def check_modification(cls, mode, records, values=None, external=False):
        super().check_modification(
            mode, records, values=values, external=external)
        for record in records if external else ():
            whole = getattr(record, cls._whole)
            if cls.is_fixed(whole):
                raise RegisterFixedError(gettext(
                        'early_access_retention.msg_register_fixed',
                        record=whole.rec_name))

    @classmethod
    def is_fixed(cls, whole):
        return whole.state != 'draft'
