"""One owner before Keylime, on loopback."""

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from attestation.keylime.settings import StackOptions
from attestation.keylime.stack import KeylimeStack
from onboarding.cli.demo.services import keylime_environment
from tests.bench.growth import Spent, load_seconds
from tests.bench.machine import tree_seconds
from tests.bench.services import Services
from tests.support.postgres import PrivatePostgres


@dataclass(frozen=True, slots=True)
class Site:
    """One owner, and Keylime, once or several times."""

    directory: Path
    services: Services
    keylimes: tuple[KeylimeStack, ...]

    @property
    def keylime(self) -> KeylimeStack:
        return self.keylimes[0]

    @property
    def port(self) -> int:
        return self.services["owner"].port

    @property
    def pid(self) -> int:
        return self.services["owner"].process.pid

    def verifier_seconds(self) -> float:
        """Processor time of the verifiers so far, and of their workers."""
        return sum(tree_seconds(one.process_groups[1]) for one in self.keylimes)

    def spent(self) -> Spent:
        """Processor time so far."""
        owner = sum(tree_seconds(one.process.pid) for one in self.services.all)
        return Spent(owner, self.verifier_seconds(), load_seconds())


@contextmanager
def site_of(
    workers: int, postgres: PrivatePostgres | None = None, verifiers: int = 1
) -> Iterator[Site]:
    """An owner on SQLite, or there; verifiers of one authority with so many workers."""
    options = StackOptions(quote_interval=1, verifier_workers=workers)
    with ExitStack() as stack:
        name = tempfile.TemporaryDirectory(prefix="vouchgate-bench-")
        directory = Path(stack.enter_context(name))
        keylimes = []
        for number in range(verifiers):
            home = directory / f"keylime-{number}"
            if number:
                shutil.copytree(directory / "keylime-0" / "pki", home / "pki")
            keylimes.append(stack.enter_context(KeylimeStack(home, options)))
        known = keylime_environment(keylimes[0].client_settings())
        urls = [one.client_settings().verifier_url for one in keylimes]
        known |= {"VOUCHGATE_KEYLIME_EVIDENCE_URLS": json.dumps(urls)}
        roles = ("owner",)
        services = Services(directory, postgres, roles, more=known)
        yield Site(directory, stack.enter_context(services), tuple(keylimes))
