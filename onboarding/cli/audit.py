"""``vouchgate audit``: prove that nobody rewrote the log."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from attestation.errors import DocumentRefused
from attestation.evidence_pack import MAX_PACK, open_pack, unverified_pack
from attestation.pack_checks import Outcome, PackChecker, owner_keys
from onboarding.cli.api import connected
from onboarding.cli.audit_events import app as events
from onboarding.cli.files import read_file, read_public_key, write_file
from onboarding.cli.options import Ca, KeyFile, Limit, Url
from onboarding.cli.output import (
    FAILED,
    OK,
    CliError,
    Json,
    console,
    plain,
    print_json,
    print_table,
)
from onboarding.cli.settings import (
    DatabaseUrl,
    KeyDirectory,
    load_settings,
    require_database,
)
from onboarding.services import audit
from onboarding.services.context import open_database
from onboarding.services.key_store import KeyStore
from onboarding.services.settings import Settings
from onboarding.store.checkpoints import CheckpointStore
from onboarding.store.database import Database
from onboarding.store.errors import ChainBroken
from onboarding.store.event_log import EventLog
from ownership_vouchers.algorithms import VerifyKey
from ownership_vouchers.errors import VoucherError

app = typer.Typer(no_args_is_help=True, help="The audit log, and what proves it.")
app.registered_commands += events.registered_commands

Signers = Annotated[
    list[Path] | None,
    typer.Option(help="Public key (PEM) whose signature counts; else those here."),
]
MAX_CHECKPOINT = 16 * 1024
_MARKS = {
    Outcome.HOLDS: "[green]holds [/]",
    Outcome.BROKEN: "[red]broken[/]",
    Outcome.ABSENT: "[dim]absent[/]",
}


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
    newest: Annotated[
        bool, typer.Option("--newest", help="Fetch the newest, and have none signed.")
    ] = False,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Have a service sign where its log stands; keep the file somewhere else."""
    with connected(url, api_key_file, ca) as api:
        if newest:
            document = api.request("GET", "audit/checkpoints/latest").body
        else:
            document = api.request("POST", "audit/checkpoints").body
        found: Any = api.json("GET", "audit/checkpoints?limit=1")
    write_file(out, document)
    last = found["items"][0]
    if json:
        return print_json({"file": str(out), **last})
    console().print(
        f"checkpoint of event {last['seq']}, {last['digest']}, written to {plain(out)}"
    )


@app.command("checkpoints")
def checkpoints_(
    url: Url,
    api_key_file: KeyFile = None,
    limit: Limit = 20,
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


@app.command()
def pack(
    guid: Annotated[str, typer.Argument(help="Any GUID the device ever had.")],
    url: Url,
    out: Annotated[Path, typer.Option(help="Where to write it.")],
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Fetch the evidence pack of a device: all that proves what happened to it."""
    with connected(url, api_key_file, ca) as api:
        path = f"devices/{quote(guid, safe='')}/evidence-pack"
        document = api.request("GET", path).body
    write_file(out, document)
    if json:
        return print_json({"file": str(out), "bytes": len(document)})
    console().print(f"{len(document)} bytes written to {plain(out)}")


@app.command("verify-pack")
def verify_pack(
    file: Annotated[Path, typer.Argument(help="An evidence pack.")],
    key: Annotated[
        list[Path] | None,
        typer.Option(help="Owner key (PEM) that must have signed it."),
    ] = None,
    json: Json = False,
) -> int:
    """Check an evidence pack by itself: no service and no database is asked.

    Without --key, the signer is the owner that the vouchers in the pack name: give the
    key if you know whose pack it should be. 0 if every part holds, else 1.
    """
    data = read_file(file, MAX_PACK)
    try:
        keys = tuple(read_public_key(path) for path in key or ())
        keys = keys or owner_keys(unverified_pack(data))
        found = open_pack(data, keys)
    except (DocumentRefused, VoucherError) as error:
        said = error.sentence if isinstance(error, DocumentRefused) else str(error)
        raise CliError(
            f"{file}: {said}", "Ask its maker for the file again."
        ) from error
    checks = PackChecker(found, keys).run()
    ok = all(one.outcome is not Outcome.BROKEN for one in checks)
    if json:
        shown = [
            {"name": c.name, "outcome": c.outcome, "detail": c.detail} for c in checks
        ]
        print_json({"ok": ok, "guid": str(found.guid), "checks": shown})
        return OK if ok else FAILED
    made = datetime.fromtimestamp(found.made_at, UTC)
    trust = "a key you gave" if key else "the owner that its vouchers name"
    console().print(f"device {found.guid}, as of {made:%F %T} UTC, signed by {trust}")
    for one in checks:
        console().print(f"{_MARKS[one.outcome]} {one.name:<11} {plain(one.detail)}")
    return OK if ok else FAILED


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
    require_database(settings)
    database = open_database(settings)
    try:
        yield database
    finally:
        database.close()
