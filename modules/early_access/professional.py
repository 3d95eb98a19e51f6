# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from trytond.i18n import gettext
from trytond.model import Index, ModelSQL, ModelView, Unique, Workflow, fields
from trytond.model.exceptions import AccessError
from trytond.pool import Pool, PoolMeta
from trytond.pyson import Bool, Eval

from .exceptions import ContactMechanismError, ProfessionalError
from .identifiers import rpps
from .workflow import (
    ProgrammeWorkflow, guarded, stamped, time_field, user_field)

# A mailbox read by several persons identifies none (SEC-AUT-1)
GENERIC_MAILBOXES = frozenset({
        'accueil', 'admin', 'administration', 'contact', 'direction', 'equipe',
        'hopital', 'info', 'infos', 'noreply', 'office', 'pharma', 'pharmacie',
        'postmaster', 'pui', 'secretaire', 'secretariat', 'sec', 'service',
        'staff', 'support', 'team', 'webmaster'})


class Professional(ProgrammeWorkflow, ModelSQL, ModelView):
    """A health professional or a member of the staff under their authority.

    Only what CNIL 2022-107 art. 7.2 c allows: surname, first name, specialty,
    RPPS and professional contact details.
    """
    __name__ = 'early_access.professional'

    party = fields.Many2One(
        'party.party', "Person", required=True, ondelete='RESTRICT',
        domain=[
            ('hospital_kind', '=', None),
            ])
    profession = fields.Selection([
            ('doctor', "Doctor"),
            ('pharmacist', "Pharmacist"),
            ('staff', "Staff"),
            ], "Profession", required=True, sort=False)
    rpps = fields.Char(
        "RPPS",
        states={
            'required': Eval('profession') != 'staff',
            },
        help="The number of the professional in the shared directory of "
        "health professionals.")
    specialty = fields.Many2One(
        'early_access.specialty', "Specialty", ondelete='RESTRICT',
        states={
            'required': Eval('profession') == 'doctor',
            'invisible': Eval('profession') == 'staff',
            })
    services = fields.Many2Many(
        'early_access.professional-early_access.service',
        'professional', 'service', "Services",
        states={
            'invisible': Eval('profession') == 'pharmacist',
            },
        help="The services whose patients the professional follows.")
    pharmacies = fields.Many2Many(
        'early_access.professional-party.party',
        'professional', 'pharmacy', "Pharmacies",
        domain=[
            ('hospital_kind', '=', 'pharmacy'),
            ],
        states={
            'invisible': Eval('profession') == 'doctor',
            },
        help="The hospital pharmacies for which the professional acts.")
    user = fields.Many2One(
        'res.user', "User", ondelete='RESTRICT',
        states={
            'required': Eval('state') == 'active',
            })
    email = fields.Function(fields.Char("E-mail"), 'get_contact')
    phone = fields.Function(fields.Char("Phone"), 'get_contact')
    identity_source = fields.Selection([
            (None, ''),
            ('directory', "Directory of health professionals"),
            ('card', "Professional card"),
            ('establishment', "Letter of the establishment"),
            ], "Identity Checked Against",
        states={
            'required': Eval('state') == 'active',
            })
    identity_checked_by = user_field("Identity Checked By")
    identity_checked_at = time_field("Identity Checked At")
    state = fields.Selection([
            ('pending', "Pending"),
            ('active', "Active"),
            ('inactive', "Inactive"),
            ], "State", required=True, readonly=True, sort=False)

    _protected = frozenset({
            'state', 'identity_checked_by', 'identity_checked_at'})

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_constraints += [
            ('rpps_unique', Unique(t, t.rpps),
                'early_access.msg_professional_rpps_unique'),
            ('user_unique', Unique(t, t.user),
                'early_access.msg_professional_user_unique'),
            ('party_unique', Unique(t, t.party),
                'early_access.msg_professional_party_unique'),
            ]
        cls._sql_indexes.add(
            Index(t, (t.state, Index.Equality(cardinality='low'))))
        cls._order = [('party.name', 'ASC'), ('id', 'ASC')]
        cls._transitions |= {
            ('pending', 'active'),
            ('inactive', 'active'),
            ('pending', 'inactive'),
            ('active', 'inactive'),
            }
        cls._buttons.update(
            activate={
                'invisible': ~Eval('state').in_(['pending', 'inactive']),
                'readonly': ~Bool(Eval('identity_source')),
                'depends': ['state', 'identity_source'],
                },
            deactivate={
                'invisible': ~Eval('state').in_(['pending', 'active']),
                'depends': ['state'],
                })

    @staticmethod
    def default_state():
        return 'pending'

    @classmethod
    def get_contact(cls, professionals, names):
        result = {n: {p.id: None for p in professionals} for n in names}
        for professional in professionals:
            for name in names:
                result[name][professional.id] = getattr(
                    professional.party, name, None)
        return result

    @fields.depends('rpps')
    def on_change_with_rpps(self):
        if self.rpps and rpps.is_valid(self.rpps):
            return rpps.compact(self.rpps)
        return self.rpps

    def get_rec_name(self, name):
        return self.party.rec_name

    @classmethod
    def search_rec_name(cls, name, clause):
        _, operator, value = clause
        bool_op = 'AND' if operator.startswith(('!', 'not')) else 'OR'
        return [bool_op,
            ('party.rec_name', operator, value),
            ('rpps', operator, value),
            ]

    @classmethod
    @guarded('pending', 'inactive')
    @ModelView.button
    @Workflow.transition('active')
    @stamped('identity_checked')
    def activate(cls, professionals):
        for professional in professionals:
            professional.check_complete()

    @classmethod
    @guarded('pending', 'active')
    @ModelView.button
    @Workflow.transition('inactive')
    def deactivate(cls, professionals):
        pool = Pool()
        User = pool.get('res.user')
        User._hospital_scope_cache.clear()

    def check_complete(self):
        missing = []
        if not self.user:
            missing.append('user')
        if not self.identity_source:
            missing.append('identity_source')
        if self.profession == 'pharmacist':
            if not self.pharmacies:
                missing.append('pharmacies')
        elif not self.services and not self.pharmacies:
            missing.append('services')
        if missing:
            names = ', '.join(
                self.__names__(name)['field'] for name in missing)
            raise ProfessionalError(gettext(
                    'early_access.msg_professional_incomplete',
                    professional=self.rec_name,
                    fields=names))

    @classmethod
    def preprocess_values(cls, mode, values):
        values = super().preprocess_values(mode, values)
        if values.get('rpps') and rpps.is_valid(values['rpps']):
            values['rpps'] = rpps.compact(values['rpps'])
        elif 'rpps' in values:
            values['rpps'] = values['rpps'] or None
        return values

    @classmethod
    def validate_fields(cls, professionals, field_names):
        super().validate_fields(professionals, field_names)
        if field_names is None or 'rpps' in field_names:
            for professional in professionals:
                if (professional.rpps
                        and not rpps.is_valid(professional.rpps)):
                    raise ProfessionalError(gettext(
                            'early_access.msg_professional_rpps',
                            rpps=professional.rpps,
                            professional=professional.rec_name))

    @classmethod
    def check_modification(
            cls, mode, professionals, values=None, external=False):
        super().check_modification(
            mode, professionals, values=values, external=external)
        if mode == 'delete':
            for professional in professionals:
                if professional.state != 'pending':
                    raise AccessError(gettext(
                            'early_access.msg_professional_delete',
                            professional=professional.rec_name))

    @classmethod
    def on_modification(cls, mode, professionals, field_names=None):
        pool = Pool()
        User = pool.get('res.user')
        ContactMechanism = pool.get('party.contact_mechanism')
        super().on_modification(mode, professionals, field_names=field_names)
        User._hospital_scope_cache.clear()
        if mode == 'create':
            ContactMechanism.check_generic_mailbox([
                    m for p in professionals
                    for m in p.party.contact_mechanisms])


class ProfessionalService(ModelSQL):
    __name__ = 'early_access.professional-early_access.service'
    professional = fields.Many2One(
        'early_access.professional', "Professional", required=True,
        ondelete='CASCADE')
    service = fields.Many2One(
        'early_access.service', "Service", required=True, ondelete='CASCADE')

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls.__access__.add('professional')


class ProfessionalPharmacy(ModelSQL):
    __name__ = 'early_access.professional-party.party'
    professional = fields.Many2One(
        'early_access.professional', "Professional", required=True,
        ondelete='CASCADE')
    pharmacy = fields.Many2One(
        'party.party', "Pharmacy", required=True, ondelete='CASCADE')

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls.__access__.add('professional')


class Specialty(ModelSQL, ModelView):
    "A specialty of the nomenclature TRE_R38-SpecialiteOrdinale of ANS"
    __name__ = 'early_access.specialty'
    code = fields.Char("Code", required=True)
    name = fields.Char("Name", required=True, translate=True)

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_constraints += [
            ('code_unique', Unique(t, t.code),
                'early_access.msg_specialty_unique'),
            ]
        cls._order.insert(0, ('name', 'ASC'))


class ContactMechanism(metaclass=PoolMeta):
    __name__ = 'party.contact_mechanism'

    @classmethod
    def validate_fields(cls, mechanisms, field_names):
        super().validate_fields(mechanisms, field_names)
        cls.check_generic_mailbox(mechanisms)

    @classmethod
    def check_generic_mailbox(cls, mechanisms):
        pool = Pool()
        Professional = pool.get('early_access.professional')
        generic = [
            m for m in mechanisms
            if m.type == 'email' and m.value
            and m.value.split('@', 1)[0].lower() in GENERIC_MAILBOXES]
        if not generic:
            return
        professionals = Professional.search([
                ('party', 'in', [m.party.id for m in generic]),
                ], limit=1)
        if professionals:
            raise ContactMechanismError(gettext(
                    'early_access.msg_professional_generic_mailbox',
                    professional=professionals[0].rec_name))
