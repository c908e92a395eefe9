"""One real Keylime for all tests of a run, and real software TPMs to attest with.

A test module says ``pytest_plugins = ["tests.support.keylime_stack"]``; all that do
share one stack.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from attestation.keylime.client import KeylimeClient
from attestation.keylime.errors import KeylimeStartError
from attestation.keylime.evidence import Evidence
from attestation.keylime.http import admin_http
from attestation.keylime.settings import StackOptions
from attestation.keylime.stack import PROGRAMS, KeylimeStack, program_path
from attestation.keylime.tpm_policy import PcrPolicy
from hw.evidence import AttestationKey
from hw.swtpm import SoftwareTpm, missing_programs
from hw.tpm import Tpm

QUOTE_INTERVAL = 1  # seconds


def require_keylime() -> None:
    """Skip, with the reason, where Keylime is not installed."""
    try:
        for name in PROGRAMS:
            program_path(name)
    except KeylimeStartError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def keylime_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeylimeStack]:
    """A running registrar and verifier; shared, so delete what you enrol."""
    require_keylime()
    options = StackOptions(quote_interval=QUOTE_INTERVAL)
    with KeylimeStack(tmp_path_factory.mktemp("keylime"), options) as stack:
        yield stack


@pytest.fixture(scope="session")
def keylime(keylime_stack: KeylimeStack) -> Iterator[KeylimeClient]:
    """A client that is administrator of ``keylime_stack``."""
    settings = keylime_stack.client_settings()
    with admin_http(settings) as http:
        yield KeylimeClient(http, settings)


@dataclass(frozen=True, slots=True)
class Attester:
    """A powered TPM with an attestation key."""

    tpm: Tpm
    ak: AttestationKey

    def allow(self, *pcrs: int) -> PcrPolicy:
        """Return a policy that pins ``pcrs`` to what they hold now."""
        return {n: (v,) for n, v in self.tpm.read_pcrs("sha256", pcrs).items()}

    def evidence(self, nonce: bytes, policy: PcrPolicy) -> Evidence:
        """Quote what the policy pins."""
        quote = self.tpm.quote(self.ak, nonce, "sha256", policy)
        return Evidence(
            nonce,
            self.ak.public,
            self.tpm.endorsement_key().public,
            quote.message,
            quote.signature,
            quote.pcr_blob,
            policy,
        )

    def with_rsa(self) -> "Attester":
        """Return the same TPM with a fresh key that Keylime's push login takes."""
        return replace(self, ak=self.tpm.create_attestation_key("rsa"))


def power_on(directory: Path) -> Iterator[Tpm]:
    """Manufacture a TPM, run it, and leave nothing behind; or skip with the reason."""
    if missing := missing_programs():
        pytest.skip(f"not installed: {', '.join(missing)}")
    software = SoftwareTpm(directory, "device")
    software.manufacture(directory / "ca")
    address = software.start()
    try:
        with Tpm(address) as tpm:
            yield tpm
    finally:
        software.stop()


@pytest.fixture(scope="module")
def attester_tpm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tpm]:
    """A software TPM for one module; PCRs that a test extends stay extended."""
    yield from power_on(tmp_path_factory.mktemp("attester"))
