# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"What the erasure of a party erases of a professional and of the account"

from contextlib import nullcontext

from trytond.i18n import gettext
from trytond.modules.early_access.transaction import forget
from trytond.modules.party.exceptions import EraseError
from trytond.pool import Pool, PoolMeta
from trytond.tools import escape_wildcard
from trytond.transaction import without_check_access

# What serves to sign in only, by the field that tells of whom it is
SIGN_IN = {
    'early_access.audit.activation': 'user',
    'early_access.audit.old_password': 'user',
    'early_access.audit.openid.sign_in': 'professional',
    'early_access.audit.recovery_code': 'user',
    'early_access.audit.reset_request': 'login',
    'early_access.audit.throttle': 'login',
    'early_access.audit.totp': 'user',
    'ir.session': 'create_uid',
    'res.user.device': 'login',
    'res.user.login.attempt': 'login',
    }
ERASED = '****'


class Erase(metaclass=PoolMeta):
    __name__ = 'party.erase'

    @without_check_access
    def check_erase(self, party):
        pool = Pool()
        End = pool.get('early_access.retention.professional_end')
        Professional = pool.get('early_access.professional')
        super().check_erase(party)
        professionals = _professionals(party)
        needed = Professional.retention_needed(professionals)
        approved = {e.professional for e in End.approved(professionals)}
        for professional in professionals:
            if why := needed.get(professional.id):
                raise EraseError(gettext(
                        'early_access_retention.msg_erase_needed',
                        party=party.rec_name, why=why))
            if professional not in approved:
                raise EraseError(gettext(
                        'early_access_retention.msg_erase_approved',
                        party=party.rec_name))

    def to_erase(self, party_id):
        pool = Pool()
        ContactMechanism = pool.get('party.contact_mechanism')
        Identifier = pool.get('party.identifier')
        Professional = pool.get('early_access.professional')
        to_erase = super().to_erase(party_id)
        # They hold the same as what is erased there
        to_erase += [
            (Identifier, [('party', '=', party_id)], False,
                ['code_compact'], [ERASED]),
            (ContactMechanism, [('party', '=', party_id)], False,
                ['value_compact'], [None]),
            (Professional, [('party', '=', party_id)], True,
                ['rpps', 'specialty', 'stated_activities', 'state'],
                [None, None, None, 'inactive']),
            ]
        for professional in _professionals(party_id):
            to_erase += self._erase_emails(professional)
            if professional.user:
                to_erase += self._erase_user(professional.user)
        return to_erase

    def _erase_user(self, user):
        User = Pool().get('res.user')
        return [
            (User, [('id', '=', user.id)], True,
                ['name', 'login', 'email', 'signature', 'password_hash',
                    'password_reset', 'active'],
                [None, f'erased-{user.id}', None, None, None, None, False]),
            ]

    def _erase_emails(self, professional):
        "What was sent to the professional, such as reminders."
        pool = Pool()
        Address = pool.get('ir.email.address')
        Email = pool.get('ir.email')
        mechanisms = professional.party.contact_mechanisms
        addresses = {m.value for m in mechanisms if m.type == 'email'}
        if professional.user:
            addresses.add(professional.user.email)
        names = [
            'recipients', 'recipients_secondary', 'recipients_hidden']
        for address in sorted(filter(None, addresses)):
            like = ('ilike', f'%{escape_wildcard(address)}%')
            domain = ['OR', *[(name, *like) for name in names]]
            yield (
                Email, domain, False,
                [*names, 'subject', 'body'],
                [ERASED, None, None, None, None])
            yield Address, [('address', *like)], False, ['address'], [ERASED]

    def transition_erase(self):
        pool = Pool()
        End = pool.get('early_access.retention.professional_end')
        Pharmacy = pool.get('early_access.professional-party.party')
        Service = pool.get('early_access.professional-early_access.service')
        professionals = _professionals(self.ask.party)
        users = [p.user for p in professionals if p.user]
        found = {
            'create_uid': users,
            'login': [u.login for u in users],
            'professional': professionals,
            'user': users,
            }
        ends = End.approved(professionals)
        # Who erases parties may not write users: two persons have approved
        with without_check_access() if ends else nullcontext():
            result = super().transition_erase()
        # It was written in SQL
        forget()
        with without_check_access():
            for name, field in SIGN_IN.items():
                Model = pool.get(name)
                Model.delete(Model.search([(field, 'in', found[field])]))
            for Model in [Service, Pharmacy]:
                Model.delete(Model.search([
                            ('professional', 'in', professionals),
                            ]))
            End.mark_erased(ends)
        return result


@without_check_access
def _professionals(party):
    Professional = Pool().get('early_access.professional')
    return Professional.search([('party', '=', int(party))])
