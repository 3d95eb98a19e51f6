# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Where the chain of the seals ends, kept outside the database.

Who removes the last seals with their events leaves a chain that is whole: only
what is kept elsewhere tells that there was more.
"""

import json
import os
from typing import NamedTuple

from .signing_key import configured_path


def anchor_path():
    "Return the file that keeps the end of the chains."
    return f'{configured_path()}.anchor'


class Anchor(NamedTuple):
    "The end of the chain, kept outside the database."
    number: int
    hash: str

    @classmethod
    def read(cls, path, database):
        "Return what the file tells of the database, or None."
        try:
            with open(path) as file:
                return cls(*json.load(file)[database])
        except (FileNotFoundError, KeyError):
            return None

    def write(self, path, database):
        "Tell the file the end of the chain, the file being written whole."
        try:
            with open(path) as file:
                anchors = json.load(file)
        except FileNotFoundError:
            anchors = {}
        anchors[database] = self
        temporary = f'{path}.new'
        with open(temporary, 'w') as file:
            json.dump(anchors, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
