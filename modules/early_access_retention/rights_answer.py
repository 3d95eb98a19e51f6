# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The answer to a request, produced from what was done.

It is made and the request is closed in the same transaction: there is no
answer to a request that is open, and no closed request without its answer.
"""

import hashlib
import io
from contextvars import ContextVar

import pyzipper

from trytond.i18n import gettext
from trytond.model import ModelView, fields
from trytond.model.exceptions import AccessError
from trytond.modules.early_access.data_archive import new_passphrase
from trytond.modules.early_access_audit.incident_report import can_convert
from trytond.modules.early_access_audit.trail import Trail
from trytond.pool import Pool
from trytond.pyson import Eval
from trytond.report import Report
from trytond.transaction import Transaction
from trytond.wizard import Button, StateTransition, StateView, Wizard

from . import rights_access
from .exceptions import RightsAnswerError
from .rights_clock import OPEN_STATES
from .rights_request import REFUSAL_REASONS, REFUSED_KINDS

# What is produced now, which no client can give
_document = ContextVar('early_access_rights_document', default=None)


class RightsReport(Report):
    "A document in the language of the request"

    @classmethod
    def convert(cls, report, data, **options):
        if not can_convert():
            # Tryton would try, fail, and log the failure
            return report.template_extension, data
        return super().convert(report, data, **options)

    @classmethod
    def execute(cls, ids, data):
        Request = Pool().get('early_access.rights.request')
        language = None
        if ids:
            request = Request(int(ids[0]))
            language = request.language.code
        with Transaction().set_context(language=language):
            return super().execute(ids, data)


class RightsLetter(RightsReport):
    "The letter that answers, or refuses with the remedies (GDPR 12.4)"
    __name__ = 'early_access.rights.letter'

    @classmethod
    def get_context(cls, records, header, data):
        pool = Pool()
        Company = pool.get('company.company')
        context = super().get_context(records, header, data)
        request, = records
        if request.state not in {'answered', 'refused'}:
            raise RightsAnswerError(gettext(
                    'early_access_retention.msg_rights_letter',
                    request=request.rec_name))
        company = Company(request.company.id)
        address = company.party.address_get()
        context['company_name'] = company.party.name
        context['company_address'] = (
            address.full_address.splitlines() if address else [])
        context['recipient'] = cls.recipient(request)
        context['date'] = request.format_date(request.closed_on)
        context['received'] = request.format_date(request.received_on)
        context['paragraphs'] = list(cls.paragraphs(request))
        return context

    @classmethod
    def recipient(cls, request):
        "Return the lines to whom it is sent."
        for requester in request.requester:
            if requester.sealed_state == 'readable':
                return [
                    requester.name,
                    *(requester.address or '').splitlines()]
        if request.through == 'professional' and request.dossier:
            return [
                request.dossier.prescriber.rec_name,
                request.dossier.service.rec_name,
                request.dossier.establishment.rec_name,
                ]
        return []

    @classmethod
    def paragraphs(cls, request):
        "Yield the texts of the letter, from what was done."

        def text(name, **variables):
            return gettext(
                f'early_access_retention.msg_letter_{name}', **variables)

        yield text(
            'request', kind=request.kind_string,
            date=request.format_date(request.received_on))
        if request.state == 'refused':
            yield text(f'refused_{request.refusal_reason}')
            if request.refusal_reason == 'law':
                yield text(f'law_{request.kind}')
        else:
            yield from getattr(cls, f'_{request.kind}')(request, text)
        for code in request.withheld or ():
            yield gettext(f'early_access_retention.msg_withheld_{code}')
        if request.extension_reason:
            yield text('extended', date=request.format_date(
                    request.extension_told_on))
        yield text('remedies')

    @classmethod
    def _access(cls, request, text):
        yield text('access')

    @classmethod
    def _rectification(cls, request, text):
        for rectification in request.rectifications:
            if rectification.state != 'applied':
                continue
            date = request.format_date(rectification.applied_at.date())
            if rectification.subject == 'identity':
                names = rectification.__class__.fields_get(['field'])
                labels = dict(names['field']['selection'])
                yield text(
                    'rectified_identity', date=date,
                    field=labels[rectification.field])
            elif request.related_person:
                yield text('rectified_answers', date=date)
            else:
                yield text(
                    'rectified_form', date=date,
                    form=rectification.form.definition.name)
        yield from cls._informed(request, text)

    @classmethod
    def _limitation(cls, request, text):
        for limitation in request.limitations:
            if limitation.state != 'draft':
                yield text(
                    'limited', data=limitation.scope_string,
                    date=request.format_date(limitation.set_at.date()))
        yield text('limited_goes_on')
        yield from cls._informed(request, text)

    @classmethod
    def _informed(cls, request, text):
        informed = [r for r in request.recipients if r.informed_on]
        if not informed:
            return
        # The names of professionals are known to a patient only
        kinds = dict(
            informed[0].__class__.fields_get(['kind'])['kind']['selection'])
        if request.concerned == 'patient':
            names = dict.fromkeys(kinds[r.kind] for r in informed)
            yield text('informed', recipients=', '.join(names))
        else:
            yield text('informed_all')


class RightsAccessReport(RightsReport):
    "Everything that is held about a person, to be read"
    __name__ = 'early_access.rights.access'

    @classmethod
    def get_context(cls, records, header, data):
        context = super().get_context(records, header, data)
        document = _document.get()
        if document is None:
            raise AccessError(gettext(
                    'early_access_retention.msg_rights_access_report'))
        context['document'] = document
        return context


class RightsProduceMixin:
    "Close a request and give its answer, once"
    __slots__ = ()
    _result = None

    def _request(self):
        Request = Pool().get('early_access.rights.request')
        if self.model is not Request or len(self.records) != 1:
            raise RightsAnswerError(gettext(
                    'early_access_retention.msg_rights_one'))
        return Request(self.records[0].id)

    def _letter(self, request):
        "Return the extension and the bytes of the letter."
        Letter = Pool().get('early_access.rights.letter', type='report')
        extension, content, _, _ = Letter.execute(
            [request.id], {'model': request.__name__})
        return extension, content

    def _give(self, request, name, content, passphrase=None):
        checksum = hashlib.sha256(content).hexdigest()
        request.__class__.write([request], {'checksum': checksum})
        self._result = {
            'file': content,
            'filename': name,
            'passphrase': passphrase,
            'checksum': checksum,
            }

    def default_result(self, fields):
        return self._result or {}

    def end(self):
        return 'reload'


class Answer(RightsProduceMixin, Wizard):
    """Answer a request and close it.

    What is given is not in the session of the wizard.
    """
    __name__ = 'early_access.rights.request.answer'
    start_state = 'produce'

    produce = StateTransition()
    result = StateView(
        'early_access.rights.request.result',
        'early_access_retention.rights_request_result_view_form', [
            Button("Close", 'end', 'tryton-close', default=True),
            ])

    def transition_produce(self):
        request = self._request()
        request.__class__.check_state([request], 'answer', ['in_progress'])
        getattr(self, f'_check_{request.kind}', self._check)(request)
        request.__class__.set_answered([request])
        if request.kind == 'access':
            self._produce_access(request)
        else:
            request = request.__class__(request.id)
            extension, content = self._letter(request)
            self._give(request, f'{request.number}.{extension}', content)
        request.__class__.log([request], 'button', 'answer')
        return 'result'

    def _check(self, request):
        if request.kind in REFUSED_KINDS:
            raise RightsAnswerError(gettext(
                    'early_access_retention.msg_rights_to_refuse',
                    request=request.rec_name, kind=request.kind_string))

    def _check_access(self, request):
        request.check_warned()
        if not request.person:
            raise RightsAnswerError(gettext(
                    'early_access_retention.msg_rights_nobody',
                    request=request.rec_name))

    def _check_rectification(self, request):
        if not request.rectifications or any(
                r.state != 'applied' for r in request.rectifications):
            raise RightsAnswerError(gettext(
                    'early_access_retention.msg_rights_not_rectified',
                    request=request.rec_name))
        self._check_recipients(request)

    def _check_limitation(self, request):
        if not request.limitations or any(
                r.state == 'draft' for r in request.limitations):
            raise RightsAnswerError(gettext(
                    'early_access_retention.msg_rights_not_limited',
                    request=request.rec_name))
        self._check_recipients(request)

    def _check_recipients(self, request):
        if not all(r.is_settled for r in request.recipients):
            raise RightsAnswerError(gettext(
                    'early_access_retention.msg_rights_recipients',
                    request=request.rec_name))

    def _produce_access(self, request):
        "Give the PDF, the JSON and the letter, encrypted."
        pool = Pool()
        AccessReport = pool.get('early_access.rights.access', type='report')
        Request = request.__class__
        Request.write(
            [request], {'withheld': rights_access.withheld(request)})
        request = Request(request.id)
        document = rights_access.document(request)
        token = _document.set(document)
        try:
            extension, content, _, _ = AccessReport.execute(
                [request.id], {'model': request.__name__})
        finally:
            _document.reset(token)
        letter = self._letter(request)
        passphrase = new_passphrase()
        self._give(request, f'{request.number}.zip', archive(passphrase, {
                    f'{request.number}.{extension}': content,
                    f'{request.number}.json': rights_access.to_json(document),
                    f'{request.number}-letter.{letter[0]}': letter[1],
                    }), passphrase)
        person = request.person
        Trail.current().add(
            'export', person.__name__, [person.id],
            target='early_access.rights.request')


def archive(passphrase, files):
    "Return the bytes of an archive of files, encrypted with AES-256."
    result = io.BytesIO()
    with pyzipper.AESZipFile(
            result, 'w', compression=pyzipper.ZIP_DEFLATED,
            encryption=pyzipper.WZ_AES) as zip_:
        zip_.setencryption(pyzipper.WZ_AES, nbits=256)
        zip_.setpassword(passphrase.encode())
        for name, content in files.items():
            zip_.writestr(name, bytes(content))
    return result.getvalue()


class Refuse(RightsProduceMixin, Wizard):
    "Refuse a request, with the reason and the remedies, and close it"
    __name__ = 'early_access.rights.request.refuse'

    start = StateView(
        'early_access.rights.request.refuse.start',
        'early_access_retention.rights_request_refuse_start_view_form', [
            Button("Cancel", 'end', 'tryton-cancel'),
            Button("Refuse", 'produce', 'tryton-ok', default=True),
            ])
    produce = StateTransition()
    result = StateView(
        'early_access.rights.request.result',
        'early_access_retention.rights_request_result_view_form', [
            Button("Close", 'end', 'tryton-close', default=True),
            ])

    def default_start(self, fields):
        request = self._request()
        return {
            'kind': request.kind,
            'concerned': request.concerned,
            'reason': 'law' if request.kind in REFUSED_KINDS else None,
            }

    def transition_produce(self):
        request = self._request()
        Request = request.__class__
        Request.check_state([request], 'refuse', OPEN_STATES)
        reason = self.start.reason
        if not self._fits(request, reason):
            raise RightsAnswerError(gettext(
                    'early_access_retention.msg_rights_refusal',
                    request=request.rec_name, kind=request.kind_string))
        values = {'refusal_reason': reason}
        if reason == 'secrecy':
            values['withheld'] = ['patient']
        Request.write([request], values)
        Request.set_refused([request])
        request = Request(request.id)
        extension, content = self._letter(request)
        self._give(request, f'{request.number}.{extension}', content)
        Request.log([request], 'button', 'refuse')
        return 'result'

    @staticmethod
    def _fits(request, reason):
        if reason == 'law':
            return request.kind in REFUSED_KINDS
        elif reason == 'secrecy':
            return request.concerned == 'related_person'
        elif reason == 'unfounded':
            return request.kind in {'rectification', 'limitation'}
        return bool(reason)


class RefuseStart(ModelView):
    __name__ = 'early_access.rights.request.refuse.start'

    kind = fields.Selection(
        'get_kinds', "Right", readonly=True, sort=False)
    concerned = fields.Char("Concerned", readonly=True)
    reason = fields.Selection(
        REFUSAL_REASONS, "Reason", required=True, sort=False,
        domain=[
            ('reason', 'in', [r for r, _ in REFUSAL_REASONS if r]),
            ],
        states={
            'readonly': Eval('kind').in_(REFUSED_KINDS),
            })

    @classmethod
    def get_kinds(cls):
        Request = Pool().get('early_access.rights.request')
        return Request.fields_get(['kind'])['kind']['selection']


class Result(ModelView):
    __name__ = 'early_access.rights.request.result'

    file = fields.Binary("File", readonly=True, filename='filename')
    filename = fields.Char("File Name", readonly=True)
    passphrase = fields.Char(
        "Passphrase", readonly=True,
        states={
            'invisible': ~Eval('passphrase'),
            },
        help="It is shown here only. Give it to the person by another way "
        "than the file.")
    checksum = fields.Char("SHA-256", readonly=True)


class Extend(Wizard):
    "Give two more months to a request"
    __name__ = 'early_access.rights.request.extend'

    start = StateView(
        'early_access.rights.request.extend.start',
        'early_access_retention.rights_request_extend_start_view_form', [
            Button("Cancel", 'end', 'tryton-cancel'),
            Button("Extend", 'extend', 'tryton-ok', default=True),
            ])
    extend = StateTransition()

    def transition_extend(self):
        self.model.extend_for(
            list(self.records), self.start.reason, self.start.told_on)
        self.model.log(self.records, 'button', 'extend')
        return 'end'


class ExtendStart(ModelView):
    __name__ = 'early_access.rights.request.extend.start'

    reason = fields.Selection(
        'get_reasons', "Reason", required=True, sort=False)
    told_on = fields.Date(
        "Told On", required=True,
        help="When the person was told of the extension and of its reason.")

    @classmethod
    def get_reasons(cls):
        Request = Pool().get('early_access.rights.request')
        return Request.fields_get(
            ['extension_reason'])['extension_reason']['selection']
