"""Act 2: the vouchers are extended to the owner, leave as PEM, and are imported."""

from dataclasses import dataclass

from onboarding.cli.demo.answers import items, text
from onboarding.cli.demo.cast import Device
from onboarding.cli.demo.stage import Stage
from onboarding.cli.demo.timeline import StepFailed, Timeline
from onboarding.device.errors import Problem
from onboarding.services.key_store import KeyKind
from onboarding.store.apikeys import Role
from ownership_vouchers.pem import dump_pem, load_vouchers
from ownership_vouchers.voucher import Voucher

PEM = "application/x-pem-file"


@dataclass(frozen=True, slots=True)
class Shipment:
    """The vouchers as they left the manufacturer."""

    pem: bytes


def play(stage: Stage, timeline: Timeline) -> Shipment:
    timeline.act("2  Supply chain")
    with timeline.step("The manufacturer extends the vouchers to the owner") as claim:
        buyer = stage.owner.key(KeyKind.OWNER)
        shipment = Shipment(b"".join(_sell(stage, one) for one in stage.devices))
        claim.detail = f"to the owner key {buyer.fingerprint[:16]}…, as PEM"
    with timeline.step("The owner imports them through its API") as claim:
        api = stage.api(stage.owner, Role.OPERATOR)
        report = api.read(api.request("POST", "vouchers", shipment.pem, PEM))
        statuses = [text(one, "status") for one in items(report, "results")]
        if statuses != ["imported"] * len(stage.devices):
            raise StepFailed(f"the owner's answer is {statuses}")
        claim.detail = f"{len(statuses)} vouchers verified to the last entry"
    return shipment


def _sell(stage: Stage, device: Device) -> bytes:
    """Extend one voucher; return it with its passport, PEM."""
    api = stage.api(stage.manufacturing, Role.MANUFACTURER)
    buyer = stage.owner.key(KeyKind.OWNER)
    path = f"vouchers/{device.guid}"
    api.json("POST", f"{path}/extend", {"next_owner_pem": buyer.public_pem})
    return api.request("GET", f"{path}/pem").body


def alter(stage: Stage, timeline: Timeline, shipment: Shipment) -> None:
    """Refusal (c): one byte of a voucher is not what was signed."""
    api = stage.api(stage.owner, Role.OPERATOR)
    name = "A voucher with one altered byte is imported"
    with timeline.refusal("c", name) as claim:
        try:
            api.request("POST", "vouchers", _altered(shipment.pem), PEM)
        except Problem as problem:
            (result,) = items(problem.document, "results")
            if text(result, "status") == "refused":
                check, why = text(result, "code"), text(result, "detail")
                why = why.removeprefix(f"{check}: ")
                claim.refuse(f"owner: check “{check}” fails: {why}")


def _altered(pem: bytes) -> bytes:
    """The first voucher with the last byte of its last signature changed."""
    voucher = load_vouchers(pem)[0]
    raw = bytearray(voucher.raw)
    raw[-1] ^= 1
    return dump_pem(Voucher.from_cbor(bytes(raw))).encode()
