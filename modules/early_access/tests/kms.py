# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""A key management service, and the keyring that stands before it.

The service is a process of its own, which nobody asks for a key: it wraps and
unwraps over a socket. It can take over the keys of a file, and forgets all of
them when it ends::

    python -m trytond.modules.early_access.tests.kms SOCKET [KEYRING]
"""

import base64
import datetime as dt
import json
import os
import secrets
import socket
import socketserver
import sys
from threading import Lock

from cryptography.hazmat.primitives import keywrap

from trytond.modules.early_access.keyring import (
    KeyEncryptionKey, KeyringError)

__all__ = ['KMSKeyring']


class KMSKeyring:
    "The keyring of a service, whose location is a socket"

    def __init__(self, location):
        self.location = location

    def _call(self, method, *args):
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(self.location)
                with connection.makefile('rw') as stream:
                    stream.write(json.dumps([method, *args]) + '\n')
                    stream.flush()
                    answer = json.loads(stream.readline())
        except (OSError, ValueError):
            raise KeyringError(
                "the key management service does not answer") from None
        if 'error' in answer:
            raise KeyringError(answer['error'])
        return answer['result']

    def wrap(self, key):
        kek_id, wrapped = self._call('wrap', key.hex())
        return kek_id, bytes.fromhex(wrapped)

    def unwrap(self, kek_id, wrapped):
        return bytes.fromhex(self._call('unwrap', kek_id, wrapped.hex()))

    def check(self):
        self._call('keys')

    def keys(self):
        return [
            KeyEncryptionKey(id_, active, *(
                    date and dt.datetime.fromisoformat(date)
                    for date in dates),
                expired and dt.date.fromisoformat(expired))
            for id_, active, *dates, expired in self._call('keys')]

    def rotate(self):
        return self._call('rotate')

    def rewrap(self, keys):
        return [
            (kek_id, bytes.fromhex(wrapped))
            for kek_id, wrapped in self._call(
                'rewrap', [(k, w.hex()) for k, w in keys])]

    def retire(self, kek_id, backups_expired):
        self._call('retire', kek_id, backups_expired.isoformat())


class Service:
    "What runs in the process of the service"

    def __init__(self, path=None):
        self._lock = Lock()
        self._keys, self._dates = {}, {}
        if path is None:
            self.rotate()
        else:
            with open(path) as file:
                document = json.load(file)
            self._active = document['active']
            for id_, entry in document['keys'].items():
                self._keys[id_] = base64.b64decode(entry['key'])
                self._dates[id_] = [entry['created'], None, None, None]

    def answer(self, request):
        method, *args = json.loads(request)
        with self._lock:
            try:
                return {'result': getattr(self, method)(*args)}
            except KeyError as e:
                return {'error': f"the service has no key {e}"}
            except (keywrap.InvalidUnwrap, ValueError):
                return {'error': "the key does not open this data key"}

    def wrap(self, key):
        wrapped = keywrap.aes_key_wrap(
            self._keys[self._active], bytes.fromhex(key))
        return self._active, wrapped.hex()

    def unwrap(self, kek_id, wrapped):
        return keywrap.aes_key_unwrap(
            self._keys[kek_id], bytes.fromhex(wrapped)).hex()

    def keys(self):
        return [
            (id_, id_ == self._active, *dates)
            for id_, dates in self._dates.items()]

    def rotate(self):
        now = dt.datetime.now(dt.timezone.utc).isoformat()
        if self._keys:
            self._dates[self._active][1] = now
        self._active = secrets.token_hex(8)
        self._keys[self._active] = secrets.token_bytes(32)
        self._dates[self._active] = [now, None, None, None]
        return self._active

    def rewrap(self, keys):
        return [self.wrap(self.unwrap(*key)) for key in keys]

    def retire(self, kek_id, backups_expired):
        if kek_id == self._active:
            raise ValueError
        del self._keys[kek_id]
        self._dates[kek_id][2:] = [
            dt.datetime.now(dt.timezone.utc).isoformat(), backups_expired]


def serve(location, path=None):
    service = Service(path)

    class Handler(socketserver.StreamRequestHandler):

        def handle(self):
            answer = service.answer(self.rfile.readline())
            self.wfile.write(json.dumps(answer).encode() + b'\n')

    class Server(socketserver.ThreadingUnixStreamServer):
        daemon_threads = True
        request_queue_size = 128

    os.umask(0o077)
    with Server(location, Handler) as server:
        print("ready", flush=True)
        server.serve_forever()


if __name__ == '__main__':
    serve(*sys.argv[1:])
