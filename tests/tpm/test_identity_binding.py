"""The factory identity in a binding, with IAK and IDevID in real software TPMs."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.hashes import SHA256

from attestation.binding_codes import BindingCode
from attestation.binding_messages import (
    BindingEvidence,
    BindingRequest,
    PendingBinding,
)
from attestation.device_identity import (
    BoundIdentity,
    IdentityClass,
    IdentityEvidence,
    identity_data,
)
from attestation.ek_root import told
from attestation.ek_store import EkTrust
from attestation.ek_verdict import EkCode
from attestation.evidence_pack import BoundKeys, EvidencePack, open_pack, sign_pack
from attestation.pack_checks import Outcome, PackCheck, PackChecker
from hw.public_area import PublicArea
from onboarding.device.modules.binding import BindingModule, known_identity
from ownership_vouchers import cbor
from ownership_vouchers.types import Guid
from tests.support.ek_authority import EK_EXTENSIONS, der
from tests.support.supply_chain import SupplyChain
from tests.support.tpm_machines import GUID, NONCE, NOW, Machine, Owner

if TYPE_CHECKING:
    from tests.support.identity_authority import DeviceMaker

pytest_plugins = ["tests.support.binding_fixtures"]


@pytest.fixture(scope="module")
def maker(machine: Machine) -> "DeviceMaker":
    from tests.support.identity_authority import H2, DeviceMaker

    maker = DeviceMaker()
    maker.provision(machine.tpm, machine.tpm._link, H2)
    return maker


@pytest.fixture(scope="module")
def asking(owner: Owner, maker: "DeviceMaker") -> Owner:
    """An owner that knows this maker's root."""
    return replace(owner, trust=replace(owner.trust, makers=(maker.root.certificate,)))


@pytest.fixture(scope="module")
def evidence(machine: Machine, maker: "DeviceMaker") -> BindingEvidence:
    """What the device's own module answers to an owner that asks."""
    device = BindingModule(machine.tpm, "ecc", GUID)
    request = BindingRequest(NONCE, identity=True).encode()
    ((name, answer),) = device.receive("request", request)
    assert name == "evidence"
    return BindingEvidence.from_cbor(answer)


def bound(owner: Owner, evidence: BindingEvidence, **changes: Any) -> BoundIdentity:
    return BoundIdentity.decode(owner.check(evidence, **changes).identity)


def test_a_known_maker_names_the_device(
    asking: Owner, evidence: BindingEvidence
) -> None:
    found = bound(asking, evidence)
    assert (found.klass, found.reason) == (IdentityClass.FACTORY_TRUSTED, "")
    assert found.subject == "CN=test device"
    assert found.idevid is not None


def test_an_unknown_maker_is_kept_as_that(
    owner: Owner, evidence: BindingEvidence
) -> None:
    found = bound(owner, evidence)
    assert found.klass is IdentityClass.UNKNOWN_MAKER
    assert "test device maker issuer" in found.reason


def test_a_certificate_out_of_its_time_says_nothing(
    asking: Owner, evidence: BindingEvidence
) -> None:
    passport_free = replace(evidence, ek_certificate=None)
    later = NOW + 20 * 365 * 86400
    found = bound(asking, passport_free, now=later)
    assert found.klass is IdentityClass.UNKNOWN_MAKER


def test_who_does_not_ask_is_told_nothing(machine: Machine, owner: Owner) -> None:
    device = BindingModule(machine.tpm, "ecc", GUID)
    ((_, answer),) = device.receive("request", BindingRequest(NONCE).encode())
    assert owner.check(BindingEvidence.from_cbor(answer)).identity == b""


def test_a_device_that_knows_no_identity_passes_the_question_over() -> None:
    nonce, words = cbor.array(
        cbor.decode(BindingRequest(NONCE, ("ecc",), identity=True).encode()), 2
    )
    assert (nonce, words) == (NONCE, ["ecc", "iak"])


Forge = Callable[[IdentityEvidence, Machine, "DeviceMaker"], IdentityEvidence]


def _of_another_nonce(
    good: IdentityEvidence, machine: Machine, _: "DeviceMaker"
) -> IdentityEvidence:
    found = known_identity(machine.tpm)
    assert found is not None
    ak = machine.tpm.attestation_key("ecc")
    said = machine.tpm.certify(ak, found.key, identity_data(bytes(32), GUID))
    return replace(good, message=said.message, signature=said.signature)


def _of_another_ak(
    good: IdentityEvidence, machine: Machine, _: "DeviceMaker"
) -> IdentityEvidence:
    found = known_identity(machine.tpm)
    assert found is not None
    other = machine.tpm.create_attestation_key("rsa")
    said = machine.tpm.certify(other, found.key, identity_data(NONCE, GUID))
    return replace(good, message=said.message, signature=said.signature)


def _certificate_of_another(
    good: IdentityEvidence, machine: Machine, maker: "DeviceMaker"
) -> IdentityEvidence:
    other = maker.issuer.issue("other", machine.dak.public_key, EK_EXTENSIONS)
    return replace(good, iak=replace(good.iak, certificate=der(other)))


def _idevid_of_another(
    good: IdentityEvidence, machine: Machine, maker: "DeviceMaker"
) -> IdentityEvidence:
    assert good.idevid is not None
    return replace(good, idevid=replace(good.idevid, certificate=good.iak.certificate))


def _plain_key(
    good: IdentityEvidence, machine: Machine, maker: "DeviceMaker"
) -> IdentityEvidence:
    """The IDevID signs anything, so its word on keys is worth nothing."""
    assert good.idevid is not None
    return replace(good, iak=good.idevid)


FORGERIES: dict[str, Forge] = {
    "another nonce": _of_another_nonce,
    "another AK": _of_another_ak,
    "a certificate of another key": _certificate_of_another,
    "an IDevID certificate of another key": _idevid_of_another,
    "a key that signs anything": _plain_key,
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_false_identity_ends_the_binding(
    forgery: str,
    asking: Owner,
    machine: Machine,
    maker: "DeviceMaker",
    evidence: BindingEvidence,
) -> None:
    good = IdentityEvidence.from_cbor(evidence.identity)
    forged = FORGERIES[forgery](good, machine, maker)
    code = asking.code(replace(evidence, identity=forged.encode()))
    assert code is BindingCode.IDENTITY_FALSE


@pytest.mark.parametrize("identity", [b"\x80", b"\x84\xf6\xf6\xf6\xf6", b"x"])
def test_an_identity_that_cannot_be_read_ends_it_too(
    asking: Owner, evidence: BindingEvidence, identity: bytes
) -> None:
    code = asking.code(replace(evidence, identity=identity))
    assert code is BindingCode.MALFORMED


def test_a_ca_of_device_makers_vouches_for_no_endorsement_key(
    owner: Owner, evidence: BindingEvidence
) -> None:
    makers = replace(EkTrust(), makers=owner.trust.certificates)
    assert owner.code(evidence, trust=makers) is EkCode.CERTIFICATE_NO_PATH


EMPTY = EvidencePack(GUID, NOW, (), b"", None, (), (), (), (), (), (), (), b"")


def packed(pending: PendingBinding, identity: BoundIdentity) -> BoundKeys:
    """As an evidence pack has it, read back."""
    kept = BoundKeys(
        pending.ek_public,
        b"",
        "no-certificate",
        "tpm-bound",
        pending.ak_public,
        b"",
        NOW,
        identity=identity.encode(),
    )
    return BoundKeys.from_item(kept.to_item())


def told_in_pack(keys: BoundKeys, guid: Guid = GUID) -> PackCheck:
    """What who has the pack alone finds of the identity, the pack signed and opened."""
    chain = SupplyChain().make_device()
    pack = replace(EMPTY, guid=guid, vouchers=(chain.voucher.raw,), binding=keys)
    signer = chain.owner.signer
    opened = open_pack(sign_pack(pack, signer), signer.public_key)
    (found,) = (one for one in PackChecker(opened, ()).run() if one.name == "identity")
    return found


def test_a_pack_shows_who_certified_the_device(
    asking: Owner, owner: Owner, evidence: BindingEvidence, maker: "DeviceMaker"
) -> None:
    pending = asking.check(evidence)
    found = told_in_pack(packed(pending, BoundIdentity.decode(pending.identity)))
    assert found.outcome is Outcome.HOLDS
    ca = maker.root.certificate
    assert found.detail == (
        "IAK of CN=test device in the TPM of the AK, factory-trusted, certified under"
        f" {told(ca.subject)}, SHA-256 {ca.fingerprint(SHA256()).hex()}"
        "; an IDevID by its certificate alone"
    )
    unknown = packed(pending, bound(owner, evidence))
    assert "unknown-maker: no valid path" in told_in_pack(unknown).detail
    none = told_in_pack(replace(unknown, identity=b""))
    assert none.outcome is Outcome.ABSENT


Alter = Callable[[BoundIdentity, "DeviceMaker"], BoundIdentity]


def _said(good: BoundIdentity, **changes: bytes) -> BoundIdentity:
    assert good.said is not None
    return replace(good, said=replace(good.said, **changes))


def _of_another_maker(good: BoundIdentity, maker: "DeviceMaker") -> BoundIdentity:
    return replace(good, authorities=(der(type(maker)().root.certificate),))


def _unknown_as_trusted(good: BoundIdentity, _: "DeviceMaker") -> BoundIdentity:
    return replace(good, authorities=())


def _certified_anew(good: BoundIdentity, maker: "DeviceMaker") -> BoundIdentity:
    """Another maker certifies the IAK as that of another device."""
    other = type(maker)()
    key = PublicArea.from_bytes(good.iak.public).key
    leaf = other.issuer.issue("another device", key, EK_EXTENSIONS)
    return replace(good, iak=replace(good.iak, certificate=der(leaf)))


ALTERATIONS: dict[str, tuple[Alter, str]] = {
    "another nonce": (lambda good, _: _said(good, nonce=bytes(32)), "not shown"),
    "a signature turned": (
        lambda good, _: _said(good, signature=_turned(good)),
        "not shown",
    ),
    "no statement": (lambda good, _: replace(good, said=None), "was not kept"),
    "a CA of another maker": (_of_another_maker, "no valid path"),
    "no CA": (_unknown_as_trusted, "no valid path"),
    "another device's certificate": (_certified_anew, "another subject"),
    "another subject told": (
        lambda good, _: replace(good, subject="CN=another"),
        "another subject",
    ),
    "the IDevID as the IAK": (
        lambda good, _: replace(good, iak=good.idevid or good.iak),
        "not shown",
    ),
}


def _turned(good: BoundIdentity) -> bytes:
    assert good.said is not None
    signature = good.said.signature
    return signature[:-1] + bytes([signature[-1] ^ 1])


@pytest.mark.parametrize("change", ALTERATIONS)
def test_a_forged_identity_in_a_pack_does_not_hold(
    change: str, asking: Owner, evidence: BindingEvidence, maker: "DeviceMaker"
) -> None:
    pending = asking.check(evidence)
    good = BoundIdentity.decode(pending.identity)
    alter, words = ALTERATIONS[change]
    found = told_in_pack(packed(pending, alter(good, maker)))
    assert found.outcome is Outcome.BROKEN
    assert words in found.detail


def test_an_identity_is_of_one_device_and_one_attestation_key(
    asking: Owner, evidence: BindingEvidence, machine: Machine
) -> None:
    pending = asking.check(evidence)
    keys = packed(pending, BoundIdentity.decode(pending.identity))
    elsewhere = told_in_pack(keys, Guid(bytes(16)))
    assert elsewhere.outcome is Outcome.BROKEN
    other = machine.tpm.create_attestation_key("rsa").public
    assert told_in_pack(replace(keys, ak_public=other)).outcome is Outcome.BROKEN


def test_what_was_bound_before_statements_were_kept_is_read(
    asking: Owner, evidence: BindingEvidence
) -> None:
    good = bound(asking, evidence)
    older = cbor.encode(cbor.array(cbor.decode(good.encode()), 7)[:5])
    assert BoundIdentity.decode(older) == replace(good, authorities=(), said=None)
