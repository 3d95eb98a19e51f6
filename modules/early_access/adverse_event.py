# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What is handed over to pharmacovigilance, and when at the latest.

The case itself is managed by pharmacovigilance in a system of its own (CNIL
2022-107 art. 2.4): only its number comes back.
"""

from dateutil.relativedelta import relativedelta

from trytond.i18n import gettext
from trytond.model import ModelView, fields
from trytond.pool import Pool
from trytond.pyson import Eval
from trytond.transaction import Transaction

from .answers import OPEN_STATES
from .exceptions import AdverseEventError, FormError
from .sealed import Sealed, SealedMixin
from .workflow import guarded, time_field, user_field

# ICH E2A
SERIOUSNESS = [
    ('none', "Not serious"),
    ('death', "Death"),
    ('life', "Life-threatening"),
    ('hospitalisation', "Hospitalisation or its prolongation"),
    ('disability', "Disability or incapacity"),
    ('anomaly', "Congenital anomaly"),
    ('important', "Medically important"),
    ]
SITUATIONS = [
    (None, ""),
    ('adverse_effect', "Adverse effect"),
    ('error', "Medication error"),
    ('misuse', "Misuse"),
    ('overdose', "Overdose"),
    ('abuse', "Abuse"),
    ('off_label', "Off-label use"),
    ('occupational', "Occupational exposure"),
    ('pregnancy', "Exposure during pregnancy or breast-feeding"),
    ('inefficacy', "Lack of efficacy"),
    ('transmission', "Suspected transmission of an infectious agent"),
    ]
# To EudraVigilance, from day 0 (R.5121-156)
SERIOUS_DAYS = 15
OTHER_DAYS = 90


class AdverseEventMixin(SealedMixin):
    """An adverse effect or a particular situation.

    Day 0 is that of the first receipt by the laboratory or by anyone acting
    for it: a draft or a call counts.
    """
    __slots__ = ()

    _event = {
        'readonly': ~Eval('state').in_(OPEN_STATES),
        'invisible': Eval('kind') != 'adverse_event',
        }
    _handover = {
        'invisible': Eval('kind') != 'adverse_event',
        }

    situation = Sealed(fields.Selection(
            SITUATIONS, "Situation", sort=False, states=_event))
    seriousness = Sealed(fields.MultiSelection(
            SERIOUSNESS, "Seriousness", sort=False, states=_event,
            help="Why the event is serious, or that it is not."))
    day_zero = fields.Date(
        "Day 0",
        states={
            'readonly': Eval('handover') == 'acknowledged',
            **_handover,
            },
        help="The first receipt by the laboratory or by anyone acting for "
        "it, drafts and calls included.")
    deadline = fields.Function(
        fields.Date("Deadline", states=_handover,
            help="15 days after day 0 if the event is serious or this is not "
            "known yet, else 90 days."),
        'get_deadline')
    handover = fields.Selection([
            (None, ""),
            ('pending', "To Hand Over"),
            ('handed_over', "Handed Over"),
            ('acknowledged', "Acknowledged"),
            ], "Pharmacovigilance", readonly=True, sort=False,
        states=_handover)
    case_number = fields.Char(
        "Case Number",
        states={
            'readonly': Eval('handover') != 'handed_over',
            'required': Eval('handover') == 'acknowledged',
            'invisible': ~Eval('handover').in_(
                ['handed_over', 'acknowledged']),
            },
        help="The number that pharmacovigilance gave to the case.")
    handed_over_by = user_field("Handed Over By")
    handed_over_at = time_field("Handed Over At")
    acknowledged_by = user_field("Acknowledged By")
    acknowledged_at = time_field("Acknowledged At")

    del _event, _handover

    # What pharmacovigilance writes
    _vigilance_fields = frozenset({'day_zero', 'case_number'})

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls._protected |= {
            'handover', 'handed_over_by', 'handed_over_at',
            'acknowledged_by', 'acknowledged_at'}
        cls._buttons.update(
            hand_over={
                'invisible': Eval('handover') != 'pending',
                'depends': ['handover'],
                },
            acknowledge={
                'invisible': Eval('handover') != 'handed_over',
                'depends': ['handover'],
                })

    @classmethod
    def get_deadline(cls, forms, name):
        return {
            f.id: f.day_zero + relativedelta(
                days=OTHER_DAYS if f.seriousness == ('none',)
                else SERIOUS_DAYS) if f.day_zero else None
            for f in forms}

    def incomplete(self):
        yield from super().incomplete()
        if self.kind == 'adverse_event':
            for name in ['situation', 'seriousness']:
                if not getattr(self, name):
                    yield self.__names__(name)['field']

    @classmethod
    def receive_event(cls, forms):
        "Start the clock of the events that were expected."
        pool = Pool()
        Date = pool.get('ir.date')
        cls.write([
                f for f in forms
                if f.kind == 'adverse_event' and not f.day_zero],
            {'day_zero': Date.today()})

    @classmethod
    def _check_handover(cls, forms, state):
        for form in forms:
            if form.handover != state:
                raise AdverseEventError(gettext(
                        'early_access.msg_adverse_event_handover',
                        form=form.rec_name))

    @classmethod
    @guarded('draft', 'submitted', 'verified', 'locked')
    @ModelView.button
    def hand_over(cls, forms):
        """Tell that pharmacovigilance has the event.

        Even a draft is handed over: the clock runs from the first receipt.
        """
        cls._check_handover(forms, 'pending')
        cls.write(forms, {
                'handover': 'handed_over',
                **cls.stamp('handed_over'),
                })

    @classmethod
    @guarded('draft', 'submitted', 'verified', 'locked')
    @ModelView.button
    def acknowledge(cls, forms):
        "Keep the number of the case as the receipt of pharmacovigilance."
        cls._check_handover(forms, 'handed_over')
        for form in forms:
            if not form.case_number:
                raise AdverseEventError(gettext(
                        'early_access.msg_adverse_event_case_number',
                        form=form.rec_name))
        cls.write(forms, {
                'handover': 'acknowledged',
                **cls.stamp('acknowledged'),
                })

    @classmethod
    def preprocess_values(cls, mode, values):
        pool = Pool()
        Date = pool.get('ir.date')
        values = super().preprocess_values(mode, values)
        if mode == 'create' and values.get('kind') == 'adverse_event':
            if not values.get('day_zero') and not values.get('due_date'):
                values['day_zero'] = Date.today()
            values['handover'] = 'pending'
        return values

    @classmethod
    def validate_fields(cls, forms, field_names):
        pool = Pool()
        Date = pool.get('ir.date')
        super().validate_fields(forms, field_names)
        if field_names is None or 'seriousness' in field_names:
            for form in forms:
                seriousness = form.seriousness or ()
                if 'none' in seriousness and len(seriousness) > 1:
                    raise FormError(gettext(
                            'early_access.msg_form_seriousness',
                            form=form.rec_name,
                            **cls.__names__('seriousness')))
        if field_names is None or 'day_zero' in field_names:
            today = Date.today()
            for form in forms:
                if form.day_zero and form.day_zero > today:
                    raise FormError(gettext(
                            'early_access.msg_adverse_event_day_zero',
                            form=form.rec_name))

    @classmethod
    def _is_vigilance(cls):
        pool = Pool()
        User = pool.get('res.user')
        return bool(
            Transaction().user and User.has_profile('pharmacovigilance'))

    @classmethod
    def check_modification(cls, mode, forms, values=None, external=False):
        super().check_modification(
            mode, forms, values=values, external=external)
        if mode != 'write' or not external:
            return
        vigilance = cls._is_vigilance()
        if vigilance:
            refused = values.keys() - cls._vigilance_fields
        else:
            refused = values.keys() & {'case_number'}
        if refused:
            raise AdverseEventError(gettext(
                    'early_access.msg_adverse_event_fields',
                    form=forms[0].rec_name,
                    field=cls.__names__(min(refused))['field']))
