# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The data keys of a database, as the command early-access-keyring sees them.

The command runs beside the servers and reads neither the models nor the
caches: the identifiers, the wrapped bytes and the key-encryption keys of the
data keys are all it needs, and all it ever writes. The records that the data
keys open are not touched, so a rotation makes no change of a user fail.
"""

import time
from collections import Counter
from contextlib import closing, contextmanager, suppress

from sql import Flavor, Null, Table
from sql.aggregate import Count, Min

from trytond import backend

from .keyring import KeyringError

__all__ = ['DataKeys', 'rewrap']

CHUNK = 2_000
# How many times a chunk that another transaction disturbs is started again
RETRY = 8
# How long to wait for the transactions that may save a data key, in seconds
WAIT = 60


class DatabaseError(KeyringError):
    "A database cannot be used: the message does not tell its address"

    def __init__(self, name, error):
        super().__init__(
            f"the database '{name}' cannot be used: {_line(error)}")


class DataKeys:
    "The data keys of a database"

    def __init__(self, name):
        self.name = name
        self._postgresql = backend.name == 'postgresql'
        Flavor.set(backend.Database.flavor)
        self._table = Table('early_access_data_key')
        try:
            self._connection = self._connect()
        except (backend.DatabaseOperationalError, ValueError) as e:
            raise DatabaseError(name, e) from None
        try:
            self.counts()
        except KeyringError:
            self.close()
            raise

    def _connect(self):
        if not self._postgresql:
            return backend.Database(self.name).connect().get_connection()
        import psycopg

        # Without the pool, which tries again for long whatever the error is
        connection = psycopg.connect(
            **backend.Database._connection_params(self.name)
            | {'application_name': 'early-access-keyring'})
        # A row that somebody else has changed is read again and not an error
        connection.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
        return connection

    def close(self):
        self._connection.close()

    @contextmanager
    def _transaction(self):
        with closing(self._connection.cursor()) as cursor:
            try:
                yield cursor
                self._connection.commit()
            except self._connection.Error as e:
                self._rollback()
                raise DatabaseError(self.name, e) from None
            except BaseException:
                self._rollback()
                raise

    def _rollback(self):
        # There is nothing to roll back when the connection is lost
        with suppress(self._connection.Error):
            self._connection.rollback()

    def counts(self):
        """Return how many data keys each key-encryption key wraps.

        :returns: the numbers by identifier; by None, the data keys that are
            destroyed.
        """
        with self._transaction() as cursor:
            return self._counts(cursor)

    def _counts(self, cursor):
        table = self._table
        cursor.execute(*table.select(
                table.kek, Count(table.id), group_by=table.kek))
        return dict(cursor.fetchall())

    def samples(self):
        "Return one wrapped data key by the identifier of what wraps it"
        table = self._table
        firsts = table.select(
            Min(table.id), where=table.kek != Null, group_by=table.kek)
        with self._transaction() as cursor:
            cursor.execute(*table.select(
                    table.kek, table.wrapped, where=table.id.in_(firsts)))
            return dict(cursor.fetchall())

    def read(self, active, after, limit):
        """Return the next data keys that are not wrapped by the active key.

        :param after: the id after which to start.
        :returns: a list of (id, kek, wrapped).
        """
        table = self._table
        with self._transaction() as cursor:
            cursor.execute(*table.select(
                    table.id, table.kek, table.wrapped,
                    where=(table.id > after) & (table.kek != active),
                    order_by=table.id, limit=limit))
            return cursor.fetchall()

    def replace(self, rows):
        """Replace wrapped data keys, unless they have changed meanwhile.

        A data key that was destroyed since it was read stays so.

        :param rows: a list of (id, old wrapped, kek, wrapped), ordered by id.
        :returns: how many were replaced.
        """
        for attempt in range(RETRY):
            try:
                with self._transaction() as cursor:
                    self._update(cursor, rows)
                    return cursor.rowcount
            except DatabaseError:
                if attempt == RETRY - 1:
                    raise
            # Let the transaction that needs the same rows end
            time.sleep(.02 * 2 ** attempt)

    def _update(self, cursor, rows):
        if not self._postgresql:
            cursor.executemany(
                'UPDATE early_access_data_key SET kek = ?, wrapped = ? '
                'WHERE id = ? AND wrapped = ?',
                [(kek, wrapped, id_, old) for id_, old, kek, wrapped in rows])
            return
        ids = [id_ for id_, _, _, _ in rows]
        # The range lets the database read these rows only
        cursor.execute(
            'UPDATE early_access_data_key AS k '
            'SET kek = v.kek, wrapped = v.wrapped '
            'FROM unnest(%b::int[], %b::bytea[], %b::text[], %b::bytea[]) '
            'AS v (id, old, kek, wrapped) '
            'WHERE k.id BETWEEN %s AND %s '
            'AND k.id = v.id AND k.wrapped = v.old',
            [ids, *map(list, list(zip(*rows))[1:]), ids[0], ids[-1]])

    def wait(self):
        """Wait until the transactions that now save data keys have ended.

        Those that start meanwhile are neither waited for nor held: they wrap
        under the key that is active now (see DataKey.new).

        :raises KeyringError: if one of them does not end.
        """
        deadline = time.monotonic() + WAIT
        if not self._postgresql:
            # There is one writer at a time
            with self._locked(deadline):
                return
        writers = self._writers()
        while writers:
            if time.monotonic() > deadline:
                self._refuse_busy()
            time.sleep(.05)
            writers &= self._writers()

    def _writers(self):
        with self._transaction() as cursor:
            cursor.execute(
                'SELECT virtualtransaction FROM pg_locks '
                "WHERE relation = 'early_access_data_key'::regclass "
                'AND database = (SELECT oid FROM pg_database '
                'WHERE datname = current_database()) '
                "AND mode = 'RowExclusiveLock' AND pid != pg_backend_pid()")
            return {writer for writer, in cursor}

    @contextmanager
    def frozen(self):
        """Let nobody save a data key during the block.

        :returns: the context manager of :meth:`counts`, which stay true.
        :raises KeyringError: if a transaction saves some and does not end.
        """
        with self._locked(time.monotonic() + WAIT) as cursor:
            yield self._counts(cursor)

    @contextmanager
    def _locked(self, deadline):
        cursor = self._connection.cursor()
        while True:
            try:
                if self._postgresql:
                    # Who comes after the lock is asked has to wait too
                    cursor.execute("SET LOCAL lock_timeout = '3s'")
                    cursor.execute(
                        'LOCK TABLE early_access_data_key IN SHARE MODE')
                else:
                    cursor.execute('BEGIN IMMEDIATE')
                break
            except self._connection.OperationalError:
                self._rollback()
                if time.monotonic() > deadline:
                    self._refuse_busy()
        try:
            yield cursor
        finally:
            self._rollback()

    def _refuse_busy(self):
        raise KeyringError(
            f"a transaction of the database '{self.name}' does not end "
            "and may save data keys: try again later") from None


def rewrap(data_keys, keyring, chunk=CHUNK, progress=None):
    """Wrap the data keys under the active key-encryption key.

    Each chunk is a transaction of its own: what is done stays done when the
    process is killed, and another call does the rest.

    :param data_keys: the :class:`DataKeys` of a database.
    :param progress: called with the number of data keys wrapped so far.
    :returns: how many data keys were wrapped.
    :raises KeyringError: if some cannot be unwrapped, once the others are.
    """
    done, waited = 0, False
    while True:
        errors, before = Counter(), done
        for rows in _chunks(data_keys, keyring, chunk):
            if rows := _rewrap(keyring, rows, errors):
                done += data_keys.replace(rows)
            if progress:
                progress(done)
        if done == before and waited:
            break
        # What they save is in the next round
        data_keys.wait()
        waited = True
    if errors:
        message, _ = errors.most_common(1)[0]
        raise KeyringError(
            f"{sum(errors.values())} data keys of the database "
            f"'{data_keys.name}' cannot be wrapped again: {message}")
    return done


def _chunks(data_keys, keyring, size):
    last = 0
    while True:
        # Another process may rotate meanwhile
        active, = [k.id for k in keyring.keys() if k.active]
        rows = data_keys.read(active, last, size)
        if not rows:
            return
        last = rows[-1][0]
        yield rows


def _rewrap(keyring, rows, errors):
    "Return the (id, old wrapped, kek, wrapped) of the rows, but the errors"
    try:
        wrapped = keyring.rewrap([(kek, old) for _, kek, old in rows])
    except KeyringError as e:
        if len(rows) == 1:
            errors[str(e)] += 1
            return []
        # One that does not open must not hold back the others
        return [r for row in rows for r in _rewrap(keyring, [row], errors)]
    return [
        (id_, old, kek, new)
        for (id_, _, old), (kek, new) in zip(rows, wrapped)]


def _line(error):
    "Return the first line of an error: the next ones quote the statement"
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__
