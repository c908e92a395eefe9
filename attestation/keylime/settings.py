"""Where Keylime is, and the configuration files that its two programs read.

Keylime's wheel brings no defaults: an option that is absent is an error at start.
Source: Keylime 7.14.3, ``keylime/config.py`` and the options each program reads.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from attestation.keylime.boot_reference import ENGINE_MODULE, ENGINE_NAME
from attestation.keylime.pki import Pki
from attestation.keylime.results import VerifierMode

HOST = "127.0.0.1"
CONFIG_VERSION = "2.6"


@dataclass(frozen=True, slots=True)
class KeylimeSettings:
    """Where the registrar and the verifier answer, and what we show them.

    ``cert`` and ``key`` make whoever holds them administrator of both programs.
    """

    verifier_url: str  # https, mTLS for administration
    registrar_url: str  # https, mTLS
    registrar_http_url: str  # plain http, registration only: loopback or private net
    ca: Path
    cert: Path
    key: Path
    evidence_urls: tuple[str, ...] = ()  # https; those that judge evidence, if others


@dataclass(frozen=True, slots=True)
class StackOptions:
    """How the stack's two programs behave; times in seconds.

    More than one ``verifier_workers`` is for the evidence channel alone: on the push
    channel a worker's timer outlives what another worker has seen.
    """

    quote_interval: int = 2  # least time between two push attestations of one agent
    session_lifetime: int = 180  # of a push agent's token
    # All devices reach the verifier from the owner's proxy, thus from one address.
    logins_per_minute_and_address: int = 6000
    logins_per_minute_and_agent: int = 30
    start_timeout: float = 120.0
    stop_grace: float = 8.0
    verifier_workers: int = 1
    mode: VerifierMode = VerifierMode.PUSH
    webhook_url: str = ""  # told of failures in pull mode; always over TLS

    def __post_init__(self) -> None:
        if self.quote_interval < 1:
            raise ValueError("quote_interval 0 would time every agent out at once")


@dataclass(frozen=True, slots=True)
class Ports:
    """TCP ports, and the address at which both programs listen."""

    registrar_http: int
    registrar_tls: int
    verifier: int
    host: str = HOST


def registrar_config(pki: Pki, ports: Ports) -> str:
    """Return ``registrar.conf``."""
    options = {
        "version": CONFIG_VERSION,
        "ip": ports.host,
        "port": ports.registrar_http,
        "tls_port": ports.registrar_tls,
        **_server_tls(pki, "registrar"),
        "database_url": "sqlite",
        "auto_migrate_db": True,
        "max_workers": 1,
        "tpm_identity": "ek_cert_or_iak_idevid",
        # We judge the EK's certificate ourselves; Keylime only stores it.
        "malformed_cert_action": "warn",
        "durable_attestation_import": "",
    }
    return _ini({"registrar": options})


def verifier_config(pki: Pki, ports: Ports, options: StackOptions) -> str:
    """Return ``verifier.conf``; either mode serves the evidence call too."""
    verifier = {
        "version": CONFIG_VERSION,
        "uuid": "vouchgate",
        "ip": ports.host,
        "port": ports.verifier,
        "registrar_ip": HOST,
        "registrar_port": ports.registrar_tls,
        "mode": options.mode.value,
        **_server_tls(pki, "verifier"),
        **_client_tls(pki),
        **_verifier_storage(options),
        **_push_pace(options),
        **_measured_boot(),
    }
    told = ["webhook"] if options.webhook_url else []
    revocations = {
        "enabled_revocation_notifications": json.dumps(told),
        "webhook_url": options.webhook_url,
    }
    return _ini({"verifier": verifier, "revocations": revocations})


def tenant_config(store: Path) -> str:
    """Return ``tenant.conf``: the registrar reads its IAK and IDevID trust there."""
    return _ini({"tenant": {"version": CONFIG_VERSION, "tpm_cert_store": store}})


def logging_config() -> str:
    """Return ``logging.conf``: warnings to stderr, one line each.

    At INFO Keylime writes some 35 lines for each attestation; why one failed is
    logged as an error, so nothing that matters is lost.
    """
    return _ini(
        {
            "loggers": {"keys": "root,keylime"},
            "handlers": {"keys": "console"},
            "formatters": {"keys": "line"},
            "logger_root": {"level": "WARNING", "handlers": "console"},
            "logger_keylime": {
                "level": "WARNING",
                "qualname": "keylime",
                "handlers": "",
            },
            "handler_console": {
                "class": "StreamHandler",
                "level": "WARNING",
                "formatter": "line",
                "args": "(sys.stderr,)",
            },
            "formatter_line": {
                "format": "%(asctime)s %(name)s %(levelname)s %(message)s"
            },
        }
    )


def _server_tls(pki: Pki, leaf: str) -> Mapping[str, object]:
    return {
        "tls_dir": pki.directory,
        "server_key": pki.key(leaf).name,
        "server_cert": pki.certificate(leaf).name,
        "server_key_password": "",
        "trusted_client_ca": json.dumps([pki.ca.name]),
    }


def _client_tls(pki: Pki) -> Mapping[str, object]:
    return {
        "enable_agent_mtls": True,
        "client_key": pki.key("verifier-client").name,
        "client_cert": pki.certificate("verifier-client").name,
        "client_key_password": "",
        "trusted_server_ca": json.dumps([pki.ca.name]),
    }


def _verifier_storage(options: StackOptions) -> Mapping[str, object]:
    return {
        "database_url": "sqlite",
        "auto_migrate_db": True,
        "max_workers": options.verifier_workers,
        "durable_attestation_import": "",
    }


def _push_pace(options: StackOptions) -> Mapping[str, object]:
    return {
        "quote_interval": options.quote_interval,
        "challenge_lifetime": 120,
        "verification_timeout": 30,
        "session_lifetime": options.session_lifetime,
        "session_create_rate_limit_per_ip": options.logins_per_minute_and_address,
        "session_create_rate_limit_per_agent": options.logins_per_minute_and_agent,
        "auto_recover_attestation_failures": False,
        "exponential_backoff": True,
        "retry_interval": 2,
        "max_retries": 5,
        "request_timeout": 60,
    }


def _measured_boot() -> Mapping[str, object]:
    return {
        "measured_boot_policy_name": ENGINE_NAME,
        "measured_boot_imports": json.dumps([ENGINE_MODULE]),
        "measured_boot_evaluate": "always",
        "severity_labels": json.dumps(["info", "warning", "error", "emergency"]),
        "severity_policy": json.dumps(
            [{"event_id": ".*", "severity_label": "emergency"}]
        ),
    }


def _ini(sections: Mapping[str, Mapping[str, object]]) -> str:
    lines = []
    for section, options in sections.items():
        lines.append(f"[{section}]")
        for name, value in options.items():
            if "\n" in str(value):
                raise ValueError(f"{section}.{name} would break its line")
            lines.append(f"{name} = {value}")
        lines.append("")
    return "\n".join(lines)
