"""``vouchgate database``: the tables' version, and the way back to an older one."""

import time
from typing import Annotated

import typer

from onboarding.cli.output import Json, console, print_json, unusable
from onboarding.cli.settings import DatabaseUrl, load_settings, require_database
from onboarding.services.context import open_database
from onboarding.store import schema
from onboarding.store.database import Database
from onboarding.store.events import Event

ACTOR = "cli:database"

app = typer.Typer(no_args_is_help=True, help="The version of a database's tables.")


@app.command()
def show(database_url: DatabaseUrl = None, json: Json = False) -> None:
    """The revision that the tables are at, and the one this version of ours needs."""
    database = _opened(database_url)
    try:
        at = database.revision()
    finally:
        database.close()
    if json:
        return print_json({"revision": at or None, "needed": schema.newest()})
    console().print(f"at {at or 'no revision'}; this version needs {schema.newest()}")


@app.command()
def downgrade(
    revision: Annotated[str, typer.Argument(help="Of an older version: 0001 to …")],
    lose: Annotated[
        bool, typer.Option("--lose-what-is-newer", help="Say that you have a backup.")
    ] = False,
    database_url: DatabaseUrl = None,
    json: Json = False,
) -> None:
    """Bring the tables back to an older version's; stop every service before.

    What only newer versions know is lost: what their tables and columns held.
    """
    if not lose:
        raise unusable(
            "What only newer versions know would be lost.",
            "Make a backup, then add --lose-what-is-newer.",
        )
    database = _opened(database_url)
    try:
        was = database.revision()
        detail = {"from": was, "to": revision}
        now = int(time.time())
        event = Event("database.downgraded", ACTOR, now, detail=detail)
        database.downgrade(revision, event)
    finally:
        database.close()
    if json:
        return print_json({"revision": revision, "was": was})
    console().print(f"the tables are at {revision} now; they were at {was}")


def _opened(database_url: str | None) -> Database:
    settings = load_settings(database_url=database_url)
    require_database(settings)
    return open_database(settings)
