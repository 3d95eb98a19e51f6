# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The rows of the events as they are sealed.

On PostgreSQL each row keeps the transaction that stored it (x). Its number is
given when it writes first, and a row is committed later: those below the
oldest transaction of the database that is still running never change any more.
A database that is restored elsewhere meets smaller numbers: its next rows are
of another epoch, which comes after. SQLite has one writer at a time, thus the
order of the ids is the one of the commits.
"""

import json
from typing import NamedTuple

from trytond import backend
from trytond.transaction import Transaction

from .event import RECORDS, TABLE, Event

MAXIMUM = 2 ** 63 - 1
COLUMNS = ['id', *Event._columns]
BATCH = 1000
# One encoder for all the rows
encode = json.JSONEncoder(separators=(',', ':')).encode


class Window(NamedTuple):
    "The events of an epoch from a position, which is in, to another."
    epoch: int
    start: int
    end: int


def _execute(query, params=()):
    cursor = Transaction().connection.cursor()
    cursor.execute(query, params)
    return cursor


def event_bytes(row):
    """Return the bytes of an event that are sealed.

    They are a JSON array, with no space, of the values of the columns and
    then of the ids of the records. The time is in ISO 8601 with microseconds.
    """
    id_, at, *values = row
    return encode(
        [id_, at.isoformat(timespec='microseconds'), *values]).encode()


def limit_of(cursor):
    """Return the position below which every transaction is over.

    It is asked before the transaction that seals begins, so that this one sees
    all that is below. Who runs now in another database does not matter; but
    where the role may not see what another one runs, the oldest of the whole
    server does.

    :param cursor: one outside of a transaction.
    """
    if backend.name != 'postgresql':
        return MAXIMUM
    # The next number, before those that run
    cursor.execute(
        'SELECT pg_snapshot_xmin(s)::text::bigint, '
        'pg_snapshot_xmax(s)::text::bigint FROM pg_current_snapshot() AS s')
    oldest, limit = cursor.fetchone()
    cursor.execute(
        'SELECT backend_xid::text::bigint, '
        # A process of the server itself has no user, and stores no event
        "COALESCE(pg_has_role(usesysid, 'USAGE'), TRUE) "
        "OR pg_has_role('pg_read_all_stats', 'USAGE') "
        'FROM pg_stat_activity WHERE datname = current_database() '
        'UNION ALL SELECT transaction::text::bigint, TRUE '
        'FROM pg_prepared_xacts WHERE database = current_database()')
    for xid, seen in cursor.fetchall():
        if not seen:
            return oldest
        if xid is not None:
            # Of 32 bits, and less than 2 ** 31 numbers away
            distance = (xid - limit + 2 ** 31) % 2 ** 32 - 2 ** 31
            limit = min(limit, limit + distance)
    return limit


def last_epoch():
    "Return the epoch of the last events, or None if there is none."
    if backend.name == 'postgresql':
        return _execute(f'SELECT MAX(epoch) FROM {TABLE}').fetchone()[0]
    return 0


def next_window(last, size, limit):
    """Return the window that follows the last one, or None.

    It holds at least so many events, if there are, and whole transactions.

    :param limit: what limit_of returned before the transaction.
    """
    epoch = last_epoch()
    if epoch is None:
        return
    start_epoch, start = (last.epoch, last.end) if last else (0, 0)
    for epoch_ in range(start_epoch, epoch + 1):
        # What is of a former epoch is over
        window = Window(
            epoch_, start if epoch_ == start_epoch else 0,
            limit if epoch_ == epoch else MAXIMUM)
        first = _nth(window, 0)
        if first is not None:
            end = _nth(window, size)
            if end is None:
                end = _last(window)
            # The whole of the transaction in which the number is reached
            return window._replace(end=max(end, first) + 1)


def _last(window):
    "Return the position of the last event of the window."
    if backend.name == 'postgresql':
        return _execute(
            f'SELECT e.x::text::bigint AS position FROM {TABLE} AS e '
            'WHERE epoch = %s AND x >= %s::text::xid8 '
            'AND x < %s::text::xid8 '
            'ORDER BY epoch DESC, x DESC LIMIT 1', window).fetchone()[0]
    return _execute(
        f'SELECT MAX(id) FROM {TABLE} WHERE ? = 0 AND id >= ? AND id < ?',
        window).fetchone()[0]


def _nth(window, number):
    "Return the position of the event of the window at a number, or None."
    if backend.name == 'postgresql':
        row = _execute(
            # Without a name of its own it would be what is ordered by, and
            # not the column of the index
            f'SELECT e.x::text::bigint AS position FROM {TABLE} AS e '
            'WHERE epoch = %s AND x >= %s::text::xid8 '
            'AND x < %s::text::xid8 '
            'ORDER BY epoch, x, id LIMIT 1 OFFSET %s',
            (*window, number)).fetchone()
    else:
        row = _execute(
            f'SELECT id FROM {TABLE} WHERE ? = 0 AND id >= ? AND id < ? '
            'ORDER BY id LIMIT 1 OFFSET ?', (*window, number)).fetchone()
    return row[0] if row else None


def events_of(window):
    "Yield the id and the sealed bytes of the events, in their order."
    columns = ', '.join(f'e.{c}' for c in COLUMNS)
    if backend.name == 'postgresql':
        cursor = _execute(
            f'SELECT {columns}, COALESCE(e.record_ids, ARRAY[]::bigint[]) '
            f'FROM {TABLE} AS e '
            'WHERE epoch = %s AND x >= %s::text::xid8 '
            'AND x < %s::text::xid8 ORDER BY epoch, x, id', window)
        for row in cursor:
            yield row[0], event_bytes(row)
        return
    cursor = _execute(
        f'SELECT {columns} FROM {TABLE} AS e '
        'WHERE ? = 0 AND id >= ? AND id < ? ORDER BY id', window)
    while rows := cursor.fetchmany(BATCH):
        records = {row[0]: [] for row in rows}
        for event, record in _execute(
                f'SELECT event, record FROM {RECORDS} '
                'WHERE event >= ? AND event <= ? ORDER BY event, record',
                (rows[0][0], rows[-1][0])):
            records[event].append(record)
        for row in rows:
            yield row[0], event_bytes([*row, records[row[0]]])


def position_of(event):
    "Return the (epoch, position) of the event of an id, or None."
    if backend.name == 'postgresql':
        return _execute(
            f'SELECT epoch, x::text::bigint FROM {TABLE} WHERE id = %s',
            (event,)).fetchone()
    return _execute(
        f'SELECT 0, id FROM {TABLE} WHERE id = ?', (event,)).fetchone()


def delete_events(window, limit):
    "Delete some of the events up to the end of the window, return how many."
    if backend.name == 'postgresql':
        return _execute(
            f'DELETE FROM {TABLE} WHERE id IN ('
            f'SELECT id FROM {TABLE} WHERE (epoch, x) < '
            '(%s, %s::text::xid8) ORDER BY epoch, x LIMIT %s)',
            (window.epoch, window.end, limit)).rowcount
    ids = [id_ for id_, in _execute(
            f'SELECT id FROM {TABLE} WHERE id < ? ORDER BY id LIMIT ?',
            (window.end, limit))]
    if ids:
        _execute(
            f'DELETE FROM {RECORDS} WHERE event >= ? AND event <= ?',
            (ids[0], ids[-1]))
        _execute(
            f'DELETE FROM {TABLE} WHERE id >= ? AND id <= ?',
            (ids[0], ids[-1]))
    return len(ids)
