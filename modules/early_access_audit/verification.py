# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The verification of the seals from the client."

from sql.aggregate import Sum
from sql.conditionals import Coalesce

from trytond.i18n import gettext
from trytond.model import ModelView, fields
from trytond.pool import Pool
from trytond.transaction import Transaction, without_check_access
from trytond.wizard import Button, StateView, Wizard

from .anchor import Anchor, anchor_path
from .exceptions import VerificationError
from .signing_key import SigningKeyError, configured_path, read_public_keys
from .verify import Verification

# What a request has the time for
MAXIMUM = 200_000


class Verify(Wizard):
    "Verify the Seals"
    __name__ = 'early_access.audit.verify'

    start = StateView(
        'early_access.audit.verify.start',
        'early_access_audit.verify_start_view_form', [
            Button("Cancel", 'end', 'tryton-cancel'),
            Button("Verify", 'result', 'tryton-ok', default=True),
            ])
    result = StateView(
        'early_access.audit.verify.result',
        'early_access_audit.verify_result_view_form', [
            Button("Close", 'end', 'tryton-close', default=True),
            ])

    @without_check_access
    def default_start(self, fields):
        "Propose the seals that are selected, or the last ones."
        Seal = Pool().get('early_access.audit.seal')
        numbers = [s.number for s in self.records] if (
            self.model and self.model.__name__ == Seal.__name__) else []
        if len(numbers) > 1:
            return {'first': min(numbers), 'last': max(numbers)}
        last = Seal.last()
        number = last.number if last else 1
        return {'first': max(number - 99, 1), 'last': number}

    @without_check_access
    def default_result(self, fields):
        """Verify the range.

        :raises VerificationError: when it is too long for a request, or the
            server has no public key.
        """
        first, last = self.start.first, self.start.last
        self._check_count(first, last)
        try:
            keys = read_public_keys(f'{configured_path()}.pub')
        except SigningKeyError as e:
            raise VerificationError(str(e)) from None
        anchor = Anchor.read(anchor_path(), Transaction().database.name)
        verification = Verification(keys, first, last, anchor)
        damages = list(verification.damages())
        if anchor and anchor.number == last:
            damages += verification.check_end(last)
        return {
            'sound': not damages,
            'seals': verification.seals,
            'events': verification.events,
            'damages': '\n'.join(
                gettext(
                    'early_access_audit.msg_verify_damage',
                    number=d.number, kind=d.kind, text=d.text)
                for d in damages),
            }

    def _check_count(self, first, last):
        Seal = Pool().get('early_access.audit.seal')
        table = Seal.__table__()
        cursor = Transaction().connection.cursor()
        cursor.execute(*table.select(
                Coalesce(Sum(table.count), 0),
                where=(table.number >= first) & (table.number <= last)))
        count, = cursor.fetchone()
        if count > MAXIMUM:
            raise VerificationError(gettext(
                    'early_access_audit.msg_verify_maximum',
                    count=count, maximum=MAXIMUM))


class VerifyStart(ModelView):
    __name__ = 'early_access.audit.verify.start'

    first = fields.Integer(
        "First Seal", required=True, domain=[('first', '>=', 1)])
    last = fields.Integer(
        "Last Seal", required=True, domain=[('last', '>=', 1)])


class VerifyResult(ModelView):
    __name__ = 'early_access.audit.verify.result'

    sound = fields.Boolean(
        "As Sealed", readonly=True,
        help="Whether all is as it was when it was sealed.")
    seals = fields.Integer("Seals", readonly=True)
    events = fields.Integer("Events", readonly=True)
    damages = fields.Text("Damages", readonly=True)
