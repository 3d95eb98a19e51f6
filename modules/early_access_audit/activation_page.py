# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The page on which users set their password and their second factor.

It is static and opens no session. The link travels in the fragment of its
address, which a browser keeps for itself, then in the body of the requests.
"""

import pathlib

import segno

from trytond.exceptions import RateLimitException, UserError
from trytond.modules.early_access.page import (
    Refusal, answering, check_active, page, read_body)
from trytond.modules.early_access.questionnaire_page import HTML as STYLE
from trytond.modules.early_access.transaction import wait_for
from trytond.pool import Pool
from trytond.protocols.wrappers import (
    HTTPStatus, Response, set_max_request_size, with_pool, with_transaction)
from trytond.transaction import Transaction
from trytond.wsgi import app

from . import settings
from .activation import PATH
from .throttle import HOUR
from .trail import Trail

LANGUAGES = ['fr', 'en']
HTML = pathlib.Path(__file__).with_name('activation')
MODEL = 'early_access.audit.activation'
# In bytes: what the page sends takes less than a tenth of it
MAX_SIZE = 16384
# In characters
LONGEST = 1024


@app.route(f'/<string:database_name>/{PATH}', methods={'GET'})
@set_max_request_size(0)
@with_pool
def show(request, pool):
    check_active(pool, MODEL)
    language = request.accept_languages.best_match(LANGUAGES, default='fr')
    html, headers = page(HTML, language, STYLE)
    return Response(html, headers=headers, content_type='text/html')


@app.route(f'/<string:database_name>/{PATH}/open', methods={'POST'})
@set_max_request_size(MAX_SIZE)
@with_pool
@answering(MODEL)
def open_(request, pool):
    "Answer what the link is for."
    body = read_texts(request, 'token')
    try_ = admit(request, pool)
    result = find(request, pool, body)
    succeed(request, pool, try_)
    return result


@app.route(f'/<string:database_name>/{PATH}/begin', methods={'POST'})
@set_max_request_size(MAX_SIZE)
@with_pool
@answering(MODEL)
def begin(request, pool):
    "Answer the second factor that waits, to who has the code."
    return verified(
        request, pool, read_texts(request, 'token', 'code'), describe)


@app.route(f'/<string:database_name>/{PATH}/finish', methods={'POST'})
@set_max_request_size(MAX_SIZE)
@with_pool
@answering(MODEL)
def finish(request, pool):
    "Set the password, and the second factor where it is an activation."
    return verified(
        request, pool,
        read_texts(request, 'token', 'code', 'password', 'totp'), activate)


def read_texts(request, *names):
    "Return the texts of the body."
    body = read_body(request)
    texts = {n: body.get(n, '') for n in names}
    if not all(
            isinstance(t, str) and len(t) <= LONGEST and '\0' not in t
            for t in texts.values()):
        raise Refusal(HTTPStatus.BAD_REQUEST, 'malformed')
    texts['language'] = (
        body['language'] if body.get('language') in LANGUAGES else 'en')
    return texts


# Limiting the tries


@with_transaction()
def admit(request, pool):
    "Count a try of the network, given back when it is no guess."
    Throttle = pool.get('early_access.audit.throttle')
    try:
        return Throttle.admit('activation')
    except RateLimitException:
        raise Refusal(
            HTTPStatus.TOO_MANY_REQUESTS, 'limited',
            headers={'Retry-After': str(int(HOUR.total_seconds()))}
            ) from None


@with_transaction()
def succeed(request, pool, try_):
    pool.get('early_access.audit.throttle').succeed(try_)


def verified(request, pool, body, then):
    """Return what the function answers to who holds the link and the code.

    The try is counted in a transaction of its own, so that as many
    connections as one likes get no more.
    """
    try_ = admit(request, pool)
    count(request, pool, body)
    try:
        result = answer(request, pool, body, then)
    except Mistake:
        give_back(request, pool, body)
        succeed(request, pool, try_)
        raise
    give_back(request, pool, body)
    succeed(request, pool, try_)
    return result


class Mistake(Refusal):
    "A refusal of what is no guess of a secret"


@with_transaction()
def count(request, pool, body):
    link = get_link(pool, body)
    wait_for([link])
    # Another try may have been the last one meanwhile
    get_link(pool, body).count_failure()


@with_transaction()
def answer(request, pool, body, then):
    link = get_link(pool, body, counted=True)
    wait_for([link])
    with Transaction().set_context(language=body['language']):
        return then(link, body)


@with_transaction()
def give_back(request, pool, body):
    Activation = pool.get('early_access.audit.activation')
    Activation.give_back(body['token'])


# Answers


def get_link(pool, body, counted=False):
    Activation = pool.get('early_access.audit.activation')
    link = Activation.find(body['token'], counted=counted)
    if not link:
        raise Refusal(HTTPStatus.FORBIDDEN, 'refused')
    return link


@with_transaction(readonly=True)
def find(request, pool, body):
    return {'kind': get_link(pool, body).kind}


def check_code(link, body):
    if (link.kind == 'activation'
            and not link.is_code(body['token'], body['code'])):
        raise Refusal(HTTPStatus.FORBIDDEN, 'code')


def describe(link, body):
    "Return what the page shows of the account."
    check_code(link, body)
    result = {'login': link.user.login, 'factor': 'none'}
    if link.kind == 'reset':
        if not settings.demonstration():
            result['factor'] = 'ask'
    elif link.hardware:
        result['factor'] = 'hardware'
    else:
        uri = link.totp.uri()
        result.update(
            factor='new', uri=uri, secret=link.totp.secret(),
            image=segno.make(
                uri, micro=False, error='m').svg_data_uri(scale=5))
    return result


def activate(link, body):
    """Set the password and the second factor.

    :raises Refusal: telling what is wrong.
    """
    pool = Pool()
    RecoveryCode = pool.get('early_access.audit.recovery_code')
    User = pool.get('res.user')
    check_code(link, body)
    user = link.user
    try:
        User.validate_password(body['password'], [user])
    except UserError as error:
        raise Mistake(
            HTTPStatus.UNPROCESSABLE_ENTITY, 'password',
            message=error.message) from None
    if not is_factor(link, body['totp']):
        # Who activates has been shown the secret of the code
        error = Mistake if link.kind == 'activation' else Refusal
        raise error(HTTPStatus.UNPROCESSABLE_ENTITY, 'totp')
    if not link.use():
        raise Refusal(HTTPStatus.FORBIDDEN, 'refused')
    User.write([user], {'password': body['password']})
    result = {'done': True, 'login': user.login}
    if link.kind == 'activation':
        link.totp.activate()
        result['recovery_codes'] = RecoveryCode.renew(user.id)
    Trail.current().add('activation', 'res.user', [user.id], reason=link.kind)
    return result


def is_factor(link, code):
    "Return whether it is a code of the factor that the link asks."
    pool = Pool()
    RecoveryCode = pool.get('early_access.audit.recovery_code')
    Totp = pool.get('early_access.audit.totp')
    if link.kind == 'activation':
        return link.totp.accept(code)
    totp = Totp.of(link.user.id)
    if totp:
        return totp.accept(code) or RecoveryCode.accept(link.user.id, code)
    return settings.demonstration()
