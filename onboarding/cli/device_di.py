"""``vouchgate device di``: make a device on the factory's bench."""

import base64
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from onboarding.cli.api import Api, Ca, connected, trust_of
from onboarding.cli.device_choices import STATE, Directory, Encoding
from onboarding.cli.device_credential import refuse_to_destroy
from onboarding.cli.device_inventory import FOUND, board_of
from onboarding.cli.files import read_secret
from onboarding.cli.output import CliError, Json, console, print_json
from onboarding.device.config import FILE, DeviceConfig
from onboarding.device.factory import Made, initialise
from onboarding.device.http import new_client
from onboarding.device.machine import Machine
from ownership_vouchers.key_algorithm import KeyAlgorithm


def di(
    url: Annotated[str, typer.Option(help="The manufacturing service.")],
    serial: Annotated[str, typer.Option(help="Serial number.")],
    board: Annotated[str, typer.Option(help="Board profile; 'auto' finds it.")] = FOUND,
    model: Annotated[str, typer.Option(help="Model, as vouchers name it.")] = "device",
    tcti: Annotated[
        str, typer.Option(help="Where the TPM is; 'none' keeps keys in files.")
    ] = "device:/dev/tpmrm0",
    key: Annotated[
        KeyAlgorithm, typer.Option(help="Kind of the device's own key.")
    ] = KeyAlgorithm.P256,
    owner_key: Annotated[
        KeyAlgorithm | None,
        typer.Option(help="Kind of manufacturer's and owners' keys; else the same."),
    ] = None,
    encoding: Annotated[
        Encoding, typer.Option(help="How the voucher's keys are written.")
    ] = Encoding.X509,
    refuse_reuse: Annotated[
        bool,
        typer.Option(
            "--refuse-reuse", help="Take no owner that leaves the credential as it is."
        ),
    ] = False,
    secret_file: Annotated[
        Path | None,
        typer.Option(help="What opens the key files of a device without a TPM."),
    ] = None,
    uefi_log: Annotated[
        Path | None, typer.Option(help="Event log to read in place of the kernel's.")
    ] = None,
    ima_list: Annotated[
        Path | None, typer.Option(help="IMA list to read in place of the kernel's.")
    ] = None,
    image_file: Annotated[
        Path | None,
        typer.Option(help="File that begins with the SHA-256 of the OS image."),
    ] = None,
    station_key_file: Annotated[
        Path | None,
        typer.Option(help="API key of the factory station, to have a passport made."),
    ] = None,
    line: Annotated[
        str | None, typer.Option(help="Production line; else the service's own.")
    ] = None,
    line_key_file: Annotated[
        Path | None, typer.Option(help="The station's key for its line.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Destroy the device that is there already.")
    ] = False,
    ca: Ca = None,
    directory: Directory = STATE,
    json: Json = False,
) -> None:
    """Device initialisation: new keys, a credential, a voucher at the manufacturer."""
    if (directory / FILE).exists() and not force:
        raise CliError(
            f"there is a device in {directory} already",
            "Its keys and credential would be destroyed: say --force if that is meant.",
        )
    where = None if tcti == "none" else tcti
    line_key = None
    if line_key_file is not None:
        line_key = read_secret(line_key_file).decode("latin1")
    at = url.rstrip("/") if line is None else f"{url.rstrip('/')}/line/{line}"
    found = board_of(board, where)
    config = DeviceConfig(
        serial,
        found,
        model,
        where,
        key,
        owner_key or key,
        not refuse_reuse,
        *map(_absolute, (secret_file, uefi_log, ima_list, image_file)),
    )
    with (
        closing(new_client(trust_of(ca))) as client,
        Machine(config, directory) as machine,
    ):
        if not force:
            refuse_to_destroy(machine)
        made = initialise(machine, client, at, line_key, encoding.on_the_wire)
    if station_key_file is not None:
        with connected(url, station_key_file, ca) as station:
            register_passport(station, made)
    guid = str(made.identity.active.guid)
    if json:
        return print_json({"guid": guid, "serial": serial, "board": found})
    console().print(f"[green]made[/] {serial}: GUID {guid}")


def register_passport(station: Api, made: Made) -> None:
    """Have the manufacturer sign for the endorsement key seen on its bench."""
    if made.endorsement is None:
        return
    certificate = made.endorsement.certificate
    station.json(
        "POST",
        "passports",
        {
            "guid": str(made.identity.active.guid),
            "serial": made.serial,
            "profile": made.board,
            "ek_public": base64url(made.endorsement.public),
            "ek_certificate": None if certificate is None else base64url(certificate),
        },
    )


def _absolute(path: Path | None) -> str | None:
    return None if path is None else str(path.absolute())


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
