# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The records of processing activities (GDPR 30)."

import datetime as dt
import pathlib
import re
import shutil
import zipfile
from io import BytesIO
from unittest import skipUnless

from trytond.exceptions import UserError
from trytond.modules.early_access.tests.tools import acting
from trytond.modules.early_access_audit.tests.tools import configured
from trytond.pool import Pool
from trytond.tests.test_tryton import with_transaction
from trytond.transaction import Transaction

from .register_tools import TODAY, RegisterTestCase
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
