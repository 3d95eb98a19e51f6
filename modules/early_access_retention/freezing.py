# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What the server is doing with data that may be frozen.

They are variables of Python and not of the context of the transaction, which
the clients fill.
"""

from contextlib import contextmanager
from contextvars import ContextVar

_exporting = ContextVar('early_access_exporting', default=False)
_rectifying = ContextVar('early_access_rectifying', default=False)

is_exporting = _exporting.get
is_rectifying = _rectifying.get


@contextmanager
def _set(variable):
    token = variable.set(True)
    try:
        yield
    finally:
        variable.reset(token)


def exporting():
    "Close what is frozen to everybody in the block, as it is exported."
    return _set(_exporting)


def rectifying():
    "Let what is frozen be changed in the block, as it is rectified."
    return _set(_rectifying)
