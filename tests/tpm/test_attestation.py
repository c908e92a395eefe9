"""Endorsement, activation, certification and quotes of a real software TPM."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, get_args

import pytest
from cryptography import x509
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hw.boot import golden_pcrs, measure_boot
from hw.errors import EvidenceError, HwError, TpmError
from hw.evidence import AkAlg, EkAlg
from hw.make_credential import make_credential
from hw.profiles import profile
from hw.quote import check_certify, check_quote
from hw.structures import PublicArea
from hw.swtpm import ek_ca_certificates
from tests.support.swtpm import MakeSoftwareTpm
from tests.support.tpm_statements import sized

if TYPE_CHECKING:
    from pathlib import Path

    from hw.tpm import Tpm
    from hw.tss import Link

SECRET = b"thirty-two bytes, for a session."
NONCE = b"nonce of the owner"
by_ek = pytest.mark.parametrize("ek_alg", ["rsa2048", "ecc256", "ecc384"])
by_ak = pytest.mark.parametrize("ak_alg", get_args(AkAlg))


@pytest.mark.parametrize("ek_alg", ["rsa2048", "ecc384"])
def test_the_certificate_is_of_the_ek_and_from_the_local_ca(
    tpm: "Tpm", ek_ca: "Path", ek_alg: EkAlg
) -> None:
    ek = tpm.endorsement_key(ek_alg)
    assert ek.certificate is not None
    certificate = x509.load_der_x509_certificate(ek.certificate)
    issuer, root = map(x509.load_pem_x509_certificate, ek_ca_certificates(ek_ca))
    certificate.verify_directly_issued_by(issuer)
    issuer.verify_directly_issued_by(root)
    root.verify_directly_issued_by(root)
    assert certificate.public_key() == PublicArea.from_bytes(ek.public).key


def test_an_ek_the_vendor_did_not_certify_comes_without_certificate(tpm: "Tpm") -> None:
    ek = tpm.endorsement_key("ecc256")
    assert ek.certificate is None
    assert tpm.endorsement_key("ecc256") == ek


def test_a_certificate_is_given_without_the_padding_some_vendors_add(
    other_tpm: "Tpm",
) -> None:
    certificate = other_tpm.endorsement_key().certificate
    assert certificate is not None
    other_tpm.nv_write(0x01C0000A, certificate + bytes(100))
    assert other_tpm.endorsement_key("ecc256").certificate == certificate


CERTIFIED: dict[EkAlg, int] = {
    "rsa2048-high": 0x01C00012,
    "ecc256-high": 0x01C00014,
    "rsa3072": 0x01C0001C,
}


@pytest.mark.parametrize("ek_alg", CERTIFIED)
def test_a_high_range_ek_is_there_where_its_certificate_is(
    make_software_tpm: MakeSoftwareTpm, ek_alg: EkAlg
) -> None:
    from hw.tpm import Tpm

    with Tpm(make_software_tpm(f"with {ek_alg}").start()) as tpm:
        with pytest.raises(TpmError, match="the TPM has no EK-HIGH"):
            tpm.endorsement_key(ek_alg)
        tpm.nv_write(CERTIFIED[ek_alg], b"a vendor's certificate")
        ek, ak = tpm.endorsement_key(ek_alg), tpm.create_attestation_key("ecc")
        assert ek.certificate == b"a vendor's certificate"
        PublicArea.from_bytes(ek.public).require_endorsement_key()
        sent = make_credential(ek.public, ak.name, b"secret")
        assert tpm.activate_credential(ak, *sent, ek_alg) == b"secret"
        assert tpm.preferred_ek() == "rsa2048"


def test_the_ek_to_be_known_by_is_one_that_is_certified(
    make_software_tpm: MakeSoftwareTpm,
) -> None:
    from hw.tpm import Tpm
    from hw.tpm_nv import nv_remove

    with Tpm(make_software_tpm("with ECC certificates only").start()) as tpm:
        assert tpm.preferred_ek() == "rsa2048"
        nv_remove(tpm._link, 0x01C00002)
        assert tpm.preferred_ek() == "ecc384"
        nv_remove(tpm._link, 0x01C00016)
        assert tpm.preferred_ek() == "rsa2048"
        assert tpm.endorsement_key().certificate is None


@by_ek
@by_ak
def test_a_made_credential_is_opened_by_the_tpm_with_both_keys(
    tpm: "Tpm", ek_alg: EkAlg, ak_alg: AkAlg
) -> None:
    ak = tpm.create_attestation_key(ak_alg)
    sent = make_credential(tpm.endorsement_key(ek_alg).public, ak.name, SECRET)
    assert tpm.activate_credential(ak, *sent, ek_alg=ek_alg) == SECRET


@by_ek
def test_no_other_tpm_and_no_other_key_opens_a_credential(
    tpm: "Tpm", other_tpm: "Tpm", ek_alg: EkAlg
) -> None:
    ak = tpm.create_attestation_key("ecc")
    sent = make_credential(tpm.endorsement_key(ek_alg).public, ak.name, SECRET)
    other_tpm.endorsement_key(ek_alg)
    for chip, key in (
        (other_tpm, other_tpm.create_attestation_key("ecc")),
        (tpm, tpm.create_attestation_key("rsa")),
    ):
        with pytest.raises(TpmError, match="activate credential"):
            chip.activate_credential(key, *sent, ek_alg=ek_alg)
    assert tpm.activate_credential(ak, *sent, ek_alg=ek_alg) == SECRET


def test_an_altered_credential_is_not_opened(tpm: "Tpm") -> None:
    ak = tpm.create_attestation_key("ecc")
    blob, seed = make_credential(tpm.endorsement_key().public, ak.name, SECRET)
    for part, other in ((blob, seed), (seed, blob)):
        flipped = part[:-1] + bytes([part[-1] ^ 1])
        parts = (flipped, other) if part is blob else (other, flipped)
        with pytest.raises(TpmError):
            tpm.activate_credential(ak, *parts)
    assert tpm.activate_credential(ak, blob, seed) == SECRET


@given(st.binary(max_size=700), st.binary(max_size=700), st.booleans())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_bytes_make_activation_do_more_than_refuse(
    tpm: "Tpm", blob: bytes, seed: bytes, framed: bool
) -> None:
    ak = tpm.create_attestation_key("ecc")
    if framed:
        blob, seed = sized(blob), sized(seed)
    with pytest.raises(TpmError):
        tpm.activate_credential(ak, blob, seed)


@by_ak
def test_the_ak_vouches_for_keys_in_its_tpm(tpm: "Tpm", ak_alg: AkAlg) -> None:
    ak, device_key = tpm.create_attestation_key(ak_alg), tpm.create_device_key("P-384")
    area = PublicArea.from_bytes(ak.public)
    area.require_attestation_key()
    for subject, public in ((device_key, device_key.public_area), (ak, ak.public)):
        made = tpm.certify(subject, ak, NONCE)
        subject_area = PublicArea.from_bytes(public)
        check_certify(area, subject_area, made.message, made.signature, NONCE)


@by_ak
@pytest.mark.parametrize("bank", ["sha256", "sha384"])
@pytest.mark.parametrize("pcrs", [[7], range(24), [0, 2, 4, 7, 8, 9, 14, 23]])
def test_a_quote_checks_and_gives_the_values_in_the_pcrs(
    tpm: "Tpm", ak_alg: AkAlg, bank: str, pcrs: list[int]
) -> None:
    tpm.extend(7, b"something happened")
    ak = tpm.create_attestation_key(ak_alg)
    made = tpm.quote(ak, NONCE, bank, pcrs)
    facts = check_quote(
        PublicArea.from_bytes(ak.public),
        made.message,
        made.signature,
        made.pcr_blob,
        NONCE,
    )
    assert facts.bank == bank
    assert facts.pcrs == tpm.read_pcrs(bank, pcrs)
    assert list(facts.pcrs) == list(pcrs)


@pytest.mark.parametrize("bank", ["sha384", "sha512"])
def test_a_bank_is_quoted_that_is_the_only_one_there_is(
    make_software_tpm: MakeSoftwareTpm, bank: str
) -> None:
    from hw.tpm import Tpm

    software = make_software_tpm(f"with {bank} alone")
    allocate(software.start(), bank)
    software.stop()
    with Tpm(software.start()) as tpm:
        ak = tpm.create_attestation_key("ecc")
        tpm.extend(4, b"kernel")
        made = tpm.quote(ak, NONCE, bank, range(10))
        area = PublicArea.from_bytes(ak.public)
        parts = (made.message, made.signature, made.pcr_blob)
        facts = check_quote(area, *parts, NONCE)
        assert (facts.bank, facts.pcrs) == (bank, tpm.read_pcrs(bank, range(10)))
        with pytest.raises(HwError, match="sha256"):
            tpm.quote(ak, NONCE, "sha256", [4])


def allocate(tcti: str, bank: str) -> None:
    """Leave one PCR bank active, from the next start on."""
    from tpm2_pytss import ESAPI
    from tpm2_pytss.constants import ESYS_TR, TPM2_ALG
    from tpm2_pytss.types import TPML_PCR_SELECTION, TPMS_PCR_SELECTION

    chosen = [
        TPMS_PCR_SELECTION(
            hash=TPM2_ALG.parse(one),
            sizeofSelect=3,
            pcrSelect=b"\xff" * 3 if one == bank else bytes(3),
        )
        for one in ("sha1", "sha256", "sha384", "sha512")
    ]
    with ESAPI(tcti) as esys:
        allowed, *_ = esys.pcr_allocate(TPML_PCR_SELECTION(chosen), ESYS_TR.PLATFORM)
    assert allowed


@pytest.mark.parametrize("changes", [1, 2])
def test_values_that_change_within_a_quote_are_quoted_anew(
    tpm: "Tpm", monkeypatch: pytest.MonkeyPatch, changes: int
) -> None:
    ak = tpm.create_attestation_key("ecc")
    _extend_before_reading(monkeypatch, changes)
    made = tpm.quote(ak, NONCE, "sha256", [0, 23])
    area = PublicArea.from_bytes(ak.public)
    check_quote(area, made.message, made.signature, made.pcr_blob, NONCE)


def test_values_that_never_rest_are_an_error(
    tpm: "Tpm", monkeypatch: pytest.MonkeyPatch
) -> None:
    ak = tpm.create_attestation_key("ecc")
    _extend_before_reading(monkeypatch, 100)
    with pytest.raises(TpmError, match="kept changing"):
        tpm.quote(ak, NONCE, "sha256", [0, 23])


def _extend_before_reading(monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """Another program extends PCR 23 between the next quotes and their reading."""
    from hw import tpm_quote

    read, left = tpm_quote.read_pcrs, [b"event"] * times

    def meddle(link: "Link", bank: str, pcrs: Iterable[int]) -> dict[int, bytes]:
        if left:
            tpm_quote.extend(link, 23, left.pop())
        return read(link, bank, pcrs)

    monkeypatch.setattr(tpm_quote, "read_pcrs", meddle)


def test_a_quote_of_another_tpm_is_refused(tpm: "Tpm", other_tpm: "Tpm") -> None:
    ak = PublicArea.from_bytes(tpm.create_attestation_key("ecc").public)
    made = other_tpm.quote(
        other_tpm.create_attestation_key("ecc"), NONCE, "sha256", [0]
    )
    with pytest.raises(EvidenceError, match="does not verify"):
        check_quote(ak, made.message, made.signature, made.pcr_blob, NONCE)


def test_what_cannot_be_quoted_is_refused(tpm: "Tpm") -> None:
    ak = tpm.create_attestation_key("ecc")
    for bank, pcrs, nonce in (
        ("sha256", [], NONCE),
        ("sha256", [24], NONCE),
        ("sha256", [-1], NONCE),
        ("sha512", [0], NONCE),
        ("sha1", [0], NONCE),
        ("sha256", [0], bytes(33)),
    ):
        with pytest.raises(HwError):
            tpm.quote(ak, nonce, bank, pcrs)


@pytest.mark.parametrize("name", ["generic-sbc-tpm", "generic-server-tpm"])
def test_a_measured_boot_gives_the_golden_values_again_after_each_restart(
    make_software_tpm: MakeSoftwareTpm, name: str
) -> None:
    from hw.tpm import Tpm

    board, software = profile(name), make_software_tpm(name)
    resets = []
    for _ in range(2):
        with Tpm(software.start()) as tpm:
            measure_boot(tpm, board)
            for bank in ("sha256", "sha384"):
                assert tpm.read_pcrs(bank, board.pcrs) == golden_pcrs(board, bank)
            ak = tpm.create_attestation_key(board.ak_alg)
            made = tpm.quote(ak, NONCE, "sha256", board.pcrs)
            area = PublicArea.from_bytes(ak.public)
            parts = (made.message, made.signature, made.pcr_blob)
            facts = check_quote(area, *parts, NONCE)
            assert facts.safe
            resets.append(facts.reset_count)
            tpm.extend(board.pcrs[0], b"something else ran")
            assert tpm.read_pcrs("sha256", board.pcrs) != golden_pcrs(board)
        software.stop()
    assert resets[1] > resets[0]
