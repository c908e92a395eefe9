"""``python -m tests.bench.rendezvous``: TO1 among many registrations.

Two rendezvous servers, one with few registrations and one with many, are asked in
turn, so that whatever else happens on the machine happens to both. Devices that ask
are registered by TO0, each with keys of its own; the rest of the many are rows of
the same size, loaded beforehand.
"""

import argparse
import asyncio
import json
import os
import secrets
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from hw.keys import SoftKey
from onboarding.protocol.device_env import To0OwnerEnv, To1DeviceEnv
from onboarding.protocol.step import Send
from onboarding.protocol.to0_owner import To0Owner
from onboarding.protocol.to1_device import To1Device
from onboarding.store.database import Database
from onboarding.store.registrations import RegistrationStore
from ownership_vouchers.to2_address import To2Address, TransportProtocol
from ownership_vouchers.types import Guid
from ownership_vouchers.voucher import Voucher
from tests.bench.http_load import Connection, run_role
from tests.bench.machine import machine, measured, rss_mib
from tests.bench.services import Services
from tests.support.supply_chain import SupplyChain

FEW, MANY, ASKED = 1000, 1_000_000, 3000
OWNERS = 100  # that the loaded rows are of
BATCH = 20_000
ADDRESS = To2Address("192.0.2.7", "owner.example.test", 8043, TransportProtocol.HTTPS)

_COLUMNS = (
    "to1d, key_fingerprint, header_digest, entry_digests, device_key, expires, maker"
)
_LIKE = f"SELECT {_COLUMNS} FROM registrations LIMIT 1"  # noqa: S608 - our columns
_INSERT = (
    f"INSERT INTO registrations (guid, {_COLUMNS}) "  # noqa: S608 - our columns
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
_COUNT = "INSERT INTO registration_owners (fingerprint, held) VALUES (?, ?)"


@dataclass(slots=True)
class Asker:
    """A device that will ask, and whose it is."""

    guid: Guid
    key: SoftKey
    voucher: Voucher


@dataclass(slots=True)
class Shop:
    """One rendezvous server, who asks there, and how long it took, in seconds."""

    services: Services
    askers: Sequence[Asker]
    to0: list[float] = field(default_factory=list)
    hello: list[float] = field(default_factory=list)  # message 30
    whole: list[float] = field(default_factory=list)  # TO1
    look_ups: list[float] = field(default_factory=list)  # CPU of the store's alone
    cpu: float = 0.0  # of the service, for all runs of TO1 together

    @property
    def port(self) -> int:
        return self.services["rendezvous"].port

    @property
    def pid(self) -> int:
        return self.services["rendezvous"].process.pid


def main() -> int:
    """Measure, print and write ``rendezvous`` into ``build/bench.json``."""
    options = _options()
    result = measure(options.few, options.many, options.asked)
    known = json.loads(options.output.read_text()) if options.output.exists() else {}
    options.output.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({**known, "rendezvous": result}, indent=2)
    options.output.write_text(text + "\n")
    print(show(result))
    print(f"written to {options.output}")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.rendezvous", description=__doc__
    )
    parser.add_argument("--few", type=int, default=FEW, help="registrations")
    parser.add_argument("--many", type=int, default=MANY, help="registrations")
    parser.add_argument("--asked", type=int, default=ASKED, help="runs of TO1 at each")
    parser.add_argument("--output", type=Path, default=Path("build/bench.json"))
    return parser.parse_args()


def measure(few: int, many: int, asked: int) -> dict[str, object]:
    """Return what `show` prints; the services run on the first core, we on the last."""
    cores = sorted(os.sched_getaffinity(0))
    chain = SupplyChain()
    with tempfile.TemporaryDirectory(prefix="vouchgate-bench-") as name:
        os.sched_setaffinity(0, cores[:1])  # what the services inherit
        small, large = Path(name) / "few", Path(name) / "many"
        with _server(small) as first, _server(large) as second:
            os.sched_setaffinity(0, cores[-1:])
            shops = [
                _opened(first, chain, min(few, asked)),
                _opened(second, chain, min(many, asked)),
            ]
            paths = [one / "rendezvous" / "vouchgate.db" for one in (small, large)]
            for path, shop, count in zip(paths, shops, (few, many), strict=True):
                load(path, count - len(shop.askers))
            with measured(shops[0].pid) as usage, measured(shops[1].pid) as other:
                asyncio.run(_ask_in_turn(shops, asked))
            shops[0].cpu, shops[1].cpu = usage.service, other.service
            _look_up(shops, paths, asked)
            result = {**_result(shops), "foreign_cores": usage.foreign_cores}
    os.sched_setaffinity(0, cores)
    return {"few": few, "many": many, "asked": asked, **result, "machine": machine()}


def _server(directory: Path) -> Services:
    directory.mkdir()
    return Services(directory, roles=("rendezvous",))


def _opened(services: Services, chain: SupplyChain, count: int) -> Shop:
    """Register those who will ask, by TO0."""
    trust = {"manufacturers": [chain.manufacturer.public_key.fingerprint()]}
    services["rendezvous"].api.json("PUT", "trust", trust)
    shop = Shop(services, [_asker(chain) for _ in range(count)])
    asyncio.run(_register(shop, chain))
    return shop


def _asker(chain: SupplyChain) -> Asker:
    chain.make_device().sell_to("owner")
    key = chain.device_key
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return Asker(chain.guid, SoftKey(key), chain.voucher)


async def _register(shop: Shop, chain: SupplyChain) -> None:
    connection = Connection(shop.port)
    for one in shop.askers:
        env = To0OwnerEnv(one.voucher, chain.owner.signer, (ADDRESS,), 2**31 - 1)
        begun = time.perf_counter()
        await run_role(connection, To0Owner(env))
        shop.to0.append(time.perf_counter() - begun)
    connection.close()


def load(path: Path, count: int) -> None:
    """Add ``count`` rows like the one that is there, of other devices and owners."""
    with closing(sqlite3.connect(path, timeout=60)) as connection:
        (to1d, _, header, entries, keys, expires, maker) = connection.execute(
            _LIKE
        ).fetchone()
        owners = [secrets.token_hex(32) for _ in range(OWNERS)]

        def row(number: int) -> tuple[object, ...]:
            owner = owners[number % OWNERS]
            guid = secrets.token_bytes(16)
            return guid, to1d, owner, header, entries, keys, expires, maker

        for batch in _batches(count):
            with connection:
                connection.executemany(_INSERT, map(row, batch))
        held = [(one, len(range(n, count, OWNERS))) for n, one in enumerate(owners)]
        with connection:
            connection.executemany(_COUNT, [one for one in held if one[1]])
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _batches(count: int) -> Iterator[range]:
    for begin in range(0, count, BATCH):
        yield range(begin, min(begin + BATCH, count))


async def _ask_in_turn(shops: Sequence[Shop], asked: int) -> None:
    connections = [Connection(shop.port) for shop in shops]
    for number in range(asked):
        for shop, connection in zip(shops, connections, strict=True):
            await _ask(shop, connection, shop.askers[number % len(shop.askers)])
    for connection in connections:
        connection.close()


def _look_up(shops: Sequence[Shop], paths: Sequence[Path], asked: int) -> None:
    """Ask the stores alone, in turn; by the processor's time, which others spare."""
    databases = [Database(f"sqlite:///{path}") for path in paths]
    stores = [RegistrationStore(one) for one in databases]
    now = int(time.time())
    for number in range(asked):
        for shop, store in zip(shops, stores, strict=True):
            guid = shop.askers[number % len(shop.askers)].guid.raw
            begun = time.thread_time()
            store.get(guid, now)
            shop.look_ups.append(time.thread_time() - begun)
    for one in databases:
        one.close()


async def _ask(shop: Shop, connection: Connection, one: Asker) -> None:
    role = To1Device(To1DeviceEnv(one.guid, one.key))
    hello = role.start()
    begun = time.perf_counter()
    kind, body, token = await connection.post(int(hello.type), hello.body, None)
    shop.hello.append(time.perf_counter() - begun)
    prove = role.receive(kind, body)
    assert isinstance(prove, Send)
    kind, body, _ = await connection.post(int(prove.type), prove.body, token)
    shop.whole.append(time.perf_counter() - begun)
    role.receive(kind, body)


def _result(shops: Sequence[Shop]) -> dict[str, object]:
    small, large = (_figures(shop) for shop in shops)
    live = [_live(shop) for shop in shops]
    return {
        "p99_ms_1k": small["hello_p99_ms"],
        "p99_ms_1m": large["hello_p99_ms"],
        "ratio": round(large["hello_p99_ms"] / small["hello_p99_ms"], 3),
        "look_up_ratio": round(large["look_up_p99_ms"] / small["look_up_p99_ms"], 3),
        "to1_ratio": round(large["to1_p99_ms"] / small["to1_p99_ms"], 3),
        "rss_mib": large["rss_mib"],
        "live": live,
        "at_few": small,
        "at_many": large,
    }


def _live(shop: Shop) -> object:
    answer = shop.services["rendezvous"].api.json("GET", "registrations")
    return answer["live"] if isinstance(answer, dict) else None


def _figures(shop: Shop) -> dict[str, float]:
    return {
        "hello_p50_ms": _ms(shop.hello, 0.50),
        "hello_p99_ms": _ms(shop.hello, 0.99),
        "to1_p50_ms": _ms(shop.whole, 0.50),
        "to1_p99_ms": _ms(shop.whole, 0.99),
        "to1_cpu_ms": round(1000 * shop.cpu / len(shop.whole), 3),
        "look_up_p50_ms": _ms(shop.look_ups, 0.50),
        "look_up_p99_ms": _ms(shop.look_ups, 0.99),
        "to0_p50_ms": _ms(shop.to0, 0.50),
        "rss_mib": rss_mib(shop.pid),
    }


def _ms(seconds: Sequence[float], share: float) -> float:
    index = min(len(seconds) - 1, int(share * len(seconds)))
    return round(1000 * sorted(seconds)[index], 3)


def show(result: dict[str, object]) -> str:
    """Return the figures as lines."""
    few, many = result["at_few"], result["at_many"]
    assert isinstance(few, dict)
    assert isinstance(many, dict)
    lines = [f"{'':14}{result['few']:>12}{result['many']:>12} registrations"]
    lines += [f"{name:14}{few[name]:>12}{many[name]:>12}" for name in few]
    lines.append(
        f"p99 of message 30: {result['ratio']} times, of TO1: {result['to1_ratio']}"
        f" times, of the store's look-up alone: {result['look_up_ratio']} times;"
        f" {result['asked']} runs at each"
    )
    lines.append(f"others used {result['foreign_cores']} cores meanwhile")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
