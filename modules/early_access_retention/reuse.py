# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from trytond.i18n import gettext
from trytond.model import ModelSQL, ModelView, fields
from trytond.pyson import Eval

from .exceptions import ReuseError
from .registers import draft_only
from .today import current_date
from .validity import ValidityMixin

KINDS = [
    ('research', "Research or study"),
    ('evaluation', "Evaluation"),
    ('warehouse', "Health data warehouse"),
    ]


class Reuse(ValidityMixin, ModelSQL, ModelView):
    """Another use of the data, which is a processing of its own.

    It needs the formalities of the CNIL and the information of the persons
    (CNIL 2022-107, art. 5.3, 5.4 and 10.7).
    """
    __name__ = 'early_access.reuse'

    name = fields.Char("Name", required=True, states=draft_only)
    kind = fields.Selection(
        KINDS, "Kind", required=True, sort=False, states=draft_only)
    authorization = fields.Many2One(
        'early_access.authorization', "Authorization", ondelete='RESTRICT',
        states=draft_only,
        domain=[
            ('company', '=', Eval('company', -1)),
            ],
        help="Leave empty for all the programmes of the company.")
    formality = fields.Selection([
            (None, ""),
            ('authorization', "Authorization of the CNIL"),
            ('methodology', "Declaration of conformity to a methodology"),
            ('standard', "Declaration of conformity to a standard"),
            ], "Formality", sort=False, states=draft_only)
    formality_number = fields.Char("Formality Number", states=draft_only)
    formality_date = fields.Date("Formality Date", states=draft_only)
    express_consent = fields.Boolean(
        "Express Consent",
        states={
            'readonly': Eval('state') != 'draft',
            'invisible': Eval('kind') != 'warehouse',
            },
        help="Check if the express consent of each person is collected, "
        "instead of a formality.")
    information = fields.Selection([
            (None, ""),
            ('individual', "New individual information"),
            ('held', "The persons have the information already"),
            ('portal', "Portal that the first information refers to"),
            ], "Information of the Persons", sort=False, states=draft_only)
    information_date = fields.Date("Information Date", states=draft_only)
    portal = fields.Char(
        "Address of the Portal",
        states={
            'readonly': Eval('state') != 'draft',
            'invisible': Eval('information') != 'portal',
            })

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls._order = [
            ('state', 'ASC'), ('valid_to', 'ASC NULLS LAST'), ('name', 'ASC'),
            ('id', 'ASC')]

    def missing(self):
        missing = super().missing()
        if not (self.kind == 'warehouse' and self.express_consent):
            missing += self.empty_fields(
                'formality', 'formality_number', 'formality_date')
        missing += self.empty_fields('information', 'information_date')
        if self.information == 'portal':
            missing += self.empty_fields('portal')
        return missing

    def check_reuse(self, record, kind, authorization):
        """Check that data may be used so today.

        :raises ReuseError: telling what to do.
        """
        if (not self.is_valid(current_date()) or self.missing()
                or self.kind != kind
                or self.authorization
                and self.authorization != authorization):
            raise ReuseError(gettext(
                    'early_access_retention.msg_reuse_refused',
                    record=record.rec_name, reuse=self.rec_name))
