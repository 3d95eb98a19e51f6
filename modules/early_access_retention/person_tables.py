# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Where the data of a patient are, table by table.

The tables are declared by the method ``retention_tables`` of the patient,
which a module extends with its own. What archives and what destroys only go
through what is declared, and refuse to begin while a table that refers to a
person is not.
"""

from collections import defaultdict
from functools import lru_cache
from typing import NamedTuple

from sql import Column, Null

from trytond.i18n import gettext
from trytond.model import ModelSQL, fields
from trytond.pool import Pool, PoolMeta
from trytond.transaction import Transaction

from .exceptions import PersonTableError

PATIENT = 'early_access.patient'
# What a subject with a key of their own is
SUBJECTS = {
    PATIENT: 'patient',
    'early_access.related_person': 'related_person',
    }
# What Tryton lets be linked with any record
RESOURCES = [
    ('ir.model.log', 'resource'),
    ('ir.attachment', 'resource'),
    ('ir.note', 'resource'),
    ('ir.avatar', 'resource'),
    ('ir.email', 'resource'),
    ('ir.chat.channel', 'resource'),
    ('ir.error', 'origin'),
    ('early_access.audit.alert', 'resource'),
    ]
# What is kept with the person of what is linked
HISTORY = frozenset({'ir.model.log'})

in_ = fields.SQL_OPERATORS['in']


class Table(NamedTuple):
    """A table that tells of persons.

    :param model: the name of the model.
    :param owner: the field that leads to the patient, or to a row of a table
        that is declared before.
    :param outcome: 'move' when the rows follow the person into the archive;
        'drop' when they can be calculated again or are of no use without the
        person, and are deleted; 'cut' when the rows outlive the person, and
        lose the link (CNIL 2022-107, art. 2.4).
    """
    model: str
    owner: str
    outcome: str = 'move'


class Patient(metaclass=PoolMeta):
    __name__ = PATIENT

    @classmethod
    def retention_tables(cls):
        """Return the tables that tell of a patient, what owns before what is
        owned. To be extended by the modules that add some."""
        return [
            Table(PATIENT, 'previous', 'cut'),
            Table('early_access.patient.assignment', 'patient'),
            Table('early_access.patient.protocol_change', 'patient'),
            Table('early_access.related_person', 'patient'),
            Table('early_access.form', 'patient'),
            Table('early_access.form.correction', 'form'),
            Table('early_access.query', 'form'),
            Table('early_access.questionnaire.access', 'patient'),
            Table('early_access.completeness.patient', 'patient', 'drop'),
            Table('early_access.order.line', 'patient', 'cut'),
            Table('early_access.audit.incident.patient', 'patient', 'cut'),
            Table(
                'early_access.retention.hold-early_access.patient', 'patient',
                'drop'),
            Table(
                'early_access.retention.destruction.line', 'patient', 'cut'),
            Table('early_access.rights.request', 'patient', 'cut'),
            Table('early_access.rights.request', 'related_person', 'cut'),
            Table('early_access.rights.rectification', 'patient'),
            Table('early_access.rights.rectification', 'related_person'),
            Table('early_access.rights.limitation', 'patient'),
            Table('early_access.rights.limitation', 'related_person'),
            Table(
                'early_access.rights.limitation-early_access.form',
                'limitation'),
            Table('early_access.rights.limitation.use', 'limitation'),
            ]


def check_declared():
    """Check that every table that refers to a person is declared.

    :raises PersonTableError: naming the field that is not.
    """
    pool = Pool()
    tables = pool.get(PATIENT).retention_tables()
    gone = {PATIENT} | {t.model for t in tables if t.outcome != 'cut'}
    declared = {(t.model, t.owner) for t in tables}
    for name, Model in pool.iterobject():
        if not issubclass(Model, ModelSQL) or Model._is_table_query():
            continue
        for field_name, field in Model._fields.items():
            if (name not in gone
                    and isinstance(field, fields.Many2One)
                    and field.model_name in gone
                    and (name, field_name) not in declared):
                _refuse('msg_person_table', Model, field_name)
            if name in gone and (
                    isinstance(field, fields.Binary) and field.file_id):
                # Nothing would remove the file
                _refuse('msg_person_table_file', Model, field_name)


def _refuse(message, Model, name):
    raise PersonTableError(gettext(
            f'early_access_retention.{message}',
            name=f'{Model.__name__},{name}'))


@lru_cache
def _columns(Model):
    "Return the names of the columns of the table of a model."
    return tuple(
        n for n, f in Model._fields.items()
        if not isinstance(f, fields.Function) and f.sql_type())


class PersonRows:
    """All the rows that tell of some patients.

    :param ids: the ids of the patients, whose rows are locked.
    :param whole: read all the columns; else what is needed to delete.

    ``rows`` are lists of dictionaries by name of model, in the order in which
    they are found: to be deleted in the other one. ``subjects`` give the id
    of the key of a person by patient, then whom it is of.
    """

    def __init__(self, ids, whole=False):
        self.rows = defaultdict(list)
        self.cuts = []
        self.drops = set()
        self.subjects = defaultdict(dict)
        self.other_keys = set()
        self._whole = whole
        # By model and id: the patient, and the key of the person
        self._owners = defaultdict(dict)
        pool = Pool()
        Patient = pool.get(PATIENT)
        self._add(Patient, self._select(Patient, 'id', ids), None, False)
        for table in Patient.retention_tables():
            self._read(pool.get(table.model), table)
        models = list(self.rows)
        for name, field in RESOURCES:
            self._read_resources(pool.get(name), field, models)

    def _read(self, Model, table):
        target = Model._fields[table.owner].model_name
        owners = self._owners[target]
        if not owners:
            return
        rows = self._select(Model, table.owner, list(owners))
        if table.outcome == 'cut':
            self.cuts.append((Model, table.owner, [
                        (r['id'], owners[r[table.owner]]) for r in rows
                        if r['id'] not in self._owners[table.model]]))
        else:
            self._add(Model, rows, table.owner, table.outcome == 'drop')

    def _read_resources(self, Model, field, models):
        for name in models:
            owners = self._owners[name]
            if not self._has_resources(Model, field, name):
                continue
            references = {f'{name},{i}': i for i in owners}
            rows = self._select(Model, field, list(references))
            for row in rows:
                self._owners[Model.__name__][row['id']] = owners[
                    references[row[field]]]
            if rows:
                self.rows[Model.__name__] += rows
                if Model.__name__ not in HISTORY:
                    self.drops.add(Model.__name__)

    @staticmethod
    def _has_resources(Model, field, name):
        "Whether any record of the model is linked: most never are."
        table = Model.__table__()
        column = Column(table, field)
        cursor = Transaction().connection.cursor()
        # What follows the comma in the order of the characters
        cursor.execute(*table.select(
                table.id,
                where=(column >= f'{name},') & (column < f'{name}-'),
                limit=1))
        return bool(cursor.fetchone())

    def _names(self, Model, owner):
        if self._whole:
            return _columns(Model)
        names = {'id', owner}
        if 'data_key' in Model._fields:
            names.add('data_key')
        return sorted(names)

    def _select(self, Model, owner, ids):
        names = self._names(Model, owner)
        table = Model.__table__()
        cursor = Transaction().connection.cursor()
        cursor.execute(*table.select(
                *[Column(table, n) for n in names],
                where=in_(Column(table, owner), ids),
                order_by=table.id))
        return [dict(zip(names, row)) for row in cursor.fetchall()]

    def _add(self, Model, rows, owner, drop):
        name = Model.__name__
        known = self._owners[name]
        if drop:
            self.drops.add(name)
        target = owner and self._owners[Model._fields[owner].model_name]
        for row in rows:
            if row['id'] in known:
                continue
            patient, subject = (
                target[row[owner]] if owner else (row['id'], None))
            key = row.get('data_key')
            if name in SUBJECTS:
                subject = key
                self.subjects[patient][key] = SUBJECTS[name]
            elif key in self.subjects[patient]:
                subject = key
            elif key:
                self.other_keys.add(key)
            known[row['id']] = patient, subject
            self.rows[name].append(row)

    def owner(self, name, row):
        "Return the id of the patient, and the key of the person."
        return self._owners[name][row['id']]

    def patients_of(self, ids):
        "Return the keys of all the persons of patients."
        return [k for i in ids for k in self.subjects[i]]

    def counts(self):
        "Return how many rows go, by name of model."
        return {n: len(rows) for n, rows in self.rows.items() if rows}

    def remove(self, archives=None):
        """Take the rows away from the working tables, and cut the links.

        :param archives: the id of the archive by patient, which takes the
            place of the patient in the rows that stay.
        """
        pool = Pool()
        cursor = Transaction().connection.cursor()
        for Model, owner, links in self.cuts:
            _cut(cursor, Model, owner, links, archives)
        for name in reversed(self.rows):
            ids = [r['id'] for r in self.rows[name]]
            table = pool.get(name).__table__()
            cursor.execute(*table.delete(where=in_(table.id, ids)))
            # A form takes those that follow it with it
            if cursor.rowcount > len(ids):
                raise AssertionError(name)
        pool.get('early_access.data_key').remove(self.other_keys)


def _cut(cursor, Model, owner, links, archives):
    if not links:
        return
    table = Model.__table__()
    columns, values = [Column(table, owner)], [Null]
    if archives is None or 'archive' not in Model._fields:
        cursor.execute(*table.update(
                columns, values, where=in_(table.id, [i for i, _ in links])))
        return
    by_archive = defaultdict(list)
    for id_, (patient, _) in links:
        by_archive[archives[patient]].append(id_)
    for archive, ids in by_archive.items():
        cursor.execute(*table.update(
                [*columns, table.archive], [*values, archive],
                where=in_(table.id, ids)))
