# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from trytond.exceptions import UserError, UserWarning
from trytond.model.exceptions import AccessError, ValidationError


class RegisterMissingError(UserError):
    pass


class RegisterFixedError(AccessError):
    pass


class CountryError(ValidationError):
    pass


class DisclosureError(UserError):
    pass


class ReuseError(UserError):
    pass


class TransferError(ValidationError):
    pass


class WorkCountryError(ValidationError):
    pass


class PlaceError(AccessError):
    pass


class EmployerError(ValidationError):
    pass


class ImpactAssessmentError(UserError):
    pass


class ProcessingUnchangedError(UserError):
    pass


class ProcessingVersionError(AccessError):
    pass


class MarketWithdrawalWarning(UserWarning):
    pass


class PolicyError(ValidationError):
    pass


class PolicyWarning(UserWarning):
    pass


class ProfessionalEndError(UserError):
    pass


class ClockDateError(AccessError):
    pass


class CorrectionError(UserError):
    pass


class HoldError(ValidationError):
    pass


class RightsRequestError(ValidationError):
    pass


class RightsAccessError(AccessError):
    pass


class RightsExtensionError(UserError):
    pass


class RightsAnswerError(UserError):
    pass


class RectificationError(ValidationError):
    pass


class LimitationError(ValidationError):
    pass


class LimitationAccessError(AccessError):
    pass


class FrozenDataError(AccessError):
    pass


class PersonTableError(UserError):
    pass


class ArchiveError(UserError):
    pass


class ArchiveAccessError(AccessError):
    pass


class DestructionError(UserError):
    pass
