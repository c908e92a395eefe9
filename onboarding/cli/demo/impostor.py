"""Refusal (b): a third TPM with a copy of the board's software state.

The copy has everything that is not in the chip: configuration, credential, GUID. It
tries first as it is; then with the board lending it its device key, as malware on
the real board could: FDO alone would let that one in. The binding does not.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from hw.keys import DeviceKey, HmacKey
from onboarding.cli.demo.answers import fields, items
from onboarding.cli.demo.cast import Device
from onboarding.cli.demo.stage import Stage
from onboarding.cli.demo.timeline import StepFailed, Timeline
from onboarding.device.errors import NobodyThere
from onboarding.device.machine import Machine
from onboarding.device.onboard import Onboarder
from onboarding.protocol.device_env import DeviceCredential
from onboarding.protocol.errors import PeerFailed
from onboarding.store.apikeys import Role
from onboarding.wire.message import ErrorCode
from ownership_vouchers.types import Guid

CAUSE = "binding"


def play(stage: Stage, timeline: Timeline) -> None:
    """Let the impostor come to the door before the board does."""
    copy, board = stage.impostor, stage.board
    shutil.copytree(board.directory, copy.directory, dirs_exist_ok=True)
    keys = copy.machine.create_keys().refs  # its own: the board's cannot be copied
    copy.machine.keep(replace(board.machine.identity(), keys=keys))
    name = "A third TPM holds a copy of the board's software state"
    with timeline.refusal("b", name) as claim:
        code, words = _turned_away(Onboarder(copy.machine, stage.client))
        _require(code, words)
        claim.refuse(f"rendezvous: {words}; its TPM signs as another device")
    name = "The copy tries to bind, the board's device key lent to it"
    with timeline.refusal("b", name) as claim, borrowed(copy, board) as machine:
        code, words = _turned_away(Onboarder(machine, stage.client))
        _require(code, words)
        claim.refuse(_reason(stage, board.guid))


def _turned_away(onboarder: Onboarder) -> tuple[int, str]:
    """Try to onboard; return the error code and text that the last peer sent.

    Raises:
        StepFailed: It was let in, or not a peer's answer but something else ended it.
    """
    try:
        onboarder.run()
    except NobodyThere as error:
        last = error.failures[-1][1]
        if isinstance(last, PeerFailed):
            return last.message.code, str(last)
        raise StepFailed(f"it did not come to an answer: {error}") from error
    raise StepFailed("it was let in")


def _require(code: int, words: str) -> None:
    """A refusal for another reason, such as an unknown GUID, shows nothing."""
    if code != ErrorCode.INVALID_MESSAGE_ERROR:
        raise StepFailed(f"it was turned away for another reason: {words}")


class BorrowingMachine(Machine):
    """A machine whose TO2 proofs are made by another's TPM."""

    lender: Machine

    @property
    def device_key(self) -> DeviceKey:
        return self.lender.device_key

    def mac_key(self, credential: DeviceCredential) -> HmacKey:
        return self.lender.mac_key(credential)


@contextmanager
def borrowed(copy: Device, board: Device) -> Iterator[Machine]:
    """The copy's machine: the board's keys for TO2, its own TPM for the rest."""
    config, directory = copy.machine.config, copy.machine.directory
    copy.machine.close()
    machine = BorrowingMachine(config, directory)
    machine.lender = board.machine
    try:
        yield machine
    finally:
        machine.close()


def _reason(stage: Stage, guid: Guid) -> str:
    """What the owner wrote into its audit log about the refused binding."""
    security = stage.api(stage.owner, Role.SECURITY)
    events = items(security.json("GET", f"events?guid={guid}&limit=50"))
    for event in reversed(events):
        detail = fields(event.get("detail"))
        if str(event.get("cause", "")).startswith(CAUSE):
            return f"owner: {detail.get('code')}: {detail.get('sentence')}"
    raise StepFailed("the owner's log has no refused binding")
