# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Users with two factors, and the requests by which they log in."
import base64
import json
import time
import urllib.error
import urllib.request

import pyotp
from harness import PASSWORD

from trytond.protocols.jsonrpc import JSONDecoder, JSONEncoder

SECRET = base64.b32encode(b'12345678901234567890').decode()
RECOVERY_CODE = 'ABCDEFGH23456789'
# What asks two factors
STRONG = {
    'TRYTOND_EARLY_ACCESS__DEMONSTRATION': 'False',
    'TRYTOND_SESSION__AUTHENTICATIONS': 'password+totp',
    }
# As many users as tests, because a code is accepted once
USERS = 40


def users(config):
    """Create users who have a password, a second factor and a recovery code.

    Their logins are user0, user1 and so on; 'admin' has them too.
    """
    from trytond.pool import Pool
    from trytond.transaction import Transaction
    with Transaction().start(config.database_name, 0):
        pool = Pool()
        RecoveryCode = pool.get('early_access.audit.recovery_code')
        Totp = pool.get('early_access.audit.totp')
        User = pool.get('res.user')
        password_hash = User.hash_password(PASSWORD)
        users = User.create([{
                    'name': f'User {i}',
                    'login': f'user{i}',
                    'email': f'user{i}@example.com',
                    'password_hash': password_hash,
                    } for i in range(USERS)])
        admin, = User.search([('login', '=', 'admin')])
        for user in [admin, *users]:
            Totp.propose(user.id, SECRET).activate()
            RecoveryCode.create([{
                        'user': user.id,
                        'digest': RecoveryCode._digest(
                            user.id, RECOVERY_CODE),
                        }])


def code(steps=0):
    """Return the code of the users.

    :param steps: of which time step, from the current one.
    """
    # It must not change on its way
    if (left := 30 - time.time() % 30) < 3:
        time.sleep(left)
    return pyotp.TOTP(SECRET).at(int(time.time()) + 30 * steps)


class Refused(Exception):
    "The status of an answer that is no result."

    def __init__(self, status):
        super().__init__(status)
        self.status = status


class Asked(Exception):
    "The name of what the server asks."


def post(url, body, headers=None):
    "Return the answer to a JSON request."
    request = urllib.request.Request(
        url, json.dumps(body, cls=JSONEncoder).encode(),
        {'Content-Type': 'application/json', **(headers or {})})
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.load(response, object_hook=JSONDecoder())
    except urllib.error.HTTPError as error:
        raise Refused(error.code) from None


def call(server, method, *params, headers=None):
    "Return the result of an RPC."
    answer = post(
        f'{server.address}{server.database}/rpc/',
        {'id': 1, 'method': method, 'params': params}, headers)
    if error := answer.get('error'):
        if error[0] == 'LoginException':
            raise Asked(error[1][0])
        if status := str(error[0])[:3]:
            if status.isdigit():
                raise Refused(int(status))
        raise RuntimeError(error)
    return answer['result']


def login(server, login, **parameters):
    "Return the id of the user and the key of the session."
    user, key, _ = call(server, 'common.db.login', login, parameters)
    return user, key


class Session:
    "The session of a user who logged in with both factors."

    def __init__(self, server, name, **parameters):
        self.server = server
        self.name = name
        self.user, self.key = login(server, name, **{
                'password': PASSWORD, 'totp': code(), **parameters})

    @property
    def headers(self):
        token = f'{self.name}:{self.user}:{self.key}'
        return {'Authorization': 'Session ' + base64.b64encode(
                token.encode()).decode()}

    def call(self, method, *params):
        return call(self.server, method, *params, headers=self.headers)

    def model(self, name, method, *params):
        return self.call(f'model.{name}.{method}', *params, {})

    def lives(self):
        try:
            self.model('res.user', 'get_preferences', True)
        except Refused as refused:
            assert refused.status == 401, refused.status
            return False
        return True
