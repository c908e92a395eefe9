"""Who may register at a rendezvous server, over real HTTP, on either database."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from onboarding.cli.app import run
from onboarding.protocol.device_env import To0OwnerEnv
from onboarding.protocol.errors import PeerFailed
from onboarding.protocol.to0_owner import To0Owner
from onboarding.protocol.to1_device import To1Device
from onboarding.services.settings import Role as Service
from onboarding.store.apikeys import Role
from tests.support.api_bench import Api
from tests.support.cli_site import Capture, answer
from tests.support.databases import NewDatabase
from tests.support.fdo_roles import Roles
from tests.support.services import Site, Wire
from tests.support.short_roles import ADDRESS
from tests.support.supply_chain import SupplyChain

pytest_plugins = ["tests.support.service_fixtures"]
QUOTA = 3


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, databases: NewDatabase
) -> Iterator[Api]:
    """A rendezvous server by itself, where one owner may register three devices."""
    site = Site(tmp_path_factory.mktemp("rendezvous"), databases=databases)
    settings = site.settings(
        Service.RENDEZVOUS,
        rendezvous_min_seconds=60,
        rendezvous_default_seconds=600,
        rendezvous_max_seconds=6000,
        rendezvous_owner_quota=QUOTA,
    )
    keys = {role: site.api_key(settings, role) for role in Role}
    with site.serve(settings) as service:
        yield Api(site, service, keys)


@dataclass
class Market:
    """A maker whom the server trusts, and what its devices' owners do there."""

    api: Api
    chain: SupplyChain

    @property
    def url(self) -> str:
        return self.api.service.url

    @property
    def maker(self) -> str:
        return self.chain.manufacturer.public_key.fingerprint()

    @property
    def owner(self) -> str:
        return self.chain.owner.public_key.fingerprint()

    def make(self, buyer: str = "owner") -> None:
        self.chain.make_device().sell_to("dealer").sell_to(buyer)

    def register(self, seconds: int = 600) -> int:
        """TO0 for the present device by its present owner; return what is granted."""
        chain = self.chain
        env = To0OwnerEnv(chain.voucher, chain.owner.signer, (ADDRESS,), seconds)
        return int(Wire.to(self.url).run(To0Owner(env)))

    def ask(self) -> bytes:
        """TO1 of the present device."""
        found = Wire.to(self.url).run(To1Device(Roles(self.chain).to1_device_env()))
        assert isinstance(found, bytes)
        return found

    def rule(self, holder: str, key: str, **body: object) -> None:
        path = f"/key-rules/{holder}/{key}"
        reply = self.api.call("PUT", path, Role.SECURITY, json=body)
        assert reply.status_code == 200, reply.text

    def forget(self, holder: str, key: str) -> None:
        path = f"/key-rules/{holder}/{key}"
        assert self.api.call("DELETE", path, Role.SECURITY).status_code == 204

    def why(self, protocol: str) -> str:
        """What the server's trace says of the present device's newest refusal."""
        path = f"/diagnosis?guid={self.chain.guid}"
        runs = self.api.call("GET", path, Role.OPERATOR).json()["runs"]
        mine = [one for one in runs if one["protocol"] == protocol]
        return str(next(one["error"] for one in mine if one["error"]))


@pytest.fixture
def market(server: Api) -> Market:
    made = Market(server, SupplyChain())
    trust = {"manufacturers": [made.maker]}
    assert server.call("PUT", "/trust", json=trust).status_code == 200
    made.make()
    return made


def refused(market: Market, code: int = 2) -> str:
    """The owner is turned away; return the reason in the server's trace."""
    with pytest.raises(PeerFailed) as failed:
        market.register()
    assert int(failed.value.message.code) == code
    return market.why("TO0")


def test_what_is_granted_is_within_the_servers_bounds(market: Market) -> None:
    asked = (0xFFFFFFFF, 0, 1, 600, 6001)
    assert [market.register(one) for one in asked] == [600, 600, 60, 600, 6000]


def test_a_denied_owner_is_refused_and_served_no_longer(market: Market) -> None:
    market.register()
    to1d = market.ask()
    market.rule("owner", market.owner, verdict="deny", reason="it was robbed")
    with pytest.raises(PeerFailed) as failed:
        market.ask()
    assert int(failed.value.message.code) == 6
    denied = f"the owner's key {market.owner} is denied here"
    path = f"/diagnosis?guid={market.chain.guid}"
    assert market.api.call("GET", path, Role.OPERATOR).json()["why"] == "denied"
    assert market.why("TO1") == f"it is registered, but {denied}"
    assert refused(market) == denied
    market.forget("owner", market.owner)
    assert market.ask() == to1d
    market.register()


def test_a_denied_manufacturer_is_refused_and_served_no_longer(market: Market) -> None:
    market.register()
    market.rule("manufacturer", market.maker, verdict="deny")
    with pytest.raises(PeerFailed) as failed:
        market.ask()
    assert int(failed.value.message.code) == 6
    assert refused(market) == f"the manufacturer's key {market.maker} is denied here"
    market.forget("manufacturer", market.maker)
    market.ask()


def test_where_one_owner_is_allowed_others_are_not(market: Market) -> None:
    market.rule("owner", "0" * 64, verdict="allow")
    assert "only allowed owners" in refused(market)
    market.rule("owner", market.owner, verdict="allow")
    market.register()
    for key in ("0" * 64, market.owner):
        market.forget("owner", key)


def test_allowed_owners_alone_need_no_list_of_manufacturers(market: Market) -> None:
    assert market.api.call("PUT", "/trust", json={}).status_code == 200
    assert "nobody is trusted here yet" in refused(market)
    market.rule("owner", market.owner, verdict="allow")
    market.register()
    market.forget("owner", market.owner)


def test_an_owner_over_its_quota_is_refused_and_the_operator_is_told(
    market: Market,
) -> None:
    for _ in range(QUOTA):
        market.make()
        market.register()
    market.make()
    assert refused(market) == (
        f"owner key {market.owner} holds {QUOTA} registrations, and its quota is"
        f" {QUOTA}"
    )
    listed = market.api.call("GET", "/registrations/owners", Role.OPERATOR).json()
    mine = [one for one in listed["items"] if one["fingerprint"] == market.owner]
    assert mine == [
        {
            "fingerprint": market.owner,
            "held": QUOTA,
            "quota": QUOTA,
            "verdict": None,
        }
    ]
    market.rule("owner", market.owner, quota=QUOTA + 1)
    market.register()
    market.register()  # a renewal
    market.make()
    assert f"its quota is {QUOTA + 1}" in refused(market)


def test_a_seller_does_not_take_its_place_again(market: Market) -> None:
    old = market.chain.voucher, market.chain.owner
    market.chain.sell_to("buyer")
    market.register()
    new = market.chain.voucher, market.chain.owner
    market.chain.voucher, market.chain.owner = old
    assert "sold on since" in refused(market)
    market.chain.voucher, market.chain.owner = new
    market.register()


def test_rules_are_set_listed_and_forgotten_by_command(
    server: Api, tmp_path: Path, capsys: Capture
) -> None:
    key = "ab" * 32
    (tmp_path / "key").write_text(server.keys[Role.SECURITY])
    at = ["--url", server.service.url, "--api-key-file", str(tmp_path / "key")]

    def call(*words: str, code: int = 0) -> dict[str, Any]:
        return answer(capsys, "rendezvous", *words, *at, code=code)

    assert call("allow", key, "--quota", "7")["quota"] == 7
    assert call("limit", key, "--quota", "9")["verdict"] is None
    assert call("deny", key, "--reason", "stolen")["verdict"] == "deny"
    assert call("deny", key, "--manufacturer")["holder"] == "manufacturer"
    (listed,) = [one for one in call("rules")["items"] if one["fingerprint"] == key]
    assert (listed["verdict"], listed["reason"]) == ("deny", "stolen")
    assert len(call("rules", "--manufacturer")["items"]) == 1
    call("forget", key)
    call("forget", key, "--manufacturer")
    assert "no rule" in str(call("forget", key, code=1)["error"])
    assert "no key's fingerprint" in str(call("deny", "AB" * 32, code=2)["error"])
    assert call("owners")["live"] >= 0
    assert run(["rendezvous", "rules", *at]) == 0
    assert run(["rendezvous", "owners", *at]) == 0
    assert "live registrations" in capsys.readouterr().out
