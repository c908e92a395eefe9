"""``vouchgate keys`` and ``vouchgate apikey``, on files and a database of their own."""

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from onboarding.cli.app import run

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "passphrase").write_text("of a test\n")
    settings = {
        "KEY_DIRECTORY": tmp_path / "keys",
        "KEY_PASSPHRASE_FILE": tmp_path / "passphrase",
        "DATABASE_URL": f"sqlite:///{tmp_path / 'service.db'}",
    }
    for name, value in settings.items():
        monkeypatch.setenv(f"VOUCHGATE_{name}", str(value))
    return tmp_path


def answer(capsys: Capture, *arguments: str) -> dict[str, object]:
    assert run([*arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert isinstance(found, dict)
    return found


def test_a_new_key_is_shown_without_its_private_half(
    home: Path, capsys: Capture
) -> None:
    made = answer(capsys, "keys", "new", "--kind", "owner")
    shown = answer(capsys, "keys", "show")
    assert shown["keys"] == [made]
    assert "PRIVATE" not in (home / "keys" / "owner.key").read_text()
    assert (home / "keys" / "owner.key").stat().st_mode & 0o077 == 0


def test_the_public_half_can_be_written_to_a_file(home: Path, capsys: Capture) -> None:
    out = home / "owner.pem"
    made = answer(capsys, "keys", "new", "--kind", "owner", "--public-out", str(out))
    assert out.read_text() == made["public_pem"]


@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
def test_a_key_of_another_program_is_taken_in(
    home: Path, capsys: Capture, encoding: Encoding
) -> None:
    key = ec.generate_private_key(ec.SECP384R1())
    plain = NoEncryption()
    theirs = home / "theirs"
    theirs.write_bytes(key.private_bytes(encoding, PrivateFormat.PKCS8, plain))
    taken = answer(capsys, "keys", "import", str(theirs), "--kind", "owner")
    assert (taken["name"], taken["algorithm"]) == ("owner", "P-384")
    assert answer(capsys, "keys", "show")["keys"] == [taken]
    assert "PRIVATE" not in (home / "keys" / "owner.key").read_text()
    more = ["--kind", "owner", "--name", "again"]
    assert run(["keys", "import", str(theirs), *more]) == 1
    assert "here already, as owner" in capsys.readouterr().err


def test_what_is_no_private_key_is_not_taken_in(home: Path, capsys: Capture) -> None:
    (home / "theirs").write_bytes(b"none")
    assert run(["keys", "import", str(home / "theirs"), "--kind", "owner"]) == 2
    assert "not a private key" in capsys.readouterr().err


def test_an_existing_key_is_not_overwritten(home: Path, capsys: Capture) -> None:
    assert run(["keys", "new", "--kind", "owner"]) == 0
    before = (home / "keys" / "owner.key").read_bytes()
    assert run(["keys", "new", "--kind", "owner"]) == 1
    assert "exists already" in capsys.readouterr().err
    assert (home / "keys" / "owner.key").read_bytes() == before


def test_without_a_passphrase_no_key_is_made(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.delenv("VOUCHGATE_KEY_PASSPHRASE_FILE")
    assert run(["keys", "new", "--kind", "owner"]) == 2
    assert "VOUCHGATE_KEY_PASSPHRASE_FILE" in capsys.readouterr().err


def test_a_key_that_is_not_there_exits_1(capsys: Capture) -> None:
    assert run(["keys", "show", "absent"]) == 1
    assert "no key absent" in capsys.readouterr().err


def test_an_api_key_is_listed_without_its_secret_and_revoked(capsys: Capture) -> None:
    new = ["apikey", "new", "--role", "operator", "--name", "ops"]
    made = answer(capsys, *new)
    secret = str(made["key"])
    assert secret.startswith("vg_")
    listed = answer(capsys, "apikey", "list")
    assert secret not in json.dumps(listed)
    assert [one["state"] for one in _keys(listed)] == ["live"]
    answer(capsys, "apikey", "revoke", str(made["id"]))
    assert [one["state"] for one in _keys(answer(capsys, "apikey", "list"))] == [
        "revoked"
    ]


def test_an_api_key_written_to_a_file_is_not_printed(
    home: Path, capsys: Capture
) -> None:
    out = home / "key"
    made = answer(
        capsys, "apikey", "new", "--role", "admin", "--name", "me", "--out", str(out)
    )
    assert "key" not in made
    assert out.read_text().startswith("vg_")
    assert out.stat().st_mode & 0o077 == 0


def test_revoking_what_is_not_there_exits_1(capsys: Capture) -> None:
    answer(capsys, "apikey", "new", "--role", "operator", "--name", "ops")
    assert run(["apikey", "revoke", "0" * 16]) == 1
    assert "Traceback" not in capsys.readouterr().err


def test_without_a_database_no_api_key_is_looked_for(
    home: Path, capsys: Capture
) -> None:
    assert run(["apikey", "revoke", "0" * 16]) == 2
    assert "service.db is not there" in capsys.readouterr().err
    assert not (home / "service.db").exists()


def _keys(listed: dict[str, object]) -> list[dict[str, object]]:
    found = listed["apikeys"]
    assert isinstance(found, list)
    return found
