"""TO1 and TO2 over HTTP, against the real server roles, on a device without a TPM."""

from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from hw.errors import CredentialError
from onboarding.device.config import DeviceConfig
from onboarding.device.credential import Identity
from onboarding.device.errors import NobodyThere, NotOnboarded
from onboarding.device.machine import Machine
from onboarding.device.onboard import Onboarder, Patience
from onboarding.device.progress import Kind, Progress
from onboarding.wire.error import ErrorMessage
from onboarding.wire.message import MsgType
from tests.support.fdo_http import FdoHttp
from tests.support.fdo_roles import Roles
from tests.support.machines import machine_of
from tests.support.ways import (
    BYPASS,
    OWNER,
    RV,
    THROUGH_RV,
    network,
    nowhere,
    registration,
    sold,
)


def test_a_device_goes_through_rendezvous_to_its_owner(tmp_path: Path) -> None:
    roles = Roles(sold(THROUGH_RV))
    net, machine = network(roles), machine_of(roles, tmp_path)
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
    Onboarder(machine_of(roles, tmp_path), net.client()).run()
    assert {host for host, _ in net.asked} == {OWNER}


def test_directives_are_tried_in_their_order_until_one_works(tmp_path: Path) -> None:
    dead = {**THROUGH_RV, "ip": "192.0.2.9"}
    roles = Roles(sold(dead, THROUGH_RV))
    net = network(roles)
    Onboarder(machine_of(roles, tmp_path), net.client()).run()
    assert [host for host, _ in net.asked[:2]] == ["192.0.2.9:8040", RV]


def test_the_first_token_is_sent_back_in_every_later_message(tmp_path: Path) -> None:
    roles = Roles(sold(BYPASS))
    net = network(roles, b"\0")
    Onboarder(machine_of(roles, tmp_path), net.client()).run()
    assert net.tokens[0] is None
    assert len(set(net.tokens[1:])) == 1


def test_a_reused_credential_stays_as_it_is(tmp_path: Path) -> None:
    roles = Roles(sold(BYPASS), reuse=True)
    machine = machine_of(roles, tmp_path)
    taken = Onboarder(machine, network(roles, b"\0").client()).run()
    assert taken.guid == roles.credential.guid
    assert machine.identity().candidates() == (roles.credential,)


def test_a_lost_last_message_leaves_the_device_with_both_credentials(
    tmp_path: Path,
) -> None:
    roles = Roles(sold(BYPASS))
    machine = machine_of(roles, tmp_path)
    net = network(roles, b"\0", lost={MsgType.TO2_DONE})
    with pytest.raises(NobodyThere):
        Onboarder(machine, net.client()).run()
    assert net.effects  # the owner has taken it over all the same
    identity = machine.identity()
    new, old = identity.candidates()
    assert old == identity.active == roles.credential
    assert new.guid != old.guid
    assert identity.owner is None  # nothing is taken on before 71
    assert identity.pending is not None
    assert identity.pending.owner.url == f"http://{OWNER}"


def test_a_device_that_lost_71_goes_on_in_the_next_round_with_what_still_works(
    tmp_path: Path,
) -> None:
    roles = Roles(sold({**BYPASS, "delay": 4}))
    machine = machine_of(roles, tmp_path)
    net = network(roles, b"\0", lost={MsgType.TO2_DONE})
    seen: list[Progress] = []

    def tell(progress: Progress) -> None:
        seen.append(progress)
        if progress.kind is Kind.WAITING:
            net.lost = ()

    patience = Patience(rounds=None, sleep=lambda _s: None)
    taken = Onboarder(machine, net.client(), patience, tell=tell, resolve=nowhere).run()
    assert taken.previous_guid == roles.credential.guid
    failed = [one.detail for one in seen if one.kind is Kind.FAILED]
    assert "connection reset" in failed[0]
    assert "rv2.example.test" in failed[1]  # where the newer one leads, tried first
    assert [one.guid for one in machine.identity().candidates()] == [taken.guid]


def test_a_device_in_doubt_is_taken_by_an_owner_that_knows_the_old_one_only(
    tmp_path: Path,
) -> None:
    roles = Roles(sold(BYPASS))
    machine = machine_of(roles, tmp_path)
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
        Onboarder(machine_of(roles, tmp_path), net.client()).run()
    assert (OWNER, int(MsgType.TO2_PROVE_DEVICE)) not in net.asked
    assert net.reports  # the owner has been told


def test_an_owner_of_another_voucher_is_not_obeyed(tmp_path: Path) -> None:
    roles = Roles(sold(BYPASS))
    machine = machine_of(roles, tmp_path)
    (tmp_path / "hmac.secret").write_bytes(bytes(32))
    with pytest.raises(NobodyThere):
        Onboarder(machine, network(roles, b"\0").client()).run()
    assert machine.identity().owner is None


def test_a_copy_without_the_device_key_is_refused(tmp_path: Path) -> None:
    roles = Roles(sold(BYPASS))
    machine = machine_of(roles, tmp_path)
    thief = ec.generate_private_key(ec.SECP256R1())
    der = thief.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "device-key.der").write_bytes(der)
    net = network(roles, b"\0")
    with pytest.raises(NobodyThere, match="error 101"):
        Onboarder(machine, net.client()).run()
    assert not net.effects


def test_a_reused_credential_can_be_refused_and_the_owner_is_told(
    tmp_path: Path,
) -> None:
    roles = Roles(sold(BYPASS), reuse=True)
    machine = machine_of(roles, tmp_path)
    machine.config = replace(machine.config, allow_reuse=False)
    net = network(roles, b"\0")
    with pytest.raises(NobodyThere, match="stay as it is"):
        Onboarder(machine, net.client()).run()
    (report,) = map(ErrorMessage.from_cbor, net.reports)
    assert (int(report.code), report.previous) == (102, MsgType.TO2_SETUP_DEVICE)
    assert net.tokens[-1] is not None  # it is this run that ends
    assert net.tokens[-1] == net.tokens[-2]
    assert machine.identity() == Identity(roles.credential)


def test_a_credential_that_cannot_be_kept_ends_the_run_before_70_and_is_told(
    tmp_path: Path,
) -> None:
    roles = Roles(sold(BYPASS))
    machine = machine_of(roles, tmp_path)

    class Full(Machine):
        def keep(self, identity: Identity) -> None:
            raise CredentialError("no room")

    full = Full(machine.config, tmp_path)
    net = network(roles, b"\0")
    with pytest.raises(NobodyThere, match="no room"):
        Onboarder(full, net.client()).run()
    assert (OWNER, int(MsgType.TO2_DONE)) not in net.asked
    assert [int(ErrorMessage.from_cbor(one).code) for one in net.reports] == [500]
    assert machine.identity() == Identity(roles.credential)


def test_a_device_that_was_never_made_says_so(tmp_path: Path) -> None:
    config = DeviceConfig("SN-1", "generic-sbc-tpm", "b", None)
    with pytest.raises(NotOnboarded, match="device di"):
        Onboarder(Machine(config, tmp_path), FdoHttp({}).client()).run()
