"""Credentials reused and replaced, and devices sold on, over real HTTP."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from onboarding.protocol.device_env import Onboarded
from onboarding.protocol.errors import PeerFailed, ReuseRefused
from onboarding.protocol.step import Send
from onboarding.protocol.to2_device import To2Device
from onboarding.services.key_material import KeyAlgorithm
from onboarding.services.key_store import KeyKind, KeyStore
from onboarding.wire.message import MsgType
from onboarding.wire.to2_secure import SetupDevicePayload
from ownership_vouchers.pem import load_vouchers
from ownership_vouchers.verify import verify
from tests.support.databases import NewDatabase
from tests.support.fdo_chain import Chain, eventually, joined, state_of
from tests.support.resale import Buyer, call, onboard, plan, running_buyer
from tests.support.services import PASSPHRASE, Wire

pytest_plugins = ["tests.support.service_fixtures"]


@pytest.fixture(scope="module")
def buyer(
    tmp_path_factory: pytest.TempPathFactory, databases: NewDatabase
) -> Iterator[Buyer]:
    with running_buyer(tmp_path_factory.mktemp("buyer"), databases) as found:
        yield found


def test_a_credential_is_reused_as_often_as_the_owner_likes(fdo_chain: Chain) -> None:
    device = fdo_chain.bought()
    shown = plan(fdo_chain, device, mode="reuse")
    assert (shown["mode"], shown["set_for"]) == ("reuse", "this device")
    path, before = f"/vouchers/{device.credential.guid}", device.credential
    voucher = call(fdo_chain, "GET", path)
    for _ in range(2):
        eventually(lambda: state_of(fdo_chain, device) in ("registered", "owned"))
        to1d = Wire.to(fdo_chain.rendezvous.url).run(device.to1())
        onboard(fdo_chain, device, to1d=to1d, allow_reuse=True)
        assert device.credential == before
        assert call(fdo_chain, "GET", path) == voucher
    shown = call(fdo_chain, "GET", f"/devices/{before.guid}")
    assert (shown["state"], shown["credential"]) == ("owned", "reused")
    with pytest.raises(ReuseRefused):
        onboard(fdo_chain, device)
    plan(fdo_chain, device, mode=None)
    device.onboard(Wire.to(fdo_chain.replica().url))  # one that remembers nothing
    assert device.credential.guid != before.guid


def test_reuse_can_be_the_rule_and_replacement_the_exception(
    tmp_path: Path, databases: NewDatabase
) -> None:
    for chain in joined(tmp_path, KeyAlgorithm.P256, databases=databases):
        rule = chain.owner_settings.model_copy(update={"credential_reuse": True})
        owner = chain.more.enter_context(chain.site.serve(rule))
        device = chain.bought()
        before = device.credential.guid
        path = f"/vouchers/{before}/credential"
        shown = owner.call(chain.owner_key, "GET", path).json()
        assert (shown["mode"], shown["set_for"]) == ("reuse", "all")
        device.onboard(Wire.to(owner.url), allow_reuse=True)
        assert device.credential.guid == before
        owner.call(chain.owner_key, "PUT", path, json={"mode": "replace"})
        fresh = chain.more.enter_context(chain.site.serve(rule))
        device.onboard(Wire.to(fresh.url), allow_reuse=True)
        assert device.credential.guid != before


def test_a_device_is_given_other_rendezvous_info_and_another_key_of_its_owner(
    tmp_path: Path, databases: NewDatabase
) -> None:
    for chain in joined(tmp_path, KeyAlgorithm.P256, databases=databases):
        store = KeyStore(chain.site.directory / "keys", PASSPHRASE)
        other = store.create("second", KeyKind.OWNER, KeyAlgorithm.P256)
        device = chain.bought()
        directives = [{"dns": "rv2.example", "protocol": "https", "device_port": 8443}]
        plan(
            chain,
            device,
            mode="replace",
            directives=directives,
            owner_fingerprint=other.fingerprint,
        )
        onboard(chain, device)
        pem = chain.owner.call(
            chain.owner_key, "GET", f"/vouchers/{device.credential.guid}/pem"
        ).text
        (voucher,) = load_vouchers(pem.encode())
        assert voucher.owner_key.fingerprint() == other.fingerprint
        assert voucher.header.rv_info.describe() == directives
        assert voucher.header.rv_info.raw == device.credential.rv_info
        # The HMAC of 66 is over the very header that the owner put together.
        assert voucher.hmac.value == device.mac.mac(voucher.header.raw)


def test_a_key_that_is_gone_ends_to2_and_nothing_is_changed(
    tmp_path: Path, databases: NewDatabase
) -> None:
    """The device is to be given to a key of ours, and that key's file is lost."""
    for chain in joined(tmp_path, KeyAlgorithm.P256, databases=databases):
        keys = chain.site.directory / "keys"
        before = {*keys.iterdir()}
        store = KeyStore(keys, PASSPHRASE)
        other = store.create("second", KeyKind.OWNER, KeyAlgorithm.P256)
        device = chain.bought()
        plan(chain, device, mode="replace", owner_fingerprint=other.fingerprint)
        for lost in {*keys.iterdir()} - before:
            lost.unlink()
        with pytest.raises(PeerFailed) as refused:
            device.onboard(Wire.to(chain.replica().url))
        assert int(refused.value.message.code) == 500
        assert state_of(chain, device) in ("imported", "registered")


def test_a_device_is_sold_on_and_onboarded_by_its_buyer(
    fdo_chain: Chain, buyer: Buyer
) -> None:
    device = fdo_chain.bought()
    first = device.credential.guid
    onboard(fdo_chain, device)
    second = device.credential.guid
    path, body = (
        f"/vouchers/{second}/resell",
        {"next_owner_pem": buyer.owner_key.public_pem},
    )
    sold = call(fdo_chain, "POST", path, json=body)
    assert sold["owner_fingerprint"] == buyer.owner_key.fingerprint
    (voucher,) = load_vouchers(sold["pem"].encode())
    verify(voucher)
    assert state_of(fdo_chain, device) == "retired"
    assert buyer.call("POST", "/vouchers", content=sold["pem"]).json()["imported"] == 1
    with pytest.raises(PeerFailed) as refused:  # the seller is done with it
        onboard(fdo_chain, device)
    assert int(refused.value.message.code) == 6
    again = fdo_chain.owner.call(fdo_chain.owner_key, "POST", path, json=body)
    assert (again.status_code, again.json()["code"]) == (409, "not-our-voucher")
    pem = fdo_chain.owner.call(fdo_chain.owner_key, "GET", f"/vouchers/{second}/pem")
    assert pem.text == sold["pem"]  # a lost answer is no lost voucher

    device.onboard(Wire.to(buyer.service.url))
    shown = buyer.call("GET", f"/devices/{device.credential.guid}").json()
    assert (shown["state"], shown["previous_guid"]) == ("owned", str(second))
    line = call(fdo_chain, "GET", f"/vouchers/{second}/lineage")["items"]
    assert [(one["guid"], one["standing"]) for one in line] == [
        (str(second), "live"),
        (str(first), "kept"),
    ]


def test_a_device_is_sold_before_it_was_ever_switched_on_and_bought_back(
    fdo_chain: Chain, buyer: Buyer
) -> None:
    device = fdo_chain.bought()
    guid = device.credential.guid
    body = {"next_owner_pem": buyer.owner_key.public_pem}
    sold = call(fdo_chain, "POST", f"/vouchers/{guid}/resell", json=body)
    buyer.call("POST", "/vouchers", content=sold["pem"])
    ours = fdo_chain.site.keys[KeyKind.OWNER].public_pem
    body = {"next_owner_pem": ours}
    back = buyer.call("POST", f"/vouchers/{guid}/resell", json=body).json()
    assert fdo_chain.take(back["pem"]).json()["extended"] == 1
    assert state_of(fdo_chain, device) in ("imported", "registered")
    onboard(fdo_chain, device)
    assert state_of(fdo_chain, device) == "owned"


def test_a_device_that_is_sold_while_it_is_onboarded_stays_sold(
    fdo_chain: Chain, buyer: Buyer
) -> None:
    device = fdo_chain.bought()
    guid = device.credential.guid
    wire, body = (
        Wire.to(fdo_chain.owner.url),
        {"next_owner_pem": buyer.owner_key.public_pem},
    )

    def sell(move: Send, _token: str | None) -> None:
        if move.type is MsgType.TO2_DONE:
            call(fdo_chain, "POST", f"/vouchers/{guid}/resell", json=body)

    wire.before = sell
    with pytest.raises(PeerFailed) as refused:
        device.onboard(wire)
    assert int(refused.value.message.code) == 101
    assert state_of(fdo_chain, device) == "retired"
    found = call(fdo_chain, "GET", f"/vouchers/{guid}")
    assert found["owner_fingerprint"] == buyer.owner_key.fingerprint


def test_a_retired_device_is_not_onboarded(fdo_chain: Chain) -> None:
    device = fdo_chain.bought()
    path = f"/devices/{device.credential.guid}/retire"
    call(fdo_chain, "POST", path, json={"reason": "scrapped"})
    with pytest.raises(PeerFailed) as refused:
        onboard(fdo_chain, device)
    assert int(refused.value.message.code) == 6


REFUSED_SALES = {
    "to ourselves": (409, "own-key"),
    "under a GUID it had before": (409, "superseded-voucher"),
}


@pytest.mark.parametrize("name", REFUSED_SALES)
def test_a_sale_that_makes_no_sense_is_refused(
    fdo_chain: Chain, buyer: Buyer, name: str
) -> None:
    device = fdo_chain.bought()
    guid = device.credential.guid
    pem = buyer.owner_key.public_pem
    if name == "to ourselves":
        pem = fdo_chain.site.keys[KeyKind.OWNER].public_pem
    else:
        onboard(fdo_chain, device)
    reply = fdo_chain.owner.call(
        fdo_chain.owner_key,
        "POST",
        f"/vouchers/{guid}/resell",
        json={"next_owner_pem": pem},
    )
    assert (reply.status_code, reply.json()["code"]) == REFUSED_SALES[name]
    assert state_of(fdo_chain, device) != "retired"


def test_a_lost_71_is_made_good_by_the_old_credential_and_shown_in_the_lineage(
    fdo_chain: Chain,
) -> None:
    device = fdo_chain.bought()
    before = device.credential
    onboard(fdo_chain, device)
    lost = device.credential.guid
    device.credential = before  # 71 never arrived
    onboard(fdo_chain, device)
    line = call(fdo_chain, "GET", f"/vouchers/{before.guid}/lineage")["items"]
    standing = {one["guid"]: one["standing"] for one in line}
    assert standing[str(device.credential.guid)] == "live"
    assert standing[str(before.guid)] == "served"
    assert lost != device.credential.guid
    old = call(fdo_chain, "GET", f"/vouchers/{before.guid}")
    assert (old["superseded"], old["entries"]) == (True, 1)


class WithoutResale(To2Device):
    """A device that cannot take a new credential: it sends no HMAC."""

    def _reused(self, offer: SetupDevicePayload) -> bool:
        self.pending = Onboarded(None, offer.owner_key.raw, None)
        return True


def test_a_device_that_cannot_take_a_new_credential_keeps_its_own(
    fdo_chain: Chain,
) -> None:
    device = fdo_chain.bought()
    guid = device.credential.guid
    for _ in range(2):
        role = WithoutResale(device.to2_env())
        Wire.to(fdo_chain.owner.url).run(role)
        shown = call(fdo_chain, "GET", f"/devices/{guid}")
        assert (shown["state"], shown["credential"]) == ("owned", "kept")
        (only,) = call(fdo_chain, "GET", f"/vouchers/{guid}/lineage")["items"]
        assert (only["guid"], only["entries"]) == (str(guid), 1)


BAD_PLANS: dict[str, tuple[dict[str, Any], str]] = {
    "a mode there is not": ({"mode": "forget"}, "invalid"),
    "reuse with another key": (
        {"mode": "reuse", "owner_fingerprint": "0" * 64},
        "invalid",
    ),
    "a key that is not ours": (
        {"mode": "replace", "owner_fingerprint": "0" * 64},
        "not-our-key",
    ),
    "rendezvous info that is none": (
        {"mode": "replace", "directives": [{"color": "red"}]},
        "malformed",
    ),
}


@pytest.mark.parametrize("name", BAD_PLANS)
def test_a_plan_that_cannot_be_carried_out_is_refused(
    fdo_chain: Chain, name: str
) -> None:
    body, code = BAD_PLANS[name]
    device = fdo_chain.bought()
    path = f"/vouchers/{device.credential.guid}/credential"
    reply = fdo_chain.owner.call(fdo_chain.owner_key, "PUT", path, json=body)
    status = 409 if code == "not-our-key" else 422  # our keys may change, words not
    assert (reply.status_code, reply.json()["code"]) == (status, code)
    assert call(fdo_chain, "GET", path)["set_for"] == "all"
