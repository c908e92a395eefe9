"""Passports: from the DI station, beside the voucher, to the owner."""

import hashlib
from collections.abc import Callable
from dataclasses import replace

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from attestation.passport import Passport, issue, key_digest
from hw.public_area import UNEXPORTABLE, TpmaObject
from onboarding.protocol.errors import PeerFailed
from onboarding.services.api.fields import encode_bytes
from onboarding.services.context import open_context
from onboarding.services.key_store import KeyKind
from onboarding.services.owned import OwnedVouchers
from onboarding.services.passport_pem import dump
from onboarding.services.settings import Role
from ownership_vouchers.algorithms import Signer, SoftSigner
from tests.support.fdo_chain import Chain, state_of
from tests.support.services import Wire
from tests.support.soft_device import SoftDevice
from tests.support.tpm_statements import AES128, NULL, ecc_public

pytest_plugins = ["tests.support.service_fixtures"]


EK_ATTRIBUTES = int(UNEXPORTABLE | TpmaObject.RESTRICTED | TpmaObject.DECRYPT)


def passport_of(device: SoftDevice, **changed: object) -> dict[str, object]:
    """What a DI station says of a device, with an endorsement key in software."""
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    public = ecc_public(key, EK_ATTRIBUTES, AES128, NULL)
    told: dict[str, object] = {
        "guid": str(device.credential.guid),
        "serial": "SN-9",
        "profile": "generic-sbc-tpm",
        "ek_public": encode_bytes(public),
        "ek_certificate": None,
    }
    return {**told, **changed}


def post_passport(chain: Chain, body: dict[str, object]) -> httpx.Response:
    return chain.factory.call(chain.factory_key, "POST", "/passports", json=body)


def test_a_passport_goes_with_its_voucher_to_the_owner(fdo_chain: Chain) -> None:
    device = SoftDevice.made_at(Wire.to(fdo_chain.factory.url))
    body = passport_of(device)
    first, again = post_passport(fdo_chain, body), post_passport(fdo_chain, body)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    another = post_passport(fdo_chain, {**body, "serial": "SN-10"})
    assert (another.status_code, another.json()["code"]) == (409, "another-passport")

    pem = fdo_chain.sell(device)
    (result,) = fdo_chain.take(pem).json()["results"]
    assert (result["status"], result["passport"]) == ("imported", "stored")
    path = f"/devices/{device.credential.guid}"
    shown = fdo_chain.owner.call(fdo_chain.owner_key, "GET", path).json()
    assert (shown["profile"], shown["serial"]) == ("generic-sbc-tpm", "SN-9")
    exported = f"/vouchers/{device.credential.guid}/pem"
    assert fdo_chain.owner.call(fdo_chain.owner_key, "GET", exported).text == pem
    plain = fdo_chain.owner.call(
        fdo_chain.owner_key, "GET", exported + "?passport=false"
    )
    assert "PASSPORT" not in plain.text


def test_a_binding_names_the_passport_by_the_digest_of_what_is_given_out(
    fdo_chain: Chain,
) -> None:
    device = SoftDevice.made_at(Wire.to(fdo_chain.factory.url))
    post_passport(fdo_chain, passport_of(device))
    fdo_chain.take(fdo_chain.sell(device))
    guid = device.credential.guid
    path = f"/vouchers/{guid}/passport"
    document = fdo_chain.owner.call(fdo_chain.owner_key, "GET", path).content
    context = open_context(fdo_chain.owner_settings)
    owned = OwnedVouchers(context).find(guid)
    context.close()
    assert owned is not None
    assert owned.passport_digest == hashlib.sha256(document).digest()


BAD_PASSPORTS: dict[str, tuple[dict[str, object], int, str]] = {
    "another profile": ({"profile": "none-such"}, 422, "not-an-endorsement-key"),
    "no key": ({"ek_public": "AAAA"}, 422, "not-an-endorsement-key"),
    "no certificate": ({"ek_certificate": "AAAA"}, 422, "not-an-endorsement-key"),
    "another device": ({"guid": "0" * 32}, 404, "not-found"),
    "a serial with a line end": ({"serial": "a\nb"}, 422, "invalid"),
}


@pytest.mark.parametrize("case", list(BAD_PASSPORTS))
def test_a_passport_of_nothing_real_is_not_issued(fdo_chain: Chain, case: str) -> None:
    changed, status, code = BAD_PASSPORTS[case]
    device = SoftDevice.made_at(Wire.to(fdo_chain.factory.url))
    reply = post_passport(fdo_chain, passport_of(device, **changed))
    assert (reply.status_code, reply.json()["code"]) == (status, code)


def as_it_is(told: Passport, _device: SoftDevice) -> Passport:
    return told


def another_device_key(told: Passport, device: SoftDevice) -> Passport:
    return replace(told, guid=device.credential.guid)


def none_other(told: Passport, device: SoftDevice) -> Passport:
    digest = key_digest(device.key.public_key)
    return replace(told, guid=device.credential.guid, device_key_digest=digest)


OF_ANOTHER: dict[str, tuple[Callable[[Passport, SoftDevice], Passport], bool, str]] = {
    "as it is: it names none of these": (as_it_is, True, "none"),
    "for this GUID, with the other's device key": (another_device_key, True, "refused"),
    "altered, so not the manufacturer's": (none_other, False, "refused"),
    "for this GUID and device key: it fits": (none_other, True, "stored"),
}


@pytest.mark.parametrize("case", OF_ANOTHER)
def test_a_passport_of_another_device_is_refused_and_the_voucher_taken(
    fdo_chain: Chain, case: str
) -> None:
    change, signed, outcome = OF_ANOTHER[case]
    device, other = (SoftDevice.made_at(Wire.to(fdo_chain.factory.url)) for _ in "ab")
    maker = factory_signer(fdo_chain)
    guid, dak = other.credential.guid, key_digest(other.key.public_key)
    told = change(Passport(guid, bytes(32), "SN-9", "generic-sbc-tpm", dak, 1), device)
    signer = maker if signed else SoftSigner(ec.generate_private_key(ec.SECP256R1()))
    pem = fdo_chain.sell(device) + dump(issue(told, signer))
    (result,) = fdo_chain.take(pem).json()["results"]
    assert (result["status"], result["passport"]) == ("imported", outcome)


def factory_signer(chain: Chain) -> Signer:
    """The manufacturer's key: its TEST KEY file, as the station has it."""
    context = open_context(chain.site.settings(Role.MANUFACTURING))
    try:
        return context.keyrings[KeyKind.MANUFACTURER].first()
    finally:
        context.close()


def test_a_device_with_a_passport_must_show_that_very_tpm(fdo_chain: Chain) -> None:
    device = SoftDevice.made_at(Wire.to(fdo_chain.factory.url))
    post_passport(fdo_chain, passport_of(device))
    fdo_chain.take(fdo_chain.sell(device))
    with pytest.raises(PeerFailed) as refused:
        device.onboard(Wire.to(fdo_chain.owner.url))
    assert int(refused.value.message.code) == 101
    assert state_of(fdo_chain, device) in ("imported", "registered")
