# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import configparser
import os

info = configparser.ConfigParser()
info.read(os.path.join(os.path.dirname(__file__), os.pardir, 'tryton.cfg'))

project = "Early Access Retention Module"
html_title = project
release = version = info['tryton']['version']
master_doc = 'index'
default_role = 'ref'
highlight_language = 'none'
exclude_patterns = ['_build']

del info
