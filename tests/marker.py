# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Values that are recognised wherever they leak.

A marker knows the forms that its value takes when a program writes it: as
text, escaped, in hexadecimal, in base64, as Python or JSON tell a date or a
number. A value that is too common to be recognised alone is looked for beside
the name of its field.
"""
import base64
import datetime as dt
import re
from decimal import Decimal


class Marker:

    def __init__(self, field, value):
        self.field = field
        self.value = value
        # Each starts with a literal and is searched alone: the logs are large
        self.patterns = [
            re.compile(p)
            for v in _members(field, value) for p in _patterns(*v)]

    def find(self, content):
        "Return an excerpt of the bytes where the value is, or None"
        for pattern in self.patterns:
            if match := pattern.search(content):
                start = max(match.start() - 60, 0)
                return content[start:match.end() + 60]


def _members(field, value):
    "The (name, value) of the values of a field"
    if isinstance(value, dict):
        for name, member in value.items():
            yield from _members(name, member)
    elif isinstance(value, (list, tuple)):
        for member in value:
            yield field, member
    else:
        yield field, value


def _patterns(name, value):
    if isinstance(value, dt.date):
        for text in [
                value.isoformat(), value.strftime('%Y%m%d'),
                value.strftime('%d/%m/%Y'), value.strftime('%m/%d/%Y')]:
            yield from _encoded(text)
        year, month, day = value.year, value.month, value.day
        yield rf'date(?:time)?\({year}, {month}, {day}\b'.encode()
        yield (rf'year\W{{1,4}}{year}\W{{1,4}}month\W{{1,4}}{month}'
            rf'\W{{1,4}}day\W{{1,4}}{day}\b').encode()
    elif isinstance(value, Decimal) and value % 1:
        yield from _encoded(str(value))
    elif isinstance(value, str) and value.isupper() and len(value) > 2:
        yield from _encoded(value)
        yield from _encoded(f'"{value}"')
    else:
        yield from _beside(name, str(value))


def _encoded(text):
    "The patterns of a value that is rare enough to be looked for alone"
    data = text.encode()
    if text[0].isdigit():
        literal = re.escape(data)
        yield rb'%s(?<![\d.]%s)(?!\d)' % (literal, literal)
    else:
        yield re.escape(data)
    # Shorter ones appear by chance in what is encrypted
    if len(data) > 4:
        yield re.escape(data.hex().encode())
        yield re.escape(data.hex().upper().encode())
        for shift in range(3):
            encoded = base64.b64encode(bytes(shift) + data)
            start = -(-shift * 8 // 6)
            end = (shift + len(data)) * 8 // 6
            yield re.escape(encoded[start:end])


def _beside(name, value):
    "The patterns of a common value that follows the name of its field"
    name = re.escape(name)
    yield (
        rf'{name}(?<!\w{name})\b["\'\\]*\s*[:=,>]{{1,2}}[\s\[(]*'
        r'(?:Decimal\(|\{"__class__": "Decimal", "decimal": )?'
        rf'["\'\\]*{re.escape(value)}(?![\w.])').encode()
    # XML-RPC
    yield (
        rf'<name>{name}</name>\s*(?:<\w+>\s*)+'
        rf'{re.escape(value)}<').encode()
