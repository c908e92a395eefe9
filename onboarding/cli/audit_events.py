"""What ``vouchgate audit`` tells of events: those that were, and those to come."""

import json as json_text
import sys
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from onboarding.cli.answers import first_of
from onboarding.cli.api import connected
from onboarding.cli.guids import guid_of
from onboarding.cli.options import Ca, KeyFile, Most, Url
from onboarding.cli.output import (
    Json,
    console,
    plain,
    print_json,
    print_table,
    when,
)

app = typer.Typer()

Cause = Annotated[
    str | None, typer.Option(help="Only these; may be a beginning, such as release.")
]


@app.command()
def events(
    url: Url,
    cause: Cause = None,
    device: Annotated[str | None, typer.Option(help="GUID; only its own.")] = None,
    limit: Most = 20,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """List what a service's log says, the newest first."""
    guid = None if device is None else str(guid_of(device))
    with connected(url, api_key_file, ca) as api:
        found = first_of(api, "events", limit, {"cause": cause, "guid": guid})
    if json:
        return print_json({"items": found})
    print_table(
        ("event", "at", "cause", "by", "device"),
        [
            (one["seq"], when(one["at"]), one["cause"], one["actor"], one["guid"] or "")
            for one in found
        ],
    )


@app.command()
def follow(
    url: Url,
    cause: Cause = None,
    after: Annotated[
        int | None, typer.Option(min=0, help="Those after this one; else from now on.")
    ] = None,
    count: Annotated[
        int | None, typer.Option(min=1, help="Stop after so many; else never.")
    ] = None,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Tell events as they happen, until stopped; with --json one object a line."""
    query = {"cause": cause, "after": after}
    told = 0
    with connected(url, api_key_file, ca) as api:
        for event in api.follow("events/stream", query):
            _tell(event, json)
            told += 1
            if told == count:
                return


def _tell(event: Mapping[str, Any], as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json_text.dumps(event) + "\n")
        sys.stdout.flush()
        return
    whose = f" {event['guid']}" if event["guid"] else ""
    line = f"{when(event['at'])} {event['seq']} {event['cause']}{whose}"
    console().print(plain(f"{line} by {event['actor']}"))
