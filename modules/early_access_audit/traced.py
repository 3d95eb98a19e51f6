# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What the trail holds: whose reading, and whose change.

A reading is traced where it tells of a person: a patient, a professional or
a user (SEC-JOU-1). A change is traced everywhere, but for what the server
writes for itself.

A model of a module above declares itself by attributes of its class:

``_tells_of``
    'health' when it tells of the health of a person, and is closed like the
    data of the patients to who has not accepted the charter; 'person' when it
    tells of a person only.
``_path_to_patient``
    the path by which a record leads to its patient, if it does.
``_traced_changes``
    False when the server writes it beside what users do.
"""

from trytond.pool import Pool

# The models that tell of persons, by what they tell
HEALTH = frozenset({
        'early_access.patient',
        'early_access.patient.protocol_change',
        'early_access.related_person',
        'early_access.form',
        'early_access.form.correction',
        'early_access.query',
        'early_access.questionnaire.access',
        'early_access.completeness.patient',
        'early_access.data_export',
        })
SUPPLY = frozenset({
        'early_access.order',
        'early_access.order.line',
        'stock.lot',
        'stock.move',
        'stock.shipment.out',
        'stock.shipment.out.return',
        })
USERS = frozenset({
        'early_access.professional',
        'early_access.delegation',
        'early_access.reminder',
        'company.employee',
        'party.address',
        'party.contact_mechanism',
        'party.identifier',
        'party.party',
        'res.user',
        'res.user.application',
        'res.user.role',
        'ir.attachment',
        'ir.email',
        'ir.model.log',
        'ir.note',
        })
# Who reads the trail leaves traces as well
TRAIL = frozenset({
        'early_access.audit.anomaly',
        'early_access.audit.event',
        'early_access.audit.incident',
        'early_access.audit.incident.patient',
        'early_access.audit.incident.prescriber',
        })
READ = HEALTH | SUPPLY | USERS | TRAIL

# What the server writes beside what users do
UNCHANGED = frozenset({
        'early_access.audit.activation',
        'early_access.audit.event',
        'early_access.audit.last_use',
        'early_access.audit.old_password',
        'early_access.audit.openid.logout',
        'early_access.audit.openid.sign_in',
        'early_access.audit.recovery_code',
        'early_access.audit.reset_request',
        'early_access.audit.totp',
        'ir.cache',
        'ir.cron.log',
        'ir.error',
        'ir.model.log',
        'ir.queue',
        'ir.session',
        'ir.session.wizard',
        'ir.translation',
        'ir.ui.view_search',
        'ir.ui.view_tree_optional',
        'ir.ui.view_tree_state',
        'ir.ui.view_tree_width',
        'res.notification',
        'res.user.device',
        'res.user.login.attempt',
        'res.user.warning',
        })

# How a record leads to its patient
PATIENT_PATHS = {
    'early_access.patient': 'id',
    'early_access.patient.protocol_change': 'patient',
    'early_access.related_person': 'patient',
    'early_access.form': 'patient',
    'early_access.form.correction': 'form.patient',
    'early_access.query': 'form.patient',
    'early_access.questionnaire.access': 'patient',
    'early_access.completeness.patient': 'patient',
    'early_access.order.line': 'patient',
    'early_access.audit.incident.patient': 'patient',
    }


def is_read(Model):
    "Return whether the readings of a model are traced."
    return Model.__name__ in READ or bool(getattr(Model, '_tells_of', None))


def is_changed(Model):
    "Return whether the changes of a model are traced."
    return (
        Model.__name__ not in UNCHANGED
        and getattr(Model, '_traced_changes', True))


def tells_of_health(name):
    "Return whether the model of the name tells of the health of a person."
    return name in HEALTH or (
        getattr(Pool().get(name), '_tells_of', None) == 'health')


def paths_to_patient():
    "Return by model how its records lead to their patient."
    return PATIENT_PATHS | {
        name: path for name, Model in Pool().iterobject()
        if (path := getattr(Model, '_path_to_patient', None))}
