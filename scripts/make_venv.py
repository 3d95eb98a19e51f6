# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Create a virtual environment that has pip.

It needs the standard library only: on Debian the package python3-venv, which
holds pip for new environments, is often not installed.  Then pip is taken
from PyPI.
"""
import hashlib
import importlib.util
import json
import pathlib
import subprocess
import sys
import tempfile
import urllib.request
import venv
from urllib.parse import urljoin

PIP = 'https://pypi.org/pypi/pip/json'


def create(directory):
    "Create the virtual environment in the directory, or complete it."
    ensurepip = importlib.util.find_spec('ensurepip')
    venv.create(directory, with_pip=bool(ensurepip), symlinks=True)
    if not ensurepip:
        install_pip(directory / 'bin' / 'python')


def install_pip(interpreter):
    "Install the last pip of PyPI for the interpreter."
    with urllib.request.urlopen(PIP, timeout=60) as response:
        files = json.load(response)['urls']
    wheel, = (f for f in files if f['packagetype'] == 'bdist_wheel')
    url = urljoin(PIP, wheel['url'])
    with urllib.request.urlopen(url, timeout=60) as response:
        data = response.read()
    if hashlib.sha256(data).hexdigest() != wheel['digests']['sha256']:
        sys.exit("The wheel of pip is not the one that PyPI announces.")
    with tempfile.TemporaryDirectory() as temporary:
        path = pathlib.Path(temporary) / wheel['filename']
        path.write_bytes(data)
        # A wheel of pip can be run to install itself
        subprocess.run([interpreter, f'{path}/pip', 'install', '--quiet',
                '--no-index', path], check=True)


if __name__ == '__main__':
    if sys.version_info < (3, 11):
        sys.exit(
            "To use Early Access, you must have Python 3.11 or later: "
            f"{sys.executable} is {sys.version.split()[0]}. "
            "Give another one with PYTHON=.")
    try:
        create(pathlib.Path(sys.argv[1]))
    except OSError as error:
        sys.exit(
            f"To create a virtual environment, you must install python3-venv "
            f"or have access to PyPI ({error}).")
