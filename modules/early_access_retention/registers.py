# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"What the records of the registers have in common."

from trytond.i18n import gettext
from trytond.model import fields
from trytond.modules.early_access.national_number import NationalNumberMixin
from trytond.modules.early_access.workflow import ProgrammeWorkflow
from trytond.pyson import Eval
from trytond.transaction import Transaction

from .exceptions import RegisterFixedError

draft_only = {
    'readonly': Eval('state') != 'draft',
    }


class RegisterMixin(NationalNumberMixin, ProgrammeWorkflow):
    "A record of a register of a company, which its states fix."
    __slots__ = ()

    company = fields.Many2One(
        'company.company', "Company", required=True, ondelete='RESTRICT',
        states=draft_only)

    # What users may still change, by state; the others fix nothing
    _open = {}
    _deletable = frozenset({'draft'})

    @staticmethod
    def default_company():
        return Transaction().context.get('company')

    @staticmethod
    def default_state():
        return 'draft'

    @classmethod
    def check_modification(cls, mode, records, values=None, external=False):
        super().check_modification(
            mode, records, values=values, external=external)
        for record in records:
            if mode == 'delete' and record.state not in cls._deletable:
                raise RegisterFixedError(gettext(
                        'early_access_retention.msg_register_delete',
                        record=record.rec_name))
            if (mode == 'write' and external
                    and values.keys() - cls._open.get(record.state, values)):
                raise RegisterFixedError(gettext(
                        'early_access_retention.msg_register_fixed',
                        record=record.rec_name))

    @classmethod
    def copy(cls, records, default=None):
        default = default.copy() if default is not None else {}
        for name in cls._protected:
            default.setdefault(name, cls._default(name))
        return super().copy(records, default=default)


class PartMixin(NationalNumberMixin):
    """What belongs to a record of a register, and is fixed with it.

    ``_whole`` is the name of the field of that record.
    """
    __slots__ = ()
    _whole = None

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls.__access__.add(cls._whole)

    @classmethod
    def check_modification(cls, mode, records, values=None, external=False):
        super().check_modification(
            mode, records, values=values, external=external)
        for record in records if external else ():
            whole = getattr(record, cls._whole)
            if cls.is_fixed(whole):
                raise RegisterFixedError(gettext(
                        'early_access_retention.msg_register_fixed',
                        record=whole.rec_name))

    @classmethod
    def is_fixed(cls, whole):
        return whole.state != 'draft'
