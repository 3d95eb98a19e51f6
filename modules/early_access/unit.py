# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Units of UCUM as people read them.

The code of UCUM is made for machines: "10*9/L", "umol/L", "a".
"""

import re

from trytond.i18n import gettext

# The symbols that UCUM prints for its codes, or that France is used to
_SYMBOLS = {
    'Cel': '\N{DEGREE SIGN}C',
    'Ohm': '\N{GREEK CAPITAL LETTER OMEGA}',
    'mm[Hg]': 'mmHg',
    '[lb_av]': 'lb',
    }
# What is said with a word: the message that holds it
_WORDS = {
    'a': 'early_access.msg_unit_years',
    'd': 'early_access.msg_unit_days',
    'mo': 'early_access.msg_unit_months',
    'wk': 'early_access.msg_unit_weeks',
    '[iU]': 'early_access.msg_unit_international',
    }
_SUPERSCRIPTS = str.maketrans('-0123456789', '⁻⁰¹²³⁴⁵⁶⁷⁸⁹')
_power = re.compile(r'10(?:\*|\^)(-?\d+)')
_exponent = re.compile(r'(?<=[a-zA-Z])(-?\d)(?!\d)')
_micro = re.compile(r'^u(?=[a-zA-Z])')
_annotation = re.compile(r'\{[^}]*\}')


def unit_symbol(code):
    """Return how a unit is shown.

    :param code: a unit in UCUM, or anything else, which is shown as it is.
    """
    return '/'.join(_symbol(part) for part in code.split('/'))


def _symbol(part):
    part = _annotation.sub('', part) or part
    if part in _WORDS:
        return gettext(_WORDS[part])
    if part in _SYMBOLS:
        return _SYMBOLS[part]
    part = _power.sub(
        lambda m: '10' + m[1].translate(_SUPERSCRIPTS), part)
    part = _exponent.sub(lambda m: m[1].translate(_SUPERSCRIPTS), part)
    return _micro.sub('\N{MICRO SIGN}', part)
