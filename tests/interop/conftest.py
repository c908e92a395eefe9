"""Peers and services for interoperability tests, and the report of a run.

``INTEROP=full`` runs every combination; otherwise only those tests run
that are not marked ``full``. ``INTEROP_REPORT`` names the file to write.
"""

import os
from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from onboarding.device.http import new_client
from tests.support.interop.absent import absent_peers
from tests.support.interop.go_peers import GoPeers, go_peers
from tests.support.interop.go_services import GoServices, go_services
from tests.support.interop.our_device import OurDevice, our_device
from tests.support.interop.report import Case, Report
from tests.support.interop.rust_peers import RustPeer, rust_peer
from tests.support.interop.services import Trade, directive, trading
from tests.support.interop.toolchain import Unavailable
from tests.support.interop.website import website

FULL = os.environ.get("INTEROP") == "full"
REPORT = os.environ.get("INTEROP_REPORT")
HERE = Path(__file__).parent
HEAD = (HERE / "report-head.md").read_text()

_report = Report()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "interop(pair, title='', rows=(), column=''): what a test shows, of which pair",
    )
    config.addinivalue_line("markers", "full: only in `make interop`")
    if REPORT is not None and hasattr(config, "workerinput"):
        raise pytest.UsageError("a report is of one process: run it with -n 0")


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Leave the long matrices out of `make test`."""
    long = [one for one in items if not FULL and one.get_closest_marker("full")]
    if long:
        config.hook.pytest_deselected(items=long)
        items[:] = [one for one in items if one not in long]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: "pytest.CallInfo[None]"
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep what each test showed."""
    result = yield
    marker = item.get_closest_marker("interop")
    if marker is not None and (result.when == "call" or not result.passed):
        reason = call.excinfo.exconly() if result.skipped and call.excinfo else ""
        _report.cases.append(_case(item, marker, result.outcome, reason))
    return result


def _case(item: pytest.Item, marker: pytest.Mark, outcome: str, reason: str) -> Case:
    known = item.callspec.params if hasattr(item, "callspec") else {}
    rows = marker.kwargs.get("rows", ())
    column = marker.kwargs.get("column", "")
    return Case(
        marker.args[0],
        marker.kwargs.get("title", ""),
        rows or ("what",),
        tuple(str(known[name]) for name in rows) or (_sentence(item),),
        str(known[column]) if column else "",
        outcome,
        reason,
        item.path.name,
    )


def _sentence(item: pytest.Item) -> str:
    name, _, parameters = item.name.removeprefix("test_").partition("[")
    return " ".join([*name.split("_"), *([f"({parameters[:-1]})"] * bool(parameters))])


def pytest_sessionfinish() -> None:
    if REPORT is not None and _report.cases:
        _report.missing.extend(absent_peers())
        Path(REPORT).write_text(_report.markdown(HEAD))


@pytest.fixture(scope="session")
def go() -> GoPeers:
    """The Go programs, or the reason why there are none."""
    try:
        peers = go_peers()
    except Unavailable as error:
        pytest.skip(str(error))
    _report.peers.extend(peers.peers())
    return peers


@pytest.fixture(scope="session")
def rust() -> RustPeer:
    """The Rust program, or the reason why there is none."""
    try:
        peer = rust_peer()
    except Unavailable as error:
        pytest.skip(str(error))
    _report.peers.extend(peer.peers())
    return peer


@pytest.fixture(scope="session")
def trade(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trade]:
    """Our three services, as three processes."""
    with trading(tmp_path_factory.mktemp("trade")) as found:
        yield found


@pytest.fixture(scope="session")
def services(
    go: GoPeers, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GoServices]:
    """The services of go-fdo, as one process."""
    directory = tmp_path_factory.mktemp("go-services")
    with go_services(go.program("services"), directory) as found:
        yield found


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    """What devices of ours speak HTTP with."""
    with closing(new_client()) as found:
        yield found


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    """A web server with one file on it."""
    with website(tmp_path / "web") as url:
        yield url


@pytest.fixture
def device(services: GoServices, tmp_path: Path) -> Iterator[OurDevice]:
    """Our device, from their factory."""
    services.policy()
    services.announce(directive(services.url))
    with our_device(tmp_path / "device") as made:
        made.initialise(services.url)
        yield made
