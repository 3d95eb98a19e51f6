# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Who leaves hands over and is withdrawn at once (CNIL 2022-107, SEC-HAB-2)."

import datetime as dt

from sql.aggregate import Count
from sql.conditionals import Case

from trytond.i18n import gettext
from trytond.model import ModelView, fields
from trytond.modules.early_access.answers import OPEN_STATES
from trytond.modules.early_access.transaction import wait_for
from trytond.pool import Pool
from trytond.pyson import Bool, Eval
from trytond.tools import grouped_slice
from trytond.transaction import Transaction, without_check_access
from trytond.wizard import Button, StateTransition, StateView, Wizard

from .exceptions import LeaverAccessError, LeaverError
from .trail import Trail

REASONS = [
    ('left', "Has left"),
    ('post', "Has another post"),
    ('leave', "Is away for long"),
    ('measure', "Security measure"),
    ]
# Those for whom work may still come
FOLLOWED = [
    'draft', 'signed', 'submitted', 'eligible', 'treated', 'discontinued']


class Leaver(Wizard):
    "Withdraw a User Who Leaves"
    __name__ = 'early_access.audit.leaver'

    start = StateView(
        'early_access.audit.leaver.start',
        'early_access_audit.leaver_start_view_form', [
            Button("Cancel", 'end', 'tryton-cancel'),
            Button("Continue", 'preview', 'tryton-forward', default=True),
            ])
    preview = StateView(
        'early_access.audit.leaver.preview',
        'early_access_audit.leaver_preview_view_form', [
            Button("Cancel", 'end', 'tryton-cancel'),
            Button("Back", 'start', 'tryton-back'),
            Button("Withdraw", 'withdraw', 'tryton-ok', default=True),
            ])
    withdraw = StateTransition()

    def default_start(self, fields):
        context = Transaction().context
        if context.get('active_model') == 'res.user':
            return {'user': context.get('active_id')}
        return {}

    def default_preview(self, fields):
        pool = Pool()
        Application = pool.get('res.user.application')
        Session = pool.get('ir.session')
        UserRole = pool.get('res.user.role')
        user = self.start.user
        self._check(user)
        count = {'count': True}
        return {
            'user': user.id,
            'roles': UserRole.search([
                    ('user', '=', user.id),
                    ('to_date', '>', dt.datetime.now()),
                    ], **count),
            'sessions': Session.search([
                    ('create_uid', '=', user.id)], **count),
            'keys': Application.search([
                    ('user', '=', user.id),
                    ('state', '=', 'validated'),
                    ], **count),
            'machines': Application.search(_machines(user), **count),
            'handovers': _handovers(user),
            }

    def transition_withdraw(self):
        user = self.start.user
        self._check(user)
        withdraw(
            user, self.start.reason,
            {h.service.id: h.successor for h in self.preview.handovers
                if h.successor},
            getattr(self.preview, 'new_owner', None))
        return 'end'

    def _check(self, user):
        pool = Pool()
        ModelData = pool.get('ir.model.data')
        User = pool.get('res.user')
        # A wizard can be run without its button
        if not User.manages_access():
            raise LeaverAccessError(
                gettext('early_access_audit.msg_leaver_access'))
        if user.id in {
                Transaction().user, ModelData.get_id('res', 'user_admin'), 0}:
            raise LeaverError(gettext(
                    'early_access_audit.msg_leaver_user',
                    user=user.rec_name))


def _machines(user):
    "Return the domain of the machine accounts that a user answers for."
    return [
        ('owner', '=', user.id),
        ('user', '!=', user.id),
        ('state', '=', 'validated'),
        ]


@without_check_access
def _handovers(user):
    """Return what a user has to hand over, as values by service.

    The queries and the forms follow their patients.
    """
    pool = Pool()
    Form = pool.get('early_access.form')
    Patient = pool.get('early_access.patient')
    Professional = pool.get('early_access.professional')
    Query = pool.get('early_access.query')
    form, patient, professional, query = (
        M.__table__() for M in [Form, Patient, Professional, Query])
    cursor = Transaction().connection.cursor()
    own = patient.join(
        professional, condition=patient.prescriber == professional.id)
    where = (professional.user == user.id) & patient.state.in_(FOLLOWED)
    result = {}
    cursor.execute(*own.select(
            patient.service, Count(patient.id), where=where,
            group_by=patient.service, order_by=patient.service))
    for service, number in cursor:
        result[service] = {
            'service': service, 'patients': number, 'forms': 0, 'queries': 0}
    own_forms = own.join(form, condition=form.patient == patient.id)
    cursor.execute(*own_forms.select(
            patient.service, Count(Case((form.state.in_(OPEN_STATES), 1))),
            where=where, group_by=patient.service))
    for service, number in cursor:
        result[service]['forms'] = number
    cursor.execute(*own_forms.join(
            query, condition=query.form == form.id).select(
            patient.service, Count(query.id),
            where=where & (query.state == 'open'),
            group_by=patient.service))
    for service, number in cursor:
        result[service]['queries'] = number
    for values in result.values():
        values['candidates'] = [
            p.user.id for p in Professional.search([
                    ('profession', '=', 'doctor'),
                    ('state', '=', 'active'),
                    ('services', '=', values['service']),
                    ('user', '!=', user.id),
                    ('user.active', '=', True),
                    ])]
    return list(result.values())


@without_check_access
def withdraw(user, reason, successors, new_owner=None):
    """Hand over what a user follows, and take all the rights away at once.

    :param user: the record of the user.
    :param reason: the code of the reason.
    :param successors: the users who take the patients over, by id of
        service.
    :param new_owner: the user who answers for the machines from now on;
        without one they stop.
    :raises LeaverError: if a service has no successor who may follow its
        patients.
    """
    pool = Pool()
    Activation = pool.get('early_access.audit.activation')
    Application = pool.get('res.user.application')
    EmergencyAccess = pool.get('early_access.audit.emergency_access')
    Line = pool.get('early_access.audit.access_review.line')
    Patient = pool.get('early_access.patient')
    Professional = pool.get('early_access.professional')
    User = pool.get('res.user')
    UserRole = pool.get('res.user.role')
    wait_for([user])
    professionals = Professional.search([('user', '=', user.id)])
    patients = Patient.search([
            ('prescriber', 'in', [p.id for p in professionals]),
            ('state', 'in', FOLLOWED),
            ])
    by_service = {}
    for patient in patients:
        by_service.setdefault(patient.service, []).append(patient)
    for service, records in by_service.items():
        successor = _successor(user, service, successors.get(service.id))
        for sub_records in map(list, grouped_slice(records, 100)):
            Patient.write(sub_records, {'prescriber': successor.id})
            Patient.log(sub_records, 'button', 'transfer')
    if new_owner and (new_owner == user or not new_owner.active):
        raise LeaverError(gettext(
                'early_access_audit.msg_leaver_owner', user=user.rec_name))
    machines = Application.search(_machines(user))
    if machines:
        Application.write(
            machines, {'owner': new_owner.id} if new_owner
            else {'state': 'cancelled'})
    Application.write(
        Application.search([
                ('user', '=', user.id), ('state', '!=', 'cancelled')]),
        {'state': 'cancelled'})
    User.write(
        User.search([('access_manager', '=', user.id)]),
        {'access_manager': None})
    UserRole.end(
        UserRole.search([('user', '=', user.id)]), dict(REASONS)[reason])
    EmergencyAccess.end(EmergencyAccess.search([
                ('user', '=', user.id), ('state', '=', 'open')]))
    # Nobody has to review what has ended
    Line.write(
        Line.search([('user', '=', user.id), ('decision', '=', None)]), {
            'decision': 'withdraw',
            'reason': 'left',
            'decided_by': Transaction().user,
            'decided_at': dt.datetime.now(),
            })
    Professional.deactivate([
            p for p in professionals if p.state in {'pending', 'active'}])
    Activation.forget(user.id)
    User.end_sessions([user.id], 'leaver')
    User.write([user], {'active': False})
    Trail.current().add('leaver', 'res.user', [user.id], reason=reason)


def _successor(user, service, successor):
    "Return the professional who takes the patients of a service over."
    Professional = Pool().get('early_access.professional')
    professionals = []
    if successor and successor != user and successor.active:
        professionals = Professional.search([
                ('user', '=', successor.id),
                ('profession', '=', 'doctor'),
                ('state', '=', 'active'),
                ('services', '=', service.id),
                ], limit=1)
    if not professionals:
        raise LeaverError(gettext(
                'early_access_audit.msg_leaver_successor',
                user=user.rec_name, service=service.rec_name))
    return professionals[0]


class LeaverStart(ModelView):
    __name__ = 'early_access.audit.leaver.start'

    user = fields.Many2One('res.user', "User", required=True)
    reason = fields.Selection(REASONS, "Reason", required=True, sort=False)

    @staticmethod
    def default_reason():
        return 'left'


class LeaverPreview(ModelView):
    __name__ = 'early_access.audit.leaver.preview'

    user = fields.Many2One('res.user', "User", readonly=True)
    roles = fields.Integer("Roles that End", readonly=True)
    sessions = fields.Integer("Sessions that End", readonly=True)
    keys = fields.Integer("Keys that Are Revoked", readonly=True)
    machines = fields.Integer("Machine Accounts Answered for", readonly=True)
    new_owner = fields.Many2One(
        'res.user', "New Owner",
        domain=[
            ('id', '!=', Eval('user', -1)),
            ],
        states={
            'invisible': ~Bool(Eval('machines', 0)),
            },
        help="Who answers for the machines from now on.\n"
        "Leave empty to stop them.")
    handovers = fields.One2Many(
        'early_access.audit.leaver.handover', None, "To Hand Over")


class LeaverHandover(ModelView):
    "The patients of a service that a leaver hands over"
    __name__ = 'early_access.audit.leaver.handover'

    service = fields.Many2One(
        'early_access.service', "Service", readonly=True)
    patients = fields.Integer("Patients", readonly=True)
    forms = fields.Integer("Open Forms", readonly=True)
    queries = fields.Integer("Open Queries", readonly=True)
    # Who manages the accesses sees users, not professionals
    candidates = fields.Many2Many(
        'res.user', None, None, "Candidates", readonly=True)
    successor = fields.Many2One(
        'res.user', "Successor", required=True,
        domain=[
            ('id', 'in', Eval('candidates', [])),
            ])
