"""Settings of who may call besides the holders of API keys."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings

from onboarding.services.settings_values import FROM_ENVIRONMENT
from onboarding.store.apikeys import Role

# Signatures by a key that only the issuer has; never a secret that two share.
ALGORITHMS = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}
    | {"ES256", "ES384", "ES512", "EdDSA"}
)


class AccessSettings(BaseSettings):
    """Who calls the API with client certificates, or with tokens of an issuer.

    See [OpenID Connect](../operators.md#people-and-programs-of-an-identity-provider):
    issuer and audience are given both or not at all.
    """

    model_config = FROM_ENVIRONMENT

    first_admin_key: bool = Field(
        default=True,
        description="the first start makes"
        " [one admin key](../operators.md#1-keys-and-api-keys), if no API key was ever"
        " made",
    )

    oidc_issuer: str | None = Field(
        default=None,
        description="the issuer as it calls itself in its tokens, an `https://` URL",
    )
    oidc_audience: str | None = Field(
        default=None, description="what we are called in them"
    )
    oidc_ca: Path | None = Field(
        default=None,
        description="PEM file whose certificates vouch for the issuer, and none else;"
        " otherwise the public authorities",
    )
    oidc_role_claim: str = Field(
        default="roles",
        pattern=r"^[!-~]{1,200}$",
        description="the claim that says the roles, an array or words with spaces; dots"
        " lead into objects, `realm_access.roles`",
    )
    oidc_roles: dict[str, Role] = Field(
        default_factory=dict,
        description="what the claim says → our role; without it the names of our roles",
    )
    oidc_algorithms: tuple[str, ...] = Field(
        default=("RS256", "PS256", "ES256", "ES384", "EdDSA"),
        description="signatures that are taken",
    )
    oidc_skew_seconds: Annotated[int, Field(ge=0, le=300)] = Field(
        default=30, description="by how much the issuer's clock may differ"
    )

    mtls_ca: Path | None = Field(
        default=None,
        description="PEM file with the authorities of"
        " [client certificates](../operators.md#client-certificates); needs"
        " `VOUCHGATE_TLS_CERTIFICATE`",
    )
    mtls_roles: dict[str, tuple[Role, ...]] = Field(
        default_factory=dict,
        description="a certificate's subject as RFC 4514 writes it → its roles,"
        ' `{"CN=importer,O=Example": ["operator"]}`',
    )

    @model_validator(mode="after")
    def _issuer_whole(self) -> Self:
        if (self.oidc_issuer is None) != (self.oidc_audience is None):
            raise ValueError("oidc_issuer and oidc_audience go together")
        if not self.oidc_algorithms or not ALGORITHMS.issuperset(self.oidc_algorithms):
            raise ValueError(f"oidc_algorithms are of {', '.join(sorted(ALGORITHMS))}")
        return self
