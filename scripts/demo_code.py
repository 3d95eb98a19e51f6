# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Print the code that a user of the demonstration enters after the password.

It stands for the telephone that nobody has of an invented person. The
environment gives LOGIN and DATABASE_URI.
"""
import os
import sys
import time

from common import VAR, Failure, locked
from demo import Demo


def main():
    login = os.environ.get('LOGIN')
    if not login:
        raise Failure("You must name a user with LOGIN=.")
    demo = Demo(os.environ.get('DATABASE_URI') or 'sqlite://', 0)
    with locked(VAR / 'demo.lock'):
        if demo.name not in demo.databases.names():
            raise Failure("There is no demonstration yet: run make demo.")
    os.environ.update(demo.environ)
    print_code(demo.name, login)


def print_code(database, login):
    # The configuration is read from the environment when it is imported
    import pyotp

    from trytond.modules.early_access_audit import settings
    from trytond.pool import Pool
    from trytond.transaction import Transaction

    if not settings.demonstration():
        raise Failure("Only a demonstration gives the codes of its users.")
    Pool.start()
    with Transaction().start(database, 0, readonly=True):
        pool = Pool(database)
        pool.init()
    Totp = pool.get('early_access.audit.totp')
    User = pool.get('res.user')
    with Transaction().start(database, 0):
        users = User.search([('login', '=', login)])
        if not users:
            raise Failure(f"There is no user '{login}'.")
        user, = users
        factor = Totp.of(user.id)
        if factor is None:
            factor = Totp.propose(user.id)
            factor.activate()
        totp = pyotp.TOTP(factor.secret())
    left = totp.interval - int(time.time()) % totp.interval
    print(f"{totp.now()} (good for {left} seconds, and once)")


if __name__ == '__main__':
    try:
        main()
    except Failure as failure:
        sys.exit(f"make code: {failure}")
