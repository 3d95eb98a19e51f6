# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"A real SMTP server for the tests."
import socket
from email import message_from_bytes, policy

from aiosmtpd.controller import Controller


class Mailbox:
    """What a server on loopback receives while the block runs.

    The uri is that of the server, and the environ what tells it to Tryton.
    """

    def __init__(self):
        self.envelopes = []
        with socket.socket() as sock:
            sock.bind(('127.0.0.1', 0))
            _, port = sock.getsockname()
        self._controller = Controller(self, hostname='127.0.0.1', port=port)
        self.environ = {
            'TRYTOND_EMAIL__URI': f'smtp://127.0.0.1:{port}',
            'TRYTOND_EMAIL__FROM': 'noreply@example.com',
            }

    async def handle_DATA(self, server, session, envelope):
        self.envelopes.append(envelope)
        return '250 OK'

    def __enter__(self):
        self._controller.start()
        return self

    def __exit__(self, *args):
        self._controller.stop()


def message(envelope):
    "Return the message of an envelope."
    return message_from_bytes(envelope.content, policy=policy.default)


def texts(envelope):
    "Return the texts of the message of an envelope."
    return [
        part.get_content() for part in message(envelope).walk()
        if part.get_content_maintype() == 'text']
