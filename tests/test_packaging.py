# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
import configparser
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest
import zipfile

TOP = pathlib.Path(__file__).resolve().parent.parent


class PackagingTestCase(unittest.TestCase):
    "Test what an installation contains"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        directory = pathlib.Path(
            cls.enterClassContext(tempfile.TemporaryDirectory()))
        # A copy, because a build leaves files that the next wheel would hold
        shutil.copytree(TOP, directory / 'source', ignore=(
                shutil.ignore_patterns(
                    '.*', '*.egg-info', '__pycache__', 'build', 'var')))
        subprocess.run([
                sys.executable, '-m', 'pip', 'wheel', '--quiet', '--no-deps',
                '--no-build-isolation', '--no-index',
                '--disable-pip-version-check',
                '--wheel-dir', directory, directory / 'source'],
            check=True, capture_output=True)
        path, = directory.glob('*.whl')
        cls.wheel = cls.enterClassContext(zipfile.ZipFile(path))

    def test_files(self):
        "Test that the wheel holds all the files of the modules"
        modules = TOP / 'modules'
        files = {
            f'trytond/modules/{path.relative_to(modules)}'
            for path in modules.rglob('*')
            if path.is_file()
            and not {'__pycache__', 'doc'} & set(path.parts)}

        self.assertEqual(
            {n for n in self.wheel.namelist() if '.dist-info/' not in n},
            files)

    def test_entry_points(self):
        "Test that trytond finds each module"
        entry_points = configparser.ConfigParser()
        name, = (n for n in self.wheel.namelist()
            if n.endswith('.dist-info/entry_points.txt'))
        entry_points.read_string(self.wheel.read(name).decode())

        self.assertEqual(
            dict(entry_points['trytond.modules']), {
                path.name: f'trytond.modules.{path.name}'
                for path in (TOP / 'modules').iterdir()
                if (path / 'tryton.cfg').exists()})
