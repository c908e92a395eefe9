"""Callers who show a certificate: TLS as it is, on a real connection."""

import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID

from onboarding.cli.app import run
from onboarding.services.certified import person_of
from onboarding.services.settings import Role as Service
from onboarding.services.settings import Settings
from onboarding.store.apikeys import Role
from onboarding.store.errors import ApiKeyRefused
from tests.support.api_bench import Api, is_problem
from tests.support.databases import NewDatabase
from tests.support.server_tls import DIES, Authority
from tests.support.services import SECONDS, Site

Capture = pytest.CaptureFixture[str]
Pair = tuple[ec.EllipticCurvePrivateKey, x509.Certificate]
ROLES = {"CN=importer": ("operator",), "CN=auditor": ("security", "manufacturer")}


@dataclass
class Tls:
    """A service that asks clients for certificates, and who vouches for whom."""

    api: Api
    directory: Path
    server_ca: Authority
    client_ca: Authority

    def client(self, issuer: Authority | None, name: str = "importer") -> httpx.Client:
        """A client with a certificate of that issuer's, or with none."""
        made = None if issuer is None else issuer.issue_client(name)
        return self.with_pair(made)

    def with_pair(self, made: Pair | None) -> httpx.Client:
        context = ssl.create_default_context(cadata=self.server_ca.pem.decode())
        if made is not None:
            context.load_cert_chain(*_files(self.directory, "client", made))
        url = self.api.service.url.replace("http://", "https://")
        return httpx.Client(
            base_url=url, verify=context, trust_env=False, timeout=SECONDS
        )


def _files(directory: Path, name: str, made: Pair) -> tuple[Path, Path]:
    key, certificate = made
    pem, secret = directory / f"{name}.crt", directory / f"{name}.key"
    pem.write_bytes(certificate.public_bytes(Encoding.PEM))
    form = Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    secret.write_bytes(key.private_bytes(*form))
    return pem, secret


@pytest.fixture(scope="module")
def tls(
    tmp_path_factory: pytest.TempPathFactory, databases: NewDatabase
) -> Iterator[Tls]:
    directory = tmp_path_factory.mktemp("mtls")
    server_ca, client_ca = Authority("servers"), Authority("clients")
    certificate, key = _files(directory, "server", server_ca.issue("127.0.0.1"))
    (directory / "clients.pem").write_bytes(client_ca.pem)
    site = Site(directory, databases=databases)
    settings = site.settings(
        Service.ALL,
        background=False,
        tls_certificate=certificate,
        tls_key=key,
        mtls_ca=directory / "clients.pem",
        mtls_roles=ROLES,
    )
    keys = {role: site.api_key(settings, role) for role in Role}
    with site.serve(settings) as service:
        yield Tls(Api(site, service, keys), directory, server_ca, client_ca)


def test_a_certificate_opens_what_the_roles_of_its_subject_do(tls: Tls) -> None:
    with tls.client(tls.client_ca) as http:
        assert http.get("/api/v1/devices").status_code == 200
        assert http.get("/api/v1/events").json()["code"] == "role-refused"
    with tls.client(tls.client_ca, "auditor") as http:
        body = {"ek_digest": "ab" * 32, "reason": "r"}
        assert http.post("/api/v1/ek-acceptances", json=body).status_code == 201
        (event,) = http.get("/api/v1/events?limit=1").json()["items"]
        assert event["actor"] == "cert:CN=auditor"


def test_commands_show_a_certificate(
    tls: Tls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """By options, by a profile, and with the key encrypted; never beside a key."""
    (tmp_path / "ca.pem").write_bytes(tls.server_ca.pem)
    made = tls.client_ca.issue_client("importer")
    chain, key = _files(tmp_path, "client", made)
    secret = tmp_path / "secret"
    secret.write_text("of a test\n")
    locked = tmp_path / "locked.key"
    form = Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"of a test")
    locked.write_bytes(made[0].private_bytes(*form))
    url = tls.api.service.url.replace("http://", "https://")
    (tmp_path / "profiles.toml").write_text(
        f'[by-name]\nurl = "{url}"\nca = "ca.pem"\n'
        'client_certificate = "client.crt"\nclient_key = "locked.key"\n'
        'client_key_passphrase_file = "secret"\n'
    )
    monkeypatch.setenv("VOUCHGATE_PROFILES", str(tmp_path / "profiles.toml"))
    monkeypatch.setenv("VOUCHGATE_API_KEY", "vg_of_nobody")
    there = ["fleet", "list", "--json"]
    at = ["--url", url, "--ca", str(tmp_path / "ca.pem")]
    shown = ["--client-certificate", str(chain)]
    assert run([*there, *at]) == 1
    assert run([*shown, "--client-key", str(key), *there, *at]) == 0
    assert run(["--profile", "by-name", *there]) == 0
    capsys.readouterr()
    assert run(["--profile", "by-name", "audit", "checkpoints", "--json"]) == 1
    assert "role operator" in capsys.readouterr().out
    # Nobody is asked at the terminal.
    assert run([*shown, "--client-key", str(locked), *there, *at]) == 2
    assert "whose key opens" in capsys.readouterr().out


def test_a_subject_without_a_role_is_refused(tls: Tls) -> None:
    with tls.client(tls.client_ca, "somebody") as http:
        reply = http.get("/api/v1/devices")
        assert reply.status_code == 401
        assert is_problem(reply)


def test_who_shows_none_needs_a_key_and_a_key_counts_more(tls: Tls) -> None:
    key = {"X-API-Key": tls.api.keys[Role.SECURITY]}
    with tls.client(None) as http:
        assert http.get("/api/v1/devices").json()["code"] == "api-key-missing"
        assert http.get("/api/v1/events", headers=key).status_code == 200
        assert http.get("/readyz").status_code == 200
    with tls.client(tls.client_ca) as http:
        assert http.get("/api/v1/events", headers=key).status_code == 200
        wrong = {"X-API-Key": "vg_00_nonsense"}
        assert http.get("/api/v1/devices", headers=wrong).status_code == 401


def test_no_other_authority_and_no_server_s_certificate_gets_through(tls: Tls) -> None:
    for_servers = tls.client_ca.issue_client(
        "importer", ExtendedKeyUsageOID.SERVER_AUTH
    )
    for client in (
        tls.client(Authority("clients")),  # of the same name
        tls.client(tls.server_ca),
        tls.with_pair(for_servers),
    ):
        with client as http, pytest.raises(httpx.TransportError):
            http.get("/api/v1/devices")


def test_a_certificate_that_ran_out_is_refused_on_an_open_connection(tls: Tls) -> None:
    _, certificate = tls.client_ca.issue_client("importer")
    der, end = certificate.public_bytes(Encoding.DER), int(DIES.timestamp())
    roles = {"CN=importer": (Role.OPERATOR,)}
    assert person_of(der, roles, end - 1).roles == {Role.OPERATOR}
    for known, now in ((roles, end), ({}, end - 1), ({"CN=importer": ()}, end - 1)):
        with pytest.raises(ApiKeyRefused):
            person_of(der, known, now)
    with pytest.raises(ApiKeyRefused):
        person_of(b"no certificate", roles, 0)


def test_client_certificates_need_tls(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="mtls_ca needs"):
        Settings(mtls_ca=tmp_path / "clients.pem")
