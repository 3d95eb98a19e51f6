# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The first request that a process answers."

from functools import wraps

from trytond import security
from trytond.pool import Pool
from trytond.transaction import Transaction


def replace_functions():
    """Replace what Tryton does before it loads the models of a database.

    This is called as soon as the package is imported.
    """
    security.check = load_first(security.check)
    security.reset_password = ask_link(security.reset_password)


def load_first(check):
    """Load the models of a database before a session is checked.

    Where they are not loaded Tryton checks with SQL of its own, which knows
    no idle time.
    """
    @wraps(check)
    def wrapper(dbname, user, session, context=None):
        if dbname not in Pool.database_list():
            with Transaction().start(dbname, 0, readonly=True):
                Pool(dbname).init()
        return check(dbname, user, session, context=context)
    return wrapper


def ask_link(reset_password):
    """Only note that a user asked for another password.

    The same is done for a login that exists and for one that does not. Tryton
    would look for the user, write a password in clear and send it.
    """
    @wraps(reset_password)
    def wrapper(dbname, login, context=None):
        with Transaction().start(dbname, 0, context=context):
            pool = security._get_pool(dbname)
            try:
                Request = pool.get('early_access.audit.reset_request')
            except KeyError:
                Request = None
            else:
                Request.ask(login)
        if Request is None:
            reset_password(dbname, login, context=context)
    return wrapper
