# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from trytond.i18n import gettext
from trytond.model import Index, ModelSQL, ModelView, fields
from trytond.model.exceptions import AccessError
from trytond.pool import Pool
from trytond.pyson import Eval, If
from trytond.transaction import without_check_access

from .anonymous import OUTCOMES, THRESHOLD, anonymise

WORDS = frozenset({'female', 'male', 'unknown', 'other'})


class AggregateMixin:
    "What is kept once and is never changed"
    __slots__ = ()

    # The server writes it while it destroys the data
    _traced_changes = False

    @classmethod
    def check_modification(cls, mode, records, values=None, external=False):
        super().check_modification(
            mode, records, values=values, external=external)
        if mode in {'write', 'delete'}:
            for record in records:
                raise AccessError(gettext(
                        'early_access_retention.msg_aggregate_fixed',
                        aggregate=record.rec_name))

    @classmethod
    def copy(cls, records, default=None):
        for record in records:
            raise AccessError(gettext(
                    'early_access_retention.msg_aggregate_fixed',
                    aggregate=record.rec_name))
        return []


class Aggregate(AggregateMixin, ModelSQL, ModelView):
    """The anonymous form of the data that were destroyed together.

    It is what is left of them when the laboratory has chosen it (CNIL
    2022-107, art. 9). The module anonymous tells what may be in it.
    """
    __name__ = 'early_access.retention.aggregate'

    authorization = fields.Many2One(
        'early_access.authorization', "Authorization", required=True,
        readonly=True, ondelete='RESTRICT')
    company = fields.Function(
        fields.Many2One('company.company', "Company"),
        'on_change_with_company', searcher='search_company')
    kept_on = fields.Date("Kept On", required=True, readonly=True)
    threshold = fields.Integer(
        "Threshold", required=True, readonly=True,
        help="No count below it is shown.")
    persons = fields.Integer(
        "Persons", required=True, readonly=True,
        help="How many are counted in each table; none when they were fewer "
        "than the threshold.")
    tables = fields.Text("Tables", required=True, readonly=True)
    refused_singling_out = fields.Integer(
        "Counts Hidden", required=True, readonly=True,
        help="Against singling out: too few persons, or a count that would "
        "tell of too few.")
    refused_linkage = fields.Integer(
        "Traits Made Coarser", required=True, readonly=True,
        help="Against linkage: values that few persons have are counted "
        "together.")
    refused_inference = fields.Integer(
        "Traits Given Up", required=True, readonly=True,
        help="Against inference: all persons, or all but a few, have the "
        "same value.")
    method = fields.Function(fields.Text("Method"), 'get_method')
    lines = fields.One2Many(
        'early_access.retention.aggregate.line', 'aggregate', "Counts",
        readonly=True)

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_indexes.add(Index(t, (t.authorization, Index.Range())))
        cls._order = [('kept_on', 'DESC'), ('id', 'DESC')]

    @fields.depends('authorization', '_parent_authorization.company')
    def on_change_with_company(self, name=None):
        return self.authorization.company if self.authorization else None

    @classmethod
    def search_company(cls, name, clause):
        return [('authorization.' + clause[0], *clause[1:])]

    @classmethod
    def get_method(cls, aggregates, name):
        return {
            a.id: gettext(
                'early_access_retention.msg_aggregate_'
                + ('method' if a.persons else 'none'),
                threshold=a.threshold)
            for a in aggregates}

    def get_rec_name(self, name):
        date = self.authorization._format_date(self.kept_on)
        return f'{self.authorization.rec_name} - {date}'

    @classmethod
    def search_rec_name(cls, name, clause):
        return [('authorization.rec_name', *clause[1:])]

    @classmethod
    def view_attributes(cls):
        return super().view_attributes() + [
            ('/tree', 'visual', If(Eval('persons', 0) == 0, 'muted', '')),
            ]

    @classmethod
    @without_check_access
    def keep(cls, authorization, persons, today, threshold=THRESHOLD):
        """Keep the anonymous form of persons, and return its record.

        It is called in the transaction that destroys their data. Who is
        destroyed apart is kept apart, and nobody is in two of them: so no
        difference between two of them tells of anybody. When they are fewer
        than the threshold nothing is kept of them, and the record says so.

        :param authorization: the authorization of all of them.
        :param persons: the anonymous.Person of each of them.
        """
        anonymous = anonymise(persons, threshold)
        aggregate, = cls.create([{
                    'authorization': authorization.id,
                    'kept_on': today,
                    'threshold': threshold,
                    'persons': anonymous.persons,
                    'tables': anonymous.to_json(),
                    'refused_singling_out': anonymous.refused_singling_out,
                    'refused_linkage': anonymous.refused_linkage,
                    'refused_inference': anonymous.refused_inference,
                    'lines': [('create', [{
                                    'table': '_'.join(table.traits),
                                    'row': values[0],
                                    'column': (
                                        values[1] if len(values) > 1
                                        else None),
                                    'count': count,
                                    }
                                for table in anonymous.tables
                                for values, count in table.cells.items()])],
                    }])
        return aggregate


class AggregateLine(AggregateMixin, ModelSQL, ModelView):
    "A count of an aggregate"
    __name__ = 'early_access.retention.aggregate.line'

    aggregate = fields.Many2One(
        'early_access.retention.aggregate', "Aggregate", required=True,
        readonly=True, ondelete='CASCADE')
    table = fields.Selection([
            ('sex', "Sex"),
            ('age', "Age at the request"),
            ('year', "Year of the request"),
            ('outcome', "Outcome"),
            ('duration', "Months of treatment"),
            ('events', "Forms of adverse events"),
            ('sex_age', "Sex and age at the request"),
            ('outcome_year', "Outcome and year of the request"),
            ('duration_outcome', "Months of treatment and outcome"),
            ], "Table", required=True, readonly=True, sort=False)
    row = fields.Char("Row", required=True, readonly=True)
    column = fields.Char("Column", readonly=True)
    count = fields.Integer(
        "Count", readonly=True, help="Nothing when it is hidden.")
    row_name = fields.Function(fields.Char("Row"), 'get_names')
    column_name = fields.Function(fields.Char("Column"), 'get_names')
    shown = fields.Function(fields.Char("Persons"), 'get_shown')

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_indexes.add(Index(t, (t.aggregate, Index.Range())))
        cls._order = [('aggregate', 'DESC'), ('id', 'ASC')]

    @classmethod
    def get_rec_name(cls, lines, name):
        return {l.id: l.aggregate.rec_name for l in lines}

    @classmethod
    def search_rec_name(cls, name, clause):
        return [('aggregate.rec_name', *clause[1:])]

    @classmethod
    def get_names(cls, lines, names):
        words = cls._words()
        return {
            name: {
                line.id: words.get(code, code)
                for line in lines
                for code in [getattr(line, name.removesuffix('_name'))]}
            for name in names}

    @classmethod
    def _words(cls):
        Patient = Pool().get('early_access.patient')
        states = dict(Patient.state.get_selection(Patient, 'state', None))
        return {
            **{o: states[o] for o in OUTCOMES},
            **{w: gettext(f'early_access_retention.msg_aggregate_{w}')
                for w in WORDS},
            }

    @classmethod
    def get_shown(cls, lines, name):
        hidden = gettext('early_access_retention.msg_aggregate_hidden')
        return {
            l.id: hidden if l.count is None else str(l.count)
            for l in lines}
