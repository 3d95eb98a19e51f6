# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The sign-in of the hospital professionals with an OpenID Connect provider.

Authorization code with PKCE (RFC 7636). What a browser must keep is in a
cookie of its own; the database keeps hashes, deleted when they are used, as
several processes may answer. The provider is never asked inside a
transaction.
"""

import functools
import logging
import secrets
import traceback
from urllib.parse import parse_qs, quote, urlencode, urlsplit, urlunsplit

import trytond.config as config
from trytond import backend
from trytond.exceptions import RateLimitException
from trytond.modules.early_access.page import HEADERS, check_active
from trytond.protocols.dispatcher import register_authentication_service
from trytond.protocols.wrappers import (
    HTTPStatus, Response, abort, add_auth_cookies, exceptions, redirect,
    set_max_request_size, with_pool, with_transaction)
from trytond.transaction import Transaction
from trytond.wsgi import app

from . import openid_page, openid_settings as settings
from .openid_identity import IdentityError, read_identity
from .openid_provider import Provider, ProviderError
from .openid_sign_in import derive, digest
from .throttle import Try
from .trail import Trail

logger = logging.getLogger(__name__)
MODEL = 'early_access.audit.openid.sign_in'
PATH = 'early_access/openid'
SERVICE = f'/{PATH}/login'
COOKIE = 'early_access_openid'
# In characters: what the provider and the clients send takes less
LONGEST = 4096
# In bytes
MAX_SIZE = 65536

if settings.enabled():
    register_authentication_service(settings.get('name'), SERVICE)


class Stop(Exception):
    """A sign-in that goes no further.

    :param page: the kind of the page that says why.
    :param reason: a code for the trail.
    :param ids: the ids of the professionals that are known by then.
    """

    def __init__(self, page, reason, ids=()):
        super().__init__(reason)
        self.page = page
        self.reason = reason
        self.ids = ids


def answering(func):
    "Answer with a page whatever stops the sign-in, and trace it."
    @functools.wraps(func)
    def wrapper(request, pool):
        check_active(pool, MODEL)
        if not settings.enabled():
            abort(HTTPStatus.NOT_FOUND)
        try:
            try:
                return func(request, pool)
            except ProviderError as error:
                page = (
                    'unavailable' if error.kind == 'provider' else 'refused')
                raise Stop(page, error.kind) from None
        except Stop as stop:
            trace(request, pool, stop)
            kind = stop.page
        except exceptions.HTTPException:
            raise
        except RateLimitException:
            kind = 'limited'
        except backend.DatabaseOperationalError:
            kind = 'failed'
        except Exception as exception:
            # Its message may repeat what was sent
            logger.error(
                "%s failed: %s\n%s", request.path,
                type(exception).__name__,
                ''.join(traceback.format_tb(exception.__traceback__)))
            kind = 'failed'
        return openid_page.show(
            request, kind, settings.get('name'), settings.get('contact'))
    return wrapper


@with_transaction(readonly=False)
def trace(request, pool, stop):
    model = 'early_access.professional' if stop.ids else 'res.user'
    Trail.current().add(
        'login_failed', model, stop.ids, reason=f'openid {stop.reason}')


# To the provider


@app.route(f'/<string:database_name>{SERVICE}', methods={'GET'})
@set_max_request_size(0)
@with_pool
@answering
def login(request, pool):
    "Send the user to the provider."
    provider = Provider()
    provider.metadata()
    browser = secrets.token_urlsafe(32)
    state, redirect_uri = begin(request, pool, browser)
    response = redirect(
        provider.authorization_url(
            redirect_uri, state, derive(browser, state, 'nonce'),
            derive(browser, state, 'verifier')),
        HTTPStatus.FOUND)
    response.headers.extend(HEADERS)
    set_cookie(response, pool, redirect_uri, browser)
    return response


@with_transaction(readonly=False)
def begin(request, pool, browser):
    SignIn = pool.get(MODEL)
    admit(pool)
    address = settings.public_address()
    client = client_address(argument(request, 'next'), address)
    state = SignIn.begin(
        'provider', browser, next=client, renew=renewed(request))
    return state, redirect_address(pool, address)


def admit(pool):
    "Count a try of the network."
    return pool.get('early_access.audit.throttle').admit('openid')


def argument(request, name):
    "Return a parameter of the query that is there once, or None."
    values = request.args.getlist(name)
    if len(values) == 1 and len(values[0]) <= LONGEST:
        return values[0].replace('\0', '')


def redirect_address(pool, address):
    return f'{address}/{quote(pool.database_name)}/{PATH}/callback'


def client_address(next_, address):
    """Return where the user goes once signed in.

    That is the browser client of this server, or the desktop client, which
    listens on the machine of the user. Nothing but the address is kept.
    """
    parts = urlsplit(address)
    try:
        asked = urlsplit(next_ or '')
        if (asked.scheme, asked.netloc) == (parts.scheme, parts.netloc):
            parts = asked
        elif (asked.scheme == 'http' and asked.port
                and asked.netloc == f'localhost:{asked.port}'):
            return f'http://{asked.netloc}/'
    except ValueError:
        pass
    return urlunsplit((parts.scheme, parts.netloc, parts.path or '/', '', ''))


def renewed(request):
    "Return the id of the user whose session is to be renewed, or None."
    _, _, query = (argument(request, 'next') or '').partition('?')
    for text in [
            argument(request, 'renew'), *parse_qs(query).get('renew', [])]:
        if text and text.isascii() and text.isdigit() and len(text) < 10:
            return int(text)


def set_cookie(response, pool, redirect_uri, browser):
    response.set_cookie(
        COOKIE, browser, path=f'/{quote(pool.database_name)}/{PATH}',
        secure=redirect_uri.startswith('https:'), httponly=True,
        samesite='Lax')


# Back from the provider


@app.route(f'/<string:database_name>/{PATH}/callback', methods={'GET'})
@set_max_request_size(0)
@with_pool
@answering
def callback(request, pool):
    "Let the user in whom the provider sends back."
    try_ = count(request, pool)
    browser = request.cookies.get(COOKIE) or ''
    state = argument(request, 'state') or ''
    found = take(request, pool, state, browser)
    provider = Provider()
    provider.check_issuer(argument(request, 'iss'))
    code = argument(request, 'code')
    if request.args.get('error') or not code:
        forgive(request, pool, try_)
        raise Stop('cancelled', 'denied')
    id_claims, claims = provider.exchange(
        found['redirect_uri'], code, derive(browser, state, 'nonce'),
        derive(browser, state, 'verifier'))
    # From here on it is known who came, whatever becomes of it
    forgive(request, pool, try_)
    try:
        identity = read_identity(claims)
    except IdentityError as error:
        raise Stop('no_number', str(error)) from None
    subject = digest(provider.issuer, id_claims['sub'])
    session = id_claims.get('sid')
    if session:
        session = digest(provider.issuer, session)
    professional = recognise(request, pool, identity)
    return enter(
        request, pool, professional, identity, browser, found, {
            'subject': subject,
            'provider_session': session,
            })


@with_transaction(readonly=False)
def count(request, pool):
    return admit(pool)


@with_transaction(readonly=False)
def forgive(request, pool, try_):
    "Give back the try, and the one with which the sign-in began."
    pool.get('early_access.audit.throttle').succeed(
        Try(try_.sources * 2, []))


@with_transaction(readonly=False)
def take(request, pool, state, browser):
    "Return what began in the browser with the state, once."
    SignIn = pool.get(MODEL)
    found = SignIn.find(state, browser)
    if not found or len(browser) > LONGEST:
        raise Stop('refused', 'state')
    values = {
        'next': found.next,
        'renew': found.renew,
        'redirect_uri': redirect_address(pool, settings.public_address()),
        }
    if not found.take():
        raise Stop('refused', 'state')
    return values


@with_transaction(readonly=False)
def recognise(request, pool, identity):
    Professional = pool.get('early_access.professional')
    return Professional.recognise(identity).id


@with_transaction(readonly=False)
def enter(request, pool, professional, identity, browser, found, values):
    """Open a session, or ask in which establishment it is.

    :param found: where to go then.
    :param values: what names the session at the provider, hashed.
    """
    Professional = pool.get('early_access.professional')
    SignIn = pool.get(MODEL)
    professional = Professional(professional)
    check_admitted(professional, found['renew'])
    place = None
    if settings.get('activities_claim'):
        places = professional.places(identity)
        if not places:
            raise Stop('no_activity', 'activity', [professional.id])
        if len(places) > 1:
            SignIn.begin(
                'choice', browser, next=found['next'], renew=found['renew'],
                professional=professional.id,
                places=' '.join(str(p.id) for p in places), **values)
            return see_other(
                f'/{quote(pool.database_name)}/{PATH}/choice')
        place, = places
    return open_session(request, pool, professional, place, found, values)


def check_admitted(professional, renew):
    user = professional.user
    if professional.state == 'pending':
        raise Stop('pending', 'pending', [professional.id])
    if professional.state != 'active' or not user or not user.active:
        raise Stop('inactive', 'inactive', [professional.id])
    if renew is not None and renew != user.id:
        raise Stop('other_user', 'other user', [professional.id])


def see_other(address):
    response = redirect(address, HTTPStatus.SEE_OTHER)
    response.headers.extend(HEADERS)
    return response


def open_session(request, pool, professional, place, found, values):
    "Open a session and give it to the client."
    Session = pool.get('ir.session')
    user = professional.user
    with Transaction().set_user(user.id):
        Trail.current().add('login', 'res.user', [user.id], reason='openid')
        key = Session.new({
                'openid_subject': values['subject'],
                'openid_session': values['provider_session'],
                'place': place.id if place else None,
                })
    return hand_over(
        request, pool.database_name, user, key, found['next'],
        found['renew'])


def hand_over(request, database_name, user, key, client, renew):
    """Send the user back to the client, with the session.

    The browser client finds it in its cookie, which no script reads. The
    desktop client takes it from the query that it receives itself, on the
    machine of the user, and knows no other way. Neither needs the login of
    the user: its id stands for it.
    """
    bus = config.getboolean('bus', 'allow_subscribe', default=False)
    bus_url_host = config.get('bus', 'url_host', default=request.host_url)
    desktop = is_desktop(client)
    query = [
        ('login_service', SERVICE),
        ('database', database_name),
        ('login', user.id),
        ('user_id', user.id),
        ('bus_url_host', bus_url_host if bus else ''),
        ]
    if renew is not None:
        query.append(('renew', renew))
    if desktop:
        query.append(('session', key))
    response = see_other(f'{client}?{urlencode(query)}')
    if not desktop:
        add_auth_cookies(
            response, database_name, user.login, str(user.id), key)
    response.delete_cookie(
        COOKIE, path=f'/{quote(database_name)}/{PATH}')
    return response


def is_desktop(client):
    address = urlsplit(settings.public_address())
    return urlsplit(client).netloc != address.netloc


# The choice of the establishment


@app.route(f'/<string:database_name>/{PATH}/choice', methods={'GET'})
@set_max_request_size(0)
@with_pool
@answering
def choice(request, pool):
    return ask(request, pool)


@with_transaction(readonly=True)
def ask(request, pool):
    Party = pool.get('party.party')
    found = waiting(request, pool)
    return openid_page.ask(
        request, settings.get('name'), Party.browse(found.place_ids),
        found.next)


@app.route(f'/<string:database_name>/{PATH}/choice', methods={'POST'})
@set_max_request_size(LONGEST)
@with_pool
@answering
def choose(request, pool):
    return enter_place(request, pool, request.form.get('place'))


@with_transaction(readonly=False)
def enter_place(request, pool, place):
    Party = pool.get('party.party')
    found = waiting(request, pool)
    if place not in (found.places or '').split():
        raise Stop('refused', 'place', [found.professional.id])
    professional = found.professional
    values = {
        'subject': found.subject,
        'provider_session': found.provider_session,
        }
    client = {'next': found.next, 'renew': found.renew}
    if not found.take():
        raise Stop('refused', 'state')
    check_admitted(professional, found.renew)
    place = Party(int(place))
    if place not in professional.places():
        raise Stop('no_activity', 'activity', [professional.id])
    return open_session(request, pool, professional, place, client, values)


def waiting(request, pool):
    SignIn = pool.get(MODEL)
    found = SignIn.waiting(request.cookies.get(COOKIE) or '')
    if not found:
        raise Stop('refused', 'state')
    return found


# From the provider to the server


@app.route(f'/<string:database_name>/{PATH}/logout', methods={'POST'})
@set_max_request_size(MAX_SIZE)
@with_pool
def logout(request, pool):
    """End the sessions that the provider ended.

    OpenID Connect Back-Channel Logout 1.0.
    """
    check_active(pool, MODEL)
    if not settings.enabled():
        abort(HTTPStatus.NOT_FOUND)
    status = HTTPStatus.OK
    try:
        try_ = count(request, pool)
        tokens = request.form.getlist('logout_token')
        if len(tokens) != 1:
            raise ProviderError('logout_token')
        provider = Provider()
        claims = provider.logout_claims(*tokens)
        if not end(request, pool, provider.issuer, claims):
            raise ProviderError('logout_token')
        succeed(request, pool, try_)
    except RateLimitException:
        status = HTTPStatus.TOO_MANY_REQUESTS
    except ProviderError as error:
        trace(request, pool, Stop(None, error.kind))
        status = (
            HTTPStatus.SERVICE_UNAVAILABLE if error.kind == 'provider'
            else HTTPStatus.BAD_REQUEST)
    content = '' if status == HTTPStatus.OK else (
        '{"error": "invalid_request"}')
    return Response(
        content, status, headers=HEADERS, content_type='application/json')


@with_transaction(readonly=False)
def end(request, pool, issuer, claims):
    "Return whether the token was not used before, and end its sessions."
    Logout = pool.get('early_access.audit.openid.logout')
    Session = pool.get('ir.session')
    if not Logout.use(issuer, claims['jti']):
        return False
    subject, session = (
        digest(issuer, claims[n]) if claims.get(n) else None
        for n in ['sub', 'sid'])
    Session.end_openid(subject, session)
    return True


@with_transaction(readonly=False)
def succeed(request, pool, try_):
    pool.get('early_access.audit.throttle').succeed(try_)
