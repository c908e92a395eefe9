"""A TPM that no vendor vouches for: refused, until people accept its key by hand."""

import re
from typing import TYPE_CHECKING, Any

from onboarding.device.modules.binding import BindingModule
from onboarding.services.key_store import KeyKind
from onboarding.store.apikeys import Role
from tests.support.api_bench import Api
from tests.support.fdo_chain import Chain
from tests.support.services import Wire
from tests.support.soft_device import SoftDevice

if TYPE_CHECKING:
    from hw.tpm import Tpm

pytest_plugins = ["tests.support.service_fixtures"]


def sell_back(chain: Chain, device: SoftDevice) -> None:
    """Extend the device's voucher to its own owner, so that it can run TO2 again."""
    own = {"next_owner_pem": chain.site.keys[KeyKind.OWNER].public_pem}
    path = f"/vouchers/{device.credential.guid}/extend"
    reply = chain.owner.call(chain.owner_key, "POST", path, json=own)
    assert reply.status_code == 200, reply.text


def onboarded(chain: Chain, device: SoftDevice, tpm: "Tpm") -> dict[str, Any]:
    """Run TO2 with binding; return the device as its owner shows it."""
    module = BindingModule(tpm, "ecc", device.credential.guid)
    device.onboard(Wire.to(chain.owner.url), modules=(module,))
    path = f"/devices/{device.credential.guid}"
    shown: dict[str, Any] = chain.owner.call(chain.owner_key, "GET", path).json()
    return shown


def test_an_ek_without_a_vendor_is_bound_once_people_accept_it(
    fdo_chain: Chain, tpm: "Tpm"
) -> None:
    owner, key = fdo_chain.owner, fdo_chain.owner_key
    device = SoftDevice.made_at(
        Wire.to(fdo_chain.factory.url), key=tpm.create_device_key()
    )
    assert fdo_chain.take(fdo_chain.sell(device)).status_code == 200
    assert onboarded(fdo_chain, device, tpm)["binding"] is None

    path = f"/events?guid={device.credential.guid}&cause=binding.refused"
    (event,) = owner.call(key, "GET", path).json()["items"]
    assert event["detail"]["code"] == "ek-certificate-no-path"
    named = re.search(r"EK ([0-9a-f]{64})", event["detail"]["sentence"])
    assert named is not None
    body = {"ek_digest": named[1], "reason": "read off the board at delivery"}
    assert owner.call(key, "POST", "/ek-acceptances", json=body).status_code == 201

    sell_back(fdo_chain, device)
    shown = onboarded(fdo_chain, device, tpm)
    assert shown["binding"]["ek_class"] == "accepted-once"
    assert shown["binding"]["class"] == "tpm-bound"
    assert shown["assurance"]["level"] == "tpm-without-measured-boot"  # no passport
    # To accept a key is not to release to it: the release policy has to say so.
    codes = {one["code"] for one in shown["decision"]["reasons"]}
    assert "ek-class-not-accepted" in codes

    sell_back(fdo_chain, device)
    assert owner.call(key, "DELETE", f"/ek-acceptances/{named[1]}").status_code == 204
    assert onboarded(fdo_chain, device, tpm)["binding"] is None


def test_an_acceptance_is_listed_once_and_every_change_is_an_event(api: Api) -> None:
    digest, path = "cd" * 32, "/ek-acceptances"
    body = {"ek_digest": digest, "reason": "a lab board"}
    made = api.call("POST", path, Role.SECURITY, json=body)
    again = api.call("POST", path, Role.SECURITY, json={**body, "reason": "other"})
    assert (made.status_code, again.status_code) == (201, 200)
    assert again.json() == made.json()
    listed = api.call("GET", path, Role.OPERATOR).json()["items"]
    assert [one for one in listed if one["ek_digest"] == digest] == [made.json()]

    assert api.call("DELETE", f"{path}/{digest}", Role.SECURITY).status_code == 204
    assert api.call("DELETE", f"{path}/{digest}", Role.SECURITY).status_code == 404
    events = api.call("GET", "/events?cause=ek_acceptance").json()["items"]
    mine = [one["cause"] for one in events if one["evidence_digest"] == digest]
    assert mine == ["ek_acceptance.removed", "ek_acceptance.added"]
