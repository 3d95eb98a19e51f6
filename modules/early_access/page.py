# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What serves a page of its own, beside the client.

It is static, sets no cookie and loads nothing. What it asks and is answered
is JSON.
"""

import base64
import functools
import hashlib
import json
import logging
import pathlib
import traceback
from decimal import Decimal

from trytond import backend
from trytond.protocols.wrappers import (
    HTTPStatus, Response, abort, exceptions)

logger = logging.getLogger(__name__)

HEADERS = {
    'Cache-Control': 'no-store',
    'Referrer-Policy': 'no-referrer',
    'X-Content-Type-Options': 'nosniff',
    }


class Refusal(Exception):
    """What the page is told instead of a result.

    :param error: the code of the error: the page has its words.
    """

    def __init__(self, status, error, headers=None, **details):
        super().__init__(error)
        self.status = status
        self.headers = headers
        self.content = {'error': error, **details}


@functools.cache
def page(path, language, style=None):
    """Return the page in a language, and the headers that go with it.

    :param path: of the HTML, without its suffix; its script is beside it.
    :param style: the path of the style without its suffix, if not the same.
    """
    html = pathlib.Path(f'{path}.html').read_text('utf-8')
    html = html.replace('{{language}}', language)
    policy = [
        "default-src 'none'", "connect-src 'self'", "img-src data:",
        "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"]
    for directive, suffix, source in [
            ('style-src', 'css', style or path), ('script-src', 'js', path)]:
        text = pathlib.Path(f'{source}.{suffix}').read_text('utf-8')
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest())
        policy.append(f"{directive} 'sha256-{digest.decode()}'")
        html = html.replace('{{%s}}' % suffix, text)
    return html, {
        **HEADERS,
        'Content-Language': language,
        'Content-Security-Policy': '; '.join(policy),
        'Cross-Origin-Opener-Policy': 'same-origin',
        'X-Frame-Options': 'DENY',
        'X-Robots-Tag': 'noindex',
        }


def check_active(pool, model):
    "The routes are those of all the databases of the server."
    try:
        pool.get(model)
    except KeyError:
        abort(HTTPStatus.NOT_FOUND)


def answering(model):
    """Answer what the function returns, or why not, as JSON.

    :param model: the name of a model without which there is no page.
    """
    def decorator(func):
        @functools.wraps(func)
        def wrapper(request, pool):
            check_active(pool, model)
            status, headers = HTTPStatus.OK, None
            try:
                content = func(request, pool)
            except Refusal as refusal:
                status, headers = refusal.status, refusal.headers
                content = refusal.content
            except backend.DatabaseOperationalError:
                status = HTTPStatus.SERVICE_UNAVAILABLE
                content = {'error': 'failed'}
            except Exception as exception:
                # Its message may repeat what was sent
                logger.error(
                    "%s failed: %s\n%s", request.path,
                    type(exception).__name__,
                    ''.join(traceback.format_tb(exception.__traceback__)))
                status = HTTPStatus.INTERNAL_SERVER_ERROR
                content = {'error': 'failed'}
            return Response(
                json.dumps(content), status, headers={
                    **HEADERS, **(headers or {})},
                content_type='application/json')
        return wrapper
    return decorator


def read_body(request):
    "Return the JSON object of a request: nothing else is accepted."
    if (request.mimetype != 'application/json'
            or request.headers.get('Content-Encoding')):
        raise Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, 'malformed')
    try:
        body = json.loads(
            request.get_data().decode('utf-8'), parse_float=Decimal,
            parse_constant=_refuse_constant)
    except exceptions.RequestEntityTooLarge:
        raise Refusal(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE, 'malformed') from None
    except (ArithmeticError, RecursionError, ValueError):
        raise Refusal(HTTPStatus.BAD_REQUEST, 'malformed') from None
    if not isinstance(body, dict):
        raise Refusal(HTTPStatus.BAD_REQUEST, 'malformed')
    return body


def _refuse_constant(name):
    raise ValueError(name)
