"""The figures for people, with a word on what disturbed them."""

from collections.abc import Iterator, Mapping
from typing import Any

from tests.bench import beside, rendezvous
from tests.bench.machine import DISTURBED

_PHASES = ("di", "to1", "to2")
_COLUMNS = ("per_s", "cpu_ms", "p50_ms", "p99_ms")


def show(result: Mapping[str, Any]) -> str:
    """Return everything that was measured, as lines."""
    return "\n".join(_lines(result))


def _lines(result: Mapping[str, Any]) -> Iterator[str]:
    counts = ", ".join(f"{name} {n}" for name, n in result["messages"].items())
    yield f"{result['machine']}; a P-256 check takes {result['p256_verify_us']} us"
    yield f"{result['devices']} devices, {result['concurrency']} at a time;"
    yield f"messages of each: {counts}"
    yield from _fleet("SQLite", result)
    resident = ", ".join(f"{role} {mib}" for role, mib in result["rss"].items())
    yield f"resident MiB: {resident}"
    foreign = result["beside"]["foreign_cores"]
    yield f"{beside.show(result['beside'])}{_disturbed(foreign)}"
    yield ""
    yield rendezvous.show(result["rendezvous"])
    if result["to0"] is not None:
        yield f"TO0 of {result['to0']['vouchers']}: {result['to0']['per_s']}/s"
    stored = result["postgresql"]
    if stored is None:
        yield "PostgreSQL was not measured: its server is not installed, or not wanted"
        return
    yield from _fleet("PostgreSQL", stored)
    yield f"TO2 on PostgreSQL: {_parts(stored)}"
    alone = stored["local_runs"]
    total, foreign = alone["to2"]["cpu_ms"], alone["foreign_cores"]["to2"]
    said = f"with runs in a file beside the service {total} ms, {_parts(alone)}"
    yield f"{said}{_disturbed(foreign)}"


def _parts(stored: Mapping[str, Any]) -> str:
    service, database = stored["to2_service_ms"], stored["to2_database_ms"]
    return f"{service} ms in the service, {database} ms in it"


def _fleet(store: str, part: Mapping[str, Any]) -> Iterator[str]:
    yield ""
    yield f"{store:10}{'per s':>10}{'CPU ms':>10}{'p50 ms':>10}{'p99 ms':>10}"
    for name in _PHASES:
        row, foreign = part[name], part["foreign_cores"][name]
        cells = "".join(f"{row[column]:>10}" for column in _COLUMNS)
        yield f"{name.upper():10}{cells}{_disturbed(foreign)}"
    taken = part["import"]
    for by in ("library", "api"):
        rates = taken[by]
        yield (
            f"import of {taken['vouchers']} vouchers with {taken['entries']} entries,"
            f" {by}: {rates['per_s']}/s, {rates['per_s_core']}/s for each core"
        )


def _disturbed(foreign: float) -> str:
    if foreign < DISTURBED:
        return ""
    return f"   DISTURBED: others used {foreign} cores, so this is too much"
