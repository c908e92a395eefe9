"""TO0 as operators see it: real servers, over TLS, by two replicas of one owner."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_public_key,
)

from onboarding.cli.app import run
from onboarding.services.key_store import KeyKind
from onboarding.services.settings import Role as Service
from onboarding.store.apikeys import Role
from ownership_vouchers.extend import extend
from ownership_vouchers.keys import PublicKey
from ownership_vouchers.pem import dump_pem
from ownership_vouchers.rv_values import hash_text
from ownership_vouchers.types import Hash, HashType
from tests.support.cli_site import HOST, Capture, answer
from tests.support.databases import NewDatabase
from tests.support.fdo_chain import eventually
from tests.support.rv_stubs import nobody, silent
from tests.support.server_tls import Authority
from tests.support.services import Running, Site
from tests.support.supply_chain import SupplyChain

pytest_plugins = ["tests.support.service_fixtures"]
VOUCHERS = 24
OTHER = Hash.of(HashType.SHA256, b"another certificate")


@dataclass
class Town:
    """A rendezvous server under a private authority, and an owner that trusts it."""

    site: Site
    authority: Authority
    pin: Hash  # of the rendezvous server's certificate
    rendezvous: Running
    owner: Running
    keys: dict[Role, str]
    key_file: Path

    @property
    def port(self) -> int:
        return int(self.rendezvous.url.rpartition(":")[2])

    def directive(self, port: int | None = None, **more: object) -> dict[str, object]:
        where: dict[str, object] = {"ip": HOST, "protocol": "https"}
        return where | {"owner_port": port or self.port} | more

    def call(self, method: str, path: str, **kwargs: Any) -> Any:
        reply = self.owner.call(self.keys[Role.ADMIN], method, path, **kwargs)
        assert reply.status_code < 300, reply.text
        return reply.json()

    def bring(self, *directives: dict[str, object], count: int = 1) -> list[str]:
        """Give the owner vouchers with this rendezvous information; their GUIDs."""
        chain = SupplyChain(rendezvous=list(directives))
        pem = self.site.keys[KeyKind.OWNER].public_pem
        ours = PublicKey.of(load_pem_public_key(pem.encode()))  # type: ignore[arg-type]
        guids, blocks = [], []
        for _ in range(count):
            chain.make_device().sell_to("dealer")
            seller = chain.owner
            sold = extend(chain.verified, seller.signer, seller.public_key, ours)
            guids.append(str(sold.guid))
            blocks.append(dump_pem(sold))
        imported = self.call("POST", "/vouchers", content="".join(blocks))
        assert imported["imported"] == count
        return guids

    def server(self, guid: str, number: int = 0) -> dict[str, Any]:
        found: dict[str, Any] = self.call("GET", f"/to0/{guid}")["servers"][number]
        return found

    def tells(self, guid: str, words: str) -> bool:
        """Whether this is what the device's first server is said to have done wrong."""
        servers = self.call("GET", f"/to0/{guid}")["servers"]
        return bool(servers) and words in servers[0]["error"]

    def registered(self, guid: str) -> bool:
        return bool(self.call("GET", f"/to0/{guid}")["state"] == "registered")


@pytest.fixture(scope="module")
def town(
    tmp_path_factory: pytest.TempPathFactory, databases: NewDatabase
) -> Iterator[Town]:
    home = tmp_path_factory.mktemp("town")
    site, authority = Site(home, databases=databases), Authority("a private CA")
    key, certificate = authority.issue(HOST)
    (home / "ca.crt").write_bytes(authority.pem)
    (home / "tls.crt").write_bytes(certificate.public_bytes(Encoding.PEM))
    pkcs8 = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (home / "tls.key").write_bytes(pkcs8)
    rendezvous = site.settings(
        Service.RENDEZVOUS,
        tls_certificate=home / "tls.crt",
        tls_key=home / "tls.key",
        insecure_rendezvous_accept_any=True,
    )
    owner = site.settings(Service.OWNER, to0_ca=home / "ca.crt", to0_run_seconds=1)
    keys = {role: site.api_key(owner, role) for role in Role}
    (home / "operator.key").write_text(keys[Role.OPERATOR])
    with ExitStack() as stack:
        pin = Hash.of(HashType.SHA256, certificate.public_bytes(Encoding.DER))
        served = stack.enter_context(site.serve(rendezvous))
        first = stack.enter_context(site.serve(owner))
        stack.enter_context(site.serve(owner))  # a second replica
        made = Town(site, authority, pin, served, first, keys, home / "operator.key")
        address = {"ip": HOST, "port": 1, "protocol": "http"}
        made.call("PUT", "/to2-address", json={"addresses": [address]})
        yield made


def test_many_vouchers_are_registered_though_one_of_their_servers_is_silent(
    town: Town,
) -> None:
    with silent() as port:
        where = town.directive(port, protocol="http"), town.directive()
        guids = town.bring(*where, count=VOUCHERS)
        eventually(lambda: all(town.registered(one) for one in guids))
        quiet, loud = town.call("GET", f"/to0/{guids[0]}")["servers"]
    assert (quiet["live"], loud["live"], loud["error"]) == (False, True, "")
    assert loud["granted"] == 7 * 86400
    assert loud["until"] > loud["due"] > loud["at"]
    listed = town.call("GET", "/rendezvous-servers")["items"]
    states = {one["server"]: one["circuit"] for one in listed}
    assert states[loud["server"]] == "closed"
    assert quiet["server"] in states


def test_a_pinned_server_is_known_by_its_certificate_alone(town: Town) -> None:
    pins: dict[str, Any] = {"sv_cert_hash": hash_text(town.pin)}
    (guid,) = town.bring(town.directive(**pins))
    eventually(lambda: town.registered(guid))
    wrong: dict[str, Any] = {"sv_cert_hash": hash_text(OTHER)}
    (guid,) = town.bring(town.directive(**wrong))
    eventually(lambda: town.tells(guid, "certificate is not the one"))
    # Wrong pins of one maker's vouchers say nothing of the server.
    listed = town.call("GET", "/rendezvous-servers")["items"]
    failed = {one["server"] for one in listed if one["failures"]}
    server = f"https://{HOST}:{town.port}"
    assert f"{server}#pin={OTHER.value.hex()[:16]}" in failed
    assert failed.isdisjoint({server, f"{server}#pin={town.pin.value.hex()[:16]}"})


def test_a_pinned_authority_is_the_only_one(town: Town) -> None:
    der = town.authority.certificate.public_bytes(Encoding.DER)
    pins: dict[str, Any] = {"cl_cert_hash": hash_text(Hash.of(HashType.SHA256, der))}
    (guid,) = town.bring(town.directive(**pins))
    eventually(lambda: town.registered(guid))
    wrong: dict[str, Any] = {"cl_cert_hash": hash_text(OTHER)}
    (guid,) = town.bring(town.directive(**wrong))
    eventually(lambda: town.tells(guid, "VOUCHGATE_TO0_CA"))


def test_a_pin_is_not_obeyed_by_plain_http(town: Town) -> None:
    pins: dict[str, Any] = {"sv_cert_hash": hash_text(town.pin), "protocol": "http"}
    (guid,) = town.bring(town.directive(**pins))
    eventually(lambda: town.tells(guid, "no HTTPS"))


def test_without_the_authority_a_server_is_not_trusted(
    town: Town, tmp_path: Path, databases: NewDatabase
) -> None:
    stranger = Authority("another CA")
    key, certificate = stranger.issue(HOST)
    pkcs8 = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "tls.key").write_bytes(pkcs8)
    (tmp_path / "tls.crt").write_bytes(certificate.public_bytes(Encoding.PEM))
    site = Site(tmp_path, databases=databases)
    settings = site.settings(
        Service.RENDEZVOUS,
        tls_certificate=tmp_path / "tls.crt",
        tls_key=tmp_path / "tls.key",
        insecure_rendezvous_accept_any=True,
    )
    with site.serve(settings) as other:
        port = int(other.url.rpartition(":")[2])
        (guid,) = town.bring(town.directive(port))
        eventually(lambda: town.tells(guid, "certificate verify failed"))


def test_operators_see_servers_and_send_for_them_by_command(
    town: Town, capsys: Capture
) -> None:
    gone = nobody()
    guids = town.bring(town.directive(gone), town.directive(), count=6)
    at = ["--url", town.owner.url, "--api-key-file", str(town.key_file)]

    def call(*words: str, code: int = 0) -> dict[str, Any]:
        return answer(capsys, "to0", *words, *at, code=code)

    def circuit() -> str:
        items = call("servers")["items"]
        mine = [one for one in items if one["server"] == f"https://{HOST}:{gone}"]
        return str(mine[0]["circuit"]) if mine else ""

    def failing() -> set[str]:
        return {str(one["guid"]) for one in call("list", "--failing")["items"]}

    # The circuit opens while the other server may still be asked, for each voucher.
    eventually(lambda: circuit() == "open")
    eventually(lambda: all(town.registered(one) for one in guids))
    eventually(lambda: set(guids) <= failing())
    shown = call("show", guids[0])
    assert shown["state"] == "registered"
    dead, good = (one["circuit"] for one in shown["servers"])
    assert (dead == "closed", good) == (False, "closed")  # half-open, after a while
    assert call("list", "--failing")["backlog"]["planned"] >= 6
    assert (
        'vouchgate_rendezvous_servers{circuit="open"}'
        in town.owner.http.get("/metrics").text
    )

    assert call("reset", f"https://{HOST}:{gone}")["circuit"] == "closed"
    before = town.server(guids[0])["failures"]
    assert call("retry", guids[0])["planned"] is True
    eventually(lambda: bool(town.server(guids[0])["failures"] > before))
    assert "was tried lately" in str(
        call("reset", "https://nobody.test", code=1)["error"]
    )
    for words in (["list"], ["show", guids[0]], ["servers"]):
        assert run(["to0", *words, *at]) == 0
    printed = capsys.readouterr().out
    assert f"https://{HOST}:{gone}" in printed
    assert "in all:" in printed


def test_a_list_longer_than_a_page_is_read_to_its_end(
    town: Town, capsys: Capture
) -> None:
    at = ["--url", town.owner.url, "--api-key-file", str(town.key_file)]
    seen: list[str] = []
    after: str | None = ""
    while after is not None:
        words = ["--limit", "10", "--after", after]
        page = answer(capsys, "to0", "list", *words, *at)
        items: Any = page["items"]
        seen += [one["guid"] for one in items]
        after = page["next"]  # type: ignore[assignment]
    assert len(seen) == len(set(seen)) == page["backlog"]["planned"]  # type: ignore[index]
