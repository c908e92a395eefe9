"""What a device tries on its way to its owner, how long, and what is told of it."""

import ssl
from pathlib import Path

import httpx
import pytest

from onboarding.device.errors import NobodyThere
from onboarding.device.onboard import FOLLOWED, Onboarder, Patience
from onboarding.device.progress import Kind, Progress
from onboarding.protocol.rv_medium import Interface
from onboarding.wire.message import MsgType
from ownership_vouchers.rendezvous import To2Address
from ownership_vouchers.to2_address import TransportProtocol
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


def test_every_address_of_a_name_is_tried_and_then_the_address_itself(
    tmp_path: Path,
) -> None:
    directive = {**THROUGH_RV, "dns": "rv.example"}
    roles = Roles(sold(directive))
    net, asked = network(roles), []

    def found(host: str, port: int) -> list[str]:
        asked.append((host, port))
        return ["192.0.2.7", "192.0.2.8"]

    Onboarder(machine_of(roles, tmp_path), net.client(), resolve=found).run()
    hosts = [host for host, kind in net.asked if kind == MsgType.TO1_HELLO_RV]
    assert hosts == ["192.0.2.7:8040", "192.0.2.8:8040", RV]
    assert asked == [("rv.example", 8040)]
    assert net.names[:3] == ["rv.example:8040", "rv.example:8040", RV]


def test_a_name_without_an_address_is_told_and_the_next_thing_tried(
    tmp_path: Path,
) -> None:
    roles = Roles(sold({**THROUGH_RV, "dns": "nowhere.example"}))
    seen: list[Progress] = []
    net = network(roles)
    Onboarder(
        machine_of(roles, tmp_path), net.client(), tell=seen.append, resolve=nowhere
    ).run()
    (failed,) = [one for one in seen if one.kind is Kind.FAILED]
    assert failed.detail == "the name nowhere.example has no address"


def test_every_address_of_to1d_is_tried(tmp_path: Path) -> None:
    roles = Roles(sold(THROUGH_RV))
    addresses = [
        To2Address("192.0.2.55", None, 1, TransportProtocol.COAP),
        To2Address("192.0.2.3", None, 8042, TransportProtocol.HTTP),
        To2Address("192.0.2.2", "owner.example", 8042, TransportProtocol.HTTP),
    ]
    net = network(roles, registration(roles.chain, addresses=addresses))
    taken = Onboarder(
        machine_of(roles, tmp_path), net.client(), resolve=lambda _h, _p: ["192.0.2.2"]
    ).run()
    hosts = [host for host, kind in net.asked if kind == MsgType.TO2_HELLO_DEVICE]
    assert hosts == ["192.0.2.3:8042", OWNER]
    assert taken.owner_url == "http://owner.example:8042"  # the name, not its address


def test_what_a_rendezvous_server_names_holds_nobody_up_for_long(
    tmp_path: Path,
) -> None:
    """Whoever sits there could name addresses where nothing ever ends."""
    roles = Roles(sold(THROUGH_RV))
    dead = [
        To2Address(f"192.0.2.{number}", None, 1, TransportProtocol.HTTP)
        for number in range(60, 70)
    ]
    net = network(roles, registration(roles.chain, addresses=dead))

    def tried() -> int:
        return [kind for _, kind in net.asked].count(MsgType.TO2_HELLO_DEVICE)

    patient = Patience(monotonic=lambda: tried() * FOLLOWED * 0.6)
    with pytest.raises(NobodyThere) as ended:
        Onboarder(machine_of(roles, tmp_path), net.client(), patient).run()
    assert tried() == 2
    where, why = ended.value.failures[-1]
    assert (where, "not tried" in str(why)) == ("owner http://192.0.2.62:1", True)


def test_servers_that_say_the_same_are_followed_once(tmp_path: Path) -> None:
    other = {**THROUGH_RV, "dns": "rv.example"}
    roles = Roles(sold(other))
    net = network(roles)
    del net.hosts[OWNER]
    with pytest.raises(NobodyThere) as ended:
        Onboarder(
            machine_of(roles, tmp_path),
            net.client(),
            resolve=lambda _h, _p: ["192.0.2.1"],
        ).run()
    kinds = [kind for _, kind in net.asked]
    assert kinds.count(MsgType.TO1_HELLO_RV) == 2
    assert kinds.count(MsgType.TO2_HELLO_DEVICE) == 1
    assert [where for where, _ in ended.value.failures] == [f"owner http://{OWNER}"]


def test_a_pinned_server_is_not_talked_to_without_tls(tmp_path: Path) -> None:
    pin = f"sha256:{'ab' * 32}"
    roles = Roles(sold({**BYPASS, "sv_cert_hash": pin}))
    net = network(roles, b"\0")
    with pytest.raises(NobodyThere, match="certificate is pinned"):
        Onboarder(machine_of(roles, tmp_path), net.client()).run()
    assert net.asked == []


def test_a_delay_is_waited_in_the_only_round_but_not_after_the_last_try(
    tmp_path: Path,
) -> None:
    dead = {**THROUGH_RV, "ip": "192.0.2.9", "delay": 20}
    roles = Roles(sold(dead, {**dead, "delay": 30}))
    waits: list[float] = []
    patience = Patience(sleep=waits.append, draw=lambda: 1.0)
    with pytest.raises(NobodyThere):
        Onboarder(machine_of(roles, tmp_path), FdoHttp({}).client(), patience).run()
    assert waits == [25.0]


def test_no_wait_is_longer_than_the_device_allows(tmp_path: Path) -> None:
    roles = Roles(sold({**BYPASS, "delay": 2**32 - 1}))
    waits: list[float] = []
    patience = Patience(rounds=2, max_delay=60.0, sleep=waits.append)
    with pytest.raises(NobodyThere):
        Onboarder(machine_of(roles, tmp_path), FdoHttp({}).client(), patience).run()
    assert waits == [60.0]


def test_a_device_with_nothing_to_try_never_runs_in_circles(tmp_path: Path) -> None:
    roles = Roles(sold({**BYPASS, "owner_only": True}))
    waits: list[float] = []
    patience = Patience(rounds=4, sleep=waits.append, draw=lambda: 0.5)
    with pytest.raises(NobodyThere, match="no address"):
        Onboarder(machine_of(roles, tmp_path), FdoHttp({}).client(), patience).run()
    assert waits == [120.0] * 3


def test_what_is_tried_and_when_it_is_tried_next_is_told(tmp_path: Path) -> None:
    dead = {**THROUGH_RV, "ip": "192.0.2.9", "delay": 20}
    radio = {**THROUGH_RV, "medium": 21, "wifi_ssid": "plant", "wifi_pw": "hunter2"}
    roles = Roles(sold({**dead, "owner_only": True}, dead, radio))
    seen: list[Progress] = []
    patience = Patience(sleep=lambda _s: None, draw=lambda: 0.5)
    net = network(roles)
    Onboarder(
        machine_of(roles, tmp_path),
        net.client(),
        patience,
        tell=seen.append,
        interfaces=lambda: None,
    ).run()
    assert [(str(one.kind), one.sentence) for one in seen] == [
        ("skipped", "directive 1: it is for the owner"),
        ("trying", "rendezvous http://192.0.2.9:8040"),
        (
            "failed",
            "rendezvous http://192.0.2.9:8040: http://192.0.2.9:8040/fdo/101/msg/30"
            " does not answer: connection refused",
        ),
        ("waiting", "20 s, as directive 2 says"),
        (
            "note",
            "directive 3: left to this machine's own network settings: any wireless"
            " interface, the wireless network 'plant'",
        ),
        ("trying", f"rendezvous http://{RV}"),
        ("trying", f"owner http://{OWNER}"),
        ("taken", f"http://{OWNER}"),
    ]


def test_a_directive_is_followed_by_its_medium_up_to_the_owner(tmp_path: Path) -> None:
    roles = Roles(sold({**THROUGH_RV, "medium": 9}, {**THROUGH_RV, "medium": 20}))
    net, seen, opened = network(roles), list[Progress](), list[str | None]()
    dead = FdoHttp({})
    here = [Interface("eth1", wireless=False), Interface("eth0", wireless=False)]

    def connect(_context: ssl.SSLContext, through: str | None) -> httpx.Client:
        opened.append(through)
        return (net if through == "eth1" else dead).client()

    Onboarder(
        machine_of(roles, tmp_path),
        dead.client(),
        tell=seen.append,
        interfaces=lambda: here,
        connect=connect,
    ).run()
    assert opened == ["eth0", "eth1", "eth1"]
    told = [one.sentence for one in seen if one.kind is not Kind.FAILED]
    assert told == [
        "directive 1: it is for wired interface 9, which is not on this machine",
        f"rendezvous http://{RV} by eth0",
        f"rendezvous http://{RV} by eth1",
        f"owner http://{OWNER} by eth1",
        f"http://{OWNER}",
    ]


def test_what_one_medium_could_not_reach_is_tried_by_the_next(tmp_path: Path) -> None:
    roles = Roles(sold({**THROUGH_RV, "medium": 20}))
    whole, half = network(roles), network(roles)
    del half.hosts[OWNER]
    here = [Interface(name, wireless=False) for name in ("eth0", "eth1")]

    def connect(_context: ssl.SSLContext, through: str | None) -> httpx.Client:
        return (half if through == "eth0" else whole).client()

    machine, idle = machine_of(roles, tmp_path), FdoHttp({}).client()
    Onboarder(machine, idle, interfaces=lambda: here, connect=connect).run()
    assert [host for host, _ in half.asked][-1] == OWNER
    assert [host for host, _ in whole.asked][-1] == OWNER


def test_waits_between_rounds_are_as_told_give_or_take_a_quarter(
    tmp_path: Path,
) -> None:
    roles = Roles(sold({**BYPASS, "delay": 40}))
    waits: list[float] = []
    patience = Patience(rounds=3, sleep=waits.append)
    net = FdoHttp({})
    with pytest.raises(NobodyThere, match="does not answer"):
        Onboarder(machine_of(roles, tmp_path), net.client(), patience).run()
    assert len(waits) == 2
    assert all(30 <= wait <= 50 for wait in waits)
