# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from trytond.i18n import gettext
from trytond.model import fields
from trytond.pool import Pool, PoolMeta
from trytond.pyson import Eval, Get
from trytond.transaction import without_check_access

from .exceptions import ReuseError
from .reuse import KINDS

# The categories of the register by those of the export
CATEGORIES = {
    'laboratory': 'laboratory',
    'pharmacovigilance': 'laboratory',
    'authority': 'public_body',
    'group': 'group',
    'processor': 'processor',
    }
REUSES = [kind for kind, _ in KINDS]


class DataExport(metaclass=PoolMeta):
    __name__ = 'early_access.data_export'

    disclosed_to = fields.Many2One(
        'early_access.recipient', "Disclosed To", ondelete='RESTRICT',
        domain=[
            ('company', '=', Eval('company', -1)),
            ('state', '=', 'active'),
            ('category', '=', Get(CATEGORIES, Eval('recipient', ''), '')),
            ],
        states={
            'readonly': Eval('state') != 'draft',
            },
        help="Who gets the data: the basis must be in force on the day of "
        "the export (CNIL 2022-107, art. 8.3).")
    reuse = fields.Many2One(
        'early_access.reuse', "Other Use", ondelete='RESTRICT',
        domain=[
            ('company', '=', Eval('company', -1)),
            ('state', '=', 'active'),
            ('kind', '=', Eval('reason', '')),
            ],
        states={
            'readonly': Eval('state') != 'draft',
            'invisible': ~Eval('reason', '').in_(REUSES),
            },
        help="The formality and the information of the persons "
        "(CNIL 2022-107, art. 5.3 and 10.7).")

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls.reason.selection = cls.reason.selection + KINDS

    @fields.depends('recipient', 'disclosed_to')
    def on_change_recipient(self):
        if (self.disclosed_to and self.disclosed_to.category
                != CATEGORIES.get(self.recipient)):
            self.disclosed_to = None

    @fields.depends('reason', 'reuse')
    def on_change_reason(self):
        if self.reuse and self.reuse.kind != self.reason:
            self.reuse = None

    @without_check_access
    def check_disclosure(self):
        """Check that the data may go where the export says.

        :raises DisclosureError: without a recipient in force today.
        :raises ReuseError: without the formalities of another use.
        """
        Recipient = Pool().get('early_access.recipient')
        if not self.disclosed_to:
            Recipient.refuse_without(self)
        self.disclosed_to.check_disclosure(
            self, 'pseudonymised', {CATEGORIES[self.recipient]},
            authorization=self.authorization)
        if self.reason in REUSES:
            if not self.reuse:
                raise ReuseError(gettext(
                        'early_access_retention.msg_reuse_missing',
                        export=self.rec_name))
            self.reuse.check_reuse(self, self.reason, self.authorization)

    def write_archive(self, passphrase):
        self.check_disclosure()
        return super().write_archive(passphrase)
