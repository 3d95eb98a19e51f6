# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from trytond.i18n import gettext
from trytond.pool import Pool, PoolMeta

from . import questionnaire_page, routes  # noqa: F401
from .exceptions import ResourceError

# CNIL 2022-107 art. 7.3: no notepad area about the patients
PATIENT_MODELS = frozenset({
        'early_access.patient',
        'early_access.related_person',
        'early_access.patient.protocol_change',
        'early_access.form',
        'early_access.form.correction',
        'early_access.query',
        'early_access.completeness.patient',
        'early_access.order',
        'early_access.order.line',
        'early_access.questionnaire.access',
        })


def concerns_patient(model):
    """Return whether a model of the name is about patients.

    One of a module above says so by a `_concerns_patient` that is true.
    """
    if model in PATIENT_MODELS:
        return True
    try:
        Model = Pool().get(model)
    except (KeyError, TypeError):
        return False
    return bool(getattr(Model, '_concerns_patient', False))


class PatientResourceMixin:
    "Refuse to be linked with what concerns a patient"
    __slots__ = ()

    @classmethod
    def preprocess_values(cls, mode, values):
        # Before the text reaches the database and its logs
        cls._check_resource(values.get('resource'))
        return super().preprocess_values(mode, values)

    @classmethod
    def check_modification(cls, mode, records, values=None, external=False):
        super().check_modification(
            mode, records, values=values, external=external)
        if mode == 'create':
            for record in records:
                cls._check_resource(record.resource)

    @classmethod
    def _check_resource(cls, resource):
        model = str(resource).split(',', 1)[0] if resource else None
        if concerns_patient(model):
            raise ResourceError(gettext(
                    'early_access.msg_patient_resource',
                    resource=Pool().get(model).__names__()['model'],
                    **cls.__names__()))


class Note(PatientResourceMixin, metaclass=PoolMeta):
    __name__ = 'ir.note'


class Attachment(PatientResourceMixin, metaclass=PoolMeta):
    __name__ = 'ir.attachment'


class Email(PatientResourceMixin, metaclass=PoolMeta):
    __name__ = 'ir.email'

    @classmethod
    def send(
            cls, to='', cc='', bcc='', subject='', body='', files=None,
            record=None, reports=None, attachments=None):
        if record and concerns_patient(record[0]):
            raise ResourceError(gettext(
                    'early_access.msg_patient_resource',
                    resource=Pool().get(record[0]).__names__()['model'],
                    **cls.__names__()))
        return super().send(
            to=to, cc=cc, bcc=bcc, subject=subject, body=body, files=files,
            record=record, reports=reports, attachments=attachments)


class Cron(metaclass=PoolMeta):
    __name__ = 'ir.cron'

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls.method.selection += [
            ('early_access.completeness|compute_all',
                "Count the Completeness"),
            ('early_access.questionnaire.attempt|clean',
                "Clean Attempts on the Questionnaires"),
            ('early_access.reminder|remind', "Remind the Prescribers"),
            ]
