# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The end of the events, after the period for which they are kept.

It is between six months and one year (SEC-JOU-3). The seals stay: a seal of
the purge tells in the chain up to which one the events may be gone, so that
their absence is no damage and the rest is still verified.
"""

import datetime as dt

import trytond.config as config
from trytond.pool import Pool
from trytond.transaction import Transaction

from . import guard
from .event_row import delete_events
from .forward import forwarded
from .signing_key import SigningKey, configured_path

MINIMUM, MAXIMUM = 180, 365
CHUNK = 10_000


class PurgeError(Exception):
    "The purge cannot be done: the message is one line for a human."


def period():
    """Return the days for which events are kept.

    :raises PurgeError: outside what the deliberation allows.
    """
    days = config.getint('early_access', 'audit_days', default=MAXIMUM)
    if not MINIMUM <= days <= MAXIMUM:
        raise PurgeError(
            f"'audit_days' must be between {MINIMUM} and {MAXIMUM} days, not "
            f"{days}")
    return days


def purge(database, key=None, today=None):
    """Delete the events whose period has ended, and return their number.

    What is to be deleted is sealed first: a purge that is killed is gone on
    with by the next one.
    """
    today = today or dt.datetime.now(dt.UTC).replace(tzinfo=None)
    before = today - dt.timedelta(days=period())
    if key is None:
        key = SigningKey(configured_path())
    with Transaction(new=True).start(database, 0):
        _declare(key, before, forwarded(database))
    number = 0
    while deleted := _delete(database):
        number += deleted
    return number


def _declare(key, before, limit):
    """Seal up to which seal the events are purged, unless it is already.

    :param limit: the last seal that the central log has, or None without one.
    """
    Seal = Pool().get('early_access.audit.seal')
    domain = [('kind', '=', 'events'), ('at', '<', before)]
    if limit is not None:
        domain.append(('number', '<=', limit))
    last = Seal.last(*domain)
    if last and last.number > Seal.purged():
        Seal.append(key, {'kind': 'purge', 'purged': last.number})


def _delete(database):
    with Transaction(new=True).start(database, 0):
        Seal = Pool().get('early_access.audit.seal')
        last = Seal.last(
            ('kind', '=', 'events'), ('number', '<=', Seal.purged()))
        if not last:
            return 0
        with guard.purging():
            return delete_events(last.window, CHUNK)
