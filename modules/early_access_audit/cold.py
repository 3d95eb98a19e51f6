# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The first request that a process answers."

from functools import wraps

from trytond import security
from trytond.pool import Pool
from trytond.transaction import Transaction


def check_loaded():
    """Load the models of a database before a session is checked.

    Where they are not loaded Tryton checks with SQL of its own, which knows
    no idle time. This is called as soon as the package is imported: its files
    are with the models.
    """
    security.check = load_first(security.check)


def load_first(check):
    @wraps(check)
    def wrapper(dbname, user, session, context=None):
        if dbname not in Pool.database_list():
            with Transaction().start(dbname, 0, readonly=True):
                Pool(dbname).init()
        return check(dbname, user, session, context=context)
    return wrapper
