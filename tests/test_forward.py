# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The central log gets all the trail, in order, whoever is restarted."
import datetime as dt
import json
import os
import re
import signal
import socketserver
import ssl
import subprocess
import threading
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from harness import BIN
from seal_tools import EVENT, SEAL, TrailDatabaseTestCase

MESSAGE = re.compile(
    r'<109>1 (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z) (\S+) early-access - '
    r'(event|seal) - (\{.*\})')


def frames(data):
    "Yield the messages of a connection (RFC 6587, 3.4.1), and what is cut."
    while data:
        length, _, rest = data.partition(b' ')
        length = int(length)
        if len(rest) < length:
            return
        yield rest[:length].decode()
        data = rest[length:]


class Handler(socketserver.StreamRequestHandler):

    def handle(self):
        try:
            data = self.rfile.read(self.server.limit)
        except (ConnectionResetError, ssl.SSLError):
            return
        self.server.messages += frames(data)


class Syslog(socketserver.ThreadingTCPServer):
    "A server of syslog that keeps what it gets"
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, port=0, context=None, limit=-1):
        super().__init__(('127.0.0.1', port), Handler)
        self.messages, self.limit = [], limit
        if context:
            self.socket = context.wrap_socket(self.socket, server_side=True)
        self.port = self.server_address[1]
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def shutdown_request(self, request):
        if self.limit > 0:
            # It is killed before it has read all
            self.close_request(request)
        else:
            super().shutdown_request(request)

    def handle_error(self, request, client_address):
        "A client that does not trust it says so"

    def stop(self):
        self.shutdown()
        self.server_close()


def certificate(path):
    "Write a key and its certificate for localhost."
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(
                x509.NameOID.COMMON_NAME, 'localhost')])
    now = dt.datetime.now(dt.UTC)
    certificate = (x509.CertificateBuilder()
        .subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName('localhost')]),
            critical=False)
        .sign(key, hashes.SHA256()))
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM))


class ForwardTestCase(TrailDatabaseTestCase):
    "Test the copy of the trail on a central log"

    def forward(self, url, *arguments, **options):
        self.environ['TRYTOND_EARLY_ACCESS__AUDIT_FORWARD'] = url
        return self.command(
            'forward', '--database', self.database, *arguments, **options)

    def stored(self):
        "The ids of the events, and the numbers of the seals."
        return (
            [i for i, in self.rows(f'SELECT id FROM {EVENT} ORDER BY id')],
            [n for n, in self.rows(
                    f'SELECT number FROM {SEAL} ORDER BY number')])

    def received(self, lines, once=True):
        "Check that lines tell all that is stored, in order."
        lines = [json.loads(line) for line in lines if line.strip()]
        events = [e['id'] for e in lines if e['type'] == 'event']
        seals = [e['number'] for e in lines if e['type'] == 'seal']
        stored = self.stored()
        if once:
            self.assertEqual((sorted(events), seals), stored)
        else:
            self.assertEqual(
                (sorted(set(events)), sorted(set(seals))), stored)
        # A seal follows its events
        of_seal = 0
        for line in lines:
            if line['type'] == 'event':
                of_seal += 1
                last = line['seal']
            elif of_seal and line['number'] == last:
                self.assertGreaterEqual(of_seal, line['statement']['count'])
                of_seal = 0
        return lines

    def test_file(self):
        "A file gets each line once, and goes on after one that was cut"
        path = self.key.parent / 'log.jsonl'
        url = f'file://{path}'
        self.write(20)
        self.seal()
        self.forward(url)
        self.write(10, seed=2)
        self.seal()
        with open(path, 'a') as file:
            file.write('{"type": "ev')
        self.forward(url)
        *lines, _ = path.read_text().split('\n')
        cut = [line for line in lines if line == '{"type": "ev']
        self.assertEqual(len(cut), 1)
        lines.remove(*cut)
        lines = self.received(lines)
        self.assertEqual(path.stat().st_mode & 0o777, 0o600)
        self.assertEqual({e['database'] for e in lines}, {self.database})
        self.assertLessEqual(
            {'user1', 'user2'}, {e.get('login') for e in lines})
        self.assertEqual(self.forward(url), "0 seals were forwarded.\n")

    def test_tcp(self):
        "Nothing is lost when the other side is restarted"
        self.write(50)
        self.seal()
        with_cut = Syslog(limit=2000)
        url = f'syslog+tcp://127.0.0.1:{with_cut.port}'
        self.forward(url, status=2)
        with_cut.stop()
        # Nobody is there
        self.forward(url, status=2)
        server = Syslog(port=with_cut.port)
        self.addCleanup(server.stop)
        self.forward(url)
        self.write(10, seed=2)
        self.seal()
        self.forward(url)
        lines = []
        for message in server.messages:
            match = MESSAGE.fullmatch(message)
            self.assertTrue(match, message)
            line = json.loads(match[4])
            self.assertEqual(line['type'], match[3])
            lines.append(match[4])
        self.received(lines)

    def test_tls(self):
        "Over TLS only who is trusted gets the trail"
        pem = self.key.parent / 'server.pem'
        certificate(pem)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        server = Syslog(context=context)
        self.addCleanup(server.stop)
        self.write(20)
        self.seal()
        url = f'syslog+tls://localhost:{server.port}'
        self.forward(url, status=2)
        self.assertFalse(server.messages)
        self.environ['TRYTOND_EARLY_ACCESS__AUDIT_FORWARD_CA'] = str(pem)
        self.forward(url)
        self.received(
            MESSAGE.fullmatch(m)[4] for m in server.messages)

    def test_killed(self):
        "Nothing is lost when the forwarder is killed"
        path = self.key.parent / 'log.jsonl'
        self.environ['TRYTOND_EARLY_ACCESS__AUDIT_FORWARD'] = f'file://{path}'
        for seed in range(4):
            self.write(20, seed)
            self.seal()
            forwarder = subprocess.Popen(
                [BIN / 'early-access-audit', 'forward', '--database',
                    self.database, '--every', '0.01'],
                env=self.environ, stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL)
            size = path.stat().st_size if path.exists() else 0
            deadline = time.monotonic() + 60
            while ((not path.exists() or path.stat().st_size == size)
                    and time.monotonic() < deadline):
                time.sleep(.001)
            os.kill(forwarder.pid, signal.SIGKILL)
            forwarder.wait()
        self.forward(f'file://{path}')
        self.received(path.read_text().split('\n'), once=False)

    def test_refused(self):
        "The trail never goes elsewhere in clear"
        for url in [
                'syslog+tcp://192.0.2.1:514', 'syslog://localhost', 'x',
                'file://', 'https://localhost']:
            with self.subTest(url=url):
                self.forward(url, status=2)

    def test_purge(self):
        "What the central log has not got is not purged"
        self.write(10)
        self.seal()
        self.execute(
            f"UPDATE {SEAL} SET at = '2020-01-01 00:00:00'")
        self.environ['TRYTOND_EARLY_ACCESS__AUDIT_FORWARD'] = (
            f'file://{self.key.parent}/log.jsonl')
        events, _ = self.stored()
        self.assertEqual(
            self.command('purge', '--database', self.database),
            "0 events were deleted.\n")
        self.command('forward', '--database', self.database)
        self.assertEqual(
            self.command('purge', '--database', self.database),
            f"{len(events)} events were deleted.\n")
