# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What takes persons away for ever, from the working tables and the archive.

Deleting a row leaves its old version in the files and the backups of a
database: the keys make it unreadable. So the keys go first in importance, and
the rows with them (CNIL 2022-107, SEC-ARC-2).
"""

from collections import Counter

from sql import Cast, Column, Null
from sql.operators import Concat

from trytond.model import ModelSQL, fields
from trytond.pool import Pool
from trytond.transaction import Transaction

from .person_tables import PersonRows, in_

ARCHIVE = 'early_access.retention.archive'
BUNDLE = 'early_access.retention.archive.bundle'
# Where a code of a patient is written in what outlives the patient
CODES = [('early_access.audit.incident.patient', 'code')]


class Destroying:
    """Destroys patients and archives, whose rows are locked.

    :param patients: the ids of the patients of the working tables.
    :param archives: the ids of the archives.

    ``counts`` are the rows that are destroyed, by name of model.
    """

    def __init__(self, patients, archives):
        self.patients = patients
        self.archives = archives
        self.counts = Counter()
        self._cursor = Transaction().connection.cursor()

    def run(self):
        """Destroy, and return the UUIDs of the keys by id of patient and by
        id of archive, as {'patient': ..., 'archive': ...}."""
        codes = self._codes()
        keys = {
            'patient': self._destroy_patients(),
            'archive': self._destroy_archives(),
            }
        self._delete_keys(
            [k for ids in keys.values() for ks in ids.values() for k in ks])
        self._replace_codes(codes)
        return {
            name: {i: [uuid for _, uuid in ks] for i, ks in ids.items()}
            for name, ids in keys.items()}

    def _codes(self):
        codes = []
        for name, ids in [
                ('early_access.patient', self.patients),
                (ARCHIVE, self.archives)]:
            table = Pool().get(name).__table__()
            self._cursor.execute(*table.select(
                    table.code,
                    where=in_(table.id, ids) & (table.code != Null)))
            codes += [code for code, in self._cursor]
        return codes

    def _destroy_patients(self):
        if not self.patients:
            return {}
        rows = PersonRows(self.patients)
        self.counts.update(rows.counts())
        keys = self._uuids({
                p: list(subjects) for p, subjects in rows.subjects.items()})
        rows.remove()
        return keys

    def _destroy_archives(self):
        if not self.archives:
            return {}
        bundle = Pool().get(BUNDLE).__table__()
        self._cursor.execute(*bundle.select(
                bundle.archive, bundle.data_key,
                where=in_(bundle.archive, self.archives)))
        by_archive = {}
        for archive, key in self._cursor.fetchall():
            by_archive.setdefault(archive, []).append(key)
        keys = self._uuids(by_archive)
        for name, field, ondelete in self._references():
            table = Pool().get(name).__table__()
            column = Column(table, field)
            where = in_(column, self.archives)
            if ondelete == 'SET NULL':
                query = table.update([column], [Null], where=where)
            else:
                query = table.delete(where=where)
            self._cursor.execute(*query)
            if ondelete != 'SET NULL' and self._cursor.rowcount > 0:
                self.counts[name] += self._cursor.rowcount
        table = Pool().get(ARCHIVE).__table__()
        self._cursor.execute(*table.delete(
                where=in_(table.id, self.archives)))
        self.counts[ARCHIVE] += self._cursor.rowcount
        return keys

    @staticmethod
    def _references():
        "Yield the name, the field and what becomes of who names an archive."
        for name, Model in Pool().iterobject():
            if not issubclass(Model, ModelSQL) or Model._is_table_query():
                continue
            for field_name, field in Model._fields.items():
                if (isinstance(field, fields.Many2One)
                        and field.model_name == ARCHIVE):
                    yield name, field_name, field.ondelete

    def _uuids(self, keys):
        "Return the (id, uuid) of keys, which are lists of ids by person."
        DataKey = Pool().get('early_access.data_key')
        uuids = {
            i: uuid for i, uuid, _, _ in DataKey.wrapped_keys(
                [k for ids in keys.values() for k in ids])}
        return {
            p: [(k, uuids[k]) for k in ids] for p, ids in keys.items()}

    def _delete_keys(self, keys):
        DataKey = Pool().get('early_access.data_key')
        self.counts[DataKey.__name__] += DataKey.remove(
            id_ for id_, _ in keys)

    def _replace_codes(self, codes):
        if not codes:
            return
        for name, field in CODES:
            table = Pool().get(name).__table__()
            column = Column(table, field)
            number = Concat(Concat('(', Cast(table.id, 'VARCHAR')), ')')
            self._cursor.execute(*table.update(
                    [column], [number],
                    where=in_(column, codes)))
