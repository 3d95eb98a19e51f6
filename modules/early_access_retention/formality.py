# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from trytond.model import ModelSQL, ModelView, fields
from trytond.pyson import Eval

from .registers import draft_only
from .validity import ValidityMixin

KINDS = [
    ('declaration', "Declaration to the CNIL (art. 3.2)"),
    ('representative', "Representative in the Union (art. 2.3)"),
    ('security_policy', "Security policy (art. 13.2)"),
    ('dpo_opinion', "Opinion of the data protection officer (art. 14.3)"),
    ('prior_consultation', "Prior consultation of the CNIL (art. 14.5)"),
    ]


class Formality(ValidityMixin, ModelSQL, ModelView):
    "A formality or a document that the processing needs"
    __name__ = 'early_access.formality'

    kind = fields.Selection(
        KINDS, "Kind", required=True, sort=False, states=draft_only)
    kind_string = kind.translated('kind')
    authorization = fields.Many2One(
        'early_access.authorization', "Authorization", ondelete='RESTRICT',
        states=draft_only,
        domain=[
            ('company', '=', Eval('company', -1)),
            ],
        help="Leave empty for all the programmes of the company.")
    number = fields.Char(
        "Number or Reference", required=True, states=draft_only,
        help="The number of the CNIL, or the reference, version and date of "
        "the document.")
    party = fields.Many2One(
        'party.party', "Representative", ondelete='RESTRICT',
        states={
            'readonly': Eval('state') != 'draft',
            'invisible': Eval('kind') != 'representative',
            },
        context={
            'company': Eval('company', -1),
            },
        depends={'company'})
    outcome = fields.Selection([
            (None, ""),
            ('favourable', "Favourable"),
            ('reserved', "Favourable with reserves"),
            ('unfavourable', "Unfavourable"),
            ('pending', "Pending"),
            ], "Outcome", sort=False,
        states={
            'readonly': Eval('state') != 'draft',
            'invisible': ~Eval('kind').in_(
                ['dpo_opinion', 'prior_consultation']),
            })
    follow_up = fields.Text(
        "Follow-up", states={
            'readonly': Eval('state') != 'draft',
            'invisible': ~Eval('kind').in_(
                ['dpo_opinion', 'prior_consultation']),
            },
        help="What is done about the reserves or the answer.")

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls._order = [
            ('kind', 'ASC'), ('valid_from', 'DESC'), ('id', 'DESC')]

    def get_rec_name(self, name):
        return f'{self.kind_string} - {self.number}'

    @classmethod
    def search_rec_name(cls, name, clause):
        return [('number', *clause[1:])]

    def missing(self):
        missing = super().missing() + self.empty_fields('number')
        if self.kind == 'representative':
            missing += self.empty_fields('party')
        if self.kind in {'dpo_opinion', 'prior_consultation'}:
            missing += self.empty_fields('outcome')
            if self.outcome in {'reserved', 'unfavourable'}:
                missing += self.empty_fields('follow_up')
        return missing

    @classmethod
    def in_force(cls, company, date):
        "Return those of a company that are in force at a date, by kind."
        result = {}
        for formality in cls.search([
                    ('company', '=', company.id), *cls.valid_domain(date)]):
            result.setdefault(formality.kind, []).append(formality)
        return result
