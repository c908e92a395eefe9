"""IAK and IDevID in a real software TPM, certified as a device's maker does."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from cryptography import x509

from hw.errors import EvidenceError, TpmError
from hw.public_area import PublicArea
from hw.quote import check_certify
from tests.support.swtpm import MakeSoftwareTpm

if TYPE_CHECKING:
    from hw.tpm import Tpm

MAKER_OF = "test device maker issuer"


@pytest.fixture(scope="module")
def fresh(make_software_tpm: MakeSoftwareTpm) -> "Iterator[Tpm]":
    from hw.tpm import Tpm

    with Tpm(make_software_tpm("with identity").start()) as tpm:
        yield tpm


def test_a_tpm_without_them_has_no_identity(tpm: "Tpm") -> None:
    assert tpm.device_identity() is None


@pytest.mark.parametrize("template", ["H1", "H2", "H3"])
def test_keys_of_the_standard_templates_are_found_by_their_certificates(
    fresh: "Tpm", template: str
) -> None:
    from tests.support import identity_authority
    from tests.support.identity_authority import DeviceMaker

    maker = DeviceMaker()
    maker.provision(fresh, fresh._link, getattr(identity_authority, template))
    found = fresh.device_identity()
    assert found is not None
    assert found.idevid is not None
    for one in (found.iak, found.idevid):
        leaf = x509.load_der_x509_certificate(one.certificate)
        area = PublicArea.from_bytes(one.public)
        assert leaf.public_key() == area.key
        assert leaf.issuer == maker.issuer.certificate.subject
        (above,) = one.chain
        assert x509.load_der_x509_certificate(above) == maker.issuer.certificate
    PublicArea.from_bytes(found.iak.public).require_attestation_key()
    PublicArea.from_bytes(found.idevid.public).require_device_key()
    assert fresh.device_identity() == found  # persistent by now


def test_the_iak_says_that_an_ak_is_in_its_tpm(fresh: "Tpm") -> None:
    from tests.support.identity_authority import H2, DeviceMaker

    DeviceMaker().provision(fresh, fresh._link, H2)
    found = fresh.device_identity()
    assert found is not None
    ak = fresh.create_attestation_key("ecc")
    statement = fresh.certify(ak, found.key, b"q" * 32)
    iak, area = (PublicArea.from_bytes(one) for one in (found.iak.public, ak.public))
    signed = (statement.message, statement.signature)
    check_certify(iak, area, *signed, b"q" * 32)
    other = PublicArea.from_bytes(fresh.create_attestation_key("rsa").public)
    with pytest.raises(EvidenceError):
        check_certify(iak, other, *signed, b"q" * 32)


def test_a_certificate_of_another_tpms_key_is_refused(fresh: "Tpm", tpm: "Tpm") -> None:
    from hw.tpm_identity import IAK
    from tests.support.identity_authority import H2, DeviceMaker

    DeviceMaker().provision(tpm, tpm._link, H2)
    stolen = tpm.nv_read(IAK.first_index)
    assert stolen is not None
    fresh.nv_write(IAK.first_index, stolen)
    with pytest.raises(TpmError, match="no key in this TPM"):
        fresh.device_identity()
    fresh.nv_write(IAK.first_index, b"no certificate", exact=True)
    with pytest.raises(TpmError, match="cannot be read"):
        fresh.device_identity()
