# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Act as several users of a database.

A script has the rights of the user it is connected as.  The demonstration is
the work of many persons, so it opens a session for each of them::

    sessions = LocalSessions('demo', 'config/demo.conf')
    supply = sessions['supply']
    Order = supply.model('early_access.order')
    supply.click(Order.find([('state', '=', 'submitted')]), 'approve')
"""
import hashlib
from contextlib import ExitStack
from copy import copy

from proteus import Model, Wizard, config


def batches(records, size=50):
    """Cut a list into short ones.

    A request on a few records makes others wait less, and is less work for
    the server than the same request on hundreds of records.
    """
    for start in range(0, len(records), size):
        yield records[start:start + size]


class Sessions:
    """The sessions by login, opened when they are first needed.

    To be used in a `with` statement, which closes them.
    """

    def __init__(self):
        self._sessions = {}
        self._stack = ExitStack()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        return self._stack.__exit__(*exception)

    def __getitem__(self, login):
        if login not in self._sessions:
            self._sessions[login] = Session(self._connect(login))
        return self._sessions[login]

    def _connect(self, login):
        raise NotImplementedError


class LocalSessions(Sessions):
    """Sessions in this process, next to the database.

    There is no server and no password: the configuration file of trytond
    tells where the database is.
    """

    def __init__(self, database, config_file):
        super().__init__()
        self._admin = config.set_trytond(database, config_file=config_file)

    def _connect(self, login):
        # The modules are loaded once: the sessions differ by their user only
        user, = Model.get('res.user', self._admin).find([
                ('login', '=', login)])
        session = copy(self._admin)
        session._user, session.user = login, user.id
        User = Model.get('res.user', session)
        session._context = User.get_preferences(True, {})
        return session


class ServerSessions(Sessions):
    """Sessions on a running server, whose users all have the same password.

    The URL is the address of the server followed by the name of the database.
    """

    def __init__(self, url, password):
        super().__init__()
        self.url = url.rstrip('/') + '/rpc/'
        self.password = password

    def _connect(self, login):
        return self._stack.enter_context(config.set_xmlrpc_session(
                self.url, login, password=self.password))


class Session:
    "The session of a user."

    def __init__(self, config):
        self.config = config

    def model(self, name):
        "Return the class of the records of a model."
        return Model.get(name, self.config)

    def own(self, records):
        "Return records of another session as this user sees them."
        return [self.model(type(r).__name__)(r.id) for r in records]

    def data(self, model, module, name):
        "Return the record of a model that a module made under this name."
        Data = self.model('ir.model.data')
        id_ = Data.get_id(module, name, self.config.context)
        return self.model(model)(id_)

    def click(self, records, button):
        "Click on a button for all the records at once."
        if records:
            return type(records[0]).click(records, button)

    def wizard(self, name, records=None):
        "Start a wizard on the records."
        return Wizard(name, records, config=self.config)

    def today(self):
        "Return the date of the server for the company of the user."
        return self.model('ir.date').today(self.config.context)

    def confirm(self, warning, records):
        """Say yes in advance to a warning about the records.

        A person reads the warning and then clicks on yes. A script has to
        know which warnings it accepts; another one stops it.

        :param warning: the name of the warning, without its digest.
        """
        key = '|'.join(f'{type(r).__name__},{r.id}' for r in records)
        digest = hashlib.md5(key.encode()).hexdigest()
        self.model('res.user.warning').skip(
            f'{digest}.{warning}', False, self.config.context)

    def read(self, model, domain, names):
        """Return the values of the records of a domain, in one request.

        :param names: those of the fields; 'a.b' gives the field b of the
            record that the field a refers to.
        :returns: a list of dictionaries.
        """
        return self.model(model).search_read(
            domain, 0, None, None, names, self.config.context)

    def create(self, model, vlist):
        """Create many records in one request and return them.

        The server adds the defaults. What the client computes while a person
        fills in a form must be in the values.
        """
        Record = self.model(model)
        return [Record(i) for i in Record.create(vlist, self.config.context)]

    def write(self, records, vlist, **context):
        "Write the values of each of the records in one request."
        actions = [
            action for record, values in zip(records, vlist)
            for action in ([record.id], values)]
        if actions:
            Record = type(records[0])
            Record.write(*actions, {**self.config.context, **context})
            Record.reload(records)

    def translate(self, records, vlist, language='fr'):
        "Write the texts of the records in another language."
        self.write(records, vlist, language=language)

    def reload(self):
        "Take account of what has changed for the user, such as the company."
        User = self.model('res.user')
        self.config._context = User.get_preferences(True, {})
