# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import uuid
from contextlib import contextmanager

import trytond.config as config
from trytond.modules.early_access.tests.tools import ProgrammeTestCase
from trytond.pool import Pool

# Strong enough for everybody
PASSWORD = 'mulet-Orage7-vitrail=fougue'


@contextmanager
def configured(**options):
    "Set options of the configuration, given as section__name."
    previous = {}
    for key, value in options.items():
        section, name = key.split('__')
        if not config.has_section(section):
            config.add_section(section)
        previous[section, name] = config.get(section, name)
        config.set(section, name, value)
    try:
        yield
    finally:
        for (section, name), value in previous.items():
            if value is None:
                config._config.remove_option(section, name)
                config._cache_clear()
            else:
                config.set(section, name, value)


def create_user(password=PASSWORD, **values):
    "Create a user of a login that no other test has."
    User = Pool().get('res.user')
    login = f'user-{uuid.uuid4()}'
    user, = User.create([{
                'name': login,
                'login': login,
                'password': password,
                **values,
                }])
    return user


class InventedTestCase(ProgrammeTestCase):
    "A running programme of invented data, which need no charter."
    module = 'early_access_audit'

    @classmethod
    def setUpClass(cls):
        cls.enterClassContext(configured(early_access__demonstration='True'))
        super().setUpClass()
