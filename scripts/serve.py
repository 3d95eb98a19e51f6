# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"Run trytond, without a line for each request that it serves."
import logging

from trytond.cli import main

if __name__ == '__main__':
    logging.getLogger('werkzeug').setLevel(logging.ERROR)
    # A demonstration has no mail server
    logging.getLogger('trytond.sendmail').setLevel(logging.CRITICAL)
    main()
