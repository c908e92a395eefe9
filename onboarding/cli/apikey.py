"""``vouchgate apikey``: who may call a service's management API.

These commands work on the database itself: whoever can write it needs no API key.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from onboarding.cli.files import write_file
from onboarding.cli.labels import label_of
from onboarding.cli.output import Json, console, plain, print_json, print_table, when
from onboarding.cli.settings import DatabaseUrl, load_settings
from onboarding.services.context import open_database
from onboarding.store.apikeys import ApiKey, ApiKeyStore, Role
from onboarding.store.key_limits import Limits

ACTOR = "command line"

app = typer.Typer(no_args_is_help=True, help="API keys, on a service's database.")


@app.command()
def new(
    role: Annotated[Role, typer.Option(help="What its holder may do.")],
    name: Annotated[str, typer.Option(help="Who holds it.")],
    days: Annotated[
        int | None, typer.Option(min=1, help="Days until it expires; else never.")
    ] = None,
    scope: Annotated[
        list[str] | None,
        typer.Option(help="A group of routes it is for; `:read` to look only."),
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(help="NAME=VALUE of the devices it is for; all must fit."),
    ] = None,
    line: Annotated[
        list[str] | None,
        typer.Option(help="Production line whose devices it is for; one must fit."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write the key there, for its owner only.")
    ] = None,
    database_url: DatabaseUrl = None,
    json: Json = False,
) -> None:
    """Make an API key. It is shown now and never again.

    Labels limit keys of operators and of security, lines those of manufacturers.
    """
    limits = Limits(tuple(map(label_of, label or ())), tuple(line or ()))
    now = int(time.time())
    expires = None if days is None else now + days * 86400
    with _store(database_url) as store:
        key, token = store.create(
            name, role, ACTOR, now, expires, tuple(scope or ()), limits
        )
    if out is not None:
        write_file(out, f"{token}\n".encode(), mode=0o600)
    if json:
        shown = {} if out is not None else {"key": token}
        return print_json({**_facts(key), **shown})
    console().print(f"[green]made[/] {role} key {key.id} for {plain(name)}")
    console().print(str(out) if out is not None else token, markup=False)


@app.command("list")
def list_(database_url: DatabaseUrl = None, json: Json = False) -> None:
    """List API keys. Their secrets are not kept, so they cannot be shown."""
    with _store(database_url) as store:
        keys = store.list()
    if json:
        return print_json({"apikeys": [_facts(key) for key in keys]})
    now = int(time.time())
    print_table(
        ["id", "name", "role", "scopes", "only for", "state", "last used"],
        [
            (
                key.id,
                key.name,
                key.role,
                " ".join(key.scopes),
                ", ".join([*map("=".join, key.limits.labels), *key.limits.lines]),
                _state(key, now),
                when(key.last_used_at),
            )
            for key in keys
        ],
    )


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(help="Its id.")],
    database_url: DatabaseUrl = None,
    json: Json = False,
) -> None:
    """Revoke an API key at once."""
    with _store(database_url) as store:
        store.revoke(key_id, ACTOR, int(time.time()))
    if json:
        return print_json({"revoked": key_id})
    console().print(f"[green]revoked[/] {plain(key_id)}")


@contextmanager
def _store(database_url: str | None) -> Iterator[ApiKeyStore]:
    database = open_database(load_settings(database_url=database_url))
    try:
        database.migrate()
        yield ApiKeyStore(database)
    finally:
        database.close()


def _facts(key: ApiKey) -> dict[str, object]:
    return {
        "id": key.id,
        "name": key.name,
        "role": key.role.value,
        "scopes": list(key.scopes),
        "labels": dict(key.limits.labels),
        "lines": list(key.limits.lines),
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "last_used_at": key.last_used_at,
        "state": _state(key, int(time.time())),
    }


def _state(key: ApiKey, now: int) -> str:
    if key.revoked_at is not None:
        return "revoked"
    if key.expires_at is not None and key.expires_at <= now:
        return "expired"
    return "live"
