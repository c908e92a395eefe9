"""``python -m tests.bench.to0``: many vouchers, of whose two servers one is silent.

The owner and the good rendezvous server run on the first core. The silent one takes
connections and never answers. Measured is how long it takes until every device can
be found at the good one.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from ownership_vouchers.extend import extend
from ownership_vouchers.keys import PublicKey
from ownership_vouchers.pem import dump_pem
from tests.bench.machine import machine, measured
from tests.bench.services import Service, Services
from tests.support.rv_stubs import silent
from tests.support.supply_chain import SupplyChain

IMPORTED = 500  # vouchers in a file
LONGEST = 1800.0  # seconds


def main() -> int:
    """Measure, print and write ``to0`` into ``build/bench.json``."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.to0", description=__doc__
    )
    parser.add_argument("--vouchers", type=int, default=10_000)
    parser.add_argument("--output", type=Path, default=Path("build/bench.json"))
    options = parser.parse_args()
    result = measure(options.vouchers)
    known = json.loads(options.output.read_text()) if options.output.exists() else {}
    options.output.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({**known, "to0": result}, indent=2)
    options.output.write_text(text + "\n")
    print(f"{result['vouchers']} vouchers registered in {result['seconds']} s,")
    print(f"{result['per_s']} a second; {result['owner_cpu_ms']} ms of the owner's CPU")
    print(f"for each; others used {result['foreign_cores']} cores meanwhile")
    print(f"written to {options.output}")
    return 0


def measure(vouchers: int) -> dict[str, object]:
    """Return how long it took; the clock runs from the first import on."""
    cores = sorted(os.sched_getaffinity(0))
    roles = ("rendezvous", "owner")
    with tempfile.TemporaryDirectory(prefix="vouchgate-bench-") as name:
        os.sched_setaffinity(0, cores[:1])  # what the services inherit
        with Services(Path(name), roles=roles) as services, silent() as port:
            os.sched_setaffinity(0, cores[-1:])
            files = [*_files(services, port, vouchers)]
            owner = services["owner"]
            with measured(owner.process.pid) as usage:
                for one in files:
                    owner.api.request("POST", "vouchers", one, "application/x-pem-file")
                _await_all(services["rendezvous"], vouchers)
    os.sched_setaffinity(0, cores)
    return {
        "vouchers": vouchers,
        "seconds": round(usage.seconds, 1),
        "per_s": round(vouchers / usage.seconds, 1),
        "owner_cpu_ms": round(1000 * usage.service / vouchers, 2),
        "foreign_cores": usage.foreign_cores,
        "machine": machine(),
    }


def _files(services: Services, port: int, count: int) -> Iterator[bytes]:
    """Vouchers in PEM, whose owner is the service."""
    good = services["rendezvous"]
    where = [_directive(port), _directive(good.port)]
    chain = SupplyChain(rendezvous=where)
    trust = {"manufacturers": [chain.manufacturer.public_key.fingerprint()]}
    good.api.json("PUT", "trust", trust)
    address = {"ip": "127.0.0.1", "port": 1, "protocol": "http"}
    services["owner"].api.json("PUT", "to2-address", {"addresses": [address]})
    key = load_pem_public_key(services.owner_key.public_pem.encode())
    assert isinstance(key, ec.EllipticCurvePublicKey)
    ours, blocks = PublicKey.of(key), []
    for _ in range(count):
        chain.make_device().sell_to("dealer")
        seller = chain.owner
        sold = extend(chain.verified, seller.signer, seller.public_key, ours)
        blocks.append(dump_pem(sold))
        if len(blocks) == IMPORTED:
            yield "".join(blocks).encode()
            blocks.clear()
    if blocks:
        yield "".join(blocks).encode()


def _directive(port: int) -> dict[str, object]:
    return {"ip": "127.0.0.1", "owner_port": port, "protocol": "http"}


def _await_all(server: Service, wanted: int) -> None:
    deadline = time.monotonic() + LONGEST
    while True:
        answer = server.api.json("GET", "registrations")
        if isinstance(answer, dict) and answer["live"] >= wanted:
            return
        if time.monotonic() > deadline:
            raise SystemExit(f"bench: only {answer} were registered in time")
        time.sleep(0.5)


if __name__ == "__main__":
    sys.exit(main())
