"""Tokens that are to be short: their run is a row from its first message on."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from onboarding.protocol import errors
from onboarding.protocol.registry import ServerRole
from onboarding.protocol.step import Effect, State, Step
from onboarding.services.protocol_role import ProtocolRole
from onboarding.services.roles import FdoRole
from onboarding.services.tracing import Tracer
from onboarding.store.database import Database
from onboarding.store.runs import run_store
from onboarding.store.server_keys import ServerKeys
from onboarding.store.traces import TraceStore
from onboarding.wire.error import ErrorMessage
from onboarding.wire.message import MsgType
from ownership_vouchers.types import Guid
from tests.support.role_bench import GUID, NOW, TAKEN

MAKE, MADE = MsgType.DI_APP_START, MsgType.DI_SET_HMAC
LONGEST = 800  # what is left of the 1,023 characters that one C client has for headers


@dataclass(frozen=True)
class Long:
    """As much as a header and a chain of certificates have."""

    sealed: ClassVar[bool] = True
    guid: ClassVar[Guid] = GUID

    def encode(self) -> bytes:
        return bytes(4096)


def make(state: State | None, kind: MsgType, body: bytes, env: None) -> Step:
    """A run of the shape of DI."""
    match state, kind:
        case None, MsgType.DI_APP_START:
            return Step(Long(), MsgType.DI_SET_CREDENTIALS, b"")
        case Long(), MsgType.DI_SET_HMAC:
            return Step(None, MsgType.DI_DONE, b"", (TAKEN,))
    raise errors.UnexpectedMessage(f"{kind.name} does not belong here")


@pytest.fixture
def replicas(tmp_path: Path) -> Iterator[tuple[FdoRole, FdoRole, list[Effect]]]:
    """Two, of a role whose tokens are to be short; and what they committed."""
    database = Database(f"sqlite:///{tmp_path / 'y.db'}")
    database.migrate()
    done: list[Effect] = []

    def replica() -> FdoRole:
        messages = frozenset({MAKE, MADE})
        role = ProtocolRole(
            ServerRole("making", MAKE, messages, make, lambda _data: Long()),
            600,
            lambda now, arrival: None,
            lambda effect, now, run: done.append(effect),
            repeatable=True,
            short_token=True,
        )
        tracer = Tracer(TraceStore(database))
        keys = ServerKeys(database, b"k" * 32)
        return FdoRole([role], keys, run_store(database), tracer, lambda: NOW)

    yield replica(), replica(), done
    database.close()


def test_a_short_token_is_good_at_any_replica_and_for_a_copy_of_the_last_message(
    replicas: tuple[FdoRole, FdoRole, list[Effect]],
) -> None:
    first, second, done = replicas
    token = first.handle(MAKE, b"", None).authorization
    assert token is not None
    assert len(token) < LONGEST
    for replica in (second, first):
        assert replica.handle(MADE, b"", token).message_type == MsgType.DI_DONE
    assert done == [TAKEN, TAKEN]


def test_a_short_token_is_of_no_use_once_its_run_is_over(
    replicas: tuple[FdoRole, FdoRole, list[Effect]],
) -> None:
    first, second, done = replicas
    token = first.handle(MAKE, b"", None).authorization
    first.peer_error(ErrorMessage(500, 11, "out of memory", NOW, None).encode(), token)
    for replica in (first, second):
        with pytest.raises(errors.TokenRefused, match="not known, or is over"):
            replica.handle(MADE, b"", token)
    assert not done
