# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"What a seal says."

import datetime as dt
import json


def canonical(statement):
    "Return the bytes of a statement that are signed."
    return json.dumps(
        statement, sort_keys=True, separators=(',', ':')).encode()


def columns(statement):
    "Return the values that the row repeats, to be searched."
    return {
        'number': statement['number'],
        'at': dt.datetime.fromisoformat(
            statement['at']).replace(tzinfo=None),
        'kind': statement['kind'],
        'count': statement.get('count'),
        'epoch': statement.get('epoch'),
        'start': statement.get('from'),
        'end': statement.get('to'),
        }
