# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"A light protocol, for the programmes with few patients."
from .definitions import SHARED, Criterion, Protocol, Visit, forms


def protocol(product, specialty):
    return Protocol(
        product=product,
        paediatric=False,
        minimum_shelf_life=90,
        maximum_quantity=60,
        specialties=(specialty,),
        criteria=(
            Criterion('indication', (
                    "Disease of the indication",
                    "Maladie de l'indication")),
            Criterion('no_alternative', (
                    "No appropriate treatment available",
                    "Pas de traitement approprié disponible")),
            Criterion('contraindication', (
                    "Contraindication", "Contre-indication"), 'exclusion'),
            ),
        variables=SHARED,
        forms=forms(),
        visits=(
            Visit('M3', 3),
            Visit('M6', 6, ('follow_up', 'quality_of_life')),
            Visit('M12', 12),
            ))
