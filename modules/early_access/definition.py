# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from trytond.pool import Pool

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
