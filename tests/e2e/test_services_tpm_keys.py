"""Factory and owner whose private keys are in a TPM. TEST KEYS."""

import json
from pathlib import Path

import pytest

from onboarding.cli.app import run
from onboarding.protocol.errors import PeerFailed
from onboarding.services.key_material import KeyAlgorithm
from onboarding.wire.message import ErrorCode
from tests.support.fdo_chain import eventually, joined, state_of
from tests.support.key_holders import key_tpm
from tests.support.services import Wire
from tests.support.swtpm import MakeSoftwareTpm

pytest_plugins = ["tests.support.service_fixtures"]

Capture = pytest.CaptureFixture[str]


def test_a_device_is_onboarded_by_keys_in_a_tpm_and_refused_while_that_is_away(
    make_software_tpm: MakeSoftwareTpm, tmp_path: Path
) -> None:
    chip = make_software_tpm("of keys")
    tcti = chip.start()
    holder = key_tpm(tcti, tmp_path)
    for chain in joined(tmp_path, KeyAlgorithm.P256, holder=holder):
        first, second = chain.bought(), chain.bought()
        eventually(lambda: state_of(chain, first) == "registered")  # noqa: B023
        eventually(lambda: state_of(chain, second) == "registered")  # noqa: B023
        to1d = Wire.to(chain.rendezvous.url).run(first.to1())
        first.onboard(Wire.to(chain.owner.url), to1d=to1d)
        assert state_of(chain, first) == "owned"
        keys = chain.owner.call(chain.owner_key, "GET", "/keys").json()["items"]
        assert {one["custody"] for one in keys} == {"tpm"}

        chip.stop()
        with pytest.raises(PeerFailed) as caught:
            second.onboard(Wire.to(chain.owner.url))
        assert caught.value.message.code == ErrorCode.INTERNAL_SERVER_ERROR
        eventually(lambda: chain.owner.http.get("/readyz").status_code == 503)  # noqa: B023
        checks = chain.owner.http.get("/readyz").json()["checks"]
        assert checks["keys"].startswith("a key cannot be used now")

        chip.start(int(tcti.rpartition("=")[2]))
        eventually(lambda: chain.owner.http.get("/readyz").status_code == 200)  # noqa: B023
        second.onboard(Wire.to(chain.owner.url))
        assert state_of(chain, second) == "owned"


def test_the_command_line_says_where_a_key_is_and_the_doctor_looks_there(
    make_software_tpm: MakeSoftwareTpm,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
) -> None:
    chip = make_software_tpm("of the command line")
    (tmp_path / "passphrase").write_text("of a test\n")
    for name, value in {
        **key_tpm(chip.start(), tmp_path).environment,
        "VOUCHGATE_KEY_DIRECTORY": str(tmp_path / "keys"),
        "VOUCHGATE_KEY_PASSPHRASE_FILE": str(tmp_path / "passphrase"),
        "VOUCHGATE_DATABASE_URL": f"sqlite:///{tmp_path / 'service.db'}",
        "VOUCHGATE_ROLE": "owner",
        "VOUCHGATE_PORT": "0",
    }.items():
        monkeypatch.setenv(name, value)

    assert run(["keys", "new", "--kind", "owner", "--custody", "tpm"]) == 0
    capsys.readouterr()
    assert run(["keys", "show", "--json"]) == 0
    (shown,) = json.loads(capsys.readouterr().out)["keys"]
    assert (shown["custody"], shown["uri"][:13]) == ("tpm", "tpm:name=000b")

    checks = doctor(capsys)
    assert checks["owner key"]["detail"] == "owner (tpm)"
    assert checks["TPM of keys"]["health"] == "ok"

    chip.stop()
    checks = doctor(capsys)
    assert checks["TPM of keys"]["health"] == "bad"
    assert checks["owner key"]["health"] == "bad"


def doctor(capsys: Capture) -> dict[str, dict[str, str]]:
    run(["doctor", "--json"])
    found = json.loads(capsys.readouterr().out)["checks"]
    return {one["name"]: one for one in found}
