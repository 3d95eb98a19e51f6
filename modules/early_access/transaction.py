# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from sql import For

from trytond import backend
from trytond.cache import MemoryCache
from trytond.transaction import Transaction


def begin_immediate():
    """Take the write lock of the database before reading what decides.

    On SQLite the driver opens the transaction at the first INSERT, UPDATE or
    DELETE, thus what was read before may be out of date when it is used: two
    writers lose one of their updates and a button runs twice. This opens the
    transaction at once and forgets the values already read. It does nothing
    inside a transaction, nor on PostgreSQL, where the repeatable read
    isolation makes the second writer fail and the dispatcher starts it again.

    :raises trytond.backend.DatabaseOperationalError: when another writer
        holds the lock for too long; the dispatcher starts the request again.
    """
    if backend.name != 'sqlite':
        return
    transaction = Transaction()
    connection = transaction.connection
    if (transaction.readonly
            or connection.in_transaction
            or connection.isolation_level is None):
        return
    connection.execute('BEGIN IMMEDIATE')
    forget()


def wait_for(records):
    """Wait until nobody else processes the records.

    Where the database locks rows, the lock fails if a record was changed
    meanwhile: the dispatcher starts the request again, which then reads what
    the other has done.
    """
    begin_immediate()
    transaction = Transaction()
    if (not records
            or transaction.readonly
            or not transaction.database.has_select_for()):
        return
    table = records[0].__class__.__table__()
    transaction.connection.cursor().execute(*table.select(
            table.id,
            where=table.id.in_([r.id for r in records]),
            order_by=table.id,
            for_=For('UPDATE')))


def follow_one_another(records):
    """Make the transactions that name the same records run one after another.

    Each reads what those before it have committed, even in other tables. It
    waits as :func:`wait_for` does, and writes the rows as they are so that
    who waits starts again.
    """
    wait_for(records)
    transaction = Transaction()
    if not records or not transaction.database.has_select_for():
        return
    table = records[0].__class__.__table__()
    transaction.connection.cursor().execute(*table.update(
            [table.id], [table.id],
            where=table.id.in_([r.id for r in records])))


def forget():
    "Drop the values of records that the current transaction keeps"
    transaction = Transaction()
    transaction.counter += 1
    for cache in transaction.cache.values():
        cache.clear()


def forget_records(Model, ids):
    "Drop the values of some records that the current transaction keeps"
    for cache in Transaction().cache.values():
        if Model.__name__ in cache:
            for id_ in ids:
                cache[Model.__name__].pop(id_, None)


def keep_isolation():
    """Leave the connection of a transaction as it was before the caches are
    synchronized.

    On SQLite the synchronization takes the connection that the transaction
    uses, because there is no other, and puts it in autocommit. From then on
    each statement of the transaction is committed alone: what fails is
    half-done and two writers do not see each other.
    """
    if backend.name != 'sqlite':
        return
    sync = MemoryCache.sync

    def isolated_sync(cls, transaction):
        connection = transaction.connection
        level = connection.isolation_level
        try:
            sync(transaction)
        finally:
            connection.isolation_level = level

    MemoryCache.sync = classmethod(isolated_sync)
