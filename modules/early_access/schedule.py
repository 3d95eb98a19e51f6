# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import datetime as dt

from sql import Null, Window
from sql.aggregate import Count
from sql.functions import RowNumber

from trytond.model import ModelStorage, fields
from trytond.pool import Pool
from trytond.transaction import Transaction, without_check_access

from .answers import OPEN_STATES, compute


class ScheduleMixin(ModelStorage):
    "The forms that the protocol makes expected, and when."
    __slots__ = ()

    earliest_date = fields.Date("From", readonly=True)
    due_date = fields.Date("Due", readonly=True)
    latest_date = fields.Date("Until", readonly=True)
    overdue = fields.Function(
        fields.Boolean("Overdue"), 'get_overdue', searcher='search_overdue')
    deviation = fields.Function(
        fields.Integer(
            "Deviation",
            help="The days between the date that was due and the visit."),
        'get_deviation')

    @classmethod
    def _today(cls):
        pool = Pool()
        Date = pool.get('ir.date')
        return Date.today()

    @classmethod
    def get_overdue(cls, forms, name):
        today = cls._today()
        return {
            f.id: bool(
                f.state in OPEN_STATES and f.latest_date
                and f.latest_date < today)
            for f in forms}

    @classmethod
    def get_deviation(cls, forms, name):
        return {
            f.id: (
                (f.visit_date - f.due_date).days
                if f.visit and f.visit_date and f.due_date else None)
            for f in forms}

    @classmethod
    def search_overdue(cls, name, clause):
        _, operator, value = clause
        overdue = cls.overdue_domain()
        if (operator == '=') == bool(value):
            return overdue
        return ['NOT', overdue]

    @classmethod
    def overdue_domain(cls):
        return [
            ('state', 'in', OPEN_STATES),
            ('latest_date', '<', cls._today()),
            ]

    @classmethod
    def overdue_count(cls, patients):
        "The number of overdue forms by id of patient, where there are some."
        if not patients:
            return {}
        cursor = Transaction().connection.cursor()
        cursor.execute(*cls.overdue_query(patients))
        return dict(cursor.fetchall())

    @classmethod
    def overdue_query(cls, patients=None):
        "The SQL query of the patient and the number of overdue forms."
        table = cls.__table__()
        where = (
            table.state.in_(OPEN_STATES)
            & (table.latest_date < cls._today()))
        if patients is not None:
            where &= fields.SQL_OPERATORS['in'](
                table.patient, [p.id for p in patients])
        return table.select(
            table.patient, Count(table.id).as_('overdue'),
            where=where, group_by=table.patient)

    @classmethod
    def next_due(cls, patients):
        "The (id, due date) of the next open form by id of patient."
        table = cls.__table__()
        cursor = Transaction().connection.cursor()
        in_ = fields.SQL_OPERATORS['in']
        result = {}
        if not patients:
            return result
        window = Window(
            [table.patient],
            order_by=[table.due_date.asc.nulls_first, table.id.asc])
        ranked = table.select(
            table.patient, table.id, table.due_date,
            RowNumber(window=window).as_('rank'),
            where=in_(table.patient, [p.id for p in patients])
            & table.state.in_(OPEN_STATES)
            # A group is filled in with the form of which it is a part
            & (table.parent == Null))
        cursor.execute(*ranked.select(
                ranked.patient, ranked.id, ranked.due_date,
                where=ranked.rank == 1))
        for patient, id_, due_date in cursor:
            if isinstance(due_date, str):
                # SQLite does not know the type of a sub-query's column
                due_date = dt.date.fromisoformat(due_date)
            result[patient] = (id_, due_date)
        return result

    # What makes forms expected

    @classmethod
    def _expected(cls, patient, definition, visit=None, dates=None):
        earliest, due, latest = dates or (None, None, None)
        return {
            'patient': patient.id,
            'definition': definition.id,
            'visit': visit.id if visit else None,
            'earliest_date': earliest,
            'due_date': due,
            'latest_date': latest,
            }

    @classmethod
    def expect_access(cls, patients):
        "The access form of each new request."
        to_create = []
        for patient in patients:
            definition = patient.protocol.form_definition('access')
            to_create.append(cls._expected(patient, definition))
        cls.create(to_create)

    @classmethod
    def schedule(cls, patients):
        """The initiation form and those of the calendar of visits.

        A form under conditions is expected as soon as they are fulfilled.
        """
        to_create = []
        values = cls._known_values(patients)
        for patient in patients:
            protocol = patient.protocol
            start = patient.first_administration_date
            definition = protocol.form_definition('initiation')
            to_create.append(cls._expected(
                    patient, definition,
                    dates=definition.dates(start)))
            to_create += cls._expected_visits(patient, values[patient.id])
        cls.create(to_create)

    @classmethod
    def _expected_visits(cls, patient, values):
        start = patient.first_administration_date
        for visit in patient.protocol.visits:
            dates = visit.dates(start)
            for form in visit.forms:
                if form.holds(values):
                    yield cls._expected(patient, form, visit, dates)

    @classmethod
    @without_check_access
    def _known_values(cls, patients):
        """What the conditions of the forms are judged on, by id of patient.

        The answers of the forms that were submitted, the latest visit last,
        and the computed values of today.
        """
        values = {p.id: {} for p in patients}
        conditional = [p for p in patients if p.protocol.has_form_conditions]
        if not conditional:
            return values
        facts = cls._facts([p.id for p in conditional])
        today = cls._today()
        for patient in conditional:
            values[patient.id] = compute(
                patient.protocol.computed_variables,
                facts[patient.id]._replace(date=today))
        forms = cls.search([
                ('patient', 'in', [p.id for p in conditional]),
                ('state', 'in', ['submitted', 'verified', 'locked']),
                ('related_person', '=', None),
                ('parent', '=', None),
                ], order=[('visit_date', 'ASC NULLS FIRST'), ('id', 'ASC')])
        for form in forms:
            values[form.patient.id].update(
                (n, v) for n, v in (form.answers or {}).items()
                if v is not None)
        return values

    @classmethod
    @without_check_access
    def update_schedule(cls, patients):
        """Expect the forms whose conditions are fulfilled now, and no longer
        those whose conditions are not, if nothing was entered in them."""
        patients = [
            p for p in patients
            if p.state == 'treated' and p.protocol.has_form_conditions]
        if not patients:
            return
        values = cls._known_values(patients)
        to_create, to_expect, to_close = [], [], []
        for patient in patients:
            known = {
                (f.visit.id, f.definition.id): f for f in patient.forms
                if f.visit}
            for expected in cls._expected_visits(patient, values[patient.id]):
                form = known.pop(
                    (expected['visit'], expected['definition']), None)
                if form is None:
                    to_create.append(expected)
                elif form.state == 'not_applicable':
                    to_expect.append(form)
            to_close += [
                f for f in known.values()
                if f.state == 'expected' and f.definition.conditions
                and f.definition.protocol == patient.protocol]
        cls.create(to_create)
        cls.expect(to_expect)
        cls.not_applicable(to_close)

    @classmethod
    def reschedule(cls, patients):
        """Expect the forms of the version to which the patients moved.

        What is not entered is replaced. A visit that was already entered
        under the same name is not expected again, nor one that would be late
        from the start without having been expected before.
        """
        today = cls._today()
        values = cls._known_values(patients)
        to_create, to_delete = [], []
        for patient in patients:
            entered, expected = set(), set()
            for form in patient.forms:
                if form.visit:
                    key = form.visit.name, form.definition.name
                elif form.kind == 'initiation':
                    key = form.kind
                else:
                    continue
                if form.state in {'expected', 'not_applicable'}:
                    expected.add(key)
                    to_delete.append(form)
                else:
                    entered.add(key)
            start = patient.first_administration_date
            initiation = patient.protocol.form_definition('initiation')
            if 'initiation' not in entered:
                to_create.append(cls._expected(
                        patient, initiation, dates=initiation.dates(start)))
            for new in cls._expected_visits(patient, values[patient.id]):
                key = cls._visit_key(new)
                late = new['latest_date'] < today
                if key not in entered and (key in expected or not late):
                    to_create.append(new)
        cls.delete(to_delete)
        cls.create(to_create)

    @classmethod
    def _visit_key(cls, values):
        pool = Pool()
        Definition = pool.get('early_access.protocol.form')
        Visit = pool.get('early_access.protocol.visit')
        return (
            Visit(values['visit']).name,
            Definition(values['definition']).name)

    @classmethod
    def move_schedule(cls, patients):
        """Count what is not yet entered from the first administration.

        What was entered keeps the dates at which it was expected.
        """
        to_save = []
        for patient in patients:
            start = patient.first_administration_date
            for form in patient.forms:
                if form.state != 'expected':
                    continue
                if form.visit:
                    dates = form.visit.dates(start)
                elif form.kind == 'initiation':
                    dates = form.definition.dates(start)
                else:
                    continue
                form.earliest_date, form.due_date, form.latest_date = dates
                to_save.append(form)
        cls.save(to_save)

    @classmethod
    def discontinue(cls, patients):
        """Expect the discontinuation form, and no longer what was due after
        the treatment was stopped."""
        to_create, to_close = [], []
        for patient in patients:
            stop = patient.discontinuation_date
            for form in patient.forms:
                if (form.state in OPEN_STATES
                        and form.earliest_date
                        and form.earliest_date > stop):
                    to_close.append(form)
            protocol = patient.protocol
            definition = protocol.form_definition('discontinuation')
            to_create.append(cls._expected(
                    patient, definition, dates=definition.dates(stop)))
            if patient.stop_reason == 'adverse_effect':
                event = protocol.form_definition('adverse_event')
                if event and not any(
                        f.kind == 'adverse_event' for f in patient.forms):
                    to_create.append(cls._expected(
                            patient, event, dates=event.dates(stop)))
        cls.not_applicable(to_close)
        cls.create(to_create)
