# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The coarse traits of a person that an anonymous form may count.

They are taken while the person is destroyed, and wait with the line of the
batch, which nothing else leads to the person any more, until all the batch is
counted at once.
"""

import datetime as dt

from dateutil.relativedelta import relativedelta

from .anonymous import Person
from .person_tables import PATIENT

FORM = 'early_access.form'


def of_patient(patient):
    "Return the Person of a patient of the working tables."
    return _person(
        patient.sex, patient.birth_month, patient.request_date,
        patient.state, patient.first_administration_date,
        patient.discontinuation_date,
        [f.kind for f in patient.forms if not f.related_person])


def of_archive(archive):
    "Return the Person of a patient of the archive."
    for concerned, tables, _ in archive.content():
        if concerned != 'patient':
            continue
        row, = tables[PATIENT]
        values = {**row, **row['document']}
        return _person(
            values.get('sex'), values.get('birth_month'),
            values.get('request_date'), values.get('state'),
            values.get('first_administration_date'),
            values.get('discontinuation_date'),
            [r.get('kind') for r in tables.get(FORM, [])])


def _person(sex, birth, request, outcome, first, last, kinds):
    birth, request, first, last = map(
        _date, [birth, request, first, last])
    months = None
    if first and last:
        delta = relativedelta(last, first)
        months = delta.years * 12 + delta.months
    return Person(
        sex, birth and birth.year, request and request.year, outcome, months,
        kinds.count('adverse_event'))


def _date(value):
    if isinstance(value, str):
        return dt.date.fromisoformat(value)
    return value
