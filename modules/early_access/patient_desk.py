# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import datetime as dt

from sql.conditionals import Coalesce

from trytond.model import fields
from trytond.pool import Pool
from trytond.pyson import Eval


class PatientDesk:
    """What the lists show of the follow-up of the patients.

    It is read for a page of patients at a time: the number of queries does
    not depend on the number of patients.
    """
    __slots__ = ()

    next_form = fields.Function(
        fields.Many2One('early_access.form', "Next Form"), 'get_next_form')
    next_due_date = fields.Function(
        fields.Date("Due"), 'get_next_form')
    initiation_due_date = fields.Function(
        fields.Date(
            "Initiation Expected Until", states={
                'invisible': ~Eval('initiation_due_date'),
                }), 'get_initiation_due_date')
    initiation_late = fields.Function(
        fields.Boolean("Initiation Late"), 'get_initiation_due_date')
    overdue_forms = fields.Function(
        fields.Integer("Overdue Forms"), 'get_overdue_forms',
        searcher='search_overdue_forms')

    @classmethod
    def get_next_form(cls, patients, names):
        pool = Pool()
        Form = pool.get('early_access.form')
        next_ = Form.next_due(patients)
        result = {}
        if 'next_form' in names:
            result['next_form'] = {
                p.id: next_[p.id][0] if p.id in next_ else None
                for p in patients}
        if 'next_due_date' in names:
            result['next_due_date'] = {
                p.id: next_[p.id][1] if p.id in next_ else None
                for p in patients}
        return result

    @classmethod
    def get_initiation_due_date(cls, patients, names):
        today = cls._today()
        result = {n: {} for n in names}
        for patient in patients:
            due = None
            days = patient.protocol.initiation_days
            if patient.state == 'eligible' and days:
                due = patient.accepted_at.date() + dt.timedelta(days=days)
            values = {
                'initiation_due_date': due,
                'initiation_late': bool(due and due < today),
                }
            for name in names:
                result[name][patient.id] = values[name]
        return result

    @classmethod
    def get_overdue_forms(cls, patients, name):
        pool = Pool()
        Form = pool.get('early_access.form')
        counts = Form.overdue_count(patients)
        return {p.id: counts.get(p.id, 0) for p in patients}

    @classmethod
    def search_overdue_forms(cls, name, clause):
        pool = Pool()
        Form = pool.get('early_access.form')
        _, operator, value = clause
        Operator = fields.SQL_OPERATORS[operator]
        table = cls.__table__()
        overdue = Form.overdue_query()
        count = Coalesce(overdue.overdue, 0)
        query = (table
            .join(overdue, 'LEFT', condition=overdue.patient == table.id)
            .select(table.id, where=Operator(count, value)))
        return [('id', 'in', query)]
