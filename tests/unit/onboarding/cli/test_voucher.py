"""``vouchgate voucher`` on the recorded vouchers: exit codes, and what they name."""

import json
from dataclasses import dataclass
from pathlib import Path

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from onboarding.cli.app import run
from onboarding.services import passport_pem
from ownership_vouchers.pem import dump_pem
from tests.support.supply_chain import SupplyChain

VECTORS = Path(__file__).parents[3] / "vectors" / "fdo"
GOOD = json.loads((VECTORS / "vouchers.json").read_text())
BAD = json.loads((VECTORS / "vouchers_negative.json").read_text())["vectors"]
FORGED = [one for one in BAD if one["must_fail"]]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "voucher"


@pytest.mark.parametrize("vector", GOOD["vouchers"], ids=lambda one: one["name"])
def test_a_good_voucher_exits_0_with_its_secret_checked(
    vector: dict[str, str], file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_bytes(bytes.fromhex(vector["voucher"]))
    secret = file.with_name("secret")
    secret.write_text(vector["hmac_secret"])
    code = run(
        ["voucher", "verify", str(file), "--hmac-secret-file", str(secret), "--json"]
    )
    (found,) = json.loads(capsys.readouterr().out)["vouchers"]
    assert (code, found["ok"], found["not_checked"]) == (0, True, [])


def test_without_the_secret_it_is_said_that_the_hmac_was_not_checked(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(GOOD["pem_example"]["pem"])
    assert run(["voucher", "verify", str(file)]) == 0
    assert "not checked: header_hmac" in capsys.readouterr().out


@pytest.mark.parametrize("vector", FORGED, ids=lambda one: one["mutation"])
def test_a_forged_voucher_exits_1_and_names_the_check(
    vector: dict[str, str], file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_bytes(bytes.fromhex(vector["voucher"]))
    named = set(vector["must_fail"].split(", ")) - {"header_hmac", "mfg_key_hash"}
    assert run(["voucher", "verify", str(file)]) == 1
    assert all(check in capsys.readouterr().out for check in named)


def test_a_wrong_secret_exits_1_and_names_the_hmac(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(GOOD["pem_example"]["pem"])
    assert run(["voucher", "verify", str(file), "--hmac-secret", "00" * 32]) == 1
    assert "header_hmac" in capsys.readouterr().out


def test_one_bad_voucher_among_good_ones_exits_1_and_the_good_are_told(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = bytes.fromhex(GOOD["vouchers"][0]["voucher"])
    file.write_bytes(good + bytes.fromhex(FORGED[0]["voucher"]))
    assert run(["voucher", "verify", str(file), "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert [one["ok"] for one in report["vouchers"]] == [True, False]
    assert report["vouchers"][1]["failed"][0]["check"] == "entries"


UNREADABLE = {
    "empty": b"",
    "text": b"hello",
    "cut short": bytes.fromhex(GOOD["vouchers"][0]["voucher"])[:-1],
    "PEM without an end": b"-----BEGIN OWNERSHIP VOUCHER-----\nAAAA\n",
    "PEM of something else": b"-----BEGIN CERTIFICATE-----\nAAAA\n"
    b"-----END CERTIFICATE-----\n",
}


@pytest.mark.parametrize("data", UNREADABLE.values(), ids=UNREADABLE.keys())
@pytest.mark.parametrize("command", ["verify", "show"])
def test_a_file_that_is_no_voucher_exits_2(
    command: str, data: bytes, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_bytes(data)
    assert run(["voucher", command, str(file)]) == 2
    assert "no readable voucher" in capsys.readouterr().err


def test_a_file_that_is_not_there_exits_2_in_json_too(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["voucher", "verify", str(file), "--json"]) == 2
    answer = json.loads(capsys.readouterr().out)
    assert answer["ok"] is False
    assert "No such file" in answer["error"]


def test_a_voucher_over_a_limit_exits_1_and_names_the_limits(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = bytes.fromhex(GOOD["vouchers"][0]["voucher"])
    _, header, hmac, chain, (entry,) = cbor2.loads(raw)
    file.write_bytes(cbor2.dumps([101, header, hmac, chain, [entry] * 256]))
    assert run(["voucher", "verify", str(file)]) == 1
    assert "limits" in capsys.readouterr().err


def test_a_secret_that_is_not_hexadecimal_exits_2(file: Path) -> None:
    file.write_text(GOOD["pem_example"]["pem"])
    assert run(["voucher", "verify", str(file), "--hmac-secret", "xyz"]) == 2


def test_show_prints_every_voucher_of_a_file(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = GOOD["vouchers"][:2]
    file.write_bytes(bytes.fromhex(first["voucher"] + second["voucher"]))
    assert run(["voucher", "show", str(file), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)["vouchers"]
    assert len(shown) == 2


def test_a_voucher_cannot_command_the_terminal(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chain = SupplyChain().make_device("\x1b]0;owned\x07[bold]")
    file.write_bytes(chain.voucher.raw)
    assert run(["voucher", "show", str(file)]) == 0
    told = capsys.readouterr().out
    assert "\\x1b]0;owned\\x07[bold]" in told
    assert "\x07" not in told


@dataclass(frozen=True)
class Sale:
    """A voucher file, and what its present owner needs to sign it over."""

    source: Path
    out: Path
    options: tuple[str, ...]


@pytest.fixture
def sale(tmp_path: Path) -> Sale:
    chain = SupplyChain().make_device().sell_to("dealer")
    buyer = ec.generate_private_key(ec.SECP256R1())
    source, key = tmp_path / "in", tmp_path / "key"
    to, out = tmp_path / "to", tmp_path / "out"
    source.write_text(dump_pem(chain.voucher))
    key.write_bytes(
        chain.owner.private_key.private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )
    )
    public = buyer.public_key().public_bytes(
        Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
    )
    to.write_bytes(public)
    options = ("--key", str(key), "--to", str(to), "--out", str(out))
    return Sale(source, out, options)


def test_an_extended_voucher_verifies_and_names_the_next_owner(
    sale: Sale, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["voucher", "extend", str(sale.source), *sale.options]) == 0
    assert run(["voucher", "verify", str(sale.out), "--json"]) == 0
    assert '"ok": true' in capsys.readouterr().out


def test_extending_takes_passports_along(sale: Sale) -> None:
    passports = [b"signed by the maker", b"and another" * 20]
    with sale.source.open("a") as file:
        file.writelines(map(passport_pem.dump, passports))
    assert run(["voucher", "extend", str(sale.source), *sale.options]) == 0
    assert passport_pem.load(sale.out.read_bytes()) == passports


def test_a_passport_that_cannot_be_read_is_not_passed_on(sale: Sale) -> None:
    with sale.source.open("a") as file:
        file.write(passport_pem.dump(b"x").replace("eA==", "eA="))
    assert run(["voucher", "extend", str(sale.source), *sale.options]) == 2
    assert not sale.out.exists()
