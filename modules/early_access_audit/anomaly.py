# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from trytond.i18n import gettext
from trytond.model import Index, ModelSQL, ModelView, Workflow, fields
from trytond.modules.early_access.national_number import NationalNumberMixin
from trytond.modules.early_access.workflow import (
    ProgrammeWorkflow, guarded, time_field, user_field)
from trytond.pool import Pool
from trytond.pyson import Eval, If, PYSONEncoder
from trytond.transaction import Transaction, without_check_access
from trytond.wizard import StateAction, Wizard

from .anomaly_rule import RULES
from .exceptions import AnomalyError, CheckAccessError


class Anomaly(
        NationalNumberMixin, ProgrammeWorkflow, ModelSQL, ModelView):
    """What is unusual in the traces of a user, or of an address, in a day.

    It keeps its figures and the numbers of its events, which are purged long
    before it.
    """
    __name__ = 'early_access.audit.anomaly'

    _open = {
        'readonly': Eval('state') != 'open',
        }

    check = fields.Many2One(
        'early_access.audit.check', "Check", required=True, readonly=True,
        ondelete='CASCADE')
    date = fields.Date("Date", required=True, readonly=True)
    rule = fields.Selection([
            ('reading', "Mass reading"),
            ('night', "Night or week-end"),
            ('failure', "Failed logins"),
            ('address', "Many addresses"),
            ('refusal', "Refused accesses to patients"),
            ('outside', "Patients of other establishments"),
            ('export', "Export"),
            ('break_glass', "Access in emergency"),
            ('dormant', "Dormant account awake"),
            ], "Anomaly", required=True, readonly=True, sort=False)
    rule_string = rule.translated('rule')
    user = fields.Many2One(
        'res.user', "User", readonly=True, ondelete='RESTRICT',
        states={
            'invisible': ~Eval('user'),
            })
    address = fields.Char(
        "Address", readonly=True,
        states={
            'invisible': ~Eval('address'),
            })
    who = fields.Function(
        fields.Char("Who"), 'get_who', searcher='search_who')
    count = fields.Integer("Count", required=True, readonly=True)
    unit = fields.Function(fields.Selection([
                ('records', "records read"),
                ('actions', "actions"),
                ('failures', "failed logins"),
                ('addresses', "addresses"),
                ('refusals', "refusals"),
                ('patients', "patients"),
                ('exports', "exports"),
                ('accesses', "accesses"),
                ('days', "days of silence"),
                ], "Unit", sort=False), 'get_unit')
    threshold = fields.Integer("Threshold", required=True, readonly=True)
    usual = fields.Integer(
        "Usual", readonly=True,
        states={
            'invisible': Eval('rule') != 'reading',
            },
        help="What the user exceeded on one active day of ten in the weeks "
        "before. Empty when the user was active on less than five days.")
    first_event = fields.Integer(
        "First Event", readonly=True,
        help="The number of the first event in the trail, which stays when "
        "the events are purged.")
    last_event = fields.Integer("Last Event", readonly=True)
    outcome = fields.Selection([
            (None, ""),
            ('legitimate', "Legitimate"),
            ('training', "Training needed"),
            ('right', "Right corrected"),
            ('incident', "Incident opened"),
            ], "Outcome", sort=False,
        states={
            'readonly': Eval('state') != 'open',
            'required': Eval('state') == 'cleared',
            })
    note = fields.Char(
        "Note", states=_open,
        help="Do not enter anything about a patient.")
    incident = fields.Many2One(
        'early_access.audit.incident', "Incident", ondelete='RESTRICT',
        states={
            'readonly': Eval('state') != 'open',
            'invisible': Eval('outcome') != 'incident',
            })
    cleared_by = user_field("Cleared By")
    cleared_at = time_field("Cleared At")
    state = fields.Selection([
            ('open', "To Clear"),
            ('cleared', "Cleared"),
            ], "State", required=True, readonly=True, sort=False)

    del _open

    _protected = frozenset({
            'state', 'check', 'date', 'rule', 'user', 'address', 'count',
            'threshold', 'usual', 'first_event', 'last_event', 'cleared_by',
            'cleared_at'})
    _units = {
        'reading': 'records',
        'night': 'actions',
        'failure': 'failures',
        'address': 'addresses',
        'refusal': 'refusals',
        'outside': 'patients',
        'export': 'exports',
        'break_glass': 'accesses',
        'dormant': 'days',
        }

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_indexes.update({
                Index(
                    t, (t.check, Index.Range()),
                    (t.state, Index.Equality(cardinality='low'))),
                Index(t, (t.user, Index.Range())),
                Index(t, (t.incident, Index.Range())),
                })
        cls._order = [('date', 'DESC'), ('id', 'ASC')]
        cls._transitions |= {
            ('open', 'cleared'),
            ('cleared', 'open'),
            }
        cls._buttons.update(
            show_events={
                'icon': 'tryton-search',
                },
            open_incident={
                'invisible': Eval('state') != 'open',
                'icon': 'tryton-warning',
                'depends': ['state'],
                },
            clear={
                'invisible': Eval('state') != 'open',
                'icon': 'tryton-ok',
                'depends': ['state'],
                },
            reopen={
                'invisible': Eval('state') != 'cleared',
                'icon': 'tryton-back',
                'depends': ['state'],
                },
            )

    @staticmethod
    def default_state():
        return 'open'

    @classmethod
    def get_unit(cls, anomalies, name):
        return {a.id: cls._units[a.rule] for a in anomalies}

    @classmethod
    def get_who(cls, anomalies, name):
        return {
            a.id: a.user.rec_name if a.user else a.address
            for a in anomalies}

    @classmethod
    def search_who(cls, name, clause):
        _, operator, value = clause
        bool_op = 'AND' if operator.startswith(('!', 'not')) else 'OR'
        return [bool_op,
            ('user.rec_name', operator, value),
            ('address', operator, value),
            ]

    def get_rec_name(self, name):
        return f'{self.rule_string} - {self.who}'

    @classmethod
    def search_rec_name(cls, name, clause):
        return [('who', *clause[1:])]

    @classmethod
    def view_attributes(cls):
        return super().view_attributes() + [
            ('/tree', 'visual',
                If(Eval('state') == 'cleared', 'muted', '')),
            ]

    @property
    def evidence(self):
        """The domain of the events that the anomaly was found in.

        It gives nothing more once they are purged.
        """
        rule = RULES[self.rule]
        day = self.check.day(self.date)
        domain = [('at', '>=', day.start), ('at', '<', day.end)]
        if self.address:
            domain.append(('address', '=', self.address))
        elif self.rule == 'failure':
            domain += [
                ('model', '=', 'res.user'),
                ('records', '=', str(self.user.id)),
                ]
        else:
            domain.append(('user_id', '=', self.user.id))
        return domain + rule.evidence(day)

    @classmethod
    def values_of(cls, check, date, rule, finding):
        "Return the values of the anomaly that a rule has found."
        first, last = finding.events
        return {
            'check': check.id,
            'date': date,
            'rule': rule,
            'user': finding.user,
            'address': finding.address,
            'count': finding.count,
            'threshold': finding.threshold,
            'usual': finding.usual,
            'first_event': first,
            'last_event': last,
            }

    # Buttons

    @classmethod
    @ModelView.button_action('early_access_audit.wizard_anomaly_events')
    def show_events(cls, anomalies):
        pass

    @classmethod
    @guarded('open')
    @ModelView.button
    def open_incident(cls, anomalies):
        """Open an incident for each anomaly that has none.

        Its outcome is that one.
        """
        Incident = Pool().get('early_access.audit.incident')
        for anomaly in anomalies:
            if anomaly.incident:
                continue
            incident, = Incident.create([Incident.values_of(anomaly)])
            anomaly.incident = incident
            anomaly.outcome = 'incident'
        cls.save(anomalies)

    @classmethod
    @guarded('open')
    @ModelView.button
    @Workflow.transition('cleared')
    def clear(cls, anomalies):
        """Clear the anomalies with the outcome that was chosen.

        :raises AnomalyError: without outcome, without its incident, or when
            the user is the one of the anomaly.
        """
        user = Transaction().user
        for anomaly in anomalies:
            if anomaly.user and anomaly.user.id == user:
                raise AnomalyError(gettext(
                        'early_access_audit.msg_anomaly_own',
                        anomaly=anomaly.rec_name))
            if not anomaly.outcome:
                raise AnomalyError(gettext(
                        'early_access_audit.msg_anomaly_outcome',
                        anomaly=anomaly.rec_name))
            if anomaly.outcome == 'incident' and not anomaly.incident:
                raise AnomalyError(gettext(
                        'early_access_audit.msg_anomaly_incident',
                        anomaly=anomaly.rec_name))
        cls.write(anomalies, cls.stamp('cleared'))

    @classmethod
    @guarded('cleared')
    @ModelView.button
    @Workflow.transition('open')
    def reopen(cls, anomalies):
        cls.write(anomalies, {'cleared_by': None, 'cleared_at': None})

    @classmethod
    def check_modification(cls, mode, anomalies, values=None, external=False):
        super().check_modification(
            mode, anomalies, values=values, external=external)
        for anomaly in anomalies:
            if mode == 'create':
                continue
            with without_check_access():
                signed = cls(anomaly.id).check.state == 'signed'
            if signed:
                raise CheckAccessError(gettext(
                        'early_access_audit.msg_check_signed',
                        check=anomaly.check.rec_name))
            if (mode == 'write' and external
                    and anomaly.state == 'cleared'):
                raise CheckAccessError(gettext(
                        'early_access_audit.msg_anomaly_cleared',
                        anomaly=anomaly.rec_name))


class AnomalyEvents(Wizard):
    "Open the events of an anomaly"
    __name__ = 'early_access.audit.anomaly.events'

    start = StateAction('early_access_audit.act_event_of_anomaly')

    def do_start(self, action):
        action['pyson_domain'] = PYSONEncoder().encode(self.record.evidence)
        action['name'] += f' - {self.record.rec_name}'
        return action, {}
