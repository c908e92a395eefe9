"""``make bench``: DI, TO1 and TO2 of a fleet against running services.

The services run on the first core, the load on the second. Each phase is done
by all devices before the next begins, so the figures of a phase are its own.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.bench import fleet
from tests.bench.figures import Figures, cpu_seconds, machine, rss_mib
from tests.bench.http_load import Connection, load
from tests.bench.services import FILE_SIZE, Service, Services

REGISTERED_SECONDS = 300.0
Phase = Callable[[Connection, fleet.BenchDevice], Awaitable[None]]


def main() -> int:
    """Measure, print and write ``build/bench.json``."""
    options = _options()
    server_core, load_core = _cores()
    os.sched_setaffinity(0, {server_core})  # what the services inherit
    with tempfile.TemporaryDirectory(prefix="vouchgate-bench-") as name:
        with Services(Path(name)) as services:
            os.sched_setaffinity(0, {load_core})
            result = _measure(services, options.devices, options.concurrency)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(result, indent=2) + "\n")
    _print(result)
    print(f"written to {options.output}")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--devices", type=int, default=400)
    parser.add_argument("--concurrency", type=int, default=8)
    parser.add_argument("--output", type=Path, default=Path("build/bench.json"))
    return parser.parse_args()


def _cores() -> tuple[int, int]:
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        print("bench: one core only; services and load share it", file=sys.stderr)
    return cores[0], cores[-1]


def _measure(services: Services, devices: int, concurrency: int) -> dict[str, object]:
    _prepare(services)
    boards = [fleet.BenchDevice.make(number) for number in range(devices)]

    def phase(role: str, one: Phase) -> Figures:
        return _phase(services[role], boards, concurrency, one)

    di = phase("manufacturing", fleet.initialise)
    _hand_over(services, boards)
    to1 = phase("rendezvous", fleet.rendezvous)
    to2 = phase("owner", fleet.onboard)
    if any(board.downloaded != FILE_SIZE for board in boards):
        raise SystemExit("bench: a download did not arrive")
    return {
        "di": di.to_json(),
        "to1": to1.to_json(),
        "to2": to2.to_json(),
        "rss_mib": rss_mib(services["owner"].process.pid),
        "devices": devices,
        "concurrency": concurrency,
        "machine": machine(),
    }


def _phase(
    service: Service, boards: list[fleet.BenchDevice], concurrency: int, one: Phase
) -> Figures:
    before, begun = cpu_seconds(service.process.pid), time.perf_counter()
    latencies = asyncio.run(load(service.port, boards, concurrency, one))
    seconds = time.perf_counter() - begun
    return Figures.of(seconds, cpu_seconds(service.process.pid) - before, latencies)


def _prepare(services: Services) -> None:
    """Tell the services of one another: addresses, and whom to trust."""
    rendezvous, owner = services["rendezvous"], services["owner"]
    directive = {
        "ip": "127.0.0.1",
        "device_port": rendezvous.port,
        "owner_port": rendezvous.port,
        "protocol": "http",
    }
    services["manufacturing"].api.json("PUT", "rvinfo", {"directives": [directive]})
    owner.api.json("PUT", "rvinfo", {"directives": [directive]})
    address = {"ip": "127.0.0.1", "dns": None, "port": owner.port, "protocol": "http"}
    owner.api.json("PUT", "to2-address", {"addresses": [address]})
    trust = {
        "manufacturers": [services.manufacturer_key.fingerprint],
        "device_cas_pem": "",
    }
    rendezvous.api.json("PUT", "trust", trust)


def _hand_over(services: Services, boards: list[fleet.BenchDevice]) -> None:
    """Extend every voucher to the owner, import them, wait for their TO0."""
    owner = services["owner"].api
    blocks = []
    for board in boards:
        path = f"vouchers/{board.known().guid}/extend"
        body = {"next_owner_pem": services.owner_key.public_pem}
        extended = services["manufacturing"].api.json("POST", path, body)
        blocks.append(extended["pem"])  # type: ignore[index]
    text = "".join(blocks).encode()
    owner.request("POST", "vouchers", text, "application/x-pem-file")
    deadline = time.monotonic() + REGISTERED_SECONDS
    while not _all_registered(services, len(boards)):
        if time.monotonic() > deadline:
            raise SystemExit("bench: the vouchers were not registered in time")
        time.sleep(0.5)


def _all_registered(services: Services, wanted: int) -> bool:
    answer = services["rendezvous"].api.json("GET", "registrations")
    return isinstance(answer, dict) and answer["live"] >= wanted


def _print(result: dict[str, object]) -> None:
    print(f"{result['machine']}; {result['devices']} devices,", end=" ")
    print(f"{result['concurrency']} at a time; owner {result['rss_mib']} MiB RSS")
    print(f"{'':8}{'per s':>10}{'CPU ms':>10}{'p50 ms':>10}{'p99 ms':>10}")
    for name in ("di", "to1", "to2"):
        row = result[name]
        if isinstance(row, dict):
            cells = (row["per_s"], row["cpu_ms"], row["p50_ms"], row["p99_ms"])
            print(f"{name.upper():8}" + "".join(f"{cell:>10}" for cell in cells))


if __name__ == "__main__":
    sys.exit(main())
