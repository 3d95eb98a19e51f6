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


class CharterError(UserError):
    pass


class CharterAccessError(AccessError):
    pass


class TrainingError(ValidationError):
    pass


class TrainingAccessError(AccessError):
    pass


class VerificationError(UserError):
    pass


class CheckError(ValidationError):
    pass


class CheckAccessError(AccessError):
    pass


class AnomalyError(ValidationError):
    pass


class IncidentError(ValidationError):
    pass


class IncidentAccessError(AccessError):
    pass


class GroupAccessError(AccessError):
    pass


class RoleAccessError(AccessError):
    pass


class OwnRoleError(AccessError):
    pass


class RoleHistoryError(AccessError):
    pass


class RolePeriodError(ValidationError):
    pass


class EmergencyAccessRightError(AccessError):
    pass


class EmergencyAccessError(UserError):
    pass


class AccessReviewerError(AccessError):
    pass


class AccessReviewDecisionError(UserError):
    pass


class AccessReviewStateError(UserError):
    pass


class LeaverAccessError(AccessError):
    pass


class LeaverError(UserError):
    pass


class PasswordFallbackError(ValidationError):
    pass


class PasswordFallbackAccessError(AccessError):
    pass
