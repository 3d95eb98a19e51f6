# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The exchange of the definition of a protocol as a data dictionary."""

import os
import time
import unittest
from decimal import Decimal
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from trytond.exceptions import UserError
from trytond.modules.early_access import dictionary as format_
from trytond.modules.early_access.branching import (
    Comparison, Logic, LogicError, format_logic, parse_logic)
from trytond.modules.early_access.code_list_import import CodesImport
from trytond.modules.early_access.csv_file import to_csv
from trytond.modules.early_access.dictionary import COLUMNS
from trytond.modules.early_access.dictionary_export import export_dictionary
from trytond.modules.early_access.dictionary_import import DictionaryImport
from trytond.modules.early_access.exceptions import (
    CodeListImportError, CSVFileError, DictionaryError)
from trytond.model.exceptions import AccessError
from trytond.pool import Pool
from trytond.tests.test_tryton import with_transaction
from trytond.transaction import Transaction

from .tools import PROFILES, ProgrammeTestCase, acting, rpc

FIXTURE = os.path.join(os.path.dirname(__file__), 'dictionary.csv')
# The example of the key of the INSEE documentation
NIR = '2 55 08 14 168 025 38'


def row(name='dose', form='follow_up', type='text', validation=None, **cells):
    if validation is None:
        validation = 'integer' if type == 'text' else ''
    return {
        'name': name, 'form': form, 'type': type, 'validation': validation,
        'label': "Question", **cells}


def content(*rows, **kwargs):
    return to_csv(rows, COLUMNS, **kwargs)


class BranchingTestCase(unittest.TestCase):
    "Test the branching logic"

    def test_parse(self):
        for text, logic in [
                ("[a] = '1'", Logic('all', [('a', None, '=', '1')])),
                ('[A]="1"', Logic('all', [('a', None, '=', '1')])),
                ("[a]<>3 and [b] >= 2.5", Logic('all', [
                            ('a', None, '!=', '3'),
                            ('b', None, '>=', '2.5')])),
                ("[m(liver)] = '1' OR [m(lung)] = '0'", Logic('any', [
                            ('m', 'liver', '=', '1'),
                            ('m', 'lung', '=', '0')])),
                ("([a]='1' and ([b]='2')) and [c]='3'", Logic('all', [
                            ('a', None, '=', '1'), ('b', None, '=', '2'),
                            ('c', None, '=', '3')])),
                ]:
            with self.subTest(text):
                self.assertEqual(parse_logic(text), logic)

    def test_refused(self):
        for text, reason in [
                ("[a] = '1' and [b] = '2' or [c] = '3'", 'nested'),
                ("([a]='1' or [b]='2') and [c]='3'", 'nested'),
                ("datediff([a], 'today', 'd') > 3", 'syntax'),
                ("[event][a] = '1'", 'syntax'),
                ("[a] = [b]", 'syntax'),
                ("[a]", 'syntax'),
                ("", 'syntax'),
                ("[a] = '1", 'syntax'),
                ("[a] = '1'; drop", 'syntax'),
                ('(' * 10_000, 'syntax'),
                ('(' * 60 + "[a]='1'" + ')' * 60, 'syntax'),
                ('not ' * 400 + "[a]='1'", 'syntax'),
                ]:
            with self.subTest(text[:40]):
                start = time.monotonic()
                with self.assertRaisesRegex(LogicError, reason):
                    parse_logic(text)
                self.assertLess(time.monotonic() - start, 1)

    def test_deep_is_linear(self):
        text = '(' * 20 + "[a]='1'" + ')' * 20
        start = time.monotonic()
        parse_logic(text)
        self.assertLess(time.monotonic() - start, 1)

    @given(st.sampled_from(['all', 'any']), st.lists(
            st.builds(
                Comparison,
                st.from_regex(r'[a-z][a-z0-9_]{0,9}', fullmatch=True),
                st.none() | st.from_regex(r'[a-z0-9]{1,5}', fullmatch=True),
                st.sampled_from(['=', '!=', '<', '<=', '>', '>=']),
                st.text('abc 0123.-é"', max_size=8)
                | st.text("abc'", max_size=8)),
            min_size=2, max_size=6))
    def test_round_trip(self, mode, comparisons):
        logic = Logic(mode, comparisons)
        self.assertEqual(parse_logic(format_logic(logic)), logic)


class FormatTestCase(unittest.TestCase):
    "Test the annotations and the choices"

    @given(st.dictionaries(
            st.sampled_from([t for t, v in format_.TAGS.items() if v]),
            st.text(max_size=30)))
    def test_tags(self, tags):
        self.assertEqual(
            format_.parse_tags(format_.format_tags(tags)), (tags, ''))

    @given(st.lists(
            st.tuples(*[
                    st.text('ab1,|&#3; é\'"()', min_size=1).map(
                        str.strip).filter(bool)] * 2),
            min_size=1))
    def test_choices(self, choices):
        self.assertEqual(
            format_.parse_choices(format_.format_choices(choices)), choices)


class DictionaryTestCase(ProgrammeTestCase):
    "Test the import and the export of a data dictionary"

    def protocol(self, **values):
        "Return a new draft without variables nor forms."
        pool = Pool()
        Authorization = pool.get('early_access.authorization')
        Protocol = pool.get('early_access.protocol')
        authorization, = Authorization.search([('code', '=', 'DMB')])
        protocol, = Protocol.create([{
                    'authorization': authorization.id,
                    'version': f'D{Protocol.search([], count=True)}',
                    'prescriber_information': 'I', 'privacy_notice': 'N',
                    **values}])
        return protocol

    def problems(self, *rows, protocol=None):
        "What is told of rows, as (row, column, text)."
        dictionary = DictionaryImport(
            protocol or self.protocol(), content(*rows))
        self.assertTrue(dictionary.report())
        return dictionary.problems + dictionary.condition_problems

    def assertProblem(self, rows, number, key, text):
        problems = self.problems(*rows)
        self.assertIn(
            (number, COLUMNS.get(key)), [p[:2] for p in problems], problems)
        self.assertIn(text, '\n'.join(p.text for p in problems))

    def definition(self, protocol):
        "What a protocol defines, as values that can be compared."
        def conditions(record):
            conditions = [
                (c.variable.code, c.operator, c.value)
                for c in record.conditions]
            return (
                record.condition_mode if len(conditions) > 1 else None,
                conditions)

        names = [
            'code', 'string', 'section', 'help', 'type_', 'unit', 'category',
            'computation', 'future_dates', 'minimum', 'maximum',
            'usual_minimum', 'usual_maximum', 'selection',
            'help_selection', 'selection_sorted']
        return (
            [{
                    **{n: getattr(v, n) or None for n in names},
                    'digits': v.digits if v.type_ == 'numeric' else None,
                    } for v in protocol.variables],
            [(
                    f.name, f.kind, f.due_within,
                    f.parent.name if f.parent else None, f.code_list,
                    conditions(f),
                    [(
                            q.variable.code, q.required, q.may_be_missing,
                            conditions(q)) for q in f.questions])
                for f in protocol.forms])

    def imported(self, data, **values):
        protocol = self.protocol(**values)
        DictionaryImport(protocol, data).apply()
        return protocol.__class__(protocol.id)

    @with_transaction()
    def test_types(self):
        "Each type of field becomes the type of a variable"
        protocol = self.imported(content(
                row('v_int', minimum='0', maximum='50'),
                row('v_num', validation='number', required='y',
                    annotation='@EARLYACCESS-UNIT=mg/m2 '
                    '@EARLYACCESS-USUAL-MIN=1.5'),
                row('v_num2', validation='number_2dp'),
                row('v_date', validation='date_dmy', maximum='today'),
                row('v_radio', type='radio', choices="1, One | 2, Two, or 3"),
                row('v_drop', type='dropdown', choices="a, A|b, B"),
                row('v_yes', type='yesno'),
                row('v_true', type='truefalse'),
                row('v_check', type='checkbox', choices="1, One | 2, Two"),
                row('v_slide', type='slider'),
                row('v_calc', type='calc', annotation=(
                        '@EARLYACCESS-COMPUTATION=body_surface_area')),
                row('v_text', type='descriptive')))
        variables = {v.code: v for v in protocol.variables}
        self.assertEqual({c: v.type_ for c, v in variables.items()}, {
                'v_int': 'integer', 'v_num': 'numeric', 'v_num2': 'numeric',
                'v_date': 'date', 'v_radio': 'selection',
                'v_drop': 'selection', 'v_yes': 'selection',
                'v_true': 'selection', 'v_check': 'multiselection',
                'v_slide': 'integer', 'v_calc': 'numeric',
                })
        self.assertEqual(
            [variables['v_int'].minimum, variables['v_int'].maximum], [0, 50])
        self.assertEqual(
            [variables['v_slide'].minimum, variables['v_slide'].maximum],
            [0, 100])
        self.assertEqual(variables['v_num'].unit, 'mg/m2')
        self.assertEqual(variables['v_num'].usual_minimum, Decimal('1.5'))
        self.assertEqual(variables['v_num2'].digits, 2)
        self.assertEqual(variables['v_radio'].choice_codes, ['1', '2'])
        self.assertEqual(
            variables['v_radio'].choice_label('2'), "Two, or 3")
        self.assertEqual(
            variables['v_yes'].choice_codes, ['yes', 'no', 'unknown'])
        form, = protocol.forms
        self.assertEqual(form.kind, 'follow_up')
        # What is computed is not asked
        self.assertEqual(len(form.questions), 10)
        self.assertEqual(
            [q.variable.code for q in form.questions if q.required],
            ['v_num'])

    @with_transaction()
    def test_refused(self):
        "What a protocol cannot hold is told with its row and column"
        tag = '@EARLYACCESS-'
        for rows, number, key, text in [
                ([row(type='notes')], 2, 'type', "free text"),
                ([row(validation='')], 2, 'type', "free text"),
                ([row(type='file')], 2, 'type', "free text and files"),
                ([row(type='sql')], 2, 'type', "free text"),
                ([row(type='tree')], 2, 'type', "unknown"),
                ([row(validation='email')], 2, 'validation', "equivalent"),
                ([row(type='calc')], 2, 'type', "calculation"),
                ([row(type='calc', annotation=f'{tag}COMPUTATION=bmi')],
                    2, 'type', "calculation"),
                ([row(), row()], 3, 'name', "row 2"),
                ([row(), row('DOSE')], 3, 'name', "row 2"),
                ([row('1st')], 2, 'name', "starts with a letter"),
                ([row('a' * 41)], 2, 'name', "starts with a letter"),
                ([row(label='')], 2, 'label', "empty"),
                ([row(identifier='y')], 2, 'identifier', "identifies"),
                ([row(required='x')], 2, 'required', "only"),
                ([row(minimum='5', maximum='1')], 2, 'minimum', "order"),
                ([row(minimum='1.5')], 2, 'minimum', "number"),
                ([row(maximum='1e9')], 2, 'maximum', "number"),
                ([row(maximum='5', annotation=f'{tag}USUAL-MAX=9')],
                    2, 'minimum', "order"),
                ([row(validation='date_ymd', minimum='2020-01-01')],
                    2, 'minimum', "today"),
                ([row(type='radio')], 2, 'choices', "written as"),
                ([row(type='radio', choices='1 One')],
                    2, 'choices', "written as"),
                ([row(type='radio', choices='1, A | 1, B')],
                    2, 'choices', "more than once"),
                ([row(type='radio', choices='a:b, A')],
                    2, 'choices', "colon"),
                ([row(annotation=f'{tag}CATEGORY=opinion')],
                    2, 'annotation', "category"),
                ([row(annotation=f'{tag}UNITS=mg')],
                    2, 'annotation', "unknown"),
                ([row(annotation=f'{tag}UNIT')], 2, 'annotation', "value"),
                ([row(annotation=f'{tag}HELP-CHOICES=a')],
                    2, 'annotation', "value"),
                ([row(form='')], 2, 'form', "empty"),
                ([row(form='baseline')], 2, 'form', "no kind"),
                ([row(form='group')], 2, 'form', "no kind"),
                ([row(annotation=f'{tag}FORM-PARENT=access')],
                    2, 'annotation', "group"),
                ([row(annotation=f"{tag}FORM-CODE-LIST='None 1'")],
                    2, 'annotation', "code list"),
                ([row('again', annotation=f'{tag}VARIABLE=none')],
                    2, 'annotation', "no other row"),
                ([row(), row('again', minimum='3', form='initiation',
                            annotation=f'{tag}VARIABLE=dose')],
                    3, 'annotation', "otherwise"),
                ([row(), row('again', annotation=f'{tag}VARIABLE=dose')],
                    3, 'form', "already"),
                ([row(label=f"Number {NIR}")], 2, 'label', "NIR"),
                ([row(choices=f"1, {NIR}", type='radio')],
                    2, 'choices', "NIR"),
                ([row(note='a\0b')], 2, 'note', "control"),
                ([], 1, None, "no variable"),
                ]:
            with self.subTest(text=text, key=key):
                self.assertProblem(rows, number, key, text)

    @with_transaction()
    def test_national_number_not_repeated(self):
        "What is refused is not told again"
        for rows in [
                [row(label=NIR)], [row(type=NIR)], [row(form=NIR)],
                [row(branching=f"[x] = '{NIR}'")]]:
            problems = self.problems(*rows)
            self.assertTrue(problems)
            self.assertNotIn(NIR[:12], str(problems))

    @with_transaction()
    def test_existing_variable(self):
        "A variable of the protocol is not defined again"
        protocol = self.imported(content(row()))
        problem, = self.problems(row(), protocol=protocol)
        self.assertEqual(problem[:2], (2, COLUMNS['name']))
        DictionaryImport(protocol, content(row('cycles'))).apply()
        form, = protocol.__class__(protocol.id).forms
        self.assertEqual(
            [q.variable.code for q in form.questions], ['dose', 'cycles'])

    @with_transaction()
    def test_file_refused(self):
        "A file that cannot be read as a whole is refused, with the reason"
        good = content(row()).decode()
        header, _, _ = good.partition('\r\n')
        for data, text in [
                (content(row(label="Fièvre")).decode().encode('latin-1'),
                    "UTF-8: row 2"),
                (good.encode('utf-16'), "UTF-8"),
                (b'PK\x03\x04\xff\xff', "UTF-8"),
                (b'', "is missing"),
                (header.replace("Form Name", "Instrument").encode(),
                    '"Instrument" is unknown'),
                (header.replace("Form Name", NIR).encode(),
                    '"2" is unknown'),
                (header.replace("Form Name", "Field Type").encode(),
                    "more than once"),
                ((header + ',"' + 'x' * 200_000).encode(), "CSV"),
                (good.encode() + b'"open', "CSV"),
                (b'x' * (5 * 1024 * 1024 + 1), "5 MiB"),
                ]:
            with self.subTest(text):
                with self.assertRaises(CSVFileError) as cm:
                    DictionaryImport(self.protocol(), data)
                self.assertIn(text, cm.exception.message)
                self.assertNotIn(NIR, cm.exception.message)

    @with_transaction()
    def test_file_accepted(self):
        "A mark of UTF-8 and semicolons are what spreadsheets write"
        for data in [
                content(row()),
                b'\xef\xbb\xbf' + content(row()),
                content(row(), delimiter=';'),
                content(row()).replace(b'\r\n', b'\n'),
                content(row()) + b',' * 17 + b'\r\n',
                content(row(), {}),
                ]:
            with self.subTest(data[:4]):
                self.assertEqual(
                    len(self.imported(data).variables), 1)

    @with_transaction()
    def test_many_rows(self):
        "50,000 rows are refused before they are read"
        data = content(*(row(f'v{i}', label='') for i in range(50_000)))
        start = time.monotonic()
        with self.assertRaises(CSVFileError) as cm:
            DictionaryImport(self.protocol(), data)
        self.assertLess(time.monotonic() - start, 5)
        self.assertIn("5000 rows", cm.exception.message)

    @with_transaction()
    def test_conditions(self):
        "What the conditions can express is converted"
        protocol = self.imported(content(
                row('v_yes', type='yesno'),
                row('v_check', type='checkbox', choices="1, One | 2, Two",
                    branching="[v_yes] = '1'"),
                row('v_int', branching="[v_check(1)] = '0'"),
                row('v_date', validation='date_ymd',
                    branching="[v_int] >= 3 or [v_check(2)] <> '0'"),
                row('v_last', branching="[v_date] < '2026-01-01' and "
                    "[v_age] > '17'"),
                row('v_age', type='calc',
                    annotation='@EARLYACCESS-COMPUTATION=age')))
        form, = protocol.forms
        self.assertEqual({
                q.variable.code: (q.condition_mode, [
                        (c.variable.code, c.operator, c.value)
                        for c in q.conditions])
                for q in form.questions if q.conditions}, {
                'v_check': ('all', [('v_yes', '=', 'yes')]),
                'v_int': ('all', [('v_check', '!=', '1')]),
                'v_date': ('any', [
                        ('v_int', '>=', '3'), ('v_check', '=', '2')]),
                'v_last': ('all', [
                        ('v_date', '<', '2026-01-01'), ('v_age', '>', '17')]),
                })

    @with_transaction()
    def test_conditions_refused(self):
        "What the conditions cannot express blocks, unless it is left out"
        for branching, text in [
                ("[second] = '1'", "before"),
                ("[first] = '1'", "before"),
                ("[other] = '1'", "before"),
                ("[none] = '1'", "no row defines"),
                ("[zero] = '9'", "not one of its choices"),
                ("[zero] > '1'", "orders"),
                ("[zero(1)] = '1'", "no checkbox"),
                ("[check] = '1'", "must compare a choice"),
                ("[check(1)] = '2'", "must compare a choice"),
                ("[check(9)] = '1'", "not one of its choices"),
                ("[int] = 'x'", "another type"),
                ("[int] = ''", "another type"),
                ("[int] = '1' and [zero] = '1' or [int] = '2'", "mixes"),
                ("round([int]) = 1", "cannot be read"),
                ]:
            rows = [
                row('other', form='initiation'),
                row('zero', type='radio', choices="1, One"),
                row('check', type='checkbox', choices="1, One"),
                row('int'),
                row('first', branching=branching),
                # They would wait for each other
                row('second', branching="[first] = '1'"),
                ]
            with self.subTest(branching):
                protocol = self.protocol()
                dictionary = DictionaryImport(protocol, content(*rows))
                self.assertEqual(dictionary.problems, [])
                problem, = dictionary.condition_problems
                self.assertEqual(
                    problem[:2], (6, COLUMNS['branching']))
                self.assertIn(text, problem.text)
                with self.assertRaises(DictionaryError):
                    dictionary.apply()
                self.assertEqual(len(protocol.variables), 0)
                dictionary.apply(without_conditions=True)
                form = protocol.__class__(protocol.id).forms[1]
                self.assertEqual(
                    [bool(q.conditions) for q in form.questions],
                    [False, False, False, False, True])

    # The round trip

    @with_transaction()
    def test_round_trip_protocol(self):
        "A protocol that is exported and imported is the same"
        pool = Pool()
        CodeList = pool.get('early_access.code_list')
        Protocol = pool.get('early_access.protocol')
        authorization = Protocol.search([])[0].authorization
        CodeList.create([{
                    'company': authorization.company.id,
                    'name': "Effects", 'version': '1'}])
        tag = '@EARLYACCESS-'
        rich = self.imported(content(
                row('last', annotation=f'{tag}SEQUENCE=2'),
                row('unused', annotation=f'{tag}NOT-ASKED {tag}SEQUENCE=1 '
                    f'{tag}CATEGORY=genetic'),
                row('a', form='follow_up_m1', section="One\ntwo",
                    note="Some help,\non two lines"),
                row('b', form='follow_up_m1', type='checkbox',
                    choices="a&#44;b, A&#124;B | it's, \"B\"",
                    annotation=f"{tag}SORTED "
                    f"{tag}HELP-CHOICES='it&#39;s: help&#10;x: y'"),
                row('c', form='follow_up_m1', required='y',
                    branching="[b(it's)] = '1'",
                    annotation=f'{tag}NOT-MISSING {tag}NO-SECTION'),
                row('d', form='follow_up_m1', validation='date_dmy',
                    annotation=f'{tag}FUTURE-DATES'),
                row('a_again', form='discontinuation', section="One two",
                    note="Some help,\non two lines",
                    annotation=f'{tag}VARIABLE=a {tag}FORM-DUE-WITHIN=3'),
                row('e', form='effects', validation='number',
                    annotation=f"{tag}FORM-KIND=group {tag}DIGITS=0 "
                    f"{tag}FORM-PARENT=follow_up_m1 {tag}UNIT='[IU] a'"
                    f"{tag}FORM-CODE-LIST='Effects 1'"),
                row('f', form='quality', validation='number',
                    annotation=f'{tag}FORM-KIND=quality_of_life '
                    f"{tag}FORM-NAME='The \"quality\"' "
                    f'''{tag}FORM-CONDITIONS="[a] > '3' or [last] < '2'"'''),
                row('sex', type='calc', annotation=f"{tag}COMPUTATION=sex "
                    f"{tag}CHOICES='female, F | male, M'"),
                ))
        for protocol in [*Protocol.search([]), rich, self.protocol()]:
            with self.subTest(protocol=protocol.rec_name):
                data = export_dictionary(protocol)
                if not protocol.variables:
                    with self.assertRaises(DictionaryError):
                        self.imported(data)
                    continue
                again = self.imported(data)
                self.maxDiff = None
                self.assertEqual(
                    self.definition(again), self.definition(protocol))
                self.assertEqual(export_dictionary(again), data)
                self.assertEqual(
                    self.definition(
                        self.imported(export_dictionary(
                                protocol, delimiter=';'))),
                    self.definition(protocol))

    @with_transaction()
    def test_round_trip_file(self):
        "What is exported of an imported file does not change any more"
        with open(FIXTURE, 'rb') as file:
            data = file.read()
        first = export_dictionary(self.imported(data))
        self.assertEqual(
            export_dictionary(self.imported(first)), first)

    @with_transaction()
    def test_random(self):
        "Whatever the file, it is imported and exported the same, or refused"
        tag = '@EARLYACCESS-'
        cells = {
            'name': ['a', 'b', 'c', 'd', 'e', 'B', '', '1', 'a' * 41],
            'form': [
                'access', 'follow_up', 'follow_up_2', 'initiation', 'group',
                'baseline', '', 'x' * 300],
            'section': ['', '', 'S', 'Two\nlines', 'T'],
            'type': [
                'text', 'text', 'text', 'radio', 'checkbox', 'yesno', 'calc',
                'slider', 'descriptive', 'notes', ''],
            'label': ['L', '=1+1', "it's | \"é\", 1", ' x ', ''],
            'choices': [
                '1, A | 2, B', '1, A | 2, B', 'a, =1', '-1, A', '1', '|', ',',
                '1, A | 1, B', '', 'a b, c', '&#44;, &#124;', 'x:y, Z',
                '1, a\nb'],
            'note': ['', 'Help', '=1\n2'],
            'validation': [
                'integer', 'integer', 'number', 'number_3dp', 'date_mdy', '',
                'email', 'number_9dp'],
            'minimum': ['', '', '', '0', '-1.5', '1e9', 'x', '9' * 16],
            'maximum': ['', '', '', '10', 'today', '5', '2020-01-01'],
            'identifier': ['', '', '', '', 'n', 'y'],
            'branching': [
                '', '', '', "[a] = '1'", "[b] > 3", "[c(1)] = '1'",
                "[a] = '1' or [b] <> '2'", "[d] < '2020-01-01'",
                "[e] = '=1+1'", "((([a] = '1')))", '[', "[a] = 'yes'"],
            'required': ['', 'y', 'n', 'z'],
            'matrix': ['', 'm'],
            'annotation': [
                '', '', '', f'{tag}UNIT=mg', f"{tag}UNIT='a b'", '@HIDDEN',
                f'{tag}NOT-ASKED', f'{tag}NOT-MISSING', f'{tag}SEQUENCE=3',
                f'{tag}VARIABLE=a', f'{tag}VARIABLE=f', f'{tag}DIGITS=0',
                f'{tag}COMPUTATION=sex', f'{tag}COMPUTATION=age',
                f'{tag}FORM-KIND=quality_of_life',
                f'{tag}FORM-KIND=group {tag}FORM-PARENT=access',
                f'{tag}FORM-DUE-WITHIN=5', f"{tag}FORM-NAME='A | B'",
                f'{tag}FORM-CONDITIONS="[a] = \'1\'"', f'{tag}X=1',
                f'{tag}CATEGORY=genetic', f'{tag}USUAL-MIN=1',
                f'{tag}HELP-CHOICES=1', f"{tag}HELP-CHOICES='1: x'",
                f'{tag}FUTURE-DATES', f'{tag}NO-SECTION', f'{tag}SORTED'],
            }
        sound = [
            row(), row(validation='number'), row(validation='date_ymd'),
            row(type='radio', choices='1, A | 2, B'), row(type='yesno'),
            row(type='checkbox', choices='1, A | a b, B'),
            row(type='calc', annotation=f'{tag}COMPUTATION=sex')]
        random = Random(0)
        done = 0
        for _ in range(200):
            rows = [
                {**row(), **random.choice(sound), 'name': name}
                for name in 'abcde'[:random.randint(1, 5)]]
            for _ in range(random.randint(0, 3)):
                key = random.choice(list(cells))
                random.choice(rows)[key] = random.choice(cells[key])
            with self.subTest(rows=rows), self.undone():
                protocol = self.protocol()
                dictionary = DictionaryImport(protocol, content(*rows))
                dictionary.report()
                if dictionary.problems:
                    continue
                dictionary.apply(without_conditions=True)
                done += 1
                protocol = protocol.__class__(protocol.id)
                data = export_dictionary(protocol)
                self.assertEqual(
                    self.definition(self.imported(data)),
                    self.definition(protocol))
        self.assertGreater(done, 50)

    # The accesses

    def run_import(self, protocol, data, state='import_', **report):
        Wizard = Pool().get(
            'early_access.protocol.import_dictionary', type='wizard')
        return self.run_wizard(
            Wizard, protocol, {'start': {'file': data}, 'report': report},
            state)

    def run_wizard(self, Wizard, record, data, state):
        with Transaction().set_context(
                active_model=record.__name__, active_id=record.id,
                active_ids=[record.id]):
            session, _, _ = rpc(Wizard, 'create')
            return rpc(Wizard, 'execute', session, data, state)

    @with_transaction()
    def test_access(self):
        "Only regulatory affairs import, and only in a draft"
        Protocol = Pool().get('early_access.protocol')
        active, = Protocol.search([('state', '=', 'active')])
        draft = self.protocol()
        data = content(row())
        for profile in PROFILES.keys() - {'regulatory_affairs'}:
            with self.subTest(profile=profile), acting(profile):
                with self.refused(UserError):
                    self.run_import(draft, data)
        with acting('regulatory_affairs'):
            with self.refused(AccessError):
                self.run_import(active, data)
            with self.refused(AccessError):
                self.run_import(active, data, 'report')
            with self.refused(DictionaryError):
                self.run_import(draft, content(row(type='notes')))
            result = self.run_import(draft, data, 'report')
            self.assertFalse(result['view']['values']['blocked'])
            self.assertIn("1 variables", result['view']['values']['report'])
            self.assertEqual(len(Protocol(draft.id).variables), 0)
            self.run_import(draft, data)
        self.assertEqual(len(Protocol(draft.id).variables), 1)

    @with_transaction()
    def test_without_record(self):
        "A wizard that is run without a protocol is refused"
        for name in ['import_dictionary', 'export_dictionary']:
            Wizard = Pool().get(
                f'early_access.protocol.{name}', type='wizard')
            with acting('regulatory_affairs'), self.refused(DictionaryError):
                session, _, _ = rpc(Wizard, 'create')
                rpc(Wizard, 'execute', session, {},
                    'import_' if 'import' in name else 'result')

    @with_transaction()
    def test_export_access(self):
        Protocol = Pool().get('early_access.protocol')
        active, = Protocol.search([('state', '=', 'active')])
        Wizard = Pool().get(
            'early_access.protocol.export_dictionary', type='wizard')
        for profile in PROFILES:
            with self.subTest(profile=profile), acting(profile):
                if profile in {'regulatory_affairs', 'data_manager'}:
                    result = self.run_wizard(Wizard, active, {}, 'result')
                    self.assertEqual(
                        result['view']['defaults']['file'],
                        export_dictionary(active))
                else:
                    with self.refused(UserError):
                        self.run_wizard(Wizard, active, {}, 'result')

    # The code lists

    @with_transaction()
    def test_codes(self):
        "The codes are created, renamed and deactivated, or nothing is done"
        pool = Pool()
        Authorization = pool.get('early_access.authorization')
        Code = pool.get('early_access.code')
        CodeList = pool.get('early_access.code_list')
        Wizard = pool.get(
            'early_access.code_list.import_codes', type='wizard')
        code_list, = CodeList.create([{
                    'company': Authorization.search([])[0].company.id,
                    'name': "Effects", 'version': '1'}])

        def run(text, state='import_', **report):
            return self.run_wizard(Wizard, code_list, {
                    'start': {'file': text.encode()}, 'report': report},
                state)

        def codes():
            return {
                c.code: c.name
                for c in Code.search([('code_list', '=', code_list.id)])}

        for profile in PROFILES.keys() - {
                'regulatory_affairs', 'data_manager'}:
            with self.subTest(profile=profile), acting(profile):
                with self.refused(UserError):
                    run('code,name\nA,Aa')
        with acting('data_manager'):
            for text in [
                    'code,name\nA,Aa\nA,Ab', 'code,name\nA,', 'code\nA',
                    'code,name,name\nA,A,A', f'code,name\nA,{NIR}',
                    'code,name\nA B,C', 'code,name', 'code,name\nA,B,C']:
                with self.subTest(text):
                    with self.refused(CodeListImportError, CSVFileError):
                        run(text)
            self.assertEqual(codes(), {})
            report = run('code;name\r\nA;Aa\r\nB;"B;b"\r\n', 'report')
            self.assertIn(
                "2 codes to create", report['view']['values']['report'])
            run('code;name\r\nA;Aa\r\nB;"B;b"\r\n')
            self.assertEqual(codes(), {'A': "Aa", 'B': "B;b"})
            run('name,code\nAaa,A')
            self.assertEqual(codes(), {'A': "Aaa", 'B': "B;b"})
            run('code,name\nA,Aaa', deactivate=True)
            self.assertEqual(codes(), {'A': "Aaa"})
            run('code,name\nB,Bb')
            self.assertEqual(codes(), {'A': "Aaa", 'B': "Bb"})
        dictionary = CodesImport(code_list, b'code,name\nB,Bc\nC,Cc\nA B,x')
        self.assertEqual(dictionary.problems[0][:2], (4, 'code'))
