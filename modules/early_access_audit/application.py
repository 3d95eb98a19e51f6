# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The accounts of machines (CNIL 2022-107, SEC-AUT-1 and SEC-HAB-1)."

import hashlib
import ipaddress
import json
import secrets
from base64 import urlsafe_b64decode

from dateutil.relativedelta import relativedelta

from trytond.cache import Cache
from trytond.exceptions import LoginException
from trytond.i18n import gettext
from trytond.model import ModelSQL, ModelView, fields
from trytond.pool import Pool, PoolMeta
from trytond.protocols.wrappers import HTTPStatus, abort
from trytond.pyson import Eval, If
from trytond.transaction import Transaction, without_check_access
from trytond.wizard import Button, StateView, Wizard

from . import request as requests
from .exceptions import ApplicationAccessError, ApplicationError
from .res import LEVELS
from .trail import Trail

YEAR = relativedelta(years=1)
# The verbs of the methods that have one; all the others are calls
METHODS = {
    'create': 'create',
    'copy': 'create',
    'write': 'write',
    'delete': 'delete',
    }
METHODS |= dict.fromkeys([
        'read', 'search', 'search_count', 'search_read', 'export_data',
        'fields_get', 'fields_view_get', 'default_get', 'pre_validate',
        'autocomplete'], 'read')
REST = {'GET': 'read', 'POST': 'create', 'PUT': 'write', 'DELETE': 'delete'}
# What a script does before anything else
ALWAYS = frozenset({
        'common.db.logout', 'system.listMethods',
        'model.res.user.get_preferences'})


def digest(key):
    return hashlib.sha256(key.encode()).hexdigest()


def parse_networks(text):
    """Return the networks of a list.

    :param text: addresses with their prefix (CIDR), between commas or spaces.
    :raises ValueError: if one is none.
    """
    return [
        ipaddress.ip_network(n) for n in (text or '').replace(',', ' ').split()
        ]


def asked(request):
    "Return the name of the object that a request is about, and the verb."
    method, _ = requests.rpc_of(request)
    if method:
        _, *name, method = method.split('.')
        if method.startswith('on_change'):
            return '.'.join(name), 'read'
        return '.'.join(name), METHODS.get(method, 'call')
    view_args = request.view_args or {}
    verb = REST.get(request.method)
    if 'action' in view_args or '/rest/report/' in request.path:
        verb = 'call'
    return view_args.get('name'), verb


def forges_context(request):
    """Return whether the request sets what only the server does.

    Tryton takes the groups and the address of the user from the header.
    """
    header = request.headers.get('X-Tryton-Context')
    if not header:
        return False
    try:
        context = json.loads(urlsafe_b64decode(header))
    except ValueError:
        return True
    return not isinstance(context, dict) or any(
        key.startswith('_') for key in context)


class Application(metaclass=PoolMeta):
    """The account of a machine: a key for a user that no person is.

    Its hash only is stored. A person answers for it, it ends within a year,
    and it is good from some networks and for some models.
    """
    __name__ = 'res.user.application'
    _rec_name = 'name'

    name = fields.Char("Name", required=True, readonly=True)
    owner = fields.Many2One(
        'res.user', "Owner", required=True, ondelete='RESTRICT',
        help="The person who answers for what the machine does.")
    from_date = fields.Date("From Date", required=True, readonly=True)
    to_date = fields.Date(
        "To Date", required=True,
        domain=[
            If(Eval('to_date') & Eval('from_date'),
                ('to_date', '>=', Eval('from_date', None)),
                ()),
            ])
    networks = fields.Char(
        "Networks", required=True,
        help="The networks it comes from (CIDR), separated by commas.")
    levels = fields.Boolean(
        "Data of Patients",
        help="Check to let it use the rights of its user on health data and "
        "identities.")
    scopes = fields.One2Many(
        'early_access.audit.application.scope', 'application', "Scopes")

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls.application.selection.append(('script', "Script (XML-RPC)"))
        cls.key.readonly = True
        cls.user.readonly = True
        cls.application.readonly = True
        # Not to show nor search
        cls.key.loading = 'lazy'

    @classmethod
    def default_state(cls):
        return 'requested'

    @classmethod
    def issue(cls, values):
        """Create an account.

        :returns: the record and the key, which cannot be read again.
        """
        key = secrets.token_urlsafe(32)
        with without_check_access():
            application, = cls.create([{
                        **values,
                        'key': digest(key),
                        'state': 'validated',
                        }])
        Trail.current().add(
            'activation', 'res.user', [application.user.id], reason='machine')
        return application, key

    @classmethod
    def _before_create(cls, vlist):
        if Transaction().check_access:
            raise ApplicationAccessError(
                gettext('early_access_audit.msg_application_wizard'))
        return super()._before_create(vlist)

    @classmethod
    def validate_fields(cls, applications, field_names):
        super().validate_fields(applications, field_names)
        for application in applications:
            application._check_limits()

    def _check_limits(self):
        if self.to_date > self.from_date + YEAR:
            raise ApplicationError(gettext(
                    'early_access_audit.msg_application_year',
                    application=self.rec_name))
        try:
            networks = parse_networks(self.networks)
        except ValueError:
            networks = []
        if not networks:
            raise ApplicationError(gettext(
                    'early_access_audit.msg_application_networks',
                    application=self.rec_name))

    @classmethod
    def check(cls, key, application):
        """Return the account of a key that is good for the request, or None.

        :param key: the key.
        :param application: what it is for, 'rest' or 'script'.
        """
        request = requests.current.get()
        if not isinstance(key, str) or request is None:
            return
        record = super().check(digest(key), application)
        if record is None or not record.is_valid():
            return
        if application == 'rest':
            if forges_context(request):
                abort(HTTPStatus.BAD_REQUEST)
            if not record.covers(request):
                abort(HTTPStatus.FORBIDDEN)
        return record

    @without_check_access
    def is_valid(self):
        "Return whether it lives and the request comes from where it may."
        Date = Pool().get('ir.date')
        address = requests.current.get().remote_addr
        return (
            self.state == 'validated'
            and self.from_date <= Date.today() <= self.to_date
            and self.user.active and self.owner.active
            and any(
                ipaddress.ip_address(address) in network
                for network in parse_networks(self.networks))
            and (self.levels or not self._user_levels()))

    def _user_levels(self):
        User = Pool().get('res.user')
        with Transaction().set_user(self.user.id):
            return User.profiles() & LEVELS

    @without_check_access
    def covers(self, request):
        "Return whether a scope is about what the request asks."
        method, _ = requests.rpc_of(request)
        if method in ALWAYS:
            return True
        name, verb = asked(request)
        return any(
            s.model == name and s.verb == verb for s in self.scopes)


class ApplicationScope(ModelSQL, ModelView):
    "What an account of a machine may do"
    __name__ = 'early_access.audit.application.scope'

    application = fields.Many2One(
        'res.user.application', "Account", required=True, ondelete='CASCADE')
    model = fields.Char(
        "Model", required=True, help="Or the name of a wizard or a report.")
    verb = fields.Selection([
            ('read', "Read"),
            ('create', "Create"),
            ('write', "Write"),
            ('delete', "Delete"),
            ('call', "Call"),
            ], "Verb", required=True, sort=False,
        help="'Call' is for the buttons, the wizards and the reports.")

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls.__access__.add('application')


class Session(metaclass=PoolMeta):
    __name__ = 'ir.session'

    application = fields.Many2One(
        'res.user.application', "Account", readonly=True, ondelete='CASCADE')

    # The account by key of session, which never changes
    _application_cache = Cache('ir_session.application', context=False)

    @classmethod
    def new(cls, values=None):
        request = requests.current.get()
        application = getattr(request, 'early_access_application', None)
        if application:
            values = {**(values or {}), 'application': application}
        return super().new(values)

    @classmethod
    def check(cls, user, key, domain=None):
        result = super().check(user, key, domain=domain)
        if result:
            if application := cls._application_of(key):
                request = requests.current.get()
                if request is None or not application.is_valid():
                    return
                if not application.covers(request):
                    abort(HTTPStatus.FORBIDDEN)
        return result

    @classmethod
    def _application_of(cls, key):
        Application = Pool().get('res.user.application')
        id_ = cls._application_cache.get(key)
        if id_ is None:
            session, = cls.search([('key', '=', key)], limit=1)
            # A session of a person has none
            id_ = session.application.id if session.application else 0
            cls._application_cache.set(key, id_)
        return Application(id_) if id_ else None


class User(metaclass=PoolMeta):
    __name__ = 'res.user'

    @classmethod
    def _login_key(cls, login, parameters):
        "Let a script in with the key of an account of a machine."
        Application = Pool().get('res.user.application')
        if 'key' not in parameters:
            raise LoginException(
                'key', gettext('early_access_audit.msg_login_key'))
        application = Application.check(parameters['key'], 'script')
        if application and application.user.login == login:
            # Its session is bound to it
            requests.current.get().early_access_application = application.id
            return application.user.id


class IssueStart(ModelView):
    __name__ = 'early_access.audit.application.issue.start'

    name = fields.Char("Name", required=True)
    application = fields.Selection([
            ('rest', "REST API"),
            ('script', "Script (XML-RPC)"),
            ], "Application", required=True)
    user = fields.Many2One(
        'res.user', "User", required=True,
        help="A user that no person is, with the groups that the machine "
        "needs.")
    owner = fields.Many2One(
        'res.user', "Owner", required=True,
        help="The person who answers for what the machine does.")
    to_date = fields.Date("To Date", required=True)
    networks = fields.Char(
        "Networks", required=True,
        help="The networks it comes from (CIDR), separated by commas.")
    levels = fields.Boolean(
        "Data of Patients",
        help="Check to let it use the rights of its user on health data and "
        "identities.")
    scopes = fields.Text(
        "Scopes", required=True,
        help="One a line: the name of a model and its verbs, read, create, "
        "write, delete or call.")

    @staticmethod
    def default_to_date():
        Date = Pool().get('ir.date')
        return Date.today() + YEAR


class IssueResult(ModelView):
    __name__ = 'early_access.audit.application.issue.result'

    name = fields.Char("Name", readonly=True)
    key = fields.Char(
        "Key", readonly=True,
        help="It is shown once: store it where the machine only can read it.")


class Issue(Wizard):
    "Create an Account of a Machine"
    __name__ = 'early_access.audit.application.issue'

    start = StateView(
        'early_access.audit.application.issue.start',
        'early_access_audit.application_issue_start_view_form', [
            Button("Cancel", 'end', 'tryton-cancel'),
            Button("Create", 'result', 'tryton-ok', default=True),
            ])
    result = StateView(
        'early_access.audit.application.issue.result',
        'early_access_audit.application_issue_result_view_form', [
            Button("Close", 'end', 'tryton-close', default=True),
            ])

    def default_result(self, fields):
        pool = Pool()
        Application = pool.get('res.user.application')
        Date = pool.get('ir.date')
        start = self.start
        application, key = Application.issue({
                'name': start.name,
                'application': start.application,
                'user': start.user.id,
                'owner': start.owner.id,
                'from_date': Date.today(),
                'to_date': start.to_date,
                'networks': start.networks,
                'levels': bool(getattr(start, 'levels', False)),
                'scopes': [('create', parse_scopes(start.scopes))],
                })
        return {'name': application.name, 'key': key}


def parse_scopes(text):
    """Return the values of the scopes of a text.

    :raises ApplicationError: if a line is none.
    """
    pool = Pool()
    verbs = set(REST.values()) | {'call'}
    result = []
    for line in text.splitlines():
        if not line.strip():
            continue
        name, *names = line.replace(',', ' ').replace(':', ' ').split()
        known = any(
            name in dict(pool.iterobject(type=type_))
            for type_ in ['model', 'wizard', 'report'])
        if not known or not names or not verbs.issuperset(names):
            raise ApplicationError(gettext(
                    'early_access_audit.msg_application_scope', line=line))
        result += [{'model': name, 'verb': verb} for verb in names]
    return result
