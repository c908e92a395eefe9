"""Vouchers over the management API: imported, listed, sold."""

import base64
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from onboarding.services.key_store import KeyKind, KeyStore
from onboarding.services.voucher_import import TOGETHER
from onboarding.store.apikeys import Role
from ownership_vouchers.algorithms import SigningKey
from ownership_vouchers.extend import extend
from ownership_vouchers.keys import PublicKey
from ownership_vouchers.pem import dump_pem, load_vouchers
from tests.support.alterations import flip
from tests.support.api_bench import (
    BODIES,
    ZERO,
    Api,
    started,
)
from tests.support.databases import NewDatabase
from tests.support.services import PASSPHRASE, Site, Wire
from tests.support.soft_device import SoftDevice
from tests.support.supply_chain import SupplyChain

pytest_plugins = ["tests.support.service_fixtures"]


def altered(pem: str) -> str:
    """One bit of the voucher's last byte, in its last entry's signature."""
    (voucher,) = load_vouchers(pem.encode())
    body = base64.b64encode(flip(voucher.raw)).decode()
    name = "OWNERSHIP VOUCHER"
    return f"-----BEGIN {name}-----\n{body}\n-----END {name}-----\n"


def public_pem(key: SigningKey) -> str:
    public = key.public_key()
    form = PublicFormat.SubjectPublicKeyInfo
    return public.public_bytes(Encoding.PEM, form).decode()


def owned_by(api: Api, chain: SupplyChain) -> str:
    """A chain's voucher, sold to this API's owner, as PEM."""
    store = KeyStore(api.site.directory / "keys", PASSPHRASE)
    ours = PublicKey.of(store.signer(KeyKind.OWNER.value).public_key)
    owner = chain.owner
    return dump_pem(extend(chain.verified, owner.signer, owner.public_key, ours))


def test_an_import_says_for_each_voucher_what_became_of_it(shop: Api) -> None:
    good = owned_by(shop, SupplyChain().make_device().sell_to("dealer"))
    other = owned_by(shop, SupplyChain().make_device().sell_to("dealer"))
    strangers = SupplyChain().make_device().sell_to("somebody else")
    file = "A delivery\r\n" + good + altered(other)
    file += dump_pem(strangers.voucher) + good.replace("\n", "\r\n")
    reply = shop.call("POST", "/vouchers", content=file).json()
    told = [(one["status"], one["code"]) for one in reply["results"]]
    assert told == [
        ("imported", None),
        ("refused", "entries"),
        ("refused", "owner_key"),
        ("unchanged", None),
    ]
    counts = {name: reply[name] for name in ("imported", "refused", "unchanged")}
    assert counts == {"imported": 1, "refused": 2, "unchanged": 1}


def test_a_long_file_is_answered_in_its_order(shop: Api) -> None:
    chain = SupplyChain()
    good = [owned_by(shop, chain.make_device()) for _ in range(TOGETHER + 2)]
    blocks = [
        altered(pem) if at in (1, TOGETHER) else pem for at, pem in enumerate(good)
    ]
    results = shop.call("POST", "/vouchers", content="".join(blocks)).json()["results"]
    assert [one["index"] for one in results] == list(range(len(good)))
    guids = [str(load_vouchers(pem.encode())[0].guid) for pem in good]
    assert [one["guid"] for one in results] == guids
    refused = [one["index"] for one in results if one["status"] == "refused"]
    assert refused == [1, TOGETHER]
    events = shop.call("GET", "/events?cause=voucher.refused").json()["items"]
    assert [one["guid"] for one in events][:2] == [guids[TOGETHER], guids[1]]


def test_a_voucher_that_no_row_can_hold_is_refused_by_itself(api: Api) -> None:
    """PostgreSQL keeps no NUL in text; SQLite does."""
    blocks = [owned_by(api, SupplyChain().make_device()) for _ in range(2)]
    odd = owned_by(api, SupplyChain().make_device("one\0two"))
    file = blocks[0] + odd + blocks[1]
    results = api.call("POST", "/vouchers", content=file).json()["results"]
    told = [(one["status"], one["code"]) for one in results]
    assert told[0] == told[2] == ("imported", None)
    assert told[1] in [("imported", None), ("refused", "malformed")]


def test_an_import_of_nothing_good_is_refused_and_stores_nothing(shop: Api) -> None:
    pem = owned_by(shop, SupplyChain().make_device().sell_to("dealer"))
    reply = shop.call("POST", "/vouchers", content=altered(pem))
    assert (reply.status_code, reply.json()["code"]) == (422, "vouchers-refused")
    (result,) = reply.json()["results"]
    assert result["code"] == "entries"
    guid = result["guid"]
    assert shop.call("GET", f"/vouchers/{guid}").status_code == 404
    events = shop.call("GET", "/events?cause=voucher.refused").json()["items"]
    assert [one["guid"] for one in events][:1] == [guid]


def test_an_untrusted_manufacturer_is_refused_once_there_is_a_list(
    tmp_path: Path, databases: NewDatabase
) -> None:
    for own in started(Site(tmp_path, databases=databases)):
        chain = SupplyChain().make_device().sell_to("dealer")
        pem = owned_by(own, chain)
        own.call("PUT", "/trust", json={"manufacturers": [ZERO]})
        refused = own.call("POST", "/vouchers", content=pem).json()
        assert refused["results"][0]["code"] == "manufacturer"
        known = chain.manufacturer.public_key.fingerprint()
        own.call("PUT", "/trust", json={"manufacturers": [known]})
        assert own.call("POST", "/vouchers", content=pem).json()["imported"] == 1


def test_vouchers_come_in_pages_that_cover_all_of_them(shop: Api) -> None:
    pems = [
        owned_by(shop, SupplyChain().make_device().sell_to("dealer")) for _ in range(3)
    ]
    shop.call("POST", "/vouchers", content="".join(pems))
    seen: list[str] = []
    path = "/vouchers?limit=2"
    while True:
        page = shop.call("GET", path).json()
        assert len(page["items"]) <= 2
        seen += [one["guid"] for one in page["items"]]
        if page["next"] is None:
            break
        path = f"/vouchers?limit=2&cursor={page['next']}"
    assert len(seen) == len(set(seen)) >= 3
    assert seen == sorted(seen)


def test_a_voucher_is_sold_exported_and_deleted(api: Api) -> None:
    device = SoftDevice.made_at(Wire.to(api.service.url), "SN-5")
    path = f"/vouchers/{device.credential.guid}"
    assert api.call("GET", path).json()["serial"] == "SN-5"
    buyer = SupplyChain().make_device().sell_to("buyer").owner
    body = {"next_owner_pem": public_pem(buyer.private_key)}
    sold = api.call("POST", f"{path}/extend", Role.MANUFACTURER, json=body).json()
    assert (sold["entries"], sold["owner_fingerprint"]) == (
        1,
        buyer.public_key.fingerprint(),
    )
    assert api.call("GET", f"{path}/pem").text == sold["pem"]
    again = api.call("POST", f"{path}/extend", json=body)
    assert (again.status_code, again.json()["code"]) == (409, "not-our-voucher")
    assert api.call("DELETE", path).status_code == 204
    assert api.call("GET", path).status_code == 404


def test_a_sale_to_a_key_of_another_kind_is_refused(api: Api) -> None:
    device = SoftDevice.made_at(Wire.to(api.service.url))
    wrong = SupplyChain("P-384").make_device().owner.private_key
    reply = api.call(
        "POST",
        f"/vouchers/{device.credential.guid}/extend",
        json={"next_owner_pem": public_pem(wrong)},
    )
    assert (reply.status_code, reply.json()["code"]) == (422, "unsupported-key")


def test_a_changed_setting_is_an_audit_event(api: Api) -> None:
    api.call("PUT", "/to2-address", json=BODIES["PUT /to2-address"])
    newest = api.call("GET", "/events?cause=setting&limit=1").json()["items"][0]
    assert newest["detail"] == {"name": "to2_addresses"}
    assert newest["actor"].startswith("apikey:")


def test_the_same_policy_and_manifest_again_is_no_change(api: Api) -> None:
    for path in ("/policies", "/manifests"):
        body = {**BODIES[f"POST {path}"], "name": "twice", "version": 1}
        first, second = (api.call("POST", path, json=body) for _ in "ab")
        assert (first.status_code, second.status_code) == (201, 200)
        body["lease_seconds" if path == "/policies" else "kind"] = (
            61 if path == "/policies" else "kube"
        )
        assert api.call("POST", path, json=body).status_code == 409
