# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import tempfile
import unittest

from trytond.tests.test_tryton import load_doc_tests

from trytond.modules.early_access_audit.tests.tools import configured


class InventedTestSuite(unittest.TestSuite):
    """Scenarios on invented data, which need no charter, with a list of what
    is destroyed for each."""

    def run(self, result, debug=False):
        # The databases are copies of one, whose keys are the same
        with tempfile.TemporaryDirectory() as directory, configured(
                early_access__demonstration='True',
                early_access__destroyed_list=f'{directory}/destroyed'):
            return super().run(result, debug=debug)


def load_tests(*args, **kwargs):
    return InventedTestSuite(
        load_doc_tests(__name__, __file__, *args, **kwargs))
