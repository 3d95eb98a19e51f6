# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Who a provider says that a professional is."

import unicodedata
from typing import NamedTuple

from trytond.modules.early_access.identifiers import finess, rpps

from . import openid_settings as settings

# As many characters as a name may have
LONGEST = 200
# The most activities that are read
MOST = 100
# TRE_G15-ProfessionSante of ANS
PROFESSIONS = {'10': 'doctor', '21': 'pharmacist'}


class IdentityError(Exception):
    "The claims do not say who the professional is."


class Activity(NamedTuple):
    """A place where the professional works.

    :param numbers: the FINESS numbers of the site and of what it belongs to.
    """
    numbers: tuple
    name: str


class Identity(NamedTuple):
    """A professional of the shared directory (RPPS).

    :param rpps: eleven digits.
    :param profession: as early_access.professional has it.
    :param specialties: codes of TRE_R38-SpecialiteOrdinale.
    """
    rpps: str
    name: str
    profession: str
    specialties: tuple
    activities: tuple

    @property
    def finess(self):
        return {n for a in self.activities for n in a.numbers}


def values_at(claims, path):
    """Return the values at a path of names separated by dots.

    A list on the way stands for each of its elements.
    """
    values = [claims]
    for name in [*path.split('.'), None]:
        values = [
            v for value in values
            for v in (value if isinstance(value, list) else [value])]
        if name is not None:
            values = [
                v[name] for v in values if isinstance(v, dict) and name in v]
    return values


def texts_at(claims, path):
    "Return the texts at the path, each once and without what shows nothing."
    return list(dict.fromkeys(filter(None, (
                    clean(v) for v in values_at(claims, path)
                    if isinstance(v, str)))))


def clean(text):
    text = ''.join(
        c if unicodedata.category(c)[0] != 'C' else ' ' for c in text)
    return ' '.join(text.split())[:LONGEST]


def read_identity(claims):
    """Return the identity that the claims of the user state.

    :raises IdentityError: unless they hold one RPPS and a name.
    """
    names = [
        ' '.join(texts_at(claims, claim)[:1])
        for claim in ['given_name', 'family_name']]
    if not all(names):
        raise IdentityError('name')
    professions = {
        PROFESSIONS.get(code)
        for code in texts_at(claims, settings.get('profession_claim'))}
    return Identity(
        rpps=read_rpps(claims),
        name=' '.join(names),
        profession=next(iter(professions - {None}), 'staff'),
        specialties=tuple(
            texts_at(claims, settings.get('specialty_claim'))),
        activities=tuple(read_activities(claims)))


def read_rpps(claims):
    prefix = settings.get('rpps_prefix')
    numbers = {
        t.removeprefix(prefix)
        for t in texts_at(claims, settings.get('rpps_claim'))
        if t.startswith(prefix)}
    if len(numbers) != 1 or not rpps.is_valid(*numbers):
        raise IdentityError('rpps')
    return rpps.compact(*numbers)


def read_activities(claims):
    path = settings.get('activities_claim')
    if not path:
        return
    for activity in values_at(claims, path)[:MOST]:
        numbers = tuple(
            finess.compact(n)
            for key in settings.get('activity_finess').split()
            for n in texts_at(activity, key) if finess.is_valid(n))
        if numbers:
            names = texts_at(activity, settings.get('activity_name'))
            yield Activity(numbers, ' '.join(names[:1]))
