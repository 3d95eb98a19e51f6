# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Values that are computed, with where each comes from.

They are a help to whoever fills in and reads a form. They are not meant to
choose a treatment or a dose: the software is not a medical device.
"""
from collections import namedtuple
from decimal import ROUND_HALF_UP, Decimal

from dateutil.relativedelta import relativedelta

__all__ = ['COMPUTATIONS', 'Computation', 'Facts']

Facts = namedtuple(
    'Facts', ['sex', 'birth', 'weight', 'height', 'start', 'date'])
Facts.__doc__ = """What the computations start from, each None if unknown.

sex: 'female' or 'male'; birth: the date, or the first day of the month;
weight: in kg; height: in cm; start: the date of the first administration;
date: the date of the visit.
"""


class Computation(
        namedtuple('Computation', [
                'string', 'type_', 'unit', 'digits', 'function', 'source',
                'version'])):
    "How a variable is computed, and the source of the formula"
    __slots__ = ()

    def __call__(self, facts):
        "Return the value, None if a fact that it needs is unknown."
        return self.function(facts)


def sex(facts):
    return facts.sex


def age(facts):
    "The completed years between birth and visit."
    if facts.birth and facts.date and facts.birth <= facts.date:
        return relativedelta(facts.date, facts.birth).years


def weight(facts):
    return facts.weight


def height(facts):
    return facts.height


def body_surface_area(facts):
    "The square root of height times weight by 3,600, in square metres."
    if facts.weight and facts.height:
        area = (Decimal(facts.height) * Decimal(facts.weight) / 3600).sqrt()
        return area.quantize(Decimal('0.01'), rounding=ROUND_HALF_UP)


def days_of_treatment(facts):
    "The days between the first administration, day 0, and the visit."
    if facts.start and facts.date:
        return (facts.date - facts.start).days


COMPUTATIONS = {
    'sex': Computation(
        "Sex", 'selection', None, None, sex, "Request", '1'),
    'age': Computation(
        "Age at the visit", 'integer', 'a', None, age,
        "Completed years since the birth; since the first day of the month "
        "where only the month is known", '1'),
    'weight': Computation(
        "Weight at the request", 'numeric', 'kg', 1, weight, "Request", '1'),
    'height': Computation(
        "Height at the request", 'numeric', 'cm', 1, height, "Request", '1'),
    'body_surface_area': Computation(
        "Body surface area at the request", 'numeric', 'm2', 2,
        body_surface_area,
        "Mosteller RD. Simplified calculation of body-surface area. "
        "N Engl J Med 1987;317:1098", '1'),
    'days_of_treatment': Computation(
        "Days since the first administration", 'integer', 'd', None,
        days_of_treatment, "Calendar days, the first administration being "
        "day 0", '1'),
    }
