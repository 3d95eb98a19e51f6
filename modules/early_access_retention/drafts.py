# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The end of the drafts that nobody touches"

import datetime as dt
from functools import reduce
from operator import or_

from sql.conditionals import Coalesce

from trytond.pool import Pool, PoolMeta
from trytond.transaction import Transaction, without_check_access

from .today import current_date


class Patient(metaclass=PoolMeta):
    __name__ = 'early_access.patient'

    @classmethod
    @without_check_access
    def retention_drafts(cls, after, limit):
        """Return the ids of the drafts that are to be deleted.

        Neither the request nor one of its forms was touched for the days that
        the laboratory has set; without them nothing is deleted.
        """
        cutoffs = cls._retention_cutoffs()
        if not cutoffs:
            return []
        pool = Pool()
        Form = pool.get('early_access.form')
        patient, form = cls.__table__(), Form.__table__()
        touched = Coalesce(patient.write_date, patient.create_date)
        form_touched = Coalesce(form.write_date, form.create_date)
        abandoned = [
            (patient.authorization == authorization)
            & (touched < cutoff)
            & ~patient.id.in_(form.select(
                    form.patient,
                    where=(form.patient == patient.id)
                    & (form_touched >= cutoff)))
            for authorization, cutoff in cutoffs.items()]
        cursor = Transaction().connection.cursor()
        cursor.execute(*patient.select(
                patient.id,
                where=(patient.state == 'draft')
                & (patient.id > after)
                & reduce(or_, abandoned),
                order_by=patient.id.asc, limit=limit))
        return [id_ for id_, in cursor]

    @classmethod
    def _retention_cutoffs(cls):
        "Return by id of authorization the time before which drafts end."
        pool = Pool()
        Authorization = pool.get('early_access.authorization')
        Policy = pool.get('early_access.retention.policy')
        today = current_date()
        midnight = dt.datetime.combine(today, dt.time())
        return {
            authorization: midnight - dt.timedelta(days=policy.draft_days)
            for authorization, policy in Policy.of(
                Authorization.search([]), today).items()
            if policy}

    @classmethod
    @without_check_access
    def retention_delete_drafts(cls, ids):
        """Delete abandoned drafts with all that belongs to them.

        :returns: how many are deleted, are held back and have failed.
        """
        pool = Pool()
        Form = pool.get('early_access.form')
        RelatedPerson = pool.get('early_access.related_person')
        # What was touched meanwhile is no longer abandoned
        ids = [i for i in cls.retention_drafts(ids[0] - 1, len(ids))
            if i in set(ids)]
        patients = cls.browse(ids)
        blocked = cls.retention_blocked(patients)
        patients = [p for p in patients if p.id not in blocked]
        used = {
            p.previous.id for p in cls.search([
                    ('previous', 'in', [p.id for p in patients]),
                    ])}
        kept = [p for p in patients if p.order_lines or p.id in used]
        patients = [p for p in patients if p not in kept]
        related = RelatedPerson.search([
                ('patient', 'in', [p.id for p in patients]),
                ])
        Form.delete(Form.search([
                    ('related_person', 'in', [r.id for r in related]),
                    ]))
        RelatedPerson.delete(related)
        cls.delete(patients)
        return len(patients), len(blocked), len(kept)
