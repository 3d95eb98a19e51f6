# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from trytond.i18n import gettext
from trytond.model import ModelStorage, fields
from trytond.pool import Pool

# What makes a version: the parts, what names them, what may change
PARTS = {
    'criteria': ('code', ['string', 'kind', 'admitting_answer']),
    'variables': ('code', [
            'string', 'section', 'type_', 'unit', 'category', 'computation',
            'digits', 'selection', 'minimum', 'maximum', 'usual_minimum',
            'usual_maximum', 'future_dates']),
    'forms': ('rec_name', [
            'kind', 'due_within', 'code_list', 'condition_mode',
            'condition_text']),
    'visits': ('rec_name', [
            'offset', 'offset_unit', 'window_before', 'window_after',
            'forms']),
    'supplies': ('rec_name', ['maximum_quantity', 'period']),
    'justifications': ('category', ['justification']),
    }
QUESTION = [
    'required', 'may_be_missing', 'condition_mode', 'condition_text']
OWN = [
    'paediatric', 'minimum_shelf_life', 'initiation_days', 'transition_days',
    'prescriber_information', 'privacy_notice']


class ProtocolDifferenceMixin(ModelStorage):
    "What a version of the protocol changes to the one before it, in words"
    __slots__ = ()

    previous = fields.Function(
        fields.Many2One('early_access.protocol', "Previous Version"),
        'get_previous')
    difference = fields.Function(
        fields.Text("Difference",
            help="What changes from the previous version."),
        'get_difference')

    @classmethod
    def get_previous(cls, protocols, name):
        previous = {}
        for protocol in protocols:
            versions = cls.search([
                    ('authorization', '=', protocol.authorization.id),
                    ('id', '<', protocol.id),
                    ], order=[('id', 'DESC')], limit=1)
            previous[protocol.id] = versions[0].id if versions else None
        return previous

    def get_difference(self, name):
        if not self.previous:
            return gettext('early_access.msg_difference_first')
        lines = list(self.differences(self.previous))
        return '\n'.join(lines) or gettext('early_access.msg_difference_none')

    def differences(self, other):
        "Yield what differs from another version, as translated lines."
        yield from _changed(self, other, OWN, self.rec_name)
        for name, (key, names) in PARTS.items():
            mine = {getattr(p, key): p for p in getattr(self, name)}
            theirs = {getattr(p, key): p for p in getattr(other, name)}
            yield from _compared(mine, theirs, names)
        yield from _compared(
            self._questions_by_name(), other._questions_by_name(), QUESTION)

    def _questions_by_name(self):
        return {
            f'{f.rec_name} / {q.variable.code}': q
            for f in self.forms for q in f.questions}


def _compared(mine, theirs, names):
    for key, part in mine.items():
        if key not in theirs:
            yield gettext(
                'early_access.msg_difference_added',
                kind=_kind(part), name=key)
        else:
            yield from _changed(part, theirs[key], names, key)
    for key, part in theirs.items():
        if key not in mine:
            yield gettext(
                'early_access.msg_difference_removed',
                kind=_kind(part), name=key)


def _changed(one, other, names, key):
    for name in names:
        new, old = _text(one, name), _text(other, name)
        if new != old:
            yield gettext(
                'early_access.msg_difference_changed',
                kind=_kind(one), name=key,
                field=one.__names__(name)['field'], old=old, new=new)


def _kind(part):
    pool = Pool()
    Model = pool.get('ir.model')
    return Model.get_name(part.__name__)


def _text(record, name):
    "Return the value of a field as it is read."
    value = getattr(record, name)
    field = record._fields[name]
    if value is None:
        return '-'
    elif field._type == 'selection':
        selection = field.get_selection(record.__class__, name, record)
        return field.get_selection_string(selection, value)
    elif field._type in {'many2many', 'one2many'}:
        return ', '.join(sorted(r.rec_name for r in value))
    elif field._type == 'many2one':
        return value.rec_name
    elif field._type == 'boolean':
        return '\N{CHECK MARK}' if value else '-'
    return str(value)
