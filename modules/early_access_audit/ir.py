# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from trytond.pool import PoolMeta


class Cron(metaclass=PoolMeta):
    __name__ = 'ir.cron'

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls.method.selection += [
            ('early_access.audit.seal|seal_all', "Seal the Trail"),
            ('early_access.audit.seal|forward_all', "Forward the Trail"),
            ('early_access.audit.seal|purge_all', "Purge the Trail"),
            ('early_access.audit.activation|clean', "Clean the Links"),
            ('early_access.audit.reset_request|send',
                "Send the Links to Reset Passwords"),
            ('early_access.audit.throttle|clean', "Clean the Login Tries"),
            ('ir.session|clean', "End the Idle Sessions"),
            ('early_access.audit.activity|count_all', "Count the Accesses"),
            ('early_access.audit.check|watch', "Prepare the Checks"),
            ('early_access.audit.incident|alert',
                "Alert about the Incidents"),
            ('res.user|follow_all_roles', "Follow the Roles of the Users"),
            ('res.user|flag_dormant', "Flag the Unused Accounts"),
            ('early_access.audit.access_review|follow',
                "Follow the Reviews of the Accesses"),
            ('early_access.audit.openid.sign_in|clean',
                "Clean the Sign-ins"),
            ('early_access.audit.openid.logout|clean',
                "Clean the Logouts of the Provider"),
            ]
