"""What more verifiers, and more owners, give where they are the limit.

On two cores an owner takes more of a quote than a verifier, so there is nothing to be
seen of more of them. Here each has a small, fixed share of a core, as on a machine of
its own that is slow; all else has what it needs. Keylime gives a verifier no more
workers than there are processors, so it is verifiers that are added, with one worker
each, which the owner asks in turn.
"""

import asyncio
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count, cycle

from tests.bench import attesters
from tests.bench.attesters import BenchAttester
from tests.bench.growth import attest
from tests.bench.http_load import load
from tests.bench.machine import measured, tree, tree_seconds
from tests.bench.shares import can_share, shares
from tests.bench.site import Site, site_of
from tests.support.postgres import PrivatePostgres, binaries

VERIFIER, OWNER = 0.02, 0.1  # of a core
TOGETHER = 16
Rows = list[dict[str, float]]


def measure(numbers: Sequence[int], seconds: float) -> dict[str, Rows] | None:
    """Rows by the number of verifiers and of owners; None where there are no shares."""
    if not can_share():
        return None
    owners = numbers if binaries() else ()
    return {
        "verifiers": [_verifiers(number, seconds) for number in numbers],
        "owners": [_owners(number, seconds) for number in owners],
    }


def _verifiers(number: int, seconds: float) -> dict[str, float]:
    with site_of(1, verifiers=number) as site:
        parties = [tree(one.process_groups[1]) for one in site.keylimes]
        found = _loaded(site, [site.port], parties, VERIFIER, seconds)
    return {"verifiers": number, **found}


def _owners(number: int, seconds: float) -> dict[str, float]:
    with _database() as postgres, site_of(1, postgres) as site:
        for _ in range(1, number):
            site.services.another("owner")
        owners = site.services.all
        parties = [tree(one.process.pid) for one in owners]
        ports = [one.port for one in owners]
        found = _loaded(site, ports, parties, OWNER, seconds)
    return {"owners": number, **found}


@contextmanager
def _database() -> Iterator[PrivatePostgres]:
    directory = binaries()
    assert directory is not None  # looked at before
    server = PrivatePostgres(directory, durable=True)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def _loaded(
    site: Site,
    ports: Sequence[int],
    parties: Sequence[Sequence[int]],
    share: float,
    seconds: float,
) -> dict[str, float]:
    """Load all ports for so long, with those processes held to their shares."""
    with attesters.owner_stores(site.services, site.directory) as context:
        devices = attesters.enlist(context, 100, attesters.pcr_policy())
    asyncio.run(_all(ports, devices))  # warm
    done = count()
    with (
        shares(parties, share),
        measured(site.pid, site.services.database_pid) as usage,
    ):
        before, held = site.spent(), _seconds(parties)
        asyncio.run(_all(ports, _until(time.monotonic() + seconds, devices, done)))
        spent, held = site.spent(), _seconds(parties) - held
    number = next(done)
    return {
        "share": share,
        "per_s": round(number / usage.seconds, 1),
        "share_used": round(held / (usage.seconds * share * len(parties)), 2),
        **spent.per(number, before),
        "database_cpu_ms": round(1000 * usage.database / number, 2),
        "foreign_cores": usage.foreign_cores,
    }


def _seconds(parties: Sequence[Sequence[int]]) -> float:
    return sum(tree_seconds(party[0]) for party in parties)


async def _all(ports: Sequence[int], devices: Iterable[BenchAttester]) -> None:
    shared = iter(devices)
    each = TOGETHER // len(ports)
    await asyncio.gather(*(load(port, shared, each, attest) for port in ports))


def _until(
    end: float, devices: Sequence[BenchAttester], done: "count[int]"
) -> Iterator[BenchAttester]:
    """Devices in turn, as long as there is time; ``done`` counts them."""
    for device in cycle(devices):
        if time.monotonic() > end:
            return
        next(done)
        yield device


def show(found: object) -> list[str]:
    """The figures as lines."""
    if not isinstance(found, dict):
        return ["scaled: not measured, for this machine gives no shares"]
    return [
        f"scaled {name}: " + ", ".join(f"{key} {value}" for key, value in row.items())
        for name, rows in found.items()
        for row in rows
    ]
