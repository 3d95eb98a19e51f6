# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import string
import unittest
from unittest.mock import patch

from stdnum.exceptions import (
    InvalidChecksum, InvalidComponent, InvalidFormat, InvalidLength)
from stdnum.iso7064 import mod_37_36

from trytond.model.exceptions import (
    DomainValidationError, RequiredValidationError,
    SelectionValidationError, SQLConstraintError)
from trytond.modules.early_access.exceptions import (
    FinessError, FinessUniqueError, HospitalPartyError, MedicinalProductError,
    NationalNumberError, ProductIdentifierError)
from trytond.modules.early_access.identifiers import (
    atc, check_patient_code, cip13, find_nir, finess, new_patient_code,
    normalize_letters, rpps, ucd13)
from trytond.pool import Pool
from trytond.tests.test_tryton import (
    activate_module, drop_db, with_transaction)
from trytond.transaction import Transaction, inactive_records

RPPS = ['99700218896', '10003879623']
FINESS = [
    '750712184', '750100125', '690781810', '130786049', '590780193',
    '310781406', '330781196',
    '2A0000014', '2A0000386', '2B0000012', '2B0000020', '2B0004246']
CIP13 = ['3400930000120', '3400935955838']
UCD13 = [
    '3400894351368', '3400890012997', '3400892933405', '3400894365266',
    '3400894357391']
UCD7 = {
    '9435136': '3400894351368',
    '9001299': '3400890012997',
    '9293340': '3400892933405',
    }
NIR = ['180127512345642', '253072A07300443', '253072B07300470']


class IdentifiersTestCase(unittest.TestCase):
    "Test identifiers"

    def assertValid(self, identifier, numbers):
        for number in numbers:
            with self.subTest(number=number):
                self.assertEqual(identifier.validate(number), number)
                self.assertTrue(identifier.is_valid(number))

    def assertOneDigitWrong(self, identifier, numbers, positions=None):
        "Test that any digit mistyped is found"
        for number in numbers:
            for i in positions or range(len(number)):
                if not number[i].isdigit():
                    continue
                for digit in set(string.digits) - {number[i]}:
                    wrong = number[:i] + digit + number[i + 1:]
                    with self.subTest(number=wrong):
                        self.assertFalse(identifier.is_valid(wrong))

    def test_rpps(self):
        "Test RPPS"
        self.assertValid(rpps, RPPS)
        self.assertOneDigitWrong(rpps, RPPS)
        for number in [
                '99700 218 896', '997.0021.8896', '9970-0218-896',
                ' 99700218896\n', '99700\xa0218\xa0896', '９９７００２１８８９６',
                '99700‑218‑896']:
            with self.subTest(number=number):
                self.assertEqual(rpps.validate(number), '99700218896')

    def test_rpps_invalid(self):
        "Test invalid RPPS"
        for number, error in [
                ('99700218897', InvalidChecksum),
                ('9970021889', InvalidLength),
                ('899700218896', InvalidLength),
                ('9970021889A', InvalidFormat),
                ('²9700218896', InvalidChecksum),
                ('00000000000', InvalidComponent),
                ('', InvalidFormat),
                (None, InvalidFormat),
                (99700218896, InvalidFormat),
                ]:
            with self.subTest(number=number):
                with self.assertRaises(error):
                    rpps.validate(number)
                self.assertFalse(rpps.is_valid(number))

    def test_finess(self):
        "Test FINESS"
        self.assertValid(finess, FINESS)
        self.assertOneDigitWrong(
            finess, [n for n in FINESS if n.isdigit()])
        self.assertOneDigitWrong(
            finess, [n for n in FINESS if not n.isdigit()], range(2, 9))
        for number, result in [
                ('75 071 218 4', '750712184'),
                ('75.071.218-4', '750712184'),
                ('2a 000 001 4', '2A0000014'),
                ('2b0000012', '2B0000012'),
                ]:
            with self.subTest(number=number):
                self.assertEqual(finess.validate(number), result)

    def test_finess_invalid(self):
        "Test invalid FINESS"
        for number, error in [
                ('750712185', InvalidChecksum),
                ('2B0000014', InvalidChecksum),
                ('75071218', InvalidLength),
                ('7507121840', InvalidLength),
                ('2C0000014', InvalidFormat),
                ('A20000014', InvalidFormat),
                ('75A712184', InvalidFormat),
                ('000000000', InvalidComponent),
                ('', InvalidFormat),
                (None, InvalidFormat),
                ]:
            with self.subTest(number=number):
                with self.assertRaises(error):
                    finess.validate(number)
                self.assertFalse(finess.is_valid(number))

    def test_finess_format(self):
        "Test format of FINESS"
        self.assertEqual(finess.format('750712184'), '75 071 218 4')
        self.assertEqual(finess.format('2a0000014'), '2A 000 001 4')

    def test_cip13(self):
        "Test CIP13"
        self.assertValid(cip13, CIP13)
        self.assertOneDigitWrong(cip13, CIP13)
        self.assertEqual(
            cip13.validate('34009 300 001 2 0'), '3400930000120')
        self.assertEqual(
            cip13.format('3400930000120'), '34009 300 001 2 0')
        for number in UCD13:
            with self.subTest(number=number):
                with self.assertRaises(InvalidComponent):
                    cip13.validate(number)
        # A valid EAN that is not a CIP
        with self.assertRaises(InvalidComponent):
            cip13.validate('9780471117094')
        with self.assertRaises(InvalidLength):
            cip13.validate('73513537')

    def test_ucd13(self):
        "Test UCD13"
        self.assertValid(ucd13, UCD13)
        self.assertOneDigitWrong(ucd13, UCD13)
        self.assertEqual(
            ucd13.validate('34008.943-513 6 8'), '3400894351368')
        self.assertEqual(
            ucd13.format('3400894351368'), '34008 943 513 6 8')
        for number in CIP13:
            with self.subTest(number=number):
                with self.assertRaises(InvalidComponent):
                    ucd13.validate(number)

    def test_ucd7(self):
        "Test UCD13 from UCD7"
        for number, result in UCD7.items():
            with self.subTest(number=number):
                self.assertEqual(ucd13.from_ucd7(number), result)
        self.assertEqual(ucd13.from_ucd7('943 513.6'), '3400894351368')
        for number, error in [
                ('943513', InvalidLength),
                ('3400894351368', InvalidLength),
                ('1435136', InvalidComponent),
                ('943513A', InvalidFormat),
                (None, InvalidFormat),
                ]:
            with self.subTest(number=number):
                with self.assertRaises(error):
                    ucd13.from_ucd7(number)

    def test_atc(self):
        "Test ATC"
        for level, code in enumerate(
                ['L', 'L01', 'L01F', 'L01FX', 'L01FX05'], 1):
            with self.subTest(code=code):
                self.assertEqual(atc.validate(code), code)
                self.assertEqual(atc.validate(code, level=level), code)
                self.assertEqual(atc.level(code), level)
                self.assertEqual(atc.is_valid(code, level=5), level == 5)
        self.assertEqual(atc.validate('l01 fx-05', level=5), 'L01FX05')
        for code in [
                '', 'L0', 'L01FX0', 'L01FX055', '101FX05', 'LO1FX05',
                'L01F105', 'L01FXA5', None, 5]:
            with self.subTest(code=code):
                with self.assertRaises(InvalidFormat):
                    atc.validate(code)
                self.assertFalse(atc.is_valid(code))
        with self.assertRaises(InvalidLength):
            atc.validate('L01FX', level=5)

    def test_nir(self):
        "Test detection of NIR"
        for number in NIR:
            for text in [
                    number,
                    number.lower(),
                    f'n°{number}.',
                    f'NIR:{number}',
                    f'nir_{number}.pdf',
                    f'NIR{number}/42',
                    f'vu le 12 {number} 75 kg',
                    f'{number} 1.2.250.1.213.1.4.8',
                    f'FR{number}FR',
                    ' '.join(number),
                    '-'.join(number),
                    '/'.join(number),
                    ('{0} {1}{2} {3}{4} {5}{6} {7}{8}{9} {10}{11}{12} '
                        '{13}{14}').format(*number),
                    ('{0}.{1}{2}_{3}{4}-{5}{6}/{7}{8}{9} - {10}{11}{12}'
                        '  {13}{14}').format(*number),
                    '\xa0'.join(number),
                    '\t\r\n'.join(number),
                    '\u2013'.join(number),
                    '\u2011'.join(number),
                    '\u2212'.join(number),
                    '\u200b'.join(number),
                    '\u00b7'.join(number),
                    ]:
                with self.subTest(text=text):
                    self.assertEqual(find_nir(text), number)

    def test_nir_without_key(self):
        "Test detection of NIR without key"
        for number in NIR:
            number = number[:13]
            for text in [
                    number, number.lower(), ' '.join(number),
                    f'ref {number} 12 flacons', f'{number[:7]}-{number[7:]}']:
                with self.subTest(text=text):
                    self.assertEqual(find_nir(text), number)
        for number in ['7801275123456', '8802075123456', '2995075123456']:
            with self.subTest(number=number):
                self.assertEqual(find_nir(number), number)

    def test_nir_other_digits(self):
        "Test detection of NIR in other digits"
        self.assertEqual(
            find_nir('１８０１２７５１２３４５６４２'), '180127512345642')
        self.assertEqual(
            find_nir('١٨٠١٢٧٥١٢٣٤٥٦٤٢'), '180127512345642')
        self.assertEqual(find_nir(180127512345642), '180127512345642')

    def test_nir_temporary(self):
        "Test detection of NIR of temporary registration"
        number = '3801275123456'
        self.assertIsNone(find_nir(number))
        key = '%02d' % (97 - int(number) % 97)
        self.assertEqual(find_nir(number + key), number + key)

    def test_not_nir(self):
        "Test what is not a NIR"
        for text in [
                *CIP13, *UCD13, *RPPS, *FINESS, *UCD7,
                *map(cip13.format, CIP13), *map(ucd13.format, UCD13),
                ' '.join(CIP13 + UCD13), '/'.join(RPPS),
                None, '', 0, "Hôpital Saint-Louis", 'ref. 2024-05-0012',
                # wrong key
                '180127512345643',
                # month
                '1801375123456', '1800075123456',
                # sex
                '0801275123456', '9801275123456',
                # department
                '253072C07300443', '253072A0730044', '253072AB7300443',
                # length
                '180127512345', '18012751234564', '1801275123456422',
                '0180127512345642',
                # SIRET, telephone, time
                '732 829 320 00074', '+33 1 80 12 75 12', '0033180127512',
                '2024-01-15 10:30:45', '2024-01-15T10:30:45.123456',
                # GTIN-14 and lots
                '03400930000120', 'LOT 25A0713',
                ]:
            with self.subTest(text=text):
                self.assertIsNone(find_nir(text))

    def test_patient_code(self):
        "Test patient code"
        for _ in range(200):
            code = new_patient_code('DMB')
            self.assertRegex(code, r'^DMB-[2-9A-HJ-NP-Z]{7}$')
            self.assertTrue(mod_37_36.is_valid(code.replace('-', '')))
            self.assertEqual(check_patient_code(code), code)
            self.assertIsNone(find_nir(code))
        self.assertEqual(
            len({new_patient_code('DMB') for _ in range(500)}), 500)
        self.assertRegex(new_patient_code(' dmb1 '), r'^DMB1-')
        for prefix in ['', None, 'DMÉ', 'A/B']:
            with self.subTest(prefix=prefix):
                with self.assertRaises(InvalidFormat):
                    new_patient_code(prefix)

    def test_patient_code_check_character(self):
        "Test the check character is one of the unambiguous characters"
        numbers = {
            mod_37_36.calc_check_digit(f'DMB{n}22'): f'{n}22'
            for n in range(2222, 3000) if not set('01') & set(str(n))}
        for check in '01IO':
            with self.subTest(check=check), \
                    patch('secrets.choice',
                        side_effect=numbers[check] + numbers['Z']):
                self.assertEqual(
                    new_patient_code('DMB'), f'DMB-{numbers["Z"]}Z')

    def test_patient_code_mistyped(self):
        "Test patient code mistyped"
        code = new_patient_code('DMB')
        for typed in [
                code.lower(), code.replace('-', ''), code.replace('-', ' '),
                f' {code} ', code.replace('-', '\u2013'), '-'.join(code)]:
            with self.subTest(typed=typed):
                self.assertEqual(check_patient_code(typed), code)
        alphabet = string.digits + string.ascii_uppercase
        for i, char in enumerate(code):
            if char == '-':
                continue
            for other in alphabet.replace(char, ''):
                typed = code[:i] + other + code[i + 1:]
                with self.subTest(typed=typed):
                    with self.assertRaises((InvalidChecksum, InvalidFormat)):
                        check_patient_code(typed)
        for typed, error in [
                ('', InvalidLength),
                (code[4:], InvalidLength),
                (code + '2', InvalidChecksum),
                ('DMB-O000000', InvalidFormat),
                (None, InvalidFormat),
                ]:
            with self.subTest(typed=typed):
                with self.assertRaises(error):
                    check_patient_code(typed)

    def test_normalize_letters(self):
        "Test letters of a name"
        for text, size, result in [
                ('DUP', 3, 'DUP'),
                ('dup', 3, 'DUP'),
                ('Li', 3, 'LI'),
                ('É', 2, 'E'),
                ('e\u0301v', 2, 'EV'),
                ("D'É", 3, 'DE'),
                ('d’a', 3, 'DA'),
                ('L-Ç', 3, 'LC'),
                ('a\u2011b', 2, 'AB'),
                (' d u p ', 3, 'DUP'),
                ('Œu', 3, 'OEU'),
                ('Æ', 2, 'AE'),
                ('ßa', 3, 'SSA'),
                ('Łø', 3, 'LO'),
                ('ﬁ', 2, 'FI'),
                ]:
            with self.subTest(text=text):
                self.assertEqual(normalize_letters(text, size), result)

    def test_normalize_letters_refused(self):
        "Test letters of a name refused"
        for text, size, error in [
                ('Dupont', 3, InvalidLength),
                ('Du-Po', 3, InvalidLength),
                ('Œuv', 3, InvalidLength),
                ('Jean', 2, InvalidLength),
                ('', 3, InvalidFormat),
                (' - ', 3, InvalidFormat),
                ('D1', 3, InvalidFormat),
                ('D.', 3, InvalidFormat),
                ('D_', 3, InvalidFormat),
                ('Дю', 3, InvalidFormat),
                ('王', 2, InvalidFormat),
                ('D\u200bU', 3, InvalidFormat),
                (None, 3, InvalidFormat),
                (12, 3, InvalidFormat),
                ]:
            with self.subTest(text=text):
                with self.assertRaises(error):
                    normalize_letters(text, size)
                with self.assertRaises(ValueError):
                    normalize_letters(text, size)


class _ModuleTestCase(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        drop_db()
        activate_module('early_access')

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        drop_db()


class PartyTestCase(_ModuleTestCase):
    "Test identifiers of parties"

    def create_hospital(self, code=FINESS[0], name="CHU", **values):
        pool = Pool()
        Party = pool.get('party.party')
        values.setdefault('hospital_kind', 'establishment')
        party, = Party.create([{
                    'name': name,
                    'identifiers': [
                        ('create', [{'type': 'fr_finess', 'code': code}])],
                    **values,
                    }])
        return party

    @with_transaction()
    def test_create(self):
        "Test create of party with its FINESS number"
        for kind, code, result in [
                ('establishment', '75 071 218 4', '750712184'),
                ('pharmacy', '2a.000.001-4', '2A0000014'),
                ]:
            with self.subTest(kind=kind):
                party = self.create_hospital(code=code, hospital_kind=kind)
                identifier, = party.identifiers
                self.assertEqual(identifier.code, result)
                self.assertEqual(identifier.code_compact, result)
                self.assertEqual(party.finess, result)

    @with_transaction()
    def test_save(self):
        "Test save of party with its FINESS number"
        pool = Pool()
        Party = pool.get('party.party')
        Identifier = pool.get('party.identifier')
        party = Party(
            name="CHU", hospital_kind='pharmacy', identifiers=[
                Identifier(type='fr_siren', code='552 008 443'),
                Identifier(type='fr_finess', code='750 712 184'),
                ])
        party.save()
        self.assertEqual(
            [i.code_compact for i in party.identifiers],
            ['552008443', '750712184'])

    @with_transaction()
    def test_import(self):
        "Test import of party with its FINESS number"
        pool = Pool()
        Party = pool.get('party.party')
        names = [
            'name', 'hospital_kind', 'identifiers/type', 'identifiers/code']
        self.assertEqual(
            Party.import_data(names, [
                    ["CHU", 'establishment', 'fr_finess', '75.071.218.4'],
                    ["PUI", 'pharmacy', 'fr_finess', '2b 000 001 2'],
                    ]), 2)
        parties = Party.search([('hospital_kind', '!=', None)])
        self.assertEqual(
            {p.finess for p in parties}, {'750712184', '2B0000012'})
        with self.assertRaises(FinessError):
            Party.import_data(names, [
                    ["CHU", 'establishment', 'fr_finess', '750712185']])
        with self.assertRaises(HospitalPartyError):
            Party.import_data(names[:2], [["CHU", 'establishment']])

    @with_transaction()
    def test_finess_missing(self):
        "Test establishment without FINESS number"
        pool = Pool()
        Party = pool.get('party.party')
        with self.assertRaisesRegex(HospitalPartyError, '"CHU".*add its'):
            Party.create([{
                        'name': "CHU",
                        'hospital_kind': 'establishment',
                        }])
        party, = Party.create([{'name': "CHU"}])
        with self.assertRaises(HospitalPartyError):
            Party.write([party], {'hospital_kind': 'establishment'})

    @with_transaction()
    def test_finess_inactive(self):
        "Test establishment with inactive FINESS number"
        pool = Pool()
        Party = pool.get('party.party')
        with self.assertRaises(HospitalPartyError):
            Party.create([{
                        'name': "CHU",
                        'hospital_kind': 'establishment',
                        'identifiers': [('create', [{
                                        'type': 'fr_finess',
                                        'code': FINESS[0],
                                        'active': False,
                                        }])],
                        }])

    @with_transaction()
    def test_finess_several(self):
        "Test establishment with several FINESS numbers"
        pool = Pool()
        Party = pool.get('party.party')
        Identifier = pool.get('party.identifier')
        with self.assertRaisesRegex(
                HospitalPartyError, f'{FINESS[0]}, {FINESS[1]}'):
            Party.create([{
                        'name': "CHU",
                        'hospital_kind': 'establishment',
                        'identifiers': [('create', [
                                    {'type': 'fr_finess', 'code': FINESS[0]},
                                    {'type': 'fr_finess', 'code': FINESS[1]},
                                    ])],
                        }])
        party = self.create_hospital(code=FINESS[4])
        for change in [
                lambda: Identifier.create([{
                            'party': party.id,
                            'type': 'fr_finess',
                            'code': FINESS[2],
                            }]),
                lambda: Party.write([party], {
                        'identifiers': [('create', [{
                                        'type': 'fr_finess',
                                        'code': FINESS[3],
                                        }])],
                        }),
                ]:
            with self.assertRaises(HospitalPartyError):
                change()

    @with_transaction()
    def test_finess_removed(self):
        "Test FINESS number of establishment cannot be removed"
        pool = Pool()
        Party = pool.get('party.party')
        Identifier = pool.get('party.identifier')
        other, = Party.create([{'name': "Other"}])
        for i, change in enumerate([
                    lambda p, i: Identifier.delete([i]),
                    lambda p, i: Identifier.write([i], {'active': False}),
                    lambda p, i: Identifier.write([i], {'type': None}),
                    lambda p, i: Identifier.write([i], {'party': other.id}),
                    lambda p, i: Party.write([p], {
                            'identifiers': [('delete', [i.id])]}),
                    lambda p, i: Party.write([p], {
                            'identifiers': [('write', [i.id], {
                                            'type': 'fr_siren',
                                            'code': '552008443',
                                            })]}),
                    ]):
            with self.subTest(i=i):
                party = self.create_hospital(code=FINESS[i])
                identifier, = party.identifiers
                with self.assertRaises(HospitalPartyError):
                    change(party, identifier)

    @with_transaction()
    def test_finess_replaced(self):
        "Test FINESS number of establishment replaced in one go"
        pool = Pool()
        Party = pool.get('party.party')
        party = self.create_hospital()
        identifier, = party.identifiers
        Party.write([party], {
                'identifiers': [
                    ('delete', [identifier.id]),
                    ('create', [{'type': 'fr_finess', 'code': FINESS[1]}]),
                    ],
                })
        self.assertEqual(Party(party.id).finess, FINESS[1])
        # Another party has lost its number during the write
        other = self.create_hospital(code=FINESS[2])
        with self.assertRaises(HospitalPartyError):
            Party.write([party], {
                    'identifiers': [
                        ('delete', [i.id for i in party.identifiers]),
                        ('add', [i.id for i in other.identifiers]),
                        ],
                    })

    @with_transaction()
    def test_finess_not_hospital(self):
        "Test FINESS number of other party is free"
        pool = Pool()
        Party = pool.get('party.party')
        Identifier = pool.get('party.identifier')
        party = self.create_hospital(hospital_kind=None)
        self.assertEqual(party.finess, FINESS[0])
        Identifier.create([{
                    'party': party.id,
                    'type': 'fr_finess',
                    'code': FINESS[1],
                    }])
        Identifier.delete(Party(party.id).identifiers)
        self.assertIsNone(Party(party.id).finess)

    @with_transaction()
    def test_finess_invalid(self):
        "Test invalid FINESS number"
        pool = Pool()
        Identifier = pool.get('party.identifier')
        for code in ['750712185', '75071218', '2C0000014', 'x']:
            with self.subTest(code=code):
                with self.assertRaises(FinessError):
                    self.create_hospital(code=code)
        party = self.create_hospital()
        identifier, = party.identifiers
        with self.assertRaisesRegex(FinessError, '"750712185".*"CHU"'):
            Identifier.write([identifier], {'code': '750712185'})

    @with_transaction()
    def test_finess_write(self):
        "Test write of FINESS number"
        pool = Pool()
        Identifier = pool.get('party.identifier')
        party = self.create_hospital()
        identifier, = party.identifiers
        for values, code in [
                ({'code': '2a 000 001 4'}, '2A0000014'),
                ({'code': '75 010 012 5', 'type': 'fr_finess'}, '750100125'),
                ]:
            with self.subTest(values=values):
                Identifier.write([identifier], values)
                identifier = Identifier(identifier.id)
                self.assertEqual(identifier.code, code)
                self.assertEqual(identifier.code_compact, code)

    @with_transaction()
    def test_finess_write_type(self):
        "Test write of type of identifier"
        pool = Pool()
        Party = pool.get('party.party')
        Identifier = pool.get('party.identifier')
        party, = Party.create([{
                    'name': "CHU",
                    'identifiers': [
                        ('create', [{'code': '75 071 218 4'}])],
                    }])
        identifier, = party.identifiers
        Identifier.write([identifier], {'type': 'fr_finess'})
        identifier = Identifier(identifier.id)
        self.assertEqual(identifier.code, '750712184')
        self.assertEqual(identifier.code_compact, '750712184')

    @with_transaction()
    def test_finess_unique(self):
        "Test FINESS number is unique"
        pool = Pool()
        Party = pool.get('party.party')
        Identifier = pool.get('party.identifier')
        self.create_hospital(name="CHU A")
        with self.assertRaisesRegex(
                FinessUniqueError, f'"{FINESS[0]}".*"CHU B".*"CHU A"'):
            self.create_hospital(code='75.071.218.4', name="CHU B")
        party = self.create_hospital(code=FINESS[1], name="CHU C")
        identifier, = party.identifiers
        for values in [
                {'code': FINESS[0]},
                {'code': '75 071 218 4', 'type': 'fr_finess'},
                ]:
            with self.assertRaisesRegex(
                    FinessUniqueError, f'"{FINESS[0]}".*"CHU C".*"CHU A"'):
                Identifier.write([identifier], values)
        other, = Party.create([{
                    'name': "CHU D",
                    'identifiers': [('create', [{'code': '75 071 218 4'}])],
                    }])
        with self.assertRaises(FinessUniqueError):
            Identifier.write(list(other.identifiers), {'type': 'fr_finess'})

    @with_transaction()
    def test_finess_unique_inactive(self):
        "Test FINESS number is unique among the active ones"
        pool = Pool()
        Party = pool.get('party.party')
        Identifier = pool.get('party.identifier')
        party = self.create_hospital(name="CHU A")
        Party.write([party], {'active': False})
        with self.assertRaises(FinessUniqueError):
            self.create_hospital(name="CHU B")
        identifier, = party.identifiers
        Identifier.write([identifier], {'active': False})
        self.create_hospital(name="CHU B")
        with self.assertRaises(FinessUniqueError):
            Identifier.write([identifier], {'active': True})

    @with_transaction()
    def test_finess_unique_constraint(self):
        "Test FINESS number is unique when two users save at once"
        pool = Pool()
        Identifier = pool.get('party.identifier')
        self.create_hospital()
        with patch.object(Identifier, '_check_finess_unique'):
            with self.assertRaises(SQLConstraintError):
                self.create_hospital()

    @with_transaction()
    def test_reactivate(self):
        "Test inactive establishment cannot come back without number"
        pool = Pool()
        Party = pool.get('party.party')
        Identifier = pool.get('party.identifier')
        party = self.create_hospital()
        Party.write([party], {'active': False})
        Identifier.delete(list(party.identifiers))
        with self.assertRaises(HospitalPartyError):
            Party.write([party], {'active': True})

    @with_transaction()
    def test_delete(self):
        "Test delete of establishment"
        pool = Pool()
        Party = pool.get('party.party')
        Identifier = pool.get('party.identifier')
        Party.delete([self.create_hospital()])
        self.assertFalse(Identifier.search([('type', '=', 'fr_finess')]))

    @with_transaction()
    def test_copy(self):
        "Test copy of establishment"
        pool = Pool()
        Party = pool.get('party.party')
        party = self.create_hospital(
            identifiers=[('create', [
                        {'type': 'fr_finess', 'code': FINESS[0]},
                        {'type': 'fr_siren', 'code': '552008443'},
                        ])])
        copy, = Party.copy([party])
        self.assertEqual(copy.name, "CHU")
        self.assertIsNone(copy.hospital_kind)
        self.assertEqual([i.type for i in copy.identifiers], ['fr_siren'])
        self.assertEqual(len(party.identifiers), 2)

    @with_transaction()
    def test_replace(self):
        "Test replace of establishment"
        pool = Pool()
        Party = pool.get('party.party')
        Replace = pool.get('party.replace', type='wizard')
        source = self.create_hospital()
        destination = self.create_hospital(code=FINESS[1])
        pharmacy = self.create_hospital(
            code=FINESS[2], hospital_kind='pharmacy')

        def replace(source, destination):
            session_id, _, _ = Replace.create()
            wizard = Replace(session_id)
            wizard.ask.source = source
            wizard.ask.destination = destination
            wizard.transition_replace()

        with self.assertRaises(HospitalPartyError):
            replace(source, pharmacy)
        replace(source, destination)
        self.assertFalse(Party(source.id).active)
        self.assertEqual(Party(destination.id).finess, FINESS[1])
        with inactive_records():
            self.assertEqual(len(Party(destination.id).identifiers), 2)

    @with_transaction()
    def test_search(self):
        "Test search of FINESS number"
        pool = Pool()
        Party = pool.get('party.party')
        a = self.create_hospital(name="CHU A")
        b = self.create_hospital(code=FINESS[1], name="CHU B")
        c, = Party.create([{'name': "C"}])
        parties = [('id', 'in', [a.id, b.id, c.id])]
        for clause, result in [
                (('finess', '=', FINESS[0]), {a}),
                (('finess', '=', '75 071 218 4'), {a}),
                (('finess', '!=', FINESS[0]), {b, c}),
                (('finess', '=', None), {c}),
                (('finess', '!=', None), {a, b}),
                (('finess', 'in', [FINESS[0], FINESS[1]]), {a, b}),
                (('finess', 'in', [FINESS[0], None]), {a, c}),
                (('finess', 'in', []), set()),
                (('finess', 'not in', [FINESS[0]]), {b, c}),
                (('finess', 'not in', [FINESS[0], None]), {b}),
                (('finess', 'not in', []), {a, b, c}),
                (('finess', 'ilike', '75 071%'), {a}),
                (('finess', 'like', '75%'), {a, b}),
                (('finess', 'not ilike', '75071%'), {b, c}),
                (('rec_name', 'ilike', '%750712184%'), {a}),
                (('rec_name', 'ilike', '%75 071 218 4%'), {a}),
                (('rec_name', 'ilike', '%chu%'), {a, b}),
                (('rec_name', 'not ilike', '%75 071 218 4%'), {b, c}),
                ]:
            with self.subTest(clause=clause):
                self.assertEqual(
                    set(Party.search([parties, clause])), result)

    @with_transaction()
    def test_on_change(self):
        "Test change of identifier in the client"
        pool = Pool()
        Identifier = pool.get('party.identifier')
        for type, code, result in [
                ('fr_finess', '75 071 218 4', '750712184'),
                ('fr_finess', '75 071 218 5', '75 071 218 5'),
                ('fr_finess', None, None),
                ('fr_siren', '552008443', '552 008 443'),
                (None, '75 071 218 4', '75 071 218 4'),
                ]:
            with self.subTest(type=type, code=code):
                identifier = Identifier(type=type, code=code)
                self.assertEqual(identifier.on_change_with_code(), result)

    @with_transaction()
    def test_types(self):
        "Test types of identifiers"
        pool = Pool()
        Configuration = pool.get('party.configuration')
        Identifier = pool.get('party.identifier')
        self.assertEqual(
            dict(Identifier.get_types())['fr_finess'], "FINESS Number")
        self.assertNotIn('fr_nir', dict(Identifier.get_types()))
        self.create_hospital()
        configuration = Configuration(1)
        configuration.identifier_types = ['fr_siren']
        configuration.save()
        self.assertEqual(
            set(dict(Identifier.get_types())),
            {None, 'fr_siren', 'fr_finess'})
        self.create_hospital(code=FINESS[1])

    @with_transaction()
    def test_types_before_activation(self):
        "Test types of identifiers chosen before the module was activated"
        pool = Pool()
        Configuration = pool.get('party.configuration')
        Identifier = pool.get('party.identifier')
        configuration = Configuration(1)
        configuration.identifier_types = ['fr_siren']
        configuration.save()
        table = Configuration.__table__()
        cursor = Transaction().connection.cursor()
        cursor.execute(*table.update(
                [table.identifier_types],
                [Configuration.identifier_types.sql_format(['fr_siren'])]))
        Transaction().counter += 1
        with Transaction().set_context(_before=True):
            self.assertEqual(
                Configuration(1).identifier_types, ('fr_siren',))
            self.assertIn('fr_finess', dict(Identifier.get_types()))

    @with_transaction()
    def test_nir(self):
        "Test NIR is refused on party and identifier"
        pool = Pool()
        Party = pool.get('party.party')
        Identifier = pool.get('party.identifier')
        party, = Party.create([{'name': "Party"}])
        nir = '1 80 12 75 123 456 42'
        for change in [
                lambda: Party.create([{'name': f"Martin {nir}"}]),
                lambda: Party.write([party], {'name': nir}),
                lambda: Identifier.create([{
                            'party': party.id, 'code': nir}]),
                lambda: Identifier.create([{
                            'party': party.id, 'type': 'fr_finess',
                            'code': nir}]),
                ]:
            with self.assertRaises(NationalNumberError) as cm:
                change()
            self.assertIsNone(find_nir(cm.exception.message))
        with self.assertRaises(
                (NationalNumberError, SelectionValidationError)):
            Identifier.create([{
                        'party': party.id, 'type': 'fr_nir', 'code': nir}])


class ProductTestCase(_ModuleTestCase):
    "Test identifiers of products"

    def template_values(self, **values):
        pool = Pool()
        Uom = pool.get('product.uom')
        unit, = Uom.search([('name', '=', "Unit")])
        return {
            'name': "Dambrolimab 20 mg/mL",
            'default_uom': unit.id,
            'medicinal': True,
            'inn': "dambrolimab",
            'atc': 'L01FX05',
            'strength': "20 mg/mL",
            'pharmaceutical_form': 'concentrate_infusion',
            'storage_condition': 'refrigerated',
            'products': [('create', [{}])],
            **values,
            }

    def create_template(self, **values):
        pool = Pool()
        Template = pool.get('product.template')
        template, = Template.create([self.template_values(**values)])
        return template

    @with_transaction()
    def test_medicinal(self):
        "Test medicinal product"
        template = self.create_template(atc='l01 fx 05')
        self.assertEqual(template.atc, 'L01FX05')
        self.assertEqual(
            set(template.lot_required), {'supplier', 'customer', 'storage'})
        self.assertEqual(template.shelf_life_state, 'required')
        self.assertEqual(template.expiration_state, 'required')
        product, = template.products
        self.assertTrue(product.medicinal)
        self.assertEqual(product.inn, "dambrolimab")
        self.assertEqual(product.storage_condition, 'refrigerated')
        self.assertEqual(
            set(product.lot_required), {'supplier', 'customer', 'storage'})

    @with_transaction()
    def test_required(self):
        "Test what a medicinal product requires"
        names = [
            'inn', 'atc', 'strength', 'pharmaceutical_form',
            'storage_condition']
        for test in [True, False]:
            with patch.object(Pool, 'test', test):
                for name in names:
                    for value in [None, '']:
                        with self.subTest(name=name, test=test), \
                                self.assertRaises(RequiredValidationError):
                            self.create_template(**{name: value})
        template = self.create_template(
            medicinal=False, **dict.fromkeys(names))
        self.assertFalse(template.lot_required)
        self.assertEqual(template.expiration_state, 'none')
        with self.assertRaises(RequiredValidationError):
            template.medicinal = True
            template.save()

    @with_transaction()
    def test_selections(self):
        "Test coded lists of a medicinal product"
        for name in ['pharmaceutical_form', 'storage_condition']:
            with self.subTest(name=name):
                with self.assertRaises(SelectionValidationError):
                    self.create_template(**{name: "other"})

    @with_transaction()
    def test_atc(self):
        "Test ATC of product"
        pool = Pool()
        Template = pool.get('product.template')
        for code in ['L01FX', 'L', 'L01FX5', 'dambrolimab', 'LO1FX05']:
            with self.subTest(code=code):
                with self.assertRaises(MedicinalProductError):
                    self.create_template(atc=code)
        template = self.create_template()
        with self.assertRaisesRegex(MedicinalProductError, 'L01FX'):
            Template.write([template], {'atc': 'L01FX'})
        Template.write([template], {'atc': 'v04-cx.01'})
        self.assertEqual(Template(template.id).atc, 'V04CX01')

    @with_transaction()
    def test_lot_required(self):
        "Test lots of medicinal product are always required"
        pool = Pool()
        Template = pool.get('product.template')
        template = self.create_template(lot_required=['lost_found'])
        self.assertEqual(
            set(template.lot_required),
            {'lost_found', 'supplier', 'customer', 'storage'})
        for value in [[], None, ['storage']]:
            with self.subTest(value=value):
                Template.write([template], {'lot_required': value})
                self.assertEqual(
                    set(Template(template.id).lot_required),
                    {'supplier', 'customer', 'storage'})

    @with_transaction()
    def test_becomes_medicinal(self):
        "Test product that becomes medicinal"
        pool = Pool()
        Template = pool.get('product.template')
        template = self.create_template(medicinal=False)
        self.assertFalse(template.lot_required)
        Template.write([template], {'medicinal': True})
        template = Template(template.id)
        self.assertEqual(
            set(template.lot_required), {'supplier', 'customer', 'storage'})
        self.assertEqual(template.shelf_life_state, 'required')
        self.assertEqual(template.expiration_state, 'required')

    @with_transaction()
    def test_dates_by_default(self):
        "Test dates of lots are required by default only"
        pool = Pool()
        Template = pool.get('product.template')
        template = self.create_template(shelf_life_state='optional')
        self.assertEqual(template.shelf_life_state, 'optional')
        self.assertEqual(template.expiration_state, 'required')
        Template.write([template], {
                'medicinal': True, 'expiration_state': 'optional'})
        self.assertEqual(Template(template.id).expiration_state, 'optional')

    @with_transaction()
    def test_goods(self):
        "Test medicinal product is goods and not consumable"
        for values in [{'type': 'service'}, {'consumable': True}]:
            with self.subTest(values=values):
                with self.assertRaises(DomainValidationError):
                    self.create_template(**values)

    @with_transaction()
    def test_on_change(self):
        "Test change of product in the client"
        pool = Pool()
        Template = pool.get('product.template')
        Identifier = pool.get('product.identifier')
        template = Template(
            medicinal=True, lot_required=None, shelf_life_state='none',
            expiration_state='optional')
        template.on_change_medicinal()
        self.assertEqual(
            set(template.lot_required), {'supplier', 'customer', 'storage'})
        self.assertEqual(template.shelf_life_state, 'required')
        self.assertEqual(template.expiration_state, 'optional')
        for code, result in [
                ('l01 fx05', 'L01FX05'), ('L01 FX5', 'L01 FX5'),
                (None, None)]:
            template.atc = code
            self.assertEqual(template.on_change_with_atc(), result)
        for type, code, result in [
                ('ucd13', '34008 943 513 6 8', '3400894351368'),
                ('ucd13', '943 513 6', '3400894351368'),
                ('ucd13', '34008 943 513 6 9', '34008 943 513 6 9'),
                ('cip13', '34009.300.001.2.0', '3400930000120'),
                ('cip13', None, None),
                ('ean', '978-0-471-11709-4', '9780471117094'),
                (None, '943 513 6', '943 513 6'),
                ]:
            with self.subTest(type=type, code=code):
                identifier = Identifier(type=type, code=code)
                self.assertEqual(identifier.on_change_with_code(), result)

    @with_transaction()
    def test_identifiers(self):
        "Test identifiers of product"
        pool = Pool()
        Product = pool.get('product.product')
        Identifier = pool.get('product.identifier')
        template = self.create_template(products=[('create', [{
                            'identifiers': [('create', [
                                        {'type': 'ucd13',
                                            'code': '34008 943 513 6 8'},
                                        {'type': 'cip13',
                                            'code': '34009.300.001-2 0'},
                                        ])],
                            }, {}])])
        product, other = template.products
        self.assertEqual(
            [i.code for i in product.identifiers],
            ['3400894351368', '3400930000120'])
        self.assertEqual(product.ucd13, '3400894351368')
        self.assertEqual(product.cip13, '3400930000120')
        self.assertIsNone(other.ucd13)
        self.assertEqual(
            Product.read([other.id, product.id], ['ucd13', 'cip13']), [
                {'id': other.id, 'ucd13': None, 'cip13': None},
                {'id': product.id, 'ucd13': '3400894351368',
                    'cip13': '3400930000120'},
                ])

        identifier, _ = product.identifiers
        for values, code in [
                ({'code': '34008 900 129 9 7'}, '3400890012997'),
                ({'code': '929 334 0'}, '3400892933405'),
                ({'type': 'cip13', 'code': '34009 359 558 3 8'},
                    '3400935955838'),
                ]:
            with self.subTest(values=values):
                Identifier.write([identifier], values)
                self.assertEqual(Identifier(identifier.id).code, code)

    @with_transaction()
    def test_identifiers_invalid(self):
        "Test invalid identifiers of product"
        pool = Pool()
        Identifier = pool.get('product.identifier')
        template = self.create_template()
        product, = template.products
        for type, code in [
                ('ucd13', '3400894351369'),
                ('ucd13', '3400930000120'),
                ('ucd13', '1435136'),
                ('cip13', '3400894351368'),
                ('cip13', '9435136'),
                ('cip13', '3000012'),
                ('cip13', '9780471117094'),
                ]:
            with self.subTest(type=type, code=code):
                with self.assertRaisesRegex(
                        ProductIdentifierError, f'"{code}".*"Dambrolimab'):
                    Identifier.create([{
                                'product': product.id,
                                'type': type,
                                'code': code,
                                }])
        identifier, = Identifier.create([{
                    'product': product.id,
                    'code': '3400894351369',
                    }])
        with self.assertRaises(ProductIdentifierError):
            Identifier.write([identifier], {'type': 'ucd13'})

    @with_transaction()
    def test_identifiers_import(self):
        "Test import of identifiers of product"
        pool = Pool()
        Identifier = pool.get('product.identifier')
        template = self.create_template(code='DMB')
        product, = template.products
        self.assertEqual(
            Identifier.import_data(['product', 'type', 'code'], [
                    ['DMB', 'ucd13', '943 513 6'],
                    ['DMB', 'cip13', '34009 300 001 2 0'],
                    ]), 2)
        self.assertEqual(product.ucd13, '3400894351368')
        self.assertEqual(product.cip13, '3400930000120')

    @with_transaction()
    def test_search(self):
        "Test search of product by its codes"
        pool = Pool()
        Product = pool.get('product.product')
        Template = pool.get('product.template')
        templates = []
        for ucd, cip in [(UCD13[0], CIP13[0]), (UCD13[1], None)]:
            codes = [{'type': 'ucd13', 'code': ucd}]
            if cip:
                codes.append({'type': 'cip13', 'code': cip})
            templates.append(self.create_template(
                    products=[('create', [{
                                    'identifiers': [('create', codes)],
                                    }])]))
        templates.append(self.create_template(
                name="Syringe", inn="water"))
        a, b, c = [t.products[0] for t in templates]
        for clause, result in [
                (('ucd13', '=', UCD13[0]), {a}),
                (('ucd13', '=', '34008 943 513 6 8'), {a}),
                (('ucd13', '=', CIP13[0]), set()),
                (('ucd13', '=', None), {c}),
                (('ucd13', '!=', UCD13[0]), {b, c}),
                (('cip13', '=', None), {b, c}),
                (('cip13', 'in', CIP13), {a}),
                (('cip13', '!=', None), {a}),
                (('rec_name', 'ilike', '%9435136%'), {a}),
                (('rec_name', 'ilike', '%34009 300 001 2 0%'), {a}),
                (('rec_name', 'ilike', '%dambro%'), {a, b}),
                (('rec_name', 'ilike', '%water%'), {c}),
                ]:
            with self.subTest(clause=clause):
                self.assertEqual(set(Product.search([clause])), result)
        for clause, result in [
                (('rec_name', 'ilike', '%9435136%'), {templates[0]}),
                (('rec_name', 'ilike', '%water%'), {templates[2]}),
                (('products.ucd13', '=', UCD13[1]), {templates[1]}),
                ]:
            with self.subTest(clause=clause):
                self.assertEqual(set(Template.search([clause])), result)

    @with_transaction()
    def test_nir(self):
        "Test NIR is refused on product"
        pool = Pool()
        Template = pool.get('product.template')
        for name in ['name', 'inn', 'strength']:
            with self.subTest(name=name):
                with self.assertRaises(NationalNumberError) as cm:
                    self.create_template(**{name: '2 53 07 2A 073 004 43'})
                self.assertIsNone(find_nir(cm.exception.message))
        template = self.create_template()
        with self.assertRaises(NationalNumberError):
            Template.write([template], {'strength': '253072A073004'})
