# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import secrets

import segno
from genshi import Markup
from sql import Null
from stdnum.exceptions import ValidationError
from stdnum.iso7064 import mod_37_36

import trytond.config as config
from trytond.i18n import gettext
from trytond.model import Index, ModelSQL, ModelView, Workflow, fields
from trytond.pool import Pool
from trytond.pyson import Eval
from trytond.report import Report
from trytond.transaction import Transaction, check_access
from trytond.url import http_host

from .exceptions import QuestionnaireError
from .sealed import Sealed, SealedMixin
from .transaction import follow_one_another
from .workflow import (
    ProgrammeWorkflow, guarded, stamped, time_field, user_field)

PATH = 'early_access/questionnaire'
# Without 0, 1, I and O, that are taken one for another
ALPHABET = '23456789ABCDEFGHJKLMNPQRSTUVWXYZ'
# 135 bits: nobody finds one by trying
SIZE = 27
GROUP = 4


def new_token():
    """Return a random pseudonym: 27 characters and the one that checks them.

    It is unrelated to the patient and to the code of the patient (CNIL
    2022-107, SEC-ECH-5).
    """
    while True:
        number = ''.join(secrets.choice(ALPHABET) for _ in range(SIZE))
        check = mod_37_36.calc_check_digit(number)
        if check in ALPHABET:
            return number + check


def clean_token(text):
    """Return the pseudonym as new_token made it, or None.

    :param text: what was scanned or typed, in groups and small letters too.
    """
    if not isinstance(text, str) or len(text) > 4 * SIZE:
        return
    token = ''.join(
        c for c in text.upper() if not (c.isspace() or c in '-.'))
    if len(token) != SIZE + 1 or token.strip(ALPHABET):
        return
    try:
        return mod_37_36.validate(token)
    except ValidationError:
        return


def format_token(token):
    "Return the pseudonym in groups, as it is read and typed."
    return ' '.join(
        token[i:i + GROUP] for i in range(0, len(token), GROUP))


class QuestionnaireAccess(
        SealedMixin, ProgrammeWorkflow, ModelSQL, ModelView):
    """The pseudonym by which a patient answers the questionnaires.

    There is one for the whole follow-up, unless it was revoked. It only
    deposits: it opens no account and shows nothing that was deposited.
    """
    __name__ = 'early_access.questionnaire.access'

    patient = fields.Many2One(
        'early_access.patient', "Patient", required=True, readonly=True,
        ondelete='CASCADE')
    company = fields.Function(
        fields.Many2One('company.company', "Company"),
        'on_change_with_company', searcher='search_company')
    token = Sealed(fields.Char("Pseudonym", readonly=True))
    token_index = fields.Char(
        "Pseudonym Index", readonly=True, loading='lazy')
    created_by = user_field("Created By")
    created_at = time_field("Created At")
    revoked_by = user_field("Revoked By")
    revoked_at = time_field("Revoked At")
    state = fields.Selection([
            ('active', "Active"),
            ('revoked', "Revoked"),
            ], "State", required=True, readonly=True, sort=False)
    state_string = state.translated('state')

    _sealed_keys = ('patient',)
    _protected = frozenset({
            'state', 'patient', 'token', 'token_index', 'created_by',
            'created_at', 'revoked_by', 'revoked_at'})

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_indexes.update({
                Index(t, (t.patient, Index.Range())),
                Index(
                    t, (t.token_index, Index.Equality(cardinality='high')),
                    where=t.token_index != Null),
                })
        cls._order = [('id', 'DESC')]
        cls._transitions.add(('active', 'revoked'))
        cls._buttons.update(
            revoke={
                'invisible': Eval('state') != 'active',
                'icon': 'tryton-cancel',
                'depends': ['state'],
                })

    @staticmethod
    def default_state():
        return 'active'

    @fields.depends('patient', '_parent_patient.company')
    def on_change_with_company(self, name=None):
        return self.patient.company if self.patient else None

    @classmethod
    def search_company(cls, name, clause):
        return [('patient.' + clause[0], *clause[1:])]

    def get_rec_name(self, name):
        return self.patient.rec_name

    @classmethod
    def search_rec_name(cls, name, clause):
        return [('patient.code', *clause[1:])]

    @classmethod
    def open(cls, patients):
        "Give a pseudonym to the patients who have none in use."
        follow_one_another(patients)
        served = {a.patient for a in cls.search([
                    ('patient', 'in', [p.id for p in patients]),
                    ('state', '=', 'active'),
                    ])}
        cls.create([
                cls._new(patient) for patient in patients
                if patient not in served])

    @classmethod
    def _new(cls, patient):
        pool = Pool()
        DataKey = pool.get('early_access.data_key')
        token = new_token()
        return {
            'patient': patient.id,
            'token': token,
            'token_index': DataKey.blind_index(
                patient.authorization.index_key, 'questionnaire', token),
            **cls.stamp('created'),
            }

    @classmethod
    @guarded('active')
    @ModelView.button
    @Workflow.transition('revoked')
    @stamped('revoked')
    def revoke(cls, accesses):
        "Refuse the pseudonym from now on: the sheet was lost or seen."

    @classmethod
    def find(cls, digests):
        """Return the access in use of a pseudonym, or None.

        :param digests: its digests under the index key of each programme.
        """
        accesses = cls.search([
                ('token_index', 'in', list(digests)),
                ('state', '=', 'active'),
                ('data_key.destroyed', '=', None),
                ], limit=1)
        return accesses[0] if accesses else None

    def reference(self, form):
        "What the page calls a form: it tells nothing without the keys."
        pool = Pool()
        DataKey = pool.get('early_access.data_key')
        return DataKey.blind_index(
            self.patient.authorization.index_key, 'questionnaire', 'form',
            self.token_index, form.uuid)[:32]

    @classmethod
    def digests(cls, *texts):
        "Return the digests of texts by index key of the programmes, in order."
        pool = Pool()
        Authorization = pool.get('early_access.authorization')
        DataKey = pool.get('early_access.data_key')
        keys = [a.index_key for a in Authorization.search([])]
        return dict(sorted(
                DataKey.blind_indexes(keys, 'questionnaire', *texts).items()))

    @classmethod
    def _get_data_keys(cls, vlist):
        pool = Pool()
        Patient = pool.get('early_access.patient')
        return [
            p.data_key for p in Patient.browse([v['patient'] for v in vlist])]


class QuestionnaireMixin:
    "The patient answers the questionnaires on a page, under a pseudonym"
    __slots__ = ()

    questionnaire_accesses = fields.One2Many(
        'early_access.questionnaire.access', 'patient',
        "Questionnaire Sheets", readonly=True)

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls._buttons.update(
            questionnaire_sheet={
                'invisible': Eval('state') != 'treated',
                'icon': 'tryton-print',
                'depends': ['state'],
                })

    @classmethod
    @guarded('treated')
    @ModelView.button_action('early_access.report_questionnaire_sheet')
    def questionnaire_sheet(cls, patients):
        """Print the sheet by which the patient answers at home, with a
        pseudonym that is made the first time."""
        pool = Pool()
        Access = pool.get('early_access.questionnaire.access')
        Access.open(patients)

    @classmethod
    def copy(cls, patients, default=None):
        default = default.copy() if default is not None else {}
        default.setdefault('questionnaire_accesses')
        return super().copy(patients, default=default)


class QuestionnaireSheet(Report):
    """The sheet that the professional hands over.

    It tells neither the patient nor the medicine, and so does its name.
    """
    __name__ = 'early_access.questionnaire.sheet'

    @classmethod
    def execute(cls, ids, data):
        pool = Pool()
        ModelData = pool.get('ir.model.data')
        # No other action, whose groups would be others
        data = {
            **data,
            'action_id': ModelData.get_id(
                'early_access', 'report_questionnaire_sheet'),
            }
        # The name of the file would be the code of the patient
        with Transaction().set_context(with_rec_name=False):
            return super().execute(ids, data)

    @classmethod
    def get_context(cls, records, header, data):
        pool = Pool()
        Access = pool.get('early_access.questionnaire.access')
        context = super().get_context(records, header, data)
        context['language'] = Transaction().language[:2]
        context['sheets'] = []
        for patient in records:
            with check_access():
                accesses = Access.search_read([
                        ('patient', '=', patient.id),
                        ('state', '=', 'active'),
                        ], limit=1, fields_names=['token'])
            if not accesses:
                raise QuestionnaireError(gettext(
                        'early_access.msg_questionnaire_no_access',
                        patient=patient.rec_name))
            context['sheets'].append(cls.sheet(accesses[0]['token']))
        return context

    @classmethod
    def sheet(cls, token):
        "Return the address, the QR code and the groups of a pseudonym."
        page = f'{cls.base()}/{Transaction().database.name}/{PATH}'
        qr = segno.make(f'{page}#{token}', micro=False, error='m')
        return {
            'page': page,
            'token': format_token(token),
            'qr': Markup(qr.svg_inline(
                    border=4, omitsize=True, light='#fff')),
            }

    @staticmethod
    def base():
        "The address under which the patients reach the server."
        return (config.get('early_access', 'questionnaire_url')
            or http_host()).rstrip('/')
