# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import datetime as dt
import logging
import random
import time

from sql import Null

from trytond import backend
from trytond.model import Index, ModelSQL, ModelView, Unique, fields
from trytond.model.exceptions import SQLConstraintError
from trytond.modules.early_access.keyring import KeyringError
from trytond.modules.early_access.transaction import wait_for
from trytond.pool import Pool
from trytond.pyson import Eval, If
from trytond.transaction import (
    Transaction, TransactionError, without_check_access)

from .today import current_date, kept_date

logger = logging.getLogger(__name__)

CHUNK = 200
RETRIES = 40


class Run(ModelSQL, ModelView):
    """What a job of the night did, chunk after chunk.

    A chunk and how far it got are committed together, under a lock. So a run
    that was killed is gone on with by the next one, and two at once share the
    chunks: nothing is done twice, nothing is left out.
    """
    __name__ = 'early_access.retention.run'

    # The server writes it beside what users do
    _traced_changes = False

    kind = fields.Selection([
            ('recompute', "Calculate the clocks"),
            ('announce', "Announce what comes due"),
            ('drafts', "Delete abandoned drafts"),
            ('archive', "Archive what is due"),
            ('archived', "Tell what is archived"),
            ('prepare', "Prepare destructions"),
            ('destroy', "Destroy what is approved"),
            ('list', "List what is destroyed"),
            ('certify', "Look for what is left"),
            ('complete', "Follow the backups"),
            ('replay', "Destroy again after a restoration"),
            ('professionals', "Erase professionals"),
            ], "Job", required=True, readonly=True, sort=False)
    date = fields.Date("Date", required=True, readonly=True)
    number = fields.Integer(
        "Number", required=True, readonly=True,
        help="Of the runs of the same job on the same day.")
    began_at = fields.Timestamp("Began", required=True, readonly=True)
    ended_at = fields.Timestamp("Ended", readonly=True)
    position = fields.Integer(
        "Position", required=True, readonly=True,
        help="The last record that was looked at.")
    chunks = fields.Integer("Chunks", required=True, readonly=True)
    seen = fields.Integer(
        "Looked At", required=True, readonly=True)
    acted = fields.Integer(
        "Acted On", required=True, readonly=True)
    blocked = fields.Integer(
        "Held Back", required=True, readonly=True,
        help="What a hold or a request of a person stopped.")
    failed = fields.Integer(
        "Failed", required=True, readonly=True)
    kind_string = kind.translated('kind')

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_constraints += [
            ('number_unique', Unique(t, t.kind, t.date, t.number),
                'early_access_retention.msg_run_unique'),
            ]
        cls._sql_indexes.update({
                Index(
                    t, (t.kind, Index.Equality(cardinality='low')),
                    where=t.ended_at == Null),
                Index(t, (t.began_at, Index.Range(order='DESC'))),
                })
        cls._order = [('began_at', 'DESC'), ('id', 'DESC')]

    @classmethod
    def get_rec_name(cls, runs, name):
        return {r.id: f'{r.kind_string} {r.date}' for r in runs}

    @classmethod
    def view_attributes(cls):
        return super().view_attributes() + [
            ('/tree', 'visual',
                If(~Eval('ended_at') | (Eval('failed', 0) > 0),
                    'warning', '')),
            ]

    @classmethod
    def jobs(cls):
        """Return the jobs of the night in their order, by their name.

        Each is a pair of functions: one returns the ids, in order, of what is
        to be looked at after an id, at most so many; the other does the work
        on ids and returns (acted, blocked, failed).
        """
        pool = Pool()
        Clock = pool.get('early_access.retention.clock')
        Destruction = pool.get('early_access.retention.destruction')
        Line = pool.get('early_access.retention.destruction.line')
        Patient = pool.get('early_access.patient')
        Professional = pool.get('early_access.professional')
        return {
            # Before anybody looks at what a restoration brought back
            'replay': (Line.retention_to_replay, Line.retention_replay),
            'recompute': (
                Clock.retention_authorizations, Clock.retention_recompute),
            'announce': (
                Clock.retention_to_announce, Clock.retention_announce),
            'drafts': (
                Patient.retention_drafts, Patient.retention_delete_drafts),
            'archive': (
                Patient.retention_to_archive, Patient.retention_archive),
            'archived': (
                Clock.retention_to_close, Clock.retention_close),
            'destroy': (Line.retention_to_destroy, Line.retention_destroy),
            'list': (Line.retention_to_list, Line.retention_list),
            'certify': (
                Destruction.retention_to_certify,
                Destruction.retention_certify),
            'complete': (
                Destruction.retention_to_complete,
                Destruction.retention_complete),
            'prepare': (
                Destruction.retention_to_prepare,
                Destruction.retention_prepare),
            'professionals': (
                Professional.retention_professionals,
                Professional.retention_end),
            }

    # Running

    @classmethod
    @without_check_access
    def fail(cls, kind):
        "Tell that the run which is not over could not go on."
        for run in cls.search([
                    ('kind', '=', kind),
                    ('ended_at', '=', None),
                    ]):
            run.failed += 1
            run.save()

    @classmethod
    def daily(cls):
        "Do all the jobs, called by a cron. One that fails stops no other."
        for kind in cls.jobs():
            try:
                cls.execute(kind)
            except Exception as e:
                # Another message may name a record
                logger.error("the job '%s' stopped: %s", kind, (
                        e if isinstance(e, KeyringError) else type(e)))
                cls._retry(Transaction().database.name, cls.fail, kind)

    @classmethod
    def execute(cls, kind, size=CHUNK):
        """Do a job, each chunk in a transaction of its own.

        :returns: the id of the run.
        """
        database = Transaction().database.name
        run, number = cls._retry(database, cls.begin, kind)
        while cls._retry(database, cls.step, run, size):
            pass
        if number:
            return run
        # What was left of another day: now that of today
        return cls.execute(kind, size=size)

    @classmethod
    def _retry(cls, database, func, *args):
        failures = 0
        context = kept_date()
        while True:
            try:
                with Transaction(new=True).start(
                        database, 0, context=context):
                    Run = Pool().get(cls.__name__)
                    return getattr(Run, func.__name__)(*args)
            except (backend.DatabaseOperationalError, TransactionError,
                    SQLConstraintError):
                # Another one was faster
                failures += 1
                if failures > RETRIES:
                    raise
                # Not in step with the other one
                time.sleep(random.uniform(0, .05 * failures))

    @classmethod
    @without_check_access
    def begin(cls, kind):
        """Return the id of the run that is not over, or of a new one, and
        whether it is of today."""
        today = current_date()
        open_ = cls.search([
                ('kind', '=', kind),
                ('ended_at', '=', None),
                ], order=[('id', 'ASC')], limit=1)
        if open_:
            run, = open_
            return run.id, run.date == today
        number = cls.search([
                ('kind', '=', kind),
                ('date', '=', today),
                ], count=True)
        run, = cls.create([{
                    'kind': kind,
                    'date': today,
                    'number': number + 1,
                    'began_at': dt.datetime.now().replace(microsecond=0),
                    'position': 0,
                    'chunks': 0,
                    'seen': 0,
                    'acted': 0,
                    'blocked': 0,
                    'failed': 0,
                    }])
        return run.id, True

    @classmethod
    @without_check_access
    def step(cls, run, size):
        "Do the next chunk of a run, and return whether there may be another."
        wait_for([cls(run)])
        run = cls(run)
        if run.ended_at:
            return False
        candidates, work = cls.jobs()[run.kind]
        ids = candidates(run.position, size)
        if ids:
            acted, blocked, failed = work(ids)
            run.position = ids[-1]
            run.chunks += 1
            run.seen += len(ids)
            run.acted += acted
            run.blocked += blocked
            run.failed += failed
        else:
            run.ended_at = dt.datetime.now().replace(microsecond=0)
        run.save()
        return bool(ids)
