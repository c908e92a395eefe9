"""``python -m tests.bench.console``: pages and the list of devices, among many devices.

One owner as a process of its own, on SQLite or PostgreSQL, its devices loaded as rows.
Each page is asked for by a client without a cache; the first page also by a real
Chromium, if there is one.
"""

import argparse
import json
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from onboarding.services.settings import Role as Service
from onboarding.store.apikeys import Role
from onboarding.store.database import Database
from onboarding.store.device_tables import DeviceRow
from onboarding.store.gate_tables import BindingRow
from tests.bench.machine import machine
from tests.support.browser import browser, programs
from tests.support.postgres import PrivatePostgres, binaries
from tests.support.services import Site
from tests.support.visitor import Visitor

DEVICES, ASKED, VISITS, BATCH = 10_000, 60, 7, 5000
DEVMOD = 400  # bytes of what a device says of itself
WORDS = ("/?q=SN-0042", "/?q=edge-board")  # of a hundred devices, and of all
PAGES = ("/", "/?state=failed", *WORDS, "/security", "/audit", "/vouchers")
_VISIT = """
const first = performance.getEntriesByType("navigation")[0];
const all = [first, ...performance.getEntriesByType("resource")];
const bytes = all.reduce((sum, one) => sum + one.transferSize, 0);
return [first.domContentLoadedEventEnd, bytes];
"""


def measure(
    devices: int = DEVICES, asked: int = ASKED, *, postgresql: bool = False
) -> dict[str, Any]:
    """Return milliseconds and bytes of pages, of the API's list, and of a visit."""
    with ExitStack() as stack:
        prefix = "vouchgate-bench-"
        made = stack.enter_context(tempfile.TemporaryDirectory(prefix=prefix))
        site = Site(Path(made))
        settings = site.settings(Service.OWNER)
        if postgresql:
            found = {"database_url": _postgresql(stack)}
            settings = settings.model_copy(update=found)
        key = site.api_key(settings, Role.ADMIN)
        _load(settings.database_url, devices)
        url = stack.enter_context(_serving(site, settings.database_url))
        visitor = Visitor(url)
        assert visitor.login(key).status_code == 303
        pages = {path: _times(visitor, path, asked) for path in PAGES}
        return {
            "devices": devices,
            "pages": pages,
            "api_list": _list_times(visitor, key, asked),
            "first_visit": _visit(url, key) if programs() else None,
        }


def _postgresql(stack: ExitStack) -> str:
    directory = binaries()
    if directory is None:
        raise SystemExit("PostgreSQL's server is not installed (Debian: postgresql)")
    server = PrivatePostgres(directory)
    server.start()
    stack.callback(server.stop)
    return server.new_database()


def _load(url: str, count: int) -> None:
    """Rows of devices in every state, a fifth of them not onboarded, with bindings."""
    database, now = Database(url), int(time.time())
    for start in range(0, count, BATCH):
        numbers = range(start, min(start + BATCH, count))
        rows = [_device(number, now) for number in numbers]
        with database.transaction() as writing:
            writing.session.add_all(rows)
            writing.session.flush()
            bound = [one for one in rows if one.bound_at is not None]
            writing.session.add_all(_binding(one.device, now) for one in bound)
    database.close()


def _device(number: int, now: int) -> DeviceRow:
    taken = now - 9000
    row = DeviceRow(
        device=secrets.token_bytes(16),
        guid=secrets.token_bytes(16),
        serial=f"SN-{number:06d}",
        device_info="edge-board rev C",
        labels='{"site": "Basel"}',
        imported_at=taken,
        devmod=secrets.token_bytes(DEVMOD),
    )
    if number % 5:
        row.owned_at = row.bound_at = row.enrolled_at = taken
        row.appraised_at, row.appraisal_passed = now - number % 5000, 1
        row.lease_expires = now + (-60 if number % 7 == 0 else 86400)
    return row


def _binding(device: bytes, now: int) -> BindingRow:
    return BindingRow(
        device=device,
        ek_public=secrets.token_bytes(300),
        ek_digest=secrets.token_bytes(32),
        ek_class="passport-trusted" if device[0] % 3 else "vendor-trusted",
        ek_reasons="[]",
        ak_public=secrets.token_bytes(300),
        ak_alg="ecc256",
        channel="evidence",
        klass="tpm",
        bound_at=now,
    )


@contextmanager
def _serving(site: Site, database_url: str) -> Iterator[str]:
    port_file, home = site.directory / "port", site.directory
    told = {
        "ROLE": "owner",
        "PORT": "0",
        "PORT_FILE": str(port_file),
        "DATABASE_URL": database_url,
        "KEY_DIRECTORY": str(home / "keys"),
        "KEY_PASSPHRASE_FILE": str(home / "passphrase"),
        "API_SOURCE_RATE": "0",  # one browser asks for all of it
    }
    env = {**os.environ, **{f"VOUCHGATE_{name}": text for name, text in told.items()}}
    command = [sys.executable, "-m", "onboarding.cli", "serve"]
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(command, env=env, stdout=log, stderr=log)  # noqa: S603
    try:
        while not port_file.exists():
            if process.poll() is not None:
                raise SystemExit((home / "log").read_text())
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port_file.read_text().strip()}"
    finally:
        process.terminate()
        process.wait(timeout=20)


def _times(visitor: Visitor, path: str, asked: int) -> dict[str, float]:
    size = len(visitor.get(path).content)
    return {**_timed(lambda: visitor.get(path), asked), "bytes": size}


def _list_times(visitor: Visitor, key: str, asked: int) -> dict[str, float]:
    """Any page of the API's list: each begins at some other GUID."""
    headers = {"X-API-Key": key}

    def page() -> None:
        cursor = {"cursor": secrets.token_hex(16)}
        reply = visitor.get("/api/v1/devices", params=cursor, headers=headers)
        assert reply.status_code == 200

    return _timed(page, asked)


def _timed(call: Callable[[], object], asked: int) -> dict[str, float]:
    taken = []
    for _ in range(asked):
        begun = time.perf_counter()
        call()
        taken.append(1000 * (time.perf_counter() - begun))
    slowest = sorted(taken)[min(len(taken) - 1, int(len(taken) * 0.99))]
    return {"p50_ms": round(statistics.median(taken), 1), "p99_ms": round(slowest, 1)}


def _visit(url: str, key: str) -> dict[str, float]:
    """The first page, nothing cached: until it can be used, and what it transfers."""
    with browser() as found:
        found.open(f"{url}/login")
        found.type("#key", key)
        found.click("button.first")
        found.wait(lambda: "Fleet" in found.title)
        found.uncached()
        seen = []
        for _ in range(VISITS):
            found.open(url)
            seen.append(found.run(_VISIT))
    usable = round(statistics.median(one[0] for one in seen))
    return {"usable_ms": usable, "bytes": max(one[1] for one in seen)}


def main() -> int:
    """Measure, print and write ``build/bench-console.json``."""
    parser = argparse.ArgumentParser(prog="tests.bench.console", description=__doc__)
    parser.add_argument("--devices", type=int, default=DEVICES)
    parser.add_argument("--asked", type=int, default=ASKED, help="times each page is")
    parser.add_argument("--postgresql", action="store_true", help="not SQLite")
    parser.add_argument("--output", type=Path, default=Path("build/bench-console.json"))
    options = parser.parse_args()
    sizes, postgresql = (options.devices, options.asked), options.postgresql
    result = {**measure(*sizes, postgresql=postgresql), "machine": machine()}
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
