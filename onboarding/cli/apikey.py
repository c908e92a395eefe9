"""``vouchgate apikey``: who may call a service's management API.

These commands work on the database itself, since whoever can write it needs no API key;
or, for those who cannot, over the API with an admin's.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from onboarding.cli.answers import every_page, object_of
from onboarding.cli.api import connected
from onboarding.cli.files import write_file
from onboarding.cli.labels import labels_of
from onboarding.cli.options import Ca, KeyFile
from onboarding.cli.output import Json, console, plain, print_json, print_table, when
from onboarding.cli.profiles import service_of_profile
from onboarding.cli.settings import DatabaseUrl, load_settings, require_database
from onboarding.services.api.scopes import require_groups
from onboarding.services.context import open_database
from onboarding.store.apikeys import ApiKey, ApiKeyStore, Role
from onboarding.store.key_limits import Limits

ACTOR = "command line"

app = typer.Typer(no_args_is_help=True, help="API keys of a service.")

# No variable names it: that of other commands must not turn these away from a database.
Remote = Annotated[
    str | None,
    typer.Option(
        "--url",
        help="Over this service's API, or that of a profile, with an admin's key; else"
        " its database.",
    ),
]
Facts = Mapping[str, Any]


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
    url: Remote = None,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Make an API key. It is shown now and never again.

    Labels limit keys of operators and of security, lines those of manufacturers.
    """
    asked = {
        "name": name,
        "role": role.value,
        "expires_in": None if days is None else days * 86400,
        "scopes": scope or [],
        "labels": labels_of(label),
        "lines": line or [],
    }
    url = _service(url, database_url)
    if url is None:
        made = _made(database_url, asked)
    else:
        with connected(url, api_key_file, ca) as api:
            made = object_of(api.json("POST", "apikeys", asked))
    token = str(made["key"])
    if out is not None:
        write_file(out, f"{token}\n".encode(), mode=0o600)
    if json:
        hidden = {"key"} if out is not None else set()
        return print_json({k: v for k, v in made.items() if k not in hidden})
    console().print(f"[green]made[/] {role} key {made['id']} for {plain(name)}")
    console().print(str(out) if out is not None else token, markup=False)


@app.command("list")
def list_(
    database_url: DatabaseUrl = None,
    url: Remote = None,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """List API keys. Their secrets are not kept, so they cannot be shown."""
    found: list[Facts]
    url = _service(url, database_url)
    if url is None:
        with _store(database_url) as store:
            found = [_facts(key) for key in store.list()]
    else:
        with connected(url, api_key_file, ca) as api:
            found = list(every_page(api, "apikeys"))
    now = int(time.time())
    shown = [{**one, "state": _state(one, now)} for one in found]
    if json:
        return print_json({"apikeys": shown})
    print_table(
        ["id", "name", "role", "scopes", "only for", "state", "last used"],
        [_row(one) for one in shown],
    )


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(help="Its id.")],
    database_url: DatabaseUrl = None,
    url: Remote = None,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Revoke an API key at once."""
    url = _service(url, database_url)
    if url is None:
        with _store(database_url) as store:
            store.revoke(key_id, ACTOR, int(time.time()))
    else:
        with connected(url, api_key_file, ca) as api:
            api.request("DELETE", f"apikeys/{key_id}")
    if json:
        return print_json({"revoked": key_id})
    console().print(f"[green]revoked[/] {plain(key_id)}")


def _service(url: str | None, database_url: str | None) -> str | None:
    """Over whose API it goes; None: a database is meant.

    Who chose a profile means that service, and not a database that happens to be here.
    """
    named = url is not None or database_url is not None
    return url if named else service_of_profile()


def _made(database_url: str | None, asked: Facts) -> Facts:
    now, lasts = int(time.time()), asked["expires_in"]
    expires = None if lasts is None else now + lasts
    limits = Limits(tuple(asked["labels"].items()), tuple(asked["lines"]))
    role, scopes = Role(asked["role"]), tuple(asked["scopes"])
    require_groups(scopes)
    with _store(database_url, new=True) as store:
        key, token = store.create(
            asked["name"], role, ACTOR, now, expires, scopes, limits
        )
    return {**_facts(key), "state": _state(_facts(key), now), "key": token}


@contextmanager
def _store(database_url: str | None, *, new: bool = False) -> Iterator[ApiKeyStore]:
    settings = load_settings(database_url=database_url)
    if not new:
        require_database(settings)
    database = open_database(settings)
    try:
        database.migrate()
        yield ApiKeyStore(database)
    finally:
        database.close()


def _facts(key: ApiKey) -> dict[str, Any]:
    """As the API tells of a key."""
    return {
        "id": key.id,
        "name": key.name,
        "role": key.role.value,
        "scopes": list(key.scopes),
        "labels": dict(key.limits.labels),
        "lines": list(key.limits.lines),
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "revoked_at": key.revoked_at,
        "last_used_at": key.last_used_at,
    }


def _row(key: Facts) -> tuple[object, ...]:
    pairs = [f"{name}={value}" for name, value in key["labels"].items()]
    return (
        key["id"],
        key["name"],
        key["role"],
        " ".join(key["scopes"]),
        ", ".join([*pairs, *key["lines"]]),
        key["state"],
        when(key["last_used_at"]),
    )


def _state(key: Facts, now: int) -> str:
    if key["revoked_at"] is not None:
        return "revoked"
    if key["expires_at"] is not None and key["expires_at"] <= now:
        return "expired"
    return "live"
