# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Tables that the database itself refuses to change.

The triggers are a guard rail and not a boundary, as the server owns the
tables: the seals are what proves that nothing was changed. They let go what a
purge deletes, under a flag that ends with the transaction.
"""

from contextlib import contextmanager

from trytond import backend
from trytond.transaction import Transaction

FLAG = 'early_access.purge'
FLAG_TABLE = 'early_access_audit_purge'


def unguard(table):
    "Let the table change, because an update of the module alters it."
    cursor = Transaction().connection.cursor()
    for name, _ in _triggers(table):
        if backend.name == 'postgresql':
            cursor.execute(
                'SELECT 1 FROM pg_class WHERE relname = %s', (table,))
            if cursor.fetchone():
                cursor.execute(f'DROP TRIGGER IF EXISTS {name} ON {table}')
        else:
            cursor.execute(f'DROP TRIGGER IF EXISTS {name}')


def guard(table):
    "Refuse to update, delete or truncate the rows of the table."
    unguard(table)
    cursor = Transaction().connection.cursor()
    if backend.name == 'postgresql':
        cursor.execute(
            'CREATE OR REPLACE FUNCTION early_access_audit_refuse() '
            'RETURNS trigger AS $$ BEGIN '
            f"IF TG_OP = 'DELETE' AND current_setting('{FLAG}', true) = 'on' "
            'THEN RETURN OLD; END IF; '
            "RAISE EXCEPTION 'the rows of % cannot be changed', "
            "TG_TABLE_NAME USING ERRCODE = 'restrict_violation'; "
            'END $$ LANGUAGE plpgsql')
    else:
        cursor.execute(
            f'CREATE TABLE IF NOT EXISTS {FLAG_TABLE} (flag INTEGER)')
    for _, statement in _triggers(table):
        cursor.execute(statement)


def _triggers(table):
    "Yield the name of each trigger and the statement that creates it."
    if backend.name == 'postgresql':
        name = f'{table}_row'
        yield name, (
            f'CREATE TRIGGER {name} BEFORE UPDATE OR DELETE ON {table} '
            'FOR EACH ROW EXECUTE FUNCTION early_access_audit_refuse()')
        name = f'{table}_all'
        yield name, (
            f'CREATE TRIGGER {name} BEFORE TRUNCATE ON {table} '
            'FOR EACH STATEMENT EXECUTE FUNCTION early_access_audit_refuse()')
    else:
        for event, condition in [
                ('UPDATE', ''),
                ('DELETE',
                    f'WHEN NOT EXISTS (SELECT 1 FROM {FLAG_TABLE}) ')]:
            name = f'{table}_{event.lower()}'
            yield name, (
                f'CREATE TRIGGER {name} BEFORE {event} ON {table} '
                f'{condition}BEGIN SELECT RAISE(ABORT, '
                f"'the rows of {table} cannot be changed'); END")


@contextmanager
def purging():
    "Let rows be deleted in the transaction."
    cursor = Transaction().connection.cursor()
    if backend.name == 'postgresql':
        cursor.execute(f"SET LOCAL {FLAG} = 'on'")
    else:
        cursor.execute(f'INSERT INTO {FLAG_TABLE} (flag) VALUES (1)')
    try:
        yield
    finally:
        if backend.name == 'postgresql':
            cursor.execute(f"SET LOCAL {FLAG} = 'off'")
        else:
            cursor.execute(f'DELETE FROM {FLAG_TABLE}')
