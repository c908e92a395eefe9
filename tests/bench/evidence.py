"""``python -m tests.bench.evidence``: appraisals at the owner, by the real Keylime.

Owner, Keylime and load share the machine's processors. One appraisal of the evidence
channel is the whole of it: two challenges, two signed requests, the verdict stored.
Push and pull are measured at the verifier alone. A device comes every 60 s, so as many
devices are carried as are appraised in 60 s.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.bench import attesters, growth, scaled
from tests.bench.attesters import BenchAttester
from tests.bench.channels import EVERY, pull, push
from tests.bench.growth import attest
from tests.bench.http_load import load
from tests.bench.machine import machine, measured, rss_mib, verify_us
from tests.bench.site import Site, site_of

APPRAISALS, CONCURRENCY = 1500, 8
LISTS = (1, 10, 20)  # MiB
SCALED = (1, 2, 3, 4)
NEW = 1024  # bytes of a list that are new, where some are
SECONDS = 10.0


def main() -> int:
    """Measure, print and write ``evidence`` into ``build/bench.json``."""
    options = _options()
    shape = options.appraisals, options.lists, options.seconds
    result = measure(*shape, options.scaled)
    known = json.loads(options.output.read_text()) if options.output.exists() else {}
    options.output.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({**known, "evidence": result}, indent=2)
    options.output.write_text(text + "\n")
    print(show(result))
    print(f"written to {options.output}")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.evidence", description=__doc__
    )
    parser.add_argument("--appraisals", type=int, default=APPRAISALS)
    parser.add_argument("--lists", type=int, nargs="*", default=LISTS, help="MiB each")
    parser.add_argument(
        "--seconds", type=float, default=SECONDS, help="for push, and for pull"
    )
    parser.add_argument(
        "--scaled", type=int, nargs="*", default=SCALED, help="verifiers, and owners"
    )
    parser.add_argument("--output", type=Path, default=Path("build/bench.json"))
    return parser.parse_args()


def measure(
    appraisals: int, lists: Sequence[int], seconds: float, numbers: Sequence[int]
) -> dict[str, object]:
    """Return what `show` prints."""
    with site_of(1) as site:
        one = _pcr(site, appraisals)
        grown = [_growth(site, 1, appraisals)]
        ima = [_list(site, size) for size in lists]
        pushed = push(site.keylime, seconds)
    with site_of(2) as site:
        two = _pcr(site, appraisals)
        grown.append(_growth(site, 2, appraisals))
    pulled = pull(seconds)
    return {
        "one_worker": one,
        "two_workers": two,
        "growth": grown,
        "scaled": scaled.measure(numbers, seconds),
        "ima": ima,
        "push": pushed,
        "pull": pulled,
        "machine": machine(),
        "p256_verify_us": verify_us(),
    }


def _pcr(site: Site, appraisals: int) -> dict[str, float]:
    with attesters.owner_stores(site.services, site.directory) as context:
        devices = attesters.enlist(context, 100, attesters.pcr_policy())
    again = [devices[number % len(devices)] for number in range(appraisals)]
    asyncio.run(load(site.port, devices[:20], 2, attest))  # warm
    before = site.spent()
    with measured(site.pid) as usage:
        loaded = asyncio.run(load(site.port, again, CONCURRENCY, attest))
    taken = sorted(loaded.latencies)
    rate = appraisals / usage.seconds
    return {
        "per_s": round(rate, 1),
        "devices": int(rate * EVERY),
        **site.spent().per(appraisals, before),
        "p50_ms": round(1000 * taken[len(taken) // 2], 1),
        "p99_ms": round(1000 * taken[int(0.99 * (len(taken) - 1))], 1),
        "foreign_cores": usage.foreign_cores,
        "owner_rss_mib": rss_mib(site.pid),
    }


def _growth(site: Site, workers: int, appraisals: int) -> dict[str, object]:
    """Lists in a row at the owner, and questions at the verifier alone."""
    with attesters.owner_stores(site.services, site.directory) as context:
        runtime = attesters.runtime_policy(context)
        policy = attesters.pcr_policy("growth", runtime)
        devices = attesters.enlist(context, growth.TOGETHER, policy)
        asked = attesters.pcr_policy("alone")
        quoting = attesters.enlist(context, growth.QUESTIONS, asked)
    growth.with_lists(devices)
    asyncio.run(load(site.port, devices, growth.TOGETHER, attest))  # the lists
    again = devices * max(1, appraisals // (20 * len(devices)))
    before = site.spent()
    with measured(site.pid) as usage:
        asyncio.run(load(site.port, again, growth.TOGETHER, attest))
    listed = {
        "per_s": round(len(again) / usage.seconds, 1),
        **site.spent().per(len(again), before),
        "foreign_cores": usage.foreign_cores,
    }
    settings, written = site.keylime.client_settings(), growth.questions(quoting)
    growth.alone(settings, written, len(written))  # warm
    before = site.spent()
    rate = growth.alone(settings, written, appraisals)
    alone = {"per_s": round(rate, 1), **site.spent().per(appraisals, before)}
    return {"workers": workers, "list_of_1_mib": listed, "verifier_alone": alone}


def _list(site: Site, mib: int) -> dict[str, float]:
    """A list sent for the first time, unchanged, and with something new in it."""
    with attesters.owner_stores(site.services, site.directory) as context:
        runtime = attesters.runtime_policy(context)
        policy = attesters.pcr_policy(f"ima-{mib}", runtime)
        (device,) = attesters.enlist(context, 1, policy)
    entries = attesters.measured(mib * 1024 * 1024)
    attesters.run_list(device, entries)
    result: dict[str, float] = {"mib": mib, "entries": len(entries)}
    for name in ("first", "unchanged", "new"):
        if name == "new":
            entries = entries + attesters.measured(NEW, len(entries))
            attesters.run_list(device, entries)
        result |= _round(site, device, name)
    result["devices"] = int(EVERY / result["new_s"])
    result["owner_rss_mib"] = rss_mib(site.pid)
    return result


def _round(site: Site, device: BenchAttester, name: str) -> dict[str, float]:
    before, sent = site.verifier_seconds(), device.sent
    with measured(site.pid) as usage:
        asyncio.run(load(site.port, [device], 1, attest))
    return {
        f"{name}_s": round(usage.seconds, 2),
        f"{name}_sent_kib": round((device.sent - sent) / 1024, 1),
        f"{name}_owner_cpu_s": round(usage.service, 2),
        f"{name}_verifier_cpu_s": round(site.verifier_seconds() - before, 2),
    }


def show(result: dict[str, object]) -> str:
    """Return the figures as lines."""
    lines = [f"{result['machine']}; a P-256 check takes {result['p256_verify_us']} us"]
    for name in ("one_worker", "two_workers", "push", "pull"):
        row = result[name]
        assert isinstance(row, dict)
        said = ", ".join(f"{key} {value}" for key, value in row.items())
        lines.append(f"{name}: {said}")
    grown = result["growth"]
    assert isinstance(grown, list)
    for row in grown:
        for name in ("list_of_1_mib", "verifier_alone"):
            said = ", ".join(f"{key} {value}" for key, value in row[name].items())
            lines.append(f"workers {row['workers']}, {name}: {said}")
    lines += scaled.show(result["scaled"])
    lists = result["ima"]
    assert isinstance(lists, list)
    for row in lists:
        said = ", ".join(f"{key} {value}" for key, value in row.items())
        lines.append(f"IMA list: {said}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
