# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Read the CSV files that users bring, and tell all that is wrong in them."""

import csv
import io
from collections import Counter, namedtuple

from trytond.i18n import gettext

from .exceptions import CSVFileError
from .identifiers import find_nir

__all__ = ['Problem', 'Table', 'excerpt', 'to_csv']

# What fits in a session of a wizard, and in a memory
MAX_SIZE = 5 * 1024 * 1024
MAX_CELL = 20_000
DELIMITERS = ',;'


class Problem(namedtuple('Problem', ['row', 'column', 'text'])):
    "What is wrong, with the number of the row, the header being the first"
    __slots__ = ()

    def __str__(self):
        return gettext(
            'early_access.msg_csv_problem',
            row=self.row, column=self.column or '-', text=self.text)


class Table:
    """The rows of a CSV file, and what is wrong with their form.

    rows: (number, {key of the column: text}) of each row that can be judged.
    problems: the list of Problem.
    """

    def __init__(self, data, columns, limit):
        """
        :param data: the bytes of the file.
        :param columns: the names of the columns by key.
        :param limit: the rows that are read at the most.
        :raises CSVFileError: if the file as a whole is refused.
        """
        self.columns = columns
        self.rows = []
        self.problems = []
        self._read(_decode(data), limit)

    def problem(self, row, key, text):
        self.problems.append(Problem(row, self.columns.get(key), text))

    def _read(self, text, limit):
        reader = self._reader(text)
        try:
            header = next(reader, [])
            keys = self._keys(header)
            for number, cells in enumerate(reader, 2):
                if not any(cells):
                    continue
                if len(self.rows) >= limit:
                    raise CSVFileError(gettext(
                            'early_access.msg_csv_rows', limit=limit))
                # One that is not read counts too
                self.rows.append((number, self._row(number, keys, cells)))
        except csv.Error:
            raise CSVFileError(gettext(
                    'early_access.msg_csv_format', row=reader.line_num))
        self.rows = [(n, r) for n, r in self.rows if r is not None]

    def _reader(self, text):
        "A reader with the delimiter that finds most of the columns."
        known = set(map(_simple, self.columns.values()))
        first = io.StringIO(text, newline='').readline(MAX_CELL)

        def found(delimiter):
            try:
                header = next(csv.reader([first], delimiter=delimiter), [])
            except csv.Error:
                return 0
            return len(known.intersection(map(_simple, header)))

        return csv.reader(
            io.StringIO(text, newline=''),
            delimiter=max(DELIMITERS, key=found), strict=True)

    def _keys(self, header):
        names = {_simple(n): k for k, n in self.columns.items()}
        keys = [names.get(_simple(n)) for n in header]
        problems = []
        for index, (key, name) in enumerate(zip(keys, header), 1):
            if key is None:
                # A national number is not repeated, wherever it is
                name = str(index) if find_nir(name) else excerpt(name)
                problems.append(gettext(
                        'early_access.msg_csv_column_unknown', column=name))
        count = Counter(keys)
        for key, name in self.columns.items():
            if not count[key]:
                problems.append(gettext(
                        'early_access.msg_csv_column_missing', column=name))
            elif count[key] > 1:
                problems.append(gettext(
                        'early_access.msg_csv_column_twice', column=name))
        if problems:
            raise CSVFileError(gettext(
                    'early_access.msg_csv_columns',
                    problems='\n'.join(f'- {p}' for p in problems)))
        return keys

    def _row(self, number, keys, cells):
        if len(cells) != len(keys):
            self.problem(number, None, gettext(
                    'early_access.msg_csv_cells',
                    cells=len(cells), columns=len(keys)))
            return
        row = dict(zip(keys, (c.strip() for c in cells)))
        sound = True
        for key, text in row.items():
            if not text:
                continue
            if find_nir(text):
                message = 'early_access.msg_csv_national_number'
            elif len(text) > MAX_CELL:
                message = 'early_access.msg_csv_long'
            elif any(c < ' ' and c not in '\t\r\n' for c in text):
                message = 'early_access.msg_csv_control'
            else:
                continue
            self.problem(number, key, gettext(message))
            sound = False
        return row if sound else None


def _decode(data):
    if len(data) > MAX_SIZE:
        raise CSVFileError(gettext(
                'early_access.msg_csv_size', size=MAX_SIZE // 1024 // 1024))
    try:
        return bytes(data).decode('utf-8-sig')
    except UnicodeDecodeError as error:
        row = bytes(data[:error.start]).count(b'\n') + 1
    raise CSVFileError(gettext('early_access.msg_csv_encoding', row=row))


def _simple(name):
    return ' '.join(name.split()).lower()


def excerpt(text):
    "The beginning of a text, to be repeated in a message."
    text = ' '.join(text.split())
    return text if len(text) <= 60 else f'{text[:57]}...'


def to_csv(rows, columns, delimiter=','):
    """Return the bytes of a CSV file.

    :param rows: dictionaries by key of the column.
    :param columns: the names of the columns by key.
    """
    file = io.StringIO(newline='')
    writer = csv.writer(file, delimiter=delimiter)
    writer.writerow(columns.values())
    writer.writerows([r.get(k, '') for k in columns] for r in rows)
    return file.getvalue().encode('utf-8')
