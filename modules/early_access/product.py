# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from stdnum.exceptions import ValidationError

from trytond.i18n import gettext
from trytond.model import Index, fields
from trytond.pool import Pool, PoolMeta
from trytond.pyson import Eval, If

from .exceptions import (
    MedicinalProductError, NationalNumberError, ProductIdentifierError)
from .identifiers import atc, cip13, find_nir, search_code, ucd13

# Standard terms of the European Directorate for the Quality of Medicines
PHARMACEUTICAL_FORMS = [
    (None, ''),
    ('capsule_hard', "Capsule, hard"),
    ('capsule_hard_gastro_resistant', "Gastro-resistant capsule, hard"),
    ('capsule_hard_prolonged_release', "Prolonged-release capsule, hard"),
    ('capsule_soft', "Capsule, soft"),
    ('concentrate_infusion', "Concentrate for solution for infusion"),
    ('cream', "Cream"),
    ('dispersion_infusion', "Dispersion for infusion"),
    ('dispersion_injection', "Dispersion for injection"),
    ('emulsion_infusion', "Emulsion for infusion"),
    ('emulsion_injection', "Emulsion for injection"),
    ('eye_drops', "Eye drops, solution"),
    ('gel', "Gel"),
    ('granules', "Granules"),
    ('implant', "Implant"),
    ('implantation_suspension', "Implantation suspension"),
    ('inhalation_powder', "Inhalation powder"),
    ('intravesical_solution', "Intravesical solution"),
    ('living_tissue_equivalent', "Living tissue equivalent"),
    ('nasal_spray', "Nasal spray, solution"),
    ('nebuliser_dispersion', "Nebuliser dispersion"),
    ('nebuliser_solution', "Nebuliser solution"),
    ('ointment', "Ointment"),
    ('oral_drops', "Oral drops, solution"),
    ('oral_powder', "Oral powder"),
    ('oral_solution', "Oral solution"),
    ('oral_suspension', "Oral suspension"),
    ('powder_concentrate_infusion',
        "Powder for concentrate for solution for infusion"),
    ('powder_dispersion_infusion', "Powder for dispersion for infusion"),
    ('powder_oral_solution', "Powder for oral solution"),
    ('powder_oral_suspension', "Powder for oral suspension"),
    ('powder_solution_infusion', "Powder for solution for infusion"),
    ('powder_solution_injection', "Powder for solution for injection"),
    ('powder_solvent_injection',
        "Powder and solvent for solution for injection"),
    ('radiopharmaceutical_precursor',
        "Radiopharmaceutical precursor, solution"),
    ('solution_infusion', "Solution for infusion"),
    ('solution_injection', "Solution for injection"),
    ('solution_injection_cartridge',
        "Solution for injection in cartridge"),
    ('solution_injection_pen', "Solution for injection in pre-filled pen"),
    ('solution_injection_syringe',
        "Solution for injection in pre-filled syringe"),
    ('suppository', "Suppository"),
    ('suspension_injection', "Suspension for injection"),
    ('tablet', "Tablet"),
    ('tablet_coated', "Coated tablet"),
    ('tablet_dispersible', "Dispersible tablet"),
    ('tablet_effervescent', "Effervescent tablet"),
    ('tablet_film_coated', "Film-coated tablet"),
    ('tablet_gastro_resistant', "Gastro-resistant tablet"),
    ('tablet_orodispersible', "Orodispersible tablet"),
    ('tablet_prolonged_release', "Prolonged-release tablet"),
    ('transdermal_patch', "Transdermal patch"),
    ]

STORAGE_CONDITIONS = [
    (None, ''),
    ('room', "15 to 25 °C"),
    ('refrigerated', "2 to 8 °C"),
    ('frozen', "-25 to -15 °C"),
    ('deep_frozen', "Below -60 °C"),
    ]

_MEDICINAL_STATES = {
    'required': Eval('medicinal', False),
    'invisible': ~Eval('medicinal', False),
    }
_LOT_REQUIRED = ('supplier', 'customer', 'storage')
_DATE_STATES = ('shelf_life_state', 'expiration_state')


class Template(metaclass=PoolMeta):
    __name__ = 'product.template'

    medicinal = fields.Boolean(
        "Medicinal Product",
        domain=[
            If(Eval('type') != 'goods',
                ('medicinal', '=', False),
                ()),
            ],
        states={
            'invisible': Eval('type') != 'goods',
            },
        help="Check if the product is a medicinal product.\n"
        "Its lots are then required.")
    inn = fields.Char(
        "INN", states=_MEDICINAL_STATES,
        help="The international non-proprietary name of the substance.")
    atc = fields.Char(
        "ATC", states=_MEDICINAL_STATES,
        help="The seven characters of the anatomical, therapeutic and "
        "chemical classification.")
    strength = fields.Char(
        "Strength", states=_MEDICINAL_STATES,
        help="The quantity of substance with its unit.")
    pharmaceutical_form = fields.Selection(
        PHARMACEUTICAL_FORMS, "Pharmaceutical Form", states=_MEDICINAL_STATES)
    storage_condition = fields.Selection(
        STORAGE_CONDITIONS, "Storage Condition", sort=False,
        states=_MEDICINAL_STATES)

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls.consumable.domain = [
            cls.consumable.domain,
            If(Eval('medicinal', False),
                ('consumable', '=', False),
                ()),
            ]
        cls._sql_indexes.add(
            Index(t, (t.medicinal, Index.Equality(cardinality='low'))))

    @classmethod
    def default_medicinal(cls):
        return False

    @fields.depends(
        'medicinal', *_DATE_STATES, methods=['_medicinal_lot_required'])
    def on_change_medicinal(self):
        if self.medicinal:
            self.lot_required = self._medicinal_lot_required()
            for name in _DATE_STATES:
                if getattr(self, name) in {None, 'none'}:
                    setattr(self, name, 'required')

    @fields.depends('lot_required')
    def _medicinal_lot_required(self):
        types = list(self.lot_required or [])
        return types + [t for t in _LOT_REQUIRED if t not in types]

    @fields.depends('atc')
    def on_change_with_atc(self):
        if self.atc and atc.is_valid(self.atc):
            return atc.compact(self.atc)
        return self.atc

    @classmethod
    def search_rec_name(cls, name, clause):
        _, operator, operand, *extra = clause
        bool_op = 'AND' if operator.startswith(('!', 'not ')) else 'OR'
        return [bool_op,
            super().search_rec_name(name, clause),
            ('inn', operator, operand),
            ('products.ucd13', operator, operand),
            ('products.cip13', operator, operand),
            ]

    @classmethod
    def preprocess_values(cls, mode, values):
        values = super().preprocess_values(mode, values)
        if atc.is_valid(values.get('atc')):
            values['atc'] = atc.compact(values['atc'])
        if mode == 'create' and values.get('medicinal'):
            for name in _DATE_STATES:
                values.setdefault(name, 'required')
        return values

    @classmethod
    def validate_fields(cls, templates, field_names):
        super().validate_fields(templates, field_names)
        cls._check_atc(templates, field_names)
        for name in ['name', 'inn', 'strength']:
            if field_names is not None and name not in field_names:
                continue
            for template in templates:
                if find_nir(getattr(template, name)):
                    raise NationalNumberError(gettext(
                            'early_access.msg_national_number',
                            **cls.__names__(name)))

    @classmethod
    def _check_atc(cls, templates, field_names=None):
        if field_names is not None and 'atc' not in field_names:
            return
        for template in templates:
            if template.atc and not atc.is_valid(template.atc, level=5):
                raise MedicinalProductError(gettext(
                        'early_access.msg_product_atc',
                        product=template.rec_name,
                        code=template.atc))

    def compute_fields(self, field_names=None):
        values = super().compute_fields(field_names=field_names)
        if not self.medicinal:
            return values
        if (field_names is None
                or field_names & {'medicinal', 'lot_required'}):
            lot_required = self._medicinal_lot_required()
            if set(lot_required) != set(self.lot_required or []):
                values['lot_required'] = lot_required
        if field_names is not None and 'medicinal' in field_names:
            for name in _DATE_STATES:
                if (name not in field_names
                        and getattr(self, name) in {None, 'none'}):
                    values[name] = 'required'
        return values


class Product(metaclass=PoolMeta):
    __name__ = 'product.product'

    ucd13 = fields.Function(
        fields.Char("UCD13", help="The code of the dispensing unit."),
        'get_product_codes', searcher='search_product_code')
    cip13 = fields.Function(
        fields.Char("CIP13", help="The code of the presentation."),
        'get_product_codes', searcher='search_product_code')

    @classmethod
    def get_product_codes(cls, products, names):
        pool = Pool()
        Identifier = pool.get('product.identifier')
        ids = [p.id for p in products]
        codes = {name: dict.fromkeys(ids) for name in names}
        for identifier in Identifier.search([
                    ('product', 'in', ids),
                    ('type', 'in', list(names)),
                    ]):
            product_codes = codes[identifier.type]
            if not product_codes[identifier.product.id]:
                product_codes[identifier.product.id] = identifier.code
        return codes

    @classmethod
    def search_product_code(cls, name, clause):
        _, operator, value = clause
        return search_code(operator, value, ('type', '=', name))

    @classmethod
    def search_rec_name(cls, name, clause):
        _, operator, operand, *extra = clause
        bool_op = 'AND' if operator.startswith(('!', 'not ')) else 'OR'
        return [bool_op,
            super().search_rec_name(name, clause),
            ('template.inn', operator, operand),
            ('ucd13', operator, operand),
            ('cip13', operator, operand),
            ]


class Identifier(metaclass=PoolMeta):
    __name__ = 'product.identifier'

    _medicinal_types = {
        'ucd13': ucd13,
        'cip13': cip13,
        }

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls.type.selection += [
            ('ucd13', "UCD13"),
            ('cip13', "CIP13"),
            ]

    @classmethod
    def _compact_code(cls, type, code):
        "Return the code as it is stored, unchanged if it is not valid."
        if type == 'ucd13':
            try:
                return ucd13.from_ucd7(code)
            except ValidationError:
                pass
        if ((identifier := cls._medicinal_types.get(type))
                and identifier.is_valid(code)):
            code = identifier.compact(code)
        return code

    @fields.depends('type', 'code')
    def on_change_with_code(self):
        return self._compact_code(self.type, super().on_change_with_code())

    @fields.depends('type', 'product', 'code')
    def check_code(self):
        super().check_code()
        if identifier := self._medicinal_types.get(self.type):
            code = self._compact_code(self.type, self.code)
            if not identifier.is_valid(code):
                product = ''
                if self.product and self.product.id > 0:
                    product = self.product.rec_name
                raise ProductIdentifierError(gettext(
                        'early_access.msg_product_identifier',
                        type=self.type_string,
                        code=self.code,
                        product=product))

    @classmethod
    def preprocess_values(cls, mode, values):
        values = super().preprocess_values(mode, values)
        if values.get('type') in cls._medicinal_types and 'code' in values:
            values['code'] = cls._compact_code(values['type'], values['code'])
        return values

    def compute_fields(self, field_names=None):
        values = super().compute_fields(field_names=field_names)
        code = self._compact_code(self.type, self.code)
        if code != self.code:
            values['code'] = code
        return values
