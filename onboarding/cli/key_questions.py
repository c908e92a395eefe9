"""``vouchgate keys owned`` and ``match``: what owner keys own, and could take."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from onboarding.cli.answers import object_of
from onboarding.cli.api import Api, connected
from onboarding.cli.files import read_file
from onboarding.cli.key_calls import NEEDED, any_key, as_maps, held, owner_keys
from onboarding.cli.options import Ca, KeyFile, Url
from onboarding.cli.output import (
    FAILED,
    OK,
    Json,
    console,
    plain,
    print_json,
    print_table,
)

PEM_TYPE = "application/x-pem-file"


def owned(
    url: Url,
    key: Annotated[
        str | None, typer.Argument(help="One owner key; else all that are here.")
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="List vouchers that hold, too.")
    ] = False,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> int:
    """Verify anew what each owner key owns, and say what would free the key.

    Exit code 1 if a voucher does not hold.
    """
    with connected(url, api_key_file, ca) as api:
        keys = [any_key(api, key)] if key is not None else owner_keys(api)
        reports = [_report(api, one) for one in keys]
    broken = any(one["broken"] for one in reports)
    if json:
        print_json({"ok": not broken, "keys": reports})
    else:
        for one in reports:
            _print_report(one, every)
    return FAILED if broken else OK


def match(
    file: Annotated[Path, typer.Argument(help="Vouchers, PEM or CBOR.")],
    url: Url,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Say which owner keys can take the vouchers of a file. Nothing is imported."""
    with connected(url, api_key_file, ca) as api:
        body = read_file(file)
        found = object_of(api.read(api.request("POST", "keys/match", body, PEM_TYPE)))
    if json:
        return print_json(found)
    rows = [
        (one["guid"], one["key_type"], one["advice"]) for one in as_maps(found["items"])
    ]
    print_table(["GUID", "key type", "what to do"], rows)


def _report(api: Api, key: Mapping[str, Any]) -> dict[str, Any]:
    found = list(held(api, str(key["fingerprint"])))
    counts = Counter(str(one["hold"]) for one in found)
    return {
        "name": key["name"],
        "fingerprint": key["fingerprint"],
        "state": key["state"],
        "needed": sum(counts[hold] for hold in NEEDED),
        "holdings": dict(counts),
        "broken": [one for one in found if not one["holds"]],
        "vouchers": found,
    }


def _print_report(report: Mapping[str, Any], every: bool) -> None:
    counts = ", ".join(f"{count} {hold}" for hold, count in report["holdings"].items())
    console().print(
        f"[bold]{plain(report['name'] or report['fingerprint'])}[/]"
        f" {plain(report['state'])}: {plain(counts or 'owns nothing')}"
    )
    shown = report["vouchers"] if every else report["broken"]
    if shown:
        rows = [(one["guid"], one["hold"], _why(one)) for one in shown]
        print_table(["GUID", "hold", "what is wrong, or what frees the key"], rows)


def _why(one: Mapping[str, Any]) -> str:
    failures = [f"{fail['check']}: {fail['reason']}" for fail in one["failures"]]
    return "; ".join(failures) or str(one["next"] or "")
