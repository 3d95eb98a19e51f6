# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
import datetime as dt
import subprocess

from harness import BIN, PASSWORD, TOP, ServerTestCase
from smtp_tools import Mailbox, message, texts

EMAIL = 'prescriber@example.com'


def late_forms(config):
    "A patient whose forms are late, and a prescriber with an e-mail."
    from proteus import Model
    from trytond.modules.early_access.tests.tools import (
        create_laboratory, create_patient, create_programme)
    from trytond.pool import Pool
    from trytond.transaction import Transaction

    create_laboratory(config=config)
    create_programme(config=config)
    create_patient('treated', config=config)
    User = Model.get('res.user', config=config)
    user, = User.find([('login', '=', 'prescriber')])
    user.email = EMAIL
    user.password = PASSWORD
    user.save()
    with Transaction().start(config.database_name, 0) as transaction:
        pool = Pool()
        Form = pool.get('early_access.form')
        Cron = pool.get('ir.cron')
        day = dt.date.today() - dt.timedelta(days=1)
        forms = Form.search([('kind', '=', 'follow_up')])
        Form.write(forms, {'due_date': day, 'latest_date': day})
        crons = Cron.search([
                ('method', '=', 'early_access.reminder|remind')])
        Cron.write(crons, {'next_call': dt.datetime.now()})
        Cron.delete(Cron.search([('id', 'not in', [c.id for c in crons])]))
        transaction.commit()


class ReminderTestCase(ServerTestCase):
    "Test the e-mail to those for whom work is waiting"
    fixtures = late_forms

    def test_email(self):
        "Test that it is sent once, with a link and without a patient"
        with Mailbox() as mailbox:
            for _ in range(2):
                self._run_crons(mailbox)
        envelope, = mailbox.envelopes
        self.assertEqual(envelope.rcpt_tos, [EMAIL])
        self.assertEqual(
            message(envelope)['Subject'],
            "Early access: work is waiting for you")
        self.assertTrue(texts(envelope))
        with self.script('prescriber') as config:
            from proteus import Model
            Patient = Model.get('early_access.patient', config=config)
            patient, = Patient.find([])
            secrets = [
                patient.code, patient.authorization.code,
                patient.authorization.name.split()[0]]
        for text in texts(envelope):
            self.assertIn("Overdue forms: 2", text)
            self.assertIn(f'/#{self.database}', text)
            for secret in secrets:
                self.assertNotIn(secret, text)

    def _run_crons(self, mailbox):
        process = subprocess.run(
            [BIN / 'trytond-cron', '-d', self.database, '--once'], cwd=TOP,
            env=self.databases.environ | mailbox.environ,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            stdin=subprocess.DEVNULL)
        self.assertEqual(process.returncode, 0, process.stdout)
