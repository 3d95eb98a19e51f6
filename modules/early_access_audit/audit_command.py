# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The command early-access-audit"

import argparse
import json
import sys
import time

from trytond.modules.early_access.keyring import read_configuration

from .signing_key import (
    SigningKey, SigningKeyError, configured_path, read_public_keys)

PROGRAM = 'early-access-audit'


class Failure(Exception):
    "What stops the command: the message is one line for a human."


def main(args=None):
    "Run the command and return its exit status."
    options = _parser().parse_args(args)
    if options.configfile:
        read_configuration(options.configfile)
    try:
        return options.function(options) or 0
    except (Failure, SigningKeyError) as e:
        print(f"{PROGRAM}: {e}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"{PROGRAM}: interrupted", file=sys.stderr)
        return 130


def _parser():
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Seal the trail, verify it and prove what is in it.")
    parser.add_argument(
        '-c', '--config', metavar='FILE', action='append', dest='configfile',
        default=[], help="the configuration files of the server")
    commands = parser.add_subparsers(dest='command', required=True)

    key = commands.add_parser(
        'key', help="create the key that signs the seals, which the "
        "configuration names, or replace it")
    key.add_argument(
        '--if-missing', action='store_true',
        help="succeed if there is already a usable key")
    key.set_defaults(function=_key)

    seal = commands.add_parser('seal', help="seal the events that are over")
    _add_database(seal)
    seal.add_argument(
        '--every', metavar='SECONDS', type=float,
        help="go on until it is interrupted, so often")
    seal.set_defaults(function=_seal)

    forward = commands.add_parser(
        'forward', help="send what is sealed to the central log")
    _add_database(forward)
    forward.add_argument(
        '--every', metavar='SECONDS', type=float,
        help="go on until it is interrupted, so often")
    forward.set_defaults(function=_forward)

    purge = commands.add_parser(
        'purge', help="delete the events whose period has ended")
    _add_database(purge)
    purge.set_defaults(function=_purge)

    verify = commands.add_parser(
        'verify', help="read all the seals and their events again")
    _add_database(verify)
    _add_public_keys(verify)
    verify.add_argument(
        '--first', metavar='NUMBER', type=int, default=1,
        help="the first seal to verify")
    verify.add_argument(
        '--last', metavar='NUMBER', type=int, help="the last one")
    verify.add_argument(
        '--all', action='store_true',
        help="name all the bad seals and not the first one only")
    verify.set_defaults(function=_verify)

    prove = commands.add_parser(
        'prove', help="print the proof that an event is sealed")
    _add_database(prove)
    prove.add_argument('event', type=int, help="the id of the event")
    prove.set_defaults(function=_prove)

    check = commands.add_parser(
        'check-proof', help="check a proof, without any database")
    _add_public_keys(check)
    check.add_argument('proof', help="the file of the proof, or -")
    check.set_defaults(function=_check_proof)
    return parser


def _add_database(parser):
    parser.add_argument(
        '-d', '--database', metavar='NAME', required=True,
        help="the name of the database")


def _add_public_keys(parser):
    parser.add_argument(
        '--public-keys', metavar='FILE',
        help="the public keys, by default those beside the key of the "
        "configuration")


def _public_keys(options):
    return read_public_keys(
        options.public_keys or f'{configured_path()}.pub')


def _start(options):
    "Load the models of the database."
    from trytond.pool import Pool
    from trytond.transaction import Transaction
    Pool.start()
    pool = Pool(options.database)
    with Transaction().start(options.database, 0, readonly=True):
        pool.init()
    try:
        pool.get('early_access.audit.seal')
    except KeyError:
        raise Failure(
            f"the module early_access_audit is not activated in the database "
            f"'{options.database}'") from None


def _key(options):
    path = configured_path()
    if options.if_missing:
        try:
            key = SigningKey(path)
        except SigningKeyError:
            pass
        else:
            print(f"The key {key.id} is usable.")
            return
    key = SigningKey.create(path)
    print(
        f"The key {key.id} is created. Give '{key.public_path}' to those who "
        "verify, and keep a copy of it apart from the database.")


def _seal(options):
    from .sealing import seal_all
    _start(options)
    while True:
        number = seal_all(options.database)
        if not options.every:
            print(f"{number} seals were added.")
            return
        time.sleep(options.every)


def _forward(options):
    from .forward import ForwardError, forward_all
    _start(options)
    while True:
        try:
            number = forward_all(options.database)
        except ForwardError as e:
            if not options.every:
                raise Failure(str(e)) from None
            print(f"{PROGRAM}: {e}", file=sys.stderr, flush=True)
        else:
            if not options.every:
                print(f"{number} seals were forwarded.")
                return
        time.sleep(options.every)


def _purge(options):
    from .purge import PurgeError, purge
    _start(options)
    try:
        number = purge(options.database)
    except PurgeError as e:
        raise Failure(str(e)) from None
    print(f"{number} events were deleted.")


def _verify(options):
    from trytond.transaction import Transaction

    from .anchor import Anchor, anchor_path
    from .verify import Verification
    keys = _public_keys(options)
    _start(options)
    verification = Verification(
        keys, options.first, options.last,
        Anchor.read(anchor_path(), options.database))
    status = 0
    with Transaction().start(options.database, 0, readonly=True):
        for damage in verification.damages():
            print(f"Seal {damage.number}: {damage.kind}: {damage.text}")
            status = 1
            if not options.all:
                break
    if not status:
        print(
            f"{verification.seals} seals and {verification.events} events "
            "are as they were sealed.")
    return status


def _prove(options):
    from trytond.transaction import Transaction

    from .verify import prove
    _start(options)
    with Transaction().start(options.database, 0, readonly=True):
        try:
            proof = prove(options.event)
        except ValueError as e:
            raise Failure(f"event {options.event}: {e}") from None
    print(json.dumps(proof, indent=1))


def _check_proof(options):
    from .verify import is_proven
    if options.proof == '-':
        content = sys.stdin.read()
    else:
        try:
            with open(options.proof) as file:
                content = file.read()
        except OSError as e:
            raise Failure(f"'{options.proof}': {e.strerror}") from None
    try:
        proof = json.loads(content)
    except ValueError:
        raise Failure(f"'{options.proof}' is not JSON") from None
    if not is_proven(proof, _public_keys(options)):
        print("The proof does not hold.")
        return 1
    print(f"The event is sealed: {proof['event']}")


if __name__ == '__main__':
    sys.exit(main())
