# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import datetime as dt

from trytond.i18n import gettext
from trytond.model import Workflow, fields
from trytond.pyson import Eval
from trytond.transaction import Transaction

from .answers import OPEN_STATES
from .exceptions import (
    CorrectionError, FormAccessError, FormIncompleteError)
from .workflow import guarded

# From the preferred one to the last resort (CNIL 2022-107, SEC-ECH-5)
COLLECTION_MODES = [
    (None, ''),
    ('online', "Online by the patient"),
    ('paper_professional', "On paper, handed to a professional"),
    ('entered_by_professional', "Entered by a professional"),
    ('post', "By post, to the laboratory"),
    ]


class CollectionModeMixin:
    "How the answers of a quality of life form came"
    __slots__ = ()

    collection_mode = fields.Selection(
        COLLECTION_MODES, "Collection Mode", sort=False,
        states={
            'invisible': Eval('kind') != 'quality_of_life',
            'readonly': ~Eval('state').in_(OPEN_STATES),
            },
        help="How the patient gave the answers. The server sets the online "
        "one.")

    @classmethod
    @guarded(*OPEN_STATES)
    @Workflow.transition('submitted')
    def deposit(cls, forms):
        """Receive for good the answers that a patient gave online.

        The context names the patient, as a second look at whose form it is.
        The patient is no user: nobody is kept as who submitted.
        """
        patient = Transaction().context.get('questionnaire_patient')
        for form in forms:
            if (form.kind != 'quality_of_life'
                    or form.patient.id != patient):
                raise FormAccessError(gettext(
                        'early_access.msg_form_deposit'))
            form.check_complete()
        cls.write(forms, {
                'submitted_by': None,
                'submitted_at': dt.datetime.now(),
                })

    def check_correctable(self):
        "Raise CorrectionError if the patient gave the answers online."
        if self.collection_mode == 'online':
            raise CorrectionError(gettext(
                    'early_access.msg_correction_online',
                    form=self.rec_name))

    @classmethod
    def validate_fields(cls, forms, field_names):
        super().validate_fields(forms, field_names)
        if field_names is None or 'state' in field_names:
            for form in forms:
                if (form.kind == 'quality_of_life'
                        and form.state == 'submitted'
                        and not form.collection_mode):
                    raise FormIncompleteError(gettext(
                            'early_access.msg_form_collection_mode',
                            form=form.rec_name,
                            **cls.__names__('collection_mode')))

    @classmethod
    def check_modification(cls, mode, forms, values=None, external=False):
        super().check_modification(
            mode, forms, values=values, external=external)
        if mode != 'write' or not external:
            return
        if values.get('collection_mode') == 'online':
            raise FormAccessError(gettext(
                    'early_access.msg_form_collection_online',
                    **cls.__names__('collection_mode')))
        if 'answers' in values and not values.get('collection_mode'):
            for form in forms:
                if form.collection_mode == 'online':
                    raise FormAccessError(gettext(
                            'early_access.msg_form_answers_online',
                            form=form.rec_name,
                            **cls.__names__('collection_mode')))

    @classmethod
    def copy(cls, forms, default=None):
        default = default.copy() if default is not None else {}
        default.setdefault('collection_mode')
        return super().copy(forms, default=default)
