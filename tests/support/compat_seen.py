"""What go-fdo-server answered, asked step by step: its commit of 2026-04-30, on SQLite.

``tests/interop/test_go_fdo_server_paths.py`` asks it again where there is one;
``tests/e2e/test_compat_seen.py`` asks ours. Where ours is meant to answer otherwise,
a step has ``ours``; docs/from-go-fdo-server.md says so too.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import httpx

JSON, TEXT, PEM = "application/json", "text/plain", "application/x-pem-file"
NOT_SAID = object()
Ask = Callable[["Step"], httpx.Response]


@dataclass(frozen=True)
class Step:
    """One request, and the answer: its status, type and, if it is JSON, its value."""

    method: str
    path: str
    body: str = ""
    status: int = 200
    kind: str = JSON
    said: object = NOT_SAID
    ours: int = 0  # the status of ours, where it is another one
    accept: str = ""

    @property
    def headers(self) -> dict[str, str]:
        kinds = {"Content-Type": JSON if self.body[:1] in ("[", "{") else PEM}
        return {**kinds, **({"Accept": self.accept} if self.accept else {})}


def differences(steps: Iterable[Step], ask: Ask, *, ours: bool) -> list[str]:
    """Take all the steps; return what was answered otherwise than is written here."""
    return [
        f"{step.method} {step.path} {step.body[:80]!r}: {wrong}"
        for step in steps
        if (wrong := _wrong(step, ask(step), ours))
    ]


def _wrong(step: Step, reply: httpx.Response, ours: bool) -> str:
    other = ours and step.ours
    if reply.status_code != (step.ours if other else step.status):
        return f"{reply.status_code} {reply.text[:200]!r}"
    if other:
        return ""
    kind = reply.headers.get("content-type", "").partition(";")[0]
    if kind != step.kind:
        return f"it is {kind!r}"
    if step.said is not NOT_SAID and json.loads(reply.text) != step.said:
        return reply.text[:300]
    return ""


def gone(path: str, *methods: str) -> list[Step]:
    """Methods that a path does not take."""
    return [Step(one, path, status=405, kind=TEXT) for one in methods]


def refused(method: str, path: str, *bodies: str) -> list[Step]:
    """Bodies that cannot be read."""
    return [Step(method, path, one, 400, TEXT) for one in bodies]
