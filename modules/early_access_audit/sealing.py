# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The sealing of a database, by the server or by a process of its own."

import time

from trytond import backend
from trytond.pool import Pool
from trytond.transaction import Transaction

from .anchor import Anchor
from .connection import connected
from .event_row import limit_of
from .signing_key import SigningKey, configured_path

# How often another sealer may come first
RETRIES = 5


def seal_all(database, key=None):
    """Seal what is over, and return the number of seals that were added.

    What could not be stored comes first. Each seal is committed alone: what a
    killed process leaves is sealed by the next one.
    """
    if key is None:
        key = SigningKey(configured_path())
    Event = Pool(database).get('early_access.audit.event')
    Event.store_waiting(database)
    number = failures = 0
    while True:
        with connected(database) as cursor:
            limit = limit_of(cursor)
        try:
            with Transaction(new=True).start(database, 0):
                Seal = Pool().get('early_access.audit.seal')
                seal = Seal.seal(key, limit)
                anchor = seal and Anchor(seal.number, seal.hash)
        except backend.DatabaseOperationalError:
            # Another one has sealed it
            failures += 1
            if failures > RETRIES:
                raise
            time.sleep(.05 * failures)
            continue
        if not anchor:
            return number
        anchor.write(f'{key.path}.anchor', database)
        number += 1
