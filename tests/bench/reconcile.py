"""``python -m tests.bench.reconcile``: the push channel's agents, all looked at once.

One agent attests by Keylime's push protocol and is seen by the owner; the rest are
copies of its rows, in the owner's database and in the verifier's. Then the running
owner goes round all of them: with nothing new at any, what a quiet fleet costs, and
with some that the verifier has heard of since, which are asked for one by one.
"""

import argparse
import json
import sqlite3
import sys
import tempfile
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import httpx

from attestation.keylime.client import KeylimeClient
from attestation.keylime.http import admin_transport, device_http
from attestation.keylime.push_agent import PushAgent
from attestation.keylime.settings import StackOptions
from attestation.keylime.stack import KeylimeStack
from onboarding.cli.demo.services import keylime_environment
from onboarding.services.context import Context
from onboarding.services.reconcile import KIND as LOOK
from onboarding.services.reconcile_round import KIND as ROUND
from tests.bench import attesters
from tests.bench.attesters import SoftPort
from tests.bench.machine import (
    forget_peaks,
    machine,
    measured,
    rss_mib,
    tree_peak_mib,
    tree_seconds,
    verify_us,
)
from tests.bench.services import Services
from tests.support.tpm_statements import SoftAk

AGENTS, NEWS = 10_000, 200
LATER = 86_400  # seconds until the next round: not in this run
PATIENCE = 3600.0

OURS = dict.fromkeys(("devices", "bindings", "assignments"), "device")
OURS |= {"appraisals": "guid"}
THEIRS = dict.fromkeys(("verifiermain", "attestations", "evidence_items"), "agent_id")
_DUE = "UPDATE tasks SET due = ?, generation = generation + 1 WHERE kind = ?"
_LEFT = "SELECT COUNT(*) FROM tasks WHERE (kind = ? AND due <= ?) OR kind = ?"
_HEARD = "UPDATE verifiermain SET attestation_count = attestation_count + 1"
_UNLIKE = (
    "SELECT COUNT(*) FROM bindings WHERE channel = 'push' AND keylime_mark IS NOT "
    "(SELECT keylime_mark FROM bindings WHERE device = ?)"
)


def main() -> int:
    """Measure, print and write ``reconcile`` into ``build/bench.json``."""
    options = _options()
    result = measure(options.agents)
    known = json.loads(options.output.read_text()) if options.output.exists() else {}
    options.output.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({**known, "reconcile": result}, indent=2)
    options.output.write_text(text + "\n")
    print(show(result))
    print(f"written to {options.output}")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.reconcile", description=__doc__
    )
    parser.add_argument("--agents", type=int, default=AGENTS)
    parser.add_argument("--output", type=Path, default=Path("build/bench.json"))
    return parser.parse_args()


def measure(agents: int) -> dict[str, object]:
    """Return what `show` prints."""
    options = StackOptions(quote_interval=1)
    with tempfile.TemporaryDirectory(prefix="vouchgate-bench-") as name:
        directory = Path(name)
        with KeylimeStack(directory / "keylime", options) as keylime:
            more = keylime_environment(keylime.client_settings())
            more["VOUCHGATE_RECONCILE_SECONDS"] = str(LATER)
            with Services(directory, roles=("owner",), more=more) as services:
                result = _measure(services, keylime, directory, agents)
    return {**result, "machine": machine(), "p256_verify_us": verify_us()}


def _measure(
    services: Services, keylime: KeylimeStack, directory: Path, agents: int
) -> dict[str, object]:
    with attesters.owner_stores(services, directory) as context:
        first = _first(context, keylime, directory)
        ids = [uuid.uuid4() for _ in range(agents - 1)]
        theirs = directory / "keylime" / "verifier" / "cv_data.sqlite"
        copy(theirs, THEIRS, str(first), [str(one) for one in ids])
        ours = directory / "owner" / "vouchgate.db"
        copy(ours, OURS, first.bytes, [one.bytes for one in ids])
        quiet = _round(services, keylime, directory, agents)
        some = ids[: min(NEWS, len(ids))]
        _heard_of(theirs, [str(one) for one in some])
        news = _round(services, keylime, directory, len(some))
        seen = _count(ours, _UNLIKE, first.bytes)
        if seen != len(some):
            raise SystemExit(f"bench: {seen} were looked at, not {len(some)}")
    return {"agents": agents, **quiet, "news": len(some), "with_news": news}


def _round(
    services: Services, keylime: KeylimeStack, directory: Path, agents: int
) -> dict[str, object]:
    """Have the owner go round once, and see to all that comes of it."""
    pid, group = services["owner"].process.pid, keylime.process_groups[1]
    spent, before, theirs = tree_seconds(group), rss_mib(pid), tree_peak_mib(group)
    forget_peaks(pid, group)
    with measured(pid) as usage:
        go_round(directory)
    there = tree_seconds(group) - spent
    return {
        "seconds": round(usage.seconds, 2),
        "owner_cpu_s": round(usage.service, 2),
        "verifier_cpu_s": round(there, 2),
        "owner_cpu_ms": round(1000 * usage.service / agents, 2),
        "verifier_cpu_ms": round(1000 * there / agents, 2),
        "rss_before_mib": before,
        "rss_mib": tree_peak_mib(pid),
        "verifier_rss_before_mib": theirs,
        "verifier_rss_mib": tree_peak_mib(group),
        "foreign_cores": usage.foreign_cores,
    }


def go_round(directory: Path) -> None:
    """Make a round due now, and wait until nothing is left to do of it."""
    ours, now = directory / "owner" / "vouchgate.db", int(time.time())
    with closing(sqlite3.connect(ours, timeout=60)) as connection, connection:
        connection.execute(_DUE, (now, ROUND))
    deadline = time.monotonic() + PATIENCE
    while _count(ours, _LEFT, ROUND, now + LATER // 2, LOOK) > 0:
        if time.monotonic() > deadline:
            raise SystemExit("bench: the agents were not looked at in time")
        time.sleep(0.02)


def _count(path: Path, sql: str, *values: object) -> int:
    with closing(sqlite3.connect(path, timeout=60)) as connection:
        (count,) = connection.execute(sql, values).fetchone()
        return int(count)


def _heard_of(theirs: Path, agents: Sequence[str]) -> None:
    """As if each of these had attested once more."""
    with closing(sqlite3.connect(theirs, timeout=60)) as connection, connection:
        one_by_one = [(one,) for one in agents]
        connection.executemany(f"{_HEARD} WHERE agent_id = ?", one_by_one)


def _first(context: Context, keylime: KeylimeStack, directory: Path) -> uuid.UUID:
    """One agent that attested by push, and whose verdict the owner has."""
    (device,) = attesters.enlist(context, 1, attesters.pcr_policy())
    guid, port = device.guid, SoftPort(SoftAk.new("rsa"))
    stores, now = context.stores, context.now()
    binding = stores.bindings.get(guid.raw)
    bound = replace(binding, channel="push", ak_alg="rsa", ak_public=port.public)
    stores.bindings.put(bound, "bench")
    stores.devices.enrolled(guid.raw, "push", "bench", now)
    known = keylime.client_settings()
    with admin_transport(known) as admin, device_http(known) as http:

        def send(
            method: str,
            path: str,
            headers: Mapping[str, str],
            body: Mapping[str, object],
        ) -> httpx.Response:
            url = known.verifier_url + path
            return http.request(method, url, headers=headers, json=body)

        pinned = {pcr: (value.hex(),) for pcr, value in attesters.PCRS.items()}
        KeylimeClient(admin, known).enrol(str(guid), port.public, pinned)
        PushAgent(send, port, str(guid), datetime.now(UTC)).attest()
    deadline = time.monotonic() + 60
    while context.stores.devices.get(guid.raw).facts.appraised_at is None:
        if time.monotonic() > deadline:
            raise SystemExit("bench: the owner saw no verdict of Keylime's")
        go_round(directory)  # Keylime judges after it has answered
    return uuid.UUID(bytes=guid.raw)


def copy(
    path: Path, tables: Mapping[str, str], first: object, others: Sequence[object]
) -> None:
    """Copy the rows of one device in each table, under other names."""
    with closing(sqlite3.connect(path, timeout=60)) as connection, connection:
        for table, column in tables.items():
            made = [{"new": o, "old": first, "id": str(uuid.uuid4())} for o in others]
            connection.executemany(_copying(connection, table, column), made)
        if "devices" in tables:
            known = "INSERT INTO device_guids (guid, device) VALUES (?, ?)"
            connection.executemany(known, [(one, one) for one in others])


def _copying(connection: sqlite3.Connection, table: str, column: str) -> str:
    """One row of another device; numbers that count rows are left to the database."""
    names = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
    if table == "evidence_items":
        names.remove("id")
    taken = {column: ":new", "guid": ":new", "id": ":id"}
    columns = ", ".join(f'"{name}"' for name in names)
    values = ", ".join(taken.get(name, f'"{name}"') for name in names)
    return (
        f"INSERT INTO {table} ({columns}) SELECT {values} "  # noqa: S608 - our names
        f"FROM {table} WHERE {column} = :old"
    )


def show(result: Mapping[str, object]) -> str:
    """Return the figures as lines."""
    lines = [f"{result['machine']}; a P-256 check takes {result['p256_verify_us']} us"]
    with_news = result["with_news"]
    assert isinstance(with_news, dict)
    words = f"{result['agents']} agents, nothing new", f"{result['news']} with news"
    for said, row in zip(words, (result, with_news), strict=True):
        lines.append(
            f"{said}: {row['seconds']} s, CPU {row['owner_cpu_s']} s at the owner,"
            f" {row['verifier_cpu_s']} s at the verifier; owner {row['rss_mib']} MiB,"
            f" {row['rss_before_mib']} before; verifier {row['verifier_rss_mib']} MiB,"
            f" {row['verifier_rss_before_mib']} before; others used"
            f" {row['foreign_cores']} cores"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
