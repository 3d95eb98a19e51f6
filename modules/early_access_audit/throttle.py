# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import datetime as dt
from typing import NamedTuple

from sql import Null
from sql.conditionals import Case, Coalesce

import trytond.config as config
from trytond import backend
from trytond.exceptions import RateLimitException
from trytond.model import Index, ModelSQL, ModelView, Unique, fields
from trytond.pyson import Eval, If
from trytond.tools import sqlite_apply_types
from trytond.transaction import Transaction

from .connection import connected

HOUR = dt.timedelta(hours=1)
DAY = dt.timedelta(days=1)
# How long a network from which a user came in stays known
KNOWN = dt.timedelta(days=90)
# As many as fit in the column of an index
SIZE = 512


class Rule(NamedTuple):
    """How the tries of a source are limited.

    :param limit: the tries after which the source is blocked.
    :param window: how long a try counts.
    :param block: the first block, in seconds, which doubles at each try that
        fails after it; None for one until the end of the window.
    """
    limit: int
    window: dt.timedelta
    block: int | None = None

    def until(self, tries, since, now):
        """Return when the next try is admitted, if this one fails.

        The two first ones are free, then each waits twice longer than the one
        before (CNIL 2022-100, limitation of the tries).
        """
        if self.block is None:
            return since + self.window if tries >= self.limit else now
        if tries >= self.limit:
            seconds = self.block * 2 ** min(tries - self.limit, 16)
        elif tries > 2:
            seconds = 2 ** (tries - 2)
        else:
            seconds = 0
        return now + min(dt.timedelta(seconds=seconds), DAY)


class Try(NamedTuple):
    """A try that was admitted.

    :param sources: those for which it counts.
    :param blocked: the kinds of those that are blocked if it fails.
    """
    sources: list
    blocked: list


class Throttle(ModelSQL, ModelView):
    """The tries of a source: a login from a network, a login, a network.

    A try is counted before the proof is looked at, in a transaction of its
    own, so that as many connections as one likes get no more tries. It is
    given back when the proof is right. Nothing sleeps, and nothing is lost
    when the server starts again.
    """
    __name__ = 'early_access.audit.throttle'

    kind = fields.Selection([
            ('login_network', "Login from a Network"),
            ('login', "Login"),
            ('network', "Network"),
            ('activation', "Activation from a Network"),
            ('reset', "Reset from a Network"),
            ('openid', "Sign-in from a Network"),
            ], "Kind", required=True, readonly=True, sort=False)
    login = fields.Char("Login", readonly=True, strip=False)
    network = fields.Char("Network", readonly=True)
    source = fields.Char("Source", required=True, readonly=True, strip=False)
    tries = fields.Integer("Tries", required=True, readonly=True)
    since = fields.Timestamp("Since", readonly=True)
    until = fields.Timestamp("Next Try From", readonly=True)
    succeeded = fields.Timestamp("Last Success", readonly=True)
    version = fields.Integer("Version", required=True, readonly=True)
    blocked = fields.Function(
        fields.Boolean("Blocked"), 'get_blocked', searcher='search_blocked')

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_constraints += [
            ('source_unique', Unique(t, t.source),
                'early_access_audit.msg_throttle_source_unique'),
            ]
        cls._sql_indexes.add(Index(t, (t.until, Index.Range())))
        cls._order = [('until', 'DESC NULLS LAST'), ('id', 'DESC')]
        cls._buttons.update(
            unblock={
                'invisible': ~Eval('blocked', False),
                'depends': ['blocked'],
                })
        # Written by the server alone
        cls.__rpc__ = {
            n: r for n, r in cls.__rpc__.items()
            if n not in {'create', 'write', 'delete', 'copy', 'import_data'}}

    @classmethod
    def view_attributes(cls):
        return super().view_attributes() + [
            ('/tree', 'visual', If(Eval('blocked', False), 'warning', '')),
            ]

    @classmethod
    def get_blocked(cls, throttles, name):
        now = dt.datetime.now()
        return {t.id: bool(t.until and t.until > now) for t in throttles}

    @classmethod
    def search_blocked(cls, name, clause):
        _, operator, value = clause
        if operator not in {'=', '!='}:
            raise NotImplementedError(operator)
        now = dt.datetime.now()
        if bool(value) == (operator == '='):
            return [('until', '>', now)]
        return ['OR', ('until', '=', None), ('until', '<=', now)]

    def get_rec_name(self, name):
        return ' '.join(filter(None, [self.login, self.network]))

    # The rules

    @classmethod
    def rules(cls):
        "Return the rules by kind, from the configuration."
        def number(section, name, default):
            return config.getint(section, name, default=default)
        return {
            'login_network': Rule(
                number('session', 'max_attempt', 5), DAY,
                number('early_access', 'login_block', 900)),
            'login': Rule(
                number('early_access', 'login_max_attempt', 25), DAY),
            'network': Rule(
                number('session', 'max_attempt_ip_network', 300), HOUR),
            'activation': Rule(
                number('early_access', 'activation_max_attempt', 30), HOUR),
            'reset': Rule(
                number('early_access', 'activation_max_attempt', 30), HOUR),
            'openid': Rule(
                number('session', 'max_attempt_ip_network', 300), HOUR),
            }

    # Counting

    @classmethod
    def admit_login(cls, login):
        """Count a try to log in.

        :param login: what was typed, whether there is such a user or not; None
            where nothing can be guessed, for the network to count alone.
        :returns: the Try, to give to succeed().
        :raises RateLimitException: when it is not admitted.
        """
        network = cls._network()
        sources = [('network', None, network)]
        if login is not None:
            login = login[:SIZE]
            sources = [
                ('login_network', login, network),
                ('login', login, None),
                *sources]
        return cls._admit(sources)

    @classmethod
    def admit(cls, kind):
        """Count a try of the network of the request.

        :returns: the Try, to give to succeed().
        :raises RateLimitException: when it is not admitted.
        """
        return cls._admit([(kind, None, cls._network())])

    @classmethod
    def _network(cls):
        _, network = Transaction().remote_address()
        return str(network or '')

    @classmethod
    def _admit(cls, sources):
        rules = cls.rules()
        counted, blocked, known = [], [], False
        with connected(Transaction().database.name) as cursor:
            for source in sources:
                kind, *_ = source
                admitted, last, succeeded = cls._count(
                    cursor, source, rules[kind],
                    # Nobody locks out who comes from a known network
                    force=kind == 'login' and known)
                known |= bool(
                    succeeded and succeeded > dt.datetime.now() - KNOWN)
                if not admitted:
                    for source in counted:
                        cls._give_back(cursor, source, rules)
                    break
                counted.append(source)
                if last:
                    blocked.append(kind)
        if not admitted:
            raise RateLimitException()
        return Try(sources, blocked)

    @classmethod
    def _count(cls, cursor, source, rule, force=False):
        """Count a try of the source.

        :returns: whether it is admitted, whether it is the last one before a
            block, and when one last succeeded.
        """
        table = cls.__table__()
        while True:
            row = cls._read(cursor, source)
            now = dt.datetime.now()
            if row is None:
                cls._insert(cursor, source, now)
                continue
            tries, since, until, succeeded, version = row
            if until and until > now and not force:
                return False, False, succeeded
            if since < now - rule.window:
                tries, since = 0, now
            tries += 1
            cursor.execute(*table.update(
                    [table.tries, table.since, table.until, table.version],
                    [tries, since, rule.until(tries, since, now),
                        version + 1],
                    where=(table.source == cls._key(source))
                    & (table.version == version)))
            # Another try of the source may have been counted meanwhile
            if cursor.rowcount:
                return True, tries == rule.limit, succeeded

    @staticmethod
    def _key(source):
        return '\n'.join(s or '' for s in source)

    @classmethod
    def _read(cls, cursor, source):
        table = cls.__table__()
        query = table.select(
            table.tries, table.since.as_('since'),
            table.until.as_('until'), table.succeeded.as_('succeeded'),
            table.version, where=table.source == cls._key(source))
        if backend.name == 'sqlite':
            sqlite_apply_types(
                query, [None, 'TIMESTAMP', 'TIMESTAMP', 'TIMESTAMP', None])
        cursor.execute(*query)
        return cursor.fetchone()

    @classmethod
    def _insert(cls, cursor, source, now):
        table = cls.__table__()
        kind, login, network = source
        query, params = table.insert(
            [table.create_date, table.kind, table.login, table.network,
                table.source, table.tries, table.since, table.version],
            [[now, kind, login, network, cls._key(source), 0, now, 0]])
        cursor.execute(f'{query} ON CONFLICT DO NOTHING', params)

    @classmethod
    def _give_back(cls, cursor, source, rules):
        table = cls.__table__()
        kind, *_ = source
        cursor.execute(*table.update(
                [table.tries, table.until, table.version],
                [Case((table.tries > 0, table.tries - 1), else_=0),
                    Case((table.tries > rules[kind].limit, table.until),
                        else_=Null),
                    table.version + 1],
                where=table.source == cls._key(source)))

    @classmethod
    def succeed(cls, try_):
        "Give back a try, which was no guess, once the transaction is over."
        transaction = Transaction()
        transaction.atexit(cls._succeed, try_, transaction.database.name)

    @classmethod
    def _succeed(cls, try_, database_name):
        table = cls.__table__()
        rules = cls.rules()
        with connected(database_name) as cursor:
            for source in try_.sources:
                kind, *_ = source
                if kind != 'login_network':
                    cls._give_back(cursor, source, rules)
                    continue
                cursor.execute(*table.update(
                        [table.tries, table.until, table.succeeded,
                            table.version],
                        [0, Null, dt.datetime.now(), table.version + 1],
                        where=table.source == cls._key(source)))

    # Ending

    @classmethod
    @ModelView.button
    def unblock(cls, throttles):
        "Let the sources try again at once."
        cls.write(throttles, {'tries': 0, 'until': None})

    @classmethod
    def clean(cls):
        "Forget what no longer counts, called by a cron."
        now = dt.datetime.now()
        table = cls.__table__()
        Transaction().connection.cursor().execute(*table.delete(
                where=(table.since < now - DAY)
                & (Coalesce(table.until, table.since) < now - DAY)
                & ((table.succeeded == Null)
                    | (table.succeeded < now - KNOWN))))
