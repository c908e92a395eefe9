"""Protocol steps joined to sessions: any message, any replica.

A peer that has proved nothing costs no storage: its state is sealed into the
one token of its run. From the proof on, the state is a row that moves by
compare-and-swap, so a copy of a message, or one that races another, is refused.

Source: FDO.md 2.10 in our reference; FDO 1.1, section 4.3.
"""

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from onboarding.protocol import errors
from onboarding.protocol.registry import ServerRole
from onboarding.protocol.step import Effect, State, Step
from onboarding.services.transport import FdoResponse
from onboarding.services.warm_runs import Run, WarmRuns, key_of
from onboarding.store import errors as store_errors
from onboarding.store.runs import RunStore
from onboarding.store.server_keys import ServerKeys
from onboarding.store.tokens import TokenSealer
from onboarding.wire.message import MsgType
from ownership_vouchers.errors import DecryptError, MalformedError, VoucherError

log = logging.getLogger(__name__)

# Anyone on the path can send these with a copied token: they end nothing.
_HARMLESS = (errors.UnexpectedMessage, DecryptError, MalformedError)


@dataclass(frozen=True, slots=True)
class ProtocolRole:
    """One server role, ready to be stepped.

    Args:
        server: Its pure step and messages; its name is what tokens are bound to.
        seconds: How long a run may take.
        env: Makes the step's Env for the present second.
        commit: Makes an effect durable before the reply leaves; (effect, now,
            run id).
        on_failure: Told of a proven run that failed, with its last state.
    """

    server: ServerRole
    seconds: int
    env: Callable[[int], Any]
    commit: Callable[[Effect, int, bytes], None]
    on_failure: Callable[[State, str, Exception | None, int], None] | None = None


class FdoRole:
    """The message handler of a service: one or several protocol roles."""

    def __init__(
        self,
        roles: Iterable[ProtocolRole],
        keys: ServerKeys,
        runs: RunStore,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._roles = tuple(roles)
        self._by_type = {
            kind: role for role in self._roles for kind in role.server.messages
        }
        self._keys = keys
        self._runs = runs
        self._clock = clock
        self._warm = WarmRuns()

    def handle(
        self, number: int, body: bytes, authorization: str | None
    ) -> FdoResponse:
        """Answer one message.

        Raises:
            ProtocolError, VoucherError: The message is refused.
            StoreError: The store failed; nothing was promised to the peer.
        """
        role = self._by_type.get(number)  # type: ignore[call-overload]
        if role is None:
            raise errors.UnexpectedMessage(f"this service takes no message {number}")
        now = int(self._clock())
        kind = MsgType(number)
        if kind is role.server.opening:
            return self._open(role, body, now)
        return self._continue(role, kind, body, authorization, now)

    def peer_error(self, body: bytes, authorization: str | None) -> None:
        """End the run of a peer that reports an error of its own."""
        now = int(self._clock())
        log.info("a peer reports: %r", body[:512])
        for role in self._roles:
            try:
                run = self._load(role, authorization, now)
            except (errors.ProtocolError, store_errors.StoreError):
                continue
            self._fail(role, run, "the device reported an error", None, now)

    def _open(self, role: ProtocolRole, body: bytes, now: int) -> FdoResponse:
        step = role.server.step(None, role.server.opening, body, role.env(now))
        if step.state is None or not step.state.sealed or step.effects:
            raise AssertionError(f"{role.server.name} opens with a state for the token")
        sealer = self._keys.sealer(now)
        token = sealer.seal(role.server.name, step.state.encode(), now + role.seconds)
        return FdoResponse(step.reply_type, step.reply, f"Bearer {token}")

    def _continue(
        self,
        role: ProtocolRole,
        kind: MsgType,
        body: bytes,
        authorization: str | None,
        now: int,
    ) -> FdoResponse:
        warm = self._warm.get(key_of(role.server.name, _bearer(authorization)), now)
        if warm is not None:
            taken = self._take_warm(role, kind, body, warm, now)
            if taken is not None:
                return taken
        run = self._load(role, authorization, now)
        try:
            step = role.server.step(run.state, kind, body, role.env(now))
        except (errors.ProtocolError, VoucherError) as error:
            if not isinstance(error, _HARMLESS):
                self._fail(role, run, f"message {int(kind)}", error, now)
            raise
        if not self._advance(role, run, step, now):
            raise errors.MessageRefused("the run has gone on without this message")
        return self._reply(role, run, step, now)

    def _take_warm(
        self, role: ProtocolRole, kind: MsgType, body: bytes, run: Run, now: int
    ) -> FdoResponse | None:
        """Take the message where the run stood here; None when the row must tell."""
        try:
            step = role.server.step(run.state, kind, body, role.env(now))
        except (errors.ProtocolError, VoucherError):
            return None
        if not self._advance(role, run, step, now):
            return None
        return self._reply(role, run, step, now)

    def _reply(self, role: ProtocolRole, run: Run, step: Step, now: int) -> FdoResponse:
        for effect in step.effects:
            role.commit(effect, now, run.token_id)
        return FdoResponse(step.reply_type, step.reply)

    def _load(self, role: ProtocolRole, authorization: str | None, now: int) -> Run:
        name, sealer, token = (
            role.server.name,
            self._keys.sealer(now),
            _bearer(authorization),
        )
        try:
            opened = sealer.open(token, name, now)
            row = self._runs.load(opened.id, now)
            step, payload = None, opened.payload
            if row is not None:
                step, sealed = row
                payload = sealer.open_bytes(sealed, name, now, opened.id)
        except store_errors.TokenRefused as error:
            raise errors.TokenRefused(str(error)) from error
        state = role.server.decode_state(payload)
        return Run(key_of(name, token), opened.id, state, step, opened.expires)

    def _advance(self, role: ProtocolRole, run: Run, step: Step, now: int) -> bool:
        """Move the run on; False when a copy of the message was faster."""
        expires = now + role.seconds
        if step.state is None:
            return self._end(run, expires)
        if step.state.sealed:
            return True  # the token says it all, and stays as it is
        return self._move(role, run, step.state, now)

    def _move(self, role: ProtocolRole, run: Run, state: State, now: int) -> bool:
        expires = now + role.seconds
        sealed = self._seal(role, run, state, expires)
        if run.step is None:
            at, won = 0, self._runs.begin(run.token_id, 0, sealed, expires)
        else:
            at = run.step + 1
            won = self._runs.advance(run.token_id, run.step, at, sealed, now)
        if won:
            self._warm.put(Run(run.key, run.token_id, state, at, run.expires))
        return won

    def _end(self, run: Run, expires: int) -> bool:
        self._warm.drop(run.key)
        if run.step is None:
            return self._runs.spend(run.token_id, expires)
        return self._runs.finish(run.token_id, run.step)

    def _seal(self, role: ProtocolRole, run: Run, state: State, expires: int) -> bytes:
        sealer: TokenSealer = self._keys.sealer(expires - role.seconds)
        return sealer.seal_bytes(
            role.server.name, state.encode(), expires, run.token_id
        )

    def _fail(
        self,
        role: ProtocolRole,
        run: Run,
        where: str,
        error: Exception | None,
        now: int,
    ) -> None:
        """End a proven run; an unproven one has nothing to end."""
        self._warm.drop(run.key)
        if run.step is None or not self._runs.finish(run.token_id, run.step):
            return
        if role.on_failure is not None:
            role.on_failure(run.state, where, error, now)


def _bearer(authorization: str | None) -> str:
    """The token, with or without its scheme in front."""
    if authorization is None:
        raise errors.TokenRefused("no Authorization")
    scheme, space, rest = authorization.partition(" ")
    if space and scheme.lower() == "bearer":
        return rest.strip()
    return authorization.strip()
