"""Who a command is: what goes before what, and what is told of none of it."""

from pathlib import Path

import pytest

from onboarding.cli.app import run
from onboarding.cli.credentials import CERTIFIED, WHO, alone, credential_of
from onboarding.cli.output import CliError
from onboarding.tls import ClientCertificate


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*WHO, *CERTIFIED):
        monkeypatch.delenv(name, raising=False)


def in_file(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_a_key_goes_before_a_token_and_a_token_before_a_certificate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VOUCHGATE_CLIENT_CERTIFICATE", "me.pem")
    assert credential_of(None).bearer == ""
    monkeypatch.setenv("VOUCHGATE_TOKEN", "by-variable")
    assert credential_of(None).bearer == "by-variable"
    token = in_file(tmp_path / "token", "by-file\n")
    monkeypatch.setenv("VOUCHGATE_TOKEN_FILE", str(token))
    assert credential_of(None).bearer == "by-file"
    monkeypatch.setenv("VOUCHGATE_API_KEY", "key")
    assert credential_of(None).bearer == "key"
    named = credential_of(in_file(tmp_path / "key", "key-of-a-file\n"))
    assert named.bearer == "key-of-a-file"
    assert named.certificate == ClientCertificate(Path("me.pem"))
    assert "key-of-a-file" not in repr(named)


@pytest.mark.parametrize("content", ["", " \n", "two\nlines", "a b", "é", "x" * 20000])
def test_what_no_header_can_carry_is_refused_and_not_told(
    tmp_path: Path, content: str
) -> None:
    with pytest.raises(CliError) as refused:
        credential_of(in_file(tmp_path / "key", content))
    assert refused.value.code == 2
    assert not content.strip() or content not in str(refused.value)


def test_nobody_is_refused_before_anything_is_asked() -> None:
    with pytest.raises(CliError, match="no API key"):
        credential_of(None)


def test_a_key_without_its_certificate_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VOUCHGATE_CLIENT_KEY", "me.key")
    with pytest.raises(CliError, match="VOUCHGATE_CLIENT_CERTIFICATE"):
        credential_of(None)


def test_who_is_named_leaves_nobody_else() -> None:
    found = alone({"VOUCHGATE_TOKEN_FILE": "token", "VOUCHGATE_URL": "there"})
    kept = {name: value for name, value in found.items() if value is not None}
    assert kept == {"VOUCHGATE_TOKEN_FILE": "token", "VOUCHGATE_URL": "there"}
    assert found["VOUCHGATE_API_KEY"] is None
    assert found["VOUCHGATE_CLIENT_CERTIFICATE"] is None
    assert alone({"VOUCHGATE_URL": "there"}) == {"VOUCHGATE_URL": "there"}


def test_a_file_that_holds_no_certificate_exits_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = in_file(tmp_path / "me.pem", "none")
    shown = ["--client-certificate", str(file)]
    assert run([*shown, "fleet", "list", "--url", "https://127.0.0.1:1"]) == 2
    assert "no client certificate" in capsys.readouterr().err
