# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The requests that the server refuses."

from http import HTTPStatus

from werkzeug.exceptions import HTTPException

from trytond.exceptions import LoginException, UserError, UserWarning
from trytond.pool import Pool
from trytond.transaction import Transaction

from . import request as requests
from .trail import Trail, known

REFUSALS = {
    HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN,
    HTTPStatus.NOT_FOUND, HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.TOO_MANY_REQUESTS}


def store_refusal(request, error):
    """Store that the request was refused, or failed.

    Nothing of it was kept. What it asked is taken from it: the model, the ids
    and the kind of the error, not its message, which may hold a value.
    """
    if isinstance(error, (UserWarning, LoginException)):
        # What is asked to the user is no refusal
        return
    database_name = (request.view_args or {}).get('database_name')
    if database_name not in Pool.database_list():
        return
    try:
        Pool(database_name).get('early_access.audit.event')
    except KeyError:
        return
    action = 'failed'
    if isinstance(error, UserError):
        action = 'refused'
    elif isinstance(error, HTTPException):
        if error.code not in REFUSALS:
            return
        action = 'refused'
    with Transaction().start(
            database_name, requests.user_of(request) or 0, readonly=True,
            context={'_request': request.context}):
        Trail.current().add(
            action, *known(*asked(request)), reason=kind(error))


def kind(error):
    if isinstance(error, HTTPException):
        return f'HTTP {error.code}'
    return error.__class__.__name__


def asked(request):
    "Return the model and the ids that a request names, if any."
    view_args = request.view_args or {}
    method, params = requests.rpc_of(request)
    if method:
        parts = method.split('.')
        return '.'.join(parts[1:-1]), params[0] if params else None
    return view_args.get('name'), view_args.get('id')
