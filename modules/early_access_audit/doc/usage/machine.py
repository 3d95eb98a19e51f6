# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""A script that works with nobody there, such as from a timer.

    machine.py https://early-access.example.com/early_access/rpc/ nightly \
        < /etc/early-access/nightly.key
"""
import sys

from proteus import Model, config

url, login = sys.argv[1:]
key = sys.stdin.read().strip()
with config.set_xmlrpc_session(url, login, parameters={'key': key}):
    Lang = Model.get('ir.lang')
    for lang in Lang.find([('translatable', '=', True)]):
        print(lang.code)
