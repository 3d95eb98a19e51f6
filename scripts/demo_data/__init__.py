# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""A laboratory, its hospitals and its programmes: all of it is made up.

Everything is entered through proteus as the persons concerned would enter it
in the client: each module of this package is a chapter of the story, and
reads as an example of how to automate the same work.

What makes it recognisable: the names of persons and places (Fictif, Exemple,
Modèle, Démo...), RPPS numbers in the range 997 kept for tests, FINESS numbers
of the department 99, which does not exist, phone numbers kept for fiction and
mail addresses in the domain "example".
"""
