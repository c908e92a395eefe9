"""Keylime's own agent, in Rust, adopted and called: built by whoever runs this.

``VOUCHGATE_KEYLIME_AGENT`` names the program. No registry of crates has it, so it is
not fetched here. Nothing else may use the software TPM while it runs: there is no
resource manager.
"""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from attestation.passport import key_digest
from attestation.policy import AttestationPolicy
from hw.public_area import PublicArea
from onboarding.services.errors import Problem
from onboarding.services.pull import Reported
from onboarding.store.appraisals import Outcome
from onboarding.store.direct import Sql
from onboarding.store.ek_acceptances import EkAcceptance
from tests.support.attesting import PCR, hold_to
from tests.support.keylime_stack import require_keylime
from tests.support.owner_bench import NOW
from tests.support.pull_site import WAIT_SECONDS, PullSite, pull_site

if TYPE_CHECKING:
    from tests.support.swtpm import MakeSoftwareTpm

PROGRAM = os.environ.get("VOUCHGATE_KEYLIME_AGENT", "")

pytestmark = pytest.mark.skipif(not PROGRAM, reason="no VOUCHGATE_KEYLIME_AGENT")


def configuration(site: PullSite, directory: Path, port: int) -> dict[str, str]:
    """As ``agent.conf`` would say it, in the environment."""
    registrar, registrar_port = site.registrar.removeprefix("http://").split(":")
    said = {
        "uuid": site.name,
        "ip": "127.0.0.1",
        "port": str(port),
        "contact_ip": "127.0.0.1",
        "contact_port": str(port),
        "registrar_ip": registrar,
        "registrar_port": registrar_port,
        "keylime_dir": str(directory),
        "trusted_client_ca": str(site.pki.ca),
        "enable_agent_mtls": "true",
        "run_as": "",
        "secure_size": "1m",
    }
    return {f"KEYLIME_AGENT_{name.upper()}": value for name, value in said.items()}


@contextmanager
def running(environment: dict[str, str], log: Path) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - the program under test
            [PROGRAM], env=environment, stdout=output, stderr=output
        )
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


def adopted(site: PullSite, reported: Reported, log: Path) -> None:
    """Adopt the agent once it has registered."""
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            return site.adopt(reported)
        except Problem as problem:
            late = time.monotonic() > deadline
            if problem.code != "agent-not-registered" or late:
                raise AssertionError(log.read_text()[-3000:]) from problem
            time.sleep(0.2)


def test_the_stock_agent_is_adopted_and_passes(
    tmp_path: Path, make_software_tpm: "MakeSoftwareTpm", free_port: int
) -> None:
    from hw.tpm import Tpm

    require_keylime()
    software = make_software_tpm("stock")
    tcti = software.start()
    with Tpm(tcti) as tpm:
        tpm.extend(PCR, b"what booted")
        ek = tpm.endorsement_key()
        value = tpm.read_pcrs("sha256", [PCR])[PCR]
    digest = key_digest(PublicArea.from_bytes(ek.public).key)
    with pull_site(tmp_path) as site:
        stores = site.bench.context.stores
        site.bench.context.database.direct.count(Sql("DELETE FROM bindings"), ())
        stores.ek_acceptances.add(EkAcceptance(digest, "a software TPM", NOW, "test"))
        hold_to(site.bench, AttestationPolicy("golden", 1, {PCR: (value,)}))
        environment = {
            "PATH": os.environ["PATH"],
            "TCTI": tcti,
            "RUST_LOG": "info",
            **configuration(site, tmp_path / "agent", free_port),
        }
        (tmp_path / "agent").mkdir()
        log = tmp_path / "agent.log"
        with running(environment, log):
            adopted(site, Reported(ek=digest), log)
            passed = site.watch(Outcome.PASSED)
        assert (passed.channel, passed.compared) == ("pull", (f"pcr:sha256:{PCR}",))


@pytest.fixture
def free_port() -> int:
    """The agent takes no socket, so this is a guess."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as bound:
        return int(bound.getsockname()[1])
