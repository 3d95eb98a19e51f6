# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Identifiers of the field, beside those that python-stdnum knows.

Each class is used as a module of python-stdnum: ``compact`` gives the form
that is stored, ``validate`` gives it too or raises an exception of
:mod:`stdnum.exceptions` (all are :exc:`ValueError`), ``is_valid`` tells
whether ``validate`` passes. A valid number is well formed: that it was given
to someone is known to the directories only.
"""

import re
import secrets
import unicodedata

from stdnum import ean, luhn
from stdnum.exceptions import (
    InvalidComponent, InvalidFormat, InvalidLength, ValidationError)
from stdnum.fr import nir
from stdnum.iso7064 import mod_37_36

__all__ = [
    'rpps', 'finess', 'cip13', 'ucd13', 'atc', 'find_nir',
    'new_patient_code', 'check_patient_code', 'normalize_letters',
    'search_code']

_CATEGORIES = {
    'Pd': '-',
    'Pc': '_',
    'Zs': ' ',
    'Zl': ' ',
    'Zp': ' ',
    'Cc': ' ',
    'Cf': '',
    'Mn': '',
    'Me': '',
    }


def _simplify(text):
    "Return the text in capitals, with plain digits, spaces and dashes."
    def simplify(char):
        category = unicodedata.category(char)
        if category == 'Nd':
            return str(unicodedata.decimal(char))
        return _CATEGORIES.get(category, char)
    return ''.join(map(simplify, unicodedata.normalize('NFKC', text))).upper()


def _group(number, *sizes):
    groups = []
    for size in sizes:
        groups.append(number[:size])
        number = number[size:]
    return ' '.join(groups)


class _Identifier:
    __slots__ = ()

    @classmethod
    def compact(cls, number):
        "Return the number in capitals, without spaces, dots and dashes."
        if not isinstance(number, str):
            raise InvalidFormat()
        return re.sub(r'[\s.-]', '', _simplify(number))

    @classmethod
    def validate(cls, number):
        raise NotImplementedError

    @classmethod
    def is_valid(cls, number):
        try:
            return bool(cls.validate(number))
        except ValidationError:
            return False


class rpps(_Identifier):
    """Number of a health professional in the shared directory.

    Eleven digits, the last of which is a Luhn key.
    """
    __slots__ = ()

    @classmethod
    def validate(cls, number):
        number = cls.compact(number)
        if not re.fullmatch(r'[0-9]+', number):
            raise InvalidFormat()
        if len(number) != 11:
            raise InvalidLength()
        luhn.validate(number)
        if not number.strip('0'):
            raise InvalidComponent()
        return number


class finess(_Identifier):
    """Number of a health establishment in the national file.

    Nine characters: the department (2A and 2B included), six digits and a
    Luhn key computed with A as 1 and B as 2.
    """
    __slots__ = ()

    @classmethod
    def validate(cls, number):
        number = cls.compact(number)
        if not re.fullmatch(r'([0-9]{2}|2[AB])[0-9]*', number):
            raise InvalidFormat()
        if len(number) != 9:
            raise InvalidLength()
        luhn.validate(number.replace('A', '1').replace('B', '2'))
        if number.startswith('00'):
            raise InvalidComponent()
        return number

    @classmethod
    def format(cls, number):
        return _group(cls.compact(number), 2, 3, 3, 1)


class _MedicinalProduct(_Identifier):
    __slots__ = ()
    _prefix = None

    @classmethod
    def validate(cls, number):
        number = cls.compact(number)
        if not re.fullmatch(r'[0-9]+', number):
            raise InvalidFormat()
        if len(number) != 13:
            raise InvalidLength()
        ean.validate(number)
        if not number.startswith(cls._prefix):
            raise InvalidComponent()
        return number

    @classmethod
    def format(cls, number):
        return _group(cls.compact(number), 5, 3, 3, 1, 1)


class cip13(_MedicinalProduct):
    "Presentation of a medicinal product: 34009, seven digits, GS1 key."
    __slots__ = ()
    _prefix = '34009'


class ucd13(_MedicinalProduct):
    "Dispensing unit of a medicinal product: 34008, UCD7, GS1 key."
    __slots__ = ()
    _prefix = '34008'

    @classmethod
    def validate(cls, number):
        number = super().validate(number)
        if number[5] != '9':
            raise InvalidComponent()
        return number

    @classmethod
    def from_ucd7(cls, number):
        """Return the UCD13 of a UCD7, seven digits beginning with 9.

        The last digit of the UCD7 is not enforced: many have no key.
        """
        number = cls.compact(number)
        if not re.fullmatch(r'[0-9]+', number):
            raise InvalidFormat()
        if len(number) != 7:
            raise InvalidLength()
        number = cls._prefix + number
        return cls.validate(number + ean.calc_check_digit(number))


class atc(_Identifier):
    """Class of the anatomical, therapeutic and chemical classification.

    One, three, four, five or seven characters, for the five levels.
    """
    __slots__ = ()
    _levels = {1: 1, 3: 2, 4: 3, 5: 4, 7: 5}

    @classmethod
    def validate(cls, number, level=None):
        """Return the compact code, of the given level (1 to 5) if any."""
        number = cls.compact(number)
        if not re.fullmatch(
                r'[A-Z]([0-9]{2}([A-Z]([A-Z]([0-9]{2})?)?)?)?', number):
            raise InvalidFormat()
        if level is not None and cls.level(number) != level:
            raise InvalidLength()
        return number

    @classmethod
    def is_valid(cls, number, level=None):
        try:
            return bool(cls.validate(number, level=level))
        except ValidationError:
            return False

    @classmethod
    def level(cls, number):
        "Return the level of the code, from 1 (group) to 5 (substance)."
        try:
            return cls._levels[len(cls.compact(number))]
        except KeyError:
            raise InvalidLength()


_SEPARATOR = r'[\s./_·•‧∕⁄−-]*'
_NIR_SHAPE = (
    # sex and year of birth
    ('[1-8]', '[0-9]', '[0-9]')
    # month of birth, also the values given when it is not known
    + (f'(?:0{_SEPARATOR}[1-9]|1{_SEPARATOR}[0-2]|[2-9]{_SEPARATOR}[0-9])',)
    # department, Corsica included
    + (f'(?:[0-9]{_SEPARATOR}[0-9]|2{_SEPARATOR}[AB])',)
    # commune and order
    + ('[0-9]',) * 6)
_NIR_13 = re.compile(
    f'(?<![0-9])(?=({_SEPARATOR.join(_NIR_SHAPE)})(?![0-9]))')
_NIR_15 = re.compile(
    '(?<![0-9])(?=('
    f'{_SEPARATOR.join(_NIR_SHAPE + ("[0-9]",) * 2)})(?![0-9]))')


def find_nir(text):
    """Return the first NIR (or INS, which is a NIR) that the text holds.

    The result is compact, or None. CNIL 2022-107 art. 7.2 excludes both
    numbers: callers refuse the text, and never repeat the number.

    Any separator between the characters is accepted. With its key (15
    characters) a number is taken for a NIR if the key is right. Without (13
    characters) it is if the sex is 1, 2, 7 or 8: the national codes of
    medicinal products have the shape of a NIR of sex 3.
    """
    if not text:
        return None
    text = _simplify(str(text))
    for match in _NIR_15.finditer(text):
        number = re.sub(_SEPARATOR, '', match[1])
        if nir.is_valid(number):
            return number
    for match in _NIR_13.finditer(text):
        number = re.sub(_SEPARATOR, '', match[1])
        if number[0] in '1278':
            return number
    return None


# Without 0, 1, I and O, that are taken one for another
_PATIENT_ALPHABET = '23456789ABCDEFGHJKLMNPQRSTUVWXYZ'
_PATIENT_SIZE = 6


def new_patient_code(prefix):
    """Return a code without meaning for a patient of a programme.

    prefix is the code of the programme, in letters and digits. The code is
    '<prefix>-<6 random characters><check character>' where the last is the
    ISO 7064 mod 37,36 check of all the others. It tells nothing of the
    patient, the hospital or the order of arrival; the caller makes sure that
    it is not given yet.
    """
    prefix = _Identifier.compact(prefix)
    if not re.fullmatch(r'[A-Z0-9]+', prefix):
        raise InvalidFormat()
    while True:
        number = ''.join(
            secrets.choice(_PATIENT_ALPHABET) for _ in range(_PATIENT_SIZE))
        check = mod_37_36.calc_check_digit(prefix + number)
        if check in _PATIENT_ALPHABET:
            return f'{prefix}-{number}{check}'


def check_patient_code(code):
    """Return the patient code as it was given by new_patient_code.

    Small letters, spaces and a missing dash are accepted. Raise an exception
    of stdnum when the code is not well formed or mistyped.
    """
    number = _Identifier.compact(code)
    prefix, number = (
        number[:-_PATIENT_SIZE - 1], number[-_PATIENT_SIZE - 1:])
    if not prefix:
        raise InvalidLength()
    if (not re.fullmatch(r'[A-Z0-9]+', prefix)
            or number.strip(_PATIENT_ALPHABET)):
        raise InvalidFormat()
    mod_37_36.validate(prefix + number)
    return f'{prefix}-{number}'


_LIGATURES = str.maketrans({
        'Æ': 'AE',
        'Đ': 'D',
        'Ð': 'D',
        'Ħ': 'H',
        'Ł': 'L',
        'Ø': 'O',
        'Œ': 'OE',
        'Þ': 'TH',
        'ẞ': 'SS',
        })


def normalize_letters(text, size):
    """Return the first letters of a name as capitals from A to Z.

    Accents, hyphens, apostrophes and spaces are removed. Raise InvalidLength
    when there are more than size letters, as a name must not be entered and
    then cut (CNIL 2022-107 art. 7.2), and InvalidFormat when something else
    is found or nothing is left.
    """
    if not isinstance(text, str):
        raise InvalidFormat()
    text = unicodedata.normalize('NFKD', text.upper().translate(_LIGATURES))
    letters = ''.join(
        c for c in text
        if unicodedata.category(c) not in {'Mn', 'Zs', 'Pd'}
        and c not in "'’‘ʼ`´")
    if not re.fullmatch(r'[A-Z]+', letters):
        raise InvalidFormat()
    if len(letters) > size:
        raise InvalidLength()
    return letters


def search_code(operator, value, *domain, code='code'):
    """Return the domain of the records that have the identifier searched.

    The clause (operator, value) is the one of a searcher, domain selects the
    kind of records of the field ``identifiers`` and code is their field that
    stores the compact number. The value is made compact, so that a formatted
    number is found.
    """
    def compact(text):
        if isinstance(text, str):
            return re.sub(r'[\s.-]', '', _simplify(text))
        return text

    where, no_where = 'where', 'not where'
    if operator.startswith(('!', 'not ')):
        where, no_where = no_where, where
        operator = '=' if operator == '!=' else operator[len('not '):]
    if operator == '=':
        operator, value = 'in', [value]
    if operator != 'in':
        return [('identifiers', where,
                [*domain, (code, operator, compact(value))])]
    match, values = [], [compact(v) for v in value if v]
    if values:
        match.append(
            ('identifiers', where, [*domain, (code, 'in', values)]))
    if len(values) < len(value):
        match.append(('identifiers', no_where, list(domain)))
    if where == 'not where':
        return match
    return ['OR', *match] if match else [('id', '=', -1)]
