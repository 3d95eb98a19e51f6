# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The accounts that nobody uses (CNIL 2022-107, SEC-HAB-2)."

import datetime as dt

from sql.aggregate import Max
from sql.conditionals import Coalesce

import trytond.config as config
from trytond.model import Index, ModelSQL, fields
from trytond.pool import Pool, PoolMeta
from trytond.tools import grouped_slice
from trytond.transaction import Transaction, without_check_access

from . import notice
from .access_review import managers


def default_days():
    "Return after how many days an account whose roles say nothing is unused."
    return config.getint('early_access', 'dormancy_days', default=90)


class LastUse(ModelSQL):
    """When a user came in.

    It is a row per time, folded later: a column of the user would make who
    logs in wait for who changes the user.
    """
    __name__ = 'early_access.audit.last_use'

    user = fields.Many2One(
        'res.user', "User", required=True, readonly=True, ondelete='CASCADE')
    at = fields.Timestamp("Time", required=True, readonly=True)

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls.__rpc__ = {}
        t = cls.__table__()
        cls._sql_indexes.add(
            Index(t, (t.user, Index.Range()), (t.at, Index.Range())))

    @classmethod
    def add(cls, user):
        "Keep that the user, by id, comes in now."
        with Transaction().set_user(0), without_check_access():
            cls.create([{'user': user, 'at': dt.datetime.now()}])

    @classmethod
    def query(cls):
        "Return a query of the last time by user."
        table = cls.__table__()
        return table.select(
            table.user, Max(table.at).as_('at'), group_by=table.user)

    @classmethod
    def fold(cls):
        "Keep the last time of each user only."
        table, older, newer = (cls.__table__() for _ in range(3))
        Transaction().connection.cursor().execute(*table.delete(
                where=table.id.in_(older.join(
                        newer,
                        condition=(newer.user == older.user)
                        & (newer.at > older.at)).select(older.id))))


class Role(metaclass=PoolMeta):
    __name__ = 'res.role'

    dormancy_days = fields.Integer(
        "Unused After", required=True,
        domain=[
            ('dormancy_days', '>', 0),
            ],
        help="After how many days without logging in an account is shown as "
        "unused, and the next action is an anomaly.\n"
        "The longest of the roles of a user counts.")

    @staticmethod
    def default_dormancy_days():
        return default_days()

    @classmethod
    def dormancy_query(cls, at):
        "Return a query of the longest delay by user, of the roles held then."
        UserRole = Pool().get('res.user.role')
        role, user_role = cls.__table__(), UserRole.__table__()
        return user_role.join(
            role, condition=user_role.role == role.id).select(
            user_role.user, Max(role.dormancy_days).as_('days'),
            where=(user_role.from_date <= at) & (user_role.to_date > at),
            group_by=user_role.user)


class Session(metaclass=PoolMeta):
    __name__ = 'ir.session'

    @classmethod
    def new(cls, values=None):
        LastUse = Pool().get('early_access.audit.last_use')
        LastUse.add(Transaction().user)
        return super().new(values)


class User(metaclass=PoolMeta):
    __name__ = 'res.user'

    last_login = fields.Function(
        fields.Timestamp("Last Login"), 'get_last_login')
    dormant_since = fields.Date(
        "Unused Since", readonly=True, loading='lazy',
        help="When the account was found not to be used any more.")

    @classmethod
    def get_last_login(cls, users, name):
        LastUse = Pool().get('early_access.audit.last_use')
        table = LastUse.__table__()
        cursor = Transaction().connection.cursor()
        result = {u.id: None for u in users}
        cursor.execute(*table.select(
                table.user, Max(table.at),
                where=fields.SQL_OPERATORS['in'](table.user, list(result)),
                group_by=table.user))
        for user, at in cursor:
            if isinstance(at, str):
                # SQLite gives the greatest as text
                at = dt.datetime.fromisoformat(at)
            result[user] = at
        return result

    @classmethod
    def dormancy_delays(cls, users, at):
        """Return the delays, in days, by user.

        :param users: the ids of the users.
        :param at: when they held the roles that count; who held none is not
            in the answer.
        """
        query = Pool().get('res.role').dormancy_query(at)
        cursor = Transaction().connection.cursor()
        cursor.execute(*query.select(
                query.user, query.days,
                where=fields.SQL_OPERATORS['in'](query.user, users)))
        return dict(cursor)

    @classmethod
    def dormant(cls, now):
        """Return the ids of the active users who do not use their account.

        Who never logged in counts from when the account was created. The
        machines are left out: their keys have an end and an owner.
        """
        pool = Pool()
        Application = pool.get('res.user.application')
        LastUse = pool.get('early_access.audit.last_use')
        Role = pool.get('res.role')
        user, application = cls.__table__(), Application.__table__()
        last = LastUse.query()
        delays = Role.dormancy_query(now)
        cursor = Transaction().connection.cursor()
        cursor.execute(*user.join(
                last, 'LEFT', condition=last.user == user.id).join(
                delays, 'LEFT', condition=delays.user == user.id).select(
                user.id, Coalesce(last.at, user.create_date), delays.days,
                where=user.active & (user.id != 0)
                & ~user.id.in_(application.select(
                        application.user,
                        where=application.user != None))))  # noqa: E711
        result = []
        for id_, at, days in cursor:
            if isinstance(at, str):
                at = dt.datetime.fromisoformat(at)
            if at and at < now - dt.timedelta(days=days or default_days()):
                result.append(id_)
        return result

    @classmethod
    @without_check_access
    def flag_dormant(cls):
        """Flag the accounts that are not used, called by a cron.

        The administrators and the security officers are told of the new ones.
        """
        pool = Pool()
        Date = pool.get('ir.date')
        LastUse = pool.get('early_access.audit.last_use')
        LastUse.fold()
        found = set(cls.dormant(dt.datetime.now()))
        flagged = {
            u.id for u in cls.search([('dormant_since', '!=', None)])}
        for ids, date in [
                (found - flagged, Date.today()), (flagged - found, None)]:
            for users in grouped_slice(sorted(ids)):
                cls.write(cls.browse(list(users)), {'dormant_since': date})
        if new := found - flagged:
            with Transaction().set_context(dormant_accounts=len(new)):
                for user in managers():
                    notice.send('early_access.audit.dormancy', user, [user])


class DormancyNotice(notice.Notice):
    "Tell how many accounts are not used any more"
    __name__ = 'early_access.audit.dormancy'

    @classmethod
    def get_context(cls, records, header, data):
        context = super().get_context(records, header, data)
        context['number'] = Transaction().context.get('dormant_accounts')
        return context
