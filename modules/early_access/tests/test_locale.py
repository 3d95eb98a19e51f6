# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The French catalogue holds every text of the module, and no other.

The texts are those that the wizards of the server set, clean, update and
export for the module.
"""

import importlib
import os
import re

import polib

from trytond.pool import Pool
from trytond.tests.test_tryton import (
    TestCase, activate_module, drop_db, with_transaction)
from trytond.transaction import Transaction

LANGUAGE = 'fr'


def key(entry):
    return entry.msgctxt, entry.msgid


def placeholders(text):
    return sorted(re.findall(r'%\(\w+\)\w', text))


class LocaleTestCase(TestCase):
    "Test the French catalogue of a module"
    module = 'early_access'

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        drop_db()
        activate_module(cls.module)
        directory = importlib.import_module(
            f'trytond.modules.{cls.module}').__path__[0]
        cls.catalogue = os.path.join(directory, 'locale', f'{LANGUAGE}.po')

    @classmethod
    def tearDownClass(cls):
        drop_db()
        super().tearDownClass()

    def export(self):
        "Return the catalogue that the server exports once it has loaded ours."
        pool = Pool()
        Lang = pool.get('ir.lang')
        Translation = pool.get('ir.translation')
        Set = pool.get('ir.translation.set', type='wizard')
        Clean = pool.get('ir.translation.clean', type='wizard')
        Update = pool.get('ir.translation.update', type='wizard')

        Translation.translation_import(
            LANGUAGE, self.module, self.catalogue)
        Set(Set.create()[0]).transition_set_()
        Clean(Clean.create()[0]).transition_clean()
        update = Update(Update.create()[0])
        update.start.language, = Lang.search([('code', '=', LANGUAGE)])
        update.do_update({})
        # What the wizards wrote in SQL is not what was read before
        for cache in Transaction().cache.values():
            cache.clear()
        return polib.pofile(
            Translation.translation_export(
                LANGUAGE, self.module).decode('utf-8'))

    @with_transaction()
    def test_complete(self):
        "Every text is translated, and for good"
        catalogue = {key(e): e for e in polib.pofile(self.catalogue)}
        exported = {key(e): e for e in self.export()}

        for name, found in [
                ('missing', exported.keys() - catalogue.keys()),
                ('obsolete', catalogue.keys() - exported.keys()),
                ('empty', {
                        k for k, e in (exported | catalogue).items()
                        if not e.msgstr.strip()}),
                ('fuzzy', {
                        k for k, e in (exported | catalogue).items()
                        if e.fuzzy}),
                ('not loaded', {
                        k for k in exported.keys() & catalogue.keys()
                        if exported[k].msgstr != catalogue[k].msgstr}),
                ]:
            with self.subTest(name):
                self.assertEqual(sorted(found), [])

    def test_placeholders(self):
        "A translated text takes the values of the text"
        for entry in polib.pofile(self.catalogue):
            with self.subTest(entry.msgctxt, text=entry.msgid):
                self.assertEqual(
                    placeholders(entry.msgstr), placeholders(entry.msgid))

    def test_once(self):
        "A text is in the catalogue once"
        entries = [key(e) for e in polib.pofile(self.catalogue)]
        self.assertEqual(len(entries), len(set(entries)))
