"""The device agent against real services: through rendezvous, and over every bump."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from onboarding.device.config import DeviceConfig
from onboarding.device.errors import NobodyThere
from onboarding.device.factory import initialise
from onboarding.device.http import new_client
from onboarding.device.machine import Machine
from onboarding.device.onboard import Onboarder, Patience
from onboarding.device.progress import Diary, Kind, Progress, Story
from onboarding.protocol.errors import PeerFailed
from onboarding.services.key_material import KeyAlgorithm
from onboarding.services.key_store import KeyKind
from onboarding.services.settings import Role
from onboarding.store import apikeys
from onboarding.wire.message import MsgType
from ownership_vouchers.types import Guid
from tests.support.databases import NewDatabase
from tests.support.fdo_chain import Chain, eventually, joined
from tests.support.lossy import Lossy
from tests.support.rv_stubs import nobody
from tests.support.services import Running, Site


@pytest.fixture(scope="module")
def chain(
    tmp_path_factory: pytest.TempPathFactory, databases: NewDatabase
) -> Iterator[Chain]:
    for chain in joined(
        tmp_path_factory.mktemp("onboarding"), KeyAlgorithm.P256, databases=databases
    ):
        ours = [chain.site.keys[kind].fingerprint for kind in KeyKind]
        trust = {"manufacturers": ours}
        chain.rendezvous.call(chain.rendezvous_key, "PUT", "/trust", json=trust)
        yield chain


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with closing(new_client()) as client:
        yield client


def call(chain: Chain, method: str, path: str, **kwargs: Any) -> Any:
    reply = chain.owner.call(chain.owner_key, method, path, **kwargs)
    assert reply.status_code == 200, reply.text
    return reply.json()


def made(chain: Chain, directory: Path, *directives: dict[str, Any]) -> Machine:
    """A device of the factory, told to try ``directives``, sold and imported."""
    old = chain.factory.call(chain.factory_key, "GET", "/rvinfo").json()["directives"]
    body = {"directives": list(directives) or old}
    reply = chain.factory.call(chain.factory_key, "PUT", "/rvinfo", json=body)
    assert reply.status_code == 200, reply.text
    machine = Machine(DeviceConfig("SN-1", "generic-sbc-tpm", "b", None), directory)
    with closing(new_client()) as client:
        guid = initialise(machine, client, chain.factory.url).identity.active.guid
    chain.factory.call(chain.factory_key, "PUT", "/rvinfo", json={"directives": old})
    pem = chain.factory.call(
        chain.factory_key,
        "POST",
        f"/vouchers/{guid}/extend",
        json={"next_owner_pem": chain.site.keys[KeyKind.OWNER].public_pem},
    ).json()["pem"]
    assert chain.take(pem).json()["imported"] == 1
    return machine


def announced(owner: Running, key: str, guid: Guid) -> None:
    """Wait until rendezvous knows the device."""

    def registered() -> bool:
        listed = owner.call(key, "GET", "/to0").json()["items"]
        return {"guid": str(guid), "state": "registered"}.items() <= next(
            (one for one in listed if one["guid"] == str(guid)), {}
        ).items()

    eventually(registered)


def at(url: str, **more: Any) -> dict[str, Any]:
    """A directive that leads to ``url``."""
    parsed = httpx.URL(url)
    port = {"device_port": parsed.port, "owner_port": parsed.port}
    return {"ip": parsed.host, **port, "protocol": "http", **more}


def state_of(chain: Chain, guid: Guid) -> str:
    return str(call(chain, "GET", f"/devices/{guid}")["state"])


@contextmanager
def a_buyer(
    factory: pytest.TempPathFactory, databases: NewDatabase
) -> Iterator[tuple[Running, str, str]]:
    """A second owner: its service, a key of its API, and its public key as PEM."""
    site = Site(factory.mktemp("buyer"), own_keys=True, databases=databases)
    settings = site.settings(Role.OWNER)
    key = site.api_key(settings, apikeys.Role.ADMIN)
    with site.serve(settings) as service:
        url = httpx.URL(service.url)
        address = {"ip": url.host, "port": url.port, "protocol": "http"}
        body = {"addresses": [address]}
        assert service.call(key, "PUT", "/to2-address", json=body).is_success
        yield service, key, site.keys[KeyKind.OWNER].public_pem


def test_a_device_finds_its_owner_and_is_its_device(
    chain: Chain, client: httpx.Client, tmp_path: Path
) -> None:
    machine = made(chain, tmp_path)
    announced(chain.owner, chain.owner_key, machine.identity().active.guid)
    taken = Onboarder(machine, client).run()
    assert (taken.owner_url, state_of(chain, taken.guid)) == (chain.owner.url, "owned")


def test_bypass_leads_to_the_owner_without_rendezvous(
    chain: Chain, client: httpx.Client, tmp_path: Path
) -> None:
    machine = made(chain, tmp_path, at(chain.owner.url, bypass=True))
    taken = Onboarder(machine, client).run()
    assert state_of(chain, taken.guid) == "owned"


def test_where_the_first_server_is_down_the_second_is_asked(
    chain: Chain, client: httpx.Client, tmp_path: Path
) -> None:
    down = at(f"http://127.0.0.1:{nobody()}", device_only=True, delay=9)
    machine = made(chain, tmp_path, down, at(chain.rendezvous.url))
    announced(chain.owner, chain.owner_key, machine.identity().active.guid)
    waits: list[float] = []
    seen: list[Progress] = []
    tell = Diary(tmp_path, seen.append)
    patience = Patience(sleep=waits.append, draw=lambda: 0.0)
    Onboarder(machine, client, patience, tell=tell).run()
    assert waits == [6.75]
    assert [one.kind for one in seen] == [
        Kind.TRYING,
        Kind.FAILED,
        Kind.WAITING,
        Kind.TRYING,
        Kind.TRYING,
        Kind.TAKEN,
    ]
    assert Story.load(tmp_path) == Story("taken", chain.owner.url)


def test_a_name_is_tried_at_all_its_addresses(
    chain: Chain, client: httpx.Client, tmp_path: Path
) -> None:
    """Nobody listens at the first of them."""
    port = httpx.URL(chain.owner.url).port
    named = {"dns": "owner.test", "device_port": port, "protocol": "http"}
    machine = made(chain, tmp_path, {**named, "bypass": True})
    taken = Onboarder(
        machine, client, resolve=lambda _host, _port: ["127.0.0.77", "127.0.0.1"]
    ).run()
    assert taken.owner_url == f"http://owner.test:{port}"


def test_a_lost_71_costs_a_second_run_and_nothing_else(
    chain: Chain, tmp_path: Path
) -> None:
    machine = made(chain, tmp_path, at(chain.owner.url, bypass=True, delay=1))
    before = machine.identity().active
    lossy = Lossy({MsgType.TO2_DONE})
    with httpx.Client(transport=lossy) as client:
        with pytest.raises(NobodyThere, match="connection reset"):
            Onboarder(machine, client).run()
        in_doubt = machine.identity()
        assert (in_doubt.active, in_doubt.owner) == (before, None)
        assert in_doubt.pending is not None
        lost = in_doubt.pending.credential.guid
        assert state_of(chain, lost) == "owned"  # for the owner it was over
        taken = Onboarder(machine, client).run()
    assert taken.previous_guid == before.guid  # the newer one has no entries yet
    line = call(chain, "GET", f"/vouchers/{before.guid}/lineage")["items"]
    standing = {one["guid"]: one["standing"] for one in line}
    assert standing == {
        str(taken.guid): "live",
        str(lost): "served",
        str(before.guid): "served",
    }


def test_a_device_that_lost_71_and_was_sold_finds_its_buyer(
    chain: Chain,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    databases: NewDatabase,
) -> None:
    """Only the buyer knows the credential that the device never had confirmed."""
    with a_buyer(tmp_path_factory, databases) as (buyer, key, pem):
        both = at(chain.owner.url, bypass=True), at(buyer.url, bypass=True)
        machine = made(chain, tmp_path, *both)
        with httpx.Client(transport=Lossy({MsgType.TO2_DONE})) as client:
            with pytest.raises(NobodyThere):
                Onboarder(machine, client).run()
            pending = machine.identity().pending
            assert pending is not None
            guid = pending.credential.guid
            path, body = f"/vouchers/{guid}/resell", {"next_owner_pem": pem}
            sold = call(chain, "POST", path, json=body)["pem"]
            buyer.call(key, "POST", "/vouchers", content=sold)
            taken = Onboarder(machine, client).run()
        assert (taken.owner_url, taken.previous_guid) == (buyer.url, guid)


def test_a_device_is_resold_and_onboarded_at_its_second_owner_through_rendezvous(
    chain: Chain,
    client: httpx.Client,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    databases: NewDatabase,
) -> None:
    machine = made(chain, tmp_path)
    announced(chain.owner, chain.owner_key, machine.identity().active.guid)
    first = Onboarder(machine, client).run()
    with a_buyer(tmp_path_factory, databases) as (buyer, key, pem):
        path, body = f"/vouchers/{first.guid}/resell", {"next_owner_pem": pem}
        sold = call(chain, "POST", path, json=body)["pem"]
        assert buyer.call(key, "POST", "/vouchers", content=sold).status_code == 200
        announced(buyer, key, first.guid)
        second = Onboarder(machine, client).run()
        assert (second.owner_url, second.previous_guid) == (buyer.url, first.guid)
        kept = [one.guid for one in machine.identity().candidates()]
        assert kept == [second.guid]  # the seller's voucher opens nothing any more
        shown = buyer.call(key, "GET", f"/devices/{second.guid}").json()
        assert (shown["state"], shown["credential"]) == ("owned", "replaced")
    assert state_of(chain, first.guid) == "retired"


def test_a_credential_is_reused_twice_and_then_refused(
    chain: Chain, client: httpx.Client, tmp_path: Path
) -> None:
    machine = made(chain, tmp_path, at(chain.owner.url, bypass=True))
    before = machine.identity().active
    path = f"/vouchers/{before.guid}/credential"
    call(chain, "PUT", path, json={"mode": "reuse"})
    for _ in "ab":
        taken = Onboarder(machine, client).run()
        assert taken.guid == before.guid
        identity = machine.identity()
        assert identity.candidates() == (before,)
        assert identity.owner is not None
    machine.config = replace(machine.config, allow_reuse=False)
    with pytest.raises(NobodyThere, match="stay as it is"):
        Onboarder(machine, client).run()
    told = call(chain, "GET", f"/devices/{before.guid}/timeline")["items"][-1]
    assert told["cause"] == "ownership.refused"  # the owner was told by a 255


def test_a_device_that_nobody_bought_is_told_so_by_everyone(
    chain: Chain, client: httpx.Client, tmp_path: Path
) -> None:
    machine = made(chain, tmp_path, at(chain.rendezvous.url, device_only=True))
    with pytest.raises(NobodyThere) as ended:
        Onboarder(machine, client, Patience(2, sleep=lambda _s: None)).run()
    errors = [error for _, error in ended.value.failures]
    assert [type(one) for one in errors] == [PeerFailed, PeerFailed]
    assert "error 6" in str(errors[0])
