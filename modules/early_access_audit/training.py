# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from dateutil.relativedelta import relativedelta
from sql.aggregate import Max

import trytond.config as config
from trytond.i18n import gettext
from trytond.model import Index, ModelSQL, ModelView, fields
from trytond.pool import Pool, PoolMeta
from trytond.pyson import Date, Eval, If
from trytond.tools import grouped_slice
from trytond.transaction import Transaction, without_check_access
from trytond.wizard import Button, StateTransition, StateView, Wizard

from .exceptions import TrainingAccessError, TrainingError


def days(name, default):
    return relativedelta(
        days=config.getint('early_access', name, default=default))


def validity():
    "Return how long a training is good for."
    return days('training_days', 365)


def notice():
    "Return how long before its end a user is told to renew a training."
    return days('training_notice', 30)


def grace():
    """Return how long after its end data of patients stay open.

    For who was never trained it begins with the account.
    """
    return days('training_grace', 30)


class Training(ModelSQL, ModelView):
    "A training of a user to confidentiality (CNIL 2022-107, SEC-SEN-1)"
    __name__ = 'early_access.audit.training'

    user = fields.Many2One(
        'res.user', "User", required=True, ondelete='RESTRICT')
    date = fields.Date("Date", required=True)
    until = fields.Date(
        "Until", readonly=True, help="When it must be renewed.")

    @classmethod
    def __setup__(cls):
        super().__setup__()
        t = cls.__table__()
        cls._sql_indexes.add(
            Index(t, (t.user, Index.Equality()), (t.until, Index.Range())))
        cls._order = [('date', 'DESC'), ('id', 'DESC')]

    @staticmethod
    def default_date():
        return Pool().get('ir.date').today()

    def get_rec_name(self, name):
        return f'{self.user.rec_name} ({self.date})'

    @fields.depends('date')
    def on_change_with_until(self):
        if self.date:
            return self.date + validity()

    @classmethod
    def preprocess_values(cls, mode, values):
        values = super().preprocess_values(mode, values)
        if mode == 'create':
            date = values.setdefault('date', cls.default_date())
            # The training keeps the end that it had when it was given
            values['until'] = date + validity() if date else None
        return values

    @classmethod
    def validate_fields(cls, trainings, field_names):
        super().validate_fields(trainings, field_names)
        today = Pool().get('ir.date').today()
        for training in trainings:
            if training.date > today:
                raise TrainingError(gettext(
                        'early_access_audit.msg_training_future',
                        training=training.rec_name))
            if (Transaction().check_access
                    and training.user.id == Transaction().user):
                raise TrainingError(gettext(
                        'early_access_audit.msg_training_own'))

    @classmethod
    def check_modification(cls, mode, trainings, values=None, external=False):
        super().check_modification(
            mode, trainings, values=values, external=external)
        if mode == 'write':
            raise TrainingAccessError(gettext(
                    'early_access_audit.msg_training_fixed',
                    training=trainings[0].rec_name))

    @classmethod
    def on_modification(cls, mode, trainings, field_names=None):
        User = Pool().get('res.user')
        super().on_modification(mode, trainings, field_names=field_names)
        User._closed_cache.clear()


class User(metaclass=PoolMeta):
    __name__ = 'res.user'

    trainings = fields.One2Many(
        'early_access.audit.training', 'user', "Trainings")
    training_until = fields.Function(
        fields.Date(
            "Training Until", help="When the user must be trained again."),
        'get_training_until', searcher='search_training_until')

    @classmethod
    def view_attributes(cls):
        until = Eval('training_until', Date())
        return super().view_attributes() + [
            ('/tree[field[@name="training_until"]]', 'visual',
                If(~Eval('charter_accepted', False)
                    | ~Eval('training_until'), 'warning',
                    If(until < Date(), 'danger', ''))),
            ]

    @classmethod
    @without_check_access
    def get_training_until(cls, users, name):
        Training = Pool().get('early_access.audit.training')
        result = dict.fromkeys(u.id for u in users)
        for sub_ids in grouped_slice(list(result)):
            for training in Training.search([
                        ('user', 'in', list(sub_ids)),
                        ], order=[('until', 'ASC')]):
                result[training.user.id] = training.until
        return result

    @classmethod
    def search_training_until(cls, name, clause):
        Training = Pool().get('early_access.audit.training')
        table = Training.__table__()
        _, operator, value = clause
        trained = table.select(table.user)
        if value is None:
            return [('id', 'not in' if operator == '=' else 'in', trained)]
        Operator = fields.SQL_OPERATORS[operator]
        return [('id', 'in', table.select(
                    table.user, group_by=table.user,
                    having=Operator(Max(table.until), value)))]


class Record(Wizard):
    "Record a Training"
    __name__ = 'early_access.audit.training.record'

    start = StateView(
        'early_access.audit.training.record.start',
        'early_access_audit.training_record_start_view_form', [
            Button("Cancel", 'end', 'tryton-cancel'),
            Button("Record", 'record', 'tryton-ok', default=True),
            ])
    record = StateTransition()

    def default_start(self, fields):
        return {'users': [u.id for u in self.records]}

    def transition_record(self):
        Training = Pool().get('early_access.audit.training')
        Training.create([{
                    'user': user.id,
                    'date': self.start.date,
                    } for user in self.start.users])
        return 'end'


class RecordStart(ModelView):
    __name__ = 'early_access.audit.training.record.start'

    date = fields.Date("Date", required=True)
    users = fields.Many2Many(
        'res.user', None, None, "Users", required=True,
        help="Who followed the training.")

    @staticmethod
    def default_date():
        return Pool().get('ir.date').today()
