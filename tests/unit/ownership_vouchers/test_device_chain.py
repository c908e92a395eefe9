import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from ownership_vouchers.device_chain import chain_holds, check_device_chain
from ownership_vouchers.errors import Check, CheckFailed
from tests.support.supply_chain import certificate, new_key

ROOT_KEY, MIDDLE_KEY, DEVICE_KEY = (new_key("P-256") for _ in range(3))
ROOT = certificate("root", ROOT_KEY, "root", ROOT_KEY, ca=True)
MIDDLE = certificate("middle", MIDDLE_KEY, "root", ROOT_KEY, ca=True)
LEAF = certificate("device", DEVICE_KEY, "middle", MIDDLE_KEY, ca=False)
NAMESAKE = certificate("root", DEVICE_KEY, "root", DEVICE_KEY, ca=True)


def der(*chain: x509.Certificate) -> list[bytes]:
    return [one.public_bytes(Encoding.DER) for one in chain]


@pytest.mark.parametrize(
    "chain", [(LEAF, MIDDLE, ROOT), (LEAF, MIDDLE), (LEAF,)], ids=len
)
def test_a_chain_ends_with_a_root_or_below_one(
    chain: tuple[x509.Certificate, ...],
) -> None:
    check_device_chain(der(*chain), None)
    check_device_chain(der(*chain), [NAMESAKE, chain[-1]])
    if chain[-1] is not LEAF:
        check_device_chain(der(*chain), [NAMESAKE, ROOT])


REFUSED: dict[str, tuple[list[bytes], list[x509.Certificate] | None]] = {
    "nothing": ([], None),
    "no certificate": ([b"x"], None),
    "no root known": (der(LEAF, MIDDLE, ROOT), []),
    "root of the same name": (der(LEAF, MIDDLE), [NAMESAKE]),
    "one left out": (der(LEAF, ROOT), None),
    "the device's issuer is not the root": (der(LEAF), [ROOT]),
    "root that is no authority": (der(LEAF, MIDDLE), [LEAF]),
    "wrong order": (der(MIDDLE, LEAF, ROOT), None),
}


@pytest.mark.parametrize(("chain", "roots"), REFUSED.values(), ids=REFUSED)
def test_a_chain_that_is_not_whole_or_not_ours_is_refused(
    chain: list[bytes], roots: list[x509.Certificate] | None
) -> None:
    with pytest.raises(CheckFailed) as caught:
        check_device_chain(chain, roots)
    assert caught.value.check is Check.DEVICE_CHAIN


def bare(
    key: ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey,
    *extensions: x509.ExtensionType,
    digest: hashes.SHA224 | None = None,
) -> x509.Certificate:
    """A certificate by ROOT with just these extensions."""
    born = datetime.datetime(2001, 1, 1, tzinfo=datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "device")]))
        .issuer_name(ROOT.subject)
        .public_key(key)
        .serial_number(1)
        .not_valid_before(born)
        .not_valid_after(born + datetime.timedelta(days=1))
    )
    for one in extensions:
        builder = builder.add_extension(one, critical=True)
    assert isinstance(ROOT_KEY, ec.EllipticCurvePrivateKey)
    return builder.sign(ROOT_KEY, digest or hashes.SHA256())


def public(curve: ec.EllipticCurve) -> ec.EllipticCurvePublicKey:
    return ec.generate_private_key(curve).public_key()


def test_dates_and_missing_usages_do_not_matter_for_a_device() -> None:
    check_device_chain(der(bare(public(ec.SECP384R1())), ROOT), [ROOT])


LEAVES = {
    "Ed25519 key": bare(ed25519.Ed25519PrivateKey.generate().public_key()),
    "P-521 key": bare(public(ec.SECP521R1())),
    "signed over SHA-224": bare(public(ec.SECP256R1()), digest=hashes.SHA224()),
    "key usage without signatures": bare(
        public(ec.SECP256R1()),
        x509.KeyUsage(False, False, True, False, False, False, False, False, False),
    ),
    "key usage that is none": bare(
        public(ec.SECP256R1()),
        x509.UnrecognizedExtension(x509.KeyUsage.oid, b"x"),
    ),
    "an X.400 address as alternative name": bare(
        public(ec.SECP256R1()),
        x509.UnrecognizedExtension(
            x509.SubjectAlternativeName.oid, bytes.fromhex("3004a3020500")
        ),
    ),
}


@pytest.mark.parametrize("leaf", LEAVES.values(), ids=LEAVES)
def test_a_leaf_that_is_no_device_of_fdo_is_refused(leaf: x509.Certificate) -> None:
    with pytest.raises(CheckFailed):
        check_device_chain(der(leaf, ROOT), [ROOT])


def test_a_root_whose_extensions_nobody_can_read_is_no_root() -> None:
    odd = x509.UnrecognizedExtension(
        x509.SubjectAlternativeName.oid, bytes.fromhex("3004a3020500")
    )
    root = bare(public(ec.SECP256R1()), odd)
    with pytest.raises(CheckFailed, match="no authority that we trust"):
        check_device_chain(der(LEAF), [root])
    check_device_chain(der(LEAF), [root, MIDDLE])


def test_an_issuer_that_may_not_sign_certificates_is_refused() -> None:
    usage = x509.KeyUsage(True, False, False, False, False, False, False, False, False)
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = bare(key.public_key(), x509.BasicConstraints(True, None), usage)
    leaf = certificate("leaf", DEVICE_KEY, "device", key, ca=False)
    assert not chain_holds((leaf, issuer))
    assert chain_holds((LEAF, MIDDLE, ROOT))
    with pytest.raises(CheckFailed, match="must not sign"):
        check_device_chain(der(leaf, issuer), None)
