"""``vouchgate keys rotate`` and its kin: owner keys of a running service."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from onboarding.cli.answers import object_of
from onboarding.cli.api import Api, connected
from onboarding.cli.key_calls import NEEDED, Key, any_key, held, owner_key
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
from onboarding.cli.settings import KeyDirectory, PassphraseFile, load_settings
from onboarding.device.errors import Problem
from onboarding.services.key_material import KeyAlgorithm
from onboarding.services.key_store import Custody, KeyKind, KeyStore

BY_EXTENSION = ("waiting", "onboarded")

Reason = Annotated[str, typer.Option(help="Why; kept in the audit log.")]


def rotate(
    key: Key,
    url: Url,
    reason: Reason,
    to: Annotated[
        str | None, typer.Option(help="An owner key that is there; else a new one.")
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="What the new key is called.")
    ] = None,
    key_directory: KeyDirectory = None,
    key_passphrase_file: PassphraseFile = None,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Have another owner key take over. The old one serves what it owns meanwhile.

    A new key is made in the key directory, which must be the one of the service.
    """
    with connected(url, api_key_file, ca) as api:
        old = owner_key(api, key)
        heir = to
        if heir is None:
            store = KeyStore.of(
                load_settings(
                    key_directory=key_directory, key_passphrase_file=key_passphrase_file
                )
            )
            heir = store.create(
                name or _free_name(store, str(old["name"])),
                KeyKind.OWNER,
                KeyAlgorithm(old["algorithm"]),
                Custody(old["custody"]),
            ).fingerprint
        new = owner_key(api, heir)
        body = {"successor": new["fingerprint"], "reason": reason}
        found = _said(api, old, "rotate", body)
    if json:
        return print_json({**found, "successor_name": new["name"]})
    console().print(
        f"{plain(new['name'])} takes over from {plain(old['name'])}:"
        f" {plain(new['fingerprint'])}"
    )
    _print_needed(found)


def hand_over(
    key: Key, url: Url, api_key_file: KeyFile = None, ca: Ca = None, json: Json = False
) -> int:
    """Extend every voucher that ends in a retiring key to its successor.

    Takes an operator's API key. Devices that know the old key go on as they are until
    they are onboarded again.
    """
    extended, refused = 0, []
    with connected(url, api_key_file, ca) as api:
        old = owner_key(api, key)
        if old["successor"] is None:
            raise CliError(
                "the key has no successor", "vouchgate keys rotate names it."
            )
        new = owner_key(api, str(old["successor"]))
        buyer = {"next_owner_pem": new["public_pem"]}
        for one in held(api, str(old["fingerprint"])):
            if one["hold"] not in BY_EXTENSION:
                continue
            try:
                api.json("POST", f"vouchers/{one['guid']}/extend", buyer)
                extended += 1
            except Problem as problem:
                if problem.code == "role-refused":
                    raise
                refused.append({"guid": one["guid"], "why": problem.detail})
    if json:
        print_json({"extended": extended, "refused": refused})
    else:
        console().print(f"{extended} vouchers extended to {plain(new['name'])}")
        if refused:
            rows = [(one["guid"], one["why"]) for one in refused]
            print_table(["GUID", "refused because"], rows)
    return FAILED if refused else OK


def retire(
    key: Key,
    url: Url,
    reason: Reason,
    accept_loss: Annotated[
        bool, typer.Option("--accept-loss", help="Give up what it still owns.")
    ] = False,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Give an owner key up. Refused while something needs it."""
    body = {"reason": reason, "accept_loss": accept_loss}
    _tell(url, api_key_file, ca, key, "retire", body, json)


def revoke(
    key: Key,
    url: Url,
    reason: Reason,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Block an owner key that was lost or stolen: it signs nothing any more."""
    _tell(url, api_key_file, ca, key, "revoke", {"reason": reason}, json)


def reinstate(
    key: Key,
    url: Url,
    reason: Reason,
    api_key_file: KeyFile = None,
    ca: Ca = None,
    json: Json = False,
) -> None:
    """Let a blocked owner key sign again, or take a rotation back."""
    _tell(url, api_key_file, ca, key, "reinstate", {"reason": reason}, json)


def _tell(
    url: str,
    key_file: Path | None,
    ca: Path | None,
    key: str,
    verb: str,
    body: Mapping[str, object],
    json: bool,
) -> None:
    with connected(url, key_file, ca) as api:
        found = _said(api, any_key(api, key), verb, body)
    if json:
        return print_json(found)
    console().print(f"{plain(found['name'] or key)} is {plain(found['state'])}")
    _print_needed(found)


def _said(
    api: Api, key: Mapping[str, Any], verb: str, body: Mapping[str, object]
) -> dict[str, Any]:
    return object_of(api.json("POST", f"keys/{key['fingerprint']}/{verb}", dict(body)))


def _print_needed(found: Mapping[str, Any]) -> None:
    counts = {hold: found["holdings"].get(hold, 0) for hold in NEEDED}
    told = ", ".join(f"{count} {hold}" for hold, count in counts.items() if count)
    console().print(f"still hanging on it: {told or 'nothing'}")


def _free_name(store: KeyStore, name: str) -> str:
    taken = {info.name for info in store.list()}
    return next(
        made for number in range(2, 10_000) if (made := f"{name}-{number}") not in taken
    )
