"""TO1 and TO2 over HTTP, against the real server roles, on a device without a TPM."""

import secrets
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from onboarding.device.config import DeviceConfig
from onboarding.device.credential import Identity
from onboarding.device.errors import NobodyThere, NotOnboarded
from onboarding.device.machine import Machine
from onboarding.device.onboard import Onboarder, Patience
from onboarding.protocol.device_env import To0OwnerEnv
from onboarding.protocol.env import To0RendezvousEnv
from onboarding.protocol.registry import TO0, TO1, TO2
from onboarding.protocol.step import StoreRegistration
from onboarding.protocol.to0_owner import To0Owner
from onboarding.wire.message import MsgType
from ownership_vouchers.rendezvous import To2Address
from ownership_vouchers.to2_address import TransportProtocol
from tests.support.fdo_http import FdoHttp
from tests.support.fdo_roles import NOW, Roles
from tests.support.supply_chain import SupplyChain
from tests.support.wire_pair import WirePair

RV, OWNER = "192.0.2.1:8040", "192.0.2.2:8042"
THROUGH_RV = {"ip": "192.0.2.1", "device_port": 8040, "protocol": "http"}
BYPASS = {
    "ip": "192.0.2.2", "device_port": 8042, "protocol": "http", "bypass": True
}  # fmt: skip


def sold(*rendezvous: dict[str, object]) -> SupplyChain:
    return SupplyChain(rendezvous=rendezvous).make_device().sell_to("owner")


def device_of(roles: Roles, directory: Path) -> Machine:
    """A machine without a TPM, as the factory left it."""
    machine = Machine(DeviceConfig("SN-1", "generic-sbc-tpm", "b", None), directory)
    machine.create_keys()
    der = roles.chain.device_key.private_bytes(
        Encoding.DER, PrivateFormat.PKCS8, NoEncryption()
    )
    (directory / "device-key.der").write_bytes(der)
    (directory / "hmac.secret").write_bytes(roles.chain.hmac_secret)
    machine.keep(Identity(roles.credential))
    return machine


def registration(chain: SupplyChain, signer: SupplyChain | None = None) -> bytes:
    """Run TO0 and return the to1d that the rendezvous server would hand out."""
    address = To2Address("192.0.2.2", None, 8042, TransportProtocol.HTTP)
    owner = (signer or chain).owner.signer
    client = To0Owner(To0OwnerEnv(chain.voucher, owner, (address,), 3600))
    env = To0RendezvousEnv(NOW, secrets.token_bytes, lambda _guid: None)
    pair: WirePair[object] = WirePair(client, TO0, env)
    pair.run()
    (effect,) = pair.effects
    assert isinstance(effect, StoreRegistration)
    return effect.registration.to1d


def network(roles: Roles, to1d: bytes | None = None, **more: object) -> FdoHttp:
    blob = to1d or registration(roles.chain)
    hosts = {
        RV: (TO1, lambda: roles.to1_env(blob)),
        OWNER: (TO2, roles.owner_env),
    }
    return FdoHttp(hosts, **more)  # type: ignore[arg-type]


def test_a_device_goes_through_rendezvous_to_its_owner(tmp_path: Path) -> None:
    roles = Roles(sold(THROUGH_RV))
    net, machine = network(roles), device_of(roles, tmp_path)
    taken = Onboarder(machine, net.client()).run()
    identity = machine.identity()
    assert taken.previous_guid == roles.credential.guid
    assert identity.active.guid == taken.guid != taken.previous_guid
    assert identity.owner is not None
    assert identity.owner.url == f"http://{OWNER}"
    assert identity.owner.key == roles.chain.owner.public_key.key


def test_bypass_goes_to_the_owner_at_once(tmp_path: Path) -> None:
    roles = Roles(sold(BYPASS))
    net = network(roles, b"\0")
    Onboarder(device_of(roles, tmp_path), net.client()).run()
    assert {host for host, _ in net.asked} == {OWNER}


def test_directives_are_tried_in_their_order_until_one_works(tmp_path: Path) -> None:
    dead = {**THROUGH_RV, "ip": "192.0.2.9"}
    roles = Roles(sold(dead, THROUGH_RV))
    net = network(roles)
    Onboarder(device_of(roles, tmp_path), net.client()).run()
    assert [host for host, _ in net.asked[:2]] == ["192.0.2.9:8040", RV]


def test_the_first_token_is_sent_back_in_every_later_message(tmp_path: Path) -> None:
    roles = Roles(sold(BYPASS))
    net = network(roles, b"\0")
    Onboarder(device_of(roles, tmp_path), net.client()).run()
    assert net.tokens[0] is None
    assert len(set(net.tokens[1:])) == 1


def test_a_reused_credential_stays_as_it_is(tmp_path: Path) -> None:
    roles = Roles(sold(BYPASS), reuse=True)
    machine = device_of(roles, tmp_path)
    taken = Onboarder(machine, network(roles, b"\0").client()).run()
    assert taken.guid == roles.credential.guid
    assert machine.identity().previous is None


def test_a_lost_last_message_leaves_the_device_with_both_credentials(
    tmp_path: Path,
) -> None:
    roles = Roles(sold(BYPASS))
    machine = device_of(roles, tmp_path)
    net = network(roles, b"\0", lost={MsgType.TO2_DONE})
    with pytest.raises(NobodyThere):
        Onboarder(machine, net.client()).run()
    assert net.effects  # the owner has taken it over all the same
    new, old = machine.identity().candidates()
    assert old == roles.credential
    assert new.guid != old.guid


def test_a_device_in_doubt_is_taken_by_an_owner_that_knows_the_old_one_only(
    tmp_path: Path,
) -> None:
    roles = Roles(sold(BYPASS))
    machine = device_of(roles, tmp_path)
    lossy = network(roles, b"\0", lost={MsgType.TO2_DONE})
    with pytest.raises(NobodyThere):
        Onboarder(machine, lossy.client()).run()
    taken = Onboarder(machine, network(roles, b"\0").client()).run()
    assert taken.previous_guid == roles.credential.guid


def test_an_address_signed_by_a_stranger_ends_before_the_device_proves_itself(
    tmp_path: Path,
) -> None:
    chain = sold(THROUGH_RV)
    stranger = sold(THROUGH_RV)
    roles = Roles(chain)
    net = network(roles, registration(stranger))
    with pytest.raises(NobodyThere):
        Onboarder(device_of(roles, tmp_path), net.client()).run()
    assert (OWNER, int(MsgType.TO2_PROVE_DEVICE)) not in net.asked
    assert net.reports  # the owner has been told


def test_an_owner_of_another_voucher_is_not_obeyed(tmp_path: Path) -> None:
    roles = Roles(sold(BYPASS))
    machine = device_of(roles, tmp_path)
    (tmp_path / "hmac.secret").write_bytes(bytes(32))
    with pytest.raises(NobodyThere):
        Onboarder(machine, network(roles, b"\0").client()).run()
    assert machine.identity().owner is None


def test_a_copy_without_the_device_key_is_refused(tmp_path: Path) -> None:
    roles = Roles(sold(BYPASS))
    machine = device_of(roles, tmp_path)
    thief = ec.generate_private_key(ec.SECP256R1())
    der = thief.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "device-key.der").write_bytes(der)
    net = network(roles, b"\0")
    with pytest.raises(NobodyThere, match="error 101"):
        Onboarder(machine, net.client()).run()
    assert not net.effects


def test_waits_between_rounds_are_as_told_give_or_take_a_quarter(
    tmp_path: Path,
) -> None:
    roles = Roles(sold({**BYPASS, "delay": 40}))
    waits: list[float] = []
    patience = Patience(rounds=3, sleep=waits.append)
    net = FdoHttp({})
    with pytest.raises(NobodyThere, match="does not answer"):
        Onboarder(device_of(roles, tmp_path), net.client(), patience).run()
    assert len(waits) == 2
    assert all(30 <= wait <= 50 for wait in waits)


def test_a_device_that_was_never_made_says_so(tmp_path: Path) -> None:
    config = DeviceConfig("SN-1", "generic-sbc-tpm", "b", None)
    with pytest.raises(NotOnboarded, match="device di"):
        Onboarder(Machine(config, tmp_path), FdoHttp({}).client()).run()
