# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

import logging
import sys

import trytond.config as config

__all__ = ['report_volume']

logger = logging.getLogger(__name__)


def report_volume():
    """Say at the start of a server whether the volumes are encrypted.

    What is in clear in the database is protected on the disk and in the
    backups by the encryption of their volumes (SEC-CRY-1). The server cannot
    see it: it says what the operator declares.
    """
    if not is_server():
        return
    # The server is silent by default up to the errors
    logger.setLevel(logging.INFO)
    declared = config.get('early_access', 'volume_encryption', default='')
    # On one line, whatever the file holds
    declared = ' '.join(declared.split())
    if declared:
        logger.info(
            "encryption of the volumes of the database: declared (%s)",
            declared)
    else:
        logger.warning(
            "encryption of the volumes of the database: not declared; what "
            "is not sealed needs it: set 'volume_encryption' in the section "
            "[early_access] of the configuration")


def is_server():
    if 'trytond.application' in sys.modules:
        return True
    # The package is the command of the server, its modules are the others
    return 'trytond.cli' in sys.modules and not any(
        n.startswith('trytond.cli.') for n in sys.modules)
