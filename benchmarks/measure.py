# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"What the benchmarks share: a client, and pairs of measures."
import base64
import gzip
import http.client
import json
import time
from contextlib import closing, contextmanager
from statistics import median
from urllib.parse import urlsplit

from harness import PASSWORD, Server, TestDatabases

from trytond.protocols.jsonrpc import JSONDecoder, JSONEncoder

RUNS = 300
# The first requests fill the caches
WARM_UP = 20


@contextmanager
def serving(fixtures, **environ):
    "Serve a new database with the records that the function makes."
    databases = TestDatabases()
    database = databases.new('early_access', fixtures)
    try:
        server = Server(database, databases.environ | environ)
        try:
            yield server
        finally:
            server.stop()
    finally:
        databases.drop(database)


class Session:
    "A user who calls the server as the browser client does."

    def __init__(self, server, login, password=PASSWORD):
        self._host = urlsplit(server.address).netloc
        self._path = f'/{server.database}/rpc/'
        self._headers = {
            'Accept-Encoding': 'gzip',
            'Content-Type': 'application/json',
            }
        user, session, _ = self._decode(self.send(json.dumps({
                        'id': 0,
                        'method': 'common.db.login',
                        'params': [login, {'password': password}],
                        }).encode()))
        token = base64.b64encode(f'{login}:{user}:{session}'.encode())
        self._headers['Authorization'] = f'Session {token.decode()}'
        self.context = {}
        self.context = self.call('model.res.user', 'get_preferences', True)

    def request(self, name, method, *params):
        "Return the body of a call, to send as many times as needed."
        return json.dumps({
                'id': 1,
                'method': f'{name}.{method}',
                'params': [*params, self.context],
                }, cls=JSONEncoder).encode()

    def send(self, body):
        "Return the answer as it comes."
        connection = http.client.HTTPConnection(self._host)
        with closing(connection):
            connection.request('POST', self._path, body, self._headers)
            response = connection.getresponse()
            return response, response.read()

    def call(self, name, method, *params):
        "Return the result of a call."
        return self._decode(self.send(self.request(name, method, *params)))

    def time(self, body):
        "Return the seconds that the server takes to answer."
        start = time.perf_counter()
        answer = self.send(body)
        duration = time.perf_counter() - start
        self._decode(answer)
        return duration

    def _decode(self, answer):
        response, data = answer
        if response.status != 200:
            raise RuntimeError(f"{response.status}: {data[:500]}")
        if response.headers.get('Content-Encoding') == 'gzip':
            data = gzip.decompress(data)
        answer = json.loads(data, object_hook=JSONDecoder())
        if 'error' in answer:
            raise RuntimeError(answer['error'])
        return answer['result']


def ratio(name, measured, baseline, budget=None, runs=RUNS, text=None):
    """Return what is measured over the baseline, each pair side by side.

    :param measured: a function that returns seconds, as is baseline.
    :param budget: the most that the ratio may be.
    :param text: what the baseline is.
    """
    for _ in range(WARM_UP):
        baseline()
        measured()
    times = [], []
    for i in range(runs):
        # Each goes first once in two, as what comes second may gain by it
        pair = [(times[0], measured), (times[1], baseline)]
        for durations, function in pair if i % 2 else reversed(pair):
            durations.append(function())
    value = median(times[0]) / median(times[1])
    return {
        'name': name,
        'value': round(value, 3),
        'unit': 'times',
        'budget': budget,
        'met': None if budget is None else value <= budget,
        'baseline': f'{text}, {median(times[1]) * 1000:.1f} ms',
        'runs': runs,
        }
