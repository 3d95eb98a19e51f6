# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from trytond.modules.company.tests import CompanyTestMixin
from trytond.modules.party.tests import PartyCheckReplaceMixin
from trytond.pool import Pool
from trytond.tests.test_tryton import ModuleTestCase, with_transaction


class RetentionTestCase(
        PartyCheckReplaceMixin, CompanyTestMixin, ModuleTestCase):
    "Test the module Early Access Retention"
    module = 'early_access_retention'

    @with_transaction()
    def test_wizards(self):
        "Test wizards are correctly defined"
        pool = Pool()
        Group = pool.get('res.group')
        User = pool.get('res.user')
        # The administrator has no profile, and a wizard asks for one
        user = User(1)
        user.groups = Group.search([])
        user.save()
        super().test_wizards.__wrapped__(self)


del ModuleTestCase
