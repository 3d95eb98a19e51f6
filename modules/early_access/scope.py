# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from trytond.pool import Pool, PoolMeta
from trytond.transaction import (
    Transaction, inactive_records, without_check_access)


class LinkedMixin:
    """Records out of the scope of the hospital users, that theirs link to.

    A patient keeps the former team, an order who requested it. Without this
    the rule that hides them would refuse the record that links to them too:
    ``_linked_fields`` can be read by id, all other fields are empty and no
    search finds them.
    """
    __slots__ = ()
    _linked_fields = frozenset({'rec_name'})

    @classmethod
    def read(cls, ids, fields_names):
        pool = Pool()
        User = pool.get('res.user')
        ModelAccess = pool.get('ir.model.access')
        if not Transaction().check_access or User.hospital_scope() is None:
            return super().read(ids, fields_names)
        ModelAccess.check(cls.__name__, 'read')
        with inactive_records():
            visible = {
                r.id for r in cls.search([('id', 'in', list(ids))], order=[])}
        hidden = [i for i in ids if i not in visible]
        if not hidden:
            return super().read(ids, fields_names)
        rows = []
        if visible:
            rows = super().read(
                [i for i in ids if i in visible], fields_names)
        with without_check_access():
            linked = super().read(
                hidden, [
                    n for n in fields_names
                    if n.split('.')[0] in cls._linked_fields])
        empty = {
            n.split('.')[0] + '.' if '.' in n else n: cls._empty_value(n)
            for n in fields_names}
        return rows + [{**empty, **row} for row in linked]

    @classmethod
    def _empty_value(cls, name):
        field = cls._fields.get(name)
        if field and field._type in {
                'one2many', 'many2many', 'multiselection'}:
            return ()
        return False if name in {'_write', '_delete'} else None


class Service(LinkedMixin, metaclass=PoolMeta):
    __name__ = 'early_access.service'
    _linked_fields = frozenset({
            'rec_name', 'name', 'establishment', 'pharmacy', 'active'})


class Professional(LinkedMixin, metaclass=PoolMeta):
    __name__ = 'early_access.professional'


class Party(LinkedMixin, metaclass=PoolMeta):
    __name__ = 'party.party'


class User(LinkedMixin, metaclass=PoolMeta):
    __name__ = 'res.user'
