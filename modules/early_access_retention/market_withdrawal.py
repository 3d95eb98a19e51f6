# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The withdrawal of a product from the market (CNIL 2022-107, art. 9.2).

It is of the product, and recorded for each of its indications.
"""

from trytond.i18n import gettext
from trytond.pool import Pool, PoolMeta
from trytond.transaction import without_check_access

from .exceptions import MarketWithdrawalWarning

# In which the product is supplied
STATES = ['granted', 'suspended', 'continuity']


class Authorization(metaclass=PoolMeta):
    __name__ = 'early_access.authorization'

    @classmethod
    def check_modification(
            cls, mode, authorizations, values=None, external=False):
        super().check_modification(
            mode, authorizations, values=values, external=external)
        if mode == 'write' and external and (
                date := values.get('market_withdrawal_date')):
            cls.warn_market_withdrawal(authorizations, date)

    @classmethod
    def warn_market_withdrawal(cls, authorizations, date):
        """Warn that the withdrawal is recorded for some indications only.

        :raises MarketWithdrawalWarning: naming the other authorizations of
            the product for which none is recorded.
        """
        Warning = Pool().get('res.user.warning')
        for authorization in authorizations:
            if authorization.market_withdrawal_date == date:
                continue
            others = [
                a for a in authorization._same_product()
                if a not in authorizations]
            name = Warning.format(
                'retention_market_withdrawal', [authorization, *others])
            if others and Warning.check(name):
                raise MarketWithdrawalWarning(
                    name,
                    gettext(
                        'early_access_retention.msg_market_withdrawal',
                        authorization=authorization.rec_name,
                        others=', '.join(a.rec_name for a in others)),
                    gettext(
                        'early_access_retention.msg_market_withdrawal_help'))

    @without_check_access
    def _same_product(self):
        "Return the authorizations of the same product that are not withdrawn."
        authorization = self.__class__(self.id)
        templates = {p.template.id for p in authorization.products}
        return self.search([
                ('id', '!=', self.id),
                ('company', '=', authorization.company.id),
                ('products.template', 'in', list(templates)),
                ('state', 'in', STATES),
                ('market_withdrawal_date', '=', None),
                ])
