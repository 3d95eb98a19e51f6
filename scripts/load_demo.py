# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Load a made-up laboratory with its programmes into a database.

The database has the modules early_access, early_access_audit and
early_access_retention activated and the language fr loaded.  Either it is
reached in this process, where trytond is configured::

    python scripts/load_demo.py --database demo --config config/demo.conf

or a server is asked, at an address that ends with the name of the database::

    python scripts/load_demo.py --url http://localhost:8000/demo

The users it makes have the password of the administrator.  It is read from
the file that TRYTONPASSFILE names, or else asked.

All the persons and figures are fictitious.  They are the same at each run but
for the codes of the patients, and the dates count from the day of the run.
"""
import argparse
import getpass
import logging
import os
import random
import sys
from functools import cached_property

from dateutil.relativedelta import relativedelta

from demo_data import (
    audit, authorizations, charter, fallback, forms, hospitals, laboratory,
    orders, patients, products, protocols, recipients, retention, review,
    rights, stock)
from demo_data.sessions import LocalSessions, ServerSessions

# What is done, in this order, and its share of the time
CHAPTERS = [
    ("Laboratory", laboratory.load, 4),
    ("Hospitals", hospitals.load, 7),
    ("Charter", charter.load, 2),
    ("Products", products.load, 1),
    ("Authorizations", authorizations.grant, 1),
    ("Password fallback", fallback.load, 1),
    ("Protocols", protocols.load, 12),
    ("Requests of patients", patients.request, 14),
    ("Decisions on the requests", patients.decide, 1),
    ("Treatments", patients.treat, 3),
    ("Forms", forms.answer, 21),
    ("Review of the forms", review.load, 7),
    ("Decisions on the authorizations", authorizations.follow, 1),
    ("Stock", stock.load, 2),
    ("Orders", orders.enter, 5),
    ("Supply", orders.supply, 16),
    ("Receptions", orders.receive, 2),
    ("End of treatments", patients.close, 3),
    ("Completeness", review.count, 2),
    ("Checks and incidents", audit.load, 3),
    ("Rights of persons", rights.load, 2),
    ("Review of the accesses", laboratory.review_accesses, 1),
    ("Recipients and processors", recipients.load, 3),
    ("Life of the data", retention.load, 2),
    ]


class Demo:
    "What the chapters share."

    def __init__(self, sessions, password):
        self.sessions = sessions
        self.password = password
        self.random = random.Random(2022107)
        self.today = sessions['admin'].today()
        # What is known of the patients, by their id
        self.weights = {}
        self.levels = {}

    @cached_property
    def programmes(self):
        return protocols.read_programmes(self)

    @cached_property
    def questions(self):
        return protocols.read_questions(self)

    @cached_property
    def groups(self):
        return protocols.read_groups(self)

    @cached_property
    def codes(self):
        return protocols.read_codes(self)

    def ago(self, **delta):
        "Return the date so many days, weeks, months or years ago."
        return self.today - relativedelta(**delta)


def load(demo):
    "Tell the whole story, chapter after chapter."
    total = sum(share for _, _, share in CHAPTERS)
    done = 0
    for title, chapter, share in CHAPTERS:
        show_progress(done / total, title)
        chapter(demo)
        done += share
    show_progress(1, "Done")
    print("The users have the password of the administrator.")


def show_progress(ratio, title, width=30):
    "Draw a bar on a terminal, or write a line to a file."
    bar = ('#' * round(ratio * width)).ljust(width, '.')
    line = f'[{bar}] {ratio:4.0%}  {title:<32}'
    if sys.stdout.isatty():
        print(f'\r{line}', end='\n' if ratio == 1 else '', flush=True)
    else:
        print(line.rstrip(), flush=True)


def read_password():
    path = os.environ.get('TRYTONPASSFILE')
    if path:
        with open(path) as fp:
            return fp.readline().rstrip('\n')
    if not sys.stdin.isatty():
        sys.exit(
            "To give the password of the administrator, you must name the "
            "file that holds it in TRYTONPASSFILE.")
    return getpass.getpass("Password of the administrator: ")


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        epilog="The users get the password of the administrator, read from "
        "the file that TRYTONPASSFILE names, or else asked.")
    place = parser.add_mutually_exclusive_group(required=True)
    place.add_argument(
        '--database', help="the database, reached in this process")
    place.add_argument(
        '--url', help="the address of the database on a running server")
    parser.add_argument(
        '--config', help="the configuration file of trytond, with --database")
    return parser.parse_args()


def main():
    options = parse_arguments()
    # A demonstration has no mail server
    logging.getLogger('trytond.sendmail').setLevel(logging.CRITICAL)
    password = read_password()
    if options.url:
        sessions = ServerSessions(options.url, password)
    else:
        sessions = LocalSessions(options.database, options.config)
    with sessions:
        demo = Demo(sessions, password)
        if laboratory.exists(demo):
            sys.exit(
                "To load the demonstration, you must use a database that "
                f"does not hold the company {laboratory.NAME} yet. "
                "If a former run was interrupted, make a new database.")
        load(demo)


if __name__ == '__main__':
    main()
