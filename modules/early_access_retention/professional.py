# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import datetime as dt

from dateutil.relativedelta import relativedelta
from sql import Column, Null
from sql.conditionals import Coalesce

from trytond.i18n import gettext
from trytond.model import fields
from trytond.pool import Pool, PoolMeta
from trytond.transaction import Transaction, without_check_access

from .rights_clock import OPEN_STATES
from .today import current_date

# How long who ordered must be known (good distribution practice)
ORDER_YEARS = 5


class Professional(metaclass=PoolMeta):
    __name__ = 'early_access.professional'

    unneeded_since = fields.Date(
        "Not Needed Since", readonly=True,
        help="The night in which nothing needed the professional any more.")

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls._protected |= {'unneeded_since'}

    @classmethod
    @without_check_access
    def retention_needed(cls, professionals):
        """Return why professionals are still needed, by the id of those who
        are.

        To be extended with what else refers to them. It is asked again in the
        transaction that erases them.
        """
        result = {}
        for name, ids in cls._retention_needs(cls.browse(professionals)):
            for id_ in ids:
                result.setdefault(id_, gettext(
                        f'early_access_retention.msg_needed_{name}'))
        return result

    @classmethod
    def _retention_needs(cls, professionals):
        "Yield the name of each need and the ids of whom it is."
        pool = Pool()
        Delegation = pool.get('early_access.delegation')
        Recipient = pool.get('early_access.rights.recipient')
        Request = pool.get('early_access.rights.request')
        ids = [p.id for p in professionals]
        users = {p.user.id: p.id for p in professionals if p.user}
        yield 'active', [p.id for p in professionals if p.state == 'active']
        yield 'user', [
            p.id for p in professionals if p.user and p.user.active]
        yield 'patient', cls._retention_patients(ids)
        yield 'order', cls._retention_orders(ids)
        yield 'delegation', [
            users[d.user.id] for d in Delegation.search([
                    ('user', 'in', list(users)),
                    ('to_date', '>=', current_date()),
                    ])]
        for Model, state in [
                (Request, 'state'), (Recipient, 'request.state')]:
            yield 'request', [
                r.professional.id for r in Model.search([
                        ('professional', 'in', ids),
                        (state, 'in', OPEN_STATES),
                        ])]

    @classmethod
    def _retention_refers(cls, Model, name, ids, where=None):
        "Return those of the ids to whom records of the model refer."
        if not ids:
            return []
        table = Model.__table__()
        column = Column(table, name)
        condition = fields.SQL_OPERATORS['in'](column, ids)
        if where:
            condition &= where(table)
        cursor = Transaction().connection.cursor()
        cursor.execute(*table.select(
                column, where=condition, group_by=column))
        return [id_ for id_, in cursor]

    @classmethod
    def _retention_patients(cls, ids):
        """Return those of the ids whom the data of patients name.

        To be narrowed where rows stay of patients who are destroyed.
        """
        pool = Pool()
        return [
            id_ for name in [
                'early_access.patient', 'early_access.patient.assignment']
            for id_ in cls._retention_refers(
                pool.get(name), 'prescriber', ids)]

    @classmethod
    def _retention_orders(cls, ids):
        Order = Pool().get('early_access.order')
        cutoff = dt.datetime.combine(
            current_date() - relativedelta(years=ORDER_YEARS),
            dt.time())
        return cls._retention_refers(
            Order, 'requested_by', ids,
            lambda t: Coalesce(
                t.received_at, t.shipped_at, t.submitted_at,
                t.create_date) >= cutoff)

    # Job of the night

    @classmethod
    @without_check_access
    def retention_professionals(cls, after, limit):
        """Return the ids of the professionals who are not erased.

        There are none while the laboratory has set no period.
        """
        pool = Pool()
        End = pool.get('early_access.retention.professional_end')
        Policy = pool.get('early_access.retention.policy')
        if Policy.professional_period(current_date()) is None:
            return []
        professional, end = cls.__table__(), End.__table__()
        cursor = Transaction().connection.cursor()
        cursor.execute(*professional.join(
                end, 'LEFT',
                condition=(end.professional == professional.id)
                & (end.state == 'erased')).select(
                professional.id,
                where=(professional.id > after) & (end.id == Null),
                order_by=professional.id.asc, limit=limit))
        return [id_ for id_, in cursor]

    @classmethod
    @without_check_access
    def retention_end(cls, ids):
        """Propose the end of those whom nothing needs, and erase those whose
        end is approved.

        :returns: how many are proposed or erased, are needed again and have
            failed.
        """
        End = Pool().get('early_access.retention.professional_end')
        professionals = cls.browse(ids)
        needed = cls.retention_needed(professionals)
        cls._retention_note(professionals, needed)
        kept = End.keep_needed(needed)
        erased, failed = End.erase(ids)
        proposed = End.propose(
            [p for p in cls.browse(ids) if p.id not in needed])
        return len(proposed) + erased, kept, failed

    @classmethod
    def _retention_note(cls, professionals, needed):
        "Keep since when nothing needs them."
        today = current_date()
        cls.write([
                p for p in professionals
                if p.id in needed and p.unneeded_since],
            {'unneeded_since': None})
        cls.write([
                p for p in professionals
                if p.id not in needed and not p.unneeded_since],
            {'unneeded_since': today})

    @classmethod
    def copy(cls, professionals, default=None):
        default = default.copy() if default is not None else {}
        default.setdefault('unneeded_since')
        return super().copy(professionals, default=default)
