# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from collections import defaultdict

from trytond.i18n import gettext
from trytond.model import fields
from trytond.pool import Pool
from trytond.pyson import Eval
from trytond.tools.immutabledict import ImmutableDict
from trytond.transaction import Transaction

from .sealed import Sealed, SealedMixin


class CriteriaMixin(SealedMixin):
    """The answers to the criteria of eligibility of the protocol.

    All those of the protocol are always there, unanswered ones as None.
    """
    __slots__ = ()

    criteria = Sealed(fields.Dict(
            'early_access.protocol.criterion', "Criteria",
            states={
                'readonly': Eval('state') != 'draft',
                }))

    @classmethod
    def _sealed_dict_names(cls, patient, name):
        return {c.name for c in patient.request_protocol.criteria}

    @classmethod
    def _check_sealed_dict(cls, patient, name, schemas):
        criteria = {
            c.name: c for c in patient.request_protocol.criteria}
        for key, value in patient.criteria.items():
            criteria[key].check_value(value, patient.rec_name)

    @classmethod
    def _after_unseal(cls, rows, names):
        super()._after_unseal(rows, names)
        if 'criteria' not in names:
            return
        table = cls.__table__()
        pool = Pool()
        Criterion = pool.get('early_access.protocol.criterion')
        criterion = Criterion.__table__()
        cursor = Transaction().connection.cursor()
        criteria = defaultdict(list)
        in_ = fields.SQL_OPERATORS['in']
        cursor.execute(*table.join(
                criterion,
                condition=criterion.protocol == table.request_protocol).select(
                table.id, criterion.name,
                where=in_(table.id, [r['id'] for r in rows])))
        for patient, name in cursor:
            criteria[patient].append(name)
        for row in rows:
            if row['sealed_state'] == 'readable':
                answers = row['criteria'] or {}
                row['criteria'] = ImmutableDict(
                    (n, answers.get(n)) for n in criteria[row['id']])

    def _check_criteria_answered(self, exception):
        answers = self.criteria or {}
        unanswered = [
            c for c in self.request_protocol.criteria
            if not answers.get(c.name)]
        if unanswered:
            raise exception(gettext(
                    'early_access.msg_patient_criteria_unanswered',
                    patient=self.rec_name,
                    criteria='\n'.join(f'- {c.string}' for c in unanswered)))
