"""Push and pull at the verifier alone, as fast as its one worker goes.

Devices' keys are in memory: what a TPM takes is its own matter and would be the limit.
"""

import hashlib
import tempfile
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import httpx

from attestation.keylime.client import KeylimeClient
from attestation.keylime.http import admin_transport, device_http
from attestation.keylime.listing import KeylimeListing
from attestation.keylime.pki import ensure_pki
from attestation.keylime.pull import PullVerifier
from attestation.keylime.push_agent import PushAgent, PushRefused
from attestation.keylime.results import Contact, VerifierMode
from attestation.keylime.settings import StackOptions
from attestation.keylime.stack import KeylimeStack
from hw.evidence import Quote
from tests.bench import attesters
from tests.bench.attesters import SoftPort
from tests.bench.machine import tree_seconds
from tests.support.pull_agent import DATA_PCR, HOST, QuoteServer
from tests.support.tpm_statements import SoftAk

EVERY = 60  # seconds between two appraisals of a device
PUSHERS, PULLED = 30, 200
PATIENCE = 300.0  # seconds until a verifier has called each agent for the first time
PINNED = {pcr: (value.hex(),) for pcr, value in attesters.PCRS.items()}


def push(keylime: KeylimeStack, seconds: float) -> dict[str, float]:
    """Attestations that the verifier takes and judges, of as many agents as it can."""
    known, port = keylime.client_settings(), SoftPort(SoftAk.new("rsa"))
    agents, done = [str(uuid.uuid4()) for _ in range(PUSHERS)], [0] * PUSHERS
    group = keylime.process_groups[1]
    with admin_transport(known) as admin, device_http(known) as http:
        client = KeylimeClient(admin, known)

        def send(
            method: str,
            path: str,
            headers: Mapping[str, str],
            body: Mapping[str, object],
        ) -> httpx.Response:
            url = known.verifier_url + path
            return http.request(method, url, headers=headers, json=body)

        running = [PushAgent(send, port, name, datetime.now(UTC)) for name in agents]
        for agent in running:
            client.enrol(agent.agent_id, port.public, PINNED)
            agent.login()
        before, begun = tree_seconds(group), time.monotonic()
        stop = begun + seconds
        threads = [
            threading.Thread(target=_pushing, args=(one, stop, done, number))
            for number, one in enumerate(running)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        taken = time.monotonic() - begun
        spent = tree_seconds(group) - before
        for name in agents:
            client.unenrol(name)
    return _figures(sum(done), taken, spent)


def _pushing(agent: PushAgent, stop: float, done: list[int], number: int) -> None:
    while time.monotonic() < stop:
        try:
            wait = agent.attest().next_in
            done[number] += 1
        except PushRefused as refusal:
            if refusal.retry_after is None and refusal.status < 500:
                raise
            wait = refusal.retry_after or 1
        time.sleep(min(wait, 1))


def pull(seconds: float) -> dict[str, float]:
    """Agents called and judged by a verifier in pull mode, each a second after that."""
    options = StackOptions(mode=VerifierMode.PULL, quote_interval=1)
    with tempfile.TemporaryDirectory(prefix="vouchgate-bench-") as name:
        directory = Path(name)
        ca = ensure_pki(directory / "keylime" / "pki").ca
        with KeylimeStack(directory / "keylime", options) as keylime:
            agent = SoftAgent(ca, directory)
            try:
                return _pull(keylime, agent, seconds)
            finally:
                agent.close()


def _pull(
    keylime: KeylimeStack, agent: "SoftAgent", seconds: float
) -> dict[str, float]:
    known, group = keylime.client_settings(), keylime.process_groups[1]
    contact = Contact(HOST, agent.port, agent.certificate)
    agents = [str(uuid.uuid4()) for _ in range(PULLED)]
    with admin_transport(known) as admin:
        verifier = PullVerifier(KeylimeClient(admin, known))
        for name in agents:
            verifier.enrol(name, agent.ak.public, PINNED, contact)
        _await_all(verifier.client, agents)
        before, begun, answered = tree_seconds(group), time.monotonic(), agent.answered
        time.sleep(seconds)
        answered = agent.answered - answered
        taken, spent = time.monotonic() - begun, tree_seconds(group) - before
        judged = [verifier.status(name) for name in agents]
    if any(one is None or one.failed or not one.passed for one in judged):
        raise SystemExit("bench: not every agent of the pull channel passed")
    return _figures(answered, taken, spent)


def _await_all(client: KeylimeClient, agents: Sequence[str]) -> None:
    listing, deadline = KeylimeListing(client), time.monotonic() + PATIENCE
    while True:
        heard = listing.heard()
        if all(heard[name] is not None for name in agents):
            return
        if time.monotonic() > deadline:
            raise SystemExit("bench: the verifier does not get round its agents")
        time.sleep(0.5)


class SoftAgent(QuoteServer):
    """One agent in the place of all of them: they differ in their ids only."""

    def __init__(self, client_ca: Path, directory: Path) -> None:
        super().__init__(client_ca, directory)
        self.ak = SoftAk.new("rsa")
        self.answered = 0
        said = hashlib.sha256(self.public).digest()
        extended = hashlib.sha256(bytes(32) + said).digest()
        self._pcrs = {**attesters.PCRS, DATA_PCR: extended}

    def quote(self, nonce: bytes, pcrs: Sequence[int]) -> Quote:
        self.answered += 1
        return Quote(*self.ak.quote({pcr: self._pcrs[pcr] for pcr in pcrs}, nonce))


def _figures(done: int, taken: float, spent: float) -> dict[str, float]:
    rate = done / taken
    return {
        "per_s": round(rate, 1),
        "devices": int(rate * EVERY),
        "verifier_cpu_ms": round(1000 * spent / max(1, done), 1),
    }
