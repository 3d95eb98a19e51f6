# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from trytond.i18n import gettext
from trytond.model import ModelView, fields
from trytond.pool import Pool
from trytond.pyson import Eval
from trytond.tools import slugify
from trytond.transaction import check_access
from trytond.wizard import Button, StateTransition, StateView, Wizard

from .dictionary_export import export_dictionary
from .dictionary_import import DictionaryImport
from .exceptions import DictionaryError
from .transaction import wait_for


def the_protocol(wizard):
    "The only protocol that the wizard is about."
    if (not wizard.model
            or wizard.model.__name__ != 'early_access.protocol'
            or len(wizard.records) != 1):
        raise DictionaryError(gettext('early_access.msg_dictionary_protocol'))
    protocol, = wizard.records
    return protocol


class ImportDictionary(Wizard):
    """Import a data dictionary in a draft protocol.

    What would be done and all the problems are shown first; then all of it is
    imported, or nothing.
    """
    __name__ = 'early_access.protocol.import_dictionary'

    start = StateView(
        'early_access.protocol.import_dictionary.start',
        'early_access.dictionary_import_start_view_form', [
            Button("Cancel", 'end', 'tryton-cancel'),
            Button("Check", 'report', 'tryton-ok', default=True),
            ])
    report = StateView(
        'early_access.protocol.import_dictionary.report',
        'early_access.dictionary_import_report_view_form', [
            Button("Cancel", 'end', 'tryton-cancel'),
            Button("Other File", 'start', 'tryton-back'),
            Button("Import", 'import_', 'tryton-ok', default=True, states={
                    'readonly': (
                        Eval('blocked', False)
                        | (Eval('conditions', False)
                            & ~Eval('without_conditions', False))),
                    }),
            ])
    import_ = StateTransition()

    def _dictionary(self):
        protocol = the_protocol(self)
        protocol.check_draft(protocol)
        return DictionaryImport(protocol, self.start.file or b'')

    def value_report(self, fields):
        with check_access():
            dictionary = self._dictionary()
            return {
                'report': dictionary.report(),
                'blocked': bool(dictionary.problems),
                'conditions': bool(dictionary.condition_problems),
                'without_conditions': False,
                }

    def transition_import_(self):
        pool = Pool()
        Protocol = pool.get('early_access.protocol')
        protocol = the_protocol(self)
        with check_access():
            wait_for([protocol])
            # The protocol may have changed since the dry run
            self._dictionary().apply(
                without_conditions=bool(self.report.without_conditions))
        Protocol.log([protocol], 'button', 'import_dictionary')
        return 'end'

    def end(self):
        return 'reload'


class ImportDictionaryStart(ModelView):
    __name__ = 'early_access.protocol.import_dictionary.start'

    file = fields.Binary(
        "File", required=True,
        help="A data dictionary of REDCap: a CSV file in UTF-8.")


class ImportDictionaryReport(ModelView):
    __name__ = 'early_access.protocol.import_dictionary.report'

    report = fields.Text("Report", readonly=True)
    blocked = fields.Boolean("Blocked", readonly=True)
    conditions = fields.Boolean("Conditions Not Converted", readonly=True)
    without_conditions = fields.Boolean(
        "Import Without These Conditions",
        states={
            'invisible': ~Eval('conditions', False),
            },
        help="The questions are then always asked, unless you write the "
        "conditions yourself.")


class ExportDictionary(Wizard):
    "Give a version of a protocol as a data dictionary"
    __name__ = 'early_access.protocol.export_dictionary'
    start_state = 'result'

    result = StateView(
        'early_access.protocol.export_dictionary.result',
        'early_access.dictionary_export_result_view_form', [
            Button("Close", 'end', 'tryton-close', default=True),
            ])

    def default_result(self, fields):
        with check_access():
            protocol = the_protocol(self)
            return {
                'file': export_dictionary(protocol),
                'filename': f'{slugify(protocol.rec_name)}.csv',
                }


class ExportDictionaryResult(ModelView):
    __name__ = 'early_access.protocol.export_dictionary.result'

    file = fields.Binary("File", readonly=True, filename='filename')
    filename = fields.Char("File Name", readonly=True)
