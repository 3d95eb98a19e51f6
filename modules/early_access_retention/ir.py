# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from trytond.pool import PoolMeta


class Cron(metaclass=PoolMeta):
    __name__ = 'ir.cron'

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls.method.selection.extend([
                ('early_access.retention.run|daily',
                    "Follow the Life of Data"),
                ('early_access.rights.request|alert',
                    "Alert about the Rights Requests"),
                ('early_access.rights.requester|remove',
                    "Remove the Names of the Requesters"),
                ('res.user|suspend_employees',
                    "Suspend Users without a Valid Contract"),
                ('early_access.audit.alert|alert_registers',
                    "Alert on what Ends in the Registers"),
                ])
