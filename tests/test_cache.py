# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
import json
import urllib.error
import urllib.request

from harness import PASSWORD, ServerTestCase


class CacheTestCase(ServerTestCase):
    "What browsers and proxies may keep of the answers"

    def cache_control(self, path, data=None, **headers):
        request = urllib.request.Request(
            self.server.address + path,
            json.dumps(data).encode() if data else None,
            {'Content-Type': 'application/json'} | headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return response.headers['Cache-Control']
        except urllib.error.HTTPError as error:
            with error:
                return error.headers['Cache-Control']

    def test_answers(self):
        "Test no answer about the data is kept"
        for path, data in [
                (f'{self.database}/rpc/', {
                        'id': 0, 'method': 'common.db.login',
                        'params': ['admin', {'password': PASSWORD}]}),
                (f'{self.database}/rpc/', {
                        'id': 1, 'method': 'model.early_access.patient.read',
                        'params': [[1], ['code'], {}]}),
                (f'{self.database}/rest/model/early_access.patient', None),
                (f'{self.database}/data/early_access.patient', None),
                ]:
            with self.subTest(path=path, data=data):
                self.assertEqual(self.cache_control(path, data), 'no-store')

    def test_client(self):
        "Test the files of the client are kept"
        value = self.cache_control('index.html')
        self.assertNotIn('no-store', value)
        self.assertIn('max-age', value)
