"""``vouchgate voucher import``: a file of any size, part by part, and how far it is."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from onboarding.cli.api import AGAIN_SECONDS, TRIES, Api, connected
from onboarding.cli.bulk import cut
from onboarding.cli.files import read_file
from onboarding.cli.options import Ca, KeyFile, Url
from onboarding.cli.output import (
    FAILED,
    OK,
    CliError,
    Json,
    console,
    print_json,
    print_table,
    unusable,
)
from onboarding.cli.progress import progress
from onboarding.device.errors import Problem, Unreachable
from ownership_vouchers.errors import CheckFailed, VoucherError
from ownership_vouchers.pem import load_voucher, split_vouchers

app = typer.Typer()

TOGETHER, MOST = 500, 8 * 1024 * 1024  # vouchers of one request, and bytes
PEM_TYPE = "application/x-pem-file"
AGAIN = "Run it again: what is there already stays unchanged."
FEW = 20  # vouchers that are all told of
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
        _print(report)
    return FAILED if report["refused"] else OK


def _print(report: dict[str, Any]) -> None:
    """For people: each voucher, or, of many, those of which there is more to say."""
    results = report["results"]
    if len(results) > FEW:
        results = [one for one in results if one.get("code") or one.get("detail")]
    names = ("guid", "status", "passport", "code", "detail")
    rows = [
        ["" if one.get(name) is None else one[name] for name in names]
        for one in results
    ]
    if rows or not report["results"]:
        print_table(["GUID", "result", "passport", "check", "why"], rows)
    if len(report["results"]) > FEW:
        counts = ", ".join(f"{report[name]} {name}" for name in COUNTS)
        console().print(f"{counts}; --json tells of each")


def parts(
    blocks: list[bytes], passports: dict[bytes, bytes], together: int = TOGETHER
) -> Iterator[list[bytes]]:
    """Yield the vouchers of each request.

    Args:
        blocks: Vouchers, each PEM or CBOR.
        passports: PEM, by the GUID of the device; each goes behind its voucher.
    """
    with_them = (_beside(one, passports) for one in blocks)
    return cut(with_them, len, MOST, together)


def _beside(block: bytes, passports: dict[bytes, bytes]) -> bytes:
    """A voucher with its passport, if it has one and is text, too."""
    if not block.startswith(b"-----"):
        return block
    return b"\n".join([block, passports.get(_guid(block), b"")])


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
    api: Api, bodies: Sequence[list[bytes]], tell: Callable[[int], None]
) -> dict[str, Any]:
    """One report of all parts. Raises CliError: some parts are not dealt with."""
    results: list[dict[str, Any]] = []
    total = sum(map(len, bodies))
    for part in bodies:
        try:
            for one in _told(api, part):
                results.append({**one, "index": len(results)})
                tell(1)
        except (Problem, Unreachable) as error:
            if not results:
                raise
            done = f"{len(results)} of {total} were done before"
            raise CliError(f"{error}\n{done}", AGAIN) from error
    counts = Counter(str(one.get("status")) for one in results)
    return {**{name: counts[name] for name in COUNTS}, "results": results}


def _told(api: Api, part: list[bytes]) -> Iterator[dict[str, Any]]:
    """Yield what became of each; where the answer breaks off, the rest is sent again.

    Raises:
        Problem: The service refuses, and says why.
        Unreachable: No answer, not even to the last try.
    """
    done, failures = 0, 0
    while done < len(part):
        try:
            for one in _items(api, b"".join(part[done:])):
                done, failures = done + 1, 0
                yield one
        except Unreachable:
            failures += 1
            if failures == TRIES:
                raise
            time.sleep(AGAIN_SECONDS)
        else:
            return


def _items(api: Api, body: bytes) -> Iterator[dict[str, Any]]:
    for line in api.lines("vouchers", body, PEM_TYPE):
        match line:
            case {"item": dict(one)}:
                yield one
            case {"problem": dict(told)}:
                raise Unreachable(str(told.get("detail")))
            case {"counts": _}:
                return
            case _:
                raise Unreachable("the service's answer is not an import report")
    raise Unreachable("the service's answer broke off")
