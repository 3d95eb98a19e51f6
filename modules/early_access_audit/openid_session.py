# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The sessions of those who sign in with the provider.

They know which session they are of at the provider, which may end them, and
in which establishment the user acts.
"""

import datetime as dt

from sql import Null

from trytond.model import Index, ModelSQL, Unique, fields
from trytond.pool import Pool, PoolMeta
from trytond.transaction import Transaction, without_check_access

from . import request as requests
from .openid_provider import LEEWAY, LOGOUT_AGE
from .openid_sign_in import digest
from .session import ending

# Longer than a token is accepted
KEPT = dt.timedelta(seconds=LOGOUT_AGE + 3 * LEEWAY)


class Session(metaclass=PoolMeta):
    __name__ = 'ir.session'

    openid_subject = fields.Char("Subject at the Provider", readonly=True)
    openid_session = fields.Char("Session at the Provider", readonly=True)
    place = fields.Many2One(
        'party.party', "Establishment in Use", readonly=True,
        ondelete='CASCADE')

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_indexes.add(
            Index(
                t, (t.openid_subject, Index.Equality()),
                where=t.openid_subject != Null))

    @classmethod
    @without_check_access
    def end_openid(cls, subject, session):
        """End what the provider ended.

        :param subject: the digest of who signed out, or None.
        :param session: the digest of the session, or None for all those of
            the subject.
        """
        SignIn = Pool().get('early_access.audit.openid.sign_in')
        subjects, sessions = [], []
        if subject:
            subjects.append(('openid_subject', '=', subject))
            sessions.append(('subject', '=', subject))
        if session:
            subjects.append(('openid_session', '=', session))
            sessions.append(('provider_session', '=', session))
        SignIn.forget(sessions)
        with ending('provider'):
            cls.delete(cls.search(subjects))

    @classmethod
    @without_check_access
    def place_in_use(cls):
        """Return the establishment in which the current user acts, by id.

        :returns: None where the session is in none, and -1 where the session
            of the request has just ended.
        """
        request = requests.current.get()
        if (request is None
                or not request.session
                or requests.user_of(request) != Transaction().user):
            return
        place = getattr(request, 'early_access_place', 0)
        if place == 0:
            sessions = cls.search([
                    ('key', '=', request.session.token),
                    ('create_uid', '=', Transaction().user),
                    ], limit=1)
            place = -1
            if sessions:
                place = sessions[0].place.id if sessions[0].place else None
            request.early_access_place = place
        return place


class SessionLine(metaclass=PoolMeta):
    __name__ = 'early_access.audit.session'

    place = fields.Many2One(
        'party.party', "Establishment in Use", readonly=True)

    @classmethod
    def table_query(cls):
        query = super().table_query()
        table, = query.from_
        query.columns += (table.place.as_('place'),)
        return query


class User(metaclass=PoolMeta):
    __name__ = 'res.user'

    @classmethod
    def hospital_scope(cls):
        "Keep the scope of a hospital user to the establishment in use."
        pool = Pool()
        Service = pool.get('early_access.service')
        Session = pool.get('ir.session')
        scope = super().hospital_scope()
        if scope is None:
            return
        place = Session.place_in_use()
        if place is None:
            return scope
        services, pharmacies, _ = scope
        with without_check_access():
            services = tuple(
                s.id for s in Service.browse(services)
                if s.establishment.id == place)
        return (
            services,
            tuple(p for p in pharmacies if p == place),
            (place,) if services else ())


class Logout(ModelSQL):
    "A logout token of the provider that was used, until it is too old"
    __name__ = 'early_access.audit.openid.logout'

    token = fields.Char("Token", required=True, readonly=True)
    expires = fields.Timestamp("Expires", required=True, readonly=True)

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls.__rpc__ = {}
        t = cls.__table__()
        cls._sql_constraints += [
            ('token_unique', Unique(t, t.token),
                'early_access_audit.msg_openid_logout_unique'),
            ]

    @classmethod
    def use(cls, issuer, token):
        """Return whether the token was not used before: now it is.

        :param token: its identifier (``jti``).
        """
        table = cls.__table__()
        now = dt.datetime.now()
        query, params = table.insert(
            [table.create_date, table.token, table.expires],
            [[now, digest(issuer, token), now + KEPT]])
        cursor = Transaction().connection.cursor()
        cursor.execute(f'{query} ON CONFLICT DO NOTHING', params)
        return bool(cursor.rowcount)

    @classmethod
    def clean(cls):
        "Forget the tokens that are too old to be used, called by a cron."
        cls.delete(cls.search([('expires', '<', dt.datetime.now())]))
