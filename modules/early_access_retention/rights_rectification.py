# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from trytond.i18n import gettext
from trytond.model import Index, ModelSQL, ModelView, Workflow, fields
from trytond.modules.early_access.sealed import Sealed, SealedMixin
from trytond.modules.early_access.workflow import (
    guarded, stamped, time_field, user_field)
from trytond.pool import Pool
from trytond.pyson import Eval, If

from .exceptions import RectificationError, RightsAccessError
from .freezing import rectifying
from .rights_part import RequestActMixin

# The field of the rectification that holds the value, by that of the person
VALUES = {
    'surname_letters': 'letters',
    'first_name_letters': 'letters',
    'sex': 'sex',
    'birth_month': 'date',
    'birth_date': 'date',
    'weight': 'number',
    'height': 'number',
    }
SEXES = [
    (None, ""),
    ('female', "Female"),
    ('male', "Male"),
    ]


def _of(*names):
    "The states of a value that is that of the fields of the names."
    return {
        'invisible': ~Eval('field').in_(list(names)),
        'readonly': Eval('state') != 'draft',
        }


def _old(*names):
    return {
        'invisible': (
            ~Eval('field').in_(list(names)) | (Eval('state') == 'draft')),
        }


LETTERS = ('surname_letters', 'first_name_letters')
DATES = ('birth_month', 'birth_date')
NUMBERS = ('weight', 'height')


class Rectification(SealedMixin, RequestActMixin, ModelSQL, ModelView):
    """An act by which what is held of a person is made right (GDPR 16).

    It keeps the old and the new value, sealed under the key of the person.
    The answers of a form are corrected by the hospital as ever, and the act
    names the correction, which keeps them.
    """
    __name__ = 'early_access.rights.rectification'
    _tells_of = 'health'

    _draft = {
        'readonly': Eval('state') != 'draft',
        }

    request = fields.Many2One(
        'early_access.rights.request', "Request", required=True,
        ondelete='RESTRICT',
        domain=[
            ('kind', '=', 'rectification'),
            If(Eval('state') == 'draft',
                ('state', '=', 'in_progress'),
                ()),
            ],
        states={
            'readonly': Eval('id', -1) >= 0,
            })
    subject = fields.Selection([
            ('identity', "Identity"),
            ('answers', "Answers of a form"),
            ], "Rectified", required=True, sort=False, states=_draft)
    field = Sealed(fields.Selection([
                (None, ""),
                ('surname_letters', "Surname letters"),
                ('first_name_letters', "First name letters"),
                ('sex', "Sex"),
                ('birth_month', "Birth month"),
                ('birth_date', "Birth date"),
                ('weight', "Weight (kg)"),
                ('height', "Height (cm)"),
                ], "Field", sort=False,
            states={
                'readonly': Eval('state') != 'draft',
                'invisible': Eval('subject') != 'identity',
                }))
    form = fields.Many2One(
        'early_access.form', "Form", ondelete='CASCADE',
        domain=[
            ('patient', '=', Eval('patient', -1)),
            ('related_person', '=', Eval('related_person', None)),
            ],
        states={
            'readonly': Eval('state') != 'draft',
            'invisible': Eval('subject') != 'answers',
            })
    correction = fields.Many2One(
        'early_access.form.correction', "Correction", ondelete='CASCADE',
        domain=[
            ('form', '=', Eval('form', -1)),
            ('state', '=', 'applied'),
            ],
        states={
            'readonly': Eval('state') != 'draft',
            'invisible': Eval('subject') != 'answers',
            },
        help="By which the hospital has corrected the form.")
    old_letters = Sealed(fields.Char(
            "Before", readonly=True, states=_old(*LETTERS)))
    old_sex = Sealed(fields.Selection(
            SEXES, "Before", readonly=True, sort=False, states=_old('sex')))
    old_date = Sealed(fields.Date(
            "Before", readonly=True, states=_old(*DATES)))
    old_number = Sealed(fields.Numeric(
            "Before", readonly=True, states=_old(*NUMBERS)))
    new_letters = Sealed(fields.Char("After", states=_of(*LETTERS)))
    new_sex = Sealed(fields.Selection(
            SEXES, "After", sort=False, states=_of('sex')))
    new_date = Sealed(fields.Date("After", states=_of(*DATES)))
    new_number = Sealed(fields.Numeric("After", states=_of(*NUMBERS)))
    reason = fields.Selection([
            (None, ""),
            ('inaccurate', "Inaccurate"),
            ('incomplete', "Incomplete"),
            ('outdated', "Out of date"),
            ], "Reason", sort=False,
        states={
            'readonly': Eval('state') != 'draft',
            'required': Eval('state') == 'applied',
            })
    applied_by = user_field("Applied By")
    applied_at = time_field("Applied At")
    state = fields.Selection([
            ('draft', "Draft"),
            ('applied', "Applied"),
            ], "State", required=True, readonly=True, sort=False)
    subject_string = subject.translated('subject')

    del _draft

    _sealed_keys = ('request', 'patient', 'related_person')
    _protected = frozenset({
            'state', 'patient', 'related_person', 'applied_by', 'applied_at',
            'old_letters', 'old_sex', 'old_date', 'old_number'})

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_indexes.update({
                Index(t, (t.request, Index.Range())),
                Index(t, (t.patient, Index.Range())),
                Index(t, (t.related_person, Index.Range())),
                Index(t, (t.form, Index.Range())),
                Index(t, (t.correction, Index.Range())),
                })
        cls._order = [('id', 'ASC')]
        cls._transitions.add(('draft', 'applied'))
        cls._buttons.update(
            apply={
                'invisible': Eval('state') != 'draft',
                'icon': 'tryton-ok',
                'depends': ['state'],
                })

    @staticmethod
    def default_subject():
        return 'identity'

    @fields.depends('form', 'correction')
    def on_change_form(self):
        self.correction = None

    def get_rec_name(self, name):
        return f'{self.request.rec_name} ({self.id})'

    @property
    def person(self):
        return self.related_person or self.patient

    @classmethod
    @guarded('draft')
    @ModelView.button
    @Workflow.transition('applied')
    @stamped('applied')
    def apply(cls, rectifications):
        """Make right what is held, and list who had it.

        :raises RectificationError: if something is missing or is the same.
        """
        Recipient = Pool().get('early_access.rights.recipient')
        for rectification in rectifications:
            if not rectification.reason:
                rectification._refuse('reason')
            if rectification.subject == 'identity':
                rectification._apply_identity()
            else:
                rectification._check_correction()
        Recipient.list_for([r.request for r in rectifications])

    def _refuse(self, reason):
        raise RectificationError(gettext(
                f'early_access_retention.msg_rectification_{reason}',
                rectification=self.rec_name))

    def _apply_identity(self):
        name = self.field
        if not name or name not in self.person._fields:
            self._refuse('field')
        kind = VALUES[name]
        old, new = getattr(self.person, name), getattr(self, f'new_{kind}')
        if new is None or new == '':
            self._refuse('value')
        person = self.person.__class__(self.person.id)
        with rectifying():
            person.__class__.write([person], {name: new})
        person = person.__class__(person.id)
        new = getattr(person, name)
        if old == new:
            self._refuse('same')
        self.__class__.write([self], {
                f'old_{kind}': old, f'new_{kind}': new})
        if getattr(person, 'duplicate_index', None):
            # By which the same person is found again
            person.__class__.write([person], {
                    'duplicate_index': person.compute_duplicate_index()})

    def _check_correction(self):
        if not self.form or not self.correction:
            self._refuse('correction')
        if (self.correction.form != self.form
                or self.correction.state != 'applied'
                or self.correction.applied_at.date()
                < self.request.received_on):
            self._refuse('other')

    # Storage

    @classmethod
    def preprocess_values(cls, mode, values):
        Request = Pool().get('early_access.rights.request')
        values = super().preprocess_values(mode, values)
        if mode == 'create' and values.get('request'):
            request = Request(values['request'])
            if not (request.patient or request.related_person):
                raise RectificationError(gettext(
                        'early_access_retention.msg_rectification_person',
                        request=request.rec_name))
            values['patient'] = request.dossier.id
            values['related_person'] = (
                request.related_person.id if request.related_person else None)
        return values

    @classmethod
    def _get_data_keys(cls, vlist):
        pool = Pool()
        Patient = pool.get('early_access.patient')
        RelatedPerson = pool.get('early_access.related_person')
        return [
            (RelatedPerson(v['related_person']) if v.get('related_person')
                else Patient(v['patient'])).data_key
            for v in vlist]

    @classmethod
    def check_modification(
            cls, mode, rectifications, values=None, external=False):
        super().check_modification(
            mode, rectifications, values=values, external=external)
        if external and mode in {'write', 'delete'}:
            for rectification in rectifications:
                if rectification.state != 'draft':
                    raise RightsAccessError(gettext(
                            'early_access_retention.msg_rectification_fixed',
                            rectification=rectification.rec_name))

    @classmethod
    def copy(cls, rectifications, default=None):
        if not rectifications:
            return []
        raise RightsAccessError(gettext(
                'early_access_retention.msg_rectification_fixed',
                rectification=rectifications[0].rec_name))
