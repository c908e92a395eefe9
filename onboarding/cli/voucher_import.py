"""``vouchgate voucher import``: a file of any size, part by part, and how far it is."""

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Protocol

import typer

from onboarding.cli.api import Api, Ca, KeyFile, Url, connected
from onboarding.cli.files import read_file
from onboarding.cli.output import (
    FAILED,
    OK,
    CliError,
    Json,
    print_json,
    print_table,
    unusable,
)
from onboarding.device.errors import DeviceError, Problem
from ownership_vouchers.errors import CheckFailed, VoucherError
from ownership_vouchers.pem import load_voucher, split_vouchers

app = typer.Typer()

TOGETHER = 100  # vouchers of one request, which has at most 16 MiB
PEM_TYPE = "application/x-pem-file"
ALL_REFUSED = "vouchers-refused"
COUNTS = ("imported", "extended", "unchanged", "refused")


class Step(Protocol):
    """Told how many more vouchers were dealt with."""

    def __call__(self, count: int) -> None: ...


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="Vouchers, PEM or CBOR.")],
    url: Url,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> int:
    """Give vouchers to an owner; each is taken or refused by itself.

    It can be repeated: what is there already stays unchanged.
    """
    shown = not json and sys.stderr.isatty()
    with connected(url, api_key_file, ca) as api:
        blocks, passports = _read(file)
        with _progress(len(blocks), shown=shown) as step:
            report = _import(api, parts(blocks, passports), step)
    if json:
        print_json(report)
    else:
        names = ("guid", "status", "passport", "code", "detail")
        rows = [
            ["" if one.get(name) is None else one[name] for name in names]
            for one in report["results"]
        ]
        print_table(["GUID", "result", "passport", "check", "why"], rows)
    return FAILED if report["refused"] else OK


def parts(
    blocks: list[bytes], passports: dict[bytes, bytes], together: int = TOGETHER
) -> Iterator[tuple[int, bytes]]:
    """Yield how many vouchers go in a request, and the request's body.

    Args:
        blocks: Vouchers, each PEM or CBOR.
        passports: PEM, by the GUID of the device; each goes with its voucher.
    """
    for start in range(0, len(blocks), together):
        some = blocks[start : start + together]
        glue = b"\n" if some[0].startswith(b"-----") else b""
        with_them = (passports.get(_guid(one), b"") for one in some)
        yield len(some), glue.join([*some, *filter(None, with_them)])


def _read(file: Path) -> tuple[list[bytes], dict[bytes, bytes]]:
    """The vouchers of a file, and its passports by GUID. Raises CliError."""
    # Loads much of the services: only for those who import.
    from onboarding.services import passport_pem
    from onboarding.services.passports import claimed_guid

    data = read_file(file)
    try:
        blocks = split_vouchers(data)
        found = [(claimed_guid(one), one) for one in passport_pem.load(data)]
    except CheckFailed as error:
        raise CliError(f"{file}: {error}", "It holds more than we take.") from error
    except VoucherError as error:
        raise unusable(
            f"{file}: no readable voucher: {error}",
            "It should hold ownership vouchers in PEM or CBOR.",
        ) from error
    kept = ((guid, one) for guid, one in found if guid is not None)
    return blocks, {guid.raw: passport_pem.dump(one).encode() for guid, one in kept}


def _guid(block: bytes) -> bytes:
    try:
        return load_voucher(block).guid.raw
    except VoucherError:
        return b""  # the owner says what is wrong with it


def _import(
    api: Api, bodies: Iterator[tuple[int, bytes]], step: Step
) -> dict[str, Any]:
    """One report of all parts. Raises CliError: some parts are not dealt with."""
    counts: Counter[str] = Counter(dict.fromkeys(COUNTS, 0))
    results: list[dict[str, Any]] = []
    for number, body in bodies:
        try:
            report = _send(api, body)
        except (Problem, DeviceError) as error:
            if not results:
                raise
            raise CliError(
                f"after {len(results)} vouchers: {error}",
                "Run it again: what is there already stays unchanged.",
            ) from error
        for one in report["results"]:
            results.append({**one, "index": len(results)})
        counts.update({name: report[name] for name in COUNTS})
        step(number)
    return {**counts, "results": results}


def _send(api: Api, body: bytes) -> dict[str, Any]:
    """A part's report, also when all were refused: then it is a problem document."""
    try:
        report = api.read(api.request("POST", "vouchers", body, PEM_TYPE))
    except Problem as problem:
        if problem.code != ALL_REFUSED:
            raise
        report = problem.document
    if not isinstance(report, dict) or not _whole(report):
        raise CliError("the service's answer is not an import report")
    return report


def _whole(report: dict[str, Any]) -> bool:
    results = report.get("results")
    counted = all(isinstance(report.get(name), int) for name in COUNTS)
    return (
        counted
        and isinstance(results, list)
        and all(isinstance(one, dict) for one in results)
    )


@contextmanager
def _progress(total: int, *, shown: bool) -> Iterator[Step]:
    """A bar on standard error while vouchers are on their way, if it is a terminal."""
    if not shown:
        yield lambda _count: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TimeRemainingColumn,
    )

    columns = ("vouchers", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=total)
        yield lambda count: bar.advance(task, count)
