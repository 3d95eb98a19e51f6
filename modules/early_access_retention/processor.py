# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from dateutil.relativedelta import relativedelta

from trytond.i18n import gettext
from trytond.model import Index, ModelSQL, ModelView, Unique, fields
from trytond.pool import Pool
from trytond.pyson import Eval, If
from trytond.transaction import Transaction, without_check_access

from .registers import PartMixin, draft_only
from .today import current_date
from .validity import STATUSES, ValidityMixin, status_of

CLAUSES = [
    ('subject', "Subject, duration, purpose, data and persons (28.3)"),
    ('instructions', "Documented instructions (28.3 a)"),
    ('confidentiality', "Confidentiality of the persons (28.3 b)"),
    ('security', "Security measures (28.3 c)"),
    ('sub_processors', "Sub-processors (28.3 d)"),
    ('rights', "Help with the rights of persons (28.3 e, art. 4.3)"),
    ('assistance', "Help with security, breaches and DPIA (28.3 f)"),
    ('return', "Return and destruction of the data (28.3 g, art. 4.3)"),
    ('audit', "Information and audits (28.3 h, art. 4.3)"),
    ('split', "Split of security and breaches (art. 4.3)"),
    ]
ACTIVITIES = [
    ('site', "1. Physical sites"),
    ('hardware', "2. Hardware infrastructure"),
    ('virtual', "3. Virtual infrastructure"),
    ('platform', "4. Platform of applications"),
    ('operation', "5. Administration and operation"),
    ('backup', "6. Outsourced backup"),
    ]


class Processor(ValidityMixin, ModelSQL, ModelView):
    """A contract with who processes data for the laboratory (GDPR 28).

    Establishments that collect are among them (CNIL 2022-107, art. 4.1).
    """
    __name__ = 'early_access.processor'

    party = fields.Many2One(
        'party.party', "Party", required=True, ondelete='RESTRICT',
        states=draft_only,
        context={
            'company': Eval('company', -1),
            },
        depends={'company'})
    kind = fields.Selection([
            ('establishment', "Establishment that collects"),
            ('platform', "Supplier of the platform"),
            ('host', "Host"),
            ('operator', "Operator or CRO"),
            ('other', "Other"),
            ], "Kind", required=True, sort=False, states=draft_only)
    kind_string = kind.translated('kind')
    service = fields.Char(
        "Task", states=draft_only, help="What is entrusted.")
    contract = fields.Char(
        "Contract", required=True, states=draft_only,
        help="The reference of the contract.")
    signed_on = fields.Date("Signed On", states=draft_only)
    parent = fields.Many2One(
        'early_access.processor', "Sub-processor Of", ondelete='RESTRICT',
        states=draft_only,
        domain=[
            ('company', '=', Eval('company', -1)),
            ('id', '!=', Eval('id', -1)),
            ])
    authorized_on = fields.Date(
        "Authorized On",
        states={
            'readonly': Eval('state') != 'draft',
            'invisible': ~Eval('parent'),
            },
        help="When the laboratory accepted the sub-processor (GDPR 28.2).")
    sub_processors = fields.One2Many(
        'early_access.processor', 'parent', "Sub-processors", readonly=True)
    clauses = fields.One2Many(
        'early_access.processor.clause', 'processor', "Clauses",
        states=draft_only)
    hosts_health_data = fields.Boolean(
        "Hosts Health Data", states=draft_only,
        help="Check if the processor hosts, stores or keeps health data: it "
        "must be certified (art. 4.6).")
    hds_activities = fields.MultiSelection(
        ACTIVITIES, "Activities Entrusted", sort=False,
        states={
            'readonly': Eval('state') != 'draft',
            'invisible': ~Eval('hosts_health_data'),
            })
    certificates = fields.One2Many(
        'early_access.processor.certificate', 'processor', "Certificates",
        states={
            'readonly': Eval('state') == 'ended',
            })
    gaps = fields.Function(fields.Text("Gaps"), 'get_gaps')
    gaps_count = fields.Function(fields.Integer("Gaps"), 'get_gaps')

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_indexes.update({
                Index(t, (t.party, Index.Range())),
                Index(t, (t.parent, Index.Range())),
                })
        cls._order = [
            ('state', 'ASC'), ('valid_to', 'ASC NULLS LAST'), ('kind', 'ASC'),
            ('party.name', 'ASC'), ('id', 'ASC')]

    @staticmethod
    def default_clauses():
        return [{'clause': c, 'answer': 'missing'} for c, _ in CLAUSES]

    def get_rec_name(self, name):
        return f'{self.party.rec_name} - {self.contract}'

    @classmethod
    def search_rec_name(cls, name, clause):
        bool_op = 'AND' if clause[1].startswith(('!', 'not ')) else 'OR'
        return [bool_op,
            ('party.rec_name', *clause[1:]),
            ('contract', *clause[1:]),
            ]

    @classmethod
    def view_attributes(cls):
        return super().view_attributes() + [
            ('/tree/field[@name="gaps_count"]', 'visual',
                If(Eval('gaps_count', 0) > 0, 'danger', '')),
            ('//page[@id="hosting"]', 'states', {
                    'invisible': ~Eval('hosts_health_data'),
                    }, ['hosts_health_data']),
            ]

    def missing(self):
        missing = super().missing() + self.empty_fields(
            'contract', 'signed_on')
        if self.parent:
            missing += self.empty_fields('authorized_on')
        if self.hosts_health_data:
            missing += self.empty_fields('hds_activities')
        return missing

    @classmethod
    def get_gaps(cls, processors, names):
        date = current_date()
        labels = cls._labels()
        gaps = {p.id: p.find_gaps(date, *labels) for p in processors}
        return {n: {
                i: len(g) if n == 'gaps_count' else '\n'.join(g)
                for i, g in gaps.items()} for n in names}

    @classmethod
    def _labels(cls):
        "Return the labels of the clauses and of the activities, by code."
        Clause = Pool().get('early_access.processor.clause')
        return [
            dict(Model.fields_get([name])[name]['selection'])
            for Model, name in [(Clause, 'clause'), (cls, 'hds_activities')]]

    def find_gaps(self, date, clauses, activities):
        """Return what the contract and the certificates lack, as texts.

        :param clauses: the labels of the clauses by code.
        :param activities: the labels of the activities by code.
        """
        present = {c.clause for c in self.clauses if c.answer == 'present'}
        gaps = [clauses[c] for c, _ in CLAUSES if c not in present]
        if self.hosts_health_data:
            covered = {
                a for c in self.certificates
                if c.status_at(date) in {'valid', 'ending'}
                for a in c.activities}
            gaps += [
                gettext(
                    'early_access_retention.msg_processor_certificate',
                    activity=activities[a])
                for a in self.hds_activities or () if a not in covered]
        return gaps

    @classmethod
    def activate(cls, processors):
        super().activate(processors)
        Review = Pool().get('early_access.dpia.review')
        for processor in processors:
            Review.open_for('processor', processor)

    @classmethod
    def end(cls, processors):
        super().end(processors)
        User = Pool().get('res.user')
        User.suspend_employees()


class Clause(PartMixin, ModelSQL, ModelView):
    "A clause that a contract must hold, and where it is"
    __name__ = 'early_access.processor.clause'
    _whole = 'processor'

    processor = fields.Many2One(
        'early_access.processor', "Processor", required=True,
        ondelete='CASCADE')
    clause = fields.Selection(
        CLAUSES, "Clause", required=True, sort=False)
    clause_string = clause.translated('clause')
    answer = fields.Selection([
            ('missing', "Missing"),
            ('present', "Present"),
            ], "Answer", required=True, sort=False)
    reference = fields.Char(
        "Article of the Contract",
        states={
            'required': Eval('answer') == 'present',
            })

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_constraints += [
            ('clause_unique', Unique(t, t.processor, t.clause),
                'early_access_retention.msg_clause_unique'),
            ]
        cls._sql_indexes.add(Index(t, (t.processor, Index.Range())))
        cls._order = [('id', 'ASC')]

    @staticmethod
    def default_answer():
        return 'missing'

    def get_rec_name(self, name):
        return self.clause_string

    @classmethod
    def view_attributes(cls):
        return super().view_attributes() + [
            ('/tree', 'visual',
                If(Eval('answer') == 'missing', 'danger', '')),
            ]


class Certificate(PartMixin, ModelSQL, ModelView):
    """A certificate of a host of health data (CSP, L. 1111-8).

    Those of the first referential do not count any more once the hosts had
    to comply with the second one (order of 26 April 2024).
    """
    __name__ = 'early_access.processor.certificate'
    _whole = 'processor'
    _first_version_end = relativedelta(year=2026, month=5, day=16)

    processor = fields.Many2One(
        'early_access.processor', "Processor", required=True,
        ondelete='CASCADE')
    number = fields.Char("Number", required=True)
    body = fields.Char("Certification Body", required=True)
    version = fields.Selection([
            ('1', "2018"),
            ('2', "2024"),
            ], "Referential", required=True, sort=False)
    activities = fields.MultiSelection(
        ACTIVITIES, "Activities", required=True, sort=False)
    valid_from = fields.Date("Valid From", required=True)
    valid_to = fields.Date(
        "Valid To", required=True,
        domain=[
            If(Eval('valid_to') & Eval('valid_from'),
                ('valid_to', '>=', Eval('valid_from', None)),
                ()),
            ])
    last_day = fields.Function(
        fields.Date("Last Day"), 'on_change_with_last_day')
    status = fields.Function(
        fields.Selection(STATUSES, "Status", sort=False), 'get_status')

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_indexes.update({
                Index(t, (t.processor, Index.Range())),
                Index(t, (t.valid_to, Index.Range())),
                })
        cls._order = [('valid_to', 'DESC'), ('id', 'DESC')]

    @staticmethod
    def default_version():
        return '2'

    @fields.depends('version', 'valid_to')
    def on_change_with_last_day(self, name=None):
        if self.valid_to and self.version == '1':
            return min(
                self.valid_to, self.valid_to + self._first_version_end)
        return self.valid_to

    @classmethod
    def get_status(cls, certificates, name):
        date = current_date()
        return {c.id: c.status_at(date) for c in certificates}

    def status_at(self, date):
        return status_of('active', self.valid_from, self.last_day, date)

    def get_rec_name(self, name):
        return f'{self.processor.party.rec_name} - {self.number}'

    @classmethod
    def is_fixed(cls, whole):
        return whole.state == 'ended'

    @classmethod
    def view_attributes(cls):
        return super().view_attributes() + [
            ('/tree', 'visual',
                If(Eval('status') == 'expired', 'danger',
                    If(Eval('status') == 'ending', 'warning', ''))),
            ]


class CollectingEstablishment(ModelSQL, ModelView):
    """An establishment that collects, and its contract if there is one.

    It is the one with the company of the context.
    """
    __name__ = 'early_access.processor.establishment'

    establishment = fields.Many2One(
        'party.party', "Establishment", readonly=True)
    finess = fields.Function(fields.Char("FINESS"), 'get_finess')
    processor = fields.Function(
        fields.Many2One('early_access.processor', "Contract"),
        'get_contract')
    contract_state = fields.Function(fields.Selection([
                ('missing', "Missing"),
                ('draft', "Draft"),
                ('expired', "Ended"),
                ('gaps', "With Gaps"),
                ('valid', "In Force"),
                ], "State of the Contract", sort=False),
        'get_contract', searcher='search_contract_state')
    gaps_count = fields.Function(fields.Integer("Gaps"), 'get_contract')

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls._order = [('establishment.name', 'ASC'), ('id', 'ASC')]

    @classmethod
    def table_query(cls):
        Service = Pool().get('early_access.service')
        service = Service.__table__()
        both = service.select(
            service.establishment.as_('id'),
            service.establishment.as_('establishment'))
        both |= service.select(
            service.pharmacy.as_('id'), service.pharmacy.as_('establishment'))
        return both.select(
            both.id, both.establishment,
            where=both.id != None)  # noqa: E711

    def get_rec_name(self, name):
        return self.establishment.rec_name

    @classmethod
    def get_finess(cls, lines, name):
        return {line.id: line.establishment.finess for line in lines}

    @classmethod
    def get_contract(cls, lines, names):
        found = cls.contracts([line.id for line in lines])
        return {n: {
                line.id: found[line.id][n] for line in lines} for n in names}

    @classmethod
    @without_check_access
    def contracts(cls, parties):
        "Return the best contract of each party, by id, as values."
        Processor = Pool().get('early_access.processor')
        date = current_date()
        result = {
            p: {
                'processor': None, 'contract_state': 'missing',
                'gaps_count': None}
            for p in parties}
        best = {}
        ranks = ['missing', 'draft', 'expired', 'gaps', 'valid']
        for processor in Processor.search([
                    ('party', 'in', parties),
                    ('company', '=', Transaction().context.get('company')),
                    ], order=[('id', 'ASC')]):
            gaps = processor.gaps_count
            if processor.state == 'draft':
                state = 'draft'
            elif not processor.is_valid(date):
                state = 'expired'
            else:
                state = 'gaps' if gaps else 'valid'
            party = processor.party.id
            if ranks.index(state) >= best.get(party, 0):
                best[party] = ranks.index(state)
                result[party] = {
                    'processor': processor.id, 'contract_state': state,
                    'gaps_count': gaps}
        return result

    @classmethod
    def search_contract_state(cls, name, clause):
        _, operator, operand = clause
        ids = [line.id for line in cls.search([], order=[])]
        operands = operand if isinstance(operand, (list, tuple)) else [operand]
        negative = operator in {'!=', 'not in'}
        return [('id', 'in', [
                    i for i, v in cls.contracts(ids).items()
                    if (v['contract_state'] in operands) != negative])]

    @classmethod
    def view_attributes(cls):
        return super().view_attributes() + [
            ('/tree', 'visual',
                If(Eval('contract_state').in_(['missing', 'expired']),
                    'danger',
                    If(Eval('contract_state') != 'valid', 'warning', ''))),
            ]
