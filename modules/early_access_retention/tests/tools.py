# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from trytond.modules.early_access_retention.today import KEY
from trytond.transaction import Transaction


def at(date):
    "The context in which it is the date."
    return Transaction().set_context({KEY: date})
