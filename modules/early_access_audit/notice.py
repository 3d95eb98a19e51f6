# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The e-mails about accesses, which tell nothing of a patient (SEC-ECH-2)."

from trytond.pool import Pool
from trytond.report import Report, get_email
from trytond.res.user import _send_email
from trytond.transaction import Transaction, without_check_access
from trytond.url import http_host


class Notice(Report):
    "The text of an e-mail"

    @classmethod
    def get_context(cls, records, header, data):
        context = super().get_context(records, header, data)
        context['url'] = f'{http_host()}/#{Transaction().database.name}'
        return context


@without_check_access
def send(report, record, users):
    """Send a notice to those of the users who have an address.

    The server makes it: who causes it may not read what it is about.

    :param report: the name of the report.
    :param record: what the notice is about.
    """
    with Transaction().set_user(0):
        _send_email(
            None, [u for u in users if u.active and u.email],
            lambda user: get_email(report, record, user.languages))


@without_check_access
def members(*groups):
    """Return the active users of groups of the module early_access.

    :param groups: the names of the groups, without "group_".
    """
    pool = Pool()
    ModelData = pool.get('ir.model.data')
    User = pool.get('res.user')
    return User.search([
            ('groups', 'in', [
                    ModelData.get_id('early_access', f'group_{name}')
                    for name in groups]),
            ])
