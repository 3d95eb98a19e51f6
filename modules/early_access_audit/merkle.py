# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The Merkle trees of RFC 6962, section 2.1, with SHA-256.

The root of a tree stands for all its leaves in their order. The path of a
leaf proves that it is one of them, to who knows the root alone.
"""

from hashlib import sha256


def leaf_hash(data):
    "Return the hash of a leaf that holds the bytes."
    return sha256(b'\0' + data).digest()


def _node(left, right):
    return sha256(b'\1' + left + right).digest()


def _parents(hashes):
    "Return the level above: what is left alone goes up as it is."
    level = [
        _node(left, right)
        for left, right in zip(hashes[::2], hashes[1::2])]
    if len(hashes) % 2:
        level.append(hashes[-1])
    return level


def root(hashes):
    "Return the root over the hashes of the leaves."
    if not hashes:
        return sha256().digest()
    while len(hashes) > 1:
        hashes = _parents(hashes)
    return hashes[0]


def path(index, hashes):
    "Return the hashes that lead from a leaf to the root."
    result = []
    while len(hashes) > 1:
        sibling = index ^ 1
        if sibling < len(hashes):
            result.append(hashes[sibling])
        hashes = _parents(hashes)
        index //= 2
    return result


def root_of_path(leaf, index, size, siblings):
    """Return the root to which a path leads.

    :param leaf: the hash of the leaf.
    :param index: its place among the leaves, from 0.
    :param size: the number of leaves.
    :raises ValueError: when the path is not as long as the place asks.
    """
    if not 0 <= index < size:
        raise ValueError("the place is not in the tree")
    siblings = list(siblings)
    result = leaf
    while size > 1:
        if index ^ 1 < size:
            if not siblings:
                raise ValueError("the path is too short")
            sibling = siblings.pop(0)
            result = (
                _node(sibling, result) if index % 2
                else _node(result, sibling))
        index //= 2
        size = (size + 1) // 2
    if siblings:
        raise ValueError("the path is too long")
    return result
