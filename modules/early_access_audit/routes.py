# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from trytond.wsgi import app

from . import activation_page, openid_routes  # noqa: F401
from .refusal import store_refusal
from .request import observe

app.dispatch_request = observe(app.dispatch_request, store_refusal)
