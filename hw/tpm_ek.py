"""Endorsement and attestation keys of a TPM, and credential activation.

Source: TCG EK Credential Profile 2.5, section 2.2 (templates, NV indices, handles).
"""

from collections.abc import Iterator
from contextlib import contextmanager

from hw.algorithms import HashAlg
from hw.errors import TpmError
from hw.evidence import AkAlg, AttestationKey, EkAlg, EndorsementKey
from hw.key_ref import Kind
from hw.public_area import PublicArea, TpmaObject
from hw.tpm_nv import nv_read
from hw.tpm_primary import (
    RESTRICTED_ATTRIBUTES,
    make_persistent,
    read_public,
    template,
)
from hw.tss import (
    ESYS_TR,
    TPM2B_ENCRYPTED_SECRET,
    TPM2B_ID_OBJECT,
    TPM2B_PUBLIC,
    TPML_DIGEST,
    Link,
    NoSuchIndex,
    create_ek_template,
)

# Persistent handle, NV index of the certificate, name of the template; in the order of
# choice. In the high range there is a key only where there is a certificate.
_EKS: dict[EkAlg, tuple[int, int, str]] = {
    "rsa2048": (0x81010001, 0x01C00002, "EK-RSA2048"),
    "rsa2048-high": (0x81010012, 0x01C00012, "EK-HIGH-RSA2048"),
    "ecc256": (0x81010002, 0x01C0000A, "EK-ECC256"),
    "ecc256-high": (0x81010014, 0x01C00014, "EK-HIGH-ECC256"),
    "ecc384": (0x81010016, 0x01C00016, "EK-HIGH-ECC384"),
    "rsa3072": (0x8101001C, 0x01C0001C, "EK-HIGH-RSA3072"),
}
# PolicyC of the profile's annex B.6: the other branch of a high-range EK's policy.
_BY_NV = {
    HashAlg.SHA256: bytes.fromhex(
        "3767e2edd43ff45a3a7e1eaefcef78643dca964632e7aad82c673a30d8633fde"
    ),
    HashAlg.SHA384: bytes.fromhex(
        "d6032ce61f2fb3c240eb3cf6a33237ef2b6a16f4293c22b4"
        "55e261cffd217ad5b4947c2d73e63005eed2dc2b3593d165"
    ),
}
_POLICY_OR = 0x171
_MAX_ID_OBJECT = 2 + 2 + 64 + 2 + 64  # bytes: sizes, integrity value, secret
_MAX_SEED = 2 + 512  # bytes: RSA-4096
_AKS: dict[AkAlg, tuple[int, Kind]] = {
    "ecc": (0x81000100, "ecc256:ecdsa-sha256:null"),
    "rsa": (0x81000101, "rsa2048:rsassa-sha256:null"),
}


def endorsement_key(link: Link, alg: EkAlg) -> EndorsementKey:
    """The EK, made from its template where it is not persistent, and its certificate.

    That the certificate is the key's, and whom it comes from, is not checked here.
    """
    handle, certificate_index, name = _EKS[alg]
    if link.handle(handle) is None:
        make_persistent(link, _ek_template(link, name), handle)
    public = read_public(link, handle, "endorsement key")
    certificate = nv_read(link, certificate_index)
    return EndorsementKey(
        public.marshal(), None if certificate is None else _der(certificate)
    )


def preferred_ek(link: Link) -> EkAlg:
    """The first EK that the vendor has certified; RSA-2048 when there is none.

    Always the same one, so that its digest stands for the TPM.
    """
    for alg, (_, index, _) in _EKS.items():
        if nv_read(link, index) is not None:
            return alg
    return "rsa2048"


def _ek_template(link: Link, name: str) -> TPM2B_PUBLIC:
    def read(index: int) -> bytes:
        content = nv_read(link, index)
        if content is None:
            raise NoSuchIndex(index)
        return content

    try:
        _, public = create_ek_template(name, read)
    except ValueError as error:
        raise TpmError(f"the TPM has no {name}: {error}") from error
    return public


def _der(data: bytes) -> bytes:
    """The DER value in front: some vendors' indices are larger than that."""
    if len(data) < 4 or data[:2] != b"\x30\x82":
        return data
    return data[: 4 + int.from_bytes(data[2:4], "big")]


def create_attestation_key(link: Link, alg: AkAlg) -> AttestationKey:
    """A new AK in place of any old one of that kind.

    ECDSA on P-256 or RSASSA with RSA-2048, SHA-256 either way.
    """
    handle, kind = _AKS[alg]
    make_persistent(link, template(kind, RESTRICTED_ATTRIBUTES), handle)
    return load_attestation_key(link, alg)


def load_attestation_key(link: Link, alg: AkAlg) -> AttestationKey:
    """The AK; raises TpmError when the TPM has none of that kind."""
    handle, _ = _AKS[alg]
    area = PublicArea.from_bytes(
        read_public(link, handle, f"{alg} attestation key").marshal()
    )
    return AttestationKey(area.raw, area.name, alg, handle)


def activate_credential(
    link: Link,
    ak: AttestationKey,
    id_object: bytes,
    encrypted_secret: bytes,
    ek_alg: EkAlg,
) -> bytes:
    """The secret that was encrypted to this TPM's EK and this AK's name.

    Args:
        id_object: TPM2B_ID_OBJECT.
        encrypted_secret: TPM2B_ENCRYPTED_SECRET.

    Raises:
        TpmError: It was made for another EK or another AK, or is no such structure.
    """
    handle, _, _ = _EKS[ek_alg]
    blob = TPM2B_ID_OBJECT(_content(id_object, _MAX_ID_OBJECT))
    seed = TPM2B_ENCRYPTED_SECRET(_content(encrypted_secret, _MAX_SEED))
    with link.use("activate credential") as esys, _ek_session(link, handle) as session:
        secret = esys.activate_credential(
            link.require(ak.handle, "attestation key"),
            link.require(handle, "endorsement key"),
            blob,
            seed,
            session2=session,
        )
        return bytes(secret)


def _content(data: bytes, limit: int) -> bytes:
    size = int.from_bytes(data[:2], "big")
    if not 2 < len(data) == size + 2 <= limit:
        raise TpmError("a credential is not the sized structure it should be")
    return data[2:]


@contextmanager
def _ek_session(link: Link, handle: int) -> Iterator[ESYS_TR]:
    """By policy, which no lockout stops: PolicySecret(endorsement), in the high range
    as one of two; by the empty password where the policy is none that we know."""
    public = read_public(link, handle, "endorsement key")
    area = PublicArea.from_bytes(public.marshal())
    with link.policy_session(hashing=area.name_alg) as session:
        with link.use("authorise endorsement key") as esys:
            esys.policy_secret(ESYS_TR.RH_ENDORSEMENT, session, b"", b"", b"", 0)
            by_secret = bytes(esys.policy_get_digest(session))
            by_nv = _BY_NV.get(area.name_alg, b"")
            high = area.policy == _either(area.name_alg, by_secret, by_nv)
            if high:
                esys.policy_or(session, TPML_DIGEST([by_secret, by_nv]))
        known = high or area.policy == by_secret
        password = not known and TpmaObject.USER_WITH_AUTH in area.attributes
        yield ESYS_TR.PASSWORD if password else session


def _either(alg: HashAlg, *branches: bytes) -> bytes:
    """What PolicyOR makes of these: TPM 2.0 Library, part 3, section 23.6."""
    return alg.digest(bytes(alg.size), _POLICY_OR.to_bytes(4, "big"), *branches)
