# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The rows of the events as they are sealed.

On PostgreSQL each row keeps the transaction that stored it (x). Its number is
given when it writes first, and a row is committed later: those below the
oldest transaction that is still running never change any more. A database
that is restored elsewhere meets smaller numbers: its next rows are of another
epoch, which comes after. SQLite has one writer at a time, thus the order of
the ids is the one of the commits.
"""

import json
from typing import NamedTuple

from trytond import backend
from trytond.transaction import Transaction

from .event import RECORDS, TABLE, Event

MAXIMUM = 2 ** 63 - 1
COLUMNS = ['id', *Event._columns]
BATCH = 1000


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
    return json.dumps(
        [id_, at.isoformat(timespec='microseconds'), *values],
        separators=(',', ':')).encode()


def finished():
    "Return the position below which no event comes any more, of which epoch."
    if backend.name == 'postgresql':
        epoch, = _execute(
            f'SELECT MAX(epoch) FROM {TABLE}').fetchone()
        position, = _execute(
            'SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint'
            ).fetchone()
        return epoch, position
    position, = _execute(f'SELECT MAX(id) FROM {TABLE}').fetchone()
    return (None if position is None else 0), (position or 0) + 1


def next_window(last, size):
    """Return the window that follows the last one, or None.

    It holds at least so many events, if there are, and whole transactions.
    """
    epoch, position = finished()
    if epoch is None:
        return
    start_epoch, start = (last.epoch, last.end) if last else (0, 0)
    for epoch_ in range(start_epoch, epoch + 1):
        # What is of a former epoch is over
        limit = position if epoch_ == epoch else MAXIMUM
        window = Window(epoch_, start if epoch_ == start_epoch else 0, limit)
        first = _nth(window, 0)
        if first is not None:
            end = _nth(window, size)
            if end is None:
                return window
            # The whole of the transaction in which the number is reached
            return window._replace(end=max(end, first + 1))


def _nth(window, number):
    "Return the position of the event of the window at a number, or None."
    if backend.name == 'postgresql':
        row = _execute(
            f'SELECT x::text::bigint FROM {TABLE} '
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
