"""``vouchgate device di``: make a device on the factory's bench."""

import base64
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated

import typer

from hw.errors import TpmUnavailableError
from hw.sysfiles import DEFAULT_TCTI
from onboarding.cli.api import Api, connected, trust_of
from onboarding.cli.device_choices import STATE, Directory, Encoding
from onboarding.cli.device_credential import refuse_to_destroy
from onboarding.cli.device_inventory import FOUND, Board, board_of
from onboarding.cli.files import read_secret
from onboarding.cli.options import Ca
from onboarding.cli.output import CliError, Json, console, print_json
from onboarding.device.config import FILE, DeviceConfig
from onboarding.device.factory import Made, initialise
from onboarding.device.http import new_client
from onboarding.device.machine import IN_FILES, Machine
from ownership_vouchers.key_algorithm import KeyAlgorithm

Maker = Annotated[str, typer.Option(help="The manufacturing service.")]
Serial = Annotated[str, typer.Option(help="Serial number.")]
Model = Annotated[str, typer.Option(help="Model, as vouchers name it.")]
Tcti = Annotated[
    str, typer.Option(help="Where the TPM is; 'none' keeps keys in files.")
]
Kind = Annotated[KeyAlgorithm, typer.Option(help="Kind of the device's own key.")]
OwnerKind = Annotated[
    KeyAlgorithm | None,
    typer.Option(help="Kind of manufacturer's and owners' keys; else the same."),
]
Written = Annotated[Encoding, typer.Option(help="How the voucher's keys are written.")]
RefuseReuse = Annotated[
    bool,
    typer.Option(
        "--refuse-reuse", help="Take no owner that leaves the credential as it is."
    ),
]
Secret = Annotated[
    Path | None,
    typer.Option(help="What opens the key files of a device without a TPM."),
]
UefiLog = Annotated[
    Path | None, typer.Option(help="Event log to read in place of the kernel's.")
]
ImaList = Annotated[
    Path | None, typer.Option(help="IMA list to read in place of the kernel's.")
]
Image = Annotated[
    Path | None,
    typer.Option(help="File that begins with the SHA-256 of the OS image."),
]
StationKey = Annotated[
    Path | None,
    typer.Option(help="API key of the factory station, to have a passport made."),
]
Line = Annotated[
    str | None, typer.Option(help="Production line; else the service's own.")
]
LineKey = Annotated[Path | None, typer.Option(help="The station's key for its line.")]
Force = Annotated[
    bool, typer.Option("--force", help="Destroy the device that is there already.")
]


def di(
    url: Maker,
    serial: Serial,
    board: Board = FOUND,
    model: Model = "device",
    tcti: Tcti = DEFAULT_TCTI,
    key: Kind = KeyAlgorithm.P256,
    owner_key: OwnerKind = None,
    encoding: Written = Encoding.X509,
    refuse_reuse: RefuseReuse = False,
    secret_file: Secret = None,
    uefi_log: UefiLog = None,
    ima_list: ImaList = None,
    image_file: Image = None,
    station_key_file: StationKey = None,
    line: Line = None,
    line_key_file: LineKey = None,
    force: Force = False,
    ca: Ca = None,
    directory: Directory = STATE,
    json: Json = False,
) -> None:
    """Device initialisation: new keys, a credential, a voucher at the manufacturer."""
    if not force:
        _refuse_to_replace(directory)
    line_key = _line_key(line_key_file)
    where = None if tcti == "none" else tcti
    config = DeviceConfig(
        serial,
        board_of(board, where),
        model,
        where,
        key,
        owner_key or key,
        not refuse_reuse,
        *map(_absolute, (secret_file, uefi_log, ima_list, image_file)),
    )
    with (
        closing(new_client(trust_of(ca))) as client,
        _telling_where_keys_can_be(),
        Machine(config, directory) as machine,
    ):
        if not force:
            refuse_to_destroy(machine)
        at = _address(url, line)
        made = initialise(machine, client, at, line_key, encoding.on_the_wire)
    if station_key_file is not None:
        with connected(url, station_key_file, ca) as station:
            register_passport(station, made)
    _tell(made, weaker=where is None, as_json=json)


@contextmanager
def _telling_where_keys_can_be() -> Iterator[None]:
    """On the bench, whoever has no TPM there is told of both ways on."""
    try:
        yield
    except TpmUnavailableError as error:
        raise CliError(
            str(error),
            "Say where it is with --tcti; --tcti none keeps the keys in files, and"
            " marks the device as the weaker kind.",
        ) from error


def _refuse_to_replace(directory: Path) -> None:
    if (directory / FILE).exists():
        raise CliError(
            f"there is a device in {directory} already",
            "Its keys and credential would be destroyed: say --force if that is meant.",
        )


def _line_key(file: Path | None) -> str | None:
    return None if file is None else read_secret(file).decode("latin1")


def _address(url: str, line: str | None) -> str:
    """Where DI goes on; each line has an address of its own."""
    base = url.rstrip("/")
    return base if line is None else f"{base}/line/{line}"


def _tell(made: Made, *, weaker: bool, as_json: bool) -> None:
    keys, guid = IN_FILES if weaker else "the TPM", str(made.identity.active.guid)
    if as_json:
        facts = {"guid": guid, "serial": made.serial, "board": made.board}
        return print_json(facts | {"keys": keys})
    console().print(f"[green]made[/] {made.serial}: GUID {guid}, keys in {keys}")


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
