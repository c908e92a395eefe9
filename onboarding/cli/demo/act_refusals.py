"""Act 7: what must not happen does not. Refusal (b) took place before TO2."""

import time

from onboarding.cli.demo.act_attestation import push, state_of
from onboarding.cli.demo.act_onboarding import facts_of
from onboarding.cli.demo.act_setup import LEASES
from onboarding.cli.demo.act_supply_chain import Shipment, alter
from onboarding.cli.demo.answers import items, text
from onboarding.cli.demo.stage import Stage
from onboarding.cli.demo.timeline import StepFailed, Timeline
from onboarding.device.errors import Problem
from onboarding.device.workload import Change, Outcome

TAMPERED = 8  # the PCR that holds the kernel
PATIENCE = 60.0
POLL = 0.2


def play(stage: Stage, timeline: Timeline, shipment: Shipment) -> None:
    timeline.act("7  Refusals")
    alter(stage, timeline, shipment)
    _stale(stage, timeline)
    with timeline.step("The server attests again and has its release back") as claim:
        push(stage, stage.server)
        stage.server.agent(stage.client).sync()
        claim.detail = f"state: {state_of(stage, stage.server)}"
    _tampered(stage, timeline)
    _withdrawn(stage, timeline)
    with timeline.step("The server stays released") as claim:
        push(stage, stage.server)
        state = state_of(stage, stage.server)
        there = sorted(p.name for p in (stage.server.workload).iterdir())
        if state != "released" or not there:
            raise StepFailed(f"it is {state}")
        claim.detail = f"state: {state}; its manifests are in place"


def _stale(stage: Stage, timeline: Timeline) -> None:
    """Refusal (d): a lease that ran out is no lease."""
    name = "A fetch with no fresh appraisal"
    words = f"waiting for the server's lease of {LEASES['server']} s to run out …"
    with timeline.refusal("d", name) as claim, timeline.waiting(words):
        deadline = time.monotonic() + LEASES["server"] + PATIENCE
        while not claim.refused and time.monotonic() < deadline:
            time.sleep(POLL)
            try:
                stage.server.agent(stage.client).sync()
            except Problem as problem:
                claim.refuse(_reasons(problem))


def _tampered(stage: Stage, timeline: Timeline) -> None:
    """Refusal (a): the board now runs something else than its policy pins."""
    board = stage.board
    board.machine.tpm.extend(TAMPERED, b"another kernel")
    name = f"The board extends PCR {TAMPERED}, which its policy pins, and attests"
    with timeline.refusal("a", name) as claim:
        verdict = board.agent(stage.client).attest().verdict
        if verdict is not None and not verdict.passed:
            named = [one for one in verdict.failures if f"pcr_{TAMPERED}" in one]
            if not named:
                raise StepFailed(f"the PCR is not named: {verdict.failures}")
            claim.refuse(f"Keylime: {named[0]}")


def _withdrawn(stage: Stage, timeline: Timeline) -> None:
    board = stage.board
    with timeline.step(
        "The board's release is withdrawn; it removes its manifests"
    ) as c:
        outcome = _order(stage)
        facts = facts_of(stage, board)
        removal = facts.get("removal")
        left = [path for path in board.workload.rglob("*") if path.is_file()]
        if removal != "proven" or left:
            raise StepFailed(f"removal is {removal}, left are {left}")
        c.detail = (
            f"{', '.join(outcome.paths)} removed; signed removal report: {removal};"
            f" state: {text(facts, 'state')}. Reason given: {outcome.reason}"
        )


def _order(stage: Stage) -> Outcome:
    """The owner withdraws in the background: ask until its order is there."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            outcome = stage.board.agent(stage.client).sync()
            if outcome.change is Change.REMOVED:
                return outcome
        except Problem as problem:
            waiting = _reasons(problem)
        if time.monotonic() > deadline:
            raise StepFailed(f"no removal order came: {waiting}")
        time.sleep(POLL)


def _reasons(problem: Problem) -> str:
    sentences = [text(one, "sentence") for one in items(problem.document, "reasons")]
    return "; ".join(sentences) or problem.detail
