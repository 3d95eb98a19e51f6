# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import base64
import io
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import threading
import unittest
from contextlib import redirect_stdout
from unittest.mock import patch

import trytond.config as config
from trytond.model import ModelSQL, fields
from trytond.model.fields import binary
from trytond.modules.early_access import filestore, keyring
from trytond.modules.early_access.exceptions import (
    FileSealError, FileSizeError, SealError)
from trytond.modules.early_access.filestore import (
    MAX_SIZE, SealedFileStore, rewrap, seal, wrapped_by)
from trytond.pool import Pool
from trytond.tests.test_tryton import DB_NAME, with_transaction
from trytond.transaction import Transaction

from .tools import ProgrammeTestCase, acting

STORE = 'trytond.modules.early_access.filestore.SealedFileStore'
MARKER = b'ZQXJ-marker-of-a-document'


class StoreMixin:
    "A store and a keyring of their own"

    def setUp(self):
        super().setUp()
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.top = pathlib.Path(directory.name, 'files')
        self.top.mkdir()
        self.keyring = os.path.join(directory.name, 'keyring')
        keyring.FileKeyring.create(self.keyring)
        # SQLite keeps its databases under the same path
        patcher = patch.object(filestore, '_top', return_value=str(self.top))
        patcher.start()
        self.addCleanup(patcher.stop)
        for section, option, value in [
                ('early_access', 'keyring', self.keyring),
                ('early_access', 'file_max_size', str(MAX_SIZE)),
                ]:
            previous = config.get(section, option)
            config.set(section, option, value)
            if previous is None:
                self.addCleanup(config._config.remove_option, section, option)
            else:
                self.addCleanup(config.set, section, option, previous)
        self.store = SealedFileStore()

    def path(self, id, prefix='prefix'):
        return self.top / prefix / id[:2] / id[2:4] / id

    def rotate(self):
        "Make another key active and return both identifiers"
        path = pathlib.Path(self.keyring)
        document = json.loads(path.read_text())
        old, new = document['active'], 'new'
        document['keys'][new] = {
            'key': base64.b64encode(os.urandom(32)).decode()}
        document['active'] = new
        path.write_text(json.dumps(document))
        return old, new

    def remove_key(self, kek):
        path = pathlib.Path(self.keyring)
        document = json.loads(path.read_text())
        del document['keys'][kek]
        path.write_text(json.dumps(document))


class SealedFileStoreTestCase(StoreMixin, unittest.TestCase):
    "The files, without a database"

    def test_round_trip(self):
        for data in [b'', b'\0', MARKER, bytearray(MARKER), b'x' * 100_000]:
            id = self.store.set(data, 'prefix')
            self.assertEqual(self.store.get(id, 'prefix'), data)
            self.assertEqual(self.store.size(id, 'prefix'), len(data))
        ids = self.store.setmany([b'a', b'bb'], 'prefix')
        self.assertEqual(self.store.getmany(ids, 'prefix'), [b'a', b'bb'])
        self.assertEqual(self.store.sizemany(ids, 'prefix'), [1, 2])
        self.store.delete_many(ids, 'prefix')
        self.store.delete(ids[0], 'prefix')
        with self.assertRaises(FileNotFoundError):
            self.store.get(ids[0], 'prefix')

    def test_nothing_in_clear(self):
        id = self.store.set(MARKER * 50, 'prefix')
        content = self.path(id).read_bytes()
        self.assertNotIn(MARKER, content)
        self.assertNotIn(MARKER[:8], content)

    def test_same_document(self):
        "Nothing tells that a document is already in the store"
        first = self.store.set(MARKER, 'prefix')
        second = self.store.set(MARKER, 'prefix')
        self.assertNotEqual(first, second)
        first, second = (
            self.path(i).read_bytes() for i in [first, second])
        self.assertNotEqual(first[-40:], second[-40:])

    def test_readable_by_owner_alone(self):
        previous = os.umask(0)
        self.addCleanup(os.umask, previous)
        id = self.store.set(MARKER, 'prefix')
        path = self.path(id)
        self.assertEqual(path.stat().st_mode & 0o777, 0o600)
        self.assertEqual(path.parent.stat().st_mode & 0o777, 0o700)


class FileStoreTestCase(StoreMixin, ProgrammeTestCase):
    "The files of a database"

    def setUp(self):
        super().setUp()
        # As if the configuration had been there when the server started
        for module in ['trytond.model.fields.binary', 'trytond.ir.filestore']:
            patcher = patch(f'{module}.filestore', self.store)
            patcher.start()
            self.addCleanup(patcher.stop)

    def refuse_open(self, error, words, id, prefix='prefix'):
        with self.assertRaises(error) as cm:
            self.store.get(id, prefix)
        self.assertIn(words, cm.exception.message)
        self.assertIn(id, cm.exception.message)

    @with_transaction()
    def test_altered(self):
        id = self.store.set(MARKER, 'prefix')
        path = self.path(id)
        content = path.read_bytes()
        length = int.from_bytes(content[5:7], 'big')
        sealed = 7 + length
        for position in [4, 5, 6, 7, sealed, len(content) - 1]:
            with self.subTest(position=position):
                altered = bytearray(content)
                altered[position] ^= 1
                path.write_bytes(altered)
                self.refuse_open(FileSealError, "altered or moved", id)
        for end in [4, 7, 40, sealed, len(content) - 1]:
            with self.subTest(end=end):
                path.write_bytes(content[:end])
                self.refuse_open(FileSealError, "altered or moved", id)
                self.store.size(id, 'prefix')
        path.write_bytes(content)
        self.assertEqual(self.store.get(id, 'prefix'), MARKER)

    @with_transaction()
    def test_moved(self):
        "A file does not open under another name, prefix or database"
        first, second = self.store.setmany([b'first', b'second'], 'prefix')
        other = self.store.set(b'other', 'other')
        content = self.path(first).read_bytes()
        self.path(second).write_bytes(content)
        self.refuse_open(FileSealError, "altered or moved", second)
        self.path(other, 'other').write_bytes(content)
        self.refuse_open(FileSealError, "altered or moved", other, 'other')
        with patch.object(filestore, '_database', return_value='copied'):
            self.refuse_open(
                FileSealError, f'the database "{DB_NAME}"', first)
        header = json.loads(content[7:7 + int.from_bytes(content[5:7], 'big')])
        header = json.dumps(header | {'database': 'copied'}).encode()
        self.path(first).write_bytes(
            content[:5] + len(header).to_bytes(2, 'big') + header
            + content[7 + int.from_bytes(content[5:7], 'big'):])
        with patch.object(filestore, '_database', return_value='copied'):
            self.refuse_open(FileSealError, "altered or moved", first)

    @with_transaction()
    def test_identifier_of_user(self):
        "A user who writes the identifier of a file stays in the store"
        secret = self.top.parent / 'secret'
        secret.write_bytes(MARKER)
        for id in ['../../../secret', '../secret', str(secret), '', 'a\0b',
                '.tmp', 'a' * 5000]:
            with self.subTest(id=id[:20]):
                with self.assertRaises(OSError):
                    self.store.get(id, 'prefix')
        with self.assertRaises(ValueError):
            self.store.set(MARKER, '../files-of-another')

    @with_transaction()
    def test_size_limit(self):
        config.set('early_access', 'file_max_size', '10')
        self.store.set(b'x' * 10, 'prefix')
        with self.assertRaises(FileSizeError) as cm:
            self.store.set(b'x' * 11, 'prefix')
        for words in ['10', '11', 'file_max_size']:
            self.assertIn(words, cm.exception.message)

    @with_transaction()
    def test_no_key(self):
        id = self.store.set(MARKER, 'prefix')
        old, _ = self.rotate()
        self.assertEqual(self.store.get(id, 'prefix'), MARKER)
        self.remove_key(old)
        with self.assertLogs(filestore.__name__), \
                self.assertRaises(SealError) as cm:
            self.store.get(id, 'prefix')
        self.assertIn("keyring", cm.exception.message)
        self.assertNotIn(self.keyring, cm.exception.message)

    @with_transaction()
    def test_crash_of_write(self):
        "A write that fails leaves no file, and not half of one"
        with patch.object(os, 'replace', side_effect=OSError):
            with self.assertRaises(OSError):
                self.store.set(MARKER, 'prefix')
        self.assertFalse([
                p for p in self.top.rglob('*') if p.is_file()])

    # Records

    def decision(self):
        Decision = Pool().get('early_access.authorization.decision')
        decision, = Decision.search([], limit=1)
        return Decision.copy([decision], default={'number': 'DOC-1'})[0]

    @with_transaction()
    def test_document_of_decision(self):
        decision = self.decision()
        Decision = decision.__class__
        Decision.write([decision], {
                'document': MARKER, 'document_name': 'decision.pdf'})
        table = Decision.__table__()
        cursor = Transaction().connection.cursor()
        cursor.execute(*table.select(
                table.document, table.document_id,
                where=table.id == decision.id))
        column, id = cursor.fetchone()
        self.assertIsNone(column)
        self.assertNotIn(
            MARKER, self.path(id, 'early_access').read_bytes())
        with acting('regulatory_affairs'):
            row, = Decision.read([decision.id], ['document'])
            self.assertEqual(row['document'], MARKER)
            with Transaction().set_context({
                        f'{Decision.__name__}.document': 'size'}):
                row, = Decision.read([decision.id], ['document'])
            self.assertEqual(row['document'], len(MARKER))

    @with_transaction()
    def test_attachment(self):
        Attachment = Pool().get('ir.attachment')
        decision = self.decision()
        attachment, = Attachment.create([{
                    'name': 'contract.pdf',
                    'resource': str(decision.authorization),
                    'data': MARKER,
                    }])
        attachment = Attachment(attachment.id)
        self.assertEqual(attachment.data, MARKER)
        self.assertEqual(attachment.data_size, len(MARKER))
        path = self.path(attachment.file_id, Transaction().database.name)
        self.assertNotIn(MARKER, path.read_bytes())
        config.set('early_access', 'file_max_size', '10')
        with self.assertRaises(FileSizeError):
            Attachment.write([attachment], {'data': MARKER})

    @with_transaction()
    def test_removed_with_its_record(self):
        "The server removes what no record refers to any more"
        pool = Pool()
        Attachment = pool.get('ir.attachment')
        Queue = pool.get('ir.filestore.queue')
        decision = self.decision()
        attachment, = Attachment.create([{
                    'name': 'contract.pdf',
                    'resource': str(decision.authorization),
                    'data': MARKER,
                    }])
        path = self.path(attachment.file_id, Transaction().database.name)
        Attachment.delete([attachment])
        self.assertTrue(path.exists())
        config.set('attachment', 'retention_days', '-1')
        self.addCleanup(
            config._config.remove_option, 'attachment', 'retention_days')
        Queue.remove()
        self.assertFalse(path.exists())

    @with_transaction()
    def test_no_binary_column(self):
        "No document of the programme is in a column"
        columns = set()
        for name, Model in Pool().iterobject():
            if not issubclass(Model, ModelSQL):
                continue
            for field in Model._fields.values():
                if (isinstance(field, fields.Binary) and not field.file_id
                        and not isinstance(field, fields.Function)):
                    columns.add(f'{name}.{field.name}')
        self.assertEqual(columns, {
                # Neither holds data about a patient
                'company.company.logo',
                'company.company.logo.cache.image',
                'ir.action.report.report_content_custom',
                'ir.avatar.cache.image',
                'ir.avatar.image',
                })

    # Files in clear

    def store_clear(self, data):
        "A document stored before the sealed store was selected"
        id = '0123abcd-c1ea'
        decision = self.decision()
        path = self.path(id, 'early_access')
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        table = decision.__table__()
        Transaction().connection.cursor().execute(*table.update(
                [table.document_id], [id], where=table.id == decision.id))
        return id, path

    @with_transaction()
    def test_clear(self):
        id, path = self.store_clear(MARKER)
        self.refuse_open(
            FileSealError, "early-access-files seal", id, 'early_access')
        # The list that shows it opens
        self.assertEqual(self.store.size(id, 'early_access'), len(MARKER))
        with patch.object(
                filestore, '_references',
                return_value=[('early_access', id)]):
            self.assertEqual(filestore.clear(DB_NAME), 1)
            self.assertEqual(seal(DB_NAME), 1)
            self.assertEqual(seal(DB_NAME), 0)
            self.assertEqual(filestore.clear(DB_NAME), 0)
        self.assertNotIn(MARKER, path.read_bytes())
        self.assertEqual(self.store.get(id, 'early_access'), MARKER)

    # Rotation

    @with_transaction()
    def test_rewrap(self):
        ids = self.store.setmany([MARKER, b'', b'x' * 3_000_000], 'prefix')
        before = [self.path(i).read_bytes() for i in ids]
        old, new = self.rotate()
        ids += self.store.setmany([b'later'], 'prefix')
        self.assertEqual(wrapped_by(), {old: 3, new: 1})
        self.assertEqual(wrapped_by(DB_NAME), {old: 3, new: 1})
        self.assertFalse(wrapped_by('another'))
        self.assertEqual(rewrap('another'), 0)

        self.assertEqual(rewrap(), 3)

        self.assertEqual(wrapped_by(), {new: 4})
        self.assertEqual(rewrap(), 0)
        self.remove_key(old)
        self.assertEqual(
            self.store.getmany(ids, 'prefix'),
            [MARKER, b'', b'x' * 3_000_000, b'later'])
        for id, content in zip(ids, before):
            # What is sealed is neither opened nor changed
            self.assertEqual(
                self.path(id).read_bytes()[-16:], content[-16:])

    @with_transaction()
    def test_rewrap_goes_on(self):
        "What cannot be wrapped again is told, counted and left"
        ids = self.store.setmany([b'lost', b'broken', b'good'], 'prefix')
        lost, _, good = ids
        first, _ = self.rotate()
        self.assertEqual(rewrap(), 3)
        self.path(ids[1]).write_bytes(
            self.path(ids[1]).read_bytes()[:20])
        content = self.path(lost).read_bytes()
        self.path(lost).write_bytes(
            content.replace(b'"kek": "new"', b'"kek": "old"'))
        path = pathlib.Path(self.keyring)
        document = json.loads(path.read_text())
        document['active'] = first
        path.write_text(json.dumps(document))
        with self.assertLogs(filestore.__name__) as logs:
            self.assertEqual(rewrap(), 1)
        self.assertEqual(len(logs.output), 2)
        self.assertEqual(wrapped_by(), {first: 1, 'old': 1, None: 1})
        self.assertEqual(self.store.get(good, 'prefix'), b'good')

    @with_transaction()
    def test_rewrap_and_delete(self):
        "What is deleted meanwhile does not come back"
        id = self.store.set(MARKER, 'prefix')
        self.rotate()
        reached, go_on = threading.Event(), threading.Event()
        replace = os.replace

        def slow(*args):
            reached.set()
            go_on.wait(60)
            replace(*args)

        with patch.object(os, 'replace', slow):
            thread = threading.Thread(target=rewrap)
            thread.start()
            reached.wait(60)
            delete = threading.Thread(
                target=self.store.delete, args=[id, 'prefix'])
            delete.start()
            go_on.set()
            thread.join()
            delete.join()
        self.assertFalse(self.path(id).exists())

    @with_transaction()
    def test_rewrap_killed(self):
        "Killed at any moment and run again, every file opens"
        ids = self.store.setmany(
            [b'%i' % i * 1000 for i in range(60)], 'prefix')
        old, new = self.rotate()
        code = (
            'import os, sys\n'
            'from trytond.modules.early_access import filestore\n'
            'fsync = os.fsync\n'
            'def told(fd):\n'
            '    fsync(fd)\n'
            '    print(flush=True)\n'
            'os.fsync = told\n'
            'filestore.rewrap()\n')
        for kills in range(1, 5):
            process = subprocess.Popen(
                [sys.executable, '-W', 'ignore', '-c', code],
                stdout=subprocess.PIPE, env=os.environ | {
                    'TRYTOND_DATABASE__PATH': str(self.top),
                    'TRYTOND_EARLY_ACCESS__KEYRING': self.keyring,
                    })
            for _ in range(7 + kills):
                process.stdout.readline()
            process.send_signal(signal.SIGKILL)
            process.wait()
            process.stdout.close()
            counts = wrapped_by()
            self.assertEqual(counts.total(), len(ids))
            self.assertTrue(counts[old])
            self.assertEqual(
                self.store.getmany(ids, 'prefix'),
                [b'%i' % i * 1000 for i in range(60)])
        rewrap()
        self.assertEqual(wrapped_by(), {new: len(ids)})
        with patch.object(filestore, 'ABANDONED', -1):
            wrapped_by()
        self.assertEqual(
            {p.name for p in self.top.rglob('*') if p.is_file()}, set(ids))


class SelectionTestCase(StoreMixin, unittest.TestCase):
    "The configuration selects the store, whatever is imported first"

    def run_python(self, code):
        return subprocess.run(
            [sys.executable, '-W', 'ignore', '-c', code],
            capture_output=True, text=True, env=os.environ | {
                'TRYTOND_DATABASE__CLASS': STORE,
                'TRYTOND_EARLY_ACCESS__KEYRING': self.keyring,
                })

    def test_selected(self):
        for module in [
                'trytond.filestore', 'trytond.model', 'trytond.pool',
                'trytond.application', 'trytond.cron', 'trytond.worker',
                'trytond.modules.early_access.filestore',
                'trytond.modules.early_access.sealed']:
            with self.subTest(module=module):
                result = self.run_python(
                    f'import {module}\n'
                    'from trytond.model.fields.binary import filestore\n'
                    'print(type(filestore).__name__)')
                self.assertEqual(
                    result.stdout, 'SealedFileStore\n', result.stderr)

    def test_same_interface(self):
        "Every method of the store of the server is there"
        # The stock class is replaced when the store is selected
        stock = binary.filestore.__class__
        names = {n for n in vars(stock) if re.match(r'[a-z]', n)} - {'path'}
        self.assertIn('delete_many', names)
        self.assertLessEqual(names, vars(SealedFileStore).keys())


class CommandTestCase(StoreMixin, unittest.TestCase):

    def test_status(self):
        store = SealedFileStore()
        store.set(MARKER, 'prefix')
        old, new = self.rotate()
        store.set(MARKER, 'prefix')
        output = io.StringIO()
        with patch.object(filestore, '_references', return_value=[]), \
                redirect_stdout(output):
            self.assertEqual(filestore.main(['-d', '', 'status']), 0)
        self.assertEqual(
            sorted(output.getvalue().splitlines()),
            sorted([f'{old}: 1', f'{new}: 1', 'in clear: 0']))


del ProgrammeTestCase
