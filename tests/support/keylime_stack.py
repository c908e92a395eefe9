"""One real Keylime for all tests of a run, and real software TPMs to attest with.

As a plugin (``pytest_plugins``), so that all tests share one stack.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from attestation.keylime.client import KeylimeClient
from attestation.keylime.errors import KeylimeStartError
from attestation.keylime.http import admin_transport
from attestation.keylime.launch import PROGRAMS, program_path
from attestation.keylime.settings import StackOptions
from attestation.keylime.stack import KeylimeStack
from hw.evidence import AkAlg
from tests.support.attester import Attester

if TYPE_CHECKING:
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
    with admin_transport(settings) as way:
        yield KeylimeClient(way, settings)


@pytest.fixture(params=["ecc", "rsa"])
def attester(request: pytest.FixtureRequest, tpm: "Tpm") -> Attester:
    """The module's TPM with a fresh key; PCRs that a test extends stay extended."""
    alg: AkAlg = request.param
    return Attester(tpm, tpm.create_attestation_key(alg))


@pytest.fixture
def pusher(tpm: "Tpm") -> Attester:
    """The module's TPM with a fresh key of the one kind that push takes."""
    return Attester(tpm, tpm.create_attestation_key("rsa"))
