"""Settings of who may call besides the holders of API keys."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from onboarding.store.apikeys import Role

# Signatures by a key that only the issuer has; never a secret that two share.
ALGORITHMS = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}
    | {"ES256", "ES384", "ES512", "EdDSA"}
)


class AccessSettings(BaseSettings):
    """Who is believed about who somebody is."""

    model_config = SettingsConfigDict(env_prefix="VOUCHGATE_", frozen=True)

    first_admin_key: bool = True  # made at the start that finds no key ever made

    # OpenID Connect: issuer and audience, both or none.
    oidc_issuer: str | None = None  # as it calls itself, in its tokens
    oidc_audience: str | None = None  # what we are called in them
    oidc_ca: Path | None = None  # PEM: vouches for the issuer, and none else
    oidc_role_claim: str = Field(default="roles", pattern=r"^[!-~]{1,200}$")
    oidc_roles: dict[str, Role] = Field(default_factory=dict)  # what the claim says
    oidc_algorithms: tuple[str, ...] = ("RS256", "PS256", "ES256", "ES384", "EdDSA")
    oidc_skew_seconds: Annotated[int, Field(ge=0, le=300)] = 30

    # Client certificates: their authorities (PEM), and roles by subject (RFC 4514).
    mtls_ca: Path | None = None
    mtls_roles: dict[str, tuple[Role, ...]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _issuer_whole(self) -> Self:
        if (self.oidc_issuer is None) != (self.oidc_audience is None):
            raise ValueError("oidc_issuer and oidc_audience go together")
        if not self.oidc_algorithms or not ALGORITHMS.issuperset(self.oidc_algorithms):
            raise ValueError(f"oidc_algorithms are of {', '.join(sorted(ALGORITHMS))}")
        return self
