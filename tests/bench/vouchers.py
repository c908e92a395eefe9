"""Voucher import: three P-256 entries, each checked in full."""

import time
from collections.abc import Sequence

from cryptography.hazmat.primitives.serialization import load_pem_public_key

from ownership_vouchers.extend import extend
from ownership_vouchers.keys import PublicKey
from ownership_vouchers.pem import dump_pem, load_voucher, split_vouchers
from ownership_vouchers.verify import verify
from tests.bench.machine import Usage, measured
from tests.bench.services import Services
from tests.support.supply_chain import SupplyChain

_BATCH = 500  # of one request


def import_figures(services: Services, count: int) -> dict[str, object]:
    """Measure the library in this process, and the owner's API."""
    key = load_pem_public_key(services.owner_key.public_pem.encode())
    blocks = make(count, PublicKey.of(key))  # type: ignore[arg-type]
    return {
        "vouchers": count,
        "entries": 3,
        "library": _by_library(blocks),
        "api": _by_api(services, blocks),
    }


def make(count: int, owner: PublicKey) -> list[bytes]:
    """Vouchers of one maker, sold by two dealers to ``owner``; PEM."""
    chain = SupplyChain()
    blocks = []
    for _ in range(count):
        chain.make_device().sell_to("dealer").sell_to("reseller")
        seller = chain.owner
        sold = extend(chain.voucher, seller.signer, seller.public_key, owner)
        blocks.append(dump_pem(sold).encode())
    return blocks


def _by_library(blocks: Sequence[bytes]) -> dict[str, float]:
    """Read and verify, in one process on one core, nothing stored."""
    wall, cpu = time.perf_counter(), time.process_time()
    for block in split_vouchers(b"".join(blocks)):
        verify(load_voucher(block))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return _rates(len(blocks), Usage(wall, cpu))


def _by_api(services: Services, blocks: Sequence[bytes]) -> dict[str, float]:
    """Post them to the owner, who checks, stores and audits each of them."""
    owner = services["owner"]
    with measured(owner.process.pid, services.database_pid) as usage:
        for start in range(0, len(blocks), _BATCH):
            text = b"".join(blocks[start : start + _BATCH])
            path, kind = "vouchers", "application/x-pem-file"
            answer = owner.api.read(owner.api.request("POST", path, text, kind))
            taken = answer["imported"] if isinstance(answer, dict) else 0
            if taken != len(blocks[start : start + _BATCH]):
                raise SystemExit("bench: a voucher was not imported")
    return {**_rates(len(blocks), usage), "foreign_cores": usage.foreign_cores}


def _rates(count: int, usage: Usage) -> dict[str, float]:
    used = usage.service + usage.database
    return {
        "per_s": round(count / usage.seconds, 1),
        "per_s_core": round(count / used, 1) if used else 0.0,
        "cpu_ms": round(1000 * used / count, 3),
    }
