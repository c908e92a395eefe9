"""Peers and services for interoperability tests, and the report of a run.

``INTEROP_REPORT`` names the file to write. A run of everything writes it anew; a run of
some tests leaves in it what others showed.
"""

import os
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import httpx
import pytest

from onboarding.device.config import write_private
from onboarding.device.http import new_client
from tests.support.interop.absent import absent_peers
from tests.support.interop.earlier import read_report
from tests.support.interop.fido_tool import FidoTool, fido_tool
from tests.support.interop.go_fdo_server import GoFdoServer, go_fdo_server
from tests.support.interop.go_peers import (
    GoPeers,
    GoSimulator,
    go_peers,
    go_simulator,
)
from tests.support.interop.go_services import GoServices, go_services
from tests.support.interop.our_device import OurDevice, our_device
from tests.support.interop.report import Case, Report
from tests.support.interop.rust_peers import RustPeer, rust_peer
from tests.support.interop.services import Trade, directive, trading
from tests.support.interop.toolchain import Unavailable
from tests.support.interop.website import website

REPORT = os.environ.get("INTEROP_REPORT")
HERE = Path(__file__).parent
HEAD = (HERE / "report-head.md").read_text()

_report = Report()
_left_out: list[pytest.Item] = []


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "interop(pair, title='', rows=(), column=''): what a test shows, of which pair",
    )
    if REPORT is not None and hasattr(config, "workerinput"):
        raise pytest.UsageError("a report is of one process: run it with -n 0")


def pytest_deselected(items: list[pytest.Item]) -> None:
    """Keep what does not run."""
    _left_out.extend(items)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: "pytest.CallInfo[None]"
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep what each test showed."""
    result = yield
    marker = item.get_closest_marker("interop")
    if marker is not None and (result.when == "call" or not result.passed):
        reason = str(call.excinfo.value) if result.skipped and call.excinfo else ""
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


def pytest_sessionfinish(session: pytest.Session) -> None:
    if REPORT is not None and _report.cases:
        _report.missing.extend(absent_peers())
        file, found = Path(REPORT), _report
        if file.exists() and not _is_whole(session):
            found = found.added_to(read_report(file.read_text()))
        file.write_text(found.markdown(HEAD))


def _is_whole(session: pytest.Session) -> bool:
    """Whether every test of this directory has run, to the end of them."""
    ended = session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
    chosen = _left_out or any("::" in one for one in session.config.args)
    files = {item.path for item in session.items}
    every = files.issuperset(HERE.glob("test_*.py"))
    return bool(ended and not session.shouldfail and not chosen and every)


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
def simulator() -> GoSimulator:
    """The Go device with a TPM of its own, or the reason why there is none."""
    try:
        peer = go_simulator()
    except Unavailable as error:
        pytest.skip(str(error))
    _report.peers.extend(peer.peers())
    return peer


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
def tool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FidoTool]:
    """The FIDO Alliance's conformance tool, or the reason why there is none."""
    try:
        with fido_tool(tmp_path_factory.mktemp("tool")) as found:
            _report.peers.append(found.peer())
            yield found
    except Unavailable as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def trade(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trade]:
    """Our three services, as three processes; the owner has a lab's token."""
    directory = tmp_path_factory.mktemp("trade")
    token = directory / "token"
    write_private(token, b"TEST TOKEN")
    with trading(directory, {"conformance_token_file": token}) as found:
        yield found


@pytest.fixture(scope="session")
def services(
    go: GoPeers, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GoServices]:
    """The services of go-fdo, as one process."""
    directory = tmp_path_factory.mktemp("go-services")
    with go_services(go.program("services"), directory) as found:
        yield found


@pytest.fixture(scope="session")
def incumbents(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[[str], GoFdoServer]]:
    """The services of go-fdo-server itself, by the kind of their keys."""
    found: dict[str, GoFdoServer] = {}
    with ExitStack() as stack:

        def of(kind: str) -> GoFdoServer:
            if kind not in found:
                home = tmp_path_factory.mktemp(f"incumbent-{kind}")
                found[kind] = stack.enter_context(go_fdo_server(home, kind))
                if len(found) == 1:
                    _report.peers.append(found[kind].peer())
            return found[kind]

        yield of


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
