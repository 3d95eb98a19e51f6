# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Whether the trail is what was sealed.

Nothing of the database is trusted: the public keys, and the anchor that tells
where the chain ends, come from outside.
"""

from typing import NamedTuple

from trytond.pool import Pool
from trytond.transaction import without_check_access

from . import merkle
from .event_row import events_of, position_of
from .signing_key import is_signed
from .statement import canonical, columns

BATCH = 1000


class Damage(NamedTuple):
    """What is wrong with a seal.

    The kind is one of gap, row, signature, chain, window, missing, added,
    changed, purged and tail.
    """
    number: int
    kind: str
    text: str


class Verification:
    """A verification of the chain, or of a range of it.

    :param keys: the public keys by identifier.
    :param first: the number of the first seal to verify.
    :param last: the number of the last one, by default of all.
    :param anchor: the Anchor of the end of the chain, if it is known.
    """

    def __init__(self, keys, first=1, last=None, anchor=None):
        self.keys = keys
        self.first = max(first, 1)
        self.last = last
        self.anchor = anchor
        # What was verified
        self.seals = 0
        self.events = 0

    @without_check_access
    def damages(self):
        "Yield the damages in the order of the seals."
        previous = self._previous(self.first)
        number = self.first - 1
        purged = self._purged()
        for seal in self._seals():
            number += 1
            if seal.number != number:
                yield Damage(
                    number, 'gap',
                    f"the seals {number} to {seal.number - 1} are missing")
                number = seal.number
                previous = None
            damage = self._check_seal(seal, previous)
            if not damage and seal.kind == 'events':
                damage = self._check_events(seal, seal.number <= purged)
            if damage:
                yield damage
            previous = seal
            self.seals += 1
        if self.anchor and self.last is None:
            yield from self.check_end(number)

    def _previous(self, number):
        Seal = Pool().get('early_access.audit.seal')
        return Seal.last(('number', '<', number)) if number > 1 else None

    def _seals(self):
        Seal = Pool().get('early_access.audit.seal')
        number = self.first - 1
        while True:
            domain = [('number', '>', number)]
            if self.last is not None:
                domain.append(('number', '<=', self.last))
            seals = Seal.search(
                domain, order=[('number', 'ASC')], limit=BATCH)
            if not seals:
                break
            yield from seals
            number = seals[-1].number

    def _purged(self):
        "The number of the last seal whose events may be gone."
        Seal = Pool().get('early_access.audit.seal')
        purge = Seal.last(('kind', '=', 'purge'))
        if purge and self._is_signed(purge):
            return purge.content['purged']
        return 0

    def _is_signed(self, seal):
        try:
            signature = bytes.fromhex(seal.signature)
        except ValueError:
            return False
        return is_signed(
            self.keys, seal.key, signature, seal.statement.encode())

    def _check_seal(self, seal, previous):
        number = seal.number

        def damage(kind, text):
            return Damage(number, kind, text)

        if not self._is_signed(seal):
            return damage(
                'signature',
                "no known key has signed it: it was altered or replaced")
        statement = seal.content
        if any(getattr(seal, n) != v for n, v in columns(statement).items()):
            return damage('row', "its row does not say what was signed")
        if previous is None:
            if number == 1 and statement['previous'] is not None:
                return damage('chain', "another seal came before it")
            return
        if statement['previous'] != previous.hash:
            return damage('chain', "it does not follow the seal before it")
        if seal.kind == 'events':
            Seal = Pool().get('early_access.audit.seal')
            before = previous if previous.kind == 'events' else Seal.last(
                ('number', '<', number), ('kind', '=', 'events'))
            end = (before.epoch, before.end) if before else (0, 0)
            start = (seal.epoch, seal.start)
            if start != end and not (seal.epoch > end[0] and not seal.start):
                return damage(
                    'window', "it does not begin where the one before ends")

    def _check_events(self, seal, purged):
        hashes = [
            merkle.leaf_hash(data) for _, data in events_of(seal.window)]
        number, count = len(hashes), seal.count
        self.events += number
        if purged:
            if number:
                return Damage(
                    seal.number, 'purged',
                    f"{number} events were purged and are there: purge again")
        elif number < count:
            return Damage(
                seal.number, 'missing',
                f"{count - number} of its {count} events are missing")
        elif number > count:
            return Damage(
                seal.number, 'added',
                f"{number - count} events were added to its {count}")
        elif merkle.root(hashes).hex() != seal.content['root']:
            return Damage(
                seal.number, 'changed',
                f"one or more of its {count} events were changed or moved")

    def check_end(self, number):
        "Yield what is wrong with the seal that ends the chain."
        Seal = Pool().get('early_access.audit.seal')
        if self.anchor.number > number:
            yield Damage(
                number + 1, 'tail',
                f"the seals {number + 1} to {self.anchor.number} are missing "
                "at the end")
        else:
            seal = Seal.last(('number', '=', self.anchor.number))
            if seal and seal.hash != self.anchor.hash:
                yield Damage(
                    seal.number, 'tail',
                    "it is not the seal that was anchored")


@without_check_access
def prove(event):
    """Return the proof that the event of the id is sealed, to store as JSON.

    :raises ValueError: when there is no such event, or not sealed yet.
    """
    Seal = Pool().get('early_access.audit.seal')
    position = position_of(event)
    if position is None:
        raise ValueError("there is no such event")
    epoch, position = position
    seal = Seal.last(
        ('kind', '=', 'events'), ('epoch', '=', epoch),
        ('start', '<=', position), ('end', '>', position))
    if not seal:
        raise ValueError("it is not sealed yet")
    hashes, index, data = [], None, None
    for i, (id_, bytes_) in enumerate(events_of(seal.window)):
        if id_ == event:
            index, data = i, bytes_
        hashes.append(merkle.leaf_hash(bytes_))
    return {
        'event': data.decode(),
        'index': index,
        'path': [h.hex() for h in merkle.path(index, hashes)],
        'statement': seal.content,
        'key': seal.key,
        'signature': seal.signature,
        }


def is_proven(proof, keys):
    """Return whether a proof holds, from the public keys alone.

    :param proof: what prove returned.
    :param keys: the public keys by identifier.
    """
    try:
        statement = proof['statement']
        root = merkle.root_of_path(
            merkle.leaf_hash(proof['event'].encode()), proof['index'],
            statement['count'], map(bytes.fromhex, proof['path']))
        return root.hex() == statement['root'] and is_signed(
            keys, proof['key'], bytes.fromhex(proof['signature']),
            canonical(statement))
    except (AttributeError, KeyError, TypeError, ValueError):
        return False
