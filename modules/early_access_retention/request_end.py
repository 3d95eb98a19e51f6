# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The end of the requests that came to nothing"

from trytond.pool import Pool, PoolMeta
from trytond.transaction import without_check_access

from .reckoning import request_end
from .today import current_date

# The period and the time from which it counts, by state
ENDS = {
    'refused': ('refused_months', 'refused_at'),
    'cancelled': ('refused_months', 'closed_at'),
    'never_started': ('never_started_months', 'closed_at'),
    }


class Patient(metaclass=PoolMeta):
    __name__ = 'early_access.patient'

    @classmethod
    @without_check_access
    def retention_request_ends(cls, patients):
        """Return when the requests that were refused or cancelled, and those
        who never started, come to their end.

        :returns: the date by id of patient, never after that of the other
            data of the authorization; None while no period is set.
        """
        pool = Pool()
        Clock = pool.get('early_access.retention.clock')
        Policy = pool.get('early_access.retention.policy')
        patients = [p for p in cls.browse(patients) if p.state in ENDS]
        authorizations = list({p.authorization for p in patients})
        policies = Policy.of(authorizations, current_date())
        last = {
            c.authorization.id: c.destroy_on for c in Clock.search([
                    ('authorization', 'in', [a.id for a in authorizations]),
                    ])}
        result = {}
        for patient in patients:
            policy = policies[patient.authorization.id]
            period, time = ENDS[patient.state]
            closed = getattr(patient, time)
            dates = [
                request_end(
                    closed and closed.date(),
                    policy and getattr(policy, period)),
                last.get(patient.authorization.id)]
            result[patient.id] = min(
                (d for d in dates if d), default=None)
        return result
