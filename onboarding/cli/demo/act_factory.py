"""Act 1: device initialisation. Keys in the TPM; a voucher and a passport come out."""

from functools import partial

from onboarding.cli.demo.cast import Device
from onboarding.cli.demo.stage import Stage, together
from onboarding.cli.demo.timeline import Timeline
from onboarding.cli.device_di import register_passport
from onboarding.device.factory import initialise
from onboarding.store.apikeys import Role


def play(stage: Stage, timeline: Timeline) -> None:
    timeline.act("1  Factory")
    together(*(partial(_make, stage, timeline, one) for one in stage.devices))


def _make(stage: Stage, timeline: Timeline, device: Device) -> None:
    with timeline.step(f"Device initialisation of the {device.name}") as claim:
        made = initialise(device.machine, stage.client, stage.manufacturing.url)
        claim.detail = (
            f"{device.serial}: device key and HMAC key made in its TPM; a voucher"
            f" comes out: {made.identity.active.guid}"
        )
    with timeline.step(f"Passport of the {device.name}") as claim:
        station = stage.api(stage.manufacturing, Role.MANUFACTURER)
        register_passport(station, made)
        claim.detail = (
            f"manufacturer signs serial {device.serial}, board {device.board} and the"
            " digest of its endorsement key"
        )
