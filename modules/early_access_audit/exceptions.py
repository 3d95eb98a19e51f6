# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from trytond.exceptions import UserError
from trytond.model.exceptions import AccessError, ValidationError


class TokenSecretError(UserError):
    pass


class ActivationError(UserError):
    pass


class PasswordAccessError(AccessError):
    pass


class SessionAccessError(AccessError):
    pass


class ApplicationAccessError(AccessError):
    pass


class ApplicationError(ValidationError):
    pass
