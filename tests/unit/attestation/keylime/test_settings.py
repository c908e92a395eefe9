"""Configuration files that Keylime's own parser reads as meant."""

from configparser import RawConfigParser
from pathlib import Path

import pytest

from attestation.keylime.pki import Pki
from attestation.keylime.settings import (
    Ports,
    StackOptions,
    logging_config,
    registrar_config,
    verifier_config,
)

PORTS = Ports(registrar_http=1001, registrar_tls=1002, verifier=1003)


def parsed(text: str) -> RawConfigParser:
    parser = RawConfigParser()
    parser.read_string(text)
    return parser


def test_the_verifier_runs_in_push_mode_with_client_certificates_checked() -> None:
    options = StackOptions(quote_interval=7)
    text = verifier_config(Pki(Path("/x/pki")), PORTS, options)
    verifier = parsed(text)["verifier"]
    assert verifier["mode"] == "push"
    assert verifier["port"] == "1003"
    assert verifier["quote_interval"] == "7"
    assert verifier["trusted_client_ca"] == '["ca.crt"]'


def test_both_programs_listen_on_loopback_only() -> None:
    pki = Pki(Path("/x/pki"))
    registrar = parsed(registrar_config(pki, PORTS))["registrar"]
    verifier = parsed(verifier_config(pki, PORTS, StackOptions()))["verifier"]
    assert registrar["ip"] == verifier["ip"] == "127.0.0.1"


def test_only_warnings_are_logged() -> None:
    assert parsed(logging_config())["logger_root"]["level"] == "WARNING"


def test_a_path_with_a_line_end_cannot_add_an_option() -> None:
    with pytest.raises(ValueError, match="tls_dir"):
        registrar_config(Pki(Path("/x\nip = 0.0.0.0")), PORTS)


def test_an_interval_of_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="quote_interval"):
        StackOptions(quote_interval=0)
