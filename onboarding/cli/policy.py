"""``vouchgate policy``: learn one from a golden device, and see what changes."""

import re
import sys
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote, urlencode

import typer

from attestation.runtime_policy import MAX_RUNTIME_POLICY
from onboarding.cli.answers import object_of, whole_list
from onboarding.cli.api import Api, connected
from onboarding.cli.files import read_file, read_json
from onboarding.cli.options import Ca, KeyFile, Url, Version
from onboarding.cli.output import (
    OK,
    CliError,
    Json,
    console,
    plain,
    print_facts,
    print_json,
    print_table,
    unusable,
)
from onboarding.device.errors import Problem
from ownership_vouchers.types import Guid

app = typer.Typer(no_args_is_help=True, help="Policies, and what changed in them.")

NOT_FOUND = 404
MAX_POLICY = 1024 * 1024


@app.command()
def learn(
    device: Annotated[str, typer.Argument(help="GUID of the golden device.")],
    name: Annotated[str, typer.Option(help="Of the policy; its next version is made.")],
    url: Url,
    pcr: Annotated[
        list[int] | None,
        typer.Option(min=0, max=23, help="PCR to cover; else 0, 2-4, 7-9, 14."),
    ] = None,
    update: Annotated[
        bool, typer.Option("--update", help="Allow the version before beside it.")
    ] = False,
    ima: Annotated[
        bool, typer.Option("--ima", help="Learn what the device ran, too.")
    ] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Have the device show itself anew.")
    ] = False,
    accept: Annotated[
        str | None,
        typer.Option(help="Store the draft of this digest."),
    ] = None,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> int:
    """Draft a policy from what a device shows; store it once it was looked at.

    The first time, the device is asked: it answers with its next attestation.
    """
    guid = str(Guid.parse(device))
    with connected(url, api_key_file, ca) as api:
        if again or not _was_asked(api, guid):
            return _ask(api, guid, json)
        found = _draft(api, guid, _asked(name, pcr, update=update, ima=ima))
        if accept is None:
            print_json(found) if json else _print(found)
            return OK
        if accept != found["digest"]:
            raise CliError(
                "the draft is not the one of that digest any more",
                "Look at it again without --accept: device, policy or options changed.",
            )
        if found["runtime_policy"] is not None:
            body = found["runtime_policy"].encode()
            api.request("POST", "runtime-policies", body, "application/json")
        made = api.json("POST", "policies", found["policy"])
    print_json(made) if json else console().print(_stored(made))
    return OK


@app.command("list")
def list_(
    url: Url, api_key_file: KeyFile = None, ca: Ca = None, json: Json = False
) -> None:
    """List policies, each in its newest version."""
    with connected(url, api_key_file, ca) as api:
        found = whole_list(api, "policies")
    if json:
        return print_json(found)
    rows = [(one["name"], one["version"], one["digest"]) for one in found["items"]]
    print_table(("policy", "version", "digest"), rows)


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="Of the policy.")],
    url: Url,
    version: Version = None,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Print a policy, and which versions there are."""
    query = "" if version is None else f"?version={version}"
    with connected(url, api_key_file, ca) as api:
        path = f"policies/{quote(name, safe='')}{query}"
        found = object_of(api.json("GET", path))
    print_json(found) if json else print_facts(found)


@app.command("set")
def set_(
    file: Annotated[Path, typer.Argument(help="JSON, as the API has it.")],
    url: Url,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Store the next version of a policy, as a file says it."""
    body = read_json(file, MAX_POLICY)
    with connected(url, api_key_file, ca) as api:
        made = api.json("POST", "policies", body)
    print_json(made) if json else console().print(_stored(made))


@app.command()
def diff(
    name: Annotated[str, typer.Argument(help="Of the policy.")],
    url: Url,
    version: Version = None,
    against: Annotated[
        int | None, typer.Option(min=1, help="Else the one before.")
    ] = None,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Say what changed between two versions of a policy."""
    asked = {"version": version, "against": against}
    query = urlencode({k: v for k, v in asked.items() if v is not None})
    with connected(url, api_key_file, ca) as api:
        found = object_of(api.json("GET", f"policies/{name}/diff?{query}"))
    print_json(found) if json else _print_changes(found, found["version"])


@app.command()
def runtime(
    url: Url,
    file: Annotated[
        Path | None, typer.Argument(help="Keylime's runtime policy, JSON.")
    ] = None,
    show: Annotated[
        str | None, typer.Option(help="Print the one of this digest instead.")
    ] = None,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Store what IMA may measure; attestation policies name it by its digest."""
    if (file is None) == (show is None):
        raise unusable(
            "a file to store, or --show and a digest", "Give one of the two."
        )
    with connected(url, api_key_file, ca) as api:
        if show is not None:
            found = api.request("GET", f"runtime-policies/{_digest(show)}")
            sys.stdout.buffer.write(found.body)
            return
        assert file is not None  # noqa: S101 - one of the two is given
        body = read_file(file, MAX_RUNTIME_POLICY)
        reply = api.request("POST", "runtime-policies", body, "application/json")
        made = object_of(api.read(reply))
    if json:
        return print_json(made)
    console().print(f"stored {made['bytes']} bytes: {made['digest']}")


def _digest(text: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{64}", text):
        raise unusable("a digest is 64 lower-case hexadecimal digits")
    return text


def _was_asked(api: Api, guid: str) -> bool:
    try:
        api.json("GET", f"devices/{guid}/learning")
    except Problem as problem:
        if problem.status != NOT_FOUND:
            raise
        return False
    return True


def _ask(api: Api, guid: str, as_json: bool) -> int:
    asked = api.json("POST", f"devices/{guid}/learning")
    if as_json:
        print_json(asked)
    else:
        console().print(f"asked {guid}: it shows itself when it attests next")
        console().print("  Then run this again (without --again) for the draft.")
    return OK


def _asked(
    name: str, pcrs: list[int] | None, *, update: bool, ima: bool
) -> list[tuple[str, str]]:
    flags = [("update", str(update).lower()), ("ima", str(ima).lower())]
    return [("name", name), *flags, *(("pcrs", str(pcr)) for pcr in pcrs or ())]


def _draft(api: Api, guid: str, query: list[tuple[str, str]]) -> dict[str, Any]:
    path = f"devices/{guid}/learning/draft?{urlencode(query)}"
    return object_of(api.json("GET", path))


def _print(found: dict[str, Any]) -> None:
    _print_changes(found, found["policy"]["version"])
    console().print("Nothing is stored. If each line is as it should be, repeat with")
    console().print(f"  --accept {found['digest']}", soft_wrap=True)


def _print_changes(found: dict[str, Any], version: int) -> None:
    out, against = console(), found["against"]
    since = "new" if against is None else f"since version {against}"
    changes = found["changes"]
    out.print(f"[bold]version {version}, {since}: {len(changes) or 'no'} changes[/]")
    for line in changes:
        colour = "green" if line.startswith("+") else "red"
        out.print(f"[{colour}]{plain(line)}[/]", soft_wrap=True)


def _stored(made: object) -> str:
    policy = object_of(made)
    return f"stored {policy['name']} version {policy['version']}, {policy['digest']}"
