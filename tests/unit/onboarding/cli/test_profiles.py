"""Profiles: what they set, and what is no profile."""

import re
from pathlib import Path

import pytest

from onboarding.cli.output import CliError
from onboarding.cli.profiles import file_of_profiles, variables_of

GOOD = """
[berlin]
url = "https://berlin.example.test"
api_key_file = "berlin.key"
ca = "/etc/ssl/berlin.pem"

[short]
url = "http://127.0.0.1:1"

[certified]
client_certificate = "me.crt"
client_key = "/keys/me.key"
client_key_passphrase_file = "me.passphrase"

[person]
token_file = "token"
"""


def test_a_profile_is_the_variables_that_say_the_same(tmp_path: Path) -> None:
    file = tmp_path / "profiles.toml"
    file.write_text(GOOD)
    assert variables_of("berlin", file) == {
        "VOUCHGATE_URL": "https://berlin.example.test",
        "VOUCHGATE_API_KEY_FILE": str(tmp_path / "berlin.key"),
        "VOUCHGATE_CA": "/etc/ssl/berlin.pem",
    }
    assert variables_of("short", file) == {"VOUCHGATE_URL": "http://127.0.0.1:1"}
    assert variables_of("certified", file) == {
        "VOUCHGATE_CLIENT_CERTIFICATE": str(tmp_path / "me.crt"),
        "VOUCHGATE_CLIENT_KEY": "/keys/me.key",
        "VOUCHGATE_CLIENT_KEY_PASSPHRASE_FILE": str(tmp_path / "me.passphrase"),
    }
    assert variables_of("person", file) == {
        "VOUCHGATE_TOKEN_FILE": str(tmp_path / "token")
    }


BAD = {
    "no such profile": ("paris", GOOD, "no profile 'paris'"),
    "a key in it": ("x", '[x]\napi_key = "secret"', "what is api_key?"),
    "a token in it": ("x", '[x]\ntoken = "secret"', "what is token?"),
    "no text": ("x", "[x]\nurl = 7", "url is to be text"),
    "empty": ("x", '[x]\nurl = ""', "url is to be text"),
    "no table": ("x", "x = 1", "no profile 'x'"),
    "no TOML": ("x", "[x", "profiles.toml"),
    "no UTF-8": ("x", "[x]\nurl = '\udcff'", "profiles.toml"),
}


@pytest.mark.parametrize("case", list(BAD))
def test_what_is_no_profile_is_refused(case: str, tmp_path: Path) -> None:
    name, text, why = BAD[case]
    file = tmp_path / "profiles.toml"
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(CliError, match=re.escape(why)) as refused:
        variables_of(name, file)
    assert "secret" not in str(refused.value)
    assert refused.value.code == 2


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CliError):
        variables_of("x", tmp_path / "none.toml")


def test_the_file_is_where_such_files_are(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("VOUCHGATE_PROFILES", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert file_of_profiles() == tmp_path / "vouchgate/profiles.toml"
    monkeypatch.setenv("VOUCHGATE_PROFILES", "/elsewhere.toml")
    assert file_of_profiles() == Path("/elsewhere.toml")
