"""An owner with a verifier in pull mode, and its webhook: what pull agents meet."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from attestation.keylime.pki import Pki, ensure_pki
from attestation.keylime.results import VerifierMode
from attestation.keylime.settings import StackOptions
from attestation.keylime.stack import KeylimeStack
from onboarding.services import enrol_task, reconcile, reconcile_round
from onboarding.services.adoption import Adoption, Reported
from onboarding.services.enrolment import EnrolWork
from onboarding.services.keylime_link import KeylimeLink
from onboarding.services.keylime_webhook import listener
from onboarding.services.pull import enrol_pull
from onboarding.services.reconcile import ReconcileWork
from onboarding.services.reconcile_round import ReconcileRound
from onboarding.store.appraisals import AppraisalRecord, Outcome
from onboarding.store.errors import NotFound
from tests.support.databases import NewDatabase
from tests.support.owner_bench import OwnerBench, owner_bench

WAIT_SECONDS = 120.0


@dataclass
class PullSite:
    """An owner with one device, and the Keylime that calls its agent."""

    bench: OwnerBench
    link: KeylimeLink
    hook: str
    pki: Pki
    stack: KeylimeStack

    @property
    def name(self) -> str:
        return str(self.bench.guid)

    @property
    def registrar(self) -> str:
        """Where agents register, over plain HTTP."""
        return self.stack.client_settings().registrar_http_url

    def adopt(self, reported: Reported | None = None) -> None:
        """As the route does it."""
        bench, context = self.bench, self.bench.context
        bench.clock.now = time.time()  # Keylime has the time of day
        situation = bench.gate.situation(bench.guid.raw)
        Adoption(context, self.link.client).bind(
            situation, reported or Reported(), "test"
        )
        enrol_pull(context.stores, self.link, bench.gate.situation(bench.guid.raw))
        context.stores.devices.enrolled(bench.guid.raw, "pull", "test", context.now())

    def watch(self, outcome: Outcome, *, at_once: bool = False) -> AppraisalRecord:
        """Go round as the workers do, until that comes of it.

        ``at_once``: look at the device, as after a notification, whatever there is.
        """
        bench, stores = self.bench, self.bench.context.stores
        looks = ReconcileWork(bench.context, bench.gate, self.link)
        rounds = ReconcileRound(bench.context, self.link)
        tells = EnrolWork(bench.context, bench.gate, self.link)
        deadline = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline:
            bench.clock.now = time.time()
            now = bench.context.now()
            if at_once:
                reconcile.plan(stores, bench.guid.raw, now)
            reconcile_round.begin(stores, now)
            for task in stores.tasks.claim(reconcile_round.KIND, "test", now, 60):
                rounds.run(task, "test")
            for task in stores.tasks.claim(reconcile.KIND, "test", now, 60):
                looks.run(task, "test")
            for task in stores.tasks.claim(enrol_task.KIND, "test", now, 60):
                tells.run(task, "test")
            try:
                found = stores.appraisals.latest(bench.guid.raw)
            except NotFound:
                found = None
            if found is not None and found.outcome is outcome:
                return found
            time.sleep(0.1)
        raise AssertionError(f"no appraisal {outcome} in time")


@contextmanager
def pull_site(
    directory: Path, databases: NewDatabase | None = None
) -> Iterator[PullSite]:
    """Start it; nothing of it is left at the end."""
    (directory / "owner").mkdir()
    pki = ensure_pki(directory / "keylime" / "pki")
    with ExitStack() as stack:
        # The port of the webhook has to be known before Keylime is started.
        bound = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        url = f"https://127.0.0.1:{bound.getsockname()[1]}/"
        options = StackOptions(mode=VerifierMode.PULL, webhook_url=url)
        keylime = stack.enter_context(KeylimeStack(directory / "keylime", options))
        where = keylime.client_settings()
        settings: dict[str, Any] = {
            "keylime_verifier_url": where.verifier_url,
            "keylime_pull_url": where.verifier_url,
            "keylime_registrar_url": where.registrar_url,
            "keylime_registrar_http_url": where.registrar_http_url,
            "keylime_ca": where.ca,
            "keylime_cert": where.cert,
            "keylime_key": where.key,
            "keylime_webhook_port": 0,
            "keylime_webhook_certificate": pki.certificate("webhook"),
            "keylime_webhook_key": pki.key("webhook"),
        }
        bench = stack.enter_context(
            owner_bench(directory / "owner", databases, **settings)
        )
        server = listener(bench.context, bench.context.settings)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
        thread.start()
        stack.callback(thread.join, 30)
        stack.callback(setattr, server, "should_exit", True)
        link = KeylimeLink.open(bench.context)
        assert link is not None
        stack.callback(link.close)
        yield PullSite(bench, link, url, pki, keylime)
