# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The command early-access-keyring"

import argparse
import datetime as dt
import json
import os
import sys
import time
from contextlib import ExitStack, closing, contextmanager

from . import filestore
from .keyring import (
    FileKeyring, KeyringError, configured, get_keyring, keyring_class,
    read_configuration)
from .rotation import CHUNK, DataKeys, rewrap

PROGRAM = 'early-access-keyring'


def main(args=None):
    "Run the command and return its exit status."
    options = _parser().parse_args(args)
    if options.configfile:
        read_configuration(options.configfile)
    try:
        options.function(options)
        return 0
    except KeyringError as e:
        print(f"{PROGRAM}: {e}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"{PROGRAM}: interrupted", file=sys.stderr)
        return 130


def _parser():
    parser = argparse.ArgumentParser(
        prog=PROGRAM, description="Manage the keys that open the sealed data.")
    parser.add_argument(
        '-c', '--config', metavar='FILE', action='append', dest='configfile',
        default=[], help="the configuration files of the server")
    commands = parser.add_subparsers(dest='command', required=True)

    init = commands.add_parser(
        'init', help="create the keyring that the configuration names, and "
        "the one of the archive")
    init.add_argument(
        '--if-missing', action='store_true',
        help="succeed if there is already a usable keyring")
    init.set_defaults(function=_init)

    rotate = commands.add_parser(
        'rotate', help="add a key-encryption key, make it the active one and "
        "wrap all the data keys under it")
    rotate.add_argument(
        '--copy', metavar='FILE',
        help="write first a copy of the new keyring to this new file")
    _add_rewrap_arguments(rotate)
    rotate.set_defaults(function=_rotate)

    rewrap = commands.add_parser(
        'rewrap', help="wrap under the active key the data keys that are not "
        "yet: continue a rotation that was interrupted")
    _add_rewrap_arguments(rewrap)
    rewrap.set_defaults(function=_rewrap)

    status = commands.add_parser(
        'status', help="show the key-encryption keys and how many data keys "
        "each of them wraps")
    _add_databases(status, required=False)
    status.add_argument(
        '--json', action='store_true', help="print the status as JSON")
    status.set_defaults(function=_status)

    retire = commands.add_parser(
        'retire', help="remove for ever a key-encryption key that wraps no "
        "data key any more")
    retire.add_argument(
        'kek', metavar='KEY', help="the identifier of the key")
    _add_databases(retire)
    retire.add_argument(
        '--backups-expired', metavar='YYYY-MM-DD', required=True,
        type=_date,
        help="the day when the last backup that needs the key expired: no "
        "backup from before can be read without it")
    retire.set_defaults(function=_retire)
    return parser


def _add_databases(parser, required=True):
    parser.add_argument(
        '-d', '--database', metavar='DATABASE', nargs='+', dest='databases',
        required=required, default=[],
        help="all the databases whose data keys are under the keyring")


def _add_rewrap_arguments(parser):
    _add_databases(parser)
    parser.add_argument(
        '--chunk', metavar='NUMBER', type=_positive, default=CHUNK,
        help="how many data keys to wrap in one transaction "
        "(default: %(default)s)")


def _positive(text):
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"'{text}' is not a number over 0")
    return int(text)


def _date(text):
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"'{text}' is not a date as YYYY-MM-DD") from None


@contextmanager
def _opened(names):
    "Open the data keys of all the databases, or of none"
    with ExitStack() as stack:
        yield [
            stack.enter_context(closing(DataKeys(name)))
            for name in dict.fromkeys(names)]


def _init(options):
    path = configured()
    if path is None:
        get_keyring()
    if keyring_class() is not FileKeyring:
        raise KeyringError(
            "the keyring is not a file: its 'keyring_class' makes the keys")
    for path in [path, configured('archive_keyring')]:
        if options.if_missing and os.path.exists(os.path.expanduser(path)):
            FileKeyring(path).check()
            continue
        FileKeyring.create(path)
        print(f"The keyring '{path}' is created. Keep a copy of it in a safe "
            "place, apart from the backups of the database.")


def _rotate(options):
    keyring = get_keyring()
    keyring.check()
    with _opened(options.databases) as databases:
        # Nothing changes when a database cannot be opened
        if options.copy is None:
            kek_id = keyring.rotate()
        elif isinstance(keyring, FileKeyring):
            kek_id = keyring.rotate(copy=options.copy)
        else:
            raise KeyringError("only a keyring that is a file has a copy")
        print(f"The key-encryption key '{kek_id}' is active.")
        if isinstance(keyring, FileKeyring) and options.copy is None:
            print("Replace now the copy of the keyring in the safe: the one "
                "from before does not open what is saved from now on.")
        _rewrap_all(keyring, databases, options)


def _rewrap(options):
    keyring = get_keyring()
    keyring.check()
    with _opened(options.databases) as databases:
        _rewrap_all(keyring, databases, options)


def _rewrap_all(keyring, databases, options):
    sys.stdout.flush()
    start = time.monotonic()
    number, files, errors = 0, 0, []
    for database in databases:
        try:
            with _progress(database, keyring) as progress:
                number += rewrap(database, keyring, options.chunk, progress)
            files += _rewrap_files(database.name, keyring)
        except KeyringError as e:
            errors.append(str(e))
    if errors:
        raise KeyringError(
            f"{'; '.join(errors)}; '{PROGRAM} rewrap' continues the rotation")
    print(f"{number:,} data keys and {files:,} files were wrapped under "
        f"'{_active(keyring)}' in {time.monotonic() - start:.1f} s; none is "
        "left under another key.")


def _rewrap_files(database, keyring):
    with filestore.frozen():
        # Those that were being stored under another key are now there
        pass
    number = filestore.rewrap(database)
    active = _active(keyring)
    left = sum(
        n for k, n in filestore.wrapped_by(database).items() if k != active)
    if left:
        raise KeyringError(
            f"{left:,} files of the database '{database}' cannot be wrapped "
            "again")
    return number


def _active(keyring):
    kek_id, = [k.id for k in keyring.keys() if k.active]
    return kek_id


@contextmanager
def _progress(database, keyring):
    if not sys.stderr.isatty():
        yield
        return
    active = _active(keyring)
    total = sum(
        n for k, n in database.counts().items() if k not in {None, active})

    def show(done):
        print(f"\r{database.name}: {done:,} of {total:,} data keys",
            end='', file=sys.stderr, flush=True)

    try:
        yield show
    finally:
        # The line is for the time that it takes
        print('\r\033[K', end='', file=sys.stderr, flush=True)


def _status(options):
    keyring = get_keyring()
    keys = keyring.keys()
    with _opened(options.databases) as databases:
        counts = {d.name: d.counts() for d in databases}
        files = {d.name: filestore.wrapped_by(d.name) for d in databases}
        errors = [
            error for database in databases
            for error in _unopened(keyring, database)]
    held = {k.id for k in keys if k.state != 'retired'}
    errors += [
        f"{number:,} files of the database '{name}' cannot be opened: the "
        f"keyring does not hold the key-encryption key '{kek}'"
        for name, count in files.items() for kek, number in count.items()
        if kek is not None and kek not in held]
    status = {
        'keys': [_key_status(k, counts, files) for k in keys],
        'missing': [
            {'id': kek, **_numbers(kek, counts, files)}
            for kek in sorted({
                    k for count in [*counts.values(), *files.values()]
                    for k in count} - held - {None})],
        'destroyed': {n: c.get(None, 0) for n, c in counts.items()},
        }
    if options.json:
        print(json.dumps(status, indent=4))
    else:
        _show(status)
    if errors:
        sys.stdout.flush()
        raise KeyringError('; '.join(errors))


def _unopened(keyring, database):
    "Yield why the keyring does not open the data keys of a database"
    counts = database.counts()
    for kek, wrapped in database.samples().items():
        try:
            keyring.unwrap(kek, wrapped)
        except KeyringError as e:
            yield (f"{counts.get(kek, 0):,} data keys of the database "
                f"'{database.name}' cannot be opened: {e}")


def _key_status(key, counts, files):
    return {
        'id': key.id,
        'state': key.state,
        **{
            name: date.isoformat() if date else None for name, date in [
                ('created', key.created),
                ('replaced', key.replaced),
                ('retired', key.retired),
                ('backups_expired', key.backups_expired),
                ]},
        **_numbers(key.id, counts, files),
        }


def _numbers(kek, counts, files):
    return {
        'data_keys': {n: c.get(kek, 0) for n, c in counts.items()},
        'files': {n: c.get(kek, 0) for n, c in files.items()},
        }


def _show(status):
    for key in status['keys']:
        dates = [
            f"{label} {key[name]}" for label, name in [
                ("created", 'created'),
                ("replaced", 'replaced'),
                ("retired", 'retired'),
                ("backups expired", 'backups_expired'),
                ] if key[name]]
        print(f"{key['id']}  {key['state']:<8}  {', '.join(dates)}")
        for name, number in key['data_keys'].items():
            print(f"    {name}: {number:,} data keys, "
                f"{key['files'][name]:,} files")
    for name, number in status['destroyed'].items():
        print(f"Destroyed in {name}: {number:,} data keys")


def _retire(options):
    keyring = get_keyring()
    kek = options.kek
    _check_retired(kek, keyring.keys(), options.backups_expired)
    with _opened(options.databases) as databases, ExitStack() as stack:
        for database in databases:
            counts = stack.enter_context(database.frozen())
            if number := counts.get(kek):
                _refuse_used(kek, f"{number:,} data keys of the database "
                    f"'{database.name}'")
        stack.enter_context(filestore.frozen())
        if number := filestore.wrapped_by().get(kek):
            _refuse_used(kek, f"{number:,} files")
        keyring.retire(kek, options.backups_expired)
    print(f"The key-encryption key '{kek}' is retired. No backup from before "
        "can be read without it: destroy its copies too.")


def _refuse_used(kek, what):
    raise KeyringError(
        f"the key-encryption key '{kek}' still wraps {what}: '{PROGRAM} "
        "rewrap' wraps them under the active one")


def _check_retired(kek, keys, backups_expired):
    today = dt.date.today()
    if backups_expired > today:
        raise KeyringError(
            f"the key-encryption key '{kek}' can be retired from "
            f"{backups_expired} on, when no backup needs it any more")
    for key in keys:
        if key.id != kek:
            continue
        if key.active:
            raise KeyringError(
                f"the key-encryption key '{kek}' is active: "
                f"'{PROGRAM} rotate' replaces it")
        if (key.replaced
                and backups_expired < key.replaced.astimezone().date()):
            raise KeyringError(
                f"the key-encryption key '{kek}' was replaced on "
                f"{key.replaced.astimezone().date()}: the last backup that "
                "needs it cannot have expired before")
