# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"What the benchmarks share: a client, and pairs of measures."
import base64
import gzip
import http.client
import json
import subprocess
import sys
import time
import urllib.request
from contextlib import closing, contextmanager
from statistics import median
from urllib.parse import urlsplit

from harness import PASSWORD, Server, TestDatabases

from trytond.protocols.jsonrpc import JSONDecoder, JSONEncoder

RUNS = 300
# The first requests fill the caches
WARM_UP = 20
# The seconds in which the server is observed
PROFILED = 5
# It weighs less than what it starts: a process inherits the peak of its parent
LAUNCHER = '''
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
'''


@contextmanager
def serving(fixtures, script=None, module='early_access', **environ):
    """Serve a new database with the records that the function makes.

    :param module: the module to activate, with its dependencies.
    :param script: the path of what runs trytond instead of the usual one.
    """
    databases = TestDatabases()
    database = databases.new(module, fixtures)
    try:
        server = Server(
            database, databases.environ | environ,
            **{'script': script} if script else {})
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
        user, session, _ = self.decode(self.send(json.dumps({
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
        return self.decode(self.send(self.request(name, method, *params)))

    def time(self, body):
        "Return the seconds that the server takes to answer."
        start = time.perf_counter()
        answer = self.send(body)
        duration = time.perf_counter() - start
        self.check(answer)
        return duration

    def check(self, answer):
        "Return the answer as JSON, once it is known not to be an error."
        return self.decode(answer, hook=None)

    def decode(self, answer, hook=JSONDecoder()):
        response, data = answer
        if response.status != 200:
            raise RuntimeError(f"{response.status}: {data[:500]}")
        if response.headers.get('Content-Encoding') == 'gzip':
            data = gzip.decompress(data)
        answer = json.loads(data, object_hook=hook)
        if 'error' in answer:
            raise RuntimeError(answer['error'])
        return answer['result']


def launch(environ, *command):
    "Return what a command prints and the peak of its memory, in KB."
    result = subprocess.run(
        [sys.executable, '-S', '-c', LAUNCHER, *command],
        env=environ, check=True, stdout=subprocess.PIPE, text=True)
    output, _, peak = result.stdout.rstrip().rpartition('\n')
    return output, int(peak)


def medians(functions, runs):
    """Return the medians of the seconds that functions return.

    They are called side by side, and each comes first as often as the others,
    as what comes second may gain by it.
    """
    for _ in range(WARM_UP):
        for function in functions:
            function()
    times = [[] for _ in functions]
    for i in range(runs):
        order = list(zip(times, functions))
        first = i % len(order)
        for durations, function in order[first:] + order[:first]:
            durations.append(function())
    return [median(t) for t in times]


def where(server, function):
    """Return where the server spends its time: a list of (part, share).

    :param server: one that runs serve.py of the benchmarks.
    :param function: what sends the requests, as many times as needed.
    """
    def call(action):
        url = f'{server.address}{server.database}/bench/{action}'
        with urllib.request.urlopen(url) as response:
            return json.load(response)

    call('start')
    end = time.monotonic() + PROFILED
    while time.monotonic() < end:
        function()
    return call('stop')


def ratio(
        name, measured, baseline, budget=None, runs=RUNS, text=None,
        profile=None):
    """Return what is measured over the baseline, each pair side by side.

    :param measured: a function that returns seconds, as is baseline.
    :param budget: the most that the ratio may be.
    :param text: what the baseline is.
    :param profile: the function that, when the budget is missed, returns
        where the time of what is measured goes.
    """
    one, other = medians([measured, baseline], runs)
    return _profiled(
        result(
            name, one / other, 'times', budget, one <= other * (budget or 0),
            f'{text}, {other * 1000:.1f} ms', runs),
        measured, profile)


def ratio_and_noise(
        name, measured, baseline, again, budget=None, runs=RUNS, text=None,
        profile=None):
    """Yield the ratio, then that of the baseline to itself (A/A).

    :param again: a function that does what baseline does.
    """
    one, other, same = medians([measured, baseline, again], runs)
    text = f'{text}, {other * 1000:.1f} ms'
    yield _profiled(
        result(
            name, one / other, 'times', budget, one <= other * (budget or 0),
            text, runs),
        measured, profile)
    yield result(
        f'{name}: the baseline twice (A/A)', same / other, 'times', None,
        None, text, runs)


def kept(
        name, measured, baseline, budget=None, runs=RUNS, text=None,
        profile=None):
    """Return the part of the throughput of the baseline that is kept.

    The parameters are those of :func:`ratio`, but the budget is the least
    that the part may be.
    """
    one, other = medians([measured, baseline], runs)
    return _profiled(
        result(
            name, other / one, 'kept', budget, other >= one * (budget or 0),
            f'{text}, {other * 1000:.1f} ms', runs),
        measured, profile)


def result(name, value, unit, budget, met, baseline, runs):
    return {
        'name': name,
        'value': round(value, 3),
        'unit': unit,
        'budget': budget,
        'met': None if budget is None else met,
        'baseline': baseline,
        'runs': runs,
        }


def _profiled(line, measured, profile):
    if profile and line['met'] is False:
        line['profile'] = profile(measured)
    return line
