# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The OpenID Connect provider of the hospital professionals, as configured.

The defaults are those of Pro Santé Connect.
"""

import ipaddress
import os
import stat
from urllib.parse import urlsplit

import trytond.config as config
from trytond.url import http_host

SECTION = 'openid'
ACTIVITIES = 'SubjectRefPro.exercices.activities'
DEFAULTS = {
    'name': "Pro Santé Connect",
    'scope': 'openid scope_all',
    'acr_values': 'eidas1',
    'rpps_claim': 'SubjectNameID',
    'rpps_prefix': '8',
    'profession_claim': 'SubjectRefPro.exercices.codeProfession',
    'specialty_claim': 'SubjectRefPro.exercices.codeSavoirFaire',
    'activities_claim': ACTIVITIES,
    'activity_finess': (
        'numeroFinessSite numeroFinessetablissementJuridique'),
    'activity_name': 'raisonSocialeSite',
    }


class OpenIDSettingError(Exception):
    "A setting that is missing or not safe."


def get(name):
    "Return a setting, or its default or an empty text."
    value = config.get(SECTION, name, default=DEFAULTS.get(name))
    return (value or '').strip()


def enabled():
    "Return whether the professionals sign in with a provider."
    return bool(get('issuer'))


def client_secret():
    """Return the secret of the server at the provider.

    :raises OpenIDSettingError: when the file is missing, or not for its owner
        alone.
    """
    path = os.path.expanduser(get('client_secret_file'))
    try:
        with open(path) as file:
            mode = os.fstat(file.fileno()).st_mode
            secret = file.read().strip()
    except (OSError, ValueError) as error:
        raise OpenIDSettingError(
            f"the file 'client_secret_file' in the section [{SECTION}] of the "
            f"configuration, '{path}', cannot be read: "
            f"{getattr(error, 'strerror', None) or 'it is no text'}"
            ) from None
    if mode & 0o077:
        raise OpenIDSettingError(
            f"the file '{path}' must be readable by its owner alone: chmod "
            f"600 (its mode is {stat.S_IMODE(mode):o})")
    if not secret:
        raise OpenIDSettingError(f"the file '{path}' is empty")
    return secret


def public_address():
    """Return the address under which users reach the server.

    It needs a transaction.
    """
    return (
        config.get('early_access', 'activation_url') or http_host()
        ).rstrip('/')


def is_safe(url):
    "Return whether nobody else reads what is exchanged with the address."
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and (
            parts.scheme == 'https'
            or parts.scheme == 'http' and is_loopback(parts.hostname))
    except (TypeError, ValueError):
        return False


def is_loopback(hostname):
    if hostname == 'localhost':
        return True
    try:
        return ipaddress.ip_address(hostname).is_loopback
    except ValueError:
        return False


def problem():
    "Return why the configuration of the provider is not right, or None."
    if not enabled():
        return
    where = f"in the section [{SECTION}] of the configuration"
    if not is_safe(get('issuer')):
        return f"'issuer' {where} must be an https address"
    if not get('client_id'):
        return f"'client_id' {where} is missing"
    if 'openid' not in get('scope').split():
        return f"'scope' {where} must hold 'openid'"
    if not get('rpps_claim'):
        return f"'rpps_claim' {where} is missing"
    address = config.get('early_access', 'activation_url')
    if address and not is_safe(address):
        return (
            "'activation_url' in the section [early_access] of the "
            "configuration must be an https address")
    try:
        client_secret()
    except OpenIDSettingError as error:
        return str(error)
