"""Settings that would be unsafe, or half given, are refused at the start."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from onboarding.services.errors import SettingsError
from onboarding.services.settings import (
    Role,
    Settings,
    is_loopback,
    read_passphrase,
    refuse_unsafe,
)


def test_the_environment_sets_what_is_not_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VOUCHGATE_ROLE", "owner")
    monkeypatch.setenv("VOUCHGATE_PORT", "0")
    settings = Settings()
    assert (settings.role, settings.port) == (Role.OWNER, 0)


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError):
        Settings().port = 1


HALVES: dict[str, dict[str, Any]] = {
    "keylime without its keys": {"keylime_verifier_url": "https://localhost:1"},
    "certificate without key": {"tls_certificate": "cert.pem"},
    "a port too high": {"port": 70_000},
    "no time at all": {"run_seconds": 0},
}


@pytest.mark.parametrize("case", list(HALVES))
def test_settings_that_do_not_fit_are_refused(case: str) -> None:
    Settings()
    with pytest.raises(ValidationError):
        Settings(**HALVES[case])


OPEN: dict[str, tuple[dict[str, Any], bool]] = {
    "loopback": ({}, True),
    "loopback, open rendezvous": ({"insecure_rendezvous_accept_any": True}, True),
    "loopback, open paths": ({"insecure_compat_open": True}, True),
    "reachable, TLS, open paths": (
        {
            "host": "::",
            "tls_certificate": "c",
            "tls_key": "k",
            "insecure_compat_open": True,
        },
        False,
    ),
    "reachable, plain": ({"host": "192.0.2.1"}, False),
    "reachable, plain said once": (
        {"host": "192.0.2.1", "insecure_plain_http": True},
        False,
    ),
    "reachable, plain said twice": (
        {"host": "192.0.2.1", "insecure_plain_http": True, "insecure_confirm": True},
        True,
    ),
    "reachable, TLS": (
        {"host": "0.0.0.0", "tls_certificate": "c", "tls_key": "k"},  # noqa: S104
        True,
    ),
    "reachable, TLS, open rendezvous": (
        {
            "host": "::",
            "tls_certificate": "c",
            "tls_key": "k",
            "insecure_rendezvous_accept_any": True,
        },
        False,
    ),
}


@pytest.mark.parametrize("case", list(OPEN))
def test_insecure_beyond_loopback_has_to_be_said_twice(case: str) -> None:
    values, allowed = OPEN[case]
    settings = Settings(**values)
    if allowed:
        refuse_unsafe(settings)
    else:
        with pytest.raises(SettingsError):
            refuse_unsafe(settings)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),  # noqa: S104
        ("localhost.example.org", False),
        ("", False),
    ],
)
def test_loopback_is_told_from_everything_else(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


def test_the_passphrase_is_the_file_without_its_line_end(tmp_path: Path) -> None:
    path = tmp_path / "passphrase"
    path.write_bytes(b" four words \n")
    assert read_passphrase(path) == b"four words"


@pytest.mark.parametrize("content", [None, b"", b" \n"])
def test_an_absent_or_empty_passphrase_is_refused(
    tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "passphrase"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingsError):
        read_passphrase(path)


def test_a_passphrase_that_nobody_named_is_refused() -> None:
    with pytest.raises(SettingsError, match="VOUCHGATE_KEY_PASSPHRASE_FILE"):
        read_passphrase(None)


@pytest.mark.parametrize("network", ["10.1.0.1/24", "anywhere", "0.0.0.0/0", "::/0"])
def test_a_proxy_that_is_no_network_or_everybody_is_refused(network: str) -> None:
    with pytest.raises(ValidationError, match="trusted_proxies"):
        Settings(trusted_proxies=(network,))
