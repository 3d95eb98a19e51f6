# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What is left of the trail while it cannot be stored.

The data of patients are not delivered then. The order desk and the recall,
without health data, go on: their events wait in a file of the server, and are
stored in the trail as soon as it can be (SEC-JOU-1, continuity of supply).
"""

import datetime as dt
import fcntl
import json
import logging
import os
from contextlib import contextmanager

import trytond.config as config

from .traced import SUPPLY

logger = logging.getLogger(__name__)


def spool_path(database_name):
    "Return the file of a database, or None where there is no spool."
    directory = config.get('early_access', 'audit_spool', default='')
    if directory:
        return os.path.join(
            os.path.expanduser(directory), f'{database_name}.jsonl')


def can_wait(entries):
    "Whether the events are all about the supply, without health data."
    return all(model in SUPPLY for _, _, model, *_ in entries)


def wait(database_name, author, entries):
    """Keep events in the file, on the disk when it returns.

    :raises OSError: when that fails too.
    """
    path = spool_path(database_name)
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with open(fd, 'w') as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        # What a killed server has cut must not take the next line with it
        file.write('\n')
        for at, *values in entries:
            file.write(json.dumps([list(author), at.isoformat(), *values]))
            file.write('\n')
        file.flush()
        os.fsync(file.fileno())
    logger.critical(
        "The trail of '%s' cannot be stored: %s events wait in '%s'.",
        database_name, len(entries), path)


@contextmanager
def waiting(database_name):
    """The (author, entry) that wait, which are forgotten when the block ends.

    What is added meanwhile waits for the end of the block.
    """
    path = spool_path(database_name)
    if not path or not os.path.exists(path):
        yield []
        return
    with open(path, 'r+') as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        rows = []
        for line in filter(str.strip, file):
            try:
                author, at, *values = json.loads(line)
            except ValueError:
                logger.error("A line of '%s' is cut, and left out.", path)
                continue
            rows.append((author, (dt.datetime.fromisoformat(at), *values)))
        yield rows
        file.truncate(0)
