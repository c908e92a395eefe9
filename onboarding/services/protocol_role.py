"""What a role brings along to be stepped: its pure protocol, and what it does."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from onboarding.protocol.registry import ServerRole
from onboarding.protocol.step import Effect, State
from onboarding.services.fdo_front import Arrival


@dataclass(frozen=True, slots=True)
class ProtocolRole:
    """One server role, ready to be stepped.

    Args:
        server: Its pure step and messages; its name is what tokens are bound to.
        seconds: How long a run may take.
        env: Makes the step's Env for the present second and the way by which the
            message came; refuses a way that is not its peer's.
        commit: Makes an effect durable before the reply leaves; (effect, now,
            run id).
        on_failure: Told of a proven run that failed, with its last state.
        on_lines: Whether production lines speak it.
        repeatable: A copy of the last message is taken again: ``commit`` refuses it,
            or finds that nothing is left to do. So its row stays till it expires.
        short_token: Its state is a row from the first message on, whoever sent it:
            it is long, and devices have room for a token of some 800 characters.
    """

    server: ServerRole
    seconds: int
    env: Callable[[int, Arrival], Any]
    commit: Callable[[Effect, int, bytes], None]
    on_failure: Callable[[State, str, Exception | None, int], None] | None = None
    on_lines: bool = False
    repeatable: bool = False
    short_token: bool = False
