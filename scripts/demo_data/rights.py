# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""What persons ask about their data.

One request is overdue, one due soon, one in progress; others are answered or
refused. The data of two patients are frozen.
"""

MODEL = 'early_access.rights.request'


def load(demo):
    prescriber = demo.sessions['prescriber']
    mine = patients(demo, 'prescriber', 6)
    french = patients(demo, 'prescriber2', 2)

    through_prescriber(demo, prescriber, mine[0])
    overdue = register(
        demo, 'access', mine[1], days=36, through='doctor',
        received_how='letter')
    check(demo, overdue, start=False)
    soon = register(demo, 'rectification', mine[2], days=26)
    check(demo, soon)
    rectify(demo, soon)
    answered = register(demo, 'access', mine[3], days=50)
    check(demo, answered)
    demo.sessions['dpo'].wizard(f'{MODEL}.answer', [answered])
    refused = register(demo, 'erasure', mine[4], days=12)
    wizard = demo.sessions['dpo'].wizard(f'{MODEL}.refuse', [refused])
    wizard.execute('produce')
    for patient, scope, close in [
            (mine[5], 'identity', True), (french[0], 'all', False)]:
        request = register(demo, 'limitation', patient, days=9)
        check(demo, request)
        freeze(demo, request, scope)
        if close:
            answer(demo, request)


def patients(demo, login, number):
    "Return the ids of treated patients of a prescriber."
    rows = demo.sessions['incharge'].read('early_access.patient', [
            ('state', '=', 'treated'),
            ('prescriber.user.login', '=', login),
            ], ['code'])
    return [row['id'] for row in rows][:number]


def through_prescriber(demo, prescriber, patient):
    "A patient asks the prescriber, who opens the request."
    request = prescriber.model(MODEL)(kind='access')
    request.patient = prescriber.model('early_access.patient')(patient)
    request.received_on = demo.ago(days=2)
    request.save()


def register(demo, kind, patient, days, **values):
    "The rights officer registers what was received so many days ago."
    dpo = demo.sessions['dpo']
    request = dpo.model(MODEL)(kind=kind)
    request.patient = dpo.model('early_access.patient')(patient)
    request.received_on = demo.ago(days=days)
    request.warned_on = demo.ago(days=days - 1)
    for name, value in values.items():
        setattr(request, name, value)
    requester = request.requester.new()
    requester.name = "Dominique EXEMPLE-FICTIF"
    requester.address = "1 rue de la Fiction\n99000 VILLE-FICTIVE"
    requester.email = "dominique@exemple.example"
    request.save()
    return request


def check(demo, request, start=True):
    request.identity_document = 'identity_card'
    request.identity_checked_on = request.received_on
    request.save()
    request.click('check_identity')
    if start:
        request.click('start')


def rectify(demo, request):
    dpo = demo.sessions['dpo']
    rectification = dpo.model('early_access.rights.rectification')(
        request=request)
    rectification.field = 'surname_letters'
    rectification.new_letters = 'FIC'
    rectification.reason = 'inaccurate'
    rectification.save()
    rectification.click('apply')
    request.reload()


def freeze(demo, request, scope):
    dpo = demo.sessions['dpo']
    limitation = dpo.model('early_access.rights.limitation')(request=request)
    limitation.scope = scope
    limitation.save()
    limitation.click('activate')
    request.reload()


def answer(demo, request):
    "Tell those who had the data, then the person."
    for recipient in request.recipients:
        recipient.informed_on = demo.today
        recipient.save()
    demo.sessions['dpo'].wizard(f'{MODEL}.answer', [request])
