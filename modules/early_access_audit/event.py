# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from collections import defaultdict

from sql import Cast, Flavor, Literal, Table
from sql.operators import BinaryOperator

from trytond import backend
from trytond.model import Index, ModelSQL, ModelView, fields
from trytond.pool import Pool
from trytond.tools import grouped_slice
from trytond.transaction import Transaction, without_check_access

from . import guard, spool
from .connection import connected
from .traced import paths_to_patient

# The records of an event, which are many for an export
CHUNK = 1000
TABLE = 'early_access_audit_event'
RECORDS = 'early_access_audit_event_record'


class Overlap(BinaryOperator):
    "Whether arrays of PostgreSQL have an element in common"
    __slots__ = ()
    _operator = '&&'


class Event(ModelSQL, ModelView):
    """What somebody did, once.

    It names the records and never holds a value of them. Beside the columns
    of the fields, PostgreSQL has the ids of the records as an array and the
    transaction that stored them, in whose order the events are sealed. SQLite
    has the ids in a table.
    """
    __name__ = 'early_access.audit.event'

    at = fields.Timestamp("Time", required=True, readonly=True)
    user_id = fields.Integer("User ID", readonly=True)
    login = fields.Char("Login", readonly=True, strip=False)
    roles = fields.Char("Roles", readonly=True)
    connection_id = fields.Char("Connection", readonly=True)
    address = fields.Char("Address", readonly=True)
    action = fields.Selection([
            ('read', "Read"),
            ('open', "Open"),
            ('search', "Search"),
            ('count', "Count"),
            ('export', "Export"),
            ('report', "Report"),
            ('wizard', "Wizard"),
            ('button', "Button"),
            ('create', "Create"),
            ('write', "Write"),
            ('delete', "Delete"),
            ('refused', "Refused"),
            ('failed', "Failed"),
            ('login', "Log In"),
            ('login_failed', "Log In Failed"),
            ('login_blocked', "Log In Blocked"),
            ('logout', "Log Out"),
            ('session_end', "End of Session"),
            ('activation', "Activation"),
            ('access', "Access"),
            ('break_glass', "Emergency Access"),
            ('suspension', "Suspension"),
            ('leaver', "Leaver"),
            ('archive', "Archive"),
            ('destroy', "Destroy"),
            ], "Action", required=True, readonly=True, sort=False,
        help="'Open' is the reading of sealed data by a report, a wizard or "
        "a job of the server.")
    model = fields.Char("Model", readonly=True)
    field_names = fields.Text("Fields", readonly=True)
    target = fields.Char(
        "Target", readonly=True,
        help="The button, wizard or report.")
    method = fields.Char("Method", readonly=True)
    reason = fields.Char("Reason", readonly=True)

    model_name = fields.Function(
        fields.Char("Kind of Record"), 'get_model_name',
        searcher='search_model_name')
    records = fields.Function(
        fields.Text("Records"), 'get_records', searcher='search_records')
    patient = fields.Function(
        fields.Many2One('early_access.patient', "Patient"),
        'get_patient', searcher='search_patient')
    patient_codes = fields.Function(
        fields.Text("Patients"), 'get_patient_codes',
        searcher='search_patient_codes')

    # In the order in which they are stored
    _columns = [
        'at', 'user_id', 'login', 'roles', 'connection_id', 'address',
        'method', 'action', 'model', 'field_names', 'reason', 'target']

    # By name of database
    _epochs = {}

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_indexes.update({
                Index(t, (t.at, Index.Range())),
                Index(t, (t.user_id, Index.Equality()), (t.id, Index.Range())),
                })
        cls._order = [('id', 'DESC')]
        # It is read with care, and never written by a request
        cls.__rpc__ = {
            n: r for n, r in cls.__rpc__.items()
            if n not in {'create', 'write', 'delete', 'copy', 'import_data'}}

    @classmethod
    def __register__(cls, module_name):
        guard.unguard(cls._table)
        super().__register__(module_name)
        cursor = Transaction().connection.cursor()
        if backend.name == 'postgresql':
            cursor.execute(
                f'ALTER TABLE {cls._table} '
                'ADD COLUMN IF NOT EXISTS record_ids bigint[], '
                'ADD COLUMN IF NOT EXISTS epoch integer NOT NULL DEFAULT 0, '
                'ADD COLUMN IF NOT EXISTS x xid8 '
                'NOT NULL DEFAULT pg_current_xact_id()')
            cursor.execute(
                'CREATE INDEX IF NOT EXISTS '
                f'{cls._table}_record_ids ON {cls._table} '
                'USING gin (record_ids)')
            cursor.execute(
                f'CREATE INDEX IF NOT EXISTS {cls._table}_x '
                f'ON {cls._table} (epoch, x, id)')
        else:
            cursor.execute(
                f'CREATE TABLE IF NOT EXISTS {RECORDS} ('
                'event INTEGER NOT NULL, record INTEGER NOT NULL, '
                'PRIMARY KEY (record, event)) WITHOUT ROWID')
            cursor.execute(
                f'CREATE INDEX IF NOT EXISTS {RECORDS}_event '
                f'ON {RECORDS} (event, record)')
            guard.guard(RECORDS)
        guard.guard(cls._table)

    # Storing

    @classmethod
    def store(cls, cursor, author, entries):
        """Insert events.

        :param author: who acts, a trail.Author.
        :param entries: a list of (at, action, model, names of the fields,
            reason, target, ids of the records).
        """
        rows = [
            (at, *author, action, model, names, reason, target, chunk)
            for at, action, model, names, reason, target, ids in entries
            for chunk in cls._chunks(sorted(ids))]
        columns = ', '.join(cls._columns)
        param = Flavor.get().param
        if backend.name == 'postgresql':
            epoch = cls._epoch(cursor)
            value = f"({', '.join([param] * (len(cls._columns) + 2))})"
            # A statement takes a limited number of parameters
            for sub_rows in map(list, grouped_slice(rows, CHUNK)):
                cursor.execute(
                    f'INSERT INTO {cls._table} '
                    f'({columns}, record_ids, epoch) VALUES '
                    + ', '.join([value] * len(sub_rows)),
                    [v for row in sub_rows for v in (*row, epoch)])
        else:
            values = ', '.join([param] * len(cls._columns))
            for *row, ids in rows:
                cursor.execute(
                    f'INSERT INTO {cls._table} ({columns}) VALUES ({values})',
                    row)
                event = cursor.lastrowid
                cursor.executemany(
                    f'INSERT INTO {RECORDS} (event, record) VALUES (?, ?)',
                    [(event, id_) for id_ in ids])

    @classmethod
    def _epoch(cls, cursor):
        """Return the epoch of new events, on PostgreSQL.

        It is another one when the last event is of a transaction that the
        server has not reached: the database was restored from another server.
        A process asks it once.
        """
        name = cursor.connection.info.dbname
        if name not in cls._epochs:
            cursor.execute(
                'SELECT epoch, x >= pg_snapshot_xmax(pg_current_snapshot()) '
                'AND x <> COALESCE('
                "pg_current_xact_id_if_assigned(), '0'::xid8) "
                f'FROM {cls._table} ORDER BY epoch DESC, x DESC LIMIT 1')
            epoch, restored = cursor.fetchone() or (0, False)
            cls._epochs[name] = epoch + restored
        return cls._epochs[name]

    @staticmethod
    def _chunks(ids):
        for i in range(0, len(ids) or 1, CHUNK):
            yield ids[i:i + CHUNK]

    @classmethod
    def store_waiting(cls, database_name):
        "Store the events that could not be, and return their number."
        with spool.waiting(database_name) as rows:
            if rows:
                with connected(database_name) as cursor:
                    for author, entry in rows:
                        cls.store(cursor, author, [entry])
        return len(rows)

    # Reading

    @classmethod
    def record_ids(cls, events):
        "Return the ids of the records by id of event."
        result = {e.id: [] for e in events}
        cursor = Transaction().connection.cursor()
        in_ = fields.SQL_OPERATORS['in']
        if backend.name == 'postgresql':
            table = cls.__table__()
            cursor.execute(*table.select(
                    table.id, table.record_ids, where=in_(
                        table.id, list(result))))
            result.update((i, ids or []) for i, ids in cursor)
        else:
            table = Table(RECORDS)
            cursor.execute(*table.select(
                    table.event, table.record,
                    where=in_(table.event, list(result)),
                    order_by=[table.event, table.record]))
            for event, record in cursor:
                result[event].append(record)
        return result

    @classmethod
    def get_records(cls, events, name):
        return {
            i: ', '.join(map(str, ids))
            for i, ids in cls.record_ids(events).items()}

    @classmethod
    def search_records(cls, name, clause):
        _, operator, value = clause
        ids = [int(v) for v in str(value).strip('%').split(',')
            if v.strip().isdigit()]
        return [(
                'id', 'not in' if operator.startswith(('!', 'not')) else 'in',
                cls._of_records(ids))]

    @classmethod
    def get_model_name(cls, events, name):
        Model = Pool().get('ir.model')
        return {
            e.id: Model.get_name(e.model) if e.model else None
            for e in events}

    @classmethod
    @without_check_access
    def search_model_name(cls, name, clause):
        Model = Pool().get('ir.model')
        models = Model.search([('string', *clause[1:])])
        return [('model', 'in', [m.name for m in models])]

    @classmethod
    def get_patient(cls, events, name):
        return dict.fromkeys([
                e.id for e in events])

    @classmethod
    def search_patient(cls, name, clause):
        """The events on patients and on what belongs to them.

        A patient that does not exist any more is found by its id.
        """
        Patient = Pool().get('early_access.patient')
        name, operator, value, *_ = clause
        _, _, target = name.partition('.')
        if operator == '=' and not target:
            return cls._of_patients([value])
        with without_check_access():
            return cls._of_patients([p.id for p in Patient.search(
                        [(target or 'id', operator, value)], order=[])])

    @classmethod
    @without_check_access
    def get_patient_codes(cls, events, name):
        "The codes, which whoever reads the trail sees without the patients."
        Patient = Pool().get('early_access.patient')
        records = cls.record_ids(events)
        of_model = defaultdict(set)
        paths = paths_to_patient()
        for event in events:
            if event.model in paths:
                of_model[event.model].update(records[event.id])
        patients = {
            model: cls.patients_of(model, ids)
            for model, ids in of_model.items()}
        names = {
            p.id: p.rec_name for p in Patient.browse(list({
                        i for ids in patients.values()
                        for i in ids.values() if i}))}
        result = {}
        for event in events:
            ids = patients.get(event.model, {})
            found = {names.get(ids.get(r)) for r in records[event.id]}
            result[event.id] = ', '.join(sorted(filter(None, found)))
        return result

    @classmethod
    @without_check_access
    def search_patient_codes(cls, name, clause):
        Patient = Pool().get('early_access.patient')
        return cls._of_patients([p.id for p in Patient.search(
                    [('rec_name', *clause[1:])], order=[])])

    @classmethod
    def _of_patients(cls, patients):
        domain = ['OR']
        with without_check_access():
            for model, path in paths_to_patient().items():
                Model = Pool().get(model)
                ids = [r.id for r in Model.search(
                        [(path, 'in', patients)], order=[])]
                if ids:
                    domain.append([
                            ('model', '=', model),
                            ('id', 'in', cls._of_records(ids)),
                            ])
        return domain if len(domain) > 1 else [('id', '=', None)]

    @staticmethod
    def patients_of(model, records):
        """Return the patient by id of record, of those that still exist.

        :param model: one of those that lead to a patient.
        :param records: the ids of its records.
        """
        Model = Pool().get(model)
        table = from_ = Model.__table__()
        id_ = table.id
        *links, name = paths_to_patient()[model].split('.')
        for link in links:
            Model = Model._fields[link].get_target()
            target = Model.__table__()
            from_ = from_.join(
                target, condition=getattr(table, link) == target.id)
            table = target
        cursor = Transaction().connection.cursor()
        patients = {}
        for ids in grouped_slice(list(records), CHUNK):
            cursor.execute(*from_.select(
                    id_, getattr(table, name),
                    where=fields.SQL_OPERATORS['in'](id_, list(ids))))
            patients.update(cursor)
        return patients

    @classmethod
    def _of_records(cls, ids):
        "A query of the events on one of the ids, whatever their model."
        if backend.name == 'postgresql':
            table = cls.__table__()
            return table.select(
                table.id, where=Overlap(
                    table.record_ids, Cast(Literal(ids), 'bigint[]')))
        table = Table(RECORDS)
        return table.select(
            table.event,
            where=fields.SQL_OPERATORS['in'](table.record, ids))
