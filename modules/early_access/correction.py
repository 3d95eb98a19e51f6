# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from trytond.i18n import gettext
from trytond.model import Index, ModelSQL, ModelView, Workflow, fields
from trytond.model.exceptions import AccessError
from trytond.pool import Pool
from trytond.pyson import Eval
from trytond.transaction import Transaction, without_check_access

from .answers import EMPTY
from .exceptions import CorrectionError
from .sealed import Sealed, SealedMixin
from .transaction import wait_for
from .workflow import (
    ProgrammeWorkflow, guarded, stamped, time_field, user_field)

REASONS = [
    (None, ""),
    ('entry', "Error of entry"),
    ('source', "Medical file completed or corrected"),
    ('query', "Answer to a query"),
    ('result', "Result received later"),
    ]
CORRECTED = ['submitted', 'verified']


class Correction(SealedMixin, ProgrammeWorkflow, ModelSQL, ModelView):
    """An act that changes the answers of a form that was submitted.

    It keeps who, when, for which reason, and the old and new values, for as
    long as the form and under the same key.
    """
    __name__ = 'early_access.form.correction'

    _draft = {
        'readonly': Eval('state') != 'draft',
        }

    form = fields.Many2One(
        'early_access.form', "Form", required=True, readonly=True,
        ondelete='CASCADE')
    company = fields.Function(
        fields.Many2One('company.company', "Company"), 'get_company',
        searcher='search_company')
    reason = Sealed(fields.Selection(
            REASONS, "Reason", sort=False,
            states={
                **_draft,
                'required': Eval('state') == 'applied',
                }))
    answers = Sealed(fields.Dict(
            'early_access.variable', "Answers",
            states={
                'invisible': Eval('state') != 'draft',
                }))
    missing = Sealed(fields.Dict(
            'early_access.variable.missing', "Unanswered",
            states={
                'invisible': Eval('state') != 'draft',
                }))
    old_answers = Sealed(fields.Dict(
            'early_access.variable', "Before", readonly=True,
            states={
                'invisible': Eval('state') != 'applied',
                }))
    new_answers = Sealed(fields.Dict(
            'early_access.variable', "After", readonly=True,
            states={
                'invisible': Eval('state') != 'applied',
                }))
    old_missing = Sealed(fields.Dict(
            'early_access.variable.missing', "Reasons Before", readonly=True,
            states={
                'invisible': (
                    (Eval('state') != 'applied') | ~Eval('old_missing')),
                }))
    new_missing = Sealed(fields.Dict(
            'early_access.variable.missing', "Reasons After", readonly=True,
            states={
                'invisible': (
                    (Eval('state') != 'applied') | ~Eval('new_missing')),
                }))
    applied_by = user_field("Applied By")
    applied_at = time_field("Applied At")
    state = fields.Selection([
            ('draft', "Draft"),
            ('applied', "Applied"),
            ], "State", required=True, readonly=True, sort=False)

    del _draft

    _sealed_keys = ('form',)
    _protected = frozenset({
            'state', 'form', 'old_answers', 'new_answers', 'old_missing',
            'new_missing', 'applied_by', 'applied_at'})
    _members = ['answers', 'missing']

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_indexes.add(Index(t, (t.form, Index.Range())))
        cls._order = [('id', 'DESC')]
        cls._transitions.add(('draft', 'applied'))
        cls._buttons.update(
            apply={
                'invisible': Eval('state') != 'draft',
                'depends': ['state'],
                })

    @staticmethod
    def default_state():
        return 'draft'

    @classmethod
    def get_company(cls, corrections, name):
        return {c.id: c.form.company.id for c in corrections}

    @classmethod
    def search_company(cls, name, clause):
        return [('form.' + clause[0], *clause[1:])]

    @fields.depends('form', 'answers', 'missing')
    def on_change_answers(self):
        if not self.form:
            return
        # Read as the user, who may have named another form
        form, = self.form.__class__.read(
            [self.form.id], ['definition', 'computed'])
        self.answers, self.missing = self._completed(
            form['computed'] or {})

    def _completed(self, computed):
        answers, missing = self.answers or {}, self.missing or {}
        asked = self.form.definition.outline.asked({**answers, **computed})
        names = [q.name for q in asked]
        return (
            {n: answers.get(n) for n in names},
            {n: missing.get(n) for n in names if answers.get(n) in EMPTY})

    def get_rec_name(self, name):
        return f'{self.form.rec_name} ({self.id})'

    @classmethod
    def search_rec_name(cls, name, clause):
        return [('form.' + clause[0], *clause[1:])]

    @classmethod
    def prepare(cls, form):
        """Return the draft of the user, or a new one with the answers of the
        form as they are now."""
        form.check_correctable()
        with without_check_access():
            # The one that the user has begun, unless the form has changed
            drafts = cls.search([
                    ('form', '=', form.id),
                    ('state', '=', 'draft'),
                    ('create_uid', '=', Transaction().user),
                    ])
            for draft in drafts:
                if all(
                        _given(getattr(draft, f'old_{n}'))
                        == _given(getattr(form, n)) for n in cls._members):
                    return draft
            cls.delete(drafts)
            values = {'form': form.id}
            for name in cls._members:
                values[name] = values[f'old_{name}'] = dict(
                    getattr(form, name) or {})
            correction, = cls.create([values])
        return correction

    @classmethod
    @guarded('draft')
    @ModelView.button
    @Workflow.transition('applied')
    @stamped('applied')
    def apply(cls, corrections):
        """Change the form, which is to be verified again.

        Raises CorrectionError without a reason, when nothing changes, or when
        what changes was changed by someone else meanwhile.
        """
        pool = Pool()
        Query = pool.get('early_access.query')
        for correction in corrections:
            wait_for([correction.form])
            with without_check_access():
                changed = correction._apply()
                Query.answer_corrected(correction.form, changed)

    def _apply(self):
        "Apply to the form and return the names of what changes."
        Form = self.form.__class__
        form = Form(self.form.id)
        if form.state not in CORRECTED:
            raise CorrectionError(gettext(
                    'early_access.msg_correction_form',
                    form=form.rec_name, state=form.state_string))
        form.check_correctable()
        if not self.reason:
            raise CorrectionError(gettext(
                    'early_access.msg_correction_reason',
                    form=form.rec_name))
        old, new, values = {}, {}, {}
        for name in self._members:
            before = _given(getattr(self, f'old_{name}'))
            after = _given(getattr(self, name))
            current = _given(getattr(form, name))
            keys = {
                k for k in before.keys() | after.keys()
                if before.get(k) != after.get(k)}
            if any(current.get(k) != before.get(k) for k in keys):
                raise CorrectionError(gettext(
                        'early_access.msg_correction_conflict',
                        form=form.rec_name))
            old[name] = {k: before.get(k) for k in keys}
            new[name] = {k: after.get(k) for k in keys}
            values[name] = {**current, **new[name]}
        if not any(new.values()):
            raise CorrectionError(gettext(
                    'early_access.msg_correction_nothing',
                    form=form.rec_name))
        Form.write([form], values)
        form = Form(form.id)
        form.check_complete()
        for name in self._members:
            setattr(self, f'old_{name}', old[name] or None)
            setattr(self, f'new_{name}', new[name] or None)
            setattr(self, name, None)
        self.save()
        # A group is verified with the form of which it is a part
        if form.state == 'verified':
            Form.verify_again([form.parent or form])
        return new['answers'].keys() | new['missing'].keys()

    @classmethod
    def _get_data_keys(cls, vlist):
        pool = Pool()
        Form = pool.get('early_access.form')
        return [
            f.data_key for f in Form.browse([v['form'] for v in vlist])]

    @classmethod
    def _sealed_dict_names(cls, correction, name):
        return {v.name for v in correction.form.variables}

    @classmethod
    def check_modification(
            cls, mode, corrections, values=None, external=False):
        super().check_modification(
            mode, corrections, values=values, external=external)
        if external and Transaction().user and mode in {'write', 'delete'}:
            for correction in corrections:
                if correction.state != 'draft':
                    raise AccessError(gettext(
                            'early_access.msg_correction_fixed',
                            correction=correction.rec_name))


def _given(values):
    return {k: v for k, v in (values or {}).items() if v not in EMPTY}
