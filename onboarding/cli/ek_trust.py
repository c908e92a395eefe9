"""``vouchgate ek``: the trust store in versions, bundles of it, and CRLs."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from attestation.ek_bundle import MAX_BUNDLE, EkBundle, split_pem
from attestation.ek_root import load_root
from attestation.errors import PolicyError
from onboarding.cli.answers import object_of, whole_list
from onboarding.cli.api import connected
from onboarding.cli.files import read_file, write_file
from onboarding.cli.options import Ca, KeyFile, Url
from onboarding.cli.output import (
    Json,
    console,
    plain,
    print_facts,
    print_json,
    print_table,
    unusable,
    when,
)

PEM = "application/x-pem-file"
_SUFFIXES = {".pem", ".crt", ".cer", ".der", ".crl"}
_MAX_FILES = 5000
Items = list[dict[str, Any]]


def import_(
    file: Annotated[Path, typer.Argument(help="A bundle, as `ek bundle` writes it.")],
    url: Url,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell what would change, and stop.")
    ] = False,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Bring the trust store to what a bundle says, and show the difference.

    What an earlier bundle of that name brought and this one lacks goes. What was
    trusted by hand stays.
    """
    data = read_file(file, MAX_BUNDLE)
    try:
        bundle = EkBundle.decode(data)
    except PolicyError as error:
        raise unusable(
            f"{file}: {error}", "Make one with vouchgate ek bundle."
        ) from error
    path = f"ek-trust/bundles?dry_run={str(dry_run).lower()}"
    with connected(url, api_key_file, ca) as api:
        made = object_of(api.read(api.request("POST", path, data, PEM)))
    if json:
        return print_json(made)
    named = f"{bundle.name} {bundle.version}, sha256:{bundle.digest.hex()}"
    console().print(plain(f"{named}: {_outcome(made, dry_run)}"))
    _print_difference(made["removed"], made["added"])


def _outcome(made: dict[str, Any], dry_run: bool) -> str:
    if dry_run:
        return "this would change"
    if made["version"] is None:
        return "the store holds all of it already"
    return f"the store is now version {made['version']}"


def _print_difference(
    removed: list[dict[str, Any]], added: list[dict[str, Any]]
) -> None:
    for sign, items in (("-", removed), ("+", added)):
        for one in items:
            console().print(f"{sign} {one['digest'][:16]} {plain(one['subject'])}")


def bundle(
    output: Annotated[Path, typer.Argument(help="The bundle to write.")],
    inputs: Annotated[
        list[Path],
        typer.Argument(help="Files and directories of CA certificates and CRLs."),
    ],
    name: Annotated[str, typer.Option(help="The bundle's name.")],
    release: Annotated[str, typer.Option(help="Its version: 2026.11, say.")],
    json: Json = False,
) -> None:
    """Write a bundle of vendors' CA certificates and CRLs, PEM or DER.

    What in a directory is neither is passed over, and named.
    """
    certificates, crls, over = _gathered(inputs)
    try:
        made = EkBundle.of(name, release, certificates, crls)
    except PolicyError as error:
        raise unusable(str(error)) from error
    write_file(output, made.encode())
    facts = {
        "digest": made.digest.hex(),
        "certificates": len(made.certificates),
        "crls": len(made.crls),
        "passed_over": [str(one) for one in over],
    }
    if json:
        return print_json(facts)
    for one in over:
        console().print(f"passed over {plain(one)}: no CA certificate and no CRL")
    count = f"{len(made.certificates)} certificates, {len(made.crls)} CRLs"
    console().print(f"{plain(output)}: {count}, sha256:{made.digest.hex()}")


def _gathered(
    inputs: Iterable[Path],
) -> tuple[list[bytes], list[bytes], list[Path]]:
    certificates: list[bytes] = []
    crls: list[bytes] = []
    over: list[Path] = []
    for path, strict in _files(inputs):
        try:
            more, lists = read_parts(path)
            for der in more:
                load_root(der)
        except PolicyError as error:
            if strict:
                raise unusable(f"{path}: {error}") from error
            over.append(path)
            continue
        certificates += more
        crls += lists
    return certificates, crls, over


def _files(inputs: Iterable[Path]) -> Iterator[tuple[Path, bool]]:
    """Each file, and whether it was named itself."""
    for path in inputs:
        if not path.is_dir():
            yield path, True
            continue
        found = sorted(
            one for one in path.rglob("*") if one.suffix.lower() in _SUFFIXES
        )
        if len(found) > _MAX_FILES:
            raise unusable(f"{path} has over {_MAX_FILES} files", "Name fewer.")
        for one in found:
            if one.is_file():
                yield one, False


def read_parts(path: Path) -> tuple[list[bytes], list[bytes]]:
    """Certificates and CRLs of a file, PEM or DER. Raises PolicyError, CliError."""
    data = read_file(path, MAX_BUNDLE)
    if b"-----BEGIN" in data:
        return split_pem(data.decode("utf-8", "replace"))
    try:
        return [], [x509.load_der_x509_crl(data).public_bytes(Encoding.DER)]
    except ValueError:
        pass
    try:
        return [load_root(data).encoded], []
    except PolicyError as error:
        raise PolicyError(f"no CRL in PEM or DER, and {error}") from error


def crl(
    files: Annotated[list[Path], typer.Argument(help="CRLs, PEM or DER.")],
    url: Url,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Take CRLs of CAs that are trusted; each replaces that CA's older one.

    No CRL is ever fetched: bring the new one before the old one's time is over.
    """
    body = b"".join(map(_crls_pem, files))
    with connected(url, api_key_file, ca) as api:
        made = object_of(api.read(api.request("POST", "ek-crls", body, PEM)))
    if json:
        return print_json(made)
    console().print(f"{made['added']} are new")
    _print_crls(made["items"])


def _crls_pem(path: Path) -> bytes:
    try:
        certificates, crls = read_parts(path)
    except PolicyError as error:
        raise unusable(f"{path}: {error}") from error
    if certificates or not crls:
        raise unusable(f"{path}: no CRL, in PEM or DER")
    loaded = map(x509.load_der_x509_crl, crls)
    return b"".join(one.public_bytes(Encoding.PEM) for one in loaded)


def crls(
    url: Url, api_key_file: KeyFile = None, ca: Ca = None, json: Json = False
) -> None:
    """Revocation lists that are asked, and until when they are good."""
    with connected(url, api_key_file, ca) as api:
        found = whole_list(api, "ek-crls")
    print_json(found) if json else _print_crls(found["items"])


def _print_crls(items: Items) -> None:
    rows = [
        [
            one["digest"],
            when(one["this_update"]),
            when(one["next_update"]),
            one["issuer"],
        ]
        for one in items
    ]
    print_table(["digest", "made", "next due", "issuer"], rows)


def drop_crl(
    digest: Annotated[str, typer.Argument(help="SHA-256, as `ek crls` has it.")],
    url: Url,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Ask a CRL no longer; what it names is then not known to be revoked."""
    named = digest_of(digest)
    with connected(url, api_key_file, ca) as api:
        api.json("DELETE", f"ek-crls/{named}")
    if json:
        return print_json({"digest": named, "asked": False})
    console().print(f"{named} is asked no longer")


def digest_of(text: str) -> str:
    """A SHA-256 in hexadecimal. Raises CliError with exit code 2."""
    named = text.lower()
    if not re.fullmatch(r"[0-9a-f]{64}", named):
        raise unusable(
            "a digest is 64 hexadecimal digits",
            "`vouchgate fleet show` has a device's EK digest; each list of `vouchgate"
            " ek` has its own.",
        )
    return named


def store(
    url: Url, api_key_file: KeyFile = None, ca: Ca = None, json: Json = False
) -> None:
    """What names the trust store as it is, and how much is in it."""
    with connected(url, api_key_file, ca) as api:
        found = object_of(api.json("GET", "ek-trust"))
    print_json(found) if json else print_facts(found)


def versions(
    url: Url,
    number: Annotated[
        int | None, typer.Argument(help="One version, with its difference.")
    ] = None,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Versions of the trust store: who changed it when, and what came and went."""
    with connected(url, api_key_file, ca) as api:
        if number is None:
            found = whole_list(api, "ek-trust/versions")
        else:
            found = object_of(api.json("GET", f"ek-trust/versions/{number}"))
    if json:
        return print_json(found)
    if number is not None:
        console().print(
            plain(f"{found['cause']} by {found['by']}, {when(found['at'])}")
        )
        return _print_difference(found["removed"], found["added"])
    headings = ["version", "at", "by", "difference", "how", "digest"]
    print_table(headings, [_row(one) for one in found["items"]])


def _row(one: dict[str, Any]) -> list[object]:
    difference = f"+{one['added']} -{one['removed']}"
    who = (one["version"], when(one["at"]), one["by"])
    return [*who, difference, _source(one), one["digest"]]


def _source(one: dict[str, Any]) -> str:
    bundle = one["bundle"]
    if bundle is None:
        return str(one["cause"])
    return f"{one['cause']} {bundle['name']} {bundle['version']}"
