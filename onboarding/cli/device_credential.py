"""``vouchgate device credential``: whose device this TPM is, by whichever client."""

from typing import Annotated

import typer

from hw.sysfiles import DEFAULT_TCTI
from onboarding.cli.output import FAILED, CliError, Json, print_facts, print_json
from onboarding.device.errors import CredentialUnreadable
from onboarding.device.layouts import Stored, read_stored
from onboarding.device.machine import Machine


def credential(
    tcti: Annotated[str, typer.Option(help="Where the TPM is.")] = DEFAULT_TCTI,
    json: Json = False,
) -> int:
    """Print the FDO credential in a TPM, also another client's; 1 when there is none.

    Nothing is changed, and nothing of it is secret.
    """
    from hw.tpm import Tpm

    with Tpm(tcti) as tpm:
        stored = read_stored(tpm)
    if stored is None:
        facts: dict[str, object] = {"credential": None}
    else:
        facts = _facts(stored)
    print_json(facts) if json else print_facts(facts)
    return FAILED if stored is None else 0


def refuse_to_destroy(machine: Machine) -> None:
    """Raise CliError when the TPM holds a credential, whoever made it."""
    if not machine.has_tpm:
        return
    remedy = "It would be destroyed: say --force if that is meant."
    try:
        stored = read_stored(machine.tpm)
    except CredentialUnreadable as error:
        raise CliError(str(error), remedy) from error
    if stored is not None:
        raise CliError(
            f"this TPM holds a credential already: GUID {stored.guid}, in the layout of"
            f" {stored.layout}",
            remedy,
        )


def _facts(stored: Stored) -> dict[str, object]:
    handles = {
        "device_key": stored.device_key_handle,
        "hmac_key": stored.hmac_key_handle,
    }
    return {
        "layout": stored.layout.value,
        "guid": str(stored.guid),
        "active": stored.active,
        "protocol": stored.version,
        "device_info": stored.device_info,
        "manufacturer_key_hash": stored.manufacturer_hash.value.hex(),
        "rendezvous": stored.rv_info.describe(),
        "key": None if stored.key_origin is None else stored.key_origin.name,
        "keys": {
            name: f"{handle:#010x}"
            for name, handle in handles.items()
            if handle is not None
        },
    }
