# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What is done, by whom, stored before the answer leaves.

The hooks of the models, reports and wizards tell the trail of the
transaction. The changes are stored with it, in the same commit. What was only
read is stored just after it ends and before the answer leaves: if that fails,
so does the request.
"""

import datetime as dt
from collections import defaultdict
from contextlib import nullcontext
from typing import NamedTuple

from trytond import backend
from trytond.model import ModelStorage, dualmethod
from trytond.pool import Pool
from trytond.transaction import Transaction, without_check_access

from . import request as requests
from . import spool
from .connection import connected, savepoint
from .traced import is_changed, is_read

# The records after which events are stored at once, not to fill the memory
LIMIT = 10_000
# The greatest id that is stored
MAXIMUM = 2 ** 63 - 1
# What both drivers raise
DatabaseError = backend.DatabaseOperationalError.__base__
# What is undone with the transaction
CHANGES = frozenset({'create', 'write', 'delete', 'button', 'wizard'})


def now():
    return dt.datetime.now(dt.UTC).replace(tzinfo=None)


class Author(NamedTuple):
    "Who acts, and from where."
    user_id: int
    login: str
    roles: str
    connection: str
    address: str
    method: str


def author(transaction):
    "Return who acts in the transaction."
    request = requests.current.get()
    context = transaction.context
    user = transaction.user or context.get('user')
    if not user and request:
        user = requests.user_of(request)
    login, roles = identity(transaction, user)
    address = (context.get('_request') or {}).get('remote_addr')
    connection = method = None
    if request:
        address = address or request.remote_addr
        connection = requests.connection_of(request)
        method = requests.method_of(request)
    return Author(
        user or 0, login, roles, connection, address, method)


def identity(transaction, user):
    "Return the login of the user and the names of the roles in use."
    if not user:
        return None, None
    User = Pool().get('res.user')
    with transaction.set_user(user), transaction.set_context(
            _check_access=False):
        return User.audit_identity()


class Trail:
    """What is done in a transaction.

    It is a data manager of the transaction, of which there is one.
    """

    def __init__(self):
        self._pending = {}
        self._stored = {}
        self._opened = {}
        self._size = 0

    def __eq__(self, other):
        # Transaction.join looks for the one that it has
        return isinstance(other, Trail)

    @classmethod
    def current(cls):
        "Return the trail of the transaction."
        transaction = Transaction()
        new = cls()
        trail = transaction.join(new)
        if trail is new:
            trail._database = transaction.database.name
            trail._author = author(transaction)
            transaction.atexit(trail._flush)
        return trail

    def add(self, action, model, ids=(), names=(), reason=None, target=None):
        """Keep an event until it is stored.

        :param action: its code.
        :param model: the name of the model or None.
        :param ids: the ids of the records.
        :param names: the names of the fields.
        :param reason: why, where it was asked.
        :param target: what is executed: the name of a button, a wizard or a
            report.
        """
        key = (
            action, model, ','.join(sorted(names)) or None, reason, target)
        entry = self._pending.get(key)
        if entry is None:
            entry = self._pending[key] = now(), {}
        entry[1].update(dict.fromkeys(ids))
        self._grow(len(ids))

    def opened(self, model, ids, names):
        "Tell that sealed values are read, whatever reads them."
        opened_ids, opened_names = self._opened.setdefault(
            model, ({}, set()))
        opened_ids.update(dict.fromkeys(ids))
        opened_names.update(names)
        self._grow(len(ids))

    def _grow(self, number):
        self._size += number
        if self._size > LIMIT:
            self._size = 0
            self._relieve()

    def _relieve(self):
        """Store at once what there is.

        A change is undone with the transaction; a reading is not, where
        another connection may write meanwhile.
        """
        transaction = Transaction()
        self._settle()
        changes = {
            k: v for k, v in self._pending.items() if k[0] in CHANGES}
        if transaction.readonly or backend.name == 'postgresql':
            for key in changes:
                del self._pending[key]
            if self._pending:
                self._store(lambda _: connected(self._database))
            self._pending = changes
        if self._pending and not transaction.readonly:
            self._store(
                lambda _: nullcontext(transaction.connection.cursor()))
            self._pending = {}

    def _settle(self):
        "Drop what another event tells better."
        told = {}
        for (action, model, *_), (_, ids) in self._pending.items():
            if action not in {'search', 'count'}:
                told.setdefault(model, set()).update(ids)
        for key, (_, ids) in list(self._pending.items()):
            action, model, *_ = key
            if action == 'search' and ids and told.get(
                    model, set()).issuperset(ids):
                del self._pending[key]
        for model, (ids, names) in self._opened.items():
            told_ids = told.get(model, ())
            ids = {i: None for i in ids if i not in told_ids}
            if ids:
                self._pending[
                    'open', model, ','.join(sorted(names)), None, None] = (
                        now(), ids)
        self._opened = {}

    @property
    def _entries(self):
        return [
            (at, *key, list(ids)) for key, (at, ids) in self._pending.items()]

    def _store(self, connection):
        """Store what is pending, or else let it wait if it can.

        :param connection: a function that returns a context manager that
            gives a cursor. With True, it undoes what fails.
        """
        Event = Pool(self._database).get('early_access.audit.event')
        entries = self._entries
        waits = spool.spool_path(self._database) and spool.can_wait(entries)
        try:
            with connection(waits) as cursor:
                Event.store(cursor, self._author, entries)
        except DatabaseError:
            if not waits:
                raise
            spool.wait(self._database, self._author, entries)

    def _flush(self):
        "Store what is left once the transaction is over."
        self._settle()
        if self._pending:
            self._store(lambda _: connected(self._database))
            self._pending.clear()

    # The data manager

    def tpc_begin(self, transaction):
        self._settle()

    def commit(self, transaction):
        if transaction.readonly or not self._pending:
            return
        connection = transaction.connection
        self._store(
            lambda undoes: savepoint(connection) if undoes
            else nullcontext(connection.cursor()))
        self._stored.update(self._pending)
        self._pending = {}

    def tpc_vote(self, transaction):
        "Nothing can fail any more."

    def tpc_finish(self, transaction):
        self._stored.clear()

    def tpc_abort(self, transaction):
        "Forget the changes, which are undone, and not what was read."
        pending = self._stored | self._pending
        self._stored = {}
        self._pending = {
            k: v for k, v in pending.items() if k[0] not in CHANGES}


def known(model, ids):
    """Return a model and ids that a client names, as far as they can be.

    What else it sends in their place may be a value, or not be stored.

    :returns: the name of a model or None, and a list of integers.
    """
    try:
        Pool().get(model)
    except (KeyError, TypeError):
        model = None
    if not isinstance(ids, (list, tuple)):
        ids = [ids]
    return model, [
        i for i in ids
        if isinstance(i, int) and not isinstance(i, bool)
        and 0 < i < MAXIMUM]


def domain_names(domain):
    "Return the names of the fields of a domain."
    names = set()
    if isinstance(domain, (list, tuple)):
        if len(domain) > 1 and isinstance(domain[0], str) and (
                domain[0] not in {'AND', 'OR'}):
            names.add(domain[0])
        else:
            for clause in domain:
                names |= domain_names(clause)
    return names


class TrailMixin(ModelStorage):
    "Tell the trail what is done with the records"
    __slots__ = ()

    @classmethod
    def _is_read(cls):
        return is_read(cls) and Transaction().check_access

    @classmethod
    def _is_changed(cls):
        if not is_changed(cls):
            return False
        # What the server itself does is told where it is about persons
        return Transaction().user or is_read(cls)

    @classmethod
    def read(cls, ids, fields_names):
        rows = super().read(ids, fields_names)
        if rows and cls._is_read():
            Trail.current().add('read', cls.__name__, ids, fields_names)
        return rows

    @classmethod
    def search(
            cls, domain, offset=0, limit=None, order=None, count=False,
            query=False):
        # A singleton knows no query
        options = {'query': query} if query else {}
        result = super().search(
            domain, offset=offset, limit=limit, order=order, count=count,
            **options)
        if not query and cls._is_read():
            Trail.current().add(
                'count' if count else 'search', cls.__name__,
                () if count else [r.id for r in result],
                domain_names(domain))
        return result

    @classmethod
    def export_data(cls, records, fields_names, header=False):
        rows = super().export_data(records, fields_names, header=header)
        if Transaction().check_access:
            with without_check_access():
                cls._trail_export(records, fields_names)
        return rows

    @classmethod
    def _trail_export(cls, records, names):
        "Tell what is exported of records, and of those that paths lead to."
        if is_read(cls):
            Trail.current().add(
                'export', cls.__name__, [r.id for r in records], names)
        paths = defaultdict(list)
        for name in names:
            name, _, rest = name.partition('/')
            if rest:
                paths[name].append(rest)
        for name, names in paths.items():
            targets = defaultdict(set)
            for record in records:
                values = getattr(record, name)
                if not isinstance(values, (list, tuple)):
                    values = [values]
                for value in values:
                    if isinstance(value, ModelStorage):
                        targets[value.__class__].add(value)
            for Target, values in targets.items():
                Target._trail_export(values, names)

    @classmethod
    def create(cls, vlist):
        records = super().create(vlist)
        if records and cls._is_changed():
            Trail.current().add(
                'create', cls.__name__, [r.id for r in records],
                set().union(*vlist))
        return records

    @classmethod
    def on_modification(cls, mode, records, field_names=None):
        super().on_modification(mode, records, field_names=field_names)
        if mode != 'create' and cls._is_changed():
            Trail.current().add(
                mode, cls.__name__, [r.id for r in records],
                field_names or ())

    @dualmethod
    def log(cls, records, event, target=None, user=None, **extra):
        super().log(records, event, target=target, user=user, **extra)
        if event == 'button' and cls._is_changed():
            Trail.current().add(
                event, cls.__name__, [r.id for r in records], target=target)


class SealedTrailMixin:
    "Tell the trail what sealed values are opened"
    __slots__ = ()

    @classmethod
    def _is_read(cls):
        # Whatever its name, it tells of a person
        return Transaction().check_access

    @classmethod
    def _unseal(cls, rows, names):
        super()._unseal(rows, names)
        Trail.current().opened(
            cls.__name__, [r['id'] for r in rows],
            names & cls._sealed_fields.keys())


class ReportTrailMixin:
    "Tell the trail what is printed"
    __slots__ = ()

    @classmethod
    def execute(cls, ids, data):
        result = super().execute(ids, data)
        if Transaction().user:
            Trail.current().add(
                'report', *known((data or {}).get('model'), ids),
                target=cls.__name__)
        return result


class WizardTrailMixin:
    "Tell the trail what is executed"
    __slots__ = ()

    @classmethod
    def execute(cls, session_id, data, state_name):
        result = super().execute(session_id, data, state_name)
        transaction = Transaction()
        if transaction.user:
            context = transaction.context
            Trail.current().add(
                'wizard', *known(
                    context.get('active_model'), context.get('active_ids')),
                target=f'{cls.__name__}:{state_name}')
        return result
