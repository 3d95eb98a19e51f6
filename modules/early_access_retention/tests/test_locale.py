# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from trytond.modules.early_access.tests.test_locale import LocaleTestCase


class RetentionLocaleTestCase(LocaleTestCase):
    "Test the French catalogue of the module"
    module = 'early_access_retention'


del LocaleTestCase
