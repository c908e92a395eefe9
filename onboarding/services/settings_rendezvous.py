"""Settings: the rendezvous service that an owner may ask about its devices."""

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class RendezvousSettings(BaseSettings):
    """A rendezvous service of ours, and what opens its management API."""

    model_config = SettingsConfigDict(env_prefix="VOUCHGATE_", frozen=True)

    rendezvous_url: str | None = Field(default=None, max_length=500)
    rendezvous_api_key_file: Path | None = None
    rendezvous_ca: Path | None = None  # PEM: vouches for it, and for none else

    @model_validator(mode="after")
    def _asked(self) -> Self:
        if (self.rendezvous_url is None) != (self.rendezvous_api_key_file is None):
            raise ValueError("rendezvous_url and rendezvous_api_key_file go together")
        return self
