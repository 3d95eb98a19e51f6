# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The records of processing that were issued (GDPR 30.3 and 30.4).

What was handed over is kept as it was, with what it said, so that anybody can
tell what the record was on a day and what has changed since.
"""

import datetime as dt
import hashlib
import json

from trytond.i18n import gettext
from trytond.model import Index, ModelSQL, ModelView, Unique, fields
from trytond.modules.early_access.transaction import follow_one_another
from trytond.modules.early_access.workflow import time_field, user_field
from trytond.modules.early_access_audit.statement import canonical
from trytond.pool import Pool
from trytond.transaction import Transaction, without_check_access

from .exceptions import ProcessingUnchangedError, ProcessingVersionError
from .processing_content import text
from .today import current_date


class ProcessingVersion(ModelSQL, ModelView):
    "A record of processing as it was issued, which nobody changes nor deletes"
    __name__ = 'early_access.processing.version'

    processing = fields.Many2One(
        'early_access.processing', "Record", required=True, readonly=True,
        ondelete='RESTRICT')
    company = fields.Many2One(
        'company.company', "Company", required=True, readonly=True,
        ondelete='RESTRICT')
    kind = fields.Selection(
        'get_kinds', "Kind", required=True, readonly=True, sort=False)
    number = fields.Integer(
        "Version", required=True, readonly=True,
        help="Among the records of the same kind of the company.")
    date = fields.Date("Date", required=True, readonly=True)
    issued_by = user_field("Issued By")
    issued_at = time_field("Issued At")
    changes = fields.Function(
        fields.Char(
            "Changes",
            help="The sections that are not as in the version before of the "
            "same record."),
        'get_changes')
    document = fields.Binary(
        "Document", required=True, readonly=True, filename='document_name',
        file_id='document_id', store_prefix='early_access')
    document_name = fields.Char("Document Name", readonly=True)
    document_id = fields.Char("Document ID", readonly=True)
    document_digest = fields.Char(
        "Digest of the Document", required=True, readonly=True,
        help="SHA-256 of the file.")
    content = fields.Text(
        "Content", required=True, readonly=True,
        help="What the document says, as canonical JSON.")
    digest = fields.Char(
        "Digest of the Content", required=True, readonly=True,
        help="SHA-256 of the canonical JSON.")

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_constraints += [
            ('number_unique', Unique(t, t.company, t.kind, t.number),
                'early_access_retention.msg_processing_version_unique'),
            ]
        cls._sql_indexes.add(
            Index(
                t, (t.processing, Index.Range()),
                (t.number, Index.Range(order='DESC'))))
        cls._order = [('number', 'DESC'), ('id', 'DESC')]

    @classmethod
    def get_kinds(cls):
        Processing = Pool().get('early_access.processing')
        return Processing.fields_get(['kind'])['kind']['selection']

    @classmethod
    def get_changes(cls, versions, name):
        before, last = {}, {}
        for version in cls.search([
                    ('processing', 'in', [v.processing.id for v in versions]),
                    ], order=[('number', 'ASC')]):
            before[version] = last.get(version.processing)
            last[version.processing] = version
        return {v.id: v._changes_since(before[v]) for v in versions}

    def _changes_since(self, before):
        if not before:
            return gettext('early_access_retention.msg_processing_first')
        old, new = before._sections(), self._sections()
        return ', '.join(
            text(f'section_{name}') for name in {**new, **old}
            if old.get(name) != new.get(name))

    def _sections(self):
        return {s['name']: s for s in json.loads(self.content)['sections']}

    @classmethod
    def get_rec_name(cls, versions, name):
        return {
            v.id: f'{v.processing.rec_name} - {v.number}' for v in versions}

    @classmethod
    def search_rec_name(cls, name, clause):
        return [('processing.rec_name', *clause[1:])]

    @classmethod
    @without_check_access
    def latest(cls, **values):
        "Return the last version issued for the values of the fields."
        versions = cls.search(
            [(n, '=', v.id if hasattr(v, 'id') else v)
                for n, v in values.items()],
            order=[('number', 'DESC')], limit=1)
        return versions[0] if versions else None

    @classmethod
    def issue(cls, processing):
        """Keep what a record says now as its next version.

        :raises ProcessingUnchangedError: naming the version that says the
            same.
        """
        Lang = Pool().get('ir.lang')
        company, kind = processing.company, processing.kind
        # Of the versions of a company none has the number of another
        follow_one_another([company])
        context = cls._text_context(company)
        with Transaction().set_context(context):
            content = canonical(
                processing.__class__(processing.id).content().statement())
        digest = hashlib.sha256(content).hexdigest()
        latest = cls.latest(processing=processing)
        if latest and latest.digest == digest:
            raise ProcessingUnchangedError(gettext(
                    'early_access_retention.msg_processing_unchanged',
                    record=processing.rec_name, number=latest.number,
                    date=Lang.get().strftime(latest.date)))
        last = cls.latest(company=company, kind=kind)
        number = last.number + 1 if last else 1
        with Transaction().set_context(context):
            name, document = cls._print(processing, number)
        with without_check_access():
            version, = cls.create([{
                        'processing': processing.id,
                        'company': company.id,
                        'kind': kind,
                        'number': number,
                        'date': current_date(),
                        'issued_by': Transaction().user or None,
                        'issued_at': dt.datetime.now(),
                        'document': document,
                        'document_name': name,
                        'document_digest': hashlib.sha256(
                            document).hexdigest(),
                        'content': content.decode(),
                        'digest': digest,
                        }])
        return version

    @classmethod
    @without_check_access
    def _text_context(cls, company):
        "Return the context by which every user issues the same text."
        Configuration = Pool().get('ir.configuration')
        with Transaction().set_context(company=company.id):
            language = company.__class__(company.id).party.lang
        return {
            'company': company.id,
            'language': (
                language.code if language else Configuration.get_language()),
            }

    @classmethod
    def _print(cls, processing, number):
        "Return the name and the bytes of the document."
        pool = Pool()
        ModelData = pool.get('ir.model.data')
        Action = pool.get('ir.action.report')
        Report = pool.get('early_access.processing.report', type='report')
        action = Action(ModelData.get_id(
                'early_access_retention', 'report_processing'))
        extension, document, _, name = Report.execute([processing.id], {
                'action_id': action.id,
                'model': processing.__name__,
                'version': number,
                })
        return f'{name} - {number}.{extension}', bytes(document)

    @classmethod
    def check_modification(cls, mode, versions, values=None, external=False):
        super().check_modification(
            mode, versions, values=values, external=external)
        if mode in {'write', 'delete'}:
            raise ProcessingVersionError(gettext(
                    'early_access_retention.msg_processing_version_fixed',
                    version=versions[0].rec_name))

    @classmethod
    def copy(cls, versions, default=None):
        if not versions:
            return []
        raise ProcessingVersionError(gettext(
                'early_access_retention.msg_processing_version_fixed',
                version=versions[0].rec_name))
