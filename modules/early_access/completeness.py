# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""How much of what is asked is answered.

The answers are sealed: counting them takes opening each form. It is done at
night, and what is kept are counts per programme, establishment, form and
variable, which tell nothing of a person.
"""

import datetime as dt
from collections import defaultdict
from decimal import Decimal

from sql import Cast, Literal, Null
from sql.aggregate import Max, Min, Sum

from trytond.model import Index, ModelSQL, ModelView, fields
from trytond.pool import Pool
from trytond.pyson import Eval
from trytond.tools import grouped_slice
from trytond.transaction import Transaction, without_check_access
from trytond.wizard import StateAction, StateTransition, Wizard

from .answers import EMPTY, OPEN_STATES
from .transaction import follow_one_another

# The patients whose forms are opened at once, or the rows inserted
CHUNK = 100
RECEIVED = ['submitted', 'verified', 'locked']


class CompletenessMixin(ModelView):
    "Counts of questions, and the rates that come of them"
    __slots__ = ()

    company = fields.Many2One('company.company', "Company", readonly=True)
    authorization = fields.Many2One(
        'early_access.authorization', "Authorization", readonly=True)
    asked = fields.Integer(
        "Asked", readonly=True,
        help="The required questions of the forms that were received or are "
        "overdue.")
    answered = fields.Integer("Answered", readonly=True)
    justified = fields.Integer(
        "Justified", readonly=True,
        help="Those without an answer, for a coded reason.")
    computed_at = fields.Timestamp("Computed At", readonly=True)
    missing = fields.Function(
        fields.Integer("Missing"), 'get_missing')
    missing_rate = fields.Function(
        fields.Numeric(
            "Missing Rate", digits=(1, 4),
            help="What is missing without a reason, out of what is asked."),
        'get_missing')
    justified_rate = fields.Function(
        fields.Numeric("Justified Rate", digits=(1, 4)), 'get_missing')

    @classmethod
    def get_missing(cls, records, names):
        result = {n: {} for n in names}
        for record in records:
            missing = record.asked - record.answered - record.justified
            values = {
                'missing': missing,
                'missing_rate': rate(missing, record.asked),
                'justified_rate': rate(record.justified, record.asked),
                }
            for name in names:
                result[name][record.id] = values[name]
        return result


class CountsMixin(CompletenessMixin, ModelSQL):
    "Counts that are stored until the next ones replace them"
    __slots__ = ()
    # The fields that name what is counted
    _key = ()

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls.authorization.ondelete = 'CASCADE'
        cls.company.ondelete = 'CASCADE'
        t = cls.__table__()
        cls._sql_indexes.add(Index(t, (t.authorization, Index.Range())))
        cls._order = [('id', 'ASC')]

    @classmethod
    def _clear(cls, authorization):
        table = cls.__table__()
        cursor = Transaction().connection.cursor()
        cursor.execute(*table.delete(
                where=table.authorization == authorization.id))

    @classmethod
    def _insert(cls, authorization, counts, now):
        table = cls.__table__()
        cursor = Transaction().connection.cursor()
        columns = [getattr(table, n) for n in [
                'company', 'authorization', *cls._key, 'asked', 'answered',
                'justified', 'computed_at']]
        values = [
            [authorization.company.id, authorization.id, *key,
                count.asked, count.answered, count.justified, now]
            for key, count in sorted(counts.items())]
        for chunk in grouped_slice(values, CHUNK):
            cursor.execute(*table.insert(columns, list(chunk)))


class Count:
    "How many questions were asked, and what became of them."
    __slots__ = ('asked', 'answered', 'justified')

    def __init__(self):
        self.asked = self.answered = self.justified = 0

    def add(self, outcome):
        self.asked += 1
        if outcome == 'answered':
            self.answered += 1
        elif outcome == 'justified':
            self.justified += 1


def rate(number, total):
    if total:
        return (Decimal(number) / total).quantize(Decimal('0.0001'))


class Completeness(CountsMixin):
    "How much of a variable is answered by an establishment in a form"
    __name__ = 'early_access.completeness'
    _key = ('establishment', 'form', 'variable')

    establishment = fields.Many2One(
        'party.party', "Establishment", readonly=True, ondelete='CASCADE',
        context={
            'company': Eval('company', -1),
            },
        depends={'company'})
    form = fields.Many2One(
        'early_access.protocol.form', "Form", readonly=True,
        ondelete='CASCADE')
    variable = fields.Many2One(
        'early_access.variable', "Variable", readonly=True,
        ondelete='CASCADE')

    def get_rec_name(self, name):
        return f'{self.variable.rec_name} - {self.establishment.rec_name}'

    @classmethod
    def compute_all(cls):
        "Count anew for the programmes that collect, called by a cron."
        pool = Pool()
        Authorization = pool.get('early_access.authorization')
        for authorization in Authorization.search([
                    ('protocols.state', '=', 'active'),
                    ]):
            cls.compute(authorization)

    @classmethod
    @without_check_access
    def compute(cls, authorization):
        """Replace the counts of an authorization by new ones.

        A run that is interrupted leaves the counts as they were. The memory
        depends on the number of establishments and variables, not of forms.
        """
        # Two at once would both replace what was there before
        follow_one_another([authorization])
        pool = Pool()
        PatientCounts = pool.get('early_access.completeness.patient')
        for Counts in [cls, PatientCounts]:
            Counts._clear(authorization)
        now = dt.datetime.now()
        counts = defaultdict(Count)
        for rows in cls._chunks(authorization):
            patients = defaultdict(Count)
            for patient, establishment, question, outcome in cls._outcomes(
                    rows):
                counts[establishment, *question].add(outcome)
                patients[patient,].add(outcome)
            PatientCounts._insert(authorization, patients, now)
        cls._insert(authorization, counts, now)

    @classmethod
    def _chunks(cls, authorization):
        """Yield the forms to count, those of some patients at a time.

        They are (form, definition, state, patient, establishment).
        """
        pool = Pool()
        Form = pool.get('early_access.form')
        Patient = pool.get('early_access.patient')
        form, patient = Form.__table__(), Patient.__table__()
        cursor = Transaction().connection.cursor()
        of_authorization = patient.authorization == authorization.id
        last = 0
        while True:
            cursor.execute(*patient.select(
                    patient.id,
                    where=of_authorization & (patient.id > last),
                    order_by=patient.id.asc, limit=CHUNK))
            patients = [id_ for id_, in cursor]
            if not patients:
                break
            first, last = patients[0], patients[-1]
            cursor.execute(*form.join(
                    patient, condition=form.patient == patient.id).select(
                    form.id, form.definition, form.state, patient.id,
                    patient.establishment,
                    where=of_authorization
                    & (form.patient >= first) & (form.patient <= last)
                    & (form.related_person == Null)
                    & (form.state.in_(RECEIVED)
                        | (form.state.in_(OPEN_STATES)
                            & (form.latest_date < Form._today())))))
            yield cursor.fetchall()

    @classmethod
    def _outcomes(cls, rows):
        """Yield (patient, establishment, question, outcome) of the questions
        asked.

        A question is (definition, variable).
        """
        pool = Pool()
        Form = pool.get('early_access.form')
        questions = cls._questions({r[1] for r in rows})
        contents = {
            r['id']: r for r in Form.read(
                [r[0] for r in rows if r[2] in RECEIVED],
                ['answers', 'missing', 'sealed_state'])}
        for id_, definition, _, patient, establishment in rows:
            content = contents.get(id_)
            if content and content['sealed_state'] != 'readable':
                continue
            for name, (variable, conditional) in questions[definition].items():
                if content is None:
                    # Overdue: nothing was received
                    outcome = None if conditional else 'missing'
                elif name not in content['answers']:
                    outcome = None
                elif content['answers'][name] not in EMPTY:
                    outcome = 'answered'
                elif content['missing'].get(name):
                    outcome = 'justified'
                else:
                    outcome = 'missing'
                if outcome:
                    yield (
                        patient, establishment, (definition, variable),
                        outcome)

    @classmethod
    def _questions(cls, definitions):
        "The (variable, is conditional) of the required questions by name."
        pool = Pool()
        Definition = pool.get('early_access.protocol.form')
        return {
            d.id: {
                q.name: (q.variable, bool(q.requirement.comparisons))
                for q in d.outline.questions if q.required}
            for d in Definition.browse(list(definitions))}

    @classmethod
    def missing_rates(cls, authorizations):
        "The rate of what is missing by id of authorization, None if unknown."
        table = cls.__table__()
        cursor = Transaction().connection.cursor()
        cursor.execute(*table.select(
                table.authorization, Sum(table.asked),
                Sum(table.answered + table.justified),
                where=fields.SQL_OPERATORS['in'](
                    table.authorization, [a.id for a in authorizations]),
                group_by=table.authorization))
        rates = {
            id_: rate(int(asked) - int(given), int(asked))
            for id_, asked, given in cursor}
        return {a.id: rates.get(a.id) for a in authorizations}


class CompletenessPatient(CountsMixin):
    "How much of what is asked of a patient is answered"
    __name__ = 'early_access.completeness.patient'
    _key = ('patient',)

    patient = fields.Many2One(
        'early_access.patient', "Patient", readonly=True, ondelete='CASCADE')
    establishment = fields.Function(
        fields.Many2One(
            'party.party', "Establishment",
            context={
                'company': Eval('company', -1),
            },
            depends={'company'}),
        'get_establishment', searcher='search_establishment')

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_indexes.add(Index(t, (t.patient, Index.Range())))
        cls._order = [('missing_rate', 'DESC'), ('id', 'ASC')]

    @classmethod
    def order_missing_rate(cls, tables):
        table, _ = tables[None]
        missing = table.asked - table.answered - table.justified
        return [Cast(missing, 'FLOAT') / table.asked]

    def get_establishment(self, name):
        return self.patient.establishment.id

    @classmethod
    def search_establishment(cls, name, clause):
        nested = clause[0][len(name):]
        return [(f'patient.{name}{nested}', *clause[1:])]

    def get_rec_name(self, name):
        return self.patient.rec_name

    @classmethod
    def search_rec_name(cls, name, clause):
        return [('patient.rec_name', *clause[1:])]


class CompletenessGroupMixin(CompletenessMixin, ModelSQL):
    "The sums over one dimension"
    __slots__ = ()
    _group = None

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls._order = [('id', 'ASC')]

    def get_rec_name(self, name):
        return getattr(self, self._group).rec_name

    @classmethod
    def table_query(cls):
        pool = Pool()
        Counts = pool.get('early_access.completeness')
        table = Counts.__table__()
        column = getattr(table, cls._group)
        return table.select(
            Min(table.id).as_('id'), Literal(0).as_('create_uid'),
            Max(table.computed_at).as_('create_date'),
            Literal(0).as_('write_uid'),
            Max(table.computed_at).as_('write_date'),
            table.company, table.authorization, column.as_(cls._group),
            Sum(table.asked).as_('asked'),
            Sum(table.answered).as_('answered'),
            Sum(table.justified).as_('justified'),
            Max(table.computed_at).as_('computed_at'),
            group_by=[table.company, table.authorization, column])


class CompletenessEstablishment(CompletenessGroupMixin):
    "How much an establishment answers"
    __name__ = 'early_access.completeness.establishment'
    _group = 'establishment'

    establishment = fields.Many2One(
        'party.party', "Establishment", readonly=True,
        context={
            'company': Eval('company', -1),
            },
        depends={'company'})


class CompletenessForm(CompletenessGroupMixin):
    "How much of a form is answered"
    __name__ = 'early_access.completeness.form'
    _group = 'form'

    form = fields.Many2One(
        'early_access.protocol.form', "Form", readonly=True)


class CompletenessCompute(Wizard):
    "Count how much is answered now"
    __name__ = 'early_access.completeness.compute'

    start_state = 'compute'
    compute = StateTransition()
    open_ = StateAction('early_access.act_completeness_form')

    def transition_compute(self):
        pool = Pool()
        Authorization = pool.get('early_access.authorization')
        Completeness = pool.get('early_access.completeness')
        # Those that the user sees
        for authorization in Authorization.search([
                    ('protocols.state', '=', 'active'),
                    ]):
            Completeness.compute(authorization)
        return 'open_'
