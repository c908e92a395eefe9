"""``vouchgate voucher``: look at ownership vouchers, check them, hand them on."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from onboarding.cli.api import connected
from onboarding.cli.files import (
    read_buyer,
    read_buyer_pem,
    read_private_key,
    read_secret,
    write_file,
)
from onboarding.cli.guids import guid_of
from onboarding.cli.hand_over import HandOver
from onboarding.cli.options import Ca, Device, KeyFile, Url
from onboarding.cli.output import (
    FAILED,
    Json,
    console,
    plain,
    print_facts,
    print_json,
    print_table,
    unusable,
)
from onboarding.cli.voucher_checks import (
    Checked,
    check,
    read_passports,
    read_vouchers,
)
from onboarding.cli.voucher_import import app as imports
from onboarding.cli.voucher_store import app as stored
from onboarding.services import passport_pem
from ownership_vouchers.algorithms import SoftSigner
from ownership_vouchers.extend import extend as extend_voucher
from ownership_vouchers.extend import next_owner_key
from ownership_vouchers.keys import KeyType
from ownership_vouchers.pem import dump_pem
from ownership_vouchers.show import describe

app = typer.Typer(no_args_is_help=True, help="Ownership vouchers, one or many a file.")
app.registered_commands += imports.registered_commands
app.registered_commands += stored.registered_commands

File = Annotated[Path, typer.Argument(help="Vouchers, PEM or CBOR.")]


@app.command()
def show(file: File, json: Json = False) -> None:
    """Print what each voucher says. Nothing is checked: see verify."""
    described = [describe(voucher) for voucher in read_vouchers(file)]
    if json:
        return print_json({"vouchers": described})
    for number, facts in enumerate(described):
        if number:
            console().print()
        print_facts(facts)


@app.command()
def verify(
    file: File,
    hmac_secret: Annotated[
        str | None,
        typer.Option(
            metavar="HEX",
            help="The device's HMAC secret. Arguments are public on this machine while"
            " the command runs: use --hmac-secret-file for a secret that matters.",
        ),
    ] = None,
    hmac_secret_file: Annotated[
        Path | None, typer.Option(help="File with the HMAC secret in hexadecimal.")
    ] = None,
    json: Json = False,
) -> int:
    """Check every voucher: 0 when all hold, 1 with the failed check, 2 if unreadable.

    Without the device's secret the header's HMAC cannot be checked, and is said so.
    """
    secret = _secret(hmac_secret, hmac_secret_file)
    checked = [check(voucher, secret) for voucher in read_vouchers(file)]
    if json:
        print_json({"ok": all(c.ok for c in checked), "vouchers": _report(checked)})
    else:
        for one in checked:
            console().print(_line(one))
    return 0 if all(one.ok for one in checked) else FAILED


@app.command()
def extend(
    file: File,
    key: Annotated[Path, typer.Option(help="Present owner's private key, PEM.")],
    to: Annotated[
        Path, typer.Option(help="Next owner's public key or certificates, PEM.")
    ],
    out: Annotated[Path, typer.Option(help="Where the longer vouchers go, PEM.")],
    passphrase_file: Annotated[
        Path | None, typer.Option(help="File with the key's passphrase.")
    ] = None,
    json: Json = False,
) -> None:
    """Sign vouchers over to the next owner. Each is verified first.

    Passports in the file go along: they hold whoever the owner is.
    """
    phrase = None if passphrase_file is None else read_secret(passphrase_file)
    private, (public, chain) = read_private_key(key, phrase), read_buyer(to)
    extended = []
    for voucher in read_vouchers(file):
        pss = voucher.header.manufacturer_key.type is KeyType.RSAPSS
        signer = SoftSigner(private, pss=pss)
        owner = next_owner_key(voucher, signer.public_key)
        buyer = next_owner_key(voucher, public, chain)
        extended.append(extend_voucher(voucher, signer, owner, buyer))
    passports = read_passports(file)
    blocks = [*map(dump_pem, extended), *map(passport_pem.dump, passports)]
    write_file(out, "".join(blocks).encode())
    counts = {"vouchers": len(extended), "passports": len(passports)}
    if json:
        return print_json({"file": str(out), **counts})
    console().print(
        f"{len(extended)} vouchers extended into {plain(out)},"
        f" with {len(passports)} passports"
    )


@app.command()
def export(
    guid: Device,
    url: Url,
    out: Annotated[Path, typer.Option(help="Where the voucher goes, PEM.")],
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Fetch a voucher, with its passport, from a service."""
    path = f"vouchers/{guid_of(guid)}/pem"
    with connected(url, api_key_file, ca) as api:
        pem = api.request("GET", path).body
    write_file(out, pem)
    if json:
        return print_json({"file": str(out), "guid": guid})
    console().print(f"voucher of {plain(guid)} written to {plain(out)}")


@app.command()
def resell(
    guid: Device,
    to: Annotated[Path, typer.Option(help="The buyer's public key or certificate.")],
    url: Url,
    out: Annotated[Path, typer.Option(help="Where the buyer's voucher goes, PEM.")],
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Sell an owned device on: its owner signs the voucher over and retires it."""
    buyer = {"next_owner_pem": read_buyer_pem(to)}
    with connected(url, api_key_file, ca) as api:
        answer = api.json("POST", f"vouchers/{guid_of(guid)}/resell", buyer)
    sold = answer if isinstance(answer, Mapping) else {}
    write_file(out, str(sold.get("pem", "")).encode())
    facts = {"file": str(out), "guid": guid, "owner": sold.get("owner_fingerprint")}
    if json:
        return print_json(facts)
    console().print(
        f"voucher of {plain(guid)} signed over to {plain(str(facts['owner'])[:16])}…,"
        f" written to {plain(out)}; the device is retired here"
    )


@app.command("hand-over")
def hand_over(
    to: Annotated[Path, typer.Option(help="The buyer's public key or certificate.")],
    out: Annotated[Path, typer.Option(help="Where the buyer's vouchers go, PEM.")],
    url: Url,
    guid: Annotated[
        list[str] | None, typer.Option(help="A device's GUID; again and again.")
    ] = None,
    line: Annotated[
        str | None, typer.Option(help="Whatever is unsold of this line.")
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="Whatever is unsold.")] = False,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> int:
    """Sign many vouchers over to a buyer at the factory's service, into one file."""
    guids = [str(guid_of(one)) for one in guid or []]
    if [bool(guids), line is not None, all_].count(True) != 1:
        raise unusable("say what to hand over", "Give --guid, --line or --all.")
    order = HandOver(read_buyer_pem(to), guids, line)
    with connected(url, api_key_file, ca) as api:
        done = order.run(api)
    write_file(out, done.pem.encode())
    if json:
        print_json({"file": str(out), **done.report()})
    else:
        rows = [(one["guid"], one["code"], one["detail"]) for one in done.refused]
        if rows:
            print_table(["GUID", "refused", "why"], rows)
        console().print(f"{done.extended} vouchers written to {plain(out)}")
    return FAILED if done.refused else 0


def _secret(text: str | None, path: Path | None) -> bytes | None:
    if text is not None and path is not None:
        raise unusable(
            "--hmac-secret and --hmac-secret-file are both given", "Use one."
        )
    if path is not None:
        text = read_secret(path).decode("ascii", "replace")
    if text is None:
        return None
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise unusable("the HMAC secret is not hexadecimal") from error


def _report(checked: list[Checked]) -> list[dict[str, object]]:
    return [
        {
            "guid": str(one.guid),
            "ok": one.ok,
            "failed": [{"check": c, "reason": r} for c, r in one.failures],
            "not_checked": list(one.skipped),
        }
        for one in checked
    ]


def _line(one: Checked) -> str:
    if one.ok:
        left_out = ", ".join(one.skipped)
        note = f" [dim](not checked: {left_out})[/]" if left_out else ""
        return f"[green]ok[/]      {one.guid}{note}"
    why = "; ".join(
        f"[bold]{check}[/]: {plain(reason)}" for check, reason in one.failures
    )
    return f"[red]refused[/] {one.guid}  {why}"
