"""Settings: where an owner's Keylime is."""

from pathlib import Path
from typing import Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings

from attestation.keylime.verifiers import MAX_VERIFIERS
from onboarding.services.settings_values import FROM_ENVIRONMENT, Port


class AttestationSettings(BaseSettings):
    """The first six all or none: without them nothing is attested."""

    model_config = FROM_ENVIRONMENT

    keylime_verifier_url: str | None = Field(
        default=None, description="verifier, `https://`"
    )
    keylime_registrar_url: str | None = Field(
        default=None, description="registrar's mTLS port, `https://`"
    )
    keylime_registrar_http_url: str | None = Field(
        default=None, description="registrar's plain port, `http://`"
    )
    keylime_ca: Path | None = Field(
        default=None, description="the authority of their certificates"
    )
    keylime_cert: Path | None = Field(
        default=None,
        description="the owner's client certificate, Keylime's administrator",
    )
    keylime_key: Path | None = Field(default=None, description="and its key")
    keylime_evidence_urls: tuple[str, ...] = Field(
        default=(),
        description="verifiers that judge evidence in turn, in the place of the one"
        " above, which push agents are still placed on; same CA and client certificate",
    )
    keylime_pull_url: str | None = Field(
        default=None,
        description="a verifier in pull mode, for"
        " [stock agents](../operators.md#stock-keylime-agents); same CA and client"
        " certificate",
    )
    keylime_pull_quotes: bool = Field(
        default=True,
        description="before a pass on the pull channel counts, the owner asks the agent"
        " for a quote itself; `false` where it does not reach agents: then the"
        " verifier's word is believed",
    )
    keylime_webhook_port: Port | None = Field(
        default=None,
        description="where that verifier tells of failures, over TLS, with a"
        " certificate of `VOUCHGATE_KEYLIME_CA` asked for; 0 is any free port",
    )
    keylime_webhook_certificate: Path | None = Field(
        default=None,
        description="the webhook's own: `webhook.crt` of Keylime's certificates",
    )
    keylime_webhook_key: Path | None = Field(
        default=None, description="and `webhook.key`"
    )

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

    @model_validator(mode="after")
    def _keylime_whole(self) -> Self:
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
        return self
