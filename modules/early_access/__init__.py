# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from .keyring import check_server
from .redaction import redact_logs
from .transaction import keep_isolation
from .volume import report_volume

check_server()
keep_isolation()
redact_logs()
report_volume()
