# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The request that the server answers."

import hashlib
import re
from contextvars import ContextVar
from functools import wraps

from werkzeug.exceptions import HTTPException

from trytond.wsgi import app

METHOD = re.compile(r'[a-zA-Z0-9_.-]{1,200}')
current = ContextVar('early_access_request', default=None)


def user_of(request):
    "Return the id of the user that the request was found to be of, or None."
    # The property would authenticate the request again
    return request.__dict__.get('user_id')


def connection_of(request):
    """Return what names the connection of a request without opening it.

    It is a hash of the key of the session, the same for all its requests, or
    None where there is no session.
    """
    session = request.session
    if session and session.token:
        return hashlib.sha256(session.token.encode()).hexdigest()[:16]


def rpc_of(request):
    """Return the method and the parameters of an RPC, or None and none.

    The body of any other request may be JSON too.
    """
    if request.path.endswith('/rpc/'):
        try:
            return request.rpc_method, request.rpc_params
        except HTTPException:
            pass
    return None, []


def method_of(request):
    """Return what is asked, without any value.

    That is the method of an RPC, or else the HTTP method and the pattern of
    the path.
    """
    method, _ = rpc_of(request)
    if method:
        # The client may send anything
        return method if METHOD.fullmatch(method) else None
    adapter = app.url_map.bind_to_environ(request.environ)
    try:
        rule, _ = adapter.match(return_rule=True)
    except HTTPException:
        return request.method
    return f'{request.method} {rule.rule}'


def observe(dispatch_request, refused):
    """Keep the request while it is answered, and tell when it was refused.

    :param dispatch_request: the function of the application that returns
        what answers a request, or the exception that does.
    :param refused: what is called with the request and the exception.
    """
    @wraps(dispatch_request)
    def wrapper(request):
        token = current.set(request)
        try:
            answer = dispatch_request(request)
            if isinstance(answer, Exception):
                refused(request, answer)
            return answer
        finally:
            current.reset(token)
    return wrapper
