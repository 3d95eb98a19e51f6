# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What the trail holds: whose reading, and whose change.

A reading is traced where it tells of a person: a patient, a professional or
a user (SEC-JOU-1). A change is traced everywhere, but for what the server
writes for itself.
"""

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
        'early_access.audit.event',
        })
READ = HEALTH | SUPPLY | USERS | TRAIL

# What the server writes beside what users do
UNCHANGED = frozenset({
        'early_access.audit.activation',
        'early_access.audit.event',
        'early_access.audit.old_password',
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
    }
