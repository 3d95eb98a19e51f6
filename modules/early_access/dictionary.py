# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The format of the data dictionaries of REDCap, and our annotations.

A dictionary has one row per field. What it has no column for is held by tags
of the Field Annotation: @EARLYACCESS-UNIT=mg
"""

import re

import trytond.config as config

__all__ = [
    'COLUMNS', 'FORM_TAGS', 'TAGS', 'decode', 'encode', 'format_choices',
    'format_tags', 'max_rows', 'parse_choices', 'parse_tags']

COLUMNS = {
    'name': "Variable / Field Name",
    'form': "Form Name",
    'section': "Section Header",
    'type': "Field Type",
    'label': "Field Label",
    'choices': "Choices, Calculations, OR Slider Labels",
    'note': "Field Note",
    'validation': "Text Validation Type OR Show Slider Number",
    'minimum': "Text Validation Min",
    'maximum': "Text Validation Max",
    'identifier': "Identifier?",
    'branching': "Branching Logic (Show field only if...)",
    'required': "Required Field?",
    'alignment': "Custom Alignment",
    'number': "Question Number (surveys only)",
    'matrix': "Matrix Group Name",
    'ranking': "Matrix Ranking?",
    'annotation': "Field Annotation",
    }

# With or without a value
FORM_TAGS = {
    'FORM-NAME': True,
    'FORM-KIND': True,
    'FORM-DUE-WITHIN': True,
    'FORM-PARENT': True,
    'FORM-CODE-LIST': True,
    'FORM-CONDITIONS': True,
    }
TAGS = {
    'CATEGORY': True,
    'CHOICES': True,
    'COMPUTATION': True,
    'DIGITS': True,
    'FUTURE-DATES': False,
    'HELP-CHOICES': True,
    'NO-SECTION': False,
    'NOT-ASKED': False,
    'NOT-MISSING': False,
    'SEQUENCE': True,
    'SORTED': False,
    'UNIT': True,
    'USUAL-MAX': True,
    'USUAL-MIN': True,
    'VARIABLE': True,
    } | FORM_TAGS

_TAG = re.compile(
    r"@EARLYACCESS-([A-Z-]+)(?:=('[^']*'|\"[^\"]*\"|[^\s'\"]+))?")
_BARE = re.compile(r"[^\s'\"@]+")
# Those of what separates, and no other
_ENTITY = re.compile(r'&#(10|13|38|39|44|124);')


def max_rows():
    return config.getint(
        'early_access', 'dictionary_max_rows', default=5_000)


def encode(text, special):
    "Write as entities the characters that would be taken for separators."
    # What looks like an entity is no entity
    text = text.replace('&#', '&#38;#')
    for character in special:
        text = text.replace(character, f'&#{ord(character)};')
    return text


def decode(text):
    return _ENTITY.sub(lambda m: chr(int(m[1])), text)


def parse_tags(annotation):
    """Return our tags with their values, and what else the annotation has.

    The values are None where there is none. The names are not checked.
    """
    tags = {}

    def found(match):
        value = match[2]
        if value is not None:
            if value[0] in '\'"':
                value = value[1:-1]
            value = decode(value)
        tags[match[1]] = value
        return ''

    return tags, _TAG.sub(found, annotation).strip()


def format_tags(tags):
    result = []
    for name, value in tags.items():
        tag = f'@EARLYACCESS-{name}'
        if value is not None:
            value = encode(str(value), "'\r\n")
            if not _BARE.fullmatch(value):
                value = f"'{value}'"
            tag += f'={value}'
        result.append(tag)
    return ' '.join(result)


def parse_choices(text):
    """Return the list of (code, label).

    :raises ValueError: unless each choice has a code and a label.
    """
    choices = []
    for choice in text.split('|'):
        code, separator, label = choice.partition(',')
        code, label = decode(code.strip()), decode(label.strip())
        if not separator or not code or not label:
            raise ValueError
        choices.append((code, label))
    return choices


def format_choices(choices):
    return ' | '.join(
        f"{encode(code, ',|')}, {encode(label, '|')}"
        for code, label in choices)
