# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The encrypted archive of an export of data.

A ZIP whose members are encrypted with AES-256, in the format that 7-Zip,
WinZip and the archive managers of the desktops open with a passphrase: the
recipient needs nothing else, where an envelope for a certificate would need
one to be made, exchanged and kept first.

The rows are compressed and encrypted as they are written: whatever is on a
disk at any moment is encrypted, and the file has no name, so that nothing is
left of it when the process is killed.
"""

import csv
import datetime as dt
import hashlib
import io
import secrets
import tempfile
from decimal import Decimal

import pyzipper

from trytond.i18n import gettext

from .exceptions import DataExportError

__all__ = ['Archive', 'new_passphrase', 'safe_cell']

# Without what is taken for something else
_ALPHABET = 'abcdefghijkmnpqrstuvwxyz23456789'
_GROUPS, _GROUP = 8, 4
# What a spreadsheet takes for the beginning of a formula
_FORMULA = tuple('=+-@\t\r\n＝＋－＠')


def new_passphrase():
    """Return a passphrase of 160 bits.

    The derivation of the key in the format is fast: only a passphrase that is
    as good as a key makes it strong.
    """
    return '-'.join(
        ''.join(secrets.choice(_ALPHABET) for _ in range(_GROUP))
        for _ in range(_GROUPS))


def safe_cell(value):
    """Return a value as the text of a cell.

    A text that a spreadsheet would run is neutralised by an apostrophe, a
    number stays what it is.
    """
    if value is None:
        return ''
    elif isinstance(value, Decimal):
        return f'{value:f}'
    elif isinstance(value, (int, dt.date)):
        return str(value)
    elif isinstance(value, (list, tuple)):
        value = '|'.join(value)
    return f"'{value}" if value.lstrip(' ').startswith(_FORMULA) else value


class _Bounded:
    "A file that refuses to grow beyond a size"

    def __init__(self, file, limit):
        self._file = file
        self._limit = limit

    def write(self, data):
        if self._file.tell() + len(data) > self._limit:
            raise DataExportError(gettext(
                    'early_access.msg_data_export_size',
                    size=self._limit // 1024 // 1024))
        return self._file.write(data)

    def __getattr__(self, name):
        return getattr(self._file, name)


class Archive:
    """A context manager: the archive being written.

    rows: the number of rows by name of the member.
    """

    def __init__(self, passphrase, limit, delimiter=';', bom=False):
        """
        :param limit: the bytes of the archive at the most.
        :param bom: whether the members begin with the mark of UTF-8.
        """
        self.rows = {}
        self._delimiter = delimiter
        self._bom = bom
        self._file = tempfile.TemporaryFile()
        self._zip = pyzipper.AESZipFile(
            _Bounded(self._file, limit), 'w',
            compression=pyzipper.ZIP_DEFLATED, encryption=pyzipper.WZ_AES)
        self._zip.setencryption(pyzipper.WZ_AES, nbits=256)
        self._zip.setpassword(passphrase.encode())

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        if exception[0]:
            # What is not complete is not closed: it could not be read anyway
            self._zip.fp = None
        self._file.close()

    def add(self, name, header, rows):
        "Write a member, row after row."
        count = 0
        with self._zip.open(name, 'w', force_zip64=True) as member:
            text = io.TextIOWrapper(
                member, newline='',
                encoding='utf-8-sig' if self._bom else 'utf-8')
            writer = csv.writer(text, delimiter=self._delimiter)
            writer.writerow(map(safe_cell, header))
            for row in rows:
                writer.writerow(map(safe_cell, row))
                count += 1
            text.flush()
            text.detach()
        self.rows[name] = count

    def close(self):
        "Return the bytes of the archive and their SHA-256."
        self._zip.close()
        self._file.seek(0)
        content = self._file.read()
        return content, hashlib.sha256(content).hexdigest()
