"""One run of TO2 with an owner: how it passes the time, and when that is enough."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from onboarding.device.errors import DeviceError
from onboarding.device.http import FdoChannel
from onboarding.device.takeover import IDLE_PAUSE, LONGEST_RUN, Clock, Meeting
from onboarding.protocol.modules import Message, ModuleContext, ModuleResult, Progress
from onboarding.protocol.registry import TO2
from onboarding.wire.error import ErrorMessage
from onboarding.wire.message import MsgType
from tests.support.fdo_http import FdoHttp
from tests.support.fdo_roles import Roles
from tests.support.machines import machine_of
from tests.support.supply_chain import SupplyChain

OWNER = "192.0.2.2:8042"


@dataclass(frozen=True)
class Slow:
    """Waits for so many rounds before it has something to say."""

    rounds: int
    name: str = "fdo.download"
    required: bool = False

    def start(self, ctx: ModuleContext) -> object:
        return 0

    def receive(
        self, state: object, message: str, value: bytes, ctx: ModuleContext
    ) -> object:
        return state

    def produce(
        self, state: object, budget: int, ctx: ModuleContext
    ) -> tuple[object, list[Message], Progress]:
        done = ctx.round > self.rounds
        return 0, [], Progress.DONE if done else Progress.WAITING

    def result(self, state: object) -> ModuleResult:
        return ModuleResult(self.name, ok=True, detail="waited")


class Bench:
    """One device and its owner, who takes ``rounds`` rounds of ServiceInfo."""

    def __init__(self, directory: Path, rounds: int, passing: float = 0.0) -> None:
        roles = Roles(SupplyChain().make_device().sell_to("owner"))
        self.net = FdoHttp({OWNER: (TO2, lambda: roles.owner_env(Slow(rounds)))})
        self.machine = machine_of(roles, directory)
        self.slept: list[float] = []
        self._now, self._passing = 0.0, passing

    def run(self) -> None:
        url = f"http://{OWNER}"
        channel = FdoChannel(self.net.client(), url)
        credential = self.machine.identity().active
        clock = Clock(self.slept.append, self._monotonic)
        Meeting(self.machine, channel, credential, url, None, clock=clock).run()

    def _monotonic(self) -> float:
        self._now += self._passing
        return self._now


def test_a_device_pauses_while_neither_side_has_anything_to_say(
    tmp_path: Path,
) -> None:
    meeting = Bench(tmp_path, rounds=6)
    meeting.run()
    asked = [kind for _, kind in meeting.net.asked]
    assert asked.count(MsgType.TO2_DEVICE_SERVICE_INFO) == 7
    assert meeting.slept == [IDLE_PAUSE] * 5  # devmod and ``active`` are something


def test_a_device_does_not_let_an_owner_go_on_for_ever(tmp_path: Path) -> None:
    meeting = Bench(tmp_path, rounds=10_000, passing=LONGEST_RUN / 20)
    with pytest.raises(DeviceError, match="longer than 3600 s"):
        meeting.run()
    assert len(meeting.net.asked) < 25
    (report,) = map(ErrorMessage.from_cbor, meeting.net.reports)
    assert report.previous == MsgType.TO2_OWNER_SERVICE_INFO
    assert meeting.machine.identity().pending is None
