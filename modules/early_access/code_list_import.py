# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import trytond.config as config
from trytond.i18n import gettext
from trytond.model import ModelView, fields
from trytond.pool import Pool
from trytond.pyson import Eval
from trytond.tools import grouped_slice
from trytond.transaction import check_access, inactive_records
from trytond.wizard import Button, StateTransition, StateView, Wizard

from .csv_file import Table
from .exceptions import CodeListImportError
from .transaction import wait_for

COLUMNS = {'code': "code", 'name': "name"}
MAX_CODE = 64


class CodesImport:
    "The dry run of an import of codes, and the import."

    def __init__(self, code_list, data):
        """
        :param code_list: the list that receives the codes.
        :param data: the bytes of the file.
        :raises CSVFileError: if the file as a whole is refused.
        """
        pool = Pool()
        Code = pool.get('early_access.code')
        limit = config.getint(
            'early_access', 'code_list_max_rows', default=100_000)
        self.code_list = code_list
        self.table = Table(data, COLUMNS, limit)
        self.problems = self.table.problems
        with inactive_records():
            known = {
                c.code: c for c in Code.search(
                    [('code_list', '=', code_list.id)])}
        self.new = {}
        self.renamed = []
        self.restored = []
        rows = {}
        for number, row in self.table.rows:
            code, name = row['code'], ' '.join(row['name'].split())
            for key in COLUMNS:
                if not row[key]:
                    self.table.problem(number, key, gettext(
                            'early_access.msg_code_list_import_empty'))
            if len(code) > MAX_CODE or len(code.split()) > 1:
                self.table.problem(number, 'code', gettext(
                        'early_access.msg_code_list_import_code',
                        size=MAX_CODE))
            if code in rows:
                self.table.problem(number, 'code', gettext(
                        'early_access.msg_code_list_import_twice',
                        row=rows[code]))
                continue
            rows[code] = number
            record = known.get(code)
            if record is None:
                self.new[code] = name
                continue
            if record.name != name:
                self.renamed.append((record, name))
            if not record.active:
                self.restored.append(record)
        self.gone = [
            r for c, r in known.items() if r.active and c not in rows]
        if not rows and not self.problems:
            self.table.problem(1, None, gettext(
                    'early_access.msg_code_list_import_none'))
        self.problems.sort(key=lambda p: p.row)

    def report(self):
        "The translated text that tells what would be done."
        lines = [gettext(
                'early_access.msg_code_list_import_report',
                code_list=self.code_list.rec_name,
                new=len(self.new), renamed=len(self.renamed),
                restored=len(self.restored), gone=len(self.gone))]
        if self.problems:
            lines += ['', gettext(
                    'early_access.msg_dictionary_report_problems',
                    number=len(self.problems))]
            lines += [f'- {p}' for p in self.problems]
        return '\n'.join(lines)

    def apply(self, deactivate=False):
        """Create, rename and restore the codes.

        :param deactivate: whether those that the file no longer has are
            deactivated. They are never deleted: answers may hold them.
        """
        pool = Pool()
        Code = pool.get('early_access.code')
        if self.problems:
            raise CodeListImportError(gettext(
                    'early_access.msg_code_list_import_problems',
                    code_list=self.code_list.rec_name,
                    problems='\n'.join(f'- {p}' for p in self.problems)))
        for codes in grouped_slice(list(self.new.items())):
            Code.create([{
                        'code_list': self.code_list.id,
                        'code': code,
                        'name': name,
                        } for code, name in codes])
        for record, name in self.renamed:
            record.name = name
        Code.save([r for r, _ in self.renamed])
        if self.restored:
            Code.write(self.restored, {'active': True})
        if deactivate and self.gone:
            Code.write(self.gone, {'active': False})


class ImportCodes(Wizard):
    "Import the codes of a list: all of the file, or nothing"
    __name__ = 'early_access.code_list.import_codes'

    start = StateView(
        'early_access.code_list.import_codes.start',
        'early_access.code_list_import_start_view_form', [
            Button("Cancel", 'end', 'tryton-cancel'),
            Button("Check", 'report', 'tryton-ok', default=True),
            ])
    report = StateView(
        'early_access.code_list.import_codes.report',
        'early_access.code_list_import_report_view_form', [
            Button("Cancel", 'end', 'tryton-cancel'),
            Button("Other File", 'start', 'tryton-back'),
            Button("Import", 'import_', 'tryton-ok', default=True, states={
                    'readonly': Eval('blocked', False),
                    }),
            ])
    import_ = StateTransition()

    def _codes(self):
        if (not self.model
                or self.model.__name__ != 'early_access.code_list'
                or len(self.records) != 1):
            raise CodeListImportError(gettext(
                    'early_access.msg_code_list_import_one'))
        return CodesImport(self.records[0], self.start.file or b'')

    def value_report(self, fields):
        with check_access():
            codes = self._codes()
            return {
                'report': codes.report(),
                'blocked': bool(codes.problems),
                'deactivate': False,
                }

    def transition_import_(self):
        with check_access():
            wait_for(self.records)
            self._codes().apply(deactivate=bool(self.report.deactivate))
        self.model.log(self.records, 'button', 'import_codes')
        return 'end'

    def end(self):
        return 'reload'


class ImportCodesStart(ModelView):
    __name__ = 'early_access.code_list.import_codes.start'

    file = fields.Binary(
        "File", required=True,
        help='A CSV file in UTF-8 with the columns "code" and "name".')


class ImportCodesReport(ModelView):
    __name__ = 'early_access.code_list.import_codes.report'

    report = fields.Text("Report", readonly=True)
    blocked = fields.Boolean("Blocked", readonly=True)
    deactivate = fields.Boolean(
        "Deactivate What Is Gone",
        help="Check to deactivate the codes that the file does not have.")
