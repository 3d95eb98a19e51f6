# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from trytond.model import Index, ModelSQL, ModelView, fields
from trytond.pool import Pool
from trytond.pyson import Eval, PYSONEncoder
from trytond.wizard import (
    Button, StateAction, StateTransition, StateView, Wizard)


class Assignment(ModelSQL, ModelView):
    "The hospital team that follows a patient, from a date to another"
    __name__ = 'early_access.patient.assignment'

    patient = fields.Many2One(
        'early_access.patient', "Patient", required=True, readonly=True,
        ondelete='CASCADE')
    service = fields.Many2One(
        'early_access.service', "Service", required=True, readonly=True,
        ondelete='RESTRICT')
    prescriber = fields.Many2One(
        'early_access.professional', "Prescriber", required=True,
        readonly=True, ondelete='RESTRICT')
    pharmacy = fields.Many2One(
        'party.party', "Pharmacy", required=True, readonly=True,
        ondelete='RESTRICT')
    from_date = fields.Date("From", required=True, readonly=True)
    to_date = fields.Date("To", readonly=True)

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_indexes.add(Index(t, (t.patient, Index.Range())))
        cls._order = [('from_date', 'DESC'), ('id', 'DESC')]

    @classmethod
    def open(cls, patients):
        "Close the running assignment of the patients and open the new one."
        pool = Pool()
        Date = pool.get('ir.date')
        today = Date.today()
        running = cls.search([
                ('patient', 'in', [p.id for p in patients]),
                ('to_date', '=', None),
                ])
        # A team that has never followed the patient leaves no history
        unused = [
            a for a in running
            if a.from_date == today and a.patient.state == 'draft']
        used = [a for a in running if a not in unused]
        cls.write(used, {'to_date': today})
        cls.delete(unused)
        cls.create([{
                    'patient': p.id,
                    'service': p.service.id,
                    'prescriber': p.prescriber.id,
                    'pharmacy': p.pharmacy.id,
                    'from_date': today,
                    } for p in patients])

    def get_rec_name(self, name):
        return f'{self.patient.rec_name} - {self.service.rec_name}'


class Transfer(Wizard):
    """Transfer patients to another hospital team.

    The former team loses the patients; the orders under way there are shown.
    """
    __name__ = 'early_access.patient.transfer'

    start = StateView(
        'early_access.patient.transfer.start',
        'early_access.patient_transfer_start_view_form', [
            Button("Cancel", 'end', 'tryton-cancel'),
            Button("Transfer", 'transfer', 'tryton-ok', default=True),
            ])
    transfer = StateTransition()
    open_ = StateAction('early_access.act_order_transferred')

    def default_start(self, fields):
        return {'patients': [p.id for p in self.records]}

    def transition_transfer(self):
        pool = Pool()
        Patient = pool.get('early_access.patient')
        patients = self.records
        Patient.check_transfer(
            patients, self.start.service, self.start.prescriber)
        Patient.write(list(patients), {
                'service': self.start.service.id,
                'prescriber': self.start.prescriber.id,
                'pharmacy': self.start.pharmacy.id,
                })
        Patient.log(patients, 'button', 'transfer')
        return 'open_' if self._orders() else 'end'

    def do_open_(self, action):
        action['pyson_domain'] = PYSONEncoder().encode(
            [('id', 'in', [o.id for o in self._orders()])])
        return action, {}

    def _orders(self):
        "The orders under way with a pharmacy that lost the patient."
        pool = Pool()
        Order = pool.get('early_access.order')
        return Order.search([
                ('lines.patient', 'in', [r.id for r in self.records]),
                ('pharmacy', '!=', self.start.pharmacy.id),
                ('state', 'in', ['draft', 'submitted', 'approved', 'shipped']),
                ])


class TransferStart(ModelView):
    __name__ = 'early_access.patient.transfer.start'

    patients = fields.Many2Many(
        'early_access.patient', None, None, "Patients", readonly=True)
    service = fields.Many2One(
        'early_access.service', "Service", required=True)
    prescriber = fields.Many2One(
        'early_access.professional', "Prescriber", required=True,
        domain=[
            ('profession', '=', 'doctor'),
            ('state', '=', 'active'),
            ('services', '=', Eval('service', -1)),
            ])
    pharmacy = fields.Many2One(
        'party.party', "Pharmacy", required=True,
        domain=[
            ('hospital_kind', '=', 'pharmacy'),
            ])

    @fields.depends('service')
    def on_change_service(self):
        if self.service:
            self.pharmacy = self.service.pharmacy
