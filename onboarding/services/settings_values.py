"""What settings are made of: where they are read, and kinds of values with bounds.

Each field's ``description`` is its line in docs/reference/settings.md, as Markdown.
"""

from enum import StrEnum, unique
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from pydantic_settings import SettingsConfigDict

FROM_ENVIRONMENT = SettingsConfigDict(env_prefix="VOUCHGATE_", frozen=True)

MAX_LIST_BYTES = 64 * 1024 * 1024  # of one device's IMA list
Seconds = Annotated[int, Field(ge=1, le=2**32 - 1)]
Rate = Annotated[float, Field(ge=0, le=1_000_000)]
Burst = Annotated[int, Field(ge=1, le=1_000_000)]
Port = Annotated[int, Field(ge=0, le=65535)]


@unique
class Role(StrEnum):
    """Which service a process is."""

    MANUFACTURING = "manufacturing"
    RENDEZVOUS = "rendezvous"
    OWNER = "owner"
    ALL = "all"

    def includes(self, other: "Role") -> bool:
        return self is other or self is Role.ALL


@unique
class Compat(StrEnum):
    """Whose management paths are served as well."""

    GO_FDO_SERVER = "go-fdo-server"


class Download(BaseModel):
    """A file that TO2 pushes to every device (fdo.download)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(min_length=1, max_length=255)]
    path: Path
    required: bool = True
