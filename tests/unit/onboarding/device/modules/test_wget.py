"""Files fetched from elsewhere: from a real server, and only from where permitted."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from onboarding.device.http import new_client
from onboarding.device.modules.wget import WgetModule, permits
from onboarding.protocol.fdo_wget import WgetModule as HaveFetched
from ownership_vouchers import cbor
from ownership_vouchers.errors import MalformedError
from tests.support.module_pair import ModulePair

CONTENT = bytes(range(256)) * 300
DIGEST = hashlib.sha384(CONTENT).digest()


class Handler(BaseHTTPRequestHandler):
    """Serves one file, and a few answers that are not one."""

    def do_GET(self) -> None:
        self.send_response(302 if self.path == "/files/moved" else 200)
        if self.path == "/files/moved":
            self.send_header("Location", "/files/agent")
        cut = self.path == "/files/cut"
        self.send_header("Content-Length", str(len(CONTENT) + 10 * cut))
        self.end_headers()
        self.wfile.write(CONTENT)

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/files"
    server.shutdown()
    thread.join()
    server.server_close()


def fetch(
    directory: Path,
    permitted: str,
    order: HaveFetched,
    limit: int = 1 << 20,
    seconds: float = 60.0,
) -> str:
    """Run both sides; return how the owner was told it went."""
    with closing(new_client()) as client:
        module = WgetModule(directory, [permitted], client, limit, seconds)
        (result,) = ModulePair([order], [module]).run()
    assert result.ok == (module.received != ())
    return result.detail


def test_a_file_is_fetched_checked_and_kept_under_its_name(
    tmp_path: Path, base: str
) -> None:
    order = HaveFetched(f"{base}/agent", "bin/agent", DIGEST, len(CONTENT))
    assert fetch(tmp_path, base, order) == "bin/agent was fetched"
    assert (tmp_path / "bin" / "agent").read_bytes() == CONTENT


def test_without_a_name_the_last_part_of_the_url_is_one(
    tmp_path: Path, base: str
) -> None:
    fetch(tmp_path, base, HaveFetched(f"{base}/agent"))
    assert [one.name for one in tmp_path.iterdir()] == ["agent"]


REFUSED: dict[str, tuple[dict[str, object], dict[str, object], str]] = {
    "another digest": ({"digest": bytes(48)}, {}, "not what its SHA-384 says"),
    "too long": ({}, {"limit": 100}, "over 100 bytes"),
    "too slow": ({}, {"seconds": -1.0}, "took too long"),
    "a name that leads outside": ({"path": "../agent"}, {}, "no name"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_is_not_right_is_not_kept(
    tmp_path: Path, base: str, name: str
) -> None:
    changed, device, why = REFUSED[name]
    order = HaveFetched(f"{base}/agent", required=False, **changed)  # type: ignore[arg-type]
    told = fetch(tmp_path / "in", base, order, **device)  # type: ignore[arg-type]
    assert why in told
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize("path", ["moved", "cut"])
def test_an_answer_that_is_no_whole_file_is_not_kept(
    tmp_path: Path, base: str, path: str
) -> None:
    told = fetch(tmp_path, base, HaveFetched(f"{base}/{path}", required=False))
    assert "could not fetch" in told
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_is_not_there_is_told(tmp_path: Path) -> None:
    url = "http://127.0.0.1:1/agent"
    told = fetch(tmp_path, url, HaveFetched(url, required=False))
    assert "could not fetch" in told


def test_a_length_that_the_owner_did_not_expect_fails_there(
    tmp_path: Path, base: str
) -> None:
    order = HaveFetched(f"{base}/agent", length=5, required=False)
    with closing(new_client()) as client:
        module = WgetModule(tmp_path, [base], client)
        (result,) = ModulePair([order], [module]).run()
    assert (result.ok, "found 76800 bytes" in result.detail) == (False, True)


def test_a_url_that_is_not_permitted_is_not_asked_for(
    tmp_path: Path, base: str
) -> None:
    order = HaveFetched(f"{base}/agent", required=False)
    assert "not among" in fetch(tmp_path, "https://files.example.test/", order)


BASES = ["https://files.example.test/app/", "http://[::1]:8080"]
URLS = {
    "https://files.example.test/app/a": True,
    "https://files.example.test:443/app/a/b": True,
    "http://[::1]:8080/x": True,
    "https://files.example.test/application": False,
    "https://files.example.test/app/../secret": False,
    "https://files.example.test/app/%2e%2e/secret": False,
    "https://files.example.test/app/..\\secret": False,
    "https://files.example.test.evil.test/app/a": False,
    "https://files.example.test@evil.test/app/a": False,
    "https://user:word@files.example.test/app/a": False,
    "https://files.example.test:444/app/a": False,
    "http://files.example.test/app/a": False,
    "ftp://files.example.test/app/a": False,
    "file:///app/a": False,
    "": False,
}


@pytest.mark.parametrize(("url", "verdict"), URLS.items())
def test_a_url_is_permitted_below_one_that_is(url: str, verdict: bool) -> None:
    assert permits(BASES, url) is verdict


def test_a_url_that_is_none_is_an_error_to_tell(tmp_path: Path) -> None:
    with closing(new_client()) as client:
        module = WgetModule(tmp_path, BASES, client)
        for url in ("http://[", "http://a:port/"):
            answers = module.receive("url", cbor.encode(url))
            assert [what for what, _ in answers] == ["error"]


def test_a_message_of_another_type_is_malformed(tmp_path: Path) -> None:
    with closing(new_client()) as client:
        module = WgetModule(tmp_path, BASES, client)
        for message, value in (("sha-384", b"short"), ("name", 1), ("url", b"x")):
            with pytest.raises(MalformedError):
                module.receive(message, cbor.encode(value))
