# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Who is in a batch, and what becomes of them at night"

import json

from sql import Literal, Null

from trytond.i18n import gettext
from trytond.model import Index, ModelSQL, ModelView, fields
from trytond.modules.early_access.transaction import forget, wait_for
from trytond.modules.early_access_audit.trail import Trail
from trytond.pool import Pool
from trytond.tools import grouped_slice
from trytond.transaction import Transaction, without_check_access

from . import replay, traits
from .anonymous import Person
from .destroying import Destroying
from .person_tables import PATIENT, check_declared, in_
from .today import current_date


class DestructionLine(ModelSQL, ModelView):
    """A person of a batch, whom nothing names once they are destroyed."""
    __name__ = 'early_access.retention.destruction.line'

    _tells_of = 'person'
    _path_to_patient = 'patient'

    destruction = fields.Many2One(
        'early_access.retention.destruction', "Destruction", required=True,
        readonly=True, ondelete='CASCADE')
    patient = fields.Many2One(
        'early_access.patient', "Patient", readonly=True, ondelete='SET NULL',
        help="Of whom the data are still in the working tables.")
    archive = fields.Many2One(
        'early_access.retention.archive', "Archive", readonly=True,
        ondelete='SET NULL')
    code = fields.Char("Code", readonly=True)
    reason = fields.Char(
        "Reason", readonly=True, help="Why the person is held back.")
    traits = fields.Text("Traits", readonly=True)
    keys = fields.Text(
        "Keys", readonly=True,
        help="The identifiers of the keys that were destroyed.")
    listed = fields.Boolean(
        "Listed", readonly=True,
        help="In the list of what is destroyed again after a restoration.")
    state = fields.Selection([
            ('waiting', "To Destroy"),
            ('destroyed', "Destroyed"),
            ('kept', "Held Back"),
            ], "State", required=True, readonly=True, sort=False)

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_indexes.update({
                Index(t, (t.destruction, Index.Range()),
                    (t.state, Index.Equality(cardinality='low'))),
                Index(t, (t.patient, Index.Range())),
                Index(t, (t.archive, Index.Range())),
                Index(t, (t.id, Index.Range()),
                    where=(t.state == 'destroyed') & (t.listed == Null)),
                })
        cls._order = [('id', 'ASC')]
        cls.__access__.add('destruction')

    @staticmethod
    def default_state():
        return 'waiting'

    @classmethod
    def get_rec_name(cls, lines, name):
        return {i.id: i.code or f'({i.id})' for i in lines}

    @property
    def person(self):
        "The anonymous.Person that waits to be counted."
        return Person(*json.loads(self.traits))

    @classmethod
    def add(cls, batch, name, ids):
        "Add persons to a batch, by the ids of the patients or archives."
        Model = Pool().get(cls._fields[name].model_name)
        table, person = cls.__table__(), Model.__table__()
        cursor = Transaction().connection.cursor()
        for group in grouped_slice(ids):
            cursor.execute(*table.insert(
                    [table.create_uid, table.destruction,
                        getattr(table, name), table.code, table.state],
                    person.select(
                        Literal(0), Literal(batch.id), person.id,
                        person.code, Literal('waiting'),
                        where=in_(person.id, list(group)))))

    @classmethod
    @without_check_access
    def retention_to_destroy(cls, after, limit):
        "Return the ids of the lines that two persons have approved."
        return [i.id for i in cls.search([
                    ('state', '=', 'waiting'),
                    ('destruction.state', '=', 'approved'),
                    ('id', '>', after),
                    ], order=[('id', 'ASC')], limit=limit)]

    @classmethod
    @without_check_access
    def retention_destroy(cls, ids):
        """Destroy persons who are approved, due and not held.

        :returns: how many are destroyed, are held back and have failed.
        """
        pool = Pool()
        Archive = pool.get('early_access.retention.archive')
        Destruction = pool.get('early_access.retention.destruction')
        Patient = pool.get(PATIENT)
        Clock = pool.get('early_access.retention.clock')
        check_declared()
        wait_for(cls.browse(ids))
        wait_for(Destruction.browse(list({
                        i.destruction.id for i in cls.browse(ids)})))
        lines = cls.search([
                ('id', 'in', ids),
                ('state', '=', 'waiting'),
                ('destruction.state', '=', 'approved'),
                ])
        Clock.follow([i.destruction.authorization for i in lines])
        patients = [i.patient for i in lines if i.patient]
        archives = [i.archive for i in lines if i.archive]
        wait_for(patients)
        wait_for(archives)
        reasons = {
            'patient': Patient.retention_blocked(patients),
            'archive': Archive.retention_blocked(archives),
            }
        not_due = gettext('early_access_retention.msg_blocked_not_due')
        due = cls._due(lines)
        to_destroy = []
        for line in lines:
            name = 'archive' if line.archive else 'patient'
            person = getattr(line, name)
            if person:
                line.reason = reasons[name].get(person.id) or (
                    None if line in due else not_due)
            if line.reason:
                line.state = 'kept'
            else:
                to_destroy.append(line)
        kept = [i for i in lines if i.state == 'kept']
        cls.save(kept)
        cls._destroy(to_destroy)
        return len(to_destroy), len(kept), 0

    @classmethod
    def _due(cls, lines):
        "Return the lines of the persons who have come to their end."
        pool = Pool()
        Clock = pool.get('early_access.retention.clock')
        Patient = pool.get(PATIENT)
        today = current_date()
        whole = {c.authorization for c in Clock.search([
                    ('destroy_on', '<=', today),
                    ])}
        ends = Patient.retention_request_ends([
                i.patient for i in lines if i.patient])
        result = []
        for line in lines:
            end = (
                line.archive.request_end if line.archive
                else ends.get(line.patient and line.patient.id))
            if line.destruction.authorization in whole or (
                    end and end <= today):
                result.append(line)
        return result

    @classmethod
    def _take_traits(cls, lines):
        "Take what the anonymous form counts, where it is an option."
        Policy = Pool().get('early_access.retention.policy')
        policies = Policy.of(
            list({i.destruction.authorization for i in lines}),
            current_date())
        for line in lines:
            policy = policies[line.destruction.authorization.id]
            if not policy or policy.end_form != 'anonymous':
                continue
            if line.archive:
                person = traits.of_archive(line.archive)
            elif line.patient:
                person = traits.of_patient(line.patient)
            else:
                continue
            line.traits = json.dumps(person)

    @classmethod
    def _destroy(cls, lines):
        pool = Pool()
        Destruction = pool.get('early_access.retention.destruction')
        cls._take_traits(lines)
        by_batch = {}
        for line in lines:
            by_batch.setdefault(line.destruction.id, []).append(line)
        counts = {}
        for batch, group in by_batch.items():
            destroying = Destroying(
                [i.patient.id for i in group if i.patient],
                [i.archive.id for i in group if i.archive])
            keys = destroying.run()
            counts[batch] = destroying.counts
            for line in group:
                name = 'archive' if line.archive else 'patient'
                person = getattr(line, name)
                line.keys = json.dumps(
                    keys[name].get(person.id, []) if person else [])
                line.state = 'destroyed'
                line.patient = line.archive = None
        forget()
        cls.save(lines)
        Destruction.add_counts(list(by_batch), counts)
        if lines:
            Trail.current().add(
                'destroy', cls.__name__, [i.id for i in lines])

    @classmethod
    def forget(cls, lines):
        "Name nobody any more, once nothing else does."
        cursor = Transaction().connection.cursor()
        table = cls.__table__()
        for group in grouped_slice(lines):
            cursor.execute(*table.update(
                    [table.code, table.traits], [Null, Null],
                    where=in_(table.id, [i.id for i in group])))
        forget()

    # The list of what is destroyed again after a restoration

    @classmethod
    @without_check_access
    def retention_to_list(cls, after, limit):
        return [i.id for i in cls.search([
                    ('state', '=', 'destroyed'),
                    ('listed', '!=', True),
                    ('id', '>', after),
                    ], order=[('id', 'ASC')], limit=limit)]

    @classmethod
    @without_check_access
    def retention_list(cls, ids):
        """Write in the list, outside of the database, who is destroyed.

        What is killed in between is written once more, which does no harm.
        """
        lines = cls.browse(ids)
        replay.add(
            [k for i in lines for k in json.loads(i.keys or '[]')],
            current_date())
        for line in lines:
            line.listed = True
        cls.save(lines)
        return len(ids), 0, 0

    @classmethod
    @without_check_access
    def retention_to_replay(cls, after, limit):
        """Return the ids of the keys that a restoration brought back.

        They were destroyed by a former life of the database.
        """
        DataKey = Pool().get('early_access.data_key')
        table = DataKey.__table__()
        cursor = Transaction().connection.cursor()
        found = []
        for group in grouped_slice(replay.read()):
            cursor.execute(*table.select(
                    table.id,
                    where=in_(table.uuid, list(group))
                    & (table.wrapped != Null) & (table.id > after)))
            found += [id_ for id_, in cursor]
        return sorted(found)[:limit]

    @classmethod
    @without_check_access
    def retention_replay(cls, ids):
        "Destroy again, without approval, who had been destroyed."
        pool = Pool()
        Bundle = pool.get('early_access.retention.archive.bundle')
        DataKey = pool.get('early_access.data_key')
        Patient = pool.get(PATIENT)
        check_declared()
        DataKey._announce()
        patients = Patient.search([('data_key', 'in', ids)])
        bundles = Bundle.search([('data_key', 'in', ids)])
        wait_for(patients)
        destroying = Destroying(
            [p.id for p in patients], list({b.archive.id for b in bundles}))
        destroying.run()
        forget()
        # What a related person alone has left
        DataKey.destroy(DataKey.browse([
                    i for i, *_ in DataKey.wrapped_keys(ids)]))
        Trail.current().add('destroy', Patient.__name__, [
                p.id for p in patients])
        return len(ids), 0, 0
