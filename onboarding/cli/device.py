"""``vouchgate device``: make a device, onboard it, let it answer and work."""

import base64
import signal
import threading
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from onboarding.cli.api import Api, Ca, connected, trust_of
from onboarding.cli.device_choices import Encoding, cipher_named
from onboarding.cli.device_credential import credential, refuse_to_destroy
from onboarding.cli.device_inventory import FOUND, board_of, inventory
from onboarding.cli.device_log import log
from onboarding.cli.device_telling import (
    Teller,
    binding_told,
    pending_guid,
    story_told,
    tell_progress,
)
from onboarding.cli.files import read_secret
from onboarding.cli.output import (
    FAILED,
    CliError,
    Json,
    console,
    print_facts,
    print_json,
)
from onboarding.cli.why import why
from onboarding.device.agent import Agent, Attested
from onboarding.device.applier import DirectoryApplier
from onboarding.device.config import FILE, DeviceConfig
from onboarding.device.factory import Made, initialise
from onboarding.device.http import new_client
from onboarding.device.loop import run
from onboarding.device.machine import Machine
from onboarding.device.onboard import Onboarder, Patience
from onboarding.device.progress import Diary, Story, silent
from onboarding.device.standing import Standing
from onboarding.device.suites import Suites
from onboarding.wire.message import KexSuite
from ownership_vouchers.key_algorithm import KeyAlgorithm

app = typer.Typer(no_args_is_help=True, help="The device's own side, and why not.")
app.command("why")(why)
app.command("credential")(credential)
app.command("inventory")(inventory)
app.command("log")(log)

Directory = Annotated[
    Path, typer.Option(help="The device's directory.", envvar="VOUCHGATE_DEVICE")
]
STATE = Path("device")


@app.command()
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


@app.command()
def onboard(
    rounds: Annotated[
        int, typer.Option(min=1, help="Rounds through the rendezvous information.")
    ] = 1,
    forever: Annotated[
        bool, typer.Option("--forever", help="Go on until there is an owner.")
    ] = False,
    max_delay: Annotated[
        float, typer.Option(min=0, help="Longest wait between tries, seconds.")
    ] = 3600.0,
    kex: Annotated[
        KexSuite | None,
        typer.Option(help="Key exchange; else one for the owner's kind of key."),
    ] = None,
    cipher: Annotated[
        str | None, typer.Option(help="Cipher; else one as strong as the exchange.")
    ] = None,
    ca: Ca = None,
    directory: Directory = STATE,
    json: Json = False,
) -> None:
    """Find the owner through rendezvous, and become its device (TO1, TO2).

    What is tried, what failed and when it is tried again is told as it happens.
    """
    patience = Patience(None if forever else rounds, max_delay)
    suites = Suites(kex, None if cipher is None else cipher_named(cipher))
    trust = trust_of(ca)
    tell = Diary(directory, silent if json else tell_progress)
    with closing(new_client(trust)) as client, Machine.load(directory) as machine:
        onboarder = Onboarder(machine, client, patience, trust, tell, suites=suites)
        taken = onboarder.run()
    facts: dict[str, object] = {
        "guid": str(taken.guid),
        "previous_guid": str(taken.previous_guid),
        "owner": taken.owner_url,
        "binding": binding_told(taken.binding),
        "files": list(taken.files),
        "modules": [str(one) for one in taken.modules],
    }
    print_json(facts) if json else print_facts(facts)


@app.command()
def attest(ca: Ca = None, directory: Directory = STATE, json: Json = False) -> int:
    """Answer for what runs, once: 0 unless the verdict is that it failed."""
    with (
        closing(new_client(trust_of(ca))) as client,
        Machine.load(directory) as machine,
    ):
        attested = Agent(machine, client).attest()
    facts = _attested(attested)
    print_json(facts) if json else print_facts(facts)
    return FAILED if attested.verdict and not attested.verdict.passed else 0


@app.command("run")
def run_(
    interval: Annotated[
        float, typer.Option(min=1, help="Seconds between two rounds.")
    ] = 60.0,
    rounds: Annotated[
        int | None, typer.Option(min=1, help="Stop after so many rounds.")
    ] = None,
    apply_to: Annotated[
        Path | None,
        typer.Option(help="Where workloads go; else `workload` in the directory."),
    ] = None,
    lock: Annotated[
        bool,
        typer.Option(
            "--lock", help="Let nobody change the credential until the next boot."
        ),
    ] = False,
    ca: Ca = None,
    directory: Directory = STATE,
    json: Json = False,
) -> None:
    """Attest, fetch, apply and remove as the owner says, until stopped."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with (
        closing(new_client(trust_of(ca))) as client,
        Machine.load(directory) as machine,
    ):
        if lock:
            machine.lock()
        applier = None if apply_to is None else DirectoryApplier(apply_to)
        agent = Agent(machine, client, applier)
        run(agent, interval, stop, Teller(as_json=json), rounds)


@app.command()
def status(directory: Directory = STATE, json: Json = False) -> None:
    """Print who this device is, whom it obeys and what it runs.

    A GUID is pending when TO2 was cut off before its last message: onboard again.
    """
    with Machine.load(directory) as machine:
        identity = machine.identity()
        standing = Standing.load(directory)
        facts: dict[str, object] = {
            "serial": machine.config.serial,
            "board": machine.config.board,
            "keys": "TPM" if machine.has_tpm else "files (no TPM: can be copied)",
            "key": machine.config.key.value,
            "guid": str(identity.active.guid),
            "owner": None if identity.owner is None else identity.owner.url,
            "pending_guid": pending_guid(identity),
            "onboarding": story_told(Story.load(directory)),
            "workload": None if standing is None else standing.describe(),
        }
    print_json(facts) if json else print_facts(facts)


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


def _attested(attested: Attested) -> dict[str, object]:
    facts: dict[str, object] = {
        "channel": attested.channel,
        "pcrs": list(attested.pcrs),
        "verdict": "with the owner",
    }
    if attested.verdict is not None:
        facts["verdict"] = "passed" if attested.verdict.passed else "failed"
        facts["failures"] = list(attested.verdict.failures)
        facts["lease_expires"] = attested.verdict.lease_expires
    return facts
