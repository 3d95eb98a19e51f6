# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"How the configuration lets users in."

import os
import sys

import trytond.config as config
from trytond.modules.early_access.volume import is_server

from . import openid_settings

# What may let a user in: two factors (CNIL 2022-107, SEC-AUT-2), or the key of
# a machine, which has an owner, an end and a network
STRONG = frozenset({('password', 'totp'), ('key',)})


def chains():
    """Return the chains of methods, each a tuple of names.

    A user must pass all the methods of one of them.
    """
    authentications = config.get(
        'session', 'authentications', default='password')
    return [
        tuple(m.strip() for m in chain.split('+'))
        for chain in authentications.split(',')]


def demonstration():
    "Return whether the server holds invented data only."
    return config.getboolean(
        'early_access', 'demonstration', default=False)


def problem():
    """Return why the configuration lets users in too easily, or None.

    An option such as ``totp?device_cookie`` skips the method to which it is
    added, thus makes a chain that is not a strong one.
    """
    weak = ['+'.join(c) for c in chains() if c not in STRONG]
    if weak and not demonstration():
        return (
            f"'{','.join(weak)}' is not a strong authentication (CNIL "
            "2022-107, SEC-AUT-2): set 'authentications' in the section "
            "[session] of the configuration to 'password+totp', or for "
            "invented data 'demonstration' in the section [early_access] to "
            "True")


def check_or_exit():
    """Stop a server that lets users in too easily, with one line.

    Models are set up in threads, where an exception would leave the server
    running. 3 is the status on which gunicorn gives up.
    """
    if is_server() and (reason := problem() or openid_settings.problem()):
        print(f"early_access_audit: {reason}", file=sys.stderr, flush=True)
        os._exit(3)
