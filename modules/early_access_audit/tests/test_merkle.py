# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import unittest

from hypothesis import given
from hypothesis import strategies as st

from trytond.modules.early_access_audit.merkle import (
    leaf_hash, path, root, root_of_path)

# The leaves and the roots of the tests of Certificate Transparency
LEAVES = [bytes.fromhex(h) for h in [
        '', '00', '10', '2021', '3031', '40414243', '5051525354555657',
        '606162636465666768696a6b6c6d6e6f']]
ROOTS = [
    'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
    '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
    'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
    'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
    'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
    '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
    '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
    'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
    '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
    ]
# The path of a leaf (from 1) in the tree of so many leaves
PATHS = [
    (1, 8, [
        '96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7',
        '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
        '6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4',
        ]),
    (6, 8, [
        'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b',
        'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0',
        'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
        ]),
    (3, 3, [
        'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
        ]),
    ]


class MerkleTestCase(unittest.TestCase):
    "Test the trees of RFC 6962 with the vectors of its authors"

    def test_roots(self):
        hashes = [leaf_hash(leaf) for leaf in LEAVES]
        for size, expected in enumerate(ROOTS):
            self.assertEqual(root(hashes[:size]).hex(), expected)

    def test_paths(self):
        hashes = [leaf_hash(leaf) for leaf in LEAVES]
        for number, size, expected in PATHS:
            self.assertEqual(
                [h.hex() for h in path(number - 1, hashes[:size])], expected)

    @given(st.data())
    def test_every_leaf(self, data):
        "Each leaf has a path to the root, which leads from no other place"
        size = data.draw(st.integers(1, 200))
        index = data.draw(st.integers(0, size - 1))
        hashes = [leaf_hash(bytes([i % 256, i // 256])) for i in range(size)]
        siblings = path(index, hashes)
        self.assertEqual(
            root_of_path(hashes[index], index, size, siblings), root(hashes))
        other = data.draw(st.integers(0, size - 1))
        if other != index:
            with self.subTest("another leaf"):
                self.assertNotEqual(
                    root_of_path(hashes[other], index, size, siblings),
                    root(hashes))

    def test_refused(self):
        hashes = [leaf_hash(leaf) for leaf in LEAVES]
        siblings = path(2, hashes)
        for index, size, path_ in [
                (8, 8, siblings), (-1, 8, siblings), (2, 8, siblings[:-1]),
                (2, 8, siblings * 2), (0, 0, [])]:
            with self.assertRaises(ValueError):
                root_of_path(hashes[2], index, size, path_)
