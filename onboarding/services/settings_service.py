"""Settings of every service: where it listens and keeps things, and what it bounds."""

from ipaddress import ip_network
from pathlib import Path
from typing import Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings

from onboarding.services.logs import LogFormat
from onboarding.services.settings_values import (
    FROM_ENVIRONMENT,
    Burst,
    Compat,
    Port,
    Rate,
    Role,
    Seconds,
)


class ServiceSettings(BaseSettings):
    """Read by each service, whatever its role."""

    model_config = FROM_ENVIRONMENT

    role: Role = Field(
        default=Role.ALL,
        description="which service this is; `all`: the three in one process on one"
        " port",
    )
    host: str = Field(
        default="127.0.0.1",
        description="address to bind; anything but loopback wants TLS",
    )
    port: Port = Field(default=8080, description="0 takes any free port")
    port_file: Path | None = Field(
        default=None,
        description="the bound port is written there once the service is ready",
    )
    log_format: LogFormat = Field(
        default=LogFormat.TEXT,
        description="`json`: one JSON object a line; see [logs](../operators.md#logs)",
    )
    database_url: str = Field(
        default="sqlite:///vouchgate.db",
        repr=False,
        description="`sqlite:///path` (four slashes for an absolute one) or"
        " `postgresql+psycopg://user@host/name`",
    )
    database_password_file: Path | None = Field(
        default=None, description="its content goes into both URLs, in memory only"
    )
    runs_url: str | None = Field(
        default=None,
        repr=False,
        description="where protocol runs are kept, which need not survive a crash:"
        " `file:///path`, or PostgreSQL as above; beside the database if not said",
    )
    min_free_mib: int = Field(
        default=16,
        ge=0,
        description="MiB to be free on the disk of a SQLite file; with less the service"
        " is not ready; 0: not looked at",
    )
    tls_certificate: Path | None = Field(
        default=None, description="PEM file; together with the key"
    )
    tls_key: Path | None = Field(
        default=None, description="PEM file; together with the certificate"
    )

    fdo_rate: Rate = Field(
        default=500,
        description="FDO messages a second from one address; a rate of 0 is no bound",
    )
    fdo_burst: Burst = Field(default=5000, description="and at once")
    api_source_rate: Rate = Field(
        default=200,
        description="all other requests a second from one address, probes apart",
    )
    api_source_burst: Burst = Field(default=2000, description="and at once")
    api_key_rate: Rate = Field(
        default=100, description="requests a second with one API key"
    )
    api_key_burst: Burst = Field(default=1000, description="and at once")
    trusted_proxies: tuple[str, ...] = Field(
        default=(),
        description='networks of proxies in front, `["10.1.0.0/24"]`. Only what they'
        " say"
        " in `X-Forwarded-For` is believed; without it all who come through a proxy"
        " share its address",
    )
    run_seconds: Seconds = Field(
        default=120, description="how long a run of DI, TO0 or TO1 may take"
    )

    trace_runs: int = Field(
        default=20_000,
        ge=0,
        le=10_000_000,
        description="how many runs are remembered, to explain those that stopped; 0"
        " remembers none",
    )
    trace_runs_per_device: int = Field(
        default=20,
        ge=1,
        le=10_000,
        description="how many of each protocol for one device",
    )
    trace_days: int = Field(
        default=30, ge=1, le=36500, description="and for how long, in days"
    )
    otel_endpoint: str | None = Field(
        default=None,
        pattern="^https?://",
        description="where spans go, OTLP over HTTP: `http://127.0.0.1:4318/v1/traces`."
        " Needs the extra `otel`; see [traces](../operators.md#traces-in-a-collector)",
    )
    webhook_networks: tuple[str, ...] = Field(
        default=(),
        description='networks, `["10.7.0.0/16"]`, beside the public net that'
        " [webhooks](../security.md#webhooks) may lead into, by plain HTTP as well",
    )
    audit_checkpoint_seconds: Seconds = Field(
        default=3600,
        description="how often the head of the audit log is signed, if anything"
        " happened; owner and manufacturing, the services with keys",
    )

    compat: Compat | None = Field(
        default=None,
        description="serve [its management paths](../from-go-fdo-server.md), too",
    )
    compat_port: Port = Field(
        default=8090,
        description="the port that leads to them, on the same host and with the same"
        " TLS; 0 takes any free one",
    )
    compat_port_file: Path | None = Field(
        default=None,
        description="that port is written there once the service is ready",
    )

    insecure_compat_open: bool = Field(
        default=False,
        description="those paths take no API key: whoever reaches the port is an admin"
        " there",
    )
    insecure_plain_http: bool = Field(
        default=False, description="listen beyond loopback without TLS"
    )
    insecure_confirm: bool = Field(
        default=False,
        description="says a second time that an `insecure_` setting is meant",
    )

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
    def _tls_whole(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key go together")
        return self
