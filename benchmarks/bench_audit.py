# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Sealed records with the trail, beside those without.

The requests are those of the sealed records. The two servers have the same
records, one of them in a database where the trail is active.
"""
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from bench_sealed import CLIENTS, SCRIPT, Clients, Requests
from measure import Session, kept, ratio, ratio_and_noise, serving, where
from sealed_models import USER, SealedRecord, records

TEXT = 'sealed, without the trail'


def audited(name):
    with (serving(records, SCRIPT, 'early_access_audit') as server,
            serving(records, SCRIPT) as other,
            ThreadPoolExecutor(CLIENTS) as executor):
        profile = partial(where, server)
        session, baseline = Session(server, USER), Session(other, USER)
        for text, budget, name, *args in [
                ('read 1', 1.25, 'read', 1),
                ('read 100', 1.1, 'read', 100),
                ('read 1,000', 1.1, 'read', 1_000),
                ('write 1', 1.1, 'write'),
                ('create 100', 1.1, 'create', 100),
                ]:
            measured, before, again = (
                partial(Requests(s, SealedRecord.__name__, text).time,
                    name, *args)
                for s in [session, baseline, baseline])
            options = {'budget': budget, 'text': TEXT, 'profile': profile}
            if name == 'read':
                yield from ratio_and_noise(
                    f'{text}, audited', measured, before, again, **options)
            else:
                yield ratio(f'{text}, audited', measured, before, **options)
        yield kept(
            f'{CLIENTS} parallel clients, audited',
            *(Clients(s, SealedRecord.__name__, executor).time
                for s in [server, other]),
            budget=.9, text=TEXT, profile=profile)


BENCHMARKS = {'audited': audited}
