# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The hospital users who come in with a password: there is no provider here."

AUTHORIZATION = 'DMB'


def load(demo):
    security = demo.sessions['security']
    authorization, = security.model('early_access.authorization').find([
            ('code', '=', AUTHORIZATION)])
    places = security.model('party.party').find([
            ('hospital_kind', '!=', None)])
    security.create('early_access.audit.password_fallback', [{
                'authorization': authorization.id,
                'places': [('add', [p.id for p in places])],
                'reason': 'no_provider',
                'measure': "The demonstration has no identity provider",
                }])
