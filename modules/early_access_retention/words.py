# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The reasoning about the data of an authorization, in words with the articles."

import datetime as dt

from trytond.i18n import gettext
from trytond.pool import Pool

from .reckoning import Facts, Periods, reckon

# The results that a change may move, in the order in which they are told
RESULTS = ('rule', 'archive_on', 'destroy_on', 'archive_ceiling')


def reasoning(facts, periods):
    "Return the lines that tell why, in the language of the user."
    result = reckon(facts, periods)
    return [
        gettext(
            f'early_access_retention.msg_reckoning_{code}',
            **{name: text(value) for name, value in values.items()})
        for code, values in result.steps]


def difference(before, after):
    """Return the lines that tell what differs.

    :param before: the Facts and the Periods; None if there was nothing.
    :param after: the Facts and the Periods.
    """
    old = before or (Facts(), Periods())
    lines = [
        _line(name, old_value, new_value)
        for old_record, new_record in zip(old, after)
        for name, old_value, new_value in old_record.changes(new_record)]
    first, second = reckon(*old), reckon(*after)
    return lines + [
        _line(name, getattr(first, name), getattr(second, name))
        for name in RESULTS
        if getattr(first, name) != getattr(second, name)]


def _line(name, before, after):
    return gettext(
        'early_access_retention.msg_difference',
        name=gettext(f'early_access_retention.msg_name_{name}'),
        before=text(before), after=text(after))


def text(value):
    "Return a date, a number, a rule or what is not known as a user reads it."
    if value is None:
        return gettext('early_access_retention.msg_not_known')
    if isinstance(value, bool):
        return gettext(
            f'early_access_retention.msg_{"yes" if value else "no"}')
    if isinstance(value, str):
        return gettext(f'early_access_retention.msg_rule_{value}')
    if isinstance(value, dt.date):
        Lang = Pool().get('ir.lang')
        return Lang.get().strftime(value)
    return str(value)
