# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from trytond.i18n import gettext
from trytond.model import Index, ModelSQL, ModelView, Workflow, fields
from trytond.model.exceptions import AccessError
from trytond.pool import Pool
from trytond.pyson import Eval, If
from trytond.transaction import Transaction

from .exceptions import QueryError
from .sealed import Sealed, SealedMixin
from .workflow import (
    ProgrammeWorkflow, guarded, stamped, time_field, user_field)

REASONS = [
    ('missing', "No answer"),
    ('range', "Unlikely value"),
    ('inconsistent', "Inconsistent with another answer"),
    ('date', "Doubtful date"),
    ('unit', "Doubtful unit"),
    ('source', "To check against the medical file"),
    ]
ANSWERS = [
    (None, ""),
    ('corrected', "Corrected"),
    ('confirmed', "Confirmed"),
    ('unavailable', "Not available"),
    ]
QUESTIONED = ['submitted', 'verified']


class Query(SealedMixin, ProgrammeWorkflow, ModelSQL, ModelView):
    """A question of the laboratory about an answer.

    It says what is doubted and why with a code, as there is no free text
    (CNIL 2022-107, art. 7.3).
    """
    __name__ = 'early_access.query'

    _open = {
        'readonly': Eval('state') != 'open',
        }
    _created = {
        'readonly': Eval('id', -1) >= 0,
        }

    form = fields.Many2One(
        'early_access.form', "Form", required=True, ondelete='CASCADE',
        domain=[
            If(Eval('id', -1) < 0,
                ('state', 'in', QUESTIONED),
                ()),
            ],
        states=_created)
    company = fields.Function(
        fields.Many2One('company.company', "Company"),
        'on_change_with_company', searcher='search_company')
    patient = fields.Function(
        fields.Many2One('early_access.patient', "Patient"),
        'on_change_with_patient', searcher='search_patient')
    variables = fields.Function(
        fields.Many2Many(
            'early_access.variable', None, None, "Variables"),
        'on_change_with_variables')
    variable = Sealed(fields.Many2One(
            'early_access.variable', "Question", required=True,
            domain=[
                ('id', 'in', Eval('variables', [])),
                ],
            states=_created))
    reason = Sealed(fields.Selection(
            REASONS, "Reason", required=True, sort=False, states=_created))
    answer_code = Sealed(fields.Selection(
            ANSWERS, "Answer", sort=False,
            states={
                'readonly': Eval('state') != 'open',
                'required': Eval('state') == 'closed',
                },
            help="Correct the form if the answer changes: the query is "
            "answered by that."))
    opened_by = user_field("Opened By")
    opened_at = time_field("Opened At")
    answered_by = user_field("Answered By")
    answered_at = time_field("Answered At")
    closed_by = user_field("Closed By")
    closed_at = time_field("Closed At")
    state = fields.Selection([
            ('open', "Open"),
            ('answered', "Answered"),
            ('closed', "Closed"),
            ], "State", required=True, readonly=True, sort=False)

    del _open, _created

    _sealed_keys = ('form',)
    _protected = frozenset({
            'state', 'opened_by', 'opened_at', 'answered_by', 'answered_at',
            'closed_by', 'closed_at'})

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_indexes.update({
                Index(t, (t.form, Index.Range())),
                Index(
                    t, (t.state, Index.Equality(cardinality='low')),
                    (t.id, Index.Range()),
                    where=t.state.in_(['open', 'answered'])),
                })
        cls._order = [('id', 'ASC')]
        cls._transitions |= {
            ('open', 'answered'),
            ('answered', 'open'),
            ('answered', 'closed'),
            ('open', 'closed'),
            }
        cls._buttons.update(
            answer={
                'invisible': Eval('state') != 'open',
                'depends': ['state'],
                },
            ask_again={
                'invisible': Eval('state') != 'answered',
                'icon': 'tryton-back',
                'depends': ['state'],
                },
            close={
                'invisible': Eval('state') == 'closed',
                'depends': ['state'],
                })

    @staticmethod
    def default_state():
        return 'open'

    @fields.depends('form', '_parent_form.company')
    def on_change_with_company(self, name=None):
        return self.form.company if self.form else None

    @classmethod
    def search_company(cls, name, clause):
        return [('form.' + clause[0], *clause[1:])]

    @fields.depends('form', '_parent_form.patient')
    def on_change_with_patient(self, name=None):
        return self.form.patient if self.form else None

    @classmethod
    def search_patient(cls, name, clause):
        return [('form.' + clause[0], *clause[1:])]

    @fields.depends('form', '_parent_form.definition')
    def on_change_with_variables(self, name=None):
        return self.form.definition.variables if self.form else []

    def get_rec_name(self, name):
        return f'{self.form.rec_name} ({self.id})'

    @classmethod
    def search_rec_name(cls, name, clause):
        return [('form.' + clause[0], *clause[1:])]

    @classmethod
    @guarded('open')
    @ModelView.button
    @Workflow.transition('answered')
    @stamped('answered')
    def answer(cls, queries):
        "Answer with the code. Raise QueryError if there is none."
        for query in queries:
            if not query.answer_code:
                raise QueryError(gettext(
                        'early_access.msg_query_answer',
                        query=query.rec_name))

    @classmethod
    @guarded('answered')
    @ModelView.button
    @Workflow.transition('open')
    def ask_again(cls, queries):
        cls.write(queries, {
                'answer_code': None,
                'answered_by': None,
                'answered_at': None,
                })

    @classmethod
    @guarded('open', 'answered')
    @ModelView.button
    @Workflow.transition('closed')
    @stamped('closed')
    def close(cls, queries):
        "The laboratory is satisfied, or asks no longer."
        for query in queries:
            if not query.answer_code:
                query.answer_code = 'confirmed'
        cls.save(queries)

    @classmethod
    def answer_corrected(cls, form, names):
        "Answer the open queries about what was corrected in the form."
        queries = cls.search([
                ('form', '=', form.id),
                ('state', '=', 'open'),
                ])
        queries = [q for q in queries if q.variable.name in names]
        cls.write(queries, {'answer_code': 'corrected'})
        cls.answer(queries)

    @classmethod
    def _get_data_keys(cls, vlist):
        pool = Pool()
        Form = pool.get('early_access.form')
        return [
            f.data_key for f in Form.browse([v['form'] for v in vlist])]

    @classmethod
    def preprocess_values(cls, mode, values):
        values = super().preprocess_values(mode, values)
        if mode == 'create':
            values.update(cls.stamp('opened'))
        return values

    @classmethod
    def validate_fields(cls, queries, field_names):
        super().validate_fields(queries, field_names)
        if field_names is None or 'form' in field_names:
            for query in queries:
                if query.form.state not in QUESTIONED:
                    raise QueryError(gettext(
                            'early_access.msg_query_form',
                            form=query.form.rec_name,
                            state=query.form.state_string))

    @classmethod
    def check_modification(cls, mode, queries, values=None, external=False):
        super().check_modification(
            mode, queries, values=values, external=external)
        if not external or not Transaction().user:
            return
        for query in queries:
            if mode == 'delete':
                raise AccessError(gettext(
                        'early_access.msg_query_delete',
                        query=query.rec_name))
            elif mode == 'write' and (
                    query.state != 'open'
                    or values.keys() - {'answer_code'}):
                raise AccessError(gettext(
                        'early_access.msg_query_fixed',
                        query=query.rec_name))
