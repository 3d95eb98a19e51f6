# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from trytond.i18n import gettext
from trytond.model import ModelView, fields
from trytond.pool import Pool
from trytond.wizard import Button, StateTransition, StateView, Wizard

from .exceptions import OrderProfileError
from .order import OVERRIDE_REASONS, REFUSAL_REASONS
from .transaction import wait_for


class OrderRefuse(Wizard):
    __name__ = 'early_access.order.refuse'
    start = StateView(
        'early_access.order.refuse.start',
        'early_access.order_refuse_start_view_form', [
            Button("Keep", 'end', 'tryton-cancel'),
            Button("Refuse", 'refuse', 'tryton-ok', default=True),
            ])
    refuse = StateTransition()

    def transition_refuse(self):
        _check_profile(
            'refuse', self.records, 'supply', 'pharmacist_in_charge')
        self.model.set_refused(self.records, self.start.reason)
        return 'end'


class OrderRefuseStart(ModelView):
    __name__ = 'early_access.order.refuse.start'
    reason = fields.Selection(
        REFUSAL_REASONS, "Reason", required=True, sort=False)


class OrderOverride(Wizard):
    __name__ = 'early_access.order.override'
    start = StateView(
        'early_access.order.override.start',
        'early_access.order_override_start_view_form', [
            Button("Cancel", 'end', 'tryton-cancel'),
            Button("Override", 'override', 'tryton-ok', default=True),
            ])
    override = StateTransition()

    def transition_override(self):
        _check_profile('override', self.records, 'pharmacist_in_charge')
        self.model.write(self.records, {
                'override_reason': self.start.reason,
                **self.model.stamp('override'),
                })
        return 'end'


class OrderOverrideStart(ModelView):
    __name__ = 'early_access.order.override.start'
    reason = fields.Selection(
        OVERRIDE_REASONS, "Reason", required=True, sort=False)


def _check_profile(button, orders, *profiles):
    # A wizard can be run without its button, and a delegation has dates
    pool = Pool()
    Order = pool.get('early_access.order')
    User = pool.get('res.user')
    wait_for(orders)
    Order.check_state(orders, button, ('submitted',))
    if not User.has_profile(*profiles):
        raise OrderProfileError(gettext(
                f'early_access.msg_order_{button}_profile',
                orders=', '.join(o.rec_name for o in orders)))
