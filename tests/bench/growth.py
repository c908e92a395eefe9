"""What more verifier workers give: by lists at the owner, and by quotes without it.

A quote alone costs a verifier's worker a fifth of what it costs the owner, so that on
two cores the owner is the limit, however many workers there are; an IMA list costs
the verifier more than the owner. And what verifiers take by themselves, of questions
that were written before, says where they would be the limit.
"""

import asyncio
import json
import os
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass

import httpx

from attestation.keylime.evidence import Evidence
from attestation.keylime.settings import KeylimeSettings
from tests.bench import attesters
from tests.bench.attesters import BenchAttester
from tests.bench.http_load import Connection, load

TOGETHER = 8
LIST_BYTES = 1024 * 1024
QUESTIONS = 20  # that differ


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds of processors: the owner's, the verifier's with workers, the load's."""

    owner: float
    verifier: float
    load: float

    def per(self, count: int, before: "Spent") -> dict[str, float]:
        """Milliseconds for each of ``count``, since ``before``."""
        pairs = {
            "owner_cpu_ms": self.owner - before.owner,
            "verifier_cpu_ms": self.verifier - before.verifier,
            "load_cpu_ms": self.load - before.load,
        }
        return {name: round(1000 * spent / count, 2) for name, spent in pairs.items()}


def load_seconds() -> float:
    """Processor time of this process, which is the load, so far."""
    used = os.times()
    return used.user + used.system


async def attest(connection: Connection, device: BenchAttester) -> None:
    """One whole appraisal."""
    await device.attest(connection)


def with_lists(devices: Sequence[BenchAttester]) -> None:
    """Give each device a list that allows what its policy does."""
    entries = attesters.measured(LIST_BYTES)
    for device in devices:
        attesters.run_list(device, entries)


def questions(devices: Sequence[BenchAttester]) -> list[bytes]:
    """What the owner would ask a verifier of those devices' quotes, as JSON."""
    return [json.dumps(_evidence(one).request()).encode() for one in devices]


def _evidence(device: BenchAttester) -> Evidence:
    nonce = os.urandom(32)
    quote = device.quote(nonce, sorted(device.pcrs))
    pinned = {pcr: (value.hex(),) for pcr, value in device.pcrs.items()}
    public = device.ak.public
    parts = quote.message, quote.signature, quote.pcr_blob
    return Evidence(nonce, public, public, *parts, pinned)


def alone(known: KeylimeSettings, asked: Sequence[bytes], count: int) -> float:
    """Have the verifier answer so many questions; return how many a second."""
    url = httpx.URL(known.verifier_url)
    assert url.port is not None
    context = ssl.create_default_context(cafile=str(known.ca))
    context.load_cert_chain(known.cert, known.key)

    async def ask(connection: Connection, body: bytes) -> None:
        path = "/v2.6/verify/evidence"
        status, reply = await connection.send(path, body, "application/json")
        if status != 200 or json.loads(reply)["results"]["valid"] is not True:
            raise SystemExit(f"bench: the verifier said {status}: {reply[:300]!r}")

    again = [asked[number % len(asked)] for number in range(count)]
    begun = time.perf_counter()
    asyncio.run(load(url.port, again, TOGETHER, ask, context))
    return count / (time.perf_counter() - begun)
