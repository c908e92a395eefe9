"""What a bulk import does to the devices that come at the same time.

Devices begin TO2 at a steady rate, whatever becomes of those before (message 60 and
its answer, for which the owner signs), first by themselves, then while vouchers are
imported. What counts is how much longer the slowest of a hundred waits.
"""

import asyncio
import secrets
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from cryptography.hazmat.primitives.serialization import load_pem_public_key

from onboarding.wire.common import SigInfo
from onboarding.wire.message import MsgType
from onboarding.wire.to2 import HelloDevice
from ownership_vouchers.keys import PublicKey
from ownership_vouchers.pem import load_voucher, split_vouchers
from ownership_vouchers.types import Guid
from tests.bench.http_load import Connection
from tests.bench.machine import measured
from tests.bench.services import Service, Services
from tests.bench.vouchers import make

RATE = 40  # devices a second
CONNECTIONS = 16
_BATCH = 500
_ES256, _A128GCM = -7, 1


def measure(services: Services, count: int, seconds: float) -> dict[str, object]:
    """Import ``count`` vouchers beside devices; ``seconds`` without, before it."""
    owner = services["owner"]
    key = load_pem_public_key(services.owner_key.public_pem.encode())
    blocks = make(count + _BATCH, PublicKey.of(key))  # type: ignore[arg-type]
    _import(owner, blocks[:_BATCH])
    known = split_vouchers(b"".join(blocks[:_BATCH]))
    guids = [load_voucher(one).guid for one in known]
    until = time.perf_counter() + seconds
    alone = asyncio.run(
        _devices(owner.port, guids, lambda: time.perf_counter() < until)
    )
    with ThreadPoolExecutor(1) as pool:
        with measured(owner.process.pid, services.database_pid) as usage:
            work = pool.submit(_import, owner, blocks[_BATCH:])
            beside = asyncio.run(_devices(owner.port, guids, lambda: not work.done()))
            work.result()
    before, after = _p99_ms(alone), _p99_ms(beside)
    return {
        "vouchers": count,
        "per_s": round(count / usage.seconds, 1),
        "devices_per_s": RATE,
        "measured": [len(alone), len(beside)],
        "foreign_cores": usage.foreign_cores,
        "alone_p50_ms": _share_ms(alone, 0.5),
        "alone_p99_ms": before,
        "beside_p50_ms": _share_ms(beside, 0.5),
        "beside_p99_ms": after,
        "ratio": round(after / before, 2),
    }


def show(found: dict[str, object]) -> str:
    """Say it in a line."""
    alone, beside = found["alone_p99_ms"], found["beside_p99_ms"]
    return (
        f"TO2 begun {found['devices_per_s']} times a second: p99 {alone} ms; while"
        f" {found['vouchers']} vouchers are imported ({found['per_s']}/s) {beside} ms,"
        f" {found['ratio']} times that"
    )


def _import(owner: Service, blocks: Sequence[bytes]) -> None:
    for start in range(0, len(blocks), _BATCH):
        text = b"".join(blocks[start : start + _BATCH])
        owner.api.request("POST", "vouchers", text, "application/x-pem-file")


async def _devices(
    port: int, guids: Sequence[Guid], goes_on: Callable[[], bool]
) -> list[float]:
    """Latencies in seconds, each from when the device was to come."""
    idle = asyncio.Queue[Connection]()
    for _ in range(CONNECTIONS):
        idle.put_nowait(Connection(port))
    found: list[float] = []
    coming: set[asyncio.Task[None]] = set()

    async def one(number: int, due: float) -> None:
        connection = await idle.get()
        body = _hello(guids[number % len(guids)])
        kind, _, _ = await connection.post(60, body, None)
        if kind is not MsgType.TO2_PROVE_OV_HDR:
            raise SystemExit(f"bench: message 60 was answered by {int(kind)}")
        found.append(time.perf_counter() - due)
        idle.put_nowait(connection)

    begun, number = time.perf_counter(), 0
    while number == 0 or goes_on():
        due = begun + number / RATE
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        task = asyncio.create_task(one(number, due))
        coming.add(task)
        task.add_done_callback(coming.discard)
        number += 1
    await asyncio.gather(*coming)
    while not idle.empty():
        idle.get_nowait().close()
    return sorted(found)


def _hello(guid: Guid) -> bytes:
    nonce = secrets.token_bytes(16)
    sig = SigInfo(_ES256)
    return HelloDevice(65535, guid, nonce, "ECDH256", _A128GCM, sig).encode()


def _share_ms(latencies: Sequence[float], share: float) -> float:
    index = min(len(latencies) - 1, int(share * len(latencies)))
    return round(1000 * latencies[index], 2)


def _p99_ms(latencies: Sequence[float]) -> float:
    return _share_ms(latencies, 0.99)
