# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Run the tests on SQLite and on PostgreSQL.

A unit is a file of tests or a scenario on one of the databases.  As many
units as there are processors run at once, in processes that are kept for the
next units, because it takes time to load Tryton.

The environment gives ONLY, a pattern that a unit or a test must match;
POSTGRESQL_URI; CHROMIUM, the path of the browser; and CI, which is true when
a missing PostgreSQL or browser must be a failure.
"""
import argparse
import contextlib
import fnmatch
import hashlib
import importlib
import json
import os
import pathlib
import queue
import selectors
import signal
import subprocess
import sys
import threading
import time
import traceback
import unittest

from common import (
    TOP, Failure, PostgreSQL, SQLite, fingerprint, locked, test_prefix)

sys.path.insert(0, str(TOP / 'tests'))

from harness import (  # noqa: E402
    CACHE, KEYRING, POSTGRESQL_URI, WORK, clean, running)

DURATIONS = WORK / 'durations.json'
# The longest that a unit may take, in seconds
TIMEOUT = 1800


class Unit:

    def __init__(self, databases, path):
        self.databases = databases
        self.path = path.relative_to(TOP)

    def __str__(self):
        return f'{self.databases.backend} {self.path}'

    @property
    def module(self):
        "The name of the Python module of the tests."
        path = self.path
        if path.suffix == '.rst':
            path = path.with_name('test_scenario.py')
        if path.parts[0] == 'modules':
            return 'trytond.' + '.'.join(path.with_suffix('').parts)
        return path.stem

    @property
    def scenario(self):
        return self.path.name if self.path.suffix == '.rst' else None


def find_units(databases):
    for path in sorted(TOP.glob('modules/*/tests/*')):
        if (fnmatch.fnmatch(path.name, 'test_*.py')
                and path.name != 'test_scenario.py'
                or fnmatch.fnmatch(path.name, 'scenario_*.rst')):
            yield Unit(databases, path)
    for path in sorted(TOP.glob('tests/test_*.py')):
        yield Unit(databases, path)


def matches(name, pattern):
    return (not pattern
        or pattern in name
        or fnmatch.fnmatch(name, f'*{pattern}*'))


# In the process that runs the units


class Result(unittest.TestResult):
    "The outcome of the tests, counted once each whatever their subtests do."

    def __init__(self):
        super().__init__()
        self.counts = {'passed': 0, 'failed': 0, 'skipped': 0}
        self.problems = []
        self._outcome = None

    def startTest(self, test):
        super().startTest(test)
        self._outcome = 'passed'

    def stopTest(self, test):
        super().stopTest(test)
        self.counts[self._outcome] += 1
        self._outcome = None

    def _set(self, outcome, test, text):
        self.problems.append((outcome, test.id(), text))
        if self._outcome is None:
            # A class or a module could not be set up
            self.counts[outcome] += 1
        elif self._outcome != 'failed':
            self._outcome = outcome

    def addError(self, test, err):
        super().addError(test, err)
        self._set('failed', test, self.errors[-1][1])

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._set('failed', test, self.failures[-1][1])

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self._set(
                'failed', subtest, self._exc_info_to_string(err, subtest))

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self._set('skipped', test, reason)

    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test)
        self._set('failed', test, "Unexpected success\n")


def run_unit(module, scenario, pattern):
    loader = unittest.TestLoader()
    if scenario:
        # load_doc_tests takes the scenarios that match
        loader.testNamePatterns = [scenario]
    suite = loader.loadTestsFromModule(importlib.import_module(module))
    if pattern:
        suite = filter_suite(suite, pattern)
    result = Result()
    suite.run(result)
    return result


def filter_suite(suite, pattern):
    result = suite.__class__()
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            result.addTest(filter_suite(test, pattern))
        elif matches(test.id(), pattern):
            result.addTest(test)
    return result


def share_cache():
    """Let processes share the databases that Tryton caches.

    Tryton names them after the modules: here also after their sources, and
    the first process that needs one makes it while the others wait.
    """
    from trytond.tests import test_tryton
    restore = test_tryton.restore_db_cache
    backup = test_tryton.backup_db_cache
    locks = {}

    def cache_file(path, name):
        key = hashlib.sha256(
            repr([fingerprint(), name]).encode()).hexdigest()[:12]
        return f'{path}/{test_prefix()}{key}'

    def lock(name):
        path = cache_file(WORK / 'locks', name)
        return locked(pathlib.Path(path))

    def restore_db_cache(name):
        locks[name] = contextlib.ExitStack()
        locks[name].enter_context(lock(name))
        if restore(name):
            locks.pop(name).close()
            return True
        return False

    def backup_db_cache(name):
        backup(name)
        if name in locks:
            locks.pop(name).close()

    test_tryton._db_cache_file = cache_file
    test_tryton.restore_db_cache = restore_db_cache
    test_tryton.backup_db_cache = backup_db_cache
    return locks


def drop_database():
    "Leave nothing to the next unit, which may be of another module."
    from trytond.tests import test_tryton
    test_tryton.drop_db()


def work():
    "Run the units whose descriptions come on the standard input."
    # What the tests print goes to the log
    answers = os.fdopen(os.dup(1), 'w')
    os.dup2(2, 1)
    locks = None
    for line in sys.stdin:
        unit = json.loads(line)
        try:
            if unit['module'].startswith('trytond.') and locks is None:
                locks = share_cache()
            result = run_unit(**unit)
            answer = {'counts': result.counts, 'problems': result.problems}
            if locks is not None:
                drop_database()
        except Exception:
            answer = failed(unit['module'], traceback.format_exc())
        if locks:
            # What a unit did not make is left to the others
            for stack in locks.values():
                stack.close()
            locks.clear()
        print(json.dumps(answer), file=answers, flush=True)


def failed(name, text):
    return {
        'counts': {'passed': 0, 'failed': 1, 'skipped': 0},
        'problems': [('failed', name, text)],
        }


# In the process that hands the units out


class Worker:
    "A process that runs units on one kind of database."

    def __init__(self, databases, number):
        name = f'{databases.backend}-{number}'
        database = f'{test_prefix()}{os.getpid()}_{number}'
        self.log_path = WORK / 'logs' / f'{name}.log'
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        environ = os.environ | databases.environ | {
            'DB_NAME': database,
            'DB_CACHE': (
                'postgresql://' if databases.backend == 'postgresql'
                else str(CACHE)),
            'TRYTOND_EARLY_ACCESS__KEYRING': str(KEYRING),
            }
        environ.pop('TRYTOND_CONFIG', None)
        with open(self.log_path, 'w') as log:
            self._process = subprocess.Popen(
                [sys.executable, __file__, '--work'], cwd=TOP, env=environ,
                text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=log)

    def run(self, unit, pattern):
        request = {
            'module': unit.module,
            'scenario': unit.scenario,
            'pattern': pattern,
            }
        try:
            self._process.stdin.write(json.dumps(request) + '\n')
            self._process.stdin.flush()
        except BrokenPipeError:
            pass
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            if not selector.select(TIMEOUT):
                self.kill()
                return failed(str(unit), f"No end after {TIMEOUT} s\n")
        if line := self._process.stdout.readline():
            return json.loads(line)
        log = self.log_path.read_text()[-4000:]
        return failed(
            str(unit), f"The process ended with status "
            f"{self._process.wait()}\n{log}")

    @property
    def alive(self):
        return self._process.poll() is None

    def kill(self):
        self._process.kill()

    def stop(self):
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait()


class Run:

    def __init__(self, units, pattern):
        self.units = queue.Queue()
        self.total = len(units)
        try:
            self.durations = json.loads(DURATIONS.read_text())
        except (FileNotFoundError, ValueError):
            self.durations = {}
        # The longest first, so that no processor waits at the end
        for unit in sorted(
                units, key=lambda u: -self.durations.get(str(u), 1e9)):
            self.units.put(unit)
        self.pattern = pattern
        self.counts = {'passed': 0, 'failed': 0, 'skipped': 0}
        self.problems = []
        self.done = 0
        self.lock = threading.Lock()
        self.workers = []

    def run(self, jobs):
        threads = [
            threading.Thread(target=self._hand_out, args=[i])
            for i in range(1, jobs + 1)]
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                thread.join()
        except KeyboardInterrupt:
            with contextlib.suppress(queue.Empty):
                while True:
                    self.units.get_nowait()
            for worker in self.workers:
                worker.kill()
            for thread in threads:
                thread.join()
            raise
        DURATIONS.write_text(json.dumps(self.durations, indent=1))

    def _hand_out(self, number):
        workers = {}
        while True:
            try:
                unit = self.units.get_nowait()
            except queue.Empty:
                break
            backend = unit.databases.backend
            worker = workers.get(backend)
            if not worker or not worker.alive:
                workers[backend] = worker = Worker(unit.databases, number)
                self.workers.append(worker)
            pattern = (
                None if matches(str(unit), self.pattern) else self.pattern)
            start = time.monotonic()
            answer = worker.run(unit, pattern)
            self._report(unit, answer, time.monotonic() - start)
        for worker in workers.values():
            worker.stop()

    def _report(self, unit, answer, duration):
        with self.lock:
            self.done += 1
            counts = answer['counts']
            for outcome, count in counts.items():
                self.counts[outcome] += count
            if not self.pattern:
                self.durations[str(unit)] = round(duration, 1)
            if not any(counts.values()):
                return
            text = ', '.join(f'{c} {o}' for o, c in counts.items() if c)
            print(f"[{self.done}/{self.total}] {unit}: {text} "
                f"({duration:.1f} s)", flush=True)
            for outcome, name, text in answer['problems']:
                self.problems.append((outcome, unit, name, text))
                if outcome == 'failed':
                    print(f"FAILED {name}\n{text}", flush=True)

    def fail(self, name, text):
        "Count a failure that is not of a test."
        self.counts['failed'] += 1
        self.problems.append(('failed', 'missing', name, text))

    def summary(self):
        "Print the summary and return whether the run is a success."
        for outcome, unit, name, text in self.problems:
            if outcome == 'skipped':
                print(f"skipped {unit} {name}: {text}")
        for outcome, unit, name, _ in self.problems:
            if outcome == 'failed':
                print(f"FAILED {unit} {name}")
        success = not self.counts['failed']
        if not any(self.counts.values()):
            print(f"No test matches '{self.pattern}'.")
            success = False
        print(', '.join(f'{c} {o}' for o, c in self.counts.items()))
        return success


def find_missing(postgresql):
    "Return what is left out and why, by what the tests would need."
    import browser
    missing = {}
    try:
        postgresql.names()
    except Failure as failure:
        missing['PostgreSQL'] = str(failure)
    if problem := browser.browser_problem():
        missing['a browser'] = problem
    return missing


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--work', action='store_true')
    parser.add_argument('--clean', action='store_true',
        help="drop the databases of the tests")
    options = parser.parse_args()
    if options.work:
        return work()
    postgresql = PostgreSQL(
        os.environ.get('POSTGRESQL_URI') or POSTGRESQL_URI)
    if options.clean:
        with contextlib.suppress(Failure, ImportError):
            clean([postgresql], templates=True)
        return

    pattern = os.environ.get('ONLY')
    missing = find_missing(postgresql)
    for need, reason in missing.items():
        print(f"The tests that need {need} are left out: {reason}.",
            flush=True)
    databases = [SQLite(WORK / 'databases')]
    if 'PostgreSQL' not in missing:
        databases.append(postgresql)
    units = [u for d in databases for u in find_units(d)]
    if any(matches(str(u), pattern) for u in units):
        units = [u for u in units if matches(str(u), pattern)]
    run = Run(units, pattern)
    with running(databases, keep=pattern):
        run.run(int(os.environ.get('JOBS') or os.cpu_count()))
    if os.environ.get('CI') == 'true':
        for need, reason in missing.items():
            run.fail(need, reason)
    if not run.summary():
        sys.exit(1)


if __name__ == '__main__':
    # Clean up too when the run is ended from outside
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        main()
    except Failure as failure:
        sys.exit(str(failure))
    except KeyboardInterrupt:
        sys.exit(130)
