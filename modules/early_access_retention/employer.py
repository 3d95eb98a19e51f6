# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""For whom the users of the laboratory work (legal note 46).

Those of a processor lose their roles when its contract ends.
"""

from trytond.i18n import gettext
from trytond.model import fields
from trytond.pool import Pool, PoolMeta
from trytond.tools import grouped_slice
from trytond.transaction import Transaction, without_check_access

from .exceptions import EmployerError
from .today import current_date


class User(metaclass=PoolMeta):
    __name__ = 'res.user'

    employer = fields.Many2One(
        'early_access.processor', "Employer", ondelete='RESTRICT',
        domain=[
            ('kind', '!=', 'establishment'),
            ],
        help="The contract of the processor for which the user works. Leave "
        "empty for the staff of the laboratory.")

    @classmethod
    @without_check_access
    def suspend_employees(cls):
        """End the roles of those whose employer has no contract in force.

        It is called by a cron, and when a contract is ended.
        """
        UserRole = Pool().get('res.user.role')
        date = current_date()
        users = [
            u for u in cls.search([('employer', '!=', None)], order=[])
            if not u.employer.is_valid(date)]
        for sub_users in map(list, grouped_slice(users)):
            roles = [
                r for r in UserRole.search([
                        ('user', 'in', [u.id for u in sub_users]),
                        ('withdrawn_at', '=', None),
                        ])
                if r.state in {'planned', 'running', 'ending'}]
            if not roles:
                continue
            with Transaction().set_user(0):
                UserRole.end(roles, gettext(
                        'early_access_retention.msg_employer_end'))
            cls.end_sessions({r.user.id for r in roles}, 'employer')

    def check_employer(self):
        "Check that the contract of the employer is in force today."
        with without_check_access():
            employer = self.__class__(self.id).employer
            if employer and not employer.is_valid(current_date()):
                raise EmployerError(gettext(
                        'early_access_retention.msg_employer_contract',
                        user=self.rec_name, contract=employer.rec_name))


class UserRole(metaclass=PoolMeta):
    __name__ = 'res.user.role'

    @classmethod
    def check_modification(cls, mode, lines, values=None, external=False):
        super().check_modification(
            mode, lines, values=values, external=external)
        if mode == 'create':
            for line in lines:
                line.user.check_employer()
