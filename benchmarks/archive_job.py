# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Do jobs of the night for good, and print the seconds that each takes.

The arguments are the name of the database and the jobs; 'export' exports some
of the patients with their forms, and prints the seconds for each.
"""
import sys
import time

import archive_tools

from trytond.pool import Pool
from trytond.transaction import Transaction

EXPORTED = 300


def export():
    "Return the seconds that export_data takes for a patient."
    pool = Pool()
    Patient = pool.get('early_access.patient')
    Form = pool.get('early_access.form')

    def names(Model, *others):
        return [n for n, f in Model._fields.items()
            if f._type not in {'one2many', 'many2many', 'binary'}
            and (n in Model._sealed_fields
                or not hasattr(f, 'getter'))] + list(others)

    patients = Patient.search([], limit=EXPORTED)
    forms = Form.search([('patient', 'in', [p.id for p in patients])])
    start = time.perf_counter()
    Patient.export_data(patients, names(Patient))
    Form.export_data(forms, names(Form))
    return (time.perf_counter() - start) / len(patients)


def main(database, *jobs):
    Pool.start()
    Pool(database).init()
    for job in jobs:
        with Transaction().start(database, 0):
            if job == 'export':
                print(export())
            elif hasattr(archive_tools, job):
                getattr(archive_tools, job)()
            else:
                start = time.perf_counter()
                Pool().get('early_access.retention.run').execute(job)
                print(time.perf_counter() - start)


if __name__ == '__main__':
    main(*sys.argv[1:])
