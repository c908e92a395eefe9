"""Act 6: the gate opens. A ticket is minted; the device fetches, checks and applies."""

from functools import partial

from onboarding.cli.demo.act_attestation import state_of
from onboarding.cli.demo.cast import Device
from onboarding.cli.demo.stage import Stage, together
from onboarding.cli.demo.timeline import StepFailed, Timeline
from onboarding.device.workload import Change


def play(stage: Stage, timeline: Timeline) -> None:
    timeline.act("6  Release")
    together(*(partial(_release, stage, timeline, one) for one in stage.devices))


def _release(stage: Stage, timeline: Timeline, device: Device) -> None:
    with timeline.step(f"The {device.name} fetches and applies its manifests") as claim:
        outcome = device.agent(stage.client).sync()
        if outcome.change is not Change.APPLIED:
            raise StepFailed(f"the manifests were {outcome.change}")
        state = state_of(stage, device)
        if state != "released":
            raise StepFailed(f"the owner says the device is {state}")
        claim.detail = (
            f"owner's signature, digest and ticket checked; {', '.join(outcome.paths)}"
            f" applied and reported: {state}"
        )
