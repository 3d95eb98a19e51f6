# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import datetime as dt
from functools import wraps

from trytond.i18n import gettext
from trytond.model import Workflow, fields
from trytond.pool import Pool
from trytond.transaction import Transaction

from .exceptions import WorkflowModificationError, WorkflowStateError
from .transaction import wait_for


def guarded(*states):
    """Make a button safe when two users press it at the same moment.

    To be placed above ``ModelView.button``. The write lock is taken before
    the records are read, and a record whose state is not one of *states*
    raises :class:`WorkflowStateError` naming the record and its state, where
    the stock decorators either stay silent or speak of the button only.
    """
    def decorator(func):
        @wraps(func)
        def wrapper(cls, records, *args, **kwargs):
            transaction = Transaction()
            wait_for(records)
            if transaction.user and transaction.check_access:
                # The refusal tells the state to those only who may read it
                cls.read([r.id for r in records], ['id'])
            cls.check_state(records, func.__name__, states)
            return func(cls, records, *args, **kwargs)
        return wrapper
    return decorator


def user_field(string):
    return fields.Many2One(
        'res.user', string, readonly=True, ondelete='RESTRICT')


def time_field(string):
    return fields.Timestamp(string, readonly=True)


def stamped(name):
    "Keep who did the transition and when in <name>_by and <name>_at."
    def decorator(func):
        @wraps(func)
        def wrapper(cls, records, *args, **kwargs):
            result = func(cls, records, *args, **kwargs)
            if records:
                cls.write(records, cls.stamp(name))
            return result
        return wrapper
    return decorator


class ProgrammeWorkflow(Workflow):
    """A workflow whose state moves through its transitions only.

    The fields named in ``_protected`` are set by transitions: the clients,
    proteus, REST and imports cannot write them.
    """
    __slots__ = ()
    _protected = frozenset({'state'})

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls._protected = set(cls._protected)

    @classmethod
    def stamp(cls, name):
        return {
            f'{name}_by': Transaction().user,
            f'{name}_at': dt.datetime.now(),
            }

    @classmethod
    def check_state(cls, records, button, states):
        pool = Pool()
        Button = pool.get('ir.model.button')

        def string(state):
            return cls.state.get_selection_string(
                cls.state.get_selection(cls, 'state', record), state)

        for record in records:
            if record.state in states:
                continue
            buttons = Button.search([
                    ('model', '=', cls.__name__),
                    ('name', '=', button),
                    ], limit=1)
            label = (buttons[0].string if buttons else None) or button
            raise WorkflowStateError(gettext(
                    'early_access.msg_workflow_state',
                    button=label,
                    states=', '.join(map(string, states)),
                    state=string(record.state),
                    **cls.__names__(record=record)))

    @classmethod
    def _before_create(cls, vlist):
        transaction = Transaction()
        if transaction.user and transaction.check_access:
            for values in vlist:
                cls._check_protected(
                    name for name in values.keys() & cls._protected
                    if values[name] and values[name] != cls._default(name))
        return super()._before_create(vlist)

    @classmethod
    def _default(cls, name):
        default = cls._defaults.get(name)
        return default() if default else None

    @classmethod
    def check_modification(cls, mode, records, values=None, external=False):
        super().check_modification(
            mode, records, values=values, external=external)
        if mode == 'write' and external:
            cls._check_protected(
                values.keys() & cls._protected, *records[:1])

    @classmethod
    def _check_protected(cls, names, record=None):
        for name in sorted(names):
            raise WorkflowModificationError(gettext(
                    'early_access.msg_workflow_protected',
                    **cls.__names__(name, record=record)))
