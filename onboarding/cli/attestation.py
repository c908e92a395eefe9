"""``vouchgate attestation``: whether Keylime has on record what we have."""

from typing import Annotated, Any

import typer

from onboarding.cli.answers import object_of, whole_list
from onboarding.cli.api import connected
from onboarding.cli.options import Ca, KeyFile, Url
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

app = typer.Typer(no_args_is_help=True, help="Keylime's record against ours.")

_LEFT = ("not-registered",)  # harmless, and the device's own to mend


@app.callback()
def _group() -> None:
    """Keylime's record against ours."""


@app.command()
def drift(
    url: Url,
    mend: Annotated[
        bool, typer.Option("--mend", help="Have Keylime's record follow ours.")
    ] = False,
    strangers: Annotated[
        bool, typer.Option("--strangers", help="Remove what is not ours, too.")
    ] = False,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> int:
    """Say where registrar and verifier differ from our record: 1 if they do."""
    if strangers and not mend:
        raise CliError("--strangers goes with --mend", "Say both.", code=2)
    with connected(url, api_key_file, ca) as api:
        if mend:
            body = {"strangers": strangers}
            found = object_of(api.json("POST", "keylime/drift/mend", body))
        else:
            found = object_of(api.json("GET", "keylime/drift"))
    if json:
        print_json(found)
    else:
        _print(found, mend)
    return OK if mend or not _matters(found) else FAILED


@app.command()
def verifiers(
    url: Url, api_key_file: KeyFile = None, ca: Ca = None, json: Json = False
) -> None:
    """List Keylime verifiers in the order of their turns, and how each answered."""
    with connected(url, api_key_file, ca) as api:
        found = whole_list(api, "verifiers")
    if json:
        return print_json(found)
    names = ("url", "circuit", "answered", "failures", "error")
    rows = [[one[name] or "" for name in names] for one in found["items"]]
    print_table(names, rows)


def _print(found: dict[str, Any], mended: bool) -> None:
    items = found["items"]
    if not items:
        console().print("Keylime has what we have")
        return
    last = "done" if mended else "detail"
    rows = [(one["kind"], one["name"], one[last]) for one in items]
    print_table(("difference", "agent or policy", last), rows)
    if not mended:
        console().print(f"  {plain('--mend has Keylime follow our record')}")


def _matters(found: dict[str, Any]) -> bool:
    return any(one["kind"] not in _LEFT for one in found["items"])
