"""Settings of the owner service, its Keylime apart."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings

from onboarding.services.settings_values import (
    FROM_ENVIRONMENT,
    MAX_LIST_BYTES,
    Download,
    Seconds,
)


class OwnerSettings(BaseSettings):
    """How devices are onboarded, attested and given work."""

    model_config = FROM_ENVIRONMENT

    to2_seconds: Seconds = Field(
        default=3600, description="how long a run of TO2 may take"
    )
    to2_rounds: int = Field(
        default=20_000,
        ge=8,
        le=1_000_000,
        description="most messages 68 in one TO2; a device that sends more is refused",
    )
    to2_received_bytes: int = Field(
        default=16 * 1024 * 1024,
        ge=4096,
        le=2**31 - 1,
        description="most bytes of ServiceInfo taken from a device in one TO2: 16 MiB",
    )
    to2_message_bytes: int | None = Field(
        default=None,
        ge=256,
        le=65535,
        description="largest message 68 that devices are told to send; 1300 by default"
        " of FDO",
    )
    to2_asymkex: bool = Field(
        default=True,
        description="`false` refuses ASYMKEX2048 and ASYMKEX3072, which have"
        " [no forward secrecy](../security.md#known-limits)",
    )
    to2_hmac_ciphers: bool = Field(
        default=False,
        description="also serve the cipher suites COSEAES128CTR, COSEAES256CTR,"
        " COSEAES128CBC and COSEAES256CBC,"
        " [as go-fdo has them](../adr/0020-cipher-suites.md)",
    )
    credential_reuse: bool = Field(
        default=False,
        description="TO2 leaves devices the credential they have, unless it is"
        " [set otherwise for one](../operators.md#9-credentials-and-sales)",
    )
    voucher_cache: int = Field(
        default=128, ge=1, le=100_000, description="parsed vouchers kept in memory"
    )
    to0_wait_seconds: Seconds = Field(
        default=7 * 86400,
        description="how long a registration is asked for: 7 days",
    )
    to0_run_seconds: int = Field(
        default=30,
        ge=1,
        le=90,
        description="how long one attempt at one rendezvous server may take in all",
    )
    to0_ca: Path | None = Field(
        default=None,
        description="PEM file: these certificates vouch for rendezvous servers over"
        " TLS, and no others; otherwise the public authorities",
    )
    ek_crls_required: bool = Field(
        default=False,
        description="every CA above an EK must have a CRL in force; else its"
        " certificate vouches for nothing",
    )
    downloads: tuple[Download, ...] = Field(
        default=(),
        description="files given to every device in TO2,"
        ' `[{"name":"ca.pem","path":"/etc/site/ca.pem","required":true}]`; at most 1'
        " MiB"
        " each, read at start. If one is required, TO2 fails for a device that cannot"
        " take files",
    )
    files_directory: Path | None = Field(
        default=None,
        description="directory whose files [plans](../service-info.md) may send by"
        " their path",
    )
    conformance_token_file: Path | None = Field(
        default=None,
        description="file with a conformance lab's token; turns the"
        " [module](../service-info.md#modules) `fido_alliance` on. Not for production",
    )
    release_ticket_seconds: Seconds = Field(
        default=300, description="life of a ticket; never beyond the appraisal's"
    )
    device_challenge_seconds: Seconds = Field(
        default=60, description="life of a challenge for one signed request"
    )
    attest_challenge_seconds: Seconds = Field(
        default=120, description="life of a nonce for a quote"
    )
    ima_list_bytes: int = Field(
        default=MAX_LIST_BYTES,
        ge=4096,
        le=MAX_LIST_BYTES,
        description="of one device's IMA list, kept compressed (to about 40 %)",
    )
    ima_list_entries: int = Field(
        default=500_000, ge=16, le=2_000_000, description="and how many entries of it"
    )
    keylime_session_seconds: Seconds = Field(
        default=600, description="life of a device's session with the Keylime proxy"
    )
    reconcile_seconds: float = Field(
        default=1.0,
        gt=0,
        description="pause between two rounds over the devices on the push and pull"
        " channels; four times as long as a round took, if that is longer",
    )
    task_poll_seconds: float = Field(
        default=0.5,
        gt=0,
        description="how often a replica looks for work in the background",
    )
    withdraw_cap: int = Field(
        default=50,
        ge=0,
        description="withdrawals an hour without a human's word; 0 holds all",
    )
    keep_appraisals_days: int = Field(
        default=90, ge=1, le=36500, description="older appraisals are deleted"
    )
    keep_deliveries_days: int = Field(
        default=90,
        ge=1,
        le=36500,
        description="older receipts of TO2, and files that devices gave, are deleted,"
        " but those of each device's last good run",
    )
    background: bool = Field(
        default=True,
        description="`false`: this replica does no work in the background",
    )

    console: bool = Field(
        default=True, description="`false`: no pages for people at `/`"
    )
    console_idle_seconds: Seconds = Field(
        default=1800,
        description="how long a session of the console lasts unused; never over twelve"
        " hours",
    )
    console_tls_proxy: bool = Field(
        default=False,
        description="a proxy in front speaks TLS with browsers: cookies are marked"
        " `Secure`",
    )
