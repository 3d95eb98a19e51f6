# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Run the benchmarks on PostgreSQL, over HTTP.

Each figure is a ratio between two things measured side by side in this run.
They are printed as a table and written to var/bench.json.

The environment gives ONLY, a pattern that the name of a benchmark must match;
and POSTGRESQL_URI.
"""
import fnmatch
import importlib
import json
import os
import signal
import sys

from common import TOP, VAR, Failure, PostgreSQL

sys.path[:0] = [str(TOP / 'tests'), str(TOP / 'benchmarks')]

from harness import POSTGRESQL_URI, running  # noqa: E402

RESULTS = VAR / 'bench.json'


def find_benchmarks(pattern):
    "Yield the name and the function of the benchmarks that match."
    for path in sorted((TOP / 'benchmarks').glob('bench_*.py')):
        module = importlib.import_module(path.stem)
        for name, benchmark in module.BENCHMARKS.items():
            if (not pattern or pattern in name
                    or fnmatch.fnmatch(name, f'*{pattern}*')):
                yield name, benchmark


def show(result):
    budget = met = ''
    if result['budget'] is not None:
        budget = f"{result['budget']:g}"
        met = "met" if result['met'] else "MISSED"
    print(f"{result['name']:<48} {result['value']:>9.2f} "
        f"{result['unit']:<8} {budget:>7} {met:<7} "
        f"{result['baseline'] or ''} ({result['runs']} runs)", flush=True)
    for part, share in result.get('profile', []):
        print(f"    {share:>4.0%} {part}", flush=True)


def main():
    pattern = os.environ.get('ONLY')
    uri = os.environ.get('POSTGRESQL_URI') or POSTGRESQL_URI
    os.environ['TRYTOND_DATABASE_URI'] = uri
    postgresql = PostgreSQL(uri)
    postgresql.names()
    benchmarks = list(find_benchmarks(pattern))
    if not benchmarks:
        raise Failure(f"No benchmark matches '{pattern}'.")
    results = []
    with running([postgresql], keep=pattern):
        for name, benchmark in benchmarks:
            for result in benchmark(name):
                results.append(result)
                show(result)
    RESULTS.write_text(json.dumps(results, indent=1) + '\n')
    print(f"Written to {RESULTS.relative_to(TOP)}")


if __name__ == '__main__':
    # Clean up too when the run is ended from outside
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        main()
    except Failure as failure:
        sys.exit(str(failure))
    except KeyboardInterrupt:
        sys.exit(130)
