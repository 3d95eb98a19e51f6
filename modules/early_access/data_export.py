# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import trytond.config as config
from trytond.i18n import gettext
from trytond.model import Index, ModelSQL, ModelView, Workflow, fields
from trytond.model.exceptions import AccessError
from trytond.pool import Pool
from trytond.pyson import Eval
from trytond.transaction import Transaction, check_access
from trytond.wizard import Button, StateTransition, StateView, Wizard

from .data_archive import Archive, new_passphrase
from .data_rows import CODEBOOK, DataRows, codebook, member_name
from .exceptions import DataExportAccessError, DataExportError
from .workflow import (
    ProgrammeWorkflow, guarded, stamped, time_field, user_field)

# Who exports what: nobody gets more than the task asks for
PROFILES = {
    'collected': ['pharmacist_in_charge', 'data_manager', 'research'],
    'adverse_event': [
        'pharmacist_in_charge', 'data_manager', 'pharmacovigilance'],
    }


class DataExport(ProgrammeWorkflow, ModelSQL, ModelView):
    """An export of the data of patients: who, when, why, for whom, and what.

    It stays. The archive is given once and kept nowhere, nor is its
    passphrase.
    """
    __name__ = 'early_access.data_export'

    _states = {
        'readonly': Eval('state') != 'draft',
        }

    company = fields.Many2One(
        'company.company', "Company", required=True, ondelete='RESTRICT',
        states={
            'readonly': (Eval('state') != 'draft') | Eval('authorization'),
            })
    authorization = fields.Many2One(
        'early_access.authorization', "Authorization", required=True,
        ondelete='RESTRICT', states=_states,
        domain=[
            ('company', '=', Eval('company', -1)),
            ])
    protocol = fields.Many2One(
        'early_access.protocol', "Protocol", ondelete='RESTRICT',
        states=_states,
        domain=[
            ('authorization', '=', Eval('authorization', -1)),
            ('state', '!=', 'draft'),
            ],
        help="The only version that is exported. Leave empty for all.")
    scope = fields.Selection([
            ('collected', "Collected Data"),
            ('adverse_event', "Adverse Events"),
            ], "Scope", required=True, sort=False, states=_states)
    reason = fields.Selection([
            ('summary_report', "Summary report"),
            ('statistics', "Statistics of the programme"),
            ('data_review', "Review of the data"),
            ('pharmacovigilance', "Pharmacovigilance"),
            ('operator', "Change of operator"),
            ], "Reason", required=True, sort=False, states=_states)
    recipient = fields.Selection([
            ('laboratory', "Statistics of the laboratory"),
            ('authority', "HAS or ANSM"),
            ('pharmacovigilance', "Pharmacovigilance"),
            ('group', "Company of the group"),
            ('processor', "Processor or operator"),
            ], "Recipient", required=True, sort=False, states=_states)
    delimiter = fields.Selection([
            (';', "Semicolon"),
            (',', "Comma"),
            ], "Delimiter", required=True, sort=False, states=_states)
    bom = fields.Boolean(
        "Mark of UTF-8", states=_states,
        help="Check for the spreadsheets that do not know UTF-8 without it.")
    requested_by = user_field("Requested By")
    requested_at = time_field("Requested At")
    exported_by = user_field("Exported By")
    exported_at = time_field("Exported At")
    patients_count = fields.Integer("Patients", readonly=True)
    rows_count = fields.Integer("Rows", readonly=True)
    unreadable_count = fields.Integer(
        "Unreadable Rows", readonly=True,
        help="The rows whose sealed data are destroyed or cannot be read.")
    size = fields.Integer("Size", readonly=True, help="In bytes.")
    checksum = fields.Char("SHA-256", readonly=True)
    state = fields.Selection([
            ('draft', "Draft"),
            ('done', "Done"),
            ], "State", required=True, readonly=True, sort=False)
    state_string = state.translated('state')

    del _states

    _protected = frozenset({
            'state', 'requested_by', 'requested_at', 'exported_by',
            'exported_at', 'patients_count', 'rows_count',
            'unreadable_count', 'size', 'checksum'})

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_indexes.add(
            Index(
                t, (t.authorization, Index.Range()), (t.id, Index.Range())))
        cls._order = [('id', 'DESC')]
        cls._transitions |= {('draft', 'done')}
        cls._buttons.update(
            export={
                'invisible': Eval('state') != 'draft',
                'depends': ['state'],
                })

    @classmethod
    def default_company(cls):
        return Transaction().context.get('company')

    @staticmethod
    def default_delimiter():
        return ';'

    @staticmethod
    def default_state():
        return 'draft'

    @fields.depends('authorization', 'protocol')
    def on_change_authorization(self):
        if self.protocol and self.protocol.authorization != self.authorization:
            self.protocol = None

    def get_rec_name(self, name):
        return f'{self.authorization.code} {self.id}'

    @classmethod
    @guarded('draft')
    @ModelView.button_action('early_access.wizard_data_export')
    def export(cls, exports):
        "Open the export of the data."

    @classmethod
    @guarded('draft')
    @Workflow.transition('done')
    @stamped('exported')
    def finish(cls, exports):
        "The archive is given."

    @property
    def definitions(self):
        "The forms that are exported."
        pool = Pool()
        Definition = pool.get('early_access.protocol.form')
        domain = [
            ('protocol.authorization', '=', self.authorization.id),
            ('protocol.state', '!=', 'draft'),
            ]
        if self.protocol:
            domain.append(('protocol', '=', self.protocol.id))
        if self.scope == 'adverse_event':
            domain.append(['OR',
                    ('kind', '=', 'adverse_event'),
                    ('parent.kind', '=', 'adverse_event'),
                    ])
        return Definition.search(
            domain, order=[('protocol', 'ASC'), ('id', 'ASC')])

    def forms_domain(self, definition):
        """The domain of the forms of a definition that are exported.

        An event counts from its first receipt, the rest once submitted.
        """
        states = ['submitted', 'verified', 'locked']
        # A group goes with the form of which it is a part
        if (definition.parent or definition).kind == 'adverse_event':
            states.append('draft')
        return [
            ('definition', '=', definition.id),
            ('state', 'in', states),
            ]

    def check_profile(self, scope=None):
        """Raise DataExportAccessError unless the user may make the export.

        :param scope: the scope if it is not the one of the export.
        """
        pool = Pool()
        User = pool.get('res.user')
        user = Transaction().user
        if (not User.has_profile(*PROFILES[scope or self.scope])
                or self.requested_by and self.requested_by.id != user):
            raise DataExportAccessError(gettext(
                    'early_access.msg_data_export_profile',
                    export=self.rec_name))

    def write_archive(self, passphrase):
        """Return the bytes of the archive and the values to keep of it.

        The rows are read as the user, by batches, and are encrypted as they
        are read. Only the archive itself is whole in memory, and its size is
        bounded.
        """
        limit = config.getint(
            'early_access', 'export_max_size', default=50 * 1024 * 1024)
        definitions = self.definitions
        patients, unreadable = set(), 0
        with Archive(
                passphrase, limit, delimiter=self.delimiter,
                bom=self.bom) as archive:
            for definition in definitions:
                rows = DataRows(
                    definition, self.forms_domain(definition), patients)
                archive.add(member_name(definition), rows.header, rows)
                unreadable += rows.unreadable
            count = sum(archive.rows.values())
            archive.add('codebook.csv', CODEBOOK, codebook(definitions))
            content, checksum = archive.close()
        return content, {
            'patients_count': len(patients),
            'rows_count': count,
            'unreadable_count': unreadable,
            'size': len(content),
            'checksum': checksum,
            }

    @classmethod
    def preprocess_values(cls, mode, values):
        values = super().preprocess_values(mode, values)
        if mode == 'create':
            values.update(cls.stamp('requested'))
        return values

    @classmethod
    def check_modification(cls, mode, exports, values=None, external=False):
        super().check_modification(
            mode, exports, values=values, external=external)
        if mode == 'delete':
            raise AccessError(gettext(
                    'early_access.msg_data_export_delete',
                    export=exports[0].rec_name))
        if not external:
            return
        for export in exports:
            if mode == 'write' and export.state != 'draft':
                raise AccessError(gettext(
                        'early_access.msg_data_export_fixed',
                        export=export.rec_name))
            export.check_profile()
            if scope := (values or {}).get('scope'):
                export.check_profile(scope=scope)

    @classmethod
    def copy(cls, exports, default=None):
        default = default.copy() if default is not None else {}
        for name in cls._protected - {'state'}:
            default.setdefault(name)
        return super().copy(exports, default=default)


class Export(Wizard):
    """Give the archive of an export, and its passphrase, once.

    The client gets both with the answer: nothing of them is in the session
    of the wizard.
    """
    __name__ = 'early_access.data_export.export'
    start_state = 'write'

    write = StateTransition()
    result = StateView(
        'early_access.data_export.export.result',
        'early_access.data_export_result_view_form', [
            Button("Close", 'end', 'tryton-close', default=True),
            ])
    _result = None

    def transition_write(self):
        pool = Pool()
        DataExport = pool.get('early_access.data_export')
        if self.model is not DataExport or len(self.records) != 1:
            raise DataExportError(gettext(
                    'early_access.msg_data_export_one'))
        export, = self.records
        with check_access():
            DataExport.check_state([export], 'export', ['draft'])
            export.check_profile()
            passphrase = new_passphrase()
            content, values = export.write_archive(passphrase)
        # The database is locked once all is read
        DataExport.finish([export])
        DataExport.write([export], values)
        DataExport.log([export], 'button', 'export')
        self._result = {
            'file': content,
            'filename': f'export-{export.id}.zip',
            'passphrase': passphrase,
            'checksum': values['checksum'],
            }
        return 'result'

    def default_result(self, fields):
        return self._result or {}

    def end(self):
        return 'reload'


class ExportResult(ModelView):
    __name__ = 'early_access.data_export.export.result'

    file = fields.Binary("File", readonly=True, filename='filename')
    filename = fields.Char("File Name", readonly=True)
    passphrase = fields.Char(
        "Passphrase", readonly=True,
        help="It is shown here only. Give it to the recipient by another way "
        "than the file.")
    checksum = fields.Char("SHA-256", readonly=True)
