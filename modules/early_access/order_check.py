# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from trytond.i18n import gettext
from trytond.pool import Pool
from trytond.transaction import Transaction

from .exceptions import (
    OrderError, OrderOverdueWarning, OrderPharmacistError, OrderSupplyError,
    OrderSuspendedWarning, SupplyError)


class OrderCheck:
    "What an order must respect to be submitted, approved and shipped."
    __slots__ = ()

    @classmethod
    def _check_pharmacist(cls, orders):
        """The professional of the user, who must be an active pharmacist of
        the pharmacies of the orders (domain: only the PUI orders)."""
        pool = Pool()
        User = pool.get('res.user')
        professional = User.early_access_professional()
        for order in orders:
            if (not professional
                    or professional.profession != 'pharmacist'
                    or order.pharmacy not in professional.pharmacies):
                raise OrderPharmacistError(gettext(
                        'early_access.msg_order_pharmacist',
                        order=order.rec_name,
                        pharmacy=order.pharmacy.rec_name))
        return professional

    @classmethod
    def _check_rules(cls, orders, during_suspension=False):
        """Refuse what the rules of the programme do not let be supplied.

        :param during_suspension: leave the patients under treatment to the
            decision of the pharmacist in charge.
        """
        pool = Pool()
        Line = pool.get('early_access.order.line')
        for order in orders:
            order._check_complete()
            for line in order.lines:
                line.check_definition()
                line.check_patient_state()
            order.check_supply(during_suspension=during_suspension)
        Line.check_quantities(orders)

    def _check_complete(self):
        if not self.lines:
            raise OrderError(gettext(
                    'early_access.msg_order_no_line', order=self.rec_name))
        if self.pharmacy.hospital_kind != 'pharmacy':
            raise OrderError(gettext(
                    'early_access.msg_order_pharmacy_kind',
                    order=self.rec_name,
                    party=self.pharmacy.rec_name))
        address = self.delivery_address
        if (not address or not address.delivery or not address.active
                or address.party != self.pharmacy):
            raise OrderError(gettext(
                    'early_access.msg_order_delivery_address',
                    order=self.rec_name,
                    pharmacy=self.pharmacy.rec_name))

    def check_supply(self, during_suspension=False):
        "Raise OrderSupplyError unless the authorization allows the supply."
        pool = Pool()
        Date = pool.get('ir.date')
        with Transaction().set_context(company=self.company.id):
            today = Date.today()
        for line in self.lines:
            try:
                self.authorization.check_supply(
                    today,
                    ongoing=line.patient.state == 'treated',
                    override=during_suspension or bool(self.override_reason))
            except SupplyError as error:
                raise OrderSupplyError(gettext(
                        'early_access.msg_order_supply',
                        order=self.rec_name,
                        patient=line.patient.rec_name,
                        reason=error.message))

    @classmethod
    def _warn_suspended(cls, orders):
        pool = Pool()
        Warning = pool.get('res.user.warning')
        suspended = [o for o in orders if o.suspended]
        if suspended:
            key = Warning.format('early_access_order_suspended', suspended)
            if Warning.check(key):
                raise OrderSuspendedWarning(key, gettext(
                        'early_access.msg_order_suspended',
                        orders=', '.join(o.rec_name for o in suspended),
                        authorization=suspended[0].authorization.rec_name))

    @classmethod
    def _warn_overdue(cls, orders):
        "Overdue forms warn: they never block care."
        pool = Pool()
        Form = pool.get('early_access.form')
        Warning = pool.get('res.user.warning')
        patients = list({l.patient for o in orders for l in o.lines})
        overdue = Form.overdue_count(patients)
        late = sorted(
            ((p.rec_name, overdue[p.id]) for p in patients
                if overdue.get(p.id)),
            key=lambda item: (-item[1], item[0]))
        if late:
            key = Warning.format('early_access_order_overdue', orders)
            if Warning.check(key):
                names = ', '.join(f'{name} ({n})' for name, n in late[:5])
                if len(late) > 5:
                    names += ', …'
                raise OrderOverdueWarning(key, gettext(
                        'early_access.msg_order_overdue',
                        orders=', '.join(o.rec_name for o in orders[:5]),
                        patients=names))
