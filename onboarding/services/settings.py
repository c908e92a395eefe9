"""One frozen settings object per process, read once, passed down.

Every field can be set as ``VOUCHGATE_<NAME>`` in the environment.
"""

import ipaddress
from enum import StrEnum, unique
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from attestation.keylime.verifiers import MAX_VERIFIERS
from onboarding.services.errors import SettingsError
from onboarding.services.logs import LogFormat
from onboarding.services.settings_access import AccessSettings
from onboarding.services.settings_keys import KeySettings
from onboarding.services.settings_rendezvous import RendezvousSettings

MAX_LIST_BYTES = 64 * 1024 * 1024  # of one device's IMA list
Seconds = Annotated[int, Field(ge=1, le=2**32 - 1)]
Rate = Annotated[float, Field(ge=0, le=1_000_000)]
Burst = Annotated[int, Field(ge=1, le=1_000_000)]


@unique
class Role(StrEnum):
    """Which service a process is."""

    MANUFACTURING = "manufacturing"
    RENDEZVOUS = "rendezvous"
    OWNER = "owner"
    ALL = "all"

    def includes(self, other: "Role") -> bool:
        return self is other or self is Role.ALL


@unique
class Compat(StrEnum):
    """Whose management paths are served as well."""

    GO_FDO_SERVER = "go-fdo-server"


class Download(BaseModel):
    """A file that TO2 pushes to every device (fdo.download)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(min_length=1, max_length=255)]
    path: Path
    required: bool = True


class Settings(AccessSettings, KeySettings, RendezvousSettings):
    """What a service is told at start; nothing here changes while it runs."""

    model_config = SettingsConfigDict(env_prefix="VOUCHGATE_", frozen=True)

    role: Role = Role.ALL
    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)  # 0: any free port
    log_format: LogFormat = LogFormat.TEXT
    port_file: Path | None = None  # the bound port is written here once ready
    database_url: str = Field(default="sqlite:///vouchgate.db", repr=False)
    runs_url: str | None = Field(default=None, repr=False)
    database_password_file: Path | None = None  # its content goes into both URLs

    # How often one may come: requests a second, and at once. A rate of 0 is no bound.
    fdo_rate: Rate = 500  # messages, by address
    fdo_burst: Burst = 5000
    api_source_rate: Rate = 200  # everything but FDO, by address
    api_source_burst: Burst = 2000
    api_key_rate: Rate = 100  # the management API, by key
    api_key_burst: Burst = 1000
    trusted_proxies: tuple[str, ...] = ()  # networks whose X-Forwarded-For is read

    # Protocol runs: how long a session token is good for.
    run_seconds: Seconds = 120  # DI, TO0, TO1
    to2_seconds: Seconds = 3600
    to2_rounds: int = Field(default=20_000, ge=8, le=1_000_000)  # messages 68 in one
    to2_received_bytes: int = Field(default=16 * 1024 * 1024, ge=4096, le=2**31 - 1)
    to2_asymkex: bool = True  # False: only key exchanges with forward secrecy
    to2_hmac_ciphers: bool = False  # serve AES-CTR and AES-CBC with HMAC, too
    to2_message_bytes: int | None = Field(default=None, ge=256, le=65535)  # of one 68
    voucher_cache: int = Field(default=128, ge=1, le=100_000)  # parsed vouchers kept

    # What is remembered of runs, so that one that stopped can be explained.
    trace_runs: int = Field(default=20_000, ge=0, le=10_000_000)  # 0: nothing is
    trace_runs_per_device: int = Field(default=20, ge=1, le=10_000)  # of each protocol
    trace_days: int = Field(default=30, ge=1, le=36500)
    otel_endpoint: str | None = Field(default=None, pattern="^https?://")  # off: None

    # Webhooks: networks beside the public net that they may lead into, by http as well.
    webhook_networks: tuple[str, ...] = ()

    audit_checkpoint_seconds: Seconds = 3600  # how often the log's head is signed

    # Manufacturing: the production line that DI at the root is of, and models that read
    # no COSE_Key with kty.
    di_line: str = Field(default="default", pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")
    di_bare_cose_keys: tuple[str, ...] = ()

    # Rendezvous: what a registration may last, and how many an owner may hold.
    rendezvous_min_seconds: Seconds = 300
    rendezvous_default_seconds: Seconds = 7 * 86400  # who asks for nothing sensible
    rendezvous_max_seconds: Seconds = 30 * 86400
    rendezvous_owner_quota: int = Field(default=1_000_000, ge=0, le=2**31 - 1)
    insecure_rendezvous_accept_any: bool = False

    # Manufacturing
    next_owner_file: Path | None = None  # whom DI signs each new voucher over to

    # Owner
    ek_crls_required: bool = False  # each CA of an EK must have a CRL in force
    credential_reuse: bool = False  # devices keep theirs, unless one is to be replaced
    to0_wait_seconds: Seconds = 7 * 86400  # what we ask of a rendezvous
    to0_run_seconds: int = Field(default=30, ge=1, le=90)  # all of one attempt
    to0_ca: Path | None = None  # PEM: vouches for rendezvous servers, and none else
    release_ticket_seconds: Seconds = 300
    device_challenge_seconds: Seconds = 60
    attest_challenge_seconds: Seconds = 120
    ima_list_bytes: int = Field(default=MAX_LIST_BYTES, ge=4096, le=MAX_LIST_BYTES)
    ima_list_entries: int = Field(default=500_000, ge=16, le=2_000_000)
    keylime_session_seconds: Seconds = 600
    reconcile_seconds: float = Field(default=1.0, gt=0)  # between two rounds
    task_poll_seconds: float = Field(default=0.5, gt=0)
    withdraw_cap: int = Field(default=50, ge=0)  # removals an hour without a human
    keep_appraisals_days: int = Field(default=90, ge=1, le=36500)
    keep_deliveries_days: int = Field(default=90, ge=1, le=36500)
    downloads: tuple[Download, ...] = ()  # files every device is given in TO2
    conformance_token_file: Path | None = None  # turns the module fido_alliance on
    files_directory: Path | None = None  # whose files plans may send by their path
    background: bool = True  # False: this replica runs no tasks

    # The console: pages for people at the owner's root
    console: bool = True
    console_idle_seconds: Seconds = 1800  # how long a session lasts unused
    console_tls_proxy: bool = False  # a proxy in front speaks TLS with browsers

    # Keylime, all or none
    keylime_verifier_url: str | None = None
    keylime_registrar_url: str | None = None
    keylime_registrar_http_url: str | None = None
    keylime_ca: Path | None = None
    keylime_cert: Path | None = None
    keylime_key: Path | None = None
    keylime_pull_url: str | None = None  # a verifier in pull mode, if there is one
    keylime_webhook_port: int | None = Field(default=None, ge=0, le=65535)
    keylime_webhook_certificate: Path | None = None
    keylime_webhook_key: Path | None = None
    keylime_evidence_urls: tuple[str, ...] = ()  # verifiers of evidence, if others

    # Paths of another server, beside ours, on a port of their own
    compat: Compat | None = None
    compat_port: int = Field(default=8090, ge=0, le=65535)  # 0: any free port
    compat_port_file: Path | None = None

    # Unsafe, and named so.
    insecure_compat_open: bool = False  # the other paths take no API key
    insecure_plain_http: bool = False  # listen beyond loopback without TLS
    insecure_confirm: bool = False  # says a second time that insecure_* is meant
    tls_certificate: Path | None = None
    tls_key: Path | None = None

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

    @property
    def keylime_configured(self) -> bool:
        return self.keylime_verifier_url is not None

    @field_validator("keylime_evidence_urls")
    @classmethod
    def _verifiers(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        if len(given) > MAX_VERIFIERS or len(set(given)) != len(given):
            raise ValueError(f"{MAX_VERIFIERS} verifiers at most, none of them twice")
        if not all(one.startswith("https://") for one in given):
            raise ValueError("verifiers are reached over https://")
        return tuple(one.rstrip("/") for one in given)

    @field_validator("webhook_networks")
    @classmethod
    def _readable(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        for one in given:
            ip_network(one)
        return given

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        for one in given:
            if ip_network(one).prefixlen == 0:
                raise ValueError(f"{one} would let anyone name any address")
        return given

    @model_validator(mode="after")
    def _whole(self) -> Self:
        parts = [
            self.keylime_verifier_url,
            self.keylime_registrar_url,
            self.keylime_registrar_http_url,
            self.keylime_ca,
            self.keylime_cert,
            self.keylime_key,
        ]
        given = [part is not None for part in parts]
        if (any(given) or self.keylime_evidence_urls) and not all(given):
            raise ValueError(
                "Keylime settings must be given all together or not at all"
            )
        hook = (self.keylime_webhook_certificate, self.keylime_webhook_key)
        if self.keylime_webhook_port is not None and None in (*hook, self.keylime_ca):
            raise ValueError("the webhook needs a certificate, its key and keylime_ca")
        if self.keylime_pull_url is not None and not self.keylime_configured:
            raise ValueError("keylime_pull_url goes with the other Keylime settings")
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key go together")
        if self.mtls_ca is not None and self.tls_certificate is None:
            raise ValueError("mtls_ca needs tls_certificate and tls_key")
        least, usual = self.rendezvous_min_seconds, self.rendezvous_default_seconds
        if not least <= usual <= self.rendezvous_max_seconds:
            raise ValueError(
                "rendezvous_min_seconds, rendezvous_default_seconds and"
                " rendezvous_max_seconds must not fall"
            )
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
