"""One frozen settings object per process, read once, passed down.

Every field can be set as ``VOUCHGATE_<NAME>`` in the environment. The fields are in
classes by subject, from which docs/reference/settings.md is written.
"""

import ipaddress
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Self

from pydantic import model_validator

from onboarding.services.errors import SettingsError
from onboarding.services.settings_access import AccessSettings
from onboarding.services.settings_keylime import AttestationSettings
from onboarding.services.settings_keys import KeySettings
from onboarding.services.settings_manufacturing import ManufacturingSettings
from onboarding.services.settings_owner import OwnerSettings
from onboarding.services.settings_rendezvous import (
    AskedRendezvousSettings,
    RendezvousSettings,
)
from onboarding.services.settings_service import ServiceSettings
from onboarding.services.settings_values import (
    FROM_ENVIRONMENT,
    Compat,
    Download,
    Role,
)

__all__ = [
    "Compat",
    "Download",
    "Role",
    "Settings",
    "is_loopback",
    "read_passphrase",
    "read_secret",
    "refuse_unsafe",
]


class Settings(
    ServiceSettings,
    KeySettings,
    AccessSettings,
    ManufacturingSettings,
    RendezvousSettings,
    OwnerSettings,
    AskedRendezvousSettings,
    AttestationSettings,
):
    """What a service is told at start; nothing here changes while it runs."""

    model_config = FROM_ENVIRONMENT

    @property
    def insecure(self) -> tuple[str, ...]:
        """Names of the insecure switches that are on."""
        names = (
            "insecure_rendezvous_accept_any",
            "insecure_plain_http",
            "insecure_compat_open",
        )
        return tuple(name for name in names if getattr(self, name))

    @property
    def proxies(self) -> tuple[IPv4Network | IPv6Network, ...]:
        return tuple(ip_network(one) for one in self.trusted_proxies)

    @property
    def webhook_networks_read(self) -> tuple[IPv4Network | IPv6Network, ...]:
        return tuple(ip_network(one) for one in self.webhook_networks)

    @model_validator(mode="after")
    def _mtls_over_tls(self) -> Self:
        if self.mtls_ca is not None and self.tls_certificate is None:
            raise ValueError("mtls_ca needs tls_certificate and tls_key")
        return self


def is_loopback(host: str) -> bool:
    """Whether binding ``host`` keeps a service on this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def refuse_unsafe(settings: Settings) -> None:
    """Refuse what would be unsafe on an address that others can reach.

    API keys would cross the network in clear without TLS, so plain HTTP beyond
    loopback is an insecure switch too; ``insecure_confirm`` is its second yes.

    Raises:
        SettingsError: Says which switch is missing, or must go.
    """
    if is_loopback(settings.host):
        return
    if settings.tls_certificate is None and not settings.insecure_plain_http:
        raise SettingsError(
            f"{settings.host} is reachable by others: set tls_certificate and"
            " tls_key, or both insecure_plain_http and insecure_confirm"
        )
    if settings.insecure and not settings.insecure_confirm:
        raise SettingsError(
            f"{', '.join(settings.insecure)} on {settings.host}: bind a loopback"
            " address, or set insecure_confirm as well"
        )


def read_passphrase(path: Path | None) -> bytes:
    """Read the passphrase that opens the key files.

    Raises:
        SettingsError: No file is named, or it is empty or unreadable.
    """
    if path is None:
        raise SettingsError("set VOUCHGATE_KEY_PASSPHRASE_FILE to a file of one line")
    return read_secret(path)


def read_secret(path: Path) -> bytes:
    """Read a secret of one line. Raises SettingsError."""
    try:
        value = path.read_bytes().strip()
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from error
    if not value:
        raise SettingsError(f"{path} is empty")
    return value
