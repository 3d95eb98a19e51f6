# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from trytond.exceptions import UserError, UserWarning
from trytond.model.exceptions import AccessError, ValidationError


class WorkflowStateError(AccessError):
    pass


class WorkflowModificationError(AccessError):
    pass


class PreferencesError(AccessError):
    pass


class ResourceError(AccessError):
    pass


class ContactMechanismError(ValidationError):
    pass


class ProfessionalError(ValidationError):
    pass


class AuthorizationError(ValidationError):
    pass


class DecisionError(ValidationError):
    pass


class OverlapError(DecisionError):
    pass


class ReportError(ValidationError):
    pass


class SupplyError(UserError):
    pass


class VariableError(ValidationError):
    pass


class ProtocolError(ValidationError):
    pass


class ConditionError(ValidationError):
    pass


class AnswerError(ValidationError):
    pass


class AdverseEventError(AccessError):
    pass


class QueryError(ValidationError):
    pass


class CorrectionError(ValidationError):
    pass


class PatientError(ValidationError):
    pass


class PatientAccessError(AccessError):
    pass


class FourEyesError(PatientAccessError):
    pass


class EligibilityError(UserError):
    pass


class DuplicatePatientWarning(UserWarning):
    pass


class FormError(ValidationError):
    pass


class FormAccessError(AccessError):
    pass


class FormIncompleteError(ValidationError):
    pass


class UnusualAnswerWarning(UserWarning):
    pass


class NationalNumberError(ValidationError):
    "A text holds the national number of a person"


class FinessError(ValidationError):
    pass


class FinessUniqueError(FinessError):
    pass


class HospitalPartyError(ValidationError):
    pass


class MedicinalProductError(ValidationError):
    pass


class ProductIdentifierError(ValidationError):
    pass


class SealError(UserError):
    "Sealed data cannot be opened or sealed"


class DestroyedKeyError(SealError):
    "The key of the person is destroyed"


class FileSealError(SealError):
    "A file of the store cannot be opened"


class FileSizeError(UserError):
    pass


class SealedSearchError(UserError):
    pass


class SealedKeyError(AccessError):
    "A field that binds the sealed data of its record does not change"


class SealedValueError(ValidationError):
    pass


class OrderError(UserError):
    pass


class OrderPharmacistError(AccessError):
    pass


class OrderProfileError(AccessError):
    pass


class OrderModificationError(AccessError):
    pass


class OrderLineError(ValidationError):
    pass


class OrderQuantityError(ValidationError):
    pass


class OrderSupplyError(SupplyError):
    pass


class OrderShipmentError(UserError):
    pass


class OrderReceptionError(AccessError):
    pass


class OrderOverdueWarning(UserWarning):
    pass


class OrderSuspendedWarning(UserWarning):
    pass


class OrderReferenceWarning(UserWarning):
    pass


class StockMissingError(UserError):
    pass


class LotMissingError(UserError):
    pass


class LotShelfLifeError(UserError):
    pass


class ShipmentQuantityError(UserError):
    pass


class CSVFileError(UserError):
    "A CSV file is refused as a whole"


class DictionaryError(UserError):
    "A data dictionary cannot be imported"


class CodeListImportError(UserError):
    pass


class DataExportError(UserError):
    pass


class DataExportAccessError(AccessError):
    pass


class QuestionnaireError(UserError):
    pass
