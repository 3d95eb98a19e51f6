# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""From where users work, and from where they really connect.

To look at data from outside the Union is a transfer (CNIL 2022-107, art.
12.4). The front server tells the country of an address; what a client says of
itself is not believed.
"""

import datetime as dt

import trytond.config as config
from trytond.cache import Cache
from trytond.i18n import gettext
from trytond.model import Index, ModelSQL, ModelView, Workflow, fields
from trytond.modules.early_access.national_number import NationalNumberMixin
from trytond.modules.early_access.transaction import follow_one_another
from trytond.modules.early_access.workflow import (
    ProgrammeWorkflow, guarded, stamped, time_field, user_field)
from trytond.modules.early_access_audit import notice
from trytond.modules.early_access_audit import request as requests
from trytond.modules.early_access_audit.session import ending
from trytond.modules.early_access_audit.trail import Trail
from trytond.pool import Pool, PoolMeta
from trytond.pyson import Eval, If
from trytond.transaction import Transaction, without_check_access

from .exceptions import PlaceError, WorkCountryError
from .territory import clean_code, is_inside
from .today import current_date

# How often the last time of a mismatch is written
INTERVAL = dt.timedelta(minutes=10)


def actual_country():
    """Return the code of the country that the request comes from, or None.

    It is believed only when a front server is declared and has sent it.
    """
    header = config.get('early_access', 'place_header')
    request = requests.current.get()
    if not header or request is None:
        return
    if config.getint('web', 'num_proxies', default=0) < 1:
        return
    original = request.environ.get('werkzeug.proxy_fix.orig') or {}
    peer = original.get('REMOTE_ADDR')
    proxies = config.get(
        'early_access', 'place_proxies', default='127.0.0.1 ::1').split()
    if peer not in proxies:
        return
    return clean_code(request.headers.get(header))


class PlaceMismatch(
        NationalNumberMixin, ProgrammeWorkflow, ModelSQL, ModelView):
    """A user who connects from outside the Union without being meant to.

    It is flagged first, and refused once the security officer confirms it.
    """
    __name__ = 'early_access.place_mismatch'

    _tells_of = 'person'

    user = fields.Many2One(
        'res.user', "User", required=True, readonly=True, ondelete='CASCADE')
    reason = fields.Selection([
            ('place', "Not where the user works"),
            ('transfer', "No transfer in force"),
            ], "Reason", required=True, readonly=True, sort=False)
    declared = fields.Many2One(
        'country.country', "Declared Country", readonly=True,
        ondelete='RESTRICT')
    actual_code = fields.Char("Code of the Actual Country", readonly=True)
    actual = fields.Function(
        fields.Char("Actual Country"), 'get_actual')
    first_seen = fields.Timestamp(
        "First Seen", required=True, readonly=True)
    last_seen = fields.Timestamp(
        "Last Seen", required=True, readonly=True)
    explanation = fields.Char(
        "Explanation",
        states={
            'readonly': Eval('state') != 'flagged',
            },
        help="As the exit of a virtual network. Do not enter anything about "
        "a patient.")
    decided_by = user_field("Decided By")
    decided_at = time_field("Decided At")
    state = fields.Selection([
            ('flagged', "Flagged"),
            ('confirmed', "Confirmed and Refused"),
            ('explained', "Explained"),
            ], "State", required=True, readonly=True, sort=False)

    _protected = frozenset({
            'state', 'user', 'reason', 'declared', 'actual_code',
            'first_seen', 'last_seen', 'decided_by', 'decided_at'})

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_indexes.update({
                Index(
                    t, (t.user, Index.Range()),
                    (t.actual_code, Index.Equality())),
                Index(
                    t, (t.state, Index.Equality(cardinality='low')),
                    (t.last_seen, Index.Range(order='DESC'))),
                })
        cls._order = [('last_seen', 'DESC'), ('id', 'DESC')]
        cls._transitions |= {
            ('flagged', 'confirmed'),
            ('flagged', 'explained'),
            ('confirmed', 'flagged'),
            ('explained', 'flagged'),
            }
        decided = Eval('state') != 'flagged'
        cls._buttons.update(
            confirm={
                'invisible': decided,
                'icon': 'tryton-warning',
                'depends': ['state'],
                },
            explain={
                'invisible': decided,
                'icon': 'tryton-ok',
                'depends': ['state'],
                },
            reopen={
                'invisible': ~decided,
                'icon': 'tryton-back',
                'depends': ['state'],
                })

    @staticmethod
    def default_state():
        return 'flagged'

    @classmethod
    def get_actual(cls, mismatches, name):
        Country = Pool().get('country.country')
        names = {
            c.code: c.rec_name for c in Country.search([
                    ('code', 'in', list({m.actual_code for m in mismatches})),
                    ])}
        return {
            m.id: names.get(m.actual_code, m.actual_code)
            for m in mismatches}

    def get_rec_name(self, name):
        return f'{self.user.rec_name} - {self.actual_code}'

    @classmethod
    def search_rec_name(cls, name, clause):
        bool_op = 'AND' if clause[1].startswith(('!', 'not ')) else 'OR'
        return [bool_op,
            ('user.rec_name', *clause[1:]),
            ('actual_code', *clause[1:]),
            ]

    @classmethod
    def view_attributes(cls):
        return super().view_attributes() + [
            ('/tree', 'visual',
                If(Eval('state') == 'flagged', 'warning',
                    If(Eval('state') == 'confirmed', 'danger', 'muted'))),
            ]

    @classmethod
    @without_check_access
    def note(cls, user, reason, code):
        """Keep that a user is seen where nobody expects it.

        :param user: the id of the user.
        :returns: whether the user is refused there.
        """
        transaction = Transaction()
        with transaction.set_user(0):
            found = cls._find(user, reason, code)
            if not found or found.last_seen < dt.datetime.now() - INTERVAL:
                if transaction.readonly:
                    transaction.atexit(
                        cls._note_after, transaction.database.name, user,
                        reason, code)
                else:
                    found = cls._write(user, reason, code)
        return bool(found and found.state == 'confirmed')

    @classmethod
    def _find(cls, user, reason, code):
        found = cls.search([
                ('user', '=', user),
                ('reason', '=', reason),
                ('actual_code', '=', code),
                ], limit=1, order=[('id', 'DESC')])
        return found[0] if found else None

    @staticmethod
    def _note_after(database, user, reason, code):
        "Keep it once a transaction that may not write has stopped."
        with Transaction(new=True).start(database, 0):
            Pool(database).get('early_access.place_mismatch')._write(
                user, reason, code)

    @classmethod
    def _write(cls, user, reason, code):
        "Keep the time of a mismatch, the first one or the last one."
        record = Pool().get('res.user')(user)
        # Of several requests at once the first one makes the record
        follow_one_another([record])
        now = dt.datetime.now()
        if found := cls._find(user, reason, code):
            cls.write([found], {'last_seen': now})
            return found
        country = record.work_country
        found, = cls.create([{
                    'user': user,
                    'reason': reason,
                    'declared': country.id if country else None,
                    'actual_code': code,
                    'first_seen': now,
                    'last_seen': now,
                    }])
        notice.send(
            'early_access.place_mismatch.notice', found,
            notice.members('security_officer'))
        return found

    @classmethod
    @guarded('flagged')
    @ModelView.button
    @Workflow.transition('confirmed')
    @stamped('decided')
    def confirm(cls, mismatches):
        "Refuse the users there, and end their sessions."
        User = Pool().get('res.user')
        for mismatch in mismatches:
            mismatch.check_decision()
        User.end_sessions([m.user.id for m in mismatches], 'place')

    @classmethod
    @guarded('flagged')
    @ModelView.button
    @Workflow.transition('explained')
    @stamped('decided')
    def explain(cls, mismatches):
        "Accept the users there, with the explanation."
        for mismatch in mismatches:
            mismatch.check_decision()
            if not (mismatch.explanation or '').strip():
                raise PlaceError(gettext(
                        'early_access_retention.msg_place_explanation',
                        mismatch=mismatch.rec_name))

    @classmethod
    @guarded('confirmed', 'explained')
    @ModelView.button
    @Workflow.transition('flagged')
    def reopen(cls, mismatches):
        cls.write(mismatches, {'decided_by': None, 'decided_at': None})

    def check_decision(self):
        if self.user.id == Transaction().user:
            raise PlaceError(gettext(
                    'early_access_retention.msg_place_own',
                    mismatch=self.rec_name))

    @classmethod
    def check_modification(cls, mode, mismatches, values=None, external=False):
        super().check_modification(
            mode, mismatches, values=values, external=external)
        for mismatch in mismatches:
            if mode == 'write' and external and mismatch.state != 'flagged':
                raise PlaceError(gettext(
                        'early_access_retention.msg_place_decided',
                        mismatch=mismatch.rec_name))


class PlaceMismatchNotice(notice.Notice):
    "Tell the security officers that a user connects from elsewhere"
    __name__ = 'early_access.place_mismatch.notice'


class User(metaclass=PoolMeta):
    __name__ = 'res.user'

    work_country = fields.Many2One(
        'country.country', "Works From", ondelete='RESTRICT',
        help="The country from which the user works. Outside the Union it "
        "needs a transfer in force (CNIL 2022-107, art. 12.4).")
    _work_place_cache = Cache('res_user.work_place', context=False)

    @classmethod
    def validate_fields(cls, users, field_names):
        super().validate_fields(users, field_names)
        if field_names is not None and not {
                'work_country', 'companies'} & set(field_names):
            return
        for user in users:
            country = user.work_country
            if (country and not is_inside(country.code)
                    and not cls._viewing_in_force(user)):
                raise WorkCountryError(gettext(
                        'early_access_retention.msg_user_work_country',
                        user=user.rec_name, country=country.name))

    @classmethod
    @without_check_access
    def _viewing_in_force(cls, user):
        "Whether transfers let the user look at data from the country."
        Transfer = Pool().get('early_access.transfer')
        date = current_date()
        return any(t.is_in_force(date) for t in Transfer.search([
                    ('company', 'in', [c.id for c in user.companies]),
                    ('country', '=', user.work_country.id),
                    ('viewing', '=', True),
                    ('state', '=', 'active'),
                    ]))

    @classmethod
    def admits_place(cls, user):
        """Return whether the user may work from where the request comes from.

        Who moves inside the Union transfers nothing. A country that is not
        known is no reason to refuse.

        :param user: the id of the user.
        """
        code = actual_country()
        if not user or not code or is_inside(code):
            return True
        reason = cls._outside_reason(user, code)
        if not reason:
            return True
        return not Pool().get('early_access.place_mismatch').note(
            user, reason, code)

    @classmethod
    def _outside_reason(cls, user, code):
        "Return why the user is not meant to be in a country, or None."
        key = user, current_date()
        place = cls._work_place_cache.get(key)
        if place is None:
            with Transaction().set_user(0), without_check_access():
                record = cls(user)
                country = record.work_country
                place = (
                    country.code if country else '',
                    bool(country and not is_inside(country.code)
                        and cls._viewing_in_force(record)))
            cls._work_place_cache.set(key, place)
        declared, in_force = place
        if declared != code:
            return 'place'
        if not in_force:
            return 'transfer'

    @classmethod
    def get_login(cls, login, parameters):
        user_id = super().get_login(login, parameters)
        if user_id and not cls.admits_place(user_id):
            Trail.current().add(
                'login_failed', 'res.user', [user_id], reason='place')
            return
        return user_id

    @classmethod
    def on_modification(cls, mode, users, field_names=None):
        super().on_modification(mode, users, field_names=field_names)
        if field_names is None or {
                'work_country', 'companies'} & set(field_names):
            cls._work_place_cache.clear()


class Session(metaclass=PoolMeta):
    __name__ = 'ir.session'

    @classmethod
    def check(cls, user, key, domain=None):
        User = Pool().get('res.user')
        result = super().check(user, key, domain=domain)
        if result and not User.admits_place(user):
            with ending('place'):
                cls.delete(cls.search([('key', '=', key)]))
            return
        return result


class Application(metaclass=PoolMeta):
    __name__ = 'res.user.application'

    def is_valid(self):
        User = Pool().get('res.user')
        return super().is_valid() and User.admits_place(self.user.id)
