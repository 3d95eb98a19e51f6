# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The patients move to a new version of the protocol by an explicit act."""

from trytond.i18n import gettext
from trytond.model import Index, ModelSQL, ModelView, fields
from trytond.pool import Pool
from trytond.pyson import Eval
from trytond.tools import grouped_slice
from trytond.transaction import Transaction, without_check_access
from trytond.wizard import Button, StateTransition, StateView, Wizard

from .exceptions import ProtocolError
from .transaction import wait_for
from .workflow import time_field, user_field

# The requests under way finish under their version
MOVED = ['eligible', 'treated']


class ProtocolChange(ModelSQL, ModelView):
    "A move of a patient to another version of the protocol"
    __name__ = 'early_access.patient.protocol_change'

    patient = fields.Many2One(
        'early_access.patient', "Patient", required=True, readonly=True,
        ondelete='CASCADE')
    company = fields.Function(
        fields.Many2One('company.company', "Company"), 'get_company',
        searcher='search_company')
    from_protocol = fields.Many2One(
        'early_access.protocol', "From", required=True, readonly=True,
        ondelete='RESTRICT')
    to_protocol = fields.Many2One(
        'early_access.protocol', "To", required=True, readonly=True,
        ondelete='RESTRICT')
    moved_by = user_field("Moved By")
    moved_at = time_field("Moved At")

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_indexes.add(Index(t, (t.patient, Index.Range())))
        cls._order = [('id', 'DESC')]

    @classmethod
    def get_company(cls, changes, name):
        return {c.id: c.patient.company.id for c in changes}

    @classmethod
    def search_company(cls, name, clause):
        return [('patient.' + clause[0], *clause[1:])]

    def get_rec_name(self, name):
        return f'{self.patient.rec_name} - {self.to_protocol.rec_name}'

    @classmethod
    def search_rec_name(cls, name, clause):
        return [('patient.' + clause[0], *clause[1:])]

    @classmethod
    @without_check_access
    def move(cls, patients, protocol):
        """Move patients to an active version and schedule its forms.

        What was entered stays as it is, under the version of its form. What
        was expected and not entered is replaced by what the new version
        expects.

        Raises ProtocolError if the version is not active, or of another
        authorization.
        """
        pool = Pool()
        Form = pool.get('early_access.form')
        Patient = pool.get('early_access.patient')
        wait_for(patients)
        patients = Patient.browse(patients)
        stamp = {
            'moved_by': Transaction().user,
            'moved_at': Patient.stamp('closed')['closed_at'],
            }
        changes = []
        for patient in patients:
            if (protocol.state != 'active'
                    or patient.authorization != protocol.authorization
                    or patient.state not in MOVED):
                raise ProtocolError(gettext(
                        'early_access.msg_protocol_move',
                        patient=patient.rec_name, protocol=protocol.rec_name,
                        state=patient.state_string))
            changes.append({
                    'patient': patient.id,
                    'from_protocol': patient.protocol.id,
                    'to_protocol': protocol.id,
                    **stamp,
                    })
        cls.create(changes)
        Patient.write(list(patients), {'protocol': protocol.id})
        Form.reschedule([
                p for p in Patient.browse(patients) if p.state == 'treated'])


class ProtocolMove(Wizard):
    "Move patients to the active version of the protocol"
    __name__ = 'early_access.protocol.move'

    start = StateView(
        'early_access.protocol.move.start',
        'early_access.protocol_move_start_view_form', [
            Button("Cancel", 'end', 'tryton-cancel'),
            Button("Move", 'move', 'tryton-ok', default=True),
            ])
    move = StateTransition()

    def default_start(self, fields):
        patients = self._patients()
        return {
            'protocol': self.record.id,
            'patients': [p.id for p in patients],
            'number': len(patients),
            }

    def _patients(self):
        pool = Pool()
        Patient = pool.get('early_access.patient')
        return Patient.search([
                ('authorization', '=', self.record.authorization.id),
                ('protocol', '!=', self.record.id),
                ('state', 'in', MOVED),
                ], order=[('id', 'ASC')])

    def transition_move(self):
        pool = Pool()
        Change = pool.get('early_access.patient.protocol_change')
        # What was shown may have changed: only those still to move
        to_move = set(self._patients()).intersection(self.start.patients)
        for patients in grouped_slice(sorted(to_move, key=int), 500):
            Change.move(list(patients), self.record)
        return 'end'


class ProtocolMoveStart(ModelView):
    __name__ = 'early_access.protocol.move.start'

    protocol = fields.Many2One(
        'early_access.protocol', "To", readonly=True)
    difference = fields.Function(
        fields.Text("Difference"), 'on_change_with_difference')
    number = fields.Integer(
        "Under Earlier Versions", readonly=True,
        help="The patients who may be moved.")
    patients = fields.Many2Many(
        'early_access.patient', None, None, "Patients to Move",
        domain=[
            ('authorization', '=', Eval('authorization', -1)),
            ('protocol', '!=', Eval('protocol', -1)),
            ('state', 'in', MOVED),
            ],
        help="Remove those who stay under their version.")
    authorization = fields.Function(
        fields.Many2One('early_access.authorization', "Authorization"),
        'on_change_with_authorization')

    @fields.depends('protocol')
    def on_change_with_difference(self, name=None):
        return self.protocol.difference if self.protocol else None

    @fields.depends('protocol')
    def on_change_with_authorization(self, name=None):
        return self.protocol.authorization if self.protocol else None
