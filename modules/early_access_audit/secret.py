# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import os

from trytond.model import ModelSQL, fields
from trytond.modules.early_access.data_key import Ciphertext, open_key
from trytond.pool import Pool
from trytond.transaction import without_check_access

NONCE = 12


class SecretMixin(ModelSQL):
    """Keep one secret of a user, sealed by the keyring.

    It is encrypted under a data key of its own with AES-256-GCM, whose
    associated data are the model and the user: moved to another user it does
    not open. The model is not a view, no other leads to it and no group has
    access to it, so that nobody searches by it either.
    """
    __slots__ = ()

    user = fields.Many2One(
        'res.user', "User", required=True, readonly=True, ondelete='CASCADE')
    data_key = fields.Many2One(
        'early_access.data_key', "Data Key", required=True, readonly=True,
        ondelete='RESTRICT')
    sealed = Ciphertext("Sealed", required=True, readonly=True)

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls.__rpc__ = {}

    @classmethod
    @without_check_access
    def keep(cls, user, secret, **values):
        """Create the record of a secret.

        :param user: the id of the user.
        :param secret: a string.
        """
        DataKey = Pool().get('early_access.data_key')
        data_key = DataKey.new()
        cipher = cls._cipher(data_key.id)
        nonce = os.urandom(NONCE)
        sealed = nonce + cipher.encrypt(
            nonce, secret.encode(), cls._associated(user))
        record, = cls.create([{
                    **values,
                    'user': user,
                    'data_key': data_key.id,
                    'sealed': sealed,
                    }])
        return record

    @without_check_access
    def secret(self):
        "Return the secret."
        cipher = self._cipher(self.data_key.id)
        return cipher.decrypt(
            self.sealed[:NONCE], self.sealed[NONCE:],
            self._associated(self.user.id)).decode()

    @classmethod
    def _cipher(cls, data_key):
        DataKey = Pool().get('early_access.data_key')
        (_, _, kek, wrapped), = DataKey.wrapped_keys([data_key])
        cipher, _ = open_key(kek, wrapped)
        return cipher

    @classmethod
    def _associated(cls, user):
        return f'{cls.__name__} 1 {user}'.encode()

    @classmethod
    def on_delete(cls, records):
        DataKey = Pool().get('early_access.data_key')
        callback = super().on_delete(records)
        keys = [r.data_key for r in records]
        callback.append(lambda: DataKey.delete(keys))
        return callback
