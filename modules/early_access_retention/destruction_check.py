# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What is left of destroyed persons, in the whole database.

Every column of text of every table is read for the codes of the persons: the
queue, the e-mails, the wizards that are open and the errors as well. The rows
that have lost the person they belong to, the keys and the bundles are counted
too. The files of the store belong to no person (see check_declared of the
tables), and there is no search index apart from the tables.
"""

import json
import re
from collections import Counter

from sql import Cast, Column, Null, Table
from sql.aggregate import Count
from sql.functions import Lower
from sql.operators import Like

from trytond import backend
from trytond.i18n import gettext
from trytond.pool import Pool
from trytond.tools import grouped_slice
from trytond.transaction import Transaction

from .person_tables import PATIENT, in_

# Which tell of persons for a time of their own, which the trail sets
EXCEPTED = re.compile(r'early_access_audit_(event|spool|anomaly|activity)')
# The batch itself, which forgets the codes once it is certified
LINES = 'early_access_retention_destruction_line'


def search(lines):
    """Look for what is left of the persons of the lines of a batch.

    :returns: how many tables, columns and codes were looked at, and the
        numbers of places found by 'table.column', as {'tables': ...,
        'columns': ..., 'codes': ..., 'found': {...}}.
    """
    found = Counter()
    cursor = Transaction().connection.cursor()
    _find_keys(cursor, lines, found)
    _find_orphans(cursor, found)
    columns = list(_text_columns(cursor))
    codes = {i.code for i in lines if i.code}
    _find_codes(cursor, columns, codes, found)
    return {
        'tables': len({t for t, _ in columns}),
        'columns': len(columns),
        'codes': len(codes),
        'found': dict(found),
        }


def tell(searched):
    "Return what was searched as text, in the language of the context."
    prefix = 'early_access_retention.msg_check_'
    lines = [
        gettext(
            f'{prefix}columns', columns=searched['columns'],
            tables=searched['tables'], codes=searched['codes']),
        gettext(f'{prefix}trail'),
        ]
    found = searched['found']
    lines += [
        gettext(f'{prefix}found', place=p, number=n)
        for p, n in sorted(found.items())]
    if not found:
        lines.append(gettext(f'{prefix}nothing'))
    return '\n'.join(lines)


def _find_keys(cursor, lines, found):
    table = Pool().get('early_access.data_key').__table__()
    uuids = [k for i in lines for k in json.loads(i.keys or '[]')]
    for group in grouped_slice(uuids):
        cursor.execute(*table.select(
                Count(table.id), where=in_(table.uuid, list(group))))
        number, = cursor.fetchone()
        if number:
            found['early_access_data_key.uuid'] += number


def _find_orphans(cursor, found):
    pool = Pool()
    declared = pool.get(PATIENT).retention_tables()
    references = [(t.model, t.owner) for t in declared] + [
        ('early_access.retention.archive.bundle', 'archive')]
    for name, owner in references:
        Model = pool.get(name)
        table = Model.__table__()
        target = Model._fields[owner].get_target().__table__()
        column = Column(table, owner)
        # Where the database does not watch over the references
        cursor.execute(*table.join(
                target, type_='LEFT', condition=target.id == column).select(
                Count(table.id),
                where=(column != Null) & (target.id == Null)))
        number, = cursor.fetchone()
        if number:
            found[f'{Model._table}.{owner}'] += number


def _text_columns(cursor):
    "Yield the table and the name of each column that holds text."
    if backend.name == 'postgresql':
        cursor.execute(
            "SELECT c.table_name, c.column_name "
            "FROM information_schema.columns AS c "
            "JOIN information_schema.tables AS t "
            "USING (table_schema, table_name) "
            "WHERE c.table_schema = ANY(current_schemas(false)) "
            "AND t.table_type = 'BASE TABLE' "
            "AND c.data_type IN ('text', 'character varying', 'character', "
            "'json', 'jsonb', 'ARRAY') "
            "ORDER BY c.table_name, c.ordinal_position")
        rows = cursor.fetchall()
    else:
        cursor.execute(
            "SELECT m.name, p.name FROM sqlite_master AS m "
            "JOIN pragma_table_info(m.name) AS p "
            "WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%' "
            "AND p.type NOT IN ('INTEGER', 'BLOB', 'BOOLEAN', 'DATE') "
            "ORDER BY m.name, p.cid")
        rows = cursor.fetchall()
    for table, column in rows:
        if not EXCEPTED.match(table) and table != LINES:
            yield table, column


def _find_codes(cursor, columns, codes, found):
    prefixes = {c.partition('-')[0] for c in codes}
    pattern = re.compile(r'[0-9A-Z]+-[0-9A-Z]+', re.IGNORECASE)
    for table_name, column_name in columns:
        table = Table(table_name)
        text = Cast(Column(table, column_name), 'TEXT')
        for prefix in sorted(prefixes):
            cursor.execute(*table.select(
                    text, where=Like(Lower(text), f'%{prefix.lower()}-%')))
            number = sum(
                bool(codes & {
                        m.upper() for m in pattern.findall(value)})
                for value, in cursor)
            if number:
                found[f'{table_name}.{column_name}'] += number
