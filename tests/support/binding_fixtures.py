"""Two machines with software TPMs, and an owner; the TPMs are the test module's.

As a plugin (``pytest_plugins``); what they are is in ``tpm_machines``.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography import x509

from attestation.ek_store import EkTrust
from hw.swtpm import ek_ca_certificates
from tests.support.tpm_machines import Machine, Owner

if TYPE_CHECKING:
    from hw.tpm import Tpm


@pytest.fixture(scope="module")
def machine(tpm: "Tpm") -> Machine:
    """The device the voucher is of."""
    return Machine.prepare(tpm)


@pytest.fixture(scope="module")
def thief(other_tpm: "Tpm") -> Machine:
    """A second machine of the same vendor; it may hold copies of all but the TPM."""
    return Machine.prepare(other_tpm)


@pytest.fixture(scope="module")
def trust(ek_ca: Path, machine: Machine) -> EkTrust:
    """The vendor's CA; it exists once a TPM has been manufactured."""
    return EkTrust.of(map(x509.load_pem_x509_certificate, ek_ca_certificates(ek_ca)))


@pytest.fixture(scope="module")
def owner(machine: Machine, trust: EkTrust) -> Owner:
    return Owner(machine.dak.public_key, trust)
