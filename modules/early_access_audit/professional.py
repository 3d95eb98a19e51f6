# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import datetime as dt

from trytond.i18n import gettext
from trytond.model import fields
from trytond.modules.early_access.exceptions import ProfessionalError
from trytond.modules.early_access.transaction import begin_immediate
from trytond.pool import Pool, PoolMeta
from trytond.pyson import Bool, Eval
from trytond.transaction import without_check_access


class Professional(metaclass=PoolMeta):
    __name__ = 'early_access.professional'

    stated_at = fields.Timestamp(
        "Signed In", readonly=True,
        states={
            'invisible': ~Bool(Eval('stated_at')),
            },
        help="When the professional, who was not known, signed in with the "
        "identity provider.")
    stated_activities = fields.Text(
        "Stated Activities", readonly=True,
        states={
            'invisible': ~Bool(Eval('stated_activities')),
            },
        help="Where the professional works, as the identity provider said.")

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls._protected |= {'stated_at', 'stated_activities'}
        # The provider may state none, or one that is not in the list yet
        cls.specialty.states['required'] &= ~(
            Bool(Eval('stated_at')) & (Eval('state') == 'pending'))

    def check_complete(self):
        super().check_complete()
        if self.profession == 'doctor' and not self.specialty:
            raise ProfessionalError(gettext(
                    'early_access.msg_professional_incomplete',
                    professional=self.rec_name,
                    fields=self.__names__('specialty')['field']))

    @classmethod
    @without_check_access
    def recognise(cls, identity):
        """Return the professional whose RPPS is the one of an identity.

        One who is not known is kept as pending, with no user and so with no
        right. Neither a name nor an e-mail address is ever compared.

        :param identity: an Identity.
        """
        begin_immediate()
        professional = cls._find(identity.rpps)
        if not professional:
            # One after the other: the transaction starts again with the lock
            cls.lock()
            professional = cls._find(identity.rpps) or cls._request(identity)
        elif professional.state == 'pending' and professional.stated_at:
            text = stated(identity)
            if professional.stated_activities != text:
                cls.write([professional], {'stated_activities': text})
        return professional

    @classmethod
    def _find(cls, rpps):
        professionals = cls.search([('rpps', '=', rpps)])
        return professionals[0] if professionals else None

    @classmethod
    def _request(cls, identity):
        pool = Pool()
        Party = pool.get('party.party')
        Specialty = pool.get('early_access.specialty')
        specialties = Specialty.search(
            [('code', 'in', list(identity.specialties))], limit=1)
        if identity.profession != 'doctor':
            specialties = []
        party, = Party.create([{'name': identity.name}])
        professional, = cls.create([{
                    'party': party.id,
                    'rpps': identity.rpps,
                    'profession': identity.profession,
                    'specialty': specialties[0].id if specialties else None,
                    'stated_at': dt.datetime.now(),
                    'stated_activities': stated(identity),
                    }])
        return professional

    def places(self, identity=None):
        """Return the establishments and pharmacies in which to act.

        :param identity: an Identity, to return those only that it states.
        """
        places = dict.fromkeys(
            [s.establishment for s in self.services if s.active])
        places.update(dict.fromkeys(self.pharmacies))
        return [
            p for p in places
            if identity is None or p.finess in identity.finess]


def stated(identity):
    "Return the activities of an identity as text, one a line."
    return '\n'.join(
        ' '.join(filter(None, [activity.numbers[0], activity.name]))
        for activity in identity.activities) or None
