# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Run a job as the cron does, undo it, and print the seconds that it takes.

The arguments are the name of the database, the model and the method.
"""
import sys
import time

from trytond.pool import Pool
from trytond.transaction import Transaction


def main(database, model, method):
    Pool.start()
    Pool(database).init()
    with Transaction().start(database, 0) as transaction:
        job = getattr(Pool().get(model), method)
        start = time.perf_counter()
        job()
        print(time.perf_counter() - start)
        transaction.rollback()


if __name__ == '__main__':
    main(*sys.argv[1:])
