"""``vouchgate device why``: why a device is not onboarding, asked at its services."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlencode

import typer

from onboarding.cli.api import connected
from onboarding.cli.options import Ca, KeyFile
from onboarding.cli.output import (
    CliError,
    Json,
    console,
    plain,
    print_json,
    print_table,
)
from onboarding.services.diagnosis.joining import asked_at, is_diagnosis, joined
from ownership_vouchers.errors import VoucherError
from ownership_vouchers.types import Guid

RUNS_SHOWN = 5


def why(
    device: Annotated[str, typer.Argument(help="Any GUID it had, or its serial.")],
    url: Annotated[str, typer.Option(help="The owner's address; or any service's.")],
    api_key_file: KeyFile = None,
    rendezvous: Annotated[
        str | None,
        typer.Option(help="Rendezvous service to ask, too, if its owner does not."),
    ] = None,
    rendezvous_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Say why a device is not onboarding, and what to do next."""
    found = _ask(url, api_key_file, ca, _query(device))
    if rendezvous is not None:
        if not found["guids"]:
            raise CliError(
                "a rendezvous server knows no serial numbers", "Ask by GUID."
            )
        key = rendezvous_key_file or api_key_file
        seen = asked_at(
            found["guids"], lambda guid: _ask(rendezvous, key, ca, {"guid": guid})
        )
        found = joined(found, rendezvous, seen)
    print_json(found) if json else _print(found)


def _ask(
    url: str, key_file: Path | None, ca: Path | None, query: Mapping[str, str]
) -> Mapping[str, Any]:
    with connected(url, key_file, ca) as api:
        found = api.json("GET", f"diagnosis?{urlencode(query)}")
    if not is_diagnosis(found):
        raise CliError(f"{url} answers with no diagnosis", "Is it a Vouchgate service?")
    return found


def _query(device: str) -> dict[str, str]:
    try:
        return {"guid": str(Guid.parse(device))}
    except VoucherError:
        return {"serial": device}


def _print(found: Mapping[str, Any]) -> None:
    out = console()
    out.print(f"[bold]{plain(found['next'])}[/]")
    for name, words in _lines(found):
        out.print(f"[dim]{name:<11}[/] {plain(words)}")
    runs = [*found["runs"], *_elsewhere(found).get("runs", [])]
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
    error = _elsewhere(found).get("error")
    if error:
        yield "TO1", f"{_elsewhere(found)['url']} was not heard: {error}"
    for name, told in (("TO1", found["to1"]), ("TO2", found["to2"])):
        if told is not None:
            seen = "seen" if told["seen"] else "never seen"
            yield name, f"{seen}, {told['tries']} tries since it last went well"
    for module in found["failed_modules"]:
        yield "module", f"{module['name']} failed: {module['detail']}"


def _elsewhere(found: Mapping[str, Any]) -> Mapping[str, Any]:
    """What its rendezvous service said, if one was asked."""
    return found.get("rendezvous") or {}


def _trouble(server: Mapping[str, Any]) -> str:
    if not server["error"]:
        return ""
    return f"; {server['failures']} failures, the last: {server['error']}"


def _row(run: Mapping[str, Any], now: int) -> tuple[object, ...]:
    refused = "" if run["refused"] is None else f"{run['refused']} ({run['code']})"
    state = "done" if run["done"] else run["error"] or "open"
    began = f"{now - run['started']} s ago"
    return run["protocol"], began, run["messages"], run["passed"] or "", refused, state
