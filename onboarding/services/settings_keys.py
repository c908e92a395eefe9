"""Settings: where private keys are, and what opens them."""

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class KeySettings(BaseSettings):
    """Key files, and a PKCS#11 token or a TPM for keys that are in none."""

    model_config = SettingsConfigDict(env_prefix="VOUCHGATE_", frozen=True)

    key_directory: Path = Path("keys")
    key_passphrase_file: Path | None = None

    pkcs11_module: Path | None = None  # the token's library
    pkcs11_token: str | None = Field(default=None, min_length=1, max_length=32)
    pkcs11_pin_file: Path | None = None

    tpm_tcti: str | None = Field(default=None, min_length=1, max_length=256)
    tpm_auth_file: Path | None = None  # the authorisation value of keys in that TPM
    tpm_seconds: int = Field(
        default=10, ge=1, le=300
    )  # one use of a key, with its wait

    @model_validator(mode="after")
    def _token(self) -> Self:
        token = (self.pkcs11_module, self.pkcs11_token, self.pkcs11_pin_file)
        if len({part is None for part in token}) > 1:
            raise ValueError(
                "pkcs11_module, pkcs11_token and pkcs11_pin_file go together"
            )
        return self

    @model_validator(mode="after")
    def _tpm(self) -> Self:
        if (self.tpm_tcti is None) != (self.tpm_auth_file is None):
            raise ValueError("tpm_tcti and tpm_auth_file go together")
        return self
