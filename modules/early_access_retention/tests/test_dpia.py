# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The impact assessment and its reviews (CNIL 2022-107, art. 14)."

import datetime as dt

from trytond.model.exceptions import AccessError
from trytond.modules.early_access.tests.tools import acting
from trytond.modules.early_access_retention.dpia import REQUIREMENTS
from trytond.modules.early_access_retention.exceptions import (
    ImpactAssessmentError, RegisterFixedError, RegisterMissingError)
from trytond.pool import Pool
from trytond.tests.test_tryton import with_transaction

from .register_tools import TODAY, RegisterTestCase, rpc
from .tools import at

DAY = dt.timedelta(days=1)


class ImpactAssessmentTestCase(RegisterTestCase):
    "Test the impact assessment"

    def assessment(self, residual='negligible', **values):
        def risk(event):
            return {
                'event': event, 'sources': "Theft", 'impacts': "Distress",
                'severity': 'maximum', 'likelihood': 'significant',
                'residual_severity': residual,
                'residual_likelihood': residual,
                }
        return self.create('early_access.dpia', **{
                'version': '1',
                'date': TODAY,
                'review_date': TODAY + 365 * DAY,
                'context': "A fictitious programme.",
                'proportionality': "The protocol asks for nothing else.",
                'risks': [('create', [
                            risk(e) for e in [
                                'access', 'modification', 'disappearance']])],
                'measures': [('create', [{
                                'requirement': r, 'description': "Done",
                                'in_place': True} for r, _ in REQUIREMENTS])],
                **values})

    def formality(self, kind='dpo_opinion', **values):
        return self.active('early_access.formality', **{
                'kind': kind,
                'number': 'FICT-1',
                'outcome': 'favourable',
                'valid_from': TODAY - DAY,
                **values})

    def validate(self, assessment):
        type(assessment).validate_assessment([assessment])
        return type(assessment)(assessment.id)

    @with_transaction()
    def test_requirements(self):
        "All those of the article 13.3"
        self.assertEqual(len(REQUIREMENTS), 29)

    @with_transaction()
    def test_validate(self):
        "A version is fixed once validated, and takes the place of the last"
        Assessment = Pool().get('early_access.dpia')
        with at(TODAY):
            self.formality()
            first = self.validate(self.assessment())
            self.assertEqual(first.state, 'validated')
            with acting('dpo'), self.refused(RegisterFixedError):
                rpc(Assessment, 'write', [first.id], {'version': '9'})
            with acting('dpo'), self.refused(RegisterFixedError):
                rpc(Pool().get('early_access.dpia.risk'), 'delete',
                    [first.risks[0].id])
            second = self.validate(self.assessment(version='2'))
        self.assertEqual(Assessment(first.id).state, 'superseded')
        self.assertEqual(second.state, 'validated')

    @with_transaction()
    def test_missing(self):
        with at(TODAY):
            with self.refused(ImpactAssessmentError) as cm:
                self.validate(self.assessment())
            self.assertIn("Opinion of the data", cm.exception.message)
            self.formality()
            for values, text in [
                    ({'context': ' '}, "Context"),
                    ({'risks': None}, "Illegitimate access"),
                    ({'measures': None}, "SEC-ARC-2"),
                    ]:
                with self.subTest(text=text):
                    with self.refused(ImpactAssessmentError) as cm:
                        self.validate(self.assessment(**values))
                    self.assertIn(text, cm.exception.message)

    @with_transaction()
    def test_prior_consultation(self):
        "A high risk that remains asks to consult the CNIL first (art. 14.5)"
        with at(TODAY):
            self.formality()
            assessment = self.assessment(residual='maximum')
            self.assertEqual(assessment.residual_risk, 'high')
            with self.refused(ImpactAssessmentError) as cm:
                self.validate(assessment)
            self.assertIn("Prior consultation", cm.exception.message)
            self.formality('prior_consultation', outcome='pending')
            with self.refused(ImpactAssessmentError):
                self.validate(assessment)
            self.formality('prior_consultation')
            self.assertEqual(self.validate(assessment).state, 'validated')

    @with_transaction()
    def test_formality(self):
        for kind, values in [
                ('representative', {}),
                ('dpo_opinion', {'outcome': None}),
                ('dpo_opinion', {'outcome': 'unfavourable'}),
                ]:
            with self.subTest(kind=kind, values=values):
                with self.refused(RegisterMissingError):
                    self.formality(kind, **values)
        self.formality('declaration', outcome=None)

    @with_transaction()
    def test_reviews(self):
        "A review opens by itself, once"
        pool = Pool()
        Alert = pool.get('early_access.audit.alert')
        Incident = pool.get('early_access.audit.incident')
        Review = pool.get('early_access.dpia.review')
        processor = self.processor()
        now = dt.datetime.now().replace(microsecond=0)
        incident = self.create(
            'early_access.audit.incident', subject="Lost computer",
            natures=['confidentiality'], detected_at=now, aware_at=now,
            facts="A computer was left in a train.")
        with acting('security_officer'):
            Incident.open([Incident(incident.id)])
            Incident.draft([Incident(incident.id)])
            Incident.open([Incident(incident.id)])
        with at(TODAY):
            self.formality()
            assessment = self.validate(self.assessment())
        for _ in range(2):
            with at(TODAY + 365 * DAY):
                Alert.alert_registers()
        self.assertEqual(
            {(r.trigger, r.resource) for r in Review.search([])}, {
                ('processor', processor), ('breach', incident),
                ('date', assessment)})
        self.assertEqual(Review.search([], count=True), 3)

    @with_transaction()
    def test_special_category(self):
        "So does a special category that no version had before"
        pool = Pool()
        Protocol = pool.get('early_access.protocol')
        Justification = pool.get('early_access.protocol.justification')
        Review = pool.get('early_access.dpia.review')
        protocol = self.authorization.active_protocol
        for version, category, count in [
                ('2', None, 0), ('3', 'genetic', 1), ('4', 'genetic', 1),
                ('5', 'ethnic', 2)]:
            with self.subTest(version=version):
                new, = Protocol.copy([protocol], {
                        'version': version,
                        'decision': protocol.decision.id,
                        'effective_date': protocol.effective_date,
                        })
                Justification.delete(list(new.justifications))
                if category:
                    Justification.create([{
                                'protocol': new.id, 'category': category,
                                'justification': "The disease is hereditary."
                                }])
                Protocol.activate([Protocol(new.id)])
                self.assertEqual(
                    Review.search([('trigger', '=', 'category')], count=True),
                    count)

    @with_transaction()
    def test_close(self):
        "A review is closed with a decision and its reason"
        Review = Pool().get('early_access.dpia.review')
        review = self.create('early_access.dpia.review')
        for values, closed in [
                ({}, False),
                ({'decision': 'unchanged'}, False),
                ({'decision': 'new_version', 'reason': "Risks"}, False),
                ({'decision': 'unchanged', 'reason': "No effect"}, True),
                ]:
            with self.subTest(values=values), acting('dpo'):
                rpc(Review, 'write', [review.id], {
                        'decision': None, 'reason': None, **values})
                if closed:
                    rpc(Review, 'close', [review.id])
                else:
                    with self.refused(ImpactAssessmentError):
                        rpc(Review, 'close', [review.id])
        with acting('dpo'), self.refused(RegisterFixedError):
            rpc(Review, 'write', [review.id], {'reason': "Other"})
        with acting('dpo'), self.refused(AccessError):
            rpc(Review, 'delete', [review.id])
        with acting('security_officer'), self.refused(AccessError):
            review = self.create('early_access.dpia.review')
            rpc(Review, 'write', [review.id], {'state': 'closed'})
