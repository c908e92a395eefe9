"""A device whose run goes wrong keeps what it had, byte for byte, and says why.

The real agent, its files and its HTTP, against the real route; somebody on the way
changes one answer.
"""

from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from onboarding.device.config import DeviceConfig
from onboarding.device.errors import NobodyThere
from onboarding.device.factory import initialise
from onboarding.device.machine import Machine
from onboarding.device.onboard import Onboarder
from onboarding.protocol.device_env import To0OwnerEnv
from onboarding.protocol.to0_owner import To0Owner
from onboarding.services.key_store import KeyKind
from onboarding.wire.error import ErrorMessage
from onboarding.wire.message import MsgType
from ownership_vouchers.pem import load_vouchers
from ownership_vouchers.to2_address import To2Address, TransportProtocol
from tests.support.alterations import Alteration, flip
from tests.support.certifier import Certifier, Conversation

pytestmark = pytest.mark.sqlite_first

OWNER = To2Address("192.0.2.2", None, 8042, TransportProtocol.HTTP)
BEFORE_71 = [31, 33, 61, 63, 65, 67, 69]
CHANGES: dict[str, Alteration] = {
    "one bit": flip,
    "cut short": lambda body: body[:-1],
    "no body": lambda _body: b"",
    "an empty array": lambda _body: b"\x80",
    "over 64 KiB": lambda body: body + bytes(70_000),
}


@dataclass
class Between(httpx.BaseTransport):
    """Hands a device's requests to the site, and changes answers of one type."""

    bench: Certifier
    kind: int = 0
    alter: Alteration = flip
    said: int | None = None  # the type that the answer claims to be of
    token: str | None = None  # what the answer says for its token
    reports: list[ErrorMessage] = field(default_factory=list)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/255"):
            self.reports.append(ErrorMessage.from_cbor(request.read()))
        reply = self.bench.forward(request)
        headers, body = dict(reply.headers), reply.content
        if headers.get("message-type") == str(self.kind):
            body = self.alter(body)
            headers["message-type"] = str(self.said or self.kind)
            if self.token is not None:
                headers["authorization"] = self.token
        headers["content-length"] = str(len(body))
        return httpx.Response(reply.status_code, headers=headers, content=body)


@pytest.fixture(scope="module")
def machine(bench: Certifier, tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """A device that was made, sold, and announced to the rendezvous server."""
    return announced(bench, tmp_path_factory.mktemp("device"))


def announced(bench: Certifier, directory: Path) -> Machine:
    config = DeviceConfig("SN-1", "generic-sbc-tpm", "b", None)
    made = Machine(config, directory)
    with httpx.Client(transport=Between(bench)) as client:
        guid = initialise(made, client, "http://192.0.2.1:8040").identity.active.guid
    (ours,) = bench.context.key_store.list(KeyKind.OWNER)
    buyer = {"next_owner_pem": ours.public_pem}
    pem = bench.call("POST", f"/vouchers/{guid}/extend", json=buyer).json()["pem"]
    assert bench.call("POST", "/vouchers", content=pem).status_code == 200
    (voucher,) = load_vouchers(pem.encode())
    env = To0OwnerEnv(voucher, bench.owner, (OWNER,), 3600)
    Conversation(bench, To0Owner(env)).finish()
    return made


def kept(machine: Machine) -> dict[str, bytes]:
    files = sorted(path for path in machine.directory.rglob("*") if path.is_file())
    return {str(path): path.read_bytes() for path in files}


def refused(bench: Certifier, machine: Machine, between: Between) -> None:
    before, stored = kept(machine), bench.stored()
    with httpx.Client(transport=between) as client, pytest.raises(NobodyThere):
        Onboarder(machine, client).run()
    assert kept(machine) == before
    assert bench.stored() == stored


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("kind", BEFORE_71)
def test_a_changed_answer_changes_nothing_at_either_end(
    bench: Certifier, machine: Machine, kind: int, name: str
) -> None:
    between = Between(bench, kind, CHANGES[name])
    refused(bench, machine, between)
    if name == "over 64 KiB" or (kind, name) == (33, "one bit"):
        return  # the connection failed; to1d is held against the owner much later
    told = [(one.previous, one.code) for one in between.reports]
    assert told
    assert all(previous == kind and code in (100, 101) for previous, code in told)


@pytest.mark.parametrize("kind", BEFORE_71)
def test_an_answer_under_another_type_changes_nothing(
    bench: Certifier, machine: Machine, kind: int
) -> None:
    said = MsgType.TO2_DONE2 if kind != 69 else MsgType.TO2_SETUP_DEVICE
    between = Between(bench, kind, lambda body: body, int(said))
    refused(bench, machine, between)
    assert {one.code for one in between.reports} == {101}


@pytest.mark.parametrize("kind", [31, 61])
def test_an_opening_answer_with_an_empty_token_changes_nothing(
    bench: Certifier, machine: Machine, kind: int
) -> None:
    refused(bench, machine, Between(bench, kind, lambda body: body, token=""))


@pytest.mark.both
def test_an_unaltered_run_passes_after_all_that(
    bench: Certifier, machine: Machine
) -> None:
    before = kept(machine)
    with httpx.Client(transport=Between(bench)) as client:
        taken = Onboarder(machine, client).run()
    assert machine.identity().active.guid == taken.guid != taken.previous_guid
    assert kept(machine) != before


@pytest.mark.both
def test_a_changed_last_answer_leaves_the_old_credential_to_be_used(
    bench: Certifier, tmp_path: Path
) -> None:
    """The owner is done by then: both credentials are kept, and either may work."""
    machine = announced(bench, tmp_path)
    before = machine.identity().active
    with httpx.Client(transport=Between(bench, 71)) as client:
        with pytest.raises(NobodyThere):
            Onboarder(machine, client).run()
    assert before in machine.identity().candidates()
    assert len(machine.identity().candidates()) == 2
