# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The intermediate archive (CNIL 2022-107, art. 9 and SEC-ARC-1).

A patient and those related become sealed bundles, out of the working tables.
What stays to be seen is a code, the authorization and its clock.
"""

from collections import defaultdict
from contextlib import suppress
from functools import lru_cache

from sql import Literal

from trytond.i18n import gettext
from trytond.model import Index, ModelSQL, ModelView, fields
from trytond.modules.early_access.data_key import Ciphertext, open_key
from trytond.modules.early_access.exceptions import SealError
from trytond.modules.early_access.keyring import KeyringError
from trytond.modules.early_access.transaction import forget, wait_for
from trytond.modules.early_access_audit.trail import Trail
from trytond.pool import Pool, PoolMeta
from trytond.protocols.jsonrpc import JSONDecoder
from trytond.pyson import Eval, If
from trytond.transaction import Transaction, without_check_access

from . import bundle
from .exceptions import ArchiveError
from .person_tables import PATIENT, PersonRows, check_declared, in_
from .today import current_date

_decode = JSONDecoder()


def from_json(value):
    "Return a dictionary of a sealed document, as Python has it."
    return _decode({
            n: from_json(v) if isinstance(v, dict) else v
            for n, v in value.items()})


# What the row of a bundle need not tell again
LEFT_OUT = frozenset({'sealed', 'data_key'})


@lru_cache
def references(Model):
    "Return the names of the fields that refer to records, and the models."
    return tuple(
        (n, f.model_name) for n, f in Model._fields.items()
        if isinstance(f, fields.Many2One) and n not in LEFT_OUT)


class Archive(ModelSQL, ModelView):
    """A patient in the intermediate archive.

    It tells neither who it is nor what is held: see the requests to open it.
    """
    __name__ = 'early_access.retention.archive'
    _rec_name = 'code'
    _tells_of = 'person'

    code = fields.Char(
        "Code", readonly=True,
        help="Empty for a request that was never accepted.")
    authorization = fields.Many2One(
        'early_access.authorization', "Authorization", required=True,
        readonly=True, ondelete='RESTRICT')
    company = fields.Function(
        fields.Many2One('company.company', "Company"),
        'on_change_with_company', searcher='search_company')
    archived_on = fields.Date("Archived", required=True, readonly=True)
    request_end = fields.Date(
        "End of the Request", readonly=True,
        states={
            'invisible': ~Eval('request_end'),
            },
        help="Of a request that was refused or cancelled, or of a patient "
        "who never started: earlier than that of the authorization.")
    destroy_on = fields.Function(
        fields.Date("To Destroy", help="Empty while it is not known."),
        'get_destroy_on')
    persons = fields.Integer(
        "Persons", required=True, readonly=True,
        help="The patient and the related persons, each under a key of their "
        "own.")
    bundles = fields.One2Many(
        'early_access.retention.archive.bundle', 'archive', "Bundles",
        readonly=True)

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_indexes.update({
                Index(t, (t.authorization, Index.Range()),
                    (t.id, Index.Range())),
                Index(t, (t.request_end, Index.Range())),
                })
        cls._order = [('archived_on', 'DESC'), ('id', 'DESC')]
        cls._buttons.update(
            open_={
                'icon': 'tryton-open',
                },
            )

    @classmethod
    def get_rec_name(cls, archives, name):
        return {a.id: a.code or f'({a.id})' for a in archives}

    @fields.depends('authorization', '_parent_authorization.company')
    def on_change_with_company(self, name=None):
        return self.authorization.company if self.authorization else None

    @classmethod
    def search_company(cls, name, clause):
        return [('authorization.' + clause[0], *clause[1:])]

    @classmethod
    @without_check_access
    def get_destroy_on(cls, archives, name):
        Clock = Pool().get('early_access.retention.clock')
        ends = {
            c.authorization.id: c.destroy_on for c in Clock.search([
                    ('authorization', 'in', list({
                                a.authorization.id for a in archives})),
                    ])}
        return {
            a.id: min((
                    d for d in [a.request_end, ends.get(a.authorization.id)]
                    if d), default=None)
            for a in archives}

    @classmethod
    def view_attributes(cls):
        return super().view_attributes() + [
            ('/tree', 'visual', If(~Eval('destroy_on'), 'muted', '')),
            ]

    @classmethod
    @ModelView.button_action('early_access_retention.wizard_archive_open')
    def open_(cls, archives):
        pass

    @classmethod
    @without_check_access
    def retention_blocked(cls, archives):
        """Return why archives must not be destroyed, by id, of those that
        must not. To be extended like that of the patients."""
        pool = Pool()
        Access = pool.get('early_access.retention.archive.access')
        Hold = pool.get('early_access.retention.hold')
        Request = pool.get('early_access.rights.request')
        archives = cls.browse(archives)
        result = {}
        for hold in Hold.active({a.authorization for a in archives}):
            if hold.is_whole:
                held = [
                    a.id for a in archives
                    if a.authorization == hold.authorization]
            else:
                held = [a.id for a in hold.archives]
            for id_ in held:
                result.setdefault(id_, gettext(
                        'early_access_retention.msg_blocked_hold',
                        hold=hold.rec_name,
                        until=hold.authorization._format_date(hold.until)))
        for id_, request in Request.open_of_archives(archives).items():
            result.setdefault(id_, gettext(
                    'early_access_retention.msg_blocked_request',
                    request=request.rec_name))
        for id_, access in Access.open_of(archives).items():
            result.setdefault(id_, gettext(
                    'early_access_retention.msg_blocked_access',
                    access=access.rec_name))
        return {a.id: result[a.id] for a in archives if a.id in result}

    # The content

    @without_check_access
    def content(self):
        """Return what is held, and tell the trail that it was opened.

        :returns: a list of (whom it is of, rows by name of model, names of
            other records by name of model and id).
        :raises ArchiveError: if it cannot be opened.
        """
        Trail.current().add('open', self.__name__, [self.id], ['bundles'])
        return [(b.concerned, *b.content) for b in self.bundles]


class ArchiveBundle(ModelSQL):
    "The data of one person in the archive, sealed under their key"
    __name__ = 'early_access.retention.archive.bundle'

    _traced_changes = False

    archive = fields.Many2One(
        'early_access.retention.archive', "Archive", required=True,
        ondelete='CASCADE')
    concerned = fields.Selection([
            ('patient', "Patient"),
            ('related_person', "Related person"),
            ], "Concerned", required=True, sort=False)
    data_key = fields.Many2One(
        'early_access.data_key', "Data Key", required=True,
        ondelete='RESTRICT')
    archive_kek = fields.Char("Archive Key", required=True)
    sealed = Ciphertext("Sealed Bundle", required=True)

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_indexes.update({
                Index(t, (t.archive, Index.Range())),
                Index(t, (t.data_key, Index.Range())),
                })

    @property
    def content(self):
        """The rows and the names that the bundle holds.

        :raises ArchiveError: if it cannot be opened.
        """
        DataKey = Pool().get('early_access.data_key')
        (_, uuid, kek, wrapped), = DataKey.wrapped_keys([self.data_key.id])
        try:
            return bundle.unpack(bundle.open_(
                    bundle.unwrap(self.archive_kek, kek, wrapped), uuid,
                    self.sealed))
        except (KeyringError, bundle.BundleError):
            raise ArchiveError(gettext(
                    'early_access_retention.msg_archive_unreadable',
                    archive=self.archive.rec_name)) from None


class Patient(metaclass=PoolMeta):
    __name__ = PATIENT

    @classmethod
    def retention_blocked(cls, patients):
        "An order that is under way is settled before the patient moves."
        Line = Pool().get('early_access.order.line')
        result = super().retention_blocked(patients)
        with without_check_access():
            for line in Line.search([
                        ('patient', 'in', [int(p) for p in patients]),
                        ('order.state', 'in', [
                                'draft', 'submitted', 'approved']),
                        ]):
                result.setdefault(line.patient.id, gettext(
                        'early_access_retention.msg_blocked_order',
                        order=line.order.rec_name))
        return result

    @classmethod
    @without_check_access
    def retention_to_archive(cls, after, limit):
        "Return the ids of the patients whose active period is over."
        Clock = Pool().get('early_access.retention.clock')
        clocks = Clock.due('archive')
        if not clocks:
            return []
        table = cls.__table__()
        cursor = Transaction().connection.cursor()
        cursor.execute(*table.select(
                table.id,
                where=in_(
                    table.authorization, [c.authorization.id for c in clocks])
                & (table.id > after),
                order_by=table.id, limit=limit))
        return [id_ for id_, in cursor]

    @classmethod
    @without_check_access
    def retention_archive(cls, ids):
        """Move patients to the intermediate archive.

        What is archived is read back and compared before it leaves the
        working tables.

        :returns: how many are archived, are held back and have failed.
        """
        Clock = Pool().get('early_access.retention.clock')
        check_declared()
        wait_for(cls.browse(ids))
        # Another run may have moved some of them
        patients = cls.search([('id', 'in', ids)], order=[('id', 'ASC')])
        Clock.follow([p.authorization for p in patients])
        blocked = cls.retention_blocked(patients)
        patients = [p for p in patients if p.id not in blocked]
        archived, failed = Archiving(patients).run()
        forget()
        if archived:
            Trail.current().add('archive', cls.__name__, archived)
        return len(archived), len(blocked), failed


class Archiving:
    "Moves patients, whose rows are locked, to the archive."

    def __init__(self, patients):
        pool = Pool()
        self.patients = {p.id: p for p in patients}
        self.Archive = pool.get('early_access.retention.archive')
        self.Bundle = pool.get('early_access.retention.archive.bundle')
        self.DataKey = pool.get('early_access.data_key')
        self.Patient = pool.get(PATIENT)

    def run(self):
        "Return the ids of who is archived, and how many have failed."
        if not self.patients:
            return [], 0
        self.DataKey._announce()
        self.rows = PersonRows(list(self.patients), whole=True)
        keys = self._open_keys(self.rows.patients_of(self.patients))
        clear, broken = self._clear(keys)
        if broken:
            for id_ in broken:
                del self.patients[id_]
            archived, failed = self.__class__(
                self.patients.values()).run()
            return archived, failed + len(broken)
        archives = self._store(keys, clear)
        self._read_back(archives, clear)
        self.rows.remove(archives)
        return list(self.patients), 0

    def _open_keys(self, ids):
        "Return the UUID, the cipher and the key of those that open, by id."
        keys = {}
        for id_, uuid, kek, wrapped in self.DataKey.wrapped_keys(ids):
            if wrapped is not None:
                with suppress(SealError):
                    keys[id_] = (uuid, *open_key(kek, wrapped))
        return keys

    def _clear(self, keys):
        """Return the rows by key of the person, and the ids of the patients
        whose data do not open."""
        pool = Pool()
        tables = defaultdict(lambda: defaultdict(list))
        broken = set()
        for name, rows in self.rows.rows.items():
            if name in self.rows.drops:
                continue
            Model = pool.get(name)
            sealed = hasattr(Model, '_sealed_fields')
            for row in rows:
                patient, subject = self.rows.owner(name, row)
                if subject not in keys:
                    broken.add(patient)
                    continue
                if sealed:
                    try:
                        row['document'] = self._document(
                            Model, row, keys)
                    except SealError:
                        broken.add(patient)
                tables[subject][name].append({
                        n: v for n, v in row.items()
                        if v is not None and n not in LEFT_OUT})
        names = self._names(tables)
        return {
            k: bundle.pack(t, names[k]) for k, t in tables.items()}, broken

    def _names(self, tables):
        "Return by key of the person the names of the records referred to."
        pool = Pool()
        wanted = defaultdict(lambda: defaultdict(set))
        for key, rows_by_name in tables.items():
            for name, rows in rows_by_name.items():
                for field, target in references(pool.get(name)):
                    if target not in self.rows.rows:
                        wanted[key][target].update(
                            r[field] for r in rows if field in r)
        names = {}
        for target in {t for ids in wanted.values() for t in ids}:
            ids = set().union(*(w.get(target, ()) for w in wanted.values()))
            names[target] = {
                r.id: r.rec_name for r in pool.get(target).browse(ids)}
        return {
            key: {
                target: {i: names[target][i] for i in sorted(ids)}
                for target, ids in wanted[key].items() if ids}
            for key in tables}

    def _document(self, Model, row, keys):
        key = row['data_key']
        if key not in keys:
            # What has a key of its own and follows the person
            keys = self._open_keys([key])
            if key not in keys:
                raise SealError
        _, cipher, _ = keys[key]
        return {
            n: from_json(v) if isinstance(v, dict) else v
            for n, v in Model._decrypt(
                cipher, row['uuid'], bytes(row['sealed']), row).items()}

    def _store(self, keys, clear):
        "Store the bundles, and return the id of the archive by patient."
        today = current_date()
        patients = list(self.patients.values())
        ends = self.Patient.retention_request_ends(patients)
        records = self.Archive.create([{
                    'code': p.code,
                    'authorization': p.authorization.id,
                    'archived_on': today,
                    'request_end': ends.get(p.id),
                    'persons': len(self.rows.subjects[p.id]),
                    } for p in patients])
        archives = {p.id: r.id for p, r in zip(patients, records)}
        bundles, wrapped = [], []
        for patient, subjects in self.rows.subjects.items():
            for key, concerned in subjects.items():
                uuid, _, secret = keys[key]
                archive_kek, kek, bytes_ = bundle.wrap(secret)
                wrapped.append((key, kek, bytes_))
                bundles.append([
                        archives[patient], concerned, key, archive_kek,
                        bundle.seal(secret, uuid, clear[key])])
        self.DataKey.replace(wrapped)
        self._insert(bundles)
        return archives

    def _insert(self, rows):
        # There is nothing to validate nor to log
        table = self.Bundle.__table__()
        sql_format = self.Bundle.sealed.sql_format
        Transaction().connection.cursor().execute(*table.insert(
                [table.create_uid, table.archive, table.concerned,
                    table.data_key, table.archive_kek, table.sealed],
                [[Literal(0), *row[:-1], sql_format(row[-1])]
                    for row in rows]))

    def _read_back(self, archives, clear):
        """Compare what is stored with what leaves.

        :raises ArchiveError: if they differ.
        """
        table = self.Bundle.__table__()
        cursor = Transaction().connection.cursor()
        cursor.execute(*table.select(
                table.archive, table.data_key, table.archive_kek,
                table.sealed,
                where=in_(table.archive, list(archives.values()))))
        rows = cursor.fetchall()
        keys = {
            k: row for k, *row in self.DataKey.wrapped_keys(
                [r[1] for r in rows])}
        seen = set()
        for archive, key, archive_kek, sealed in rows:
            uuid, kek, wrapped = keys[key]
            try:
                same = clear[key] == bundle.open_(
                    bundle.unwrap(archive_kek, kek, wrapped), uuid, sealed)
            except (KeyringError, bundle.BundleError):
                same = False
            if not same:
                raise ArchiveError(gettext(
                        'early_access_retention.msg_archive_read_back',
                        archive=self.Archive(archive).rec_name))
            seen.add(key)
        assert seen == clear.keys()
