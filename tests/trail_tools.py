# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"What users do over HTTP, and how it is found in the trail."
import base64
import json
import urllib.request

from harness import PASSWORD, ServerTestCase

from trytond.protocols.jsonrpc import JSONDecoder, JSONEncoder


def programme(config):
    "A programme with patients, whose users have a password"
    from proteus import Model
    from trytond.modules.early_access.tests.tools import (
        create_laboratory, create_patient, create_programme)

    create_laboratory(config=config)
    create_programme(config=config)
    create_patient('treated', config=config)
    create_patient('eligible', login='south_prescriber', config=config)
    User = Model.get('res.user', config=config)
    for user in User.find([('login', '!=', 'admin')]):
        user.password = PASSWORD
        user.save()


class Client:
    "The JSON-RPC of a user, as the browser client sends it."

    def __init__(self, server, login, password=PASSWORD):
        self._url = f'{server.address}{server.database}/rpc/'
        self._headers = {'Content-Type': 'application/json'}
        user, key, _ = self.call(
            'common.db.login', login, {'password': password})
        token = base64.b64encode(f'{login}:{user}:{key}'.encode()).decode()
        self._headers['Authorization'] = f'Session {token}'
        self.context = {}
        self.context = self.model('res.user', 'get_preferences', True)

    def call(self, method, *params):
        body = json.dumps({
                'id': 1, 'method': method, 'params': params,
                }, cls=JSONEncoder).encode()
        request = urllib.request.Request(self._url, body, self._headers)
        with urllib.request.urlopen(request, timeout=60) as response:
            answer = json.load(response, object_hook=JSONDecoder())
        if answer.get('error'):
            raise RuntimeError(answer['error'][0])
        return answer['result']

    def model(self, name, method, *params):
        return self.call(f'model.{name}.{method}', *params, self.context)


class TracedTestCase(ServerTestCase):
    "A test case that finds the events since each of its tests began"
    module = 'early_access_audit'
    fixtures = programme

    def setUp(self):
        super().setUp()
        self.last = self.last_event()

    def events(self, **values):
        "Return the events since the test began, as dictionaries."
        rows = self.auditor().model(
            'early_access.audit.event', 'search_read',
            [('id', '>', self.last),
                ['OR', ('login', '=', None), ('login', '!=', 'audit')]],
            0, None, [('id', 'ASC')], [
                'login', 'action', 'model', 'records', 'field_names',
                'target', 'reason', 'roles', 'method', 'address',
                'connection_id', 'at'])
        return [
            r for r in rows if all(r[n] == v for n, v in values.items())]

    def auditor(self):
        return Client(self.server, 'audit')

    def last_event(self):
        rows = self.auditor().model(
            'early_access.audit.event', 'search', [], 0, 1,
            [('id', 'DESC')])
        return rows[0] if rows else 0

    def event(self, **values):
        events = self.events(**values)
        self.assertEqual(len(events), 1, msg=(values, self.events()))
        return events[0]

    def patient(self, user):
        patient, = user.model(
            'early_access.patient', 'search', [('state', '=', 'treated')], 0,
            1, None)
        return patient
