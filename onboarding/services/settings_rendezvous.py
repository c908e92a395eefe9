"""Settings of the rendezvous service, and of an owner who may ask one."""

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings

from onboarding.services.settings_values import FROM_ENVIRONMENT, Seconds


class RendezvousSettings(BaseSettings):
    """What a registration may last, and how many an owner may hold."""

    model_config = FROM_ENVIRONMENT

    rendezvous_min_seconds: Seconds = Field(
        default=300, description="shortest registration granted, whatever was asked for"
    )
    rendezvous_max_seconds: Seconds = Field(
        default=30 * 86400, description="longest registration granted: 30 days"
    )
    rendezvous_default_seconds: Seconds = Field(
        default=7 * 86400,
        description="granted to who asks for 0, or for 68 years and more: 7 days",
    )
    rendezvous_owner_quota: int = Field(
        default=1_000_000,
        ge=0,
        le=2**31 - 1,
        description="how many devices one owner's key may have registered, where no"
        " [rule](cli.md#rendezvous) says otherwise",
    )
    insecure_rendezvous_accept_any: bool = Field(
        default=False,
        description="take registrations of anyone as long as nobody is trusted or"
        " allowed",
    )

    @model_validator(mode="after")
    def _rising(self) -> Self:
        least, usual = self.rendezvous_min_seconds, self.rendezvous_default_seconds
        if not least <= usual <= self.rendezvous_max_seconds:
            raise ValueError(
                "rendezvous_min_seconds, rendezvous_default_seconds and"
                " rendezvous_max_seconds must not fall"
            )
        return self


class AskedRendezvousSettings(BaseSettings):
    """A rendezvous service of yours that the owner may ask about its devices.

    URL and key go together; [what for](../operators.md#one-question-for-both).
    """

    model_config = FROM_ENVIRONMENT

    rendezvous_url: str | None = Field(
        default=None,
        max_length=500,
        description="`https://rv.example.com`; plain HTTP on loopback only",
    )
    rendezvous_api_key_file: Path | None = Field(
        default=None,
        description="file with an API key of that service; role `operator` or"
        " `security`",
    )
    rendezvous_ca: Path | None = Field(
        default=None,
        description="PEM file: these certificates vouch for it over TLS, and no others;"
        " otherwise the public authorities",
    )

    @model_validator(mode="after")
    def _asked(self) -> Self:
        if (self.rendezvous_url is None) != (self.rendezvous_api_key_file is None):
            raise ValueError("rendezvous_url and rendezvous_api_key_file go together")
        return self
