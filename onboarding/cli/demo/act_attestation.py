"""Act 5: attestation by Keylime's verifier, over two channels."""

import time

from onboarding.cli.demo.act_onboarding import facts_of
from onboarding.cli.demo.answers import Json, items, text
from onboarding.cli.demo.cast import Device
from onboarding.cli.demo.stage import Stage, together
from onboarding.cli.demo.timeline import StepFailed, Timeline
from onboarding.store.apikeys import Role

PATIENCE = 60.0  # seconds until the owner must have seen a push verdict
POLL = 0.1


def play(stage: Stage, timeline: Timeline) -> None:
    timeline.act("5  Attestation by Keylime")
    together(lambda: _evidence(stage, timeline), lambda: _push(stage, timeline))


def _evidence(stage: Stage, timeline: Timeline) -> None:
    board = stage.board
    with timeline.step("The board, ECC AK, over the evidence channel") as claim:
        verdict = board.agent(stage.client).attest().verdict
        if verdict is None or not verdict.passed:
            raise StepFailed(f"it did not pass: {verdict}")
        claim.detail = _told(newest(stage, board))


def _push(stage: Stage, timeline: Timeline) -> None:
    server = stage.server
    with timeline.step("The server is enrolled with the keys that were bound") as claim:
        server.agent(stage.client).enrol()
        claim.detail = f"in Keylime's registrar and verifier, as {server.guid}"
    with timeline.step("The server, RSA AK, over Keylime's push protocol") as claim:
        push(stage, server)
        claim.detail = _told(newest(stage, server))


def push(stage: Stage, device: Device) -> None:
    """Attest by push, and wait until the owner has seen Keylime's verdict."""
    before = _ids(stage, device)
    device.agent(stage.client).attest()
    deadline = time.monotonic() + PATIENCE
    while _ids(stage, device) == before:
        if time.monotonic() > deadline:
            raise StepFailed("the owner saw no verdict of Keylime's")
        time.sleep(POLL)


def newest(stage: Stage, device: Device) -> Json:
    """The last appraisal, which must have passed on something compared."""
    found = _appraisals(stage, device)
    if not found:
        raise StepFailed(f"the owner has no appraisal of the {device.name}")
    if text(found[0], "verdict") != "passed" or not found[0].get("compared"):
        raise StepFailed(f"the last appraisal is {found[0]}")
    return found[0]


def state_of(stage: Stage, device: Device) -> str:
    """The state of a device as the owner sees it."""
    return text(facts_of(stage, device), "state")


def _appraisals(stage: Stage, device: Device) -> list[Json]:
    """Newest first."""
    security = stage.api(stage.owner, Role.SECURITY)
    return items(security.json("GET", f"devices/{device.guid}/appraisals?limit=5"))


def _ids(stage: Stage, device: Device) -> list[str]:
    return [text(one, "id") for one in _appraisals(stage, device)]


def _told(appraisal: Json) -> str:
    compared = appraisal.get("compared")
    names = compared if isinstance(compared, list) else []
    pcrs = ", ".join(str(name).rsplit(":", 1)[-1] for name in names)
    return f"passed; compared with the policy: PCRs {pcrs} (sha256)"
