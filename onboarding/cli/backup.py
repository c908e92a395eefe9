"""``vouchgate backup`` and ``vouchgate restore``."""

import os
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Annotated

import typer

from onboarding.cli.output import Json, console, plain, print_json, unusable
from onboarding.cli.settings import (
    DatabaseUrl,
    KeyDirectory,
    load_settings,
    require_database,
)
from onboarding.services import backup as backups
from onboarding.services.context import open_database

ACTOR = "cli:restore"


def backup(
    out: Annotated[Path, typer.Option(help="The file to write.")],
    database_url: DatabaseUrl = None,
    key_directory: KeyDirectory = None,
    json: Json = False,
) -> None:
    """Write database and key files to one file, as of one moment, while services run.

    Keys stay encrypted under their passphrase, which is not in it: keep it apart.
    """
    settings = load_settings(database_url=database_url, key_directory=key_directory)
    require_database(settings)
    database = open_database(settings)
    draft = out.with_name(f".{out.name}.new")
    try:
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as file:
            made = backups.write(
                database, settings.key_directory, file, int(time.time())
            )
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, out)
    except OSError as error:
        raise unusable(f"{out}: {error.strerror}", "Name another file.") from error
    finally:
        draft.unlink(missing_ok=True)
        database.close()
    if json:
        return print_json({"file": str(out), **_facts(made)})
    console().print(
        f"{made.rows} rows and {made.keys} key files written to {plain(out)}"
    )


def restore(
    file: Annotated[Path, typer.Argument(help="A backup.")],
    check: Annotated[
        bool, typer.Option("--check", help="Only see whether it is whole.")
    ] = False,
    database_url: DatabaseUrl = None,
    key_directory: KeyDirectory = None,
    json: Json = False,
) -> None:
    """Fill an empty database, of either kind, and a key directory from a backup."""
    settings = load_settings(database_url=database_url, key_directory=key_directory)
    try:
        source = file.open("rb")
    except OSError as error:
        raise unusable(f"{file}: {error.strerror}", "Check the path.") from error
    with source:
        if check:
            return _checked(source, file, json)
        database = open_database(settings)
        try:
            made, head = backups.restore(
                source, database, settings.key_directory, ACTOR, int(time.time())
            )
        finally:
            database.close()
    if json:
        return print_json({**_facts(made), "audit_head": head.digest.hex()})
    when = f"{datetime.fromtimestamp(made.made_at, UTC):%F %T} UTC"
    console().print(
        f"{made.rows} rows and {made.keys} key files of {when} restored;"
        f" the audit log holds: {head.seq} events"
    )


def _checked(source: IO[bytes], file: Path, json: bool) -> None:
    with tempfile.TemporaryDirectory(prefix="vouchgate-check-") as name:
        made = backups.unpack(source, Path(name))
    if json:
        return print_json({"ok": True, **_facts(made)})
    console().print(
        f"[green]ok[/] {plain(file)}: {made.rows} rows, {made.keys} key files"
    )


def _facts(made: backups.Contents) -> dict[str, object]:
    return {
        "made_at": made.made_at,
        "revision": made.revision,
        "rows": made.rows,
        "keys": made.keys,
        "tables": {
            one.name.partition("/")[2]: one.rows
            for one in made.parts
            if one.name.startswith("tables/")
        },
    }
