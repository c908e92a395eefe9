"""``python -m tests.bench.reconcile``: the push channel's agents, all looked at once.

One agent attests by Keylime's push protocol and is seen by the owner; the rest are
copies of its rows, in the owner's database and in the verifier's. Then the running
owner has to look at each of them, with nothing new at any: what a quiet fleet costs.
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
from attestation.keylime.http import admin_http, device_http
from attestation.keylime.push_agent import PushAgent
from attestation.keylime.settings import StackOptions
from attestation.keylime.stack import KeylimeStack
from onboarding.cli.demo.services import keylime_environment
from onboarding.services.context import Context
from onboarding.services.reconcile import KIND, plan
from onboarding.store.errors import NotFound
from tests.bench import attesters
from tests.bench.attesters import SoftPort
from tests.bench.machine import machine, measured, rss_mib, tree_seconds, verify_us
from tests.bench.services import Services
from tests.support.tpm_statements import SoftAk

AGENTS = 10_000
LATER = 86_400  # seconds until an agent is looked at again: not in this run
PATIENCE = 3600.0

OURS = {"devices": "guid", "bindings": "guid", "assignments": "guid"}
OURS |= {"appraisals": "guid"}
THEIRS = dict.fromkeys(("verifiermain", "attestations", "evidence_items"), "agent_id")
_LEFT = f"SELECT COUNT(*) FROM tasks WHERE kind = '{KIND}' AND due <= ?"  # noqa: S608


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
        first = _first(context, keylime)
        ids = [uuid.uuid4() for _ in range(agents - 1)]
        theirs = directory / "keylime" / "verifier" / "cv_data.sqlite"
        copy(theirs, THEIRS, str(first), [str(one) for one in ids])
        ours = directory / "owner" / "vouchgate.db"
        copy(ours, OURS, first.bytes, [one.bytes for one in ids])
        pid, verifier = services["owner"].process.pid, keylime.process_groups[1]
        before, spent = rss_mib(pid), tree_seconds(verifier)
        largest = before
        deadline = time.monotonic() + PATIENCE
        with measured(pid) as usage:
            _make_due(ours, context, [first, *ids])
            while _left(ours) > 0:
                largest = max(largest, rss_mib(pid))
                if time.monotonic() > deadline:
                    raise SystemExit("bench: the agents were not looked at in time")
                time.sleep(0.2)
        looked = context.stores.tasks.backlog(KIND, context.now())
        if looked.planned != agents or looked.failing:
            raise SystemExit(f"bench: not all were looked at: {looked}")
    return {
        "agents": agents,
        "seconds": round(usage.seconds, 1),
        "per_s": round(agents / usage.seconds, 1),
        "owner_cpu_ms": round(1000 * usage.service / agents, 2),
        "verifier_cpu_ms": round(1000 * (tree_seconds(verifier) - spent) / agents, 2),
        "rss_before_mib": before,
        "rss_mib": largest,
        "foreign_cores": usage.foreign_cores,
    }


def _first(context: Context, keylime: KeylimeStack) -> uuid.UUID:
    """One agent that attested by push, and whose verdict the owner has."""
    (device,) = attesters.enlist(context, 1, attesters.pcr_policy())
    guid, port = device.guid, SoftPort(SoftAk.new("rsa"))
    stores, now = context.stores, context.now()
    binding = stores.bindings.get(guid.raw)
    bound = replace(binding, channel="push", ak_alg="rsa", ak_public=port.public)
    stores.bindings.put(bound, "bench")
    stores.devices.enrolled(guid.raw, "push", "bench", now)
    known = keylime.client_settings()
    with admin_http(known) as admin, device_http(known) as http:

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
    plan(stores, guid.raw, now)
    _await_verdict(context, guid.raw)
    return uuid.UUID(bytes=guid.raw)


def _await_verdict(context: Context, guid: bytes) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            context.stores.appraisals.latest(guid)
        except NotFound:
            plan(context.stores, guid, context.now())
            time.sleep(1)
        else:
            return
    raise SystemExit("bench: the owner saw no verdict of Keylime's")


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
    taken = {column: ":new", "id": ":id"}
    columns = ", ".join(f'"{name}"' for name in names)
    values = ", ".join(taken.get(name, f'"{name}"') for name in names)
    return (
        f"INSERT INTO {table} ({columns}) SELECT {values} "  # noqa: S608 - our names
        f"FROM {table} WHERE {column} = :old"
    )


def _make_due(path: Path, context: Context, agents: Sequence[uuid.UUID]) -> None:
    """Plan all of them for now, in one transaction."""
    subject = agents[0].hex
    with closing(sqlite3.connect(path, timeout=60)) as connection, connection:
        made = [(one.hex, uuid.uuid4().bytes, KIND, subject) for one in agents[1:]]
        names = [row[1] for row in connection.execute("PRAGMA table_info(tasks)")]
        taken = {"subject": "?1", "id": "?2"}
        columns = ", ".join(names)
        values = ", ".join(taken.get(name, name) for name in names)
        connection.executemany(
            f"INSERT INTO tasks ({columns}) SELECT {values} FROM tasks "  # noqa: S608
            "WHERE kind = ?3 AND subject = ?4",
            made,
        )
        due = "UPDATE tasks SET due = ? WHERE kind = ?"
        connection.execute(due, (context.now(), KIND))


def _left(path: Path) -> int:
    with closing(sqlite3.connect(path, timeout=60)) as connection:
        (count,) = connection.execute(_LEFT, (int(time.time()) + 3600,)).fetchone()
        return int(count)


def show(result: Mapping[str, object]) -> str:
    """Return the figures as lines."""
    lines = [f"{result['machine']}; a P-256 check takes {result['p256_verify_us']} us"]
    lines.append(
        f"{result['agents']} agents in {result['seconds']} s: {result['per_s']}/s, CPU"
        f" {result['owner_cpu_ms']} ms at the owner, {result['verifier_cpu_ms']} ms at"
        f" the verifier; owner {result['rss_mib']} MiB, {result['rss_before_mib']}"
        " before"
    )
    lines.append(f"others used {result['foreign_cores']} cores meanwhile")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
