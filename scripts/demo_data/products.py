# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The medicines, with codes that belong to none."
from decimal import Decimal

from stdnum import ean

# Name, substance, ATC code, strength, form, storage and the seven digits of
# the dispensing unit (UCD)
PRODUCTS = [
    ("DEMOLUMAB 50 mg", "demolumab", 'L01FX99', "50 mg",
        'powder_concentrate_infusion', 'refrigerated', '9990011'),
    ("FICTIZYME 10 mg/mL", "fictizyme alfa", 'A16AB99', "10 mg/mL",
        'concentrate_infusion', 'refrigerated', '9990022'),
    ("EXEMPLINIB 20 mg", "exemplinib", 'L01EX99', "20 mg",
        'capsule_hard', 'room', '9990033'),
    ("ILLUSTRUMAB 5 mg/mL", "illustrumab", 'L01FX98', "5 mg/mL",
        'solution_infusion', 'refrigerated', '9990044'),
    ("PROTOTYPINE 100 mg", "prototypine", 'N07XX99', "100 mg",
        'tablet_film_coated', 'room', '9990055'),
    ("ANCIENNOL 2 mg", "anciennol", 'N07XX98', "2 mg",
        'oral_solution', 'frozen', '9990066'),
    ]


def load(demo):
    session = demo.sessions['admin']
    Template = session.model('product.template')
    unit = session.data('product.uom', 'product', 'uom_unit')
    templates = []
    for name, inn, atc, strength, form, storage, ucd7 in PRODUCTS:
        template = Template(
            name=name, type='goods', default_uom=unit, medicinal=True,
            inn=inn, atc=atc, strength=strength, pharmaceutical_form=form,
            storage_condition=storage, list_price=Decimal(0))
        product, = template.products
        product.identifiers.new(type='ucd13', code=gs1('34008' + ucd7))
        product.identifiers.new(type='cip13', code=gs1('34009' + ucd7))
        templates.append(template)
    Template.save(templates)


def gs1(number):
    "Return the number of twelve digits with its check digit."
    return number + ean.calc_check_digit(number)


def find(session, name):
    "Return the product as the user of the session sees it."
    product, = session.model('product.product').find([('name', '=', name)])
    return product
