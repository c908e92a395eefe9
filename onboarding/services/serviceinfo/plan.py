"""A plan: what is done with a device in TO2, step by step, as operators write it."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from onboarding.protocol.fdo_download import DownloadModule
from onboarding.protocol.fdo_upload import UploadModule
from onboarding.protocol.invocation import PlanStep, Values
from onboarding.protocol.modules import OwnerModule
from onboarding.services.serviceinfo.builders import Builder, Order, Parameters
from onboarding.services.serviceinfo.files import FileSource, KeptFiles, PlanFiles
from onboarding.services.serviceinfo.variables import filled, names_in

MAX_STEPS = 64
MAX_FILES = 16 * 1024 * 1024  # bytes, all of a plan's files together
MAX_UPLOADS = 1024 * 1024  # bytes that devices may give in one run, as asked for
_SHORT = 16

ModuleName = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$")
]


class StepDocument(Parameters):
    """One step: a module, whether it must succeed, and how long it may take."""

    module: ModuleName
    required: bool = True
    seconds: Annotated[int, Field(ge=1, le=3600)] = 600
    parameters: dict[str, Any] = Field(default_factory=dict)


class PlanDocument(Parameters):
    """Steps in the order in which they are taken."""

    steps: Annotated[list[StepDocument], Field(min_length=1, max_length=MAX_STEPS)]

    def encode(self) -> bytes:
        """Return what is stored, the same bytes for the same plan."""
        document = self.model_dump(mode="json")
        return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()

    @property
    def paths(self) -> tuple[str, ...]:
        """Files of the service's directory that its steps send."""
        found = (step.parameters.get("path") for step in self._downloads)
        return tuple(one for one in found if isinstance(one, str))

    @property
    def digests(self) -> tuple[str, ...]:
        """SHA-256 of the uploaded files that its steps send, in hex."""
        found = (step.parameters.get("file") for step in self._downloads)
        return tuple(one for one in found if isinstance(one, str))

    @property
    def _downloads(self) -> list[StepDocument]:
        return [step for step in self.steps if step.module == "fdo.download"]

    def pinned(self, files: PlanFiles) -> "PlanDocument":
        """Return the plan with files' names replaced by what they stand for now.

        Raises:
            Problem: There is no file of that name.
        """
        return PlanDocument(steps=[_pinned(step, files) for step in self.steps])


def _pinned(step: StepDocument, files: PlanFiles) -> StepDocument:
    name = step.parameters.get("file")
    if step.module != "fdo.download" or not isinstance(name, str) or _is_digest(name):
        return step
    parameters = {**step.parameters, "file": files.named(name)}
    return step.model_copy(update={"parameters": parameters})


def _is_digest(text: str) -> bool:
    return len(text) == 64 and all(one in "0123456789abcdef" for one in text)


@dataclass(frozen=True, slots=True)
class CompiledPlan:
    """One version of a plan, ready to run; ``id`` changes with any of its bytes."""

    id: str
    steps: tuple[PlanStep, ...] = field(repr=False)


def compiled(
    name: str,
    version: int,
    document: PlanDocument,
    builders: Mapping[str, Builder],
    files: FileSource,
) -> CompiledPlan:
    """Check a plan and make it ready.

    Raises:
        ValueError: Says which step is wrong, and why.
    """
    steps: list[PlanStep] = []
    digest, size, asked = hashlib.sha256(document.encode()), 0, 0
    for number, step in enumerate(document.steps, start=1):
        try:
            made, module = _compiled(step, builders, files)
        except ValueError as error:
            raise ValueError(f"step {number}, {step.module}: {error}") from error
        steps.append(made)
        asked += module.max_bytes if isinstance(module, UploadModule) else 0
        for push in module.files if isinstance(module, DownloadModule) else ():
            digest.update(push.digest)
            size += len(push.content)
    if size > MAX_FILES:
        raise ValueError(f"its files have {size} bytes, over {MAX_FILES}")
    if asked > MAX_UPLOADS:
        raise ValueError(f"its uploads may have {asked} bytes, over {MAX_UPLOADS}")
    return CompiledPlan(f"{name}@{version}@{digest.hexdigest()[:_SHORT]}", tuple(steps))


def _compiled(
    step: StepDocument, builders: Mapping[str, Builder], files: FileSource
) -> tuple[PlanStep, OwnerModule]:
    """Make the step, and its module for a device that says nothing special.

    What has no variables is made once for all devices.
    """
    builder = builders.get(step.module)
    if builder is None:
        raise ValueError("there is no such module")
    needs = names_in(step.parameters)
    fixed = step.parameters.get("file"), step.parameters.get("path")
    if any(names_in(one) for one in fixed):
        raise ValueError("the file itself cannot be chosen by a variable")
    build: Callable[[Values], OwnerModule] = partial(
        _built, step, builder, KeptFiles(files)
    )
    module = build(dict.fromkeys(needs, "x"))
    if not needs:
        build = partial(_same, module)
    made = PlanStep(step.module, step.required, step.seconds, needs, build)
    return made, module


def _same(module: OwnerModule, _values: Values) -> OwnerModule:
    return module


def _built(
    step: StepDocument, builder: Builder, files: FileSource, values: Values
) -> OwnerModule:
    parameters = filled(step.parameters, values)
    assert isinstance(parameters, dict)  # noqa: S101 - as it was
    return builder(Order(parameters, step.required, files))
