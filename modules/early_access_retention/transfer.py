# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from trytond.i18n import gettext
from trytond.model import ModelSQL, ModelView, fields
from trytond.pool import Pool
from trytond.pyson import Bool, Eval

from .exceptions import TransferError
from .registers import draft_only
from .territory import is_inside
from .today import current_date
from .validity import ValidityMixin, status_of

SAFEGUARDS = [
    (None, ""),
    ('public_instrument',
        "Binding instrument between public authorities (46.2 a)"),
    ('corporate_rules', "Binding corporate rules (46.2 b)"),
    ('clauses', "Standard clauses of the Commission (46.2 c)"),
    ('authority_clauses', "Standard clauses of an authority (46.2 d)"),
    ('conduct', "Approved code of conduct (46.2 e)"),
    ('certification', "Approved certification (46.2 f)"),
    ]
DEROGATIONS = [
    (None, ""),
    ('consent', "Explicit consent (49.1 a)"),
    ('contract', "Contract with the person (49.1 b)"),
    ('contract_interest', "Contract in the interest of the person (49.1 c)"),
    ('public_interest', "Important reasons of public interest (49.1 d)"),
    ('claims', "Legal claims (49.1 e)"),
    ('vital', "Vital interests (49.1 f)"),
    ('public_register', "Public register (49.1 g)"),
    ('compelling', "Compelling legitimate interests (49.1, second part)"),
    ]


def _for(instrument):
    return {
        'readonly': Eval('state') != 'draft',
        'invisible': Eval('instrument') != instrument,
        'required': (
            (Eval('instrument') == instrument)
            & (Eval('state') != 'draft')),
        }


class Transfer(ValidityMixin, ModelSQL, ModelView):
    """Data that goes, or is looked at, outside the Union.

    CNIL 2022-107, art. 12; GDPR, chapter V.
    """
    __name__ = 'early_access.transfer'

    recipient = fields.Many2One(
        'early_access.recipient', "Recipient", required=True,
        ondelete='RESTRICT', states=draft_only,
        domain=[
            ('company', '=', Eval('company', -1)),
            ])
    country = fields.Many2One(
        'country.country', "Country", required=True, ondelete='RESTRICT',
        states=draft_only)
    country_code = fields.Function(
        fields.Char("Code of the Country"), 'on_change_with_country_code')
    viewing = fields.Boolean(
        "Remote Viewing", states=draft_only,
        help="Check if users look at the data from the country: that is a "
        "transfer (art. 12.4).")
    data = fields.MultiSelection([
            ('patients', "Patients, indirectly identifying"),
            ('related_persons', "Related persons, indirectly identifying"),
            ('professionals', "Professionals, directly identifying"),
            ], "Data", required=True, sort=False, states=draft_only,
        help="Nothing else may be transferred (art. 12.1).")
    necessity = fields.Text(
        "Strict Necessity", required=True, states=draft_only,
        help="Why the programme cannot do without it (art. 12.1).")
    instrument = fields.Selection([
            ('adequacy', "Adequacy decision (45)"),
            ('safeguard', "Appropriate safeguard (46.2)"),
            ('derogation', "Derogation (49)"),
            ], "Instrument", required=True, sort=False, states=draft_only)
    adequacy = fields.Many2One(
        'early_access.adequacy', "Adequacy Decision", ondelete='RESTRICT',
        domain=[
            ('country_code', '=', Eval('country_code', '')),
            ],
        states=_for('adequacy'))
    adequacy_limited = fields.Function(
        fields.Boolean("Limited Scope"), 'on_change_with_adequacy_limited')
    coverage = fields.Char(
        "How the Recipient Is Covered",
        states={
            'readonly': Eval('state') != 'draft',
            'invisible': ~Bool(Eval('adequacy_limited')),
            },
        help="As the list and the number under which the recipient is "
        "certified.")
    coverage_to = fields.Date(
        "Covered To",
        states={
            'readonly': Eval('state') != 'draft',
            'invisible': ~Bool(Eval('adequacy_limited')),
            },
        help="The last day of the certification of the recipient.")
    safeguard = fields.Selection(
        SAFEGUARDS, "Safeguard", sort=False, states=_for('safeguard'))
    safeguard_reference = fields.Char(
        "Reference of the Safeguard", states=_for('safeguard'),
        help="The document, its version and its date.")
    assessed_on = fields.Date(
        "Law of the Country Assessed On", states=_for('safeguard'))
    measures = fields.Text(
        "Supplementary Measures", states=_for('safeguard'),
        help="Those that the law of the country calls for, or why none is "
        "needed (EDPB 01/2020).")
    derogation = fields.Selection(
        DEROGATIONS, "Derogation", sort=False, states=_for('derogation'))
    justification = fields.Text(
        "Justification", states=_for('derogation'),
        help="Why neither a decision nor a safeguard is possible, and how "
        "the strict conditions of the article 49 are met.")
    informed_on = fields.Date(
        "Persons Informed On", states=draft_only,
        help="Since when the information of the persons tells the transfer, "
        "its instrument and how to get a copy (art. 12.3).")
    information = fields.Char(
        "Information", states=draft_only,
        help="The version of the information notice that tells it.")
    in_force = fields.Function(
        fields.Boolean("In Force"), 'get_in_force')

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls._order = [
            ('state', 'ASC'), ('valid_to', 'ASC NULLS LAST'),
            ('country', 'ASC'), ('id', 'ASC')]

    @staticmethod
    def default_instrument():
        return 'adequacy'

    @fields.depends('country')
    def on_change_with_country_code(self, name=None):
        return self.country.code if self.country else ''

    @fields.depends('adequacy')
    def on_change_with_adequacy_limited(self, name=None):
        return bool(self.adequacy and self.adequacy.limited)

    @fields.depends('recipient', 'country')
    def on_change_recipient(self):
        if self.recipient and not self.country:
            self.country = self.recipient.country

    @fields.depends('country', 'adequacy')
    def on_change_country(self):
        if (self.adequacy and self.country
                and self.adequacy.country_code != self.country.code):
            self.adequacy = None

    @classmethod
    def get_in_force(cls, transfers, name):
        date = current_date()
        return {t.id: t.is_in_force(date) for t in transfers}

    def is_in_force(self, date):
        "Whether the transfer and its instrument are in force at a date."
        if not self.is_valid(date):
            return False
        if self.instrument == 'adequacy':
            return self.adequacy.is_valid(date) and (
                not self.coverage_to or date <= self.coverage_to)
        return True

    @classmethod
    def get_status(cls, transfers, name):
        date = current_date()
        result = {}
        for transfer in transfers:
            ends = [transfer.valid_to]
            if transfer.instrument == 'adequacy' and transfer.adequacy:
                ends += [transfer.adequacy.valid_to, transfer.coverage_to]
            status = status_of(
                transfer.state, transfer.valid_from,
                min(filter(None, ends), default=None), date)
            if status in {'valid', 'ending'} and not transfer.is_in_force(
                    date):
                status = 'expired'
            result[transfer.id] = status
        return result

    def get_rec_name(self, name):
        return f'{self.recipient.rec_name} - {self.country.name}'

    @classmethod
    def search_rec_name(cls, name, clause):
        bool_op = 'AND' if clause[1].startswith(('!', 'not ')) else 'OR'
        return [bool_op,
            ('recipient.rec_name', *clause[1:]),
            ('country.name', *clause[1:]),
            ]

    @classmethod
    def validate_fields(cls, transfers, field_names):
        super().validate_fields(transfers, field_names)
        for transfer in transfers:
            if is_inside(transfer.country.code):
                raise TransferError(gettext(
                        'early_access_retention.msg_transfer_inside',
                        country=transfer.country.name))

    def missing(self):
        missing = super().missing() + self.empty_fields(
            'necessity', 'data', 'informed_on', 'information')
        if self.instrument == 'adequacy':
            missing += self.empty_fields('adequacy')
            if self.adequacy_limited:
                missing += self.empty_fields('coverage')
            if self.adequacy and not self.adequacy.is_valid(current_date()):
                missing.append(gettext(
                        'early_access_retention.msg_transfer_adequacy',
                        adequacy=self.adequacy.rec_name))
        elif self.instrument == 'safeguard':
            missing += self.empty_fields(
                'safeguard', 'safeguard_reference', 'assessed_on', 'measures')
        else:
            missing += self.empty_fields('derogation', 'justification')
        if self.informed_on and self.informed_on > self.valid_from:
            missing.append(gettext(
                    'early_access_retention.msg_transfer_informed',
                    date=self.informed_on))
        return missing

    @classmethod
    def activate(cls, transfers):
        super().activate(transfers)
        Review = Pool().get('early_access.dpia.review')
        for transfer in transfers:
            Review.open_for('transfer', transfer)

    @classmethod
    def of_company(cls, company, date):
        "Return those of a company that are in force at a date."
        return [
            t for t in cls.search([
                    ('company', '=', company.id), *cls.valid_domain(date)])
            if t.is_in_force(date)]

    @classmethod
    def on_modification(cls, mode, transfers, field_names=None):
        super().on_modification(mode, transfers, field_names=field_names)
        Pool().get('res.user')._work_place_cache.clear()
