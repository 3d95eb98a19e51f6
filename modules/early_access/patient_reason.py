# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Why a request or a treatment ends: a code, never a text."

SEND_BACK_REASONS = [
    (None, ''),
    ('identity', "Identity to complete"),
    ('criteria', "Criteria to complete"),
    ('access_form', "Access form to complete"),
    ('documents', "Information of the patient to complete"),
    ('prescription', "Prescription to correct"),
    ]
REFUSAL_REASONS = [
    (None, ''),
    ('indication', "Not in the indication"),
    ('criterion', "Criterion not met"),
    ('contraindication', "Contraindication"),
    ('trial', "Eligible to a clinical trial"),
    ('alternative', "Appropriate treatment available"),
    ('missing', "Missing information not supplied"),
    ('authorization', "Authorization suspended or ended"),
    ('duplicate', "Duplicate"),
    ]
NEVER_STARTED_REASONS = [
    (None, ''),
    ('patient', "Refusal of the patient"),
    ('death', "Death"),
    ('progression', "Progression"),
    ('contraindication', "Contraindication"),
    ('adverse_event', "Adverse event before the start"),
    ('supply', "Supply"),
    ('trial', "Inclusion in a clinical trial"),
    ('expired', "No initiation in time"),
    ]
STOP_REASONS = [
    (None, ''),
    ('planned', "Planned end of treatment"),
    ('adverse_effect', "Suspected adverse effect"),
    ('progression', "Progression or lack of efficacy"),
    ('contraindication', "Contraindication"),
    ('death', "Death"),
    ('patient', "Wish of the patient"),
    ('lost', "Lost to follow-up"),
    ('pregnancy', "Pregnancy"),
    ('trial', "Inclusion in a clinical trial"),
    ('commercial', "Switch to the commercial product"),
    ('programme', "End of the early access"),
    ]
