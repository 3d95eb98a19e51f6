# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What a limitation closes: it is neither read, changed nor exported.

What the server does for itself, such as to tell which questions apply, reads
on: otherwise what is frozen would be lost with the next save.
"""

from trytond.i18n import gettext
from trytond.model import ModelStorage, fields
from trytond.modules.early_access.answers import OPEN_STATES
from trytond.pool import Pool, PoolMeta
from trytond.pyson import Eval
from trytond.transaction import Transaction, without_check_access

from .exceptions import FrozenDataError
from .freezing import exporting, is_exporting, is_rectifying

IDENTITY = frozenset({
        'surname_letters', 'first_name_letters', 'sex', 'birth_month',
        'birth_date', 'weight', 'height', 'link'})
CRITERIA = frozenset({'criteria'})
ANSWERS = frozenset({
        'answers', 'missing', 'confirmed', 'code', 'situation',
        'seriousness'})


def _frozen():
    Limitation = Pool().get('early_access.rights.limitation')
    return Limitation.frozen()


def frozen_forms(rows):
    """Return the ids of the limitations that freeze forms, by id of form.

    :param rows: dictionaries with id, patient and related_person.
    """
    frozen = _frozen()
    result = {
        r['id']: list(frozen['form'][r['id']]) for r in rows
        if r['id'] in frozen['form']}
    whole = {}
    for row in rows:
        name = 'related_person' if row['related_person'] else 'patient'
        limitations = [
            i for i, scope in frozen[name].get(row[name], ())
            if scope == 'all']
        if limitations:
            whole[row['id']] = limitations
    if whole:
        # What is being entered is frozen once it is submitted
        for form in _received(list(whole)):
            result.setdefault(form, []).extend(whole[form])
    return result


def _received(ids):
    return [i for i, state, _ in _clear(ids) if state not in OPEN_STATES]


def _clear(ids):
    "Return the (id, state, is an event) of forms."
    Form = Pool().get('early_access.form')
    cursor = Transaction().connection.cursor()
    table, parent = Form.__table__(), Form.__table__()
    cursor.execute(*table.join(
            parent, 'LEFT', condition=table.parent == parent.id).select(
            table.id, table.state,
            (table.kind == 'adverse_event')
            | (parent.kind == 'adverse_event'),
            where=fields.SQL_OPERATORS['in'](table.id, ids)))
    return cursor.fetchall()


def _events(ids):
    return {i for i, _, event in _clear(ids) if event}


def frozen_persons(name, ids):
    """Return what is frozen of the persons themselves.

    :param name: 'patient' or 'related_person'.
    :returns: the (limitation, names of the fields) by id of person.
    """
    frozen = _frozen()[name]
    return {
        i: [
            (limitation, IDENTITY if scope == 'identity'
                else IDENTITY | CRITERIA)
            for limitation, scope in frozen[i]
            if scope in {'identity', 'all'}]
        for i in ids if i in frozen}


class FrozenMixin:
    "Close the sealed values that are frozen"
    __slots__ = ()

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls.sealed_state.selection = [
            *cls.sealed_state.selection, ('frozen', "Frozen")]

    @classmethod
    def _closed_names(cls, rows):
        """Return the names of the fields that are frozen, by id of row.

        Those that the current user may read all the same are left out.
        """
        raise NotImplementedError

    @classmethod
    def _after_unseal(cls, rows, names):
        super()._after_unseal(rows, names)
        if not (Transaction().check_access or is_exporting()):
            return
        closed = cls._closed_names(rows)
        for row in rows:
            if closed.get(row['id']):
                for name in closed[row['id']] & names:
                    row[name] = () if isinstance(row[name], tuple) else None
                if row['sealed_state'] == 'readable':
                    row['sealed_state'] = 'frozen'

    def _hide_sealed(self):
        super()._hide_sealed()
        if self.id is None or self.id < 0:
            return
        row = {'id': self.id}
        with without_check_access():
            record = self.__class__(self.id)
            for name in self._sealed_keys:
                value = getattr(record, name)
                row[name] = getattr(value, 'id', value)
        closed = self._closed_names([row]).get(self.id, ())
        for name in closed:
            if name in self._sealed_fields and not hasattr(
                    self._values, name):
                setattr(self, name, None)


class FrozenPersonMixin(FrozenMixin):
    "A person whose identity may be frozen"
    __slots__ = ()
    _limited = None

    limitation_notice = fields.Function(fields.Text(
            "Limitation",
            states={
                'invisible': ~Eval('limitation_notice'),
                }),
        'get_limitation_notice')

    @classmethod
    def get_limitation_notice(cls, persons, name):
        Limitation = Pool().get('early_access.rights.limitation')
        return Limitation.notices(cls._limited, persons)

    @classmethod
    def _closed_names(cls, rows):
        Limitation = Pool().get('early_access.rights.limitation')
        result = {}
        for id_, frozen in frozen_persons(
                cls._limited, [r['id'] for r in rows]).items():
            names = [
                names for limitation, names in frozen
                if Limitation.closed_to_user([limitation])]
            result[id_] = frozenset().union(*names)
        return result

    @classmethod
    def check_modification(cls, mode, persons, values=None, external=False):
        super().check_modification(
            mode, persons, values=values, external=external)
        if mode != 'write' or is_rectifying():
            return
        for id_, frozen in frozen_persons(
                cls._limited, [p.id for p in persons]).items():
            names = frozenset().union(*(n for _, n in frozen))
            for name in sorted(names & values.keys()):
                raise FrozenDataError(gettext(
                        'early_access_retention.msg_frozen_write',
                        **cls.__names__(name, record=cls(id_))))

    @classmethod
    def copy(cls, persons, default=None):
        cls._check_not_frozen(persons)
        return super().copy(persons, default=default)

    @classmethod
    def _check_not_frozen(cls, persons):
        frozen = frozen_persons(cls._limited, [p.id for p in persons])
        for id_, limitations in frozen.items():
            if limitations:
                raise FrozenDataError(gettext(
                        'early_access_retention.msg_frozen_copy',
                        **cls.__names__(record=cls(id_))))


class Patient(FrozenPersonMixin, metaclass=PoolMeta):
    __name__ = 'early_access.patient'
    _limited = 'patient'

    @classmethod
    def check_modification(cls, mode, patients, values=None, external=False):
        super().check_modification(
            mode, patients, values=values, external=external)
        if mode == 'create':
            # A request that resumes the treatment copies the identity
            cls._check_not_frozen([
                    p.previous for p in patients if p.previous])

    @classmethod
    @without_check_access
    def retention_blocked(cls, patients):
        """Return why the data of patients must stay where they are.

        Nothing is archived, destroyed or made anonymous under a limitation or
        an open request of the patient or of a related person.

        :returns: the reason by id, as a text, of those that are blocked.
        """
        pool = Pool()
        Limitation = pool.get('early_access.rights.limitation')
        Request = pool.get('early_access.rights.request')
        result = {}
        if hasattr(super(), 'retention_blocked'):
            result = super().retention_blocked(patients)
        ids = [p.id for p in patients]
        for limitation in Limitation.search([
                    ('state', '=', 'active'),
                    ['OR',
                        ('patient', 'in', ids),
                        ('related_person.patient', 'in', ids),
                        ],
                    ], order=[('id', 'ASC')]):
            patient = limitation.patient or limitation.related_person.patient
            result.setdefault(patient.id, gettext(
                    'early_access_retention.msg_blocked_limitation',
                    limitation=limitation.rec_name))
        for id_, request in Request.open_of(patients).items():
            result.setdefault(id_, gettext(
                    'early_access_retention.msg_blocked_request',
                    request=request.rec_name))
        return result


class RelatedPerson(FrozenPersonMixin, metaclass=PoolMeta):
    __name__ = 'early_access.related_person'
    _limited = 'related_person'


class Form(FrozenMixin, metaclass=PoolMeta):
    __name__ = 'early_access.form'

    limitation_notice = fields.Function(fields.Text(
            "Limitation",
            states={
                'invisible': ~Eval('limitation_notice'),
                }),
        'get_limitation_notice')

    @classmethod
    def _rows(cls, forms):
        return [{
                'id': f.id,
                'patient': f.patient.id,
                'related_person': (
                    f.related_person.id if f.related_person else None),
                } for f in forms]

    @classmethod
    @without_check_access
    def get_limitation_notice(cls, forms, name):
        Limitation = Pool().get('early_access.rights.limitation')
        frozen = frozen_forms(cls._rows(forms))
        return {
            f.id: '\n'.join(
                r.notice for r in Limitation.browse(frozen[f.id]))
            if f.id in frozen else None
            for f in forms}

    @classmethod
    def _closed_forms(cls, rows):
        "Return the ids of those that are closed to the current user."
        pool = Pool()
        Limitation = pool.get('early_access.rights.limitation')
        User = pool.get('res.user')
        closed = {
            i for i, limitations in frozen_forms(rows).items()
            if Limitation.closed_to_user(limitations)}
        if closed and User.has_profile('pharmacovigilance'):
            # Vigilance goes on
            closed -= _events(list(closed))
        return closed

    @classmethod
    def _closed_names(cls, rows):
        return dict.fromkeys(cls._closed_forms(rows), ANSWERS)

    @classmethod
    def read(cls, ids, fields_names):
        rows = super().read(ids, fields_names)
        # The getters do not know whether a user reads
        if ('computed' in fields_names
                and (Transaction().check_access or is_exporting())):
            closed = cls._closed_identity(ids)
            for row in rows:
                if row['id'] in closed:
                    row['computed'] = {}
        return rows

    @classmethod
    @without_check_access
    def _closed_identity(cls, ids):
        "Return the ids of those that are computed from a closed identity."
        Patient = Pool().get('early_access.patient')
        if not _frozen()['patient']:
            return ()
        rows = cls._rows(cls.browse(ids))
        persons = Patient._closed_names([
                {'id': i} for i in {r['patient'] for r in rows}])
        return {r['id'] for r in rows if persons.get(r['patient'])}

    def check_correctable(self):
        super().check_correctable()
        self.__class__._check_frozen([self], 'answers')

    @classmethod
    @without_check_access
    def _check_frozen(cls, forms, name):
        User = Pool().get('res.user')
        frozen = set(frozen_forms(cls._rows(forms)))
        if frozen and User.has_profile('pharmacovigilance'):
            frozen -= _events(list(frozen))
        for form in forms:
            if form.id in frozen:
                raise FrozenDataError(gettext(
                        'early_access_retention.msg_frozen_write',
                        **cls.__names__(name, record=form)))

    @classmethod
    def check_modification(cls, mode, forms, values=None, external=False):
        super().check_modification(
            mode, forms, values=values, external=external)
        if mode != 'write':
            return
        for name in sorted(
                values.keys() & (ANSWERS | {'state', 'visit_date'})):
            cls._check_frozen(forms, name)


class Correction(FrozenMixin, metaclass=PoolMeta):
    __name__ = 'early_access.form.correction'

    @classmethod
    def _closed_names(cls, rows):
        Form = Pool().get('early_access.form')
        with without_check_access():
            forms = Form._rows(Form.browse(
                    list({r['form'] for r in rows})))
        closed = Form._closed_forms(forms)
        return {
            r['id']: frozenset(cls._sealed_fields)
            for r in rows if r['form'] in closed}


class ExportMixin(ModelStorage):
    "Leave what is frozen out of the exports"
    __slots__ = ()

    @classmethod
    def export_data(cls, records, fields_names, header=False):
        with exporting():
            return super().export_data(records, fields_names, header=header)


class DataExport(metaclass=PoolMeta):
    __name__ = 'early_access.data_export'

    def write_archive(self, passphrase):
        with exporting():
            return super().write_archive(passphrase)
