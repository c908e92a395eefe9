"""``vouchgate voucher import``: a file of any size, part by part, and how far it is."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from onboarding.cli.api import Api, connected
from onboarding.cli.bulk import Part, post_once, send_parts
from onboarding.cli.files import read_file
from onboarding.cli.options import Ca, KeyFile, Url
from onboarding.cli.output import (
    FAILED,
    OK,
    CliError,
    Json,
    print_json,
    print_table,
    unusable,
)
from onboarding.cli.progress import progress
from onboarding.device.errors import Problem
from ownership_vouchers.errors import CheckFailed, VoucherError
from ownership_vouchers.pem import load_voucher, split_vouchers

app = typer.Typer()

TOGETHER = 100  # vouchers of one request, which has at most 16 MiB
PEM_TYPE = "application/x-pem-file"
ALL_REFUSED = "vouchers-refused"
AGAIN = "Run it again: what is there already stays unchanged."
COUNTS = ("imported", "extended", "unchanged", "refused")


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
    with connected(url, api_key_file, ca) as api:
        blocks, passports = _read(file)
        with progress("importing", len(blocks), as_json=json) as tell:
            report = _import(api, list(parts(blocks, passports)), tell)
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
) -> Iterator[Part]:
    """Yield what goes in each request.

    Args:
        blocks: Vouchers, each PEM or CBOR.
        passports: PEM, by the GUID of the device; each goes with its voucher.
    """
    for start in range(0, len(blocks), together):
        some = blocks[start : start + together]
        glue = b"\n" if some[0].startswith(b"-----") else b""
        with_them = (passports.get(_guid(one), b"") for one in some)
        yield Part(len(some), glue.join([*some, *filter(None, with_them)]))


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
    api: Api, bodies: Sequence[Part], tell: Callable[[int], None]
) -> dict[str, Any]:
    """One report of all parts. Raises CliError: some parts are not dealt with."""
    counts: Counter[str] = Counter(dict.fromkeys(COUNTS, 0))
    results: list[dict[str, Any]] = []

    def send(part: Part) -> None:
        report = _send(api, part.body)
        for one in report["results"]:
            results.append({**one, "index": len(results)})
        counts.update({name: report[name] for name in COUNTS})

    send_parts(send, bodies, tell, AGAIN)
    return {**counts, "results": results}


def _send(api: Api, body: bytes) -> dict[str, Any]:
    """A part's report, also when all were refused: then it is a problem document."""
    try:
        report = post_once(api, "vouchers", body, PEM_TYPE)
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
