"""Where requests to users' addresses may go, and where not."""

from collections.abc import Sequence
from ipaddress import ip_network
from pathlib import Path
from ssl import PROTOCOL_TLS_SERVER, SSLContext

import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from onboarding.http_client import client
from onboarding.services.errors import Problem
from onboarding.services.outgoing import (
    NotSent,
    Outgoing,
    post,
    read_url,
    require_url,
)
from onboarding.tls import Trust, context_of
from tests.support.receiver import receiving
from tests.support.server_tls import Authority

INSIDE = [
    "127.0.0.1",
    "10.1.2.3",
    "192.168.0.1",
    "172.16.0.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",  # noqa: S104 - it is refused
    "224.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "fe80::1%eth0",
    "fd00::1",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
    "2001:0:1::1",
]
OUTSIDE = ["93.184.216.34", "2606:2800:220:1::1"]


def leading_to(*addresses: str) -> Outgoing:
    return Outgoing(resolve=lambda _host, _port: addresses)


@pytest.mark.parametrize("address", INSIDE)
def test_no_name_leads_into_our_own_network(address: str) -> None:
    for found in ((address,), (OUTSIDE[0], address)):
        with pytest.raises(NotSent, match="public"):
            leading_to(*found).target("https://receiver.example/")


@pytest.mark.parametrize("address", OUTSIDE)
def test_the_public_net_is_asked_by_https_only(address: str) -> None:
    target = leading_to(address).target("https://receiver.example:8443/a?b=c")
    assert (target.address, target.host) == (address, "receiver.example")
    with pytest.raises(NotSent, match="HTTPS"):
        leading_to(address).target("http://receiver.example/")


def test_a_network_that_was_named_may_be_asked_by_http_too() -> None:
    def resolve(_host: str, _port: int) -> Sequence[str]:
        return ["10.7.0.9"]

    inside = Outgoing((ip_network("10.7.0.0/16"),), resolve)
    assert inside.target("http://hooks.internal:8080/").address == "10.7.0.9"
    with pytest.raises(NotSent):
        Outgoing((ip_network("10.8.0.0/16"),), resolve).target("https://hooks.internal")


def test_a_name_that_leads_nowhere_is_said_to() -> None:
    def unknown(_host: str, _port: int) -> Sequence[str]:
        raise OSError

    for outgoing in (leading_to(), Outgoing(resolve=unknown)):
        with pytest.raises(NotSent, match="nowhere"):
            outgoing.target("https://receiver.example/")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ftp://receiver.example/",
        "file:///etc/passwd",
        "https://",
        "https:///path",
        "https://user:word@receiver.example/",
        "https://receiver.example/#part",
        "https://receiver.example:0/",
        "https://receiver.example:99999/",
        "https://receiver.example/a b",
        "https://receiver.example/\r\nHost: other",
        "https://receiver.example/ü",
        "https://[::1",
        "https://receiver.example/" + "a" * 500,
    ],
)
def test_what_is_no_url_of_a_receiver_is_refused(url: str) -> None:
    with pytest.raises(NotSent):
        read_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest",
        "https://10.0.0.1/",
        "http://127.0.0.1:22/",
        "http://93.184.216.34/",
        "ftp://receiver.example/",
    ],
)
def test_an_address_that_will_never_be_asked_is_refused_at_once(url: str) -> None:
    with pytest.raises(Problem) as refused:
        require_url(url, Outgoing())
    assert refused.value.code == "url-refused"
    assert "VOUCHGATE_WEBHOOK_NETWORKS" in str(refused.value.remedy)


def test_a_name_and_a_network_that_was_named_are_taken() -> None:
    require_url("https://receiver.example/events", Outgoing())
    require_url("https://93.184.216.34/", Outgoing())
    require_url("http://10.1.2.3/", Outgoing((ip_network("10.0.0.0/8"),)))


@pytest.mark.parametrize(
    ("named", "reached"), [("receiver.example", True), ("other.example", False)]
)
def test_the_address_that_was_judged_is_asked_and_known_by_the_name(
    tmp_path: Path, named: str, reached: bool
) -> None:
    """A name that means something else a moment later is not asked for again."""
    authority = Authority("receivers")
    key, certificate = authority.issue("192.0.2.1", named)
    file = tmp_path / "receiver.pem"
    form = Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    file.write_bytes(key.private_bytes(*form) + certificate.public_bytes(Encoding.PEM))
    tls = SSLContext(PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(file)
    looked: list[str] = []

    def resolve(host: str, _port: int) -> list[str]:
        looked.append(host)
        return ["127.0.0.1"]

    outgoing = Outgoing((ip_network("127.0.0.0/8"),), resolve)
    with receiving(tls) as found, client(context_of(Trust(authority.pem))) as http:
        port = found.url.rpartition(":")[2]
        target = outgoing.target(f"https://receiver.example:{port}/in")
        if reached:
            assert post(http, target, {}, b"{}").status_code == 204
            assert found.next().headers["host"] == f"receiver.example:{port}"
        else:
            with pytest.raises(NotSent):
                post(http, target, {}, b"{}")
            assert found.told.empty()
    assert looked == ["receiver.example"]
