"""What each built-in module takes as parameters, and the module made of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from onboarding.protocol import (
    fdo_command,
    fdo_csr,
    fdo_download,
    fdo_upload,
    fdo_wget,
    fido_alliance,
)
from onboarding.protocol.fdo_command import Arguments
from onboarding.protocol.fdo_download import FilePush
from onboarding.protocol.modules import OwnerModule
from onboarding.services.errors import SettingsError
from onboarding.services.key_store import KeyStore
from onboarding.services.serviceinfo.certifying import Certifier
from onboarding.services.serviceinfo.files import FileSource
from onboarding.services.settings import read_secret

Text = Annotated[str, StringConstraints(min_length=1, max_length=1024)]
Digest256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Digest384 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{96}$")]


class Parameters(BaseModel):
    """A module's parameters: what it does not know, it refuses."""

    model_config = ConfigDict(extra="forbid", frozen=True)


ParametersT = TypeVar("ParametersT", bound=Parameters)


class DownloadParameters(Parameters):
    """fdo.download: ``name`` on the device, and the content, one of three ways.

    ``file`` is an uploaded one, by SHA-256 (a name is replaced by it when the plan is
    stored); ``path`` lies in the service's files_directory; ``text`` is the content.
    """

    name: Annotated[str, StringConstraints(min_length=1, max_length=255)]
    file: Digest256 | None = None
    path: Text | None = None
    text: Annotated[str, StringConstraints(max_length=65536)] | None = None


class UploadParameters(Parameters):
    """fdo.upload: ``name`` as the device knows the file."""

    name: Text
    max_bytes: Annotated[int, Field(ge=1, le=fdo_upload.MAX_BYTES)] = (
        fdo_upload.DEFAULT_BYTES
    )
    need_sha: bool = True


class CommandParameters(Parameters):
    """fdo.command: a program and its arguments; ``may_fail`` takes any exit code."""

    command: Text
    args: Annotated[list[str], Field(max_length=fdo_command.MAX_ARGUMENTS)] = []
    may_fail: bool = False
    stdout: bool = True
    stderr: bool = True
    args_form: Literal["auto", "wrapped", "array"] = "auto"


class WgetParameters(Parameters):
    """fdo.wget: ``name`` is the URL's last part unless given."""

    url: Annotated[str, StringConstraints(min_length=1, max_length=fdo_wget.MAX_URL)]
    name: Annotated[str, StringConstraints(max_length=255)] = ""
    sha384: Digest384 | None = None
    length: Annotated[int, Field(ge=0)] | None = None


class CsrParameters(Parameters):
    """fdo.csr: the certificate's name, its life, and which device CA issues it."""

    common_name: Annotated[str, StringConstraints(max_length=64)] = ""
    days: Annotated[int, Field(ge=1, le=36500)] = 365
    ca: Annotated[str, StringConstraints(max_length=64)] | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """One step as it stands in a plan, its variables filled in."""

    parameters: Mapping[str, Any] = field(repr=False)
    required: bool
    files: FileSource = field(repr=False)


Builder = Callable[[Order], OwnerModule]
"""Makes a module. Raises ValueError, and says what is wrong."""


def _download(order: Order) -> OwnerModule:
    asked = _read(DownloadParameters, order)
    given = [one for one in (asked.file, asked.path, asked.text) if one is not None]
    if len(given) != 1:
        raise ValueError("give one of file, path and text")
    push = _push(asked, order.files)
    return fdo_download.DownloadModule((push,), order.required)


def _push(asked: DownloadParameters, files: FileSource) -> FilePush:
    if asked.text is not None:
        return FilePush(asked.name, asked.text.encode())
    if asked.file is not None:
        content = files.stored(asked.file)
    else:
        content = files.local(asked.path or "")
    return FilePush(asked.name, content.data, content.sha384)


def _upload(order: Order) -> OwnerModule:
    asked = _read(UploadParameters, order)
    return fdo_upload.UploadModule(
        asked.name, asked.max_bytes, asked.need_sha, order.required
    )


def _command(order: Order) -> OwnerModule:
    asked = _read(CommandParameters, order)
    return fdo_command.CommandModule(
        asked.command,
        tuple(asked.args),
        asked.may_fail,
        asked.stdout,
        asked.stderr,
        Arguments(asked.args_form),
        order.required,
    )


def _wget(order: Order) -> OwnerModule:
    asked = _read(WgetParameters, order)
    digest = None if asked.sha384 is None else bytes.fromhex(asked.sha384)
    return fdo_wget.WgetModule(
        asked.url, asked.name, digest, asked.length, order.required
    )


def csr_builder(store: KeyStore) -> Builder:
    """Return what makes fdo.csr modules; CAs are opened once, when first asked for."""
    opened: dict[tuple[str | None, int], Certifier] = {}

    def build(order: Order) -> OwnerModule:
        asked = _read(CsrParameters, order)
        which = asked.ca, asked.days
        if which not in opened:
            opened[which] = Certifier.open(store, *which)
        one = opened[which]
        return fdo_csr.CsrModule(
            one.authorities, one.issue, asked.common_name, order.required
        )

    return build


def _read(kind: type[ParametersT], order: Order) -> ParametersT:
    try:
        return kind.model_validate(dict(order.parameters))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "parameters"
        raise ValueError(f"{where}: {first['msg']}") from error


def conformance_builder(token_file: Path) -> Builder:
    """Return what makes fido_alliance modules; the token is in no plan."""

    def build(order: Order) -> OwnerModule:
        _read(Parameters, order)
        try:
            token = read_secret(token_file).decode()
        except SettingsError as error:
            raise ValueError(str(error)) from error
        return fido_alliance.ConformanceModule(token, order.required)

    return build


def built_in(
    store: KeyStore, conformance_token_file: Path | None = None
) -> Mapping[str, Builder]:
    """Return the built-in modules by name.

    Args:
        store: Has the device CAs.
        conformance_token_file: Without it there is no ``fido_alliance``.
    """
    lab: dict[str, Builder] = {}
    if conformance_token_file is not None:
        lab[fido_alliance.NAME] = conformance_builder(conformance_token_file)
    return {
        **lab,
        fdo_command.NAME: _command,
        fdo_csr.NAME: csr_builder(store),
        fdo_download.NAME: _download,
        fdo_upload.NAME: _upload,
        fdo_wget.NAME: _wget,
    }
