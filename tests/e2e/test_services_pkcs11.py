"""Factory and owner whose private keys are in PKCS#11 tokens. TEST KEYS."""

import json
from pathlib import Path

import pytest

from onboarding.cli.app import run
from onboarding.services.key_material import KeyAlgorithm
from tests.support.fdo_chain import eventually, joined, state_of
from tests.support.services import Wire
from tests.support.soft_device import SoftDevice
from tests.support.softhsm import SoftToken

Capture = pytest.CaptureFixture[str]


def test_a_device_is_made_sold_and_onboarded_with_keys_in_a_token(
    token: SoftToken, tmp_path: Path
) -> None:
    for chain in joined(tmp_path, KeyAlgorithm.P256, holder=token):
        device = SoftDevice.made_at(Wire.to(chain.factory.url))
        assert chain.take(chain.sell(device)).status_code == 200
        eventually(lambda: state_of(chain, device) == "registered")  # noqa: B023
        to1d = Wire.to(chain.rendezvous.url).run(device.to1())
        device.onboard(Wire.to(chain.owner.url), to1d=to1d)
        assert state_of(chain, device) == "owned"
        keys = chain.owner.call(chain.owner_key, "GET", "/keys").json()["items"]
        assert {one["custody"] for one in keys} == {"pkcs11"}


def test_the_command_line_says_where_a_key_is_and_the_doctor_looks_there(
    token: SoftToken, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    (tmp_path / "passphrase").write_text("of a test\n")
    for name, value in {
        **token.environment,
        "VOUCHGATE_KEY_DIRECTORY": str(tmp_path / "keys"),
        "VOUCHGATE_KEY_PASSPHRASE_FILE": str(tmp_path / "passphrase"),
        "VOUCHGATE_DATABASE_URL": f"sqlite:///{tmp_path / 'service.db'}",
        "VOUCHGATE_ROLE": "owner",
        "VOUCHGATE_PORT": "0",
    }.items():
        monkeypatch.setenv(name, value)

    assert run(["keys", "new", "--kind", "owner", "--custody", "pkcs11"]) == 0
    capsys.readouterr()
    assert run(["keys", "show", "--json"]) == 0
    (shown,) = json.loads(capsys.readouterr().out)["keys"]
    assert (shown["custody"], shown["uri"][:13]) == ("pkcs11", "pkcs11:token=")

    checks = doctor(capsys)
    assert checks["owner key"]["detail"] == "owner (pkcs11)"
    assert checks["PKCS#11 token"]["health"] == "ok"
    assert token.label in checks["PKCS#11 token"]["detail"]

    monkeypatch.setenv("VOUCHGATE_PKCS11_TOKEN", "no such token")
    checks = doctor(capsys)
    assert checks["PKCS#11 token"]["health"] == "bad"
    assert checks["owner key"]["health"] == "bad"


def doctor(capsys: Capture) -> dict[str, dict[str, str]]:
    run(["doctor", "--json"])
    found = json.loads(capsys.readouterr().out)["checks"]
    return {one["name"]: one for one in found}
