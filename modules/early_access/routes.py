# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from functools import wraps

from trytond.wsgi import app


def no_store(application):
    """Keep every answer that says nothing of caches out of them.

    A browser or a proxy would otherwise leave data of patients on a disk.
    The files of the client say how long they may be kept.
    """
    @wraps(application)
    def wrapper(environ, start_response):
        def start(status, headers, *args):
            if not any(n.lower() == 'cache-control' for n, _ in headers):
                headers = [*headers, ('Cache-Control', 'no-store')]
            return start_response(status, headers, *args)
        return application(environ, start)
    return wrapper


app.wsgi_app = no_store(app.wsgi_app)
