# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Fetch the OpenID Connect provider of the tests, as its lock says."
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from common import PROVIDER, TOP, Failure
from fetch_client import npm_command

SOURCE = TOP / 'tests' / 'provider'


def fetch(target):
    "Fetch the provider into the target directory, whole or not at all."
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as directory:
        directory = pathlib.Path(directory) / 'provider'
        directory.mkdir()
        for name in ['package.json', 'package-lock.json']:
            shutil.copy(SOURCE / name, directory)
        process = subprocess.run([*npm_command(), 'ci', '--ignore-scripts',
                '--no-audit', '--no-fund', '--loglevel=error'],
            cwd=directory, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL)
        if process.returncode:
            raise Failure(
                "To fetch the OpenID Connect provider of the tests, "
                "you must have access to the npm registry.")
        shutil.rmtree(target, ignore_errors=True)
        os.replace(directory, target)


if __name__ == '__main__':
    print("Fetching the OpenID Connect provider...", flush=True)
    try:
        fetch(PROVIDER)
    except Failure as failure:
        sys.exit(str(failure))
