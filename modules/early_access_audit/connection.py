# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Where the events are stored."

from contextlib import contextmanager

from trytond import backend


@contextmanager
def connected(database_name):
    """A cursor outside of any transaction of a request.

    What it executes is committed at the end.
    """
    database = backend.Database(database_name).connect()
    autocommit = backend.name == 'postgresql'
    connection = database.get_connection(autocommit=autocommit)
    try:
        yield connection.cursor()
        if not autocommit:
            connection.commit()
    except BaseException:
        if not autocommit:
            connection.rollback()
        raise
    finally:
        database.put_connection(connection)


@contextmanager
def savepoint(connection):
    "A cursor whose failure leaves the rest of the transaction as it is."
    cursor = connection.cursor()
    cursor.execute('SAVEPOINT early_access_trail')
    try:
        yield cursor
    except BaseException:
        cursor.execute('ROLLBACK TO SAVEPOINT early_access_trail')
        raise
    cursor.execute('RELEASE SAVEPOINT early_access_trail')
