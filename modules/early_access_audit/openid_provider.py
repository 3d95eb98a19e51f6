# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The exchanges of the server with the OpenID Connect provider.

Nothing here knows the database. No message of an error holds a code, a token
or a claim.
"""

import threading
import time

from authlib.common.errors import AuthlibBaseError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry
from joserfc.jwt import JWTClaimsRegistry
from requests import RequestException

from . import openid_settings as settings

# Signatures that the holder of a public key cannot make, 'none' being none
ALGORITHMS = [
    'RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512',
    'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519']
KEY_TYPES = {'RSA', 'EC', 'OKP'}
# How long to wait for the provider, to connect and between two bytes, and how
# far its clock may be, in seconds
TIMEOUT = (5, 10)
LEEWAY = 60
# How long what it publishes is kept, and how soon its keys may be read again
# because a token names another one, in seconds
LIFE = 3600
PAUSE = 60
# How old the token of a logout may be, in seconds
LOGOUT_AGE = 300
LOGOUT_EVENT = 'http://schemas.openid.net/event/backchannel-logout'

_published = {}
_lock = threading.Lock()


class ProviderError(Exception):
    """The provider does not answer, or what it answers is not accepted.

    :param kind: a code for the trail.
    """

    def __init__(self, kind):
        super().__init__(kind)
        self.kind = kind


class Published:
    "A document that the provider publishes, kept for a while."

    def __init__(self, url):
        self._url = url
        self._lock = threading.Lock()
        self._content = None
        self._read = 0

    def get(self, life=LIFE):
        """Return the document.

        :param life: how old it may be, in seconds.
        :raises ProviderError: when it cannot be read.
        """
        with self._lock:
            if self._content is None or self._age > life:
                self._content = self._fetch()
                self._read = time.monotonic()
            return self._content

    @property
    def _age(self):
        return time.monotonic() - self._read

    def _fetch(self):
        with OAuth2Session(default_timeout=TIMEOUT) as session:
            return read_json(lambda: session.get(
                    self._url, withhold_token=True, allow_redirects=False))


def published(url):
    with _lock:
        return _published.setdefault(url, Published(url))


def read_json(request):
    """Return the object that the provider answers.

    :param request: a function that returns the answer.
    """
    try:
        response = request()
        content = response.json() if response.status_code == 200 else None
    except (AuthlibBaseError, RequestException, ValueError):
        content = None
    if not isinstance(content, dict):
        raise ProviderError('provider')
    return content


class Provider:
    "The provider that the configuration names."

    def __init__(self):
        self.issuer = settings.get('issuer')
        self.client_id = settings.get('client_id')

    def metadata(self):
        "Return what the provider says of itself (OpenID Connect Discovery)."
        metadata = published(
            f"{self.issuer.rstrip('/')}/.well-known/openid-configuration"
            ).get()
        if metadata.get('issuer') != self.issuer or not all(
                settings.is_safe(metadata.get(f'{name}')) for name in [
                    'authorization_endpoint', 'token_endpoint', 'jwks_uri']):
            raise ProviderError('provider')
        return metadata

    def _session(self, **options):
        methods = self.metadata().get(
            'token_endpoint_auth_methods_supported', ['client_secret_basic'])
        method = 'client_secret_basic'
        if method not in methods:
            method = 'client_secret_post'
        return OAuth2Session(
            self.client_id, settings.client_secret(),
            token_endpoint_auth_method=method, default_timeout=TIMEOUT,
            # The access token is used at once, however short its life
            leeway=0, **options)

    # Signing in

    def authorization_url(self, redirect_uri, state, nonce, verifier):
        "Return where the browser of the user goes."
        metadata = self.metadata()
        options = {}
        if acr := settings.get('acr_values'):
            options['acr_values'] = acr
        with self._session(
                redirect_uri=redirect_uri, scope=settings.get('scope'),
                code_challenge_method='S256') as session:
            url, _ = session.create_authorization_url(
                metadata['authorization_endpoint'], state=state, nonce=nonce,
                code_verifier=verifier, **options)
        return url

    def check_issuer(self, issuer):
        """Check which provider sent the user back (RFC 9207).

        :param issuer: the parameter ``iss`` of the response, or None.
        """
        expected = self.metadata().get(
            'authorization_response_iss_parameter_supported')
        if issuer != self.issuer and (issuer is not None or expected):
            raise ProviderError('issuer')

    def exchange(self, redirect_uri, code, nonce, verifier):
        """Return the claims of the ID token and of the user.

        :raises ProviderError: when one of them is not accepted.
        """
        metadata = self.metadata()
        with self._session(redirect_uri=redirect_uri) as session:
            try:
                token = session.fetch_token(
                    metadata['token_endpoint'], code=code,
                    code_verifier=verifier, grant_type='authorization_code',
                    allow_redirects=False)
            except (
                    AuthlibBaseError, RequestException, AttributeError,
                    TypeError, ValueError):
                raise ProviderError('code') from None
            if not isinstance(token.get('access_token'), str):
                raise ProviderError('code')
            claims = self._id_claims(token, nonce)
            return claims, {**claims, **self._user_claims(session, claims)}

    def _id_claims(self, token, nonce):
        "Check an ID token (OpenID Connect Core 1.0, 3.1.3.7)."
        options = {
            'iss': {'essential': True, 'value': self.issuer},
            'aud': {'essential': True, 'value': self.client_id},
            'sub': {'essential': True},
            'nonce': {'essential': True, 'value': nonce},
            }
        if acr := settings.get('acr_values'):
            options['acr'] = {'essential': True, 'values': acr.split()}
        try:
            decoded = self._decode(token.get('id_token'))
            claims = CodeIDToken(
                decoded.claims, decoded.header, options, {
                    'client_id': self.client_id,
                    'nonce': nonce,
                    'access_token': token['access_token'],
                    })
            claims.validate(leeway=LEEWAY)
            check_text(claims, 'iss')
            check_text(claims, 'sub')
            if claims.get('sid') is not None:
                check_text(claims, 'sid')
        except (JoseError, TypeError, ValueError):
            raise ProviderError('id_token') from None
        return dict(claims)

    def _user_claims(self, session, id_claims):
        url = self.metadata().get('userinfo_endpoint')
        if not url:
            return {}
        if not settings.is_safe(url):
            raise ProviderError('provider')
        claims = read_json(
            lambda: session.get(url, allow_redirects=False))
        # A token of somebody else would give another's claims
        if claims.get('sub') != id_claims['sub']:
            raise ProviderError('user_info')
        return claims

    # Signing out

    def logout_claims(self, token):
        """Return the claims of a logout token.

        OpenID Connect Back-Channel Logout 1.0, 2.6. Some providers put no
        ``exp`` in it: ``iat`` limits its age in any case.

        :raises ProviderError: when it is not accepted.
        """
        now = time.time()
        try:
            claims = self._decode(token).claims
            JWTClaimsRegistry(
                int(now), LEEWAY,
                iss={'essential': True, 'value': self.issuer},
                aud={'essential': True, 'value': self.client_id},
                iat={'essential': True},
                jti={'essential': True},
                ).validate(claims)
            check_text(claims, 'iss')
            check_text(claims, 'jti')
            named = [n for n in ['sub', 'sid'] if claims.get(n) is not None]
            for name in named:
                check_text(claims, name)
            events = claims.get('events')
            if (not named
                    or 'nonce' in claims
                    or not isinstance(events, dict)
                    or not isinstance(events.get(LOGOUT_EVENT), dict)
                    or claims['iat'] < now - LOGOUT_AGE - LEEWAY):
                raise ValueError()
        except (JoseError, TypeError, ValueError):
            raise ProviderError('logout_token') from None
        return claims

    # Signatures

    def _decode(self, token):
        """Return a token whose signature is one of the provider.

        The keys are read again when the token names one that is not known.

        :raises joserfc.errors.JoseError: when it is not.
        """
        if not isinstance(token, str):
            raise ValueError()
        registry = JWSRegistry(
            algorithms=ALGORITHMS, strict_check_header=False)
        keys = published(self.metadata()['jwks_uri'])
        try:
            return jwt.decode(token, key_set(keys.get()), registry=registry)
        except InvalidKeyIdError:
            return jwt.decode(
                token, key_set(keys.get(life=PAUSE)), registry=registry)


def key_set(content):
    "Return the public keys that verify signatures."
    keys = content.get('keys')
    keys = [
        k for k in (keys if isinstance(keys, list) else [])
        if isinstance(k, dict)
        and k.get('kty') in KEY_TYPES and k.get('use', 'sig') == 'sig']
    return KeySet.import_key_set({'keys': keys})


def check_text(claims, name):
    if not isinstance(claims[name], str) or not claims[name]:
        raise ValueError()
