"""``vouchgate audit``: prove that nobody rewrote the log."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from onboarding.cli.api import Ca, connected
from onboarding.cli.files import read_file, read_public_key, write_file
from onboarding.cli.output import (
    CliError,
    Json,
    console,
    plain,
    print_json,
    print_table,
)
from onboarding.cli.settings import DatabaseUrl, KeyDirectory, load_settings
from onboarding.services import audit
from onboarding.services.context import open_database
from onboarding.services.key_store import KeyStore
from onboarding.services.settings import Settings
from onboarding.store.checkpoints import CheckpointStore
from onboarding.store.database import Database
from onboarding.store.errors import ChainBroken
from onboarding.store.event_log import EventLog
from ownership_vouchers.algorithms import VerifyKey

app = typer.Typer(no_args_is_help=True, help="The audit log, and what proves it.")

Url = Annotated[str, typer.Option(help="The service's address.")]
KeyFile = Annotated[
    Path | None, typer.Option(help="File with the API key; else VOUCHGATE_API_KEY.")
]
Signers = Annotated[
    list[Path] | None,
    typer.Option(help="Public key (PEM) whose signature counts; else those here."),
]
MAX_CHECKPOINT = 16 * 1024


@app.command()
def verify(
    checkpoint: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Checkpoints that were kept elsewhere.", show_default=False
        ),
    ] = None,
    key: Signers = None,
    database_url: DatabaseUrl = None,
    key_directory: KeyDirectory = None,
    json: Json = False,
) -> None:
    """Recompute the whole log of a database, or of a copy, and hold checkpoints to it.

    0 if everything fits; 1 names the event or the checkpoint that does not.
    """
    settings = load_settings(database_url=database_url, key_directory=key_directory)
    given = [read_file(path, MAX_CHECKPOINT) for path in checkpoint or ()]
    keys = _keys(settings, key or [])
    with _opened(settings) as database:
        try:
            found = audit.verify(
                EventLog(database), CheckpointStore(database), keys, given
            )
        except ChainBroken as error:
            raise CliError(
                str(error),
                "Keep this database as evidence, and restore the last good backup.",
            ) from error
    facts = {
        "events": found.head.seq,
        "head": found.head.digest.hex(),
        "checkpoints": {"stored": found.stored, "given": found.given},
    }
    if json:
        return print_json({"ok": True, **facts})
    console().print(f"[green]ok[/] {facts['events']} events, head {facts['head']}")
    console().print(
        f"   {found.stored} checkpoints of this database fit,"
        f" and {found.given} that were kept elsewhere"
    )


@app.command()
def checkpoint(
    url: Url,
    out: Annotated[Path, typer.Option(help="Where to write it.")],
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Have a service sign where its log stands; keep the file somewhere else."""
    with connected(url, api_key_file, ca) as api:
        document = api.request("POST", "audit/checkpoints").body
        found: Any = api.json("GET", "audit/checkpoints?limit=1")
    write_file(out, document)
    newest = found["items"][0]
    if json:
        return print_json({"file": str(out), **newest})
    console().print(
        f"checkpoint of event {newest['seq']}, {newest['digest']},"
        f" written to {plain(out)}"
    )


@app.command("checkpoints")
def checkpoints_(
    url: Url,
    api_key_file: KeyFile = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="How many.")] = 20,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """List the newest checkpoints that a service has signed."""
    with connected(url, api_key_file, ca) as api:
        found: Any = api.json("GET", f"audit/checkpoints?limit={limit}")
    if json:
        return print_json(found)
    names = ("seq", "at", "digest", "key_fingerprint")
    rows = [[one[name] for name in names] for one in found["items"]]
    print_table(("event", "at", "digest", "signed by"), rows)


def _keys(settings: Settings, paths: list[Path]) -> tuple[VerifyKey, ...]:
    if paths:
        return tuple(read_public_key(path) for path in paths)
    found = []
    for info in KeyStore(settings.key_directory, b"").list():
        key = load_pem_public_key(info.public_pem.encode())
        if isinstance(key, VerifyKey):
            found.append(key)
    return tuple(found)


@contextmanager
def _opened(settings: Settings) -> Iterator[Database]:
    """The database as it is: one of another version is looked at all the same."""
    path = settings.database_url.removeprefix("sqlite:///")
    if path != settings.database_url and not Path(path).exists():
        raise CliError(f"{path} is not there", "Set VOUCHGATE_DATABASE_URL.", code=2)
    database = open_database(settings)
    try:
        yield database
    finally:
        database.close()
