# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What an incident may do to persons (GDPR 33 and 34).

The levels are those of the CNIL. Two of them, how serious the consequences
would be for the persons and how likely they are, give a risk: nobody is
notified without one, the authority is with one, and the persons too when it
is high.
"""

from trytond.model import fields
from trytond.pyson import Eval

LEVELS = [
    (None, ""),
    ('negligible', "Negligible"),
    ('limited', "Limited"),
    ('significant', "Significant"),
    ('maximum', "Maximum"),
    ]
ORDER = {level: i for i, (level, _) in enumerate(LEVELS)}


def risk_of(severity, likelihood):
    """Return the risk for the persons that two levels give.

    :returns: 'none', 'risk' or 'high', or None without both levels.
    """
    if not (severity and likelihood):
        return None
    severity, likelihood = ORDER[severity], ORDER[likelihood]
    if severity == 4 and likelihood >= 2 or severity == 3 <= likelihood:
        return 'high'
    if severity * likelihood <= 2:
        return 'none'
    return 'risk'


assessing = {
    'readonly': ~Eval('state').in_(['draft', 'open']),
    }


class IncidentRisk:
    "How many persons an incident concerns, and what they risk"
    __slots__ = ()

    person_categories = fields.MultiSelection([
            ('patient', "Patients"),
            ('relative', "Related persons"),
            ('professional', "Health professionals"),
            ('laboratory', "Staff of the laboratory"),
            ('other', "Others"),
            ], "Categories of Persons", sort=False, states=assessing)
    number_persons = fields.Integer(
        "Number of Persons", states=assessing,
        domain=['OR',
            ('number_persons', '=', None),
            ('number_persons', '>=', 0),
            ],
        help="About.")
    data_categories = fields.MultiSelection([
            ('identity', "Identity"),
            ('code', "Code of the patient"),
            ('health', "Health"),
            ('genetic', "Genetic"),
            ('contact', "Contact"),
            ('credential', "Credentials"),
            ('other', "Others"),
            ], "Categories of Data", sort=False, states=assessing)
    number_records = fields.Integer(
        "Number of Records", states=assessing,
        domain=['OR',
            ('number_records', '=', None),
            ('number_records', '>=', 0),
            ],
        help="About.")
    severity = fields.Selection(
        LEVELS, "Severity", sort=False, states=assessing,
        help="Of the consequences for the persons.")
    likelihood = fields.Selection(
        LEVELS, "Likelihood", sort=False, states=assessing,
        help="Of these consequences.")
    proposed_risk = fields.Function(fields.Selection([
                (None, ""),
                ('none', "No risk"),
                ('risk', "Risk"),
                ('high', "High risk"),
                ], "Risk of the Grid", sort=False,
            help="What the severity and the likelihood give."),
        'on_change_with_proposed_risk')
    risk = fields.Selection([
            (None, ""),
            ('none', "No risk"),
            ('risk', "Risk"),
            ('high', "High risk"),
            ], "Risk for the Persons", sort=False, states=assessing,
        help="Without risk nobody is notified, with a risk the authority is, "
        "and the persons too when it is high (GDPR 33.1 and 34.1).")
    risk_reason = fields.Text(
        "Reason of the Risk",
        states={
            'readonly': assessing['readonly'],
            'required': (
                (Eval('risk') == 'none')
                | (Eval('risk') != Eval('proposed_risk')))
            & ~Eval('state').in_(['draft', 'open']),
            },
        help="Required when there is no risk, or another one than the grid "
        "gives.")

    @fields.depends('severity', 'likelihood')
    def on_change_with_proposed_risk(self, name=None):
        return risk_of(self.severity, self.likelihood)

    @fields.depends(
        'risk', 'severity', 'likelihood',
        methods=['on_change_with_proposed_risk'])
    def _propose_risk(self):
        self.proposed_risk = self.on_change_with_proposed_risk()
        self.risk = self.proposed_risk

    @fields.depends(methods=['_propose_risk'])
    def on_change_severity(self):
        self._propose_risk()

    @fields.depends(methods=['_propose_risk'])
    def on_change_likelihood(self):
        self._propose_risk()
