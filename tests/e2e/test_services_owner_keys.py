"""Owner keys rotated, given up and blocked under running services, over real HTTP."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import create_engine, text

from onboarding.protocol.errors import PeerFailed
from onboarding.protocol.step import Send
from onboarding.services.key_material import KeyAlgorithm
from onboarding.services.key_store import KeyInfo, KeyKind, KeyStore
from onboarding.wire.message import MsgType
from ownership_vouchers.pem import load_vouchers
from tests.support.databases import NewDatabase
from tests.support.fdo_chain import Chain, eventually, joined, state_of
from tests.support.services import PASSPHRASE, Wire
from tests.support.soft_device import SoftDevice


@pytest.fixture
def chain(tmp_path: Path, databases: NewDatabase) -> Iterator[Chain]:
    yield from joined(tmp_path, KeyAlgorithm.P256, databases=databases)


def ask(chain: Chain, method: str, path: str, **kwargs: Any) -> httpx.Response:
    return chain.owner.call(chain.owner_key, method, path, **kwargs)


def call(chain: Chain, method: str, path: str, **kwargs: Any) -> Any:
    reply = ask(chain, method, path, **kwargs)
    assert reply.status_code == 200, reply.text
    return reply.json()


def say(chain: Chain, key: KeyInfo, verb: str, **body: Any) -> Any:
    path = f"/keys/{key.fingerprint}/{verb}"
    return call(chain, "POST", path, json={"reason": "a test", **body})


def old_key(chain: Chain) -> KeyInfo:
    return chain.site.keys[KeyKind.OWNER]


def new_key(
    chain: Chain,
    name: str = "owner-2",
    algorithm: KeyAlgorithm = KeyAlgorithm.P256,
) -> KeyInfo:
    store = KeyStore(chain.site.directory / "keys", PASSPHRASE)
    return store.create(name, KeyKind.OWNER, algorithm)


def rotate(chain: Chain) -> KeyInfo:
    heir = new_key(chain)
    say(chain, old_key(chain), "rotate", successor=heir.fingerprint)
    return heir


def onboard(chain: Chain, device: SoftDevice) -> str:
    """Return the fingerprint of the key that owns the device from now on."""
    device.onboard(Wire.to(chain.owner.url))
    return owner_of(chain, device)


def owner_of(chain: Chain, device: SoftDevice) -> str:
    voucher = call(chain, "GET", f"/vouchers/{device.credential.guid}")
    return str(voucher["owner_fingerprint"])


def holds(chain: Chain, key: KeyInfo) -> dict[str, str]:
    items = call(chain, "GET", f"/keys/{key.fingerprint}/vouchers")["items"]
    assert all(one["holds"] for one in items), items
    return {one["guid"]: one["hold"] for one in items}


def test_a_rotation_moves_devices_from_their_next_to2_on(chain: Chain) -> None:
    before, during, after = (chain.bought() for _ in range(3))
    assert onboard(chain, before) == old_key(chain).fingerprint
    heirs: list[KeyInfo] = []

    def rotated(move: Send, _token: str | None) -> None:
        if move.type is MsgType.TO2_DEVICE_SERVICE_INFO and not heirs:
            heirs.append(rotate(chain))

    wire = Wire.to(chain.owner.url)
    wire.before = rotated
    during.onboard(wire)
    # What it was offered in 65 counts, whatever was said since.
    assert owner_of(chain, during) == old_key(chain).fingerprint
    (heir,) = heirs
    assert onboard(chain, after) == heir.fingerprint
    found = holds(chain, old_key(chain))
    assert found[str(before.credential.guid)] == "onboarded"
    assert found[str(during.credential.guid)] == "onboarded"
    assert sorted(found.values()) == ["fallback"] * 3 + ["onboarded"] * 2
    assert holds(chain, heir) == {str(after.credential.guid): "onboarded"}


def test_a_key_retires_when_its_last_device_has_moved(chain: Chain) -> None:
    device = chain.bought()
    onboard(chain, device)
    heir, old = rotate(chain), old_key(chain)
    path = f"/keys/{old.fingerprint}"
    body = {"reason": "all moved"}
    refused = ask(chain, "POST", f"{path}/retire", json=body)
    assert (refused.status_code, refused.json()["code"]) == (409, "key-in-use")
    assert refused.json()["holdings"]["onboarded"] == 1

    guid = str(device.credential.guid)
    buyer = {"next_owner_pem": heir.public_pem}
    call(chain, "POST", f"/vouchers/{guid}/extend", json=buyer)
    assert holds(chain, old)[guid] == "moving"
    assert onboard(chain, device) == heir.fingerprint
    # Until it is seen under its new GUID it may come back with the old one.
    assert holds(chain, heir)[guid] == "fallback"
    assert ask(chain, "POST", f"{path}/retire", json=body).status_code == 409
    lost = call(chain, "POST", f"{path}/retire", json={**body, "accept_loss": True})
    assert (lost["state"], lost["name"]) == ("retired", "owner")
    again = chain.take(chain.sell(SoftDevice.made_at(Wire.to(chain.factory.url))))
    assert again.json()["results"][0]["code"] == "key_blocked"


def test_a_key_that_owns_nothing_retires_and_comes_back(chain: Chain) -> None:
    heir = new_key(chain)
    assert say(chain, heir, "retire")["state"] == "retired"
    path = f"/keys/{old_key(chain).fingerprint}/rotate"
    body = {"reason": "yearly", "successor": heir.fingerprint}
    refused = ask(chain, "POST", path, json=body)
    assert (refused.status_code, refused.json()["code"]) == (409, "key-blocked")
    assert say(chain, heir, "reinstate")["state"] == "active"
    assert call(chain, "POST", path, json=body)["state"] == "retiring"
    assert say(chain, old_key(chain), "reinstate")["successor"] is None


@pytest.mark.parametrize("stop", [MsgType.TO2_DEVICE_SERVICE_INFO, MsgType.TO2_DONE])
def test_a_stolen_key_is_blocked_in_the_middle_of_to2(
    chain: Chain, stop: MsgType
) -> None:
    device, wire = chain.bought(), Wire.to(chain.owner.url)

    def revoked(move: Send, _token: str | None) -> None:
        if move.type is stop:
            say(chain, old_key(chain), "revoke")

    wire.before = revoked
    with pytest.raises(PeerFailed):
        device.onboard(wire)
    assert state_of(chain, device) in ("imported", "registered")
    guid = str(device.credential.guid)
    assert holds(chain, old_key(chain)) == {guid: "waiting"}
    told = call(chain, "GET", f"/diagnosis?guid={guid}")
    assert told["why"] == "key-blocked"
    assert "a test" in told["next"]


def test_nothing_is_signed_with_a_revoked_key_by_any_replica(chain: Chain) -> None:
    device, other = chain.bought(), chain.replica()
    guid = device.credential.guid
    assert say(chain, old_key(chain), "revoke")["holdings"]["waiting"] == 1

    def refused() -> bool:
        try:
            device.onboard(Wire.to(other.url))
        except PeerFailed as error:
            return int(error.message.code) == 6
        raise AssertionError("a device was onboarded with a revoked key")

    eventually(lambda: _state_at(chain, other.url) == "revoked")
    assert refused()
    heir = new_key(chain)
    for verb, body in {
        "extend": {"next_owner_pem": heir.public_pem},
        "resell": {"next_owner_pem": heir.public_pem},
    }.items():
        reply = ask(chain, "POST", f"/vouchers/{guid}/{verb}", json=body)
        assert (reply.status_code, reply.json()["code"]) == (409, "key-blocked")
    say(chain, old_key(chain), "reinstate")
    assert onboard(chain, device) == old_key(chain).fingerprint


def _state_at(chain: Chain, url: str) -> str:
    headers = {"X-API-Key": chain.owner_key}
    reply = httpx.get(
        f"{url}/api/v1/keys", headers=headers, timeout=60, trust_env=False
    )
    states = {one["name"]: one["state"] for one in reply.json()["items"]}
    return str(states["owner"])


def test_a_new_key_file_is_noticed_and_a_lost_one_too(chain: Chain) -> None:
    heir = new_key(chain)

    def names() -> set[str]:
        return {one["name"] for one in call(chain, "GET", "/keys")["items"]}

    eventually(lambda: "owner-2" in names())
    (chain.site.directory / "keys" / "owner-2.key").unlink()
    eventually(lambda: "owner-2" not in names())
    missing = ask(chain, "GET", f"/keys/{heir.fingerprint}")
    assert missing.status_code == 404
    path = f"/keys/{old_key(chain).fingerprint}/rotate"
    body = {"reason": "yearly", "successor": heir.fingerprint}
    refused = ask(chain, "POST", path, json=body)
    assert (refused.status_code, refused.json()["code"]) == (409, "owner-key-not-here")


def test_what_a_lost_key_owned_is_still_told(chain: Chain) -> None:
    device = chain.bought()
    new_key(chain)
    (chain.site.directory / "keys" / "owner.key").unlink()
    path = f"/keys/{old_key(chain).fingerprint}"
    eventually(lambda: not call(chain, "GET", path)["here"])
    assert holds(chain, old_key(chain)) == {str(device.credential.guid): "waiting"}
    assert say(chain, old_key(chain), "revoke")["state"] == "revoked"


def test_an_heir_of_another_kind_is_refused(chain: Chain) -> None:
    other = new_key(chain, "big", KeyAlgorithm.P384)
    for heir in (other, old_key(chain)):
        path = f"/keys/{old_key(chain).fingerprint}/rotate"
        body = {"reason": "yearly", "successor": heir.fingerprint}
        refused = ask(chain, "POST", path, json=body)
        assert (refused.status_code, refused.json()["code"]) == (409, "no-successor")


def test_a_site_that_reuses_credentials_replaces_those_of_a_retiring_key(
    chain: Chain,
) -> None:
    rule = chain.owner_settings.model_copy(update={"credential_reuse": True})
    owner = chain.more.enter_context(chain.site.serve(rule))
    device, kept = chain.bought(), chain.bought()
    path = f"/vouchers/{kept.credential.guid}/credential"
    call(chain, "PUT", path, json={"mode": "reuse"})
    heir, guid = rotate(chain), kept.credential.guid
    eventually(lambda: _state_at(chain, owner.url) == "retiring")
    device.onboard(Wire.to(owner.url), allow_reuse=True)
    assert owner_of(chain, device) == heir.fingerprint
    kept.onboard(Wire.to(owner.url), allow_reuse=True)
    assert kept.credential.guid == guid  # what was said for one device counts more


def test_a_device_that_was_promised_to_a_key_goes_to_that_keys_successor(
    chain: Chain,
) -> None:
    device, promised = chain.bought(), new_key(chain, "promised")
    path = f"/vouchers/{device.credential.guid}/credential"
    plan = {"mode": "replace", "owner_fingerprint": promised.fingerprint}
    call(chain, "PUT", path, json=plan)
    heir = new_key(chain)
    say(chain, promised, "rotate", successor=heir.fingerprint)
    say(chain, promised, "retire")
    shown = call(chain, "GET", path)
    assert (shown["mode"], shown["owner_fingerprint"]) == ("replace", heir.fingerprint)
    assert onboard(chain, device) == heir.fingerprint


def test_a_voucher_altered_in_the_store_is_found_out(chain: Chain) -> None:
    device = chain.bought()
    guid = device.credential.guid
    engine, row = create_engine(chain.owner_settings.database_url), {"guid": guid.raw}
    with engine.begin() as rows:
        stored = rows.execute(
            text("SELECT cbor FROM vouchers WHERE guid = :guid"), row
        ).scalar_one()
        altered = stored[:-1] + bytes([stored[-1] ^ 1])
        rows.execute(
            text("UPDATE vouchers SET cbor = :cbor WHERE guid = :guid"),
            {**row, "cbor": altered},
        )
    path = f"/keys/{old_key(chain).fingerprint}/vouchers"
    (found,) = call(chain, "GET", path)["items"]
    assert not found["holds"]
    assert "entries" in {one["check"] for one in found["failures"]}
    with engine.begin() as rows:
        rows.execute(
            text(
                "UPDATE vouchers SET cbor = :cbor, entry_digests = :none"
                " WHERE guid = :guid"
            ),
            {**row, "cbor": stored, "none": bytes(32)},
        )
    engine.dispose()
    (found,) = call(chain, "GET", path)["items"]
    assert [one["check"] for one in found["failures"]] == ["index"]


def test_which_key_can_take_a_voucher_is_told_before_it_is_imported(
    chain: Chain,
) -> None:
    device = SoftDevice.made_at(Wire.to(chain.factory.url))
    path = f"/vouchers/{device.credential.guid}/pem"
    made = chain.factory.call(chain.factory_key, "GET", path).text

    def matched(pem: str) -> Any:
        (found,) = call(chain, "POST", "/keys/match", content=pem)["items"]
        return found

    unsold = matched(made)
    assert (unsold["ends_in"], unsold["key_type"]) == (None, "SECP256R1")
    assert [one["name"] for one in unsold["takers"]] == ["owner"]
    sold = chain.sell(device)
    assert matched(sold)["ends_in"]["name"] == "owner"
    assert matched(sold)["advice"].startswith("Import it")
    heir = rotate(chain)
    assert [one["name"] for one in matched(made)["takers"]] == [heir.name]
    say(chain, old_key(chain), "revoke")
    assert "is revoked" in matched(sold)["advice"]
    say(chain, heir, "revoke")
    assert "vouchgate keys new" in matched(made)["advice"]
    assert ask(chain, "POST", "/keys/match", content="none").status_code == 422
    assert load_vouchers(made.encode())[0].guid == device.credential.guid
