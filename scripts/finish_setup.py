# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""Mark the configuration of the modules as done.

Otherwise the client opens its assistant when the administrator logs in.
"""
import argparse

from proteus import Model, config


def finish():
    Item = Model.get('ir.module.config_wizard.item')
    items = Item.find([('state', '=', 'open')])
    for item in items:
        item.state = 'done'
    Item.save(items)


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--database', required=True)
    parser.add_argument('--config')
    options = parser.parse_args()
    config.set_trytond(options.database, config_file=options.config)
    finish()
