"""A fleet's way through the services, each phase measured by itself.

Each phase is done by all devices before the next begins, so the figures of a
phase are its own.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.bench import fleet
from tests.bench.figures import Figures
from tests.bench.http_load import Connection, load
from tests.bench.machine import measured
from tests.bench.services import FILE_SIZE, Services

MESSAGES = {"di": 2, "to1": 2, "to2": 10}
_BATCH = 500  # vouchers of one import
_STEADY_SECONDS = 300.0  # without one more registration, it is given up

Phase = Callable[[Connection, fleet.BenchDevice], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class FleetRun:
    """What a fleet of ``devices`` is taken through, ``concurrency`` at a time."""

    services: Services
    devices: int
    concurrency: int

    def figures(self) -> dict[str, Figures]:
        """Run DI, hand over, run TO1 and TO2; return the figures of the three."""
        boards = [fleet.BenchDevice.make(number) for number in range(self.devices)]
        di = self._phase("di", "manufacturing", boards, fleet.initialise)
        hand_over(self.services, boards)
        to1 = self._phase("to1", "rendezvous", boards, fleet.rendezvous)
        to2 = self._phase("to2", "owner", boards, fleet.onboard)
        if any(board.downloaded != FILE_SIZE for board in boards):
            raise SystemExit("bench: a download did not arrive")
        return {"di": di, "to1": to1, "to2": to2}

    def _phase(
        self, name: str, role: str, boards: list[fleet.BenchDevice], one: Phase
    ) -> Figures:
        service = self.services[role]
        pid, database = service.process.pid, self.services.database_pid
        with measured(pid, database) as usage:
            loaded = asyncio.run(load(service.port, boards, self.concurrency, one))
        if loaded.messages != MESSAGES[name] * self.devices:
            each = loaded.messages / self.devices
            raise SystemExit(f"bench: {each:g} messages of {name}, not as documented")
        return Figures.of(usage, loaded.latencies)


def prepare(services: Services) -> None:
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


def hand_over(services: Services, boards: list[fleet.BenchDevice]) -> None:
    """Extend every voucher to the owner, import them, wait for their TO0."""
    owner, maker = services["owner"].api, services["manufacturing"].api
    body = {"next_owner_pem": services.owner_key.public_pem}
    for start in range(0, len(boards), _BATCH):
        blocks = []
        for board in boards[start : start + _BATCH]:
            path = f"vouchers/{board.known().guid}/extend"
            extended = maker.json("POST", path, body)
            blocks.append(extended["pem"])  # type: ignore[index]
        text = "".join(blocks).encode()
        owner.request("POST", "vouchers", text, "application/x-pem-file")
    _await_registrations(services, len(boards))


def _await_registrations(services: Services, wanted: int) -> None:
    live, deadline = 0, time.monotonic() + _STEADY_SECONDS
    while live < wanted:
        answer = services["rendezvous"].api.json("GET", "registrations")
        now = answer["live"] if isinstance(answer, dict) else 0
        if now > live:
            live, deadline = now, time.monotonic() + _STEADY_SECONDS
        if time.monotonic() > deadline:
            raise SystemExit("bench: the vouchers were not registered in time")
        time.sleep(0.5)
