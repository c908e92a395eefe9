"""Acts 3 and 4: TO0, TO1, TO2, and inside TO2 the binding of EK, AK and device key."""

import time
from functools import partial

from onboarding.cli.demo import impostor
from onboarding.cli.demo.act_setup import policy_of
from onboarding.cli.demo.answers import Json, fields, text
from onboarding.cli.demo.cast import Device
from onboarding.cli.demo.stage import Stage, together
from onboarding.cli.demo.timeline import StepFailed, Timeline
from onboarding.cli.demo.workloads import MANIFEST
from onboarding.device.onboard import Onboarder
from onboarding.store.apikeys import Role

PATIENCE = 60.0  # seconds
POLL = 0.05


def play(stage: Stage, timeline: Timeline) -> None:
    timeline.act("3  From rendezvous to owner")
    with timeline.step("TO0: the owner registers both devices") as claim:
        operator = stage.api(stage.owner, Role.OPERATOR)
        for device in stage.devices:
            operator.json("POST", f"to0/{device.guid}")
            _assign(stage, device)
        for device in stage.devices:
            wait_for_state(stage, device, "registered")
        claim.detail = f"with the rendezvous server at {stage.rendezvous.url}"
    impostor.play(stage, timeline)
    together(*(partial(_onboard, stage, timeline, one) for one in stage.devices))
    timeline.act("4  Binding, inside TO2")
    for device in stage.devices:
        _binding(stage, timeline, device)


def facts_of(stage: Stage, device: Device) -> Json:
    """What the owner knows of a device."""
    operator = stage.api(stage.owner, Role.OPERATOR)
    return fields(operator.json("GET", f"devices/{device.guid}"))


def wait_for_state(stage: Stage, device: Device, wanted: str) -> None:
    """Return when the owner says so; some of its work is done in the background."""
    deadline = time.monotonic() + PATIENCE
    while (state := text(facts_of(stage, device), "state")) != wanted:
        if time.monotonic() > deadline:
            raise StepFailed(f"the {device.name} is {state}, not {wanted}")
        time.sleep(POLL)


def _assign(stage: Stage, device: Device) -> None:
    """Say what the device must measure and what it is to run, before it is there."""
    operator = stage.api(stage.owner, Role.OPERATOR)
    path = f"devices/{device.guid}"
    policy = {"policy": policy_of(device.profile), "version": None}
    operator.json("PUT", f"{path}/policy", policy)
    operator.json("PUT", f"{path}/assignment", {"manifest": MANIFEST, "version": 1})


def _onboard(stage: Stage, timeline: Timeline, device: Device) -> None:
    with timeline.step(f"TO1 and TO2 of the {device.name}") as claim:
        taken = Onboarder(device.machine, stage.client).run()
        claim.detail = f"owner proven and remembered; new GUID {taken.guid}"


def _binding(stage: Stage, timeline: Timeline, device: Device) -> None:
    with timeline.step(f"The {device.name}'s three keys are one TPM") as claim:
        binding = fields(facts_of(stage, device).get("binding"))
        found = text(binding, "class"), text(binding, "ek_class")
        if found != ("tpm-bound", "vendor-trusted"):
            raise StepFailed(f"binding {found[0]}, EK {found[1]}")
        claim.detail = (
            f"{found[0]}: {text(binding, 'ak_alg').upper()} AK certified the device key"
            f" and opened the credential; EK {found[1]}, named by passport"
            f" {text(binding, 'passport_digest')[:16]}…"
        )
