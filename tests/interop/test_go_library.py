"""A device over the go-fdo library against our three services."""

import secrets
from collections.abc import Callable
from pathlib import Path

import pytest

from onboarding.services.key_material import KeyAlgorithm
from tests.support.interop.go_client import ALGORITHMS
from tests.support.interop.go_device import GoDevice, told
from tests.support.interop.go_peers import GoPeers, GoSimulator
from tests.support.interop.matrix import COLUMN, ROWS, combinations
from tests.support.interop.our_device import ENCODINGS
from tests.support.interop.services import Trade, directive, introduce, tell
from tests.support.swtpm import MakeSoftwareTpm

PAIR = "A device over the go-fdo library; our manufacturing, rendezvous and owner"
BRIEF = {("pss2048", "x509", "DHKEXid14", "A128GCM")}

IN_A_TPM = [  # go-fdo says that its simulator has no RSA keys of 3072 bits
    ("ec256", "ECDH256"),
    ("ec384", "ECDH384"),
    ("rsa2048", "ASYMKEX2048"),
    ("pss2048", "DHKEXid14"),
]

NewDevice = Callable[..., GoDevice]


@pytest.fixture
def new_device(go: GoPeers, tmp_path: Path) -> NewDevice:
    def made(key: str = "ec256", tpm: str | None = None) -> GoDevice:
        return GoDevice.new(go.program("device"), tmp_path, key, tpm)

    return made


@pytest.mark.interop(
    PAIR,
    title="RSA keys with PSS: DI, TO1 and TO2",
    rows=ROWS,
    column=COLUMN,
)
@pytest.mark.parametrize((*ROWS, COLUMN), combinations(("pss2048", "pss3072"), BRIEF))
def test_a_device_with_pss_goes_from_factory_to_owner(
    key: str, encoding: str, kex: str, cipher: str, new_device: NewDevice, trade: Trade
) -> None:
    device = new_device(key)
    guid = device.initialise(trade.factory.url, encoding)
    trade.buy(device.serial, ALGORITHMS[key])
    assert trade.made_as(guid) == ENCODINGS[encoding].name
    assert told(device.onboard(kex, cipher)) != guid
    trade.reached(guid, "owned")


@pytest.mark.interop(
    PAIR,
    title="Keys in a software TPM, by go-fdo's TPM module: DI, TO1 and TO2",
    rows=("key", "kex"),
    column="cipher",
)
@pytest.mark.parametrize("cipher", ["A128GCM", "A256GCM"])
@pytest.mark.parametrize(("key", "kex"), IN_A_TPM)
@pytest.mark.full
def test_a_device_goes_with_keys_in_a_tpm(
    key: str,
    kex: str,
    cipher: str,
    new_device: NewDevice,
    trade: Trade,
    make_software_tpm: MakeSoftwareTpm,
) -> None:
    device = new_device(key, make_software_tpm(f"{key}-{cipher}").start())
    guid = device.initialise(trade.factory.url)
    trade.buy(device.serial, ALGORITHMS[key])
    assert told(device.onboard(kex, cipher)) != guid
    trade.reached(guid, "owned")


@pytest.mark.interop(
    PAIR,
    title="Keys in the TPM simulator of go-fdo's own tests: DI, TO1 and TO2",
    rows=("key", "kex"),
    column="cipher",
)
@pytest.mark.parametrize("cipher", ["A256GCM"])
@pytest.mark.parametrize(("key", "kex"), IN_A_TPM)
@pytest.mark.full  # it takes a minute of C to build
def test_a_device_goes_with_keys_in_a_simulated_tpm(
    key: str,
    kex: str,
    cipher: str,
    simulator: GoSimulator,
    trade: Trade,
    tmp_path: Path,
) -> None:
    seed = secrets.randbelow(1 << 32)
    device = GoDevice.new(simulator.program, tmp_path, key, str(seed))
    guid = device.initialise(trade.factory.url)
    trade.buy(device.serial, ALGORITHMS[key])
    assert told(device.onboard(kex, cipher)) != guid
    trade.reached(guid, "owned")


@pytest.mark.interop(PAIR)
def test_it_keeps_its_credential_when_our_owner_reuses_it(
    new_device: NewDevice, trade: Trade
) -> None:
    device = new_device()
    guid = device.initialise(trade.factory.url)
    trade.buy(device.serial, KeyAlgorithm.P256)
    trade.owner.call("PUT", f"/vouchers/{guid}/credential", {"mode": "reuse"})
    assert told(device.onboard("ECDH256", "A256GCM", "-reuse")) == guid
    trade.reached(guid, "owned")
    assert told(device.onboard("ECDH256", "A256GCM", "-reuse")) == guid


@pytest.mark.interop(PAIR)
def test_it_refuses_reuse_where_it_was_not_allowed(
    new_device: NewDevice, trade: Trade
) -> None:
    device = new_device()
    guid = device.initialise(trade.factory.url)
    trade.buy(device.serial, KeyAlgorithm.P256)
    trade.owner.call("PUT", f"/vouchers/{guid}/credential", {"mode": "reuse"})
    ran = device.onboard("ECDH256", "A256GCM")
    assert (ran.code, "reuse is not enabled" in ran.output) == (1, True), ran.output
    assert trade.owner.call("GET", f"/devices/{guid}")["state"] == "registered"


@pytest.mark.interop(PAIR)
def test_it_goes_straight_to_our_owner_where_rendezvous_is_bypassed(
    new_device: NewDevice, trade: Trade
) -> None:
    device = new_device()
    tell(trade.factory, directive(trade.owner.url, bypass=True))
    try:
        guid = device.initialise(trade.factory.url)
    finally:
        introduce(trade)
    key = trade.owner_key(KeyAlgorithm.P256).public_pem
    trade.take(trade.sold(guid, key))
    assert told(device.onboard("ECDH256", "A256GCM")) != guid
    trade.reached(guid, "owned")


@pytest.mark.interop(PAIR)
def test_it_is_resold_by_our_owner_to_itself_and_onboarded_again(
    new_device: NewDevice, trade: Trade
) -> None:
    device = new_device()
    device.initialise(trade.factory.url)
    trade.buy(device.serial, KeyAlgorithm.P256)
    owned = told(device.onboard("ECDH256", "A256GCM"))
    buyer = {"next_owner_pem": trade.owner_key(KeyAlgorithm.P256).public_pem}
    trade.owner.call("POST", f"/vouchers/{owned}/extend", buyer)
    trade.announced_again(owned)
    assert told(device.onboard("ECDH256", "A256GCM")) != owned
