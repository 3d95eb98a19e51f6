# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from trytond.model import fields
from trytond.pool import Pool
from trytond.pyson import Eval

FORM_KINDS = [
    ('access', "Access request"),
    ('initiation', "Initiation"),
    ('follow_up', "Follow-up"),
    ('discontinuation', "Discontinuation"),
    ('quality_of_life', "Quality of life"),
    ('adverse_event', "Adverse event"),
    ('dose_change', "Dose change"),
    ('group', "Repeated group"),
    ]
# Those that the users add, as often as there is something to tell
REPEATED_KINDS = ['adverse_event', 'dose_change', 'group']
# Those that record what was found at a visit
VISIT_KINDS = ['initiation', 'follow_up', 'dose_change']


class DefinitionMixin:
    "A part of the definition of a protocol: fixed once it is active"
    __slots__ = ()

    protocol_state = fields.Function(
        fields.Char("State of the Protocol"), 'get_protocol_state')

    @classmethod
    def __setup__(cls):
        super().__setup__()
        for name in dir(cls):
            field = getattr(cls, name)
            if isinstance(field, fields.Field) and (
                    not isinstance(field, fields.Function) or field.setter):
                field.states['readonly'] = (
                    field.states.get('readonly', False)
                    | (Eval('protocol_state', 'draft') != 'draft'))

    @classmethod
    def get_protocol_state(cls, records, name):
        return {r.id: r.definition_protocol.state for r in records}

    @property
    def definition_protocol(self):
        return self.protocol

    @classmethod
    def check_modification(cls, mode, records, values=None, external=False):
        super().check_modification(
            mode, records, values=values, external=external)
        for record in records:
            record.definition_protocol.check_draft(record)
        if mode == 'write' and records:
            if protocol := cls._new_protocol(values):
                protocol.check_draft(records[0])

    @classmethod
    def _new_protocol(cls, values):
        "The protocol to which the values move records, or None."
        pool = Pool()
        Protocol = pool.get('early_access.protocol')
        if values.get('protocol') is not None:
            return Protocol(values['protocol'])
