"""`vouchgate ek` against one real process."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from onboarding.cli.app import run
from tests.support.cli_site import Capture, Site, answer, running_site
from tests.support.ek_authority import TpmVendor

KEY = "ab" * 32


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running_site(tmp_path_factory.mktemp("site")) as site:
        yield site


def where(site: Site, role: str = "security") -> list[str]:
    return ["--url", site.url, "--api-key-file", str(site.key(role))]


def test_a_vendors_ca_is_trusted_from_pem_and_der_and_no_longer(
    site: Site, tmp_path: Path, capsys: Capture
) -> None:
    first, second = TpmVendor(), TpmVendor()
    pem, der = tmp_path / "one.pem", tmp_path / "two.der"
    pem.write_bytes(first.root.certificate.public_bytes(Encoding.PEM))
    der.write_bytes(second.root.certificate.public_bytes(Encoding.DER))
    trust = ["ek", "trust", str(pem), str(der), *where(site)]
    made: Any = answer(capsys, *trust)
    assert (made["added"], len(made["items"])) == (2, 2)
    assert run(trust) == 0
    assert "0 of 2 are new" in capsys.readouterr().out
    for one in made["items"]:
        assert run(["ek", "distrust", one["digest"], *where(site)]) == 0
    left: Any = answer(capsys, "ek", "roots", *where(site, "operator"))
    assert left["items"] == []


def test_what_is_no_certificate_is_not_sent(
    site: Site, tmp_path: Path, capsys: Capture
) -> None:
    path = tmp_path / "no.der"
    path.write_bytes(b"\x30\x03\x02\x01\x01")
    assert run(["ek", "trust", str(path), *where(site)]) == 2
    assert "no certificate, in PEM or DER" in capsys.readouterr().err


def test_a_key_is_accepted_with_a_reason_and_no_longer(
    site: Site, capsys: Capture
) -> None:
    accept = ["ek", "accept", KEY.upper(), "--reason", "read off the board"]
    made: Any = answer(capsys, *accept, *where(site))
    assert (made["ek_digest"], made["reason"]) == (KEY, "read off the board")
    assert run(["ek", "accepted", *where(site, "operator")]) == 0
    assert "read off the board" in capsys.readouterr().out
    assert run(["ek", "unaccept", KEY, *where(site)]) == 0
    capsys.readouterr()
    left: Any = answer(capsys, "ek", "accepted", *where(site))
    assert left["items"] == []
    for word in ("refuse", "refuse"):
        done = ["ek", word, KEY, "--reason", "lost", *where(site)]
        assert run(done) == 0
    assert "is refused: lost" in capsys.readouterr().out
    assert run(["ek", "refused", *where(site, "operator")]) == 0
    assert "lost" in capsys.readouterr().out
    assert run(["ek", "unrefuse", KEY, *where(site)]) == 0
    assert run(["ek", "unrefuse", KEY, *where(site)]) == 1
    capsys.readouterr()
    assert run(["ek", "unaccept", "../roots", *where(site)]) == 2
