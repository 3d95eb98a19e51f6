# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from trytond.i18n import gettext
from trytond.model import Index, ModelSQL, ModelView, Workflow, fields
from trytond.pool import Pool
from trytond.pyson import Bool, Eval, If
from trytond.transaction import Transaction

from .exceptions import (
    OrderError, OrderModificationError, OrderReferenceWarning,
    OrderShipmentError)
from .identifiers import find_nir
from .order_check import OrderCheck
from .order_desk import OPEN, OrderDesk
from .transaction import follow_one_another
from .workflow import (
    ProgrammeWorkflow, guarded, stamped, time_field, user_field)

# The states of an authorization in which something may be supplied
SUPPLIED = ['granted', 'suspended', 'continuity']
REFUSAL_REASONS = [
    ('authorization', "Supply not authorized"),
    ('eligibility', "Patient not to be supplied"),
    ('quantity', "Quantity not justified"),
    ('duplicate', "Duplicate order"),
    ('delivery', "Delivery details incomplete"),
    ('shortage', "Product not available"),
    ]
OVERRIDE_REASONS = [
    ('interruption', "Interruption of treatment not acceptable"),
    ('no_alternative', "No alternative available"),
    ('authority', "Agreement of the authority"),
    ]


class Order(
        OrderDesk, OrderCheck, ProgrammeWorkflow, ModelSQL, ModelView):
    "An order of a hospital pharmacy for its patients"
    __name__ = 'early_access.order'
    _rec_name = 'number'

    _states = {
        'readonly': Eval('state') != 'draft',
        }
    _header_states = {
        'readonly': (Eval('state') != 'draft') | Bool(Eval('lines', [0])),
        }

    number = fields.Char("Number", readonly=True)
    company = fields.Many2One(
        'company.company', "Company", required=True, ondelete='RESTRICT',
        states=_header_states)
    authorization = fields.Many2One(
        'early_access.authorization', "Authorization", required=True,
        ondelete='RESTRICT', states=_header_states,
        domain=[
            ('company', '=', Eval('company', -1)),
            If(Eval('state') == 'draft',
                ('state', 'in', SUPPLIED),
                ()),
            ])
    pharmacy = fields.Many2One(
        'party.party', "Pharmacy", required=True, ondelete='RESTRICT',
        states=_header_states,
        domain=[
            ('hospital_kind', '=', 'pharmacy'),
            ],
        context={
            'company': Eval('company', -1),
            'party_contact_mechanism_usage': 'delivery',
            },
        depends={'company'},
        help="The hospital pharmacy that orders and receives.")
    delivery_address = fields.Many2One(
        'party.address', "Delivery Address", ondelete='RESTRICT',
        states={
            'readonly': Eval('state') != 'draft',
            'required': ~Eval('state').in_(['draft', 'cancelled']),
            },
        domain=[
            ('party', '=', Eval('pharmacy', -1)),
            If(Eval('state') == 'draft',
                ('delivery', '=', True),
                ()),
            ])
    requested_by = fields.Many2One(
        'early_access.professional', "Requested By", readonly=True,
        ondelete='RESTRICT',
        help="The hospital pharmacist who orders.")
    reference = fields.Char(
        "Reference", states=_states,
        help="The number of the order in the hospital.")
    urgent = fields.Boolean("Urgent", states=_states)
    needed_by = fields.Date(
        "Needed By", states=_states,
        help="The date at which the pharmacy needs the products.")
    lines = fields.One2Many(
        'early_access.order.line', 'order', "Lines",
        states={
            'readonly': (
                (Eval('state') != 'draft')
                | ~Eval('authorization') | ~Eval('pharmacy')),
            })
    refusal_reason = fields.Selection(
        [(None, "")] + REFUSAL_REASONS, "Refusal Reason", readonly=True,
        sort=False,
        states={
            'invisible': Eval('state') != 'refused',
            })
    override_reason = fields.Selection(
        [(None, "")] + OVERRIDE_REASONS, "Override Reason", readonly=True,
        sort=False,
        states={
            'invisible': ~Eval('override_reason'),
            },
        help="Why the pharmacist in charge lets the order be supplied during "
        "the suspension of the authorization.")
    override_by = user_field("Override By")
    override_at = time_field("Override At")
    submitted_by = user_field("Submitted By")
    submitted_at = time_field("Submitted At")
    approved_by = user_field("Approved By")
    approved_at = time_field("Approved At")
    refused_by = user_field("Refused By")
    refused_at = time_field("Refused At")
    picked_by = user_field("Picked By")
    picked_at = time_field("Picked At")
    shipped_by = user_field("Shipped By")
    shipped_at = time_field("Shipped At")
    received_by = user_field("Received By")
    received_at = time_field("Received At")
    cancelled_by = user_field("Cancelled By")
    cancelled_at = time_field("Cancelled At")
    state = fields.Selection([
            ('draft', "Draft"),
            ('submitted', "Submitted"),
            ('approved', "Approved"),
            ('shipped', "Shipped"),
            ('received', "Received"),
            ('refused', "Refused"),
            ('cancelled', "Cancelled"),
            ], "State", required=True, readonly=True, sort=False)
    state_string = state.translated('state')
    suspended = fields.Function(
        fields.Boolean("Suspended"), 'on_change_with_suspended')

    del _states, _header_states

    _protected = frozenset({
            'state', 'number', 'requested_by', 'refusal_reason',
            'override_reason', 'override_by', 'override_at',
            'submitted_by', 'submitted_at', 'approved_by', 'approved_at',
            'refused_by', 'refused_at', 'picked_by', 'picked_at',
            'shipped_by', 'shipped_at', 'received_by', 'received_at',
            'cancelled_by', 'cancelled_at'})
    # The states of the shipment in which a button of the order may be used
    _shipment_states = {
        'pick': {'draft', 'waiting', 'assigned'},
        'ship': {'picked', 'packed'},
        }

    @classmethod
    def __setup__(cls):
        cls.number.search_unaccented = False
        cls.reference.search_unaccented = False
        super().__setup__()
        t = cls.__table__()
        cls._sql_indexes.update({
                # The default order of the lists
                Index(
                    t,
                    (t.urgent, Index.Range(order='DESC')),
                    (t.needed_by, Index.Range(order='ASC NULLS LAST')),
                    (t.submitted_at, Index.Range(order='ASC NULLS LAST')),
                    (t.id, Index.Range(order='ASC'))),
                Index(
                    t,
                    (t.company, Index.Range()),
                    (t.state, Index.Equality(cardinality='low')),
                    (t.needed_by, Index.Range(order='ASC NULLS LAST'))),
                Index(
                    t,
                    (t.state, Index.Equality(cardinality='low')),
                    where=t.state.in_(OPEN)),
                Index(
                    t,
                    (t.pharmacy, Index.Range()),
                    (t.state, Index.Equality(cardinality='low'))),
                })
        cls._order = [
            ('urgent', 'DESC'),
            ('needed_by', 'ASC NULLS LAST'),
            ('submitted_at', 'ASC NULLS LAST'),
            ('id', 'ASC'),
            ]
        cls._transitions |= {
            ('draft', 'submitted'),
            ('submitted', 'approved'),
            ('submitted', 'refused'),
            ('approved', 'shipped'),
            ('shipped', 'received'),
            ('draft', 'cancelled'),
            ('submitted', 'cancelled'),
            ('approved', 'cancelled'),
            }
        cls._buttons.update(
            cancel={
                'invisible': ~Eval('state').in_(
                    ['draft', 'submitted', 'approved']),
                'depends': ['state'],
                },
            submit={
                'invisible': Eval('state') != 'draft',
                'readonly': ~Eval('lines', []),
                'depends': ['state'],
                },
            override={
                'invisible': (
                    (Eval('state') != 'submitted')
                    | ~Eval('suspended', False)
                    | Bool(Eval('override_reason'))),
                'depends': ['state', 'suspended', 'override_reason'],
                },
            refuse={
                'invisible': Eval('state') != 'submitted',
                'depends': ['state'],
                },
            approve={
                'invisible': Eval('state') != 'submitted',
                'depends': ['state'],
                },
            pick={
                'invisible': (
                    (Eval('state') != 'approved')
                    | ~Eval('shipment_state').in_(
                        sorted(cls._shipment_states['pick']))),
                'depends': ['state', 'shipment_state'],
                },
            ship={
                'invisible': (
                    (Eval('state') != 'approved')
                    | ~Eval('shipment_state').in_(
                        sorted(cls._shipment_states['ship']))),
                'depends': ['state', 'shipment_state'],
                },
            receive={
                'invisible': Eval('state') != 'shipped',
                'depends': ['state'],
                })

    @staticmethod
    def default_company():
        return Transaction().context.get('company')

    @classmethod
    def default_authorization(cls):
        pool = Pool()
        Authorization = pool.get('early_access.authorization')
        authorizations = Authorization.search([
                ('company', '=', cls.default_company()),
                ('state', 'in', SUPPLIED),
                ], limit=2)
        if len(authorizations) == 1:
            authorization, = authorizations
            return authorization.id

    @classmethod
    def default_pharmacy(cls):
        pool = Pool()
        User = pool.get('res.user')
        professional = User.early_access_professional()
        if professional and len(professional.pharmacies) == 1:
            pharmacy, = professional.pharmacies
            return pharmacy.id

    @classmethod
    def default_delivery_address(cls):
        pool = Pool()
        Party = pool.get('party.party')
        pharmacy = cls.default_pharmacy()
        if pharmacy:
            return cls._delivery_address(Party(pharmacy))

    @staticmethod
    def default_urgent():
        return False

    @staticmethod
    def default_state():
        return 'draft'

    @staticmethod
    def _delivery_address(pharmacy):
        for address in pharmacy.addresses:
            if address.delivery:
                return address.id

    @fields.depends('pharmacy')
    def on_change_pharmacy(self):
        self.delivery_address = (
            self._delivery_address(self.pharmacy) if self.pharmacy else None)

    @fields.depends('authorization')
    def on_change_with_suspended(self, name=None):
        return bool(
            self.authorization and self.authorization.state == 'suspended'
            and not self.authorization.resupply_allowed)

    @classmethod
    def view_attributes(cls):
        return super().view_attributes() + [
            ('/tree', 'visual',
                If(Eval('state').in_(['cancelled', 'refused']), 'muted',
                    If(Eval('late', False), 'danger',
                        If(Eval('urgent', False), 'warning', '')))),
            ('/tree/field[@name="overdue_forms"]', 'visual',
                If(Eval('overdue_forms', 0) > 0, 'warning', '')),
            ]

    @classmethod
    def check_state(cls, orders, button, states):
        super().check_state(orders, button, states)
        expected = cls._shipment_states.get(button)
        if not expected:
            return
        for order in orders:
            if order.shipment_state not in expected:
                selection = dict(cls.get_shipment_states())
                raise OrderShipmentError(gettext(
                        f'early_access.msg_order_{button}_shipment_state',
                        order=order.rec_name,
                        state=selection[order.shipment_state]))

    @classmethod
    @guarded('draft')
    @ModelView.button
    @Workflow.transition('submitted')
    @stamped('submitted')
    def submit(cls, orders):
        # Two orders together may exceed what each respects
        follow_one_another([l.patient for o in orders for l in o.lines])
        professional = cls._check_pharmacist(orders)
        cls._check_rules(orders, during_suspension=True)
        cls._warn_suspended(orders)
        cls._warn_overdue(orders)
        if professional:
            cls.write(orders, {'requested_by': professional.id})

    @classmethod
    @guarded('submitted')
    @ModelView.button_action('early_access.wizard_order_override')
    def override(cls, orders):
        "Ask why the orders are supplied although suspended."

    @classmethod
    @guarded('submitted')
    @ModelView.button_action('early_access.wizard_order_refuse')
    def refuse(cls, orders):
        "Ask why the orders are refused."

    @classmethod
    @guarded('submitted')
    @ModelView.button
    @Workflow.transition('approved')
    @stamped('approved')
    def approve(cls, orders):
        pool = Pool()
        Shipment = pool.get('stock.shipment.out')
        cls._check_rules(orders)
        cls._warn_overdue(orders)
        shipments = [o._get_shipment() for o in orders]
        Shipment.save(shipments)
        Shipment.wait(shipments)

    @classmethod
    @guarded('approved')
    @ModelView.button
    @stamped('picked')
    def pick(cls, orders):
        """Assign the lots, first expired first out, and pick them.

        What is urgent or needed first is served first. Raises
        StockMissingError, with what is missing and the lots left out.
        """
        pool = Pool()
        Shipment = pool.get('stock.shipment.out')
        orders = cls.search(
            [('id', 'in', orders)], order=cls._order)
        shipments = cls._get_open_shipments(orders)
        Shipment.wait([s for s in shipments if s.state == 'draft'])
        Shipment.assign_try(Shipment.browse(shipments))
        shipments = Shipment.browse(shipments)
        Shipment.check_assigned(shipments)
        direct = [
            s for s in shipments if s.warehouse_storage == s.warehouse_output]
        Shipment.pick([s for s in shipments if s not in direct])
        # Nothing moves to an output that is the storage
        Shipment.pack(direct)

    @classmethod
    @guarded('approved')
    @ModelView.button
    def ship(cls, orders):
        pool = Pool()
        Shipment = pool.get('stock.shipment.out')
        shipments = cls._get_open_shipments(orders)
        Shipment.pack([s for s in shipments if s.state != 'packed'])
        Shipment.ship(Shipment.browse(shipments))

    @classmethod
    @guarded('shipped')
    @ModelView.button
    def receive(cls, orders):
        "The act of the pharmacist of the hospital, who checked the delivery."
        pool = Pool()
        Shipment = pool.get('stock.shipment.out')
        cls._check_pharmacist(orders)
        shipments = cls._get_open_shipments(orders)
        cls.set_received(orders)
        Shipment.do(shipments)

    @classmethod
    @guarded('draft', 'submitted', 'approved')
    @ModelView.button
    def cancel(cls, orders):
        pool = Pool()
        Shipment = pool.get('stock.shipment.out')
        User = pool.get('res.user')
        if User.hospital_scope() is not None:
            cls._check_pharmacist(orders)
        shipments = cls._get_open_shipments(orders)
        cls.set_cancelled(orders)
        Shipment.cancel(shipments)

    @classmethod
    @Workflow.transition('shipped')
    @stamped('shipped')
    def set_shipped(cls, orders):
        "Shipped: set by the shipment."

    @classmethod
    @Workflow.transition('received')
    @stamped('received')
    def set_received(cls, orders):
        "Received: the shipment is done afterwards."

    @classmethod
    @Workflow.transition('cancelled')
    @stamped('cancelled')
    def set_cancelled(cls, orders):
        "Cancelled: the shipment is cancelled afterwards."

    @classmethod
    @Workflow.transition('refused')
    @stamped('refused')
    def set_refused(cls, orders, reason):
        cls.write(orders, {'refusal_reason': reason})

    @classmethod
    def _get_open_shipments(cls, orders):
        return [
            s for o in orders for s in o.shipments
            if s.state not in {'done', 'cancelled'}]

    def _get_shipment(self):
        "The shipment of the order: it holds no data of the patients."
        pool = Pool()
        Configuration = pool.get('early_access.configuration')
        Date = pool.get('ir.date')
        Location = pool.get('stock.location')
        Shipment = pool.get('stock.shipment.out')
        with Transaction().set_context(company=self.company.id):
            today = Date.today()
            warehouse = Configuration(1).get_multivalue(
                'order_warehouse', company=self.company.id)
            if not warehouse and (id_ := Location.get_default_warehouse()):
                warehouse = Location(id_)
        if not warehouse:
            raise OrderError(gettext(
                    'early_access.msg_order_warehouse',
                    order=self.rec_name,
                    company=self.company.rec_name))
        shipment = Shipment(
            company=self.company,
            customer=self.pharmacy,
            delivery_address=self.delivery_address,
            warehouse=warehouse,
            reference=self.reference,
            planned_date=max(self.needed_by or today, today))
        shipment.on_change_warehouse()
        shipment.moves = [line.get_move(shipment) for line in self.lines]
        return shipment

    @classmethod
    def preprocess_values(cls, mode, values):
        pool = Pool()
        Configuration = pool.get('early_access.configuration')
        User = pool.get('res.user')
        values = super().preprocess_values(mode, values)
        if mode == 'create':
            if not values.get('number'):
                company = values.get('company', cls.default_company())
                sequence = Configuration(1).get_multivalue(
                    'order_sequence', company=company)
                if sequence:
                    values['number'] = sequence.get()
            if not values.get('requested_by'):
                professional = User.early_access_professional()
                if professional:
                    values['requested_by'] = professional.id
        return values

    @classmethod
    def validate_fields(cls, orders, field_names):
        super().validate_fields(orders, field_names)
        if field_names is None or field_names & {'pharmacy', 'authorization'}:
            for order in orders:
                if order.state == 'draft':
                    for line in order.lines:
                        line.check_definition()

    @classmethod
    def check_modification(cls, mode, orders, values=None, external=False):
        super().check_modification(
            mode, orders, values=values, external=external)
        if mode == 'write' and external:
            cls.check_draft(orders)
        elif mode == 'delete':
            for order in orders:
                # What was approved is kept for the recalls
                if (order.state not in {'draft', 'cancelled'}
                        or order.approved_at):
                    raise OrderModificationError(gettext(
                            'early_access.msg_order_delete',
                            order=order.rec_name))
        if (mode == 'create'
                or (mode == 'write' and 'reference' in values)):
            cls._warn_reference(orders, values)

    @classmethod
    def check_draft(cls, orders):
        for order in orders:
            if order.state != 'draft':
                raise OrderModificationError(gettext(
                        'early_access.msg_order_modify',
                        order=order.rec_name))

    @classmethod
    def _warn_reference(cls, orders, values=None):
        pool = Pool()
        Warning = pool.get('res.user.warning')
        for order in orders:
            reference = values['reference'] if values else order.reference
            if reference and find_nir(reference):
                key = Warning.format('early_access_order_reference', [order])
                if Warning.check(key):
                    raise OrderReferenceWarning(key, gettext(
                            'early_access.msg_order_reference',
                            order=order.rec_name))

    @classmethod
    def copy(cls, orders, default=None):
        default = default.copy() if default is not None else {}
        for name in cls._protected - {'state'}:
            default.setdefault(name)
        default.setdefault('reference')
        default.setdefault('needed_by')
        return super().copy(orders, default=default)
