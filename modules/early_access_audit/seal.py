# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Seals that make any later change of the trail evident.

A seal stands for all the events of a window: the root of their Merkle tree,
their number, the hash of the seal before and a signature. The windows follow
one another without gap, in the order in which the transactions of the events
were begun; only those that are over are sealed, thus none is missed.

What is signed is the statement, in JSON with sorted keys and no space::

    {"at": ..., "count": ..., "epoch": ..., "from": ..., "kind": "events",
     "number": ..., "previous": ..., "root": ..., "to": ..., "version": 1}

A purge is a seal too: what it says to be purged is not missing.
"""

import datetime as dt
import hashlib
import json

from trytond.model import Index, ModelSQL, ModelView, Unique, fields
from trytond.modules.early_access.transaction import begin_immediate
from trytond.transaction import Transaction, without_check_access

from . import guard, merkle
from .event_row import Window, events_of, next_window
from .forward import forward_all
from .purge import purge
from .sealing import seal_all
from .statement import canonical, columns

# The events that a seal stands for, and the rest of their last transaction
SIZE = 10_000
VERSION = 1


class Position(fields.Integer):
    "The place of a transaction among all, on 64 bits"
    _sql_type = 'BIGINT'


class Seal(ModelSQL, ModelView):
    "A signed seal over events of the trail, chained to the one before"
    __name__ = 'early_access.audit.seal'

    number = fields.Integer("Number", required=True, readonly=True)
    at = fields.Timestamp("Time", required=True, readonly=True)
    kind = fields.Selection([
            ('events', "Events"),
            ('purge', "Purge"),
            ], "Kind", required=True, readonly=True, sort=False)
    count = fields.Integer("Events", readonly=True)
    epoch = fields.Integer("Epoch", readonly=True)
    start = Position("From", readonly=True)
    end = Position("To", readonly=True)
    statement = fields.Text("Statement", required=True, readonly=True)
    key = fields.Char("Key", required=True, readonly=True)
    signature = fields.Char("Signature", required=True, readonly=True)

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_constraints += [
            ('number_unique', Unique(t, t.number),
                'early_access_audit.msg_seal_number_unique'),
            ]
        cls._sql_indexes.add(
            Index(t, (t.kind, Index.Equality()), (t.number, Index.Range())))
        cls._order = [('number', 'DESC'), ('id', 'DESC')]
        cls.__rpc__ = {
            n: r for n, r in cls.__rpc__.items()
            if n not in {'create', 'write', 'delete', 'copy', 'import_data'}}

    @classmethod
    def __register__(cls, module_name):
        guard.unguard(cls._table)
        super().__register__(module_name)
        guard.guard(cls._table)

    def get_rec_name(self, name):
        return str(self.number)

    @property
    def content(self):
        return json.loads(self.statement)

    @property
    def window(self):
        return Window(self.epoch, self.start, self.end)

    @property
    def hash(self):
        "What the next seal holds of this one."
        return hashlib.sha256(
            f'{self.statement}{self.signature}'.encode()).hexdigest()

    @classmethod
    def last(cls, *domain):
        "Return the last seal, of those of the domain, or None."
        seals = cls.search(list(domain), limit=1)
        return seals[0] if seals else None

    @classmethod
    def purged(cls):
        "Return the number of the last seal whose events are purged, or 0."
        purge = cls.last(('kind', '=', 'purge'))
        return purge.content['purged'] if purge else 0

    @classmethod
    @without_check_access
    def seal(cls, key, limit):
        """Seal the next window of events and return its seal, or None.

        The transaction is to be committed at once. When two run together, one
        of them fails.

        :param key: the SigningKey.
        :param limit: what limit_of returned before the transaction.
        """
        transaction = Transaction()
        begin_immediate()
        transaction.database.lock(transaction.connection, cls._table)
        last = cls.last(('kind', '=', 'events'))
        window = next_window(last and last.window, SIZE, limit)
        if window is None:
            return
        hashes = [
            merkle.leaf_hash(data) for _, data in events_of(window)]
        if not hashes:
            return
        return cls.append(key, {
                'kind': 'events',
                'epoch': window.epoch,
                'from': window.start,
                'to': window.end,
                'count': len(hashes),
                'root': merkle.root(hashes).hex(),
                })

    @classmethod
    @without_check_access
    def append(cls, key, statement):
        "Add a signed statement to the chain."
        last = cls.last()
        statement = {
            **statement,
            'version': VERSION,
            'number': last.number + 1 if last else 1,
            'previous': last.hash if last else None,
            'at': dt.datetime.now(dt.UTC).isoformat(timespec='microseconds'),
            }
        data = canonical(statement)
        seal, = cls.create([{
                    **columns(statement),
                    'statement': data.decode(),
                    'key': key.id,
                    'signature': key.sign(data).hex(),
                    }])
        return seal

    @classmethod
    def seal_all(cls):
        "Seal what is over, called by a cron."
        seal_all(Transaction().database.name)

    @classmethod
    def forward_all(cls):
        "Forward what is sealed to the central log, called by a cron."
        forward_all(Transaction().database.name)

    @classmethod
    def purge_all(cls):
        "Delete the events whose period has ended, called by a cron."
        purge(Transaction().database.name)
