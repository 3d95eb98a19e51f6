# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The list of the keys that are destroyed, outside of the database.

Whoever restores an old backup brings back persons who had been destroyed
since. The list, which is beside the keyring and in no backup of the database,
lets the next night destroy them again. It holds identifiers that are random
and tell nothing of anybody, one line of JSON each::

    {"key": "<UUID of the key>", "on": "<day>"}
"""

import json
import os

import trytond.config as config
from trytond.modules.early_access.keyring import KeyringError, configured

SUFFIX = '.destroyed'


def path():
    """Return the path of the list.

    :raises KeyringError: if it cannot be known.
    """
    path = config.get('early_access', 'destroyed_list')
    if not path:
        keyring = configured()
        if keyring is None:
            raise KeyringError(
                "there is no place for the list of what is destroyed: set "
                "'destroyed_list' in the section [early_access] of the "
                "configuration")
        path = keyring + SUFFIX
    return os.path.expanduser(path)


def add(keys, date):
    """Add keys to the list, which is on the disk when this returns.

    :param keys: their UUIDs.
    :param date: the day on which they were destroyed.
    """
    if not keys:
        return
    content = ''.join(
        json.dumps({'key': k, 'on': date.isoformat()}) + '\n' for k in keys)
    fd = os.open(
        path(), os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with open(fd, 'ab') as file:
        if file.tell() and not _ends_with_line(path()):
            # What was killed while it wrote
            content = '\n' + content
        file.write(content.encode('ascii'))
        file.flush()
        os.fsync(fd)


def _ends_with_line(path):
    with open(path, 'rb') as file:
        file.seek(-1, os.SEEK_END)
        return file.read() == b'\n'


def read():
    "Return the UUIDs of the keys of the list, in its order, each once."
    keys = {}
    try:
        with open(path(), encoding='ascii') as file:
            for line in file:
                try:
                    keys[json.loads(line)['key']] = None
                except (ValueError, LookupError, TypeError):
                    # The rest of a line that was not finished
                    continue
    except FileNotFoundError:
        return []
    return list(keys)
