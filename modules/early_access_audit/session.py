# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import datetime as dt

from sql.conditionals import Coalesce

import trytond.config as config
from trytond.model import ModelSQL, ModelView, fields
from trytond.pool import Pool, PoolMeta
from trytond.transaction import Transaction, without_check_access

from .trail import Trail

# How often the last use of a session is written, in seconds
INTERVAL = 60


def idle_time():
    "Return how long a session lives without a request."
    return dt.timedelta(seconds=config.getint(
            'early_access', 'session_idle', default=1800))


def ending(reason):
    "The context in which sessions end for a reason."
    return Transaction().set_context(_session_end=reason)


class Session(metaclass=PoolMeta):
    __name__ = 'ir.session'

    @classmethod
    def new(cls, values=None):
        User = Pool().get('res.user')
        User.follow_roles(Transaction().user)
        return super().new(values)

    @classmethod
    def check(cls, user, key, domain=None):
        """Return True if the session of the user lives.

        It ends when it is idle, too old, or when a role of the user began or
        ended meanwhile. Tryton knows an idle time for the client alone, and
        would read all the sessions of the user at each request.
        """
        Pool().get('res.user').follow_roles(user)
        with ending('max_age'):
            result = super().check(
                user, key, domain=[('key', '=', key), domain or []])
        # What was read to find the session
        last = cls._session_reset_cache.get(key)
        if result and last and last < dt.datetime.now() - idle_time():
            with ending('idle'):
                cls.delete(cls.search([('key', '=', key)]))
            return False
        return result

    @classmethod
    def check_timeout(cls, user, key, domain=None):
        with ending('idle'):
            return super().check_timeout(user, key, domain=domain)

    @classmethod
    def reset(cls, key, domain=None):
        """Keep the time of the last use of a session.

        Tryton forgets to once a session was not used for its own timeout.
        """
        now = dt.datetime.now()
        last = cls._session_reset_cache.get(key)
        if last is None or last < now - cls._reset_interval():
            cls.write(cls.search([
                        ('key', '=', key),
                        domain or [],
                        ]), {})

    @classmethod
    def _reset_interval(cls):
        return min(dt.timedelta(seconds=INTERVAL), idle_time() / 10)

    @classmethod
    def _idle_domain(cls):
        limit = dt.datetime.now() - idle_time()
        return ['OR',
            ('write_date', '<', limit),
            [('write_date', '=', None), ('create_date', '<', limit)],
            ]

    @classmethod
    def remove(cls, key, domain=None):
        with ending('logout'):
            return super().remove(key, domain=domain)

    @classmethod
    def on_delete(cls, sessions):
        callback = super().on_delete(sessions)
        reason = Transaction().context.get('_session_end')
        users = [s.create_uid.id for s in sessions]
        if not users:
            return callback
        if reason == 'logout':
            # The transaction is of nobody
            with Transaction().set_user(users[0]):
                Trail.current().add('logout', 'res.user', users)
        else:
            Trail.current().add(
                'session_end', 'res.user', users, reason=reason)
        return callback

    @classmethod
    def clean(cls):
        "End the sessions that nobody uses, called by a cron."
        oldest = dt.datetime.now() - dt.timedelta(
            seconds=config.getint('session', 'max_age'))
        with ending('max_age'):
            cls.delete(cls.search([('create_date', '<', oldest)]))
        with ending('idle'):
            cls.delete(cls.search([cls._idle_domain()]))


class SessionLine(ModelSQL, ModelView):
    """A session as its user and the administrators see it.

    The key, which would let in whoever reads it, is no field of it.
    """
    __name__ = 'early_access.audit.session'

    user = fields.Many2One('res.user', "User", readonly=True)
    address = fields.Char("Address", readonly=True)
    begun = fields.Timestamp("Begun", readonly=True)
    last_use = fields.Timestamp("Last Use", readonly=True)

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls._order = [('last_use', 'DESC'), ('id', 'DESC')]
        cls._buttons.update(end={})

    @classmethod
    def table_query(cls):
        pool = Pool()
        ModelAccess = pool.get('ir.model.access')
        Session = pool.get('ir.session')
        table = Session.__table__()
        query = table.select(
            table.id,
            table.create_uid.as_('user'),
            table.ip_address.as_('address'),
            table.create_date.as_('begun'),
            Coalesce(table.write_date, table.create_date).as_('last_use'))
        if not ModelAccess.check('res.user', 'write', raise_exception=False):
            query.where = table.create_uid == Transaction().user
        return query

    def get_rec_name(self, name):
        return self.user.rec_name

    @classmethod
    @ModelView.button
    def end(cls, lines):
        "End the sessions: nobody sees those of others but administrators."
        Session = Pool().get('ir.session')
        with ending('button'):
            Session.delete(Session.browse([line.id for line in lines]))


class User(metaclass=PoolMeta):
    __name__ = 'res.user'

    @classmethod
    def end_sessions(cls, users, reason):
        """End the sessions of users.

        :param users: their ids.
        :param reason: a code for the trail.
        """
        Session = Pool().get('ir.session')
        with ending(reason), without_check_access():
            Session.clear(list(users))

    @classmethod
    def on_modification(cls, mode, users, field_names=None):
        # Tryton ends the sessions when these fields change
        reason = 'password' if 'password' in (field_names or ()) else 'active'
        with ending(reason):
            super().on_modification(mode, users, field_names=field_names)


class UserGroup(metaclass=PoolMeta):
    __name__ = 'res.user-res.group'

    @classmethod
    def on_delete(cls, records):
        "The sessions of who may do less end (CNIL 2022-107, SEC-HAB-2)."
        User = Pool().get('res.user')
        callback = super().on_delete(records)
        users = {r.user.id for r in records}
        callback.append(lambda: User.end_sessions(users, 'groups'))
        return callback
