# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Run trytond with the models of the benchmarks and tell where its time goes."
import json
import logging
import sys
import threading
from collections import Counter

import sealed_models  # noqa: F401

from trytond.cli import main
from trytond.protocols.wrappers import Response
from trytond.wsgi import app

INTERVAL = .002
# The innermost function whose file is of one of them decides
PARTS = {
    '/psycopg': "PostgreSQL and its driver",
    '/early_access/sealed_check.py': "check of the sealed values",
    '/early_access/sealed_document.py': "encryption and decryption",
    '/early_access/data_key.py': "data keys",
    '/early_access/keyring.py': "data keys",
    '/early_access/sealed': "the rest of the sealing",
    '/modules/early_access_audit/': "the trail",
    '/modules/early_access/': "the rest of the module",
    '/sql/': "making of SQL",
    '/json/': "JSON",
    '/gzip.py': "compression",
    '/trytond/': "Tryton",
    '/werkzeug/': "HTTP",
    }


class Sampler:
    "Look at what the threads that serve requests do, at intervals."

    def __init__(self):
        # Else a thread is seen only where it waits
        sys.setswitchinterval(INTERVAL / 4)
        self._counts = Counter()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while not self._stopped.wait(INTERVAL):
            for frame in sys._current_frames().values():
                names = list(self._names(frame))
                # The others wait for a request
                if any(n.endswith('/trytond/wsgi.py') for n in names):
                    self._counts[self._part(names)] += 1

    @staticmethod
    def _names(frame):
        while frame:
            yield frame.f_code.co_filename
            frame = frame.f_back

    @staticmethod
    def _part(names):
        for name in names:
            for text, part in PARTS.items():
                if text in name:
                    return part
        return "others"

    def stop(self):
        "Return a list of (part, share), the greatest first."
        self._stopped.set()
        self._thread.join()
        sys.setswitchinterval(.005)
        total = sum(self._counts.values())
        return [(p, n / total) for p, n in self._counts.most_common()]


samplers = []


@app.route('/<database_name>/bench/start')
def start(request, database_name):
    samplers.append(Sampler())
    return Response(json.dumps(None))


@app.route('/<database_name>/bench/stop')
def stop(request, database_name):
    return Response(json.dumps(samplers.pop().stop()))


if __name__ == '__main__':
    logging.getLogger('werkzeug').setLevel(logging.ERROR)
    main()
