"""`vouchgate ek` against one real process."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from onboarding.cli.app import run
from tests.support.cli_site import Capture, Site, answer, running_site
from tests.support.ek_authority import Issuer, TpmVendor, der
from tests.support.odd_certificates import reissued, serial

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
    pem, binary = tmp_path / "one.pem", tmp_path / "two.der"
    pem.write_bytes(first.root.certificate.public_bytes(Encoding.PEM))
    binary.write_bytes(second.root.certificate.public_bytes(Encoding.DER))
    trust = ["ek", "trust", str(pem), str(binary), "--reason", "new", *where(site)]
    made: Any = answer(capsys, *trust)
    assert (made["added"], len(made["items"])) == (2, 2)
    assert run(trust) == 0
    assert "0 of 2 are new" in capsys.readouterr().out
    for one in made["items"]:
        gone = ["ek", "distrust", one["digest"], "--reason", "its maker was sold"]
        assert run([*gone, *where(site)]) == 0
    log: Any = answer(capsys, "audit", "events", *where(site))
    details = [o["detail"] for o in log["items"] if o["cause"] == "ek_trust.changed"]
    assert [one.get("reason") for one in details] == ["its maker was sold"] * 2 + [
        "new"
    ]
    assert len(details[-1]["names"]) == 2
    left: Any = answer(capsys, "ek", "roots", *where(site, "operator"))
    assert left["items"] == []


def test_an_issuer_whose_root_is_missing_is_named(
    site: Site, tmp_path: Path, capsys: Capture
) -> None:
    vendor = TpmVendor()
    issuer, root = tmp_path / "issuer.pem", tmp_path / "root.pem"
    issuer.write_bytes(vendor.issuer.certificate.public_bytes(Encoding.PEM))
    root.write_bytes(vendor.root.certificate.public_bytes(Encoding.PEM))
    assert run(["ek", "trust", str(issuer), *where(site)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "No path leads from CN=test TPM vendor issuer to a root here" in said
    both: Any = answer(capsys, "ek", "trust", str(issuer), str(root), *where(site))
    assert both["without_path"] == []
    for one in both["items"]:
        assert run(["ek", "distrust", one["digest"], *where(site)]) == 0


def test_a_root_that_is_not_quite_der_is_trusted_from_der(
    site: Site, tmp_path: Path, capsys: Capture
) -> None:
    path = tmp_path / "odd.der"
    root = Issuer("odd root")
    path.write_bytes(reissued(root, der(root.certificate), serial(b"\0")))
    made: Any = answer(capsys, "ek", "trust", str(path), *where(site))
    assert (made["added"], made["without_path"]) == (1, [])
    assert run(["ek", "distrust", made["items"][0]["digest"], *where(site)]) == 0


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
    for reason in ("lost", "another"):  # the first is who refused it, and why
        done = ["ek", "refuse", KEY, "--reason", reason, *where(site)]
        assert run(done) == 0
        assert "is refused: lost" in capsys.readouterr().out
    assert run(["ek", "refused", *where(site, "operator")]) == 0
    assert "lost" in capsys.readouterr().out
    assert run(["ek", "unrefuse", KEY, *where(site)]) == 0
    assert run(["ek", "unrefuse", KEY, *where(site)]) == 1
    capsys.readouterr()
    assert run(["ek", "unaccept", "../roots", *where(site)]) == 2


def test_a_bundle_is_made_shown_imported_and_replaced(
    site: Site, tmp_path: Path, capsys: Capture
) -> None:
    first, second = TpmVendor(), TpmVendor()
    for number, vendor in enumerate((first, second)):
        directory = tmp_path / f"v{number}"
        (directory / "RootCA").mkdir(parents=True)
        root, issuer = vendor.store
        (directory / "RootCA" / "root.crt").write_bytes(der(root))
        pem = issuer.public_bytes(Encoding.PEM)
        (directory / "issuer.pem").write_bytes(pem + b"\n" + pem)
        (directory / "root.crl").write_bytes(vendor.root.crl())
        (directory / "key.pem").write_text("-----BEGIN PUBLIC KEY-----")
        (directory / "notes.txt").write_text("no certificate")
        file = str(tmp_path / f"{number}.bundle")
        made: Any = answer(
            capsys, "ek", "bundle", file, str(directory), "--name", "vendors",
            "--release", f"{number}",
        )  # fmt: skip
        assert (made["certificates"], made["crls"]) == (2, 1)
        assert made["passed_over"] == [str(directory / "key.pem")]
    one, two = (str(tmp_path / f"{number}.bundle") for number in range(2))
    assert run(["ek", "import", one, "--dry-run", *where(site)]) == 0
    assert "this would change" in capsys.readouterr().out
    nothing: Any = answer(capsys, "ek", "crls", *where(site, "operator"))
    assert nothing["items"] == []
    assert run(["ek", "import", one, *where(site)]) == 0
    assert run(["ek", "import", one, *where(site)]) == 0
    assert "holds all of it already" in capsys.readouterr().out
    replaced: Any = answer(capsys, "ek", "import", two, *where(site))
    assert (len(replaced["added"]), len(replaced["removed"])) == (3, 3)
    latest = str(replaced["version"])
    shown: Any = answer(capsys, "ek", "versions", latest, *where(site, "operator"))
    assert shown["removed"] == replaced["removed"]
    assert shown["bundle"]["version"] == "1"
    assert run(["ek", "versions", *where(site, "operator")]) == 0
    assert "bundle-imported vendors 1" in capsys.readouterr().out
    assert run(["ek", "import", one, *where(site, "operator")]) == 1


def test_a_crl_is_taken_from_a_file_and_shown(
    site: Site, tmp_path: Path, capsys: Capture
) -> None:
    vendor = TpmVendor()
    root, crl = tmp_path / "root.der", tmp_path / "a.crl"
    root.write_bytes(der(vendor.root.certificate))
    crl.write_bytes(vendor.root.crl())
    assert run(["ek", "crl", str(crl), *where(site)]) == 1
    assert "trust that CA first" in capsys.readouterr().err
    assert run(["ek", "trust", str(root), *where(site)]) == 0
    assert run(["ek", "crl", str(crl), *where(site)]) == 0
    assert "1 are new" in capsys.readouterr().out
    assert run(["ek", "crl", str(root), *where(site)]) == 2
    assert run(["ek", "crls", *where(site, "operator")]) == 0
    assert "CN=test TPM vendor root" in capsys.readouterr().out
    before: Any = answer(capsys, "ek", "store", *where(site, "operator"))
    listed: Any = answer(capsys, "ek", "crls", *where(site, "operator"))
    named = listed["items"][-1]["digest"]
    assert run(["ek", "drop-crl", named, *where(site)]) == 0
    capsys.readouterr()
    after: Any = answer(capsys, "ek", "store", *where(site, "operator"))
    assert after["crls"] == before["crls"] - 1
    assert after["digest"] != before["digest"]


def test_what_is_no_bundle_is_not_sent(
    site: Site, tmp_path: Path, capsys: Capture
) -> None:
    path = tmp_path / "no.bundle"
    path.write_text("Vouchgate-EK-Bundle: 1\n\n")
    assert run(["ek", "import", str(path), *where(site)]) == 2
    assert "not an EK bundle" in capsys.readouterr().err
    made = ["ek", "bundle", str(tmp_path / "b"), str(path), "--name", "a"]
    assert run([*made, "--release", "1"]) == 2
