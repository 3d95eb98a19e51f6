# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Where data may go without a transfer (GDPR, chapter V; legal note 47).

Countries are told by their code of ISO 3166-1, of two letters.
"""

import re

import trytond.config as config

UNION = frozenset(
    'AT BE BG HR CY CZ DK EE FI FR DE GR HU IE IT LV LT LU MT NL PL PT RO SK '
    'SI ES SE'.split())
# The GDPR is in the Agreement on the European Economic Area since 2018
EEA = UNION | frozenset({'IS', 'LI', 'NO'})
# The outermost regions of France have a code of their own, and are in the
# Union (TFEU 349)
OUTERMOST = frozenset({'RE', 'GP', 'MQ', 'GF', 'YT', 'MF'})
# Those that are given to no country mean that it is not known
_UNKNOWN = re.compile(r'AA|Q[M-Z]|X[A-Z]|ZZ|EU|AP')


def clean_code(value):
    "Return the code of a country that a text holds, or None."
    code = (value or '').strip().upper()
    if re.fullmatch(r'[A-Z]{2}', code) and not (
            _UNKNOWN.fullmatch(code) and code != 'XK'):
        return code


def is_inside(code):
    """Return whether data that goes to a country stays inside.

    :param code: the code of the country; without one it is not inside.
    """
    return code in EEA or code in OUTERMOST or code in _others()


def _others():
    "Return what the laboratory has confirmed beside, as Åland (AX)."
    return config.get(
        'early_access', 'union_territories', default='').upper().split()
