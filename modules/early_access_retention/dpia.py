# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The data protection impact assessment (CNIL 2022-107, art. 14; GDPR 35)."

from dateutil.relativedelta import relativedelta

from trytond.i18n import gettext
from trytond.model import Index, ModelSQL, ModelView, Workflow, fields
from trytond.modules.early_access.workflow import (
    guarded, stamped, time_field, user_field)
from trytond.modules.early_access_audit.incident_risk import LEVELS, risk_of
from trytond.pool import Pool
from trytond.pyson import Eval, If
from trytond.transaction import without_check_access

from .exceptions import ImpactAssessmentError
from .registers import PartMixin, RegisterMixin, draft_only
from .today import current_date

YEARLY = relativedelta(years=1)
EVENTS = [
    ('access', "Illegitimate access"),
    ('modification', "Unwanted change"),
    ('disappearance', "Disappearance"),
    ]
REQUIREMENTS = [(c, c) for c in (
        'SEC-SEN-1 SEC-SEN-2 SEC-AUT-1 SEC-AUT-2 SEC-AUT-3 SEC-AUT-4 '
        'SEC-AUT-5 SEC-HAB-1 SEC-HAB-2 SEC-HAB-3 SEC-ECH-1 SEC-ECH-2 '
        'SEC-ECH-3 SEC-ECH-4 SEC-ECH-5 SEC-CRY-1 SEC-CRY-2 SEC-JOU-1 '
        'SEC-JOU-2 SEC-JOU-3 SEC-JOU-4 SEC-VIO-1 SEC-VIO-2 SEC-SAU-1 '
        'SEC-SAU-2 SEC-SAU-3 SEC-SAU-4 SEC-ARC-1 SEC-ARC-2').split()]


class ImpactAssessment(RegisterMixin, ModelSQL, ModelView):
    "A version of the impact assessment of a processing"
    __name__ = 'early_access.dpia'

    authorization = fields.Many2One(
        'early_access.authorization', "Authorization", ondelete='RESTRICT',
        states=draft_only,
        domain=[
            ('company', '=', Eval('company', -1)),
            ],
        help="Leave empty for all the programmes of the company.")
    version = fields.Char("Version", required=True, states=draft_only)
    date = fields.Date("Date", required=True, states=draft_only)
    review_date = fields.Date(
        "Review Before", required=True, states=draft_only,
        domain=[
            If(Eval('review_date') & Eval('date'),
                ('review_date', '>', Eval('date', None)),
                ()),
            ])
    context = fields.Text(
        "Context", states=draft_only,
        help="The processing, the data, their supports and what changed.")
    proportionality = fields.Text(
        "Necessity and Proportionality", states=draft_only)
    risks = fields.One2Many(
        'early_access.dpia.risk', 'dpia', "Risks", states=draft_only)
    measures = fields.One2Many(
        'early_access.dpia.measure', 'dpia', "Measures", states=draft_only)
    residual_risk = fields.Function(fields.Selection([
                (None, ""),
                ('none', "No risk"),
                ('risk', "Risk"),
                ('high', "High risk"),
                ], "Residual Risk", sort=False), 'get_residual_risk')
    uncovered = fields.Function(
        fields.Text("Requirements without a Measure"), 'get_uncovered')
    validated_by = user_field("Validated By")
    validated_at = time_field("Validated At")
    state = fields.Selection([
            ('draft', "Draft"),
            ('validated', "Validated"),
            ('superseded', "Superseded"),
            ], "State", required=True, readonly=True, sort=False)
    overdue = fields.Function(fields.Boolean("Overdue"), 'get_overdue')

    _protected = frozenset({'state', 'validated_by', 'validated_at'})
    _open = {
        'validated': frozenset(),
        'superseded': frozenset(),
        }

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_indexes.add(
            Index(
                t, (t.company, Index.Range()),
                (t.state, Index.Equality(cardinality='low')),
                (t.review_date, Index.Range())))
        cls._order = [('state', 'ASC'), ('date', 'DESC'), ('id', 'DESC')]
        cls._transitions |= {
            ('draft', 'validated'),
            ('validated', 'superseded'),
            }
        cls._buttons.update(
            validate_assessment={
                'invisible': Eval('state') != 'draft',
                'icon': 'tryton-ok',
                'depends': ['state'],
                })

    @classmethod
    def default_date(cls):
        return current_date()

    @classmethod
    def default_review_date(cls):
        return current_date() + YEARLY

    @classmethod
    def get_overdue(cls, assessments, name):
        date = current_date()
        return {
            a.id: a.state == 'validated' and a.review_date < date
            for a in assessments}

    @classmethod
    def get_residual_risk(cls, assessments, name):
        order = ['none', 'risk', 'high']
        return {
            a.id: max(
                filter(None, (r.residual_risk for r in a.risks)),
                key=order.index, default=None)
            for a in assessments}

    @classmethod
    def get_uncovered(cls, assessments, name):
        return {
            a.id: ', '.join(
                c for c, _ in REQUIREMENTS
                if c not in {m.requirement for m in a.measures})
            for a in assessments}

    def get_rec_name(self, name):
        programme = (
            self.authorization.code if self.authorization
            else self.company.rec_name)
        return f'{programme} - {self.version}'

    @classmethod
    def search_rec_name(cls, name, clause):
        bool_op = 'AND' if clause[1].startswith(('!', 'not ')) else 'OR'
        return [bool_op,
            ('version', *clause[1:]),
            ('authorization.code', *clause[1:]),
            ]

    @classmethod
    def view_attributes(cls):
        return super().view_attributes() + [
            ('/tree', 'visual',
                If(Eval('overdue', False), 'danger',
                    If(Eval('state') == 'superseded', 'muted', ''))),
            ]

    def missing(self):
        "Return what the assessment lacks to be validated, as texts."
        Formality = Pool().get('early_access.formality')
        missing = [
            self.__names__(n)['field'] for n in ['context', 'proportionality']
            if not (getattr(self, n) or '').strip()]
        Risk = Pool().get('early_access.dpia.risk')
        events = dict(Risk.fields_get(['event'])['event']['selection'])
        judged = {r.event for r in self.risks if r.residual_risk}
        missing += [events[e] for e, _ in EVENTS if e not in judged]
        if self.uncovered:
            missing.append(gettext(
                    'early_access_retention.msg_dpia_uncovered',
                    requirements=self.uncovered))
        with without_check_access():
            formalities = Formality.in_force(self.company, current_date())
        kinds = ['dpo_opinion']
        if self.residual_risk == 'high':
            kinds.append('prior_consultation')
        names = dict(
            Formality.fields_get(['kind'])['kind']['selection'])
        for kind in kinds:
            if not any(
                    f.outcome in {'favourable', 'reserved'}
                    and (not f.authorization
                        or f.authorization == self.authorization)
                    for f in formalities.get(kind, [])):
                missing.append(names[kind])
        return missing

    @classmethod
    @guarded('draft')
    @ModelView.button
    @Workflow.transition('validated')
    @stamped('validated')
    def validate_assessment(cls, assessments):
        """Fix the assessments, in place of those before.

        :raises ImpactAssessmentError: naming what is missing.
        """
        for assessment in assessments:
            if missing := assessment.missing():
                raise ImpactAssessmentError(gettext(
                        'early_access_retention.msg_dpia_missing',
                        assessment=assessment.rec_name,
                        missing='\n'.join(f'- {m}' for m in missing)))
            cls.supersede(cls.search([
                        ('company', '=', assessment.company.id),
                        ('authorization', '=', (
                                assessment.authorization.id
                                if assessment.authorization else None)),
                        ('state', '=', 'validated'),
                        ]))

    @classmethod
    @Workflow.transition('superseded')
    def supersede(cls, assessments):
        pass

    @classmethod
    def copy(cls, assessments, default=None):
        default = default.copy() if default is not None else {}
        # Who makes a new version links its own measures
        default.setdefault('risks.measures')
        return super().copy(assessments, default=default)


class Risk(PartMixin, ModelSQL, ModelView):
    "What persons risk, before and after the measures"
    __name__ = 'early_access.dpia.risk'
    _whole = 'dpia'

    dpia = fields.Many2One(
        'early_access.dpia', "Impact Assessment", required=True,
        ondelete='CASCADE')
    event = fields.Selection(
        EVENTS, "Feared Event", required=True, sort=False)
    event_string = event.translated('event')
    sources = fields.Text(
        "Sources and Threats", required=True,
        help="Who or what could cause it, and how.")
    impacts = fields.Text(
        "Impacts", required=True, help="What it would mean for the persons.")
    severity = fields.Selection(
        LEVELS, "Severity", required=True, sort=False)
    likelihood = fields.Selection(
        LEVELS, "Likelihood", required=True, sort=False)
    measures = fields.Many2Many(
        'early_access.dpia.risk-early_access.dpia.measure', 'risk', 'measure',
        "Measures",
        domain=[
            ('dpia', '=', Eval('dpia', -1)),
            ])
    residual_severity = fields.Selection(
        LEVELS, "Residual Severity", required=True, sort=False)
    residual_likelihood = fields.Selection(
        LEVELS, "Residual Likelihood", required=True, sort=False)
    residual_risk = fields.Function(fields.Selection([
                (None, ""),
                ('none', "No risk"),
                ('risk', "Risk"),
                ('high', "High risk"),
                ], "Residual Risk", sort=False),
        'on_change_with_residual_risk')

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_indexes.add(Index(t, (t.dpia, Index.Range())))
        cls._order = [('event', 'ASC'), ('id', 'ASC')]

    @fields.depends('residual_severity', 'residual_likelihood')
    def on_change_with_residual_risk(self, name=None):
        if self.residual_severity and self.residual_likelihood:
            return risk_of(self.residual_severity, self.residual_likelihood)

    def get_rec_name(self, name):
        return self.event_string

    @classmethod
    def view_attributes(cls):
        return super().view_attributes() + [
            ('/tree', 'visual',
                If(Eval('residual_risk') == 'high', 'danger',
                    If(Eval('residual_risk') == 'risk', 'warning', ''))),
            ]


class Measure(PartMixin, ModelSQL, ModelView):
    "What is done against the risks, and which requirement it meets"
    __name__ = 'early_access.dpia.measure'
    _whole = 'dpia'

    dpia = fields.Many2One(
        'early_access.dpia', "Impact Assessment", required=True,
        ondelete='CASCADE')
    requirement = fields.Selection(
        [(None, "")] + REQUIREMENTS, "Requirement", sort=False,
        translate=False,
        help="The requirement of the article 13.3 that the measure meets, if "
        "it does.")
    description = fields.Char("Description", required=True)
    in_place = fields.Boolean("In Place")
    due_date = fields.Date(
        "Due Date",
        states={
            'required': ~Eval('in_place'),
            'invisible': Eval('in_place', False),
            })

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_indexes.add(Index(t, (t.dpia, Index.Range())))
        cls._order = [('requirement', 'ASC'), ('id', 'ASC')]

    def get_rec_name(self, name):
        return ' - '.join(filter(None, [self.requirement, self.description]))

    @classmethod
    def search_rec_name(cls, name, clause):
        bool_op = 'AND' if clause[1].startswith(('!', 'not ')) else 'OR'
        return [bool_op,
            ('requirement', *clause[1:]),
            ('description', *clause[1:]),
            ]


class RiskMeasure(ModelSQL):
    "Risk - Measure"
    __name__ = 'early_access.dpia.risk-early_access.dpia.measure'

    risk = fields.Many2One(
        'early_access.dpia.risk', "Risk", required=True, ondelete='CASCADE')
    measure = fields.Many2One(
        'early_access.dpia.measure', "Measure", required=True,
        ondelete='CASCADE')
