# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import logging
import re
import traceback

__all__ = ['RedactingFilter', 'models', 'redact_logs']

PREFIX = 'early_access.'
# What users write beside any record, also by mistake beside a patient
RESOURCES = frozenset({'ir.attachment', 'ir.email', 'ir.note'})
REDACTED = '(...)'
_query = re.compile(r"\?[^' ]*")

# The names of the models that hold sealed data, whatever their module
models = set()


class RedactingFilter(logging.Filter):
    """Keep sealed values out of the log of the requests.

    The dispatcher logs the arguments of the calls at INFO and their results
    at DEBUG, and the message of an exception may repeat a refused value. The
    stack of the exception is kept. The address of a request may hold what its
    user searches.
    """

    def filter(self, record):
        args = record.args
        if record.name == 'trytond.wsgi':
            self._redact_exception(record)
            if isinstance(args, tuple) and args:
                address = _query.sub(f'?{REDACTED}', str(args[0]))
                record.args = (address, *args[1:])
        elif isinstance(args, tuple) and len(args) > 2:
            name = str(args[0])
            if (name in models
                    or name in RESOURCES
                    or name.startswith(PREFIX)):
                record.args = (*args[:2], REDACTED, *args[3:])
                self._redact_exception(record)
        elif isinstance(record.msg, str) and record.msg.startswith('Result:'):
            record.msg, record.args = f'Result: {REDACTED}', None
        return True

    def _redact_exception(self, record):
        if not record.exc_info:
            return
        type_, _, stack = record.exc_info
        record.exc_info = None
        if type_:
            record.exc_text = (
                ''.join(traceback.format_tb(stack))
                + f'{type_.__name__}: {REDACTED}')


def redact_logs():
    "Redact what the process logs of the requests from now on"
    for name in ['trytond.protocols.dispatcher', 'trytond.wsgi']:
        logging.getLogger(name).addFilter(RedactingFilter())
