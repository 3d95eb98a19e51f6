# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""A small OpenID Connect provider on loopback, that signs what it is told.

A real one refuses to forge: this one is for what must not be accepted.
"""

import base64
import hashlib
import hmac
import json
import secrets
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT_ID = 'early-access'
SECRET = 'secret-of-the-tests'
LOGOUT_EVENT = 'http://schemas.openid.net/event/backchannel-logout'
# What names an invented professional in the claims of Pro Santé Connect
FAMILY_NAME = "ESSAI-FICTIF"


def new_key(kid='first'):
    return RSAKey.generate_key(
        2048, {'kid': kid, 'use': 'sig', 'alg': 'RS256'}, private=True)


def claims_of(rpps, *finess, profession='10', specialty='', **claims):
    "Return the claims of a professional as Pro Santé Connect gives them."
    return {
        'sub': f'f:directory:8{rpps}',
        'given_name': "Camille",
        'family_name': FAMILY_NAME,
        'preferred_username': f'8{rpps}',
        'SubjectNameID': f'8{rpps}',
        'SubjectRefPro': {
            'exercices': [{
                    'codeProfession': profession,
                    'codeSavoirFaire': specialty,
                    'activities': [{
                            'numeroFinessSite': number,
                            'numeroFinessetablissementJuridique': '',
                            'raisonSocialeSite': "HOPITAL FICTIF",
                            } for number in finess],
                    }],
            },
        **claims}


def hash_of(token):
    "Return the ``at_hash`` of an access token signed with SHA-256."
    half = hashlib.sha256(token.encode()).digest()[:16]
    return base64.urlsafe_b64encode(half).rstrip(b'=').decode()


def unsigned(claims, alg='none', secret=None):
    """Return a token that no library makes.

    :param secret: the key of the HMAC that stands for the signature.
    """
    def encode(value):
        return base64.urlsafe_b64encode(value).rstrip(b'=').decode()
    text = '.'.join(
        encode(json.dumps(part).encode())
        for part in [{'alg': alg, 'typ': 'JWT', 'kid': 'first'}, claims])
    signature = b''
    if secret:
        signature = hmac.digest(secret, text.encode(), 'sha256')
    return f'{text}.{encode(signature)}'


class ForgingProvider:
    """A provider in a thread.

    ``sign`` is what makes the tokens; ``keys`` are those that are published.
    """

    def __init__(self):
        self.key = new_key()
        self.keys = [self.key]
        self.codes = {}
        self.users = {}
        self.requests = []
        provider = self

        class Handler(BaseHTTPRequestHandler):

            def do_GET(self):
                provider._answer(self, '')

            def do_POST(self):
                size = int(self.headers['Content-Length'])
                provider._answer(self, self.rfile.read(size).decode())

            def log_message(self, *args):
                pass

        self._server = ThreadingHTTPServer(('localhost', 0), Handler)
        self.issuer = f'http://localhost:{self._server.server_port}'
        threading.Thread(
            target=self._server.serve_forever, daemon=True).start()

    def stop(self):
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, handler, body):
        path = urlsplit(handler.path).path
        self.requests.append(path)
        form = {k: v[0] for k, v in parse_qs(body).items()}
        content = {
            '/.well-known/openid-configuration': self._metadata,
            '/jwks': self._jwks,
            '/token': self._token,
            '/userinfo': self._user_info,
            }[path](handler.headers, form)
        handler.send_response(200 if content is not None else 400)
        handler.send_header('Content-Type', 'application/json')
        handler.end_headers()
        handler.wfile.write(
            json.dumps(content or {'error': 'invalid_grant'}).encode())

    def _metadata(self, headers, form):
        return {
            'issuer': self.issuer,
            'authorization_endpoint': f'{self.issuer}/authorize',
            'token_endpoint': f'{self.issuer}/token',
            'userinfo_endpoint': f'{self.issuer}/userinfo',
            'jwks_uri': f'{self.issuer}/jwks',
            }

    def _jwks(self, headers, form):
        return {'keys': [k.as_dict(private=False) for k in self.keys]}

    def authorize(self, url, claims, token=None, **changes):
        """Return a code for the address to which the server sends a user.

        :param claims: those of the user.
        :param token: what makes the ID token of its claims, instead of a
            signature.
        :param changes: claims of the ID token; those that are None are left
            out.
        """
        query = {k: v[0] for k, v in parse_qs(urlsplit(url).query).items()}
        code = secrets.token_urlsafe()
        self.codes[code] = query, claims, token or self.sign, changes
        return code

    def _token(self, headers, form):
        found = self.codes.pop(form.get('code'), None)
        if not found:
            return
        query, claims, token, changes = found
        digest = hashlib.sha256(form.get('code_verifier', '').encode())
        challenge = base64.urlsafe_b64encode(
            digest.digest()).rstrip(b'=').decode()
        secret = base64.b64encode(f'{CLIENT_ID}:{SECRET}'.encode()).decode()
        if (challenge != query['code_challenge']
                or form['redirect_uri'] != query['redirect_uri']
                or headers['Authorization'] != f'Basic {secret}'):
            return
        access_token = secrets.token_urlsafe()
        self.users[access_token] = changes.pop('user_info', claims)
        now = int(time.time())
        id_claims = {
            'iss': self.issuer,
            'aud': CLIENT_ID,
            'azp': CLIENT_ID,
            'sub': claims['sub'],
            'iat': now,
            'exp': now + 60,
            'nonce': query['nonce'],
            'acr': 'eidas1',
            'at_hash': hash_of(access_token),
            'sid': f"sid-{claims['sub']}",
            **changes}
        return {
            'access_token': access_token,
            'token_type': 'Bearer',
            'expires_in': 60,
            'id_token': token(
                {k: v for k, v in id_claims.items() if v is not None}),
            }

    def _user_info(self, headers, form):
        return self.users.get(headers['Authorization'].split()[-1])

    def sign(self, claims, key=None, alg='RS256'):
        key = key or self.key
        return jwt.encode(
            {'alg': alg, 'kid': self.key.kid}, claims, key, algorithms=[alg])

    def logout_token(self, token=None, **changes):
        "Return a logout token, whose claims that are None are left out."
        now = int(time.time())
        claims = {
            'iss': self.issuer,
            'aud': CLIENT_ID,
            'iat': now,
            'exp': now + 120,
            'jti': secrets.token_urlsafe(),
            'events': {LOGOUT_EVENT: {}},
            **changes}
        return (token or self.sign)(
            {k: v for k, v in claims.items() if v is not None})
