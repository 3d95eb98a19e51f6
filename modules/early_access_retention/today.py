# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The day that the clocks, the registers and the requests take for today."

from trytond.pool import Pool
from trytond.transaction import Transaction

# A client sets no key of the context that begins so
KEY = '_today'


def current_date():
    "Return the date of the laboratory, or the one that the context sets."
    return Transaction().context.get(KEY) or Pool().get('ir.date').today()


def kept_date():
    "Return the context by which another transaction is on the same date."
    return {k: v for k, v in Transaction().context.items() if k == KEY}
