# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import datetime as dt
import hashlib
import secrets

from sql import Null

from trytond.model import Index, ModelSQL, fields
from trytond.transaction import Transaction, without_check_access

COUNT = 10
# Without 0, 1, I and O, that are taken one for another
ALPHABET = '23456789ABCDEFGHJKLMNPQRSTUVWXYZ'
# 80 bits: a plain hash is not guessed
SIZE = 16
GROUP = 4


def clean_recovery_code(text):
    "Return the code as it was made, or None."
    code = ''.join(c for c in text.upper() if c.isalnum())
    if len(code) == SIZE and not code.strip(ALPHABET):
        return code


class RecoveryCode(ModelSQL):
    """A code that replaces one from the telephone, once.

    Only its hash is stored.
    """
    __name__ = 'early_access.audit.recovery_code'

    user = fields.Many2One(
        'res.user', "User", required=True, readonly=True, ondelete='CASCADE')
    digest = fields.Char("Digest", required=True, readonly=True)
    used = fields.Timestamp("Used", readonly=True)

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls.__rpc__ = {}
        t = cls.__table__()
        cls._sql_indexes.add(Index(
                t, (t.user, Index.Range()), (t.digest, Index.Equality())))

    @classmethod
    @without_check_access
    def renew(cls, user):
        """Replace the codes of the user.

        :param user: the id of the user.
        :returns: the codes, which cannot be read again.
        """
        cls.delete(cls.search([('user', '=', user)]))
        codes = [
            ''.join(secrets.choice(ALPHABET) for _ in range(SIZE))
            for _ in range(COUNT)]
        cls.create([{
                    'user': user,
                    'digest': cls._digest(user, code),
                    } for code in codes])
        return [
            '-'.join(
                code[i:i + GROUP] for i in range(0, SIZE, GROUP))
            for code in codes]

    @classmethod
    def accept(cls, user, text):
        "Return whether it is a code of the user, and accept it once only."
        code = clean_recovery_code(text)
        if code is None:
            return False
        table = cls.__table__()
        cursor = Transaction().connection.cursor()
        cursor.execute(*table.update(
                [table.used], [dt.datetime.now()],
                where=(table.user == user)
                & (table.digest == cls._digest(user, code))
                & (table.used == Null)))
        return bool(cursor.rowcount)

    @staticmethod
    def _digest(user, code):
        return hashlib.sha256(f'{user}:{code}'.encode()).hexdigest()
