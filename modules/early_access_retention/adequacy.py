# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from trytond.i18n import gettext
from trytond.model import DeactivableMixin, Index, ModelSQL, ModelView, fields
from trytond.pyson import Eval, If

from .exceptions import CountryError
from .territory import clean_code
from .today import current_date


class Adequacy(DeactivableMixin, ModelSQL, ModelView):
    """A decision that a country ensures an adequate protection (GDPR 45).

    The list is shipped, with the date at which it was checked, and is the
    laboratory's to keep.
    """
    __name__ = 'early_access.adequacy'

    name = fields.Char("Country", required=True, translate=True)
    country_code = fields.Char(
        "Code", required=True, size=2,
        help="The code of the country: two letters (ISO 3166-1).")
    scope = fields.Char(
        "Scope", required=True, translate=True,
        help="Which recipients of the country the decision covers.")
    limited = fields.Boolean(
        "Limited Scope",
        help="Check when a transfer must tell how its recipient is covered.")
    decision = fields.Char("Decision", required=True)
    decided_on = fields.Date("Decided On", required=True)
    valid_to = fields.Date(
        "Valid To",
        domain=[
            If(Eval('valid_to') & Eval('decided_on'),
                ('valid_to', '>=', Eval('decided_on', None)),
                ()),
            ],
        help="The last day. Leave empty when the decision has no end.")
    source = fields.Char("Source", required=True)
    checked_on = fields.Date(
        "Checked On", required=True,
        help="When the decision was last found in force in the source.")

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_indexes.add(
            Index(t, (t.country_code, Index.Equality())))
        cls._order = [
            ('country_code', 'ASC'), ('decided_on', 'DESC'), ('id', 'DESC')]

    @classmethod
    def default_checked_on(cls):
        return current_date()

    @classmethod
    def preprocess_values(cls, mode, values):
        values = super().preprocess_values(mode, values)
        if values.get('country_code'):
            values['country_code'] = values['country_code'].strip().upper()
        return values

    @classmethod
    def validate_fields(cls, adequacies, field_names):
        super().validate_fields(adequacies, field_names)
        for adequacy in adequacies:
            if clean_code(adequacy.country_code) != adequacy.country_code:
                raise CountryError(gettext(
                        'early_access_retention.msg_country_code',
                        country=adequacy.rec_name))

    def get_rec_name(self, name):
        return f'{self.name} - {self.decision}'

    @classmethod
    def search_rec_name(cls, name, clause):
        bool_op = 'AND' if clause[1].startswith(('!', 'not ')) else 'OR'
        return [bool_op,
            ('name', *clause[1:]),
            ('decision', *clause[1:]),
            ]

    def is_valid(self, date):
        return (
            self.active and self.decided_on <= date
            and (not self.valid_to or date <= self.valid_to))
