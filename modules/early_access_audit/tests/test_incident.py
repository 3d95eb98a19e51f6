# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import datetime as dt
import io
import pathlib
import re
import shutil
import subprocess
import unittest
import zipfile
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

from trytond.exceptions import UserError
from trytond.model.exceptions import AccessError, AccessButtonError
from trytond.modules.early_access.tests.tools import PROFILES, acting, rpc
from trytond.modules.early_access_audit import incident_report
from trytond.modules.early_access_audit.exceptions import (
    IncidentAccessError, IncidentError)
from trytond.modules.early_access_audit.incident_risk import LEVELS, risk_of
from trytond.modules.early_access_audit.trail import Trail
from trytond.pool import Pool
from trytond.tests.test_tryton import with_transaction
from trytond.transaction import Transaction

from .tools import InventedTestCase, configured

CATALOGUE = pathlib.Path(
    incident_report.__file__).parent / 'locale' / 'fr.po'
# With a profile of its own, as tests beside may convert too
CONVERT = (
    'soffice -env:UserInstallation=file://%(directory)s/profile --headless '
    '--convert-to "%(output_extension)s" --outdir "%(directory)s" '
    '"%(input_path)s"')
OFFICER, DPO = 'security_officer', 'dpo'
HOUR = dt.timedelta(hours=1)


def paris(text):
    "Return the time of a clock in Paris in UTC, the first of two."
    return dt.datetime.fromisoformat(text).replace(
        tzinfo=ZoneInfo('Europe/Paris')).astimezone(
        dt.UTC).replace(tzinfo=None)


def at(time):
    "The context in which it is a time, in UTC."
    return Transaction().set_context(_incident_now=time)


def ago(hours):
    now = dt.datetime.now(dt.UTC).replace(tzinfo=None, microsecond=0)
    return now - hours * HOUR


class IncidentTestCase(InventedTestCase):
    "Test the register of the incidents"
    module = 'early_access_audit'

    def create(self, **values):
        "Return a draft that can be opened."
        pool = Pool()
        Company = pool.get('company.company')
        Incident = pool.get('early_access.audit.incident')
        company = Company.search([], order=[('id', 'ASC')], limit=1)[0]
        aware = values.get('aware_at', ago(10))
        incident, = Incident.create([{
                    'company': company.id,
                    'subject': "Lost computer",
                    'natures': ['confidentiality', 'availability'],
                    'occurred_from': aware and aware - 2 * HOUR,
                    'detected_at': (aware or ago(10)) - HOUR,
                    'aware_at': aware,
                    'facts': "A computer was left in a train.",
                    **values,
                    }])
        return incident

    def open(self, **values):
        Incident = Pool().get('early_access.audit.incident')
        incident = self.create(**values)
        Incident.open([incident])
        return incident

    def assessed(self, severity='limited', likelihood='limited', **values):
        Incident = Pool().get('early_access.audit.incident')
        incident = self.open(**{
                'person_categories': ['patient'],
                'number_persons': 2,
                'data_categories': ['health'],
                'number_records': 12,
                'severity': severity,
                'likelihood': likelihood,
                'risk': risk_of(severity, likelihood),
                'risk_reason': "The disk is encrypted.",
                'effects': "Others may know the diseases.",
                **values,
                })
        Incident.assess([incident])
        return incident

    def tell(self, incident, phase='initial', hours=1, **values):
        Notification = Pool().get(
            'early_access.audit.incident.notification')
        notification, = Notification.create([{
                    'incident': incident.id,
                    'phase': phase,
                    'notified_at': incident.aware_at + hours * HOUR,
                    'reference': 'FICT-0001',
                    **values,
                    }])
        return notification

    def notified(self, hours=1, **values):
        Incident = Pool().get('early_access.audit.incident')
        incident = self.assessed(
            **{'aware_at': ago(100), **values})
        self.tell(incident, hours=hours)
        Incident.notify([Incident(incident.id)])
        return Incident(incident.id)

    # The clock

    @with_transaction(user=0)
    def test_due(self):
        "72 real hours, through week-ends and the changes of the clocks"
        for aware, due in [
                # A Friday evening
                ('2024-03-08T18:30', '2024-03-11T18:30'),
                # A day of 23 hours
                ('2024-03-29T10:00', '2024-04-01T11:00'),
                # A day of 25 hours
                ('2024-10-25T10:00', '2024-10-28T09:00'),
                ('2023-12-30T23:59', '2024-01-02T23:59'),
                ]:
            with self.subTest(aware=aware):
                incident = self.create(aware_at=paris(aware))
                self.assertEqual(
                    incident.due_at,
                    dt.datetime.fromisoformat(due).replace(
                        tzinfo=ZoneInfo('Europe/Paris')).astimezone(
                        dt.UTC).replace(tzinfo=None))

    @with_transaction(user=0)
    def test_clock(self):
        "What remains, and how urgent it is"
        Incident = Pool().get('early_access.audit.incident')
        aware = paris('2024-03-29T10:00')
        id_ = self.create(aware_at=aware).id
        for hours, urgency in [
                (0, 'running'), (47.9, 'running'), (48, 'urgent'),
                (72, 'urgent'), (72.1, 'late'), (500, 'late')]:
            with self.subTest(hours=hours), at(aware + hours * HOUR):
                incident = Incident(id_)
                self.assertEqual(incident.urgency, urgency)
                self.assertEqual(
                    incident.remaining, 72 * HOUR - hours * HOUR)
        unaware = self.create(aware_at=None)
        self.assertEqual(
            (unaware.urgency, unaware.remaining, unaware.due_at),
            ('unknown', None, None))

    @with_transaction(user=0)
    def test_order(self):
        "The most urgent first"
        Incident = Pool().get('early_access.audit.incident')
        running, unknown, late = [
            self.create(aware_at=t) for t in [ago(3), None, ago(90)]]
        decided = self.notified()
        self.assertEqual(
            Incident.search([]), [late, running, unknown, decided])

    @with_transaction(user=0)
    def test_stopped(self):
        "The first notification of the lead authority stops the clock"
        Incident = Pool().get('early_access.audit.incident')
        for hours, urgency in [(71, 'over'), (73, 'overdue')]:
            incident = self.assessed(aware_at=ago(100))
            self.tell(incident, hours=2, recipient='ansm')
            self.assertEqual(Incident(incident.id).urgency, 'late')
            self.tell(incident, hours=hours)
            incident = Incident(incident.id)
            self.assertEqual(
                (incident.urgency, incident.remaining), (urgency, None))

    @with_transaction(user=0)
    def test_alerts(self):
        "Each step of the clock is told once to those who can act"
        pool = Pool()
        Alert = pool.get('early_access.audit.alert')
        Incident = pool.get('early_access.audit.incident')
        User = pool.get('res.user')
        for login in [OFFICER, DPO, 'supply']:
            User.write(User.search([('login', '=', login)]), {
                    'email': f'{login}@example.com'})
        aware = paris('2024-03-29T10:00')
        incident = self.create(aware_at=aware)
        told = []
        for hours, kinds in [
                (-1, []),
                (0, [('incident_aware', 0)]),
                (47.9, []),
                (48, [('incident_first', 0)]),
                (66, [('incident_second', 0)]),
                (71.9, []),
                (72, [('incident_late', 0)]),
                (95.9, []),
                (96, [('incident_late', 1)]),
                ]:
            with self.subTest(hours=hours), at(aware + hours * HOUR):
                for _ in range(2):
                    Incident.alert()
                told += [(*k, u) for k in kinds for u in [OFFICER, DPO]]
                self.assertEqual(
                    sorted(
                        (a.kind, a.step, a.user.login)
                        for a in Alert.search([])),
                    sorted(told))
        self.assertEqual(
            {a.resource for a in Alert.search([])}, {incident})
        number = Alert.search([], count=True)
        with at(aware + 200 * HOUR):
            Incident.open([Incident(incident.id)])
            self.tell(incident, hours=150)
            Incident.alert()
        self.assertEqual(Alert.search([], count=True), number)

    # The risk

    def test_risk(self):
        "The grid of the severity and the likelihood"
        levels = [level for level, _ in LEVELS[1:]]
        expected = {
            'negligible': ['none', 'none', 'risk', 'risk'],
            'limited': ['none', 'risk', 'risk', 'risk'],
            'significant': ['risk', 'risk', 'high', 'high'],
            'maximum': ['risk', 'high', 'high', 'high'],
            }
        for severity, risks in expected.items():
            self.assertEqual(
                [risk_of(severity, likelihood) for likelihood in levels],
                risks)
        self.assertIsNone(risk_of('maximum', None))

    # The workflow

    @with_transaction()
    def test_missing(self):
        "Each button tells what is missing"
        Incident = Pool().get('early_access.audit.incident')
        with acting(OFFICER):
            incident = self.create(aware_at=None, facts=" ", natures=[])
            with self.assertRaises(IncidentError) as cm:
                Incident.open([incident])
            for text in ["Nature", "Facts", "Aware Since", incident.number]:
                self.assertIn(text, cm.exception.message)
            incident = self.open()
            with self.assertRaises(IncidentError) as cm:
                Incident.assess([incident])
            for text in [
                    "Categories of Persons", "Number of Persons",
                    "Severity", "Risk for the Persons", "Effects"]:
                self.assertIn(text, cm.exception.message)
            # Nobody is a number too
            incident = self.assessed(number_persons=0, number_records=0)
            with self.assertRaisesRegex(IncidentError, "CNIL"):
                Incident.notify([incident])
            with self.assertRaisesRegex(IncidentError, "No risk"):
                Incident.dismiss([incident])

    @with_transaction(user=0)
    def test_times(self):
        "The times follow one another, and are past"
        Incident = Pool().get('early_access.audit.incident')
        for values, text in [
                ({'detected_at': ago(5)}, "Detected At.*Aware Since"),
                ({'occurred_from': ago(9)}, "Occurred From.*Detected At"),
                ({'occurred_to': ago(90)}, "Occurred From.*Occurred To"),
                ({'aware_at': ago(-5)}, "past"),
                ]:
            incident = self.create()
            Incident.write([incident], values)
            with self.subTest(values=values):
                with self.assertRaisesRegex(IncidentError, text):
                    Incident.open([incident])

    @with_transaction(user=0)
    def test_processor(self):
        "A processor tells which, and when it warned"
        pool = Pool()
        Incident = pool.get('early_access.audit.incident')
        Party = pool.get('party.party')
        processor, = Party.create([{'name': "Fictitious Hosting"}])
        incident = self.create(
            origin='processor', processor=processor.id)
        with self.assertRaisesRegex(IncidentError, "Warned At"):
            Incident.open([incident])
        incident.warned_at = ago(11)
        incident.save()
        Incident.open([incident])

    @with_transaction(user=0)
    def test_no_risk(self):
        "No risk is reasoned, and then nobody is notified"
        Incident = Pool().get('early_access.audit.incident')
        with self.assertRaisesRegex(IncidentError, "Reason of the Risk"):
            self.assessed('negligible', 'limited', risk_reason=None)
        with self.assertRaisesRegex(IncidentError, "Reason of the Risk"):
            self.assessed('maximum', 'maximum', risk='risk', risk_reason=" ")
        incident = self.assessed('negligible', 'limited')
        Incident.dismiss([incident])
        with self.assertRaisesRegex(IncidentError, "Measures Taken"):
            Incident.close([incident])
        incident.measures_taken = "The key was revoked."
        incident.save()
        Incident.close([incident])
        self.assertEqual(incident.state, 'closed')

    @with_transaction(user=0)
    def test_late(self):
        "Lateness is reasoned"
        Incident = Pool().get('early_access.audit.incident')
        incident = self.assessed(aware_at=ago(100))
        self.tell(incident, hours=73)
        incident = Incident(incident.id)
        with self.assertRaisesRegex(IncidentError, "Lateness"):
            Incident.notify([incident])
        incident.late_reason = "The provider answered on the third day."
        incident.save()
        Incident.notify([incident])

    @with_transaction(user=0)
    def test_final(self):
        "To close asks the final notification"
        Incident = Pool().get('early_access.audit.incident')
        incident = self.notified(measures_taken="Revoked.")
        with self.assertRaisesRegex(IncidentError, "final"):
            Incident.close([incident])
        self.tell(incident, 'complementary', 20)
        self.tell(incident, 'final', 90, recipient='has')
        with self.assertRaisesRegex(IncidentError, "final"):
            Incident.close([Incident(incident.id)])
        self.tell(incident, 'final', 90)
        Incident.close([Incident(incident.id)])

    @with_transaction(user=0)
    def test_persons(self):
        "At a high risk the patients are informed by their prescribers"
        pool = Pool()
        Incident = pool.get('early_access.audit.incident')
        Line = pool.get('early_access.audit.incident.patient')
        Prescriber = pool.get('early_access.audit.incident.prescriber')
        patients = [
            self.patient('treated'),
            self.patient('eligible', 'south_prescriber')]
        incident = self.notified(
            severity='maximum', likelihood='significant',
            measures_taken="Revoked.")
        self.assertEqual(incident.risk, 'high')
        self.tell(incident, 'final', 90)
        with self.assertRaisesRegex(IncidentError, "by code"):
            Incident.close([Incident(incident.id)])
        lines = Line.create([
                {'incident': incident.id, 'code': p.code.lower()}
                for p in patients])
        self.assertEqual([line.patient for line in lines], patients)
        incident = Incident(incident.id)
        self.assertEqual(
            {(p.name, p.codes) for p in incident.prescribers},
            {("Prescriber", patients[0].code),
                ("South Prescriber", patients[1].code)})
        Line.delete(lines[1:])
        incident = Incident(incident.id)
        prescriber, = incident.prescribers
        with self.assertRaisesRegex(IncidentError, "Prescriber"):
            Incident.close([incident])
        Prescriber.write([prescriber], {
                'informed_at': ago(1), 'channel': 'phone'})
        Incident.close([Incident(incident.id)])

    @with_transaction(user=0)
    def test_exception(self):
        "The exception of the article 34.3 is coded and reasoned"
        Incident = Pool().get('early_access.audit.incident')
        incident = self.notified(
            severity='maximum', likelihood='maximum',
            measures_taken="Revoked.")
        self.tell(incident, 'final', 90)
        incident = Incident(incident.id)
        with self.assertRaises(UserError):
            incident.persons_exception = 'encrypted'
            incident.save()
        incident = Incident(incident.id)
        incident.persons_exception = 'encrypted'
        incident.persons_reason = "The key is elsewhere."
        incident.save()
        Incident.close([incident])

    @with_transaction(user=0)
    def test_others(self):
        "Those who are no patients are told too"
        Incident = Pool().get('early_access.audit.incident')
        incident = self.notified(
            severity='maximum', likelihood='maximum',
            person_categories=['laboratory'], measures_taken="Revoked.")
        self.tell(incident, 'final', 90)
        incident = Incident(incident.id)
        with self.assertRaisesRegex(IncidentError, "Other Persons"):
            Incident.close([incident])
        incident.others_informed_at = ago(1)
        incident.save()
        Incident.close([incident])

    @with_transaction()
    def test_codes(self):
        "A patient is known by the code, whatever one may see"
        Line = Pool().get('early_access.audit.incident.patient')
        code = self.patient('treated').code
        with acting(OFFICER):
            incident = self.open()
            for wrong in ['NONE', '', 'X' * 300]:
                with self.assertRaisesRegex(IncidentError, "is none"):
                    Line.create([{'incident': incident.id, 'code': wrong}])
            line, = Line.create([{'incident': incident.id, 'code': code}])
            self.assertEqual(Line.read([line.id], ['code'])[0]['code'], code)
            with self.assertRaises(AccessError):
                Line.read([line.id], ['patient.sex'])
            with self.assertRaises(AccessError):
                Line.write([line], {'code': 'OTHER'})
            name, = incident.prescribers
            self.assertEqual(name.name, "Prescriber")

    @with_transaction()
    def test_fixed(self):
        "What is decided is fixed, what is closed wholly"
        pool = Pool()
        Incident = pool.get('early_access.audit.incident')
        Notification = pool.get('early_access.audit.incident.notification')
        Line = pool.get('early_access.audit.incident.patient')
        with acting(OFFICER):
            incident = self.open()
            with self.assertRaises(IncidentAccessError):
                Incident.write([incident], {'aware_at': ago(1)})
            Incident.draft([incident])
            Incident.write([incident], {'aware_at': ago(9)})
            incident = self.notified(
                measures_taken="Revoked.", severity='limited')
            with self.assertRaises(IncidentAccessError):
                Incident.write([incident], {'risk': 'none'})
            final = self.tell(incident, 'final', 90)
            for call in [
                    lambda: Notification.write(
                        [final], {'notified_at': ago(99)}),
                    lambda: Notification.delete([final]),
                    ]:
                with self.assertRaises(AccessError):
                    call()
            incident = Incident(incident.id)
            Incident.close([incident])
            for call in [
                    lambda: Incident.write([incident], {'facts': "Else"}),
                    lambda: Incident.write([incident], {'state': 'open'}),
                    lambda: Incident.write(
                        [incident], {'authorizations': []}),
                    lambda: Incident.delete([incident]),
                    lambda: Incident.copy([incident]),
                    lambda: self.tell(incident, 'final', 91),
                    lambda: Line.create([{
                                'incident': incident.id,
                                'code': self.patient('treated').code}]),
                    ]:
                with self.assertRaises(AccessError):
                    call()
        # Not even the server
        with Transaction().set_user(0):
            with self.assertRaises(AccessError):
                Incident.delete([Incident(incident.id)])

    @with_transaction()
    def test_reopen(self):
        "A closed incident is opened again with a reason, by its wizard"
        pool = Pool()
        Incident = pool.get('early_access.audit.incident')
        Wizard = pool.get('early_access.audit.incident.reopen', type='wizard')
        incident = self.notified(measures_taken="Revoked.")
        self.tell(incident, 'final', 90)
        Incident.close([Incident(incident.id)])
        context = {
            'active_model': Incident.__name__, 'active_id': incident.id,
            'active_ids': [incident.id]}
        for login in ['audit', 'pharmacist_in_charge', 'supply']:
            with acting(login), Transaction().set_context(context):
                with self.refused():
                    rpc(Wizard, 'create')
        with acting(DPO), Transaction().set_context(context):
            session, _, _ = rpc(Wizard, 'create')
            with self.refused():
                rpc(Wizard, 'execute', session, {'start': {}}, 'reopen')
            rpc(Wizard, 'execute', session, {
                    'start': {'reason': "More persons are concerned."},
                    }, 'reopen')
            incident = Incident(incident.id)
            self.assertEqual(incident.state, 'open')
            reopening, = incident.reopenings
            self.assertEqual(
                (reopening.reason, reopening.reopened_by.login),
                ("More persons are concerned.", DPO))

    # The accesses

    @with_transaction()
    def test_access(self):
        "The officers register, three profiles read, the others nothing"
        pool = Pool()
        ModelAccess = pool.get('ir.model.access')
        readers = dict.fromkeys(
            ['pharmacist_in_charge', 'delegate', 'audit'], 'r')

        def rights(letters):
            return {**readers, OFFICER: letters, DPO: letters}

        name = 'early_access.audit.incident'
        expected = {
            name: rights('rwc'),
            f'{name}.patient': rights('rwcd'),
            f'{name}.prescriber': rights('rw'),
            f'{name}.notification': rights('rwc'),
            f'{name}.reopening': rights('r'),
            f'{name}-early_access.authorization': rights('rwcd'),
            f'{name}.configuration': {OFFICER: 'rw', DPO: 'r', 'audit': 'r'},
            }
        for profile in PROFILES:
            with acting(profile):
                accesses = ModelAccess.get_access(list(expected))
            for model, profiles in expected.items():
                with self.subTest(profile=profile, model=model):
                    self.assertEqual(
                        ''.join(
                            n[0] for n in [
                                'read', 'write', 'create', 'delete']
                            if accesses[model][n]),
                        profiles.get(profile, ''))

    @with_transaction()
    def test_buttons(self):
        "The officers alone press the buttons"
        Incident = Pool().get('early_access.audit.incident')
        self.assertEqual(set(Incident._buttons), {
                'draft', 'open', 'assess', 'notify', 'dismiss', 'close',
                'reopen'})
        for profile in PROFILES:
            for button in Incident._buttons:
                with self.subTest(profile=profile, button=button):
                    with acting(profile):
                        if profile in {OFFICER, DPO}:
                            getattr(Incident, button)([])
                        else:
                            with self.assertRaises(
                                    (AccessError, AccessButtonError)):
                                getattr(Incident, button)([])

    @with_transaction()
    def test_companies(self):
        "The incidents of another laboratory are not seen"
        pool = Pool()
        Company = pool.get('company.company')
        Incident = pool.get('early_access.audit.incident')
        Notification = pool.get('early_access.audit.incident.notification')
        Party = pool.get('party.party')
        company, = Company.search([])
        other, = Company.create([{
                    'party': Party.create([{'name': "Other"}])[0].id,
                    'currency': company.currency.id,
                    }])
        incident = self.open(company=other.id)
        notification = self.tell(incident)
        with acting(OFFICER):
            self.assertEqual(Incident.search([]), [])
            self.assertEqual(Notification.search([]), [])
            for Model, record in [
                    (Incident, incident), (Notification, notification)]:
                with self.assertRaises(AccessError):
                    Model.read([record.id], ['id'])

    # The records on paper

    def full(self):
        "Return an incident with everything that is printed."
        pool = Pool()
        Authorization = pool.get('early_access.authorization')
        Incident = pool.get('early_access.audit.incident')
        Line = pool.get('early_access.audit.incident.patient')
        Party = pool.get('party.party')
        processor, = Party.create([{'name': "Fictitious Hosting"}])
        incident = self.notified(
            hours=80, severity='maximum', likelihood='maximum',
            origin='processor', processor=processor.id, warned_at=ago(101),
            late_reason="Found on the third day.",
            measures_taken="Revoked <the> key & all.",
            measures_planned="Training.",
            authorizations=[
                ('add', [a.id for a in Authorization.search([])])])
        Line.create([{
                    'incident': incident.id,
                    'code': self.patient('treated').code}])
        self.tell(incident, 'final', 90, reference='FICT-0002')
        return Incident(incident.id)

    def print(self, code, incident, language='en'):
        Report = Pool().get(
            f'early_access.audit.incident.{code}', type='report')
        with Transaction().set_context(language=language):
            return Report.execute(
                [incident.id], {'model': 'early_access.audit.incident'})

    @with_transaction()
    def test_odt(self):
        "The records hold what the articles ask"
        incident = self.full()
        patient = self.patient('treated')
        # What a server without LibreOffice gives
        converter = incident_report.can_convert
        incident_report.can_convert = lambda: False
        try:
            for code, texts, absent in [
                    ('authority', [
                            "Demolumab", "Confidentiality",
                            "Fictitious Hosting", "CNIL", "FICT-0001",
                            "FICT-0002", "Patients", "Others may know",
                            "Revoked <the> key & all.", "Training.",
                            "Found on the third day.", "0 / 1"],
                        [patient.code, "Prescriber\n"]),
                    ('file', [
                            patient.code, "Prescriber", "High risk",
                            "Found on the third day.", "A computer was"],
                        []),
                    ]:
                with self.subTest(code=code), acting(OFFICER):
                    extension, content, _, name = self.print(
                        code, incident)
                    self.assertEqual(extension, 'odt')
                    self.assertIn(incident.number, name)
                    with zipfile.ZipFile(io.BytesIO(content)) as document:
                        root = ElementTree.fromstring(
                            document.read('content.xml'))
                    text = '\n'.join(root.itertext())
                    for value in texts:
                        self.assertIn(value, text)
                    for value in absent:
                        self.assertNotIn(value, text)
        finally:
            incident_report.can_convert = converter

    @with_transaction()
    def test_traced(self):
        "Who reads the codes of the patients is found from them"
        pool = Pool()
        Event = pool.get('early_access.audit.event')
        Line = pool.get('early_access.audit.incident.patient')
        line, = self.full().patients
        with acting(OFFICER):
            rpc(Line, 'read', [line.id], ['code'])
        Trail.current().commit(Transaction())
        patient = self.patient('treated').id
        self.assertIn(
            ('read', Line.__name__),
            [
                (e.action, e.model)
                for e in Event.search([('patient', '=', patient)])])

    @unittest.skipUnless(shutil.which('soffice'), "there is no LibreOffice")
    @with_transaction()
    def test_pdf(self):
        "LibreOffice makes a PDF of them, in the language of the user"
        pool = Pool()
        Lang = pool.get('ir.lang')
        Translation = pool.get('ir.translation')
        lang, = Lang.search([('code', '=', 'fr')])
        Lang.write([lang], {'translatable': True})
        Translation.translation_import(
            'fr', 'early_access_audit', str(CATALOGUE))
        incident = self.full()
        for code in ['authority', 'file']:
            for language, title in [
                    ('en', "Likely consequences|Record of an Incident"),
                    ('fr', "Conséquences probables|Fiche d.incident")]:
                with self.subTest(code=code, language=language):
                    with acting(DPO), configured(
                            report__convert_command=CONVERT):
                        extension, content, _, _ = self.print(
                            code, incident, language)
                    self.assertEqual(extension, 'pdf')
                    self.assertTrue(content.startswith(b'%PDF'))
                    if shutil.which('pdftotext'):
                        text = subprocess.run(
                            ['pdftotext', '-', '-'], input=content,
                            capture_output=True, check=True).stdout.decode()
                        self.assertTrue(re.search(title, text), text)
                        self.assertIn(incident.number, text)

    @with_transaction()
    def test_print_access(self):
        "Who may not read the register does not print it"
        incident = self.full()
        for login in ['supply', 'prescriber', 'pharmacovigilance']:
            for code in ['authority', 'file']:
                with self.subTest(login=login, code=code), acting(login):
                    with self.assertRaises(AccessError):
                        self.print(code, incident)
