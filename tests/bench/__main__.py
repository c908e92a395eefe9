"""``make bench``: what one device costs each service, and what many do to it.

The services run on the first core, the load on the last. ``--full`` takes the
numbers that docs/benchmarks.md speaks of: ten thousand devices, a million
registrations; it takes the better part of an hour.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.bench import beside, rendezvous, to0
from tests.bench.figures import Figures
from tests.bench.machine import machine, rss_mib, verify_us
from tests.bench.phases import MESSAGES, FleetRun, prepare
from tests.bench.report import show
from tests.bench.services import ROLES, Services
from tests.bench.vouchers import import_figures
from tests.support.postgres import PrivatePostgres, binaries

FULL = {"devices": 10_000, "vouchers": 10_000, "registrations": 1_000_000}
FULL |= {"asked": 3000, "to0": 10_000}
CORES = sorted(os.sched_getaffinity(0))  # before any of them is chosen
BESIDE = 4  # times the vouchers, so that enough devices come meanwhile
FEW = 1000  # registrations that the many are compared with


def main() -> int:
    """Measure, print and write ``build/bench.json``."""
    options = _options()
    speed = verify_us()
    result = {**_on_sqlite(options), "postgresql": _on_postgres(options)}
    few, many = min(FEW, options.registrations), options.registrations
    result |= {
        "rendezvous": rendezvous.measure(few, many, options.asked),
        "to0": to0.measure(options.to0) if options.to0 else None,
        "devices": options.devices,
        "concurrency": options.concurrency,
        "messages": MESSAGES,
        "machine": machine(),
        "p256_verify_us": speed,
    }
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(result, indent=2) + "\n")
    print(show(result))
    print(f"written to {options.output}")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--full", action="store_true", help="the large numbers")
    parser.add_argument("--devices", type=int, default=400)
    parser.add_argument("--concurrency", type=int, default=8)
    parser.add_argument("--vouchers", type=int, default=1000, help="to import")
    parser.add_argument("--registrations", type=int, default=50_000)
    parser.add_argument("--asked", type=int, default=500, help="look-ups among them")
    parser.add_argument("--to0", type=int, default=0, help="vouchers to register")
    parser.add_argument("--no-postgresql", action="store_true")
    parser.add_argument("--output", type=Path, default=Path("build/bench.json"))
    full, _ = parser.parse_known_args()
    if full.full:
        parser.set_defaults(**FULL)
    return parser.parse_args()


def _on_sqlite(options: argparse.Namespace) -> dict[str, object]:
    with _running(None) as services:
        prepare(services)
        figures = FleetRun(services, options.devices, options.concurrency).figures()
        resident = {role: rss_mib(services[role].process.pid) for role in ROLES}
        return {
            **_shown(figures),
            "rss_mib": resident["owner"],
            "rss": resident,
            "import": _imports(options, None),
            "beside": _beside(options),
            "foreign_cores": _foreign(figures),
        }


def _imports(
    options: argparse.Namespace, server: PrivatePostgres | None
) -> dict[str, object]:
    """Into an owner who does not register at the same time what he is given."""
    with _running(server, ("owner",), background=False) as services:
        return import_figures(services, options.vouchers)


def _beside(options: argparse.Namespace) -> dict[str, object]:
    """An import, and devices that come while it runs."""
    with _running(None, ("owner",), background=False) as services:
        address = {"ip": "127.0.0.1", "port": 1, "protocol": "http"}
        services["owner"].api.json("PUT", "to2-address", {"addresses": [address]})
        count = BESIDE * options.vouchers
        return beside.measure(services, count, min(10.0, count / 400))


def _on_postgres(options: argparse.Namespace) -> dict[str, object] | None:
    """The same fleet, at most 400 of it; None where there is no PostgreSQL."""
    found = None if options.no_postgresql else binaries()
    if found is None:
        return None
    server = PrivatePostgres(found, durable=True)
    server.start()
    try:
        return {
            **_fleet_on(server, options),
            "local_runs": _fleet_on(server, options, local_runs=True),
            "import": _imports(options, server),
        }
    finally:
        server.stop()


def _fleet_on(
    server: PrivatePostgres, options: argparse.Namespace, *, local_runs: bool = False
) -> dict[str, object]:
    with _running(server, local_runs=local_runs) as services:
        prepare(services)
        devices = min(options.devices, 400)
        figures = FleetRun(services, devices, options.concurrency).figures()
    to2 = figures["to2"]
    return {
        **_shown(figures),
        "to2_service_ms": to2.each(to2.usage.service),
        "to2_database_ms": to2.each(to2.usage.database),
        "foreign_cores": _foreign(figures),
    }


@contextmanager
def _running(
    postgres: PrivatePostgres | None,
    roles: Sequence[str] = ROLES,
    *,
    background: bool = True,
    local_runs: bool = False,
) -> Iterator[Services]:
    """The services on the first core, ourselves on the last."""
    cores, before = CORES, os.sched_getaffinity(0)
    if len(cores) < 2:
        print("bench: one core only; services and load share it", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="vouchgate-bench-") as name:
        os.sched_setaffinity(0, cores[:1])  # what the services inherit
        try:
            with Services(
                Path(name),
                postgres,
                roles,
                background=background,
                local_runs=local_runs,
            ) as services:
                os.sched_setaffinity(0, cores[-1:])
                yield services
        finally:
            os.sched_setaffinity(0, before)


def _shown(figures: dict[str, Figures]) -> dict[str, object]:
    return {name: one.to_json() for name, one in figures.items()}


def _foreign(figures: dict[str, Figures]) -> dict[str, float]:
    return {name: one.usage.foreign_cores for name, one in figures.items()}


if __name__ == "__main__":
    sys.exit(main())
