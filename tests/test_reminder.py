# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
import datetime as dt
import socket
import subprocess
from email import message_from_bytes, policy

from aiosmtpd.controller import Controller

from harness import BIN, PASSWORD, TOP, ServerTestCase

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


class Mailbox:
    "What a real SMTP server receives."

    def __init__(self):
        self.envelopes = []

    async def handle_DATA(self, server, session, envelope):
        self.envelopes.append(envelope)
        return '250 OK'


class ReminderTestCase(ServerTestCase):
    "Test the e-mail to those for whom work is waiting"
    fixtures = late_forms

    def test_email(self):
        "Test that it is sent once, with a link and without a patient"
        mailbox = Mailbox()
        with socket.socket() as sock:
            sock.bind(('127.0.0.1', 0))
            _, port = sock.getsockname()
        controller = Controller(mailbox, hostname='127.0.0.1', port=port)
        controller.start()
        try:
            for _ in range(2):
                self._run_crons(port)
        finally:
            controller.stop()
        envelope, = mailbox.envelopes
        self.assertEqual(envelope.rcpt_tos, [EMAIL])
        message = message_from_bytes(envelope.content, policy=policy.default)
        self.assertEqual(
            message['Subject'], "Early access: work is waiting for you")
        texts = [
            part.get_content() for part in message.walk()
            if part.get_content_maintype() == 'text']
        self.assertTrue(texts)
        with self.script('prescriber') as config:
            from proteus import Model
            Patient = Model.get('early_access.patient', config=config)
            patient, = Patient.find([])
            secrets = [
                patient.code, patient.authorization.code,
                patient.authorization.name.split()[0]]
        for text in texts:
            self.assertIn("Overdue forms: 2", text)
            self.assertIn(f'/#{self.database}', text)
            for secret in secrets:
                self.assertNotIn(secret, text)

    def _run_crons(self, port):
        process = subprocess.run(
            [BIN / 'trytond-cron', '-d', self.database, '--once'], cwd=TOP,
            env=self.databases.environ | {
                'TRYTOND_EMAIL__URI': f'smtp://127.0.0.1:{port}',
                'TRYTOND_EMAIL__FROM': 'early-access@example.com',
                }, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            stdin=subprocess.DEVNULL)
        self.assertEqual(process.returncode, 0, process.stdout)
