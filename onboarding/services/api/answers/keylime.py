"""Answers about Keylime: its verifiers, and where its record differs from ours."""

from typing_extensions import TypedDict

from onboarding.services.api.answers.kinds import Seconds


class VerifierOut(TypedDict):
    """A verifier, as this process has found it lately."""

    url: str
    circuit: str
    answered: int
    failures: int
    error: str | None
    tried_again_in: int | None


class DifferenceOut(TypedDict):
    """Where Keylime's record differs from ours."""

    kind: str
    name: str
    detail: str


class MendedOut(DifferenceOut):
    """A difference, and what was done about it."""

    done: str


class DriftOut(TypedDict):
    """What was compared, and what differs."""

    at: Seconds
    agents: int
    keys_compared: int
    counts: dict[str, int]
    items: list[DifferenceOut]


class DriftMendedOut(TypedDict):
    """Each difference that was found, and what was done about it."""

    items: list[MendedOut]
