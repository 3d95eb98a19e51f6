# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from trytond.i18n import gettext
from trytond.model import ModelSQL, ModelView, fields
from trytond.modules.early_access_audit.role import DATA_KINDS, DATA_LEVELS
from trytond.pyson import Bool, Eval

from .exceptions import DisclosureError
from .registers import draft_only
from .territory import is_inside
from .today import current_date
from .validity import ValidityMixin

CATEGORIES = [
    ('laboratory', "Service of the laboratory (art. 8.2)"),
    ('processor', "Processor (art. 8.3)"),
    ('group', "Company of the group (art. 8.3)"),
    ('public_body', "Public body in charge of medicines (art. 8.3)"),
    ('supervisory', "Data protection authority (GDPR 33)"),
    ]
LEVELS = [level for level, _ in DATA_LEVELS if level]


class Recipient(ValidityMixin, ModelSQL, ModelView):
    """Who gets data, which, and on which basis (CNIL 2022-107, art. 8).

    Nothing is disclosed to whom is not in force here on that day.
    """
    __name__ = 'early_access.recipient'

    authorization = fields.Many2One(
        'early_access.authorization', "Authorization", ondelete='RESTRICT',
        states=draft_only,
        domain=[
            ('company', '=', Eval('company', -1)),
            ],
        help="Leave empty for all the programmes of the company.")
    category = fields.Selection(
        CATEGORIES, "Category", required=True, sort=False, states=draft_only)
    category_string = category.translated('category')
    party = fields.Many2One(
        'party.party', "Party", required=True, ondelete='RESTRICT',
        states=draft_only,
        context={
            'company': Eval('company', -1),
            },
        depends={'company'})
    service = fields.Char(
        "Service", states=draft_only,
        help="The service that gets the data, never the name of a person.")
    country = fields.Many2One(
        'country.country', "Country", required=True, ondelete='RESTRICT',
        states=draft_only,
        help="Where the data is read, which may be elsewhere than the seat.")
    outside = fields.Function(
        fields.Boolean("Outside the Union"), 'on_change_with_outside')
    processor = fields.Many2One(
        'early_access.processor', "Contract", ondelete='RESTRICT',
        domain=[
            ('company', '=', Eval('company', -1)),
            ('party', '=', Eval('party', -1)),
            ],
        states={
            'readonly': Eval('state') != 'draft',
            'invisible': Eval('category') != 'processor',
            'required': Eval('category') == 'processor',
            },
        help="The contract of the article 28 of the GDPR.")
    basis = fields.Text(
        "Basis", required=True, states=draft_only,
        help="What lets the recipient get the data: the text that gives its "
        "mission, the agreement of the group, or the task of the service.")
    data_level = fields.Selection(
        DATA_LEVELS[1:], "Level of Data", required=True, sort=False,
        states=draft_only, help="The most that the recipient may get.")
    data_kind = fields.Selection(
        DATA_KINDS, "Kind of Data", required=True, sort=False,
        states=draft_only)
    transfers = fields.One2Many(
        'early_access.transfer', 'recipient', "Transfers", readonly=True,
        states={
            'invisible': ~Bool(Eval('outside')),
            })

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls._order = [
            ('state', 'ASC'), ('valid_to', 'ASC NULLS LAST'),
            ('category', 'ASC'), ('party.name', 'ASC'), ('id', 'ASC')]

    @staticmethod
    def default_data_level():
        return 'pseudonymised'

    @staticmethod
    def default_data_kind():
        return 'health'

    @fields.depends('country')
    def on_change_with_outside(self, name=None):
        return bool(self.country and not is_inside(self.country.code))

    @fields.depends('category', 'processor')
    def on_change_category(self):
        if self.category != 'processor':
            self.processor = None

    def get_rec_name(self, name):
        return ' - '.join(filter(None, [
                    self.party.rec_name, self.service, self.category_string]))

    @classmethod
    def search_rec_name(cls, name, clause):
        bool_op = 'AND' if clause[1].startswith(('!', 'not ')) else 'OR'
        return [bool_op,
            ('party.rec_name', *clause[1:]),
            ('service', *clause[1:]),
            ]

    def missing(self):
        missing = super().missing() + self.empty_fields('basis')
        if self.category == 'processor':
            missing += self.empty_fields('processor')
        return missing

    def valid_transfers(self, date):
        "Return the transfers to the recipient that are in force at a date."
        return [t for t in self.transfers if t.is_in_force(date)]

    def check_disclosure(
            self, record, level, categories, authorization=None):
        """Check that the recipient may get data today.

        :param record: what is disclosed, for the message.
        :param level: the level of the data of health that it holds.
        :param categories: the categories that it is meant for.
        :param authorization: the one whose data it is.
        :raises DisclosureError: telling what to do.
        """
        date = current_date()
        if not self.is_valid(date):
            reason = 'validity'
        elif self.category not in categories:
            reason = 'category'
        elif (self.authorization and authorization
                and self.authorization != authorization):
            reason = 'authorization'
        elif (self.data_kind != 'health'
                or LEVELS.index(self.data_level) < LEVELS.index(level)):
            reason = 'level'
        elif self.processor and not self.processor.is_valid(date):
            reason = 'processor'
        elif self.outside and not self.valid_transfers(date):
            reason = 'transfer'
        else:
            return
        raise DisclosureError(gettext(
                f'early_access_retention.msg_disclosure_{reason}',
                record=record.rec_name, recipient=self.rec_name,
                country=self.country.name))

    @classmethod
    def refuse_without(cls, record):
        "Refuse a disclosure that names nobody."
        raise DisclosureError(gettext(
                'early_access_retention.msg_disclosure_recipient',
                record=record.rec_name))

    @classmethod
    def of_company(cls, company, date):
        "Return those of a company that are in force at a date."
        return cls.search([
                ('company', '=', company.id), *cls.valid_domain(date)])
