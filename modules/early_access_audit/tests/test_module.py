# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from trytond.tests.test_tryton import ModuleTestCase


class AuditTestCase(ModuleTestCase):
    "Test the module Early Access Audit"
    module = 'early_access_audit'


del ModuleTestCase
