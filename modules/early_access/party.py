# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from collections import defaultdict
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial

from sql import Literal, Null
from sql.operators import Equal

from trytond.i18n import gettext
from trytond.model import Exclude, Index, fields
from trytond.pool import Pool, PoolMeta
from trytond.pyson import Bool, Eval
from trytond.transaction import Transaction

from .exceptions import (
    FinessError, FinessUniqueError, HospitalPartyError, NationalNumberError)
from .identifiers import find_nir, finess, search_code

ESTABLISHMENT_TYPES = [
    ('university', "University hospital"),
    ('general', "General hospital"),
    ('cancer', "Cancer centre"),
    ('non_profit', "Private non-profit hospital"),
    ('private', "Private hospital"),
    ('military', "Military hospital"),
    ]

_finess_postponed = ContextVar('finess_postponed', default=frozenset())


@contextmanager
def finess_postponed(parties):
    """Leave the count of FINESS numbers of the parties (ids) for later.

    To be used around a change made of several steps, whose first ones leave
    the party without its number.
    """
    token = _finess_postponed.set(_finess_postponed.get().union(parties))
    try:
        yield
    finally:
        _finess_postponed.reset(token)


class Configuration(metaclass=PoolMeta):
    __name__ = 'party.configuration'

    @classmethod
    def __setup__(cls):
        super().__setup__()
        # CNIL 2022-107 art. 7.2: no NIR
        cls.identifier_types.selection = [
            (type, string) for type, string in cls.identifier_types.selection
            if type != 'fr_nir']
        cls.identifier_types.selection.append(('fr_finess', "FINESS Number"))

    @classmethod
    def preprocess_values(cls, mode, values):
        values = super().preprocess_values(mode, values)
        if types := values.get('identifier_types'):
            values['identifier_types'] = [
                *(t for t in types if t != 'fr_finess'), 'fr_finess']
        return values

    def get_identifier_types(self):
        types = super().get_identifier_types()
        # The types may have been chosen before the activation of the module
        if 'fr_finess' not in dict(types):
            selection = self.fields_get(
                ['identifier_types'])['identifier_types']['selection']
            types = types + [
                (type, string) for type, string in selection
                if type == 'fr_finess']
        return types


class Party(metaclass=PoolMeta):
    __name__ = 'party.party'

    hospital_kind = fields.Selection([
            (None, ''),
            ('establishment', "Health Establishment"),
            ('pharmacy', "Hospital Pharmacy"),
            ], "Hospital Kind",
        help="Fill for the parties that take part in programmes.\n"
        "Their identifiers must hold one FINESS number.")
    establishment_type = fields.Selection(
        [(None, '')] + ESTABLISHMENT_TYPES, "Establishment Type", sort=False,
        states={
            'invisible': Eval('hospital_kind') != 'establishment',
            },
        help="A protocol may admit certain types only.")
    finess = fields.Function(fields.Char(
            "FINESS",
            states={
                'invisible': ~Bool(Eval('finess')),
                }),
        'get_finess', searcher='search_finess')

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_indexes.add(
            Index(
                t,
                (t.hospital_kind, Index.Equality(cardinality='low')),
                where=t.hospital_kind != Null))

    @classmethod
    def _search_finess_identifiers(cls, party_ids):
        pool = Pool()
        Identifier = pool.get('party.identifier')
        return Identifier.search([
                ('party', 'in', party_ids),
                ('type', '=', 'fr_finess'),
                ('active', '=', True),
                ])

    @classmethod
    def get_finess(cls, parties, name):
        numbers = dict.fromkeys([p.id for p in parties])
        for identifier in cls._search_finess_identifiers(list(numbers)):
            if not numbers[identifier.party.id]:
                numbers[identifier.party.id] = identifier.code_compact
        return numbers

    @classmethod
    def search_finess(cls, name, clause):
        _, operator, value = clause
        return search_code(
            operator, value,
            ('type', '=', 'fr_finess'), ('active', '=', True),
            code='code_compact')

    @classmethod
    def search_rec_name(cls, name, clause):
        _, operator, operand, *extra = clause
        bool_op = 'AND' if operator.startswith(('!', 'not ')) else 'OR'
        return [bool_op,
            super().search_rec_name(name, clause),
            ('finess', operator, operand),
            ]

    @classmethod
    def write(cls, parties, values, *args):
        # Identifiers are deleted before others are added: their number counts
        # once the party is written, when validate_fields is called
        actions = iter((parties, values) + args)
        with finess_postponed(
                p.id for records, values in zip(actions, actions)
                for p in records if 'identifiers' in values):
            super().write(parties, values, *args)

    @classmethod
    def copy(cls, parties, default=None):
        pool = Pool()
        Identifier = pool.get('party.identifier')

        def other_identifiers(data):
            return [
                i.id for i in Identifier.browse(data['identifiers'])
                if i.type != 'fr_finess']

        default = default.copy() if default is not None else {}
        default.setdefault('hospital_kind')
        default.setdefault('identifiers', other_identifiers)
        return super().copy(parties, default=default)

    @classmethod
    def validate_fields(cls, parties, field_names):
        super().validate_fields(parties, field_names)
        if field_names is None or 'name' in field_names:
            for party in parties:
                if find_nir(party.name):
                    raise NationalNumberError(gettext(
                            'early_access.msg_national_number',
                            **cls.__names__('name')))
        if field_names is None or field_names & {
                'hospital_kind', 'identifiers', 'active'}:
            cls.check_finess(parties)

    @classmethod
    def check_modification(cls, mode, parties, values=None, external=False):
        pool = Pool()
        Service = pool.get('early_access.service')
        super().check_modification(
            mode, parties, values=values, external=external)
        if mode == 'write' and 'hospital_kind' in values:
            changed = [
                p for p in parties
                if p.hospital_kind
                and p.hospital_kind != values['hospital_kind']]
            services = Service.search(['OR',
                    ('establishment', 'in', changed),
                    ('pharmacy', 'in', changed),
                    ], limit=1)
            if services:
                service, = services
                raise HospitalPartyError(gettext(
                        'early_access.msg_party_hospital_kind_used',
                        service=service.rec_name))

    @classmethod
    def check_finess(cls, parties):
        """Raise HospitalPartyError if a party in use as establishment or
        pharmacy does not have one FINESS number and only one."""
        deleted = Transaction().delete_records[cls.__name__]
        parties = cls.search([
                ('id', 'in', [p.id for p in parties if p.id not in deleted]),
                ('hospital_kind', 'not in', [None, '']),
                ('active', '=', True),
                ], order=[])
        codes = defaultdict(list)
        for identifier in cls._search_finess_identifiers(
                [p.id for p in parties]):
            codes[identifier.party.id].append(identifier.code_compact)
        for party in parties:
            if not codes[party.id]:
                raise HospitalPartyError(gettext(
                        'early_access.msg_party_finess_missing',
                        party=party.rec_name))
            elif len(codes[party.id]) > 1:
                raise HospitalPartyError(gettext(
                        'early_access.msg_party_finess_several',
                        party=party.rec_name,
                        codes=', '.join(codes[party.id])))


class Identifier(metaclass=PoolMeta):
    __name__ = 'party.identifier'

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_constraints.append(
            ('finess_exclude', Exclude(t, (t.code_compact, Equal),
                    where=(t.type == 'fr_finess')
                    & (t.active == Literal(True))),
                'early_access.msg_finess_unique'))

    @fields.depends('type', 'code')
    def on_change_with_code(self):
        if self.type == 'fr_finess':
            if finess.is_valid(self.code):
                return finess.compact(self.code)
            return self.code
        return super().on_change_with_code()

    @fields.depends('type', 'party', 'code')
    def check_code(self):
        if ((not self.type or self.type.startswith('fr_'))
                and find_nir(self.code)):
            raise NationalNumberError(gettext(
                    'early_access.msg_national_number',
                    **self.__names__('code')))
        if self.type == 'fr_finess':
            if not finess.is_valid(self.code):
                party = ''
                if self.party and self.party.id > 0:
                    party = self.party.rec_name
                raise FinessError(gettext(
                        'early_access.msg_finess_invalid',
                        code=self.code,
                        party=party))
        else:
            super().check_code()

    @classmethod
    def preprocess_values(cls, mode, values):
        pool = Pool()
        Party = pool.get('party.party')
        values = super().preprocess_values(mode, values)
        if (values.get('type') == 'fr_finess'
                and finess.is_valid(values.get('code'))):
            code = finess.compact(values['code'])
            values['code'] = values['code_compact'] = code
            if mode == 'create' and values.get('active', True):
                party = None
                if values.get('party') is not None:
                    party = Party(values['party'])
                cls._check_finess_unique(party, code)
        return values

    def compute_fields(self, field_names=None):
        values = super().compute_fields(field_names=field_names)
        if self.type == 'fr_finess':
            code = finess.compact(self.code)
            for name in ['code', 'code_compact']:
                if getattr(self, name) != code:
                    values[name] = code
                else:
                    values.pop(name, None)
        return values

    @classmethod
    def check_modification(
            cls, mode, identifiers, values=None, external=False):
        super().check_modification(
            mode, identifiers, values=values, external=external)
        if mode == 'write' and values.keys() & {'type', 'code', 'active'}:
            for identifier in identifiers:
                code = values.get('code', identifier.code)
                if (values.get('type', identifier.type) == 'fr_finess'
                        and values.get('active', identifier.active)
                        and finess.is_valid(code)):
                    cls._check_finess_unique(
                        identifier.party, finess.compact(code), identifier.id)

    @classmethod
    def _check_finess_unique(cls, party, code, id=-1):
        others = cls.search([
                ('type', '=', 'fr_finess'),
                ('active', '=', True),
                ('code_compact', '=', code),
                ('id', '!=', id),
                ], limit=1, order=[])
        if others:
            other, = others
            raise FinessUniqueError(gettext(
                    'early_access.msg_finess_used',
                    code=code,
                    party=party.rec_name if party else '',
                    other=other.party.rec_name))

    @classmethod
    def on_modification(cls, mode, identifiers, field_names=None):
        super().on_modification(mode, identifiers, field_names=field_names)
        if (mode == 'create'
                or (mode == 'write'
                    and field_names & {'type', 'active', 'party'})):
            cls._check_parties(
                {i.party for i in identifiers if i.type == 'fr_finess'})

    @classmethod
    def on_write(cls, identifiers, values):
        callbacks = super().on_write(identifiers, values)
        if values.keys() & {'type', 'active', 'party'}:
            callbacks.append(partial(cls._check_parties,
                    {i.party for i in identifiers if i.type == 'fr_finess'}))
        return callbacks

    @classmethod
    def on_delete(cls, identifiers):
        callbacks = super().on_delete(identifiers)
        callbacks.append(partial(cls._check_parties,
                {i.party for i in identifiers if i.type == 'fr_finess'}))
        return callbacks

    @classmethod
    def _check_parties(cls, parties):
        pool = Pool()
        Party = pool.get('party.party')
        postponed = _finess_postponed.get()
        Party.check_finess([p for p in parties if p.id not in postponed])


class Replace(metaclass=PoolMeta):
    __name__ = 'party.replace'

    def check_similarity(self):
        super().check_similarity()
        source = self.ask.source
        destination = self.ask.destination
        if (source.hospital_kind
                and source.hospital_kind != destination.hospital_kind):
            raise HospitalPartyError(gettext(
                    'early_access.msg_party_replace_hospital_kind',
                    source=source.rec_name,
                    destination=destination.rec_name))

    @classmethod
    def fields_to_replace(cls):
        return super().fields_to_replace() + [
            ('early_access.service', 'establishment'),
            ('early_access.service', 'pharmacy'),
            ('early_access.professional', 'party'),
            ('early_access.professional-party.party', 'pharmacy'),
            ('early_access.patient', 'establishment'),
            ('early_access.patient', 'pharmacy'),
            ('early_access.patient.assignment', 'pharmacy'),
            ('early_access.order', 'pharmacy'),
            ]

    def transition_replace(self):
        # The identifiers are deactivated before the party
        with finess_postponed([self.ask.source.id]):
            return super().transition_replace()
