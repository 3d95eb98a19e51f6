# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import datetime as dt

from sql.aggregate import Count

import trytond.config as config
from trytond.model import Index, ModelSQL, fields
from trytond.transaction import Transaction


class QuestionnaireAttempt(ModelSQL):
    """A request to the page of the questionnaires, counted for some minutes.

    It is in the database to be the same for all the processes and to outlive
    them. Neither the address nor the pseudonym is kept, but a keyed digest.
    """
    __name__ = 'early_access.questionnaire.attempt'

    source = fields.Char("Source", required=True, readonly=True)

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_indexes.update({
                Index(
                    t, (t.source, Index.Equality(cardinality='high')),
                    (t.create_date, Index.Range())),
                Index(t, (t.create_date, Index.Range())),
                })

    @staticmethod
    def window():
        "How long an attempt counts, in seconds."
        return config.getint(
            'early_access', 'questionnaire_window', default=600)

    @staticmethod
    def limits():
        """Return how many attempts are admitted in the window.

        :returns: those of one pseudonym, and those that failed from one
            network. A hospital reaches the Internet from a single address.
        """
        return (
            config.getint(
                'early_access', 'questionnaire_max_attempt', default=60),
            config.getint(
                'early_access', 'questionnaire_max_failure_ip_network',
                default=30))

    @classmethod
    def _since(cls):
        return dt.datetime.now() - dt.timedelta(seconds=cls.window())

    @classmethod
    def reached(cls, source, limit):
        "Return whether the source has made as many attempts as the limit."
        table = cls.__table__()
        cursor = Transaction().connection.cursor()
        cursor.execute(*table.select(
                Count(table.id),
                where=(table.source == source)
                & (table.create_date >= cls._since())))
        count, = cursor.fetchone()
        return count >= limit

    @classmethod
    def add(cls, *sources):
        cls.create([{'source': source} for source in sources])

    @classmethod
    def clean(cls):
        "Forget the attempts that no longer count."
        table = cls.__table__()
        cursor = Transaction().connection.cursor()
        cursor.execute(*table.delete(
                where=table.create_date < cls._since()))
