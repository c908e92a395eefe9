"""Settings of the manufacturing service."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings

from onboarding.services.settings_values import FROM_ENVIRONMENT


class ManufacturingSettings(BaseSettings):
    """What DI makes of a device."""

    model_config = FROM_ENVIRONMENT

    di_line: str = Field(
        default="default",
        pattern=r"^[a-z0-9][a-z0-9-]{0,63}$",
        description="the [production line](../manufacturers.md#5-production-lines) that"
        " DI at the root is of, for devices that cannot put one in the path",
    )
    di_bare_cose_keys: tuple[str, ...] = Field(
        default=(),
        description="models, by their device info (`*` stands for anything), whose"
        ' vouchers have COSE keys of three entries, without `kty`: `["acme-c-*"]`.'
        " [C devices](../manufacturers.md#kinds-of-keys) want them so. Each"
        " later owner's key is written the same way",
    )
    next_owner_file: Path | None = Field(
        default=None,
        description="public key or certificate, PEM: DI signs each new voucher over to"
        " it at once. A device of another key type is refused",
    )
