"""``vouchgate device why``: why a device is not onboarding, asked at its services."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlencode

import typer

from onboarding.cli.api import Ca, KeyFile, connected
from onboarding.cli.output import (
    CliError,
    Json,
    console,
    plain,
    print_json,
    print_table,
)
from ownership_vouchers.errors import VoucherError
from ownership_vouchers.types import Guid

RUNS_SHOWN = 5
NOT_SEEN = "not-seen"  # the owner knows no more: a rendezvous server may


def why(
    device: Annotated[str, typer.Argument(help="Any GUID it had, or its serial.")],
    url: Annotated[str, typer.Option(help="The owner's address; or any service's.")],
    api_key_file: KeyFile = None,
    rendezvous: Annotated[
        str | None, typer.Option(help="Rendezvous service to ask for TO1, too.")
    ] = None,
    rendezvous_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Say why a device is not onboarding, and what to do next."""
    found = _ask(url, api_key_file, ca, _query(device))
    if rendezvous is not None:
        guid = found["guid"]
        if guid is None:
            raise CliError(
                "a rendezvous server knows no serial numbers", "Ask by GUID."
            )
        key = rendezvous_key_file or api_key_file
        found = _joined(found, _ask(rendezvous, key, ca, {"guid": guid}))
    print_json(found) if json else _print(found)


def _ask(
    url: str, key_file: Path | None, ca: Path | None, query: Mapping[str, str]
) -> dict[str, Any]:
    with connected(url, key_file, ca) as api:
        found = api.json("GET", f"diagnosis?{urlencode(query)}")
    if not isinstance(found, dict):
        raise CliError(f"{url} answers with no diagnosis", "Is it a Vouchgate service?")
    return found


def _query(device: str) -> dict[str, str]:
    try:
        return {"guid": str(Guid.parse(device))}
    except VoucherError:
        return {"serial": device}


def _joined(owner: dict[str, Any], seen: dict[str, Any]) -> dict[str, Any]:
    """The owner's answer, or the rendezvous server's where it knows more."""
    told = seen if owner["why"] == NOT_SEEN else owner
    return {**owner, "why": told["why"], "next": told["next"], "rendezvous": seen}


def _print(found: Mapping[str, Any]) -> None:
    out = console()
    out.print(f"[bold]{plain(found['next'])}[/]")
    for name, words in _lines(found):
        out.print(f"[dim]{name:<11}[/] {plain(words)}")
    runs = [*found["runs"], *found.get("rendezvous", {}).get("runs", [])]
    runs.sort(key=lambda run: run["updated"], reverse=True)
    if runs:
        print_table(
            ("run", "began", "messages", "passed", "refused", "error"),
            [_row(run, found["at"]) for run in runs[:RUNS_SHOWN]],
        )


def _lines(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "device", ", ".join(found["guids"]) or f"serial {found['serial']}"
    yield "state", str(found["state"] or "unknown here")
    voucher = found["voucher"]
    if voucher is not None:
        whose = "our" if voucher["key_here"] else "a foreign"
        entries = voucher["entries"]
        yield "voucher", f"{entries} entries, ends in {whose} key {voucher['owner']}"
    for server in found["to0"]["servers"]:
        left = server["until"] - found["at"]
        state = f"live for {left} s" if server["live"] else "not live"
        yield "TO0", f"{server['server']}: {state}{_trouble(server)}"
    for name, told in (("TO1", _to1(found)), ("TO2", found["to2"])):
        if told is not None:
            seen = "seen" if told["seen"] else "never seen"
            yield name, f"{seen}, {told['tries']} tries since it last went well"
    for module in found["failed_modules"]:
        yield "module", f"{module['name']} failed: {module['detail']}"


def _to1(found: Mapping[str, Any]) -> Any:
    return found.get("rendezvous", found)["to1"]


def _trouble(server: Mapping[str, Any]) -> str:
    if not server["error"]:
        return ""
    return f"; {server['failures']} failures, the last: {server['error']}"


def _row(run: Mapping[str, Any], now: int) -> tuple[object, ...]:
    refused = "" if run["refused"] is None else f"{run['refused']} ({run['code']})"
    state = "done" if run["done"] else run["error"] or "open"
    began = f"{now - run['started']} s ago"
    return run["protocol"], began, run["messages"], run["passed"] or "", refused, state
