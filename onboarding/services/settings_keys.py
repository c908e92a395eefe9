"""Settings: where private keys are, and what opens them."""

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings

from onboarding.services.settings_values import FROM_ENVIRONMENT


class KeySettings(BaseSettings):
    """Key files, and a PKCS#11 token or a TPM for keys that are in none.

    Of a [token](../security.md#keys-in-a-token) all three settings or none; of a
    [TPM](../security.md#keys-in-a-tpm) both or none.
    """

    model_config = FROM_ENVIRONMENT

    key_directory: Path = Field(
        default=Path("keys"),
        description="key files and `server.secret`; replicas share it",
    )
    key_passphrase_file: Path | None = Field(
        default=None, description="file of one line; needed where there are keys"
    )

    pkcs11_module: Path | None = Field(
        default=None, description="a PKCS#11 token's library"
    )
    pkcs11_token: str | None = Field(
        default=None, min_length=1, max_length=32, description="its label"
    )
    pkcs11_pin_file: Path | None = Field(default=None, description="file with its PIN")

    tpm_tcti: str | None = Field(
        default=None,
        min_length=1,
        max_length=256,
        description="where the TPM of this server's keys is: `device:/dev/tpmrm0`",
    )
    tpm_auth_file: Path | None = Field(
        default=None,
        description="file of one line, 16 to 32 bytes, that authorises their use",
    )
    tpm_seconds: int = Field(
        default=10,
        ge=1,
        le=300,
        description="how long one use of such a key may take, waiting included",
    )

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
