# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The command early-access-activate.

It makes the link of the first administrator, or of one that has lost every
factor: whoever runs it holds the database and the keyring anyway.
"""

import argparse
import sys

from trytond.modules.early_access.keyring import read_configuration
from trytond.pool import Pool
from trytond.transaction import Transaction


def main(args=None):
    parser = argparse.ArgumentParser(
        prog='early-access-activate',
        description="Make a link by which a user activates the account.")
    parser.add_argument(
        '-c', '--config', metavar='FILE', nargs='+', default=[],
        help="the configuration files")
    parser.add_argument('-d', '--database', required=True)
    parser.add_argument('login', help="the login of the user")
    options = parser.parse_args(args)
    if options.config:
        read_configuration(options.config)
    Pool.start()
    pool = Pool(options.database)
    with Transaction().start(options.database, 0, readonly=True):
        pool.init()
    with Transaction().start(options.database, 0):
        Activation = pool.get('early_access.audit.activation')
        User = pool.get('res.user')
        users = User.search([('login', '=', options.login)])
        if not users:
            sys.exit(f"early-access-activate: no user '{options.login}'")
        address, code = Activation.prepare(users[0])
    print(f"Link (24 hours, once): {address}")
    print(f"Activation code: {code}")


if __name__ == '__main__':
    main()
