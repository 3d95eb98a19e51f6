# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The records of processing activities (GDPR 30)."

import datetime as dt
import hashlib
import json
import pathlib
import re
import shutil
import zipfile
from io import BytesIO
from unittest import skipUnless

from trytond.exceptions import UserError
from trytond.model.exceptions import AccessButtonError, AccessError
from trytond.modules.early_access.tests.tools import acting
from trytond.modules.early_access_audit.tests.tools import configured
from trytond.modules.early_access_retention.exceptions import (
    ProcessingUnchangedError, ProcessingVersionError, RegisterFixedError)
from trytond.pool import Pool
from trytond.tests.test_tryton import with_transaction
from trytond.transaction import Transaction, without_check_access

from .register_tools import TODAY, RegisterTestCase, rpc
from .tools import at

HERE = pathlib.Path(__file__).parent.parent
# With a profile of its own, as tests beside may convert too
CONVERT = (
    'soffice -env:UserInstallation=file://%(directory)s/profile --headless '
    '--convert-to "%(output_extension)s" --outdir "%(directory)s" '
    '"%(input_path)s"')


def text_of(content):
    "Return the text of an ODT."
    with zipfile.ZipFile(BytesIO(content)) as archive:
        xml = archive.read('content.xml').decode()
    return re.sub(r'<[^>]+>', ' ', xml)


class ProcessingTestCase(RegisterTestCase):
    "Test the records"

    def record(self, **values):
        return self.create('early_access.processing', **values)

    def rows(self, record):
        "Return the lines by label."
        with at(TODAY):
            return {
                label: lines for _, rows in record.content().sections
                for label, lines in rows}

    def print_(self, record, extension='odt', login='dpo'):
        pool = Pool()
        Report = pool.get('early_access.processing.report', type='report')
        ModelData = pool.get('ir.model.data')
        Action = pool.get('ir.action.report')
        name = {
            'odt': 'report_processing_odt', 'pdf': 'report_processing'}
        action = Action(ModelData.get_id(
                'early_access_retention', name[extension]))
        with acting(login), at(TODAY):
            return Report.execute([record.id], {
                    'action_id': action.id, 'model': record.__name__})

    @with_transaction()
    def test_live(self):
        "The record says what the registers hold that day"
        record = self.record()
        rows = self.rows(record)
        self.assertIn("DMB", rows["Programmes"][0])
        self.assertFalse(rows["Declaration to the CNIL"])
        self.assertFalse(rows["Public body in charge of medicines (art. 8.3)"])
        self.assertEqual(rows["Transfers"], ["None"])
        recipient = self.recipient(
            country=self.country('CH').id, valid_to=TODAY)
        rows = self.rows(record)
        self.assertIn("Fictitious Agency", rows[
                "Public body in charge of medicines (art. 8.3)"][0])
        # It goes out without a transfer
        self.assertEqual(rows["Transfer to Fictitious Agency, CH"], [])
        self.transfer(recipient)
        rows = self.rows(record)
        self.assertIn("2000/518/EC", rows["Transfers"][0])
        self.assertNotIn("Transfer to Fictitious Agency, CH", rows)
        self.active(
            'early_access.formality', kind='declaration', number='FICT-22',
            valid_from=TODAY)
        self.assertIn(
            'FICT-22', self.rows(record)["Declaration to the CNIL"][0])
        with self.as_of(2):
            self.assertFalse(dict(
                    r for _, rows in record.content().sections for r in rows)[
                    "Public body in charge of medicines (art. 8.3)"])

    @with_transaction()
    def test_data(self):
        "The categories of data are those of the protocols in force"
        rows = self.rows(self.record())
        self.assertIn("Efficacy", rows["Patients"])
        self.assertNotIn("Quality of life", rows["Patients"])
        self.assertEqual(rows["Special categories"], ["None"])

    @with_transaction()
    def test_gaps(self):
        "What is empty is said to be missing"
        record = self.record()
        with at(TODAY):
            self.assertGreater(record.gaps_count, 3)
            self.assertEqual(
                len(record.gaps.splitlines()), record.gaps_count)
            self.assertIn("Security policy", record.gaps)
            self.assertIn("Periods: DMB", record.gaps)
        text = text_of(self.print_(record)[1])
        self.assertIn("Missing", text)
        self.assertIn("Security policy", text)
        for unfilled in ['&lt;', 'None)', 'for each']:
            self.assertNotIn(unfilled, text)

    @with_transaction()
    def test_periods(self):
        "The record tells the periods that the laboratory has adopted"
        Policy = Pool().get('early_access.retention.policy')
        record = self.record()
        self.assertEqual(self.rows(record)['DMB'], [])
        policy = self.create(
            'early_access.retention.policy',
            from_date=TODAY - dt.timedelta(days=30), active_months=12,
            archive_years=20, refused_months=6, never_started_months=6,
            draft_days=30, reason="The fictitious protocol asks for it.")
        with Transaction().set_context(_skip_warnings=True):
            Policy.adopt([policy])
        self.assertTrue(self.rows(record)['DMB'])

    @with_transaction()
    def test_authentication(self):
        "A weak authentication is no security measure"
        record = self.record()
        with configured(session__authentications='password+totp'):
            self.assertTrue(self.rows(record)["Authentication"])
        with configured(session__authentications='password'):
            self.assertFalse(self.rows(record)["Authentication"])

    @with_transaction()
    def test_processor(self):
        "The record of a processor has what the article 30.2 asks"
        laboratory = self.party("Fictitious Laboratory")
        record = self.record(kind='processor', controller=laboratory.id)
        rows = self.rows(record)
        self.assertEqual(rows["Controller"][0], "Fictitious Laboratory")
        self.assertEqual(
            rows["Processor"][0], self.company.party.rec_name)
        self.assertNotIn("Patients", rows)
        self.assertNotIn("Declaration to the CNIL", rows)

    @with_transaction()
    def test_hosts(self):
        "A host without a certificate in force is missing"
        processor = self.processor(
            hosts_health_data=True, hds_activities=['site'])
        label = f"Certified hosts: {processor.party.rec_name}"
        record = self.record()
        with at(TODAY):
            self.assertIn(label, record.gaps)

    @with_transaction()
    def test_french(self):
        "It is in the language of the user"
        User = Pool().get('res.user')
        Lang = Pool().get('ir.lang')
        lang, = Lang.search([('code', '=', 'fr')])
        lang.translatable = True
        lang.save()
        Translation = Pool().get('ir.translation')
        for module in [
                'early_access', 'early_access_audit',
                'early_access_retention']:
            Translation.translation_import(
                'fr', module, [
                    str(HERE.parent / module / 'locale' / 'fr.po')])
        dpo, = User.search([('login', '=', 'dpo')])
        dpo.language = lang
        dpo.save()
        text = text_of(self.print_(self.record())[1])
        self.assertIn("Registre des activités de traitement", text)
        self.assertIn("Finalités", text)
        self.assertNotIn("Purposes", text)

    @skipUnless(shutil.which('soffice'), "no LibreOffice")
    @with_transaction()
    def test_pdf(self):
        record = self.record()
        with configured(report__convert_command=CONVERT):
            extension, content, *_ = self.print_(record, 'pdf')
        self.assertEqual(extension, 'pdf')
        self.assertEqual(bytes(content[:5]), b'%PDF-')

    @with_transaction()
    def test_access(self):
        "Who reads the registers prints the record, and nobody else"
        record = self.record()
        for login in ['dpo', 'audit', 'regulatory_affairs']:
            with self.subTest(login=login):
                self.assertTrue(self.print_(record, login=login)[1])
        for login in ['prescriber', 'supply', 'data_manager']:
            with self.subTest(login=login), self.refused(UserError):
                with Transaction().set_context(_check_access=True):
                    self.print_(record, login=login)


class ProcessingVersionTestCase(RegisterTestCase):
    "Test the records that are issued"

    def record(self, **values):
        return self.create('early_access.processing', **values)

    def issue(self, record, login='dpo', days=0, convert='none'):
        Processing = Pool().get('early_access.processing')
        with acting(login), self.as_of(days), configured(
                report__convert_command=convert):
            rpc(Processing, 'issue', [record.id])
        with without_check_access():
            return Processing(record.id).versions[0]

    @with_transaction()
    def test_issue(self):
        "What is issued is kept, with what it says and who issued it"
        record = self.record()
        version = self.issue(record)
        with without_check_access():
            self.assertEqual(version.number, 1)
            self.assertEqual(version.date, TODAY)
            self.assertEqual(version.issued_by.login, 'dpo')
            self.assertEqual(version.company, self.company)
            self.assertEqual(version.kind, 'controller')
            self.assertEqual(version.changes, "First version")
            self.assertTrue(version.document_id)
            self.assertTrue(version.document_name.endswith(' - 1.odt'))
            self.assertIn("Version 1", text_of(version.document))
            self.assertIn("Purposes", text_of(version.document))
            self.assertEqual(
                version.digest,
                hashlib.sha256(version.content.encode()).hexdigest())
            self.assertEqual(
                version.document_digest,
                hashlib.sha256(version.document).hexdigest())
            content = json.loads(version.content)
        self.assertEqual(content['kind'], 'controller')
        self.assertIn('security', [s['name'] for s in content['sections']])

    @skipUnless(shutil.which('soffice'), "no LibreOffice")
    @with_transaction()
    def test_pdf(self):
        "It is a PDF where the server can make one"
        version = self.issue(self.record(), convert=CONVERT)
        with without_check_access():
            self.assertTrue(version.document_name.endswith(' - 1.pdf'))
            self.assertEqual(bytes(version.document[:5]), b'%PDF-')

    @with_transaction()
    def test_unchanged(self):
        "What says the same is not issued again, whatever the day"
        record = self.record()
        self.issue(record)
        with self.refused(ProcessingUnchangedError) as cm:
            self.issue(record, login='regulatory_affairs', days=1)
        self.assertIn("version 1 of 11/20/2026", str(cm.exception))

    @with_transaction()
    def test_changes(self):
        "The list tells the sections that are not as before"
        record = self.record()
        first = self.issue(record)
        self.recipient()
        self.active(
            'early_access.formality', kind='security_policy',
            number='FICT-23', valid_from=TODAY)
        second = self.issue(record)
        Processing = Pool().get('early_access.processing')
        Processing.write([Processing(record.id)], {'name': "Fictitious"})
        third = self.issue(record)
        with without_check_access():
            self.assertEqual(second.number, 2)
            self.assertEqual(
                second.changes, "Recipients, Security measures")
            self.assertEqual(third.changes, "Heading")
            self.assertEqual(first.changes, "First version")
            # The newest first
            self.assertEqual(
                list(Processing(record.id).versions), [third, second, first])
            self.assertNotIn("FICT-23", text_of(first.document))

    @with_transaction()
    def test_number(self):
        "The versions are numbered by kind, and compared by record"
        laboratories = [
            self.record(kind='processor', controller=self.party(name).id)
            for name in ["Fictitious Laboratory", "Invented Laboratory"]]
        versions = [self.issue(r) for r in [*laboratories, self.record()]]
        with without_check_access():
            self.assertEqual([v.number for v in versions], [1, 2, 1])
            self.assertEqual(
                {v.changes for v in versions}, {"First version"})

    @with_transaction()
    def test_language(self):
        "It is in the language of the company, whoever issues it"
        User = Pool().get('res.user')
        lang, = Pool().get('ir.lang').search([('code', '=', 'fr')])
        lang.translatable = True
        lang.save()
        record = self.record()
        self.issue(record)
        user, = User.search([('login', '=', 'regulatory_affairs')])
        user.language = lang
        user.save()
        with self.refused(ProcessingUnchangedError):
            self.issue(record, login='regulatory_affairs')
        party = self.company.party
        with Transaction().set_context(company=self.company.id):
            party = party.__class__(party.id)
            party.lang = lang
            party.save()
        version = self.issue(record)
        with without_check_access():
            self.assertEqual(json.loads(version.content)['language'], 'fr')

    @with_transaction()
    def test_fixed(self):
        "Nobody changes, deletes nor copies what was issued"
        Version = Pool().get('early_access.processing.version')
        version = self.issue(self.record())
        for access, error in [
                (True, AccessError), (False, ProcessingVersionError)]:
            with acting('dpo'), Transaction().set_context(
                    _check_access=access):
                with self.refused(error):
                    Version.write([version], {'number': 2})
                with self.refused(error):
                    Version.delete([version])
                with self.refused(error):
                    Version.copy([version])

    @with_transaction()
    def test_record_fixed(self):
        "A record that was issued stays, and stays about the same processing"
        Processing = Pool().get('early_access.processing')
        draft, record = self.record(), self.record(
            kind='processor', controller=self.party().id)
        self.issue(record)
        record = Processing(record.id)
        other = self.party("Fictitious Laboratory").id
        with acting('dpo'):
            for values in [{'kind': 'controller'}, {'controller': other}]:
                with self.subTest(values), self.refused(RegisterFixedError):
                    Processing.write([record], values)
            with self.refused(RegisterFixedError):
                Processing.delete([record])
            Processing.write([record], {'name': "Fictitious"})
            Processing.delete([Processing(draft.id)])
            copy, = Processing.copy([record], {'controller': other})
            self.assertFalse(copy.versions)

    @with_transaction()
    def test_access(self):
        "Who answers for the record issues it, who reads it reads the versions"
        pool = Pool()
        Processing = pool.get('early_access.processing')
        Version = pool.get('early_access.processing.version')
        record = self.record()
        for number, login in enumerate([
                    'dpo', 'regulatory_affairs', 'pharmacist_in_charge',
                    'security_officer'], 1):
            with self.subTest(login=login):
                Processing.write([Processing(record.id)], {'name': login})
                self.assertEqual(
                    self.issue(record, login=login).number, number)
        Processing.write([Processing(record.id)], {'name': "Fictitious"})
        for login in ['audit', 'prescriber', 'supply', 'data_manager']:
            with self.subTest(login=login), \
                    self.refused(AccessError, AccessButtonError):
                self.issue(record, login=login)
        version = record.versions[0]
        with acting('audit'):
            self.assertTrue(Version.read([version.id], ['document']))
        for login in ['prescriber', 'supply', 'data_manager']:
            with self.subTest(login=login), acting(login), \
                    self.refused(AccessError):
                Version.read([version.id], ['document'])
        with acting('dpo'), self.refused(AccessError):
            Version.create([{
                        'processing': record.id,
                        'company': self.company.id,
                        'kind': 'controller',
                        'number': 9,
                        'date': TODAY,
                        'document': b'-',
                        'content': '{}',
                        'digest': '-',
                        'document_digest': '-',
                        }])

    @with_transaction()
    def test_company(self):
        "The versions of another company are not seen"
        pool = Pool()
        Company = pool.get('company.company')
        User = pool.get('res.user')
        Version = pool.get('early_access.processing.version')
        version = self.issue(self.record())
        company, = Company.create([{
                    'party': self.party("Invented Laboratory").id,
                    'currency': self.company.currency.id,
                    }])
        user, = User.search([('login', '=', 'audit')])
        User.write([user], {
                'companies': [('remove', [self.company.id]),
                    ('add', [company.id])],
                'company': company.id})
        with acting('audit'):
            self.assertEqual(
                Version.search([('id', '=', version.id)]), [])
