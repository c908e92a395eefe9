"""The FIDO Alliance's conformance tool against our rendezvous, owner and device."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from onboarding.device.errors import DeviceError
from onboarding.services.key_material import KeyAlgorithm
from onboarding.services.key_store import KeyKind
from ownership_vouchers.algorithms import SigningKey
from tests.support.interop.fido_ids import DEVICE, OWNER, RENDEZVOUS
from tests.support.interop.fido_tool import FidoTool, found_by_its_client, root_of
from tests.support.interop.fido_verdicts import Verdicts
from tests.support.interop.our_device import our_device
from tests.support.interop.services import Trade, directive, tell, trading

TOOL = "The FIDO Alliance's conformance tool"
RUNS = 8  # at most: it draws by chance what it tries, and gets some of it wrong
MEETINGS = 60  # of a device with the tool, in one run of it
CURVES = {"ec256": ec.SECP256R1, "ec384": ec.SECP384R1}
OWNERS = {"ec256": KeyAlgorithm.P256, "ec384": KeyAlgorithm.P384}


@pytest.fixture(scope="module")
def tested(tool: FidoTool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trade]:
    """Our services; the rendezvous takes devices of the tool's root."""
    with trading(tmp_path_factory.mktemp("tested")) as trade:
        _, voucher = tool.new_owner_test(trade.owner.url, _key(trade, "ec256"))
        root = {"device_cas_pem": root_of(voucher)}
        trade.rendezvous.call("PUT", "/trust", root)
        yield trade


def _key(trade: Trade, kind: str) -> str:
    """The private key of our owner, which the tool wants to have."""
    name = trade.keys[KeyKind.OWNER][OWNERS[kind]].name
    return _pem(trade.store.private_key(name))


def _pem(key: SigningKey) -> str:
    form = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return key.private_bytes(*form).decode()


@pytest.fixture(scope="module")
def rendezvous(tool: FidoTool, tested: Trade) -> Verdicts:
    found = Verdicts()
    for _ in range(RUNS):
        found.add(tool.rendezvous(tested.rendezvous.url))
        if found.passed(RENDEZVOUS):
            break
    assert found.strangers(RENDEZVOUS) == set()
    return found


@pytest.mark.interop(
    f"{TOOL}; our rendezvous server", title="TO0 and TO1", rows=("test",)
)
@pytest.mark.parametrize("test", RENDEZVOUS)
def test_our_rendezvous_server_passes(rendezvous: Verdicts, test: str) -> None:
    rendezvous.judge(test)


@pytest.mark.interop(f"{TOOL}; our rendezvous server")
def test_its_client_finds_the_owner_that_its_command_line_registered(
    tool: FidoTool, tested: Trade, tmp_path: Path
) -> None:
    """Its own test of 33 passes whatever the answer is; its client reads it."""
    said = found_by_its_client(tool.program, tmp_path, tested.rendezvous.url)
    assert "Success" in said


@pytest.fixture(scope="module", params=CURVES)
def owner(request: pytest.FixtureRequest, tool: FidoTool, tested: Trade) -> Verdicts:
    found, key = Verdicts(), _key(tested, request.param)
    for _ in range(RUNS):
        test, voucher = tool.new_owner_test(tested.owner.url, key)
        tested.take(voucher)
        found.add(tool.owner(test))
        if found.passed(OWNER):
            break
    assert found.strangers(OWNER) == set()
    return found


@pytest.mark.interop(f"{TOOL}; our owner", title="TO2", rows=("test",), column="owner")
@pytest.mark.parametrize("test", OWNER)
def test_our_owner_passes(owner: Verdicts, test: str) -> None:
    owner.judge(test)


@pytest.fixture(scope="module", params=CURVES)
def device(
    request: pytest.FixtureRequest,
    tool: FidoTool,
    tested: Trade,
    tmp_path_factory: pytest.TempPathFactory,
) -> Verdicts:
    """Our device, whose factory names the tool as its rendezvous."""
    found, key = Verdicts(), ec.generate_private_key(CURVES[request.param]())
    form = (Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    buyer = key.public_key().public_bytes(*form).decode()
    tell(tested.factory, directive(tool.url))
    directory = tmp_path_factory.mktemp("device") / "home"
    with our_device(directory, request.param) as made:
        guid = made.initialise(tested.factory.url)
        test = tool.new_device_test(tested.sold(guid, buyer), _pem(key))
        for _ in range(RUNS):
            for protocol in (1, 2):
                tool.start(test, protocol)
                for _ in range(MEETINGS):
                    try:
                        made.onboard()
                    except DeviceError:  # so it should end, but for the last time
                        pass
                    done, verdicts = tool.device(protocol)
                    if done:
                        break
                found.add(verdicts)
            if found.passed(DEVICE):
                break
    assert found.strangers(DEVICE) == set()
    return found


@pytest.mark.interop(
    f"{TOOL}; our device", title="TO1 and TO2", rows=("test",), column="device"
)
@pytest.mark.parametrize("test", DEVICE)
def test_our_device_passes(device: Verdicts, test: str) -> None:
    device.judge(test)
